"""`mlguard test`."""

from __future__ import annotations

import click

from mlguard.cli.echo import out, say
from mlguard.cli.state import DATABASE, FILES, State, formats, shared
from mlguard.errors import Exit


@click.command("test")
@shared(*DATABASE, *FILES)
@formats("text", "json", "junit", "github", "markdown")
@click.option(
    "--engine",
    type=click.Choice(["duckdb", "postgresql", "both"]),
    help="Where; duckdb, or with --dsn, --target or --embedded postgresql, when not given. Under both a difference is"
    " an error.",
)
@click.option("--embedded", is_flag=True, help="Run on a throw-away PostgreSQL, which needs the extra `demo`.")
@click.option(
    "--schema",
    multiple=True,
    metavar="FILE",
    help="With --embedded: SQL that makes the tables; without it the declared types serve. May be repeated.",
)
@click.option(
    "--data", multiple=True, metavar="TABLE=PATH", help="On DuckDB: the rows of a table that rules look up; a file."
)
@click.option(
    "--mutate",
    "mutants",
    is_flag=True,
    help="Drop and weaken the SLOs one at a time, and tell which of them no example would catch.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["warn", "insufficient"]),
    multiple=True,
    help="Exit with 1 also for weaker forms that no example tells apart (warn), or SLOs that could not be judged.",
)
@click.pass_obj
def command(
    state: State,
    style: str,
    engine: str | None,
    embedded: bool,
    schema: tuple[str, ...],
    data: tuple[str, ...],
    mutants: bool,
    fail_on: tuple[str, ...],
) -> Exit:
    """Run the examples of the SLO files: each row must break exactly the SLOs it names.

    Needs no database: rows are judged on DuckDB. On PostgreSQL they are constants in a read-only transaction; no row of
    a table is written. Exit code 1 when an example fails, 3 when one could not be judged.
    """
    from mlguard.cli.verbs.check import render
    from mlguard.exercise import mutate, run_examples
    from mlguard.local import named

    if schema and not embedded:
        raise click.UsageError("--schema is for --embedded")
    address = None if embedded else state.address()
    wanted = engine or ("postgresql" if embedded or address else "duckdb")
    if wanted == "duckdb" and (embedded or address):
        raise click.UsageError("--engine duckdb needs no database; leave --dsn, --target and --embedded out")
    project = state.project()
    sources = {str(table): path for table, path in named(data).items()}
    verb = mutate if mutants else run_examples
    report = verb(project, address, engine=wanted, embedded=embedded, schema=schema, data=sources)
    out(render(report, style, fail_on, samples=state.verbose))
    if report.left_out and report.verdicts and style == "text":
        from mlguard.report.columns import count

        many = len(report.left_out) > 1
        said = f"{count(len(report.left_out), 'SLO is', 'SLOs are')} not about one row"
        say(f"{said}, so no example can try {'them' if many else 'it'}")
    if not report.verdicts:
        if style not in ("text", "github", "markdown"):
            say(report.nothing)
        return Exit.VIOLATED if "insufficient" in fail_on else Exit.HOLDS
    if mutants and report.unit == "example":
        say("the examples must pass before mutants are tried")
    return report.exit_code(fail_on)
