"""What one scope (a window or a batch) leaves behind: its row count and a sample of its rows, column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Column = Numbers | Integers
"""A column made ready for measuring: numbers (NaN is missing) or codes of texts (-1 is missing)."""

SAMPLE_ROWS = 2000
"""Most rows a sample holds."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A uniform sample of the rows of one scope; position i of every column belongs to the same row.

    Args:
        n: Rows of the scope, of which the sample holds at most `SAMPLE_ROWS`.
        columns: By name, float64 arrays (missing and NaN are both NaN) for numbers and object arrays of `str` or None
            for everything else; booleans are the texts `true` and `false`.
        positions: Arrival positions (0-based, increasing) of the sampled rows within the scope. None when the order
            in which rows arrived is not known; series that compare rows by position are then not judged.
        slot: The scope's place in its cycle (day of the week of a daily scope, hour of an hourly one), or None.
    """

    n: int
    columns: Mapping[str, Numbers | Texts]
    positions: Integers | None = None
    slot: int | None = None
    k: int = field(init=False)

    def __post_init__(self) -> None:
        lengths = {len(values) for values in self.columns.values()}
        if len(lengths) != 1:
            raise ValueError(f"a sample needs columns of one length, not {sorted(lengths)}")
        object.__setattr__(self, "k", lengths.pop())
        if self.k > self.n:
            raise ValueError(f"a sample of {self.k} rows cannot come from {self.n} rows")
        if self.positions is not None and len(self.positions) != self.k:
            raise ValueError(f"{len(self.positions)} positions for {self.k} sampled rows")


def is_number(values: Numbers | Texts) -> bool:
    """Whether a column of a sample holds numbers."""
    return values.dtype.kind == "f"


def numbers(values: Sequence[float | None]) -> Numbers:
    """A column of numbers from plain values; None is missing."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def texts(values: Sequence[Any]) -> Texts:
    """A column of texts from plain values; None is missing, booleans are `true` and `false`, the rest is `str`."""
    column = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        column[i] = as_text(value)
    return column


def as_texts(values: Numbers | Texts) -> Texts:
    """A column as texts; one of numbers becomes the texts of them."""
    return values.astype(np.object_) if values.dtype.kind == "O" else texts(values.tolist())


def as_text(value: Any) -> str | None:
    """One value as a sample keeps it: missing stays missing, NaN too."""
    if value is None or value != value:  # noqa: PLR0124 - only NaN differs from itself
        return None
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def chosen_positions(n: int) -> Integers:
    """Arrival positions of the rows that a sample of n rows is made of, ascending.

    All of them up to `SAMPLE_ROWS`; of more, those with the smallest hashes of their position, so that scopes of like
    size are sampled at like positions and can be compared row by row.
    """
    positions = np.arange(n, dtype=np.int64)
    if n <= SAMPLE_ROWS:
        return positions
    return np.sort(np.argsort(_hashed(positions), kind="stable")[:SAMPLE_ROWS]).astype(np.int64)


def _hashed(positions: Integers) -> npt.NDArray[np.uint64]:
    # the finaliser of splitmix64 (Steele, Lea and Flood 2014)
    mixed = (positions + 1).astype(np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
