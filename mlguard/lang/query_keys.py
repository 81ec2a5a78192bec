"""Which rows of an assertion's result a write can have changed: the rule by which only touched keys are judged again.

Column c of table t is a *key* of the SELECT, under the result column k, where for every value v the result rows with
k = v are made from rows of t with c = v alone. A write that touches rows of t with the values K of c (old and new) can
then change only result rows whose k is in K: every other part of the result is computed from the same rows as before.
Where a transaction writes several tables, each with a key under the same k, the parts that may change are those of the
union of their values: change one table after the other. A table that is read once without such an equality has no key,
and a write to it has the whole SELECT judged.

Within one SELECT the columns that must equal v are a class. It begins with k, which must stand plainly in the output
and belong to an item of FROM that no outer join fills with NULLs; it grows along equalities that every row must
satisfy (`x = y` under nothing but AND, in WHERE or in the ON of an inner join), and along those in the ON of a LEFT
JOIN towards its right side: a row without a partner there depends on the absence of partners, which would have had
that value. Both columns must be of one type whose values are equal exactly when their texts, read again, are.

Grouping keeps the rule, because a column that stands plainly beside aggregates is constant in its group (grouping
sets do not, nor does DISTINCT ON); window functions keep it where every PARTITION BY names a column of the class that
is never NULL-filled. A subquery in an expression is computed for rows whose class columns are v, so it inherits the
class. A derived table or a name of WITH is analysed by itself, for the column of it that is in the class; so is each
side of a set operation, by position.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlguard.lang.query import Query, folded
from mlguard.lang.query_items import (
    Column,
    Item,
    Names,
    Types,
    items_of,
    names_in,
    output_column,
    output_names,
    resolve,
    type_of,
    unwrapped,
)
from mlguard.names import TableName

if TYPE_CHECKING:
    from sqlglot import exp


@dataclass(frozen=True)
class Keys:
    """By what touched rows are told.

    Attributes:
        column: the column of the result.
        type: in which values are compared: bigint, text, uuid or date.
        tables: the key column of each table that has one.
    """

    column: str
    type: str
    tables: Mapping[TableName, str]


def keys_of(query: Query, types: Types) -> Keys | None:
    """Return by which column of the result most tables have a key; None where no table has one.

    Args:
        query: the SELECT.
        types: the columns of the tables it reads; a table that is missing here has no key.
    """
    best: Keys | None = None
    for position, name in enumerate(output_names(query.tree)):
        found = _Found(types)
        if name:
            found.result(query.tree, position, {})
        keyed = found.keyed()
        if keyed and found.kind is not None and (best is None or len(keyed) > len(best.tables)):
            best = Keys(name, found.kind, keyed)
    return best


@dataclass
class _Found:
    """What one output column makes known of each table: the columns by which its readings are restricted."""

    types: Types
    kind: str | None = None  # the key type of the class
    columns: dict[TableName, set[str]] = field(default_factory=dict)
    loose: set[TableName] = field(default_factory=set)  # read without restriction

    def keyed(self) -> dict[TableName, str]:
        """Return the tables with exactly one key column."""
        return {
            table: next(iter(columns))
            for table, columns in self.columns.items()
            if table not in self.loose and len(columns) == 1
        }

    def result(self, node: exp.Expr, position: int, names: Names) -> None:
        """Analyse a query for its output at `position`."""
        from sqlglot import exp

        node = unwrapped(node)
        names = names_in(node, names)
        if isinstance(node, exp.SetOperation):
            self.result(node.this, position, names)
            self.result(node.expression, position, names)
            return
        items = items_of(node, names) if isinstance(node, exp.Select) else None
        seed = output_column(node, position, items, self.types) if items is not None else None
        if items is None or seed is None or not self._may_begin(seed, items):
            self._loosen(node, names)
            return
        assert isinstance(node, exp.Select)
        known = self._grown({seed}, node, items)
        if _keeps_apart(node, known, items, self.types):
            self._followed(node, known, items, names)
        else:
            self._loosen(node, names)

    def _may_begin(self, seed: Column, items: list[Item]) -> bool:
        if not any(item.alias == seed[0] and not item.nullable for item in items):
            return False
        kind = type_of(seed, items, self.types)
        self.kind = self.kind or kind
        return kind is not None and kind == self.kind

    def _inherited(self, node: exp.Expr, outer: frozenset[Column], names: Names) -> None:
        """Analyse a subquery of an expression."""
        from sqlglot import exp

        node = unwrapped(node)
        names = names_in(node, names)
        if isinstance(node, exp.SetOperation):
            self._inherited(node.this, outer, names)
            self._inherited(node.expression, outer, names)
            return
        items = items_of(node, names) if isinstance(node, exp.Select) else None
        if items is None:
            self._loosen(node, names)
            return
        assert isinstance(node, exp.Select)
        hidden = {item.alias for item in items}
        known = self._grown({column for column in outer if column[0] not in hidden}, node, items)
        self._followed(node, known, items, names)

    def _grown(self, known: set[Column], select: exp.Select, items: list[Item]) -> frozenset[Column]:
        """Return the class with every column that must equal one of it."""
        edges: list[tuple[Column, Column]] = []  # from, to
        where = select.args.get("where")
        for left, right in _equalities(where.this if where is not None else None, items, self.types):
            edges += [(left, right), (right, left)]
        for join, item in zip(select.args.get("joins") or [], items[1:], strict=True):
            for left, right in _equalities(join.args.get("on"), items, self.types):
                both = [(left, right), (right, left)]
                edges += [edge for edge in both if not item.nullable or edge[1][0] == item.alias]
        edges = [edge for edge in edges if type_of(edge[1], items, self.types) == self.kind]
        while new := {to for from_, to in edges if from_ in known} - known:
            known |= new
        return frozenset(known)

    def _followed(self, select: exp.Select, known: frozenset[Column], items: list[Item], names: Names) -> None:
        """Note what the class says of each item of FROM, and of the subqueries of expressions."""
        for item in items:
            columns = sorted(column for alias, column in known if alias == item.alias)
            if item.table is not None:
                before = self.columns.setdefault(item.table, set())
                if not columns:
                    self.loose.add(item.table)
                elif not before.intersection(columns):
                    before.add(columns[0])
                continue
            positions = [place for column in columns if (place := item.position(column)) is not None]
            if item.query is not None and positions:
                self.result(item.query, positions[0], item.names)
            else:
                self._loosen(item.node, names)
        for query in _subqueries(select):
            self._inherited(query, known, names)

    def _loosen(self, node: exp.Expr, names: Names) -> None:
        """Note that every table read anywhere inside is read without restriction; names of WITH are followed."""
        from sqlglot import exp

        seen: set[int] = set()
        waiting: list[tuple[exp.Expr, Names]] = [(node, names)]
        while waiting:
            part, visible = waiting.pop()
            for table in part.find_all(exp.Table):
                if isinstance(table.this, exp.Func):
                    continue
                name, db = folded(table.this), table.args.get("db")
                named = visible.get(name)
                if db is not None:
                    self.columns.setdefault(TableName(folded(db), name), set())
                    self.loose.add(TableName(folded(db), name))
                elif named is not None and id(named.node) not in seen:
                    seen.add(id(named.node))
                    waiting.append((named.node, named.seen))


def _conjuncts(condition: exp.Expr | None) -> Iterator[exp.Expr]:
    from sqlglot import exp

    if isinstance(condition, exp.And):
        yield from _conjuncts(condition.this)
        yield from _conjuncts(condition.expression)
    elif isinstance(condition, exp.Paren):
        yield from _conjuncts(condition.this)
    elif condition is not None:
        yield condition


def _equalities(condition: exp.Expr | None, items: list[Item], types: Types) -> Iterator[tuple[Column, Column]]:
    """Yield the pairs of columns that are equal in every row that satisfies the condition."""
    from sqlglot import exp

    for part in _conjuncts(condition):
        if isinstance(part, exp.EQ) and isinstance(part.this, exp.Column) and isinstance(part.expression, exp.Column):
            left, right = resolve(part.this, items, types), resolve(part.expression, items, types)
            if left is not None and right is not None:
                yield left, right


def _keeps_apart(select: exp.Select, known: frozenset[Column], items: list[Item], types: Types) -> bool:
    """Say whether rows with one value of the class are computed without rows of another."""
    from sqlglot import exp

    group, distinct = select.args.get("group"), select.args.get("distinct")
    if group is not None and (
        any(value for name, value in group.args.items() if name != "expressions")
        or any(isinstance(item, exp.GroupingSets | exp.Cube | exp.Rollup) for item in group.expressions)
    ):
        return False
    if (distinct is not None and distinct.args.get("on") is not None) or select.args.get("windows"):
        return False
    filled = {item.alias for item in items if item.nullable}
    for window in _own(select, exp.Window):
        columns = [part for part in window.args.get("partition_by") or [] if isinstance(part, exp.Column)]
        parts = [resolve(column, items, types) for column in columns]
        named = window.args.get("alias") is not None
        if named or not any(part in known and part[0] not in filled for part in parts if part is not None):
            return False
    return True


def _own(select: exp.Select, kind: type[exp.Expr]) -> Iterator[exp.Expr]:
    """Yield the nodes of a kind that stand in the expressions of this SELECT, queries inside them left out."""
    from sqlglot import exp

    for part in _expressions(select):
        for node in part.walk(prune=lambda item: isinstance(item, exp.Query)):
            if isinstance(node, kind):
                yield node


def _subqueries(select: exp.Select) -> Iterator[exp.Expr]:
    """Yield the queries inside the expressions of a SELECT, those of FROM left out."""
    from sqlglot import exp

    yield from _own(select, exp.Query)


def _expressions(select: exp.Select) -> Iterator[exp.Expr]:
    """Yield the expressions of a SELECT; of FROM only conditions, and the arguments of functions."""
    from sqlglot import exp

    for name, value in select.args.items():
        if name not in ("with_", "from_", "joins"):
            yield from (part for part in (value if isinstance(value, list) else [value]) if isinstance(part, exp.Expr))
    from_ = select.args.get("from_")
    nodes = [from_.this] if from_ is not None else []
    for join in select.args.get("joins") or []:
        nodes.append(join.this)
        if join.args.get("on") is not None:
            yield join.args["on"]
    yield from (node for node in nodes if not isinstance(node, exp.Subquery) and not _is_stored(node))


def _is_stored(node: exp.Expr) -> bool:
    from sqlglot import exp

    return isinstance(node, exp.Table) and not isinstance(node.this, exp.Func)
