"""On a server: comparison, arithmetic and three-valued logic against an independent model, on every pair of edges."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import psycopg
import pytest

from mlguard.emit.pg_expr import to_sql
from mlguard.emit.pg_guard import guard
from mlguard.lang import Scope, compile_value
from mlguard.lang.types import parse_type

Cell = object
INT4 = range(-(2**31), 2**31)
INTEGERS = (0, 1, -1, 2, 7, -7, INT4[0], INT4[-1], None)
FLOATS = (0.0, 1.0, -1.5, 0.1, 1.7e308, 5e-324, math.nan, math.inf, -math.inf, None)
TEXTS = ("", " ", "a", "B", "b", "é", "z", "Z", "日本", "😀", "\uffff", "a\\", "%", "_", "'", None)
TRUTHS = (True, False, None)


def values(dsn: str, type: str, text: str, cells: Sequence[Cell]) -> list[tuple[Any, Any, Any, Any]]:
    """Evaluate an expression of `a` and `b` on every pair; return the pairs with guard and value (None outside it)."""
    known = parse_type(type)
    assert known is not None
    expr = compile_value(text, Scope({"a": known, "b": known}, closed=True))
    whole = guard(expr, "r").whole or "true"
    with psycopg.connect(dsn) as connection:
        connection.execute(f"create temporary table r (a {type}, b {type})")
        with connection.cursor() as cursor:
            cursor.executemany("insert into r values (%s, %s)", list(product(cells, cells)))
        return connection.execute(
            f"select a, b, {whole}, case when {whole} then {to_sql(expr, 'r')} end from r"
        ).fetchall()


def check(dsn: str, type: str, text: str, cells: Sequence[Cell], model: Callable[[Cell, Cell], Cell]) -> None:
    """Compare an expression with its model: NotImplemented stands for an error, which the guard must foresee."""
    for a, b, safe, found in values(dsn, type, text, cells):
        wanted = model(a, b)
        if wanted is NotImplemented:
            assert safe is False, (text, a, b)
        elif safe:
            assert _same(found, wanted), (text, a, b, found, wanted)


def _same(found: Cell, wanted: Cell) -> bool:
    if isinstance(wanted, float) and isinstance(found, float):
        return found == wanted or (math.isnan(found) and math.isnan(wanted))
    return found == wanted and (found is None) == (wanted is None)


def _strict(model: Callable[..., Cell]) -> Callable[[Cell, Cell], Cell]:
    return lambda a, b: None if a is None or b is None else model(a, b)


def _rank(value: float) -> tuple[bool, float]:
    """Order floats as PostgreSQL does: NaN equals itself and is above everything."""
    return (True, 0.0) if math.isnan(value) else (False, value)


def _fits(value: int) -> Cell:
    return value if value in INT4 else NotImplemented


def _quotient(a: int, b: int) -> Cell:
    return NotImplemented if b == 0 else _fits(abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1))


def _remainder(a: int, b: int) -> Cell:
    return NotImplemented if b == 0 else int(math.fmod(a, b))


ORDER: dict[str, Callable[..., bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@pytest.mark.parametrize("op", ORDER)
def test_comparison(bare18: str, op: str) -> None:
    compare = ORDER[op]
    check(bare18, "integer", f"a {op} b", INTEGERS, _strict(compare))
    check(bare18, "double precision", f"a {op} b", FLOATS, _strict(lambda a, b: compare(_rank(a), _rank(b))))
    check(bare18, "text", f"a {op} b", TEXTS, _strict(lambda a, b: compare(a.encode(), b.encode())))
    check(bare18, "boolean", f"a {op} b", TRUTHS, _strict(compare))


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("a + b", lambda a, b: _fits(a + b)),
        ("a - b", lambda a, b: _fits(a - b)),
        ("a * b", lambda a, b: _fits(a * b)),
        ("a / b", _quotient),
        ("a % b", _remainder),
        ("mod(a, b)", _remainder),
        ("-a", lambda a, _: _fits(-a)),
        ("abs(a)", lambda a, _: _fits(abs(a))),
        ("a::smallint::integer", lambda a, _: a if -(2**15) <= a < 2**15 else NotImplemented),
    ],
)
def test_integers(bare18: str, text: str, model: Callable[..., Cell]) -> None:
    unary = "b" not in text.replace("abs", "")
    check(
        bare18,
        "integer",
        text,
        INTEGERS,
        (lambda a, b: None if a is None else model(a, b)) if unary else _strict(model),
    )


def test_between_with_a_null(bare18: str) -> None:
    for a, b, _, found in values(bare18, "integer", "a between b and 7", INTEGERS):
        above = None if a is None or b is None else b <= a
        below = None if a is None else a <= 7
        wanted = False if False in (above, below) else None if None in (above, below) else True
        assert found == wanted, (a, b)


def test_not_in_with_a_null(bare18: str) -> None:
    for a, b, _, found in values(bare18, "integer", "a not in (b, 7)", INTEGERS):
        wanted = None if a is None or (b is None and a != 7) else a not in (b, 7)
        assert found == wanted, (a, b)


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("a and b", lambda a, b: False if False in (a, b) else None if None in (a, b) else True),
        ("a or b", lambda a, b: True if True in (a, b) else None if None in (a, b) else False),
        ("not a", lambda a, _: None if a is None else not a),
        ("a is distinct from b", lambda a, b: a is not b),
        ("a is not distinct from b", lambda a, b: a is b),
        ("a is true", lambda a, _: a is True),
        ("a is not false", lambda a, _: a is not False),
        ("a is unknown", lambda a, _: a is None),
        ("case when a then b else not b end", lambda a, b: b if a is True else None if b is None else not b),
        ("coalesce(a, b)", lambda a, b: b if a is None else a),
        ("num_nulls(a, b)", lambda a, b: (a is None) + (b is None)),
    ],
)
def test_three_valued_logic(bare: str, text: str, model: Callable[[Cell, Cell], Cell]) -> None:
    check(bare, "boolean", text, TRUTHS, model)


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("is_finite(a)", math.isfinite),
        ("a between 0 and 1", lambda a: 0 <= a <= 1),
        ("sqrt(a)", lambda a: a if math.isnan(a) else NotImplemented if a < 0 else math.sqrt(a)),
        ("ln(a) > 0", lambda a: True if math.isnan(a) else NotImplemented if a <= 0 else a > 1),
        ("-a", lambda a: -a),
        ("sign(a)", lambda a: float((a > 0) - (a < 0))),
        ("1 / a > 0", lambda a: True if math.isnan(a) else NotImplemented if a == 0 else a > 0 and not math.isinf(a)),
    ],
)
def test_floats(bare: str, text: str, model: Callable[[float], Cell]) -> None:
    check(bare, "double precision", text, FLOATS, lambda a, _: model(a) if isinstance(a, float) else None)


def test_greatest_and_least_leave_nulls_out_and_take_nan_for_the_greatest(bare18: str) -> None:
    def of(choose: Callable[..., float]) -> Callable[[Cell, Cell], Cell]:
        return lambda a, b: choose((x for x in (a, b) if isinstance(x, float)), key=_rank, default=None)

    check(bare18, "double precision", "greatest(a, b)", FLOATS, of(max))
    check(bare18, "double precision", "least(a, b)", FLOATS, of(min))


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("a || b", lambda a, b: a + b),
        ("length(a || b)", lambda a, b: len(a) + len(b)),
        ("starts_with(a, b)", lambda a, b: a.startswith(b)),
        ("trim(a || b)", lambda a, b: (a + b).strip(" ")),
        ("left(a || b, 1)", lambda a, b: (a + b)[:1]),
        ("right(a || b, -1)", lambda a, b: (a + b)[1:]),
        ("nullif(a, b)", lambda a, b: None if a == b else a),
        ("a between b and 'z'", lambda a, b: b.encode() <= a.encode() <= b"z"),
        ("a like '_'", lambda a, _: len(a) == 1),
        ("a not like '%\\%%'", lambda a, _: "%" not in a),
        ("a ~ '^[a-z]$'", lambda a, _: a in ("a", "b", "z")),
    ],
)
def test_texts(bare: str, text: str, model: Callable[..., Cell]) -> None:
    cells = [cell for cell in TEXTS if cell is not None]
    check(bare, "text", text, cells, model)
