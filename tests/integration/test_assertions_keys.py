"""Judging touched keys only finds what judging the whole SELECT finds: random writes, every shape that has a key."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mlguard import api
from mlguard.lang.query import parse_query
from mlguard.lang.query_items import output_names
from mlguard.lang.query_keys import keys_of
from mlguard.lang.types import parse_type
from mlguard.names import TableName
from tests.support import prepare, project, query

TABLES = """
create schema s;
create table s.t (k integer, v integer, w integer);
create table s.u (k bigint, v integer, w integer);
create table s.p (k integer, v integer) partition by range (v);
create table s.p_low partition of s.p for values from (minvalue) to (2);
create table s.p_high partition of s.p default;
create table s.n (k text, v integer);
create table s.d (k date, v integer);
"""
INT, BIG, TEXT, DATE = (parse_type(name) for name in ("integer", "bigint", "text", "date"))
TYPES = {
    TableName("s", "t"): {"k": INT, "v": INT, "w": INT},
    TableName("s", "u"): {"k": BIG, "v": INT, "w": INT},
    TableName("s", "p"): {"k": INT, "v": INT},
    TableName("s", "n"): {"k": TEXT, "v": INT},
    TableName("s", "d"): {"k": DATE, "v": INT},
}
# PARTITION BY a column that a LEFT JOIN fills with NULLs puts rows of several keys into one partition.
PARTED_BY_FILLED = (
    "WITH x AS (SELECT t.k, row_number() OVER (PARTITION BY u.k ORDER BY t.v) AS r FROM s.t t"
    " LEFT JOIN s.u u ON t.k = u.k) SELECT a.k FROM s.t a JOIN x ON a.k = x.k WHERE x.r > 1"
)
# The SELECT, and the tables that have a key (by their last letter).
SELECTS = [
    ("SELECT k FROM s.t WHERE v > 2", "t"),
    ("SELECT k, sum(v) FROM s.t GROUP BY k HAVING sum(v) > 3", "t"),
    ("SELECT k FROM s.t GROUP BY k, w HAVING count(*) > 1", "t"),
    ("SELECT DISTINCT k FROM s.t WHERE v = w", "t"),
    ("SELECT t.k FROM s.t t JOIN s.u u ON t.k = u.k WHERE t.v > u.v", "tu"),
    ("SELECT u.k FROM s.t t, s.u u WHERE u.k = t.k AND (t.v = 3 OR u.v = 3)", "tu"),
    ("SELECT a.k FROM s.t a JOIN s.t b ON a.k = b.k AND a.v <> b.v", "t"),
    ("SELECT t.k FROM s.t t LEFT JOIN s.u u ON t.k = u.k WHERE u.k IS NULL", "tu"),
    ("SELECT t.k, u.v FROM s.t t LEFT JOIN s.u u ON t.k = u.k AND u.v > 1 WHERE u.v IS NULL", "tu"),
    ("SELECT t.k FROM s.t t LEFT JOIN s.u u ON t.w = u.w WHERE u.k = t.k", "tu"),
    ("SELECT t.k FROM s.t t LEFT JOIN s.u u ON t.k = u.k LEFT JOIN s.p p ON p.k = u.k WHERE p.v IS NULL", "tpu"),
    ("SELECT t.k FROM s.t t LEFT JOIN s.p p ON t.k = p.k LEFT JOIN s.u u ON u.k = p.k WHERE u.v IS NULL", "tpu"),
    ("SELECT p.k FROM s.p p CROSS JOIN s.t t LEFT JOIN s.u u ON u.k = p.k AND u.k = t.k WHERE u.v IS NULL", "pu"),
    ("SELECT k FROM s.t WHERE NOT EXISTS (SELECT FROM s.u u WHERE u.k = t.k)", "tu"),
    ("SELECT k FROM s.t WHERE k NOT IN (SELECT k FROM s.u WHERE v > 0)", "t"),
    ("SELECT k FROM s.t WHERE k IN (SELECT u.k FROM s.u u WHERE u.k = t.k AND u.v > t.v)", "tu"),
    ("SELECT k FROM s.t WHERE v > (SELECT avg(u.v) FROM s.u u WHERE u.k = t.k)", "tu"),
    ("SELECT k FROM s.t WHERE v > (SELECT avg(u.v) FROM s.u u)", "t"),
    ("SELECT k FROM s.t GROUP BY k HAVING sum(v) > (SELECT coalesce(max(u.v), 1) FROM s.u u WHERE u.k = t.k)", "tu"),
    ("SELECT d.k FROM (SELECT k, sum(v) AS z FROM s.t GROUP BY k) d JOIN s.u u ON u.k = d.k WHERE d.z > u.v", "tu"),
    (
        "WITH z AS (SELECT k, max(v) AS m FROM s.t GROUP BY k) SELECT z.k FROM z JOIN z y ON y.k = z.k WHERE z.m > 2",
        "t",
    ),
    ("WITH z AS (SELECT k, max(v) AS m FROM s.t GROUP BY k) SELECT z.k FROM z, s.u u WHERE z.m < u.v", "t"),
    ("WITH z (a, b) AS (SELECT v, k FROM s.t) SELECT b FROM z WHERE EXISTS (SELECT FROM s.u u WHERE u.k = z.b)", "tu"),
    ("SELECT k FROM (SELECT k, row_number() OVER (PARTITION BY k ORDER BY v) AS r FROM s.t) d WHERE r > 2", "t"),
    ("SELECT k FROM s.t UNION SELECT k FROM s.t WHERE v > 1", "t"),
    ("SELECT k FROM s.t EXCEPT SELECT k FROM s.t WHERE v < 3", "t"),
    ("SELECT k FROM s.t INTERSECT ALL SELECT w FROM s.t", ""),
    ("SELECT k FROM s.p GROUP BY k HAVING sum(v) > 2", "p"),
    ("SELECT k FROM s.n GROUP BY k HAVING sum(v) > 2", "n"),
    ("SELECT d.k FROM s.d d WHERE d.v > 2", "d"),
    # What cannot be told by a key.
    ("SELECT t.k FROM s.t t, s.u u WHERE t.v = u.v AND t.v > 2", "t"),
    ("SELECT u.k FROM s.t t LEFT JOIN s.u u ON t.k = u.k", ""),
    ("SELECT t.k FROM s.t t RIGHT JOIN s.u u ON t.k = u.k", ""),
    ("SELECT t.k FROM s.t t FULL JOIN s.u u ON t.k = u.k", ""),
    ("SELECT t.k FROM s.t t JOIN s.u u ON t.k = u.k OR t.v = u.v", "t"),
    ("SELECT t.k FROM s.t t JOIN s.u u ON t.k = u.w", "tu"),
    ("SELECT t.k FROM s.t t JOIN s.t b ON t.k = b.w", ""),
    ("SELECT k FROM (SELECT k, row_number() OVER (ORDER BY v) AS r FROM s.t) d WHERE r > 2", ""),
    ("SELECT k FROM s.t GROUP BY ROLLUP (k) HAVING sum(v) > 3", ""),
    ("SELECT DISTINCT ON (v) k FROM s.t ORDER BY v, k", ""),
    ("SELECT k + 1 AS k FROM s.t WHERE v > 2", ""),
    ("SELECT count(*) FROM s.t HAVING count(*) > 3", ""),
    ("SELECT t.k FROM s.t t LEFT JOIN s.u u ON t.k = u.k, LATERAL (SELECT max(v) AS m FROM s.u) x WHERE x.m > 2", ""),
    ("WITH RECURSIVE r AS (SELECT k FROM s.t UNION SELECT k + 1 FROM r WHERE k < 3) SELECT k FROM r", ""),
    ("WITH z AS (SELECT k FROM s.t) SELECT q.k FROM z AS q (k) JOIN s.u u ON u.k = q.k", ""),
    (PARTED_BY_FILLED, ""),
]


@pytest.mark.parametrize(("select", "keyed"), SELECTS, ids=range(len(SELECTS)))
def test_which_tables_have_a_key(select: str, keyed: str) -> None:
    keys = keys_of(parse_query(select, "s"), TYPES)  # type: ignore[arg-type]  # every type above is known
    assert {table.name for table in (keys.tables if keys else {})} == set(keyed)


@pytest.fixture
def guarded(guarded_db: str, tmp_path: Path) -> str:
    """Every SELECT as an assertion that never acts."""
    slos = "".join(
        f'\n      - {{name: q{number}, shadow: true, assert: "{select}"}}' for number, (select, _) in enumerate(SELECTS)
    )
    prepare(guarded_db, TABLES)
    api.apply(project(tmp_path, f"    mlguard: 1\n    table: s.t\n    reads: none\n    slos:{slos}\n"), guarded_db)
    return guarded_db


def _write(dice: random.Random, connection: psycopg.Connection[Any]) -> None:
    table = dice.choice("ttuupnd")

    def key() -> str:
        number = dice.choice(["null", "0", "1", "2", "3"]) if dice.random() < 0.3 else str(dice.randrange(4))
        if table in "nd" and number != "null":
            return f"'k{number}'" if table == "n" else f"'2024-02-0{int(number) + 1}'"
        return number

    value = str(dice.randrange(4))
    more = ", w" if table in "tu" else ""
    match dice.randrange(7):
        case 0 | 1 | 2:
            rows = ", ".join(
                f"({key()}, {dice.randrange(4)}{f', {dice.randrange(4)}' if more else ''})"
                for _ in range(dice.randrange(1, 3))
            )
            statement = f"insert into s.{table} (k, v{more}) values {rows}"
        case 3:
            statement = f"update s.{table} set v = {value} where k is not distinct from {key()}"
        case 4:
            statement = f"update s.{table} set k = {key()} where k = {key()}"
        case 5:
            statement = f"update s.{table} set {'w' if more else 'v'} = {value} where v = {dice.randrange(4)}"
        case _:
            statement = f"delete from s.{table} where v = {value} and k is not distinct from {key()}"
    connection.execute(statement.encode())


def _by_number(dsn: str, column: str) -> dict[int, str]:
    found = query(dsn, f"select slo, {column} from mlguard._assertion")
    return {int(str(slo).removeprefix("s.t/q")): str(value) for slo, value in found}


def test_what_is_new_has_a_touched_key(guarded: str) -> None:
    views = _by_number(guarded, "relation")
    judges = _by_number(guarded, "judge")
    keyed, told = Counter[int](), Counter[int]()
    dice = random.Random(20_26)
    with psycopg.connect(guarded) as connection:

        def result(number: int) -> Counter[tuple[Any, ...]]:
            return Counter(connection.execute(f"select * from mlguard.{views[number]}".encode()).fetchall())

        for turn in range(140):
            connection.execute("set datestyle = 'SQL, DMY'")
            before = [result(number) for number in range(len(SELECTS))]
            for _ in range(dice.randrange(1, 4)):
                _write(dice, connection)
            noted = connection.execute("select slo, keys from mlguard._assertion_due").fetchall()
            due: dict[str, list[str] | None] = dict(noted)
            for number, (select, _) in enumerate(SELECTS):
                after = result(number)
                new = after - before[number]
                if f"s.t/q{number}" not in due:
                    assert not new, (turn, select)
                    continue
                touched = due[f"s.t/q{number}"]
                if touched is None:
                    continue
                keyed[number] += 1
                told[number] += bool(new)
                column = _key_column(select)
                assert {str(row[column]) for row in new} <= set(touched), (turn, select, new, touched)
                if not before[number]:
                    found = connection.execute(f"select n from {judges[number]}(%s)".encode(), (touched,)).fetchone()
                    assert found == (after.total(),), (turn, select)
            if dice.random() < 0.7:
                connection.rollback()
            else:
                connection.commit()
    with_keys = {number for number, (_, tables) in enumerate(SELECTS) if tables}
    assert set(keyed) == with_keys
    assert min(keyed.values()) > 5, "every shape was judged by keys often enough"
    assert {number for number in with_keys if told[number]} == with_keys, "and found something new"


def _key_column(select: str) -> int:
    keys = keys_of(parse_query(select, "s"), TYPES)  # type: ignore[arg-type]
    assert keys is not None
    return output_names(parse_query(select, "s").tree).index(keys.column)


def test_too_many_keys_and_missing_ones_are_judged_whole(guarded: str) -> None:
    whole = "select keys is null from mlguard._assertion_due where slo = 's.t/q0'"
    number = "select cardinality(keys) from mlguard._assertion_due where slo = 's.t/q0'"
    with psycopg.connect(guarded) as connection:

        def said(sql: str) -> Any:
            row = connection.execute(sql.encode()).fetchone()
            return row[0] if row else None

        connection.execute("insert into s.t select i, 1, 1 from generate_series(1, 1000) as i")
        assert said(number) == 1000
        connection.execute("insert into s.t values (5, 1, 1)")
        assert said(number) == 1000
        connection.execute("insert into s.t values (1001, 1, 1)")
        assert said(whole)
        connection.execute("insert into s.t values (1, 1, 1)")
        assert said(whole)
        connection.rollback()
        connection.execute("insert into s.t select i % 10, 1, 1 from generate_series(1, 20000) as i")
        assert said(number) == 10
        connection.rollback()
        connection.execute("insert into s.t select i, 1, 1 from generate_series(1, 20000) as i")
        assert said(whole)
        connection.rollback()
        connection.execute("insert into s.t values (null, 1, 1)")
        assert said(whole)
        connection.rollback()
        connection.execute("insert into s.t values (1, 1, 1)")
        connection.execute("truncate s.t")
        assert said(whole)
        connection.rollback()
