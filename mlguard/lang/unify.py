"""Bringing operands to one type: literals take the other side's, numbers and dates are widened. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from mlguard.lang.convert import conversion, plain, promoted, wider
from mlguard.lang.fault import ExpressionError
from mlguard.lang.literals import in_range, read
from mlguard.lang.tree import Cast, Column, Expr, Literal, Metric
from mlguard.lang.types import FLOATS, INTEGERS, NUMBERS, UNKNOWN, Kind, SqlType

_TEXT = SqlType(Kind.TEXT)
_ORDERED = NUMBERS | {
    Kind.BOOL,
    Kind.TEXT,
    Kind.DATE,
    Kind.TIME,
    Kind.TIMESTAMP,
    Kind.TIMESTAMPTZ,
    Kind.INTERVAL,
    Kind.UUID,
    Kind.BYTEA,
    Kind.ENUM,
    Kind.UNKNOWN,
}
_UNJUDGED = {
    Kind.UNKNOWN,
    Kind.OTHER,
    Kind.ARRAY,
}  # domains and types of extensions, which may have operators of any kind
_DAYS = {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ}
_LONGEST_SHOWN = 60
_NEVER_TRUE = ("=", "<>", "<", "<=", ">", ">=", "BETWEEN", "IN")
_EQUALITY = ("=", "<>", "IN", "NULLIF", "IS DISTINCT FROM")


class Faults:
    """The text of an expression, and errors that point into it."""

    def __init__(self, source: str, ends: Mapping[int, int]) -> None:
        self.source = source
        self.ends = ends

    def fault(self, expr: Expr, message: str, help: str = "") -> ExpressionError:
        """Return an error at the node's token."""
        return ExpressionError(message, expr.pos, self.ends.get(expr.pos, expr.pos + 1), help)

    def shown(self, expr: Expr) -> str:
        """Return what to call a node in a message: its text, as far as it can be cut out of the expression."""
        if isinstance(expr, Metric):
            return expr.text
        places = [node.pos for node in expr.walk()]
        text = self.source[min(places) : max(self.ends.get(pos, pos + 1) for pos in places)]
        if isinstance(expr, Column | Literal):
            return text
        plain = len(text) <= _LONGEST_SHOWN and not set(text) & set("()\n") and "case" not in text.lower()
        return f"({text})" if plain else "(…)"


def is_bare(expr: Expr) -> bool:
    """Tell whether `expr` is a NULL or a string whose type the context decides."""
    return isinstance(expr, Literal) and expr.type.kind is Kind.UNKNOWN


def is_null(expr: Expr) -> bool:
    """Tell whether `expr` is NULL itself."""
    return isinstance(expr, Literal) and expr.value is None


def is_bare_text(expr: Expr) -> bool:
    """Tell whether `expr` is a string whose type the context decides."""
    return is_bare(expr) and isinstance(expr, Literal) and expr.value is not None


def settle(expr: Expr) -> Expr:
    """Return a bare string as text; anything else as it is."""
    return replace(expr, type=_TEXT) if is_bare_text(expr) else expr


def read_as(faults: Faults, expr: Expr, type: SqlType) -> Expr:
    """Return a literal as one of `type`."""
    if not isinstance(expr, Literal) or type.kind is Kind.UNKNOWN:
        return expr
    try:
        if isinstance(expr.value, str) and expr.type.kind is Kind.UNKNOWN:
            return replace(expr, type=type, value=read(expr.value, type))
        if isinstance(expr.value, Decimal):
            return replace(expr, type=type, value=in_range(expr.value, type))
    except ValueError as error:
        raise faults.fault(expr, f"{faults.shown(expr)} {error}") from None
    return replace(expr, type=type)


def comparable(faults: Faults, left: Expr, right: Expr, node: Expr, op: str) -> tuple[Expr, Expr]:
    """Return both sides of a comparison in types PostgreSQL compares without looking at the session."""
    if op in _NEVER_TRUE and (null := next((side for side in (left, right) if is_null(side)), None)) is not None:
        message = "NULL in a list matches nothing" if op == "IN" else f"`{op}` with NULL is never true"
        raise faults.fault(null, message, "write IS NULL or IS NOT NULL")
    if is_bare(left) and is_bare(right):
        left, right = settle(left), settle(right)
    elif is_bare(right):
        right = read_as(faults, right, plain(left.type))
    elif is_bare(left):
        left = read_as(faults, left, plain(right.type))
    _check_order(faults, left if left.type.kind is not Kind.UNKNOWN else right, node, op)
    kinds = {left.type.kind, right.type.kind}
    if Kind.UNKNOWN in kinds:
        return left, right
    if kinds <= NUMBERS:
        return _numbers(faults, left, right)
    if kinds == {Kind.DATE, Kind.TIMESTAMP} or (len(kinds) == 1 and _same_type(left.type, right.type)):
        return left, right
    raise _incomparable(faults, left, right, node, op)


def _same_type(left: SqlType, right: SqlType) -> bool:
    return left.kind is not Kind.ENUM or left.sql == right.sql


def equated(left: SqlType, right: SqlType) -> bool:
    """Say whether PostgreSQL has an equality between the two types as they stand in tables."""
    kinds = {left.kind, right.kind}
    if left.kind is right.kind:
        return left.kind is not Kind.JSON
    return bool(kinds & _UNJUDGED) or kinds <= NUMBERS or kinds <= _DAYS


def _check_order(faults: Faults, expr: Expr, node: Expr, op: str) -> None:
    kind = expr.type.kind
    if kind in _ORDERED or (kind is Kind.JSONB and op in _EQUALITY):
        return
    shown = faults.shown(expr)
    help = {
        Kind.JSON: f"write {shown} ->> 'key', or cast it to jsonb",
        Kind.JSONB: f"compare one value of it: ({shown} ->> 'key')::numeric",
        Kind.ARRAY: f"write array_length({shown}, 1), or {shown} IS NOT NULL",
    }.get(kind, f"only {shown} IS NOT NULL and num_nulls({shown}) are possible")
    raise faults.fault(node, f"{shown} is {expr.type}, which {op} cannot compare", help)


def _numbers(faults: Faults, left: Expr, right: Expr) -> tuple[Expr, Expr]:
    kind = promoted(left.type.kind, right.type.kind)
    if isinstance(right, Literal):
        right = number_as(faults, right, left.type if left.type.kind in INTEGERS else SqlType(kind))
    if isinstance(left, Literal):
        left = number_as(faults, left, right.type if right.type.kind in INTEGERS else SqlType(kind))
    return widened(left, kind), widened(right, kind)


def number_as(faults: Faults, literal: Literal, target: SqlType) -> Expr:
    """Return a number literal in the type it is compared or combined with, where the value stays what is written."""
    if literal.value is None or not isinstance(literal.value, Decimal):
        return literal
    if target.kind not in INTEGERS:
        return read_as(faults, literal, plain(target))
    if literal.type.kind in INTEGERS or literal.value == literal.value.to_integral_value():
        read_as(faults, literal, target)  # raises where the other side could never have that value
    return literal


def widened(expr: Expr, kind: Kind) -> Expr:
    """Make the conversion explicit that could raise: a numeric holds numbers no float does."""
    if expr.type.kind is Kind.NUMERIC and kind in FLOATS:
        return Cast(SqlType(kind), expr, pos=expr.pos)
    return expr


def in_reals(faults: Faults, operand: Expr, items: list[Expr]) -> list[Expr]:
    """Return the items of IN, numbers as reals where PostgreSQL takes them so.

    `r = 0.1` is false for a real of 0.1, because 0.1 is taken as double precision; `r IN (0.1, 0.2)` is true, because
    two constants or more are brought to one type with r (parse_expr.c, transformAExprIn).
    """
    constants = [item for item in items if not any(isinstance(node, Column) for node in item.walk())]
    kinds = {expr.type.kind for expr in (operand, *constants)}
    if operand.type.kind is not Kind.FLOAT4 or len(constants) < 2 or not kinds <= NUMBERS - {Kind.FLOAT8}:
        return items
    return [read_as(faults, item, operand.type) if isinstance(item, Literal) else item for item in items]


def common(faults: Faults, exprs: Sequence[Expr], node: Expr, what: str) -> tuple[SqlType, list[Expr]]:
    """Return the type of CASE, COALESCE, GREATEST and LEAST over `exprs`, and these in that type."""
    typed = [expr.type for expr in exprs if not is_bare(expr)]
    if not typed:
        text = any(is_bare_text(expr) for expr in exprs)
        return (_TEXT if text else UNKNOWN), [read_as(faults, expr, _TEXT) if text else expr for expr in exprs]
    result = typed[0]
    for type in typed[1:]:
        kinds = {result.kind, type.kind}
        if Kind.UNKNOWN in kinds:
            result = UNKNOWN
        elif kinds <= NUMBERS:
            result = SqlType(wider(result.kind, type.kind))
        elif kinds == {Kind.DATE, Kind.TIMESTAMP}:
            result = SqlType(Kind.TIMESTAMP)
        elif len(kinds) > 1 or (result.kind in (Kind.ENUM, Kind.ARRAY, Kind.OTHER) and result != type):
            odd = next(expr for expr in exprs if expr.type is type)
            known = conversion(type, result) is not None
            help = f"write {faults.shown(odd)}::{result}" if known else "cast one of them to the other's type"
            raise faults.fault(odd, f"{what} mixes {plain(result)} and {plain(type)}", help)
    result = plain(result)
    return result, [_into(faults, expr, result) for expr in exprs]


def _into(faults: Faults, expr: Expr, target: SqlType) -> Expr:
    if is_bare(expr):
        return read_as(faults, expr, target)
    if target.kind is Kind.TIMESTAMP and expr.type.kind is Kind.DATE:
        return Cast(target, expr, pos=expr.pos)
    if isinstance(expr, Literal) and target.kind in NUMBERS - INTEGERS:
        return number_as(faults, expr, target)
    return widened(expr, target.kind)


def _incomparable(faults: Faults, left: Expr, right: Expr, node: Expr, op: str) -> ExpressionError:
    kinds = (left.type.kind, right.type.kind)
    names = (faults.shown(left), faults.shown(right))
    help = ""
    if isinstance(left, Metric) and left.name == "staleness":
        help = "write staleness() <= INTERVAL '26 hours'"
    elif Kind.TIMESTAMPTZ in kinds and set(kinds) <= {Kind.TIMESTAMPTZ, Kind.TIMESTAMP, Kind.DATE}:
        other = names[0] if kinds[1] is Kind.TIMESTAMPTZ else names[1]
        cast = "" if Kind.TIMESTAMP in kinds else "::timestamp"
        help = f"say in which time zone it is meant: {other}{cast} AT TIME ZONE 'UTC'"
    elif Kind.BOOL in kinds and (isinstance(left, Literal) or isinstance(right, Literal)):
        flag = names[0] if kinds[0] is Kind.BOOL else names[1]
        help = f"write {flag}, NOT {flag}, or {flag} = true"
    elif kinds[0] is Kind.TEXT and isinstance(right, Literal) and op in _EQUALITY:
        help = f"write '{names[1]}' in quotes, or {names[0]}::{right.type}"
    elif kinds[1] is not Kind.TEXT and conversion(left.type, plain(right.type)) is not None:
        help = f"write {names[0]}::{plain(right.type)}"
    elif conversion(right.type, plain(left.type)) is not None:
        help = f"write {names[1]}::{plain(left.type)}"
    return faults.fault(node, f"`{op}` cannot compare {names[0]} ({left.type}) with {names[1]} ({right.type})", help)
