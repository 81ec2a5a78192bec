"""The key of a row as one text that no setting of a session changes, for views that look rows up by it. Pure."""

from __future__ import annotations

from mlguard.lang.types import TIMES, Kind, SqlType
from mlguard.names import quote_ident
from mlguard.program import TableProgram

_BETWEEN = " || E'\\x1f' || "  # a control character that no key holds


def row_key(program: TableProgram, row: str) -> str:
    """Return the key columns of a row as a text; of times their seconds, since times print as the session says."""
    types = {column.name: column.type for column in program.shape.columns}
    parts = [_text(f"{row}.{quote_ident(name)}", types.get(name)) for name in program.key]
    return _BETWEEN.join(f"coalesce({part}, E'\\x1e')" for part in parts)


def _text(value: str, type_: SqlType | None) -> str:
    kind = type_.kind if type_ is not None else Kind.UNKNOWN
    if kind in TIMES:
        return f"extract(epoch from {value})::text"
    if kind is Kind.NUMERIC:
        return f"trim_scale({value})::text"
    return f"{value}::text"
