"""Generated objects as SQL scripts, and what each column got as an overview. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlguard.emit.objects import DbObject, Phase
from mlguard.report.columns import aligned, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlguard.names import TableName
    from mlguard.program import TableProgram

_PHASES = {
    Phase.PREPARE: "outside a transaction",
    Phase.CHANGE: "in one transaction",
    Phase.VALIDATE: "each in a transaction of its own, after the change",
    Phase.FINISH: "each in a transaction of its own, last",
}


def script(table: TableName, objects: Sequence[DbObject]) -> str:
    """Return the statements of a table in the order in which apply runs them, by phase."""
    parts = [f"-- {one_line(str(table))}, as mlguard apply makes it; run by hand, it is not recorded in schema mlguard"]
    for phase, words in _PHASES.items():
        blocks = [
            f"-- {made.kind.value} {one_line(made.name)}{_why(made.why)}\n"
            + "\n".join(f"{statement.sql};" for statement in mine)
            for made in objects
            if (mine := [statement for statement in made.create if statement.phase is phase])
        ]
        if blocks:
            parts += [f"-- {phase.value}: {words}", *blocks]
    return "\n\n".join(parts)


def _why(why: str) -> str:
    return f": {one_line(why)}" if why else ""


def expanded(program: TableProgram) -> str:
    """Return one line an SLO, sorted by column: what it says, what happens on violation, where it lives and why."""
    rows = sorted(
        (rule.column or "", rule.name, rule.text, rule.action.value, rule.placement.place.value, rule.placement.reason)
        for rule in program.rules
    )
    return "\n".join([one_line(str(program.table)), *aligned((row[1:] for row in rows), indent="  ")])
