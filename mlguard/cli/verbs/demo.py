"""`mlguard demo`."""

from __future__ import annotations

import click

from mlguard.cli.echo import out
from mlguard.cli.state import State, shared
from mlguard.errors import Exit


@click.command("demo")
@shared("dsn")
@click.option("--keep", is_flag=True, help="Leave the database running, and say how to reach and stop it.")
@click.option("--history", is_flag=True, help="Replay a whole year instead: windows, learned health, incidents.")
@click.option("--models", is_flag=True, help="A model instead: approval, accuracy, a vetoed retrain, a rollback.")
@click.pass_obj
def command(state: State, keep: bool, history: bool, models: bool) -> Exit:
    """The whole story on real data, in about a minute.

    On an embedded PostgreSQL that goes when the demo ends; with --dsn on a server of yours, in a database
    `mlguard_demo` made for it.
    """
    from mlguard.demo import run, run_history, run_models

    if history and models:
        raise click.UsageError("--history and --models are two stories: say one")
    state.so = "the demo's database goes with it"
    (run_history if history else run_models if models else run)(out, dsn=state.dsn, keep=keep)
    return Exit.HOLDS
