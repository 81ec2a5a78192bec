"""`mlguard remove`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mlguard.cli.echo import out, say
from mlguard.cli.options import lock_timeout
from mlguard.cli.state import DATABASE, State, shared
from mlguard.errors import Exit, PlanError

if TYPE_CHECKING:
    import psycopg


@click.command("remove")
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@shared(*DATABASE)
@click.option("--all", "everything", is_flag=True, help="Every guarded table.")
@click.option(
    "--discard-quarantine", is_flag=True, help="Drop rows that wait in quarantine; without it they forbid it."
)
@click.option("--runtime", "runtime_too", is_flag=True, help="With --all: also drop schema mlguard and its audit.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option("--dry-run", is_flag=True, help="Show what would go and stop.")
@lock_timeout
@click.pass_obj
def command(
    state: State,
    tables: tuple[str, ...],
    everything: bool,
    discard_quarantine: bool,
    runtime_too: bool,
    yes: bool,
    dry_run: bool,
    lock_timeout: float,
) -> Exit:
    """Take every object of a table out again.

    Constraints, triggers, functions, the guarded view and revokes go; the rows of the table stay, and so does what
    schema mlguard recorded. Refuses while rows wait in quarantine.
    """
    from mlguard import api
    from mlguard.cli.planning import agreed, must_ask, removal, tell
    from mlguard.cli.progress import progress
    from mlguard.patience import Options

    if everything == bool(tables):
        raise click.UsageError("say which tables, or --all")
    if runtime_too and not everything:
        raise click.UsageError("--runtime drops schema mlguard, which every guarded table needs; say it with --all")
    must_ask("remove", yes=yes, dry_run=dry_run)
    with state.database() as connection, progress() as report:
        plan = removal(connection, None if everything else tables)
        if plan.empty:
            out("no table is guarded here")
        if plan.empty and not runtime_too:
            return Exit.HOLDS
        if runtime_too:
            _refuse_loss(connection, discard=discard_quarantine)
            say("schema mlguard goes with all it recorded: violations, events, rows that were kept out")
        if not agreed(plan, "Take this out?", yes=yes, dry_run=dry_run, statements=state.verbose):
            return Exit.HOLDS if dry_run else Exit.USAGE
        state.so = "tables that were done stay done, the one at work is as it was; run the same again to go on"
        applied = api.remove(
            None if everything else tables,
            connection,
            discard=discard_quarantine or runtime_too,  # --runtime says that the audit may go
            runtime_too=runtime_too,
            options=Options(lock_timeout=lock_timeout, say=say),
            progress=report,
        )
    tell(applied, "removed")
    return Exit.HOLDS


def _refuse_loss(connection: psycopg.Connection[Any], *, discard: bool) -> None:
    """Refuse to drop rows that wait in quarantine, also of tables that are guarded no longer.

    Raises:
        PlanError: rows wait, and nobody said that they may go.
    """
    from mlguard.operate import quarantine_list

    waiting = sorted({row.table for row in quarantine_list(connection, limit=None)})
    if waiting and not discard:
        raise PlanError(
            f"rows wait in quarantine: {', '.join(waiting)}; nothing was removed",
            help="release or discard them first (mlguard quarantine list), or say --discard-quarantine",
        )
