"""Rows that an SLO has withdrawn from readers, as conditions of the views. Pure."""

from __future__ import annotations

from mlguard.emit.buckets import event_time
from mlguard.emit.cells import shown
from mlguard.emit.rules import literal
from mlguard.lang.tree import Column
from mlguard.lang.types import UNKNOWN
from mlguard.names import quote_ident
from mlguard.program import Rule, TableProgram

WITHDRAW = "withdraw"


def conditions(program: TableProgram) -> list[str]:
    """Return what a row `t` must meet beside the gate to be shown: no SLO has withdrawn its window and segment.

    The few open rows of mlguard._withdrawal are found by index, once a row, and only on tables with such an SLO.
    """
    return [_condition(rule, program) for rule in program.judged if WITHDRAW in rule.then and not rule.shadow]


def _condition(rule: Rule, program: TableProgram) -> str:
    at = event_time(program, "t")
    types = {column.name: column.type for column in program.shape.columns}
    segment = "".join(
        f"\n      and w.segment -> {literal(name)} is not distinct from"
        f" to_jsonb({shown(program, Column(types.get(name, UNKNOWN), name), f't.{quote_ident(name)}')})"
        for name in rule.by
    )
    return (
        f"not exists (\n    select from mlguard._withdrawal as w\n    where w.tbl = {literal(str(program.table))}"
        f" and w.slo = {literal(rule.id)} and w.ended_at is null\n"
        f"      and {at} >= w.window_start and {at} < w.window_end{segment}\n  )"
    )
