"""Comparisons in DuckDB: of what in which type, and evaluated in PostgreSQL's order. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlguard.emit import duck_decimal, duck_math, duck_numeric, duck_text, duck_times
from mlguard.emit.duck_core import NotLocal, duck_type
from mlguard.lang import tree
from mlguard.lang.tree import Expr
from mlguard.lang.types import INTEGERS, NUMBERS, Kind
from mlguard.lang.unify import is_null

if TYPE_CHECKING:
    from mlguard.emit.duck_expr import Writer


def sides(w: Writer, what: str, *operands: Expr) -> list[str]:
    """Return what is compared, in types in which DuckDB compares as PostgreSQL does."""
    kinds = {operand.type.kind for operand in operands if not is_null(operand)}
    if kinds <= NUMBERS and kinds:
        if Kind.FLOAT8 in kinds or (Kind.FLOAT4 in kinds and len(kinds) > 1):
            return [w.atom(duck_math.as_float(w, operand, Kind.FLOAT8)) for operand in operands]
        if Kind.NUMERIC in kinds:
            return duck_numeric.compared([duck_decimal.number(w, operand) for operand in operands], what)
    if kinds == {Kind.DATE, Kind.TIMESTAMP}:
        return [duck_times.as_timestamp(w, operand) for operand in operands]
    if Kind.JSONB in kinds or Kind.JSON in kinds:
        raise NotLocal(what, "of jsonb: write (payload ->> 'key') for what is compared")
    return [w.atom(w.write(operand)) for operand in operands]


def _ordered(w: Writer, what: str, *operands: Expr) -> list[str]:
    if any(operand.type.kind is Kind.ENUM for operand in operands):
        raise NotLocal(what, "of an enum: a file does not hold the order of its labels")
    return sides(w, what, *operands)


def compare(w: Writer, expr: tree.Compare) -> str:
    """Return `= <> < <= > >=`."""
    operands = (expr.left, expr.right)
    if expr.op not in ("=", "<>"):
        texts = _ordered(w, expr.op, *operands)
    elif Kind.JSONB in (expr.left.type.kind, expr.right.type.kind):
        return duck_text.compare(w, expr.left, expr.right, expr.op)
    else:
        texts = sides(w, expr.op, *operands)
    return w.strict(operands, texts, lambda a, b: f"({a} {expr.op} {b})")


def distinct(w: Writer, expr: tree.Distinct) -> str:
    """Return IS [NOT] DISTINCT FROM."""
    word = "is not distinct from" if expr.negated else "is distinct from"
    operands = (expr.left, expr.right)
    return w.strict(operands, sides(w, "IS DISTINCT FROM", *operands), lambda a, b: f"({a} {word} {b})")


def between(w: Writer, expr: tree.Between) -> str:
    """Return [NOT] BETWEEN; PostgreSQL compares with the upper end only where the lower leaves the result open."""
    operand, low, high = _ordered(w, "BETWEEN", expr.operand, expr.low, expr.high)
    if not w.can_fail(expr.low, expr.high):
        return f"({operand} {'not ' * expr.negated}between {low} and {high})"
    below, above = ("<", ">") if expr.negated else (">=", "<=")

    def both(x: str) -> str:
        first = w.strict((expr.operand, expr.low), (x, low), lambda a, b: f"({a} {below} {b})")
        second = w.strict((expr.operand, expr.high), (x, high), lambda a, b: f"({a} {above} {b})")
        return w.in_turn("or" if expr.negated else "and", first, second)

    return w.let((operand,), both)


def in_list(w: Writer, expr: tree.InList) -> str:
    """Return [NOT] IN a list."""
    if expr.operand.type.kind is Kind.JSONB:
        tests = [duck_text.compare(w, expr.operand, item, "=") for item in expr.items]
        return f"({'not ' * expr.negated}({' or '.join(tests)}))"
    if not w.can_fail(*expr.items):
        operand, *items = sides(w, "IN", expr.operand, *expr.items)
        return f"({operand} {'not ' * expr.negated}in ({', '.join(items)}))"
    # Constants first, together; then one after the other until one is equal (parse_expr.c, transformAExprIn).
    constants = [item for item in expr.items if not any(isinstance(node, tree.Column) for node in item.walk())]
    first = constants if len(constants) > 1 else []
    later = [item for item in expr.items if item not in first]
    operand, *items = sides(w, "IN", expr.operand, *first, *later)

    def each(x: str) -> str:
        found = f"({x} in ({', '.join(items[: len(first)])}))" if first else ""
        for item, text in zip(later, items[len(first) :], strict=True):
            test = w.strict((expr.operand, item), (x, text), lambda a, b: f"({a} = {b})")
            found = w.in_turn("or", found, test) if found else test
        return found

    found = w.let((operand,), each)
    return f"(not {found})" if expr.negated else found


def nullif(w: Writer, expr: tree.Call) -> str:
    """Return NULLIF; the result has the type of the node, which may be wider than the first argument's."""
    left, right = sides(w, "NULLIF", *expr.args)
    kinds = {arg.type.kind for arg in expr.args}
    if kinds <= INTEGERS or expr.type.kind not in NUMBERS:
        first = w.atom(w.typed(expr.args[0]))
        return w.let((first, right), lambda a, b: f"case when {a} = {b} then null else {a} end")
    return w.strict(expr.args, (left, right), lambda a, b: f"nullif({a}, {b})::{duck_type(expr.type)}")
