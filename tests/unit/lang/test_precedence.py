"""Our parser reads an expression as PostgreSQL's own grammar does (pglast is that grammar)."""

from __future__ import annotations

from typing import Any

import pglast
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlguard.lang import ExpressionError, tree
from mlguard.lang.parse import parse
from mlguard.lang.tree import Expr


def grammar(text: str) -> Any:
    """Return PostgreSQL's parse of an expression, without positions."""
    statement: Any = pglast.parse_sql(f"select {text}")[0].stmt
    (target,) = statement.targetList
    return _without_places(target.val(skip_none=True))


_PLACES = ("location", "list_start", "list_end")


def _without_places(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_places(value) for key, value in node.items() if not key.endswith(_PLACES)}
    return [_without_places(item) for item in node] if isinstance(node, list | tuple) else node


def spelled(expr: Expr) -> str:
    """Return an untyped tree with parentheses around everything."""
    return f"({_spelled(expr)})"


def _spelled(expr: Expr) -> str:
    parts = [spelled(child) for child in expr.children()]
    no = "not " if getattr(expr, "negated", False) else ""
    match expr:
        case tree.Column(name=name):
            return f'"{name}"'
        case tree.Literal(value=None):
            return "null"
        case tree.Literal(value=str() as text):
            return "'" + text.replace("'", "''") + "'"
        case tree.Literal(value=value):
            return str(value)
        case tree.Not():
            return f"not {parts[0]}"
        case tree.Negate():
            return f"- {parts[0]}"
        case tree.Logical(op=op):
            return f" {op} ".join(parts)
        case tree.Compare(op=op) | tree.Arithmetic(op=op) | tree.JsonGet(op=op):
            return f"{parts[0]} {op} {parts[1]}"
        case tree.Concat():
            return f"{parts[0]} || {parts[1]}"
        case tree.Regex(insensitive=insensitive, negated=negated):
            return f"{parts[0]} {'!' * negated}~{'*' * insensitive} {parts[1]}"
        case tree.Like(insensitive=insensitive):
            return f"{parts[0]} {no}{'i' * insensitive}like {parts[1]}"
        case tree.Is(what=what):
            return f"{parts[0]} is {no}{what}"
        case tree.Distinct():
            return f"{parts[0]} is {no}distinct from {parts[1]}"
        case tree.Between():
            return f"{parts[0]} {no}between {parts[1]} and {parts[2]}"
        case tree.InList():
            return f"{parts[0]} {no}in ({', '.join(parts[1:])})"
        case tree.InTable(schema=schema, table=table, column=column):
            return f'{parts[0]} {no}in (select "{column}" from "{schema}"."{table}")'
        case tree.Cast(type=type):
            return f"{parts[0]}::{type}"
        case tree.AtTimeZone(zone=zone):
            return f"{parts[0]} at time zone '{zone}'"
        case tree.Case(branches=branches, otherwise=otherwise):
            arms = " ".join(f"when {spelled(left)} then {spelled(right)}" for left, right in branches)
            return f"case {arms}{f' else {spelled(otherwise)}' if otherwise is not None else ''} end"
        case tree.Call(name="extract"):
            unit = parts[0].strip("()'")
            return f"extract({unit} from {parts[1]})"
        case tree.Call(name=name):
            return f"{name}({', '.join(parts)})"
    raise AssertionError(expr)


INFIX = (
    *("=", "<>", "!=", "<", "<=", ">", ">=", "and", "or", "+", "-", "*", "/", "%", "||", "~", "~*", "!~", "!~*"),
    *("->", "->>", "#>>", "like", "ilike", "not like", "not ilike", "is distinct from", "is not distinct from"),
)
POSTFIX = (
    *("is null", "is not null", "is true", "is not false", "is unknown", "::integer", "::numeric(10,2)", "in (1, 2)"),
    *("not in (a, b)", "at time zone 'UTC'", "between 1 and 2", "not between a and b + 1", "in (select c from s.t)"),
    *("::double precision", "::timestamp with time zone", "between a || b and c"),
    *("between a at time zone 'UTC' and b", "between (a at time zone 'UTC') and b", "between 1 + 2 and 3"),
)
ATOMS = st.sampled_from(
    (
        *("a", "B", '"Q q"', "1", "2.5", "0.10", "'it''s'", "null", "true", "date '2024-01-01'", "abs(a)", "- 1"),
        *("coalesce(a, 1)", "extract(hour from a)", "nullif(a, b)", "cast(a as text)", "case when a then b else c end"),
    )
)


@st.composite
def flat(draw: st.DrawFn) -> str:
    """Operands and operators in a row, as few parentheses as chance gives."""
    words: list[str] = []
    for position in range(draw(st.integers(1, 6))):
        if position:
            words.append(draw(st.sampled_from(INFIX)))
        words += draw(st.lists(st.sampled_from(["not", "-"]), max_size=2)) if draw(st.integers(0, 3)) == 0 else []
        words.append(draw(ATOMS))
        words += draw(st.lists(st.sampled_from(POSTFIX), max_size=2)) if draw(st.integers(0, 3)) == 0 else []
    return " ".join(words)


@st.composite
def nested(draw: st.DrawFn) -> str:
    """Rows of operators, put into parentheses, calls and CASE."""
    text = draw(flat())
    for _ in range(draw(st.integers(0, 3))):
        other = draw(flat())
        text = draw(
            st.sampled_from(
                (
                    *(f"({text}) * {other}", f"{other} || ({text})", f"coalesce({text}, {other})", f"not ({text})"),
                    *(f"case when {text} then {other} end", f"{other} in ({text}, 2)", f"- ({text})"),
                )
            )
        )
    return text


@settings(max_examples=600, deadline=None)
@given(flat() | nested())
def test_same_structure_as_the_grammar_of_postgresql(text: str) -> None:
    try:
        ours = parse(text).expr
    except ExpressionError as error:
        if error.message == "the time zone must be a string":  # PostgreSQL takes any expression
            return
        with pytest.raises(pglast.parser.ParseError):
            grammar(text)
        return
    assert grammar(spelled(ours)) == grammar(text)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("a ~ b || c", "(a ~ b) || c"),
        ("a || b ~ c", "(a || b) ~ c"),
        ("a = b is null", "(a = b) is null"),
        ("a is null = b", "(a is null) = b"),
        ("not a = b", "not (a = b)"),
        ("a = not b", "a = (not b)"),
        ("-a::integer", "-(a::integer)"),
        ("-a % b", "(-a) % b"),
        ("a + b || c", "(a + b) || c"),
        ("a in (1) = b", "(a in (1)) = b"),
        ("a = b in (1)", "a = (b in (1))"),
        ("a between 1 and 2 = b", "(a between 1 and 2) = b"),
        ("a like b || c", "a like (b || c)"),
        ("a is distinct from b and c", "(a is distinct from b) and c"),
        ("a or b and not c or d", "a or (b and (not c)) or d"),
        ("- a at time zone 'UTC'", "(- a) at time zone 'UTC'"),
        ("a + b at time zone 'UTC'", "a + (b at time zone 'UTC')"),
        ("p -> 'a' ->> 'b' = 'c'", "((p -> 'a') ->> 'b') = 'c'"),
        ("a - b - c", "(a - b) - c"),
    ],
)
def test_binds_as_the_manual_says(text: str, means: str) -> None:
    assert parse(text).expr == parse(means).expr
    assert grammar(text) == grammar(means)
