"""`mlguard explain`."""

from __future__ import annotations

import click

from mlguard.cli.echo import out, paint
from mlguard.cli.state import DATABASE, State, formats, shared
from mlguard.errors import Exit


@click.command("explain")
@click.argument("what", metavar="ID")
@shared(*DATABASE)
@formats("text", "json")
@click.pass_obj
def command(state: State, what: str, style: str) -> Exit:
    """Say why: numbers, band, arithmetic, history, and what else broke.

    ID is the number of an incident or a verdict (`incident:412`, `verdict:31`), or an SLO (its full id, or its
    name where only one SLO has it), whose last failure, or else last verdict, is explained.
    """
    from mlguard.operate.explain import explain
    from mlguard.report import explain_text

    with state.database() as connection:
        found = explain(connection, what)
    out(explain_text.to_json(found) if style == "json" else explain_text.render(found, paint))
    return Exit.HOLDS
