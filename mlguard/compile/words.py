"""How a rule is worded: the text of a short form, and the limit that messages name. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mlguard.compile.draft import Draft
from mlguard.compile.shorts import string
from mlguard.lang.analyse import metrics_of
from mlguard.lang.metrics import ALL, COLUMN_SERIES, PAIRS, TABLE_SERIES
from mlguard.lang.spell import spelled, spelled_name
from mlguard.lang.tree import Between, Cast, Compare, Expr, Metric

SHOWN_ITEMS = 12


def name_of(column: str | None) -> str:
    """Return the column as an expression would spell it."""
    return "" if column is None else spelled_name(column)


def _spell(value: Any) -> str:
    return string(value.text) if value.kind == "text" else str(value.text)


def _bounds(what: str, low: Any, high: Any) -> str:
    if low is None:
        return f"{what} <= {_spell(high)}"
    if high is None:
        return f"{what} >= {_spell(low)}"
    return f"{what} BETWEEN {_spell(low)} AND {_spell(high)}"


def _bounds_in_words(low: Any, high: Any) -> str:
    if low is None:
        return f"at most {high.text}"
    if high is None:
        return f"at least {low.text}"
    return f"{low.text} to {high.text}"


def _items(values: Any) -> str:
    shown = ", ".join(value.text for value in values[:SHOWN_ITEMS])
    more = len(values) - SHOWN_ITEMS
    return f"{shown} and {more} more" if more > 0 else shown


def _target(value: Any) -> str:
    return ".".join(part for part in (value.schema, value.table, value.column) if part)


def text_of(draft: Draft) -> str:
    """Return the rule as an expression a person could have written."""
    name, value = name_of(draft.column), draft.value
    match draft.kind:
        case "required":
            return f"{name} IS NOT NULL"
        case "range":
            return _bounds(name, value[0], value[1])
        case "in" | "not_in":
            listed = ", ".join(_spell(item) for item in value)
            return f"{name} {'NOT ' if draft.kind == 'not_in' else ''}IN ({listed})"
        case "matches":
            return f"{name} ~ {string(value)}"
        case "length":
            return _bounds(f"length({name})", value[0], value[1])
        case "finite":
            return f"is_finite({name})"
        case "array_length":
            return f"cardinality({name}) = {value}"
        case "unique":
            return f"unique ({name})"
        case "references":
            return f"{name} references {_target(value)}"
        case "pii_forbid":
            return f"{name} holds no personal data"
        case "max_null_rate" | "new_categories":
            return metric_text(draft.kind, name, value)
        case "usual":
            return learned_text(draft, name)
    return str(draft.value).strip()


def metric_text(kind: str, column: str, value: Any) -> str:
    """Return a short form about a metric as the check it stands for; `column` as expressions spell it."""
    if kind == "max_null_rate":
        return f"null_rate({column}) <= {plain(value.value)}"
    if value.share is not None:
        return f"new_category_rate({column}) <= {plain(value.share)}"
    if value.rows == 0:
        return f"new_category_rate({column}) <= 0"
    return f"round(new_category_rate({column}) * count({column})) <= {value.rows}"


def learned_text(draft: Draft, name: str) -> str:
    """Return what is judged, as a person would say it."""
    about = f"of {name}" if draft.column is not None else "of the rows"
    known = {**COLUMN_SERIES, **TABLE_SERIES, PAIRS: PAIRS}
    listed = [word for word, series in known.items() if series in draft.value and series != ALL]
    if ALL in draft.value:
        listed.insert(0, "health")
    return f"{', '.join(listed)} {about} as usual"


def plain(number: Decimal) -> str:
    """Return a number without exponent and superfluous zeros."""
    return f"{number.normalize():f}"


_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}


def metric_limit(expr: Expr, text: str) -> str:
    """Return what a check over metrics allows: `allowed >= 0.75` where one side is constant, else the check itself."""
    if isinstance(expr, Compare):
        left, op, right = expr.left, expr.op, expr.right
        if not metrics_of(left):
            left, op, right = right, _TURNED[op], left
        if isinstance(left, Metric) and not metrics_of(right):
            return f"allowed {op} {_end(right, left)}"
    if isinstance(expr, Between) and isinstance(expr.operand, Metric):
        low, high = expr.low, expr.high
        if not (expr.negated or metrics_of(low) or metrics_of(high)):
            return f"allowed {_end(low, expr.operand)} to {_end(high, expr.operand)}"
    return f"required {' '.join(text.split())}"


def _end(end: Expr, metric: Expr) -> str:
    """Return one end of what is allowed, without the widening that comparing it with a metric brings."""
    return spelled(end.operand if isinstance(end, Cast) and end.type == metric.type else end, metric)


def limit_of(draft: Draft) -> str:
    """Return what is allowed, as the words of a message after its comma."""
    value = draft.value
    match draft.kind:
        case "required":
            return "required NOT NULL"
        case "range":
            return f"allowed {_bounds_in_words(value[0], value[1])}"
        case "in":
            return f"allowed {_items(value)}"
        case "not_in":
            return f"not allowed {_items(value)}"
        case "matches":
            return f"must match {value}"
        case "length":
            return f"allowed {_bounds_in_words(value[0], value[1])} characters"
        case "finite":
            return "must be a finite number"
        case "array_length":
            return f"allowed exactly {value} elements"
        case "references":
            return f"must be in {_target(value)}"
        case "pii_forbid":
            return "must hold no personal data"
        case "unique":
            return "must be unique"
        case "usual":
            return "allowed within the band learned from history"
    return f"required {' '.join(str(draft.value).split())}"
