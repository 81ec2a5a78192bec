"""Sets of values that a column, or a pair of columns, has ever held."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlguard.learn.profile import numeric
from mlguard.learn.sample import Column, Flags, Integers

CAP = 100_000
"""Most values one set keeps. A set that would grow beyond is full: what is new can no longer be told."""

_FIRST = np.int64(-7046029254386353131)
_SECOND = np.int64(1442695040888963407)


class Seen:
    """A set of discrete values (`discrete`) or of pair keys that only grows, up to `CAP`."""

    def __init__(self, values: Sequence[int] = (), *, full: bool = False) -> None:
        self._values: Integers = np.sort(np.array(values, dtype=np.int64))
        self.full = full

    def __len__(self) -> int:
        return len(self._values)

    def add(self, values: Integers) -> None:
        """Adds distinct values."""
        if self.full:
            return
        new = np.sort(values[~self.has(values)])
        if len(self._values) + len(new) > CAP:
            self.full = True
        elif len(new):
            self._values = np.insert(self._values, np.searchsorted(self._values, new), new)

    def has(self, values: Integers) -> Flags:
        """Which of the values have been seen."""
        if not len(self._values):
            return np.zeros(len(values), dtype=bool)
        at = np.minimum(np.searchsorted(self._values, values), len(self._values) - 1)
        return np.asarray(self._values[at] == values)

    def listed(self) -> list[int]:
        """The values, ascending."""
        return [int(value) for value in self._values]


def discrete(column: Column) -> Integers:
    """A column as integers that are equal where its values are: codes as they are, numbers by their bits."""
    if numeric(column):
        return np.ascontiguousarray(column + 0.0, dtype=np.float64).view(np.int64)
    return column.astype(np.int64)


def pair_keys(first: Integers, second: Integers) -> Integers:
    """One integer for each row's pair of discrete values."""
    with np.errstate(over="ignore"):
        return np.asarray(first * _FIRST + second * _SECOND)
