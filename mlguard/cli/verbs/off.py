"""`mlguard off`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlguard.cli.exceptional import carry_out
from mlguard.cli.options import LENGTH
from mlguard.cli.state import DATABASE, State, shared

if TYPE_CHECKING:
    from datetime import timedelta

    from mlguard.errors import Exit


@click.command("off")
@click.argument("slo", metavar="SLO")
@shared(*DATABASE)
@click.option("--for", "length", type=LENGTH, required=True, metavar="LENGTH", help="For how long: 4h, 90 min, 2 days.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept with your name.")
@click.pass_obj
def command(state: State, slo: str, length: timedelta, reason: str) -> Exit:
    """Stop an SLO for some hours, audited; it comes back by itself.

    While it is off it is judged and recorded, but refuses, keeps out and holds nothing. SLO is the full id
    (features.customer/age.range), or its name where only one SLO has it. An SLO that is a constraint of the table
    cannot be stopped so: the one ALTER to run is printed, with exit code 2.
    """
    from mlguard.operate import off

    return carry_out(state, slo, "off", reason, lambda connection, known: off(connection, known, length, reason))
