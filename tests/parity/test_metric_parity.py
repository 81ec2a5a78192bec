"""Metrics on PostgreSQL and on DuckDB: the same values, outcomes, reasons and words for the same rows and SLO file."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import hypothesis.strategies as st
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from mlguard import api
from mlguard.lang.metrics import METRICS, Family
from mlguard.local import judge
from mlguard.local.calendar import instant
from mlguard.operate.backtest import backtest
from tests.parity.engines import fill
from tests.support import write

COLUMNS = {
    "load": ("integer", "integer"),
    "x": ("double precision", "double"),
    "y": ("integer", "integer"),
    "k": ("bigint", "bigint"),
    "z": ("numeric(20, 3)", "decimal(20, 3)"),
    "w": ("real", "float"),
    "c": ("text", "varchar"),
    "d": ("boolean", "boolean"),
    "at": ("timestamptz", "timestamptz"),
}
# One SLO for each metric over batches; a limit no value equals makes each a verdict with its value in words.
OVER_BATCHES = (
    "row_count() <> 0.5123", "count(x) <> 0.5123", "count(w) <> 0.5123", "count(c) <> 0.5123", "coverage(y) < 0.9",
    "null_rate(c) <> 0.5123", "nan_rate(x) <> 0.5123", "nan_rate(w) <> 0.5123", "zero_rate(x) < 0.5",
    "zero_rate(y) <> 0.5123", "negative_rate(x) <> 0.5123", "negative_rate(z) <> 0.5123", "share(d) < 0.4",
    "share(x > 1 OR y < 3) <> 0.5123", "share(1 / y >= 0) <> 0.5123", "sum(x) <> 0.5123", "sum(y) <> 0.5123",
    "sum(k) <> 0.5123", "sum(z) <> 0.5123", "mean(x) > 1.0123", "mean(y) <> 0.5123", "mean(k) <> 0.5123",
    "mean(z) <> 0.5123", "mean(w) <> 0.5123", "stddev(x) <> 0.5123", "stddev(y) <> 0.5123", "stddev(z) <> 0.5123",
    "min(x) <> 0.5123", "max(x) <> 0.5123", "min(k) <> 0.5123", "max(z) <> 0.5123", "min(w) <> 0.5123",
    "median(x) <> 0.5123", "quantile(x, 0.95) <> 0.5123", "quantile(y, 0.1) <> 0.5123", "correlation(x, y) <> 0.5123",
    "correlation(z, w) <> 0.5123", "distinct_count(c) <> 0.5123", "distinct_count(x) <> 0.5123",
    "distinct_count(at) > 5", "duplicate_rate(c) <> 0.5123", "duplicate_rate(c, d) < 0.5",
    "trailing(mean(x), '90 days') <> 0.5123", "change(coverage(y), '90 days') >= -0.2512",
    "delta(mean(z), '90 days') <> 0.5123", "usual(mean(y))", "coverage(y) / share(d) > 1",
    "abs(round(mean(y))) >= 1 AND NOT mean(x) BETWEEN 1 AND 2",
    "greatest(mean(x), coalesce(stddev(y), 3)) > least(mean(y), 2)",
)  # fmt: skip
OVER_WINDOWS = (
    "psi(x) <= 0.2", "psi(c) <= 0.2", "js(x) <= 0.1", "js(c) <= 0.1", "ks(x) <= 0.2", "ks(y) <= 0.2", "linf(c) <= 0.1",
    "linf(y) <= 0.1", "new_category_rate(c) <= 0.01", "mean(x) BETWEEN 2 AND 4", "median(y) > 1",
    "change(coverage(y), '21 days') >= -0.1", "usual(mean(x))", "usual(coverage(y))", "distinct_count(c) >= 3",
    "correlation(x, y) < 0.5123",
)  # fmt: skip
CREATE = "create schema f; create table f.t (" + ", ".join(f"{n} {pg}" for n, (pg, _) in COLUMNS.items()) + ")"
Row = tuple[Any, ...]
# Compared in test_label_parity; two of them need no labels.
OF_ROWS = {"parity_gap", "disparate_impact"}
OF_LABELS = {name for name, metric in METRICS.items() if metric.family in (Family.LABELS, Family.GROUPS)}
OF_LABELS |= {"label_coverage"}


def test_every_metric_that_is_judged_on_files_is_compared() -> None:
    judged = {name for name, metric in METRICS.items() if metric.family is not Family.AGE} - OF_LABELS
    texts = " ".join((*OVER_BATCHES, *OVER_WINDOWS))
    assert {name for name in judged if f"{name}(" in texts} == judged


def test_metrics_of_labels_without_their_data_are_refused_in_words(tmp_path: Path) -> None:
    others = sorted(OF_LABELS)
    columns = "{id: {type: bigint}, score: {type: double precision}, sex: {type: text}, at: {type: timestamptz}}"
    slos = "\n".join(
        f"  - {{name: {name}, check: '{METRICS[name].usage or name + '()'} >= 0', over: 1 day}}" for name in others
    )
    for old, new in (("condition", "score > 0.5"), ("x,", "score,"), ("group", "sex")):
        slos = slos.replace(old, new)
    text = (
        f"mlguard: 1\ntable: p.t\nmodel: m\nkey: [id]\nevent_time: at\ncolumns: {columns}\n"
        "labels: {table: p.l, on: [id], value: y, event_time: at, mature_after: 1 day}\n"
        f"slos:\n{slos}\n"
    )
    connection = duckdb.connect()
    connection.execute('create table t (id bigint, score double, sex varchar, "at" timestamptz)')
    report = judge(api.load(write(tmp_path, text)), {"p.t": connection.table("t")})
    assert {verdict.name: (verdict.outcome.value, verdict.reason) for verdict in report.verdicts} == dict.fromkeys(
        sorted(OF_LABELS - OF_ROWS), ("INSUFFICIENT", "not judged locally: no data was given for p.l")
    ) | dict.fromkeys(OF_ROWS, ("INSUFFICIENT", "no row has an event time, so there is no window"))


def slo_file(checks: Sequence[str], over: str, more: str = "", extra: str = "") -> str:
    slos = "\n".join(
        f'  - {{name: m{number}, check: "{check}", over: {over}, min_rows: 1{extra}}}'
        for number, check in enumerate(checks)
    )
    columns = "\n".join(f"  {name}: {{type: '{pg}'}}" for name, (pg, _) in COLUMNS.items() if name != "x")
    return (
        "mlguard: 1\ntable: f.t\nevent_time: at\ntime_zone: Europe/Berlin\nmissing: []\n" + more
        + f"columns:\n{columns}\n  x: {{type: double precision, missing: [-999]}}\nslos:\n{slos}\n"
    )  # fmt: skip


def frame(rows: Sequence[Row]) -> duckdb.DuckDBPyRelation:
    """Return rows as a relation of a DuckDB of its own."""
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.execute("create table t (" + ", ".join(f'"{n}" {duck}' for n, (_, duck) in COLUMNS.items()) + ")")
    fill(connection, "t", rows)
    return connection.table("t")


def same_value(here: float | None, there: float | None, scale: float = 0.0) -> bool:
    if here is None or there is None:
        return here is there
    if math.isnan(here) or math.isnan(there):
        return math.isnan(here) and math.isnan(there)
    return here == there or math.isclose(here, there, rel_tol=1e-9, abs_tol=max(1e-9, 1e-9 * scale))


def batches_on_postgresql(
    connection: psycopg.Connection[Any], batches: Sequence[Sequence[Row]]
) -> dict[str, list[Any]]:
    """Write each batch in a transaction of its own; return by SLO what was judged of each."""
    for rows in batches:
        with connection.transaction(), connection.cursor().copy(b"copy f.t from stdin") as copy:
            for row in rows:
                copy.write_row(row)
    found: dict[str, list[Any]] = {}
    for slo, *judged in connection.execute(
        "select slo, outcome, n, metrics, vals, observed, reason from mlguard._verdict where current"
        " order by slo, batch"
    ).fetchall():
        found.setdefault(slo, []).append(tuple(judged))
    return found


def batches_on_duckdb(folder: Path, batches: Sequence[Sequence[Row]]) -> dict[str, list[Any]]:
    report = judge(
        api.load(folder / "slos"), {"f.t": frame([row for rows in batches for row in rows])}, batch_by="load"
    )
    return {
        slo: [
            (f.outcome.value, f.n, [n for n, _ in f.metrics], [v for _, v in f.metrics], f.observed, f.reason)
            for f in items
        ]
        for slo, items in report.details.items()
        if items
    }


def compare(here: dict[str, list[Any]], there: dict[str, list[Any]]) -> None:
    assert set(here) == set(there)
    for slo, items in there.items():
        assert len(here[slo]) == len(items), slo
        for mine, theirs in zip(here[slo], items, strict=True):
            outcome, n, names, values, observed, reason = mine
            assert names == theirs[2], slo
            for name, a, b in zip(names, values, theirs[3], strict=True):
                assert same_value(a, b), (slo, name, a, b)
            assert (outcome, n, reason) == (theirs[0], theirs[1], theirs[5] or ""), slo
            if values == theirs[3]:  # else the last digits may be rounded apart
                assert observed == (theirs[4] or ""), slo


NUMBER = st.one_of(
    st.none(), st.sampled_from([0.0, -0.0, -999.0, math.nan, math.inf, -math.inf, 1e300, -1e300, 1.5, 2.5]),
    st.integers(-20, 20).map(float),
)  # fmt: skip
TEXT = st.one_of(st.none(), st.sampled_from(["", "red", "blue", "ä", "a'b", "🦆", "RED ", "x" * 250]))
ROW = st.tuples(
    NUMBER,
    st.one_of(st.none(), st.integers(-3, 9), st.sampled_from([2**31 - 1, -(2**31)])),
    st.one_of(st.none(), st.integers(-3, 9), st.sampled_from([2**63 - 1, -(2**63)])),
    st.one_of(st.none(), st.integers(-9999, 9999).map(lambda n: Decimal(n) / 1000)),
    st.one_of(st.none(), st.sampled_from([0.0, -0.0, 1.5, -2.25, math.nan, math.inf])),
    TEXT,
    st.one_of(st.none(), st.booleans()),
    st.integers(0, 400).map(lambda n: datetime(2026, 3, 27, tzinfo=UTC) + timedelta(minutes=17 * n)),
)


@pytest.fixture(scope="module")
def over_batches(server18: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("parity")
    with server18.guarded_database() as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(CREATE.encode())
        api.apply(api.load(write(folder, slo_file(OVER_BATCHES, "batch"))), dsn)
        yield dsn, folder


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    print_blob=True,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)  # shrinking takes minutes; the failing case is printed whole
@given(st.lists(st.lists(ROW, min_size=1, max_size=25), min_size=1, max_size=5))
def test_batches_of_any_rows(over_batches: tuple[str, Path], batches: list[list[Row]]) -> None:
    dsn, folder = over_batches
    given_ = [[(number, *row) for row in rows] for number, rows in enumerate(batches)]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(b"truncate f.t")
        for table in (b"_verdict", b"_metric", b"_state", b"_sample", b"_bucket"):
            connection.execute(b"delete from mlguard." + table)
        there = batches_on_postgresql(connection, given_)
    compare(batches_on_duckdb(folder, given_), there)


def days(n: int, seed: int, per_day: int = 60) -> list[Row]:
    """Return days of rows whose distribution moves near the end, some without an event time."""
    chance = random.Random(seed)
    rows: list[Row] = []
    for day in range(n):
        start = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=day)
        late = day > n - 4
        for _ in range(per_day if day != 10 else 3):
            at = start + timedelta(seconds=chance.randrange(86_400)) if chance.random() > 0.01 else None
            rows.append(
                (0, None if chance.random() < (0.4 if late else 0.05) else chance.gauss(3.5 if late else 3, 1),
                 chance.randrange(0, 6), 1, Decimal(chance.randrange(1000)) / 10, 1.5,
                 chance.choice(["red", "green", "blue", *(["new"] if late else [])]), chance.random() < 0.5, at)
            )  # fmt: skip
    return [row for row in rows if row[-1] is None or row[-1].day != 25]  # a day without rows


# Not `previous` over weeks: a replay in the database sweeps once a bucket, so that its baseline is frozen days later
# than that of a table that is swept all the time, which the local replay stands for.
@pytest.mark.parametrize(
    ("over", "baseline"),
    [
        ("1 day", "first 14 days"),
        ("1 day", "previous 14 days"),
        ("last 3 days", "first 14 days"),
        ("last 3 days", "previous 14 days"),
        ("7 days", "first 14 days"),
    ],
)
@pytest.mark.parametrize("by", ["", ", by: d"])
def test_windows(guarded_db: str, tmp_path: Path, over: str, baseline: str, by: str) -> None:
    rows = days(45, 7)
    project = api.load(write(tmp_path, slo_file(OVER_WINDOWS, over, f"baseline: {baseline}\n", by)))
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        connection.execute(CREATE.encode())
    api.apply(project, guarded_db)
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        with connection.cursor().copy(b"copy f.t from stdin") as copy:
            for row in rows:
                copy.write_row(row)
        newest = max(row[-1] for row in rows if row[-1] is not None)
        until = newest + timedelta(days=8)
        replayed = backtest(connection, project, until=until)
    report = judge(project, {"f.t": frame(rows)}, as_of=until)
    there = {
        (value.slo, value.end, tuple(sorted(value.segment.items()))): (value.outcome, value.value, value.observed)
        for value in replayed.values
    }
    last = max(end for _, end, _ in there if end is not None)
    compared = 0
    for slo, items in report.details.items():
        for found in items:
            assert found.scope.end is not None
            key = (slo, instant(found.scope.end, "Europe/Berlin"), tuple(sorted(found.scope.segment)))
            if key[1] > last:
                continue  # a replay of stored rows ends with the last day that has some
            outcome, value, observed = there[key]
            mine = found.metrics[0][1] if found.metrics else None
            assert same_value(mine, value), (mine, value, observed, key, found)
            assert (found.outcome.value, found.observed) == (outcome, observed or ""), (key, found)
            compared += 1
    assert compared > 100
