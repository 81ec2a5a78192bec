"""`mlguard tune`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import click

from mlguard.cli.echo import out, say
from mlguard.cli.options import TIME_OR_LENGTH, Number
from mlguard.cli.progress import progress
from mlguard.cli.state import DATABASE, FILES, State, formats, shared
from mlguard.errors import Exit


@click.command("tune")
@shared(*DATABASE, *FILES)
@click.option("--since", type=TIME_OR_LENGTH, metavar="WHEN", help="Learn from windows since: a time or a length.")
@click.option(
    "--budget",
    type=Number(0, 1, max_open=True),
    default=0.01,
    show_default=True,
    metavar="SHARE",
    help="Share of clean windows an SLO may fail in.",
)
@formats("text", "json")
@click.pass_obj
def command(state: State, since: datetime | None, budget: float, style: str) -> Exit:
    """Propose better limits as a diff of the SLO files, each change with its evidence; `git apply` takes it.

    Limits that fail too often are widened, limits that miss incidents labelled true come closer, SLOs whose alarms were
    mostly judged wrong go, and learned rules between two columns are written out as row SLOs that note.
    """
    from mlguard.operate.backtest import backtest
    from mlguard.operate.tune import as_diff, pair_rules, tune
    from mlguard.report.markup import dumps

    project = state.project()
    with state.database() as connection:
        with progress() as step:
            found = backtest(connection, project, since=since, progress=step)
        changes = (*tune(found, project, budget=budget), *pair_rules(connection, project))
    if style == "json":
        out(dumps([asdict(change) for change in changes]))
    elif changes:
        out(as_diff(changes, project).rstrip("\n"))
    for change in changes:
        say(f"{change.slo}: {change.words}")
    if not changes:
        say("nothing to change: every limit kept within its budget")
    return Exit.HOLDS
