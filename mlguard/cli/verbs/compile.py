"""`mlguard compile`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlguard.cli.echo import out, say
from mlguard.cli.state import DATABASE, FILES, State, shared
from mlguard.errors import Exit, MlguardError

if TYPE_CHECKING:
    from mlguard.names import TableName
    from mlguard.program import Program


@click.command("compile")
@shared(*DATABASE, *FILES)
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write one .sql file a table into this folder instead of printing.",
)
@click.option("--expand", is_flag=True, help="Print what each column got, SLO by SLO, instead of SQL.")
@click.pass_obj
def command(state: State, folder: Path | None, expand: bool) -> Exit:
    """Print the SQL that SLO files become; needs no database.

    Columns and types come from the files' `columns:`, or from the database where one is named by --dsn or --target. A
    type that the SQL needs and neither tells is an error; of a guarded view that lacks columns stderr says so.
    """
    from mlguard.report.sql_text import expanded, script

    if expand and folder:
        raise click.UsageError("--expand prints an overview and --out writes SQL; say one of them")
    program = _program(state, told=not expand)
    if expand:
        out("\n\n".join(expanded(made) for made in program.tables.values()))
        return Exit.HOLDS
    from mlguard.emit.table import objects

    scripts = {table: script(table, objects(made)) for table, made in program.tables.items()}
    if folder is not None:
        _write(folder, scripts)
    else:
        out("\n\n".join(scripts.values()))
    return Exit.HOLDS


def _program(state: State, *, told: bool) -> Program:
    """Compile the files; where SQL is made of it, say which types are missing."""
    from mlguard.compile import compile_project
    from mlguard.compile.declared import untold

    project = state.project()
    if state.address() is not None:
        from mlguard import planner

        with state.database() as connection:
            return planner.program(project, connection)
    program = compile_project(project, None)
    if told:
        for problem in untold(project, program):
            say(f"not complete: {problem.render()}")
    return program


def _write(folder: Path, scripts: dict[TableName, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for table, text in scripts.items():
            path = folder / f"{str(table).replace('/', '_')}.sql"
            path.write_text(text + "\n", encoding="utf-8")
            say(f"wrote {path}")
    except OSError as error:
        raise MlguardError(f"cannot write {error.filename}: {error.strerror}") from None
