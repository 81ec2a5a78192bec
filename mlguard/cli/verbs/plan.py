"""`mlguard plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlguard.cli.echo import out, paint
from mlguard.cli.state import DATABASE, FILES, State, formats, shared
from mlguard.errors import Exit

if TYPE_CHECKING:
    from mlguard.plan import Plan


@click.command("plan")
@shared(*DATABASE, *FILES)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 4 when there is something to do.")
@click.option("--prune", is_flag=True, help="Also plan to take out guarded tables that are in no SLO file.")
@formats("text", "json", "markdown")
@click.pass_obj
def command(state: State, detailed_exitcode: bool, prune: bool, style: str) -> Exit:
    """Show the difference between SLO files and database; changes nothing.

    For each table: the SLOs that are new, changed or gone, how many stored rows already break each new rule, each
    step with its lock and the reason for its place, and who can read round the gate. With -v also the SQL.

    Signs: + create, ~ replace, ! repair, - drop, ✓ validate existing rows, → move rows into quarantine.
    """
    from mlguard.cli.planning import refuse_partial_prune, with_readers

    refuse_partial_prune(state, prune=prune)
    project = state.project()
    with state.database() as connection:
        from mlguard import planner

        plan = with_readers(planner.make_plan(project, connection, prune=prune, roles=state.roles(project)), connection)
    out(_report(plan, style, state.verbose))
    return Exit.PLAN_NOT_EMPTY if detailed_exitcode and not plan.empty else Exit.HOLDS


def _report(plan: Plan, style: str, statements: bool) -> str:
    from mlguard.report import plan_markup, plan_text

    if style == "json":
        return plan_markup.to_json(plan)
    if style == "markdown":
        return plan_markup.to_markdown(plan)
    return plan_text.render(plan, paint=paint, statements=statements)
