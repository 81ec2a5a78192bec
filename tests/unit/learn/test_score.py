"""Joint evidence of a column, and the blame for broken pair rules."""

from __future__ import annotations

import numpy as np
import pytest

from mlguard.learn.score import column_scores
from mlguard.learn.series import Series


def scores(**ratios: float) -> dict[str, float]:
    series, values = [], []
    for name, ratio in ratios.items():
        column, metric, *partner = name.split("__")
        series.append(Series(column, metric, *partner))
        values.append(ratio)
    return {column: score for column, (score, _) in column_scores(series, np.array(values)).items()}


def test_weak_evidence_of_one_column_adds_up() -> None:
    found = scores(a__null=0.9, a__spike=0.9, b__null=0.9)
    assert found["a"] == pytest.approx((2 * 0.9**3) ** (1 / 3))
    assert found["a"] > 1 > found["b"] == pytest.approx(0.9)


def test_a_single_series_is_its_own_score() -> None:
    assert scores(a__null=3.0, a__spike=0.0)["a"] == pytest.approx(3)


def test_a_broken_pair_is_blamed_on_the_column_with_more_broken_pairs() -> None:
    found = scores(a__null=0.2, b__null=0.1, c__null=0.1, a__pair__b=4.0, c__pair__b=3.0)
    assert found == pytest.approx({"a": 0.2, "b": 4.0, "c": 0.1})


def test_then_on_the_one_with_the_larger_score_of_its_own() -> None:
    assert scores(a__null=0.2, b__null=0.3, a__pair__b=4.0) == pytest.approx({"a": 0.2, "b": 4.0})
    assert scores(a__null=5.0, b__null=7.0, a__pair__b=9.0) == pytest.approx({"a": 9.0, "b": 9.0}), "both alarm anyway"


def test_weak_pairs_are_not_looked_at() -> None:
    assert scores(a__null=0.2, b__null=0.1, a__pair__b=0.5) == pytest.approx({"a": 0.2, "b": 0.1})


def test_the_worst_series_is_named() -> None:
    series = [Series("a", "null"), Series("a", "spike"), Series("b", "null"), Series("a", "pair", "b")]
    found = column_scores(series, np.array([0.2, 0.9, 0.0, 2.0]))
    assert found["a"][1] == 3
    assert found["b"][1] == 2
