"""What the command line said, before or after the verb; opens files and database for the verbs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    import psycopg

    from mlguard.spec import Project

F = TypeVar("F", bound=Callable[..., Any])
DEFAULT_SLOS = "slos"


@dataclass
class State:
    """The options that every verb shares.

    Attributes:
        verb: the verb that runs.
        so: what is so when Ctrl-C comes now; a verb that changes something says it anew before it starts.
    """

    dsn: str | None = None
    target: str | None = None
    slos: str | None = None
    models: str | None = None
    select: tuple[str, ...] = ()
    verbose: bool = False
    format: str | None = None
    so: str = "nothing was changed"
    verb: str = ""

    def project(self) -> Project:
        """Load the SLO files, or what `--models` declares instead of them.

        Raises:
            SpecError: every fault of every file.
        """
        if self.models is not None:
            if self.slos is not None:
                raise click.UsageError("--slos and --models both say where the SLOs are; say one of them")
            from mlguard.declarative import load_models

            return load_models(self.models, select=self.select)
        from mlguard.compile.lint import load_whole  # not the whole API: a check of files needs no driver

        return load_whole(Path(self.slos) if self.slos is not None else None, select=self.select)

    def project_if_any(self) -> Project | None:
        """Load the SLO files where there are some; None where nobody named a folder and there is no `slos/`."""
        if self.slos is None and self.models is None and not Path(DEFAULT_SLOS).exists():
            return None
        return self.project()

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        """Open the database: `--dsn`, else `--target`, else MLGUARD_DSN, else libpq's PG*.

        Raises:
            EngineError: it cannot be reached.
        """
        from mlguard.cli.echo import loud_cursor
        from mlguard.connect import session

        with session(self.address()) as connection:
            if self.verbose:
                connection.cursor_factory = loud_cursor()
            yield connection

    def roles(self, project: Project) -> dict[str, tuple[str, ...]]:
        """Return whom the target that --target names gives mlguard's roles; nobody without a target."""
        if self.target is None or self.dsn is not None or self.target not in project.settings.targets:
            return {}
        given = project.settings.targets[self.target].roles
        return {
            "mlguard_platform": given.platform,
            "mlguard_task": given.task,
            "mlguard_writer": given.writer,
        }

    def names_database(self) -> bool:
        """Say whether somebody named a database: by an option, or by MLGUARD_DSN."""
        from mlguard.connect import DSN_VARIABLE

        return bool(self.dsn or self.target or os.environ.get(DSN_VARIABLE))

    def address(self) -> str | None:
        """Return the database that the command line names, by --dsn or --target; None where it names none."""
        if self.dsn is None and self.target is not None:
            from mlguard.cli.target import dsn_of

            return dsn_of(self.target, self.slos)
        return self.dsn


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Store a shared option; what stands after the verb wins over what stands before it."""
    state = ctx.ensure_object(State)
    assert param.name is not None
    if param.name == "select":
        given = tuple(word.strip() for text in value for word in text.split(",") if word.strip())
        state.select = given or state.select
    elif value:
        setattr(state, param.name, value)


_SHARED: dict[str, Callable[[F], F]] = {
    "dsn": click.option(
        "--dsn",
        metavar="DSN",
        help="The database; else --target, else $MLGUARD_DSN, else libpq's PG* variables.",
        callback=_keep,
        expose_value=False,
    ),
    "target": click.option(
        "--target",
        metavar="NAME",
        help="A database by its name under `targets:` of mlguard.yaml.",
        callback=_keep,
        expose_value=False,
    ),
    "slos": click.option(
        "--slos",
        metavar="PATH",
        help="Folder of *.slo.yaml files, or one file; slos/ when not given.",
        callback=_keep,
        expose_value=False,
    ),
    "models": click.option(
        "--models",
        metavar="MODULE:NAME",
        help="SLOs on SQLAlchemy models instead of files: the base class, registry or MetaData.",
        callback=_keep,
        expose_value=False,
    ),
    "select": click.option(
        "--select",
        metavar="WHAT",
        multiple=True,
        help="Only these: table:x, tag:y or slo:z, with commas or repeated; each is an alternative.",
        callback=_keep,
        expose_value=False,
    ),
    "verbose": click.option(
        "-v",
        "--verbose",
        is_flag=True,
        help="Print the SQL that runs to stderr, and tracebacks of unexpected errors.",
        callback=_keep,
        expose_value=False,
    ),
}
FILES = ("slos", "models", "select")
DATABASE = ("dsn", "target")


def shared(*names: str) -> Callable[[F], F]:
    """Give a verb shared options, `-v` always among them."""

    def decorate(function: F) -> F:
        for name in reversed((*names, "verbose")):
            function = _SHARED[name](function)
        return function

    return decorate


def formats(*choices: str) -> Callable[[F], F]:
    """Give a verb `--format`, with the first choice as default; the verb receives it as `style`."""

    def settle(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
        wanted = value or ctx.ensure_object(State).format or choices[0]
        if wanted not in choices:
            raise click.BadParameter(f"'{wanted}' is not one of {', '.join(choices)}", ctx, param)
        return wanted

    return click.option(
        "--format",
        "style",
        type=click.Choice(choices),
        metavar="|".join(choices),
        help=f"How to report; {choices[0]} when not given.",
        callback=settle,
    )
