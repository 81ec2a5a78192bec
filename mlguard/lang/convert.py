"""Which casts exist and what each can do to a row: one table, read by the checker, the analysis and the emitters. Pure.

A cast that PostgreSQL has but that depends on the session's settings is left out, with what to write instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mlguard.lang.types import FLOATS, INTEGERS, NUMBERS, Kind, SqlType


class Danger(Enum):
    """How a node can raise at run time."""

    NONE = "never raises"
    OVERFLOW = "raises where the result leaves the range of its type"
    DOMAIN = "raises for some arguments"
    DOMAIN_AND_OVERFLOW = "raises for some arguments, and where the result leaves the range of its type"


@dataclass(frozen=True)
class Conversion:
    """One cast: how it can raise, and why its result is not a matter of the row alone, where it is not."""

    danger: Danger = Danger.NONE
    session: str = ""


_SAFE = Conversion()
_OVERFLOW = Conversion(Danger.OVERFLOW)
_DOMAIN = Conversion(Danger.DOMAIN)
_RANK = (Kind.INT2, Kind.INT4, Kind.INT8, Kind.NUMERIC, Kind.FLOAT4, Kind.FLOAT8)


def _numbers() -> dict[tuple[Kind, Kind], Conversion]:
    """Numbers to numbers: upwards never raises, but for numeric, which holds more than a float does."""
    table: dict[tuple[Kind, Kind], Conversion] = {}
    for low, source in enumerate(_RANK):
        for high, target in enumerate(_RANK):
            upwards = low <= high and not (source is Kind.NUMERIC and target in FLOATS)
            table[source, target] = _SAFE if upwards or target is Kind.NUMERIC else _OVERFLOW
    return table


CONVERSIONS: dict[tuple[Kind, Kind], Conversion] = {
    **_numbers(),
    (Kind.BOOL, Kind.INT4): _SAFE,
    (Kind.INT4, Kind.BOOL): _SAFE,
    **{
        (kind, Kind.TEXT): _SAFE
        for kind in (*INTEGERS, Kind.NUMERIC, Kind.BOOL, Kind.UUID, Kind.JSON, Kind.JSONB, Kind.TIME)
    },
    (Kind.ENUM, Kind.TEXT): Conversion(session="the label of an enum value can be renamed"),
    **{(Kind.TEXT, kind): _DOMAIN for kind in (*NUMBERS, Kind.BOOL, Kind.UUID, Kind.JSON, Kind.JSONB)},
    **{
        (Kind.TEXT, kind): Conversion(Danger.DOMAIN, "how text is read as a date or time depends on DateStyle")
        for kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIME)
    },
    (Kind.TEXT, Kind.INTERVAL): Conversion(Danger.DOMAIN, "how text is read as an interval depends on IntervalStyle"),
    **{(Kind.JSONB, kind): _DOMAIN for kind in (*NUMBERS, Kind.BOOL)},
    (Kind.JSON, Kind.JSONB): _DOMAIN,
    (Kind.JSONB, Kind.JSON): _SAFE,
    (Kind.DATE, Kind.TIMESTAMP): _OVERFLOW,
    (Kind.DATE, Kind.TIMESTAMPTZ): _OVERFLOW,
    (Kind.TIMESTAMP, Kind.DATE): _SAFE,
    (Kind.TIMESTAMP, Kind.TIME): _SAFE,
    (Kind.TIMESTAMP, Kind.TIMESTAMPTZ): _OVERFLOW,
    (Kind.TIMESTAMPTZ, Kind.DATE): _OVERFLOW,
    (Kind.TIMESTAMPTZ, Kind.TIME): _OVERFLOW,
    (Kind.TIMESTAMPTZ, Kind.TIMESTAMP): _OVERFLOW,
    (Kind.TIME, Kind.INTERVAL): _SAFE,
    (Kind.INTERVAL, Kind.TIME): _OVERFLOW,
}

_NO_STYLE = "its text depends on the session's settings"
REFUSED: dict[tuple[Kind, Kind], tuple[str, str]] = {
    (Kind.TEXT, Kind.TIMESTAMPTZ): ("its time zone depends on the session", "write {0}::timestamp AT TIME ZONE 'UTC'"),
    (Kind.TEXT, Kind.BYTEA): ("it has two spellings that exclude each other", "compare with a literal '\\x…'"),
    **{(kind, Kind.TEXT): (_NO_STYLE, "write {0}::numeric::text") for kind in FLOATS},
    **{
        (kind, Kind.TEXT): (_NO_STYLE, "compare it as it is, or use extract(… from {0})")
        for kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.INTERVAL)
    },
    (Kind.BYTEA, Kind.TEXT): (_NO_STYLE, "compare it with a literal '\\x…'"),
    **{(Kind.BOOL, kind): ("PostgreSQL has no such cast", "write {0}::integer") for kind in NUMBERS - {Kind.INT4}},
    **{(kind, Kind.BOOL): ("PostgreSQL has no such cast", "write {0} <> 0") for kind in NUMBERS - {Kind.INT4}},
    **{
        (Kind.JSON, kind): ("PostgreSQL has no such cast", "write ({0} #>> '{{}}')::…")
        for kind in (*NUMBERS, Kind.BOOL)
    },
}


def conversion(source: SqlType, target: SqlType) -> Conversion | None:
    """Return the cast from `source` to `target`, or None where the language has none."""
    if source.kind is Kind.UNKNOWN:
        return _DOMAIN
    found = CONVERSIONS.get((source.kind, target.kind))
    if found is None:
        return _SAFE if source.kind is target.kind else None
    if "(" in target.sql and found.danger is Danger.NONE:
        return _OVERFLOW  # numeric(p, s)
    return found


def plain(type: SqlType) -> SqlType:
    """Return the type of a result: without the modifier a column may have."""
    return type if type.kind in (Kind.ENUM, Kind.ARRAY, Kind.OTHER) else SqlType(type.kind)


def wider(left: Kind, right: Kind) -> Kind:
    """Return the type CASE and COALESCE give two numbers."""
    return max(left, right, key=_RANK.index)


def promoted(left: Kind, right: Kind) -> Kind:
    """Return the type an operator gives two numbers: a real beside anything else becomes double precision."""
    kind = wider(left, right)
    return Kind.FLOAT8 if kind is Kind.FLOAT4 and left is not right else kind
