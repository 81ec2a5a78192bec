"""Expressions of type numeric in DuckDB: how each node follows from its operands. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlguard.emit import duck_numeric as numeric
from mlguard.emit.duck_core import ZERO, NotLocal, duck_type
from mlguard.emit.duck_numeric import Exact, Num, Ratio, Rough
from mlguard.lang import tree
from mlguard.lang.tree import Expr, Literal
from mlguard.lang.types import FLOATS, INTEGERS, Kind, SqlType

if TYPE_CHECKING:
    from mlguard.emit.duck_expr import Writer

_INTEGER_DIGITS = {Kind.INT2: 5, Kind.INT4: 10, Kind.INT8: 19}
_NARROW = 18


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
                numeric.quotient(Exact(above, left.whole, left.scale), Exact(below, right.whole, right.scale), zero)
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
        return _no_ratio("round")
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
