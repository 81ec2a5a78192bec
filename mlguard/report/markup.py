"""A report as JSON and as a Markdown table. Pure."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

from mlguard.report.columns import one_line
from mlguard.report.text import found, summary
from mlguard.report.verdict import Outcome, Report


def to_json(report: Report) -> str:
    """Return the report as one JSON object."""
    counts = {outcome.value: len(report.having(outcome)) for outcome in Outcome}
    return dumps(
        {
            "holds": report.holds,
            "engine": report.engine,
            "counts": counts,
            "verdicts": [verdict.to_dict() for verdict in report.verdicts],
        }
    )


def dumps(value: Any) -> str:
    """Return JSON for people and programs: indented, UTF-8, times and numbers of any type as text."""
    return json.dumps(_told(value), indent=2, ensure_ascii=False, default=_plain, allow_nan=False)


def _told(value: Any) -> Any:
    """Put numbers that JSON has no word for, NaN and the infinite ones, as text that languages read as numbers."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {name: _told(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_told(each) for each in value]
    return value


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def to_markdown(report: Report) -> str:
    """Return a table for pull requests and job summaries."""
    lines = ["| outcome | SLO | observed | allowed |", "|---|---|---|---|"]
    for verdict in report.verdicts:
        cells = (verdict.outcome.value, verdict.slo, found(verdict), verdict.limit)
        lines.append("| " + " | ".join(cell(text) for text in cells) + " |")
    table = lines if report.verdicts else []
    return "\n".join([*table, *([""] if table else []), summary(report)])


def cell(text: str) -> str:
    """Return `text` so that it stays within its table cell and is shown as it is."""
    escaped = one_line(text).replace("\\", "\\\\").replace("|", "\\|")
    for sign in "`*_[]~":
        escaped = escaped.replace(sign, "\\" + sign)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
