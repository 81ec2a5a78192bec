"""Bands: what a series' own history says its next value should be, and how far off is too far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlguard.learn.history import FIRST, PREDICTORS, History
from mlguard.learn.sample import Flags, Integers, Numbers
from mlguard.learn.series import KINDS, Series
from mlguard.learn.steady import EFFECT, Traits, noise, quantile, unsteady

WINDOW = 150
"""Past errors a band is learned from."""
PLAIN_PREFERRED = 1.05
"""How much smaller its error must be for another predictor to replace the plain median."""
BASE, SLOPE, LEAST = 1.0, 2.5, 3.5
"""The limit is BASE + SLOPE * worst past z, and never less than LEAST."""
SHORT = 8.0
"""A history of h errors widens the limit by 1 + SHORT / h."""
TWO_WORST_FROM = 40
"""With so many past errors the worst is the mean of the two largest: one past fault does not blind the series."""
CROSS = 0.6
"""How much of the worst error in any direction counts in the other direction."""


@dataclass(frozen=True)
class Band:
    """The band of one series for one scope, with every number it was made from.

    Args:
        series: Which series.
        predictor: The candidate that predicted best so far.
        predicted: Its prediction, in the metric's unit.
        steadied: The same, made steady.
        scale: Unit of a location metric; 1 for others.
        spread: Usual size of the predictor's past errors (steadied).
        noise: Standard error of a sample of this size (steadied).
        effect: Smallest change worth speaking of (steadied).
        worst: Worst past z upwards and downwards.
        limit: Largest z allowed upwards and downwards.
        history: Past errors that it was learned from.
        low: Lowest value allowed, in the metric's unit; None when low values are not bad.
        high: Highest value allowed; None when high values are not bad.
        judged: False while the history is too short or too sparse.
    """

    series: Series
    predictor: str
    predicted: float
    steadied: float
    scale: float
    spread: float
    noise: float
    effect: float
    worst: tuple[float, float]
    limit: tuple[float, float]
    history: int
    low: float | None
    high: float | None
    judged: bool


@dataclass(frozen=True, eq=False)
class Bands:
    """The bands of many series, as arrays in their order; `ratio` judges a scope's values by them."""

    series: tuple[Series, ...]
    traits: Traits
    scale: Numbers
    predictor: Integers
    predicted: Numbers
    spread: Numbers
    worst: Numbers
    limit: Numbers
    history: Integers
    judged: Flags

    def signed(self, values: Numbers, n: float, k: float) -> Numbers:
        """Errors of a scope's values in units of the larger of spread and floor; NaN where there is no value."""
        errors = self.traits.transform(values, self.scale) - self.predicted
        return np.asarray(errors / np.maximum(self.spread, self.traits.floor(np.array([n]), np.array([k]))[0]))

    def ratio(self, values: Numbers, n: float, k: float) -> Numbers:
        """How much of its limit each value uses: above 1 is outside the band. 0 for what is not judged."""
        signed = self.signed(values, n, k)
        limit = np.where(signed >= 0, self.limit[0], self.limit[1])
        return np.where(self.judged & ~np.isnan(signed), self.traits.directed(signed) / limit, 0.0)

    def band(self, i: int, n: float, k: float) -> Band:
        """The band of series i for a scope of n rows, k of them sampled."""
        one = self.series[i]
        kind = KINDS[one.metric]
        steadied, scale = float(self.predicted[i]), float(self.scale[i])
        noisy, effect = noise(kind.steadied, n, k), EFFECT[kind.steadied]
        width = max(float(self.spread[i]), noisy, effect)
        up, down = float(self.limit[0, i]), float(self.limit[1, i])
        return Band(
            series=one,
            predictor=PREDICTORS[int(self.predictor[i])],
            predicted=unsteady(steadied, kind.steadied, scale),
            steadied=steadied,
            scale=scale,
            spread=float(self.spread[i]),
            noise=noisy,
            effect=effect,
            worst=(float(self.worst[0, i]), float(self.worst[1, i])),
            limit=(up, down),
            history=int(self.history[i]),
            low=None if kind.side == "up" else unsteady(steadied - down * width, kind.steadied, scale),
            high=None if kind.side == "down" else unsteady(steadied + up * width, kind.steadied, scale),
            judged=bool(self.judged[i]),
        )


def learn_bands(history: History, slot: int | None, sensitivity: float = 1.0) -> Bands:
    """Learns the bands of the next scope.

    Args:
        history: Past values and errors; at least one scope.
        slot: The next scope's place in the cycle, or None.
        sensitivity: Multiplies every limit: more is fewer alarms.
    """
    traits, cells = history.traits, np.arange(len(history.series))
    errors = history.errors[-WINDOW:]
    predictions = history.predict(slot)
    ordered = np.sort(np.abs(errors), axis=0)
    middle, high = quantile(ordered, 0.5), quantile(ordered, 0.9)
    past = np.sum(~np.isnan(ordered), axis=0)
    trimmed = np.nansum(np.minimum(ordered, high[None]), axis=0) / np.maximum(past, 1)
    trimmed[1:] *= PLAIN_PREFERRED
    trimmed = np.where((past < FIRST) | np.isnan(predictions), np.inf, trimmed)
    best: Integers = np.argmin(trimmed, axis=0).astype(np.int64)
    spread = np.nan_to_num(np.maximum(1.4826 * middle[best, cells], high[best, cells] / 1.645))

    signed = errors[:, best, cells] / np.maximum(spread, traits.floor(history.n[-WINDOW:], history.k[-WINDOW:]))
    count: Integers = past[0].astype(np.int64)
    own: Integers = past[best, cells].astype(np.int64)
    overall = _worst(traits.directed(signed), own)
    sides = [np.maximum(_worst(np.maximum(sign * signed, 0), own), CROSS * overall) for sign in (1, -1)]
    worst = np.stack([np.where(traits.up | traits.down, overall, side) for side in sides])
    limit = np.maximum(LEAST, BASE + SLOPE * worst) * (1 + SHORT / np.maximum(count, 1)) * traits.factor * sensitivity
    enough = count + np.minimum(history.age, FIRST) >= 0.5 * np.minimum(history.age, WINDOW)
    return Bands(
        series=history.series,
        traits=traits,
        scale=history.scale,
        predictor=best,
        predicted=predictions[best, cells],
        spread=spread,
        worst=worst,
        limit=limit,
        history=count,
        judged=(count >= FIRST) & enough & np.isfinite(trimmed[best, cells]),
    )


def _worst(z: Numbers, count: Integers) -> Numbers:
    """The largest past z of each series, or the mean of the two largest where there are many."""
    top = np.sort(np.where(np.isnan(z), -1.0, z), axis=0)[::-1]
    first, second = top[0], top[min(1, len(top) - 1)]
    return np.asarray(np.maximum(0.0, np.where(count < TWO_WORST_FROM, first, (first + second) / 2)))
