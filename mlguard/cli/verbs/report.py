"""`mlguard report`."""

from __future__ import annotations

from pathlib import Path

import click

from mlguard.cli.echo import out, say
from mlguard.cli.state import DATABASE, FILES, State, shared
from mlguard.errors import Exit, MlguardError


@click.command("report")
@shared(*DATABASE, *FILES)
@click.option(
    "--out",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the page into this file instead of printing it.",
)
@click.pass_obj
def command(state: State, path: Path | None) -> Exit:
    """Write one HTML file: per table its gate, each SLO with a plot of its past, incidents, kept and refused rows.

    The file fetches nothing and runs nothing, so it can be mailed, kept as an artifact, or printed. Values of pii
    columns are not in it. Works without SLO files too.
    """
    from mlguard.operate.graph import of_database
    from mlguard.operate.overview import overview
    from mlguard.report import page

    project = state.project_if_any()
    with state.database() as connection:
        text = page.render(overview(connection, project), of_database(connection))
    if path is None:
        out(text)
        return Exit.HOLDS
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MlguardError(f"cannot write {path}: {error.strerror}") from None
    say(f"wrote {path}")
    return Exit.HOLDS
