"""The states of a file's rows as DuckDB queries: the twin of mlguard.emit.states and grouped. Pure.

The plain states, and the counts of row rules, come from one pass over the rows. Categories, keys and quantiles need a
grouping of their own, and are queries of their own. CASE inside sum() costs half of what FILTER does (measured).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

from mlguard.emit import duck_tallies
from mlguard.emit.duck_cells import DuckCells
from mlguard.emit.duck_core import precision
from mlguard.emit.duck_grouping import Decoder, Rows, counted
from mlguard.emit.grouped import FEW_VALUES, MOST_CATEGORIES, MOST_KEYS, POINTS
from mlguard.lang.measure import GROUPED, OF_LABELS, Of, State
from mlguard.lang.tree import Column
from mlguard.lang.types import INTEGERS

_NAN = float("nan")


@dataclass(frozen=True)
class Scan:
    """One pass over the rows.

    Attributes:
        sql: the query; its columns are the keys of the rows' groups, the number of rows, then the aggregates.
        keys: how many columns are keys.
        decoders: state key → (its places among the aggregates, how its value is made of them).
        counts: places of the row rules' counts among the aggregates.
        more: place of the further aggregate, None where none was asked for.
    """

    sql: str
    keys: int
    decoders: dict[str, tuple[tuple[int, ...], Decoder]]
    counts: tuple[int, ...]
    more: int | None = None

    def document(self, row: Sequence[Any]) -> dict[str, Any]:
        """Return the states of one group."""
        values = row[self.keys :]
        found = {key: decode([values[place] for place in places]) for key, (places, decode) in self.decoders.items()}
        return {"n": values[0] or 0, **found}

    def bad(self, row: Sequence[Any]) -> tuple[int, ...]:
        """Return how many rows of one group break each of the row rules."""
        values = row[self.keys :]
        return tuple(int(values[place] or 0) for place in self.counts)


def scan(
    rows: Rows, states: Sequence[State], broken: Sequence[str], edges: dict[str, Sequence[float]], more: str = ""
) -> Scan:
    """Return the one pass that gives the plain states, bins whose edges are known, and the counts of row rules.

    Args:
        rows: which rows, by group.
        states: the states; those that need a grouping of their own are left out.
        broken: for each row rule when a row breaks it.
        edges: the baseline's edges by column.
        more: a further aggregate.
    """
    cells = DuckCells(rows.program)
    columns: dict[str, int] = {"count(*)": 0}

    def place(text: str) -> int:
        return columns.setdefault(text, len(columns))

    decoders: dict[str, tuple[tuple[int, ...], Decoder]] = {}
    for state in states:
        if state.of is Of.BINS:
            made = _bins(state, cells, edges)
        else:
            made = _plain(state, cells) if state.of not in GROUPED else None
        if made is not None:
            texts, decode = made
            decoders[state.key] = (tuple(map(place, texts)), decode)
    counts = tuple(place(counted([condition])) for condition in broken)
    further = place(more) if more else None
    listed = ",\n  ".join([*rows.keys, *columns])
    sql = f"select\n  {listed}\nfrom {rows.source}{rows.where()}{rows.group_by()}"
    return Scan(sql, len(rows.keys), decoders, counts, further)


def _count(values: Sequence[Any]) -> int:
    return int(values[0] or 0)


def _only(text: str, conditions: Sequence[str]) -> str:
    return f"case when {' and '.join(conditions)} then {text} end" if conditions else text


def _plain(state: State, cells: DuckCells) -> tuple[list[str], Decoder]:
    if state.of in OF_LABELS:
        return duck_tallies.sums(state, cells)
    where = [cells.holds(state.where)] if state.where is not None else []
    if state.of is Of.ROWS:
        return [counted(where)], _count
    first = state.args[0]
    if state.of is Of.TRUE:
        return [counted([*where, cells.holds(first)])], _count
    raw, present = cells.raw(first), [condition for condition in (cells.present(first),) if condition]
    match state.of:
        case Of.HAVE if not where and not present:
            return [f"count({raw})"], _count
        case Of.HAVE:
            return [counted([*where, *(present or [f"{raw} is not null"])])], _count
        case Of.NAN:
            if not cells.can_be_nan(first):
                return [], lambda _: 0
            return [counted([*where, *present, f"isnan({raw})"])], _count
        case Of.ZERO | Of.NEGATIVE:
            return [counted([*where, *present, f"{raw} {'= 0' if state.of is Of.ZERO else '< 0'}"])], _count
        case Of.MIN | Of.MAX:
            return [f"{state.of.word}({_only(raw, [*where, *cells.value(first)])})"], lambda values: _number(values[0])
        case Of.SUM if first.type.kind in INTEGERS or precision(first.type) is not None:
            return [f"sum({_only(raw, [*where, *present])})"], lambda values: values[0] or 0
        case Of.SUM:
            return [f"sum({_only(cells.amount(first), where)})"], lambda values: values[0] or 0.0
        case Of.MOMENTS:
            return _moments(_only(cells.amount(first), where))
    assert state.of is Of.JOINT, state
    x, y = (_only(cells.amount(arg), where) for arg in state.args)
    return _joint(x, y)


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _moments(x: str) -> tuple[list[str], Decoder]:
    """[n, mean, M2]; DuckDB refuses the variance of infinite values, which PostgreSQL calls NaN."""
    finite = f"case when isfinite({x}) then {x} end"

    def decode(values: Sequence[Any]) -> list[float]:
        n, mean, variance, infinite = values
        if infinite:
            return [n, _NAN, _NAN]
        return [n, mean or 0.0, (variance or 0.0) * n]

    return [f"count({x})", f"avg({finite})", f"var_pop({finite})", counted([f"isinf({x})"])], decode


def _joint(x: str, y: str) -> tuple[list[str], Decoder]:
    """[n, mean a, mean b, M2 a, M2 b, C ab] over rows where both are values; sums over infinite values are NaN."""
    pair = f"{x} is not null and {y} is not null"
    finite = f"isfinite({x}) and isfinite({y})"
    a, b = f"case when {finite} then {x} end", f"case when {finite} then {y} end"
    texts = [f"regr_{name}({b}, {a})" for name in ("avgx", "avgy", "sxx", "syy", "sxy")]
    ends = [f"{end}(case when {pair} then {side} end)" for side in (x, y) for end in ("min", "max")]

    def decode(values: Sequence[Any]) -> list[float]:
        n, wide_a, wide_b, low_a, high_a, low_b, high_b, *found = values
        mean_a, mean_b, aa, bb, ab = (0.0 if value is None or math.isnan(value) else value for value in found)
        if wide_a or wide_b:
            # Of the side that is finite all that matters is whether it varies: beside NaN its size changes nothing.
            aa, bb = (_NAN if wide_a else float(low_a != high_a)), (_NAN if wide_b else float(low_b != high_b))
            ab = _NAN
        return [n or 0, mean_a, mean_b, aa, bb, ab]

    counts = [counted([pair]), counted([pair, f"isinf({x})"]), counted([pair, f"isinf({y})"])]
    return [*counts, *ends, *texts], decode


def _bins(state: State, cells: DuckCells, edges: dict[str, Sequence[float]]) -> tuple[list[str], Decoder] | None:
    """Values up to each edge; bin i holds those above edge i and up to edge i + 1."""
    column = state.args[0]
    assert isinstance(column, Column)
    if column.name not in edges:
        return None
    where = [cells.holds(state.where)] if state.where is not None else []
    x = _only(cells.amount(column), where)
    texts = [f"count({x})", *(counted([f"{x} <= {number(edge)}"]) for edge in edges[column.name])]

    def decode(values: Sequence[Any]) -> dict[str, Any]:
        n, *below = (int(value or 0) for value in values)
        steps = [0, *below, n]
        return {"n": n, "c": [after - before for before, after in pairwise(steps)]}

    return texts, decode


def number(value: float) -> str:
    """Return a double as a constant."""
    return f"'{value!r}'::double" if math.isinf(value) else repr(float(value)) + "::double"


# States that need a grouping of their own.


def values_of(rows: Rows, state: State) -> str:
    """Return the query for the categories of each group with their counts: the most frequent, the others as NULL."""
    cells = DuckCells(rows.program)
    conditions = [cells.holds(state.where)] if state.where is not None else []
    category = cells.category(state.args[0])
    keys = [f"k{place}" for place, _ in enumerate(rows.keys)]
    head = "".join(f"{expression} as {key}, " for expression, key in zip(rows.keys, keys, strict=True))
    over = f"partition by {', '.join(keys)} " if keys else ""
    listed = "".join(f"{key}, " for key in keys)
    return (
        f"with counted as (\n  select {head}{category} as name, count(*) as c\n  from {rows.source}"
        f"{rows.where(*conditions, f'{category} is not null')}{rows.group_by(1)}\n), ranked as (\n"
        f"  select *, row_number() over ({over}order by c desc, name) as place\n  from counted\n)\n"
        f"select {listed}case when place <= {MOST_CATEGORIES} then name end as name, sum(c)\nfrom ranked"
        f"\ngroup by {', '.join(str(place) for place in range(1, len(keys) + 2))}"
    )


def keys_of(rows: Rows, state: State, *, hashes: bool) -> str:
    """Return the query for how often keys occur in each group.

    Args:
        rows: which rows, by group.
        state: the columns that are the key.
        hashes: also the least hashes of keys with their counts, by which groups can be merged; else only how many
            keys and rows there are.
    """
    cells = DuckCells(rows.program)
    conditions = [cells.holds(state.where)] if state.where is not None else []
    if state.present:
        (arg,) = state.args
        conditions += [f"{cells.raw(arg)} is not null", *filter(None, [cells.present(arg)])]
    keys = [f"k{place}" for place, _ in enumerate(rows.keys)]
    parts = [*rows.keys, *(cells.key(arg) for arg in state.args)]
    names = [*keys, *(f"a{place}" for place, _ in enumerate(state.args))]
    head = ", ".join(f"{part} as {name}" for part, name in zip(parts, names, strict=True))
    counted = (
        f"counted as (\n  select {head}, count(*) as c\n  from {rows.source}"
        f"{rows.where(*conditions)}{rows.group_by(len(state.args))}\n)"
    )
    listed = "".join(f"{key}, " for key in keys)
    group = f"\ngroup by {', '.join(keys)}" if keys else ""
    if not hashes:
        return f"with {counted}\nselect {listed}count(*), sum(c)\nfrom counted{group}"
    over = f"partition by {', '.join(keys)}" if keys else ""
    hashed = ", ".join(f"a{place}" for place, _ in enumerate(state.args))
    return (
        f"with {counted}, hashed as (\n  select {listed}c, hash({hashed}) as h\n  from counted\n), ranked as (\n"
        f"  select *, row_number() over ({over} order by h) as place, count(*) over ({over}) as keys,\n"
        f"    sum(c) over ({over}) as all_rows\n  from hashed\n)\n"
        f"select {listed}keys, all_rows, h, c\nfrom ranked\nwhere place <= {MOST_KEYS + 1}"
    )


def quantiles_of(rows: Rows, state: State) -> str:
    """Return the query for the sorted values of each group: all where they are few, else points of equal rank."""
    cells = DuckCells(rows.program)
    conditions = [cells.holds(state.where)] if state.where is not None else []
    x = cells.amount(state.args[0])
    keys = [f"k{place}" for place, _ in enumerate(rows.keys)]
    head = "".join(f"{expression} as {key}, " for expression, key in zip(rows.keys, keys, strict=True))
    over = f"partition by {', '.join(keys)}" if keys else ""
    listed = "".join(f"{key}, " for key in keys)
    # Of ranks 0 to n - 1 point i is round(i (n - 1) / 500), halves upwards; a rank is kept where some i gives it.
    half = (POINTS - 1) // 2
    i = f"((2 * place - 3) * {half} + n - 2) // (n - 1)"
    return (
        f"with given as (\n  select {head}{x} as x\n  from {rows.source}{rows.where(*conditions, f'{x} is not null')}\n"
        f"), ranked as (\n  select *, row_number() over ({over} order by x) as place, count(*) over ({over}) as n\n"
        f"  from given\n)\nselect {listed}n, x\nfrom ranked\n"
        f"where n <= {FEW_VALUES} or ({i}) * (n - 1) < (2 * place - 1) * {half}\norder by {listed}place"
    )
