"""What doctor found, as text. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlguard.report.columns import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlguard.doctor import Finding


def render(findings: Sequence[Finding]) -> str:
    """Return each finding with its fix: `name  table: what is so`, then `fix: what to do`."""
    lines = []
    for finding in findings:
        place = f"{finding.table}: " if finding.table else ""
        lines.append(one_line(f"{finding.name}: {place}{finding.message}"))
        lines.append(f"   fix: {one_line(finding.fix)}")
    return "\n".join(lines)
