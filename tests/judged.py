"""Tables with SLOs over batches and windows, made by hand: what tests of emit start from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlguard.lang import Scope, compile_row, compile_slo, compile_value
from mlguard.lang.tree import Expr
from mlguard.lang.types import parse_type
from mlguard.names import TableName
from mlguard.program import (
    Action,
    ColumnShape,
    Level,
    Over,
    Place,
    Placement,
    Rule,
    Span,
    TableProgram,
    TableShape,
)

DAY = Span("1 day", days=1)
HOUR = Span("1 hour", microseconds=3_600_000_000)
QUARTER = Span("6 hours", microseconds=6 * 3_600_000_000)
WEEK = Span("7 days", days=7)
MONTH = Span("1 month", months=1)
WINDOW, BATCH = Over("calendar", DAY), Over("batch")


def shape(table: str, columns: Mapping[str, str], **more: Any) -> TableShape:
    """Return a table of these columns and types."""
    types = {name: parse_type(text) for name, text in columns.items()}
    made = tuple(ColumnShape(name, type_) for name, type_ in types.items() if type_ is not None)
    assert len(made) == len(columns)
    return TableShape(TableName.parse(table), made, **more)


def scope(table: TableShape) -> Scope:
    """Return what expressions about the table may name."""
    return Scope(columns={column.name: column.type for column in table.columns}, closed=True)


def metric_rule(table: TableShape, name: str, check: str, over: Over = WINDOW, **more: Any) -> Rule:
    """Return an SLO over batches or windows; `where` is text."""
    where = more.pop("where", None)
    batch = over.kind == "batch"
    return Rule(
        name=name,
        table=table.table,
        level=Level.BATCH if batch else Level.WINDOW,
        action=more.pop("action", Action.WARN),
        expr=compile_slo(check, scope(table)),
        text=check,
        limit=f"required {check}",
        placement=Placement(Place.COMMIT if batch else Place.WINDOW, "metrics are judged once their rows are there"),
        where=compile_row(where, scope(table)) if where else None,
        over=over,
        **more,
    )


def learned_rule(table: TableShape, column: str | None = None, over: Over = WINDOW) -> Rule:
    """Return the SLO that learns the health of a column, or of the whole table."""
    batch = over.kind == "batch"
    return Rule(
        name=f"{column or 'rows'}.usual",
        table=table.table,
        level=Level.BATCH if batch else Level.WINDOW,
        action=Action.WARN,
        expr=None,
        text="usual",
        limit="as usual",
        placement=Placement(Place.COMMIT if batch else Place.WINDOW, "learned"),
        column=column,
        over=over,
        learned=("all",),
        shadow=True,
    )


def program(table: TableShape, *rules: Rule, event_time: str | None = None, **more: Any) -> TableProgram:
    """Return the program of a table; `missing` is a mapping of columns to expressions."""
    expr = compile_value(event_time, scope(table)) if event_time else None
    windows = any(rule.level is Level.WINDOW for rule in rules)
    missing: dict[str, tuple[Expr, ...]] = {}
    for name, literals in more.pop("missing", {}).items():
        column = table.column(name)
        assert column is not None
        missing[name] = tuple(compile_value(text, scope(table), column.type) for text in literals)
    return TableProgram(
        table=table.table,
        shape=table,
        rules=rules,
        event_time=expr,
        event_time_text=event_time or "",
        base=more.pop("base", DAY if windows else None),
        missing=missing,
        **more,
    )
