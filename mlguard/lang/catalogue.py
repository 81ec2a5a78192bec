"""The one table of functions: names, types, what can go wrong, and what each means at the edges. Pure.

An emitter looks a function up by name. `postgresql` is the spelling there, `{*}` standing for the arguments; None means
that it depends on types and that the emitter has a case for it. A further engine is a further field.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mlguard.lang.convert import Danger
from mlguard.lang.metrics import METRICS
from mlguard.lang.types import BOOL, TIMES, Kind, SqlType

__all__ = ["FIELDS", "FUNCTIONS", "METRICS", "UNITS", "UNIT_ALIASES", "Function", "Signature", "Typing"]

INT2, INT4, INT8 = SqlType(Kind.INT2), SqlType(Kind.INT4), SqlType(Kind.INT8)
NUMERIC, FLOAT4, FLOAT8 = SqlType(Kind.NUMERIC), SqlType(Kind.FLOAT4), SqlType(Kind.FLOAT8)
TEXT, INTERVAL, ARRAY = SqlType(Kind.TEXT), SqlType(Kind.INTERVAL), SqlType(Kind.ARRAY)


class Typing(Enum):
    """How the result's type follows from the arguments'."""

    SIGNATURE = "by the best of the signatures"
    COMMON = "all arguments are brought to one type, which is the result's"
    NULLIF = "compared, then the first argument's"
    ANY = "any arguments, fixed result"
    UNIT = "a unit's name, and a date, time or interval"


@dataclass(frozen=True)
class Signature:
    """One overload."""

    params: tuple[SqlType, ...]
    result: SqlType


@dataclass(frozen=True)
class Function:
    """One function of row expressions."""

    name: str
    meaning: str  # for NULL, NaN, infinities, empty text and at the limits of the type
    signatures: tuple[Signature, ...] = ()
    typing: Typing = Typing.SIGNATURE
    least: int = 1  # arguments
    most: int | None = 1  # None: any number
    result: SqlType = NUMERIC  # where typing is ANY
    danger: Danger = Danger.NONE
    immutable: bool = True
    postgresql: str | None = "{name}({*})"
    usage: str = ""  # how it is written, where that is not name(x)


def _same(*types: SqlType) -> tuple[Signature, ...]:
    return tuple(Signature((type,), type) for type in types)


def _pair(*types: SqlType) -> tuple[Signature, ...]:
    return tuple(Signature((type, type), type) for type in types)


_NUMBERS = (INT2, INT4, INT8, NUMERIC, FLOAT4, FLOAT8)
_FINITE = (*_NUMBERS, *(SqlType(kind) for kind in sorted(TIMES, key=lambda kind: kind.value)))
_ROUNDED = _same(NUMERIC, FLOAT8)
_ALL = None

FUNCTIONS: dict[str, Function] = {
    function.name: function
    for function in (
        Function(
            "coalesce",
            "the first argument that is not NULL, else NULL; NaN and '' are values; later arguments are not evaluated",
            typing=Typing.COMMON,
            most=_ALL,
            usage="coalesce(a, b, …)",
        ),
        Function(
            "nullif",
            "NULL where both are equal, else the first; NaN equals NaN",
            typing=Typing.NULLIF,
            least=2,
            most=2,
            usage="nullif(a, b)",
        ),
        Function(
            "greatest",
            "NULL arguments are left out; NULL only when all are; NaN is the greatest; text by bytes",
            typing=Typing.COMMON,
            most=_ALL,
            usage="greatest(a, b, …)",
        ),
        Function(
            "least",
            "NULL arguments are left out; NULL only when all are; NaN is the greatest; text by bytes",
            typing=Typing.COMMON,
            most=_ALL,
            usage="least(a, b, …)",
        ),
        Function(
            "num_nulls",
            "how many arguments are NULL; NaN and '' are not",
            typing=Typing.ANY,
            most=_ALL,
            result=INT4,
            usage="num_nulls(a, b, …)",
        ),
        Function(
            "num_nonnulls",
            "how many arguments are not NULL",
            typing=Typing.ANY,
            most=_ALL,
            result=INT4,
            usage="num_nonnulls(a, b, …)",
        ),
        Function(
            "is_finite",
            "false for NaN and ±Infinity; NULL for NULL",
            tuple(Signature((type,), BOOL) for type in _FINITE),
            postgresql=None,
        ),
        Function(
            "abs",
            "NULL for NULL; NaN for NaN; the least integer of a type overflows",
            _same(*_NUMBERS),
            danger=Danger.OVERFLOW,
        ),
        Function("ceil", "towards +Infinity; integers become double precision", _ROUNDED, danger=Danger.OVERFLOW),
        Function("floor", "towards -Infinity; integers become double precision", _ROUNDED, danger=Danger.OVERFLOW),
        Function(
            "round",
            "halves go to even in double precision (2.5 → 2), away from zero in numeric (2.5 → 3); digits need numeric",
            (*_ROUNDED, Signature((NUMERIC, INT4), NUMERIC)),
            most=2,
            danger=Danger.OVERFLOW,
            usage="round(x[, digits])",
        ),
        Function("sign", "-1, 0 or 1; of NaN 0 in double precision and NaN in numeric", _ROUNDED),
        Function("sqrt", "a negative argument is an error; NaN for NaN", _ROUNDED, danger=Danger.DOMAIN),
        Function("ln", "zero and negative arguments are errors; NaN for NaN", _ROUNDED, danger=Danger.DOMAIN),
        Function(
            "exp",
            "a result too large or too small for its type is an error (double precision: about exp(709), exp(-745))",
            _ROUNDED,
            danger=Danger.OVERFLOW,
        ),
        Function(
            "power",
            "0 to a negative power and a negative base to a fraction are errors; so is a result out of range",
            _pair(NUMERIC, FLOAT8),
            least=2,
            most=2,
            danger=Danger.DOMAIN_AND_OVERFLOW,
            usage="power(base, exponent)",
        ),
        Function(
            "mod",
            "the remainder, with the sign of the first argument (mod(-7, 3) = -1); mod by zero is an error",
            _pair(INT2, INT4, INT8, NUMERIC),
            least=2,
            most=2,
            danger=Danger.DOMAIN,
            usage="mod(a, b)",
        ),
        Function(
            "length",
            "characters, not bytes; 0 for ''; trailing blanks of char(n) do not count",
            (Signature((TEXT,), INT4),),
            usage="length(text)",
        ),
        Function("lower", "by the collation of the database; '' for ''", _same(TEXT), usage="lower(text)"),
        Function("upper", "by the collation of the database; '' for ''", _same(TEXT), usage="upper(text)"),
        Function(
            "trim",
            "takes blanks (or any of the given characters) off both ends; other white space stays",
            (Signature((TEXT,), TEXT), Signature((TEXT, TEXT), TEXT)),
            most=2,
            postgresql="btrim({*})",
            usage="trim(text[, characters])",
        ),
        Function(
            "left",
            "the first n characters; where n is negative all but the last -n",
            (Signature((TEXT, INT4), TEXT),),
            least=2,
            most=2,
            usage="left(text, n)",
        ),
        Function(
            "right",
            "the last n characters; where n is negative all but the first -n",
            (Signature((TEXT, INT4), TEXT),),
            least=2,
            most=2,
            usage="right(text, n)",
        ),
        Function(
            "starts_with",
            "by bytes; every text starts with ''",
            (Signature((TEXT, TEXT), BOOL),),
            least=2,
            most=2,
            usage="starts_with(text, prefix)",
        ),
        Function(
            "date_trunc",
            "days and hours are cut in the file's time_zone; a date is taken as its midnight; infinity stays",
            typing=Typing.UNIT,
            least=2,
            most=2,
            danger=Danger.OVERFLOW,
            postgresql=None,
            usage="date_trunc('unit', x)",
        ),
        Function(
            "extract",
            "fields of a timestamptz are those of the file's time_zone; of infinity, the year and epoch are Infinity",
            typing=Typing.UNIT,
            least=2,
            most=2,
            danger=Danger.OVERFLOW,
            postgresql=None,
            usage="extract(field from x)",
        ),
        Function(
            "array_length",
            "NULL for an empty array and for a dimension it does not have",
            (Signature((ARRAY, INT4), INT4),),
            least=2,
            most=2,
            usage="array_length(array, dimension)",
        ),
        Function(
            "cardinality",
            "elements in all dimensions; 0 for an empty array",
            (Signature((ARRAY,), INT4),),
            usage="cardinality(array)",
        ),
    )
}

# Fields of extract and units of date_trunc per type (manual 9.9.1, 9.9.2), without those that depend on the session.
_CALENDAR = frozenset(
    {"century", "day", "decade", "dow", "doy", "epoch", "isodow", "isoyear", "julian", "millennium", "month", "quarter"}
    | {"week", "year"}
)
_CLOCK = frozenset({"hour", "microseconds", "milliseconds", "minute", "second"})
FIELDS: dict[Kind, frozenset[str]] = {
    Kind.DATE: _CALENDAR,
    Kind.TIMESTAMP: _CALENDAR | _CLOCK,
    Kind.TIMESTAMPTZ: _CALENDAR | _CLOCK,
    Kind.TIME: _CLOCK | {"epoch"},
    Kind.INTERVAL: _CLOCK | {"century", "day", "decade", "epoch", "millennium", "month", "quarter", "year"},
}
_TRUNCATED = _CLOCK | {"century", "day", "decade", "millennium", "month", "quarter", "week", "year"}
UNITS: dict[Kind, frozenset[str]] = {
    Kind.TIMESTAMP: _TRUNCATED,
    Kind.TIMESTAMPTZ: _TRUNCATED,
    Kind.INTERVAL: _TRUNCATED - {"week"},
}
UNIT_ALIASES = {
    "microsecond": "microseconds",
    "millisecond": "milliseconds",
    **{f"{unit}s": unit for unit in ("second", "minute", "hour", "day", "week", "month", "year")},
}
