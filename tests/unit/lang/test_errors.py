"""Every error of the language says what is wrong, exactly where, and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlguard.lang import ExpressionError, Scope, compile_row, compile_slo, compile_value
from mlguard.lang.lex import MAX_LENGTH
from mlguard.lang.parse import MAX_DEPTH
from mlguard.lang.types import Kind, SqlType
from tests.unit.lang.generate import SCOPE

WIDE = Scope(
    {
        **SCOPE.columns,
        "TEMP": SqlType(Kind.FLOAT4),
        "Tenure": SqlType(Kind.INT4),
        "plan": SqlType(Kind.TEXT),
        "age": SqlType(Kind.INT4),
    },
    closed=True,
)
_, *BLOCKS = (Path(__file__).parent / "errors.txt").read_text(encoding="utf-8").rstrip().split("\n\n")


def fault(text: str, scope: Scope = WIDE) -> ExpressionError:
    """Return the error of an expression."""
    with pytest.raises(ExpressionError) as caught:
        compile_slo(text, scope)
    return caught.value


@pytest.mark.parametrize("block", BLOCKS, ids=[block.partition("\n")[0] for block in BLOCKS])
def test_error(block: str) -> None:
    text, marks, message, *help = block.split("\n")
    error = fault(text)
    assert [error.message, *([error.help] if error.help else [])] == [message, *help]
    assert " " * error.pos + "^" * (error.end - error.pos) == marks


def test_there_are_enough_of_them() -> None:
    assert len(BLOCKS) > 200


@pytest.mark.parametrize("text", ["", "  ", "\n", "/* only a comment */"])
def test_nothing(text: str) -> None:
    error = fault(text)
    assert (error.message, error.pos) == ("the expression is empty", len(text))


def test_a_character_that_only_looks_like_a_space() -> None:
    error = fault("plan\u00a0= 'a'")
    assert (error.message, error.pos) == ("the character U+00A0 is not a space for PostgreSQL", 4)


def test_positions_count_characters_not_bytes() -> None:
    assert fault("t = '😀é' and agee > 1").pos == len("t = '😀é' and ")


def test_too_long() -> None:
    assert fault("i = 1 " + " " * MAX_LENGTH).message.startswith("the expression has 20006 characters")


@pytest.mark.parametrize(
    "text",
    [
        "(" * MAX_DEPTH + "i" + ")" * MAX_DEPTH + " > 1",
        "not " * MAX_DEPTH + "b",
        "- " * MAX_DEPTH + "i > 1",
        "i" + " + i" * MAX_DEPTH + " > 1",
        "abs(" * MAX_DEPTH + "i" + ")" * MAX_DEPTH + " > 1",
        "case when " * MAX_DEPTH + "b" + " then b end" * MAX_DEPTH,
        "t" + "::text" * MAX_DEPTH + " = ''",
    ],
)
def test_too_deep(text: str) -> None:
    assert fault(text).message == "the expression is nested deeper than 100 levels"


@pytest.mark.parametrize(
    "text",
    [
        "(" * 80 + "i" + ")" * 80 + " > 1",
        "abs(" * 80 + "i" + ")" * 80 + " > 1",
        "i" + " + i" * 80 + " > 1",
        "b" + " and b" * 2000,
        "case when " * 80 + "b" + " then b end" * 80,
    ],
)
def test_deep_enough(text: str) -> None:
    compile_row(text, SCOPE)


def test_case_that_would_double_with_every_level() -> None:
    text = "case " * 40 + "i" + " when 1 then 1 when 2 then 2 end" * 40 + " = 1"
    assert fault(text).message == "the expression repeats too much"


def test_metrics_are_for_slos_only() -> None:
    for compile in (compile_row, compile_value):
        with pytest.raises(ExpressionError, match="`staleness\\(\\)` is a metric and cannot stand here"):
            compile("staleness() < interval '1 day'", SCOPE)


def test_other_tables_where_none_may_be_read() -> None:
    scope = Scope(SCOPE.columns, closed=True, lookups=False)
    assert fault("i in (select i from ops.t)", scope).message == "another table cannot be read here"


@pytest.mark.parametrize(
    ("text", "expected", "message"),
    [
        ("none", Kind.TEXT, "no column `none`"),
        ("70000", Kind.INT2, "70000 is out of range for smallint, which holds -32768 to 32767"),
        ("t", Kind.INT4, "t is text, and integer is wanted"),
        ("'x'", Kind.FLOAT8, "'x' is not a double precision"),
        ("i", Kind.TEXT, "i is integer, and text is wanted"),
        ("b", Kind.DATE, "b is boolean, and date is wanted"),
        ("'{1}'", Kind.ARRAY, "a value of type array cannot be written in a rule"),
    ],
)
def test_values_of_another_type(text: str, expected: Kind, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_value(text, SCOPE, SqlType(expected))
    assert caught.value.message == message


def test_text_without_its_quotes_is_recognised() -> None:
    assert fault("t = none").help.startswith("text is written in quotes: 'none'")
