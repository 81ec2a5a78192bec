"""Rows of `examples:` as SQL of both engines: typed by the table, judged by the conditions of its rules. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from mlguard.emit.rules import core_broken, literal
from mlguard.lang.types import Kind, SqlType, without_modifier
from mlguard.names import quote_ident
from mlguard.program import Rule, TableProgram

NUMBER = "mlguard example"  # the column that tells examples apart
ROW = "r"
_COMMA = ",\n    "


def text_of(value: Any, type: SqlType, *, braces: bool) -> str | None:
    """Return a value of an SLO file as the text that an engine reads as a value of the column.

    Args:
        value: what the file says: None, bool, int, Decimal, str, or a list or mapping of them.
        type: the column's.
        braces: write arrays as PostgreSQL does, `{1,2}`, else as DuckDB, `[1,2]`.
    """
    if value is None:
        return None
    if type.kind in (Kind.JSON, Kind.JSONB):
        return value if isinstance(value, str) else json.dumps(_plain(value), ensure_ascii=False)
    if isinstance(value, tuple) and type.kind is Kind.ARRAY:
        items = ["NULL" if item is None else json.dumps(_word(item), ensure_ascii=False) for item in value]
        listed = ",".join(items)
        return f"{{{listed}}}" if braces else f"[{listed}]"
    if isinstance(value, tuple | Mapping):
        return json.dumps(_plain(value), ensure_ascii=False)
    return _word(value)


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return float(value) if isinstance(value, Decimal) else value


def cell_pg(text: str | None, type: SqlType) -> str:
    """Return a value of PostgreSQL; text that is no such value raises."""
    # An explicit cast to varchar(3) would cut the text short without a word.
    spelled = without_modifier(str(type)) if type.kind is Kind.TEXT else str(type)
    return f"{'null' if text is None else literal(text)}::text::{spelled}"


def judge_pg(program: TableProgram, row: Mapping[str, Any], rules: Sequence[Rule]) -> str:
    """Return the query that says of each rule whether the row breaks it; no table is read but those it looks up.

    It raises where a rule raises on the row, which counts as broken.
    """
    columns = [
        f"{cell_pg(text_of(row.get(column.name), column.type, braces=True), column.type)} as {quote_ident(column.name)}"
        for column in program.shape.columns
        if column.type.kind is not Kind.UNKNOWN
    ]
    judged = [f"({core_broken(rule, program, ROW)}) is true" for rule in rules]
    # OFFSET 0 keeps the planner from computing with the values beforehand, where CASE protects nothing.
    source = f"(\n  select\n    {_COMMA.join(columns) or '1'}\n  offset 0\n) as {ROW}"
    return f"select\n  {_COMMA.join(judged) or 'true'}\nfrom {source}"


def table_duck(name: str, program: TableProgram) -> str:
    """Return the statement that makes the table of the examples' texts."""
    columns = "".join(f",\n  {quote_ident(column.name)} varchar" for column in program.shape.columns)
    return f"create table {quote_ident(name)} (\n  {quote_ident(NUMBER)} integer{columns}\n)"


def insert_duck(name: str, program: TableProgram) -> str:
    """Return the statement that puts one example into that table."""
    marks = ", ".join("?" for _ in range(len(program.shape.columns) + 1))
    return f"insert into {quote_ident(name)} values ({marks})"


def delete_duck(name: str) -> str:
    """Return the statement that takes one example out again."""
    return f"delete from {quote_ident(name)} where {quote_ident(NUMBER)} = ?"


def view_duck(name: str, program: TableProgram, cells: Mapping[str, str]) -> str:
    """Return an item of FROM: the examples with the types of the table.

    Args:
        name: the table of their texts.
        program: the table's.
        cells: column → its value, made from the text.
    """
    columns = "".join(f",\n  {cells[column.name]} as {quote_ident(column.name)}" for column in program.shape.columns)
    return f"(select {quote_ident(NUMBER)}{columns}\nfrom {quote_ident(name)})"


def misfits_duck(name: str, cell: str, column: str) -> str:
    """Return the query for the examples whose text is no value of the column's type."""
    return (
        f"select {quote_ident(NUMBER)} from {quote_ident(name)}\n"
        f"where {quote_ident(column)} is not null and try({cell}) is null"
    )


def judge_duck(source: str, conditions: Sequence[str]) -> str:
    """Return the query: number of the example, then for each condition whether it is true of it."""
    listed = "".join(f",\n  {condition}" for condition in conditions)
    return f"select {ROW}.{quote_ident(NUMBER)}{listed}\nfrom {source}"
