"""Runs the queries that give the states of a table's rows, group by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from mlguard.emit.duck_grouping import Rows
from mlguard.emit.duck_grouping import newest as newest_of
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
        bad: how many rows break each row rule, by group; of rows that are kept out too.
        kept_out: how many rows are kept out, by group.
        newest: the newest event time, by group, where it was asked for.
    """

    documents: dict[Key, Document] = field(default_factory=dict)
    bad: dict[Key, tuple[int, ...]] = field(default_factory=dict)
    kept_out: dict[Key, int] = field(default_factory=dict)
    newest: dict[Key, datetime] = field(default_factory=dict)

    def rows(self, key: Key) -> int:
        """Return the rows of a group, those that are kept out too."""
        return int(self.documents.get(key, {"n": 0})["n"]) + self.kept_out.get(key, 0)


def count(
    engine: Engine,
    rows: Rows,
    states: Sequence[State],
    broken: Sequence[str] = (),
    edges: Mapping[str, Sequence[float]] | None = None,
    *,
    mergeable: bool = True,
    newest: bool = False,
) -> Counted:
    """Count rows in one pass, and what needs a grouping of its own in a pass each.

    Args:
        engine: where the table is.
        rows: which rows, by group.
        states: what is wanted of each group.
        broken: for each row rule when a row breaks it.
        edges: the baseline's edges by column.
        mergeable: whether groups will be merged; else keys are only counted.
        newest: whether the newest event times are wanted.
    """
    rows = replace(rows, joins=joins_of(rows.program, rows.by, states))
    table = str(rows.program.table)
    more = newest_of(rows.program) if newest and rows.program.event_time is not None else ""
    plan = scan(rows, states, broken, dict(edges or {}), more)
    split = _Split(rows)
    found = Counted()
    for row in engine.rows(plan.sql, f"{table}: rows", table=table):
        key, bad = split.key(row), plan.bad(row)
        found.bad[key] = tuple(map(sum, zip(bad, found.bad[key], strict=True))) if key in found.bad else bad
        if split.kept_out(row):
            found.kept_out[key] = int(row[plan.keys])
            continue
        found.documents[key] = plan.document(row)
        if plan.more is not None and row[plan.keys + plan.more] is not None:
            found.newest[key] = row[plan.keys + plan.more]
    if rows.apart:
        # What needs a grouping of its own reads the rows that land.
        rows = replace(rows, relation="", apart="")
        split = _Split(rows)
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
        self.apart = bool(rows.apart)
        self.width = len(rows.keys) - self.apart

    def kept_out(self, row: Sequence[Any]) -> bool:
        """Say whether these rows are kept out."""
        return self.apart and bool(row[self.width])

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
