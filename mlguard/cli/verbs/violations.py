"""`mlguard violations`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import click

from mlguard.cli.echo import out, say
from mlguard.cli.options import LIMIT, TIME_OR_LENGTH
from mlguard.cli.state import DATABASE, State, formats, shared
from mlguard.errors import Exit


@click.command("violations")
@shared(*DATABASE)
@click.option("--slo", metavar="SLO", help="Of this SLO only; full id, or its name.")
@click.option("--table", metavar="TABLE", help="Of this table only.")
@click.option(
    "--since", type=TIME_OR_LENGTH, metavar="WHEN", help="Recorded since: a time (2026-12-01 06:00) or a length (24h)."
)
@click.option("--limit", type=LIMIT, default=100, show_default=True, metavar="N", help="At most so many.")
@formats("text", "json")
@click.pass_obj
def command(state: State, slo: str | None, table: str | None, since: datetime | None, limit: int, style: str) -> Exit:
    """List recorded violations, newest first.

    These are violations of what was let in and noted: `warn`, `max_bad`, `hold`, shadow and waived SLOs. Refused
    writes roll back with whatever they record; `status` counts them. Rows kept out are in `quarantine list`.
    """
    from mlguard.operate import violations
    from mlguard.report.markup import dumps
    from mlguard.report.status_text import violations_text

    with state.database() as connection:
        found = violations(connection, slo=slo, table=table, since=since, limit=limit)
    if style == "json":
        out(dumps([asdict(violation) for violation in found]))
    elif found:
        out(violations_text(found))
    if not found:
        say("no violation is recorded" + (f" since {since.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if since else ""))
        say("`mlguard status` counts refused writes, `mlguard quarantine list` shows rows kept out")
    elif len(found) == limit:
        say(f"the newest {limit}; --limit shows more")
    return Exit.HOLDS
