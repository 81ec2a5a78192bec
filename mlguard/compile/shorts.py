"""Short forms of a column as expressions of the language: one path types and judges both. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mlguard.lang.types import FLOATS, Kind, SqlType
from mlguard.names import quote_ident


class Value(Protocol):
    """A literal as the file writes it."""

    @property
    def text(self) -> str:
        """The source text."""

    @property
    def kind(self) -> str:
        """Text, number or boolean."""


def literal(value: Value, type_: SqlType) -> str:
    """Return the constant as source text; the column decides its type, so `in: [1, 2]` fits a text column."""
    if value.kind == "number" and type_.kind is not Kind.TEXT:
        return value.text
    if value.kind == "boolean" and type_.kind in (Kind.BOOL, Kind.UNKNOWN):
        return value.text
    return string(value.text)


def string(text: str) -> str:
    """Return a string constant of the language, which has no escapes but the doubled quote."""
    return "'" + text.replace("'", "''") + "'"


def range_(name: str, type_: SqlType, low: Value | None, high: Value | None) -> str:
    """Return lo <= column <= hi, a missing bound open.

    PostgreSQL sorts NaN above every number, so `x >= 0` admits NaN and Infinity; an open side of a column that can
    hold them is therefore closed at the finite numbers.
    """
    it = quote_ident(name)
    if low is not None and high is not None:
        return f"{it} BETWEEN {literal(low, type_)} AND {literal(high, type_)}"
    endless = type_.kind in FLOATS or type_.kind is Kind.NUMERIC
    parts = []
    if low is not None:
        parts.append(f"{it} >= {literal(low, type_)}")
        parts += [f"{it} < 'Infinity'"] if endless else []
    if high is not None:
        parts += [f"{it} > '-Infinity'"] if endless else []
        parts.append(f"{it} <= {literal(high, type_)}")
    return " AND ".join(parts)


def in_list(name: str, type_: SqlType, values: Sequence[Value], *, negated: bool) -> str:
    """Return membership in a list of constants."""
    listed = ", ".join(literal(value, type_) for value in values)
    return f"{quote_ident(name)} {'NOT ' if negated else ''}IN ({listed})"


def length(name: str, low: Value | None, high: Value | None) -> str:
    """Return bounds on the number of characters."""
    count = f"length({quote_ident(name)})"
    if low is not None and high is not None:
        return f"{count} BETWEEN {low.text} AND {high.text}"
    return f"{count} >= {low.text}" if low is not None else f"{count} <= {high.text if high else 0}"


# What `pii: forbid` looks for in text. The patterns end at characters that cannot continue them, so that longer codes
# and hashes pass.
PII_PATTERNS: tuple[tuple[str, str], ...] = (
    ("e-mail address", r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z]{2,}"),
    ("phone number", r"(^|[^0-9A-Za-z])\+[0-9][0-9 ().-]{7,17}[0-9]($|[^0-9A-Za-z])"),
    ("card number", r"(^|[^0-9])[3-6][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{1,7}($|[^0-9])"),
    ("IBAN", r"(^|[^0-9A-Za-z])[A-Z]{2}[0-9]{2}( ?[A-Z0-9]{4}){3,7}( ?[A-Z0-9]{1,3})?($|[^0-9A-Za-z])"),
    ("national id", r"(^|[^0-9])[0-9]{3}-[0-9]{2}-[0-9]{4}($|[^0-9])"),
)


def without_pii(name: str) -> str:
    """Return: the text holds no e-mail address, phone, card or account number, or national id."""
    return " AND ".join(f"{quote_ident(name)} !~ {string(pattern)}" for _, pattern in PII_PATTERNS)
