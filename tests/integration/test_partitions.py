"""Partitioned tables: a row is judged once, whether it came through the parent or straight into a leaf."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from mlguard import api
from tests.support import prepare, project, query

TABLE = """
create schema features;
create table features.day (id int, d date not null, a int, at timestamptz, primary key (id, d)) partition by range (d);
create table features.day_1 partition of features.day for values from ('2026-01-01') to ('2026-02-01');
create table features.day_2 partition of features.day for values from ('2026-02-01') to ('2026-03-01')
  partition by list (id);
create table features.day_2_odd partition of features.day_2 for values in (1, 3, 5);
create table features.day_2_even partition of features.day_2 for values in (2, 4, 6);
"""
TEXT = """
mlguard: 1
table: features.day
key: [id, d]
event_time: at
columns:
  a: {type: integer, range: {between: [0, 10], on_violation: quarantine}, not_in: [7], max_null_rate: 100%}
slos:
  - {name: small, check: a < 5, on_violation: warn}
  - {name: fresh, check: staleness() <= INTERVAL '1 day'}
"""


@pytest.fixture
def day(pg: str, tmp_path: Path) -> str:
    prepare(pg, TABLE)
    loaded = project(tmp_path, TEXT.replace(", max_null_rate: 100%", ""))
    api.apply(loaded, pg)
    assert api.plan(loaded, pg).empty
    return pg


@pytest.mark.parametrize("target", ["features.day", "features.day_2", "features.day_2_odd"])
def test_each_row_is_judged_once(day: str, target: str) -> None:
    said: list[str] = []
    with psycopg.connect(day, autocommit=True) as connection:
        connection.add_notice_handler(lambda diag: said.append(diag.message_primary or ""))
        connection.execute(
            f"insert into {target} values (1, '2026-02-01', -1, now()), (3, '2026-02-02', 6, now()),"
            " (5, '2026-02-03', 2, now())".encode()
        )
    assert query(day, "select id from features.day order by 1") == [(3,), (5,)]
    assert query(day, "select count(*) from mlguard.quarantine") == [(1,)]
    assert query(day, "select slo, bad from mlguard.violation") == [("features.day/small", 1)]
    assert query(day, "select count(*) from features.day_guarded") == [(2,)]
    assert [line.split(" kept")[0] for line in said] == ["mlguard: 1 of 3 rows"]
    with pytest.raises(psycopg.errors.CheckViolation):
        prepare(day, f"insert into {target} values (1, '2026-02-01', 7, now())")


def test_an_update_that_moves_a_row_never_loses_it(day: str) -> None:
    prepare(day, "insert into features.day values (1, '2026-02-01', 1, now())")
    prepare(day, "update features.day set d = '2026-01-05'")
    assert query(day, "select tableoid::regclass::text from features.day") == [("features.day_1",)]
    with pytest.raises(psycopg.errors.CheckViolation):
        prepare(day, "update features.day set d = '2026-02-05', a = 99")
    assert query(day, "select count(*) from features.day") == [(1,)]


def test_copy_spreads_over_leaves(day: str) -> None:
    said: list[str] = []
    with psycopg.connect(day) as connection:
        connection.add_notice_handler(lambda diag: said.append(diag.message_primary or ""))
        with connection.cursor() as cursor, cursor.copy(b"copy features.day from stdin (format csv)") as copy:
            copy.write("1,2026-01-03,5,2026-01-03\n2,2026-02-03,-5,2026-02-03\n3,2026-02-04,1,2026-02-04\n")
    assert said[0].startswith("mlguard: 1 of 3 rows kept out of features.day (a.range 1)")


def test_remove_clears_the_leaves(day: str) -> None:
    api.remove(None, day, runtime_too=True, discard=True)
    assert query(day, "select count(*) from pg_trigger where not tgisinternal") == [(0,)]
    assert query(day, "select count(*) from pg_constraint where conname like 'mlguard%'") == [(0,)]
