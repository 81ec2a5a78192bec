"""Rows of a prediction table with what other files say of them, in DuckDB's words: the twin of emit.joins. Pure."""

from __future__ import annotations

from mlguard.emit.duck_guard import safe_duck
from mlguard.emit.joins import Joins
from mlguard.lang.metric_calls import LABEL
from mlguard.names import TableName, quote_ident
from mlguard.program import TableProgram


def with_joins_duck(program: TableProgram, source: str, joins: Joins) -> str:
    """Return the FROM item, called `r`, of rows with what is known of them elsewhere.

    Args:
        program: the prediction table.
        source: the rows, with alias `r`.
        joins: what is joined; no key is twice in it (`doubled_duck`), so no row comes twice either.

    Raises:
        NotLocal: the label cannot be said in DuckDB.
    """
    if not joins.any:
        return source
    columns, tables = ["r.*"], [f"from {source}"]
    if joins.labels is not None:
        # A label that cannot be computed for its row has not arrived.
        value = safe_duck(joins.labels.value, program, "t")
        columns.append(f"{value} as {quote_ident(LABEL)}")
        tables.append(f"left join {joins.labels.table.sql} as t on {_matched(joins.labels.on, 't')}")
    if joins.attributes is not None:
        columns += [f"a.{quote_ident(name)}" for name in joins.attributes.columns]
        tables.append(f"left join {joins.attributes.table.sql} as a on {_matched(joins.attributes.on, 'a')}")
    lines = "\n  ".join(tables)
    return f"(\n  select {', '.join(columns)}\n  {lines}\n) as r"


def _matched(on: tuple[str, ...], alias: str) -> str:
    return " and ".join(f"{alias}.{quote_ident(name)} = r.{quote_ident(name)}" for name in on)


def doubled_duck(table: TableName, on: tuple[str, ...]) -> str:
    """Return a query for the number of rows beyond the first of each key; in the database an index keeps it 0."""
    columns = ", ".join(quote_ident(name) for name in on)
    known = " and ".join(f"{quote_ident(name)} is not null" for name in on)
    return (
        "select coalesce(sum(n - 1), 0) from (\n"
        f"  select count(*) as n from {table.sql} where {known} group by {columns} having count(*) > 1\n)"
    )
