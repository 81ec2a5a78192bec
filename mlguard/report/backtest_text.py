"""A replay as text and JSON: alarms a month, which, how many were right. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from mlguard.operate.backtest import by_slo, span_words
from mlguard.report.columns import Paint, aligned, count, plain
from mlguard.report.markup import dumps
from mlguard.report.sparkline import spark

if TYPE_CHECKING:
    from mlguard.operate.backtest import Alarm, Backtest


def render(found: Backtest, paint: Paint = plain, *, most: int = 40) -> str:
    """Return the summary, the alarms oldest first, and one line an SLO.

    Args:
        found: the replay.
        paint: colours of outcomes.
        most: alarms that are listed.
    """
    blocks = [_summary(found)]
    if found.alarms:
        lines = aligned((_alarm(alarm) for alarm in found.alarms[-most:]), paint)
        if len(found.alarms) > most:
            lines.insert(0, f"the last {most} of {len(found.alarms)} alarms:")
        blocks.append("\n".join(lines))
    blocks.append("\n".join(aligned(_slos(found))))
    return "\n\n".join(block for block in blocks if block)


def _summary(found: Backtest) -> str:
    words = f"{span_words(found)}: {count(len(found.alarms), 'alarm')}"
    if found.days:
        words += f", {found.per_month:.1f} a month"
    if found.precision is not None:
        words += f"; precision {found.precision:.0%} of those judged"
    if found.recall is not None:
        words += f"; recall {found.true_found} of {count(found.true_all, 'incident')} labelled true"
    return words


def _alarm(alarm: Alarm) -> tuple[str, ...]:
    when = f"{alarm.start:%Y-%m-%d %H:%M}" if alarm.start else ""
    more = f"and {count(len(alarm.others), 'more SLO')}" if alarm.others else ""
    return (when, alarm.label or "", alarm.headline, more)


def _slos(found: Backtest) -> list[tuple[str, ...]]:
    past = by_slo(found)
    rows: list[tuple[str, ...]] = [("SLO", "failed", "of", "insufficient", "its values")]
    for slo in found.slos:
        values = [value.value for value in past.get(slo.slo, []) if not value.segment]
        errors = f", {count(slo.errors, 'error')}" if slo.errors else ""
        drawn = spark(values, width=52).line if values else ""
        rows.append((slo.slo, str(slo.failed), str(slo.judged), f"{slo.insufficient}{errors}", drawn))
    return rows


def to_json(found: Backtest) -> str:
    """Return the replay as one JSON object."""
    summary = {
        "alarms_per_month": found.per_month,
        "precision": found.precision,
        "recall": found.recall,
        **asdict(found),
    }
    return dumps(summary)
