"""States of predictions beside their labels and groups: sums of a row's errors, and sums by score, bin or group. Pure.

What cannot be used is left out and so counted by what is missing from n: a prediction or label that is NULL, NaN or not
finite; where classes are compared, a label that is neither true nor false, 1 nor 0; where probabilities are, a
prediction outside 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlguard.emit.cells import LONGEST_TEXT, Cells
from mlguard.emit.groups import Grouping
from mlguard.emit.objects import indent
from mlguard.emit.rules import literal
from mlguard.lang.measure import CAN_BE_NAN, Of, State
from mlguard.lang.tree import Column, Expr
from mlguard.lang.types import FLOATS, Kind

MOST_SCORES = 10_000  # different scores of a state that are kept as they are
MOST_GROUPS = 1000
BINS = 10  # of calibration: the number that Naeini, Cooper and Hauskrecht 2015 use, of equal width
EPSILON = "2.220446049250313e-16"  # of double precision; where scikit-learn cuts off probabilities and labels
_LINES = ",\n"


def aggregate(state: State, cells: Cells) -> str:
    """Return the aggregate over joined rows that gives a state of sums as a JSON array."""
    where = [cells.holds(state.where)] if state.where is not None else []
    match state.of:
        case Of.LABELLED:
            return _count([*where, f"{cells.row}.label is not null"])
        case Of.ERRORS:
            x, y = _number(cells, state.args[0]), _number(cells, state.args[1])
            usable = [*where, *_finite(cells, state.args[0]), *_finite(cells, state.args[1])]
            error = f"({x} - {y})"
            sums = [f"abs{error}", f"{error} * {error}", error]
            # Errors beside a label of about 0 are kept apart: their quotients would drown all others in one sum.
            relative = _sum(f"abs{error} / abs({y})", [*usable, f"abs({y}) >= {EPSILON}"])
            beside_zero = _sum(f"abs{error}", [*usable, f"abs({y}) < {EPSILON}"])
            return _array([_count(usable), *(_sum(text, usable) for text in sums), relative, beside_zero])
        case Of.CONFUSION:
            said, label = f"({cells.holds(state.args[0])})", state.args[1]
            yes, no = _positive(cells, label), _negative(cells, label)
            cases = ((said, yes), (said, no), (f"not {said}", yes), (f"not {said}", no))
            return _array([_count([*where, *case]) for case in cases])
        case Of.SCORES:
            score, label = _number(cells, state.args[0]), state.args[1]
            usable = [*where, f"{score} between 0 and 1", _known(cells, label)]
            yes = _positive(cells, label)
            given = f"case when {yes} then {score} else 1 - {score} end"
            loss = f"-ln(least(greatest({given}, {EPSILON}), 1 - {EPSILON}))"
            return _array([_count(usable), _sum(loss, usable), _sum(f"(1 - ({given})) ^ 2", usable)])
    raise AssertionError(state)


def ctes(state: State, number: int, grouping: Grouping, keys: str) -> list[str]:
    """Return the CTEs of a state by score, bin or group; the last, `tally_<number>`, has one row a group of rows.

    Args:
        state: what is counted.
        number: makes the names of the CTEs its own.
        grouping: how rows are grouped, and where they come from.
        keys: the columns of the grouping in a sub-select called `t`, each followed by a comma.
    """
    cells = Cells(grouping.program)
    key, sums, conditions = _parts(state, cells)
    where = [cells.holds(state.where)] if state.where is not None else []
    named = [f"{text} as s_{place}" for place, text in enumerate(sums, 1)]
    columns = [*grouping.selected, f"{key} as k", *named]
    source = grouping.source
    rows = (
        f"select\n{indent(_LINES.join(columns))}\n"
        f"from {source.rows}{cells.amounts}{source.where(*where, *conditions)}{grouping.group_by(1)}"
    )
    partition = f"partition by {', '.join(grouping.of('t'))}" if grouping.keys else ""
    totals = ", ".join(f"t.s_{place}" for place in range(1, len(sums) + 1))
    pooled, mark = "t.k::text", ""
    if state.of is Of.ROC:
        ranked = f"count(*) over ({partition}) as scores"
        pooled = f"case when t.scores > {MOST_SCORES} then mlguard.rounded_score_v1(t.k) else t.k end"
        mark = f" || case when max(t.scores) > {MOST_SCORES} then '{{\"rounded\": true}}'::jsonb else '{{}}' end"
    else:
        ranked = f"row_number() over ({partition} order by t.s_1 desc, t.k) as scores"
        if state.of is not Of.CALIBRATION:
            pooled = f"case when t.scores > {MOST_GROUPS} then '*' else t.k end"
    summed = ", ".join(f"sum(t.s_{place}) as s_{place}" for place in range(1, len(sums) + 1))
    first = f"select {keys}t.k, {totals}, {ranked}\nfrom (\n{indent(rows)}\n) as t"
    ranks = f"max(t.scores) as scores\nfrom tallied_{number} as t{grouping.group_by(1)}"
    second = f"select {keys}{pooled} as k, {summed}, {ranks}"
    last = (
        f"select {keys}{literal(state.key)} as key,\n"
        f"  jsonb_build_object('c', jsonb_object_agg(t.k, jsonb_build_array({totals}))){mark} as state\n"
        f"from (\n{indent(second)}\n) as t{grouping.group_by()}"
    )
    return [f"tallied_{number} as (\n{indent(first)}\n)", f"tally_{number} as (\n{indent(last)}\n)"]


def _parts(state: State, cells: Cells) -> tuple[str, list[str], list[str]]:
    """Return what rows are tallied by, the sums, and which rows."""
    first, label = state.args[0], state.args[1]
    if state.of is Of.ROC:
        score = _number(cells, first)
        sums = [_count([_negative(cells, label)]), _count([_positive(cells, label)])]
        return f"{score} + 0", sums, [*_finite(cells, first), _known(cells, label)]
    if state.of is Of.CALIBRATION:
        score = _number(cells, first)
        # The last bin holds its upper edge too; the bin of -0 is that of 0.
        bin_ = f"least(floor({score} * {BINS}), {BINS - 1}) + 0"
        sums = ["count(*)", f"sum({score})", _count([_positive(cells, label)])]
        return bin_, sums, [f"{score} between 0 and 1", _known(cells, label)]
    group = _group(cells, state.args[-1])
    if state.of is Of.PARITY:
        said = f"({cells.holds(first)})"
        return group, ["count(*)", _count([said])], [f"{said} is not null"]
    if state.of is Of.OPPORTUNITY:
        said = f"({cells.holds(first)})"
        return group, ["count(*)", _count([said])], [f"{said} is not null", _positive(cells, label)]
    assert state.of is Of.UNEQUAL, state
    if first.type.kind is Kind.BOOL:
        said = f"({cells.holds(first)})"
        wrong = _count([f"{said} <> {_positive(cells, label)}"])
        return group, ["count(*)", wrong, wrong], [f"{said} is not null", _known(cells, label)]
    error = f"({_number(cells, first)} - {_number(cells, label)})"
    usable = [*_finite(cells, first), *_finite(cells, label)]
    return group, ["count(*)", f"sum(abs{error})", f"sum({error} * {error})"], usable


def float_arguments(states: Sequence[State]) -> tuple[Expr, ...]:
    """Return the scores whose text names a tally, as arguments whose text depends on the session."""
    return tuple(arg for state in states if state.of is Of.ROC for arg in state.args[:1])


def group_arguments(states: Sequence[State]) -> tuple[Expr, ...]:
    """Return the columns whose values name groups."""
    return tuple(state.args[-1] for state in states if state.of in (Of.PARITY, Of.OPPORTUNITY, Of.UNEQUAL))


def _group(cells: Cells, column: Expr) -> str:
    """Return the name of a row's group: `=` before a value, so that no value is taken for one of our own names."""
    assert isinstance(column, Column)
    return f"coalesce('=' || left({cells.category(column)}, {LONGEST_TEXT}), '?')"


def _number(cells: Cells, arg: Expr) -> str:
    """Return a number, or a truth value as 1 and 0, as double precision; NULL where it is neither."""
    return f"{cells.raw(arg)}::integer::double precision" if arg.type.kind is Kind.BOOL else cells.amount(arg)


def _finite(cells: Cells, arg: Expr) -> list[str]:
    x = _number(cells, arg)
    if arg.type.kind in CAN_BE_NAN or arg.type.kind in FLOATS:
        return [f"abs({x}) < 'Infinity'"]
    return [f"{x} is not null"]


def _positive(cells: Cells, label: Expr) -> str:
    return cells.raw(label) if label.type.kind is Kind.BOOL else f"({cells.raw(label)} = 1)"


def _negative(cells: Cells, label: Expr) -> str:
    return f"not {cells.raw(label)}" if label.type.kind is Kind.BOOL else f"({cells.raw(label)} = 0)"


def _known(cells: Cells, label: Expr) -> str:
    raw = cells.raw(label)
    return f"{raw} is not null" if label.type.kind is Kind.BOOL else f"{raw} in (0, 1)"


def _count(conditions: Sequence[str]) -> str:
    return f"count(*) filter (where {' and '.join(conditions)})"


def _sum(text: str, conditions: Sequence[str]) -> str:
    return f"coalesce(sum({text}) filter (where {' and '.join(conditions)}), 0)"


def _array(parts: Sequence[str]) -> str:
    return f"jsonb_build_array(\n{indent(_LINES.join(parts))})"
