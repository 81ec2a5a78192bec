"""Windows judged once they have closed, and anew when rows come later."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests import metrics_example
from tests.metrics_example import (
    add_window_slo,
    days,
    gate,
    outcomes,
    same_as_a_recount,
    sell,
    sweep,
    verdicts,
)
from tests.runtime_example import rows, session, value


@pytest.fixture
def sales(db: str) -> str:
    """DSN of a database with the table of metrics_example, on each server in turn; batches are not judged."""
    metrics_example.make(db)
    with session(db) as connection:
        connection.execute("update mlguard._table set judges_batches = false")
    return db


# Windows that close.


def test_a_window_is_judged_once_it_has_closed(sales: str) -> None:
    with session(sales) as connection:
        connection.execute("update mlguard._table set late = '1 hour'")
        add_window_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75", action="hold")
        sell(connection, 100, missing=60)
        sell(connection, 100, day="2026-01-02")
        sweep(connection, "2026-01-02 00:59+00")
        assert verdicts(connection, "amount_coverage") == []
        sweep(connection, "2026-01-02 01:00+00")
        assert verdicts(connection, "amount_coverage") == [("2026-01-01", {}, 1, True, "FAIL", 100)]
        assert gate(connection) is not None
        assert "coverage(amount) is 0.4 on 2026-01-01, allowed >= 0.75 (amount_coverage)" in str(gate(connection))
        sweep(connection, "2026-01-02 23:00+00")
        assert len(verdicts(connection, "amount_coverage")) == 1
        sweep(connection, "2026-01-03 01:00+00")
        assert outcomes(connection, "amount_coverage") == {"2026-01-01": "FAIL", "2026-01-02": "PASS"}
        assert gate(connection) is None
        assert rows(connection, "select reason, window_start::date::text from mlguard.hold") == [
            ("the next window is good", "2026-01-01")
        ]


def test_history_that_comes_after_the_first_row_is_judged_at_once(sales: str) -> None:
    with session(sales) as connection:
        add_window_slo(
            connection, "amount_coverage", "coverage(amount)", ">= 0.75", since=datetime(2026, 1, 9, tzinfo=UTC)
        )
        sell(connection, 1, day="2026-01-09")
        sweep(connection, "2026-01-09 18:00+00")
        assert verdicts(connection, "amount_coverage") == []
        sell(connection, 100, day="2026-01-06", missing=60)
        sell(connection, 100, day="2026-01-07")
        sweep(connection, "2026-01-09 18:01+00")
        assert outcomes(connection, "amount_coverage") == {
            "2026-01-06": "NOTED",  # before the SLO: it acts on nothing
            "2026-01-07": "PASS",
            "2026-01-08": "INSUFFICIENT",
        }


def test_reopen_same_waits_for_the_window_itself(sales: str) -> None:
    with session(sales) as connection:
        add_window_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75", action="hold", reopen="same")
        sell(connection, 100, missing=60)
        sell(connection, 100, day="2026-01-02")
        sweep(connection, "2026-01-03+00")
        assert gate(connection) is not None
        connection.execute("update features.sale set amount = 1 where amount is null")
        sweep(connection, "2026-01-03+00")
        assert gate(connection) is None
        assert value(connection, "select reason from mlguard.hold") == "re-judged good"


def test_rows_that_come_late_make_a_new_version(sales: str) -> None:
    with session(sales) as connection:
        add_window_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75")
        sell(connection, 100, missing=10)
        sell(connection, 100, day="2026-01-02")
        sweep(connection, "2026-01-03+00")
        connection.execute("update mlguard._metric set excluded = true where value = 0.9")
        sell(connection, 100, missing=90, day="2026-01-01")
        sweep(connection, "2026-01-03 01:00+00")
        assert verdicts(connection, "amount_coverage") == [
            ("2026-01-01", {}, 1, False, "PASS", 100),
            ("2026-01-01", {}, 2, True, "FAIL", 200),
            ("2026-01-02", {}, 1, True, "PASS", 100),
        ]
        assert rows(
            connection, "select window_start::date::text, value, n, excluded, current from mlguard._metric order by id"
        ) == [
            ("2026-01-01", 0.9, 100, True, False),
            ("2026-01-02", 1, 100, False, True),
            ("2026-01-01", 0.5, 200, True, True),
        ]
        # Judged again and found the same is no news.
        sell(connection, 1, day="2026-01-05")
        sweep(connection, "2026-01-03 02:00+00")
        assert len(verdicts(connection, "amount_coverage")) == 3


def test_a_late_failure_does_not_close_a_gate_that_a_good_window_opened(sales: str) -> None:
    with session(sales) as connection:
        add_window_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75", action="hold")
        for day in days("2026-01-01", 3):
            sell(connection, 100, day=day)
        sweep(connection, "2026-01-04+00")
        sell(connection, 100, missing=100, day="2026-01-01")
        sweep(connection, "2026-01-04 01:00+00")
        assert outcomes(connection, "amount_coverage")["2026-01-01"] == "FAIL"
        assert gate(connection) is None
        sell(connection, 100, missing=100, day="2026-01-03")
        sweep(connection, "2026-01-04 02:00+00")
        assert gate(connection) is not None


def test_deleting_what_is_old_makes_no_alarm_and_mends_what_failed(sales: str) -> None:
    with session(sales) as connection:
        add_window_slo(connection, "enough", "row_count()", ">= 50", min_rows=0)
        add_window_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75", action="hold", reopen="same")
        sell(connection, 100)
        sell(connection, 100, missing=60, day="2026-01-02")
        sell(connection, 100, day="2026-01-03")
        sweep(connection, "2026-01-04+00")
        connection.execute("delete from features.sale where id <= 90")
        # A feature table that keeps the newest row of each entity: rows leave yesterday for today.
        connection.execute("update features.sale set event_ts = '2026-01-04 10:00+00' where id between 201 and 290")
        sweep(connection, "2026-01-04 11:00+00")
        assert set(outcomes(connection, "enough").values()) == {"PASS"}
        assert gate(connection) is not None
        connection.execute("delete from features.sale where amount is null")
        sweep(connection, "2026-01-04 11:00+00")
        assert gate(connection) is None
        assert outcomes(connection, "amount_coverage")["2026-01-02"] == "PASS"
        same_as_a_recount(connection)


def test_a_window_without_rows_is_judged_with_none(sales: str) -> None:
    with session(sales) as connection:
        add_window_slo(connection, "enough", "row_count()", ">= 1", min_rows=0, action="hold")
        add_window_slo(connection, "average", "mean(amount)", "<= 100")
        sell(connection, 100, day="2026-01-01")
        sell(connection, 100, day="2026-01-04")
        sweep(connection, "2026-01-04 12:00+00")
        assert verdicts(connection, "enough") == [
            ("2026-01-01", {}, 1, True, "PASS", 100),
            ("2026-01-02", {}, 1, True, "FAIL", 0),
            ("2026-01-03", {}, 1, True, "FAIL", 0),
        ]
        assert outcomes(connection, "average") == {
            "2026-01-01": "PASS",
            "2026-01-02": "INSUFFICIENT",
            "2026-01-03": "INSUFFICIENT",
        }
        assert gate(connection) is not None
        sweep(connection, "2026-01-05 00:00+00")
        assert gate(connection) is None


def test_a_table_that_never_had_a_row_is_judged_from_the_slo_on(sales: str) -> None:
    with session(sales) as connection:
        since = datetime(2026, 1, 2, 15, tzinfo=UTC)
        add_window_slo(connection, "enough", "row_count()", ">= 1", min_rows=0, since=since)
        sweep(connection, "2026-01-04 12:00+00")
        assert outcomes(connection, "enough") == {"2026-01-02": "FAIL", "2026-01-03": "FAIL"}


def test_windows_before_the_slo_are_history(sales: str) -> None:
    with session(sales) as connection:
        for day in days("2026-01-01", 4):
            sell(connection, 100, missing=60, day=day)
        add_window_slo(
            connection,
            "amount_coverage",
            "coverage(amount)",
            ">= 0.75",
            action="hold",
            since=datetime(2026, 1, 3, 12, tzinfo=UTC),
        )
        sweep(connection, "2026-01-03 12:00+00")
        assert outcomes(connection, "amount_coverage") == {"2026-01-01": "NOTED", "2026-01-02": "NOTED"}
        assert value(connection, "select distinct reason from mlguard.verdict") == "before the SLO was in force"
        assert gate(connection) is None
        assert value(connection, "select count(*) from mlguard.violation") == 0
        assert value(connection, "select count(*) from mlguard.incident") == 0
        assert value(connection, "select count(*) from mlguard.metric") == 2
        sweep(connection, "2026-01-04 00:00+00")
        assert outcomes(connection, "amount_coverage")["2026-01-03"] == "FAIL"
        assert gate(connection) is not None


def test_a_changed_slo_keeps_the_verdicts_it_had(sales: str) -> None:
    with session(sales) as connection:
        slo = add_window_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75")
        for day in days("2026-01-01", 3):
            sell(connection, 100, missing=60, day=day)
        sweep(connection, "2026-01-04+00")
        connection.execute("delete from mlguard._metric")
        connection.execute(
            "update mlguard._slo set version = 2, min_rows = 1000, since = '2026-01-04+00' where id = %s", [slo]
        )
        sell(connection, 100, missing=60, day="2026-01-04")
        sweep(connection, "2026-01-05+00")
        assert outcomes(connection, "amount_coverage") == {
            "2026-01-01": "FAIL",
            "2026-01-02": "FAIL",
            "2026-01-03": "FAIL",
            "2026-01-04": "INSUFFICIENT",
        }
        assert value(connection, "select count(*) from mlguard._metric where current") == 4


def test_one_row_of_long_ago_does_not_make_centuries(sales: str) -> None:
    with session(sales) as connection:
        add_window_slo(
            connection, "enough", "row_count()", ">= 1", min_rows=0, since=datetime(2025, 12, 30, tzinfo=UTC)
        )
        for day in ("0001-01-02", "1970-01-01", "2026-01-01", "2999-01-01"):
            sell(connection, 1, day=day)
        began = time.monotonic()
        sweep(connection, "2026-01-02+00")
        assert time.monotonic() - began < 20
        found = outcomes(connection, "enough")
        assert found["2026-01-01"] == "PASS"
        assert len(found) < 200


def test_a_new_slo_judges_what_is_stored_already(sales: str) -> None:
    with session(sales) as connection:
        add_window_slo(connection, "first", "coverage(amount)", ">= 0.75")
        for day in days("2026-01-01", 3):
            sell(connection, 100, day=day)
        sweep(connection, "2026-01-04+00")
        add_window_slo(connection, "second", "coverage(amount)", ">= 0.8")
        sweep(connection, "2026-01-04+00")
        assert outcomes(connection, "second") == dict.fromkeys(days("2026-01-01", 3), "PASS")
        # A metric that several SLOs share is kept once.
        assert value(connection, "select count(*) from mlguard._metric") == 3


# Other windows.


def test_sliding_windows_end_with_each_bucket(sales: str) -> None:
    with session(sales) as connection:
        add_window_slo(connection, "steady", "row_count()", ">= 250", over="last 3 days", min_rows=0)
        for day in days("2026-01-01", 5):
            sell(connection, 100, day=day)
        sweep(connection, "2026-01-06+00")
        assert rows(
            connection,
            "select (window_start at time zone 'UTC')::date::text, (window_end at time zone 'UTC')::date::text,"
            " outcome, n from mlguard.verdict order by window_end",
        ) == [
            ("2025-12-30", "2026-01-02", "FAIL", 100),
            ("2025-12-31", "2026-01-03", "FAIL", 200),
            ("2026-01-01", "2026-01-04", "PASS", 300),
            ("2026-01-02", "2026-01-05", "PASS", 300),
            ("2026-01-03", "2026-01-06", "PASS", 300),
        ]
        # Of sliding windows only the newest is judged anew.
        sell(connection, 10, day="2026-01-04")
        sweep(connection, "2026-01-06+00")
        assert rows(connection, "select n, version from mlguard.verdict where current and version > 1") == [(310, 2)]


def test_windows_of_several_lengths_share_their_buckets(sales: str) -> None:
    with session(sales) as connection:
        since = datetime(2026, 1, 5, tzinfo=UTC)
        add_window_slo(connection, "daily", "row_count()", ">= 1", min_rows=0, since=since)
        add_window_slo(connection, "weekly", "row_count()", ">= 700", min_rows=0, over="7 days", since=since)
        add_window_slo(connection, "monthly", "row_count()", ">= 1", min_rows=0, over="1 month", since=since)
        for day in days("2026-01-05", 30):
            sell(connection, 100, day=day)
        sweep(connection, "2026-02-02 00:00+00")
        assert len(outcomes(connection, "daily")) == 28
        assert outcomes(connection, "weekly") == {
            "2026-01-05": "PASS",
            "2026-01-12": "PASS",
            "2026-01-19": "PASS",
            "2026-01-26": "PASS",
        }
        assert verdicts(connection, "monthly") == [("2026-01-01", {}, 1, True, "PASS", 2700)]


def test_days_are_as_long_as_the_zone_makes_them(sales: str) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    with session(sales) as connection:
        connection.execute("update mlguard._table set time_zone = 'Europe/Berlin'")
        add_window_slo(
            connection, "hours", "row_count()", ">= 24", min_rows=0, since=datetime(2026, 3, 28, tzinfo=berlin)
        )
        first = datetime(2026, 3, 28, tzinfo=berlin).astimezone(UTC)
        last = datetime(2026, 3, 31, tzinfo=berlin).astimezone(UTC)
        hours = int((last - first) / timedelta(hours=1))
        for i in range(hours):
            connection.execute(
                "insert into features.sale values (%s, 'DE', 1, %s)", [i, first + i * timedelta(hours=1)]
            )
        sweep(connection, "2026-03-31 00:00+02")
        assert rows(
            connection,
            "select (window_start at time zone 'Europe/Berlin')::text, n, outcome from mlguard.verdict"
            " order by window_start",
        ) == [
            ("2026-03-28 00:00:00", 24, "PASS"),
            ("2026-03-29 00:00:00", 23, "FAIL"),
            ("2026-03-30 00:00:00", 24, "PASS"),
        ]


def test_trailing_looks_back_by_the_clock_of_the_zone(sales: str) -> None:
    with session(sales) as connection:
        connection.execute("update mlguard._table set time_zone = 'Europe/Berlin'")
        add_window_slo(
            connection,
            "steady",
            "coverage(amount) | trailing(coverage(amount), '7 days')",
            "_1 >= 0.9 * _2",
            history="fewer than 3 earlier windows",
            since=datetime(2026, 3, 25, tzinfo=UTC),
        )
        for place, day in enumerate(days("2026-03-25", 9)):
            sell(connection, 100, missing=30 + place if place < 8 else 90, day=day)
        sweep(connection, "2026-04-03 12:00+00")
        found = rows(connection, "select outcome, vals, reason from mlguard.verdict order by window_start")
        assert [outcome for outcome, *_ in found] == ["INSUFFICIENT"] * 3 + ["PASS"] * 5 + ["FAIL"]
        # The seven days before, one of them of 23 hours: 0.69 … 0.63.
        assert found[8][1] == [pytest.approx(0.1), pytest.approx(0.66)]
        assert found[7][1][1] == pytest.approx(0.67)


def test_without_event_time_windows_begin_after_the_slo(sales: str) -> None:
    with session(sales) as connection:
        connection.execute("update mlguard._table set event_time = null, recount = null")
        add_window_slo(
            connection, "enough", "row_count()", ">= 1", min_rows=0, since=datetime(2026, 1, 2, 8, tzinfo=UTC)
        )
        for day in days("2026-01-01", 4):
            sell(connection, 10, day=day)
        connection.execute(
            "insert into mlguard._state (tbl, sign, op, n, states) values ('features.sale', -1, 'TRUNCATE', 0, '{}')"
        )
        sweep(connection, "2026-01-05+00")
        assert verdicts(connection, "enough") == [
            ("2026-01-03", {}, 1, True, "PASS", 10),
            ("2026-01-04", {}, 1, True, "PASS", 10),
        ]
