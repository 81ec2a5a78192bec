"""What a revision file holds is what runs: whatever the SQL, SQLAlchemy and Python give it back unchanged."""

from __future__ import annotations

import ast

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql

from mlguard.alembic.text import Part, body, escape, execute, quoted
from mlguard.errors import PlanError

DIALECT = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
SQL = st.text(alphabet="a1_:\\%'\"$ \n;{}é", max_size=40)


def run(call: str) -> str:
    """Return the text that a call of op.execute sends, without the blanks around it."""
    tree = ast.parse(call.strip())
    (statement,) = tree.body
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Call)
    (argument,) = statement.value.args
    if isinstance(argument, ast.Call):
        ddl = sa.DDL(ast.literal_eval(argument.args[0]))  # type: ignore[no-untyped-call]  # as DIALECT
        return str(ddl.compile(dialect=DIALECT)).strip()
    return str(sa.text(ast.literal_eval(argument)).compile(dialect=DIALECT)).strip()


@given(SQL)
def test_any_text_comes_back(sql: str) -> None:
    assert run(execute(sql)) == sql.strip()


@given(SQL)
def test_any_text_is_a_python_literal(text: str) -> None:
    assert ast.literal_eval(quoted(text)).strip("\n") == text.strip("\n")


@pytest.mark.parametrize(
    ("sql", "written"),
    [
        ("select 'a'::text", "select 'a'::text"),
        ("select ':a'", "select '\\:a'"),
        ("select '12:30:00'", "select '12:30:00'"),
        ("select '\\:a'", "select '\\\\:a'"),
        ("select ' :a:b'", "select ' :a:b'"),
        ("select ' :ab:'", None),  # no spelling with backslashes gives this back
    ],
)
def test_colons(sql: str, written: str | None) -> None:
    assert escape(sql) == written


def test_a_tab_is_refused() -> None:
    with pytest.raises(PlanError, match="holds a tab"):
        execute("select 'a\tb'")


def test_a_body_stands_in_a_function() -> None:
    parts = (Part(("select 1", "select\n2"), autocommit=True, about="first"), Part(()), Part(("select 3",)))
    text = "def upgrade():\n    " + body(parts)
    (function,) = ast.parse(text).body
    assert isinstance(function, ast.FunctionDef)
    assert '    # first\n    with op.get_context().autocommit_block():\n        op.execute("select 1")' in text
    assert body([Part(())]) == "pass"
    assert "        pass" in body([Part((), autocommit=True)])
