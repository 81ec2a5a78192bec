"""`mlguard suggest`."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from mlguard.cli.echo import out, say
from mlguard.cli.options import Number
from mlguard.cli.progress import progress
from mlguard.cli.state import DATABASE, State, shared
from mlguard.errors import Exit, PlanError


@click.command("suggest")
@shared(*DATABASE)
@click.argument("source")
@click.option("--table", metavar="NAME", help="schema.table the file is about; the source's own name when not given.")
@click.option("-o", "--output", metavar="FILE", help="Write there instead of stdout; an existing file is not touched.")
@click.option("--update", metavar="FILE", help="Add to this SLO file what it says nothing about.")
@click.option("--event-time", metavar="COLUMN", help="The column that orders rows; looked for when not given.")
@click.option("--history", is_flag=True, help="Learn limits over windows too: days, or the files of a folder.")
@click.option("--group", is_flag=True, help="Fold lines that many columns share into groups.")
@click.option(
    "--confidence",
    type=Number(0.5, 1, max_open=True),
    default=0.99,
    show_default=True,
    metavar="SHARE",
    help="Of every bound.",
)
@click.option(
    "--sample",
    type=click.IntRange(min=1000),
    metavar="ROWS",
    help="Rows that tails and different values are taken from; 5000000 of files, 200000 of a table when not given.",
)
@click.pass_obj
def command(
    state: State,
    *,
    source: str,
    table: str | None,
    output: str | None,
    update: str | None,
    event_time: str | None,
    history: bool,
    group: bool,
    confidence: float,
    sample: int | None,
) -> Exit:
    """Read a table, file or folder and propose an SLO file, each line with its evidence.

    SOURCE is schema.table of the database; a path, folder or URI of Parquet, CSV or JSON lines; or x.duckdb:table.

    Rules are proposed from one part of the rows (the earlier ones, where there is an event time) and validated on the
    rest; the file passes `validate`, and all rows keep to it.
    """
    from mlguard.suggest import Options, suggest
    from mlguard.suggest.opening import is_table

    if output is not None and update is not None:
        raise PlanError("-o writes a new file, --update adds to an old one", help="give one of them")
    if output is not None and Path(output).exists():
        raise PlanError(f"{output} exists", help=f"add to it with --update {output}, or write elsewhere")
    if update is not None and not Path(update).is_file():
        raise PlanError(f"no file {update}", help="write a new one with -o")
    if update is not None and table is None:
        table = _table_of(update)
    options = Options(table, event_time, history, group, confidence, sample)
    with contextlib.ExitStack() as opened:
        target = opened.enter_context(state.database()) if is_table(source) else None
        step = opened.enter_context(progress())
        found = suggest(source, options, target=target, update=update, step=step)
    if update is not None:
        _write(Path(update), found.text)
        state.so = f"{update} was written"
        say(
            f"{update}: {len(found.added)} lines added, nothing changed" if found.added else f"{update}: nothing to add"
        )
        for name in found.added:
            say(f"  added  {name}")
        for name in found.kept:
            say(f"  kept   {name}")
        return Exit.HOLDS
    if output is None:
        out(found.text.rstrip("\n"))
        return Exit.HOLDS
    found.save(output)
    lines = ", ".join(f"{n} {what}" for what, n in found.draft.lines().items() if n)
    say(f"{output}: {lines}; read each line's evidence")
    return Exit.HOLDS


def _write(path: Path, text: str) -> None:
    """Put the new text in place of the old in one step."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(text, encoding="utf-8", newline="")
    beside.replace(path)


def _table_of(path: str) -> str | None:
    """Return the table that an SLO file is about; what is wrong with the file is told by `validate`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        read = YAML(typ="safe").load(Path(path).read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError):
        return None
    return str(read["table"]) if isinstance(read, dict) and "table" in read else None
