"""Numbers in DuckDB: arithmetic, functions and casts between number types, with PostgreSQL's limits. Pure.

Integers overflow with an error in both engines. In double precision DuckDB yields infinity, zero or NaN where
PostgreSQL raises (float.h, float8_mul and its like; float.c, dexp and its like): that is looked for in the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlguard.emit import duck_numeric as numeric
from mlguard.emit.duck_core import NotLocal, duck_type
from mlguard.emit.duck_numeric import Exact, Num, Ratio, Rough
from mlguard.lang import tree
from mlguard.lang.literals import INTEGER_BITS
from mlguard.lang.tree import Expr, Literal
from mlguard.lang.types import FLOATS, INTEGERS, NUMBERS, Kind, SqlType

if TYPE_CHECKING:
    from mlguard.emit.duck_expr import Writer

_INTEGER_DIGITS = {Kind.INT2: 5, Kind.INT4: 10, Kind.INT8: 19}
_NARROW = 18
RANGE = "value out of range"
ZERO = "division by zero"


def number(w: Writer, expr: Expr) -> Num:
    """Return a number as numeric: an integer, or an expression of type numeric."""
    kind = expr.type.kind
    if isinstance(expr, Literal):
        return _literal(expr)
    if kind in INTEGERS:
        digits = _INTEGER_DIGITS[kind]
        return Exact(f"cast({w.write(expr)} as decimal({digits},0))", digits, 0, shown=True)
    match expr:
        case tree.Column():
            return _column(w, expr)
        case tree.Arithmetic():
            return _arithmetic(w, expr)
        case tree.Negate():
            inner = number(w, expr.operand)
            return _renamed(inner, f"(-{w.atom(inner.text)})") if not isinstance(inner, Ratio) else _no_ratio("-")
        case tree.Case():
            return _case(w, expr)
        case tree.Cast():
            return _cast_to_numeric(w, expr)
        case tree.Call():
            return _call(w, expr)
    raise NotLocal(type(expr).__name__, "of numeric")


def _no_ratio(what: str) -> Num:
    raise NotLocal(what, "a quotient of numerics is rounded to a scale that depends on its values")


def _renamed(value: Num, text: str) -> Num:
    return Exact(text, value.whole, value.scale, value.shown) if isinstance(value, Exact) else Rough(text)


def _literal(expr: Literal) -> Num:
    value = expr.value
    if value is None:
        return Exact("null::decimal(1,0)", 1, 0)
    if isinstance(value, str):  # NaN and the infinities
        return Rough(f"'{value}'::double")
    assert not isinstance(value, bool)
    return numeric.constant(value)


def _column(w: Writer, expr: tree.Column) -> Num:
    held = duck_type(expr.type)
    text = w.write(expr)
    if held == "double":
        return Rough(text)
    width, scale = (int(part) for part in held[len("decimal(") : -1].split(","))
    return Exact(text, width - scale, scale, shown=True)


def _arithmetic(w: Writer, expr: tree.Arithmetic) -> Num:
    left, right = number(w, expr.left), number(w, expr.right)
    op = expr.op
    if not isinstance(left, Exact) or not isinstance(right, Exact):
        raise NotLocal(op, "arithmetic on numerics without precision, or on a quotient of numerics")
    shown = left.shown and right.shown
    if op == "*":
        made = numeric.exact("", left.whole + right.whole, left.scale + right.scale, op, shown=shown)
        # Two decimals of up to 18 digits DuckDB multiplies in 18 digits, whatever the product needs.
        narrow = max(left.digits, right.digits) <= _NARROW < made.digits
        above = f"cast({left.text} as decimal({_NARROW + 1},{left.scale}))" if narrow else left.text
        text = _both(w, expr, above, right.text, made.type)
        return Exact(text, made.whole, made.scale, shown)
    if op == "/":
        w.fails += 1
        zero = w.failing(ZERO, SqlType(Kind.FLOAT8))
        made_ratio: list[Ratio] = []

        def divided(above: str, below: str) -> str:
            made_ratio.append(
                numeric.quotient(
                    Exact(above, left.whole, left.scale), Exact(below, right.whole, right.scale), zero
                )
            )
            return made_ratio[0].text

        text = w.let((left.text, right.text), divided)
        return Ratio(text, left, Exact(right.text, right.digits + max(left.scale - right.scale, 0), 0))
    scale = max(left.scale, right.scale)
    whole = max(left.whole, right.whole)
    if op == "%":
        numeric.exact("", whole, scale, op)
        held = f"decimal({max(whole + scale, 1)},{scale})"
        above, below = (numeric.to(side, whole, scale) for side in (left, right))
        return Exact(_remainder(w, above, below, held), whole, scale)
    made = numeric.exact("", whole + 1, scale, op, shown=shown)
    sides = [numeric.to(side, made.whole, made.scale) for side in (left, right)]
    return Exact(_both(w, expr, sides[0], sides[1], made.type), made.whole, made.scale, shown)


def _both(w: Writer, expr: tree.Arithmetic, left: str, right: str, held: str) -> str:
    sides = (w.atom(left), w.atom(right))
    return w.strict((expr.left, expr.right), sides, lambda a, b: f"cast({a} {expr.op} {b} as {held})")


def _remainder(w: Writer, left: str, right: str, held: str) -> str:
    w.fails += 1
    zero = w.failing_as(ZERO, held)
    return w.let(
        (left, right),
        lambda a, b: f"case when {b} = 0 and {a} is not null then {zero} else cast({a} % {b} as {held}) end",
    )


def _case(w: Writer, expr: tree.Case) -> Num:
    results = [number(w, result) for _, result in expr.branches]
    if expr.otherwise is not None:
        results.append(number(w, expr.otherwise))
    texts, like = numeric.aligned(results, "CASE")
    arms = "".join(
        f" when {w.write(condition)} then {text}"
        for (condition, _), text in zip(expr.branches, texts[: len(expr.branches)], strict=True)
    )
    otherwise = f" else {texts[-1]}" if expr.otherwise is not None else ""
    return _renamed(like, f"case{arms}{otherwise} end")


def _call(w: Writer, expr: tree.Call) -> Num:
    first = expr.args[0]
    match expr.name:
        case "coalesce" | "greatest" | "least":
            texts, like = numeric.aligned([number(w, arg) for arg in expr.args], expr.name)
            return _renamed(like, f"{expr.name}({', '.join(texts)})")
        case "nullif":
            texts, like = numeric.aligned([number(w, arg) for arg in expr.args], expr.name)
            return _renamed(like, w.strict(expr.args, texts, lambda a, b: f"nullif({a}, {b})"))
        case "abs":
            inner = number(w, first)
            return _renamed(inner, f"abs({inner.text})") if not isinstance(inner, Ratio) else _no_ratio("abs")
        case "sign":
            return _sign(w, number(w, first))
        case "ceil" | "floor":
            return _to_whole(w, expr.name, number(w, first))
        case "round":
            return _round(w, expr)
        case "mod":
            return _arithmetic(w, tree.Arithmetic(expr.type, "%", expr.args[0], expr.args[1]))
        case "extract":
            return w.extract(expr)
    raise NotLocal(expr.name, "of numeric: its result is rounded to a scale that depends on its values")


def _sign(w: Writer, inner: Num) -> Num:
    if isinstance(inner, Exact):
        return Exact(f"cast(sign({inner.text}) as decimal(1,0))", 1, 0, shown=True)
    text = w.let((inner.text,), lambda x: f"case when isnan({x}) then {x} else sign({x})::double end")
    return Rough(text)


def _to_whole(w: Writer, name: str, inner: Num) -> Num:
    if isinstance(inner, Exact):
        if inner.scale == 0:
            return inner
        made = numeric.exact("", inner.whole + 1, 0, name, shown=True)
        return Exact(f"cast({name}({inner.text}) as {made.type})", made.whole, 0, shown=True)
    return Rough(f"{name}({inner.text})") if isinstance(inner, Rough) else _no_ratio(name)


def _round(w: Writer, expr: tree.Call) -> Num:
    inner = number(w, expr.args[0])
    places = 0
    if len(expr.args) == 2:
        said = expr.args[1]
        if not isinstance(said, Literal) or said.value is None:
            raise NotLocal("round", "the digits come from a column")
        places = int(said.value)
    if isinstance(inner, Ratio):
        return _round_ratio(w, inner, places)
    if isinstance(inner, Rough):
        if places:
            raise NotLocal("round", "digits of a numeric without precision")
        return Rough(f"round({inner.text})")  # away from zero, as PostgreSQL's numeric
    if places >= inner.scale:
        made = numeric.exact("", inner.whole, places, "round", shown=True)
        return Exact(numeric.to(inner, made.whole, made.scale), made.whole, made.scale, shown=True)
    if places >= 0:
        made = numeric.exact("", inner.whole + 1, places, "round", shown=True)
        return Exact(f"cast({inner.text} as {made.type})", made.whole, made.scale, shown=True)
    return _round_tens(inner, -places)


def _round_tens(inner: Exact, tens: int) -> Num:
    """Round to tens, hundreds, …: the number is brought to one digit after the point there, and back."""
    if tens > inner.whole:
        return Exact(f"{inner.text} * 0::decimal(1,0)", inner.whole, inner.scale)
    power = "1" + "0" * tens
    small = f"0.{'0' * (tens - 1)}1::decimal({tens + 1},{tens})"
    numeric.exact("", inner.whole + 2, inner.scale + tens, "round")
    kept = f"cast({inner.text} * {small} as decimal({inner.whole + 1},0))"
    return Exact(
        f"cast({kept} * {power}::decimal({tens + 1},0) as decimal({inner.whole + 1 + tens},0))",
        inner.whole + 1 + tens,
        0,
        shown=True,
    )


def _round_ratio(w: Writer, ratio: Ratio, places: int) -> Num:
    """Round a quotient by integers: (2 N + B) // (2 B), away from zero."""
    above, below = ratio.above, ratio.below
    raise NotLocal("round", f"a quotient of numerics ({above.digits} by {below.digits} digits)")


def _cast_to_numeric(w: Writer, expr: tree.Cast) -> Num:
    source, target = expr.operand.type.kind, expr.type
    if source is Kind.TEXT or source is Kind.JSONB:
        return w.read_numeric(expr)
    held = duck_type(target)
    bounded = held != "double"
    if not bounded and "(" in target.sql:
        raise NotLocal(str(target), "no decimal of DuckDB has that precision")
    if source in FLOATS:
        digits = 15 if source is Kind.FLOAT8 else 6  # DBL_DIG, FLT_DIG: numeric.c, float8_numeric
        text = w.write(expr.operand)
        if not bounded:
            return Rough(f"printf('%.{digits}g', {text}::double)::double")
        w.fails += 1
        spelled = f"printf('%.{digits}g', {text}::double)"
        w.doubt(f"isnan({text})", f"NaN as {target}")
        return _as_decimal(f"cast({spelled} as {held})", held)
    inner = number(w, expr.operand)
    if not bounded:
        return inner
    if isinstance(inner, Ratio):
        return _no_ratio(f"::{target}")
    if isinstance(inner, Rough):
        w.doubt(f"isnan({inner.text})", f"NaN as {target}")
    w.fails += 1
    text = inner.text if isinstance(inner, Exact) else f"{inner.text}::varchar"
    return _as_decimal(f"cast({text} as {held})", held)


def _as_decimal(text: str, held: str) -> Exact:
    width, scale = (int(part) for part in held[len("decimal(") : -1].split(","))
    return Exact(text, width - scale, scale, shown=True)


# Integers and floats


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
            inner = _round_ratio(w, inner, 0)
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
    return w.let(
        (wide,), lambda x: f"case when {x} <> 0 and {x}::float = 0 then {out} else {x}::float end"
    )


def width_of(kind: Kind) -> int:
    """Return the bits of an integer type."""
    return INTEGER_BITS[kind]
