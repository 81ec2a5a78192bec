"""A window that is held closes the guarded views of the partitions it reaches into, and leaves those of others open."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from mlguard import api, doctor
from mlguard.connect import session
from tests.support import prepare, project, query

TABLE = """
create schema features;
create table features.day (id int, a float8, at {type} not null) partition by range (at);
create table features.day_1 partition of features.day for values from ('2026-01-01') to ('2026-01-02');
create table features.day_2 partition of features.day for values from ('2026-01-02') to ('2026-01-03');
create table features.rest partition of features.day for values from ('2026-01-03') to (maxvalue);
"""
SLOS = """
mlguard: 1
table: features.day
event_time: at
time_zone: UTC
slos:
  - {name: level, check: mean(a) <= 10, over: 1 day, on_violation: hold, reopen: same, min_rows: 1}
  - {name: load, check: mean(a) >= 0, over: batch, on_violation: hold, min_rows: 1}
"""
# Windows before an SLO was in force are noted only.
LONG_IN_FORCE = "update mlguard._slo set since = '2025-01-01'"


def held(dsn: str, view: str) -> bool:
    """Whether a guarded read of nothing raises."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        try:
            connection.execute(f"select count(*) from features.{view} where id = -1".encode())
        except psycopg.Error as error:
            return error.sqlstate == "ML001"
    return False


def test_a_held_day_does_not_close_the_others(db: str, tmp_path: Path) -> None:
    loaded = project(tmp_path, SLOS)
    prepare(db, TABLE.format(type="timestamptz"))
    api.apply(loaded, db)
    prepare(db, LONG_IN_FORCE)
    for setting in ("-c timezone=Asia/Tokyo", "-c datestyle=SQL,DMY"):
        assert api.plan(loaded, f"{db}&options={setting.replace(' ', '%20').replace('=', '%3D')}").empty
    views = ("day_guarded", "day_1_guarded", "day_2_guarded")
    prepare(
        db,
        "insert into features.day select n, 50, '2026-01-01 05:00+00' from generate_series(1, 4) n;"
        "insert into features.day select n, 5, '2026-01-02 05:00+00' from generate_series(1, 4) n",
    )
    prepare(db, "select mlguard.sweep()")
    assert query(db, "select window_start::date::text, slo from mlguard._hold where ended_at is null") == [
        ("2026-01-01", "features.day/level")
    ]
    assert [held(db, view) for view in views] == [True, True, False]
    assert query(db, "select count(*)::int, max(a) from features.day_2_guarded") == [(4, 5.0)]
    with psycopg.connect(db) as connection:
        plan = "\n".join(
            line
            for (line,) in connection.execute("explain (costs off) select * from features.day_2_guarded").fetchall()
        )
    assert "day_2" in plan
    assert "day_1" not in plan

    # A load is of no window: wherever its rows are, it closes all; so does what no view can place.
    prepare(db, "insert into features.day values (9, -5, '2026-01-03 05:00+00')")
    assert [held(db, view) for view in views] == [True, True, True]
    prepare(db, "delete from features.day where id = 9")
    assert [held(db, view) for view in views] == [True, True, False]
    with session(db) as connection:
        assert doctor.examine(connection) == []

    # Nothing hangs on the partition, and no partition is read that the view is not about.
    prepare(
        db, "create table features.day_0 partition of features.day for values from ('2025-12-31') to ('2026-01-01')"
    )
    assert {step.what for table in api.plan(loaded, db).tables for step in table.steps} == {
        "guarded view features.day_0_guarded"
    }
    prepare(db, "select mlguard.detach_partition('features.day', 'features.day_2'); drop table features.day_2")
    assert query(db, "select count(*)::int from features.day_2_guarded") == [(0,)]
    api.apply(loaded, db)
    assert query(db, "select relname from pg_class where relname like 'day%guarded' order by 1") == [
        ("day_0_guarded",), ("day_1_guarded",), ("day_guarded",)
    ]  # fmt: skip
    assert not held(db, "day_0_guarded")


@pytest.mark.parametrize("type_", ["date", "timestamp"])
def test_days_of_a_time_zone(guarded_db: str, tmp_path: Path, type_: str) -> None:
    """What is held is the day by the table's clock; a bound without a zone is read by it."""
    prepare(guarded_db, TABLE.format(type=type_))
    loaded = project(tmp_path, SLOS.replace("UTC", "Pacific/Auckland"))
    api.apply(loaded, guarded_db)
    assert api.plan(loaded, guarded_db).empty
    prepare(guarded_db, LONG_IN_FORCE)
    prepare(
        guarded_db,
        "insert into features.day select n, 50, '2026-01-01' from generate_series(1, 4) n;"
        "insert into features.day select n, 5, '2026-01-02' from generate_series(1, 4) n",
    )
    prepare(guarded_db, "select mlguard.sweep()")
    assert [held(guarded_db, view) for view in ("day_guarded", "day_1_guarded", "day_2_guarded")] == [True, True, False]
