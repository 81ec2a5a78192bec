"""How far chance goes between groups: the limits are those of the papers, and seldom cry wolf."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
import psycopg
import pytest
from scipy import stats

Group = tuple[int, float, float]  # rows, sum, sum of squares
TAIL = 0.01 / 2  # two groups are two ordered pairs


def bounds(dsn: str, metric: str, cases: Sequence[Sequence[Group]]) -> list[tuple[float | None, float | None]]:
    """Return (value, bound) of each case, of groups of any size."""
    documents = [
        json.dumps({"k": {"c": {f"=g{number}": list(group) for number, group in enumerate(case)}}}) for case in cases
    ]
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(
            "select mlguard.fair_v1(d::jsonb, %(metric)s, 'k', 0), mlguard.fair_bound_v1(d::jsonb, %(metric)s, 'k', 0)"
            " from unnest(%(documents)s::text[]) with ordinality as u (d, i) order by i",
            {"metric": metric, "documents": documents},
        ).fetchall()


def newcombe(high: Group, low: Group) -> float:
    """Newcombe 1998, method 10, by scipy's Wilson intervals."""
    intervals = [
        stats.binomtest(int(group[1]), group[0]).proportion_ci(1 - 2 * TAIL, method="wilson") for group in (high, low)
    ]
    shares = [group[1] / group[0] for group in (high, low)]
    reach = math.hypot(shares[0] - intervals[0].low, intervals[1].high - shares[1])
    return max(shares[0] - shares[1] - reach, 0.0)


@pytest.mark.parametrize(
    "pair", [((70, 56, 56), (80, 48, 48)), ((1000, 700, 700), (1000, 400, 400)), ((30, 30, 30), (30, 0, 0))]
)
def test_differences_are_newcombes(guarded_db: str, pair: tuple[Group, Group]) -> None:
    ((value, bound),) = bounds(guarded_db, "parity_gap", [pair])
    assert value is not None
    assert bound is not None
    assert math.isclose(value, pair[0][1] / pair[0][0] - pair[1][1] / pair[1][0], abs_tol=1e-12)
    assert math.isclose(bound, newcombe(*pair), abs_tol=1e-6)


def test_ratios_are_katzs(guarded_db: str) -> None:
    high, low = (70, 56, 56), (80, 24, 24)
    ((value, bound),) = bounds(guarded_db, "disparate_impact", [(high, low)])
    ratio = (24 / 80) / (56 / 70)
    error = math.sqrt(1 / 24 - 1 / 80 + 1 / 56 - 1 / 70)
    assert value is not None
    assert bound is not None
    assert math.isclose(value, ratio, rel_tol=1e-12)
    assert math.isclose(bound, ratio * math.exp(stats.norm.isf(TAIL) * error), rel_tol=1e-6)


def test_ratios_of_errors_are_by_the_delta_method(guarded_db: str) -> None:
    random = np.random.default_rng(3)
    samples = [np.abs(random.normal(0, 2, 400)), np.abs(random.normal(0, 1, 300))]
    groups = [(len(x), float(x.sum()), float((x**2).sum())) for x in samples]
    ((value, bound),) = bounds(guarded_db, "error_ratio", [groups])
    ratio = samples[0].mean() / samples[1].mean()
    error = math.sqrt(sum(x.var() / len(x) / x.mean() ** 2 for x in samples))
    assert value is not None
    assert bound is not None
    assert math.isclose(value, ratio, rel_tol=1e-9)
    assert math.isclose(bound, max(ratio * math.exp(-stats.norm.isf(TAIL) * error), 1), rel_tol=1e-6)


@pytest.mark.parametrize(("metric", "limit"), [("parity_gap", 0.0), ("disparate_impact", 1.0), ("error_ratio", 1.0)])
@pytest.mark.parametrize("groups", [2, 5])
def test_equal_groups_are_seldom_beyond_chance(guarded_db: str, metric: str, limit: float, groups: int) -> None:
    random = np.random.default_rng(11)
    hits = random.binomial(200, 0.3, (4000, groups))
    cases = [[(200, float(hit), float(hit)) for hit in row] for row in hits]
    found = [bound for _, bound in bounds(guarded_db, metric, cases) if bound is not None]
    beyond = sum(bound < limit if metric == "disparate_impact" else bound > limit for bound in found)
    assert len(found) == 4000
    assert beyond <= 4000 * 0.01 * 1.5


def test_true_differences_are_found(guarded_db: str) -> None:
    random = np.random.default_rng(5)
    hits = np.stack([random.binomial(500, 0.3, 500), random.binomial(500, 0.6, 500)], axis=1)
    cases = [[(500, float(hit), float(hit)) for hit in row] for row in hits]
    beyond = sum(bound < 0.8 for _, bound in bounds(guarded_db, "disparate_impact", cases) if bound is not None)
    assert beyond > 495
