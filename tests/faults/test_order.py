"""A late row is found whatever the server's clock does between two folds, and whoever counts it first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import metrics_example
from tests.metrics_example import TABLE, Connection, add_window_slo, outcomes, sell, sweep, verdicts
from tests.runtime_example import session, value

NOW = "2026-01-10"
# One clock reading earlier than all that was noted is the same as all that was noted being later.
BACK = """
update mlguard._bucket set changed_at = changed_at + interval '1 hour', shrunk_at = shrunk_at + interval '1 hour';
update mlguard._window set checked_to = checked_to + interval '1 hour'
"""


@pytest.fixture
def judged(guarded_db: str) -> Iterator[Connection]:
    """A table whose first day was judged good."""
    metrics_example.make(guarded_db)
    with session(guarded_db) as connection:
        add_window_slo(connection, "filled", "coverage(amount)", ">= 0.75", min_rows=1)
        sell(connection, 20)
        sell(connection, 20, day="2026-01-02")
        sweep(connection, NOW)
        assert outcomes(connection, "filled")["2026-01-01"] == "PASS"
        # What such a transaction wrote, its COMMIT does not fold.
        connection.execute("set default_transaction_isolation = 'repeatable read'")
        yield connection


def test_a_late_row_counts_although_the_clock_went_back(judged: Connection) -> None:
    judged.execute(BACK.encode())
    sell(judged, 20, missing=20)
    sweep(judged, NOW)
    assert outcomes(judged, "filled")["2026-01-01"] == "FAIL"
    judged.execute(BACK.encode())
    judged.execute(f"delete from {TABLE} where amount is null".encode())
    sweep(judged, NOW)
    assert outcomes(judged, "filled")["2026-01-01"] == "PASS"
    assert sweep(judged, NOW)["verdicts on windows"] == 0


def test_the_order_goes_on_from_a_clock_that_was_ahead(judged: Connection) -> None:
    for missing in (20, 0, 60):
        judged.execute(BACK.encode())
        sell(judged, 60, missing=missing)
        sweep(judged, NOW)
    assert [row[2] for row in verdicts(judged, "filled") if row[0] == "2026-01-01"] == [1, 2, 3, 4]
    assert value(judged, "select max(changed_at) > clock_timestamp() + interval '2 hours' from mlguard._bucket") is True


@pytest.mark.parametrize("amount", ["arrival", "removal", "both"])
def test_what_a_recount_counted_before_anybody_folded_it_is_judged_all_the_same(
    judged: Connection, amount: str
) -> None:
    if amount != "arrival":
        sell(judged, 20, missing=20)
        sweep(judged, NOW)
        assert outcomes(judged, "filled")["2026-01-01"] == "FAIL"
        judged.execute(f"delete from {TABLE} where amount is null".encode())
    if amount != "removal":
        sell(judged, 40, missing=40)
    judged.execute("select mlguard.backfill_v1(%s)", (TABLE,))
    assert value(judged, "select count(*) from mlguard._state") == 0
    sweep(judged, NOW)
    assert outcomes(judged, "filled")["2026-01-01"] == ("PASS" if amount == "removal" else "FAIL")
    current = [row for row in verdicts(judged, "filled") if row[0] == "2026-01-01" and row[3]]
    assert [row[5] for row in current] == [20 if amount == "removal" else 60]
    metrics_example.same_as_a_recount(judged)


def test_a_day_whose_rows_all_went_before_a_recount_is_mended(judged: Connection) -> None:
    sell(judged, 20, missing=20, day="2026-01-03")
    sweep(judged, NOW)
    assert outcomes(judged, "filled")["2026-01-03"] == "FAIL"
    judged.execute(f"delete from {TABLE} where amount is null".encode())
    judged.execute("select mlguard.backfill_v1(%s)", (TABLE,))
    sweep(judged, NOW)
    assert outcomes(judged, "filled")["2026-01-03"] == "INSUFFICIENT"
    judged.execute("select mlguard.backfill_v1(%s)", (TABLE,))
    assert sweep(judged, NOW)["verdicts on windows"] == 0


def test_a_table_that_was_emptied_before_a_recount_holds_nothing_any_more(judged: Connection) -> None:
    sell(judged, 20, missing=20, day="2026-01-03")
    sweep(judged, NOW)
    judged.execute(f"truncate {TABLE}".encode())
    sell(judged, 3, day="2026-01-02")
    judged.execute("select mlguard.backfill_v1(%s)", (TABLE,))
    sweep(judged, NOW)
    assert outcomes(judged, "filled")["2026-01-03"] == "INSUFFICIENT"
    metrics_example.same_as_a_recount(judged)
