"""Windows by segment, extremes that were deleted, and who judges: a commit, a sweep, two at once."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests import metrics_example
from tests.metrics_example import add_window_slo, days, gate, same_as_a_recount, sell, sweep, verdicts
from tests.runtime_example import rows, session, value


@pytest.fixture
def sales(db: str) -> str:
    """DSN of a database with the table of metrics_example, on each server in turn; batches are not judged."""
    metrics_example.make(db)
    with session(db) as connection:
        connection.execute("update mlguard._table set judges_batches = false")
    return db


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


def test_what_is_no_time_is_refused_at_once(customer_db: str) -> None:
    """Up to no time at all one window after the other would be judged, and none would be the last."""
    with session(customer_db) as connection:
        connection.execute("set statement_timeout = '20s'")
        for wrong in ("NULL", "infinity", "-infinity"):
            with pytest.raises(psycopg.errors.InvalidParameterValue, match=f"and {wrong} is none") as refused:
                connection.execute("select * from mlguard.sweep(nullif(%s, 'NULL')::timestamptz)", [wrong])
            assert "sweep() for now" in (refused.value.diag.message_hint or "")


def test_a_read_only_transaction_is_told_what_to_do(customer_db: str) -> None:
    with session(customer_db) as connection:
        connection.execute("set default_transaction_read_only = on")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction, match="mlguard: this transaction is read-only"):
            connection.execute("select * from mlguard.sweep()")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("publish(null, 'features.customer')", "publish needs a staging table and a target"),
        ("publish('features.customer', null)", "publish needs a staging table and a target"),
        ("off(null, '4h', 'x')", "there is no SLO NULL"),
        ("waive(null::text, 'tomorrow', 'x')", "there is no SLO NULL"),
    ],
)
def test_null_in_place_of_a_name(customer_db: str, call: str, words: str) -> None:
    with session(customer_db) as connection, pytest.raises(psycopg.Error, match=f"mlguard: {words}"):
        connection.execute(f"select mlguard.{call}".encode())
