"""A plan as JSON and as Markdown for pull requests. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlguard.report.markup import cell, dumps
from mlguard.report.plan_text import (
    SIGNS,
    assertion_lines,
    breaking_lines,
    foreseen_lines,
    locks,
    member_lines,
    short,
    summary,
)

if TYPE_CHECKING:
    from mlguard.plan import Plan, Step, TablePlan


def to_json(plan: Plan) -> str:
    """Return the plan as one JSON object."""
    return dumps(
        {
            "empty": plan.empty,
            "summary": summary(plan),
            "runtime": plan.runtime,
            "roles": [{"role": role, "member": member} for role, member in plan.members],
            "tables": [_table(table, plan) for table in plan.tables],
        }
    )


def _table(table: TablePlan, plan: Plan) -> dict[str, Any]:
    name = str(table.table)
    return {
        "table": name,
        "empty": table.empty,
        "slos": {"added": list(table.added), "changed": list(table.changed), "removed": list(table.removed)},
        "existing": table.program.existing.value if table.program else None,
        "breaking": [
            {"slo": found.slo, "rows": found.rows, "total": found.total}
            | ({"words": found.words, "seconds": found.seconds} if found.words else {})
            for found in plan.breaking
            if found.slo.partition("/")[0] == name
        ],
        "holds": [
            {"slo": found.slo, "over": found.over, "judged": found.judged, "held": found.held, "last": found.last}
            for found in plan.foreseen
            if found.slo.partition("/")[0] == name
        ],
        "steps": [_step(step) for step in table.steps],
        "can_read_round_the_gate": list(plan.bypass.get(table.table, ())),
        "notes": list(table.program.notes) if table.program else [],
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "verb": step.verb,
        "object": step.what,
        "slos": list(step.slos),
        "why": step.why,
        "statements": [
            {"phase": statement.phase.value, "lock": statement.lock, "sql": statement.sql}
            for statement in step.statements
        ],
    }


def to_markdown(plan: Plan) -> str:
    """Return a heading and a table of steps for each table, summary last."""
    blocks = []
    if plan.runtime:
        blocks.append(f"**schema mlguard**: {cell(plan.runtime)}")
    blocks += [cell(line) for line in member_lines(plan)]
    for table in plan.tables:
        if not table.empty:
            blocks += _markdown_table(table, plan)
    blocks.append(summary(plan))
    return "\n\n".join(blocks)


def _markdown_table(table: TablePlan, plan: Plan) -> list[str]:
    blocks = [f"### {cell(str(table.table))}"]
    blocks += [cell(line.strip()) for line in breaking_lines(table, plan.breaking)]
    blocks += [cell(line) for line in assertion_lines(table, plan.breaking)]
    blocks += [cell(line) for line in foreseen_lines(table, plan.foreseen)]
    if table.steps:
        lines = ["| | object | SLOs | lock | why |", "|---|---|---|---|---|"]
        for step in table.steps:
            ids = ", ".join(short(slo) for slo in step.slos)
            cells = (f"{SIGNS.get(step.verb, '·')} {step.verb}", step.what, ids, locks(step), step.why)
            lines.append("| " + " | ".join(cell(text) for text in cells) + " |")
        blocks.append("\n".join(lines))
    readers = plan.bypass.get(table.table, ())
    if readers:
        blocks.append(f"Can read round the gate: {cell('; '.join(readers))}")
    return blocks
