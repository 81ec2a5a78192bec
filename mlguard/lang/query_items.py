"""What a SELECT reads, item by item: tables, derived tables, names of WITH, and the columns they give. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlguard.lang.query import folded
from mlguard.lang.types import SqlType, without_modifier
from mlguard.names import TableName

if TYPE_CHECKING:
    from sqlglot import exp

Types = Mapping[TableName, Mapping[str, SqlType]]
Column = tuple[str, str]  # alias, column

# Types whose values compare by `=` as their text does once read again, by the type in which keys are compared.
_READ_AS = {
    "smallint": "bigint",
    "integer": "bigint",
    "bigint": "bigint",
    "text": "text",
    "character varying": "text",
    "uuid": "uuid",
    "date": "date",
}


def key_type(type_: SqlType | None) -> str | None:
    """Return the type in which values of a key column are compared, None where the column cannot be a key."""
    return _READ_AS.get(without_modifier(str(type_))) if type_ is not None else None


@dataclass(frozen=True)
class Named:
    """One name of WITH: its query, the names visible inside it, whether it may read itself."""

    node: exp.CTE
    seen: Mapping[str, Named]
    recursive: bool


Names = Mapping[str, Named]


@dataclass(frozen=True)
class Item:
    """One item of FROM: a stored table, a query, or (neither) something that is not followed."""

    alias: str
    node: exp.Expr
    names: Names
    table: TableName | None = None
    query: exp.Expr | None = None  # Select or set operation
    columns: tuple[str, ...] = ()  # what `query` gives, '' for a column without a known name
    nullable: bool = field(default=False)  # the right side of a LEFT JOIN

    def position(self, column: str) -> int | None:
        """Return where the query gives a column, None where that is not known or not one place."""
        return self.columns.index(column) if self.columns.count(column) == 1 else None


def is_star(item: exp.Expr) -> bool:
    """Say whether an output stands for several columns."""
    from sqlglot import exp

    return isinstance(item, exp.Star) or (isinstance(item, exp.Column | exp.Dot) and item.find(exp.Star) is not None)


def unwrapped(node: exp.Expr) -> exp.Expr:
    """Take off parentheses that hold nothing but a query."""
    from sqlglot import exp

    while isinstance(node, exp.Subquery) and not any(
        value for name, value in node.args.items() if name not in ("this", "alias")
    ):
        node = node.this
    return node


def names_in(node: exp.Expr, names: Names) -> Names:
    """Return the names of WITH visible inside a query."""
    with_ = node.args.get("with_")
    if with_ is None:
        return names
    visible: dict[str, Named] = dict(names)
    for cte in with_.expressions:
        visible[folded(cte.args["alias"].this)] = Named(cte, dict(visible), bool(with_.args.get("recursive")))
    return visible


def output_names(node: exp.Expr) -> tuple[str, ...]:
    """Return the names of a query's columns, '' where one has none that is known; () after a star.

    PostgreSQL takes them from the leftmost SELECT of a set operation.
    """
    from sqlglot import exp

    query = unwrapped(node)
    while isinstance(query, exp.SetOperation):
        query = unwrapped(query.this)
    if not isinstance(query, exp.Select) or any(is_star(item) for item in query.expressions):
        return ()
    return tuple(_name(item) for item in query.expressions)


def _name(item: exp.Expr) -> str:
    from sqlglot import exp

    if isinstance(item, exp.Alias):
        return folded(item.args["alias"])
    return folded(item.this) if isinstance(item, exp.Column) else ""


def items_of(select: exp.Select, names: Names) -> list[Item] | None:
    """Return the items of FROM, None where they are joined in a way that is not followed.

    Followed are tables, queries and functions joined by comma, [INNER] JOIN, CROSS JOIN and LEFT JOIN, from left to
    right; not RIGHT and FULL, parentheses around joins, and LATERAL queries.
    """
    from sqlglot import exp

    from_ = select.args.get("from_")
    nodes = [(from_.this, False)] if from_ is not None else []
    for join in select.args.get("joins") or []:
        if join.side in ("RIGHT", "FULL"):
            return None
        nodes.append((join.this, join.side == "LEFT"))
    items: list[Item] = []
    for node, nullable in nodes:
        if isinstance(node, exp.Lateral) or node.args.get("joins"):
            return None
        items.append(_item(node, names, nullable=nullable))
    return items if len({item.alias for item in items}) == len(items) and not select.args.get("laterals") else None


def _item(node: exp.Expr, names: Names, *, nullable: bool) -> Item:
    from sqlglot import exp

    alias = node.args.get("alias")
    called = folded(alias.this) if alias is not None and alias.this is not None else ""
    columns = tuple(folded(column) for column in alias.args.get("columns") or ()) if alias is not None else ()
    if isinstance(node, exp.Table) and not isinstance(node.this, exp.Func):
        name, db = folded(node.this), node.args.get("db")
        if db is not None:
            table = TableName(folded(db), name) if not columns else None
            return Item(called or name, node, names, table=table, nullable=nullable)
        named = names.get(name)
        if named is None or named.recursive or columns:
            return Item(called or name, node, names, nullable=nullable)
        said = named.node.args["alias"].args.get("columns") or ()
        given = tuple(folded(column) for column in said) or output_names(named.node.this)
        return Item(called or name, node, named.seen, query=named.node.this, columns=given, nullable=nullable)
    if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Query):
        given = columns or output_names(node.this)
        return Item(called, node, names, query=node.this, columns=given, nullable=nullable)
    return Item(called, node, names, nullable=nullable)


def resolve(column: exp.Column, items: list[Item], types: Types) -> Column | None:
    """Return which column a name means; None where that cannot be told without asking the database.

    A bare name means the one item that has it, if all items' columns are known; an item of the innermost query wins
    over the queries around it.
    """
    if column.args.get("db") is not None:
        return None
    name = folded(column.this)
    qualifier = column.args.get("table")
    if qualifier is not None:
        return folded(qualifier), name
    given = [_columns(item, types) for item in items]
    owners = [item for item, columns in zip(items, given, strict=True) if name in columns]
    return (owners[0].alias, name) if len(owners) == 1 and all(given) else None


def _columns(item: Item, types: Types) -> tuple[str, ...]:
    if item.table is not None:
        return tuple(types.get(item.table, ()))
    return () if "" in item.columns else item.columns


def type_of(column: Column, items: list[Item], types: Types) -> str | None:
    """Return the type in which a column of these items is compared as a key, None where it cannot be one."""
    item = next((item for item in items if item.alias == column[0]), None)
    if item is None:
        return None
    if item.table is not None:
        return key_type(types.get(item.table, {}).get(column[1]))
    position = item.position(column[1])
    if item.query is None or position is None:
        return None
    found = set(_output_types(item.query, position, item.names, types))
    return found.pop() if len(found) == 1 else None


def _output_types(node: exp.Expr, position: int, names: Names, types: Types) -> Iterator[str | None]:
    """Yield the key type of an output of every SELECT of a query."""
    from sqlglot import exp

    node = unwrapped(node)
    names = names_in(node, names)
    if isinstance(node, exp.SetOperation):
        yield from _output_types(node.this, position, names, types)
        yield from _output_types(node.expression, position, names, types)
        return
    items = items_of(node, names) if isinstance(node, exp.Select) else None
    column = output_column(node, position, items, types) if items is not None else None
    yield type_of(column, items, types) if items is not None and column is not None else None


def output_column(select: exp.Expr, position: int, items: list[Item], types: Types) -> Column | None:
    """Return the column that stands plainly at a place of the output, None where something else does."""
    from sqlglot import exp

    outputs = select.expressions
    if position >= len(outputs) or any(is_star(item) for item in outputs[: position + 1]):
        return None
    item = outputs[position]
    column = item.this if isinstance(item, exp.Alias) else item
    return resolve(column, items, types) if isinstance(column, exp.Column) else None
