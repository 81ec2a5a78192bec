"""Rows of a prediction table with what other tables say of them: the label, attributes. Pure.

A joined row is called `r` like any other and has the columns of the table, `label` and the attributes, so that what
groups and counts rows need not know where a column comes from. A label that is NULL, or that the expression under
`labels: value:` cannot give for its row, has not arrived.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlguard.emit.objects import indent
from mlguard.emit.pg_expr import to_sql
from mlguard.emit.pg_guard import guard
from mlguard.lang.measure import OF_LABELS, State
from mlguard.lang.metric_calls import LABEL
from mlguard.lang.tree import Column
from mlguard.lang.types import UNKNOWN, SqlType
from mlguard.names import TableName, quote_ident
from mlguard.program import AttributeSource, LabelSource, TableProgram


@dataclass(frozen=True)
class Joins:
    """Which tables are joined."""

    labels: LabelSource | None = None
    attributes: AttributeSource | None = None

    @property
    def any(self) -> bool:
        """Whether there is something to join."""
        return self.labels is not None or self.attributes is not None


def joins_of(program: TableProgram, by: Sequence[str], states: Iterable[State]) -> Joins:
    """Return what must be joined for states, grouped by segment columns."""
    predictions = program.predictions
    if predictions is None:
        return Joins()
    found = list(states)
    attributes = predictions.attributes
    if attributes is not None:
        named = {arg.name for state in found for arg in state.args if isinstance(arg, Column)}
        attributes = attributes if (named | set(by)) & set(attributes.columns) else None
    return Joins(predictions.labels if any(state.of in OF_LABELS for state in found) else None, attributes)


def column_types(program: TableProgram) -> dict[str, SqlType]:
    """Return the types of the columns a joined row has, beside the label."""
    types = {column.name: column.type for column in program.shape.columns}
    attributes = program.predictions.attributes if program.predictions is not None else None
    for name in attributes.columns if attributes is not None else ():
        found = attributes.shape.column(name) if attributes is not None and attributes.shape is not None else None
        types[name] = found.type if found is not None else UNKNOWN
    return types


def with_joins(program: TableProgram, rows: str, joins: Joins) -> str:
    """Return the FROM item, called `r`, of some rows of the table with what is known of them elsewhere."""
    if not joins.any:
        return f"{rows} as r"
    columns, tables = ["p.*"], [f"from {rows} as p"]
    if joins.labels is not None:
        columns.append(f"{label_of(program, joins.labels)} as {quote_ident(LABEL)}")
        tables.append(f"left join {joins.labels.table.sql} as t on {matched(joins.labels.on, 't')}")
    return _item(columns, tables, joins, one_by_one=rows != stored(program))


def labelled(program: TableProgram, joins: Joins, *, rows: str = "", label_rows: str = "") -> str:
    """Return the FROM item, called `r`, of pairs of a prediction and its label.

    Args:
        program: the prediction table.
        joins: what is joined; labels are.
        rows: some predictions; '' for all stored.
        label_rows: some rows of the label table; '' for all stored.
    """
    assert joins.labels is not None
    columns = ["p.*", f"{label_of(program, joins.labels)} as {quote_ident(LABEL)}"]
    sides = [f"{label_rows or joins.labels.table.sql} as t", f"{rows or stored(program)} as p"]
    first, second = sides if label_rows else reversed(sides)
    tables = [f"from {first}", f"join {second} on {matched(joins.labels.on, 't')}"]
    return _item(columns, tables, joins)


def stored(program: TableProgram) -> str:
    """Return the table; of one with heirs only its own rows, since no trigger of it sees theirs."""
    only = "only " if program.shape.heirs and not program.shape.partitions else ""
    return f"{only}{program.table.sql}"


def matched(on: Sequence[str], alias: str) -> str:
    """Return when a row of another table is about the prediction `p`."""
    return " and ".join(f"{alias}.{quote_ident(name)} = p.{quote_ident(name)}" for name in on)


def relations(source: LabelSource | AttributeSource) -> tuple[TableName, ...]:
    """Return the table and all its partitions: what is written straight into one fires its triggers only."""
    return (source.table, *(source.shape.heirs if source.shape is not None else ()))


def label_of(program: TableProgram, labels: LabelSource) -> str:
    """Return the label of a row `t` of the label table; NULL where it has not arrived."""
    text = to_sql(labels.value, "t", program.time_zone)
    whole = guard(labels.value, "t", program.time_zone).whole
    return text if whole is None else f"case when {whole} then {text} end"


def _item(columns: list[str], tables: list[str], joins: Joins, *, one_by_one: bool = True) -> str:
    """Return the FROM item with the attributes.

    `one_by_one`: by their index, whatever the plan: PL/pgSQL keeps the plan of its first statement, and one that was
    made for a large load would read the whole other table for every single row after it.
    """
    if joins.attributes is not None:
        columns += [f"a.{quote_ident(name)}" for name in joins.attributes.columns]
        source, condition = f"{joins.attributes.table.sql} as a", matched(joins.attributes.on, "a")
        if one_by_one:
            tables.append(f"left join lateral (select a.* from {source} where {condition} limit 1) as a on true")
        else:
            tables.append(f"left join {source} on {condition}")
    text = "select " + ", ".join(columns) + "\n" + "\n".join(tables)
    return f"(\n{indent(text)}\n) as r"
