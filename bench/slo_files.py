"""SLO files for the workload's tables, and applying them."""

from __future__ import annotations

from pathlib import Path

import mlguard
from bench.servers import BenchServer
from bench.workload import BOUNDS, REQUIRED, SETS


def row_rules(table: str, action: str, *, required: bool = True, writes: str = "bulk", reads: str = "none") -> str:
    """Return an SLO file with the workload's row rules, all with one action.

    Args:
        table: schema-qualified name.
        action: what happens on violation.
        required: also say that t1 and t2 are never NULL.
        writes: `bulk` or `rows`.
        reads: how the table is read.
    """
    lines = ["mlguard: 1", f"table: {table}", "key: [entity_id]", f"writes: {writes}", f"reads: {reads}", "columns:"]
    for name, (low, high) in BOUNDS.items():
        lines.append(f"  {name}: {{range: {{between: [{low:g}, {high:g}], on_violation: {action}}}}}")
    for name, values in SETS.items():
        among = f"in: {{values: [{', '.join(values)}], on_violation: {action}}}"
        never_null = f", required: {{value: true, on_violation: {action}}}" if required and name in REQUIRED else ""
        lines.append(f"  {name}: {{{among}{never_null}}}")
    return "\n".join(lines) + "\n"


def fresh(table: str, event_time: str = "event_ts") -> str:
    """Return an SLO file whose one rule is on freshness, so that the table has a guarded view and a live gate."""
    return (
        f"mlguard: 1\ntable: {table}\nkey: [entity_id]\nevent_time: {event_time}\nreads: view\n"
        "slos:\n  - name: fresh\n    check: staleness() <= INTERVAL '26 hours'\n"
    )


def apply(server: BenchServer, name: str, *files: str) -> None:
    """Write the files into a folder of their own and apply them."""
    folder = write(server.folder / name, *files)
    mlguard.apply(mlguard.load(folder), server.dsn)


def write(folder: Path, *files: str) -> Path:
    """Write SLO files and return their folder."""
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(files, 1):
        (folder / f"{number:02d}.slo.yaml").write_text(text, encoding="utf-8")
    return folder
