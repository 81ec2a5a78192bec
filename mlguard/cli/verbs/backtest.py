"""`mlguard backtest`."""

from __future__ import annotations

from datetime import datetime

import click

from mlguard.cli.echo import out, paint
from mlguard.cli.options import TIME_OR_LENGTH
from mlguard.cli.progress import progress
from mlguard.cli.state import DATABASE, FILES, State, formats, shared
from mlguard.errors import Exit


@click.command("backtest")
@shared(*DATABASE, *FILES)
@click.option("--since", type=TIME_OR_LENGTH, metavar="WHEN", help="Count alarms since: a time or a length (90 days).")
@click.option("--until", type=TIME_OR_LENGTH, metavar="WHEN", help="Judge windows that ended by then.")
@formats("text", "json")
@click.pass_obj
def command(state: State, since: datetime | None, until: datetime | None, style: str) -> Exit:
    """Replay the stored rows under these SLO files: which alarms they would have raised, and how many were right.

    Nothing is changed: everything runs in a transaction that is rolled back. Batch SLOs are replayed with each window
    of the table as one batch. Precision and recall come from incidents that people have judged.
    """
    from mlguard.operate.backtest import backtest
    from mlguard.report import backtest_text

    project = state.project()
    with state.database() as connection, progress() as step:
        found = backtest(connection, project, since=since, until=until, progress=step)
    out(backtest_text.to_json(found) if style == "json" else backtest_text.render(found, paint))
    return Exit.HOLDS
