"""`mlguard doctor`."""

from __future__ import annotations

from dataclasses import asdict

import click

from mlguard.cli.echo import out, say
from mlguard.cli.state import DATABASE, State, formats, shared
from mlguard.errors import Exit


@click.command("doctor")
@shared(*DATABASE)
@click.option("--ignore", multiple=True, metavar="FINDING", help="Leave out findings of this name; may be repeated.")
@formats("text", "json")
@click.pass_obj
def command(state: State, ignore: tuple[str, ...], style: str) -> Exit:
    """Find what is disabled, bypassed, changed or at risk, each with its fix.

    Exit code 1 when there is a finding.
    """
    from mlguard import doctor
    from mlguard.report.columns import count
    from mlguard.report.findings import render
    from mlguard.report.markup import dumps

    unknown = [name for name in ignore if name not in doctor.NAMES]
    if unknown:
        raise click.UsageError(f"there is no finding '{unknown[0]}'; there are {', '.join(sorted(doctor.NAMES))}")
    with state.database() as connection:
        found = [finding for finding in doctor.examine(connection) if finding.name not in ignore]
    if style == "json":
        out(dumps([asdict(finding) for finding in found]))
    elif found:
        out(render(found))
    say(count(len(found), "finding") if found else "no finding")
    return Exit.VIOLATED if found else Exit.HOLDS
