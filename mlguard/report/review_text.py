"""Routed rows as lines for a terminal. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlguard.report.columns import aligned
from mlguard.report.when import minute

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlguard.operate import Review


def review_text(rows: Sequence[Review]) -> str:
    """Return one line a routed row."""
    return "\n".join(aligned(_line(row) for row in rows))


def _line(row: Review) -> tuple[str, ...]:
    decided = f"{row.decided_by}: {row.reason}" if row.decided_by else ""
    return (str(row.id), row.table, row.status, minute(row.routed_at), row.step, _key(row.key), decided)


def _key(key: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in key.items()) if isinstance(key, dict) else ""
