"""Questions about a typed tree: what it reads, whether PostgreSQL may keep its verdict, what limit it sets. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal

from mlguard.lang.catalogue import FUNCTIONS
from mlguard.lang.convert import conversion
from mlguard.lang.literals import parse_interval
from mlguard.lang.metrics import METRICS, Family
from mlguard.lang.tree import Call, Cast, Column, Compare, Expr, InTable, Literal, Metric, Regex
from mlguard.lang.types import Kind
from mlguard.names import TableName


def columns_of(expr: Expr) -> tuple[str, ...]:
    """Return the columns the expression reads, each once, in order of appearance in the text."""
    found = sorted((node for node in expr.walk() if isinstance(node, Column)), key=lambda node: node.pos)
    return tuple(dict.fromkeys(node.name for node in found))


def lookups_of(expr: Expr) -> tuple[tuple[TableName, str], ...]:
    """Return the (table, column) pairs of other tables the expression reads, each once."""
    found = (node for node in expr.walk() if isinstance(node, InTable))
    return tuple(dict.fromkeys((TableName(node.schema, node.table), node.column) for node in found))


def metrics_of(expr: Expr) -> tuple[Metric, ...]:
    """Return the metrics in the expression."""
    return tuple(node for node in expr.walk() if isinstance(node, Metric))


def outer_metrics(expr: Expr) -> tuple[Metric, ...]:
    """Return the metrics whose values the check compares, each once, in order of appearance in the text."""
    return _once(_outer(expr))


def base_metrics(expr: Expr) -> tuple[Metric, ...]:
    """Return the metrics of one batch or window that the check needs, those inside history too, each once."""
    return _once(node for node in metrics_of(expr) if METRICS[node.name].family is not Family.HISTORY)


def history_of(expr: Expr) -> tuple[Metric, ...]:
    """Return trailing(), change(), delta() and usual() of the check, each once."""
    return _once(node for node in metrics_of(expr) if METRICS[node.name].family is Family.HISTORY)


def told_metrics(expr: Expr) -> tuple[Metric, ...]:
    """Return all metrics of the check, each once: what it compares, then what those are computed from."""
    return tuple(dict.fromkeys((*outer_metrics(expr), *base_metrics(expr))))


def metric_texts(expr: Expr) -> tuple[str, ...]:
    """Return the names of told_metrics(), as messages name them where the SLO filters no rows."""
    return tuple(node.text for node in told_metrics(expr))


def _outer(expr: Expr) -> Iterator[Metric]:
    if isinstance(expr, Metric):
        yield expr
        return
    for child in expr.children():
        yield from _outer(child)


def _once(found: Iterable[Metric]) -> tuple[Metric, ...]:
    return tuple(dict.fromkeys(sorted(found, key=lambda node: node.pos)))


def patterns_of(expr: Expr) -> tuple[str, ...]:
    """Return the regular expressions, which only a server can prove valid before the first row comes."""
    found = (node.pattern for node in expr.walk() if isinstance(node, Regex))
    return tuple(
        dict.fromkeys(node.value for node in found if isinstance(node, Literal) and isinstance(node.value, str))
    )


def immutable(expr: Expr) -> str | None:
    """Return why the verdict on an unchanged row could change, in words; None where it cannot."""
    for node in expr.walk():
        if isinstance(node, Metric):
            return f"{node.name}() looks at more than one row"
        if isinstance(node, InTable):
            return f"it reads {node.schema}.{node.table}, whose rows can change"
        if isinstance(node, Call) and not FUNCTIONS[node.name].immutable:
            return f"{node.name}() does not depend on the row alone"
        if isinstance(node, Cast) and node.operand.type.kind is not Kind.UNKNOWN:
            found = conversion(node.operand.type, node.type)
            if found is not None and found.session:
                return found.session
    return None


_MIRRORED = {">=": "<=", ">": "<"}


def staleness_limit(expr: Expr) -> tuple[timedelta, bool] | None:
    """Read `staleness() <= interval '…'` (or `<`, or mirrored): the limit, and whether it is strict; else None."""
    if not isinstance(expr, Compare):
        return None
    left, op, right = expr.left, expr.op, expr.right
    if isinstance(right, Metric) and op in _MIRRORED:
        left, op, right = right, _MIRRORED[op], left
    if not isinstance(left, Metric) or left.name != "staleness" or op not in ("<=", "<"):
        return None
    if not isinstance(right, Literal) or not isinstance(right.value, str):
        return None
    try:
        return parse_interval(right.value), op == "<"
    except ValueError:
        return None


def least_row_count(expr: Expr) -> int | None:
    """Read `row_count() >= 100` (or `>`, or mirrored, with a whole constant): the fewest rows allowed; else None."""
    if not isinstance(expr, Compare):
        return None
    left, op, right = expr.left, expr.op, expr.right
    if op in ("<=", "<"):
        left, op, right = right, ">=" if op == "<=" else ">", left
    if isinstance(right, Cast):
        right = right.operand
    if not (isinstance(left, Metric) and left.name == "row_count" and op in (">=", ">")):
        return None
    if not isinstance(right, Literal) or not isinstance(right.value, Decimal) or right.value % 1:
        return None
    return max(int(right.value) + (op == ">"), 0)
