"""`mlguard waive`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlguard.cli.exceptional import carry_out
from mlguard.cli.options import FUTURE
from mlguard.cli.state import DATABASE, State, shared

if TYPE_CHECKING:
    from datetime import datetime

    from mlguard.errors import Exit


@click.command("waive")
@click.argument("slo", metavar="SLO")
@shared(*DATABASE)
@click.option(
    "--until", type=FUTURE, required=True, metavar="TIME", help="Until when: 2026-12-01 or '2026-12-01 06:00' (UTC)."
)
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept with your name.")
@click.pass_obj
def command(state: State, slo: str, until: datetime, reason: str) -> Exit:
    """Accept a known failure of an SLO until a date, audited.

    As `off`, with an end by the calendar. SLO is the full id (features.customer/age.range), or its name where only
    one SLO has it. For an SLO that is a constraint of the table the one ALTER to run is printed, with exit code 2.
    """
    from mlguard.operate import waive

    return carry_out(state, slo, "waived", reason, lambda connection, known: waive(connection, known, until, reason))
