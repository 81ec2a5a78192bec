"""What can make one node raise in PostgreSQL, as conditions on its operands; their order is for pg_guard to find.

A DOMAIN condition that is exact holds only where PostgreSQL would raise. An OVERFLOW condition is cheap and wide: it
may hold for a row that would be fine, never the other way round. NaN and infinity usually fall under it, because NaN
compares greater than any bound.
"""

from __future__ import annotations

from decimal import Decimal, localcontext

from mlguard.emit import pg_ranges as ranges
from mlguard.emit.pg_cast_danger import cast_conditions
from mlguard.emit.pg_expr import Writer
from mlguard.emit.pg_ranges import Condition, any_of, constant, overflow, written
from mlguard.lang import tree
from mlguard.lang.catalogue import FUNCTIONS
from mlguard.lang.convert import Danger
from mlguard.lang.literals import bounds
from mlguard.lang.precedence import CAST, OTHER
from mlguard.lang.tree import Expr, Literal
from mlguard.lang.types import FLOATS, INTEGERS, TIMES, Kind
from mlguard.lang.unify import is_null

_HALF_BIGINT = 1 << 62
_ROOT_BIGINT = 3_037_000_499  # the largest integer whose square is a bigint
_MOST_BIGINT = (1 << 63) - 1
_MOST_INTERVALS = 200  # a thousand years of microseconds times 200 is below 2 ** 63
# Sizes of float factors whose product or quotient neither overflows nor underflows, and of summands.
_FACTORS = {Kind.FLOAT8: ("1e-150", "1e150"), Kind.FLOAT4: ("1e-18", "1e18")}
_SUMMANDS = {Kind.FLOAT8: "8e307", Kind.FLOAT4: "1.5e38"}


def conditions(expr: Expr, writer: Writer) -> list[Condition]:
    """Return what makes the node itself raise, its operands having been evaluated."""
    if _is_untyped(expr):
        return overflow(ranges.ALWAYS)
    match expr:
        case tree.Arithmetic():
            return [*_zero_divisor(expr, writer), *overflow(_arithmetic(expr, writer))]
        case tree.Negate() if expr.type.kind in INTEGERS:
            return overflow(ranges.least(writer, expr.operand))
        case tree.Negate() if expr.type.kind is Kind.INTERVAL:
            return overflow(ranges.length(writer, expr.operand))
        case tree.Cast():
            return cast_conditions(expr, writer)
        case tree.AtTimeZone() if expr.operand.type.kind in TIMES:
            return overflow(ranges.calendar(writer, expr.operand))
        case tree.JsonGet() if expr.operand.type.kind is Kind.JSON:
            # Keys and values of a json are unescaped only now; \u0000 and broken surrogates raise.
            text = f"{writer.write(expr.operand, CAST)}::text"
            return [Condition(f"strpos({text}, E'\\\\u') > 0", Danger.DOMAIN)]
        case tree.Like() if not isinstance(expr.pattern, Literal):
            return [Condition(f"right({writer.write(expr.pattern)}, 1) = E'\\\\'", Danger.DOMAIN)]
        case tree.Call():
            return _call(expr, writer)
    return []


def _is_untyped(expr: Expr) -> bool:
    """Tell whether an undeclared column keeps us from knowing what the node does; then every row must be tried."""
    if isinstance(expr, tree.Call):
        fallible = FUNCTIONS[expr.name].danger is not Danger.NONE
    else:
        fallible = isinstance(expr, tree.Arithmetic | tree.Negate | tree.AtTimeZone)
    return fallible and any(child.type.kind is Kind.UNKNOWN and not is_null(child) for child in expr.children())


def _zero_divisor(expr: tree.Arithmetic, writer: Writer) -> list[Condition]:
    if expr.op not in "/%" or _never_zero(expr.right):
        return []
    return [Condition(_divides_by_zero(writer, expr.left, expr.right), Danger.DOMAIN, exact=True)]


def _never_zero(expr: Expr) -> bool:
    """Tell whether a divisor is a number other than zero, or `nullif(…, 0)`."""
    if constant(expr) is not None or ranges.at_least(expr):
        return True  # a literal zero does not pass the checker
    if not isinstance(expr, tree.Call) or expr.name != "nullif":
        return False
    value = constant(expr.args[1])
    return value is not None and value.is_zero()


def _divides_by_zero(writer: Writer, left: Expr, right: Expr) -> str:
    """Return that PostgreSQL divides by zero: not where the dividend is NULL, nor where it is NaN."""
    zero = f"{writer.write(right, OTHER)} = {written(0, right.type.kind)}"
    if constant(left) is not None:
        return zero
    if left.type.kind in FLOATS or left.type.kind is Kind.NUMERIC:
        return f"{zero} and {writer.write(left, OTHER)} <> 'NaN'::{left.type.kind.value}"
    return f"{zero} and {writer.write(left, OTHER)} is not null"


def _arithmetic(expr: tree.Arithmetic, writer: Writer) -> str | None:
    kind, left, right = expr.type.kind, expr.left, expr.right
    if left.type.kind in TIMES or right.type.kind in TIMES or Kind.INTERVAL in (kind, left.type.kind, right.type.kind):
        return _temporal(expr, writer)
    if kind in INTEGERS:
        return _integer(expr, writer)
    if kind is Kind.NUMERIC and expr.op != "%":
        return any_of(*(ranges.magnitude(writer, side, ranges.HUGE) for side in (left, right)))
    if kind in FLOATS and expr.op in "+-":
        return any_of(*(ranges.magnitude(writer, side, _SUMMANDS[kind]) for side in _as_wide(kind, left, right)))
    if kind in FLOATS:
        return any_of(*(ranges.factor(writer, side, *_FACTORS[kind]) for side in _as_wide(kind, left, right)))
    return None


def _as_wide(kind: Kind, *sides: Expr) -> list[Expr]:
    """Return the operands that can be as large as the result's type: a real cannot in double precision."""
    return [side for side in sides if kind is Kind.FLOAT4 or side.type.kind is not Kind.FLOAT4]


def _integer(expr: tree.Arithmetic, writer: Writer) -> str | None:
    kind, left, right = expr.type.kind, expr.left, expr.right
    if expr.op == "%":
        return None
    if expr.op == "/":
        divisor = constant(right)
        if divisor not in (None, -1) or constant(left) not in (None, bounds(kind)[0]):
            return None
        one = f"{writer.write(right, OTHER)} = {written(-1, right.type.kind)}"
        low = f"{writer.write(left, OTHER)} = {written(bounds(kind)[0], kind)}"
        return low if divisor is not None else f"{one} and {low}"
    if kind is not Kind.INT8:
        low_bound, high_bound = bounds(kind)
        wide = f"{ranges.as_bigint(writer, left)} {expr.op} {ranges.as_bigint(writer, right)}"
        return f"{wide} not between {written(low_bound, Kind.INT8)} and {written(high_bound, Kind.INT8)}"
    if expr.op in "+-":
        return any_of(*(_beyond(writer, side, _HALF_BIGINT - 1) for side in (left, right)))
    sizes = (ranges.largest_integer(left), ranges.largest_integer(right))
    limits = [_ROOT_BIGINT if other is None else _MOST_BIGINT // max(other, 1) for other in reversed(sizes)]
    return any_of(*(_beyond(writer, side, limit) for side, limit in zip((left, right), limits, strict=True)))


def _beyond(writer: Writer, side: Expr, limit: int) -> str | None:
    """Return that an integer is larger in size than `limit`."""
    size = ranges.largest_integer(side)
    if size is not None and size <= limit:
        return None
    return ranges.between(writer, side, -limit, limit)


def _temporal(expr: tree.Arithmetic, writer: Writer) -> str | None:
    parts: list[str | None] = []
    for side in (expr.left, expr.right):
        kind = side.type.kind
        if kind in TIMES:
            parts.append(ranges.calendar(writer, side))
        elif kind is Kind.INTERVAL:
            parts.append(ranges.length(writer, side))
        elif kind in INTEGERS and expr.type.kind is Kind.DATE:
            parts.append(_beyond(writer, side, 360_000))  # days: from year 1 back to year 4713 BC is 1.7 million
        elif kind in INTEGERS:
            parts.append(_beyond(writer, side, _MOST_INTERVALS) if expr.op == "*" else None)
        elif kind in FLOATS:
            low, high = ("0", str(_MOST_INTERVALS)) if expr.op == "*" else (str(1 / Decimal(_MOST_INTERVALS)), "3e38")
            parts.append(_sized(writer, side, low, high))
    return any_of(*parts)


def _sized(writer: Writer, side: Expr, low: str, high: str) -> str | None:
    value = constant(side)
    if value is not None:
        return None if Decimal(low) <= value.copy_abs() <= Decimal(high) else ranges.ALWAYS
    kind = side.type.kind
    return f"abs({writer.write(side)}) not between {written(low, kind)} and {written(high, kind)}"


def _call(expr: tree.Call, writer: Writer) -> list[Condition]:
    kind = expr.type.kind
    first = expr.args[0]
    text = writer.write(first, OTHER)
    match expr.name:
        case "sqrt":
            return _refused(first, f"{text} < {written(0, first.type.kind)}")
        case "ln":
            return _refused(first, f"{text} <= {written(0, first.type.kind)}")
        case "mod":
            right = expr.args[1]
            if _never_zero(right):
                return []
            return [Condition(_divides_by_zero(writer, first, right), Danger.DOMAIN, exact=True)]
        case "power":
            return _power(expr, writer)
        case "exp" if kind is Kind.NUMERIC:
            return overflow(ranges.magnitude(writer, first, "5000"))
        case "exp":
            return overflow(ranges.between(writer, first, -ranges.EXP_LIMIT, ranges.EXP_LIMIT))
        case "abs" if kind in INTEGERS:
            return overflow(ranges.least(writer, first))
        case "ceil" | "floor" | "round" if kind is Kind.NUMERIC:
            return overflow(ranges.magnitude(writer, first, ranges.HUGE))
        case "date_trunc" if expr.args[1].type.kind is Kind.INTERVAL:
            return overflow(ranges.length(writer, expr.args[1]))
        case "date_trunc" if expr.args[1].type.kind in TIMES:
            return overflow(ranges.calendar(writer, expr.args[1]))
        case "extract" if expr.args[1].type.kind is Kind.TIMESTAMPTZ:
            return overflow(ranges.calendar(writer, expr.args[1]))
    return []


def _refused(operand: Expr, bad: str) -> list[Condition]:
    value = constant(operand)
    return [] if value is not None and value > 0 else [Condition(bad, Danger.DOMAIN, exact=True)]


def _power(expr: tree.Call, writer: Writer) -> list[Condition]:
    base, exponent = expr.args
    base_text, exponent_text = writer.write(base, OTHER), writer.write(exponent, OTHER)
    fixed = constant(exponent)
    refused: list[str | None] = []
    if fixed is None or fixed < 0:
        refused.append(f"{base_text} = {written(0, base.type.kind)}" + _and_below_zero(exponent, exponent_text, fixed))
    if fixed is None and exponent.type.kind not in INTEGERS:
        whole = f"{exponent_text} <> floor({writer.write(exponent)})"
        refused.append(f"{base_text} < {written(0, base.type.kind)} and {whole}")
    elif fixed is not None and fixed != fixed.to_integral_value():
        refused.append(f"{base_text} < {written(0, base.type.kind)}")
    bad = any_of(*refused)
    found = [Condition(bad, Danger.DOMAIN, exact=True)] if bad else []
    return [*found, *overflow(_power_overflow(writer, base, exponent, fixed))]


def _and_below_zero(exponent: Expr, text: str, fixed: Decimal | None) -> str:
    return f" and {text} < {written(0, exponent.type.kind)}" if fixed is None else ""


def _power_overflow(writer: Writer, base: Expr, exponent: Expr, fixed: Decimal | None) -> str | None:
    """Return that base ** exponent may leave 1e-300 … 1e300."""
    if fixed is not None and fixed.is_zero():
        return None
    if fixed is None:
        size = ranges.between(writer, exponent, -100, 100)
        return any_of(size, _base_beyond(writer, base, Decimal(3)))
    with localcontext(prec=10):
        return _base_beyond(writer, base, Decimal(300) / fixed.copy_abs())


def _base_beyond(writer: Writer, base: Expr, magnitude: Decimal) -> str | None:
    """Return that a base is neither zero nor of a size 10^-magnitude … 10^magnitude."""
    with localcontext(prec=6):
        largest = Decimal(10) ** min(magnitude, Decimal(300))
        smallest = 1 / largest
    value = constant(base)
    if value is not None:
        return None if value.is_zero() or smallest <= value.copy_abs() <= largest else ranges.ALWAYS
    kind = base.type.kind
    if kind in INTEGERS:
        limit = int(min(largest, Decimal(bounds(kind)[1])))
        return None if limit == bounds(kind)[1] else ranges.between(writer, base, -limit, limit)
    return ranges.factor(writer, base, str(smallest), str(largest))
