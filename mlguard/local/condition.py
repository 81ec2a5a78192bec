"""The condition of an SLO over metrics, evaluated as PostgreSQL would: three-valued, in double precision. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from mlguard.lang import tree
from mlguard.lang.tree import Expr, Metric
from mlguard.local.finalise import greatest, least, less, same

Value = bool | float | None
DATA_EXCEPTION = "could not be judged: SQLSTATE {} (data exception)"


class Impossible(Exception):
    """What PostgreSQL raises: division by zero, a result out of range; its SQLSTATE in words."""

    def __init__(self, state: str) -> None:
        super().__init__(DATA_EXCEPTION.format(state))


def holds(expr: Expr, values: Mapping[Metric, Value]) -> bool | None:
    """Return whether the condition is true, false or unknown.

    Raises:
        Impossible: PostgreSQL would raise.
    """
    found = _value(expr, values)
    return None if found is None else bool(found)


def _value(expr: Expr, values: Mapping[Metric, Value]) -> Value:
    match expr:
        case Metric():
            return values[expr]
        case tree.Literal():
            return float(expr.value) if isinstance(expr.value, Decimal) else _constant(expr.value)
        case tree.Not():
            inner = _value(expr.operand, values)
            return None if inner is None else not inner
        case tree.Logical():
            return _logical(expr.op, [_value(operand, values) for operand in expr.operands])
        case tree.Compare():
            return _compare(expr.op, _value(expr.left, values), _value(expr.right, values))
        case tree.Between():
            x = _value(expr.operand, values)
            ends = [_compare(">=", x, _value(expr.low, values)), _compare("<=", x, _value(expr.high, values))]
            inside = _logical("and", ends)
            return inside if not expr.negated or inside is None else not inside
        case tree.Is():
            found = _value(expr.operand, values)
            truth = {"null": found is None, "unknown": found is None}
            answer = truth.get(expr.what, found is (expr.what == "true"))
            return answer is not expr.negated
        case tree.Negate():
            operand = _value(expr.operand, values)
            return None if operand is None else -operand
        case tree.Cast():
            return _value(expr.operand, values)
        case tree.Arithmetic():
            return _arithmetic(expr.op, _value(expr.left, values), _value(expr.right, values))
        case tree.Call():
            return _call(expr, [_value(arg, values) for arg in expr.args])
    raise TypeError(type(expr))


def _constant(value: Any) -> Value:
    return float(value) if isinstance(value, str) else value


def _logical(op: str, found: Sequence[Value]) -> bool | None:
    decides = op == "or"
    if any(item is not None and bool(item) is decides for item in found):
        return decides
    return None if any(item is None for item in found) else not decides


def _compare(op: str, a: Value, b: Value) -> bool | None:
    if a is None or b is None:
        return None
    a, b = float(a), float(b)
    match op:
        case "=":
            return same(a, b)
        case "<>":
            return not same(a, b)
        case "<":
            return less(a, b)
        case ">":
            return less(b, a)
        case "<=":
            return not less(b, a)
    return not less(a, b)


def _arithmetic(op: str, a: Value, b: Value) -> float | None:
    if a is None or b is None:
        return None
    if op in "/%" and b == 0:
        raise Impossible("22012")
    match op:
        case "+":
            found = a + b
        case "-":
            found = a - b
        case "*":
            found = a * b
        case "/":
            found = a / b
        case _:
            found = math.fmod(a, b)
    if math.isinf(found) and not math.isinf(a) and not math.isinf(b):
        raise Impossible("22003")
    return float(found)


def _call(expr: tree.Call, args: list[Value]) -> Value:
    if expr.name == "coalesce":
        return next((arg for arg in args if arg is not None), None)
    if expr.name in ("greatest", "least"):
        known = [float(arg) for arg in args if arg is not None]
        pick = greatest if expr.name == "greatest" else least
        found: float | None = None
        for arg in known:
            found = arg if found is None else pick(found, arg)
        return found
    if any(arg is None for arg in args):
        return None
    x = float(args[0] or 0)
    if expr.name == "abs":
        return abs(x)
    assert expr.name == "round", expr.name
    if len(args) == 1:
        return float(round(x)) if math.isfinite(x) else x
    places = Decimal(1).scaleb(-int(args[1] or 0))
    return float(Decimal(repr(x)).quantize(places, rounding=ROUND_HALF_UP)) if math.isfinite(x) else x
