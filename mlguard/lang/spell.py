"""Typed tree → the text of the language itself: one spelling for all ways to write the same. Pure.

Messages, and the names of states and metrics, are made of it. It reads back as the same tree.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from mlguard.lang import tree
from mlguard.lang.convert import promoted, wider
from mlguard.lang.literals import natural_number
from mlguard.lang.precedence import (
    ADD,
    AND,
    AT,
    ATOM,
    BINARY,
    CAST,
    COMPARE,
    IS,
    MATCH,
    NOT,
    OR,
    OTHER,
    SIGN,
)
from mlguard.lang.tree import Expr
from mlguard.lang.types import INTEGERS, NUMBERS, Kind
from mlguard.lang.words import RESERVED
from mlguard.names import quote_ident

_PREFIXED = {
    Kind.DATE: "DATE",
    Kind.TIME: "TIME",
    Kind.TIMESTAMP: "TIMESTAMP",
    Kind.TIMESTAMPTZ: "TIMESTAMPTZ",
    Kind.INTERVAL: "INTERVAL",
    Kind.UUID: "UUID",
    Kind.JSON: "JSON",
    Kind.JSONB: "JSONB",
}


def spelled_name(name: str) -> str:
    """Return a column as an expression spells it: bare where that is the same, else quoted."""
    plain = name.isascii() and name.isidentifier() and name == name.lower()
    return name if plain and name not in RESERVED else quote_ident(name)


def spelled(expr: Expr, *beside: Expr) -> str:
    """Return the expression's one spelling; a constant's as it stands `beside` what decides its type."""
    return _write(expr, OR, *beside)


def _write(expr: Expr, level: int, *beside: Expr, rule: Callable[[Kind, Kind], Kind] = promoted) -> str:
    """Return `expr`, in parentheses where it binds more loosely than `level`.

    A constant takes the type of what stands `beside` it by that `rule`; where it has another, that is written.
    """
    text, own = _literal(expr, beside, rule) if isinstance(expr, tree.Literal) else _node(expr)
    return text if own >= level else f"({text})"


def _node(expr: Expr) -> tuple[str, int]:  # one case per node
    match expr:
        case tree.Column():
            return spelled_name(expr.name), ATOM
        case tree.Literal():
            return _literal(expr, (), promoted)
        case tree.Metric():
            return expr.text or f"{expr.name}({', '.join(map(_of_metric, expr.args))})", ATOM
        case tree.Not():
            return f"NOT {_write(expr.operand, ATOM)}", NOT
        case tree.Logical():
            own = AND if expr.op == "and" else OR
            return f" {expr.op.upper()} ".join(_write(operand, own + 1) for operand in expr.operands), own
        case tree.Compare():
            left, right = _write(expr.left, OTHER, expr.right), _write(expr.right, OTHER, expr.left)
            return f"{left} {expr.op} {right}", COMPARE
        case tree.Distinct():
            word = "IS NOT DISTINCT FROM" if expr.negated else "IS DISTINCT FROM"
            left, right = _write(expr.left, OTHER, expr.right), _write(expr.right, OTHER, expr.left)
            return f"{left} {word} {right}", IS
        case tree.Is():
            return f"{_write(expr.operand, OTHER)} IS {'NOT ' * expr.negated}{expr.what.upper()}", IS
        case tree.Between():
            ends = f"{_write(expr.low, ADD, expr.operand)} AND {_write(expr.high, ADD, expr.operand)}"
            operand = _write(expr.operand, OTHER, expr.low, expr.high)
            return f"{operand} {'NOT ' * expr.negated}BETWEEN {ends}", MATCH
        case tree.InList():
            items = ", ".join(_write(item, OR, expr.operand) for item in expr.items)
            return f"{_write(expr.operand, OTHER, *expr.items)} {'NOT ' * expr.negated}IN ({items})", MATCH
        case tree.InTable():
            source = f"{quote_ident(expr.schema)}.{quote_ident(expr.table)}"
            member = f"(SELECT {quote_ident(expr.column)} FROM {source})"
            return f"{_write(expr.operand, OTHER)} {'NOT ' * expr.negated}IN {member}", MATCH
        case tree.Like():
            word = f"{'NOT ' * expr.negated}{'ILIKE' if expr.insensitive else 'LIKE'}"
            return f"{_write(expr.operand, OTHER)} {word} {_write(expr.pattern, OTHER)}", MATCH
        case tree.Case():
            last = (expr.otherwise,) if expr.otherwise is not None else ()
            results = (*(then for _, then in expr.branches), *last)
            arms = "".join(
                f" WHEN {spelled(when)} THEN {_write(then, OR, *results, rule=wider)}" for when, then in expr.branches
            )
            otherwise = "".join(f" ELSE {_write(then, OR, *results, rule=wider)}" for then in last)
            return f"CASE{arms}{otherwise} END", ATOM
        case tree.Call():
            return _call(expr), ATOM
    return _operation(expr)


def _operation(expr: Expr) -> tuple[str, int]:
    match expr:
        case tree.Arithmetic():
            own = BINARY[expr.op]
            left, right = _write(expr.left, own, expr.right), _write(expr.right, own + 1, expr.left)
            return f"{left} {expr.op} {right}", own
        case tree.Negate():
            return f"-{_write(expr.operand, CAST)}", SIGN
        case tree.Concat():
            return f"{_write(expr.left, ADD)} || {_write(expr.right, ADD)}", OTHER
        case tree.Regex():
            operator = f"{'!' * expr.negated}~{'*' * expr.insensitive}"
            return f"{_write(expr.operand, ADD)} {operator} {_write(expr.pattern, ADD)}", OTHER
        case tree.JsonGet():
            # The path of #>> is typed as an array, which has no literal of its own.
            path = f"'{expr.path.value}'" if expr.op == "#>>" and isinstance(expr.path, tree.Literal) else None
            return f"{_write(expr.operand, ADD)} {expr.op} {path or _write(expr.path, ADD)}", OTHER
        case tree.Cast():
            return f"{_write(expr.operand, CAST)}::{expr.type}", CAST
        case tree.AtTimeZone():
            return f"{_write(expr.operand, AT)} AT TIME ZONE {_quoted(expr.zone)}", AT
    raise TypeError(type(expr))


def _literal(expr: tree.Literal, beside: tuple[Expr, ...], rule: Callable[[Kind, Kind], Kind]) -> tuple[str, int]:
    value, kind = expr.value, expr.type.kind
    if value is None:
        return ("NULL", ATOM) if kind is Kind.UNKNOWN or beside else (f"NULL::{expr.type}", CAST)
    if isinstance(value, bool):
        return str(value).lower(), ATOM
    kinds = [side.type.kind for side in beside if _decides(side)]
    if isinstance(value, str):
        prefix = _PREFIXED.get(kind)
        cast = f"::{kind.value}" if kind in NUMBERS | {Kind.BYTEA} and kind not in kinds else ""
        return (f"{prefix} {_quoted(value)}" if prefix else _quoted(value) + cast), CAST if cast else ATOM
    text = f"{value:f}"
    natural = natural_number(text)[0]
    taken = {rule(side, natural) for side in kinds if side in NUMBERS} - INTEGERS
    if kind is natural or kind is Kind.UNKNOWN or kind in taken:
        return text, SIGN if text.startswith("-") else ATOM
    return f"({text})::{kind.value}" if text.startswith("-") else f"{text}::{kind.value}", CAST


def _decides(expr: Expr) -> bool:
    """Tell whether the type of `expr` is its own, whatever stands beside it."""
    if not isinstance(expr, tree.Literal):
        return True
    return isinstance(expr.value, Decimal) and expr.type.kind is natural_number(f"{expr.value:f}")[0]


def _call(expr: tree.Call) -> str:
    if expr.name == "extract" and isinstance(expr.args[0], tree.Literal):
        return f"extract({expr.args[0].value} FROM {spelled(expr.args[1])})"
    return _called(expr.name, expr.args)


def _of_metric(arg: Expr) -> str:
    """Return an argument of a metric, whose constants are plain numbers and lengths whatever stands beside them."""
    if isinstance(arg, tree.Literal) and isinstance(arg.value, Decimal):
        return f"{arg.value:f}"
    return spelled(arg)


def _called(name: str, args: tuple[Expr, ...]) -> str:
    rule = promoted if name == "nullif" else wider
    return f"{name}({', '.join(_write(arg, OR, *args, rule=rule) for arg in args)})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
