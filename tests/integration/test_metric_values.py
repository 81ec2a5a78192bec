"""What metrics are: the same numbers as numpy and scipy give for the same rows, however many statements wrote them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
import pytest
from scipy import stats

from tests import judged
from tests.integration.test_states import EDGES, install
from tests.judged import metric_rule

COLUMNS = {"x": "double precision", "y": "integer", "z": "numeric", "w": "real", "c": "text", "d": "boolean"}
CREATE = "create schema f; create table f.t (x double precision, y integer, z numeric, w real, c text, d boolean)"
MISSING = {"x": ["-999"], "y": ["0"], "c": ["''", "'?'"], "w": ["'NaN'"]}
METRICS = (
    "row_count()", "count(x)", "count(w)", "count(c)", "coverage(y)", "null_rate(c)", "nan_rate(x)", "nan_rate(w)",
    "nan_rate(z)", "zero_rate(x)", "zero_rate(y)", "negative_rate(x)", "negative_rate(z)", "share(d)",
    "share(x > 1 OR y < 3)", "share(1 / y >= 0)", "sum(x)", "sum(y)", "sum(z)", "sum(w)", "mean(x)", "mean(y)",
    "mean(z)", "stddev(x)", "stddev(y)", "stddev(z)", "min(x)", "max(x)", "min(y)", "max(z)", "min(w)", "median(x)",
    "quantile(x, 0.95)", "quantile(y, 0.1)", "correlation(x, y)", "correlation(z, x)", "distinct_count(c)",
    "distinct_count(x)", "duplicate_rate(c)", "duplicate_rate(c, d)",
)  # fmt: skip
Floats = npt.NDArray[np.float64]


def table(n: int, seed: int) -> list[tuple[Any, ...]]:
    """Return random rows with NULL, NaN and values that are declared missing."""
    chance = np.random.default_rng(seed)
    rows: list[tuple[Any, ...]] = []
    for _ in range(n):
        odd = chance.random(6)
        x = -999.0 if odd[0] < 0.1 else math.nan if odd[0] < 0.2 else 0.0 if odd[0] < 0.3 else chance.normal(3, 10)
        y = int(chance.integers(-3, 9))
        z = "NaN" if odd[2] < 0.1 else f"{chance.normal(0, 100):.3f}"
        w = math.nan if odd[3] < 0.2 else float(np.float32(chance.normal()))
        c = ("red", "green", "blue", "?", "", "a 'quoted' \"one\"")[int(chance.integers(0, 6))]
        d = bool(chance.random() < 0.4)
        rows.append(
            (None if odd[0] > 0.95 else x, None if odd[1] > 0.9 else y, None if odd[2] > 0.9 else z,
             None if odd[3] > 0.9 else w, None if odd[4] > 0.9 else c, None if odd[5] > 0.9 else d)
        )  # fmt: skip
    return rows


def numbers(rows: list[tuple[Any, ...]], place: int, missing: float | None) -> Floats:
    """Return the values of a number column as floats: neither missing nor NaN."""
    found = [float(row[place]) for row in rows if row[place] is not None and float(row[place]) != missing]
    values = np.array(found, dtype=np.float64)
    return values[~np.isnan(values)]


def expected(rows: list[tuple[Any, ...]]) -> dict[str, float]:
    """Compute every metric without mlguard."""
    n = len(rows)
    x, y, z, w = (numbers(rows, place, gone) for place, gone in ((0, -999.0), (1, 0.0), (2, None), (3, None)))
    xs = [row[0] for row in rows if row[0] is not None and row[0] != -999]
    cs = [row[4] for row in rows if row[4] not in (None, "", "?")]
    xy = np.array([(row[0], row[1]) for row in rows if row[0] in xs and row[1] not in (None, 0)], dtype=float)
    zx = np.array([(row[2], row[0]) for row in rows if row[2] is not None and row[0] in xs], dtype=float)
    xy, zx = (pair[~np.isnan(pair).any(axis=1)] for pair in (xy, zx))
    true = [
        row
        for row in rows
        if (row[0] is not None and (row[0] > 1 or math.isnan(row[0]))) or (row[1] or 9) < 3 or row[1] == 0
    ]
    inverse = [row for row in rows if row[1] and (1 // row[1] if row[1] > 0 else -(1 // -row[1])) >= 0]
    return {
        "row_count()": n,
        "count(x)": len(xs),
        "count(w)": len(w),
        "count(c)": len(cs),
        "coverage(y)": len(y) / n,
        "null_rate(c)": 1 - len(cs) / n,
        "nan_rate(x)": sum(map(math.isnan, xs)) / n,
        "nan_rate(w)": 0,
        "nan_rate(z)": sum(row[2] == "NaN" for row in rows) / n,
        "zero_rate(x)": (x == 0).mean(),
        "zero_rate(y)": 0,
        "negative_rate(x)": (x < 0).mean(),
        "negative_rate(z)": (z < 0).mean(),
        "share(d)": sum(row[5] is True for row in rows) / n,
        "share(x > 1 OR y < 3)": len(true) / n,
        "share(1 / y >= 0)": len(inverse) / n,
        "sum(x)": x.sum(),
        "sum(y)": y.sum(),
        "sum(z)": z.sum(),
        "sum(w)": w.sum(),
        "mean(x)": x.mean(),
        "mean(y)": y.mean(),
        "mean(z)": z.mean(),
        "stddev(x)": x.std(ddof=1),
        "stddev(y)": y.std(ddof=1),
        "stddev(z)": stats.tstd(z),
        "min(x)": x.min(),
        "max(x)": x.max(),
        "min(y)": y.min(),
        "max(z)": z.max(),
        "min(w)": w.min(),
        "median(x)": float(np.median(x)),
        "quantile(x, 0.95)": float(np.quantile(x, 0.95)),
        "quantile(y, 0.1)": float(np.quantile(y, 0.1)),
        "correlation(x, y)": stats.pearsonr(xy[:, 0], xy[:, 1]).statistic,
        "correlation(z, x)": np.corrcoef(zx[:, 0], zx[:, 1])[0, 1],
        "distinct_count(c)": len(set(cs)),
        "distinct_count(x)": len(set(x.tolist())) + any(map(math.isnan, xs)),
        "duplicate_rate(c)": (n - len({row[4] for row in rows})) / n,
        "duplicate_rate(c, d)": (n - len({row[4:] for row in rows})) / n,
    }


@pytest.fixture
def guarded(db: str) -> Iterator[psycopg.Connection[Any]]:
    """A session of a database with an SLO for every metric, over batches."""
    shape = judged.shape("f.t", COLUMNS)
    rules = [metric_rule(shape, f"m{number}", f"{text} <> 0.5", judged.BATCH) for number, text in enumerate(METRICS)]
    with psycopg.connect(db, autocommit=True) as connection:
        connection.execute((CREATE + ";" + EDGES).encode())
        install(connection, judged.program(shape, *rules, missing=MISSING))
        yield connection


def write(connection: psycopg.Connection[Any], rows: list[tuple[Any, ...]]) -> None:
    with connection.cursor().copy(b"copy f.t from stdin") as copy:
        for row in rows:
            copy.write_row(row)


def found(connection: psycopg.Connection[Any]) -> dict[str, float | None]:
    """Run all verdict functions over the merged states of everything written."""
    merged = "(select mlguard.merge_v1(s.states) from mlguard._state as s where s.sign > 0)"
    metrics: dict[str, float | None] = {}
    for number, _ in enumerate(METRICS):
        ((names, values),) = connection.execute(
            f"select v.metrics, v.vals from mlguard.\"verdict f.t/m{number}\"({merged}, '{{}}') as v".encode()
        ).fetchall()
        metrics |= dict(zip(names, values, strict=True))
    return metrics


@pytest.mark.parametrize("seed", [1, 2])
def test_metrics_are_those_of_numpy(guarded: psycopg.Connection[Any], seed: int) -> None:
    rows = table(1200, seed)
    for start in (0, 1, 2, 300, 700):
        end = {0: 1, 1: 2, 2: 300, 300: 700, 700: 1200}[start]
        write(guarded, rows[start:end])
    values, wanted = found(guarded), expected(rows)
    assert set(values) == set(METRICS) == set(wanted)
    for name in METRICS:
        assert values[name] == pytest.approx(wanted[name], rel=1e-9, abs=1e-9), name


def test_no_rows_and_no_values(guarded: psycopg.Connection[Any]) -> None:
    counts = {"row_count()", "count(x)", "count(w)", "count(c)", "distinct_count(c)", "distinct_count(x)"}
    assert {name: value for name, value in found(guarded).items() if value is not None} == dict.fromkeys(counts, 0)
    write(guarded, [(None, 0, None, math.nan, "?", None), (-999, None, "NaN", None, "", None)])
    values = found(guarded)
    assert {name: value for name, value in values.items() if value is not None} == {
        "row_count()": 2, "count(x)": 0, "count(w)": 0, "count(c)": 0, "coverage(y)": 0, "null_rate(c)": 1,
        "nan_rate(x)": 0, "nan_rate(w)": 0, "nan_rate(z)": 0.5, "share(d)": 0, "share(x > 1 OR y < 3)": 0.5,
        "share(1 / y >= 0)": 0, "distinct_count(c)": 0, "distinct_count(x)": 0, "duplicate_rate(c)": 0,
        "duplicate_rate(c, d)": 0,
    }  # fmt: skip


def test_infinities_stay_infinite(guarded: psycopg.Connection[Any]) -> None:
    write(guarded, [(math.inf, 1, "Infinity", 1, "a", True), (2.0, 2, "1", 2, "b", True)])
    values = found(guarded)
    assert values["mean(x)"] == values["sum(x)"] == values["max(x)"] == values["sum(z)"] == values["max(z)"] == math.inf
    assert values["min(x)"] == 2
    assert values["correlation(x, y)"] is None
    write(guarded, [(-math.inf, 1, "1", 1, "a", True)])
    values = found(guarded)
    assert values["min(x)"] == -math.inf
    assert values["mean(x)"] is not None
    assert math.isnan(values["mean(x)"])


def test_a_value_too_large_to_add_does_not_refuse_the_write(guarded: psycopg.Connection[Any]) -> None:
    for _ in range(2):
        write(guarded, [(1.7e308, 2147483647, "1e500", 3e38, "a", True)] * 3)
        write(guarded, [(-1.7e308, -2147483648, "-1e500", 0, "a", None)])
    ((largest, total, amounts),) = guarded.execute(
        "select m ->> 'max(x)', m ->> 'sum(y)', m -> 'moments(z)' -> 0"
        " from (select mlguard.merge_v1(states) as m from mlguard._state) as s"
    ).fetchall()
    assert (float(largest), int(total), amounts) == (1.7e308, 2 * (3 * 2147483647 - 2147483648), 8)


def test_sums_of_integers_and_numerics_are_exact(guarded: psycopg.Connection[Any]) -> None:
    write(guarded, [(0, 1, "12345678901234567890.000000001", 0, "a", True)] * 2)
    guarded.execute("insert into f.t (z) values (0.000000002)")
    ((exact,),) = guarded.execute("select mlguard.merge_v1(states) ->> 'sum(z)' from mlguard._state").fetchall()
    assert exact == "24691357802469135780.000000004"
