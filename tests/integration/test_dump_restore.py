"""pg_dump, and restore on another server and major version: all that mlguard knows comes along and goes on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mlguard import api, doctor
from mlguard.connect import session
from mlguard.embedded import wheel_binaries
from mlguard.operate.status import status
from tests import servers
from tests.runtime_example import value
from tests.support import prepare, project, query

TABLE = """
create schema features;
create table features.customer (
  customer_id bigint primary key, age integer, plan text, tenure double precision, event_ts timestamptz not null
);
create table features.day (id int, a int, at timestamptz not null) partition by range (at);
create table features.day_1 partition of features.day for values from ('2026-01-01') to ('2026-01-02');
"""
CUSTOMER = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
owner: platform-ml
columns:
  tenure: {range: [0, null]}
  age: {range: {between: [0, 130], on_violation: quarantine}}
  plan: {in: {values: [free, pro], on_violation: warn}}
slos:
  - {name: fresh, check: staleness() <= INTERVAL '26 hours'}
  - {name: filled, check: coverage(age) >= 0.5, over: batch, on_violation: reject, min_rows: 5}
  - {name: alike, check: mean(tenure) <= 100, over: batch, on_violation: hold, min_rows: 1}
  - {name: enough, check: row_count() >= 3, over: 1 day, on_violation: warn}
  - {name: drift, check: "change(mean(tenure), '3 days') <= 10", over: 1 day, min_rows: 1}
  - {name: known, assert: "SELECT c.customer_id FROM features.customer c WHERE c.customer_id < 0"}
"""
DAY = """
mlguard: 1
table: features.day
event_time: at
reads: none
slos:
  - {name: a, check: a > 0, on_violation: quarantine}
  - {name: many, check: row_count() >= 1, over: 1 day, min_rows: 0}
"""
LOAD = """
insert into features.customer select n, case when n = 3 then -3 else 30 end, 'pro', 5, now() - interval '1 day'
from generate_series(1, 20) n;
insert into features.customer select n, 30, 'pro', 6, now() - interval '2 days' from generate_series(21, 40) n;
insert into features.customer values (50, 30, 'gold', 500, now());
insert into features.day select n, n - 1, '2026-01-01 03:00+00' from generate_series(1, 4) n;
select mlguard.sweep();
select mlguard.off('features.customer/plan.in', '1 hour', 'a reason');
select mlguard.ack(id, 'seen') from mlguard.incident order by id limit 1;
select mlguard.sweep();
"""
FORMATS = {"plain": (), "custom": ("--format=custom",), "directory": ("--format=directory", "--jobs=2")}
HISTORY = (
    "select id, tbl, key, row, row_text, status, broken from mlguard._quarantine order by id",
    "select id, slo, tbl, outcome, observed, window_start from mlguard._verdict order by id",
    "select id, tbl, metric, value, n from mlguard._metric order by id",
    "select tbl, bucket, segment, n, states from mlguard._bucket order by 1, 2, 3",
    "select id, slo, batch, ended_at, observed from mlguard._hold order by id",
    "select id, slo, state, observed, opened_at, times from mlguard._incident order by id",
    "select id, who, act, target, reason from mlguard._event order by id",
    "select no, event, hash from mlguard._event_seal order by no",
    "select slo, refused from mlguard.rejection order by slo",
    "select tbl, state from mlguard.gate order by tbl",
    "select id, tbl, landed, withheld from mlguard.batch order by id",
)
ROLES = "create role mlguard_platform; create role mlguard_task; create role mlguard_writer;"


def run(*command: object, dsn: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program of PostgreSQL 18, which reads dumps of and dumps from all supported versions."""
    program, *words = command
    return subprocess.run(
        [wheel_binaries() / str(program), *map(str, words), *([dsn] if dsn else [])],
        capture_output=True,
        text=True,
        check=False,
    )


def dump(dsn: str, folder: Path, style: str, *words: str) -> Path:
    """Dump a database; return the file or folder."""
    target = folder / f"dump-{style}"
    done = run("pg_dump", *FORMATS[style], "--no-owner", f"--file={target}", *words, dsn=dsn)
    assert done.returncode == 0, done.stderr
    return target


def restore(source: Path, dsn: str, style: str, *words: str) -> str:
    """Restore a dump; return what went wrong in the programs' words."""
    if style == "plain":
        done = run("psql", "-Xq", "-v", "ON_ERROR_STOP=0", "-f", source, "-d", dsn)
    else:
        done = run("pg_restore", "--no-owner", *words, "-d", dsn, source)
    return done.stderr


def histories(dsn: str) -> list[list[tuple[object, ...]]]:
    return [query(dsn, sql) for sql in HISTORY]


def states(dsn: str) -> list[tuple[str, str]]:
    with session(dsn) as connection:
        return [(slo.slo, slo.state) for slo in status(connection).slos]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[servers.TestServer]:
    """Another server, whose transactions begin with low numbers again, and which has none of the roles."""
    with servers.embedded(18) as server:
        yield server


@pytest.fixture
def source(server: servers.TestServer, tmp_path: Path) -> Iterator[str]:
    """DSN of a database with something in every table that matters, on each server in turn."""
    with server.guarded_database() as dsn:
        prepare(dsn, TABLE)
        (tmp_path / "slos").mkdir()
        (tmp_path / "slos" / "day.slo.yaml").write_text(DAY, encoding="utf-8")
        api.apply(project(tmp_path, CUSTOMER), dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("set lock_timeout = '5s'")
            for statement in LOAD.strip().removesuffix(";").split(";\n"):
                connection.execute(statement.encode())
            for refused in ("(60, 30, 'pro', -1, now())", "(-1, 30, 'pro', 1, now())"):
                with pytest.raises(psycopg.errors.CheckViolation):
                    connection.execute(f"insert into features.customer values {refused}".encode())
        yield dsn


def goes_on(dsn: str, loaded: Any) -> None:
    """A restored database judges on as the other would have: plan, doctor, gate, audit, batches, release."""
    assert api.plan(loaded, dsn).empty
    with psycopg.connect(dsn, autocommit=True) as connection:
        assert doctor.examine(connection) == []
        assert connection.execute("select fault from mlguard.verify_audit()").fetchall() == []
        with pytest.raises(psycopg.Error, match=r"features.customer is held since .* mean\(tenure\) is 500"):
            connection.execute("select * from features.customer_guarded")
        # The number of a transaction comes again on another server: its batch is another one all the same.
        again = int(value(connection, "select pg_current_xact_id()::text::bigint")) + 3
        last = value(connection, "select max(id) from mlguard._batch")
        connection.execute("update mlguard._batch set xid = %s::text::xid8 where id = %s", [str(again), last])
        while value(connection, "select pg_current_xact_id()::text::bigint") < again - 1:
            pass
        connection.execute(
            "insert into features.customer select n, case when n = 101 then 200 else 40 end, 'pro', 7, now()"
            " from generate_series(100, 109) n"
        )
        batch = connection.execute(
            "select id > %s, landed, withheld from mlguard.batch order by id desc", [last]
        ).fetchone()
        assert batch == (True, 9, 1)
        assert value(connection, "select count(*) from mlguard._batch where xid = %s::text::xid8", str(again)) == 2
        with pytest.raises(psycopg.errors.CheckViolation, match=r"coverage\(age\) is 0.2 over the 5 rows"):
            connection.execute(
                "insert into features.customer select n, case n when 51 then 30 end, 'pro', 5, now()"
                " from generate_series(51, 55) n"
            )
        with pytest.raises(psycopg.errors.CheckViolation, match="tenure is -1"):
            connection.execute("insert into features.customer values (60, 30, 'pro', -1, now())")
        with pytest.raises(psycopg.errors.CheckViolation, match=r"features\.customer/known"):
            connection.execute("insert into features.customer values (-1, 30, 'pro', 1, now())")
        assert connection.execute(
            "select refused from mlguard.rejection where slo = 'features.customer/tenure.range'"
        ).fetchone() == (2,)
        assert connection.execute("select outcome from mlguard.release(1, '{\"age\": 3}')").fetchone() == ("released",)
        connection.execute("delete from features.customer where tenure = 500")
        connection.execute("select mlguard.sweep()")
        assert connection.execute("select count(*) from features.customer_guarded").fetchone() == (49,)
        assert connection.execute(
            "select sum(n) from mlguard._bucket where tbl = 'features.customer' and segment = '{}'"
        ).fetchone() == (49,)
        assert connection.execute("select fault from mlguard.verify_audit()").fetchall() == []


def test_a_whole_database_goes_to_another_server(source: str, elsewhere: servers.TestServer, tmp_path: Path) -> None:
    [(version,)] = query(source, "select current_setting('server_version_num')::int / 10000")
    style = "plain" if version == 18 else "directory"
    loaded = api.load(tmp_path / "slos")
    before, judged = histories(source), states(source)
    assert all(before)
    with elsewhere.database() as target:
        prepare(target, f"do $$ begin {ROLES} exception when duplicate_object then null; end $$")
        assert restore(dump(source, tmp_path, style), target, style) == ""
        assert histories(target) == before
        assert states(target) == judged
        goes_on(target, loaded)


def test_roles_that_the_other_server_lacks(guarded_db: str, tmp_path: Path) -> None:
    """Without them the dump's grants fail; with those left out doctor says what lacks, and it can be made up for."""
    prepare(guarded_db, TABLE)
    loaded = project(tmp_path, CUSTOMER)
    api.apply(loaded, guarded_db)
    with servers.embedded(18) as bare, bare.database() as target, bare.database() as strict:
        copy = dump(guarded_db, tmp_path, "custom")
        assert 'role "mlguard_platform" does not exist' in restore(copy, strict, "custom", "--exit-on-error")
        assert restore(copy, target, "custom", "--no-privileges") == ""
        with psycopg.connect(target, autocommit=True) as connection:
            lacking = doctor.examine(connection)
            assert {found.name for found in lacking} == {"role", "public-functions"}
            connection.execute(ROLES.encode())
            connection.execute("select mlguard.grant_roles()")
            [ungranted] = doctor.examine(connection)
            assert ungranted.name == "ungranted"
            connection.execute(ungranted.fix.encode())
            assert doctor.examine(connection) == []
            rights = "select oid::regprocedure::text, proacl is null, has_function_privilege('public', oid, 'execute')"
            functions = f"{rights} from pg_proc where pronamespace = 'mlguard'::regnamespace order by 1"
            assert connection.execute(functions.encode()).fetchall() == query(guarded_db, functions)
        assert api.plan(loaded, target).empty


def test_a_dump_of_one_schema(guarded_db: str, elsewhere: servers.TestServer, tmp_path: Path) -> None:
    """CHECKs of mlguard call a function of schema mlguard; portable ones are PostgreSQL's own."""
    prepare(
        guarded_db,
        "create schema features; create table features.bound (id int primary key, a int, b int);"
        "create table features.free (id int primary key, a int, b int)",
    )
    rule = "{name: positive, check: a > 0%s}"
    (tmp_path / "slos").mkdir()
    for name, more in (("bound", ""), ("free", ", portable: true")):
        text = f"mlguard: 1\ntable: features.{name}\nkey: [id]\nreads: none\nslos:\n  - {rule % more}\n"
        (tmp_path / "slos" / f"{name}.slo.yaml").write_text(text, encoding="utf-8")
    loaded = api.load(tmp_path / "slos")
    api.apply(loaded, guarded_db)
    for name in ("bound", "free"):
        prepare(guarded_db, f"insert into features.{name} values (1, 1, -1)")
    copy = dump(guarded_db, tmp_path, "custom", "--schema=features")
    with elsewhere.database() as target:
        said = restore(copy, target, "custom", "--no-privileges")
        assert 'schema "mlguard" does not exist' in said
        assert query(target, "select to_regclass('features.bound'), to_regclass('features.free')::text") == [
            (None, "features.free")
        ]
        assert query(target, "select * from features.free") == [(1, 1, -1)]
        with pytest.raises(psycopg.errors.CheckViolation, match='violates check constraint "mlguard_positive"'):
            prepare(target, "insert into features.free values (2, -1, 0)")
