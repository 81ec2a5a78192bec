"""Features of a model, joined for training: what the files of both tables say together. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mlguard.lang.analyse import columns_of
from mlguard.names import TableName
from mlguard.program import FeatureSource, TableProgram


def with_features(tables: Mapping[TableName, TableProgram]) -> dict[TableName, TableProgram]:
    """Return the tables with what training reads of each model's features; what cannot be joined is noted for plan.

    A feature table is joined by its key as of the time of the prediction, so it needs an SLO file of the project with
    `key:` and `event_time:`, and key columns that the table of predictions has.
    """
    return {name: _joined(program, tables) for name, program in tables.items()}


def _joined(program: TableProgram, tables: Mapping[TableName, TableProgram]) -> TableProgram:
    predictions = program.predictions
    if predictions is None or not predictions.features:
        return program
    found: list[FeatureSource] = []
    notes: list[str] = []
    for table in predictions.features:
        source = tables.get(table)
        why = "it has no SLO file here" if source is None else _unfit(source, program)
        if source is None or why:
            notes.append(f"training on {program.table} does not join {table}: {why}")
        else:
            found.append(_source(source))
    joined = replace(predictions, joined=tuple(found))
    return replace(program, predictions=joined, notes=(*program.notes, *notes))


def _entity(source: TableProgram) -> tuple[str, ...]:
    """Return the key of a feature table without the columns of its event time: one row per entity and time."""
    times = set(columns_of(source.event_time)) if source.event_time is not None else set()
    return tuple(name for name in source.key if name not in times)


def _unfit(source: TableProgram, program: TableProgram) -> str:
    """Return why a feature table cannot be joined as of a time, '' where it can."""
    if source.event_time is None:
        return "its SLO file names no event_time"
    if program.event_time is None:
        return f"{program.table} names no event_time"
    if not _entity(source):
        return "its SLO file names no key"
    missing = [name for name in _entity(source) if program.shape.column(name) is None]
    return f"{program.table} has no column {missing[0]}" if missing else ""


def _source(source: TableProgram) -> FeatureSource:
    assert source.event_time is not None
    on = _entity(source)
    columns = tuple(column for column in source.shape.columns if column.name not in on)
    return FeatureSource(source.table, on, source.event_time, source.time_zone, columns)
