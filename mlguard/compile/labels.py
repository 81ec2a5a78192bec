"""`labels:` and `attributes:` → where they are joined from, and what metrics may therefore name. Pure.

Both tables belong to somebody else: what is needed of them is refused here, at its place in the file, where it is
missing, because a join that finds two labels for one prediction would count it twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlguard.compile.draft import Path, Scene
from mlguard.compile.windows import span_of
from mlguard.lang import ExpressionError, Scope, compile_value
from mlguard.lang.metric_calls import LABEL
from mlguard.lang.tree import Expr
from mlguard.lang.types import NUMBERS, TIMES, UNKNOWN, Kind, SqlType
from mlguard.names import TableName, quote_ident
from mlguard.program import AttributeSource, LabelSource, TableShape
from mlguard.spec.models import SloFile
from mlguard.spec.predictions import Labels

# None: no database was asked; None of a table: that table is not at hand, and what is needed of it is taken on trust.
Sources = Mapping[TableName, TableShape | None] | None
Personal = Mapping[TableName, frozenset[str]]


def tables_joined(files: Iterable[SloFile]) -> frozenset[TableName]:
    """Return the tables in which the files find labels and attributes."""
    found = (part.table for file in files for part in (file.labels, file.attributes) if part is not None)
    return frozenset(found)


def labels_of(file: SloFile, scene: Scene, sources: Sources) -> LabelSource | None:
    """Return where the truth about predictions is found, None where nowhere; faults are noted.

    Args:
        file: the SLO file.
        scene: where faults are noted; metrics may name the label from here on.
        sources: the real tables; None: no database was asked.
    """
    said = file.labels
    if said is None:
        return None
    scene.label = UNKNOWN  # so that what is wrong with the table is not told again of every metric
    shape = _source("labels", said.table, said.on, scene, sources)
    if scene.shape.column(LABEL) is not None:
        scene.fault(
            f"{scene.table} has a column `{LABEL}`, which is how metrics name what `labels` finds",
            ("labels",),
            f"rename the column: alter table {scene.table.sql} rename column {LABEL} to …",
        )
    if file.event_time is None:
        scene.fault(
            "labels are counted by the event time of their predictions, and the file names none",
            ("labels",),
            "add event_time: <column>",
        )
    value = _value(said, scene, shape)
    event_time = _event_time(said, scene, shape)
    if value is None or (shape is None and _is_asked(said.table, sources)):
        return None
    scene.label = value.type
    mature = span_of(said.mature_after) if said.mature_after is not None else span_of(_NOW)
    scene.matures = mature
    return LabelSource(said.table, tuple(said.on), value, event_time, mature, shape)


def attributes_of(file: SloFile, scene: Scene, sources: Sources, pii: Personal) -> AttributeSource | None:
    """Return where columns for segments and groups are found, None where nowhere; faults are noted.

    Args:
        file: the SLO file.
        scene: where faults are noted; groups may name the attributes from here on, and what is personal of them is as
            personal as a column of the table.
        sources: the real tables; None: no database was asked.
        pii: the pii columns of tables.
    """
    said = file.attributes
    if said is None:
        return None
    scene.attributes = dict.fromkeys(said.columns, UNKNOWN)
    scene.pii |= pii.get(said.table, frozenset()) & set(said.columns)
    shape = _source("attributes", said.table, said.on, scene, sources)
    for index, name in enumerate(said.columns):
        path = ("attributes", "columns", index)
        if name == LABEL or scene.shape.column(name) is not None:
            scene.fault(f"{scene.table} has a `{name}` of its own", path, "segment by that, or rename one of the two")
        found = shape.column(name) if shape is not None else None
        if shape is not None and found is None:
            scene.fault(f"no column `{name}` in {said.table}", path, _columns(shape))
        if found is not None:
            scene.attributes[name] = found.type
    if shape is None and _is_asked(said.table, sources):
        return None
    return AttributeSource(said.table, tuple(said.on), tuple(said.columns), shape)


class _Now:
    months = days = microseconds = 0


_NOW = _Now()


def _source(key: str, table: TableName, on: Iterable[str], scene: Scene, sources: Sources) -> TableShape | None:
    """Return the table's shape, None where there is none or no database was asked; what makes it unfit is noted."""
    path: Path = (key, "table")
    if table == scene.table:
        scene.fault(
            f"`{key}` names the prediction table itself", path, "use its columns as they are: mean(<column>), share(…)"
        )
        return None
    if sources is None or not _is_asked(table, sources):
        return None
    shape = sources.get(table)
    if shape is None:
        scene.fault(
            f"no table {table} in this database",
            path,
            "create the table first, or correct the name; names are exact, capitals included",
        )
        return None
    if shape.relkind not in ("r", "p"):
        scene.fault(
            f"{table} is no table, so no trigger tells when its rows change", path, "name the table the rows are in"
        )
        return None
    if shape.persistence == "t":
        scene.fault(f"{table} is a temporary table", path, "it ends with its session; name a permanent one")
        return None
    if shape.parent is not None:
        scene.fault(
            f"{table} is a part of {shape.parent}: a write through {shape.parent} would not fire its triggers",
            path,
            f"name {shape.parent}",
        )
    elif shape.heirs and shape.relkind != "p":
        scene.fault(
            f"{shape.heirs[0]} inherits from {table}, and what is written there fires no trigger of {table}",
            path,
            "use partitions, or name one table that holds all rows",
        )
    _judge_keys(key, table, tuple(on), scene, shape)
    return shape


def _is_asked(table: TableName, sources: Sources) -> bool:
    return sources is not None and not (table in sources and sources[table] is None)


def _judge_keys(key: str, table: TableName, on: tuple[str, ...], scene: Scene, shape: TableShape) -> None:
    good = True
    for index, name in enumerate(on):
        path: Path = (key, "on", index)
        theirs, own = shape.column(name), scene.shape.column(name)
        if theirs is None:
            scene.fault(f"no column `{name}` in {table}", path, _columns(shape))
        if own is None and not scene.shape.declared:
            scene.fault(f"no column `{name}` in {scene.table}", path, scene.nearest(name))
        if theirs is not None and own is not None and not _comparable(theirs.type, own.type):
            scene.fault(
                f"{name} is {own.type} in {scene.table} and {theirs.type} in {table}",
                path,
                "give both columns one type: rows are matched by equality",
            )
        good = good and theirs is not None
    if good and not any(set(columns) <= set(on) for columns in shape.unique):
        listed = ", ".join(map(quote_ident, on))
        what = "two labels for one prediction" if key == "labels" else "two rows for one prediction"
        scene.fault(
            f"nothing in {table} keeps ({', '.join(on)}) unique, so there could be {what}",
            (key, "on"),
            f"create unique index concurrently on {table.sql} ({listed})",
        )


def _comparable(left: SqlType, right: SqlType) -> bool:
    if UNKNOWN.kind in (left.kind, right.kind):
        return True
    return left.kind is right.kind or {left.kind, right.kind} <= NUMBERS


def _value(said: Labels, scene: Scene, shape: TableShape | None) -> Expr | None:
    path = ("labels", "value")
    try:
        value = compile_value(said.value, _scope(shape))
    except ExpressionError as error:
        scene.expression_fault(error, path)
        return None
    kind = value.type.kind
    if kind is Kind.BOOL or kind is Kind.UNKNOWN or kind in NUMBERS:
        return value
    scene.fault(
        f"the label is {value.type}, and metrics compare with a number or with true and false",
        path,
        f"write a condition: {said.value} = '…'" if kind in (Kind.TEXT, Kind.ENUM) else "write an expression",
    )
    return None


def _event_time(said: Labels, scene: Scene, shape: TableShape | None) -> Expr | None:
    if said.event_time is None:
        return None
    path = ("labels", "event_time")
    try:
        found = compile_value(said.event_time, _scope(shape))
    except ExpressionError as error:
        scene.expression_fault(error, path)
        return None
    if found.type.kind in TIMES or found.type.kind is Kind.UNKNOWN:
        return found
    scene.fault(
        f"the labels' event_time is {found.type}, not a time",
        path,
        "write an expression that gives a timestamp",
    )
    return None


def _scope(shape: TableShape | None) -> Scope:
    if shape is None:
        return Scope(columns={}, closed=False, lookups=False)
    return Scope(columns={column.name: column.type for column in shape.columns}, closed=True, lookups=False)


def _columns(shape: TableShape) -> str:
    return f"columns: {', '.join(column.name for column in shape.columns)}"
