"""What every kind of SLO shares on its way to a Rule: names in scope, and the words all say alike. Pure."""

from __future__ import annotations

from typing import Any

from mlguard.compile.draft import Draft, Scene
from mlguard.compile.words import limit_of, text_of
from mlguard.lang import Scope
from mlguard.lang.types import SqlType
from mlguard.program import Action, Rule


def scope_of(scene: Scene) -> Scope:
    """Return what expressions of the table may name."""
    return Scope(
        columns={column.name: column.type for column in scene.shape.columns},
        closed=not scene.shape.declared,
        label=scene.label,
        attributes=scene.attributes,
        tables=_tables(scene),
    )


def _tables(scene: Scene) -> dict[tuple[str, str], dict[str, SqlType]] | None:
    if scene.others is None:
        return None
    return {
        (table.schema, table.name): {column.name: column.type for column in shape.columns}
        for table, shape in scene.others.items()
    }


def column_type(draft: Draft, scene: Scene) -> SqlType | None:
    """Return the type of the column a short form is about; None where there is no such column (noted elsewhere)."""
    assert draft.column is not None
    shape = scene.shape.column(draft.column)
    return shape.type if shape else None  # a column that does not exist is one fault, noted where columns are read


def rule_of(
    draft: Draft,
    scene: Scene,
    given: dict[str, Any],
) -> Rule:
    """Return the rule: what is `given` for its kind, and what all SLOs say alike."""
    words = draft.words
    columns: tuple[str, ...] = given["columns"]
    about = draft.column or (columns[0] if len(columns) == 1 else None)
    fields: dict[str, Any] = {
        "name": draft.name,
        "table": scene.table,
        "text": text_of(draft),
        "limit": limit_of(draft),
        "column": about,
        "shadow": words.shadow,
        "severity": words.severity or ("page" if given["action"] is Action.HOLD else "normal"),
        "owner": words.owner,
        "runbook": words.runbook,
        "description": words.description,
        "tags": words.tags,
        "then": words.then,
        "where_in_file": scene.where(draft.path),
    }
    return Rule(**{**fields, **given})
