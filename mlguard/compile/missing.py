"""`missing:` as typed constants: what counts as NULL in metrics, for each column. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlguard.compile.draft import Path, Scene
from mlguard.compile.shorts import literal
from mlguard.lang import ExpressionError, Scope, compile_value
from mlguard.lang.tree import Expr, Literal
from mlguard.lang.types import FLOATS, NUMBERS, Kind, SqlType
from mlguard.spec.models import SloFile

_NO_SCOPE = Scope({}, closed=True, lookups=False)
_HELP = {
    Kind.ENUM: "a label that is not declared cannot be compared; write share({0}::text <> 'unknown')",
    Kind.JSON: "write share({0} ->> 'key' IS NOT NULL)",
    Kind.JSONB: "write share({0} ->> 'key' IS NOT NULL)",
}


def missing_of(file: SloFile, scene: Scene, members: Mapping[int, list[str]]) -> dict[str, tuple[Expr, ...]]:
    """Return for each column the constants that count as missing.

    What a column says wins over its groups, the first group over others, and they over the file. Values of the file
    and of groups are taken where they fit the type of a column; what a column says itself must fit.

    Args:
        file: the SLO file.
        scene: where faults are noted.
        members: index of each group → its columns.
    """
    found: dict[str, tuple[Expr, ...]] = {}
    for column in scene.shape.columns:
        said: tuple[Any, ...] = file.missing
        own = file.columns.get(column.name)
        path: Path | None = None
        if own is not None and own.was_set("missing"):
            said, path = own.missing, ("columns", column.name, "missing")
        else:
            groups = (file.groups[index] for index, names in members.items() if column.name in names)
            said = next((group.missing for group in groups if group.was_set("missing")), said)
        typed = [
            _typed(value, column.name, column.type, scene, (*path, at) if path is not None else None)
            for at, value in enumerate(said)
        ]
        kept = tuple(dict.fromkeys(value for value in typed if value is not None))
        if kept:
            found[column.name] = kept
    return found


def _typed(value: Any, name: str, type_: SqlType, scene: Scene, path: Path | None) -> Expr | None:
    """Return the constant in the type of the column; None where it is not one, which only a column's own words note."""
    reason = ""
    if value.text.strip().lower() == "nan" and type_.kind not in FLOATS | {Kind.NUMERIC, Kind.TEXT, Kind.UNKNOWN}:
        reason = f"{name} is {type_}, which has no NaN"
    elif value.kind == "number" and type_.kind not in NUMBERS | {Kind.TEXT, Kind.UNKNOWN}:
        reason = f"{name} is {type_}, and {value.text} is a number"
    elif type_.kind in (Kind.ENUM, Kind.JSON, Kind.JSONB, Kind.ARRAY, Kind.OTHER, Kind.BYTEA):
        reason = f"{name} is {type_}, whose values cannot be listed as missing"
    else:
        try:
            typed = compile_value(literal(value, type_), _NO_SCOPE, type_)
        except ExpressionError as error:
            reason = error.message
        else:
            if isinstance(typed, Literal):
                return typed
            reason = f"{value.text} is no {type_}"  # it would be rounded
    if path is not None:
        scene.fault(reason, path, _HELP.get(type_.kind, "").format(name))
    return None
