"""What needs a past on PostgreSQL and on files: learned health over weeks, and distributions beside a file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from mlguard import api
from mlguard.local import judge
from mlguard.local.calendar import instant
from mlguard.operate.backtest import backtest
from mlguard.operate.baseline import set_from_file
from mlguard.report.verdict import Outcome
from tests.parity.engines import fill
from tests.parity.test_metric_parity import COLUMNS, CREATE, days, frame, same_value, slo_file
from tests.support import project, write

LEARNED = """
mlguard: 1
table: f.t
event_time: at
time_zone: Europe/Berlin
usual: [row_count]
columns:
{columns}
slos:
  - {{name: plain, check: usual(mean(x)), over: 1 day, min_rows: 1}}
  - {{name: rate, check: usual(null_rate(x)), over: 1 day, min_rows: 1}}
"""


# All but same_rate, which compares rows by their place: a file has one order, a table none.
NUMBERS = ", usual: [null_rate, mean, negative_rate, magnitude, decimals_rate, far_rate, ks, spike, overlap]"
USUAL = {
    "x": NUMBERS,
    "y": NUMBERS,
    "c": ", usual: [null_rate, spike, overlap, linf, new_category_rate, new_shape_rate]",
}


def test_learned_health(guarded_db: str, tmp_path: Path) -> None:
    """The distribution moves in the last three days, and one day has few rows."""
    rows = days(50, 11, per_day=80)
    columns = "\n".join(f"  {name}: {{type: '{kind}'{USUAL.get(name, '')}}}" for name, (kind, _) in COLUMNS.items())
    loaded = project(tmp_path, LEARNED.format(columns=columns))
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        connection.execute(CREATE.encode())
    api.apply(loaded, guarded_db)
    until = max(row[-1] for row in rows if row[-1] is not None) + timedelta(days=2)
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        with connection.cursor().copy(b"copy f.t from stdin") as copy:
            for row in rows:
                copy.write_row(row)
        replayed = backtest(connection, loaded, until=until)
    there = {(value.slo, value.end): value for value in replayed.values}
    report = judge(loaded, {"f.t": frame(rows)}, as_of=until)
    last = max(end for _, end in there if end is not None)
    outcomes: dict[str, set[str]] = {}
    for slo, items in report.details.items():
        for found in items:
            assert found.scope.end is not None
            end = instant(found.scope.end, "Europe/Berlin")
            if end > last:
                continue
            theirs = there[slo, end]
            assert found.outcome.value == theirs.outcome, (slo, end, found)
            if found.outcome is not Outcome.INSUFFICIENT:  # while it is learned, any value is as good as another
                # A file says beside the value what is usual; the database has a column of its own for it.
                assert found.observed.partition(", usually")[0] == (theirs.observed or ""), (slo, end)
                assert same_value(found.score, theirs.score), (slo, end, found)
            outcomes.setdefault(slo.rpartition("/")[2], set()).add(found.outcome.value)
    assert {"x.usual", "y.usual", "c.usual", "plain", "rate"} <= set(outcomes)
    assert {"FAIL", "NOTED"} & outcomes["x.usual"]
    assert {"PASS", "INSUFFICIENT"} <= outcomes["x.usual"]


AGAINST = ("psi(x) <= 0.2", "psi(c) <= 0.2", "js(y) <= 0.1", "ks(x) <= 0.1", "ks(y) <= 0.2", "linf(c) <= 0.1",
           "linf(x) <= 0.1", "new_category_rate(c) <= 0.01", "psi(d) <= 0.2", "js(z) <= 0.1")  # fmt: skip


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_baseline_from_a_file(guarded_db: str, tmp_path: Path, suffix: str) -> None:
    rows, reference = days(12, 3), days(9, 5, per_day=50)
    path = tmp_path / f"reference{suffix}"
    with duckdb.connect() as connection:
        connection.execute("create table t (" + ", ".join(f'"{n}" {duck}' for n, (_, duck) in COLUMNS.items()) + ")")
        fill(connection, "t", reference)
        connection.execute(f"copy t to '{path}'" + (" (header)" if suffix == ".csv" else ""))
    text = slo_file(AGAINST, "1 day", f"baseline: {path}\n")
    loaded = api.load(write(tmp_path, text))
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        connection.execute(CREATE.encode())
    api.apply(loaded, guarded_db)
    until = datetime(2026, 4, 1, tzinfo=UTC)
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        set_from_file(connection, "f.t", path)
        connection.execute("update mlguard._slo set since = '2026-02-28'")
        with connection.cursor().copy(b"copy f.t from stdin") as copy:
            for row in rows:
                copy.write_row(row)
        connection.execute("select mlguard.sweep(%s)", (until,))
        there: dict[Any, Any] = {
            (slo, end): rest
            for slo, end, *rest in connection.execute(
                "select slo, window_end, outcome, n, vals[1], observed, reason from mlguard._verdict where current"
            ).fetchall()
        }
    report = judge(loaded, {"f.t": frame(rows)}, as_of=until)
    compared = 0
    for slo, items in report.details.items():
        for found in items:
            assert found.scope.end is not None
            outcome, n, value, observed, reason = there[slo, instant(found.scope.end, "Europe/Berlin")]
            assert same_value(found.metrics[0][1], value), (slo, found, value)
            mine = found.outcome.value, found.n, found.reason, found.observed
            assert mine == (outcome, n, reason or "", observed or ""), slo
            compared += value is not None
    assert compared > 80
