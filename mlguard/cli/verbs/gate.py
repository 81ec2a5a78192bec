"""`mlguard gate`."""

from __future__ import annotations

from dataclasses import asdict

import click

from mlguard.cli.echo import out, say
from mlguard.cli.state import DATABASE, State, formats, shared
from mlguard.errors import Exit


@click.command("gate")
@click.argument("table", metavar="TABLE")
@shared(*DATABASE)
@formats("text", "json")
@click.pass_obj
def command(state: State, table: str, style: str) -> Exit:
    """Say whether a table may be read; exit 1 while it is held.

    The circuit breaker for schedulers: run it before a task that reads the table. While the gate is closed it prints
    what a guarded SELECT would raise.
    """
    from mlguard import operate
    from mlguard.report.markup import dumps
    from mlguard.report.status_text import gate_words

    with state.database() as connection:
        found = operate.gate(connection, table)
        reason = operate.held(connection, table)
    closed = reason is not None or not found.open
    if style == "json":
        message = reason.message if reason else None
        out(dumps({**asdict(found), "state": "closed" if closed else "open", "message": message}))
    elif reason:
        out(reason.message)
        say(reason.hint)
    elif closed:
        out(gate_words(found))
    else:
        out(", ".join(part for part in (f"{found.table} is open", gate_words(found)) if part))
    return Exit.VIOLATED if closed else Exit.HOLDS
