"""Columns and groups of columns: the short forms. Each becomes an SLO named <column>.<rule>."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from mlguard.spec.base import Fault, Model, Short
from mlguard.spec.fields import (
    Bounds,
    Check,
    Count,
    Factor,
    Flag,
    Fraction,
    LengthOfTime,
    Literals,
    Metrics,
    Names,
    Pii,
    ReferenceTo,
    ShareOfRows,
    Text,
    TimeOfDay,
    Whole,
)
from mlguard.spec.rules import ShortForm


class Required(ShortForm):
    """The column is never NULL."""

    value: Flag = Field(default=True, description="true: the column is never NULL.")


class Unique(ShortForm):
    """No value comes twice."""

    value: Flag = Field(default=True, description="true: no value comes twice.")

    def faults(self) -> Iterator[Fault]:
        """Rows that share a key cannot be told apart, so neither can be kept out or mended."""
        yield from super().faults()
        if self.on_violation in ("quarantine", "repair"):
            yield Fault(
                f"`unique` cannot {self.on_violation}: which of two equal rows is the wrong one depends on their order",
                ("on_violation",),
                "leave `unique` to reject; keep repeats out with INSERT … ON CONFLICT",
            )


class Range(ShortForm):
    """The value lies between two ends, both included."""

    between: Bounds = Field(description="[lowest, highest], both included; null is open.")

    def faults(self) -> Iterator[Fault]:
        """The ends stand in order, and at least one is closed."""
        yield from super().faults()
        low, high = self.between
        if low is None and high is None:
            yield Fault("a range that is open at both ends allows everything", ("between",), "give one end")
        if low is not None and high is not None:
            a, b = low.number, high.number
            if low.kind == high.kind == "number" and a is not None and b is not None and a > b:
                yield Fault(f"no value lies between {low} and {high}", ("between",), f"write [{high}, {low}]")


class In(ShortForm):
    """The value is one of a list."""

    values: Literals = Field(description="The values; typed by the column, spelled as written.")

    def faults(self) -> Iterator[Fault]:
        """A list of nothing allows, or forbids, nothing."""
        yield from super().faults()
        if not self.values:
            yield Fault("the list of values is empty", ("values",), "name at least one value")


class Matches(ShortForm):
    """The text matches a regular expression."""

    pattern: Text = Field(description="POSIX regular expression, as PostgreSQL's ~ reads it.")


class TextLength(ShortForm):
    """The text has between so many characters."""

    between: Bounds = Field(description="[fewest, most] characters; null is open.")

    def faults(self) -> Iterator[Fault]:
        """Counts of characters are whole, and in order."""
        yield from super().faults()
        ends = [None if end is None else end.number for end in self.between]
        for index, end in enumerate(self.between):
            number = ends[index]
            if end is not None and (end.kind != "number" or number is None or number < 0 or number % 1):
                yield Fault(f"`{end}` is not a number of characters", ("between", index), "write [1, 253]")
                return
        low, high = ends
        if low is not None and high is not None and low > high:
            yield Fault(f"no text has between {low} and {high} characters", ("between",), f"write [{high}, {low}]")


class MaxNullRate(ShortForm):
    """At most this share of the values is missing."""

    value: ShareOfRows = Field(description="Largest share of missing values: 2% or 0.02.")


class References(ShortForm):
    """The value exists in a column of another table."""

    value: ReferenceTo = Field(description="schema.table.column; without a schema, this file's.")


class Finite(ShortForm):
    """The number is neither NaN nor infinite."""

    value: Flag = Field(default=True, description="true: NaN and ±Infinity are refused.")


class IncreasingBy(ShortForm):
    """The value never falls within an entity."""

    columns: Names = Field(description="The columns that name the entity.")


class NoGaps(ShortForm):
    """Times follow each other without a gap."""

    value: LengthOfTime = Field(description="Longest time between two neighbours: 1 hour.")


class ArrayLength(ShortForm):
    """The array has so many elements."""

    value: Whole = Field(description="Number of elements.")


class NewCategories(ShortForm):
    """Values that the baseline does not know."""

    value: Count = Field(
        description="Rows with an unknown value that are tolerated, or their share of values: 0 or 1%."
    )


class LeakGuard(ShortForm):
    """No row knows more than was known at its time."""

    check: Check = Field(description="Expression over this table and its labels: event_time <= labels.event_time.")


class ArrivesBy(ShortForm):
    """Data of the day is there by a time of day."""

    value: TimeOfDay = Field(description="Time of day, zone and days: '06:00 Europe/Berlin on weekdays'.")


class Usual(ShortForm):
    """The health of a column, or of every column, is learned from its history; on trial at first."""

    metrics: Metrics = Field(description="What is learned: all, none, or a list such as [null_rate, mean].")
    tolerance: Factor = Field(
        default=Decimal(1), description="Multiplies every learned limit; above 1 fewer alarms, below 1 more."
    )


class ColumnRules(Model):
    """What may be said of a column, alone or in a group."""

    description: Text = Field(default="", description="What the column holds.")
    pii: Pii = Field(default=False, description="true: personal data, never shown; forbid: must not hold any.")
    usual: Annotated[Usual, Short("metrics")] | None = Field(
        default=None, description="Metrics whose healthy band is learned: all, none, or a list; starts in shadow."
    )
    importance: Fraction | None = Field(default=None, description="Weight of the column for the models, 0 to 1.")
    missing: Literals = Field(
        default=(), description="Values that metrics take for NULL; instead of those of groups and the file."
    )
    required: Annotated[Required, Short("value")] | None = Field(default=None, description="Never NULL.")
    unique: Annotated[Unique, Short("value")] | None = Field(default=None, description="No value comes twice.")
    range: Annotated[Range, Short("between")] | None = Field(
        default=None,
        description="[lowest, highest], both included; null is open. On numbers NaN and ±Infinity are refused.",
    )
    in_: Annotated[In, Short("values")] | None = Field(default=None, alias="in", description="The only values allowed.")
    not_in: Annotated[In, Short("values")] | None = Field(default=None, description="Values that are not allowed.")
    matches: Annotated[Matches, Short("pattern")] | None = Field(
        default=None, description="Regular expression the text matches; quote it."
    )
    length: Annotated[TextLength, Short("between")] | None = Field(
        default=None, description="[fewest, most] characters."
    )
    max_null_rate: Annotated[MaxNullRate, Short("value")] | None = Field(
        default=None, description="Largest share of missing values: 2%."
    )
    references: Annotated[References, Short("value")] | None = Field(
        default=None, description="schema.table.column that must hold the value."
    )
    finite: Annotated[Finite, Short("value")] | None = Field(default=None, description="NaN and ±Infinity are refused.")
    increasing_by: Annotated[IncreasingBy, Short("columns")] | None = Field(
        default=None,
        description="The value never falls within an entity, named by these columns, in order of event_time.",
    )
    no_gaps: Annotated[NoGaps, Short("value")] | None = Field(
        default=None, description="Longest time between two neighbouring event times: 1 hour."
    )
    array_length: Annotated[ArrayLength, Short("value")] | None = Field(default=None, description="Number of elements.")
    new_categories: Annotated[NewCategories, Short("value")] | None = Field(
        default=None, description="Rows with a value unknown to the baseline that are tolerated: 0, 5 or 1%."
    )

    def rules(self) -> Iterator[tuple[str, ShortForm]]:
        """Yield the rules that are written, as (key, rule) in the order of the reference table."""
        for name, info in type(self).model_fields.items():
            value = getattr(self, name)
            if isinstance(value, ShortForm):
                yield info.alias or name, value


class Column(ColumnRules):
    """One column."""

    type: Text | None = Field(
        default=None, description="PostgreSQL type; compared with the table's, and used without a database."
    )


class Group(ColumnRules):
    """Many columns at once, by pattern."""

    columns: Names = Field(description="Names or patterns: 'f_*' stands for every column that begins with f_.")
    except_: Names = Field(default=(), alias="except", description="Names or patterns that are left out.")

    def faults(self) -> Iterator[Fault]:
        """A group must name something."""
        if not self.columns:
            yield Fault("a group without columns", ("columns",), "name at least one column or pattern")
