"""Row rules and native constraints → Rules: defaults, placement, and what would lose or orphan rows. Pure."""

from __future__ import annotations

from mlguard.compile.draft import Draft, Scene, Words
from mlguard.compile.lookups import column_there
from mlguard.compile.make import column_type, rule_of, scope_of
from mlguard.compile.place import place_required, place_row_rule
from mlguard.compile.repair import repairs_of
from mlguard.lang import ExpressionError, compile_row
from mlguard.lang.analyse import columns_of
from mlguard.lang.tree import Column, Expr, InTable
from mlguard.lang.types import BOOL, SqlType
from mlguard.lang.unify import equated
from mlguard.names import TableName, quote_ident
from mlguard.program import Action, Level, Place, Placement, Rule


def row_rule(draft: Draft, scene: Scene, expr: Expr) -> Rule | None:
    """Return the rule of a condition on single rows, or None where it has faults (noted)."""
    words = draft.words
    if not _row_words_only(draft, scene):
        return None
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
        scene.fault(
            f"portable needs a CHECK, but this rule cannot be one: {placement.reason}",
            (*draft.words_path, "portable"),
            "remove `portable`",
        )
        return None
    if words.portable and waivable:
        scene.fault(
            "`waivable` on a portable CHECK: nothing in it asks for a waiver",
            (*draft.words_path, "waivable"),
            "remove `portable` or `waivable`",
        )
        return None
    repairs = repairs_of(draft, scene, columns_of(expr)) if action is Action.REPAIR else ()
    if repairs is None or not _allowed(draft, scene, action, columns, placement, words):
        return None
    return rule_of(
        draft,
        scene,
        {
            "level": Level.ROW,
            "action": action,
            "expr": expr,
            "where": where,
            "placement": placement,
            "columns": columns,
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


def _row_words_only(draft: Draft, scene: Scene) -> bool:
    """Refuse words of metrics on a rule that is judged row by row."""
    words = draft.words
    if words.over is not None and words.over.kind != "row":
        scene.fault(
            f"`over: {words.over}`: a check without a metric is judged row by row",
            (*draft.words_path, "over"),
            "for the share of rows that keep to it write share(<check>) >= 0.99",
        )
        return False
    for said, word in ((words.by, "by"), ("reopen" in words.said, "reopen")):
        if said:
            scene.fault(f"`{word}` is for metrics over batches and windows", (*draft.words_path, word), "remove it")
            return False
    return True


def unique(draft: Draft, scene: Scene) -> Rule | None:
    """Return the rule of `unique`, or None where it has faults (noted)."""
    words = draft.words
    columns = (draft.column or "",)
    missing = [name for name in columns if scene.shape.column(name) is None]
    if missing:
        return None
    action = words.action or Action.REJECT
    if not _row_words_only(draft, scene):
        return None
    if action is Action.QUARANTINE:
        scene.fault(
            "quarantine on unique: which of two equal rows is the bad one cannot be known when the second arrives",
            draft.path,
            "use reject (the native constraint), or load with INSERT … ON CONFLICT",
        )
        return None
    limited = words.where or words.max_bad or words.shadow or words.waivable or words.nulls_fail
    if action is not Action.REJECT or limited:
        scene.fault(
            "unique is the native constraint: it can only reject, for every row, always",
            draft.path,
            "write unique: true; to be told of repeats write duplicate_rate(c) <= 0 over a window",
        )
        return None
    if scene.shape.relkind == "p" and not set(scene.shape.partition_columns) <= set(columns):
        scene.fault(
            "a unique constraint on a partitioned table must include its partition columns:"
            f" {', '.join(scene.shape.partition_columns)}",
            draft.path,
        )
        return None
    return rule_of(
        draft,
        scene,
        {
            "level": Level.ROW,
            "action": Action.REJECT,
            "expr": None,
            "where": None,
            "placement": Placement(Place.UNIQUE, "the native constraint"),
            "columns": columns,
            "unique": columns,
        },
    )


def references(draft: Draft, scene: Scene) -> Rule | None:
    """Return the rule of `references`, or None where it has faults (noted)."""
    words = draft.words
    type_ = column_type(draft, scene)
    if type_ is None or draft.column is None:
        return None
    target: TableName = draft.value.table_name(scene.table)
    column: str = draft.value.column
    if not _can_refer(draft, scene, target, column, type_):
        return None
    action = words.action or Action.REJECT
    plain = not (words.where or words.max_bad or words.shadow or words.waivable or words.nulls_fail)
    if action is Action.REJECT and plain and not scene.pii:
        if not _row_words_only(draft, scene) or not _is_key(draft, scene, target, column):
            return None
        return rule_of(
            draft,
            scene,
            {
                "level": Level.ROW,
                "action": action,
                "expr": None,
                "where": None,
                "placement": Placement(Place.FOREIGN_KEY, "the native constraint"),
                "columns": (draft.column,),
                "references": (target, column),
            },
        )
    lookup = InTable(BOOL, Column(type_, draft.column), target.schema, target.name, column, negated=False)
    return row_rule(draft, scene, lookup)


def _can_refer(draft: Draft, scene: Scene, target: TableName, column: str, type_: SqlType) -> bool:
    """Say whether the column referred to is there and can be compared, as far as that is known; else it is noted."""
    if not column_there(target, column, draft.path, scene):
        return False
    shape = (scene.others or {}).get(target)
    other = shape.column(column) if shape is not None else None
    if other is None or equated(type_, other.type):
        return True
    scene.fault(
        f"{draft.column} is {type_}, and {target}.{column} is {other.type}: PostgreSQL cannot compare the two",
        draft.path,
        "give both columns one type",
    )
    return False


def _is_key(draft: Draft, scene: Scene, target: TableName, column: str) -> bool:
    """Say whether a foreign key can point to the column, as far as that is known; else it is noted."""
    shape = (scene.others or {}).get(target)
    if shape is None or (column,) in shape.unique:
        return True
    scene.fault(
        f"nothing keeps {target}.{column} unique, so no foreign key can point to it",
        draft.path,
        f"create unique index on {target.sql} ({quote_ident(column)}); or look it up:"
        " {value: …, waivable: true} makes no foreign key",
    )
    return False
