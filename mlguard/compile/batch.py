"""`batch:` of a file: the column whose values tell loads apart, and which columns cannot. Pure."""

from __future__ import annotations

from mlguard.compile.draft import Scene
from mlguard.lang.types import FLOATS, Kind
from mlguard.spec.models import SloFile

TRANSACTION = "transaction"
_NO_NAME = FLOATS | {Kind.INTERVAL, Kind.JSON, Kind.JSONB, Kind.ARRAY, Kind.BYTEA, Kind.BOOL, Kind.OTHER}


def batch_column(file: SloFile) -> str | None:
    """Return the column that `batch:` names, None where a batch is a transaction."""
    return None if file.batch == TRANSACTION else file.batch


def judge_batch_column(scene: Scene) -> None:
    """Refuse a column that is not there, is personal, or whose values are no names of loads."""
    name, path = scene.batch_column, ("batch",)
    if name is None:
        return
    column = scene.shape.column(name)
    if column is None:
        if not scene.shape.declared:
            scene.fault(
                f"no column `{name}` in {scene.table} to tell batches apart by",
                path,
                f"{scene.nearest(name)}; or write batch: transaction",
            )
    elif name in scene.pii:
        scene.fault(f"{name} is pii, and the name of a batch stands in messages", path, "use a column that is no one's")
    elif column.virtual:
        scene.fault(
            f"{name} is a virtual generated column, which statement triggers see as NULL",
            path,
            "make the column STORED",
        )
    elif column.type.kind in _NO_NAME:
        scene.fault(
            f"{name} is {column.type}, whose values are no names of loads",
            path,
            "use a text, integer, uuid, date or timestamp column that one load fills with one value",
        )
