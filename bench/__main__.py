"""`python -m bench [name…]`: measure, print a table, keep JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from importlib import import_module
from pathlib import Path

from bench.figures import Figure, as_markdown, as_table
from bench.options import Options
from bench.servers import EMBEDDED, MACHINE, running

SUITES = ("writes", "rows", "states", "labels", "reads", "predictions", "requests", "verbs", "local")
ALONE = ("peers", "local_peers", "endurance", "concurrency")
"""Suites that run only when they are named: they install other tools and take long."""


def main() -> None:
    """Run the suites that were named, or all."""
    arguments = _arguments()
    options = Options(
        rows=arguments.rows or (200_000 if arguments.quick else 1_000_000),
        rounds=arguments.rounds,
        quick=arguments.quick,
        asked=arguments.rows,
    )
    figures: list[Figure] = []
    with running(arguments.server) as server:
        machine = {
            "postgresql": server.version(),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "rows": options.rows,
            "rounds": options.rounds,
        }
        for name in arguments.suite or SUITES:
            found = import_module(f"bench.{name}").run(server, options)
            figures += found
            print(as_table(found), end="\n\n", flush=True)
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    if arguments.json:
        record = {"machine": machine, "figures": [figure.as_json() for figure in figures]}
        arguments.json.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if arguments.markdown:
        arguments.markdown.write_text(as_markdown(figures) + "\n", encoding="utf-8")
    missed = [figure for figure in figures if figure.verdict == "missed"]
    if missed:
        print(f"{len(missed)} of {sum(1 for figure in figures if figure.target)} targets missed", file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="What mlguard costs, as ratios.")
    parser.add_argument(
        "suite", nargs="*", metavar="name", help=f"{', '.join(SUITES)}: all when none is named; {', '.join(ALONE)}"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each interleaved series (5)")
    parser.add_argument("--rows", type=int, help="rows of a bulk load (1000000; 200000 with --quick)")
    parser.add_argument("--quick", action="store_true", help="smaller loads and shorter pgbench runs")
    parser.add_argument("--server", choices=(EMBEDDED, MACHINE), default=EMBEDDED, help="which PostgreSQL")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the table for the documentation here")
    arguments = parser.parse_args()
    for name in arguments.suite:
        if name not in (*SUITES, *ALONE):
            parser.error(f"no benchmark {name!r}: choose from {', '.join((*SUITES, *ALONE))}")
    return arguments


if __name__ == "__main__":
    main()
