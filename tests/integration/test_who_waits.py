"""Transactions that write the same tables the other way round, beside each other and a sweep: none is a victim."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from mlguard import api
from tests.support import prepare, query, write

COVERED = "slos:\n  - {name: covered, check: coverage(x) >= 0.5, over: batch, on_violation: hold, min_rows: 1}\n"


def guard(dsn: str, folder: Path, **files: str) -> None:
    for name, text in files.items():
        write(folder, f"mlguard: 1\ntable: f.{name}\n{text}", f"{name}.slo.yaml")
    api.apply(api.load(folder / "slos"), dsn)


def until_waiting(dsn: str, sessions: int) -> None:
    """Return once so many sessions of the database wait for a lock."""
    asked = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    for _ in range(200):
        if query(dsn, asked) == [(sessions,)]:
            return
        time.sleep(0.05)
    pytest.fail("they do not wait for each other")


class Writer(threading.Thread):
    """A transaction of its own; `said` is the SQLSTATE it ended with."""

    def __init__(self, dsn: str, *statements: str) -> None:
        super().__init__(daemon=True)
        self.dsn, self.statements, self.said = dsn, statements, "never ended"
        self.start()

    def run(self) -> None:
        try:
            with psycopg.connect(self.dsn) as connection:
                for statement in self.statements:
                    connection.execute(statement.encode())
        except psycopg.Error as error:
            self.said = str(error.sqlstate)
        else:
            self.said = "committed"


@pytest.fixture
def gate(pg: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A session that keeps others waiting until it rolls back."""
    with psycopg.connect(pg) as connection:
        yield connection


def both_commit(dsn: str, gate: psycopg.Connection[tuple[object, ...]], first: Writer, second: tuple[str, ...]) -> None:
    until_waiting(dsn, 1)
    other = Writer(dsn, *second)
    until_waiting(dsn, 2)
    gate.rollback()
    for writer in (first, other):
        writer.join(20)
    assert (first.said, other.said) == ("committed", "committed")


def test_loads_of_two_tables_written_crosswise(
    pg: str, tmp_path: Path, gate: psycopg.Connection[tuple[object, ...]]
) -> None:
    prepare(pg, "create schema f; create table f.a (load_id text, x float8); create table f.b (load_id text, x float8)")
    guard(pg, tmp_path, a=f"batch: load_id\n{COVERED}", b=f"batch: load_id\n{COVERED}")
    gate.execute("select pg_advisory_xact_lock(hashtextextended('mlguard load 1', 0))")
    first = Writer(pg, "insert into f.a values ('1', 1)", "insert into f.b values ('2', 1)")
    both_commit(pg, gate, first, ("insert into f.a values ('2', 1)", "insert into f.b values ('1', 1)"))


def test_corrections_of_two_tables_made_crosswise(
    pg: str, tmp_path: Path, gate: psycopg.Connection[tuple[object, ...]]
) -> None:
    prepare(pg, "create schema f; create table f.a (id int primary key, x float8)")
    prepare(pg, "create table f.b (like f.a including all)")
    guard(pg, tmp_path, a=f"key: [id]\n{COVERED}", b=f"key: [id]\n{COVERED}")
    for table in ("f.a", "f.b"):
        prepare(pg, f"insert into {table} select i, null from generate_series(1, 10) i")
    gate.execute("select from mlguard._hold where tbl = 'f.a' for update")
    first = Writer(pg, "update f.a set x = 1 where id <= 5", "update f.b set x = 1 where id <= 5")
    both_commit(pg, gate, first, ("update f.b set x = 1 where id > 5", "update f.a set x = 1 where id > 5"))
    assert query(pg, "select count(*) from mlguard.hold where ended_at is null") == [(0,)]


PARTITIONS = """
create schema f;
create table f.t (id bigint, at timestamptz, x float8) partition by range (at);
create table f.t_1 partition of f.t for values from ('2026-01-01+00') to ('2026-02-01+00');
create table f.t_2 partition of f.t for values from ('2026-02-01+00') to ('2026-03-01+00');
"""


def test_who_truncates_a_partition_waits_for_no_sweep(pg: str, tmp_path: Path) -> None:
    prepare(pg, PARTITIONS)
    guard(pg, tmp_path, t="event_time: at\nslos:\n  - {name: covered, check: coverage(x) >= 0.5, over: 1 day}\n")
    prepare(pg, "insert into f.t select i, '2026-01-05+00', 1 from generate_series(1, 10) i")
    prepare(pg, "insert into f.t select i, '2026-02-05+00', 1 from generate_series(1, 7) i")
    with psycopg.connect(pg) as sweeper:
        sweeper.execute("select mlguard.sweep()")
        prepare(pg, "set lock_timeout = '5s'; truncate f.t_1")
    prepare(pg, "select mlguard.sweep()")
    found = query(pg, "select bucket at time zone 'UTC' = '2026-02-05', n from mlguard._bucket where n <> 0")
    assert found == [(True, 7)]


def test_two_sweeps_find_a_change_of_columns_once(pg: str, tmp_path: Path) -> None:
    prepare(pg, "create schema f; create table f.t (x float8)")
    guard(pg, tmp_path, t="reads: none\ncolumns: {x: {type: double precision, range: [0, null]}}\n")
    for (name,) in query(pg, "select evtname from pg_event_trigger"):
        prepare(pg, f"drop event trigger {name}")
    prepare(pg, "alter table f.t rename x to y")
    with psycopg.connect(pg) as sweeper:
        sweeper.execute("select mlguard.sweep()")
        prepare(pg, "set lock_timeout = '5s'; select mlguard.sweep()")
    assert query(pg, "select slo from mlguard.hold") == [("f.t/schema",)]
    assert query(pg, "select outcome from mlguard.verdict") == [("FAIL",)]
