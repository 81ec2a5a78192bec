"""Types of DuckDB as types of the language, and how a column of a file becomes one of its table. Pure."""

from __future__ import annotations

from mlguard.emit.duck_core import duck_type, quoted
from mlguard.lang.types import FLOATS, INTEGERS, NUMBERS, Kind, SqlType, parse_type

_KINDS = {
    "BOOLEAN": Kind.BOOL, "TINYINT": Kind.INT2, "SMALLINT": Kind.INT2, "UTINYINT": Kind.INT2, "INTEGER": Kind.INT4,
    "USMALLINT": Kind.INT4, "BIGINT": Kind.INT8, "UINTEGER": Kind.INT8, "UBIGINT": Kind.NUMERIC,
    "HUGEINT": Kind.NUMERIC, "UHUGEINT": Kind.NUMERIC, "FLOAT": Kind.FLOAT4, "DOUBLE": Kind.FLOAT8,
    "VARCHAR": Kind.TEXT, "DATE": Kind.DATE, "TIME": Kind.TIME, "TIMESTAMP": Kind.TIMESTAMP,
    "TIMESTAMP_S": Kind.TIMESTAMP, "TIMESTAMP_MS": Kind.TIMESTAMP, "TIMESTAMP_NS": Kind.TIMESTAMP,
    "TIMESTAMP WITH TIME ZONE": Kind.TIMESTAMPTZ, "INTERVAL": Kind.INTERVAL, "UUID": Kind.UUID, "JSON": Kind.JSONB,
    "BLOB": Kind.BYTEA,
}  # fmt: skip
_ZONE = r"'([+-][0-9]{2}(:?[0-9]{2})?|Z| ?UTC)$'"


def kind_of(type_: str) -> SqlType:
    """Return a column's type by that of DuckDB."""
    if type_.endswith("]"):
        element = kind_of(type_[: type_.rindex("[")])
        if element.kind in (Kind.JSONB, Kind.ARRAY, Kind.OTHER):
            return SqlType(Kind.JSONB)
        return SqlType(Kind.ARRAY, f"{element}[]", element)
    if type_.startswith("DECIMAL"):
        return SqlType(Kind.NUMERIC, type_.lower().replace("decimal", "numeric"))
    if type_.startswith(("STRUCT", "MAP", "UNION", "VARIANT")):
        return SqlType(Kind.JSONB)
    if type_.startswith("ENUM"):
        return SqlType(Kind.TEXT)
    return SqlType(_KINDS.get(type_.strip('"'), Kind.OTHER))


def converted(cell: str, type_: str, wanted: SqlType, zone: str, *, text: bool) -> str | None:
    """Return a column of a file as its table's type; None where the two do not go together.

    Args:
        cell: the column.
        type_: its type in the file, as DuckDB spells it.
        wanted: its type in the table.
        zone: the time zone in which zoneless times are read.
        text: the file keeps text only (CSV), which is read as PostgreSQL's COPY would.
    """
    found = kind_of(type_)
    if wanted.kind is Kind.OTHER:
        return cell
    to = duck_type(wanted)
    if to.replace(" ", "") == type_.lower().replace(" ", "") and found.kind is wanted.kind:
        return cell
    have, want = found.kind, wanted.kind
    if have is Kind.TEXT and type_ == "VARCHAR":
        return _parsed(cell, want, to, zone) if text or want in _FROM_TEXT else None
    match have, want:
        case (Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
            return f"timezone({quoted(zone)}, cast({cell} as timestamp))"
        case (Kind.DATE, Kind.TIMESTAMPTZ):
            return f"timezone({quoted(zone)}, cast({cell} as timestamp))"
        case (Kind.TIMESTAMPTZ, Kind.TIMESTAMP):
            return f"timezone({quoted(zone)}, {cell})"
        case (Kind.JSONB, Kind.JSON | Kind.JSONB):
            return f"to_json({cell})" if type_ != "JSON" else cell
        case (Kind.ARRAY, Kind.JSON | Kind.JSONB):
            return f"to_json({cell})"
    if have in FLOATS and want in INTEGERS:
        # Frames keep integers with gaps as floats.
        fraction = f"error({quoted('a number with a fraction, where the SLO file declares ' + str(wanted))})"
        return f"case when {cell} = trunc({cell}) then cast({cell} as {to}) when {cell} is not null then {fraction} end"
    fits = have is want or {have, want} <= NUMBERS or (have is Kind.DATE and want is Kind.TIMESTAMP)
    return f"cast({cell} as {to})" if fits else None


# Text that stands for another type also where a file has types of its own.
_FROM_TEXT = frozenset({Kind.TEXT, Kind.UUID, Kind.JSON, Kind.JSONB, Kind.NUMERIC, Kind.ENUM})


def _parsed(cell: str, want: Kind, to: str, zone: str) -> str:
    if want in (Kind.TEXT, Kind.ENUM):
        return cell
    if want is Kind.TIMESTAMPTZ and zone != "UTC":
        local = f"timezone({quoted(zone)}, cast({cell} as timestamp))"
        return f"case when regexp_matches({cell}, {_ZONE}) then cast({cell} as timestamptz) else {local} end"
    return f"cast({cell} as {to})"


def declared(text: str | None) -> SqlType | None:
    """Return a declared type; None where the language does not know it."""
    return parse_type(text) if text else None
