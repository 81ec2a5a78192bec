"""On a server: what we write means what the user wrote, and a guard that is true lets no error through."""

from __future__ import annotations

import random
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from mlguard.emit.pg_danger import conditions as conditions_of
from mlguard.emit.pg_expr import Writer, to_sql
from mlguard.emit.pg_guard import guard
from mlguard.lang import Expr, ExpressionError, columns_of, compile_row
from mlguard.lang.tree import Arithmetic, Call, Literal
from mlguard.lang.types import Kind
from tests.unit.lang.generate import COLUMNS, SCOPE, VALUES, conditions

SETTINGS = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
ROWS = 150
ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata")


@pytest.fixture
def table(bare: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A table `x` of rows full of edges, and PostgreSQL's reading of is_finite."""
    with psycopg.connect(bare) as connection:
        connection.execute("create type public.mood as enum ('sad', 'ok', 'happy')")
        # Comparison by bytes is what we write; the users' text below is compared by the column.
        bytewise = {"t": ' collate "C"', "u": ' collate "C"'}
        columns = ", ".join(f"{name} {type}{bytewise.get(name, '')}" for name, type in COLUMNS.items())
        connection.execute(f"create table x (row_no integer, {columns})")
        for type in ("smallint", "integer", "bigint", "numeric", "real", "double precision"):
            connection.execute(
                f"create function is_finite({type}) returns boolean immutable strict language sql"
                " return $1::text not in ('NaN', 'Infinity', '-Infinity')"
            )
        chance = random.Random(20261120)
        marks = ", ".join(f"%s::text::{type}" for type in COLUMNS.values())
        with connection.cursor() as cursor:
            cursor.executemany(
                f"insert into x values (%s, {marks})",
                [(number, *(chance.choice(VALUES[name]) for name in COLUMNS)) for number in range(ROWS)],
            )
        connection.commit()
        yield connection


def moves_by_a_column(expr: Expr) -> bool:
    """Tell whether an interval that is not a constant is added to a timestamptz."""
    sums = [node for node in expr.walk() if isinstance(node, Arithmetic) and node.type.kind is Kind.TIMESTAMPTZ]
    return any(not isinstance(side, Literal) for node in sums for side in (node.left, node.right) if is_span(side))


def is_span(expr: Expr) -> bool:
    """Tell whether the node is an interval."""
    return expr.type.kind is Kind.INTERVAL


def compiled(text: str) -> Expr:
    """Compile the text; PostgreSQL evaluates what holds no column before it looks at any guard, so skip that."""
    try:
        expr = compile_row(text, SCOPE)
    except ExpressionError:
        reject()
    assume(all(columns_of(node) or not conditions_of(node, Writer()) for node in expr.walk()))
    return expr


@SETTINGS
@given(text=conditions(1) | conditions(2) | conditions(3), zone=st.sampled_from(ZONES))
def test_a_true_guard_lets_no_error_through(
    table: psycopg.Connection[tuple[object, ...]], text: str, zone: str
) -> None:
    expr = compiled(text)
    written, found = to_sql(expr, "r", zone), guard(expr, "r", zone)
    meant = written if zone == "Europe/Berlin" and moves_by_a_column(expr) else text  # documented to differ
    table.execute(f"set timezone = '{zone}'")
    for condition in (found.domain, found.overflow):
        if condition is not None:
            nulls = table.execute(f"select count(*) from x r where ({condition}) is null").fetchone()
            assert nulls == (0,), condition
    whole = found.whole or "true"
    query = "select count(*) from x r where case when {} then ({}) is distinct from ({}) else false end"
    try:
        table.execute(query.format(whole, written, written))
    except psycopg.Error as error:
        table.rollback()
        raise AssertionError(f"{error}\n  text:    {text}\n  written: {written}\n  guard:   {whole}") from None
    try:
        different = table.execute(query.format(whole, written, meant)).fetchone()
    except psycopg.Error:
        table.rollback()  # as it stands in the text PostgreSQL takes a constant for a narrower type than we do
        return
    assert different == (0,), written


@settings(SETTINGS, max_examples=60)
@given(text=conditions(2), chance=st.randoms(use_true_random=False))
def test_an_exact_domain_is_exact(
    table: psycopg.Connection[tuple[object, ...]], text: str, chance: random.Random
) -> None:
    expr = compiled(text)
    # PostgreSQL folds `… = nullif(0, 0)` to NULL and then evaluates nothing of it.
    assume(all(columns_of(node) for node in expr.walk() if isinstance(node, Call)))
    found = guard(expr, "r")
    assume(found.domain is not None and found.domain_exact)
    outside = table.execute(f"select row_no from x r where not ({found.domain})").fetchall()
    for (number,) in chance.sample(outside, min(len(outside), 3)):
        with pytest.raises(psycopg.Error), table.transaction():
            table.execute(f"select {to_sql(expr, 'r')} from x r where row_no = {number}")
