"""Verdicts and faults of SLO files as GitHub workflow commands, which show beside the line in a pull request. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlguard.report.text import headline, summary
from mlguard.report.verdict import Outcome, Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlguard.errors import Problem

_LEVELS = {
    Outcome.FAIL: "error",
    Outcome.ERROR: "error",
    Outcome.INSUFFICIENT: "warning",
    Outcome.NOTED: "notice",
}


def of_report(report: Report) -> str:
    """Return a command for every verdict that is not PASS, and the summary."""
    lines = []
    for verdict in report.verdicts:
        if verdict.outcome is Outcome.PASS:
            continue
        warns = verdict.outcome is Outcome.FAIL and verdict.action == "warn"
        level = "warning" if warns else _LEVELS[verdict.outcome]
        title = f"mlguard {verdict.outcome.value}"
        lines.append(command(level, headline(verdict), title, verdict.file, verdict.line))
    return "\n".join([*lines, summary(report)])


def of_problems(problems: Sequence[Problem]) -> str:
    """Return a command for every fault."""
    return "\n".join(
        command(
            "error",
            f"{problem.words}\nhelp: {problem.help}" if problem.help else problem.words,
            "mlguard",
            problem.where.file if problem.where and problem.where.line else "",
            problem.where.line if problem.where else 0,
            problem.where.column if problem.where else 0,
        )
        for problem in problems
    )


def command(level: str, message: str, title: str, file: str = "", line: int = 0, column: int = 0) -> str:
    """Return one workflow command; GitHub reads percent escapes, in properties also those of `:` and `,`."""
    named = {"file": file, "line": line or "", "col": column or "", "title": title}
    properties = ",".join(f"{name}={_property(str(value))}" for name, value in named.items() if value)
    return f"::{level} {properties}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
