"""What metrics were before: values by batch or window, in the order in which these are replayed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from mlguard.lang.literals import read_interval
from mlguard.local.baseline import Segment
from mlguard.local.calendar import add
from mlguard.local.find import Scope
from mlguard.local.merge import Document
from mlguard.program import Span

MOST = 1000  # values that are looked back at
KEPT = 200  # values that a band is learned from
LEAST, LEARNED_AT = 3, 20  # values that trailing() and usual() take
BATCH = "batch"
# How the errors of each metric are judged: a series whose values are steadied and limited alike.
_LIKE = {
    **dict.fromkeys(("null_rate", "coverage", "nan_rate", "zero_rate", "negative_rate", "share"), "null"),
    **dict.fromkeys(("duplicate_rate", "new_category_rate", "linf"), "new"),
    **dict.fromkeys(("js", "ks"), "ks"),
    **dict.fromkeys(("row_count", "count", "distinct_count"), "rows"),
    **dict.fromkeys(("mean", "sum", "median", "stddev", "min", "max", "quantile", "correlation", "psi"), "mean"),
}


@dataclass(frozen=True)
class _Value:
    scope: Scope
    value: float
    n: int


@dataclass
class Remembered:
    """The values of metrics so far; mlguard.local.find.Past.

    Args:
        previous: gives the documents that `baseline: previous` compares a scope with.
    """

    previous: Callable[[Scope], Sequence[Document]]
    values: dict[tuple[str, str, Segment], list[_Value]] = field(default_factory=dict)

    def keep(self, scope: Scope, metrics: Sequence[tuple[str, float | None]], n: int) -> None:
        """Keep the values of one scope; SLOs share metrics, of each scope each is kept once."""
        for name, value in metrics:
            kept = self.values.setdefault((scope.over, name, scope.segment), [])
            if value is not None and not (kept and kept[-1].scope == scope):
                kept.append(_Value(scope, value, n))

    def documents(self, scope: Scope) -> Sequence[Document]:
        """Return the states that `baseline: previous` compares with."""
        return self.previous(scope)

    def trailing(self, scope: Scope, metric: str, back: str) -> float | None:
        """Return the median of a metric so far back; None with fewer than three values.

        A batch without a time looks back at all batches before it.
        """
        before = self._before(scope, metric)[-MOST:]
        if scope.start is not None:
            since = add(scope.start, span(back), -1)
            before = [item for item in before if item.scope.start is not None and item.scope.start >= since]
        if len(before) < LEAST:
            return None
        return _median([item.value for item in before])

    def _before(self, scope: Scope, metric: str) -> list[_Value]:
        kept = self.values.get((scope.over, metric, scope.segment), [])
        if scope.over == BATCH or scope.end is None:
            return [item for item in kept if item.scope.place < scope.place]
        start = scope.start
        assert start is not None
        return [
            item
            for item in kept
            if item.scope.start is not None and item.scope.start < start and (item.scope.end or start) <= start
        ]

    def usual(self, scope: Scope, metric: str, value: float | None, rows: int) -> bool | None:
        """Return whether a value lies in the band learned from the values before it."""
        import numpy as np

        from mlguard.learn.bands import learn_bands
        from mlguard.learn.history import History, learned_scale
        from mlguard.learn.series import Series

        if value is None:
            return None
        kept = self.values.get((scope.over, metric, scope.segment), [])
        before = [item for item in kept if _earlier(item.scope, scope)][-KEPT:]
        name = metric.partition("(")[0]
        if len(before) < LEARNED_AT or name not in _LIKE:
            return None
        series = [Series("", _LIKE[name])]
        values = np.array([[item.value] for item in before])
        history = History(series, learned_scale(series, values, np.full(values.shape, np.nan)))
        if name == "psi":
            history.traits.up[:] = True
        for item, row in zip(before, values, strict=True):
            history.append(row, item.n, item.n, slot(item.scope))
        bands = learn_bands(history, slot(scope))
        return bool(bands.ratio(np.array([value]), rows, rows)[0] <= 1)


def _median(values: Sequence[float]) -> float:
    """Return percentile_cont(0.5): NaN is greatest."""
    ordered = sorted(values, key=lambda value: (math.isnan(value), value))
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return low if len(ordered) % 2 else low + 0.5 * (high - low)


def _earlier(one: Scope, other: Scope) -> bool:
    if other.over == BATCH or other.start is None or one.start is None:
        return one.place < other.place
    return one.start < other.start


def slot(scope: Scope) -> int | None:
    """Return the place of a scope in its cycle: day of the week, Sunday 0, or hour of the day; None for others."""
    at: datetime | None = scope.start
    if at is None:
        return None
    if scope.over in ("1 day", BATCH):
        return at.isoweekday() % 7
    return at.hour if scope.over == "1 hour" else None


@lru_cache(maxsize=64)
def span(text: str) -> Span:
    """Return a length of time as the check writes it."""
    found = read_interval(text)
    return Span(text, found.months, found.days, found.microseconds)
