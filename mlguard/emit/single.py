"""The short way for one ordinary row: what row-by-row writers send costs them no aggregation. Pure.

Setting up a query costs by the length of its expressions. Of a row in which nothing is missing, NaN, zero or below zero
(as far as states ask) most counts are known beforehand; only its amounts are written. All else takes the long way.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from mlguard.emit.cells import GREATEST, Cells
from mlguard.emit.groups import Grouping
from mlguard.emit.objects import indent
from mlguard.emit.rules import literal
from mlguard.emit.states import counted, document, insert, judges_batches
from mlguard.lang.measure import CAN_BE_NAN, Of, State
from mlguard.lang.tree import Expr
from mlguard.lang.types import Kind

_EXPECTED = {Of.ROWS: 1, Of.HAVE: 1, Of.NAN: 0, Of.ZERO: 0, Of.NEGATIVE: 0}
_EXCEPT = {Of.NAN: "<> 'NaN'", Of.ZERO: "<> 0", Of.NEGATIVE: ">= 0"}
_LINE = "\n"
_AMOUNTS = frozenset({Of.SUM, Of.MIN, Of.MAX, Of.MOMENTS, Of.JOINT})


def statement(grouping: Grouping, states: Sequence[State]) -> str:
    """Return the INSERT that appends the states of a statement that wrote one ordinary row, '' where there is none."""
    cells = Cells(grouping.program)
    counts: dict[str, int] = {}
    pairs: list[tuple[str, str]] = []
    there: dict[str, None] = {}
    ordinary: dict[str, None] = {}
    bounded: dict[str, str] = {}
    for state in states:
        conditions = counted(state, cells)
        if conditions is not None and (state.where is not None or state.of is Of.TRUE):
            pairs.append((state.key, f"case when {' and '.join(conditions)} then 1 else 0 end"))
            continue
        if state.where is not None or (state.of not in _EXPECTED and state.of not in _AMOUNTS):
            return ""
        there |= dict.fromkeys(map(cells.raw, state.args))
        ordinary |= dict.fromkeys(filter(None, map(cells.present, state.args)))
        if state.of in _AMOUNTS:
            bounded |= {cells.raw(arg): _within(cells, arg) for arg in state.args if _within(cells, arg)}
            pairs.append((state.key, _amount(state, cells)))
        else:
            counts[state.key] = _EXPECTED[state.of]
            if state.of in _EXCEPT:
                ordinary[f"{cells.raw(state.args[0])} {_EXCEPT[state.of]}"] = None
    known = f"{literal(json.dumps(counts, ensure_ascii=False))}::jsonb"
    # A bound holds neither for NULL nor for NaN: both need no condition of their own.
    asked = [raw for raw in there if raw not in bounded]
    settled = {f"{raw} {_EXCEPT[Of.NAN]}" for raw in bounded}
    conditions = [f"num_nulls({', '.join(asked)}) = 0"] if asked else []
    conditions += [f"isfinite({grouping.bucket.moment})"] if grouping.bucket else []
    conditions += [*bounded.values(), *(condition for condition in ordinary if condition not in settled)]
    conditions.append("not exists (select from new_rows offset 1)")
    where = "\n  and ".join(conditions)
    if judges_batches(grouping.program):
        states_text = f"{known}\n|| {document(pairs)}" if pairs else known
        rows = _rows([*grouping.selected, f"{states_text} as states"], where)
        return insert(grouping, ["1", "TG_OP", "1", "g.states"], rows, finite=True)
    start = grouping.start("g", finite=True)
    rows = _rows([*grouping.selected, f"{document(pairs) if pairs else 'null::jsonb'} as states"], where)
    table = literal(str(grouping.program.table))
    return (
        "insert into mlguard._single (tbl, bucket, known, states)\n"
        f"select\n  {table},\n  {start},\n  {known},\n  g.states\nfrom {rows}"
    )


def _rows(selected: Sequence[str], where: str) -> str:
    select = ",\n".join(selected)
    return f"(\n{indent(f'select{_LINE}{indent(select)}{_LINE}from new_rows as r{_LINE}where {where}')}\n) as g"


def _within(cells: Cells, arg: Expr) -> str:
    raw = cells.raw(arg)
    return f"abs({raw}) <= {GREATEST}" if arg.type.kind in CAN_BE_NAN else ""


def _amount(state: State, cells: Cells) -> str:
    raws = [cells.raw(arg) for arg in state.args]
    floats = [
        raw if arg.type.kind is Kind.FLOAT8 else f"{raw}::double precision"
        for arg, raw in zip(state.args, raws, strict=True)
    ]
    if state.of not in (Of.MOMENTS, Of.JOINT):
        return floats[0] if state.args[0].type.kind is Kind.FLOAT4 else raws[0]
    zeros = ["0"] * (1 if state.of is Of.MOMENTS else 3)
    return f"jsonb_build_array({', '.join(['1', *floats, *zeros])})"
