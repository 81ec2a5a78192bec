"""Weaker forms of a rule: each lets more rows pass, as a slip of the pen would. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from mlguard.lang import spelled
from mlguard.lang.tree import Between, Compare, Expr, InList, Literal, Logical, Negate
from mlguard.lang.types import INTEGERS
from mlguard.program import Rule

_NOT_STRICT = {"<": "<=", ">": ">="}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def weaker(rule: Rule) -> Iterator[tuple[str, Rule]]:
    """Yield weaker forms of a row rule, each with its check in words.

    Conjuncts go one by one, strict comparisons admit equality, limits move outwards by one (numbers with fractions by
    a tenth, at least 0.1), one value of a NOT IN list is let through, and NULL passes where it failed.
    """
    assert rule.expr is not None
    seen = {rule.expr}
    for expr in _weaker(rule.expr):
        if expr not in seen:
            seen.add(expr)
            yield spelled(expr), replace(rule, expr=expr)
    if rule.nulls_fail:
        yield "nulls: pass", replace(rule, nulls_fail=False)


def _weaker(expr: Expr) -> Iterator[Expr]:
    if isinstance(expr, Logical):
        if expr.op == "and":
            for place in range(len(expr.operands)):
                rest = (*expr.operands[:place], *expr.operands[place + 1 :])
                yield rest[0] if len(rest) == 1 else replace(expr, operands=rest)
        for place, operand in enumerate(expr.operands):
            for other in _weaker(operand):
                yield replace(expr, operands=(*expr.operands[:place], other, *expr.operands[place + 1 :]))
    elif isinstance(expr, Between) and not expr.negated:
        yield from _between(expr)
    elif isinstance(expr, Compare) and expr.op in _MIRRORED:
        yield from _compare(expr)
    elif isinstance(expr, InList) and expr.negated and len(expr.items) > 1:
        for place in range(len(expr.items)):
            yield replace(expr, items=(*expr.items[:place], *expr.items[place + 1 :]))


def _between(expr: Between) -> Iterator[Expr]:
    yield Compare(expr.type, "<=", expr.operand, expr.high)
    yield Compare(expr.type, ">=", expr.operand, expr.low)
    low, high = _moved(expr.low, -1, expr.operand), _moved(expr.high, 1, expr.operand)
    if low is not None:
        yield replace(expr, low=low)
    if high is not None:
        yield replace(expr, high=high)


def _compare(expr: Compare) -> Iterator[Expr]:
    if expr.op in _NOT_STRICT:
        yield replace(expr, op=_NOT_STRICT[expr.op])
    up = expr.op in ("<", "<=")
    right = _moved(expr.right, 1 if up else -1, expr.left)
    if right is not None:
        yield replace(expr, right=right)
    elif (left := _moved(expr.left, -1 if up else 1, expr.right)) is not None:
        yield replace(expr, left=left)


def _moved(limit: Expr, direction: int, beside: Expr) -> Expr | None:
    """Return a number moved outwards; None for what is no constant number."""
    if isinstance(limit, Negate):
        inner = _moved(limit.operand, -direction, beside)
        return None if inner is None else replace(limit, operand=inner)
    if not isinstance(limit, Literal) or not isinstance(limit.value, Decimal) or not limit.value.is_finite():
        return None
    whole = limit.value == limit.value.to_integral_value()
    step = Decimal(1) if whole and beside.type.kind in INTEGERS else max(abs(limit.value) / 10, Decimal("0.1"))
    return replace(limit, value=limit.value + direction * step)
