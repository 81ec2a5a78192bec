"""One column of one sample, reduced to what the series need: its values with their counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlguard.learn.sample import Column, Flags, Integers, Numbers

SKETCH = 400
"""Order statistics of a numeric column kept for the pooled reference."""
HEAVY_SHARE = 0.004
"""A number held by less than this share of the rows, or by one row only, never counts as a spike."""


@dataclass(frozen=True, eq=False)
class Profile:
    """Values and counts of one column of one sample.

    Args:
        k: Sampled rows, missing values included.
        values: Distinct values present, ascending: float64 numbers, or int64 codes of texts.
        counts: Rows that hold each of them.
    """

    k: int
    values: Column
    counts: Integers

    @cached_property
    def present(self) -> int:
        """Rows that hold a value."""
        return int(self.counts.sum())

    @cached_property
    def shares(self) -> Numbers:
        """Share of the present rows that hold each value."""
        return np.asarray(self.counts / max(1, self.present), dtype=np.float64)

    @cached_property
    def ordered(self) -> Numbers:
        """The present numbers, ascending, with repetitions."""
        return np.repeat(self.values, self.counts).astype(np.float64)

    @cached_property
    def sketch(self) -> Numbers:
        """At most `SKETCH` of the present numbers at evenly spaced ranks, the smallest and the largest included."""
        values = self.ordered
        return values if len(values) <= SKETCH else values[np.arange(SKETCH) * (len(values) - 1) // (SKETCH - 1)]

    @cached_property
    def heavy(self) -> Flags:
        """Which values are held by enough rows to be a spike."""
        return np.asarray(self.counts >= max(2.0, HEAVY_SHARE * self.present))

    def share_of(self, values: Column) -> Numbers:
        """Share of the present rows that hold each of the given values; 0 for values that are not here."""
        return lookup(self.values, self.shares, values)


def profile_of(column: Column) -> Profile:
    """The profile of a column of numbers (NaN is missing) or of codes (-1 is missing)."""
    values, counts = np.unique(column[holds(column)], return_counts=True)
    distinct: Column = values.astype(np.float64) if numeric(column) else values.astype(np.int64)
    return Profile(k=len(column), values=distinct, counts=counts.astype(np.int64))


def holds(column: Column) -> Flags:
    """Which rows of a column of numbers or of codes hold a value."""
    return np.asarray(~np.isnan(column) if numeric(column) else column >= 0)


def numeric(column: Column) -> bool:
    """Whether a column holds numbers rather than codes of texts."""
    return column.dtype.kind == "f"


def lookup(keys: Column, answers: Numbers, wanted: Column) -> Numbers:
    """The answer that belongs to each wanted key, 0 where the key is absent; `keys` are ascending."""
    if not len(keys):
        return np.zeros(len(wanted))
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, answers[at], 0.0)
