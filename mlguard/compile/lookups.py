"""Which other tables the rules of files look values up in, and whether a column there can be compared. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlguard.compile.draft import Path, Scene
from mlguard.lang import ExpressionError
from mlguard.lang.analyse import lookups_of
from mlguard.lang.parse import parse
from mlguard.names import TableName
from mlguard.program import TableShape
from mlguard.spec.models import SloFile


def tables_looked_up(files: Iterable[SloFile]) -> frozenset[TableName]:
    """Return every table that `IN (SELECT …)`, `references` or a calibration of the files reads."""
    return frozenset(table for file in files for table in _of_file(file))


def _of_file(file: SloFile) -> Iterator[TableName]:
    for text in _expressions(file):
        try:
            yield from (table for table, _ in lookups_of(parse(text).expr))
        except ExpressionError:
            continue  # the fault is told when the file is compiled
    for part in (*file.columns.values(), *file.groups):
        if part.references is not None:
            yield part.references.value.table_name(file.table)
    for step in file.post:
        yield from (how.table for how in step.calibrate.values() if how.table is not None)


def _expressions(file: SloFile) -> Iterator[str]:
    said: list[str | None] = [file.event_time]
    for slo in file.slos:
        said += [slo.check, slo.where]
    for part in (*file.columns.values(), *file.groups):
        said += [rule.where for _, rule in part.rules()]
    for step in file.post:
        said += [step.when, *step.set.values()]
    yield from (text for text in said if text is not None)


def column_there(table: TableName, column: str, path: Path, scene: Scene) -> bool:
    """Say whether another table has the column, as far as that is known; what lacks is noted."""
    if scene.others is None:
        return True
    shape: TableShape | None = scene.others.get(table)
    if shape is None:
        help_ = "create the table first, or correct the name; names are exact, capitals included"
        scene.fault(f"no table {table} in this database", path, help_)
        return False
    if shape.column(column) is None:
        names = ", ".join(each.name for each in shape.columns)
        scene.fault(f"no column `{column}` in {table}", path, f"columns: {names}")
        return False
    return True
