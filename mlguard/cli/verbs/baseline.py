"""`mlguard baseline set|show`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from mlguard.cli.echo import out, say
from mlguard.cli.options import ID, TIME
from mlguard.cli.state import DATABASE, State, formats, shared
from mlguard.errors import Exit


@click.group("baseline", subcommand_metavar="VERB [ARGS]...")
def command() -> None:
    """Pin or show what distributions are compared with.

    A baseline is frozen and has a version. Setting one keeps the versions before it, for explain.
    """


@command.command("set")
@click.argument("table", metavar="TABLE")
@shared(*DATABASE)
@click.option("--from", "starts", type=TIME, metavar="TIME", help="Rows of the table from this event time on.")
@click.option("--to", "ends", type=TIME, metavar="TIME", help="Rows of the table before this event time.")
@click.option("--from-table", "other", metavar="TABLE", help="All rows of another table, as schema.table.")
@click.option(
    "--from-file",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A .parquet or .csv file, read here; needs DuckDB.",
)
@click.option("--version", "trained", metavar="MODEL:VERSION", help="What that version was trained on, by its ticket.")
@click.option("--ticket", type=ID, metavar="N", help="What a training run with that ticket could read.")
@click.pass_obj
def set_baseline(
    state: State,
    table: str,
    starts: datetime | None,
    ends: datetime | None,
    other: str | None,
    file: Path | None,
    trained: str | None,
    ticket: int | None,
) -> Exit:
    """Pin what the table is compared with from now on; without an option all of its stored rows."""
    from mlguard.operate import baseline
    from mlguard.report.baseline_text import headline

    sources = (starts or ends, other, file, trained, ticket)
    if sum(source is not None for source in sources) > 1:
        raise click.UsageError(
            "give a stretch of time, --from-table, --from-file, --version or --ticket: a baseline has one source"
        )
    if starts is not None and ends is not None and starts >= ends:
        raise click.UsageError("--from is not before --to")
    with state.database() as connection:
        if other is not None:
            version = baseline.set_from_table(connection, table, other)
        elif file is not None:
            version = baseline.set_from_file(connection, table, file)
        elif trained is not None or ticket is not None:
            version = baseline.set_from_training(connection, table, version=trained, ticket=ticket)
        else:
            version = baseline.set_from_rows(connection, table, starts, ends)
        state.so = f"baseline {version} of {table} is in use"
        made = next(one for one in baseline.baselines(connection, table) if one.version == version)
        lacking = baseline.lacking(connection, table, version)
    out(headline(made))
    if lacking:
        say(f"it lacks {', '.join(lacking)}: fewer than 200 values there; SLOs that compare them are INSUFFICIENT")
    return Exit.HOLDS


@command.command("show")
@click.argument("table", metavar="TABLE")
@shared(*DATABASE)
@formats("text", "json")
@click.pass_obj
def show(state: State, table: str, style: str) -> Exit:
    """Show the baseline of a table with a histogram of each column. Values of pii columns are not shown."""
    from mlguard.operate.baseline import baselines
    from mlguard.report.baseline_text import render, to_json

    with state.database() as connection:
        versions = baselines(connection, table)
    if style == "json":
        out(to_json(versions))
    elif versions:
        out(render(versions))
    if not versions:
        say(f"{table} has no baseline yet: sweep() makes it, or mlguard baseline set {table}")
    return Exit.HOLDS
