"""Draft → Rule: type the expression, apply defaults, refuse what cannot be, place it. Pure."""

from __future__ import annotations

from typing import Any

from mlguard.compile import arrival, gaps, growth, leaks, shorts, volume
from mlguard.compile.assertion import build_assertion
from mlguard.compile.collect import METRIC_SHORT_FORMS
from mlguard.compile.draft import Draft, Scene
from mlguard.compile.learned import learned_fields
from mlguard.compile.make import column_type, rule_of, scope_of
from mlguard.compile.metric import metric_fields
from mlguard.compile.place import GATE
from mlguard.compile.row import references, row_rule, unique
from mlguard.compile.words import metric_limit, text_of
from mlguard.lang import ExpressionError, compile_row, compile_slo
from mlguard.lang.analyse import metrics_of, staleness_limit
from mlguard.lang.tree import Expr
from mlguard.lang.types import NUMBERS, Kind, SqlType
from mlguard.names import quote_ident
from mlguard.program import Action, Level, Rule


def build(draft: Draft, scene: Scene) -> Rule | None:
    """Return the rule, or None where it has faults (noted in the scene)."""
    if draft.kind == "check":
        return _from_check(draft, scene)
    if draft.kind == "assert":
        return build_assertion(draft, scene)
    if draft.kind == arrival.KIND:
        return arrival.build_arrival(draft, scene)
    if draft.kind == gaps.KIND:
        return gaps.build_gaps(draft, scene)
    if draft.kind == leaks.KIND:
        return leaks.build_leak_guard(draft, scene)
    if draft.kind == growth.KIND:
        return growth.build_growth(draft, scene)
    if draft.kind == "usual":
        fields = learned_fields(draft, scene)
        return rule_of(draft, scene, fields) if fields is not None else None
    if draft.kind == "unique":
        return unique(draft, scene)
    if draft.kind == "references":
        return references(draft, scene)
    type_ = column_type(draft, scene)
    if type_ is None:
        return None
    assert draft.column is not None
    if draft.kind in METRIC_SHORT_FORMS:
        text = text_of(draft)
        try:
            return _metric_rule(draft, scene, compile_slo(text, scope_of(scene)))
        except ExpressionError as error:
            scene.fault(error.message, draft.path, error.help)
            return None
    expr = _short_expression(draft, draft.column, type_, scene)
    return row_rule(draft, scene, expr) if expr is not None else None


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
        help_ = "for text write in, matches or length" if type_.kind is Kind.TEXT else "write a check instead"
        scene.fault(f"range needs a number or a time; {name} is {type_}", draft.path, help_)
    elif kind == "matches" and not is_text:
        scene.fault(f"matches needs text; {name} is {type_}", draft.path, f"write a check: {name}::text ~ '…'")
    elif kind == "length" and not is_text:
        scene.fault(f"length needs text; {name} is {type_}", draft.path, "for arrays use array_length")
    elif kind == "finite" and type_.kind not in NUMBERS and type_.kind is not Kind.UNKNOWN:
        scene.fault(f"finite needs a number; {name} is {type_}", draft.path, "remove it: other types have no NaN")
    elif kind == "array_length" and type_.kind not in (Kind.ARRAY, Kind.UNKNOWN):
        scene.fault(f"array_length needs an array; {name} is {type_}", draft.path, "for text write length")
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
    metrics = metrics_of(expr)
    if any(metric.name == "staleness" for metric in metrics):
        return _read_rule(draft, scene, expr)
    return _metric_rule(draft, scene, expr) if metrics else row_rule(draft, scene, expr)


def _metric_rule(draft: Draft, scene: Scene, expr: Expr) -> Rule | None:
    fields = metric_fields(draft, scene, expr)
    if fields is None:
        return None
    fields = volume.at_the_gate(draft, scene, expr, fields)
    return rule_of(draft, scene, {**fields, "limit": metric_limit(expr, text_of(draft))})


def _read_rule(draft: Draft, scene: Scene, expr: Expr) -> Rule | None:
    words = draft.words
    limit = staleness_limit(expr)
    if limit is None:
        scene.fault(
            "staleness() can be compared with one constant only",
            draft.path,
            "write staleness() <= INTERVAL '26 hours', and other metrics as SLOs of their own",
        )
        return None
    if words.over is not None and words.over.kind != "read":
        scene.fault(
            f"`over: {words.over}`: staleness() is judged when the table is read",
            (*draft.words_path, "over"),
            "remove it; for rows that must have come by the end of a window write row_count() >= 1",
        )
        return None
    if words.by:
        scene.fault("`by` is for metrics over batches and windows", (*draft.words_path, "by"), "remove it")
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
    return rule_of(
        draft,
        scene,
        {
            "level": Level.READ,
            "action": action,
            "expr": expr,
            "where": None,
            "placement": GATE,
            "columns": (),
            "max_age": limit[0],
            "max_age_strict": limit[1],
        },
    )
