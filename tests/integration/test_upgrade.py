"""The runtime goes up while tables are written to and keeps every row; down where nothing is lost; skew is said."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest
from alembic import command
from click.testing import CliRunner

from mlguard import api, doctor, runtime
from mlguard.cli import cli
from mlguard.errors import ApplyError, EngineError, RuntimeVersionError
from tests import runtime_example
from tests.runtime_example import session, value
from tests.support import prepare, project, query, write

LAST = runtime.versions()[-1]
# Of what the client of version 0025 left: its SLO file is this one, its objects and records are in the folder.
OLDER = Path(__file__).parent / "older" / "client_0025.sql"
SLOS = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
window: 1 day
columns:
  tenure: {range: [0, null]}
  age: {range: {between: [0, 130], on_violation: quarantine}}
  plan: {in: {values: [free, pro], on_violation: warn}}
slos:
  - {name: fresh, check: staleness() <= INTERVAL '26 hours'}
  - {name: filled, check: coverage(age) >= 0.5, over: batch, on_violation: reject, min_rows: 5}
  - {name: enough, check: row_count() >= 3, over: 1 day, on_violation: hold}
  - {name: alike, check: mean(tenure) <= 100, over: batch, on_violation: hold, min_rows: 1}
"""
KEPT = {
    "_table": "tbl, key, pii, applied_at",
    "_slo": "id, no, check_text, version, since",
    "_object": "tbl, kind, name, hash, undo",
    "_waiver": "id, slo, until, reason, by_whom",
    "_event": "id, at, who, act, target, before, after, reason",
    "_batch": "id, tbl, xid, landed, withheld, writer",
    "_quarantine": "id, tbl, key, row, row_text, broken, status",
    "_change": "id, tbl, key, column_name, old, new",
    "_violation": "id, at, slo, batch, observed, allowed, n, bad, key",
    "_hold": "id, tbl, slo, since, ended_at",
    "_state": "id, tbl, batch, bucket, segment, sign, op, n, states",
    "_bucket": "tbl, bucket, segment, n, states",
    "_metric": "id, tbl, metric, value",
    "_verdict": "id, slo, tbl, outcome",
    "_incident": "id, slo, tbl, opened_at, resolved_at",
    "_outbox": "id, incident",
    "_baseline": "tbl, version, source",
}
FILL = """
update features.customer set age = age + 1 where customer_id = 10;
insert into mlguard._change (tbl, key, column_name, old, new, rule, pending)
values ('features.customer', '{"customer_id": 1}', 'age', '140', '130', 'features.customer/age.range', false);
insert into mlguard._bucket (tbl, bucket, segment, n, states)
values ('features.customer', '2026-01-01', '{}', 3, '{"n": 3}');
insert into mlguard._hold (tbl, slo, observed) values ('features.customer', 'features.customer/fresh', 'by hand');
insert into mlguard._metric (tbl, metric, over, value, n) values ('features.customer', 'mean(age)', '1 day', 30, 3);
insert into mlguard._verdict (slo, tbl, over, outcome)
values ('features.customer/fresh', 'features.customer', '1 day', 'PASS');
insert into mlguard._baseline (tbl, version, kind, source) values ('features.customer', 1, 'first', 'first 28 days');
select mlguard.sweep(now() + interval '2 days');
insert into mlguard._state (tbl, bucket, sign, op, n, states)
values ('features.customer', '2026-01-01', 1, 'INSERT', 3, '{"n": 3}');
insert into features.customer (customer_id, email, event_ts) values (99, 'no at sign', now());
select mlguard.off('features.customer/age.range', '1 hour', 'a reason');
"""


def bring(connection: psycopg.Connection[Any], version: str) -> None:
    """Install the runtime as it was at a version, or upgrade it to that."""
    with connection.transaction():
        connection.execute("create schema if not exists mlguard")
        with runtime._alembic(connection) as config:
            command.upgrade(config, version)


def contents(connection: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    """What is in the tables that were there at 0019, in the columns they had then."""
    found = {}
    for table, columns in KEPT.items():
        there = {name for (name,) in connection.execute(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0", [f"mlguard.{table}"]
        ).fetchall()}  # fmt: skip
        listed = ", ".join(name for name in columns.split(", ") if name in there)
        found[table] = connection.execute(f"select {listed} from mlguard.{table} order by 1, 2".encode()).fetchall()
    return found


def test_every_version_since_0019_hands_its_rows_on(bare18: str) -> None:
    with session(bare18) as connection:
        bring(connection, "0019")
        runtime_example.make(bare18)
        runtime_example.write(connection, 1, 40, bad=2)
        runtime_example.write(connection, 41, 80)
        connection.execute(FILL.encode())
        before = contents(connection)
        assert [table for table, found in before.items() if not found] == []
        for version in runtime.versions()[19:]:
            bring(connection, version)
            assert contents(connection) == before, version
        assert runtime.check_version(connection) == LAST
        connection.execute("insert into features.customer (customer_id, plan) values (200, 'gold'), (201, 'pro')")
        assert value(connection, "select count(*) from mlguard.quarantine where status = 'waiting'") == 3
        assert value(connection, "select outcome from mlguard.release(1, '{\"age\": 4}')") == "released"
        assert value(connection, "select max(id) from mlguard._batch") > max(row[0] for row in before["_batch"])


class Writer:
    """Writes single rows, every fifth of them bad, until it is told to stop; knows how long the slowest took."""

    def __init__(self, dsn: str) -> None:
        self._dsn, self._stop = dsn, threading.Event()
        self.good = self.bad = 0
        self.slowest = 0.0
        self.faults: list[psycopg.Error] = []
        self._thread = threading.Thread(target=self._write)

    def _write(self) -> None:
        number = 1000
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            while not self._stop.is_set():
                number += 1
                bad = number % 5 == 0
                began = time.monotonic()
                try:
                    connection.execute(
                        "insert into features.customer values (%s, %s, 'pro', 5, now())", [number, -1 if bad else 30]
                    )
                except psycopg.Error as error:
                    self.faults.append(error)
                    break
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.good, self.bad = self.good + (not bad), self.bad + bad

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def older(bare: str) -> str:
    """DSN of a database that the client of version 0025 guards, with rows of every kind."""
    with session(bare) as connection:
        bring(connection, "0025")
        connection.execute(OLDER.read_bytes())
        connection.execute("update mlguard._slo set since = now()")  # or every day since then is one without rows
        connection.execute(
            "insert into features.customer select n, case when n = 3 then -3 else 30 end, 'pro', 5, now()"
            " from generate_series(1, 20) n;"
        )
        connection.execute("insert into features.customer values (30, 30, 'gold', 500, now())")
        for refused in ("(40, 30, 'pro', -1, now())", "(41, null, 'pro', 1, now())"):
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.execute(
                    f"insert into features.customer values {refused}"
                    ", (42, null, 'pro', 1, now()), (43, null, 'pro', 1, now()), (44, null, 'pro', 1, now())"
                    ", (45, null, 'pro', 1, now())".encode()
                )
    return bare


def test_a_database_of_an_older_client_goes_up_while_it_is_written_to(older: str, tmp_path: Path) -> None:
    loaded = project(tmp_path, SLOS)
    with session(older) as connection, pytest.raises(RuntimeVersionError, match="version 0025, older than"):
        runtime.check_version(connection)
    with session(older) as connection, Writer(older) as writer:
        time.sleep(0.3)
        assert runtime.install(connection) == LAST
        between = writer.good
        deadline = time.monotonic() + 20
        while writer.good < between + 20 and not writer.faults and time.monotonic() < deadline:
            time.sleep(0.05)
    assert writer.faults == []
    assert writer.bad > 4
    assert writer.slowest < 15, "writers wait for the one transaction of the upgrade, and for nothing else"
    assert query(older, "select count(*) from features.customer") == [(20 + writer.good,)]
    assert query(older, "select count(*) from mlguard.quarantine") == [(1 + writer.bad,)]
    assert query(older, "select sum(landed)::int, sum(withheld)::int from mlguard.batch") == [
        (20 + writer.good, 1 + writer.bad)
    ]
    assert query(older, "select slo, bad from mlguard.violation where slo like '%/plan.in'") == [
        ("features.customer/plan.in", 1)
    ]
    assert query(older, "select slo from mlguard.hold where ended_at is null") == [("features.customer/alike",)]
    assert query(older, "select slo, refused from mlguard.rejection where refused > 0 order by 1") == [
        ("features.customer/filled", 1), ("features.customer/tenure.range", 1)
    ]  # fmt: skip
    prepare(older, "select mlguard.sweep()")
    assert query(older, "select sum(n)::int from mlguard._bucket where segment = '{}'") == [(20 + writer.good,)]

    api.apply(loaded, older)
    assert api.plan(loaded, older).empty
    with session(older) as connection:
        assert doctor.examine(connection) == []
        assert value(connection, "select outcome from mlguard.release(1, '{\"age\": 4}')") == "released"
        with pytest.raises(psycopg.errors.CheckViolation, match=r"coverage\(age\) is 0.2 over the 5 rows"):
            connection.execute(
                "insert into features.customer select n, case n when 51 then 30 end, 'pro', 5, now()"
                " from generate_series(51, 55) n"
            )
    prepare(older, "select mlguard.sweep()")
    assert query(older, "select sum(n)::int from mlguard._bucket where segment = '{}'") == [(21 + writer.good,)]


def test_an_upgrade_gives_way_to_a_long_transaction(bare18: str) -> None:
    """0021 alters tables that writers append to."""
    with session(bare18) as connection, session(bare18, autocommit=False) as long, session(bare18) as other:
        bring(connection, "0020")
        runtime_example.make(bare18)
        runtime_example.write(long, 1, 3)
        with pytest.raises(EngineError, match=r"could not be upgraded: canceling statement .* nothing was changed"):
            runtime.install(connection, lock_timeout=0.1, attempts=2)
        assert runtime.installed_version(connection) == "0020"
        assert value(connection, "show lock_timeout") == "0"
        other.execute("set statement_timeout = '10s'")
        runtime_example.write(other, 4, 6)
        long.commit()
        assert runtime.install(connection) == LAST
        assert value(connection, "select count(*) from features.customer") == 6


def test_going_down_refuses_to_lose_rows(guarded_db: str, tmp_path: Path) -> None:
    prepare(
        guarded_db, "create schema features; create table features.load (id int primary key, a int, at timestamptz)"
    )
    api.apply(
        project(
            tmp_path,
            "mlguard: 1\ntable: features.load\nkey: [id]\nevent_time: at\nslos:\n"
            "  - {name: filled, check: coverage(a) >= 0.5, over: batch}\n"
            "  - {name: has_a, check: a > 0, on_violation: quarantine}\n",
        ),
        guarded_db,
    )
    with session(guarded_db) as connection:
        with connection.transaction():
            connection.execute("select mlguard.begin_batch('monday')")
            connection.execute("insert into features.load values (1, 1, now()), (2, -1, now())")
        runtime.downgrade(connection, runtime.versions()[-2])
        assert value(connection, "select count(*) from mlguard.quarantine") == 1
        runtime.install(connection)
        with pytest.raises(ApplyError, match=r"below version 0021 would lose .* of mlguard\._batch\.name") as refused:
            runtime.downgrade(connection, "0020")
        assert "pg_dump --data-only --schema=mlguard" in refused.value.help
        assert runtime.check_version(connection) == LAST
        done = subprocess.run(
            [sys.executable, "-m", "alembic", "downgrade", "0020"],
            cwd=runtime.migrations_folder(),
            env={**os.environ, "MLGUARD_DSN": guarded_db, "PYTHONPATH": str(Path(runtime.__file__).parents[1])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0
        assert "would lose" in done.stderr
        assert runtime.check_version(connection) == LAST
        kept = connection.execute("select id, tbl, row, status from mlguard._quarantine").fetchall()
        runtime.downgrade(connection, "0020", discard=True)
        assert connection.execute("select id, tbl, row, status from mlguard._quarantine").fetchall() == kept
        runtime.install(connection)
        with pytest.raises(ApplyError, match=r"tables are guarded by version \d+, whose objects they use: "):
            runtime.downgrade(connection, "0010", discard=True)
        assert runtime.check_version(connection) == LAST


def test_going_down_refuses_while_functions_are_called(guarded_db: str, tmp_path: Path) -> None:
    prepare(
        guarded_db,
        "create schema features; create table features.part (id int, a int) partition by list (id);"
        "create table features.part_1 partition of features.part default",
    )
    slos = "mlguard: 1\ntable: features.part\nslos:\n  - {name: odd, check: a % 2 = 1, on_violation: quarantine}\n"
    api.apply(project(tmp_path, slos), guarded_db)
    with session(guarded_db) as connection:
        with pytest.raises(ApplyError, match=r"guarded by version 0028, whose objects they use: count before") as no:
            runtime.downgrade(connection, "0027")
        assert no.value.help.startswith("mlguard remove takes the guards off")
        with pytest.raises(RuntimeVersionError, match="no version 0815"):
            runtime.downgrade(connection, "0815")


VERBS = (
    ("plan",), ("apply", "--yes"), ("remove", "--all", "--yes"), ("check",), ("gate", "features.customer"), ("status",),
    ("explain", "1"), ("backtest",), ("tune",), ("violations",), ("quarantine", "list"), ("review", "list"),
    ("incidents", "list"), ("baseline", "show", "features.customer"), ("models", "list"), ("retrain", "list"),
    ("audit", "verify"), ("off", "features.customer/fresh", "--for", "1h", "--reason", "x"),
    ("waive", "features.customer/fresh", "--until", "2030-01-01", "--reason", "x"),
    ("resume", "features.customer/fresh", "--reason", "x"), ("watch", "--once"), ("doctor",),
)  # fmt: skip


@pytest.mark.parametrize(("version", "words"), [("9999", "newer than this client knows"), ("0025", "older than this")])
def test_every_verb_says_that_versions_differ(guarded_db: str, tmp_path: Path, version: str, words: str) -> None:
    """A newer database is left alone by all; an older one by all but plan and apply, which bring it up."""
    slos = write(tmp_path, SLOS)
    prepare(
        guarded_db,
        "create schema features; create table features.customer (customer_id bigint primary key, age int, plan text,"
        " tenure float8, event_ts timestamptz)",
    )
    silent = []
    for verb in VERBS:
        prepare(guarded_db, f"update mlguard.alembic_version set version_num = '{version}'")
        if version != "9999" and verb[0] in ("plan", "apply"):
            continue
        done = CliRunner().invoke(cli, ["--dsn", guarded_db, "--slos", str(slos), *verb])
        said = done.stdout + done.stderr
        if words not in said or done.exit_code == 0 or "Traceback" in said:
            silent.append((verb[0], done.exit_code, said[:200], done.exception))
    assert silent == []
