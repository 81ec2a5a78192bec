"""`mlguard check`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from mlguard.cli.echo import out, paint, say
from mlguard.cli.options import TIME_OR_LENGTH
from mlguard.cli.progress import progress
from mlguard.cli.state import DATABASE, FILES, State, formats, shared
from mlguard.errors import Exit

if TYPE_CHECKING:
    from mlguard.report.verdict import Report


@click.command("check")
@shared(*DATABASE, *FILES)
@formats("text", "json", "junit", "github", "markdown", "sarif")
@click.option(
    "--fail-on",
    type=click.Choice(["warn", "insufficient"]),
    multiple=True,
    help="Exit with 1 also when an SLO fails that only warns, or has too few rows to be judged; may be repeated.",
)
@click.option(
    "--data",
    multiple=True,
    metavar="TABLE=PATH",
    help="Judge a file instead, without a server: .parquet, .csv, .jsonl, a folder or pattern of them, x.duckdb:table,"
    " a URI. Repeat it for further tables, also for ones that are only looked up.",
)
@click.option("--batch-by", metavar="COLUMN", help="With --data: the column that tells batches apart; a file is one.")
@click.option(
    "--as-of",
    type=TIME_OR_LENGTH,
    metavar="WHEN",
    help="With --data: judge as at this time (or so long ago): staleness, and which windows have closed.",
)
@click.pass_obj
def command(
    state: State,
    style: str,
    fail_on: tuple[str, ...],
    data: tuple[str, ...],
    batch_by: str | None,
    as_of: datetime | None,
) -> Exit:
    """Judge the stored rows now, or with --data those of files; changes nothing.

    One line an SLO: PASS, FAIL, NOTED (fails, but shadow or waived), INSUFFICIENT (too few rows) or ERROR (could not
    be judged). Exit code 1 when one fails, 3 when one could not be judged. With -v also rows that break an SLO.
    """
    project = state.project()
    report: Report
    if data:
        from mlguard.local import judge, named

        sources = named(data)
        with progress() as step:
            report = judge(
                project,
                sources,
                batch_by=batch_by,
                as_of=as_of,
                progress=step,
                trace=(lambda sql: say(f"{sql};")) if state.verbose else None,
            )
    elif batch_by is not None or as_of is not None:
        raise click.UsageError("--batch-by and --as-of are for --data")
    else:
        from mlguard import api

        with state.database() as connection:
            report = api.check(project, connection)
    out(render(report, style, fail_on, samples=state.verbose))
    from mlguard.report.text import NONE_JUDGED, NOTHING_JUDGED

    if not report.verdicts:
        if style not in ("text", "github", "markdown"):
            say(NOTHING_JUDGED)
        return Exit.VIOLATED if "insufficient" in fail_on else Exit.HOLDS
    if report.judged_nothing:
        say(NONE_JUDGED)
    return report.exit_code(fail_on)


def render(report: Report, style: str, fail_on: tuple[str, ...], *, samples: bool) -> str:
    """Return the report in one of the formats."""
    if style == "text":
        from mlguard.report import text

        return text.render(report, paint=paint, samples=samples)
    if style == "sarif":
        from mlguard import __version__
        from mlguard.report import sarif

        return sarif.of_report(report, __version__)
    if style == "junit":
        from mlguard.report import junit

        return junit.render(report, fail_on)
    from mlguard.report import github, markup

    return {"json": markup.to_json, "markdown": markup.to_markdown, "github": github.of_report}[style](report)
