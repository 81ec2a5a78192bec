"""States of predictions beside their labels and groups, in DuckDB's words: the twin of mlguard.emit.tallies. Pure.

What cannot be used is left out, as there: a prediction or label that is NULL, NaN or not finite; where classes are
compared, a label that is neither true nor false, 1 nor 0; where probabilities are, a prediction outside 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlguard.emit.cells import LONGEST_TEXT
from mlguard.emit.duck_cells import DuckCells
from mlguard.emit.duck_grouping import Decoder, Rows, counted
from mlguard.emit.tallies import BINS, EPSILON, MOST_GROUPS, MOST_SCORES
from mlguard.lang.measure import Of, State
from mlguard.lang.tree import Expr
from mlguard.lang.types import Kind


def sums(state: State, cells: DuckCells) -> tuple[list[str], Decoder]:
    """Return the aggregates over joined rows that give a state of sums, and how they become its value."""
    where = [cells.holds(state.where)] if state.where is not None else []
    match state.of:
        case Of.LABELLED:
            return [counted([*where, f"{cells.row}.label is not null"])], lambda values: int(values[0] or 0)
        case Of.ERRORS:
            texts = _errors(state, cells, where)
        case Of.CONFUSION:
            said, label = cells.told(state.args[0]), state.args[1]
            yes, no = _positive(cells, label), _negative(cells, label)
            cases = ((said, yes), (said, no), (f"not {said}", yes), (f"not {said}", no))
            texts = [counted([*where, *case]) for case in cases]
        case _:
            assert state.of is Of.SCORES, state
            score, label = _number(cells, state.args[0]), state.args[1]
            usable = [*where, f"{score} between 0 and 1", _known(cells, label)]
            given = f"(case when {_positive(cells, label)} then {score} else 1 - {score} end)"
            loss = f"-ln(least(greatest({given}, {EPSILON}::double), 1 - {EPSILON}::double))"
            texts = [counted(usable), _sum(loss, usable), _sum(f"(1 - {given}) * (1 - {given})", usable)]
    return texts, _array


def _errors(state: State, cells: DuckCells, where: list[str]) -> list[str]:
    x, y = _number(cells, state.args[0]), _number(cells, state.args[1])
    usable = [*where, f"isfinite({x})", f"isfinite({y})"]
    error = f"({x} - {y})"
    # Errors beside a label of about 0 are kept apart: their quotients would drown all others in one sum.
    relative = _sum(f"abs{error} / abs({y})", [*usable, f"abs({y}) >= {EPSILON}::double"])
    beside_zero = _sum(f"abs{error}", [*usable, f"abs({y}) < {EPSILON}::double"])
    means = [_sum(text, usable) for text in (f"abs{error}", f"{error} * {error}", error)]
    return [counted(usable), *means, relative, beside_zero]


def _array(values: Sequence[float | None]) -> list[float]:
    return [value or 0 for value in values]


def tally_of(rows: Rows, state: State) -> str:
    """Return the query for a state by score, bin or group.

    Its columns: the keys of the rows' groups, the name, the sums, and whether scores are rounded.
    """
    cells = DuckCells(rows.program)
    name, totals, conditions = _parts(state, cells)
    where = [cells.holds(state.where)] if state.where is not None else []
    keys = [f"k{place}" for place, _ in enumerate(rows.keys)]
    head = "".join(f"{expression} as {key}, " for expression, key in zip(rows.keys, keys, strict=True))
    listed = "".join(f"{key}, " for key in keys)
    named = ", ".join(f"{text} as s{place}" for place, text in enumerate(totals, 1))
    partition = f"partition by {', '.join(keys)}" if keys else ""
    pooled, ranked = "name", f"row_number() over ({partition} order by s1 desc, name)"
    if state.of is Of.ROC:
        ranked = f"count(*) over ({partition})"
        pooled = f"case when place > {MOST_SCORES} then {rounded_duck('name')} else name end"
    elif state.of is not Of.CALIBRATION:
        pooled = f"case when place > {MOST_GROUPS} then '*' else name end"
    added = ", ".join(f"sum(s{place})" for place, _ in enumerate(totals, 1))
    is_rounded = f"max(place) > {MOST_SCORES}" if state.of is Of.ROC else "false"
    return (
        f"with tallied as (\n  select {head}{name} as name, {named}\n  from {rows.source}"
        f"{rows.where(*where, *conditions)}{rows.group_by(1)}\n), ranked as (\n"
        f"  select *, {ranked} as place\n  from tallied\n)\n"
        f"select {listed}{pooled} as name, {added}, {is_rounded}\nfrom ranked"
        f"\ngroup by {', '.join(str(place) for place in range(1, len(keys) + 2))}"
    )


def rounded_duck(score: str) -> str:
    """Return a score with three digits that count, as the runtime's rounded_score_v1 rounds it: its decimal text."""
    text = f"printf('%.14e', {score})"
    digits = f"cast(round(cast(split_part({text}, 'e', 1) as decimal(16, 14)), 2) as varchar)"
    return (
        f"case when {score} = 0 or abs({score}) < 1e-30 then 0::double"
        f" else cast({digits} || 'e' || split_part({text}, 'e', 2) as double) end"
    )


def _parts(state: State, cells: DuckCells) -> tuple[str, list[str], list[str]]:
    """Return what rows are tallied by, the sums, and which rows."""
    first, label = state.args[0], state.args[1]
    if state.of is Of.ROC:
        score = _number(cells, first)
        totals = [counted([_negative(cells, label)]), counted([_positive(cells, label)])]
        return f"{score} + 0", totals, [f"isfinite({score})", _known(cells, label)]
    if state.of is Of.CALIBRATION:
        score = _number(cells, first)
        # The last bin holds its upper edge too; the bin of -0 is that of 0.
        bin_ = f"cast(least(floor({score} * {BINS}), {BINS - 1}) as integer)"
        totals = ["count(*)", f"sum({score})", counted([_positive(cells, label)])]
        return bin_, totals, [f"{score} between 0 and 1", _known(cells, label)]
    group = _group(cells, state.args[-1])
    if state.of in (Of.PARITY, Of.OPPORTUNITY):
        said = cells.told(first)
        positive = [_positive(cells, label)] if state.of is Of.OPPORTUNITY else []
        return group, ["count(*)", counted([said])], [f"{said} is not null", *positive]
    assert state.of is Of.UNEQUAL, state
    if first.type.kind is Kind.BOOL:
        said = cells.told(first)
        wrong = counted([f"{said} <> {_positive(cells, label)}"])
        return group, ["count(*)", wrong, wrong], [f"{said} is not null", _known(cells, label)]
    x, y = _number(cells, first), _number(cells, label)
    error = f"({x} - {y})"
    return group, ["count(*)", f"sum(abs{error})", f"sum({error} * {error})"], [f"isfinite({x})", f"isfinite({y})"]


def _group(cells: DuckCells, column: Expr) -> str:
    """Return the name of a row's group: `=` before a value, so that no value is taken for one of our own names."""
    return f"coalesce('=' || left({cells.category(column)}, {LONGEST_TEXT}), '?')"


def _number(cells: DuckCells, arg: Expr) -> str:
    """Return a number, or a truth value as 1 and 0, as double precision; NULL where it is neither."""
    return f"cast({cells.raw(arg)} as integer)::double" if arg.type.kind is Kind.BOOL else f"({cells.amount(arg)})"


def _positive(cells: DuckCells, label: Expr) -> str:
    return cells.raw(label) if label.type.kind is Kind.BOOL else f"({cells.raw(label)} = 1)"


def _negative(cells: DuckCells, label: Expr) -> str:
    return f"not {cells.raw(label)}" if label.type.kind is Kind.BOOL else f"({cells.raw(label)} = 0)"


def _known(cells: DuckCells, label: Expr) -> str:
    raw = cells.raw(label)
    return f"{raw} is not null" if label.type.kind is Kind.BOOL else f"{raw} in (0, 1)"


def _sum(text: str, conditions: Sequence[str]) -> str:
    return f"sum(case when {' and '.join(conditions)} then {text} end)"
