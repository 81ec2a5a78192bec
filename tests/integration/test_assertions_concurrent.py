"""Assertions between real sessions: what no single transaction can see, locks and their order, apply beside writers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import IsolationLevel

from mlguard import api
from tests.integration.test_assertions import SAME_SALARY, STAFF, WITHIN_BUDGET, guard
from tests.support import prepare, project, query

LEVELS = [IsolationLevel.READ_COMMITTED, IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE]
REFUSALS = {"23514", "40001"}
WAIT = 30.0  # seconds after which a session that should have come back is taken for stuck


def session(dsn: str, level: IsolationLevel = IsolationLevel.READ_COMMITTED) -> psycopg.Connection[tuple[object, ...]]:
    connection = psycopg.connect(dsn)
    connection.isolation_level = level
    return connection


def commit(connection: psycopg.Connection[tuple[object, ...]]) -> str:
    """Commit; return 'done' or the SQLSTATE of the refusal."""
    try:
        connection.commit()
    except psycopg.Error as error:
        connection.rollback()
        return error.sqlstate or "lost"
    return "done"


def blocked(dsn: str) -> Callable[[], bool]:
    """Return a question: does some session wait for a row lock?"""
    return lambda: query(dsn, "select count(*) from pg_locks where not granted")[0][0] != 0


def until(question: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not question():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.01)


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_write_skew_never_commits(db: str, tmp_path: Path, level: IsolationLevel) -> None:
    """Each alone keeps the budget of 25; both together do not, and neither sees the other's row."""
    guard(db, tmp_path, WITHIN_BUDGET)
    with session(db, level) as one, session(db, level) as two:
        one.execute("update hr.employee set salary = 14 where name = 'Joe'")
        two.execute("update hr.employee set salary = 14 where name = 'Fred'")
        with ThreadPoolExecutor(2) as pool:
            ends = list(pool.map(commit, (one, two)))
    assert Counter(ends)["done"] == 1
    assert set(ends) <= {"done", *REFUSALS}
    assert query(db, "select sum(salary) from hr.employee where dept = 1") == [(24,)]


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_two_sessions_raise_two_salaries_differently(db: str, tmp_path: Path, level: IsolationLevel) -> None:
    guard(db, tmp_path, SAME_SALARY)
    for _ in range(5):
        with session(db, level) as one, session(db, level) as two:
            one.execute("update hr.employee set salary = 11 where name = 'Joe'")
            two.execute("update hr.employee set salary = 12 where name = 'Fred'")
            with ThreadPoolExecutor(2) as pool:
                ends = list(pool.map(commit, (one, two)))
        assert set(ends) <= REFUSALS
    assert query(db, "select distinct salary from hr.employee where dept = 1") == [(10,)]


def test_skew_across_two_tables_and_two_levels(db: str, tmp_path: Path) -> None:
    """A pay rise at one level and a cut of the budget at another."""
    guard(db, tmp_path, WITHIN_BUDGET)
    for first in LEVELS:
        for second in LEVELS:
            with session(db, first) as one, session(db, second) as two:
                one.execute("update hr.employee set salary = 14 where name = 'Joe'")
                two.execute("update hr.department set budget = 21 where dept = 1")
                ends = [commit(one), commit(two)]
            assert ends[0] == "done"
            assert ends[1] in REFUSALS, (first, second)
            prepare(db, "update hr.employee set salary = 10 where name = 'Joe'")


def test_the_second_waits_for_the_first_and_sees_it(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, WITHIN_BUDGET)
    with session(db) as one, session(db) as two:
        one.execute("update hr.employee set salary = 14 where name = 'Joe'")
        one.execute("set constraints all immediate")  # judged, and holding the lock
        two.execute("update hr.employee set salary = 14 where name = 'Fred'")
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(commit, two)
            until(blocked(db))
            assert not waiting.done()
            assert commit(one) == "done"
            assert waiting.result(WAIT) == "23514"
        # … and goes on where the first gives up.
        two.execute("update hr.employee set salary = 10 where name = 'Joe'")
        two.commit()
        one.execute("update hr.employee set salary = 14 where name = 'Joe'")
        one.execute("set constraints all immediate")
        two.execute("update hr.employee set salary = 14 where name = 'Fred'")
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(commit, two)
            until(blocked(db))
            one.rollback()
            assert waiting.result(WAIT) == "done"


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_many_writers_never_break_it(guarded_db: str, tmp_path: Path, level: IsolationLevel) -> None:
    """Four sessions raise and cut at random; the budget is kept after every commit, and some get through."""
    guard(guarded_db, tmp_path, WITHIN_BUDGET)
    ends: Counter[str] = Counter()
    broken: list[object] = []
    lock = threading.Lock()

    def writer(number: int) -> None:
        name = ("Joe", "Fred")[number % 2]
        with session(guarded_db, level) as connection, session(guarded_db) as reader:
            for turn in range(25):
                salary = (number * 7 + turn * 5) % 20
                try:
                    connection.execute("update hr.employee set salary = %s where name = %s", (salary, name))
                except psycopg.errors.SerializationFailure:
                    connection.rollback()
                    continue
                end = commit(connection)
                total = reader.execute("select sum(salary) from hr.employee where dept = 1").fetchone()
                reader.rollback()
                with lock:
                    ends[end] += 1
                    broken.extend([total] if total is not None and total[0] > 25 else [])  # type: ignore[operator]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(writer, range(4)))
    assert not broken
    assert ends["done"] > 0
    assert set(ends) <= {"done", *REFUSALS}


def test_tables_written_in_opposite_orders_do_not_deadlock(db: str, tmp_path: Path) -> None:
    tables = "create schema s; create table s.a (id integer, v integer); create table s.b (id integer, v integer);"
    text = """
    mlguard: 1
    table: s.a
    reads: none
    slos:
      - {name: a_good, assert: "SELECT id FROM s.a WHERE v < 0"}
      - {name: b_good, assert: "SELECT id FROM s.b WHERE v < 0"}
      - {name: both, assert: "SELECT a.id FROM s.a a JOIN s.b b ON a.id = b.id WHERE a.v > b.v"}
    """
    guard(db, tmp_path, text, tables)

    def writer(number: int) -> list[str]:
        order = ("a", "b") if number % 2 else ("b", "a")
        ends = []
        with session(db) as connection:
            for turn in range(50):
                for table in order:
                    connection.execute(f"insert into s.{table} values (%s, %s)", (number * 1000 + turn, turn))
                ends.append(commit(connection))
        return ends

    with ThreadPoolExecutor(4) as pool:
        ends = Counter(end for found in pool.map(writer, range(4)) for end in found)
    assert ends == {"done": 200}


def test_serializable_writers_of_other_assertions_do_not_disturb_each_other(db: str, tmp_path: Path) -> None:
    tables = "create schema s;" + "".join(
        f"create table s.t{number} (id integer primary key, v integer);" for number in range(4)
    )
    slos = "".join(
        f"\n      - {{name: t{number}, assert: 'SELECT id FROM s.t{number} WHERE v < 0'}}" for number in range(4)
    )
    guard(db, tmp_path, f"    mlguard: 1\n    table: s.t0\n    reads: none\n    slos:{slos}\n", tables)

    def writer(number: int) -> list[str]:
        ends = []
        with session(db, IsolationLevel.SERIALIZABLE) as connection:
            for turn in range(100):
                connection.execute(f"insert into s.t{number} values (%s, 1)".encode(), (turn,))
                ends.append(commit(connection))
        return ends

    with ThreadPoolExecutor(4) as pool:
        ends = Counter(end for found in pool.map(writer, range(4)) for end in found)
    assert ends == {"done": 400}


@pytest.mark.parametrize("level", LEVELS[1:], ids=lambda level: level.name)
def test_a_transaction_older_than_the_assertion_cannot_slip_past(
    db: str, tmp_path: Path, level: IsolationLevel
) -> None:
    prepare(db, STAFF)
    with session(db, level) as old:
        old.execute("select count(*) from hr.department")  # its snapshot
        api.apply(project(tmp_path, SAME_SALARY), db)
        old.execute("update hr.employee set salary = 11 where name = 'Joe'")
        assert commit(old) == "40001"


def test_apply_waits_for_writers_and_judges_what_they_left(db: str, tmp_path: Path) -> None:
    prepare(db, STAFF)
    slos = project(tmp_path, SAME_SALARY)
    with session(db) as writer, ThreadPoolExecutor(1) as pool:
        writer.execute("update hr.employee set salary = 11 where name = 'Joe'")
        applying = pool.submit(api.apply, slos, db)
        until(blocked(db))
        writer.commit()
        error = applying.exception(WAIT)
    assert "returns 1 row (name Joe)" in str(error)


def test_keys_noted_for_another_select_are_not_used(db: str, tmp_path: Path) -> None:
    """A writer that noted departments commits after the assertion came to be told by names."""
    guard(db, tmp_path, WITHIN_BUDGET)
    by_name = WITHIN_BUDGET.partition("SELECT")[0] + "SELECT name FROM hr.employee WHERE salary > 14\n"
    prepare(db, "update hr.employee set salary = 5 where name = 'Ann'; update hr.department set budget = 99")
    with session(db) as writer:
        writer.execute("update hr.employee set salary = 15 where name = 'Joe'")
        api.apply(project(tmp_path, by_name), db)
        writer.execute("update hr.employee set salary = 4 where name = 'Ann'")
        assert commit(writer) == "23514"
        writer.execute("update hr.employee set salary = 15 where name = 'Joe'")
        api.apply(project(tmp_path, by_name.replace("> 14", "> 15")), db)
        assert commit(writer) == "done"


def test_the_select_is_planned_as_its_author_would_have_it_planned(db: str, tmp_path: Path) -> None:
    """A planner setting of a function holds for all it calls; without seqscans PostgreSQL 17 compiles any SELECT."""
    guard(db, tmp_path, WITHIN_BUDGET)
    path = "select proname from pg_proc where (proname like '%assertion%' or proname like 'after writes %')"
    found = query(db, f"{path} and 'enable_seqscan=off' = any (proconfig)")
    assert found == [("_lock_assertion",)]


def test_removed_between_a_write_and_its_commit(db: str, tmp_path: Path) -> None:
    """The lock row goes first: who waits there finds that there is nothing to judge any more."""
    guard(db, tmp_path, WITHIN_BUDGET)
    with session(db) as remover, session(db) as writer, ThreadPoolExecutor(1) as pool:
        writer.execute("update hr.employee set salary = 19 where name = 'Fred'")
        remover.execute("select mlguard.end_assertion_v1('hr.department/within_budget')")
        waiting = pool.submit(commit, writer)
        until(blocked(db))
        remover.commit()
        assert waiting.result(WAIT) == "done"
