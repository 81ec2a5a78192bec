"""Whatever stands in a check: an error with words and a place, or a tree that is written safely for both engines."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable

import duckdb

from mlguard.emit.duck_core import NotLocal
from mlguard.emit.duck_expr import to_duck
from mlguard.emit.pg_expr import to_sql
from mlguard.emit.pg_guard import guard
from mlguard.lang import ExpressionError, Scope, columns_of, compile_row, compile_slo, metrics_of, spelled, tree
from mlguard.lang.tree import Expr
from mlguard.lang.types import Kind
from tests.fuzz import budget, expressions, sound
from tests.unit.lang.generate import SCOPE


def written(expr: Expr, duck: duckdb.DuckDBPyConnection) -> None:
    """Write a row expression for both engines and take what was written apart."""
    made = guard(expr, "NEW")
    texts = [to_sql(expr, "NEW"), to_sql(expr), made.domain, made.overflow]
    parts = sound.read([f"select {text}" for text in texts if text is not None])
    assert [name for name in columns_of(expr) if name not in parts.names] == []
    assert [text for text in texts_of(expr) if text not in parts.literals] == []
    try:
        text = to_duck(expr, "r")
    except NotLocal:
        return
    (found,) = duck.execute("select json_serialize_sql(?::varchar)", [f"select {text} from t as r"]).fetchall()[0]
    assert not json.loads(found, strict=False)["error"], text


def texts_of(expr: Expr) -> list[str]:
    """Return the texts an expression compares with."""
    found = [node for node in expr.walk() if isinstance(node, tree.Literal) and node.type.kind is Kind.TEXT]
    return [node.value for node in found if isinstance(node.value, str)]


def tried(compile_: Callable[[str, Scope], Expr], text: str) -> Expr | None:
    """Compile a text; None where it is refused, which is then in words and with a place in it."""
    try:
        return compile_(text, SCOPE)
    except ExpressionError as error:
        refusal = error
    assert refusal.message
    assert 0 <= refusal.pos < refusal.end
    assert refusal.pos <= len(text)
    return None


def test_any_expression() -> None:
    counts: Counter[str] = Counter()
    with duckdb.connect() as duck:

        def example(chance: random.Random) -> None:
            text = chance.choice((expressions.well_typed, expressions.well_formed))(chance)
            if chance.random() < 0.3:
                text = expressions.damaged(chance, text)
            if chance.random() < 0.05:
                text = expressions.monstrous(chance)
            for compile_ in (compile_row, compile_slo):
                expr = tried(compile_, text)
                counts["refused" if expr is None else "compiled"] += 1
                if expr is not None:
                    spelled(expr)
                    if not metrics_of(expr):
                        written(expr, duck)

        budget.run(0.2, example)
    print(dict(counts))
    assert counts["compiled"] > counts["refused"] / 20
