"""`no_gaps` on real servers: gaps inside windows, over their edges, of empty windows, and after late rows."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from mlguard import api, planner
from mlguard.operate.status import status
from mlguard.report import plan_text
from mlguard.report.verdict import Outcome
from tests.support import prepare, project, query

TABLE = """
create schema features;
create table features.reading (sensor integer, event_ts {type});
create index reading_moment on features.reading (event_ts);
"""
SLO = """
mlguard: 1
table: features.reading
event_time: event_ts
time_zone: {zone}
columns:
  event_ts: {{no_gaps: {gap}}}
"""
ID = "features.reading/event_ts.no_gaps"


def guard(
    dsn: str,
    folder: Path,
    *,
    gap: str = "90 min",
    zone: str = "UTC",
    type_: str = "timestamptz",
    since: str = "2026-02-01+00",
) -> str:
    """Put a no_gaps in force, as if since another day; return the SLO file."""
    text = SLO.format(gap=gap, zone=zone)
    prepare(dsn, TABLE.format(type=type_))
    api.apply(project(folder, text), dsn)
    prepare(dsn, f"update mlguard._slo set since = '{since}'")
    return text


def write(dsn: str, *moments: str) -> None:
    with psycopg.connect(dsn) as connection:
        for moment in moments:
            connection.execute("insert into features.reading values (1, %s)", (moment,))


def hourly(dsn: str, first: str, last: str, but: str = "") -> None:
    """Write a row an hour, without those that `but` excludes."""
    rows = f"select 1, h from generate_series(timestamptz '{first}', '{last}', '1 hour') as h"
    prepare(dsn, f"set time zone 'UTC'; insert into features.reading {rows} {but}")


def sweep(dsn: str, at: str) -> None:
    prepare(dsn, f"select mlguard.sweep('{at}')")


def verdicts(dsn: str) -> list[tuple[object, ...]]:
    """Return day, outcome, longest gap in minutes and rows of the current verdicts."""
    return query(
        dsn,
        "select to_char(window_start at time zone 'UTC', 'MM-DD'), outcome, vals[1] / 60, n from mlguard.verdict"
        f" where slo = '{ID}' and current order by window_start",
    )


def test_gaps_inside_over_the_edge_and_at_the_end(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path)
    hourly(db, "2026-02-01 00:00+00", "2026-02-01 23:00+00")
    # From 23:00 to 00:40 is 100 minutes over midnight, of which neither day has more than 60.
    hourly(db, "2026-02-02 00:40+00", "2026-02-02 23:40+00")
    hourly(db, "2026-02-03 00:40+00", "2026-02-03 23:40+00", "where h <> '2026-02-03 12:40+00'")
    hourly(db, "2026-02-04 00:40+00", "2026-02-04 20:40+00")
    sweep(db, "2026-02-05 01:00+00")
    assert verdicts(db) == [
        ("02-01", "PASS", 60, 24),
        ("02-02", "FAIL", 100, 24),
        ("02-03", "FAIL", 120, 23),
        ("02-04", "FAIL", 3 * 60 + 20, 21),
    ]
    (row,) = query(db, f"select observed, allowed from mlguard.verdict where slo = '{ID}' and vals[1] = 7200")
    assert row == ("gap_seconds(event_ts) is 7200", "allowed <= 5400 (90 min)")


def test_an_empty_window_and_one_before_any_row(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path)
    hourly(db, "2026-02-01 12:00+00", "2026-02-01 23:00+00")
    hourly(db, "2026-02-03 00:00+00", "2026-02-03 23:00+00")
    sweep(db, "2026-02-04 01:00+00")
    found = verdicts(db)[-3:]
    assert found[0] == ("02-01", "PASS", 60, 12)  # nothing came before: no edge
    assert found[1] == ("02-02", "FAIL", 25 * 60, 0)
    assert found[2] == ("02-03", "FAIL", 25 * 60, 24)


def test_rows_that_come_late_close_the_gap(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path)
    hourly(db, "2026-02-01 00:00+00", "2026-02-01 23:00+00", "where h <> '2026-02-01 12:00+00'")
    sweep(db, "2026-02-02 01:00+00")
    assert verdicts(db) == [("02-01", "FAIL", 120, 23)]
    write(db, "2026-02-01 12:00+00")
    sweep(db, "2026-02-02 02:00+00")
    assert verdicts(db) == [("02-01", "PASS", 60, 24)]
    assert query(db, f"select max(version) from mlguard.verdict where slo = '{ID}'") == [(2,)]


def test_statements_that_interleave_are_one_row_of_times(db: str, tmp_path: Path) -> None:
    """Each statement alone has gaps of two hours, both together of one: what no merge of extremes could tell."""
    guard(db, tmp_path)
    hourly(db, "2026-02-01 00:00+00", "2026-02-01 23:00+00", "where extract(hour from h) in (0, 23)")
    hourly(db, "2026-02-01 00:00+00", "2026-02-01 23:00+00", "where extract(hour from h)::integer % 2 = 0")
    hourly(db, "2026-02-01 00:00+00", "2026-02-01 23:00+00", "where extract(hour from h)::integer % 2 = 1")
    sweep(db, "2026-02-02 01:00+00")
    assert verdicts(db) == [("02-01", "PASS", 60, 26)]


def test_days_are_a_day_apart_where_the_clock_changes(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, gap="1 day", zone="Europe/Berlin", type_="date", since="2026-03-27+01")
    prepare(
        db, "insert into features.reading select 1, d from generate_series(date '2026-03-27', '2026-03-31', '1 day') d"
    )
    prepare(
        db, "insert into features.reading select 1, d from generate_series(date '2026-10-23', '2026-10-27', '1 day') d"
    )
    sweep(db, "2026-10-28 01:00+00")
    found = query(
        db,
        "select to_char(window_start at time zone 'Europe/Berlin', 'MM-DD'), outcome, vals[1] / 3600"
        " from mlguard.verdict where n > 0 order by window_start",
    )
    assert found == [
        *((f"03-{day}", "PASS", 24) for day in range(27, 32)),
        ("10-23", "FAIL", (31 + 30 * 3 + 31 * 3 - 8) * 24),
        *((f"10-{day}", "PASS", 24) for day in range(24, 28)),
    ]


def test_only_the_windows_own_rows_are_read(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path)
    rows = "select 1, timestamptz '2026-01-01 00:00+00' + g * interval '1 minute' from generate_series(0, 99999) as g"
    prepare(db, f"insert into features.reading {rows}; analyze features.reading")
    with psycopg.connect(db, autocommit=True) as connection:
        found = connection.execute(
            "select f.* from mlguard.\"verdict features.reading/event_ts.no_gaps\"('{}', "
            "jsonb_build_object('start', '2026-02-01 00:00+00', 'end', '2026-02-02 00:00+00')) as f"
        ).fetchone()
        assert found is not None
        assert (found[1], found[2], found[3]) == ([60.0], 1440, True)
        plan = connection.execute(
            "explain (format json) select max(event_ts) from features.reading where event_ts < '2026-02-01'"
        ).fetchone()
    assert plan is not None
    assert "reading_moment" in json.dumps(plan[0])


def test_plan_names_the_index_that_lacks(db: str, tmp_path: Path) -> None:
    prepare(db, TABLE.format(type="timestamptz") + "drop index features.reading_moment;")
    with psycopg.connect(db) as connection:
        notes = plan_text.render(planner.make_plan(project(tmp_path, SLO.format(gap="1 hour", zone="UTC")), connection))
    assert "no index of features.reading begins with event_ts" in notes
    assert 'create index concurrently on "features"."reading" ("event_ts");' in notes


def test_hold_status_check_and_remove(db: str, tmp_path: Path) -> None:
    text = guard(db, tmp_path, gap="{value: 90 min, on_violation: hold}")
    hourly(db, "2026-02-01 00:00+00", "2026-02-01 20:00+00")
    sweep(db, "2026-02-02 01:00+00")
    with pytest.raises(psycopg.Error) as caught, psycopg.connect(db, autocommit=True) as connection:
        connection.execute("select from features.reading_guarded")
    assert caught.value.sqlstate == "ML001"
    said = caught.value.diag.message_primary or ""
    assert "gap_seconds(event_ts) is 14400 on 2026-02-01, allowed <= 5400 (90 min) (event_ts.no_gaps)" in said
    with psycopg.connect(db) as connection:
        assert [(found.slo, found.state) for found in status(connection).slos if found.slo == ID] == [(ID, "held")]
    (verdict,) = api.check(project(tmp_path, text), db).verdicts
    assert verdict.outcome is Outcome.FAIL
    assert "gap_seconds(event_ts) is " in verdict.observed  # check sweeps: of yesterday, since no row came
    assert query(db, "select metric, value from mlguard.metric where window_start = '2026-02-01+00'") == [
        ("gap_seconds(event_ts)", 14400)
    ]
    api.remove(["features.reading"], db)
    assert query(db, "select count(*) from pg_proc where proname like 'verdict %'") == [(0,)]
