"""`mlguard init`."""

from __future__ import annotations

from pathlib import Path

import click

from mlguard.cli.echo import out, say
from mlguard.cli.state import State, shared
from mlguard.errors import Exit


@click.command("init")
@click.argument("folder", default=".", metavar="[DIR]", type=click.Path(path_type=Path))
@shared()
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.pass_obj
def command(state: State, folder: Path, force: bool) -> Exit:
    """Make a project folder: mlguard.yaml, slos/ with an example, its table, CI workflow, compose file.

    DIR is the current folder when not given. Where a file is in the way, nothing is written.
    """
    from mlguard.scaffold import create

    for path in create(folder, force=force):
        out(str(path))
    enter = "" if folder == Path() else f"cd {folder}, then "
    say(f"next: {enter}mlguard validate, mlguard plan, mlguard apply")
    return Exit.HOLDS
