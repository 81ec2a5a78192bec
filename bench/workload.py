"""The workload: a feature table of 20 columns, its 20 row rules, and rows made from fixed seeds.

Knows data and rules, no server. The same arguments give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FLOATS = tuple(f"f{number:02d}" for number in range(1, 13))
INTS = tuple(f"i{number:02d}" for number in range(1, 5))
NUMBERS = (*FLOATS, *INTS)
COLUMNS = ("entity_id", "event_ts", *NUMBERS, "t1", "t2")
BOUNDS: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(FLOATS, (0.0, 100.0)),
    **dict.fromkeys(INTS, (0, 1000)),
}
SETS: Mapping[str, Sequence[str]] = {
    "t1": ("BR", "CN", "DE", "FR", "IN", "JP", "UK", "US"),
    "t2": ("bronze", "gold", "platinum", "silver"),
}
REQUIRED = ("t1", "t2")

SEED = 20240517
CHUNK = 500_000  # rows generated at a time; part of what fixes the bytes
NULLED = (*FLOATS[:6], *INTS[:2])  # one value in a hundred is NULL
BREAKABLE = ("f01", "f02", "f03", "i03", "t1")  # a bad row breaks one rule, on one of these
BAD_VALUE: Mapping[str, object] = {"f01": 1000.5, "f02": 1000.5, "f03": 1000.5, "i03": -7, "t1": "ZZ"}


@dataclass(frozen=True)
class RowRule:
    """One rule as the hand-written baselines spell it."""

    name: str
    column: str
    good: str


def row_rules(row: str = "") -> tuple[RowRule, ...]:
    """Return the 16 ranges, 2 sets and 2 not-nulls, columns prefixed with `row`."""
    ranges = [
        RowRule(f"range_{name}", name, f"{row}{name} BETWEEN {low} AND {high}") for name, (low, high) in BOUNDS.items()
    ]
    sets = [
        RowRule(f"set_{name}", name, f"{row}{name} IN ({', '.join(repr(value) for value in values)})")
        for name, values in SETS.items()
    ]
    return (*ranges, *sets, *(RowRule(f"nn_{name}", name, f"{row}{name} IS NOT NULL") for name in REQUIRED))


def table(name: str, *, primary_key: bool = False) -> str:
    """Return CREATE TABLE for the feature table."""
    key = " primary key" if primary_key else " not null"
    columns = [f"entity_id bigint{key}", "event_ts timestamp not null"]
    columns += [f"{column} double precision" for column in FLOATS]
    columns += [f"{column} integer" for column in INTS]
    columns += ["t1 text", "t2 text"]
    return f"create table {name} (\n  " + ",\n  ".join(columns) + "\n)"


def write_csv(path: Path, rows: int, *, start: int = 0, bad: float = 0.0) -> Path:
    """Write rows to a CSV file without a header, `bad` being the share of rows that break one rule."""
    from pyarrow import csv

    options = csv.WriteOptions(include_header=False)
    first = _chunk(0, 1, 0, 0.0)
    with csv.CSVWriter(path, first.schema, write_options=options) as writer:
        for number, offset in enumerate(range(0, rows, CHUNK)):
            writer.write_table(_chunk(number, min(CHUNK, rows - offset), start + offset, bad))
    return path


def write_parquet(path: Path, rows: int, *, start: int = 0, bad: float = 0.0) -> Path:
    """Write rows to a Parquet file; the arguments are those of write_csv."""
    from pyarrow import parquet

    first = _chunk(0, 1, 0, 0.0)
    with parquet.ParquetWriter(path, first.schema) as writer:
        for number, offset in enumerate(range(0, rows, CHUNK)):
            writer.write_table(_chunk(number, min(CHUNK, rows - offset), start + offset, bad), row_group_size=122_880)
    return path


def _chunk(number: int, rows: int, start: int, bad: float) -> Any:
    import numpy as np
    import pyarrow as pa

    generator = np.random.default_rng([SEED, number, start])
    identifiers = np.arange(start, start + rows, dtype="int64")
    times = 1_700_000_000_000 + identifiers * 250 + generator.integers(0, 250, rows)
    values: dict[str, Any] = {name: np.clip(generator.normal(50, 10, rows), 0, 100).round(6) for name in FLOATS}
    values |= {name: generator.integers(0, 1001, rows, dtype="int32") for name in INTS}
    masks = {name: generator.random(rows) < 0.01 for name in NULLED}
    for name, choices in SETS.items():
        values[name] = np.array(choices, dtype=object)[generator.integers(0, len(choices), rows)]
    if bad:
        breaks = generator.integers(0, len(BREAKABLE), rows)
        broken = generator.random(rows) < bad
        for position, name in enumerate(BREAKABLE):
            here = broken & (breaks == position)
            values[name][here] = BAD_VALUE[name]
            if name in masks:
                masks[name] &= ~here
    arrays = {"entity_id": pa.array(identifiers), "event_ts": pa.array(times, pa.timestamp("ms"))}
    arrays |= {name: pa.array(values[name], mask=masks.get(name)) for name in NUMBERS}
    arrays |= {name: pa.array(values[name], pa.string()) for name in SETS}
    return pa.table({name: arrays[name] for name in COLUMNS})
