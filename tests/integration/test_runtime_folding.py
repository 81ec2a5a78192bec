"""How the calendar is cut, and states of writes folded into its buckets: none lost, none twice."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests import metrics_example
from tests.metrics_example import add_window_slo, buckets, same_as_a_recount, sell, sweep
from tests.runtime_example import rows, session, value


@pytest.fixture
def sales(db: str) -> str:
    """DSN of a database with the table of metrics_example, on each server in turn; batches are not judged."""
    metrics_example.make(db)
    with session(db) as connection:
        connection.execute("update mlguard._table set judges_batches = false")
    return db


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
        # What only took rows away is not judged again, and whether a sweep came between the last rows and the last
        # removal is chance: one more row of each day has every window judged by all that is there.
        for day in ("2026-01-01", "2026-01-02", "2026-01-03"):
            sell(connection, 1, day=day)
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
