"""What suggest knows and says: columns of a source, what was counted of them, and lines proposed with evidence. Pure.

Queries call columns by position (`c0`, `c1`, …): names of frames and files may repeat, be empty or differ by case only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlguard.lang.spell import spelled_name
from mlguard.lang.types import FLOATS, INTEGERS, NUMBERS, TIMES, Kind, SqlType


@dataclass(frozen=True)
class Column:
    """One column of the source.

    Attributes:
        index: its position, from 0.
        name: as the source spells it.
        type: the PostgreSQL type it has, or would have.
        not_null: the source itself refuses NULL.
    """

    index: int
    name: str
    type: SqlType
    not_null: bool = False

    @property
    def ref(self) -> str:
        """The name in queries."""
        return f"c{self.index}"

    @property
    def sql(self) -> str:
        """The name in checks."""
        return spelled_name(self.name)

    @property
    def kind(self) -> Kind:
        """The kind of its type."""
        return self.type.kind

    @property
    def is_number(self) -> bool:
        """Whether values are numbers."""
        return self.kind in NUMBERS

    @property
    def is_whole(self) -> bool:
        """Whether values are integers by type."""
        return self.kind in INTEGERS

    @property
    def may_be_nan(self) -> bool:
        """Whether the type has NaN and infinities."""
        return self.kind in FLOATS or self.kind is Kind.NUMERIC

    @property
    def is_time(self) -> bool:
        """Whether values are dates or times with a date."""
        return self.kind in TIMES

    @property
    def is_text(self) -> bool:
        """Whether values are text."""
        return self.kind is Kind.TEXT


@dataclass
class Counted:
    """What was counted of one column.

    Attributes:
        present: values that are not NULL, over all rows.
        odd: NaN and infinite values, over all rows.
        low, high: smallest and greatest value as text, over all rows; None without values and for other types.
        distinct: different values among the profiled rows, within some per cent.
        tails: the greatest and smallest values of the part proposals are made from, then of both parts.
        lengths: fewest and most characters or elements, over all rows.
    """

    present: int = 0
    odd: int = 0
    low: str | None = None
    high: str | None = None
    distinct: int = 0
    tails: tuple[Sequence[float], Sequence[float], Sequence[float], Sequence[float]] = ((), (), (), ())
    lengths: tuple[int, int] | None = None


@dataclass
class Profile:
    """Everything that was read of a source.

    Attributes:
        rows: all rows.
        profiled: rows that tails and distinct values were taken from; fewer than `rows` where they are a sample.
        train: rows among the profiled that proposals are made from; the others validate them.
        split: how rows were divided, in words.
        event_time: the column that orders rows, if one was found or named.
        values: up to some thousand rows of the first part, a column each: float arrays (times as seconds), or texts.
        pii: column name to the evidence that it holds personal data.
    """

    columns: tuple[Column, ...]
    rows: int
    counted: dict[str, Counted] = field(default_factory=dict)
    profiled: int = 0
    train: int = 0
    split: str = ""
    event_time: Column | None = None
    event_time_why: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    pii: dict[str, str] = field(default_factory=dict)
    confidence: float = 0.99

    def of(self, column: Column) -> Counted:
        """What was counted of a column."""
        return self.counted[column.ref]


@dataclass(frozen=True)
class Proposal:
    """One line of the SLO file.

    Attributes:
        column: the column it stands under; None for entries of `slos:`.
        key: `range`, `in`, …, or the name of the SLO.
        value: what the line says: plain YAML data.
        evidence: why, for the comment.
        holds: condition on a row, over c0, c1, …, that is false where the row breaks the rule; '' where the proposal
            was validated otherwise.
        fallback: what to propose where rows that validate break it: the same from all rows.
        tolerated: share of validating rows that may break it for the fallback to be taken; above it nothing is.
    """

    column: str | None
    key: str
    value: Any
    evidence: str
    holds: str = ""
    fallback: Proposal | None = None
    tolerated: float = 0.0


@dataclass
class Draft:
    """A whole SLO file before it is written: settings of the table, lines of columns, SLOs, and what was left out."""

    table: str
    settings: list[Proposal] = field(default_factory=list)
    columns: dict[str, list[Proposal]] = field(default_factory=dict)
    slos: list[Proposal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    groups: list[tuple[list[str], list[Proposal]]] = field(default_factory=list)
    head: list[str] = field(default_factory=list)

    def lines(self) -> Mapping[str, int]:
        """How many lines there are of each kind."""
        groups = sum(len(lines) for _, lines in self.groups)
        return {
            "settings": len(self.settings),
            "columns": sum(map(len, self.columns.values())) + groups,
            "slos": len(self.slos),
        }
