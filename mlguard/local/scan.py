"""Runs the queries that give the states of a table's rows, group by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from mlguard.emit.duck_grouping import Rows
from mlguard.emit.duck_states import keys_of, quantiles_of, scan, values_of
from mlguard.emit.duck_tallies import tally_of
from mlguard.emit.grouped import FEW_VALUES, POINTS
from mlguard.emit.joins import joins_of
from mlguard.lang.measure import TALLIED, Of, State
from mlguard.local.engine import Engine
from mlguard.local.merge import Document, cut_keys

Segment = tuple[str | None, ...]
Key = tuple[str | datetime | None, Segment]  # batch or bucket (None: all rows), and the values of the segment columns


@dataclass
class Counted:
    """What one set of groups gave.

    Attributes:
        documents: states by group.
        bad: how many rows break each row rule, by group.
    """

    documents: dict[Key, Document] = field(default_factory=dict)
    bad: dict[Key, tuple[int, ...]] = field(default_factory=dict)


def count(
    engine: Engine,
    rows: Rows,
    states: Sequence[State],
    broken: Sequence[str] = (),
    edges: Mapping[str, Sequence[float]] | None = None,
    *,
    mergeable: bool = True,
) -> Counted:
    """Count rows in one pass, and what needs a grouping of its own in a pass each.

    Args:
        engine: where the table is.
        rows: which rows, by group.
        states: what is wanted of each group.
        broken: for each row rule when a row breaks it.
        edges: the baseline's edges by column.
        mergeable: whether groups will be merged; else keys are only counted.
    """
    rows = replace(rows, joins=joins_of(rows.program, rows.by, states))
    table = str(rows.program.table)
    plan = scan(rows, states, broken, dict(edges or {}))
    split = _Split(rows)
    found = Counted()
    for row in engine.rows(plan.sql, f"{table}: rows", table=table):
        key = split.key(row)
        found.documents[key] = plan.document(row)
        found.bad[key] = plan.bad(row)
    for state in states:
        if state.of in TALLIED:
            _tallied(engine, rows, state, found, split)
        elif state.of in (Of.VALUES, Of.KEYS, Of.QUANTILES):
            _grouped(engine, rows, state, found, split, mergeable=mergeable)
    return found


class _Split:
    """Tells keys from values in the rows of a query."""

    def __init__(self, rows: Rows) -> None:
        self.scoped = rows.batch is not None or rows.buckets
        self.width = len(rows.keys)

    def key(self, row: Sequence[Any]) -> Key:
        scope = row[0] if self.scoped else None
        return scope, tuple(row[int(self.scoped) : self.width])


def _grouped(engine: Engine, rows: Rows, state: State, found: Counted, split: _Split, *, mergeable: bool) -> None:
    table, what = str(rows.program.table), f"{rows.program.table}: {state.key}"
    width = split.width
    for document in found.documents.values():
        document[state.key] = _empty(state.of)
    match state.of:
        case Of.VALUES:
            for row in engine.rows(values_of(rows, state), what, table=table):
                kept = found.documents[split.key(row)][state.key]
                name, n = row[width], int(row[width + 1])
                kept["n"] += n
                if name is None:
                    kept["other"] += n
                else:
                    kept["c"][name] = n
        case Of.QUANTILES:
            for row in engine.rows(quantiles_of(rows, state), what, table=table):
                kept = found.documents[split.key(row)][state.key]
                kept["n"] = int(row[width])
                kept["v"].append(row[width + 1])
            for document in found.documents.values():
                n = document[state.key]["n"]
                if n > FEW_VALUES:
                    document[state.key]["w"] = [n / POINTS] * POINTS
        case _:
            _keys(engine, rows, state, found, split, what, mergeable=mergeable)


def _tallied(engine: Engine, rows: Rows, state: State, found: Counted, split: _Split) -> None:
    for document in found.documents.values():
        document[state.key] = {"c": {}}
    table, width = str(rows.program.table), split.width
    for row in engine.rows(tally_of(rows, state), f"{table}: {state.key}", table=table):
        kept = found.documents[split.key(row)][state.key]
        name, *sums, rounded = row[width:]
        kept["c"][name] = [value or 0 for value in sums]
        if rounded:
            kept["rounded"] = True


def _keys(
    engine: Engine, rows: Rows, state: State, found: Counted, split: _Split, what: str, *, mergeable: bool
) -> None:
    table, width = str(rows.program.table), split.width
    hashes: dict[Key, dict[int, int]] = {}
    for row in engine.rows(keys_of(rows, state, hashes=mergeable), what, table=table):
        key = split.key(row)
        kept = found.documents[key][state.key]
        kept["keys"], kept["n"] = int(row[width]), int(row[width + 1] or 0)
        if mergeable:
            hashes.setdefault(key, {})[int(row[width + 2])] = int(row[width + 3])
    for key, counts in hashes.items():
        state_of = found.documents[key][state.key]
        state_of |= cut_keys(counts, 1.0, state_of["n"])


def _empty(of: Of) -> dict[str, Any]:
    if of is Of.VALUES:
        return {"n": 0, "c": {}, "other": 0}
    if of is Of.QUANTILES:
        return {"n": 0, "v": []}
    return {"n": 0, "keys": 0, "t": 1.0, "k": {}}
