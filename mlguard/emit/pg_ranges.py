"""Ranges within which PostgreSQL's types compute safely, as conditions on an operand. Used by the guards only.

The date range is the one every calendar function takes: years 1 to 9999; PostgreSQL's own is wider (manual 8.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from mlguard.emit.pg_expr import Writer, number
from mlguard.lang import tree
from mlguard.lang.convert import Danger
from mlguard.lang.literals import INTEGER_BITS, bounds
from mlguard.lang.precedence import CAST, OTHER
from mlguard.lang.tree import Expr, Literal
from mlguard.lang.types import INTEGERS, Kind

ALWAYS = "true"
EXP_LIMIT = 300  # exp(300) is about 2e130: its products and quotients stay within double precision
EXP_MOST = Decimal("1e131")
HUGE = Decimal("1e1000")  # a numeric holds 131072 digits before the point; products of two such stay far below
_REAL_LEAST, _REAL_MOST = Decimal("1e-37"), Decimal("3e38")


@dataclass(frozen=True)
class Condition:
    """What makes a node raise."""

    bad: str
    danger: Danger
    exact: bool = False


def overflow(bad: str | None) -> list[Condition]:
    """Return an overflow condition, if there is one."""
    return [Condition(bad, Danger.OVERFLOW)] if bad else []


def constant(expr: Expr) -> Decimal | None:
    """Return the value of a number literal, or None."""
    return expr.value if isinstance(expr, Literal) and isinstance(expr.value, Decimal) else None


def is_constant(expr: Expr) -> bool:
    """Tell whether `expr` is a literal: those of dates, times and intervals are within every bound."""
    return isinstance(expr, Literal) and expr.value not in ("infinity", "-infinity")


def written(value: Decimal | int | str, kind: Kind) -> str:
    """Return a bound as a constant of type `kind`; a bound a real cannot hold is drawn in."""
    bound = Decimal(value)
    if kind in INTEGERS:  # integers of any width compare with one another
        return f"{bound:f}"
    if kind is Kind.FLOAT4 and not bound.is_zero():
        bound = max(min(bound.copy_abs(), _REAL_MOST), _REAL_LEAST).copy_sign(bound)
    return number(bound, kind)[0]


def between(writer: Writer, expr: Expr, low: Decimal | int | str, high: Decimal | int | str) -> str | None:
    """Return that a number lies outside low … high; None where it is a constant inside."""
    value = constant(expr)
    if value is not None:
        return None if Decimal(low) <= value <= Decimal(high) else ALWAYS
    kind = expr.type.kind
    return f"{writer.write(expr, OTHER)} not between {written(low, kind)} and {written(high, kind)}"


def most(expr: Expr) -> Decimal | None:
    """Return a bound on the size of a number whose own guard holds, or None."""
    if (value := constant(expr)) is not None:
        return value.copy_abs()
    if expr.type.kind in INTEGERS:
        return Decimal(1 << 63)
    match expr:
        case tree.Negate() | tree.Call(name="abs"):
            return most(next(expr.children()))
        case tree.Call(name="exp") if expr.type.kind is Kind.FLOAT8:
            return EXP_MOST
        case tree.Arithmetic(op="+" | "-"):
            sizes = (most(expr.left), most(expr.right))
            return sizes[0] + sizes[1] if sizes[0] is not None and sizes[1] is not None else None
        case tree.Arithmetic(op="*" | "/") if expr.type.kind is Kind.FLOAT8:
            return Decimal("1e300")
    return None


def at_least(expr: Expr) -> Decimal:
    """Return a positive lower bound of a number whose own guard holds, or 0 where none is known."""
    value = constant(expr)
    if value is not None:
        return max(value, Decimal(0))
    match expr:
        case tree.Call(name="exp") if expr.type.kind is Kind.FLOAT8:
            return 1 / EXP_MOST
        case tree.Arithmetic(op="+") if at_least(expr.left) and at_least(expr.right):
            return max(at_least(expr.left), at_least(expr.right))
    return Decimal(0)


def magnitude(writer: Writer, expr: Expr, largest: Decimal | str) -> str | None:
    """Return that a number is larger than `largest` in size; None where it cannot be."""
    value = constant(expr)
    if value is not None:
        return None if value.copy_abs() <= Decimal(largest) else ALWAYS
    size = most(expr)
    if size is not None and size <= Decimal(largest):
        return None
    if expr.type.kind in INTEGERS or ((limit := digits(expr)) is not None and Decimal(10) ** limit <= Decimal(largest)):
        return None
    return f"abs({writer.write(expr)}) > {written(largest, expr.type.kind)}"


def factor(writer: Writer, expr: Expr, smallest: str, largest: str) -> str | None:
    """Return that a factor is neither zero nor of a size smallest … largest; None where it cannot be."""
    value = constant(expr)
    if value is not None:
        fine = value.is_zero() or Decimal(smallest) <= value.copy_abs() <= Decimal(largest)
        return None if fine else ALWAYS
    kind = expr.type.kind
    reach = most(expr)
    if kind in INTEGERS or (reach is not None and reach <= Decimal(largest) and at_least(expr) >= Decimal(smallest)):
        return None
    text, zero = writer.write(expr, OTHER), written(0, kind)
    size = f"abs({writer.write(expr)}) not between {written(smallest, kind)} and {written(largest, kind)}"
    return f"{text} <> {zero} and {size}"


def largest_integer(expr: Expr) -> int | None:
    """Return a bound on the size of an integer that is tighter than bigint's, or None."""
    value = constant(expr)
    if value is not None:
        return abs(int(value))
    return 1 << (INTEGER_BITS[expr.type.kind] - 1) if expr.type.kind in (Kind.INT2, Kind.INT4) else None


def digits(expr: Expr) -> int | None:
    """Return how many digits a numeric has at most before the point, or None where it may have any number."""
    if expr.type.kind in INTEGERS:
        return 19
    if (value := constant(expr)) is not None:
        return max(value.adjusted() + 1, 0)
    if "(" in expr.type.sql and expr.type.kind is Kind.NUMERIC:
        precision, _, scale = expr.type.sql[expr.type.sql.index("(") + 1 : -1].partition(",")
        return max(int(precision) - int(scale or 0), 0)
    if isinstance(expr, tree.Arithmetic) and expr.op in "+-*":
        left, right = digits(expr.left), digits(expr.right)
        if left is None or right is None:
            return None
        return left + right if expr.op == "*" else max(left, right) + 1
    return None


def calendar(writer: Writer, expr: Expr) -> str | None:
    """Return that a date or timestamp lies outside the years 1 to 9999."""
    if is_constant(expr):
        return None
    kind = expr.type.kind
    zone = "+00" if kind is Kind.TIMESTAMPTZ else ""
    name = {Kind.DATE: "date", Kind.TIMESTAMP: "timestamp"}.get(kind, "timestamptz")
    clock = "" if kind is Kind.DATE else f" 00:00:00{zone}"
    low, high = f"{name} '0001-01-02{clock}'", f"{name} '9999-12-30{clock}'"
    return f"{writer.write(expr, OTHER)} not between {low} and {high}"


def length(writer: Writer, expr: Expr) -> str | None:
    """Return that an interval is longer than a thousand years."""
    if is_constant(expr):
        return None
    return f"{writer.write(expr, OTHER)} not between interval '-1000 years' and interval '1000 years'"


def least(writer: Writer, expr: Expr) -> str | None:
    """Return that an integer is the least of its type, which has no opposite."""
    low, _ = bounds(expr.type.kind)
    value = constant(expr)
    if value is not None:
        return ALWAYS if value == low else None
    return f"{writer.write(expr, OTHER)} = {written(low, expr.type.kind)}"


def any_of(*parts: str | None) -> str | None:
    """Return the OR of the conditions there are."""
    found = [part for part in parts if part is not None]
    return " or ".join(dict.fromkeys(found)) if found else None


def as_bigint(writer: Writer, expr: Expr) -> str:
    """Return an integer widened to bigint."""
    value = constant(expr)
    return number(value, Kind.INT8)[0] if value is not None else f"{writer.write(expr, CAST)}::bigint"
