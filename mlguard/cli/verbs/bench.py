"""`mlguard bench`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlguard.cli.echo import out
from mlguard.cli.options import SECONDS
from mlguard.cli.progress import progress
from mlguard.cli.state import DATABASE, FILES, State, formats, shared
from mlguard.errors import Exit

if TYPE_CHECKING:
    import psycopg

    from mlguard.program import TableProgram


@click.command("bench")
@shared(*DATABASE, *FILES)
@formats("text", "json")
@click.option("--table", required=True, metavar="TABLE", help="The guarded table: schema.table.")
@click.option("--rows", type=click.IntRange(1, 1_000_000), default=5000, help="Rows that are written again; 5000.")
@click.option("--rounds", type=click.IntRange(1, 1000), default=7, help="Times each is measured, medians count; 7.")
@click.option("--lock-timeout", type=SECONDS, default=3.0, help="Seconds to wait for the table; 3.")
@click.pass_obj
def command(state: State, style: str, table: str, rows: int, rounds: int, lock_timeout: float) -> Exit:
    """Measure what mlguard costs on a table, object by object and rule by rule.

    Some of the table's own rows are copied, and written again into temporary tables with each object on and off, in
    transactions that are rolled back. The table itself is only read, for a moment.
    """
    from mlguard.operate.bench import bench
    from mlguard.report import bench_text

    with state.database() as connection, progress() as report:
        program = _program(state, connection, table)
        found = bench(
            connection,
            table,
            program=program,
            rows=rows,
            rounds=rounds,
            lock_timeout=lock_timeout,
            progress=report,
        )
    out(bench_text.to_json(found) if style == "json" else bench_text.render(found))
    return Exit.HOLDS


def _program(state: State, connection: psycopg.Connection[object], table: str) -> TableProgram | None:
    """Return what the SLO files say of the table, where there are some and one is about it."""
    from dataclasses import replace

    from mlguard import planner

    project = state.project_if_any()
    files = tuple(file for file in project.files if str(file.table) == table) if project is not None else ()
    if project is None or not files:
        return None
    return planner.program(replace(project, files=files), connection).tables[files[0].table]
