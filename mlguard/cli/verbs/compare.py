"""`mlguard compare`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from mlguard.cli.echo import out, say
from mlguard.cli.options import TIME_OR_LENGTH
from mlguard.cli.state import State, formats, shared
from mlguard.errors import Exit


@click.command("compare")
@click.argument("sides", metavar="OLD NEW", nargs=2, type=click.Path(path_type=Path))
@shared("select")
@formats("text", "json", "markdown")
@click.option(
    "--data",
    multiple=True,
    required=True,
    metavar="TABLE=PATH",
    help="The rows to judge, as for check: .parquet, .csv, .jsonl, a folder of them, x.duckdb:table. May be repeated.",
)
@click.option("--batch-by", metavar="COLUMN", help="The column that tells batches apart; a file is one.")
@click.option("--as-of", type=TIME_OR_LENGTH, metavar="WHEN", help="Judge as at this time, or so long ago.")
@click.option("--fail-on-difference", is_flag=True, help="Exit with 1 when the data shows a difference.")
@click.pass_obj
def command(
    state: State,
    sides: tuple[Path, Path],
    style: str,
    data: tuple[str, ...],
    batch_by: str | None,
    as_of: datetime | None,
    fail_on_difference: bool,
) -> Exit:
    """Compare two versions of SLO files on data: what would newly fail, what would no longer be caught.

    OLD and NEW are folders of SLO files, or single files. Rules on single rows are compared row by row, all other SLOs
    by how they come out. Needs no database.
    """
    from mlguard.exercise import compare
    from mlguard.local import named
    from mlguard.report import compare_text
    from mlguard.spec import load_project

    sources = {str(table): path for table, path in named(data).items()}
    before, after = (load_project(path, select=state.select) for path in sides)
    trace = (lambda sql: say(f"{sql};")) if state.verbose else None
    found = compare(before, after, sources, batch_by=batch_by, as_of=as_of, trace=trace)
    render = {"text": compare_text.to_text, "json": compare_text.to_json, "markdown": compare_text.to_markdown}
    out(render[style](found))
    return found.exit_code(fail_on_difference=fail_on_difference)
