"""Metrics of labels are what scikit-learn says of the same rows, ties, single classes and missing values included."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from sklearn import metrics

from tests import labels_example
from tests.labels_example import TABLE

Pair = tuple[float | None, float | None]
CASES = 60
NOON = "2026-01-01 12:00+00"
SLOS = """
slos:
  - {name: errors, check: 'mae(score, label) >= 0 and rmse(score, label) >= 0 and mape(score, label) >= 0
      and bias(score, label) > -1e300', over: 1 day, min_rows: 0}
  - {name: classes, check: 'accuracy(score >= 0.5, label) >= 0 and precision(score >= 0.5, label) >= 0
      and recall(score >= 0.5, label) >= 0 and f1(score >= 0.5, label) >= 0', over: 1 day, min_rows: 0}
  - {name: scores, check: 'auc(score, label) >= 0 and logloss(score, label) >= 0 and brier(score, label) >= 0
      and calibration_error(score, label) >= 0', over: 1 day, min_rows: 0}
  - {name: coverage, check: label_coverage() >= 0, over: 1 day, min_rows: 0}
  - {name: some, check: 'mae(score, label) >= 0', where: grp = 'a', over: 1 day, min_rows: 0}
"""


def case(number: int) -> list[Pair]:
    """Return rows of predictions and labels, of which some are missing, NaN, infinite or out of range."""
    random = np.random.default_rng(number)
    size = int(random.choice([0, 1, 2, 5, 40]))
    levels = int(random.choice([1, 2, 10, 1000]))
    scores: list[float | None] = [float(x) for x in np.round(random.random(size) * levels) / levels]
    classes = [[0.0], [1.0], [0.0, 1.0], [0.0, 1.0]][number % 4]
    labels: list[float | None] = [float(x) for x in random.choice(classes, size)]
    for values in (scores, labels):
        for place in range(size):
            if random.random() < 0.1:
                values[place] = [None, math.nan, math.inf, -math.inf, 2.5, -0.0][int(random.integers(6))]
    return list(zip(scores, labels, strict=True))


def sure(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def numbers(rows: list[Pair]) -> tuple[list[float], list[float]]:
    kept = [(x, y) for x, y in rows if sure(x) and sure(y)]
    return [float(x) for x, _ in kept if x is not None], [float(y) for _, y in kept if y is not None]


def told(rows: list[Pair]) -> tuple[list[bool], list[bool]]:
    # PostgreSQL has NaN above every number, so that NaN >= 0.5 is true there.
    kept = [(x, y) for x, y in rows if x is not None and y in (0, 1)]
    return [math.isnan(x) or x >= 0.5 for x, _ in kept], [y == 1 for _, y in kept]


def chances(rows: list[Pair], *, anywhere: bool = False) -> tuple[list[float], list[bool]]:
    kept = [(x, y) for x, y in rows if x is not None and math.isfinite(x) and (anywhere or 0 <= x <= 1) and y in (0, 1)]
    return [x for x, _ in kept], [y == 1 for _, y in kept]


def calibration(scores: list[float], labels: list[bool]) -> float:
    """Naeini et al. 2015, written out: scikit-learn has the curve and not the number."""
    bins = [min(math.floor(score * 10), 9) for score in scores]
    total = 0.0
    for each in set(bins):
        held = [place for place, name in enumerate(bins) if name == each]
        total += abs(sum(scores[i] for i in held) - sum(labels[i] for i in held))
    return total / len(scores)


def wanted(rows: list[Pair]) -> dict[str, float | None]:
    x, y = numbers(rows)
    said, truth = told(rows)
    p, c = chances(rows)
    s, d = chances(rows, anywhere=True)

    def of(call: Callable[[], Any], *, known: bool) -> float | None:
        return float(call()) if known else None

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "mae": of(lambda: metrics.mean_absolute_error(y, x), known=bool(x)),
            "rmse": of(lambda: metrics.root_mean_squared_error(y, x), known=bool(x)),
            "mape": of(lambda: metrics.mean_absolute_percentage_error(y, x), known=bool(x)),
            "bias": of(lambda: np.mean(np.subtract(x, y)), known=bool(x)),
            "accuracy": of(lambda: metrics.accuracy_score(truth, said), known=bool(said)),
            "precision": of(lambda: metrics.precision_score(truth, said), known=any(said)),
            "recall": of(lambda: metrics.recall_score(truth, said), known=any(truth)),
            "f1": of(lambda: metrics.f1_score(truth, said), known=any(truth) or any(said)),
            "auc": of(lambda: metrics.roc_auc_score(d, s), known=len(set(d)) == 2),
            "logloss": of(lambda: metrics.log_loss(c, p, labels=[False, True]), known=bool(p)),
            "brier": of(lambda: metrics.brier_score_loss(c, p, labels=[False, True]), known=bool(p)),
            "calibration_error": of(lambda: calibration(p, c), known=bool(p)),
            "label_coverage": of(lambda: np.mean([label is not None for _, label in rows]), known=bool(rows)),
        }


@pytest.mark.parametrize("order", ["labels later", "labels first", "one by one"])
def test_every_metric_is_scikit_learns(db: str, tmp_path: Path, order: str) -> None:
    labels_example.create(db)
    labels_example.put(db, tmp_path, SLOS)
    cases = [case(number) for number in range(CASES)]
    predictions, labels = [], []
    for number, rows in enumerate(cases):
        for place, (score, label) in enumerate(rows):
            predictions.append((place, NOON, number, score, "ab"[place % 2]))
            if place % 7 != 3 or label is not None:
                labels.append((place, NOON, number, label))
    first = (
        "insert into predictions.churn values (%s, %s::timestamptz + %s * interval '1 day', 'v1', %s, %s)",
        predictions,
    )
    second = ("insert into labels.churn values (%s, %s::timestamptz + %s * interval '1 day', %s)", labels)
    steps = [first, second] if order != "labels first" else [second, first]
    with psycopg.connect(db, autocommit=True) as connection:
        for sql, rows_ in steps:
            if order == "one by one":
                with connection.cursor() as cursor:
                    cursor.executemany(sql, rows_)  # type: ignore[arg-type]
            else:
                with connection.transaction(), connection.cursor() as cursor:
                    cursor.executemany(sql, rows_)  # type: ignore[arg-type]
        labels_example.fold(connection)
        labels_example.same_as_a_recount(connection)
        labels_example.sweep(connection)
        found = {
            (day, metric): value
            for day, metric, value in connection.execute(
                "select ((window_start at time zone 'UTC')::date - date '2026-01-01'), metric, value"
                " from mlguard._metric where tbl = %s and current",
                (TABLE,),
            ).fetchall()
        }
    for number, rows in enumerate(cases):
        for name, value in wanted(rows).items():
            argument = {"label_coverage": "", "mae": "score, label"}.get(name)
            if argument is None:
                argument = (
                    "score >= 0.5, label" if name in ("accuracy", "precision", "recall", "f1") else "score, label"
                )
            seen = found[number, f"{name}({argument})"]
            if value is None:
                assert seen is None, (number, name, seen)
            else:
                assert seen is not None, (number, name)
                assert math.isclose(seen, value, rel_tol=1e-9, abs_tol=1e-9), (number, name, seen, value)
        x, y = numbers([pair for place, pair in enumerate(rows) if place % 2 == 0])
        some = found[number, "mae(score, label) where grp = 'a'"]
        assert some is None if not x else math.isclose(some, metrics.mean_absolute_error(y, x), abs_tol=1e-12)


REASONS = """
slos:
  - {name: auc, check: 'auc(score, label) >= 0.5', over: 1 day}
  - {name: precision, check: 'precision(score >= 0.5, label) >= 0.5', over: 1 day}
  - {name: recall, check: 'recall(score >= 0.5, label) >= 0.5', over: 1 day}
  - {name: f1, check: 'f1(score >= 0.5, label) >= 0.5', over: 1 day}
  - {name: mae, check: 'mae(score, label) <= 0.5', over: 1 day}
  - {name: none, check: 'mae(score, label) <= 0.5', over: 1 day, min_rows: 0}
"""


def test_what_cannot_be_computed_is_insufficient_and_says_why(db: str, tmp_path: Path) -> None:
    labels_example.create(db)
    labels_example.put(db, tmp_path, REASONS)
    with psycopg.connect(db, autocommit=True) as connection:
        connection.execute(
            "insert into predictions.churn select g, '2026-01-01 12:00+00', 'v1', 0.1 from generate_series(1, 40) g"
        )
        connection.execute("insert into labels.churn select g, '2026-01-01 12:00+00', 0 from generate_series(1, 40) g")
        connection.execute(
            "insert into predictions.churn select g, '2026-01-02 12:00+00', 'v1', 'NaN' from generate_series(1, 40) g"
        )
        connection.execute("insert into labels.churn select g, '2026-01-02 12:00+00', 0 from generate_series(1, 12) g")
        labels_example.sweep(connection)
        reasons = {
            name: [row[2:] for row in labels_example.verdicts(connection, name)[:2]]
            for name in ("auc", "precision", "recall", "f1", "mae", "none")
        }
    few = ("INSUFFICIENT", 12, "12 labelled rows, fewer than 30")
    assert reasons == {
        "auc": [("INSUFFICIENT", 40, "only one class"), few],
        "precision": [("INSUFFICIENT", 40, "no positive predictions"), few],
        "recall": [("INSUFFICIENT", 40, "no positive labels"), few],
        "f1": [("INSUFFICIENT", 40, "no positive labels or predictions"), few],
        "mae": [("PASS", 40, None), few],
        "none": [("PASS", 40, None), ("INSUFFICIENT", 12, "no prediction that can be compared with its label")],
    }


def test_many_different_scores_are_rounded_and_close(guarded_db: str, tmp_path: Path) -> None:
    labels_example.create(guarded_db)
    labels_example.put(
        guarded_db, tmp_path, "slos:\n  - {name: auc, check: 'auc(score, label) >= 0.99', over: 1 day}\n"
    )
    random = np.random.default_rng(7)
    scores = random.random(25_000)
    truth = random.random(25_000) < scores
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        connection.execute("update mlguard._slo set since = '2026-01-01'")  # what failed is judged anew when rows go
        for start in range(0, 25_000, 5_000):  # each statement is below the limit, their sum above it
            part = range(start, start + 5_000)
            connection.execute(
                "insert into predictions.churn select i, '2026-01-01 12:00+00', 'v1', s"
                " from unnest(%s::bigint[], %s::float8[]) as u (i, s)",
                (list(part), [float(scores[i]) for i in part]),
            )
            connection.execute(
                "insert into labels.churn select i, '2026-01-01 12:00+00', y"
                " from unnest(%s::bigint[], %s::float8[]) as u (i, y)",
                (list(part), [float(truth[i]) for i in part]),
            )
        labels_example.fold(connection)
        labels_example.same_as_a_recount(connection)
        labels_example.sweep(connection)
        (value,) = connection.execute(
            "select value from mlguard._metric where current and value is not null"
        ).fetchone() or (0,)
        ((_, _, _, _, reason),) = labels_example.verdicts(connection, "auc")[:1]
        connection.execute("delete from labels.churn where customer_id < 20000")
        labels_example.fold(connection)
        labels_example.sweep(connection)
        (left,) = connection.execute(
            "select value from mlguard._metric where current and value is not null"
        ).fetchone() or (0,)
    assert math.isclose(value, metrics.roc_auc_score(truth, scores), abs_tol=1e-4)
    assert reason == "of scores rounded to three digits"
    assert math.isclose(left, metrics.roc_auc_score(truth[20_000:], scores[20_000:]), abs_tol=1e-3)
