"""Integers and floats in DuckDB: arithmetic, functions and casts, with PostgreSQL's limits. Pure.

Integers overflow with an error in both engines. In double precision DuckDB yields infinity, zero or NaN where
PostgreSQL raises (float.h, float8_mul and its like; float.c, dexp and its like): that is looked for in the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlguard.emit import duck_numeric as numeric
from mlguard.emit.duck_core import RANGE, ZERO, NotLocal, duck_type
from mlguard.emit.duck_decimal import number
from mlguard.emit.duck_numeric import Exact, Ratio
from mlguard.lang import tree
from mlguard.lang.tree import Expr, Literal
from mlguard.lang.types import FLOATS, INTEGERS, NUMBERS, Kind, SqlType

if TYPE_CHECKING:
    from mlguard.emit.duck_expr import Writer


def arithmetic(w: Writer, expr: tree.Arithmetic) -> str:
    """Return `left op right` of integers or floats."""
    kind = expr.type.kind
    if kind in INTEGERS:
        w.fails += 1
        left, right = (f"{w.typed(side)}" for side in (expr.left, expr.right))
        if expr.op == "%":
            return _modulo(w, left, right)
        op = "//" if expr.op == "/" else expr.op
        return w.strict((expr.left, expr.right), (w.atom(left), w.atom(right)), lambda a, b: f"({a} {op} {b})")
    left, right = as_float(w, expr.left, kind), as_float(w, expr.right, kind)
    return _float(w, expr, left, right)


def _modulo(w: Writer, left: str, right: str) -> str:
    """Return the remainder; by -1 it is 0 even where the quotient overflows (int.c, int4mod)."""
    w.fails += 1
    return w.let((left, right), lambda a, b: f"case when {b} = -1 and {a} is not null then 0 else {a} % {b} end")


def _bounded(expr: Expr, kind: Kind) -> bool:
    """Tell whether a summand is so small that no sum of two of its kind overflows."""
    small = expr.type.kind in INTEGERS or (expr.type.kind is Kind.FLOAT4 and kind is Kind.FLOAT8)
    return small or (isinstance(expr, Literal) and not isinstance(expr.value, str))


def _float(w: Writer, expr: tree.Arithmetic, left: str, right: str) -> str:
    kind, op = expr.type.kind, expr.op
    if op in "+-":
        if _bounded(expr.left, kind) and _bounded(expr.right, kind):
            sides = (w.atom(left), w.atom(right))
            return w.strict((expr.left, expr.right), sides, lambda a, b: f"({a} {op} {b})")
        bad = "isinf({r}) and not isinf({a}) and not isinf({b})"
    elif op == "*":
        bad = "(isinf({r}) and not isinf({a}) and not isinf({b})) or ({r} = 0 and {a} <> 0 and {b} <> 0)"
    else:
        bad = "(isinf({r}) and not isinf({a})) or ({r} = 0 and {a} <> 0 and not isinf({b}))"
    w.fails += 1
    out, zero = w.failing(RANGE, expr.type), w.failing(ZERO, expr.type)

    def body(a: str, b: str) -> str:
        result = f"({a} {op} {b})"
        divided = f" when {b} = 0 and not isnan({a}) then {zero}" if op == "/" else ""
        return f"case{divided} when {bad.format(r=result, a=a, b=b)} then {out} else {result} end"

    return w.let((left, right), body)


def as_float(w: Writer, expr: Expr, kind: Kind) -> str:
    """Return a number as real or double precision."""
    name = "float" if kind is Kind.FLOAT4 else "double"
    if isinstance(expr, Literal):
        return w.write(Literal(SqlType(kind), expr.value, pos=expr.pos))
    if expr.type.kind is Kind.NUMERIC:
        text = numeric.doubled(number(w, expr))
        return text if kind is Kind.FLOAT8 else f"({text})::float"
    if expr.type.kind is kind:
        return w.write(expr)
    return f"{w.atom(w.write(expr))}::{name}"


def negate(w: Writer, expr: tree.Negate) -> str:
    """Return `- operand` of an integer or float."""
    w.fails += expr.type.kind in INTEGERS
    return f"(-{w.atom(w.typed(expr.operand))})"


def call(w: Writer, expr: tree.Call) -> str | None:
    """Return a function of integers and floats, or None where it is another's."""
    if expr.type.kind not in NUMBERS or expr.type.kind is Kind.NUMERIC:
        return None
    first = expr.args[0]
    kind = expr.type.kind
    match expr.name:
        case "abs":
            w.fails += kind in INTEGERS
            return f"abs({w.typed(first)})"
        case "mod":
            return _modulo(w, *(w.typed(arg) for arg in expr.args))
        case "ceil" | "floor":
            return f"{expr.name}({as_float(w, first, kind)})"
        case "round":
            return f"round_even({as_float(w, first, kind)}, 0)"
        case "sign":
            return f"sign({as_float(w, first, kind)})::double"
        case "sqrt" | "ln" | "exp":
            return _domain(w, expr.name, as_float(w, first, kind))
        case "power":
            return _power(w, *(as_float(w, arg, kind) for arg in expr.args))
    return None


def _domain(w: Writer, name: str, operand: str) -> str:
    w.fails += 1
    out = w.failing(RANGE, SqlType(Kind.FLOAT8))
    bad = {
        "sqrt": "{x} < 0",
        "ln": "{x} <= 0",
        "exp": "isfinite({x}) and (isinf(exp({x})) or exp({x}) = 0)",
    }[name]
    return w.let((operand,), lambda x: f"case when {bad.format(x=x)} then {out} else {name}({x}) end")


def _power(w: Writer, base: str, exponent: str) -> str:
    """Return base ** exponent (float.c, dpow)."""
    w.fails += 1
    out = w.failing(RANGE, SqlType(Kind.FLOAT8))

    def body(a: str, b: str) -> str:
        result = f"power({a}, {b})"
        refused = f"({a} = 0 and {b} < 0) or ({a} < 0 and {b} <> floor({b}) and not isnan({b}))"
        finite = f"isfinite({a}) and isfinite({b})"
        left = f"{finite} and (isinf({result}) or ({result} = 0 and {a} <> 0))"
        return f"case when {refused} or ({left}) then {out} else {result} end"

    return w.let((base, exponent), body)


def cast(w: Writer, expr: tree.Cast) -> str:
    """Return a cast between numbers to an integer or float."""
    source, target = expr.operand.type.kind, expr.type.kind
    name = duck_type(expr.type)
    if target in FLOATS:
        return _cast_to_float(w, expr)
    w.fails += 1
    if source is Kind.NUMERIC:
        inner = number(w, expr.operand)
        if isinstance(inner, Ratio):
            raise NotLocal("::integer", "a quotient of numerics is rounded to a scale that depends on its values")
        text = inner.text if isinstance(inner, Exact) else f"round({inner.text})"
        return f"cast({text} as {name})"
    return f"cast({w.typed(expr.operand)} as {name})"  # of floats: halves to even


def _cast_to_float(w: Writer, expr: tree.Cast) -> str:
    source, target = expr.operand.type.kind, expr.type.kind
    wide = as_float(w, expr.operand, Kind.FLOAT8 if source is Kind.NUMERIC else target)
    if target is Kind.FLOAT8:
        return wide
    if source is Kind.FLOAT8:
        wide = w.write(expr.operand)
    elif source is not Kind.NUMERIC:
        return wide
    w.fails += 1
    out = w.failing(RANGE, expr.type)
    return w.let((wide,), lambda x: f"case when {x} <> 0 and {x}::float = 0 then {out} else {x}::float end")
