"""A database worth attacking, roles that attack it, and what must be as it was afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from mlguard import api
from tests.support import write

SECRET = "secret-4711"
# task reads, writer loads, hostile does both; every one of them may make what it likes in public and in pg_temp.
ROLES = {
    "attack_task": "mlguard_task",
    "attack_writer": "mlguard_writer",
    "attack_hostile": "mlguard_task, mlguard_writer",
    "attack_stranger": "",
}
SCHEMA = """
create schema features;
create schema ops;
create schema predictions;
create table features.customer (customer_id bigint primary key, age integer, note text, event_ts timestamptz);
create table features.person (person_id bigint primary key, note text);
create table features.orders (order_id bigint primary key, age integer, plan text, note text);
create table features.kept (id bigint primary key, age integer);
create table ops.plans (plan text primary key);
insert into ops.plans values ('free'), ('pro');
create table predictions.churn (
  customer_id bigint, as_of timestamptz, model_version text, score double precision, raw_score double precision,
  note text, primary key (customer_id, as_of));
create table predictions.ltv (id bigint primary key, model_version text, score double precision);
"""
FILES = (
    """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
columns:
  age: {type: integer, range: {between: [0, 130], on_violation: quarantine}}
slos:
  - {name: coverage, check: coverage(note) >= 0.5, over: batch, on_violation: hold}
""",
    """
mlguard: 1
table: features.person
key: [person_id]
reads: policy
slos:
  - {name: coverage, check: coverage(note) >= 0.5, over: batch, on_violation: hold}
""",
    """
mlguard: 1
table: features.orders
key: [order_id]
reads: none
columns:
  age: {type: integer, range: [0, 130]}
slos:
  - {name: known_plan, check: plan IN (SELECT plan FROM ops.plans), on_violation: quarantine}
  - {name: notes, check: coverage(note) >= 0.9, over: batch, on_violation: reject, min_rows: 1}
  - {name: one_boss, assert: SELECT o.order_id FROM features.orders o WHERE o.note = 'boss' AND o.order_id > 1}
""",
    """
mlguard: 1
table: features.kept
key: [id]
reads: none
quarantine_update: remove
columns:
  age: {type: integer, range: {between: [0, 130], on_violation: quarantine}}
""",
    """
mlguard: 1
table: predictions.churn
model: churn
version_column: model_version
key: [customer_id, as_of]
event_time: as_of
features: [features.customer]
when_features_held: fallback
post:
  - {name: prior, when: score IS NULL, set: {score: 0.9}}
  - {name: half, set: {score: score / 2}}
  - {name: unsure, when: score BETWEEN 0.4 AND 0.5, route: review}
raw: {score: raw_score}
""",
    """
mlguard: 1
table: predictions.ltv
model: ltv
version_column: model_version
approval: required
key: [id]
""",
)
GRANTS = """
grant usage on schema features, ops, predictions to {role};
grant create on schema public to {role}
"""
WRITES = """
grant select, insert, update, delete on features.orders, predictions.churn, predictions.ltv to {role};
grant insert, update, delete on features.customer to {role};
grant select, insert, update, delete on features.person to {role};
grant select, insert on features.kept to {role}
"""
STATE = f"""
insert into features.customer values (1, 30, '{SECRET}', now()), (2, 400, '{SECRET}', now());
insert into features.customer select g, 30, '{SECRET}', now() from generate_series(3, 5) as g;
insert into features.customer select g, 30, null, now() from generate_series(10, 50) as g;
insert into features.person select g, '{SECRET}' from generate_series(1, 5) as g;
insert into features.person select g, null from generate_series(10, 50) as g;
insert into features.orders values (1, 30, 'free', 'boss');
insert into features.kept values (1, 30);
insert into predictions.churn values (1, '2026-01-01', '7', null, null, '{SECRET}');
analyze features.customer, features.person;
select mlguard.register('ltv', '1');
select mlguard.sweep()
"""
# Rows that are there before an attack must be there, and the same, after it.
RECORDED = ("_event", "_event_seal", "_quarantine", "_hold", "_slo", "_table", "_object", "_review", "_verdict",
            "_model_version", "_change", "_assertion")  # fmt: skip
# And nothing may be added to these.
CLOSED = ("_waiver", "_slo", "_table", "_object", "_assertion")


@dataclass
class World:
    """The database, and a way to act in it as somebody."""

    dsn: str
    told: list[str] = field(default_factory=list)  # what the last attack was told: rows, notices, errors
    before: dict[str, set[str]] = field(default_factory=dict)  # the private rows before the first attack

    def attack(self, role: str, *statements: str) -> str:
        """Run statements as a role, each in its own transaction unless they begin one.

        Returns:
            The SQLSTATE of the first that failed, or ''. A failed one ends the attack.
        """
        self.told = []
        state = ""
        with psycopg.connect(psycopg.conninfo.make_conninfo(self.dsn, user=role), autocommit=True) as connection:
            connection.add_notice_handler(lambda notice: self.told.append(f"{notice.message_primary}"))
            try:
                for statement in statements:
                    self._run(connection, statement)
            except psycopg.Error as error:
                state = error.sqlstate or "?"
                self.told += [str(error), f"{error.diag.message_detail} {error.diag.context}"]
        return state

    def _run(self, connection: psycopg.Connection[tuple[object, ...]], statement: str) -> None:
        with connection.cursor() as cursor:
            if statement.startswith("copy ") and statement.endswith("to stdout"):
                with cursor.copy(statement.encode()) as copy:
                    self.told += [bytes(line).decode() for line in copy]
                return
            if statement.startswith("copy ") and " from stdin" in statement:
                head, _, data = statement.partition("\n")
                with cursor.copy(head.encode()) as copy:
                    copy.write(data)
                return
            cursor.execute(statement.encode())
            if cursor.description:
                self.told += [str(row) for row in cursor.fetchall()]

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """Return what the owner sees."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def recorded(self) -> dict[str, set[str]]:
        """Return every row of the private tables that attacks must not change."""
        with psycopg.connect(self.dsn) as connection:
            return {
                name: {line for (line,) in connection.execute(f"select t::text from mlguard.{name} as t".encode())}
                for name in (*RECORDED, "_waiver")
            }

    def changed(self) -> set[str]:
        """Return the private tables in which something was changed, taken away, or added where nothing may be."""
        now = self.recorded()
        return {
            name
            for name, rows in self.before.items()
            if not rows <= now[name] or (name in CLOSED and rows != now[name])
        }


@contextmanager
def world(dsn: str, folder: Path) -> Iterator[World]:
    """Make it, and take the roles away afterwards."""
    slos = [write(folder, text, f"{number}.slo.yaml") for number, text in enumerate(FILES)]
    with psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(SCHEMA)
        api.apply(api.load(slos[0]), dsn)
        try:
            for role, groups in ROLES.items():
                name = sql.Identifier(role)
                admin.execute(sql.SQL("create role {} login").format(name))
                admin.execute(sql.SQL(GRANTS).format(role=name))
                if groups:
                    admin.execute(f"grant {groups} to {role}".encode())
                if role == "attack_task":
                    admin.execute("grant select on features.person to attack_task")
                if role in ("attack_writer", "attack_hostile"):
                    admin.execute(sql.SQL(WRITES).format(role=name))
            for statement in STATE.split(";\n"):
                admin.execute(statement.encode())
            made = World(dsn)
            made.before = made.recorded()
            yield made
        finally:
            for role in ROLES:
                with suppress(psycopg.errors.UndefinedObject):
                    admin.execute(f"drop owned by {role} cascade".encode())
                    admin.execute(f"drop role {role}".encode())
