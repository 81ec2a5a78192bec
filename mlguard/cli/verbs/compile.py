"""`mlguard compile`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlguard.cli.echo import out, say
from mlguard.cli.state import FILES, State, shared
from mlguard.errors import Exit, MlguardError

if TYPE_CHECKING:
    from mlguard.names import TableName


@click.command("compile")
@shared(*FILES)
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

    Types come from the files' `type:`; what they leave open is taken to fit. `plan` takes them from the database.
    """
    from mlguard.report.sql_text import expanded, script

    if expand and folder:
        raise click.UsageError("--expand prints an overview and --out writes SQL; say one of them")
    project = state.project()
    if expand:
        from mlguard.compile import compile_project

        out("\n\n".join(expanded(program) for program in compile_project(project, None).tables.values()))
        return Exit.HOLDS
    from mlguard import api

    scripts = {table: script(table, made) for table, made in api.compile_sql(project).items()}
    if folder is not None:
        _write(folder, scripts)
    else:
        out("\n\n".join(scripts.values()))
    return Exit.HOLDS


def _write(folder: Path, scripts: dict[TableName, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for table, text in scripts.items():
            path = folder / f"{str(table).replace('/', '_')}.sql"
            path.write_text(text + "\n", encoding="utf-8")
            say(f"wrote {path}")
    except OSError as error:
        raise MlguardError(f"cannot write {error.filename}: {error.strerror}") from None
