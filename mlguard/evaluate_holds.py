"""How often SLOs that are to hold from now on would have held in what the database has stored of the past."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlguard.emit.foresight import INSTALLED, JUDGED, metric_names, refuted, windows_of
from mlguard.plan import Foreseen
from mlguard.program import Action, Level, Rule, TableProgram
from mlguard.record import of_rule

if TYPE_CHECKING:
    import psycopg


def foresee(
    connection: psycopg.Connection[Any], program: TableProgram, slos: Sequence[str], *, installed: bool
) -> tuple[Foreseen, ...]:
    """Count, for each SLO that begins to hold, or whose check changes while it holds, how often it would have held.

    Args:
        connection: the database; nothing is changed in it.
        program: the table.
        slos: ids of the SLOs that are new or changed.
        installed: whether this version of mlguard is installed there; where it is not, nothing is stored.
    """
    rules = [rule for rule in program.rules if rule.id in slos and _holds(rule)]
    if not rules:
        return ()
    before: dict[str, tuple[Any, ...]] = {}
    if installed:
        found = connection.execute(INSTALLED, {"ids": [rule.id for rule in rules]}).fetchall()
        before = {row[0]: tuple(row[1:]) for row in found}
    told = [_foreseen(connection, rule, program, before.get(rule.id), installed=installed) for rule in rules]
    return tuple(each for each in told if each is not None)


def _holds(rule: Rule) -> bool:
    # What an assertion returns is told of every one that is new.
    return rule.action is Action.HOLD and not rule.shadow and rule.level in (Level.BATCH, Level.WINDOW, Level.READ)


def _foreseen(
    connection: psycopg.Connection[Any],
    rule: Rule,
    program: TableProgram,
    before: tuple[Any, ...] | None,
    *,
    installed: bool,
) -> Foreseen | None:
    over = windows_of(rule)
    now = of_rule(rule).values
    same = before is not None and all(
        before[place] == now[key]
        for place, key in ((0, "check_text"), (2, "over"), (3, "by_columns"), (4, "min_rows"), (5, "metrics"))
    )
    if same and before is not None and before[1] == Action.HOLD.value:
        return None
    counts = (0, 0, None)
    if same:
        counts = _row(connection, JUDGED, {"slo": rule.id})
    if installed and not counts[0] and metric_names(rule):
        counts = _row(connection, refuted(rule, program.time_zone), None)
    if not over and not counts[0]:
        return None  # nothing is stored of what readers judge by the clock
    return Foreseen(rule.id, over, *counts)


def _row(connection: psycopg.Connection[Any], sql: str, values: dict[str, Any] | None) -> tuple[Any, ...]:
    import psycopg

    try:
        with connection.transaction():
            row = connection.execute(sql.encode(), values).fetchone()
    except psycopg.errors.DataError:  # a value of the past on which the condition errs: it answers nothing
        row = None
    return tuple(row) if row is not None else (0, 0, None)
