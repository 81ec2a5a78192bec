"""Loads of several transactions: by a column, by begin_batch(), judged again as they grow, held and mended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from mlguard import api
from tests.support import prepare, project, query

TABLE = """
create schema features;
create table features.visit (
  id bigint generated always as identity, load_id text, age integer, country text, at timestamptz
);
"""
COVERED = "{name: covered, check: coverage(age) >= 0.75, over: batch, on_violation: hold, min_rows: 1}"
BY_COLUMN = f"mlguard: 1\ntable: features.visit\nevent_time: at\nbatch: load_id\nslos:\n  - {COVERED}\n"
BY_NAME = f"mlguard: 1\ntable: features.visit\nevent_time: at\nslos:\n  - {COVERED}\n"
DAILY = "  - {name: daily, check: row_count() >= 1, over: 1 day}\n"
Connection = psycopg.Connection[Any]


def guard(dsn: str, folder: Path, text: str) -> None:
    if not query(dsn, "select from pg_class where oid = to_regclass('features.visit')"):
        prepare(dsn, TABLE)
    api.apply(project(folder, text), dsn)


def put(connection: Connection, count: int, *, missing: int = 0, load: str | None = None, day: int = 1) -> None:
    """Write rows in one statement; the first `missing` have no age."""
    connection.execute(
        "insert into features.visit (load_id, age, country, at)"
        " select %s, case when g > %s then 30 end, 'DE', make_timestamptz(2026, 1, %s, 12, 0, 0, 'UTC')"
        " from generate_series(1, %s) g",
        [load, missing, day, count],
    )


def held(dsn: str) -> list[tuple[object, ...]]:
    return query(dsn, "select slo, observed from mlguard.hold where ended_at is null order by id")


def found(dsn: str) -> list[tuple[object, ...]]:
    """Return (load, outcome, rows, version) of current verdicts."""
    return query(
        dsn,
        "select b.name, v.outcome, v.n, v.version from mlguard.verdict v join mlguard.batch b on b.id = v.batch"
        " where v.current order by v.id",
    )


def tell(dsn: str, sql: LiteralString, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(sql, values).fetchall()


@pytest.fixture
def column_db(db: str, tmp_path: Path) -> str:
    """A table whose loads are told apart by load_id, on both servers."""
    guard(db, tmp_path, BY_COLUMN)
    return db


@pytest.fixture
def named_db(db: str, tmp_path: Path) -> str:
    """A table whose loads are what begin_batch() says, on both servers."""
    guard(db, tmp_path, BY_NAME)
    return db


@pytest.fixture
def session(named_db: str) -> Iterator[Connection]:
    with psycopg.connect(named_db) as connection:
        yield connection


def test_a_load_of_two_transactions_is_one_batch(column_db: str) -> None:
    with psycopg.connect(column_db) as connection:
        put(connection, 10, load="L1")
        connection.commit()
        assert found(column_db) == [("L1", "PASS", 10, 1)]
        put(connection, 10, missing=8, load="L1")
        connection.commit()
    assert found(column_db) == [("L1", "FAIL", 20, 2)]
    assert held(column_db) == [("features.visit/covered", "coverage(age) is 0.6 for load_id L1")]
    with pytest.raises(
        psycopg.Error, match=r"held since .*: coverage\(age\) is 0\.6 for load_id L1, .*\(covered, batch"
    ):
        query(column_db, "select * from features.visit_guarded")
    with psycopg.connect(column_db) as connection:
        put(connection, 12, load="L1")
    assert found(column_db) == [("L1", "PASS", 32, 3)]
    assert held(column_db) == []
    ended = query(column_db, "select reason, ended_by from mlguard.hold")
    assert ended == [("re-judged good", "mlguard")]
    assert query(column_db, "select name, landed, part_of is null from mlguard.batch where name is not null") == [
        ("L1", 32, True)
    ]
    assert query(column_db, "select count(*) from mlguard.batch b join mlguard.batch p on p.id = b.part_of") == [(3,)]


def test_a_rolled_back_transaction_was_not_of_the_load(column_db: str) -> None:
    with psycopg.connect(column_db) as connection:
        put(connection, 10, load="L1")
        connection.commit()
        put(connection, 10, missing=10, load="L1")
        connection.rollback()
    assert found(column_db) == [("L1", "PASS", 10, 1)]
    assert held(column_db) == []
    with psycopg.connect(column_db) as connection:
        connection.execute("savepoint before")
        put(connection, 10, missing=10, load="L1")
        connection.execute("rollback to savepoint before")
        put(connection, 1, load="L1")
        connection.commit()
    assert found(column_db) == [("L1", "PASS", 11, 2)]


def test_loads_of_one_transaction_are_judged_apart(column_db: str) -> None:
    with psycopg.connect(column_db) as connection:
        put(connection, 10, load="good")
        put(connection, 10, missing=9, load="bad")
        put(connection, 4)
    assert found(column_db) == [
        (None, "FAIL", 24, 1),
        ("bad", "FAIL", 10, 1),
        ("good", "PASS", 10, 1),
    ]


def test_a_corrected_load_is_let_go(column_db: str) -> None:
    with psycopg.connect(column_db) as connection:
        put(connection, 10, missing=9, load="L1")
        connection.commit()
        put(connection, 10, missing=9, load="L2")
        connection.commit()
        connection.execute("update features.visit set age = 30 where load_id = 'L1'")
        connection.commit()
        assert [line[1] for line in held(column_db)] == ["coverage(age) is 0.1 for load_id L2"]
        connection.execute("delete from features.visit where load_id = 'L2'")
        connection.commit()
        assert held(column_db) == []
        put(connection, 10, missing=9, load="L1")
        connection.commit()
        assert [line[1] for line in held(column_db)] == ["coverage(age) is 0.55 for load_id L1"]
        connection.execute("truncate features.visit")
        connection.commit()
    assert held(column_db) == []


def test_rows_moved_from_one_load_to_another(column_db: str) -> None:
    with psycopg.connect(column_db) as connection:
        put(connection, 10, missing=5, load="L1")
        connection.commit()
        connection.execute("update features.visit set load_id = 'L2' where age is null")
    assert {name: (outcome, n) for name, outcome, n, _ in found(column_db)} == {"L1": ("PASS", 5), "L2": ("FAIL", 5)}


def test_a_resolved_hold_stays_resolved_and_a_waived_one_is_noted(column_db: str) -> None:
    with psycopg.connect(column_db) as connection:
        put(connection, 10, missing=9, load="L1")
        connection.commit()
        (number,) = tell(column_db, "select id from mlguard.incident")[0]
        tell(column_db, "select mlguard.resolve(%s, 'known', null)", number)
        put(connection, 10, missing=8, load="L1")
        connection.commit()
        assert held(column_db) == []
        tell(column_db, "select mlguard.waive('features.visit/covered', now() + interval '1 hour', 'today it is so')")
        put(connection, 10, missing=9, load="L2")
        connection.commit()
    assert held(column_db) == []
    assert [(name, outcome) for name, outcome, *_ in found(column_db)] == [("L1", "FAIL"), ("L2", "NOTED")]


def test_a_load_grows_after_its_rows_were_folded(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, BY_COLUMN + DAILY)
    with psycopg.connect(db) as connection:
        put(connection, 10, missing=4, load="L1")
        put(connection, 10, load="L2")
        connection.commit()
        for day in (2, 3):
            tell(db, "select mlguard.sweep('2026-01-20')")
            put(connection, 10, load="L1", day=day)
            connection.commit()
        assert held(db) == []
        assert found(db)[-1] == ("L1", "PASS", 30, 3)
        tell(db, "select mlguard.sweep('2026-01-20')")
        connection.execute("delete from features.visit where load_id = 'L1' and age is not null")
        connection.commit()
    assert [line[1] for line in held(db)] == ["coverage(age) is 0 for load_id L1"]
    assert query(db, "select sum(n) from mlguard._load_state where load = 'L1' and segment = '{}'")[0][0] == 30
    tell(db, "select mlguard.sweep('2026-01-20')")
    assert query(db, "select count(*), sum(n) from mlguard._load_state where load = 'L2'") == [(1, 10)]
    assert query(db, "select sum(n) from mlguard._bucket where segment = '{}'") == [(14,)]


@pytest.mark.parametrize("text", [BY_COLUMN, BY_NAME], ids=["column", "begun"])
def test_a_load_of_many_transactions_is_merged_on_the_way(db: str, tmp_path: Path, text: str) -> None:
    guard(db, tmp_path, text + DAILY)
    with psycopg.connect(db) as connection:
        for number in range(80):
            connection.execute("select mlguard.begin_batch('L1')")
            put(connection, 2, missing=number % 2, load="L1", day=1 + number % 2)
            connection.commit()
            if number == 50:
                tell(db, "select mlguard.sweep('2026-01-20')")
        loose = query(db, "select count(*) from mlguard._state where load = 'L1' and not load_kept")[0][0]
        assert isinstance(loose, int)
        assert loose < 40
        assert found(db)[0][:3] == ("L1", "PASS", 160)
        assert query(db, "select vals from mlguard.verdict where current and over = 'batch'") == [([0.75],)]
        connection.execute("select mlguard.begin_batch('L1')")
        connection.execute("delete from features.visit where age is null")
        connection.commit()
        assert found(db)[-1][:3] == ("L1", "PASS", 120)
        connection.execute("truncate features.visit")
        connection.execute("select mlguard.begin_batch('L1')")
        put(connection, 3, load="L1")
        connection.commit()
        assert query(db, "select n from mlguard.verdict where current and over = 'batch'") == [(3,)]
        tell(db, "select mlguard.sweep('2026-01-20')")
        connection.execute("select mlguard.begin_batch('L1')")
        put(connection, 1, load="L1")
        connection.commit()
    assert query(db, "select n from mlguard.verdict where current and over = 'batch'") == [(4,)]


def test_old_loads_are_forgotten(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, BY_COLUMN)
    with psycopg.connect(db) as connection:
        put(connection, 10, load="L1")
        connection.commit()
        tell(db, "select mlguard.sweep()")
        tell(db, "select mlguard.sweep(now() + interval '91 days')")
        assert query(db, "select count(*) from mlguard._load_state") == [(0,)]
        put(connection, 2, load="L1")
        connection.commit()
    assert found(db)[-1] == ("L1", "PASS", 2, 1)


def test_begin_batch_marks_the_transaction_only(session: Connection, named_db: str) -> None:
    for _ in range(2):
        session.execute("select mlguard.begin_batch('2026-01-01')")
        put(session, 10)
        session.commit()
    put(session, 4, missing=4)
    session.commit()
    assert found(named_db) == [("2026-01-01", "PASS", 20, 2), (None, "FAIL", 4, 1)]
    assert [line[1] for line in held(named_db)] == ["coverage(age) is 0"]


def test_a_number_is_an_id_too(session: Connection, named_db: str) -> None:
    session.execute("select mlguard.begin_batch(17)")
    put(session, 10)
    session.commit()
    assert session.execute("select slo, outcome from mlguard.end_batch(17)").fetchall() == [
        ("features.visit/covered", "PASS")
    ]
    session.commit()
    assert found(named_db) == [("17", "PASS", 10, 1)]


def test_a_batch_tried_again_is_the_same_batch(session: Connection, named_db: str) -> None:
    session.execute("select mlguard.begin_batch('d1')")
    put(session, 10, missing=9)
    session.commit()
    assert len(held(named_db)) == 1
    session.execute("select mlguard.begin_batch('d1')")
    session.execute("delete from features.visit")
    put(session, 10)
    session.commit()
    assert found(named_db) == [("d1", "PASS", 10, 2)]
    assert held(named_db) == []
    # Another batch that replaces these rows has not taken them from itself.
    session.execute("select mlguard.begin_batch('d2')")
    session.execute("delete from features.visit")
    put(session, 8)
    session.commit()
    assert found(named_db)[-1] == ("d2", "PASS", 8, 1)


def test_an_outsider_mends_a_held_batch(session: Connection, named_db: str) -> None:
    session.execute("select mlguard.begin_batch('d1')")
    put(session, 10, missing=9)
    session.commit()
    session.execute("update features.visit set age = 4 where age is null")
    session.commit()
    assert held(named_db) == []
    assert ("d1", "PASS", 10, 2) in found(named_db)


def test_how_many_rows_there_are_is_judged_when_the_batch_ends(db: str, tmp_path: Path) -> None:
    guard(
        db,
        tmp_path,
        BY_NAME + "  - {name: enough, check: row_count() >= 30, over: batch, on_violation: hold}\n",
    )
    with psycopg.connect(db) as connection:
        for part in (1, 2):
            connection.execute("select mlguard.begin_batch('d1')")
            put(connection, 10)
            if part == 2:
                told = connection.execute("select slo, outcome, observed, allowed from mlguard.end_batch()").fetchall()
                assert told == [
                    ("features.visit/covered", "PASS", "coverage(age) is 1 for batch d1", "allowed >= 0.75"),
                    ("features.visit/enough", "FAIL", "row_count() is 20 for batch d1", "allowed >= 30"),
                ]
            connection.commit()
            assert len(held(db)) == part - 1
        assert query(db, "select ended_at is not null from mlguard.batch where name = 'd1'") == [(True,)]
        # What comes later reopens it; that the hold ends takes as many rows as are asked for.
        connection.execute("select mlguard.begin_batch('d1')")
        put(connection, 9)
        connection.commit()
        assert len(held(db)) == 1
        connection.execute("select mlguard.begin_batch('d1')")
        put(connection, 1)
        connection.commit()
        assert query(db, "select ended_at is null from mlguard.batch where name = 'd1'") == [(True,)]
        connection.execute("select * from mlguard.end_batch('d1')")
        connection.commit()
    assert held(db) == []


def test_a_batch_that_nobody_ends_is_ended_by_sweep(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, BY_NAME + "  - {name: enough, check: row_count() >= 30, over: batch}\n")
    with psycopg.connect(db) as connection:
        connection.execute("select mlguard.begin_batch('d1')")
        put(connection, 10)
    tell(db, "select mlguard.sweep()")
    assert len(found(db)) == 1
    assert dict(tell(db, "select what, n from mlguard.sweep(now() + interval '61 minutes')"))["loads judged"] == 1
    assert [outcome for _, outcome, _, _ in found(db)] == ["PASS", "FAIL"]


def test_rejects_judge_what_the_transaction_wrote(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, BY_NAME.replace("on_violation: hold", "on_violation: reject"))
    with psycopg.connect(db) as connection:
        connection.execute("select mlguard.begin_batch('d1')")
        put(connection, 100)
        connection.commit()
        connection.execute("select mlguard.begin_batch('d1')")
        put(connection, 10, missing=9)
        with pytest.raises(psycopg.errors.CheckViolation, match=r"0\.1 over the 10 rows this transaction wrote"):
            connection.commit()
    assert query(db, "select count(*) from features.visit") == [(100,)]


def test_concurrent_loaders_of_one_batch(named_db: str) -> None:
    """Each alone is good or bad by itself; the last to commit has seen all others, and nobody waits while writing."""

    def load(number: int) -> None:
        with psycopg.connect(named_db) as connection:
            connection.execute("select mlguard.begin_batch('d1')")
            put(connection, 10, missing=10 if number % 2 else 0)
            time.sleep(0.2)

    start = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(load, range(6)))
    assert time.monotonic() - start < 6 * 0.2 + 3
    (last,) = found(named_db)
    assert (last[0], last[1], last[2]) == ("d1", "FAIL", 60)
    assert [line[1] for line in held(named_db)] == ["coverage(age) is 0.5 for batch d1"]


@pytest.mark.parametrize("begun", [False, True])
def test_loaders_that_mend_a_held_batch_together(db: str, tmp_path: Path, begun: bool) -> None:
    """What they change belongs to the load and to its hold: each waits its turn, and none for one that waits for it."""
    guard(db, tmp_path, BY_NAME if begun else BY_COLUMN)

    def load(number: int) -> None:
        with psycopg.connect(db) as connection:
            if begun:
                connection.execute("select mlguard.begin_batch('L1')")
            if number:
                connection.execute(
                    "update features.visit set age = 30 where id between %s and %s", [number, number + 9]
                )
            else:
                put(connection, 60, missing=60, load="L1")

    load(0)
    assert len(held(db)) == 1
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(load, range(1, 61, 10)))
    assert held(db) == []
    assert next(line for line in found(db) if line[0] == "L1")[1:3] == ("PASS", 60)


def test_many_loads_of_one_transaction(column_db: str) -> None:
    with psycopg.connect(column_db) as connection:
        connection.execute(
            "insert into features.visit (load_id, age, at)"
            " select 'L' || n, 30, '2026-01-01' from generate_series(1, 103) n"
        )
    assert len(found(column_db)) == 100
    assert dict(tell(column_db, "select what, n from mlguard.sweep()"))["loads judged"] == 3
    assert len(found(column_db)) == 103


def test_a_loader_does_not_wait_for_another_while_it_writes(named_db: str) -> None:
    with psycopg.connect(named_db) as one, psycopg.connect(named_db) as two:
        for connection in (one, two):
            connection.execute("set lock_timeout = '2s'")
            connection.commit()
            connection.execute("select mlguard.begin_batch('new')")
            put(connection, 10)
        two.commit()
        one.commit()
    assert found(named_db) == [("new", "PASS", 20, 2)]


@pytest.mark.parametrize("level", [psycopg.IsolationLevel.REPEATABLE_READ, psycopg.IsolationLevel.SERIALIZABLE])
def test_loaders_that_see_no_others_leave_the_batch_to_sweep(named_db: str, level: psycopg.IsolationLevel) -> None:
    with psycopg.connect(named_db) as one, psycopg.connect(named_db) as two:
        for connection in (one, two):
            connection.isolation_level = level
            connection.execute("select mlguard.begin_batch('d1')")
            put(connection, 10, missing=3)
        one.commit()
        try:
            two.commit()
        except psycopg.errors.SerializationFailure:
            assert level is psycopg.IsolationLevel.SERIALIZABLE
            two.rollback()
            two.execute("select mlguard.begin_batch('d1')")
            put(two, 10, missing=3)
            two.commit()
    assert found(named_db) == []
    tell(named_db, "select mlguard.sweep()")
    assert found(named_db) == [("d1", "FAIL", 20, 1)]
    assert query(named_db, "select count(*) from mlguard._load_due") == [(0,)]


def test_a_session_of_its_own_may_say_it_once(named_db: str) -> None:
    with psycopg.connect(named_db, autocommit=True) as connection:
        connection.execute("select mlguard.begin_batch('d1', true)")
        put(connection, 5)
        put(connection, 5)
        connection.execute("select * from mlguard.end_batch()")
        put(connection, 1)
    assert found(named_db) == [("d1", "PASS", 10, 2), (None, "PASS", 1, 1)]


def test_what_a_loader_is_told(named_db: str) -> None:
    with psycopg.connect(named_db, autocommit=True) as connection:
        said: list[str] = []
        connection.add_notice_handler(lambda diag: said.append(diag.message_primary or ""))
        connection.execute("select mlguard.begin_batch('d1')")
        assert said == ["mlguard: batch d1 is what the rest of this transaction writes"]
        with connection.transaction():
            connection.execute("select mlguard.begin_batch('d1')")
        assert len(said) == 1
        connection.execute("select * from mlguard.end_batch('nothing')")
        assert said[1:] == ["mlguard: nothing was written in batch nothing to a table that judges batches"]
        for wrong in ("' '", "repeat('x', 201)", "null::text"):
            with pytest.raises(psycopg.errors.InvalidParameterValue, match="mlguard: "):
                connection.execute(f"select mlguard.begin_batch({wrong})".encode())
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="no batch was begun"):
            connection.execute("select * from mlguard.end_batch()")


def test_who_may_not_write_ends_nothing(named_db: str) -> None:
    with psycopg.connect(named_db, autocommit=True) as connection:
        with connection.transaction():
            connection.execute("select mlguard.begin_batch('d1')")
            put(connection, 5)
        connection.execute("set role mlguard_task")
        assert connection.execute("select * from mlguard.end_batch('d1')").fetchall() == []
        connection.execute("reset role")
        connection.execute("grant usage on schema features to mlguard_writer")
        connection.execute("grant insert on features.visit to mlguard_writer")
        connection.execute("set role mlguard_writer")
        assert len(connection.execute("select * from mlguard.end_batch('d1')").fetchall()) == 1


def test_each_table_of_a_batch_is_judged(named_db: str, tmp_path: Path) -> None:
    prepare(named_db, "create table features.other (age integer);")
    other = BY_NAME.replace("features.visit", "features.other").replace("event_time: at\n", "")
    api.apply(project(tmp_path, other, "other.slo.yaml"), named_db)
    with psycopg.connect(named_db) as connection:
        connection.execute("select mlguard.begin_batch('d1')")
        put(connection, 5)
        connection.execute("insert into features.other values (1), (null)")
        told = connection.execute("select tbl, outcome from mlguard.end_batch()").fetchall()
    assert told == [("features.other", "FAIL"), ("features.visit", "PASS")]


def test_segments_and_categories_of_loads(db: str, tmp_path: Path) -> None:
    slos = (
        "slos:\n  - {name: kinds, check: distinct_count(age) >= 2, over: batch, by: country, min_rows: 1}\n"
        "  - {name: mid, check: median(age) > 20, over: batch, min_rows: 1}\n"
    )
    guard(db, tmp_path, BY_COLUMN.partition("slos:")[0] + slos + DAILY)
    with psycopg.connect(db) as connection:
        for age in (30, 31):
            connection.execute(
                "insert into features.visit (load_id, age, country, at)"
                " select l, %s, c, '2026-01-01' from unnest(array['L1', 'L2', '']) l, unnest(array['DE', 'FR']) c",
                [age],
            )
            connection.commit()
    told = query(
        db,
        "select b.name, v.slo, v.segment ->> 'country', v.outcome, v.n from mlguard.verdict v"
        " join mlguard.batch b on b.id = v.batch where v.current and b.name is not null order by 1, 2, 3",
    )
    kinds, mid = "features.visit/kinds", "features.visit/mid"
    assert told == [
        (load, slo, country, "PASS", n)
        for load in ("L1", "L2")
        for slo, country, n in ((kinds, "DE", 2), (kinds, "FR", 2), (mid, None, 4))
    ]


def test_an_slo_that_came_later_does_not_judge_what_it_cannot_know(column_db: str, tmp_path: Path) -> None:
    with psycopg.connect(column_db) as connection:
        put(connection, 10, load="L1")
        connection.commit()
        guard(
            column_db,
            tmp_path,
            BY_COLUMN + "  - {name: kinds, check: distinct_count(age) >= 2, over: batch, min_rows: 1}\n",
        )
        put(connection, 10, load="L1")
        connection.commit()
    assert [(outcome, n) for _, outcome, n, _ in found(column_db)] == [("PASS", 20), ("INSUFFICIENT", 20)]


def test_by_rows_and_by_day(db: str, tmp_path: Path) -> None:
    prepare(db, TABLE.replace("load_id text", "load_id date"))
    guard(db, tmp_path, BY_COLUMN + "writes: rows\n")
    for style in ("SQL, DMY", "ISO"):
        with psycopg.connect(db) as connection:
            connection.execute(f"set datestyle = '{style}'".encode())
            for age in (None, 30):
                connection.execute(
                    "insert into features.visit (load_id, age, at) values ('2026-01-31', %s, '2026-01-01')", [age]
                )
    assert [line[:3] for line in found(db)] == [("2026-01-31", "FAIL", 4)]


def test_whole_life(column_db: str, tmp_path: Path) -> None:
    with psycopg.connect(column_db) as connection:
        put(connection, 10, missing=9, load="L1")
        connection.commit()
        guard(column_db, tmp_path, BY_COLUMN.replace("batch: load_id\n", ""))
        put(connection, 10, load="L1")
        connection.commit()
        assert found(column_db)[-1][:3] == (None, "PASS", 10)
        guard(column_db, tmp_path, BY_COLUMN)
    assert api.plan(project(tmp_path, BY_COLUMN), column_db).empty


def test_large_loads_judge_the_windows_that_are_due(db: str, tmp_path: Path) -> None:
    """No SLO over batches and no max_bad: COMMIT of a load of 1000 rows judges a closed window all the same."""
    guard(db, tmp_path, BY_NAME.partition("slos:")[0] + "slos:\n" + DAILY)
    outcomes = "select (window_start at time zone 'UTC')::date::text, outcome from mlguard.verdict where current"
    with psycopg.connect(db) as connection:
        put(connection, 999, day=2)
        connection.commit()
        assert query(db, outcomes) == []
        put(connection, 1000, day=3)
        connection.commit()
    assert query(db, outcomes) == [("2026-01-02", "PASS")]
