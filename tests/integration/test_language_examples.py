"""On a server: every example of docs/language.md gives the documented value."""

from __future__ import annotations

import psycopg
import pytest

from mlguard.emit.pg_expr import to_sql
from mlguard.lang import ExpressionError, Scope, compile_value
from mlguard.lang.types import Kind
from tests.unit.lang.documented import code, table

NOTHING = Scope({}, closed=True)


def outcome(connection: psycopg.Connection[tuple[str | None]], text: str) -> str:
    """Evaluate an expression without columns; return its value as the page writes it."""
    try:
        expr = compile_value(text, NOTHING)
    except ExpressionError:
        return "refused"
    try:
        with connection.transaction():
            found = connection.execute(f"select ({to_sql(expr)})::text").fetchone()
    except psycopg.DataError:
        return "error"
    assert found is not None
    if found[0] is None:
        return "NULL"
    return found[0] if expr.type.kind is not Kind.BOOL else str(found[0] in ("t", "true")).lower()


def test_examples_give_the_documented_values(bare: str) -> None:
    with psycopg.connect(bare) as connection:
        connection.execute("set timezone = 'Asia/Tokyo'")  # must not matter
        connection.execute("set datestyle = 'ISO, DMY'")
        wrong = {
            row[0]: (found, row[1])
            for row in table("Examples")
            if (found := outcome(connection, code(row[0]))) != code(row[1])
        }
    assert not wrong


@pytest.mark.parametrize("setting", ["on", "off"])
def test_backslashes_survive_any_setting(bare18: str, setting: str) -> None:
    text = r"""'it''s a \d+\\ "quote"'"""
    with psycopg.connect(bare18) as connection:
        connection.execute(f"set standard_conforming_strings = {setting}")
        assert outcome(connection, text) == r"""it's a \d+\\ "quote\""""[:-2] + '"'
