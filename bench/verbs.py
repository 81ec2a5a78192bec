"""The verbs themselves: 500 SLOs over 20 tables, as whole processes of the command line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import slo_files
from bench.figures import Figure, Unit, at_most
from bench.measure import Spread
from bench.options import Options, say
from bench.servers import BenchServer

TABLES, SLOS = 20, 500
PER_TABLE = SLOS // TABLES
HELP_RUNS = 5


@dataclass(frozen=True)
class Run:
    """What one process took."""

    wall: float
    cpu: float


def run(server: BenchServer, options: Options) -> list[Figure]:
    """Measure apply, the plan after it, validate, and --help."""
    say(f"verbs: {SLOS} SLOs over {TABLES} tables")
    names = [f"bench.verbs_{number:02d}" for number in range(1, TABLES + 1)]
    with server.connect() as connection:
        for name in names:
            columns = ", ".join(f"c{number:02d} double precision" for number in range(1, PER_TABLE + 1))
            connection.execute(f"create table {name} (id bigint primary key, {columns})".encode())
    folder = slo_files.write(server.folder / "verbs", *(_file(name) for name in names))
    verb = ["--dsn", server.dsn, "--slos", str(folder)]
    applied = _process([*verb, "apply", "--yes"])
    plans = [_process([*verb, "plan", "--detailed-exitcode"]) for _ in range(options.rounds)]
    validated = [_process(["--slos", str(folder), "validate"]) for _ in range(options.rounds)]
    helped = [_process(["--help"]) for _ in range(max(options.rounds, HELP_RUNS))]
    return [
        _seconds("apply 500 SLOs", [applied.wall], 15.0),
        _seconds("plan, nothing to do", [found.wall for found in plans], 2.0),
        _seconds("validate 500 SLOs", [found.wall for found in validated], 2.0),
        _seconds("mlguard --help, CPU", [found.cpu for found in helped], 0.35),
        _seconds("apply 500 SLOs, CPU of the client", [applied.cpu]),
        _seconds("plan, CPU of the client", [found.cpu for found in plans]),
        _seconds("validate, CPU", [found.cpu for found in validated]),
    ]


def _seconds(what: str, values: Sequence[float], bound: float | None = None) -> Figure:
    target = at_most(bound) if bound is not None else None
    return Figure("verbs", what, "", Spread.of(values), target, Unit.SECONDS)


def _file(table: str) -> str:
    """Return an SLO file with a rule on each column, all four actions among them."""
    actions = ("reject", "reject", "reject", "quarantine", "warn")
    rules = "".join(
        f"  c{number:02d}: {{range: {{between: [0, {number}], on_violation: {actions[number % len(actions)]}}}}}\n"
        for number in range(1, PER_TABLE + 1)
    )
    return f"mlguard: 1\ntable: {table}\nkey: [id]\ncolumns:\n{rules}"


def _process(arguments: Sequence[str]) -> Run:
    """Run the command line in a process of its own.

    Raises:
        RuntimeError: it did not exit with 0.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "mlguard", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    )
    assert process.stderr is not None
    words = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    process.stderr.close()
    if process.returncode != 0:
        raise RuntimeError(f"mlguard {' '.join(arguments)} exited with {process.returncode}: {words.decode()}")
    return Run(wall, usage.ru_utime + usage.ru_stime)
