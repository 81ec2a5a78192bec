"""Versions of models and audited acts as text. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlguard.report.columns import Paint, aligned, plain
from mlguard.report.when import minute

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mlguard.operate.audit import AuditFault, Event
    from mlguard.operate.models import Compared, Difference, ModelVersion, Usage

NONE = "-"


def versions_text(found: Sequence[ModelVersion], paint: Paint = plain) -> str:
    """Return one line a version."""
    head = ("MODEL", "VERSION", "STATE", "AUTHOR", "APPROVER", "PREDICTIONS", "LAST USE")
    rows = [
        (
            version.model,
            version.version,
            version.state + (" (previous)" if version.previous else ""),
            version.author,
            version.approver or NONE,
            str(version.predictions),
            minute(version.last_use) or NONE,
        )
        for version in found
    ]
    return "\n".join(aligned([head, *rows], paint))


def usage_text(found: Sequence[Usage]) -> str:
    """Return one line a version and table."""
    head = ("MODEL", "VERSION", "TABLE", "PREDICTIONS", "FIRST USE", "LAST USE", "STATE")
    rows = [
        (
            usage.model,
            usage.version or "(none named)",
            usage.tbl,
            str(usage.predictions),
            minute(usage.first_use),
            minute(usage.last_use),
            usage.state or "not registered",
        )
        for usage in found
    ]
    return "\n".join(aligned([head, *rows]))


def diff_text(found: Difference) -> str:
    """Return two versions beside each other, then their metrics."""
    old, new = found.old, found.new
    rows = [
        ("", f"{old.model} {old.version}", f"{new.model} {new.version}"),
        ("state", old.state, new.state),
        ("author", _by(old.author, old.registered_at), _by(new.author, new.registered_at)),
        ("approver", _by(old.approver, old.approved_at), _by(new.approver, new.approved_at)),
        ("promoted", _by(old.promoted_by, old.promoted_at), _by(new.promoted_by, new.promoted_at)),
        ("ticket", _some(old.ticket), _some(new.ticket)),
        ("first use", minute(old.first_use) or NONE, minute(new.first_use) or NONE),
        ("last use", minute(old.last_use) or NONE, minute(new.last_use) or NONE),
        ("predictions", str(old.predictions), str(new.predictions)),
        ("note", old.note or NONE, new.note or NONE),
    ]
    rows += [(_metric(metric), _value(metric.old), _value(metric.new)) for metric in found.metrics]
    return "\n".join(aligned(rows))


def _by(who: str | None, when: datetime | None) -> str:
    return f"{who}, {minute(when)}" if who else NONE


def _some(value: object) -> str:
    return NONE if value is None else str(value)


def _metric(metric: Compared) -> str:
    where = "".join(f", {name} {value}" for name, value in (metric.segment or {}).items())
    return f"{metric.metric} over {metric.over}{where}"


def _value(value: float | None) -> str:
    return NONE if value is None else f"{value:.6g}"


def events_text(found: Sequence[Event]) -> str:
    """Return one line an act: when, seal, who, what, to what, and why or what came of it."""
    rows = [
        (
            minute(event.at),
            f"seal {event.seal}" if event.seal is not None else "unsealed",
            event.who,
            event.act,
            event.target,
            event.reason or _short(event.after),
        )
        for event in found
    ]
    return "\n".join(aligned(rows))


def _short(value: Any, most: int = 80) -> str:
    text = "" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else text[: most - 1] + "…"


def faults_text(found: Sequence[AuditFault]) -> str:
    """Return one line a fault."""
    rows = [(fault.fault, f"seal {fault.seal}" if fault.seal is not None else "", fault.words) for fault in found]
    return "\n".join(aligned(rows))
