"""What all writers of DuckDB text share: types, constants, errors on a row, and names for values used twice.

PostgreSQL stops at a row that it cannot evaluate; here such a row must only be marked. A node that would raise there
is written as a CASE whose arm is a cast that cannot succeed. DuckDB's TRY around the whole rule turns it into NULL.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from mlguard.errors import CompileError
from mlguard.lang.types import Kind, SqlType

_NAMES = {
    Kind.BOOL: "boolean",
    Kind.INT2: "smallint",
    Kind.INT4: "integer",
    Kind.INT8: "bigint",
    Kind.FLOAT4: "float",
    Kind.FLOAT8: "double",
    Kind.TEXT: "varchar",
    Kind.DATE: "date",
    Kind.TIME: "time",
    Kind.TIMESTAMP: "timestamp",
    Kind.TIMESTAMPTZ: "timestamptz",
    Kind.INTERVAL: "interval",
    Kind.UUID: "uuid",
    Kind.JSON: "json",
    Kind.JSONB: "json",
    Kind.BYTEA: "blob",
    Kind.ENUM: "varchar",
    Kind.UNKNOWN: "varchar",
}
RANGE = "value out of range"
ZERO = "division by zero"
DIGITS = 38  # of the widest decimal
_SIMPLE = re.compile(r"(\w+\.)?\"(?:[^\"]|\"\")*\"|v\d+(\.v\d+)?|-?[\d.]+|null|true|false|'[^']{0,40}'(::\w+)?")
_SHORT = 24
_NO_INTEGER = frozenset({Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.INTERVAL, Kind.UUID, Kind.BOOL})


class NotLocal(CompileError):
    """A construct that cannot be judged in DuckDB with PostgreSQL's meaning; `reason` names it."""

    def __init__(self, construct: str, reason: str) -> None:
        super().__init__(f"not judged locally: {construct}: {reason}", help="judge it in the database: mlguard check")
        self.construct = construct
        self.reason = reason


def precision(type: SqlType) -> tuple[int, int] | None:
    """Return precision and scale of a numeric that a decimal can hold, or None."""
    if type.kind is not Kind.NUMERIC or "(" not in type.sql:
        return None
    digits, _, scale = type.sql[type.sql.index("(") + 1 : -1].partition(",")
    width, after = int(digits), int(scale or 0)
    return (width, after) if 0 <= after <= width <= DIGITS else None


def duck_type(type: SqlType) -> str:
    """Return the DuckDB type in which a PostgreSQL value is held.

    A numeric without precision, or with one no decimal has, is held as double: of it only what is exact is evaluated.
    """
    if type.kind is Kind.NUMERIC:
        held = precision(type)
        return f"decimal({held[0]},{held[1]})" if held else "double"
    if type.kind is Kind.ARRAY and type.element is not None:
        return f"{duck_type(type.element)}[]"
    return _NAMES.get(type.kind, "varchar")


def quoted(text: str) -> str:
    """Return a string constant; a backslash is itself."""
    return "'" + text.replace("'", "''") + "'"


def fail(words: str, kind: Kind, name: str) -> str:
    """Return an expression of that type which raises when it is reached."""
    if kind in _NO_INTEGER:
        return f"cast({quoted(words)} as {name})"
    return f"cast(cast({quoted(words)} as integer) as {name})"


class Names:
    """Gives names to values that a formula uses more than once, so that text grows with the expression only."""

    def __init__(self) -> None:
        self._next = 0

    def let(self, values: tuple[str, ...], body: Callable[..., str]) -> str:
        """Return `body` of the values: of columns and constants as they stand, of others under a name each.

        A lambda over a list of one is DuckDB's only form that evaluates a value once and names it.
        """
        long = [index for index, value in enumerate(values) if not is_simple(value)]
        if not long:
            return body(*values)
        self._next += 1
        name = f"v{self._next}"
        if len(long) == 1:
            held = values[long[0]]
            inner = body(*(name if index in long else value for index, value in enumerate(values)))
        else:
            fields = ", ".join(f"'v{index}': {values[index]}" for index in long)
            held = f"{{{fields}}}"
            inner = body(*(f"{name}.v{index}" if index in long else value for index, value in enumerate(values)))
        return f"list_transform([{held}], lambda {name}: {inner})[1]"


def is_wrapped(text: str) -> bool:
    """Tell whether a text stands in parentheses of its own."""
    if not text.startswith("("):
        return False
    depth, quote = 0, ""
    for index, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote  # a doubled quote opens again at once
        elif char in "'\"":
            quote = char
        elif char in "()":
            depth += 1 if char == "(" else -1
            if depth == 0:
                return index == len(text) - 1
    return False


def is_simple(text: str) -> bool:
    """Tell whether a text may be repeated: a column, a constant, or as short as one."""
    return len(text) <= _SHORT or _SIMPLE.fullmatch(text) is not None
