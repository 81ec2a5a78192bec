"""`mlguard backtest`."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from mlguard.cli.echo import out, paint
from mlguard.cli.options import TIME_OR_LENGTH
from mlguard.cli.progress import progress
from mlguard.cli.state import DATABASE, FILES, State, formats, shared
from mlguard.errors import Exit

if TYPE_CHECKING:
    import psycopg

    from mlguard.spec import Project


@click.command("backtest")
@shared(*DATABASE, *FILES)
@click.option("--since", type=TIME_OR_LENGTH, metavar="WHEN", help="Count alarms since: a time or a length (90 days).")
@click.option("--until", type=TIME_OR_LENGTH, metavar="WHEN", help="Judge windows that ended by then.")
@click.option(
    "--data",
    multiple=True,
    metavar="TABLE=FILE",
    help="Replay the rows of .parquet or .csv files instead (loads/*.parquet), in a throw-away server.",
)
@formats("text", "json")
@click.pass_obj
def command(state: State, since: datetime | None, until: datetime | None, data: tuple[str, ...], style: str) -> Exit:
    """Replay the stored rows under these SLO files: which alarms they would have raised, and how many were right.

    Nothing is changed: everything runs in a transaction that is rolled back. Batch SLOs are replayed with each window
    of the table as one batch. Precision and recall come from incidents that people have judged.
    """
    from mlguard.operate.backtest import backtest
    from mlguard.report import backtest_text

    project = state.project()
    with _database(state, project, data) as connection, progress() as step:
        found = backtest(connection, project, since=since, until=until, progress=step)
    out(backtest_text.to_json(found) if style == "json" else backtest_text.render(found, paint))
    return Exit.HOLDS


def _database(state: State, project: Project, data: tuple[str, ...]) -> AbstractContextManager[psycopg.Connection[Any]]:
    if not data:
        return state.database()
    from mlguard.operate.backtest_data import loaded

    files = {}
    for pair in data:
        table, separator, path = pair.partition("=")
        if not separator or not table or not path:
            raise click.BadParameter(f"{pair} is not TABLE=FILE", param_hint="--data")
        files[table] = path
    return loaded(files, project)
