"""The types the expression language knows. Pure; names are PostgreSQL's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """A type as the language sees it."""

    BOOL = "boolean"
    INT2 = "smallint"
    INT4 = "integer"
    INT8 = "bigint"
    NUMERIC = "numeric"
    FLOAT4 = "real"
    FLOAT8 = "double precision"
    TEXT = "text"
    DATE = "date"
    TIME = "time without time zone"
    TIMESTAMP = "timestamp without time zone"
    TIMESTAMPTZ = "timestamp with time zone"
    INTERVAL = "interval"
    UUID = "uuid"
    JSON = "json"
    JSONB = "jsonb"
    BYTEA = "bytea"
    ARRAY = "array"
    ENUM = "enum"
    OTHER = "other"  # known to PostgreSQL, opaque here: IS NULL and num_nulls only
    UNKNOWN = "unknown"  # not declared and no database asked, or a bare NULL or string literal


INTEGERS = frozenset({Kind.INT2, Kind.INT4, Kind.INT8})
FLOATS = frozenset({Kind.FLOAT4, Kind.FLOAT8})
NUMBERS = INTEGERS | FLOATS | {Kind.NUMERIC}
TIMES = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})


@dataclass(frozen=True)
class SqlType:
    """A column's or expression's type: the kind, and the exact PostgreSQL spelling where it is known."""

    kind: Kind
    sql: str = ""  # as format_type() prints it, e.g. numeric(10,2), character varying(20), public.plan
    element: SqlType | None = None  # of an array

    def __str__(self) -> str:
        return self.sql or self.kind.value


_SPELLINGS: dict[str, Kind] = {
    **{kind.value: kind for kind in Kind if kind not in (Kind.ARRAY, Kind.ENUM, Kind.OTHER, Kind.UNKNOWN)},
    "bool": Kind.BOOL,
    "int2": Kind.INT2,
    "int": Kind.INT4,
    "int4": Kind.INT4,
    "int8": Kind.INT8,
    "decimal": Kind.NUMERIC,
    "float4": Kind.FLOAT4,
    "float8": Kind.FLOAT8,
    "float": Kind.FLOAT8,
    "double": Kind.FLOAT8,
    "varchar": Kind.TEXT,
    "character varying": Kind.TEXT,
    "char": Kind.TEXT,
    "character": Kind.TEXT,
    "bpchar": Kind.TEXT,
    "time": Kind.TIME,
    "timestamp": Kind.TIMESTAMP,
    "timestamptz": Kind.TIMESTAMPTZ,
}
_MODIFIER = re.compile(r"\(\s*\d+\s*(?:,\s*-?\d+\s*)?\)")


def without_modifier(text: str) -> str:
    """Return a type name without its length or precision: numeric(10,2) is numeric."""
    return " ".join(_MODIFIER.sub("", text).split())


# Names of types that PostgreSQL's grammar itself takes for those of pg_catalog, whatever search_path finds under them.
_GRAMMAR = frozenset(
    {
        *("bigint", "bit", "bit varying", "boolean", "char", "char varying", "character", "character varying", "dec"),
        *("decimal", "double precision", "float", "int", "integer", "interval", "nchar", "numeric", "real", "smallint"),
        *("time", "time with time zone", "time without time zone"),
        *("timestamp", "timestamp with time zone", "timestamp without time zone", "varchar"),
    }
)


def pinned(text: str) -> str:
    """Return a type name that means the same whatever search_path is: text is pg_catalog.text.

    A writer's own temporary type is found before PostgreSQL's wherever pg_temp is not named last.
    """
    bare = without_modifier(text).removesuffix("[]").lower()
    known = "." in bare or bare in _GRAMMAR or bare.startswith("interval ")
    return text if known else f"pg_catalog.{text}"


def parse_type(text: str) -> SqlType | None:
    """Read a type name as users declare it or format_type() prints it; None where the language does not know it."""
    spelled = " ".join(text.strip().split())
    if spelled.endswith("[]"):
        element = parse_type(spelled[:-2])
        return SqlType(Kind.ARRAY, spelled, element) if element else None
    bare = " ".join(_MODIFIER.sub(" ", spelled).lower().split())
    kind = _SPELLINGS.get(bare)
    return SqlType(kind, spelled) if kind else None


BOOL = SqlType(Kind.BOOL)
UNKNOWN = SqlType(Kind.UNKNOWN)
