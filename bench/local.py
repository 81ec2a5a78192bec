"""Files judged without a server: `mlguard check --data` as a whole process, beside one DuckDB query written by hand.

Two million rows of 20 columns in Parquet and the 38 rules of the workload: its 20 row rules, two more columns that are
never NULL, a unique key, 12 null rates, two means, and a number of rows.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figure, Unit, at_most
from bench.measure import Spread, interleave
from bench.options import Options, say
from bench.servers import BenchServer
from bench.workload import BOUNDS, FLOATS, REQUIRED, SETS, row_rules, write_parquet

ROWS = 2_000_000
TABLE = "bench.local"
NEVER_NULL = ("entity_id", "event_ts", *REQUIRED)
MEANS = {"f07": (49.0, 51.0), "f08": (49.0, 51.0)}
NULL_RATE, LEAST_ROWS = 0.02, 1000
MEGABYTE = 1024  # of ru_maxrss, which counts kilobytes


@dataclass(frozen=True)
class Run:
    """What one process took."""

    cpu: float
    megabytes: float


def run(server: BenchServer, options: Options) -> list[Figure]:
    """Measure one file judged by both."""
    rows = min(options.rows, 200_000) if options.quick else ROWS
    say(f"local: {rows} rows of Parquet, 38 rules")
    folder = server.folder / "local"
    folder.mkdir(exist_ok=True)
    data = write_parquet(folder / "data.parquet", rows, bad=0.001)
    slos = folder / "local.slo.yaml"
    slos.write_text(slo_file(), encoding="utf-8")
    ours = [sys.executable, "-m", "mlguard", "--slos", str(slos), "check", "--data", f"{TABLE}={data}"]
    # Compiled, as an installed package is, whatever the environment says of writing bytecode into a checkout.
    compiled = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    _run(ours, compiled)
    peaks: dict[str, float] = {}

    def timed(name: str, command: list[str]) -> float:
        took = _run(command, compiled)
        peaks[name] = max(took.megabytes, peaks.get(name, 0))
        return took.cpu

    variants = {
        "mlguard": lambda: timed("mlguard", ours),
        "hand": lambda: timed("hand", [sys.executable, "-c", by_hand(data, tuned=False)]),
        "tuned": lambda: timed("tuned", [sys.executable, "-c", by_hand(data, tuned=True)]),
    }
    series = interleave(variants, options.rounds)
    what = f"check --data, {rows / 1e6:g}M rows, 38 rules, whole process"
    return [
        Figure("local", what, "CPU of one query by hand", series.ratio("mlguard", "hand"), at_most(1.0)),
        Figure("local", what, "CPU of the query tuned by hand", series.ratio("mlguard", "tuned")),
        Figure("local", f"{what}: CPU", "", series.spread("mlguard"), unit=Unit.SECONDS),
        Figure("local", f"{what}: CPU of the query by hand", "", series.spread("hand"), unit=Unit.SECONDS),
        Figure("local", f"{what}: peak memory", "", _one(peaks["mlguard"]), at_most(450), Unit.MEGABYTES),
        Figure("local", f"{what}: peak memory of the query by hand", "", _one(peaks["hand"]), unit=Unit.MEGABYTES),
    ]


def slo_file() -> str:
    """Return the 38 rules as an SLO file."""
    lines = ["mlguard: 1", f"table: {TABLE}", "key: [entity_id]", "columns:"]
    lines.append("  entity_id: {type: bigint, unique: true, required: true}")
    lines.append("  event_ts: {required: true}")
    for name, (low, high) in BOUNDS.items():
        lines.append(f"  {name}: {{range: [{low:g}, {high:g}]}}")
    for name, values in SETS.items():
        lines.append(f"  {name}: {{in: [{', '.join(values)}], required: true}}")
    lines.append("slos:")
    checks = {f"nulls_{name}": f"null_rate({name}) <= {NULL_RATE}" for name in FLOATS}
    checks |= {f"mean_{name}": f"mean({name}) BETWEEN {low} AND {high}" for name, (low, high) in MEANS.items()}
    checks["rows"] = f"row_count() >= {LEAST_ROWS}"
    lines += [f"  - {{name: {name}, check: '{check}', over: batch}}" for name, check in checks.items()]
    return "\n".join(lines) + "\n"


def by_hand(data: Path, *, tuned: bool) -> str:
    """Return a program that computes the same aggregates.

    Tuned, it counts with CASE instead of FILTER, and duplicates in a query of their own.
    """
    rules = [rule for rule in row_rules() if not rule.name.startswith("nn_")]
    if tuned:
        columns = [f"sum(case when {name} is null then 1 else 0 end)" for name in NEVER_NULL]
        columns += [
            f"sum(case when {name} < {low} or {name} > {high} then 1 else 0 end)"
            for name, (low, high) in BOUNDS.items()
        ]
        columns += [f"sum(case when not ({rule.good}) then 1 else 0 end)" for rule in rules if rule.column in SETS]
    else:
        columns = [f"count(*) filter (where {name} is null)" for name in NEVER_NULL]
        columns += [f"count(*) filter (where not ({rule.good}))" for rule in rules]
        columns.append("count(*) - count(distinct entity_id)")
    columns += [f"1 - count({name}) / count(*)" for name in FLOATS]
    columns += [*(f"avg({name})" for name in MEANS), "count(*)"]
    queries = [f"select {', '.join(columns)} from read_parquet('{data}')"]
    if tuned:
        queries.append(
            "select coalesce(sum(n - 1), 0) from (select count(*) as n from read_parquet"
            f"('{data}') group by entity_id having count(*) > 1)"
        )
    return (
        "import duckdb\nconnection = duckdb.connect()\n"
        f"for query in {queries!r}:\n    print(connection.execute(query).fetchall())"
    )


def _one(value: float) -> Spread:
    return Spread(value, value, value, 1)


def _run(command: list[str], environment: Mapping[str, str]) -> Run:
    """Run one process to its end; its own use of the processor and of memory, children included."""
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise RuntimeError(
            f"{command[:4]} ended with {process.returncode} after {time.monotonic() - started:.1f} s: {said.decode()}"
        )
    return Run(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / MEGABYTE)
