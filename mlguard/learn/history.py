"""Past values of many series with what would have been predicted for each of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlguard.learn.sample import Numbers
from mlguard.learn.series import Series
from mlguard.learn.steady import Traits, median

PREDICTORS = ("median of 30", "median of 7", "last", "7 ago", "median of 7, 14 and 21 ago", "same slot")
"""Candidates that predict the next value, in order of preference when their errors are equal."""
FIRST = 7
"""Known values before the first prediction."""
KEPT = 200
"""Values kept of each series."""
SLOT_REACH = 35
"""Scopes back that the same slot is looked for."""
SCALE_REACH = 90
"""Scopes that a location's scale is learned from."""


class History:
    """Steadied values, predictions and errors of many series, oldest first.

    Args:
        series: The series, in the order of all arrays' last axis.
        scale: Scale of each location series; 1 for the others.
    """

    def __init__(self, series: Sequence[Series], scale: Numbers) -> None:
        self.series = tuple(series)
        self.traits = Traits(series)
        self.scale = scale
        width = len(self.series)
        self.errors: Numbers = np.empty((0, len(PREDICTORS), width))
        self.n: Numbers = np.empty(0)
        self.k: Numbers = np.empty(0)
        self.slots: list[int | None] = []
        self.seen = np.zeros(width, dtype=np.int64)
        self.age = np.zeros(width, dtype=np.int64)
        self._filled: Numbers = np.empty((0, width))

    def append(self, values: Numbers, n: float, k: float, slot: int | None) -> None:
        """Takes the values of one more scope; NaN is missing."""
        predictions = self.predict(slot)
        steadied = self.traits.transform(values, self.scale)
        known = ~np.isnan(steadied)
        errors = np.where(self.age >= FIRST, steadied - predictions, np.nan)
        started = (self.age > 0) | known
        filled = np.where(known | ~started, steadied, predictions[0])
        self.age = self.age + started
        self.errors = np.concatenate([self.errors[-KEPT + 1 :], errors[None]])
        self._filled = np.concatenate([self._filled[-KEPT + 1 :], filled[None]])
        self.n, self.k = np.append(self.n[-KEPT + 1 :], n), np.append(self.k[-KEPT + 1 :], k)
        self.slots = [*self.slots[-KEPT + 1 :], slot]

    def predict(self, slot: int | None) -> Numbers:
        """What each candidate (rows) predicts for the next value of each series; NaN where it cannot."""
        filled, past = self._filled, len(self._filled)
        result = np.full((len(PREDICTORS), len(self.series)), np.nan)
        if not past:
            return result
        result[0], result[1], result[2] = median(filled[-30:]), median(filled[-7:]), filled[-1]
        if past >= 7:
            result[3] = result[4] = filled[-7]
        if past >= 21:
            weekly = np.sort(filled[[-7, -14, -21]], axis=0)
            result[4] = np.where(np.isnan(weekly[2]), result[3], weekly[1])
        if slot is not None:
            same = [i for i in range(past - 1, max(-1, past - 1 - SLOT_REACH), -1) if self.slots[i] == slot][:4]
            known = np.sum(~np.isnan(filled[same]), axis=0)  # a series may have begun later than the others
            result[5] = np.where(known >= 2, median(filled[same]), np.nan)
        return result


def learned_scale(series: Sequence[Series], values: Numbers, deviations: Numbers) -> Numbers:
    """The unit of each location series: its usual standard deviation, else its usual size, else 1.

    Args:
        series: The series.
        values: Their past values, oldest first.
        deviations: Standard deviations behind them, NaN for series that have none.
    """
    traits = Traits(series)
    deviation, size = median(deviations[-SCALE_REACH:]), median(np.abs(values[-SCALE_REACH:]))
    usable = np.where(deviation > 0, deviation, np.where(size > 0, size, 1.0))
    return np.where(traits.steadied["location"] & np.isfinite(usable), usable, 1.0)
