"""Row-at-a-time writers: pgbench's throughput of single-row INSERTs, each its own transaction."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import baselines, slo_files
from bench.figures import Figure, Target, at_least
from bench.measure import interleave
from bench.options import Options, say
from bench.pgbench import transactions_per_second
from bench.servers import BenchServer
from bench.workload import FLOATS, INTS

PLAIN = "plain table"
REJECT, QUARANTINE = "writes: rows, 20 reject rules", "writes: rows, 18 quarantine rules"
CHECKS = "writes: bulk (CHECKs), 20 reject rules"
TABLES = {PLAIN: "row_plain", REJECT: "row_reject", QUARANTINE: "row_quarantine", CHECKS: "row_checks"}
TARGETS: dict[str, Target | None] = {REJECT: at_least(0.85), QUARANTINE: at_least(0.85), CHECKS: None}
CLIENTS = (1, 4)
SLICES = 3  # short runs side by side: how long a flush takes drifts within seconds


def run(server: BenchServer, options: Options) -> list[Figure]:
    """Measure the single-row writers."""
    _install(server)
    scripts = {name: insert_script(server.folder, table) for name, table in TABLES.items()}
    figures = []
    for clients in CLIENTS:
        say(f"rows: {clients} client{'s' if clients > 1 else ''}")
        variants: dict[str, Callable[[], float]] = {
            name: partial(transactions_per_second, server, script, clients, max(1, options.seconds // SLICES))
            for name, script in scripts.items()
        }
        for name in variants:
            transactions_per_second(server, scripts[name], clients, 1)
        series = interleave(variants, options.rounds * SLICES, say)
        figures += [
            Figure("rows", f"{name}, {_count(clients)}", PLAIN, series.ratio(name, PLAIN), target)
            for name, target in TARGETS.items()
        ]
    return figures


def _count(clients: int) -> str:
    return f"{clients} client{'s' if clients > 1 else ''}"


def _install(server: BenchServer) -> None:
    for table in TABLES.values():
        baselines.install_plain(server, table)
    slo_files.apply(
        server,
        "rows",
        slo_files.row_rules("bench.row_reject", "reject", writes="rows"),
        slo_files.row_rules("bench.row_quarantine", "quarantine", required=False, writes="rows"),
        slo_files.row_rules("bench.row_checks", "reject"),
    )


def insert_script(folder: Path, table: str) -> Path:
    """Write a pgbench script that inserts one good row."""
    values = ":id, now()" + ", :f" * len(FLOATS) + ", :i" * len(INTS) + ", 'DE', 'gold'"
    path = folder / f"{table}.sql"
    path.write_text(
        "\\set id random(1, 1000000000)\n\\set f random(0, 100)\n\\set i random(0, 1000)\n"
        f"insert into bench.{table} values ({values});\n",
        encoding="utf-8",
    )
    return path
