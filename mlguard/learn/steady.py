"""Transforms that make a series' variance steady, their inverses, and its noise in a sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlguard.learn.sample import Flags, Integers, Numbers
from mlguard.learn.series import KINDS, Class, Series

LEAST_INFORMATION = 1e-3


def steady(values: Numbers, steadied: Class, scale: float | Numbers = 1.0) -> Numbers:
    """Values made steady: shares asin(sqrt p), counts ln(1 + x), information ln x, locations asinh(x / scale)."""
    if steadied == "share":
        return np.arcsin(np.sqrt(np.clip(values, 0, 1)))
    if steadied == "count":
        return np.log1p(values)
    if steadied == "information":
        return np.log(np.maximum(values, LEAST_INFORMATION))
    return np.arcsinh(values / scale)


def unsteady(value: float, steadied: Class, scale: float = 1.0) -> float:
    """The inverse of `steady` for one number, inside the metric's range."""
    if steadied == "share":
        return float(np.sin(min(max(value, 0.0), np.pi / 2)) ** 2)
    if steadied == "count":
        return max(0.0, float(np.expm1(min(value, 700.0))))
    if steadied == "information":
        return min(1.0, float(np.exp(value)))
    return scale * float(np.sinh(min(max(value, -700.0), 700.0)))


NOISE: dict[Class, float] = {"share": 0.4, "count": 0.5, "information": 1.0, "location": 1.25}
"""Standard error of a steadied value in a sample of k rows, times sqrt(k); for counts, whole, times n + 1.

Of asin(sqrt p) it is 0.5; limits never go below 3.5, and 0.4 finds a fault in few rows without more false alarms.
"""


def noise(steadied: Class, n: float, k: float) -> float:
    """Standard error of a steadied value of a scope of n rows, of which k are sampled."""
    return NOISE[steadied] / (1 + max(n, 1) if steadied == "count" else float(np.sqrt(max(k, 1))))


EFFECT: dict[Class, float] = {"share": 0.01, "count": 0.02, "information": 0.03, "location": 0.02}
"""Smallest change of a steadied value worth speaking of, whatever the sample's size."""


class Traits:
    """What is needed of many series at once, as arrays in their order."""

    def __init__(self, series: Sequence[Series]) -> None:
        kinds = [KINDS[one.metric] for one in series]
        self.steadied: dict[Class, Flags] = {
            name: np.array([kind.steadied == name for kind in kinds], dtype=bool) for name in EFFECT
        }
        self.up: Flags = np.array([kind.side == "up" for kind in kinds], dtype=bool)
        self.down: Flags = np.array([kind.side == "down" for kind in kinds], dtype=bool)
        self.factor: Numbers = np.array([kind.factor for kind in kinds], dtype=np.float64)

    def transform(self, values: Numbers, scale: Numbers) -> Numbers:
        """Steadied values; the last axis is the series."""
        result = np.full(values.shape, np.nan)
        for name, those in self.steadied.items():
            result[..., those] = steady(values[..., those], name, scale[those] if name == "location" else 1.0)
        return np.where(np.isfinite(result), result, np.nan)

    def floor(self, n: Numbers, k: Numbers) -> Numbers:
        """The larger of noise and effect of every series (columns) in every scope (rows)."""
        result = np.empty((len(n), len(self.factor)))
        for name, those in self.steadied.items():
            column = [max(EFFECT[name], noise(name, rows, sampled)) for rows, sampled in zip(n, k, strict=True)]
            result[:, those] = np.array(column)[:, None]
        return result

    def directed(self, errors: Numbers) -> Numbers:
        """How far errors go into the bad direction."""
        up, down = np.maximum(errors, 0), np.maximum(-errors, 0)
        return np.where(self.up, up, np.where(self.down, down, np.abs(errors)))


def quantile(ordered: Numbers, q: float) -> Numbers:
    """Interpolated quantile (as percentile_cont) along the first axis, which is ascending with NaN last.

    NaN where nothing is known.
    """
    known = np.sum(~np.isnan(ordered), axis=0)
    rank = q * np.maximum(known - 1, 0)
    low: Integers = np.floor(rank).astype(np.int64)
    high = np.minimum(low + 1, np.maximum(known - 1, 0))
    below = np.take_along_axis(ordered, low[None], axis=0)[0]
    above = np.take_along_axis(ordered, high[None], axis=0)[0]
    return np.asarray(below + (above - below) * (rank - low))


def median(values: Numbers) -> Numbers:
    """Median along the first axis of what is known; NaN where nothing is."""
    if not len(values):
        return np.full(values.shape[1:], np.nan)
    return quantile(np.sort(values, axis=0), 0.5)
