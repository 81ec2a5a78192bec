"""The columns that steps write and rows are told by: faults are noted where one cannot serve. Pure."""

from __future__ import annotations

from mlguard.compile.draft import Path, Scene
from mlguard.lang.types import FLOATS, NUMBERS, Kind, SqlType

KEY_KINDS = frozenset(
    {Kind.INT2, Kind.INT4, Kind.INT8, Kind.NUMERIC, Kind.TEXT, Kind.UUID, Kind.BOOL, Kind.ENUM}
    | {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ}
)


def writable(name: str, scene: Scene, path: Path) -> bool:
    """Say whether a step may write the column; faults are noted."""
    shape = scene.shape.column(name)
    if shape is None:
        if not scene.shape.declared:
            scene.fault(f"no column `{name}` in {scene.table}", path, scene.nearest(name))
        return scene.shape.declared
    if name in scene.key:
        scene.fault(f"{name} is part of the key: a step cannot turn a row into another", path)
    elif name in scene.shape.partition_columns:
        scene.fault(f"{name} is a partition key: the row was routed before the trigger ran", path)
    elif shape.generated is not None:
        scene.fault(f"{name} is a generated column", path, "change the columns it is computed from")
    elif shape.identity == "always":
        scene.fault(f"{name} is numbered by PostgreSQL", path)
    else:
        return True
    return False


def number(name: str, what: str, scene: Scene, path: Path, *, floats: bool = False) -> SqlType | None:
    """Return the type of a column that must be a number; faults are noted.

    A column whose type nobody told yet is taken for double precision: the database tells before anything is made of it.
    """
    if not writable(name, scene, path):
        return None
    shape = scene.shape.column(name)
    if shape is None or shape.type.kind is Kind.UNKNOWN:
        return SqlType(Kind.FLOAT8)
    if shape.type.kind not in NUMBERS or (floats and shape.type.kind not in FLOATS | {Kind.NUMERIC}):
        scene.fault(f"{what} needs a number{' with decimals' * floats}; {name} is {shape.type}", path)
        return None
    return shape.type
