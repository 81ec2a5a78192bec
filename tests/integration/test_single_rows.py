"""Rows written one by one leave their states in mlguard._single: none is lost, none is counted twice."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mlguard import api, runtime
from mlguard.errors import ApplyError
from tests.runtime_example import session
from tests.support import prepare, project

CREATE = "create schema f; create table f.t (id bigint primary key, amount numeric, at timestamptz)"
FILE = """
mlguard: 1
table: f.t
key: [id]
event_time: at
window: 1 day
writes: rows
reads: none
slos:
  - {name: filled, check: coverage(amount) >= 0, over: 1 day, on_violation: warn}
  - {name: around, check: sum(amount) >= 0 and max(amount) < 1e9, over: 1 day, on_violation: warn}
"""
INSERT = "insert into f.t values (%s, %s, timestamptz '2026-01-01 00:00+00' + %s * interval '1 hour')"
BUCKETS = (
    "select b.bucket, b.n, (b.states ->> 'sum(amount)')::numeric"
    " from mlguard._bucket b where b.tbl = 'f.t' and b.n <> 0 order by 1"
)
STORED = "select date_trunc('day', at, 'UTC'), count(*), sum(amount) from f.t group by 1 order by 1"


def guard(dsn: str, folder: Path) -> None:
    prepare(dsn, CREATE)
    api.apply(project(folder, FILE), dsn)


def write(connection: psycopg.Connection[Any], first: int, last: int) -> None:
    for number in range(first, last):
        connection.execute(INSERT, (number, number, number))


def waiting(connection: psycopg.Connection[Any]) -> int:
    (found,) = connection.execute("select count(*) from mlguard._single").fetchone() or (0,)
    return int(found)


def swept(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    """Sweep, and return what the buckets hold."""
    connection.execute("select mlguard.sweep()")
    assert waiting(connection) == 0
    return connection.execute(BUCKETS).fetchall()


def test_a_sweep_counts_every_row_once(pg_any: str, tmp_path: Path) -> None:
    guard(pg_any, tmp_path)
    with session(pg_any) as connection:
        write(connection, 0, 60)
        assert waiting(connection) == 60
        assert connection.execute("select from mlguard._state").fetchall() == []
        assert swept(connection) == connection.execute(STORED).fetchall()
        write(connection, 60, 70)
        connection.execute("delete from f.t where id in (3, 65)")
        connection.execute("update f.t set amount = amount + 1 where id in (5, 69)")
        assert swept(connection) == connection.execute(STORED).fetchall()


def test_what_was_written_before_a_truncate_is_void(pg_any: str, tmp_path: Path) -> None:
    guard(pg_any, tmp_path)
    with session(pg_any) as connection:
        write(connection, 0, 10)
        connection.execute("truncate f.t")
        write(connection, 10, 15)
        assert swept(connection) == connection.execute(STORED).fetchall()
        assert connection.execute("select sum(n) from mlguard._bucket").fetchone() == (5,)
        # Emptied and filled again before anybody looks.
        connection.execute("truncate f.t")
        write(connection, 20, 22)
        connection.execute("truncate f.t")
        write(connection, 30, 33)
        assert swept(connection) == connection.execute(STORED).fetchall()


def test_a_rolled_back_row_leaves_nothing(guarded_db: str, tmp_path: Path) -> None:
    guard(guarded_db, tmp_path)
    with session(guarded_db) as connection:
        with connection.transaction(force_rollback=True):
            write(connection, 0, 3)
        with connection.transaction():
            write(connection, 10, 11)
            with connection.transaction(force_rollback=True):
                write(connection, 11, 12)
        connection.execute(f"{INSERT} on conflict do nothing", (10, 99, 10))
        assert waiting(connection) == 1
        assert swept(connection) == connection.execute(STORED).fetchall()


def test_a_recount_takes_the_rows_it_counts(guarded_db: str, tmp_path: Path) -> None:
    guard(guarded_db, tmp_path)
    with session(guarded_db) as connection:
        write(connection, 0, 30)
        connection.execute(
            "select mlguard._recount('f.t', t.recount, null, null) from mlguard._table t where t.tbl = 'f.t'"
        )
        assert waiting(connection) == 0
        assert swept(connection) == connection.execute(STORED).fetchall()
        write(connection, 30, 60)
        connection.execute(
            "select mlguard._recount('f.t', t.recount, timestamptz '2026-01-02 00:00+00', '2026-01-03 00:00+00')"
            " from mlguard._table t where t.tbl = 'f.t'"
        )
        assert 0 < waiting(connection) < 30
        assert swept(connection) == connection.execute(STORED).fetchall()


def test_writers_sweeps_recounts_and_truncates_at_once(pg_any: str, tmp_path: Path) -> None:
    guard(pg_any, tmp_path)
    stop = threading.Event()
    failed: list[BaseException] = []

    def run(work: Any) -> None:
        try:
            with session(pg_any) as connection:
                work(connection)
        except Exception as error:  # noqa: BLE001 - the test says what failed in a thread
            failed.append(error)

    def writer(first: int) -> Any:
        return lambda connection: write(connection, first, first + 250)

    def sweeper(connection: psycopg.Connection[Any]) -> None:
        while not stop.is_set():
            connection.execute("select mlguard.sweep()")

    def emptier(connection: psycopg.Connection[Any]) -> None:
        for _ in range(5):
            stop.wait(0.1)
            connection.execute("truncate f.t")

    def counter(connection: psycopg.Connection[Any]) -> None:
        while not stop.is_set():
            connection.execute("insert into mlguard._recount_due (tbl) values ('f.t')")
            stop.wait(0.05)

    writers = [threading.Thread(target=run, args=(writer(first),)) for first in (0, 1000, 2000)]
    others = [threading.Thread(target=run, args=(work,)) for work in (sweeper, emptier, counter)]
    for thread in (*writers, *others):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in others:
        thread.join()
    assert failed == []
    with session(pg_any) as connection:
        connection.execute("delete from mlguard._recount_due")
        assert swept(connection) == connection.execute(STORED).fetchall()


def test_going_down_keeps_the_states_and_refuses_while_writers_use_the_table(guarded_db: str, tmp_path: Path) -> None:
    guard(guarded_db, tmp_path)
    with session(guarded_db) as connection:
        write(connection, 0, 5)
        below = runtime.versions()[runtime.versions().index("0036") - 1]
        with pytest.raises(ApplyError, match=r"whose objects they use: after rows f\.t"):
            runtime.downgrade(connection, below)
        connection.execute('drop function mlguard."after rows f.t" cascade')
        runtime.downgrade(connection, below)
        assert connection.execute("select n, states ->> 'n' from mlguard._state where tbl = 'f.t'").fetchall() == [
            (5, "5")
        ]


def test_who_publishes_every_table_may_sweep(guarded_db: str, tmp_path: Path) -> None:
    guard(guarded_db, tmp_path)
    with session(guarded_db) as connection:
        (identity,) = connection.execute(
            "select relreplident from pg_class where oid = 'mlguard._single'::regclass"
        ).fetchone() or (None,)
        assert identity == "f"
