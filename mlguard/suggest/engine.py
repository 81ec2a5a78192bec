"""What suggest needs of an engine: one small dialect, and a source whose rows are asked by SQL. Knows no driver."""

from __future__ import annotations

from typing import Any, Protocol

from mlguard.lang.types import Kind
from mlguard.suggest.facts import Column

TRAIN = 0.7  # share of the rows, or of the time, that proposals are made from


class Dialect(Protocol):
    """The few spellings in which PostgreSQL and DuckDB differ."""

    def distinct(self, ref: str) -> str:
        """Count different values, within some per cent."""

    def greatest(self, value: str, k: int, *, down: bool) -> str:
        """List the k greatest values, or the smallest."""

    def quantile(self, ref: str, q: float) -> str:
        """One value of the column, a share q of the values at or below it."""

    def matches(self, ref: str, pattern: str) -> str:
        """Say whether the text matches a regular expression both engines read alike."""

    def elements(self, ref: str) -> str:
        """Number of elements of an array."""

    def exact(self, column: Column) -> str:
        """An integer or decimal in a type whose sums neither round nor overflow."""

    def zoneless(self, column: Column) -> str:
        """A date or time as a date or timestamp in UTC."""


class Source(Protocol):
    """Rows that can be asked. `rows` and `sample` stand after FROM; each has c0, c1, … and, once split, `part`.

    Attributes:
        name: what it is called in comments.
        table: schema.table it is, or would be called.
        columns: its columns.
        key: columns the source itself holds unique; () where it holds none.
        files: it is a folder of files, whose names `rows` has as `file`.
        ordered: rows have an order, and `rows` has it as `place`, from 0.
    """

    name: str
    table: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    files: bool
    ordered: bool

    @property
    def dialect(self) -> Dialect:
        """How its engine spells."""

    @property
    def rows(self) -> str:
        """All rows."""

    @property
    def sample(self) -> str:
        """The rows that are profiled: all, or a sample that is the same every time."""

    def split(self, by: str | None) -> None:
        """Give rows their part, 0 to propose from and 1 to validate: `by` is true for part 1; None divides by hash."""

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one SELECT."""

    def few(self, limit: int, columns: tuple[Column, ...]) -> list[tuple[Any, ...]]:
        """Return up to `limit` rows of part 0, numbers and times as floats and everything else as text."""


def within_floats(ref: str) -> str:
    """Return the condition that a number is finite, and a decimal not beyond what a float holds."""
    return f"{ref} between -1.7976931348623157e308 and 1.7976931348623157e308"


def as_value(column: Column) -> str:
    """Return the column as the float or text that proposals are searched in."""
    if column.kind is Kind.NUMERIC:
        return f"case when {within_floats(column.ref)} then {column.ref}::float8 end"
    if column.is_number:
        return f"{column.ref}::float8"
    if column.is_time:
        return f"extract(epoch from {column.ref})::float8"
    if column.kind is Kind.BOOL:
        return f"{column.ref}::integer::float8"
    return f"left({column.ref}::text, 200)" if column.is_text else f"({column.ref} is not null)::integer::float8"
