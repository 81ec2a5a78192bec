"""`arrives_by` on real servers: deadlines by local clocks and named days, what counts as arrived, gate and sweep."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from mlguard import api
from mlguard.operate.status import status
from mlguard.report.verdict import Outcome
from tests.support import prepare, project, query

SLO = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
owner: platform-ml
arrives_by: {}
"""
ID = "features.customer/arrives_by"
DAILY = "'06:00 UTC'"
HOLD = "{value: '06:00 UTC', on_violation: hold}"


def guard(dsn: str, folder: Path, arrives_by: str) -> str:
    text = SLO.format(arrives_by)
    prepare(dsn)
    api.apply(project(folder, text), dsn)
    return text


def load(dsn: str, event: str, written: str) -> None:
    """Write a row with an event time, as if at another time than now."""
    prepare(
        dsn,
        f"insert into features.customer (customer_id, event_ts) select count(*), '{event}' from features.customer;"
        f" update mlguard._freshness set at = '{written}' where newest = '{event}'",
    )


def at(dsn: str, moment: str) -> tuple[object, ...]:
    """Return the last deadline at a moment and whether it was kept."""
    (row,) = query(
        dsn,
        "select to_char(due at time zone 'UTC', 'MM-DD HH24:MI'), to_char(wanted at time zone 'UTC', 'MM-DD HH24:MI'),"
        f" arrived from mlguard.arrivals_v1('features.customer', '{moment}')",
    )
    return row


def test_daily_data_of_the_day_before(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, DAILY)
    load(db, "2026-02-01 22:00+00", "2026-02-02 05:00+00")
    assert at(db, "2026-02-02 05:59+00") == ("02-01 06:00", "01-31 00:00", True)
    assert at(db, "2026-02-02 06:00+00") == ("02-02 06:00", "02-01 00:00", True)
    assert at(db, "2026-02-03 05:59+00") == ("02-02 06:00", "02-01 00:00", True)
    assert at(db, "2026-02-03 06:00+00") == ("02-03 06:00", "02-02 00:00", False)
    load(db, "2026-02-02 22:00+00", "2026-02-03 07:00+00")  # late, but there
    assert at(db, "2026-02-03 07:00+00") == ("02-03 06:00", "02-02 00:00", True)
    # Old rows written anew bring no news.
    load(db, "2026-02-01 23:00+00", "2026-02-04 05:00+00")
    assert at(db, "2026-02-04 06:00+00") == ("02-04 06:00", "02-03 00:00", False)


def test_what_was_loaded_before_the_last_deadline_does_not_count_twice(db: str, tmp_path: Path) -> None:
    """A load at 05:00 with rows up to 04:55 of its own day must not stand for the next day's load."""
    guard(db, tmp_path, DAILY)
    load(db, "2026-02-02 04:55+00", "2026-02-02 05:00+00")
    assert at(db, "2026-02-02 06:00+00")[2] is True
    assert at(db, "2026-02-03 06:00+00") == ("02-03 06:00", "02-02 00:00", False)


def test_weekdays_ask_on_monday_for_what_came_since_friday(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, "'06:00 UTC on weekdays'")
    load(db, "2026-02-05 22:00+00", "2026-02-06 05:00+00")  # Thursday's data on Friday
    assert at(db, "2026-02-06 06:00+00") == ("02-06 06:00", "02-05 00:00", True)
    assert at(db, "2026-02-08 12:00+00") == ("02-06 06:00", "02-05 00:00", True)
    assert at(db, "2026-02-09 06:00+00") == ("02-09 06:00", "02-06 00:00", False)
    load(db, "2026-02-06 22:00+00", "2026-02-09 06:30+00")  # Friday's
    assert at(db, "2026-02-09 07:00+00") == ("02-09 06:00", "02-06 00:00", True)


def test_one_day_a_week(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, "'06:00 UTC on wed'")
    assert at(db, "2026-02-04 05:00+00")[0] == "01-28 06:00"
    assert at(db, "2026-02-04 06:00+00") == ("02-04 06:00", "01-28 00:00", False)


def test_deadlines_where_the_clock_changes(db: str, tmp_path: Path) -> None:
    """Berlin: 02:30 does not exist on 29 March (03:30 summer time), and comes twice on 25 October (the second)."""
    guard(db, tmp_path, "'06:00 Europe/Berlin'")
    assert at(db, "2026-03-28 12:00+00")[0] == "03-28 05:00"
    assert at(db, "2026-03-29 04:00+00")[0] == "03-29 04:00"
    assert at(db, "2026-03-29 03:59+00")[0] == "03-28 05:00"
    assert at(db, "2026-10-25 04:59+00")[0] == "10-24 04:00"
    assert at(db, "2026-10-25 05:00+00")[0] == "10-25 05:00"
    api.apply(project(tmp_path, SLO.format("'02:30 Europe/Berlin'")), db)
    assert at(db, "2026-03-29 01:29+00")[0] == "03-28 01:30"
    assert at(db, "2026-03-29 01:30+00")[0] == "03-29 01:30"
    assert at(db, "2026-10-25 01:29+00")[0] == "10-24 00:30"
    assert at(db, "2026-10-25 01:30+00")[0] == "10-25 01:30"


def test_windows_are_cut_in_the_files_zone_and_length(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, "'06:00 UTC'\ntime_zone: Europe/Berlin\nwindow: 7 days")
    assert at(db, "2026-02-04 06:00+00")[1] == "02-01 23:00"  # Monday in Berlin


def test_the_gate_closes_and_opens_by_the_readers_clock(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, HOLD)
    read = "select count(*) from features.customer_guarded"
    with pytest.raises(psycopg.Error) as caught, psycopg.connect(db, autocommit=True) as connection:
        connection.execute(read.encode())
    assert caught.value.sqlstate == "ML001"
    said = caught.value.diag.message_primary or ""
    assert said.startswith("mlguard: features.customer is late: nothing new had come by ")
    assert said.endswith(" (arrives_by)")
    detail = json.loads(caught.value.diag.message_detail or "")
    assert (detail["slo"], detail["state"], detail["allowed"]) == (ID, "late", "required by 06:00 UTC")
    assert "Owner platform-ml" in (caught.value.diag.message_hint or "")
    assert query(db, "select state from mlguard.gate") == [("closed",)]
    with psycopg.connect(db) as connection:
        assert [(found.slo, found.state) for found in status(connection).slos if found.slo == ID] == [(ID, "held")]
    prepare(db, "insert into features.customer (customer_id, event_ts) values (1, now() - interval '1 minute')")
    assert query(db, read) == [(1,)]
    assert query(db, "select state from mlguard.gate") == [("open",)]
    prepare(db, "delete from features.customer")
    with pytest.raises(psycopg.Error, match="is late"):
        query(db, read)
    prepare(db, f"select mlguard.off('{ID}', '1 hour', 'holiday')")
    assert query(db, read) == [(0,)]


def test_a_task_role_reads_through_the_gate(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, HOLD)
    prepare(db, "insert into features.customer (customer_id, event_ts) values (1, now() - interval '1 minute')")
    with psycopg.connect(db, autocommit=True) as connection:
        connection.execute("grant usage on schema features to mlguard_task")
        connection.execute("set role mlguard_task")
        assert connection.execute("select count(*) from features.customer_guarded").fetchone() == (1,)
        assert connection.execute("select arrived from mlguard.arrivals_v1('features.customer')").fetchone() == (True,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select mlguard._deadline('{}', now(), true)")


def test_warn_is_recorded_by_the_sweep_and_told(db: str, tmp_path: Path) -> None:
    text = guard(db, tmp_path, DAILY)
    assert query(db, "select count(*) from features.customer_guarded") == [(0,)]
    prepare(db, "select mlguard.sweep()")
    assert query(db, "select outcome, current from mlguard.verdict order by id") == [("FAIL", True)]
    assert query(db, "select slo, state from mlguard.incident") == [(ID, "open")]
    with psycopg.connect(db) as connection:
        assert [(found.slo, found.state) for found in status(connection).slos if found.slo == ID] == [(ID, "failing")]
    (verdict,) = api.check(project(tmp_path, text), db).verdicts
    assert verdict.outcome is Outcome.FAIL
    assert verdict.observed.startswith("nothing new had come by ")
    prepare(db, "insert into features.customer (customer_id, event_ts) values (1, now() - interval '1 minute')")
    prepare(db, "select mlguard.sweep()")
    assert query(db, "select outcome, current from mlguard.verdict order by id") == [("FAIL", False), ("PASS", True)]
    assert query(db, "select slo, state from mlguard.incident") == [(ID, "resolved")]
    (verdict,) = api.check(project(tmp_path, text), db).verdicts
    assert verdict.outcome is Outcome.PASS


def test_rows_found_at_apply_are_judged_by_their_event_time_alone(db: str, tmp_path: Path) -> None:
    prepare(db)
    prepare(db, "insert into features.customer (customer_id, event_ts) values (1, '2026-02-02 04:55+00')")
    api.apply(project(tmp_path, SLO.format(DAILY)), db)
    assert at(db, "2026-02-03 06:00+00")[2] is True
    assert at(db, "2026-02-04 06:00+00")[2] is False


def test_from_hold_to_warn_to_nothing(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, HOLD)
    api.apply(project(tmp_path, SLO.format(DAILY)), db)
    assert query(db, "select count(*) from features.customer_guarded") == [(0,)]
    without = SLO.replace("arrives_by: {}", "slos: [{name: adult, check: age >= 18}]")
    api.apply(project(tmp_path, without), db)
    assert query(db, "select id from mlguard.slo where level <> 'schema'") == [("features.customer/adult",)]
    assert query(db, "select count(*) from pg_trigger where tgname like 'zz_mlguard%'") == [(0,)]
