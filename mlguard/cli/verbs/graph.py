"""`mlguard graph`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlguard.cli.echo import out, say
from mlguard.cli.state import DATABASE, FILES, State, formats, shared
from mlguard.errors import Exit, MlguardError

if TYPE_CHECKING:
    from mlguard.operate.graph import Graph


@click.command("graph")
@shared(*DATABASE, *FILES)
@formats("mermaid", "svg")
@click.option(
    "--out",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write it into this file instead of printing it.",
)
@click.pass_obj
def command(state: State, style: str, path: Path | None) -> Exit:
    """Draw inputs, tables, models, consumers and open incidents.

    From the SLO files alone where no database is named (--dsn, --target, MLGUARD_DSN); else with the states of gates
    and SLOs and the open incidents, and of all guarded tables where there are no files.
    """
    from mlguard.report import graph_mermaid, graph_svg

    graph = _drawn(state)
    text = graph_svg.render(graph) if style == "svg" else graph_mermaid.render(graph)
    if path is None:
        out(text)
        return Exit.HOLDS
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise MlguardError(f"cannot write {path}: {error.strerror}") from None
    say(f"wrote {path}")
    return Exit.HOLDS


def _drawn(state: State) -> Graph:
    from mlguard.operate.graph import of_database, of_files

    project = state.project_if_any()
    if project is not None and not state.names_database():
        return of_files(project)
    with state.database() as connection:
        return of_database(connection, project)
