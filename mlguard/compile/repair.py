"""`repair:` → how each column is mended. Pure."""

from __future__ import annotations

from typing import Any

from mlguard.compile.draft import Draft, Path, Scene
from mlguard.compile.shorts import literal
from mlguard.lang import ExpressionError, Scope, compile_value
from mlguard.lang.types import FLOATS, NUMBERS, UNKNOWN, Kind, SqlType
from mlguard.names import quote_ident
from mlguard.program import Repair


def repairs_of(draft: Draft, scene: Scene, columns: tuple[str, ...]) -> tuple[Repair, ...] | None:
    """Return the repairs of a rule, or None where they are wrong (noted in the scene).

    `clamp`, `default` and `null` mend the rule's one column; a mapping of columns names its own.
    """
    said: Any = draft.words.repair
    path = (*draft.words_path, "repair")
    if said.set:
        found = [_mended(name, text, scene, (*path, name)) for name, text in said.set.items()]
        return None if None in found else tuple(item for item in found if item is not None)
    target = draft.column or (columns[0] if len(columns) == 1 else None)
    if target is None:
        scene.fault(
            f"the rule reads several columns ({', '.join(columns)}): say which is mended",
            path,
            "repair: {column: expression}",
        )
        return None
    shape = scene.shape.column(target)
    if shape is None and not scene.shape.declared:
        return None
    type_ = shape.type if shape else UNKNOWN
    text = "NULL"
    if said.clamp is not None:
        if type_.kind not in NUMBERS and type_.kind is not Kind.UNKNOWN:
            scene.fault(f"clamp needs a number; {target} is {type_}", path, "use default or null")
            return None
        text = clamp(target, type_, *said.clamp)
    elif said.default is not None:
        text = literal(said.default, type_)
    mended = _mended(target, text, scene, path)
    return None if mended is None else (mended,)


def _mended(name: str, text: str, scene: Scene, path: Path) -> Repair | None:
    shape = scene.shape.column(name)
    if shape is None and not scene.shape.declared:
        scene.fault(f"no column `{name}` to repair in {scene.table}", path)
        return None
    if name in scene.shape.partition_columns:
        scene.fault(
            f"repair of {name}, a partition key: the row was routed before the trigger ran",
            path,
            "use reject, or mend it before loading",
        )
        return None
    if shape is not None and shape.generated is not None:
        scene.fault(f"repair of {name}, a generated column", path, "repair the columns it is computed from")
        return None
    scope = Scope(columns={item.name: item.type for item in scene.shape.columns}, closed=not scene.shape.declared)
    try:
        return Repair(name, compile_value(text, scope, shape.type if shape else None))
    except ExpressionError as error:
        scene.expression_fault(error, path)
        return None


def clamp(name: str, type_: SqlType, low: Any, high: Any) -> str:
    """Return the nearest allowed value; NaN is nearest to nothing, so it becomes NULL."""
    it = quote_ident(name)
    mended = it
    if low is not None:
        mended = f"greatest({mended}, {literal(low, type_)})"
    if high is not None:
        mended = f"least({mended}, {literal(high, type_)})"
    # greatest() and least() ignore NULLs, which clamping must not turn into a bound
    keeps = f"{it} IS NULL"
    if type_.kind in FLOATS or type_.kind is Kind.NUMERIC:
        keeps += f" OR {it} = 'NaN'"
    return f"CASE WHEN {keeps} THEN NULL ELSE {mended} END"
