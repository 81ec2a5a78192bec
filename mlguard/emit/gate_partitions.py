"""Guarded views of single partitions by event time: a window that is held closes those it reaches into. Pure.

Such a view reads the table between the partition's bounds, so that what it returns lies there whatever becomes of the
partition, which can be dropped or detached under it.
"""

from __future__ import annotations

from mlguard.emit import gate
from mlguard.emit.objects import DbObject
from mlguard.emit.rules import literal
from mlguard.lang.tree import Column
from mlguard.lang.types import Kind as TypeKind
from mlguard.names import TableName, fit, quote_ident
from mlguard.program import Action, Level, PartitionBounds, Reads, TableProgram

TYPES = {
    TypeKind.DATE: "date",
    TypeKind.TIMESTAMP: "timestamp without time zone",
    TypeKind.TIMESTAMPTZ: "timestamp with time zone",
}


def objects(program: TableProgram) -> list[DbObject]:
    """Return one view for each partition, none where no window can hold the table or bounds are not event times."""
    return [_view(program, bounds) for bounds in _bounds(program)]


def view_names(program: TableProgram) -> list[TableName]:
    """Return the names of those views."""
    return [_view_name(bounds) for bounds in _bounds(program)]


def _bounds(program: TableProgram) -> tuple[PartitionBounds, ...]:
    at = program.event_time
    holds = any(rule.level is Level.WINDOW and rule.action is Action.HOLD and not rule.shadow for rule in program.rules)
    if not holds or program.reads is not Reads.VIEW or not isinstance(at, Column) or at.type.kind not in TYPES:
        return ()
    return program.shape.bounds if program.shape.partition_columns == (at.name,) else ()


def _view_name(bounds: PartitionBounds) -> TableName:
    return TableName(bounds.partition.schema, fit(f"{bounds.partition.name}_guarded"))


def _view(program: TableProgram, bounds: PartitionBounds) -> DbObject:
    assert isinstance(program.event_time, Column)
    kind = program.event_time.type.kind
    column = f"t.{quote_ident(program.event_time.name)}"
    low, high = (f"{literal(text)}::{TYPES[kind]}" for text in (bounds.low, bounds.high))
    span = (_moment(low, kind, program.time_zone), _moment(high, kind, program.time_zone))
    where = [f"{column} >= {low} and {column} < {high}", *gate.conditions(program)]
    why = "readers of a partition pass its own gate"
    return gate.guarded_view(program, _view_name(bounds), gate.source(program, span=span), where, why)


def _moment(value: str, kind: TypeKind, time_zone: str) -> str:
    """Return a bound as timestamptz, as event times are read: a day begins by the clock of the table's time zone."""
    if kind is TypeKind.TIMESTAMPTZ:
        return value
    local = f"{value}::timestamp" if kind is TypeKind.DATE else value
    return f"({local} at time zone {literal(time_zone)})"
