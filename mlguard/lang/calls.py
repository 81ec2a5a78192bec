"""Types of function calls. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mlguard.lang.catalogue import FIELDS, FUNCTIONS, METRICS, UNIT_ALIASES, UNITS, Function, Signature, Typing
from mlguard.lang.convert import CONVERSIONS, Danger, plain, promoted
from mlguard.lang.fault import ExpressionError, nearest
from mlguard.lang.metric_calls import metric
from mlguard.lang.tree import Call, Cast, Expr, Literal
from mlguard.lang.types import FLOATS, INTEGERS, NUMBERS, UNKNOWN, Kind, SqlType
from mlguard.lang.unify import common, comparable, is_bare, is_bare_text, number_as, read_as, settle, widened
from mlguard.lang.words import INSTEAD

if TYPE_CHECKING:
    from mlguard.lang.check import Checker

_TEXT = SqlType(Kind.TEXT)


def call(checker: Checker, expr: Call) -> Expr:
    """Return the typed node of a function or metric."""
    function = FUNCTIONS.get(expr.name)
    if function is None:
        return metric(checker, expr) if expr.name in METRICS else _unknown(checker, expr)
    _check_count(checker, expr, function.least, function.most)
    if function.typing is Typing.UNIT:
        return _unit(checker, expr)
    args = [checker.check(arg) for arg in expr.args]
    if function.typing is Typing.ANY:
        return replace(expr, type=function.result, args=tuple(settle(arg) for arg in args))
    if function.typing is Typing.NULLIF:
        return _nullif(checker, expr, args)
    if function.typing is Typing.COMMON:
        type, args = common(checker, args, expr, expr.name.upper())
        if expr.name in ("greatest", "least"):
            for arg in args:
                comparable(checker, arg, arg, expr, expr.name.upper())
        return replace(expr, type=type, args=tuple(args))
    return _by_signature(checker, expr, function, args)


def _unknown(checker: Checker, expr: Call) -> Expr:
    instead = INSTEAD.get(expr.name)
    if instead is None:
        guess = nearest(expr.name, (*FUNCTIONS, *METRICS))
        instead = f"did you mean {guess}(…)?" if guess else "the functions are " + ", ".join(FUNCTIONS)
    raise checker.fault(expr, f"function `{expr.name}` is outside the language", instead)


def _check_count(checker: Checker, expr: Call, least: int, most: int | None) -> None:
    count = len(expr.args)
    if least <= count and (most is None or count <= most):
        return
    if most == 0:
        wanted = "no argument"
    elif most is None:
        wanted = f"at least {least} argument{'s' * (least != 1)}"
    else:
        wanted = f"{least} argument{'s' * (least != 1)}" if least == most else f"{least} or {most} arguments"
    raise checker.fault(expr, f"{expr.name} takes {wanted}, not {count}")


def _nullif(checker: Checker, expr: Call, args: list[Expr]) -> Expr:
    left, right = comparable(checker, args[0], args[1], expr, "NULLIF")
    kinds = (left.type.kind, right.type.kind)
    type = plain(left.type)
    if set(kinds) <= NUMBERS and not set(kinds) <= INTEGERS:
        type = SqlType(promoted(*kinds))
    elif left.type.kind is Kind.UNKNOWN and not is_bare(left):
        type = UNKNOWN
    return replace(expr, type=type, args=(left, right))


def _by_signature(checker: Checker, expr: Call, function: Function, args: list[Expr]) -> Expr:
    candidates = [one for one in function.signatures if len(one.params) == len(args)]
    fitting = [one for one in candidates if all(map(_accepts, one.params, args))]
    if not fitting:
        raise _no_signature(checker, expr, candidates, args)
    if any(arg.type.kind is Kind.UNKNOWN and not is_bare(arg) for arg in args):
        results = {one.result for one in fitting}
        type = results.pop() if len(results) == 1 else UNKNOWN
        return replace(expr, type=type, args=tuple(settle(arg) for arg in args))
    best = max(fitting, key=lambda one: _score(one, args))
    pairs = zip(best.params, args, strict=True)
    return replace(expr, type=best.result, args=tuple(_argument(checker, param, arg) for param, arg in pairs))


def _accepts(param: SqlType, arg: Expr) -> bool:
    kind = arg.type.kind
    if is_bare_text(arg):
        return param.kind is not Kind.ARRAY
    if kind in (param.kind, Kind.UNKNOWN):
        return True
    if kind not in NUMBERS or param.kind not in NUMBERS:
        return False
    if kind in FLOATS and param.kind is Kind.NUMERIC:
        return False
    safe = CONVERSIONS[kind, param.kind].danger is Danger.NONE
    return safe or (kind is Kind.NUMERIC and param.kind in FLOATS)


def _score(signature: Signature, args: Sequence[Expr]) -> tuple[int, int]:
    """Rank overloads as the manual's 10.3 does: exact matches first, then the preferred type where one must convert."""
    exact = sum(param.kind is arg.type.kind for param, arg in zip(signature.params, args, strict=True))
    preferred = sum(
        param.kind in (Kind.FLOAT8, Kind.TEXT)
        for param, arg in zip(signature.params, args, strict=True)
        if param.kind is not arg.type.kind
    )
    return exact, preferred


def _argument(checker: Checker, param: SqlType, arg: Expr) -> Expr:
    if is_bare(arg):
        return read_as(checker, arg, param)
    if isinstance(arg, Literal) and param.kind in NUMBERS - INTEGERS:
        return number_as(checker, arg, param)
    return widened(arg, param.kind)


def _no_signature(
    checker: Checker, expr: Call, candidates: Sequence[Signature], args: Sequence[Expr]
) -> ExpressionError:
    given = ", ".join(str(settle(arg).type) for arg in args)
    shown = checker.shown(args[0])
    kind = args[0].type.kind
    help = ""
    if expr.name == "round" and kind in FLOATS:
        help = f"write round({shown}::numeric, {checker.shown(args[-1])})"
    elif expr.name == "mod" and kind in FLOATS:
        help = f"`mod` needs integers: write mod({shown}::integer, {checker.shown(args[-1])})"
    elif candidates and candidates[0].params[0].kind is Kind.TEXT and kind is not Kind.TEXT:
        help = f"write {shown}::text"
    elif candidates and candidates[0].params[0].kind in NUMBERS and kind is Kind.TEXT:
        help = f"write {shown}::numeric"
    elif expr.name in ("array_length", "cardinality") and kind is Kind.TEXT:
        help = f"write length({shown})"
    return checker.fault(expr, f"{expr.name} does not take {given}", help)


def _unit(checker: Checker, expr: Call) -> Expr:
    """Type date_trunc('unit', x) and extract(field from x)."""
    unit, operand = expr.args[0], checker.check(expr.args[1])
    if not isinstance(unit, Literal) or not isinstance(unit.value, str):
        raise checker.fault(unit, f"the unit of {expr.name} must be a string", "write date_trunc('day', x)")
    word = unit.value.strip().lower()
    word = UNIT_ALIASES.get(word, word)
    table = FIELDS if expr.name == "extract" else UNITS
    if is_bare(operand):
        raise checker.fault(operand, f"{expr.name} cannot tell the type of {checker.shown(operand)}", "write date '…'")
    if expr.name == "date_trunc" and operand.type.kind is Kind.DATE:
        operand = Cast(SqlType(Kind.TIMESTAMP), operand, pos=operand.pos)
    kind = operand.type.kind
    known = table.get(kind) if kind is not Kind.UNKNOWN else frozenset().union(*table.values())
    if known is None:
        shown = checker.shown(operand)
        help = f"write {shown}::timestamp" if kind is Kind.TEXT else ""
        raise checker.fault(expr, f"{expr.name} needs a date, time or interval, and {shown} is {operand.type}", help)
    if word not in known:
        guess = nearest(word, known)
        help = f"did you mean {guess}?" if guess else "the units are " + ", ".join(sorted(known))
        raise checker.fault(unit, f"{expr.name} of {kind.value} has no unit `{word}`", help)
    literal = Literal(_TEXT, word, pos=unit.pos)
    type = SqlType(Kind.NUMERIC) if expr.name == "extract" else plain(operand.type)
    return replace(expr, type=type, args=(literal, operand))
