"""Labels and attributes of files of predictions: where they are found, and whether they can be joined."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from mlguard.compile.labels import tables_joined
from mlguard.emit.duck_joins import doubled_duck
from mlguard.local.engine import Engine
from mlguard.names import TableName
from mlguard.program import TableProgram, TableShape
from mlguard.spec import Project


def shapes_joined(project: Project, shapes: Mapping[TableName, TableShape]) -> dict[TableName, TableShape | None]:
    """Return the tables of labels and attributes with the keys they are joined by, None where no data was given.

    That a key comes once is what an index says in the database; of a file it is counted when it is judged (`doubled`).
    """
    found: dict[TableName, TableShape | None] = {}
    for table in tables_joined(project.files):
        shape = shapes.get(table)
        keys = tuple(
            tuple(part.on)
            for file in project.files
            for part in (file.labels, file.attributes)
            if part is not None and part.table == table
        )
        found[table] = replace(shape, unique=keys) if shape is not None else None
    return found


def with_landed(program: TableProgram, landed: Mapping[TableName, TableName]) -> TableProgram:
    """Return the table with labels and attributes read from the rows that land, where their own rules keep some out."""
    predictions = program.predictions
    if predictions is None:
        return program
    labels, attributes = predictions.labels, predictions.attributes
    if labels is not None and labels.table in landed:
        labels = replace(labels, table=landed[labels.table])
    if attributes is not None and attributes.table in landed:
        attributes = replace(attributes, table=landed[attributes.table])
    return replace(program, predictions=replace(predictions, labels=labels, attributes=attributes))


def doubled(engine: Engine, program: TableProgram, given: Collection[TableName]) -> dict[str, str]:
    """Say of labels and attributes why they cannot be joined: a key that comes twice would count a row twice.

    Args:
        engine: where the tables are.
        program: the table of predictions.
        given: the tables of which there is data.

    Returns:
        By `labels` and `attributes` the reason, none where there is nothing wrong.
    """
    predictions = program.predictions
    if predictions is None:
        return {}
    found: dict[str, str] = {}
    for what, source in (("labels", predictions.labels), ("attributes", predictions.attributes)):
        if source is None or source.shape is None or source.shape.table not in given:
            continue
        sql, name = doubled_duck(source.table, source.on), source.shape.table
        ((more,),) = engine.rows(sql, f"{program.table}: {what}", table=str(source.table))
        if more:
            rows, key = "1 row" if more == 1 else f"{more} rows", ", ".join(source.on)
            found[what] = f"could not be judged: ({key}) is not unique in {name}, {rows} too many"
    return found
