"""Every finding of doctor, made to happen on a real server; and a database in which there is none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from mlguard import api, doctor
from mlguard.cli import cli
from mlguard.connect import session
from mlguard.doctor import NAMES, Finding
from tests.support import prepare, project

TABLE = "features.customer"
MAKE = """
create schema if not exists features;
create table features.customer (id bigint primary key, day date not null, age integer, plan text, email text,
                                event_ts timestamptz);
"""
SLOS = """
mlguard: 1
table: features.customer
key: [id]
event_time: event_ts
quarantine: {cap: 5}
columns:
  age: {type: integer, range: {between: [0, 130], on_violation: quarantine}}
  plan: {type: text, in: [free, pro]}
slos:
  - {name: fresh, check: staleness() <= INTERVAL '26 hours'}
  - {name: some, check: age > 18, on_violation: warn, max_bad: 50%}
"""
Find = Callable[[], list[Finding]]


@pytest.fixture
def guarded(guarded_db: str, tmp_path: Path) -> str:
    """A guarded table without a finding."""
    prepare(guarded_db, MAKE)
    api.apply(project(tmp_path, SLOS), guarded_db)
    assert examine(guarded_db) == []
    return guarded_db


@pytest.fixture
def analyst(guarded: str) -> Iterator[str]:
    """A role that may use the schema, and another that inherits from it."""
    prepare(guarded, "create role cli_analyst; create role cli_bob in role cli_analyst;"
                     "grant usage on schema features to cli_analyst")  # fmt: skip
    yield "cli_analyst"
    prepare(guarded, "drop owned by cli_analyst, cli_bob; drop role cli_bob, cli_analyst")


def examine(dsn: str) -> list[Finding]:
    with session(dsn) as connection:
        return doctor.examine(connection)


def only(dsn: str, name: str) -> Finding:
    found = examine(dsn)
    assert [finding.name for finding in found] == [name]
    return found[0]


def test_nothing_to_find(guarded: str) -> None:
    done = CliRunner().invoke(cli, ["doctor", "--dsn", guarded])
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "no finding\n")


def test_findings_are_told_with_their_fix_and_can_be_ignored(guarded: str) -> None:
    prepare(guarded, f'alter table {TABLE} drop constraint "mlguard_plan.in"')
    done = CliRunner().invoke(cli, ["doctor", "--dsn", guarded])
    assert done.exit_code == 1
    assert done.stdout == f"missing: {TABLE}: CHECK mlguard_plan.in is gone\n   fix: mlguard apply\n"
    assert (
        json.loads(CliRunner().invoke(cli, ["doctor", "--dsn", guarded, "--format", "json"]).stdout)[0]["table"]
        == TABLE
    )
    assert CliRunner().invoke(cli, ["doctor", "--dsn", guarded, "--ignore", "missing"]).exit_code == 0


@pytest.mark.parametrize(
    ("sql", "name", "said"),
    [
        (f"alter table {TABLE} disable trigger zz_mlguard_before_row", "disabled", "zz_mlguard_before_row"),
        (f"create or replace view {TABLE}_guarded as select * from {TABLE}", "tampered", "customer_guarded"),
        (f"drop trigger zz_mlguard_kept_out on {TABLE}", "missing", "zz_mlguard_kept_out"),
        (f"alter table {TABLE} enable trigger zz_mlguard_before_row", "not-always", "session_replication_role"),
        (
            (
                "create function late() returns trigger language plpgsql as 'begin return new; end';"
                f"create trigger zzz before update on {TABLE} for each row execute function late()"
            ),
            "later-trigger",
            "row trigger zzz runs after",
        ),
        (f"drop table {TABLE} cascade", "gone", "no longer exists"),
        (f"drop table {TABLE} cascade; {MAKE}", "re-created", "was made anew"),
        (f"alter table {TABLE} rename to client", "gone", "the table is features.client now"),
        (f"create table features.child () inherits ({TABLE})", "heir", "table features.child inherits"),
        (
            (
                "create table features.age (age integer primary key);"
                f"alter table {TABLE} add constraint known_age foreign key (age) references features.age"
                " on update cascade"
            ),
            "cascade",
            "foreign key known_age writes age",
        ),
        (f"create view features.leak as select * from {TABLE}", "view-past-gate", "features.leak"),
        (f"create materialized view features.leak as select * from {TABLE}", "view-past-gate", "features.leak"),
        (
            f"insert into {TABLE} select 10 + g, now(), 999 from generate_series(1, 4) as g",
            "quarantine-cap",
            "4 rows wait in quarantine, the cap is 5",
        ),
        (f"alter table {TABLE} drop constraint customer_pkey", "key-index", "no index begins with a column of the key"),
        (f"begin; lock table {TABLE} in share mode; prepare transaction 'cli forgot'", "prepared", "cli forgot"),
        (f"revoke select on {TABLE}_guarded from mlguard_task", "ungranted", "mlguard_task may not SELECT"),
        (f"grant select on {TABLE} to public; grant usage on schema features to public", "reads-past-gate", "PUBLIC"),
    ],
    ids=lambda given: given if given in NAMES else "",
)
def test_finds(guarded: str, sql: str, name: str, said: str) -> None:
    prepare(guarded, sql)
    finding = only(guarded, name)
    assert said in finding.message
    assert finding.table == TABLE
    assert finding.fix


def test_a_renamed_column_is_named(guarded: str) -> None:
    prepare(guarded, f"alter table {TABLE} rename age to years")
    with pytest.raises(psycopg.errors.UndefinedColumn):
        prepare(guarded, f"insert into {TABLE} (id, day, years) values (1, now(), 5)")
    said = {finding.name: finding.message for finding in examine(guarded)}
    assert said["column-gone"].startswith("column age is gone or was renamed, age.range, some still name it")
    prepare(guarded, f"alter table {TABLE} rename years to age")
    assert examine(guarded) == []


def test_foreign_keys_that_write_nothing_are_no_finding(guarded: str) -> None:
    prepare(
        guarded,
        "create table features.plan (plan text primary key); create table features.age (age integer primary key);"
        f"alter table {TABLE} add foreign key (plan) references features.plan on update cascade;"
        f"alter table {TABLE} add foreign key (age) references features.age on delete cascade",
    )
    assert examine(guarded) == []


def test_a_trigger_that_sorts_before_ours_is_no_finding(guarded: str) -> None:
    prepare(
        guarded,
        "create function early() returns trigger language plpgsql as 'begin return new; end';"
        f"create trigger aaa before insert on {TABLE} for each row execute function early();"
        f"create trigger zzz after insert on {TABLE} for each row execute function early()",
    )
    assert examine(guarded) == []


def test_roles_that_read_round_the_gate(guarded: str, analyst: str) -> None:
    prepare(guarded, f"grant select on {TABLE} to {analyst}")
    said = [finding.message for finding in examine(guarded)]
    assert said == [
        "cli_analyst may SELECT the table itself, not only its guarded view",
        "cli_bob (through cli_analyst) may SELECT the table itself, not only its guarded view",
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "grant select on features.customer_guarded to cli_analyst",
        "grant insert on features.customer to cli_analyst",
        "grant select on features.customer to cli_analyst; grant mlguard_platform to cli_analyst",
        "grant select on features.customer to cli_analyst; revoke usage on schema features from cli_analyst",
    ],
)
def test_roles_that_do_not_read_round_the_gate(guarded: str, analyst: str, sql: str) -> None:
    prepare(guarded, sql)
    assert examine(guarded) == []


def test_one_column_is_enough_to_read_round_the_gate(guarded: str, analyst: str) -> None:
    prepare(guarded, f"grant select (age) on {TABLE} to {analyst}")
    assert {finding.name for finding in examine(guarded)} == {"reads-past-gate"}


def test_plan_names_who_reads_round_the_gate_until_they_are_revoked(guarded: str, analyst: str, tmp_path: Path) -> None:
    prepare(guarded, f"grant select on {TABLE} to {analyst}")
    slos = project(tmp_path, SLOS).root
    words = ["plan", "--dsn", guarded, "--slos", str(slos)]
    assert (
        "can read round the gate: cli_analyst; cli_bob (through cli_analyst)" in CliRunner().invoke(cli, words).stdout
    )
    project(tmp_path, SLOS + "revoke: [cli_analyst]\n")
    done = CliRunner().invoke(cli, words)
    assert "can read round the gate" not in done.stdout
    assert "revoke select from cli_analyst" in done.stdout
    assert CliRunner().invoke(cli, ["apply", "--yes", *words[1:]]).exit_code == 0
    assert examine(guarded) == []


def test_owners_whose_code_would_run_as_ours(guarded: str, analyst: str, tmp_path: Path) -> None:
    prepare(guarded, "create schema ops; create table ops.plans (plan text); insert into ops.plans values ('free');"
                     f"alter table ops.plans owner to {analyst}; alter table {TABLE} owner to {analyst}")  # fmt: skip
    looks_up = "  - {name: known, check: plan IN (SELECT plan FROM ops.plans), on_violation: warn}\n"
    api.apply(project(tmp_path, SLOS + looks_up), guarded)
    found = [finding for finding in examine(guarded) if finding.name == "owner"]
    assert [finding.message.partition(":")[0] for finding in found] == [
        "features.customer belongs to cli_analyst",
        "ops.plans belongs to cli_analyst",
    ]
    assert "runs with the rights of postgres" in found[0].message
    for finding in found:
        prepare(guarded, finding.fix.partition(": ")[2])
    assert examine(guarded) == []


def test_constraints_that_were_not_validated(guarded_db: str, tmp_path: Path) -> None:
    prepare(guarded_db, MAKE + f"insert into {TABLE} values (1, now(), 1, 'gratis')")
    api.apply(project(tmp_path, SLOS + "existing: allow\n"), guarded_db)
    finding = only(guarded_db, "unvalidated")
    assert "mlguard_plan.in" in finding.message


def test_personal_data_in_keys_and_logs(guarded_db: str, tmp_path: Path) -> None:
    prepare(guarded_db, MAKE + f"alter table {TABLE} add unique (email)")
    pii = SLOS.replace("  plan:", "  email: {type: text, pii: true, length: [1, 200]}\n  plan:")
    api.apply(project(tmp_path, pii), guarded_db)
    found = examine(guarded_db)
    said = {finding.name: finding.message for finding in found}
    assert set(said) == {"pii-key", "pii-row", "pii-log"}
    assert "customer_email_key" in said["pii-key"]
    assert "NOT NULL of" in said["pii-row"]
    assert "log_min_error_statement = error" in said["pii-log"]
    database = psycopg.conninfo.conninfo_to_dict(guarded_db)["dbname"]
    prepare(guarded_db, f"alter database {database} set log_min_error_statement = fatal")
    assert {finding.name for finding in examine(guarded_db)} == {"pii-key", "pii-row"}


def test_partitions_that_lack_statement_triggers(guarded_db: str, tmp_path: Path) -> None:
    prepare(
        guarded_db,
        "create schema features; create table features.customer (id bigint, day date, age integer, plan text,"
        " event_ts timestamptz) partition by range (day);"
        "create table features.customer_2026 partition of features.customer"
        " for values from ('2026-01-01') to ('2027-01-01')",
    )
    api.apply(project(tmp_path, SLOS), guarded_db)
    assert [finding.name for finding in examine(guarded_db)] == ["key-index"]
    prepare(
        guarded_db,
        "create index on features.customer (id);"
        "create table features.customer_2027 (like features.customer including all);"
        "alter table features.customer attach partition features.customer_2027"
        " for values from ('2027-01-01') to ('2028-01-01')",
    )
    finding = only(guarded_db, "partition")
    assert "features.customer_2027 lacks" in finding.message
    api.apply(project(tmp_path, SLOS), guarded_db)
    assert examine(guarded_db) == []


def test_roles_that_do_not_exist(guarded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlguard.doctor.server.ROLES", ("mlguard_platform", "mlguard_nobody"))
    assert "mlguard_nobody" in only(guarded, "role").message


def test_a_runtime_of_another_version_is_the_only_finding(guarded: str) -> None:
    prepare(guarded, "update mlguard.alembic_version set version_num = '9999'")
    assert "newer than this client" in only(guarded, "runtime").message


def test_a_server_that_counts_no_rows(guarded: str) -> None:
    database = psycopg.conninfo.conninfo_to_dict(guarded)["dbname"]
    prepare(guarded, f"alter database {database} set track_counts = off")
    assert only(guarded, "track-counts").fix


def test_a_database_without_mlguard(bare18: str) -> None:
    done = CliRunner().invoke(cli, ["doctor", "--dsn", bare18])
    assert done.exit_code == 3
    assert "not installed" in done.stderr
