"""What off and waive share: do it, say until when, or print the ALTER that would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mlguard.cli.echo import out, say
from mlguard.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import psycopg

    from mlguard.cli.state import State


def carry_out(
    state: State, slo: str, word: str, reason: str, act: Callable[[psycopg.Connection[Any], str], datetime]
) -> Exit:
    """Run off or waive."""
    from mlguard.operate import NeedsAlter, slo_id
    from mlguard.report.when import minute

    if not reason.strip():
        raise click.UsageError("--reason must say something: it is what is found when somebody asks")
    with state.database() as connection:
        known = slo_id(connection, slo)
        try:
            until = act(connection, known)
        except NeedsAlter as error:
            say(str(error))
            out(error.sql)
            return error.exit_code
    say(f"{known} is {word} until {minute(until)}; mlguard status shows it")
    return Exit.HOLDS
