"""Windows: states folded into buckets, windows judged once closed and anew when rows come later, by segment."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg
import pytest

from tests import metrics_example
from tests.metrics_example import Connection, add_window_slo, days, gate, outcomes, sell, sweep, verdicts
from tests.runtime_example import rows, session, value


@pytest.fixture
def sales(db: str) -> str:
    """DSN of a database with the table of metrics_example, on each server in turn; batches are not judged."""
    metrics_example.make(db)
    with session(db) as connection:
        connection.execute("update mlguard._table set judges_batches = false")
    return db


def buckets(connection: Connection) -> list[tuple[str, int, int]]:
    """Return (day, rows, rows with an amount) of all buckets that hold rows."""
    return rows(
        connection,
        "select (bucket at time zone 'UTC')::date::text, n, (states ->> 'have(amount)')::int from mlguard._bucket"
        " where segment = '{}' and n <> 0 order by bucket",
    )


def same_as_a_recount(connection: Connection) -> None:
    """Compare buckets with what the stored rows give; extremes are left out, which may be stale."""
    told: list[tuple[object, ...]] = rows(
        connection,
        "select bucket, segment, n, states - array['min(amount)', 'stale'] from mlguard._bucket where n <> 0"
        " order by bucket, segment",
    )
    counted = rows(
        connection,
        "select bucket, segment, n, states - 'min(amount)' from mlguard.\"recount features.sale\"(null, null)"
        " order by bucket, segment",
    )
    assert told == counted


# The calendar.


@pytest.mark.parametrize(
    ("length", "zone", "at", "start", "end"),
    [
        ("1 day", "UTC", "2026-01-01 12:00", "2026-01-01 00:00", "2026-01-02 00:00"),
        ("1 day", "Europe/Berlin", "2026-03-29 12:00", "2026-03-28 23:00", "2026-03-29 22:00"),  # 23 hours
        ("1 day", "Europe/Berlin", "2026-10-25 12:00", "2026-10-24 22:00", "2026-10-25 23:00"),  # 25 hours
        ("1 day", "Asia/Kolkata", "2026-01-01 20:00", "2026-01-01 18:30", "2026-01-02 18:30"),
        ("7 days", "UTC", "2026-01-01 12:00", "2025-12-29 00:00", "2026-01-05 00:00"),  # Monday
        ("1 week", "UTC", "1999-12-31 12:00", "1999-12-27 00:00", "2000-01-03 00:00"),
        ("3 days", "UTC", "2001-01-05 00:00", "2001-01-04 00:00", "2001-01-07 00:00"),
        ("1 month", "America/New_York", "2026-02-01 01:00", "2026-01-01 05:00", "2026-02-01 05:00"),
        ("1 month", "UTC", "1999-12-05 01:00", "1999-12-01 00:00", "2000-01-01 00:00"),
        ("6 hours", "UTC", "2026-01-01 13:00", "2026-01-01 12:00", "2026-01-01 18:00"),
        ("6 hours", "Europe/Berlin", "2026-03-29 03:59", "2026-03-28 23:00", "2026-03-29 04:00"),  # 5 hours
        ("15 minutes", "Asia/Kolkata", "2026-01-01 13:16", "2026-01-01 13:15", "2026-01-01 13:30"),
        ("2 hours", "Europe/Berlin", "2026-03-29 01:30", "2026-03-29 01:00", "2026-03-29 02:00"),
        ("1 hour", "UTC", "0999-06-06 05:30", "0999-06-06 05:00", "0999-06-06 06:00"),
    ],
)
def test_windows_are_cut_by_the_clock_of_the_zone(
    guarded_db: str, length: str, zone: str, at: str, start: str, end: str
) -> None:
    with session(guarded_db) as connection:
        connection.execute("set timezone = 'Pacific/Chatham'")
        [(found, then, again)] = rows(
            connection,
            "select to_char(s at time zone 'UTC', 'YYYY-MM-DD HH24:MI'),"
            " to_char(e at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), mlguard._window_start(%s, %s, s) = s"
            " from mlguard._window_start(%s, %s, %s::timestamptz) s,"
            " mlguard._window_end(%s, %s, s) e",
            *[length, zone, length, zone, f"{at}+00", length, zone],
        )
        assert (found, then, again) == (start, end, True)


def test_windows_leave_no_gap_and_do_not_overlap(guarded_db: str) -> None:
    with session(guarded_db) as connection:
        for length in ("15 minutes", "1 hour", "2 hours", "12 hours", "1 day", "3 days", "7 days", "1 month"):
            for zone in ("UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"):
                [(broken,)] = rows(
                    connection,
                    "with recursive w (s, e) as ("
                    "  select s, mlguard._window_end(%s, %s, s) from mlguard._window_start(%s, %s, '2026-03-27+00') s"
                    "  union all"
                    "  select w.e, mlguard._window_end(%s, %s, w.e) from w where w.e < '2026-04-07+00'"
                    ") select count(*) from w where w.e <= w.s or mlguard._window_start(%s, %s, w.s) <> w.s",
                    *[length, zone] * 4,
                )
                assert broken == 0, (length, zone)


def test_buckets_of_the_emitter_are_windows(guarded_db: str) -> None:
    """The emitter cuts buckets with date_bin, which must give the same instants."""
    with session(guarded_db) as connection:
        for length in ("15 minutes", "6 hours", "1 day", "7 days"):
            for zone in ("UTC", "Europe/Berlin", "Asia/Kolkata"):
                assert (
                    value(
                        connection,
                        "select count(*)"
                        " from generate_series('2026-03-01+00', '2026-11-10+00', interval '97 minutes') t"
                        " where date_bin(%s::interval, t at time zone %s, timestamp '2001-01-01') at time zone %s"
                        "       <> mlguard._window_start(%s, %s, t)",
                        *[length, zone, zone, length, zone],
                    )
                    == 0
                )


# Folding.


def test_states_of_any_mix_of_writes_add_up_to_a_recount(sales: str) -> None:
    dice = random.Random(1)
    with session(sales) as connection:
        for step in range(120):
            day = f"2026-01-{dice.randint(1, 6):02}"
            act = dice.random()
            if act < 0.45:
                sell(connection, dice.randint(1, 30), missing=dice.randint(0, 5), day=day, country=dice.choice("ABC"))
            elif act < 0.6:
                connection.execute(
                    "update features.sale set amount = amount + 1 where id %% 7 = %s", [dice.randint(0, 6)]
                )
            elif act < 0.7:
                connection.execute(
                    "update features.sale set event_ts = event_ts + interval '1 day', country = 'C'"
                    " where id %% 11 = %s",
                    [dice.randint(0, 10)],
                )
            elif act < 0.8:
                connection.execute("delete from features.sale where id %% 13 = %s", [dice.randint(0, 12)])
            elif act < 0.82:
                connection.execute("truncate features.sale")
            elif act < 0.9:
                connection.execute(
                    "insert into features.sale select id, 'A', null, now() from features.sale where id % 5 = 0"
                    " on conflict (id) do update set amount = excluded.amount"
                )
            else:
                with connection.transaction(force_rollback=True):
                    sell(connection, 10, day=day)
            if step % 9 == 0:
                sweep(connection, "2026-01-01+00")
        sweep(connection, "2026-01-01+00")
        assert value(connection, "select count(*) from mlguard._state") == 0
        same_as_a_recount(connection)


def test_writers_and_sweeps_at_once_lose_nothing(sales: str) -> None:
    def write(worker: int) -> None:
        dice = random.Random(worker)
        with psycopg.connect(sales, autocommit=True) as connection:
            for i in range(25):
                first = worker * 100_000 + i * 100
                connection.execute(
                    "insert into features.sale select g, 'DE', nullif(g %% 3, 0),"
                    " timestamptz '2026-01-01+00' + g %% 5 * interval '1 day' from generate_series(%s::bigint, %s) g",
                    [first, first + dice.randint(1, 60)],
                )
                if i % 3 == 0:
                    connection.execute(
                        "delete from features.sale where id between %s and %s and id %% 2 = 0", [first - 300, first]
                    )

    def clean(_: int) -> None:
        with psycopg.connect(sales, autocommit=True) as connection:
            for _round in range(25):
                connection.execute("select mlguard.sweep('2026-01-04 12:00+00')")

    with session(sales) as connection:
        add_window_slo(connection, "some", "row_count()", ">= 1", min_rows=0)
    with ThreadPoolExecutor(6) as pool:
        for done in [*[pool.submit(write, w) for w in range(4)], *[pool.submit(clean, w) for w in range(2)]]:
            done.result()
    with session(sales) as connection:
        sweep(connection, "2026-01-04 12:00+00")
        same_as_a_recount(connection)
        told = rows(
            connection,
            "select (v.window_start at time zone 'UTC')::date::text, v.n from mlguard._verdict v"
            " where v.current order by 1",
        )
        assert told == [(day, n) for day, n, _ in buckets(connection)][:3]


def test_truncation_empties_what_came_before_it_only(sales: str) -> None:
    with session(sales) as connection:
        sell(connection, 10)
        sweep(connection, "2026-01-01+00")
        with connection.transaction():
            sell(connection, 20)
            connection.execute("truncate features.sale")
            sell(connection, 5, day="2026-01-02")
        sell(connection, 7)
        sweep(connection, "2026-01-01+00")
        assert buckets(connection) == [("2026-01-01", 7, 7), ("2026-01-02", 5, 5)]


def test_many_states_are_folded_in_pieces(sales: str) -> None:
    with session(sales) as connection:
        connection.execute(
            "insert into mlguard._state (tbl, bucket, sign, op, n, states)"
            " select 'features.sale', '2026-01-01+00', 1, 'INSERT', 1, '{\"n\": 1, \"have(amount)\": 1}'"
            " from generate_series(1, 50000)"
        )
        connection.execute(
            "insert into mlguard._state (tbl, bucket, sign, op, n, states) values"
            " ('features.sale', null, -1, 'DELETE', 3, '{\"n\": 3}'),"
            " ('features.sale', 'infinity', 1, 'INSERT', 1, '{\"n\": 1}')"
        )
        assert sweep(connection, "2026-01-01+00")["states folded"] == 50_002
        assert buckets(connection) == [("2026-01-01", 50_000, 50_000)]


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


# Segments.


def test_a_segment_that_is_absent_is_judged_with_no_rows(sales: str) -> None:
    with session(sales) as connection:
        add_window_slo(connection, "by_country", "row_count()", ">= 1", min_rows=0, by_columns=["country"])
        sell(connection, 50, country="DE")
        sell(connection, 10, country="FR")
        sell(connection, 50, country="DE", day="2026-01-02")
        sweep(connection, "2026-01-03+00")
        assert verdicts(connection, "by_country") == [
            ("2026-01-01", {"country": "DE"}, 1, True, "PASS", 50),
            ("2026-01-01", {"country": "FR"}, 1, True, "PASS", 10),
            ("2026-01-02", {"country": "DE"}, 1, True, "PASS", 50),
            ("2026-01-02", {"country": "FR"}, 1, True, "FAIL", 0),
        ]


def test_segments_are_chosen_while_the_baseline_lasts(sales: str) -> None:
    with session(sales) as connection:
        connection.execute("update mlguard._table set baseline = 'first 3 days'")
        slo = add_window_slo(
            connection, "by_country", "row_count()", ">= 1", min_rows=0, by_columns=["country"], max_segments=2
        )
        for day in days("2026-01-01", 6):
            sell(connection, 50, country="DE", day=day)
            sell(connection, 20, country="FR", day=day)
            sell(connection, 10, country="IT", day=day)
        sell(connection, 500, country="US", day="2026-01-05")
        sweep(connection, "2026-01-07+00")
        found = rows(
            connection,
            "select (window_start at time zone 'UTC')::date::text, coalesce(segment ->> 'country', 'other'), n"
            " from mlguard._verdict where slo = %s and window_start >= '2026-01-04+00' order by 1, 2",
            slo,
        )
        assert found == [
            (day, country, n + (500 if (day, country) == ("2026-01-05", "other") else 0))
            for day in days("2026-01-04", 3)
            for country, n in (("DE", 50), ("FR", 20), ("other", 10))
        ]
        assert rows(connection, "select segment ->> 'country' from mlguard._segment order by 1") == [("DE",), ("FR",)]


def test_a_segment_first_seen_later_was_not_missing_before(sales: str) -> None:
    with session(sales) as connection:
        add_window_slo(connection, "by_country", "row_count()", ">= 1", min_rows=0, by_columns=["country"])
        sell(connection, 50, country="DE")
        sell(connection, 50, country="FR", day="2026-01-02")
        sweep(connection, "2026-01-03+00")
        sell(connection, 5, country="DE")
        sell(connection, 6, country="IT")
        sweep(connection, "2026-01-03+00")
        assert rows(
            connection,
            "select segment ->> 'country', version, n from mlguard.verdict"
            " where window_start < '2026-01-02+00' and current order by 1",
        ) == [("DE", 2, 55), ("IT", 1, 6)]


def test_holds_are_by_segment(sales: str) -> None:
    with session(sales) as connection:
        add_window_slo(connection, "by_country", "coverage(amount)", ">= 0.75", action="hold", by_columns=["country"])
        sell(connection, 50, country="DE", missing=40)
        sell(connection, 50, country="FR", missing=40)
        sell(connection, 50, country="DE", day="2026-01-02")
        sweep(connection, "2026-01-03+00")
        assert rows(connection, "select segment, ended_at is null from mlguard.hold order by id") == [
            ({"country": "DE"}, False),
            ({"country": "FR"}, True),
        ]


# Extremes.


def test_an_extreme_that_was_deleted_is_looked_up_again(sales: str) -> None:
    with session(sales) as connection:
        add_window_slo(connection, "least", "min(amount)", ">= 5", min_rows=1)
        add_window_slo(connection, "average", "mean(amount)", ">= 5", min_rows=1)
        sell(connection, 50, amount=10)
        sell(connection, 1, amount=1)
        sell(connection, 1, amount=2, day="2026-01-02")
        sweep(connection, "2026-01-01+00")
        connection.execute("delete from features.sale where amount = 1")
        sweep(connection, "2026-01-01 12:00+00")
        assert value(connection, "select states -> 'stale' from mlguard._bucket where segment = '{}' and n = 50") == [
            "min(amount)"
        ]
        sweep(connection, "2026-01-02+00")
        assert rows(connection, "select vals from mlguard.verdict where slo like '%%/least'") == [([10.0],)]
        assert (
            value(connection, "select states ? 'stale' from mlguard._bucket where segment = '{}' and n = 50") is False
        )
        same_as_a_recount(connection)


# Who judges.


def test_a_commit_judges_the_window_that_is_due(sales: str) -> None:
    with session(sales) as connection:
        connection.execute("update mlguard._table set judges_batches = true")
        since = datetime.now(UTC) - timedelta(days=5)
        add_window_slo(connection, "enough", "row_count()", ">= 1000", min_rows=0, action="hold", since=since)
        today = datetime.now(UTC).date()
        sell(connection, 100, day=(today - timedelta(days=2)).isoformat())
        assert gate(connection) is not None
        judged = value(connection, "select count(*) from mlguard.verdict")
        assert judged == 1
        for _ in range(4):
            sell(connection, 1, day=today.isoformat())
        judged = rows(connection, "select n, outcome from mlguard.verdict order by window_start desc limit 2")
        assert judged == [(0, "FAIL"), (100, "FAIL")]
        # Nothing is due any more: the commit does not even take the lock.
        with session(sales, autocommit=False) as other:
            assert value(other, "select mlguard._lock_table('features.sale')") is True
            sell(connection, 1, day=today.isoformat())
            assert value(connection, "select count(*) from mlguard._state where not folded") > 0


def test_a_writer_never_fails_for_a_window(sales: str) -> None:
    with session(sales) as connection:
        connection.execute("update mlguard._table set judges_batches = true")
        add_window_slo(connection, "enough", "row_count()", ">= 1", min_rows=0)
        connection.execute("update mlguard._table set time_zone = 'Nowhere/At_All'")
        connection.execute(
            'create or replace function mlguard."bucket features.sale"(_at timestamptz) returns timestamptz'
            " language sql as $$ select timestamptz '2026-01-01+00' $$"
        )
        sell(connection, 10)
        assert value(connection, "select count(*) from features.sale") == 10
        assert value(connection, "select count(*) from mlguard._state") > 0


def test_two_sweeps_do_not_wait_for_each_other(sales: str) -> None:
    with session(sales) as connection, session(sales, autocommit=False) as other:
        add_window_slo(connection, "enough", "row_count()", ">= 1", min_rows=0)
        sell(connection, 10)
        other.execute("select mlguard.sweep('2026-01-02+00')")
        connection.execute("set statement_timeout = '5s'")
        assert sweep(connection, "2026-01-02+00")["verdicts on windows"] == 0
        other.commit()
        assert len(verdicts(connection, "enough")) == 1


def test_a_hold_ends_with_its_slo(sales: str) -> None:
    with session(sales) as connection:
        slo = add_window_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75", action="hold")
        sell(connection, 100, missing=60)
        connection.execute("insert into mlguard._hold (tbl, slo) values ('features.sale', 'features.sale/by hand')")
        sweep(connection, "2026-01-02+00")
        connection.execute("delete from mlguard._slo where id = %s", [slo])
        assert sweep(connection, "2026-01-02+00")["holds without an SLO ended"] == 1
        assert rows(connection, "select slo from mlguard.hold where ended_at is null") == [("features.sale/by hand",)]


def test_sweep_says_what_it_did(sales: str) -> None:
    with session(sales) as connection:
        add_window_slo(connection, "enough", "row_count()", ">= 1", min_rows=0)
        sell(connection, 10)
        done = sweep(connection, "2026-01-02+00")
        assert (done["states folded"], done["verdicts on windows"], done["batches closed"]) == (2, 1, 0)
        again = sweep(connection, "2026-01-02+00")
        assert (again["states folded"], again["verdicts on windows"]) == (0, 0)


def test_a_window_that_goes_on_failing_is_one_violation(sales: str) -> None:
    with session(sales) as connection:
        add_window_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75", action="hold")
        sell(connection, 100, missing=60)
        for _ in range(3):
            sweep(connection, "2026-01-02+00")
            sell(connection, 10, missing=6)
        assert [line[2] for line in verdicts(connection, "amount_coverage")] == [1, 2, 3]
        assert value(connection, "select count(*) from mlguard.violation") == 1
        assert value(connection, "select count(*) from mlguard.hold") == 1


def test_states_go_with_the_guard(sales: str) -> None:
    with session(sales) as connection:
        sell(connection, 10)
        sweep(connection, "2026-01-02+00")
        sell(connection, 10)
        connection.execute("drop schema features cascade")
        connection.execute("delete from mlguard._table")
        assert sweep(connection, "2026-01-02+00")["states of tables no longer guarded dropped"] == 4


def test_old_samples_go_once_they_are_judged(sales: str) -> None:
    with session(sales) as connection:
        connection.execute("update mlguard._table set judges_batches = true, base = null")
        for _ in range(45):
            connection.execute("select mlguard.add_sample_v1('features.sale', null, 1, 1, 'amount', '{1}', null)")
        assert sweep(connection, "2026-01-02+00")["samples pruned"] == 5
        assert value(connection, "select min(batch) from mlguard._sample") == 6


def test_a_year_of_history_is_judged_within_a_minute(sales: str) -> None:
    with session(sales) as connection:
        metrics = ["coverage(amount)", "mean(amount)", "share(amount > 100)", "row_count()"]
        for i in range(20):
            add_window_slo(connection, f"s{i}", metrics[i % 4], ">= 0", min_rows=0, since=datetime.now(UTC))
        connection.execute(
            "insert into features.sale select g, chr(65 + (g %% 20)::int), g %% 50,"
            " timestamptz '2025-01-01+00' + g * interval '31536 s'"
            " from generate_series(0, 999) g".replace("%%", "%").encode()
        )
        began = time.monotonic()
        done = sweep(connection, "2026-01-01+00")
        assert done["verdicts on windows"] == 365 * 20
        assert time.monotonic() - began < 60
        began = time.monotonic()
        assert sweep(connection, "2026-01-01+00")["verdicts on windows"] == 0
        assert time.monotonic() - began < 2
