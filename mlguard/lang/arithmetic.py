"""Types of `+ - * / %` and of the sign, over numbers, dates and intervals. Pure."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from mlguard.lang.convert import plain, promoted
from mlguard.lang.fault import ExpressionError
from mlguard.lang.tree import Arithmetic, Cast, Column, Expr, Literal, Negate
from mlguard.lang.types import FLOATS, NUMBERS, UNKNOWN, Kind, SqlType
from mlguard.lang.unify import Faults, is_bare, is_bare_text, number_as, read_as, widened

_SMALL = (Kind.INT2, Kind.INT4)
_NUMERIC_TYPES = tuple(NUMBERS)

# (left, operator, right) → result; numbers are looked up by `promoted` instead.
_TEMPORAL: dict[tuple[Kind, str, Kind], Kind] = {
    (Kind.DATE, "-", Kind.DATE): Kind.INT4,
    (Kind.TIMESTAMP, "-", Kind.TIMESTAMP): Kind.INTERVAL,
    (Kind.TIMESTAMP, "-", Kind.DATE): Kind.INTERVAL,
    (Kind.DATE, "-", Kind.TIMESTAMP): Kind.INTERVAL,
    (Kind.TIMESTAMPTZ, "-", Kind.TIMESTAMPTZ): Kind.INTERVAL,
    (Kind.TIME, "-", Kind.TIME): Kind.INTERVAL,
    (Kind.INTERVAL, "+", Kind.INTERVAL): Kind.INTERVAL,
    (Kind.INTERVAL, "-", Kind.INTERVAL): Kind.INTERVAL,
    **{(Kind.DATE, op, kind): Kind.DATE for op in "+-" for kind in _SMALL},
    **{(kind, "+", Kind.DATE): Kind.DATE for kind in _SMALL},
    **{(kind, op, Kind.INTERVAL): kind for op in "+-" for kind in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.TIME)},
    **{(Kind.INTERVAL, "+", kind): kind for kind in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.TIME)},
    **{(Kind.DATE, op, Kind.INTERVAL): Kind.TIMESTAMP for op in "+-"},
    (Kind.INTERVAL, "+", Kind.DATE): Kind.TIMESTAMP,
    **{(Kind.INTERVAL, op, kind): Kind.INTERVAL for op in "*/" for kind in _NUMERIC_TYPES},
    **{(kind, "*", Kind.INTERVAL): Kind.INTERVAL for kind in _NUMERIC_TYPES},
}
_FLOAT8 = SqlType(Kind.FLOAT8)
_TIMESTAMP = SqlType(Kind.TIMESTAMP)


def arithmetic(faults: Faults, expr: Arithmetic, left: Expr, right: Expr) -> Expr:
    """Return the typed node of `left op right`."""
    left, right = _bare(faults, expr, left, right), _bare(faults, expr, right, left)
    if expr.op in "/%" and isinstance(right, Literal) and isinstance(right.value, Decimal) and right.value.is_zero():
        raise faults.fault(right, "division by zero")
    if Kind.UNKNOWN in (left.type.kind, right.type.kind):
        return replace(expr, type=UNKNOWN, left=left, right=right)
    if {left.type.kind, right.type.kind} <= NUMBERS:
        return _numbers(faults, expr, left, right)
    result = _TEMPORAL.get((left.type.kind, expr.op, right.type.kind))
    if result is None:
        raise _no_operator(faults, expr, left, right)
    if Kind.INTERVAL in (left.type.kind, right.type.kind):
        left, right = _factor(faults, left), _factor(faults, right)
    mixed = {left.type.kind, right.type.kind}
    if mixed in ({Kind.DATE, Kind.TIMESTAMP}, {Kind.DATE, Kind.INTERVAL}):
        left, right = _midnight(left), _midnight(right)
    return replace(expr, type=SqlType(result), left=left, right=right)


def negate(faults: Faults, expr: Negate, operand: Expr) -> Expr:
    """Return the typed node of `- operand`."""
    if is_bare_text(operand):
        raise faults.fault(expr, "`-` does not take a string", "put the sign inside the quotes")
    if operand.type.kind not in NUMBERS | {Kind.INTERVAL, Kind.UNKNOWN}:
        raise faults.fault(expr, f"`-` does not take {operand.type}")
    if isinstance(operand, Literal) and isinstance(operand.value, Decimal):
        zero = operand.value.is_zero()
        negated = operand.value.copy_abs() if zero else operand.value.copy_negate()
        return read_as(faults, replace(operand, value=negated, pos=expr.pos), operand.type)
    return replace(expr, type=plain(operand.type), operand=operand)


def _bare(faults: Faults, expr: Arithmetic, side: Expr, other: Expr) -> Expr:
    """Give a bare NULL or string the type of the other side; beside dates a string could be two things."""
    if not is_bare(side):
        return side
    if is_bare_text(side) and (is_bare(other) or other.type.kind not in NUMBERS | {Kind.UNKNOWN}):
        shown = faults.shown(side)
        help = f"write interval {shown} or date {shown}" if other.type.kind is not Kind.TEXT else "write a || b"
        raise faults.fault(side, f"`{expr.op}` cannot tell the type of {shown}", help)
    if other.type.kind not in NUMBERS:
        return side
    try:
        return read_as(faults, side, plain(other.type))
    except ExpressionError as error:
        help = f"`{expr.op}` binds more tightly than -> and ->>: write (payload ->> 'key')::numeric {expr.op} …"
        raise faults.fault(side, error.message, help if "->" in faults.source else "") from None


def _numbers(faults: Faults, expr: Arithmetic, left: Expr, right: Expr) -> Expr:
    kind = promoted(left.type.kind, right.type.kind)
    if expr.op == "%" and kind in FLOATS:
        name = left.name if isinstance(left, Column) else "(…)"
        divisor = faults.shown(right) if isinstance(right, Column | Literal) else "n"
        raise faults.fault(expr, f"`%` needs integers: write `{name}::integer % {divisor}`")
    if kind in FLOATS or kind is Kind.NUMERIC:
        left = number_as(faults, left, SqlType(kind)) if isinstance(left, Literal) else widened(left, kind)
        right = number_as(faults, right, SqlType(kind)) if isinstance(right, Literal) else widened(right, kind)
    return replace(expr, type=SqlType(kind), left=left, right=right)


def _factor(faults: Faults, side: Expr) -> Expr:
    """Return what an interval is multiplied with: PostgreSQL takes double precision only."""
    if side.type.kind not in NUMBERS:
        return side
    return number_as(faults, side, _FLOAT8) if isinstance(side, Literal) else widened(side, Kind.FLOAT8)


def _midnight(side: Expr) -> Expr:
    return Cast(_TIMESTAMP, side, pos=side.pos) if side.type.kind is Kind.DATE else side


def _no_operator(faults: Faults, expr: Arithmetic, left: Expr, right: Expr) -> ExpressionError:
    help = ""
    kinds = {left.type.kind, right.type.kind}
    if expr.op == "+" and Kind.TEXT in kinds:
        help = "write a || b to join text"
    elif Kind.TEXT in kinds:
        text = left if left.type.kind is Kind.TEXT else right
        help = f"write {faults.shown(text)}::numeric"
    elif Kind.TIMESTAMPTZ in kinds and kinds & {Kind.TIMESTAMP, Kind.DATE}:
        help = "say in which time zone the other is meant: x::timestamp AT TIME ZONE 'UTC'"
    elif kinds & {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ} and kinds & NUMBERS:
        help = "write interval '1 day' with your number and unit"
    return faults.fault(expr, f"`{expr.op}` does not take {left.type} and {right.type}", help)
