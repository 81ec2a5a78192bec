"""`mlguard revision`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click

from mlguard.cli.echo import out, say
from mlguard.cli.options import lock_timeout
from mlguard.cli.state import DATABASE, FILES, State, shared
from mlguard.errors import Exit


@click.command("revision")
@shared(*DATABASE, *FILES)
@click.option("-m", "--message", required=True, metavar="TEXT", help="The message of the revisions.")
@click.option(
    "--alembic-config",
    "config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="alembic.ini or pyproject.toml of the project; $ALEMBIC_CONFIG, or the one here, when not given.",
)
@click.option("--head", metavar="REVISION", help="What the revisions follow, where there are several heads.")
@click.option(
    "--version-path",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="The folder of versions to write to, where the project has several.",
)
@click.option(
    "--from-nothing",
    is_flag=True,
    help="Write the whole program, as for a database without mlguard; asks no database unless --dsn or --target is"
    " given.",
)
@click.option("--prune", is_flag=True, help="Also take out guarded tables that are in no SLO file.")
@lock_timeout
@click.pass_obj
def command(
    state: State,
    message: str,
    config: Path | None,
    head: str | None,
    version_path: Path | None,
    from_nothing: bool,
    prune: bool,
    lock_timeout: float,
) -> Exit:
    """Write the difference between SLO files and database as Alembic revisions.

    The files hold the SQL that `apply` would run, frozen, with its bookkeeping and the way back; they need neither
    the SLO files nor mlguard when they run. Stored rows are judged by a file of their own, after the others. Prints
    the paths of what it wrote; nothing to do writes nothing.
    """
    from mlguard.alembic.project import Where
    from mlguard.alembic.revise import write
    from mlguard.cli.planning import refuse_partial_prune

    refuse_partial_prune(state, prune=prune)
    if prune and from_nothing:
        raise click.UsageError(
            "--prune takes out what a database holds, and --from-nothing supposes that it holds none"
        )
    project = state.project()
    asked = nullcontext() if from_nothing and state.address() is None else state.database()
    with asked as connection:
        written = write(
            project,
            message,
            connection,
            where=Where(config, head, version_path),
            from_nothing=from_nothing,
            prune=prune,
            lock_timeout=lock_timeout,
        )
    here = Path.cwd()
    for path in written.files:
        out(str(path.relative_to(here) if path.is_relative_to(here) else path))
    tables = ", ".join(str(table) for table in written.tables)
    say(f"written: {tables or 'the runtime'}; alembic upgrade head runs it" if written.files else "nothing to do")
    for words in written.breaking:
        say(f"an upgrade of this database would fail: {words}")
    for table in written.baselines:
        say(f"{table}: its baseline is a file, which no migration reads: mlguard baseline set, after the upgrade")
    return Exit.HOLDS
