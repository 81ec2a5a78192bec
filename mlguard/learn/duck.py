"""Samples of what DuckDB can read: relations, data frames, Parquet files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np

from mlguard.learn.sample import SAMPLE_ROWS, Numbers, Sample, Texts, chosen_positions, texts
from mlguard.names import quote_ident

if TYPE_CHECKING:
    import duckdb

ColumnKind = Literal["number", "text"]

_WHOLE = ("tinyint", "smallint", "integer", "bigint", "hugeint")
_NUMBERS = frozenset((*_WHOLE, *("u" + name for name in _WHOLE), "float", "double", "decimal"))


def kinds_of(relation: duckdb.DuckDBPyRelation) -> dict[str, ColumnKind]:
    """Which columns of a relation are learned as numbers, and which as texts (everything else, booleans too)."""
    kinds: dict[str, ColumnKind] = {}
    for name, kind in zip(relation.columns, relation.types, strict=True):
        base = str(kind).split("(")[0].lower()
        kinds[name] = "number" if base in _NUMBERS else "text"
    return kinds


def sample_of(
    relation: duckdb.DuckDBPyRelation,
    *,
    slot: int | None = None,
    kinds: Mapping[str, ColumnKind] | None = None,
    ordered: bool = True,
) -> Sample:
    """The sample of one scope held by a relation, the same one every time.

    Args:
        relation: All rows of the scope, in the order in which they arrived.
        slot: The scope's place in its cycle, such as the day of the week of a daily scope.
        kinds: What each column is learned as; `kinds_of` the relation when not given. Needed where a column without any
            value has no type of its own, as in data frames.
        ordered: False when the order of the rows means nothing.
    """
    kinds = kinds_of(relation) if kinds is None else kinds
    n = len(relation)
    positions = chosen_positions(n)
    place = _unused(relation.columns)
    chosen = ", ".join(
        f"try_cast({quote_ident(name)} as {'double' if kind == 'number' else 'varchar'}) as {quote_ident(name)}"
        for name, kind in kinds.items()
    )
    rows = relation.project(f"*, row_number() over () - 1 as {place}")
    if n > SAMPLE_ROWS:
        rows = rows.filter(f"{place} in ({', '.join(map(str, positions.tolist()))})")
    fetched = rows.order(place).project(chosen).fetchnumpy()
    columns: dict[str, Numbers | Texts] = {}
    for name, kind in kinds.items():
        values = fetched[name]
        missing = np.ma.getmaskarray(values)
        plain = np.ma.getdata(values)
        if kind == "number":
            columns[name] = np.where(missing, np.nan, plain).astype(np.float64)
        else:
            columns[name] = texts([None if gone else value for gone, value in zip(missing, plain, strict=True)])
    return Sample(n=n, columns=columns, positions=positions if ordered else None, slot=slot)


def _unused(names: list[str]) -> str:
    name = "position"
    while name in {taken.lower() for taken in names}:
        name += "_"
    return name
