"""Faults for `alert_quality.py`: one corruption of one real batch after another, drawn by a seeded generator.

Kinds of faults follow Redyuk et al., Automating data quality validation for dynamic data ingestion (EDBT 2021), and
Auto-Validate-by-History (KDD 2023): missing and implicitly missing values, sign, unit and typing errors, outliers,
stale and swapped columns, new and recoded categories, lost and doubled rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

TABLE = "__table__"
"""Stands for the table where a fault is of its rows and not of one column."""
FRACTIONS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Shares of rows that a fault may touch."""
VALUE_FAULTS = ("null", "implicit", "sign", "unit100", "unit1000", "outlier", "swap", "typo", "newcat")
"""Faults that put wrong values into a column."""


@dataclass(eq=False)
class Batch:
    """One partition of a table, or a corrupted copy of one.

    Args:
        key: The partition's key.
        t: Its number, from 0.
        df: Its rows.
        prev: The partition before it.
    """

    key: str
    t: int
    df: pd.DataFrame
    prev: Batch | None

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.df)


@dataclass(frozen=True)
class Fault:
    """A corrupted batch.

    Args:
        kind: What was done to it.
        fraction: Share of rows touched.
        columns: Columns an alarm may rightly name.
        batch: The corrupted copy.
    """

    kind: str
    fraction: float
    columns: frozenset[str]
    batch: Batch


class Table:
    """A table cut into batches, with what the choice of faults needs to know of its columns.

    Args:
        name: Its name.
        parts: Its partitions by key, in order.
        warm_up: Partitions that say which columns hold numbers.

    `cols` are its columns, `kind` says `num` or `cat` of each, `names` are the columns and `TABLE`.
    """

    def __init__(self, name: str, parts: Sequence[tuple[str, pd.DataFrame]], warm_up: int) -> None:
        self.name = name
        self.cols = [str(column) for column in parts[0][1].columns]
        self.names = [*self.cols, TABLE]
        head = pd.concat([frame for _, frame in parts[:warm_up]])
        self.numeric = {
            c: pd.api.types.is_numeric_dtype(head[c]) and not pd.api.types.is_bool_dtype(head[c]) for c in self.cols
        }
        self.kind = {c: "num" if self.numeric[c] else "cat" for c in self.cols}
        self.batches: list[Batch] = []
        self._order: dict[str, dict[Any, int]] = {c: {} for c in self.cols}
        for t, (key, frame) in enumerate(parts):
            self.batches.append(Batch(key, t, frame, self.batches[-1] if t else None))
            for c in self.cols:
                if not self.numeric[c]:
                    for value in frame[c].dropna():
                        self._order[c].setdefault(value, len(self._order[c]))

    def values(self, batch: Batch, column: str) -> np.ndarray[Any, Any]:
        """A column of a batch as floats or objects."""
        if self.numeric[column]:
            floats: np.ndarray[Any, Any] = pd.to_numeric(batch.df[column], errors="coerce").to_numpy(
                float, na_value=np.nan
            )
            return floats
        return batch.df[column].to_numpy(object)

    def counts(self, batch: Batch, column: str) -> tuple[list[Any], np.ndarray[Any, Any]]:
        """The texts of a column in the order in which they first appeared in the table, and their counts."""
        order = self._order[column]
        found = batch.df[column].value_counts()
        texts = sorted(found.index, key=lambda value: order[value])
        return texts, np.array([found[value] for value in texts])


def steps_of(table: Table) -> tuple[bool, int | None]:
    """Whether the partitions are weeks, and the first one's day of the week (0 is Monday) where its key is a date."""
    keys = [batch.key for batch in table.batches]
    if "-W" in keys[0]:
        return True, None
    try:
        days = pd.to_datetime(pd.Series(keys), format="%Y-%m-%d")
    except ValueError:
        return False, None
    return bool(days.diff().min() >= pd.Timedelta(days=7)), int(days[0].weekday())


def faults(table: Table, batch: Batch, rng: np.random.Generator) -> Iterator[Fault]:
    """Corrupts a batch once in every way that its columns allow."""
    return _Faults(table, batch, rng).all()


class _Faults:
    def __init__(self, table: Table, batch: Batch, rng: np.random.Generator) -> None:
        self.table, self.batch, self.rng = table, batch, rng
        share = {c: float(batch.df[c].isna().mean()) if batch.n else 1.0 for c in table.cols}
        self.numbers = [c for c in table.cols if table.numeric[c] and share[c] < 0.9]
        self.texts = [c for c in table.cols if not table.numeric[c] and share[c] < 0.9]
        zero = {c: self._share(c, lambda x: x == 0) for c in self.numbers}
        self.nonzero = [c for c in self.numbers if zero[c] < 0.5]
        self.positive = [c for c in self.nonzero if self._share(c, lambda x: x < 0) < 0.1]

    def _share(self, column: str, test: Callable[[Any], Any]) -> float:
        x = self.table.values(self.batch, column)
        return float(test(x[~np.isnan(x)]).mean())

    def all(self) -> Iterator[Fault]:
        """Every fault, in a fixed order: it is also the order in which the generator is used."""
        yield self._null()
        yield self._implicit()
        if self.positive:
            c, f = self._pick(self.positive), self._fraction()
            yield self._changed("sign", f, c, self._rows(f, self._raw(c) > 0), lambda x: -x)
        if self.nonzero:
            factors = self._pick([100.0, 0.01]), self._pick([1000.0, 0.001])
            yield self._unit("unit100", factors[0])
            yield self._unit("unit1000", factors[1])
        if self.numbers:
            yield self._outlier()
        yield self._stale()
        swapped = self._swap()
        if swapped is not None:
            yield swapped
        if self.texts:
            c, f = self._pick(self.texts), self._fraction()
            rows = self._rows(f, self._present(c))
            yield self._changed("typo", f, c, rows, lambda x: np.array([_typo(v, self.rng) for v in x], object))
            c, f = self._pick(self.texts), self._fraction()
            rows = self._rows(f, self._present(c))
            yield self._changed("newcat", f, c, rows, "v2_" + str(self.rng.integers(100)))
            yield from self._mixes()
        yield from self._row_counts()

    def _null(self) -> Fault:
        c, f = self._pick(self.numbers + self.texts), self._fraction()
        missing = np.nan if self.table.numeric[c] else None
        return self._changed("null", f, c, self._rows(f, self._present(c)), missing)

    def _implicit(self) -> Fault:
        c, f = self._pick(self.numbers + self.texts), self._fraction()
        if self.table.numeric[c]:
            value: Any = float(self._pick([0, -1, 999, 9999, -999]))
        else:
            value = self._pick(["", "unknown", "NULL", "N/A", "?"])
        return self._changed("implicit", f, c, self._rows(f, self._present(c)), value)

    def _unit(self, kind: str, factor: float) -> Fault:
        c, f = self._pick(self.nonzero), self._fraction()
        return self._changed(kind, f, c, self._rows(f, ~np.isnan(self._raw(c))), lambda x: x * factor)

    def _outlier(self) -> Fault:
        c, f = self._pick(self.numbers), self._fraction()
        deviation = np.nanstd(self._raw(c))
        scale = (deviation if deviation > 0 else 1.0) * self.rng.uniform(2, 5)
        return self._changed("outlier", f, c, self._rows(f), lambda x: x + self.rng.normal(0, scale, len(x)))

    def _stale(self) -> Fault:
        c = self._pick(self.numbers + self.texts)
        assert self.batch.prev is not None
        frame = self.batch.df.copy(deep=False)
        frame[c] = np.resize(self._of(self.batch.prev, c), self.batch.n)
        return self._fault("stale", 1.0, (c,), frame)

    def _swap(self) -> Fault | None:
        numbers = len(self.numbers) > 1 and (self.rng.random() < 0.6 or len(self.texts) < 2)
        pool = self.numbers if numbers else self.texts
        if len(pool) < 2:
            return None
        i, j = self.rng.choice(len(pool), 2, replace=False)
        a, z, f = pool[i], pool[j], self._fraction()
        rows = self._rows(f)
        first, second = self._raw(a).copy(), self._raw(z).copy()
        first[rows], second[rows] = second[rows].copy(), first[rows].copy()
        frame = self.batch.df.copy(deep=False)
        frame[a], frame[z] = first, second
        return self._fault("swap", f, (a, z), frame)

    def _mixes(self) -> Iterator[Fault]:
        few = []
        for c in self.texts:
            counts = self.table.counts(self.batch, c)[1]
            if 2 <= len(counts) <= 60 and np.sort(counts)[-2] >= 0.05 * self.batch.n:
                few.append(c)
        if not few:
            return
        c, f = self._pick(few), self._pick([0.2, 0.5, 0.8])
        texts, counts = self.table.counts(self.batch, c)
        two = np.argsort(-counts)[:2]
        one, other = texts[two[0]], texts[two[1]]
        if self.rng.random() < 0.5:
            one, other = other, one
        held = (self.batch.df[c] == one).to_numpy()
        yield self._changed("mix_recode", f, c, self._rows(f, held), other)
        keep = np.ones(self.batch.n, bool)
        keep[self._rows(f, held)] = False
        if keep.sum() > 5:
            yield self._fault("mix_drop", f, (c, TABLE), self.batch.df[keep])

    def _row_counts(self) -> Iterator[Fault]:
        f = self._fraction()
        keep = np.ones(self.batch.n, bool)
        keep[self._rows(f)] = False
        if keep.sum() > 5:
            yield self._fault("volume", f, (TABLE,), self.batch.df[keep])
        f = self._fraction()
        doubled = pd.concat([self.batch.df, self.batch.df.iloc[self._rows(f)]])
        yield self._fault("dup", f, (TABLE,), doubled)

    def _pick(self, choices: Sequence[Any]) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def _fraction(self) -> float:
        return FRACTIONS[self.rng.integers(len(FRACTIONS))]

    def _rows(self, fraction: float, mask: Any = None) -> np.ndarray[Any, Any]:
        """Rows to touch: the fraction of those that the mask allows, one at least."""
        among = np.arange(self.batch.n) if mask is None else np.flatnonzero(mask)
        wanted = max(1, round(fraction * len(among)))
        return self.rng.choice(among, min(wanted, len(among)), replace=False)

    def _present(self, column: str) -> Any:
        return self.batch.df[column].notna().to_numpy()

    def _of(self, batch: Batch, column: str) -> Any:
        return batch.df[column].to_numpy(float if self.table.numeric[column] else object)

    def _raw(self, column: str) -> Any:
        return self._of(self.batch, column)

    def _changed(self, kind: str, fraction: float, column: str, rows: Any, value: Any) -> Fault:
        values = self._raw(column).copy()
        values[rows] = value(values[rows]) if callable(value) else value
        frame = self.batch.df.copy(deep=False)
        frame[column] = values
        return self._fault(kind, fraction, (column,), frame)

    def _fault(self, kind: str, fraction: float, columns: Sequence[str], frame: pd.DataFrame) -> Fault:
        batch = Batch(self.batch.key, self.batch.t, frame, self.batch.prev)
        return Fault(kind, fraction, frozenset(columns), batch)


def _typo(text: Any, rng: np.random.Generator) -> Any:
    """A text with one character lost, replaced or added, or with the other case."""
    if not isinstance(text, str):
        return text
    strange = "qxzjkw#"
    kind = rng.integers(4)
    if kind == 0 and len(text) > 1:
        i = rng.integers(len(text))
        return text[:i] + text[i + 1 :]
    if kind == 1 and text:
        i = rng.integers(len(text))
        return text[:i] + strange[rng.integers(7)] + text[i + 1 :]
    if kind == 2:
        i = rng.integers(len(text) + 1)
        return text[:i] + strange[rng.integers(7)] + text[i:]
    return text.swapcase() if text.swapcase() != text else text + "?"
