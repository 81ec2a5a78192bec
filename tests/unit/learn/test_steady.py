"""Transforms, their inverses, noise, and quantiles that skip what is missing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlguard.learn.series import KINDS, Class, Series
from mlguard.learn.steady import EFFECT, Traits, median, noise, quantile, steady, unsteady


@pytest.mark.parametrize(
    ("steadied", "value", "scale", "expected"),
    [
        ("share", 0.25, 1.0, math.pi / 6),
        ("share", -0.1, 1.0, 0.0),
        ("share", 1.2, 1.0, math.pi / 2),
        ("count", 0.0, 1.0, 0.0),
        ("count", 999.0, 1.0, math.log(1000)),
        ("information", 0.5, 1.0, math.log(0.5)),
        ("information", 0.0, 1.0, math.log(0.001)),
        ("location", 30.0, 10.0, math.asinh(3)),
        ("location", -30.0, 10.0, -math.asinh(3)),
    ],
)
def test_steady_by_hand(steadied: Class, value: float, scale: float, expected: float) -> None:
    assert steady(np.array([value]), steadied, scale)[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("steadied", "value", "scale"),
    [("share", 0.3, 1.0), ("count", 41.0, 1.0), ("information", 0.07, 1.0), ("location", -12.5, 4.0)],
)
def test_unsteady_is_the_inverse(steadied: Class, value: float, scale: float) -> None:
    assert unsteady(float(steady(np.array([value]), steadied, scale)[0]), steadied, scale) == pytest.approx(value)


def test_unsteady_stays_inside_the_metric() -> None:
    assert unsteady(-1.0, "share") == 0
    assert unsteady(9.0, "share") == 1
    assert unsteady(-1.0, "count") == 0
    assert unsteady(3.0, "information") == 1
    assert math.isfinite(unsteady(1e6, "location"))


def test_noise_and_effect() -> None:
    assert noise("share", 5000, 400) == pytest.approx(0.02)
    assert noise("information", 5000, 400) == pytest.approx(0.05)
    assert noise("location", 5000, 400) == pytest.approx(0.0625)
    assert noise("count", 24, 10) == pytest.approx(0.02), "counts are of all rows, not of the sample"
    assert noise("share", 0, 0) == pytest.approx(0.4), "an empty scope divides by one"
    assert EFFECT == {"share": 0.01, "count": 0.02, "information": 0.03, "location": 0.02}


def test_traits_follow_the_catalogue() -> None:
    series = [Series("a", metric) for metric in KINDS]
    traits = Traits(series)
    errors = traits.directed(np.full(len(series), -2.0))
    for i, kind in enumerate(KINDS.values()):
        assert errors[i] == (0 if kind.side == "up" else 2)
    floor = traits.floor(np.array([1000.0, 9.0]), np.array([1000.0, 9.0]))
    assert floor[0][list(KINDS).index("null")] == pytest.approx(0.4 / math.sqrt(1000))
    assert floor[1][list(KINDS).index("rows")] == pytest.approx(0.05)


def test_what_is_not_finite_is_missing() -> None:
    traits = Traits([Series("a", "mean"), Series("a", "null")])
    found = traits.transform(np.array([np.inf, np.nan]), np.ones(2))
    assert np.isnan(found).all()


def test_quantiles_skip_what_is_missing() -> None:
    values = np.array([[1.0, np.nan, 5.0], [np.nan, np.nan, 1.0], [3.0, np.nan, 2.0], [2.0, np.nan, np.nan]])
    assert median(values)[[0, 2]].tolist() == [2.0, 2.0]
    assert np.isnan(median(values)[1])
    ordered = np.sort(np.random.default_rng(1).normal(size=(37, 4)), axis=0)
    assert quantile(ordered, 0.9) == pytest.approx(np.quantile(ordered, 0.9, axis=0))
    assert np.isnan(median(np.empty((0, 3)))).all()
