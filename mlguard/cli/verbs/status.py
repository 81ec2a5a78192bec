"""`mlguard status`."""

from __future__ import annotations

import click

from mlguard.cli.echo import out, paint, say
from mlguard.cli.state import DATABASE, FILES, State, formats, shared
from mlguard.errors import Exit


@click.command("status")
@shared(*DATABASE, *FILES)
@formats("text", "json")
@click.pass_obj
def command(state: State, style: str) -> Exit:
    """Show gates and SLOs: state, place, health.

    Health of what enforces an SLO: INSTALLED, OUTDATED (the file moved), TAMPERED (the database moved), DISABLED,
    MISSING, ORPHANED (no file asks for it). Works without SLO files too; then nothing can be OUTDATED or ORPHANED.
    """
    from mlguard.operate import status
    from mlguard.report import status_text

    project = state.project_if_any()
    with state.database() as connection:
        found = status(connection, project)
    out(status_text.to_json(found) if style == "json" else status_text.render(found, paint))
    if not found.compared:
        say("no SLO files here: whether an object is OUTDATED or ORPHANED cannot be told")
    return Exit.HOLDS
