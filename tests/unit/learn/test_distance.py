"""Distances from a baseline: against scipy, at their ends, and how seldom chance alone looks like a shift."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon

from mlguard.learn import distance
from mlguard.learn.distance import DISTANCES, binned, bins, categories, edges_of, noise, noise_of_size

Counts = NDArray[np.float64]
COUNTS = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 5000)), min_size=1, max_size=60).filter(
    lambda pairs: sum(a for a, _ in pairs) > 0 and sum(b for _, b in pairs) > 0
)
LIMIT = 0.2  # the psi that an SLO usually allows


def sides(pairs: list[tuple[int, int]]) -> tuple[Counts, Counts]:
    here, there = zip(*pairs, strict=True)
    return np.array(here, dtype=float), np.array(there, dtype=float)


@given(COUNTS)
def test_js_is_scipy_s(pairs: list[tuple[int, int]]) -> None:
    here, there = sides(pairs)
    assert distance.js(here, there) == pytest.approx(jensenshannon(here, there, base=2), abs=1e-7)


@given(COUNTS)
def test_psi_is_the_sum_of_both_relative_entropies(pairs: list[tuple[int, int]]) -> None:
    here, there = sides(pairs)
    half = 0.5 / min(here.sum(), there.sum())
    p, q = here / here.sum() + half, there / there.sum() + half  # scipy makes shares of them
    expected = stats.entropy(p, q) + stats.entropy(q, p)
    assert distance.psi(here, there) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=200), st.lists(st.integers(0, 9), min_size=2, max_size=200))
def test_ks_is_scipy_s_where_every_value_has_a_bin(here: list[int], there: list[int]) -> None:
    counts = [binned(side, range(9)) for side in (here, there)]
    assert distance.ks(*counts) == pytest.approx(stats.ks_2samp(here, there, method="asymp").statistic, abs=1e-12)


@given(COUNTS)
def test_distances_are_symmetric_and_nothing_only_between_equals(pairs: list[tuple[int, int]]) -> None:
    here, there = sides(pairs)
    for metric, of in DISTANCES.items():
        assert of(here, there) == pytest.approx(of(there, here), rel=1e-12, abs=1e-15), metric
        assert of(here, here * 3) == pytest.approx(0, abs=1e-15), metric
        assert of(here, there) >= 0, metric
        assert metric == "psi" or of(here, there) <= 1, metric


def test_distances_at_their_ends() -> None:
    here, there = [1000.0, 0], [0, 1000.0]
    assert distance.js(here, there) == 1
    assert distance.ks(here, there) == 1
    assert distance.linf(here, there) == 1
    # (p - q) ln(p / q) twice, with p = 1000.5 / 1001 and q = 0.5 / 1001.
    assert distance.psi(here, there) == pytest.approx(2 * (1000 / 1001) * math.log(1000.5 / 0.5), rel=1e-12)


def test_what_is_as_rare_here_as_there_counts_for_nothing() -> None:
    """A category of one in a million must not look like a shift to 60 rows."""
    rare = np.array([900_000.0, *[500.0] * 200])
    assert distance.psi(rare / 1_000_000 * 60, rare) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("here", "there"), [([0, 0], [1, 1]), ([1, 1], [0, 0]), ([1, 2], [1, 2, 3])])
def test_sides_without_values_or_of_other_bins_are_refused(here: list[float], there: list[float]) -> None:
    for of in DISTANCES.values():
        with pytest.raises(ValueError, match=r"counts"):
            of(here, there)


def test_rare_categories_are_compared_as_one() -> None:
    made = categories({"a": 500, "b": 480, "c": 20}, {"a": 5000, "b": 4990, "d": 3, "e": 7})
    assert made is not None
    # c: 10000 * 20 / 11000 = 18; e: 6.4; d: 2.7, fewer than 5.
    assert made.here.tolist() == [500, 480, 20, 0, 0]
    assert made.baseline.tolist() == [5000, 4990, 0, 7, 3]


def test_categories_that_are_all_rare_cannot_be_compared() -> None:
    assert categories({str(i): 1 for i in range(300)}, {str(i): 1 for i in range(200)}) is None


def test_a_new_category_is_found_whatever_its_name() -> None:
    made = categories({"a": 400, "z": 100}, {"a": 100_000})
    assert made is not None
    assert distance.linf(made.here, made.baseline) == pytest.approx(0.2)


def test_new_category_rate() -> None:
    assert distance.new_category_rate({"a": 8, "x": 2}, {"a": 100}) == 0.2
    assert distance.new_category_rate({"a": 8}, {"a": 100}, other=2) == 0.2  # beyond the 1000 that are listed
    assert distance.new_category_rate({}, {"a": 100}) is None
    assert distance.new_category_rate({"a": 8}, {"a": 100}, baseline_other=1) is None


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=300))
def test_edges_part_all_values_into_at_most_eleven_bins(values: list[float]) -> None:
    edges = edges_of(values)
    numbers = [value for value in values if not math.isnan(value)]
    assert list(edges) == sorted(set(edges))
    assert len(edges) <= 10
    assert binned(values, edges).sum() == len(numbers)


def test_edges_are_deciles() -> None:
    assert edges_of(range(1, 101)) == (10, 20, 30, 40, 50, 60, 70, 80, 90)
    assert binned(range(1, 101), edges_of(range(1, 101))).tolist() == [10] * 10


def test_heavy_ties_give_fewer_bins_and_what_is_smaller_still_has_one() -> None:
    values = [0.0] * 50 + [float(i) for i in range(50)]
    edges = edges_of(values)
    assert edges[1:] == (0, 9, 19, 29, 39)
    assert edges[0] == pytest.approx(0, abs=1e-6)
    baseline = binned(values, edges)
    negative = binned([-1.0] * 50 + [float(i) for i in range(50)], edges)
    assert distance.psi(negative, baseline) > 1
    constant = edges_of([5.0] * 1000)
    assert distance.linf(binned([3.0] * 1000, constant), binned([5.0] * 1000, constant)) == 1


@pytest.mark.parametrize("freedom", [1, 2, 5, 9, 30, 200, 999])
def test_the_chi_squared_quantile(freedom: int) -> None:
    assert distance._chi_squared(freedom) == pytest.approx(stats.chi2.isf(0.001, freedom), rel=0.04)


@pytest.mark.parametrize("p", [0.05, 5e-4, 2.5e-5, 5e-7, 1e-10])
def test_the_normal_quantile(p: float) -> None:
    assert distance.normal_tail(p) == pytest.approx(stats.norm.isf(p), rel=1e-14)


SHAPES = {
    "deciles": np.full(10, 0.1),
    "even": np.array([0.5, 0.5]),
    "one in a hundred": np.array([0.99, 0.01]),
    "five plans": np.array([0.5, 0.3, 0.15, 0.049, 0.001]),
    "fifty, few of them frequent": 1 / np.arange(1, 51),
    "a hundred alike": np.ones(100),
    "one and many rare": np.array([0.9, *[0.0005] * 200]),
}


def alarms(metric: str, shape: Counts, n: int, m: int, times: int, limit: float, *, seed: int) -> float:
    """Return how often samples of one distribution are farther apart than the limit and than chance goes."""
    random = np.random.default_rng(seed)
    shape = shape / shape.sum()
    found = 0
    for here, there in zip(
        random.multinomial(n, shape, size=times), random.multinomial(m, shape, size=times), strict=True
    ):
        if len(shape) == 10:
            made = bins(here, there)
        else:
            named = [{str(place): int(count) for place, count in enumerate(side)} for side in (here, there)]
            compared = categories(*named)
            if compared is None:
                continue
            made = compared
        value = DISTANCES[metric](made.here, made.baseline)
        found += value > limit and value > noise(metric, made.here, made.baseline)
    return found / times


@pytest.mark.parametrize("m", [200, 1000, 1_000_000])
@pytest.mark.parametrize("n", [30, 60, 200, 500, 5000, 100_000])
def test_psi_of_deciles_seldom_alarms_on_the_same_distribution(n: int, m: int) -> None:
    # Once in 1000 is what is promised; of 3000 tries 12 or more would then be seen once in 30,000 times.
    assert alarms("psi", SHAPES["deciles"], n, m, 3000, LIMIT, seed=n + m) < 0.004
    if n >= 500:
        assert noise_of_size("psi", n, m, 10) < 0.2 or m == 200


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("n", "m"), [(30, 1000), (60, 200), (200, 200), (500, 100_000), (100_000, 1000)])
def test_no_shape_of_a_column_alarms_often(shape: str, n: int, m: int) -> None:
    for metric in ("psi", "js", "linf"):
        assert alarms(metric, SHAPES[shape], n, m, 400, 0, seed=len(shape) + n) <= 0.0125, metric  # 5 of 400


@pytest.mark.parametrize(("n", "m"), [(30, 200), (500, 100_000), (5000, 1000)])
def test_ks_alarms_as_seldom(n: int, m: int) -> None:
    assert alarms("ks", SHAPES["deciles"], n, m, 3000, 0, seed=n) < 0.004


@pytest.mark.parametrize("n", [500, 2000, 50_000])
def test_a_real_shift_is_found(n: int) -> None:
    """A shift whose psi is 0.3, seen by 500 rows and more."""
    baseline = np.full(10, 10_000.0)
    # The mean of a normal column moves by 0.56 of its standard deviation.
    shape = np.diff([0, *stats.norm.cdf(stats.norm.ppf(np.arange(1, 10) / 10) - 0.56), 1])
    assert distance.psi(shape * 1e6, baseline) == pytest.approx(0.3, abs=0.005)
    random = np.random.default_rng(n)
    found = [
        distance.psi(here, baseline) > max(LIMIT, noise("psi", here, baseline))
        for here in random.multinomial(n, shape, size=2000)
    ]
    assert np.mean(found) > 0.9


def test_small_samples_are_told_from_chance_by_the_numbers_of_the_docs() -> None:
    assert noise_of_size("psi", 60, 1_000_000, 10) == pytest.approx(0.467, abs=0.001)
    assert noise_of_size("psi", 500, 1_000_000, 10) == pytest.approx(0.056, abs=0.001)
    assert noise_of_size("ks", 200, 200, 10) == pytest.approx(0.195, abs=0.001)
    with pytest.raises(ValueError, match="no distance"):
        noise("mean", [1], [1])
