"""A writer's own temporary types must never be taken for PostgreSQL's by a function that runs as its owner."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from mlguard import api
from tests.support import project

SCHEMA = """
create schema features;
create table features.customer (
  customer_id bigint primary key, age integer, plan text, payload jsonb, tenure_days double precision,
  event_ts timestamptz default now());
create schema ops;
create table ops.plans (plan text primary key);
insert into ops.plans values ('free'), ('pro');
create schema predictions;
create table predictions.churn (
  customer_id bigint primary key, as_of timestamptz default now(), score double precision, raw_score double precision,
  label text, raw_label text, due date, raw_due date, model_version text);
"""

CUSTOMER = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
writes: %s
columns:
  age: {type: integer, range: {between: [0, 130], on_violation: quarantine}}
  plan: {type: text, length: {between: [1, 20], on_violation: warn}}
  tenure_days: {type: double precision, range: {between: [0, null], on_violation: repair, repair: {default: 0}}}
slos:
  - {name: known_plan, check: plan IN (SELECT plan FROM ops.plans), on_violation: warn}
  - {name: number, check: "(payload ->> 'n')::integer > 0", on_violation: quarantine}
  - {name: mean_age, check: mean(age) < 100, over: batch, on_violation: warn}
  - {name: coverage, check: coverage(age) >= 0.5, over: 1 day}
  - {name: fresh, check: "staleness() <= INTERVAL '26 hours'"}
  - {name: volume, check: row_count() >= 1, over: last 1 hour, on_violation: hold}
  - {name: one_plan, assert: SELECT customer_id FROM features.customer WHERE plan = 'none'}
"""

CHURN = """
mlguard: 1
table: predictions.churn
model: churn
version_column: model_version
key: [customer_id]
event_time: as_of
features: [features.customer]
when_features_held: allow
post:
  - {name: prior, when: score IS NULL, set: {score: 0.5}}
  - {name: clip, clamp: {score: [0, 1]}}
  - {name: tidy, set: {label: lower(label)}}
  - {name: day, set: {due: "coalesce(due, DATE '2026-01-01')"}}
  - {name: unsure, when: score BETWEEN 0.45 AND 0.55, route: review}
raw: {score: raw_score, label: raw_label, due: raw_due}
slos:
  - {name: mean_score, check: mean(score) <= 0.5, over: 1 day, by: model_version}
"""

# Whatever a function may cast to or declare.
TYPES = (
    "text", "jsonb", "json", "bigint", "int8", "integer", "int4", "boolean", "bool", "double precision", "float8",
    "numeric", "timestamptz", "timestamp", "interval", "date", "xid8", "pg_snapshot", "regclass", "name", "bytea",
)  # fmt: skip


@pytest.mark.parametrize("writes", ["bulk", "rows"])
def test_no_temporary_type_of_a_writer_runs_as_the_owner(pg: str, tmp_path: Path, writes: str) -> None:
    with psycopg.connect(pg, autocommit=True) as admin:
        admin.execute(SCHEMA.encode())
        database = admin.info.dbname
        user = f"evil_{database}"
        files = project(tmp_path, CUSTOMER % writes, "customer.slo.yaml")
        files = project(tmp_path, CHURN, "churn.slo.yaml")
        api.apply(api.load(tmp_path / "slos"), pg)
        assert len(files.files) == 2
        role = sql.Identifier(user)
        admin.execute(sql.SQL("create role {} login").format(role))
        try:
            admin.execute(sql.SQL("grant usage on schema features, predictions to {}").format(role))
            admin.execute(
                sql.SQL("grant select, insert, update, delete on features.customer, predictions.churn to {}").format(
                    role
                )
            )
            admin.execute(sql.SQL("grant mlguard_task, mlguard_writer to {}").format(role))
            admin.execute(sql.SQL("grant select on features.customer_guarded to {}").format(role))
            ran_as = attack(psycopg.conninfo.make_conninfo(pg, user=user))
        finally:
            admin.execute(sql.SQL("drop owned by {}").format(role))
            admin.execute(sql.SQL("drop role {}").format(role))
    assert ran_as <= {user}, "a writer's code ran as somebody else"


def attack(dsn: str) -> set[str]:
    """Write and read with temporary domains in the place of every type; return as whom their checks ran."""
    ran_as: set[str] = set()
    with psycopg.connect(dsn, autocommit=True) as evil:
        evil.add_notice_handler(lambda notice: note(notice.message_primary or "", ran_as))
        evil.execute(
            "create function pg_temp.pwn() returns boolean language plpgsql as"
            " $$begin raise notice 'ran as %', current_user; return true; end$$"
        )
        for name in TYPES:
            evil.execute(
                sql.SQL("create domain pg_temp.{0} as {1} check (pg_temp.pwn())").format(
                    sql.Identifier(name),
                    sql.SQL("pg_catalog." + BASES.get(name, name)),
                )
            )
        evil.execute("insert into features.customer values (1, 30, 'free', '{\"n\": 1}', 3)")
        evil.execute(
            "insert into features.customer values (2, -4, 'gold', '{\"n\": \"x\"}', -3), (3, 5, '', '{}', 'NaN')"
        )
        evil.execute(
            "insert into features.customer values (1, 31, 'pro', '{}', 4) on conflict (customer_id) do update"
            " set age = excluded.age"
        )
        with evil.cursor().copy("copy features.customer (customer_id, age, plan) from stdin") as copy:
            copy.write("10\t40\tfree\n11\t-1\tfree\n")
        evil.execute("update features.customer set age = 41 where customer_id = 10")
        evil.execute("delete from features.customer where customer_id = 10")
        evil.execute(
            "insert into predictions.churn (customer_id, score, model_version) values (1, null, '7'), (2, 7, '7')"
        )
        evil.execute("insert into predictions.churn (customer_id, score, label) values (3, 0.9, 'A')")
        evil.execute("update predictions.churn set score = 0.5 where customer_id = 2")
        evil.execute("select count(*) from features.customer_guarded")
        evil.execute("select mlguard.assert_ok('features.customer')")
        with pytest.raises(psycopg.Error, match="mlguard"):
            evil.execute("insert into features.customer values (4, 5, 'none', '{\"n\": 1}', 3)")
        evil.execute("select mlguard.begin_training('churn')")
    return ran_as


BASES = {"bigint": "int8", "integer": "int4", "boolean": "bool", "double precision": "float8"}


def note(message: str, ran_as: set[str]) -> None:
    if message.startswith("ran as "):
        ran_as.add(message.removeprefix("ran as "))
