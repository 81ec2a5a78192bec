"""Which rows of a file are counted, and by what they are grouped, in DuckDB's words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mlguard.emit.duck_core import quoted
from mlguard.emit.duck_guard import safe_duck
from mlguard.emit.duck_joins import with_joins_duck
from mlguard.emit.joins import Joins
from mlguard.lang.types import Kind
from mlguard.names import quote_ident
from mlguard.program import Span, TableProgram

Decoder = Callable[[Sequence[Any]], Any]
NO_JOINS = Joins()


@dataclass(frozen=True)
class Rows:
    """Which rows, and by what they are grouped.

    Attributes:
        program: their table.
        batch: the column that tells batches apart; None where it is not grouped by.
        buckets: grouped by the table's buckets of time.
        by: segment columns.
        condition: which rows, '' for all; they are called `r`.
        relation: what to read in place of the table, with alias `r`: its rows as the rules see them.
        joins: what of other tables is joined to them.
        apart: TRUE on rows that are kept out, which are then groups of their own; '' where none are, or none are read.
    """

    program: TableProgram
    batch: str | None = None
    buckets: bool = False
    by: tuple[str, ...] = ()
    condition: str = ""
    relation: str = ""
    joins: Joins = NO_JOINS
    apart: str = ""

    @property
    def keys(self) -> list[str]:
        """What rows are grouped by, as expressions; the bucket is local time, segments are text."""
        found = [f"cast(r.{quote_ident(self.batch)} as varchar)"] if self.batch is not None else []
        if self.buckets:
            found.append(bucket(self.program, "r"))
        found += [f"cast(r.{quote_ident(name)} as varchar)" for name in self.by]
        return [*found, self.apart] if self.apart else found

    def where(self, *more: str) -> str:
        """Return the WHERE clause, as a line of its own; '' where there are no conditions."""
        conditions = [condition for condition in (self.condition, *more) if condition]
        return f"\nwhere {' and '.join(conditions)}" if conditions else ""

    @property
    def source(self) -> str:
        """The FROM clause."""
        return with_joins_duck(self.program, self.relation or f"{self.program.table.sql} as r", self.joins)

    def group_by(self, more: int = 0) -> str:
        """Return the GROUP BY clause over the keys and `more` columns after them; '' where there are none."""
        count = len(self.keys) + more
        return f"\ngroup by {', '.join(str(number) for number in range(1, count + 1))}" if count else ""


def moment(program: TableProgram, row: str) -> str:
    """Return the event time on the clock of the file's time zone, NULL where it has none or is not finite."""
    assert program.event_time is not None
    text = safe_duck(program.event_time, program, row)
    if program.event_time.type.kind is Kind.TIMESTAMPTZ:
        text = f"timezone({quoted(program.time_zone)}, {text})"
    elif program.event_time.type.kind is Kind.DATE:
        text = f"cast({text} as timestamp)"
    return text


def bucket(program: TableProgram, row: str) -> str:
    """Return the local start of the bucket a row belongs to, NULL where its event time is not known."""
    assert program.base is not None
    local = moment(program, row)
    return f"case when isfinite({local}) then {cut(program.base, local)} end"


def cut(base: Span, local: str) -> str:
    """Return the start of the bucket of a local time: days from Monday 2001-01-01, hours and minutes from midnight."""
    if base.months:
        return f"date_trunc('month', {local})"
    return f"time_bucket({interval(base)}, {local}, timestamp '2001-01-01')"


def interval(span: Span) -> str:
    """Return the length as an interval constant."""
    parts = [(span.months, "months"), (span.days, "days"), (span.microseconds, "microseconds")]
    return f"interval '{' '.join(f'{count} {unit}' for count, unit in parts if count)}'"


def counted(conditions: Sequence[str]) -> str:
    """Return the number of rows for which all conditions are true."""
    return f"sum(case when {' and '.join(conditions)} then 1 else 0 end)" if conditions else "count(*)"


def newest(program: TableProgram) -> str:
    """Return the aggregate that gives the newest event time, on the local clock."""
    at = moment(program, "r")
    return f"max(case when isfinite({at}) then {at} end)"
