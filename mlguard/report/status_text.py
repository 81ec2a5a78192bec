"""Status, gates, violations and kept rows as text and JSON. Pure."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlguard.report.columns import Paint, aligned, count, one_line, plain
from mlguard.report.markup import dumps
from mlguard.report.sparkline import spark
from mlguard.report.text import sample_words, value_words
from mlguard.report.when import minute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlguard.operate import Gate, Kept, SloStatus, Status, Violation

ROW_WIDTH = 100  # characters of a kept row that a list shows


def render(status: Status, paint: Paint = plain) -> str:
    """Return gates first, then one line an SLO, then a summary."""
    blocks = []
    if status.gates:
        blocks.append("\n".join(aligned((_gate(gate) for gate in status.gates), paint)))
    if status.slos:
        drawn = any(slo.past for slo in status.slos)
        blocks.append("\n".join(aligned((_slo(slo, drawn=drawn) for slo in status.slos), paint)))
    closed = sum(not gate.open for gate in status.gates)
    well = sum(slo.health is not None and slo.health.value == "INSTALLED" for slo in status.slos)
    summary = f"{count(len(status.gates), 'guarded table')}, {closed} closed; {count(len(status.slos), 'SLO')}"
    blocks.append(f"{summary}, {well} INSTALLED" if status.slos else summary)
    return "\n\n".join(blocks)


def _gate(gate: Gate) -> tuple[str, ...]:
    return ("gate", gate.table, gate.state, gate_words(gate))


def gate_words(gate: Gate) -> str:
    """Return since when or until when, and why."""
    if gate.open and gate.fresh_until:
        if gate.fresh_until < datetime.now(UTC):
            return f"stale since {minute(gate.fresh_until)}, let through by an exception"
        return f"fresh until {minute(gate.fresh_until)}"
    return gate.why or (f"since {minute(gate.since)}" if gate.since else "")


def _slo(slo: SloStatus, *, drawn: bool) -> tuple[str, ...]:
    place = slo.place if slo.validated else f"{slo.place} (existing rows not validated)"
    since = f"v{slo.version} since {minute(slo.since)}" if slo.since else ""
    health = slo.health.value if slo.health else ""
    line = (spark(slo.past, width=24).line if slo.past else "",) if drawn else ()
    return (slo.slo, state_words(slo), *line, place, health, since + _precision(slo))


def _precision(slo: SloStatus) -> str:
    found = slo.precision
    if found is None:
        return ""
    return f"; {found.true_alarms} of {count(found.judged, 'judged alarm')} right"


def state_words(slo: SloStatus) -> str:
    """Return an SLO's state in words: `refused 12 times, last 2026-11-20 03:12 UTC`."""
    at = minute(slo.at)
    match slo.state:
        case "held":
            return f"held since {at}" if at else "held"
        case "off" | "waived":
            return f"{slo.state} until {at}"
        case "kept out":
            return f"{count(slo.times or 0, 'row')} in quarantine, last {at}"
        case "refused" | "recorded":
            return f"{slo.state} {count(slo.times or 0, 'time')}{f', last {at}' if at else ''}"
        case "holding" | "failing" | "noted" if slo.observed:
            return f"{slo.state}: {_against(slo)}"
        case "insufficient" | "error" if slo.observed:
            return f"{slo.state}: {slo.observed}"
        case "shadow" if slo.times:
            return f"shadow, noted {count(slo.times, 'time')}, last {at}"
    return slo.state


def _against(slo: SloStatus) -> str:
    """Return the value of the last batch or window against its limit."""
    return ", ".join(part for part in (slo.observed, slo.allowed) if part)


def to_json(status: Status) -> str:
    """Return the status as one JSON object."""
    return dumps(
        {
            "compared_with_files": status.compared,
            "gates": [asdict(gate) for gate in status.gates],
            "slos": [
                {**asdict(slo), "health": slo.health.value if slo.health else None, "words": state_words(slo)}
                for slo in status.slos
            ],
        }
    )


def violations_text(found: Sequence[Violation]) -> str:
    """Return one line a violation."""
    rows = [(minute(v.at), v.outcome, v.slo, _observed(v), f"({v.allowed})" if v.allowed else "") for v in found]
    return "\n".join(aligned(rows))


def _observed(violation: Violation) -> str:
    if violation.bad is not None and violation.n is not None:
        words = f"{violation.bad} of {count(violation.n, 'row')}"
    elif isinstance(violation.observed, dict) or violation.key:
        words = sample_words({"observed": violation.observed, "key": violation.key})
    else:
        words = value_words(violation.observed) if violation.observed is not None else ""
    return " ".join(part for part in (words, f"batch {violation.batch}" if violation.batch else "") if part)


def kept_text(rows: Sequence[Kept]) -> str:
    """Return one line a kept row."""
    return "\n".join(aligned(_kept(kept) for kept in rows))


def _kept(kept: Kept) -> tuple[str, ...]:
    names = ", ".join(slo.partition("/")[2] or slo for slo in kept.slos)
    return (str(kept.id), kept.table, kept.status, minute(kept.kept_at), names, _cut(_inline(kept.row)))


def _inline(row: Any) -> str:
    if not isinstance(row, dict):
        return "" if row is None else str(row)
    return ", ".join(f"{name} {value_words(value)}" for name, value in row.items())


def _cut(text: str) -> str:
    return text if len(text) <= ROW_WIDTH else text[: ROW_WIDTH - 1] + "…"


def kept_full(kept: Kept) -> str:
    """Return everything about one kept row."""
    lines = [f"row {kept.id} of {kept.table}: {kept.status}"]
    facts = [
        (
            "kept out",
            f"{minute(kept.kept_at)} by {kept.writer}, {kept.op}" + (f", batch {kept.batch}" if kept.batch else ""),
        ),
        ("key", _inline(kept.key)),
    ]
    if kept.superseded:
        facts.append(("stored row", "an older version of it stayed in the table"))
    if kept.decided_at:
        facts.append(("decided", f"{minute(kept.decided_at)} by {kept.decided_by}: {kept.reason or 'no reason given'}"))
    lines += aligned([(f"{name}:", value) for name, value in facts if value], indent="  ")
    lines.append("  breaks:")
    lines += [f"    {one_line(_broken(reason))}" for reason in kept.broken]
    if isinstance(kept.row, dict):
        lines.append("  values:")
        lines += aligned([(f"{name}:", value_words(value)) for name, value in kept.row.items()], indent="    ")
    return "\n".join(lines)


def _broken(reason: dict[str, Any]) -> str:
    observed = reason.get("observed")
    words = sample_words({"observed": observed}) if observed else ""
    return f"{reason.get('slo')}{f': {words}' if words else ''}"
