"""Draft → Rule: type the expression, apply defaults, refuse what cannot be, place it. Pure."""

from __future__ import annotations

from typing import Any

from mlguard.compile import shorts
from mlguard.compile.draft import Draft, Scene, Words
from mlguard.compile.place import GATE, place_required, place_row_rule
from mlguard.compile.repair import repairs_of
from mlguard.compile.words import limit_of, text_of
from mlguard.lang import ExpressionError, Scope, compile_row, compile_slo
from mlguard.lang.analyse import columns_of, metrics_of, staleness_limit
from mlguard.lang.tree import Column, Expr, InTable
from mlguard.lang.types import BOOL, NUMBERS, Kind, SqlType
from mlguard.names import TableName, quote_ident
from mlguard.program import Action, Level, Place, Placement, Rule


def scope_of(scene: Scene) -> Scope:
    """Return what expressions of the table may name."""
    return Scope(columns={column.name: column.type for column in scene.shape.columns}, closed=not scene.shape.declared)


def build(draft: Draft, scene: Scene) -> Rule | None:
    """Return the rule, or None where it has faults (noted in the scene)."""
    if draft.kind == "check":
        return _from_check(draft, scene)
    if draft.kind == "unique":
        return _unique(draft, scene)
    if draft.kind == "references":
        return _references(draft, scene)
    type_ = _column_type(draft, scene)
    if type_ is None:
        return None
    assert draft.column is not None
    expr = _short_expression(draft, draft.column, type_, scene)
    return _row_rule(draft, scene, expr) if expr is not None else None


def _column_type(draft: Draft, scene: Scene) -> SqlType | None:
    assert draft.column is not None
    shape = scene.shape.column(draft.column)
    return shape.type if shape else None  # a column that does not exist is one fault, noted where columns are read


def _short_expression(draft: Draft, name: str, type_: SqlType, scene: Scene) -> Expr | None:
    text = _short_text(draft, name, type_, scene)
    if text is None:
        return None
    try:
        return compile_row(text, scope_of(scene))
    except ExpressionError as error:
        scene.fault(error.message, draft.path, error.help)
        return None


def _short_text(draft: Draft, name: str, type_: SqlType, scene: Scene) -> str | None:
    """Return the short form as an expression, or None where the column's type does not fit (noted)."""
    value: Any = draft.value
    kind, is_text = draft.kind, type_.kind in (Kind.TEXT, Kind.UNKNOWN)
    if kind == "range" and type_.kind in (Kind.TEXT, Kind.BOOL, Kind.JSON, Kind.JSONB, Kind.ARRAY):
        scene.fault(f"range needs a number or a time; {name} is {type_}", draft.path)
    elif kind == "matches" and not is_text:
        scene.fault(f"matches needs text; {name} is {type_}", draft.path, f"write a check: {name}::text ~ '…'")
    elif kind == "length" and not is_text:
        scene.fault(f"length needs text; {name} is {type_}", draft.path, "for arrays use array_length")
    elif kind == "finite" and type_.kind not in NUMBERS and type_.kind is not Kind.UNKNOWN:
        scene.fault(f"finite needs a number; {name} is {type_}", draft.path)
    elif kind == "array_length" and type_.kind not in (Kind.ARRAY, Kind.UNKNOWN):
        scene.fault(f"array_length needs an array; {name} is {type_}", draft.path)
    elif kind == "pii_forbid" and not is_text:
        scene.fault(f"pii: forbid looks for patterns in text; {name} is {type_}", draft.path)
    else:
        match kind:
            case "required":
                return f"{quote_ident(name)} IS NOT NULL"
            case "range":
                return shorts.range_(name, type_, *value)
            case "in" | "not_in":
                return shorts.in_list(name, type_, value, negated=kind == "not_in")
            case "matches":
                return f"{quote_ident(name)} ~ {shorts.string(value)}"
            case "length":
                return shorts.length(name, *value)
            case "finite":
                return f"is_finite({quote_ident(name)})"
            case "array_length":
                return f"cardinality({quote_ident(name)}) = {value}"
            case "pii_forbid":
                return shorts.without_pii(name)
        raise AssertionError(kind)
    return None


def _from_check(draft: Draft, scene: Scene) -> Rule | None:
    try:
        expr = compile_slo(draft.value, scope_of(scene))
    except ExpressionError as error:
        scene.expression_fault(error, draft.path)
        return None
    if metrics_of(expr):
        return _read_rule(draft, scene, expr)
    return _row_rule(draft, scene, expr)


def _read_rule(draft: Draft, scene: Scene, expr: Expr) -> Rule | None:
    words = draft.words
    limit = staleness_limit(expr)
    if limit is None:
        scene.fault(
            "staleness() can be compared with one constant only",
            draft.path,
            "write staleness() <= INTERVAL '26 hours'",
        )
        return None
    for said, key in ((words.where, "where"), (words.max_bad, "max_bad"), (words.repair, "repair")):
        if said is not None:
            scene.fault(f"{key} is for row rules; staleness() is judged when the table is read", draft.path)
            return None
    action = words.action or Action.HOLD
    if action not in (Action.HOLD, Action.WARN):
        scene.fault(
            f"on_violation: {action.value} is for writes; staleness() is judged when the table is read",
            draft.path,
            "use hold (guarded reads raise) or warn",
        )
        return None
    return _rule(
        draft,
        scene,
        level=Level.READ,
        action=action,
        expr=expr,
        where=None,
        placement=GATE,
        columns=(),
        extra={"max_age": limit[0], "max_age_strict": limit[1]},
    )


def _row_rule(draft: Draft, scene: Scene, expr: Expr) -> Rule | None:
    words = draft.words
    where = None
    if words.where is not None:
        try:
            where = compile_row(words.where, scope_of(scene))
        except ExpressionError as error:
            scene.expression_fault(error, (*draft.words_path, "where"))
            return None
    action = words.action or Action.REJECT
    if action is Action.HOLD:
        scene.fault(
            "on_violation: hold is for batches, windows and staleness(); a single row can be kept out",
            draft.path,
            "use reject, quarantine, repair or warn",
        )
        return None
    columns = tuple(dict.fromkeys((*columns_of(expr), *(columns_of(where) if where is not None else ()))))
    reads_pii = bool(scene.pii)  # of the table: a failing CHECK prints the whole row, whichever rule it is
    waivable = bool(words.waivable)
    placement: Placement | None = None
    if draft.kind == "required":
        plain = words.where is None and words.max_bad is None and not words.shadow and not waivable
        placement = place_required(pii=reads_pii, existing=scene.existing, action=action, plain=plain)
    if placement is None:
        placement = place_row_rule(
            action=action,
            expr=expr,
            where=where,
            pii=reads_pii,
            waivable=waivable,
            shadow=words.shadow,
            max_bad=words.max_bad is not None,
            portable=words.portable,
            writes_rows=scene.writes_rows,
        )
    if words.portable and placement.place is not Place.CHECK:
        scene.fault(f"portable needs a CHECK, but this rule cannot be one: {placement.reason}", draft.path)
        return None
    repairs = repairs_of(draft, scene, columns) if action is Action.REPAIR else ()
    if repairs is None or not _allowed(draft, scene, action, columns, placement, words):
        return None
    return _rule(
        draft,
        scene,
        level=Level.ROW,
        action=action,
        expr=expr,
        where=where,
        placement=placement,
        columns=columns,
        extra={
            "nulls_fail": words.nulls_fail,
            "max_bad": words.max_bad,
            "min_rows": 30 if words.min_rows is None else words.min_rows,
            "repairs": repairs,
            "portable": words.portable,
            "waivable": waivable or placement.place in (Place.BEFORE_ROW, Place.AFTER_STATEMENT),
        },
    )


def _allowed(
    draft: Draft, scene: Scene, action: Action, columns: tuple[str, ...], placement: Placement, words: Words
) -> bool:
    """Refuse, with what to do instead, what would lose or orphan rows."""
    good = True
    if action is not Action.REPAIR and words.repair is not None:
        scene.fault("repair: needs on_violation: repair", draft.path)
        good = False
    if scene.shape.relkind == "p" and action is Action.QUARANTINE and set(columns) & set(scene.shape.partition_columns):
        scene.fault(
            "quarantine on a partition key: a row without a partition aborts before any trigger sees it",
            draft.path,
            "use reject, or add a default partition and quarantine on another column",
        )
        good = False
    for name in columns:
        shape = scene.shape.column(name)
        if shape is None:
            continue
        if action is Action.QUARANTINE and shape.cascade:
            scene.fault(
                f"quarantine on {name}, which a foreign key writes ({shape.cascade}): keeping that update out would"
                " leave orphans",
                draft.path,
                "use reject, or change the foreign key to NO ACTION",
            )
            good = False
        if shape.virtual and placement.place is Place.AFTER_STATEMENT:
            scene.fault(
                f"{name} is a virtual generated column, which statement triggers see as NULL"
                f" (the rule lives there because: {placement.reason})",
                draft.path,
                f"write its expression into the rule: {shape.generated}; or make the column STORED",
            )
            good = False
        if shape.generated is not None and placement.place is Place.BEFORE_ROW:
            scene.fault(
                f"{name} is generated, and PostgreSQL computes it after BEFORE triggers have run",
                draft.path,
                f"write its expression into the rule: {shape.generated}; or use on_violation: reject",
            )
            good = False
    return good


def _unique(draft: Draft, scene: Scene) -> Rule | None:
    words = draft.words
    columns = (draft.column or "",)
    missing = [name for name in columns if scene.shape.column(name) is None]
    if missing:
        return None
    action = words.action or Action.REJECT
    if action is Action.QUARANTINE:
        scene.fault(
            "quarantine on unique: which of two equal rows is the bad one cannot be known when the second arrives",
            draft.path,
            "use reject (the native constraint), or load with INSERT … ON CONFLICT",
        )
        return None
    limited = words.where or words.max_bad or words.shadow or words.waivable or words.nulls_fail
    if action is not Action.REJECT or limited:
        scene.fault("unique is the native constraint: it can only reject, for every row, always", draft.path)
        return None
    if scene.shape.relkind == "p" and not set(scene.shape.partition_columns) <= set(columns):
        scene.fault(
            "a unique constraint on a partitioned table must include its partition columns:"
            f" {', '.join(scene.shape.partition_columns)}",
            draft.path,
        )
        return None
    return _rule(
        draft,
        scene,
        level=Level.ROW,
        action=Action.REJECT,
        expr=None,
        where=None,
        placement=Placement(Place.UNIQUE, "the native constraint"),
        columns=columns,
        extra={"unique": columns},
    )


def _references(draft: Draft, scene: Scene) -> Rule | None:
    words = draft.words
    type_ = _column_type(draft, scene)
    if type_ is None or draft.column is None:
        return None
    target: TableName = draft.value.table_name(scene.table)
    column: str = draft.value.column
    action = words.action or Action.REJECT
    plain = not (words.where or words.max_bad or words.shadow or words.waivable or words.nulls_fail)
    if action is Action.REJECT and plain and not scene.pii:
        return _rule(
            draft,
            scene,
            level=Level.ROW,
            action=action,
            expr=None,
            where=None,
            placement=Placement(Place.FOREIGN_KEY, "the native constraint"),
            columns=(draft.column,),
            extra={"references": (target, column)},
        )
    lookup = InTable(BOOL, Column(type_, draft.column), target.schema, target.name, column, negated=False)
    return _row_rule(draft, scene, lookup)


def _rule(
    draft: Draft,
    scene: Scene,
    *,
    level: Level,
    action: Action,
    expr: Expr | None,
    where: Expr | None,
    placement: Placement,
    columns: tuple[str, ...],
    extra: dict[str, Any],
) -> Rule:
    words = draft.words
    about = draft.column or (columns[0] if len(columns) == 1 else None)
    fields: dict[str, Any] = {
        "name": draft.name,
        "table": scene.table,
        "level": level,
        "action": action,
        "expr": expr,
        "text": text_of(draft),
        "limit": limit_of(draft),
        "placement": placement,
        "columns": columns,
        "column": about,
        "where": where,
        "shadow": words.shadow,
        "severity": words.severity or ("page" if action is Action.HOLD else "normal"),
        "owner": words.owner,
        "runbook": words.runbook,
        "description": words.description,
        "tags": words.tags,
        "then": words.then,
        "where_in_file": scene.where(draft.path),
    }
    return Rule(**{**fields, **extra})
