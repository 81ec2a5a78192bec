"""What mlguard costs on a table, as text and JSON. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from mlguard.report.columns import aligned, count
from mlguard.report.markup import dumps

if TYPE_CHECKING:
    from mlguard.operate.bench import Bench, Cost

SHOWN = 3  # SLOs of an object that are named


def render(found: Bench) -> str:
    """Return totals first, then objects and conditions, the dearest first."""
    head = (
        f"{found.table}: {count(found.rows, 'row')} of its own written again {count(found.rounds, 'time')}, into"
        " temporary tables (no WAL, so shares are at their highest)"
    )
    totals = aligned(
        [
            ("", "µs a row", "µs a statement"),
            ("plain", figure(found.plain.row), figure(found.plain.statement)),
            ("with mlguard", figure(found.whole.row), figure(found.whole.statement)),
            ("ratio", f"{found.ratio:.2f}", f"{found.statement_ratio:.2f}"),
        ]
    )
    blocks = [head, "\n".join(totals)]
    if found.objects:
        rows = [("object", "µs a row", "µs a statement", "SLOs"), *(_object(cost) for cost in found.objects)]
        blocks.append("\n".join(aligned(rows)))
    if found.rules:
        rules = [("condition", "µs a row"), *((cost.slo, figure(cost.row)) for cost in found.rules)]
        blocks.append("\n".join(aligned(rules)))
    if found.skipped:
        blocks.append("\n".join(["not measured:", *aligned(found.skipped, indent="  ")]))
    blocks.append(f"schema mlguard takes {size(found.own_bytes)}")
    return "\n\n".join(blocks)


def _object(cost: Cost) -> tuple[str, ...]:
    names = [slo.partition("/")[2] for slo in cost.slos[:SHOWN]]
    if len(cost.slos) > SHOWN:
        names.append(f"and {len(cost.slos) - SHOWN} more")
    kind = f"{cost.kind} {cost.name}"
    return kind, figure(cost.row), figure(cost.statement), ", ".join(names)


def figure(microseconds: float) -> str:
    """Return microseconds with as many digits as mean something."""
    if microseconds < 0.005:
        return "0"
    return f"{microseconds:.2f}" if microseconds < 10 else f"{microseconds:.0f}"


def size(number: int) -> str:
    """Return bytes as `3.4 MB`."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def to_json(found: Bench) -> str:
    """Return all of it as one JSON object."""
    return dumps({**asdict(found), "ratio": found.ratio, "statement_ratio": found.statement_ratio})
