"""`mlguard resume`."""

from __future__ import annotations

import click

from mlguard.cli.echo import say
from mlguard.cli.state import DATABASE, State, shared
from mlguard.errors import Exit


@click.command("resume")
@click.argument("slo", metavar="SLO")
@shared(*DATABASE)
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept with your name.")
@click.pass_obj
def command(state: State, slo: str, reason: str) -> Exit:
    """End off and waive of an SLO before their time, audited.

    SLO is the full id (features.customer/age.range), or its name where only one SLO has it. Rows that were let in
    meanwhile stay; `mlguard check` tells which break the SLO. Where none is in force nothing changes.
    """
    from mlguard.operate import resume, slo_id

    if not reason.strip():
        raise click.UsageError("--reason must say something: it is what is found when somebody asks")
    with state.database() as connection:
        known = slo_id(connection, slo)
        ended = resume(connection, known, reason)
    if ended:
        say(f"{known} acts again; {ended} {'exception' if ended == 1 else 'exceptions'} ended")
    else:
        say(f"{known} was neither off nor waived; nothing changed")
    return Exit.HOLDS
