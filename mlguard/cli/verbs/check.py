"""`mlguard check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlguard.cli.echo import out, paint, say
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
@click.pass_obj
def command(state: State, style: str, fail_on: tuple[str, ...]) -> Exit:
    """Judge the stored rows now; changes nothing.

    One line an SLO: PASS, FAIL, NOTED (fails, but shadow or waived), INSUFFICIENT (too few rows) or ERROR (could not
    be judged). Exit code 1 when one fails, 3 when one could not be judged. With -v also rows that break an SLO.
    """
    from mlguard import api

    project = state.project()
    with state.database() as connection:
        report = api.check(project, connection)
    out(render(report, style, fail_on, samples=state.verbose))
    if not report.verdicts:
        from mlguard.report.text import NOTHING_JUDGED

        if style not in ("text", "github", "markdown"):
            say(NOTHING_JUDGED)
        return Exit.VIOLATED if "insufficient" in fail_on else Exit.HOLDS
    return report.exit_code(fail_on)


def render(report: Report, style: str, fail_on: tuple[str, ...], *, samples: bool) -> str:
    """Return the report in one of the formats."""
    from mlguard.report import github, junit, markup, sarif, text

    if style == "sarif":
        from mlguard import __version__

        return sarif.of_report(report, __version__)
    if style == "text":
        return text.render(report, paint=paint, samples=samples)
    if style == "junit":
        return junit.render(report, fail_on)
    return {"json": markup.to_json, "markdown": markup.to_markdown, "github": github.of_report}[style](report)
