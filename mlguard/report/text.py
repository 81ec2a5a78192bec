"""A report as text: one line a verdict, summary last. Pure."""

from __future__ import annotations

from typing import Any

from mlguard.report.columns import Paint, aligned, count, one_line, plain
from mlguard.report.verdict import Outcome, Report, Verdict

NOTHING_JUDGED = Report.nothing
NONE_JUDGED = "nothing was judged: every SLO is INSUFFICIENT, so nothing is known"
SHOWN_SAMPLES = 5


def render(report: Report, *, paint: Paint = plain, samples: bool = False) -> str:
    """Return the report for a terminal or a log.

    Args:
        report: what to show.
        paint: colours outcome words.
        samples: also list rows that break each SLO.
    """
    lines = aligned((_row(verdict) for verdict in report.verdicts), paint)
    if samples:
        lines = [
            text
            for line, verdict in zip(lines, report.verdicts, strict=True)
            for text in (line, *(f"    {sample_words(sample)}" for sample in verdict.samples[:SHOWN_SAMPLES]))
        ]
    return "\n".join([*lines, summary(report)])


def _row(verdict: Verdict) -> tuple[str, ...]:
    return (verdict.outcome.value, verdict.slo, found(verdict), limit(verdict))


def found(verdict: Verdict) -> str:
    """Return what was observed, with the reason where there is one: `3 of 10 rows break it [shadow]`."""
    if not verdict.reason:
        return verdict.observed
    return f"{verdict.observed} [{verdict.reason}]" if verdict.observed else verdict.reason


def limit(verdict: Verdict) -> str:
    """Return the limit in brackets."""
    return f"({verdict.limit})" if verdict.limit else ""


def headline(verdict: Verdict) -> str:
    """Return a verdict in one sentence, for places that show nothing else."""
    return one_line(" ".join(part for part in (f"{verdict.slo}: {found(verdict)}", limit(verdict)) if part))


def sample_words(sample: dict[str, Any]) -> str:
    """Return one bad row: `age is -4 (customer_id 1017)`."""
    observed = sample.get("observed")
    key = sample.get("key")
    words = ", ".join(f"{name} is {value_words(value)}" for name, value in _pairs(observed))
    row = ", ".join(f"{name} {value_words(value)}" for name, value in _pairs(key))
    return one_line(f"{words or 'a row'}{f' ({row})' if row else ''}")


def _pairs(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def value_words(value: Any) -> str:
    """Return a JSON value as the messages of the database spell it: NULL, true, 12, text without quotes."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return text if len(text) <= 80 else text[:79] + "…"


def summary(report: Report) -> str:
    """Return the last line: how many SLOs on how many tables, and how they came out."""
    if not report.verdicts:
        return report.nothing
    tables = len({verdict.table for verdict in report.verdicts})
    parts = []
    for outcome in Outcome:
        n = sum(verdict.outcome is outcome for verdict in report.units)
        if n:
            parts.append(f"{n} {outcome.value}")
    if others := len(report.verdicts) - len(report.units):
        parts.append(f"{count(others, 'SLO')} judged on none")
    return f"{count(len(report.units), report.unit)} on {count(tables, 'table')}: {', '.join(parts)}"
