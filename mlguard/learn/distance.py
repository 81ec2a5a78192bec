"""How far the values of some rows lie from a baseline, and how far chance alone would take them. Pure.

The twin of the functions of the in-database runtime (0014), number for number. Counts are those of the same bins or
categories, in the same order; of sampled rows, counts of the sample.

Sources: psi: Siddiqi, Credit Risk Scorecards (2006), chapter 10. js: Lin, Divergence measures based on the Shannon
entropy (1991), equation 4.1 with equal weights, its root as in Endres and Schindelin, A new metric for probability
distributions (2003). ks: Smirnov (1948). linf: the greatest difference of one share.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Counts = NDArray[np.float64]

RARE = 5  # values that a category must have in as many rows as the baseline has (Cochran 1954)
ONE_IN = 1000  # how seldom chance exceeds noise()
Z = 3.090232306167813  # quantile of the normal distribution at 1 - 1 / ONE_IN
_SERIES_BELOW = 0.05  # of |d|: beyond it the closed form is exact enough, below it loses digits
# Wichura, Algorithm AS 241 (1988), PPND16 for 1e-11 < p < 0.07: numerator and denominator, highest power first.
_NUMERATOR = (
    7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258,
    3.64784832476320460504, 5.76949722146069140550, 4.63033784615654529590, 1.42343711074968357734,
)  # fmt: skip
_DENOMINATOR = (
    1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
    6.89767334985100004550e-1, 1.67638483018380384940, 2.05319162663775882187, 1.0,
)  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """Counts of the same bins or categories, here and in the baseline; ones that are empty in both are left out."""

    here: Counts
    baseline: Counts


def _shares(counts: ArrayLike, baseline: ArrayLike) -> tuple[Counts, Counts, float, float]:
    here, there = np.asarray(counts, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    n, m = float(here.sum()), float(there.sum())
    if here.shape != there.shape or here.ndim != 1:
        raise ValueError(f"counts of {here.shape} and {there.shape} bins cannot be compared")
    if n <= 0 or m <= 0:
        raise ValueError("counts without a value have no distance")
    return here / n, there / m, n, m


def psi(counts: ArrayLike, baseline: ArrayLike) -> float:
    """Return the population stability index: sum of (p - q) ln(p / q).

    To each share of both sides half a value of the smaller side is added, so that an empty bin has a logarithm, and
    one that is as rare here as there counts for nothing however unequal the sides are.

    Raises:
        ValueError: a side has no value, or the sides have different bins.
    """
    p, q, n, m = _shares(counts, baseline)
    half = 0.5 / min(n, m)
    whole = 1 + half * len(p)
    p, q = (p + half) / whole, (q + half) / whole
    return float(((p - q) * np.log(p / q)).sum())


def js(counts: ArrayLike, baseline: ArrayLike) -> float:
    """Return the Jensen-Shannon distance: the root of the divergence in bits, 0 to 1.

    Raises:
        ValueError: a side has no value, or the sides have different bins.
    """
    p, q, _, _ = _shares(counts, baseline)
    total = p + q
    some = total > 0
    d = np.abs(p[some] - q[some]) / total[some]
    # (1 + d) ln(1 + d) + (1 - d) ln(1 - d), which for small d is d^2 + d^4 / 6 + d^6 / 15 + …
    square = d * d
    series = square * (1 + square * (1 / 6 + square * (1 / 15 + square * (1 / 28 + square * (1 / 45 + square / 66)))))
    less = np.where(d < 1, 1 - d, 1)  # 0 ln 0 is 0
    closed = (1 + d) * np.log(1 + d) + less * np.log(less)
    parts = np.where(d < _SERIES_BELOW, series, closed)
    return min(1.0, math.sqrt(float((total[some] * parts).sum()) / (4 * math.log(2))))


def ks(counts: ArrayLike, baseline: ArrayLike) -> float:
    """Return the greatest difference of the cumulated shares at the edges of ordered bins, 0 to 1.

    Raises:
        ValueError: a side has no value, or the sides have different bins.
    """
    p, q, n, m = _shares(counts, baseline)
    return float(np.abs(np.cumsum(p * n) / n - np.cumsum(q * m) / m).max())


def linf(counts: ArrayLike, baseline: ArrayLike) -> float:
    """Return the greatest difference of the share of one bin or category, 0 to 1.

    Raises:
        ValueError: a side has no value, or the sides have different bins.
    """
    p, q, _, _ = _shares(counts, baseline)
    return float(np.abs(p - q).max())


DISTANCES: dict[str, Callable[[ArrayLike, ArrayLike], float]] = {"psi": psi, "js": js, "ks": ks, "linf": linf}


def bins(counts: ArrayLike, baseline: ArrayLike) -> Compared:
    """Return the counts of ordered bins as they are compared."""
    here, there = np.asarray(counts, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    some = here + there > 0
    return Compared(here[some], there[some])


def categories(
    counts: Mapping[str, float], baseline: Mapping[str, float], *, other: float = 0, baseline_other: float = 0
) -> Compared | None:
    """Return the counts of categories as they are compared.

    Categories too rare to compare make one together with what is not listed: those that, by the shares of both sides
    pooled, fewer than RARE values of as many as the baseline has would fall in. The pooled share is used because the
    choice then favours neither side.

    Args:
        counts: values of each category here.
        baseline: values of each category in the baseline.
        other: values here that are not listed.
        baseline_other: values of the baseline that are not listed.

    Returns:
        The counts by category, in the order of their bytes, the rest last; None where all are too rare.
    """
    n, m = sum(counts.values()) + other, sum(baseline.values()) + baseline_other
    kept = sorted(
        (name for name in {*counts, *baseline} if m * (counts.get(name, 0) + baseline.get(name, 0)) / (n + m) >= RARE),
        key=str.encode,
    )
    if not kept:
        return None
    here = [float(counts.get(name, 0)) for name in kept]
    there = [float(baseline.get(name, 0)) for name in kept]
    rest = n - sum(here), m - sum(there)
    if sum(rest) > 0:
        here, there = [*here, rest[0]], [*there, rest[1]]
    return Compared(np.array(here), np.array(there))


def new_category_rate(
    counts: Mapping[str, float], baseline: Mapping[str, float], *, other: float = 0, baseline_other: float = 0
) -> float | None:
    """Return the share of values whose category the baseline does not know; values not listed here count as such.

    Returns:
        None without values, and where the baseline does not list all of its own categories.
    """
    n = sum(counts.values()) + other
    if not n or baseline_other:
        return None
    return (sum(count for name, count in counts.items() if name not in baseline) + other) / n


def noise(metric: str, counts: ArrayLike, baseline: ArrayLike) -> float:
    """Return the distance that chance alone exceeds once in ONE_IN, were both sides samples of one distribution.

    psi and js are (1/n + 1/m) times a chi-squared variable, js over 8 ln 2 and under the root (second-order expansion),
    with one degree of freedom for each bin but one. A bin in which the smaller side can expect few values, λ, counts
    for less in psi and for more in js; both fits are good to 7 % of the exact Poisson means. The quantile is that of
    Wilson and Hilferty (1931). ks: the first term of Kolmogorov's series. linf: Bonferroni over the bins, the binomial
    quantile by Cornish and Fisher (1938) and half a value for continuity.

    Args:
        metric: psi, js, ks or linf.
        counts: values in each bin here.
        baseline: values in each bin of the baseline.

    Raises:
        ValueError: a side has no value, the sides have different bins, or there is no such metric.
    """
    p, q, n, m = _shares(counts, baseline)
    spread, least = 1 / n + 1 / m, min(n, m)
    share = (p * n + q * m) / (n + m)
    expected = least * share
    match metric:
        case "psi":
            weights = 1 - np.exp(-1.2 * expected)
            return spread * _chi_squared(max(float(weights.sum()) - 1, 1.0))
        case "js":
            weights = (1 - np.exp(-4 * expected)) * (1 + 0.6 / np.maximum(expected, 1.6))
            return math.sqrt(spread * _chi_squared(max(float(weights.sum()) - 1, 1.0)) / (8 * math.log(2)))
        case "ks":
            return math.sqrt(-math.log(0.5 / ONE_IN) / 2 * spread)
        case "linf":
            z = normal_tail(0.5 / ONE_IN / len(p))
            quantile = z * np.sqrt(share * (1 - share) * spread) + (z * z - 1) / 6 * np.abs(1 - 2 * share) / least
            return float(quantile.max()) + 0.5 / least
    raise ValueError(f"there is no distance {metric}")


def noise_of_size(metric: str, n: int, m: int, bins: int) -> float:
    """Return noise() for n values against a baseline of m, in equally full bins.

    Raises:
        ValueError: n, m or bins is not positive, or there is no such metric.
    """
    if bins < 1:
        raise ValueError("a distance needs a bin")
    return noise(metric, [n / bins] * bins, [m / bins] * bins)


def edges_of(values: ArrayLike) -> tuple[float, ...]:
    """Return the edges of a baseline's bins: the distinct deciles of its values.

    Each decile is a value that occurs (percentile_disc). Where the least value is a decile itself, an edge just below
    it parts what is smaller.

    Args:
        values: numbers, in any order; NaN is left out.
    """
    numbers = np.asarray(values, dtype=np.float64)
    ascending = np.sort(numbers[~np.isnan(numbers)])
    n = len(ascending)
    if not n:
        return ()
    return edges_from([float(ascending[rank - 1]) for rank in decile_ranks(n)], float(ascending[0]))


def decile_ranks(n: int) -> tuple[int, ...]:
    """Return the ranks, from 1, of the nine deciles of n values, as percentile_disc counts them."""
    return tuple(max(1, math.ceil(tenths / 10 * n)) for tenths in range(1, 10))


def edges_from(deciles: Sequence[float], least: float) -> tuple[float, ...]:
    """Return the edges that deciles and the least value make."""
    edges = sorted(set(deciles))
    if edges[0] == least and math.isfinite(least):
        edges.insert(0, least - max(abs(least), 1.0) * 1e-9)
    return tuple(edges)


def binned(values: ArrayLike, edges: Sequence[float]) -> NDArray[np.int64]:
    """Return how many values fall into each bin; bin i holds those above edge i and up to edge i + 1, NaN none."""
    numbers = np.asarray(values, dtype=np.float64)
    places = np.searchsorted(np.asarray(edges), numbers[~np.isnan(numbers)], side="left")
    return np.bincount(places, minlength=len(edges) + 1).astype(np.int64)


def _chi_squared(freedom: float) -> float:
    third = 2 / (9 * freedom)
    return float(freedom * (1 - third + Z * math.sqrt(third)) ** 3)


def normal_tail(p: float) -> float:
    """Return what a standard normal variable exceeds with probability p, 1e-11 < p < 0.07."""
    r = math.sqrt(-math.log(p)) - 1.6
    numerator = denominator = 0.0
    for above, below in zip(_NUMERATOR, _DENOMINATOR, strict=True):
        numerator, denominator = numerator * r + above, denominator * r + below
    return numerator / denominator
