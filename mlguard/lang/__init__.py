"""The expression language: text → typed tree. Knows the table's columns and their types; knows no engine and no SQL.

A check or value goes through lex (tokens), parse (tree) and check (types); `analyse` answers questions about the result
and `mlguard.emit` writes it for an engine. The meaning of every construct is the table in docs/language.md.
"""

from __future__ import annotations

from mlguard.lang.analyse import (
    base_metrics,
    columns_of,
    history_of,
    immutable,
    lookups_of,
    metric_texts,
    metrics_of,
    patterns_of,
    staleness_limit,
)
from mlguard.lang.check import Checker, Scope, assign
from mlguard.lang.fault import ExpressionError
from mlguard.lang.literals import parse_interval
from mlguard.lang.metric_calls import check_around
from mlguard.lang.parse import parse
from mlguard.lang.spell import spelled
from mlguard.lang.tree import Expr
from mlguard.lang.types import SqlType

__all__ = [
    "Expr",
    "ExpressionError",
    "Scope",
    "base_metrics",
    "columns_of",
    "compile_row",
    "compile_slo",
    "compile_value",
    "history_of",
    "immutable",
    "lookups_of",
    "metric_texts",
    "metrics_of",
    "parse_interval",
    "patterns_of",
    "spelled",
    "staleness_limit",
]


def compile_row(text: str, scope: Scope) -> Expr:
    """Compile a condition on one row.

    Raises:
        ExpressionError: the text is outside the language, does not fit the columns, or is not boolean.
    """
    return _condition(text, scope, metrics=False)


def compile_slo(text: str, scope: Scope) -> Expr:
    """Compile the `check` of an SLO: a condition on one row, or one over metrics.

    Raises:
        ExpressionError: as compile_row, or a metric this version cannot judge.
    """
    return _condition(text, scope, metrics=True)


def compile_value(text: str, scope: Scope, expected: SqlType | None = None) -> Expr:
    """Compile a value computed from one row, converted to `expected` as INSERT would convert it.

    Raises:
        ExpressionError: the text is outside the language, or is not a value of that type.
    """
    parsed = parse(text)
    checker = Checker(text, parsed.ends, scope, metrics=False)
    if expected is None:
        return checker.settled(parsed.expr)
    return assign(checker, checker.check(parsed.expr), expected)


def _condition(text: str, scope: Scope, *, metrics: bool) -> Expr:
    parsed = parse(text)
    checker = Checker(text, parsed.ends, scope, metrics=metrics)
    expr = checker.boolean(parsed.expr, "the expression")
    check_around(checker, expr)
    return expr
