"""`mlguard apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlguard.cli.echo import out, say
from mlguard.cli.options import lock_timeout
from mlguard.cli.state import DATABASE, FILES, State, shared
from mlguard.errors import Exit

if TYPE_CHECKING:
    from mlguard.plan import Plan


@click.command("apply")
@shared(*DATABASE, *FILES)
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@lock_timeout
@click.option("--prune", is_flag=True, help="Also take out guarded tables that are in no SLO file.")
@click.pass_obj
def command(state: State, yes: bool, dry_run: bool, lock_timeout: float, prune: bool) -> Exit:
    """Make the database what the SLO files say.

    Shows the plan and asks; without a terminal it needs --yes. Each table is one transaction: it is done or as it was.
    Run again, it takes up where it stopped, and with nothing to do it does nothing.
    """
    from mlguard import api
    from mlguard.cli.planning import agreed, must_ask, refuse_partial_prune, tell, with_readers
    from mlguard.cli.progress import progress
    from mlguard.patience import Options
    from mlguard.report.plan_text import member_lines

    must_ask("apply", yes=yes, dry_run=dry_run)
    refuse_partial_prune(state, prune=prune)
    project = state.project()
    shown: list[bool] = []
    given: list[str] = []
    with state.database() as connection, progress() as report:

        def confirm(plan: Plan) -> bool:
            told = with_readers(plan, connection)
            go = agreed(told, "Apply this?", yes=yes, dry_run=dry_run, statements=state.verbose)
            shown.append(go)
            if go:
                given.extend(member_lines(told))
                state.so = "tables that were done stay done, the one at work is as it was; mlguard plan shows the rest"
            return go

        applied = api.apply(
            project,
            connection,
            prune=prune,
            options=Options(lock_timeout=lock_timeout, say=say),
            progress=report,
            confirm=confirm,
            roles=state.roles(project),
        )
    if not shown:
        from mlguard.report.plan_text import NOTHING

        out(NOTHING)
        return Exit.HOLDS
    if not shown[0]:
        return Exit.HOLDS if dry_run else Exit.USAGE
    if applied.tables or not given:
        tell(applied, "applied")
    for line in given:
        say(line)
    return Exit.HOLDS
