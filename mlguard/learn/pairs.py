"""Rules that tie two columns together, and the value of a rule's series for one scope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mlguard.learn.profile import holds, numeric
from mlguard.learn.sample import Column, Integers
from mlguard.learn.seen import Seen, discrete, pair_keys
from mlguard.learn.series import Series

Columns = Mapping[str, Column]

_CELLS = 32
_MISSING, _OTHER = 31, 30
_LEAST_ROWS = 5
_LEAST_ENTROPY = 0.05


@dataclass(eq=False)
class Rule:
    """One learned relation of two columns.

    Args:
        series: The series it is judged by; `series.metric` is `pair`, `dependence` or `nulls`.
        seen: Keys of the value pairs seen together (`pair`).
        bins: By what each of the two columns is cut (`dependence`): edges of numbers, or top codes.
    """

    series: Series
    seen: Seen = field(default_factory=Seen)
    bins: tuple[Column, Column] | None = None

    def value(self, columns: Columns, known: Mapping[str, Seen]) -> float:
        """The value of the series for one scope.

        Args:
            columns: The scope's columns.
            known: The values ever seen in each column.
        """
        first, second = columns.get(self.series.column), columns.get(self.series.partner)
        if first is None or second is None or not len(first):
            return float("nan")
        if self.series.metric == "nulls":
            return float((holds(first) != holds(second)).mean())
        if self.series.metric == "dependence":
            assert self.bins is not None
            return explained_share(cut(first, self.bins[0]), cut(second, self.bins[1]))
        one, two = known[self.series.column], known[self.series.partner]
        both = holds(first) & holds(second)
        if self.seen.full or one.full or two.full:
            return float("nan")
        x, y = discrete(first[both]), discrete(second[both])
        return float((one.has(x) & two.has(y) & ~self.seen.has(pair_keys(x, y))).sum()) / len(first)

    def observe(self, columns: Columns) -> None:
        """Takes the value pairs of a scope into what has been seen together."""
        first, second = columns.get(self.series.column), columns.get(self.series.partner)
        if self.series.metric == "pair" and first is not None and second is not None:
            both = holds(first) & holds(second)
            self.seen.add(np.unique(pair_keys(discrete(first[both]), discrete(second[both]))))


Found = tuple[Rule, list[float]]
"""A rule, and its series' values for the scopes in which it was found, oldest first."""


def shuffle(length: int) -> Integers:
    """The fixed shuffled order of so many rows: by i * 2654435761 mod 2**32."""
    return np.argsort(np.arange(length, dtype=np.int64) * 2654435761 % 4294967296, kind="stable").astype(np.int64)


def cut(column: Column, bins: Column) -> Integers:
    """A column in at most 32 bins: numbers by edges (an edge belongs to the bin above), codes by top codes.

    Missing values are a bin of their own, and so are the codes that are not on top.
    """
    if numeric(column):
        return np.where(np.isnan(column), _MISSING, np.searchsorted(bins, column, "right")).astype(np.int64)
    if not len(bins):
        return np.where(column < 0, _MISSING, _OTHER).astype(np.int64)
    at = np.minimum(np.searchsorted(bins, column), len(bins) - 1)
    return np.where(column < 0, _MISSING, np.where(bins[at] == column, at, _OTHER)).astype(np.int64)


def explained_share(first: Integers, second: Integers) -> float:
    """Mutual information of two binned columns as a share of the smaller of their entropies, both in nats.

    NaN for fewer than 5 rows, or when a column has next to no entropy.
    """
    if len(first) < _LEAST_ROWS:
        return float("nan")
    joint = np.bincount(first * _CELLS + second, minlength=_CELLS**2).reshape(_CELLS, _CELLS) / len(first)
    one, two = joint.sum(1), joint.sum(0)
    entropies = [-float((p[p > 0] * np.log(p[p > 0])).sum()) for p in (one, two)]
    if min(entropies) <= _LEAST_ENTROPY:
        return float("nan")
    cells = joint[joint > 0]
    information = float((cells * np.log(cells / np.outer(one, two)[joint > 0])).sum())
    return information / min(entropies)
