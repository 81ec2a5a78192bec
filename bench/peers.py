"""A batch arrives in a large table: what mlguard adds to the load, against other tools that read the whole table.

`python -m bench peers` loads 10,000,000 rows twice (4 GB) unless `--rows` says otherwise, makes an environment for Soda
and Great Expectations from `requirements-peers.txt` ($MLGUARD_PEERS names one that exists) and takes long: it runs only
when it is named.

A peer costs the CPU of its whole process and of the whole server, as the 38 rules of the workload over the table need;
mlguard costs what the backend that loads the batch needs more than without it, its judgement at COMMIT included.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from bench import slo_files
from bench.figures import Figure, Unit, at_most
from bench.measure import Spread, children_cpu_seconds, cpu_seconds, interleave
from bench.options import Options, say
from bench.servers import BenchServer
from bench.workload import BOUNDS, COLUMNS, FLOATS, REQUIRED, SETS, table, write_csv

TABLE_ROWS, BATCH_ROWS = 10_000_000, 100_000
LEAST_ROWS, NULL_FRACTION, MEANS = 1_000_000, 0.02, {"f07": (49.0, 51.0), "f08": (49.0, 51.0)}
RULES = 38
LOADS = 5
"""Loads for each validation: a load takes a fraction of a second."""
EXTRA, SWEPT = "mlguard, batch of 100,000 rows", "mlguard, the batch and one sweep()"
SODA, GX_BOOLEAN, GX = "Soda, whole table", "Great Expectations, BOOLEAN_ONLY", "Great Expectations"
PLAIN, GUARDED, GUARDED_SWEPT = "plain", "guarded", "guarded and swept"
TARGETS = {SODA: at_most(1 / 20), GX: at_most(1 / 100), GX_BOOLEAN: None}


def rules(rows: int) -> list[dict[str, Any]]:
    """The 38 rules of the workload as data; the last asks for LEAST_ROWS rows, or for all where there are fewer."""
    found: list[dict[str, Any]] = [
        {"rule": "not_null", "column": column} for column in ("entity_id", "event_ts", *REQUIRED)
    ]
    found += [{"rule": "range", "column": c, "min": low, "max": high} for c, (low, high) in BOUNDS.items()]
    found += [{"rule": "set", "column": c, "values": list(values)} for c, values in SETS.items()]
    found.append({"rule": "unique", "column": "entity_id"})
    found += [{"rule": "null_fraction", "column": c, "max": NULL_FRACTION} for c in FLOATS]
    found += [{"rule": "mean", "column": c, "min": low, "max": high} for c, (low, high) in MEANS.items()]
    return [*found, {"rule": "row_count", "min": min(LEAST_ROWS, rows)}]


def soda_contract(found: list[dict[str, Any]]) -> str:
    """The rules as a Soda data contract, which is YAML and hence may be JSON."""
    columns: dict[str, list[dict[str, Any]]] = {}
    checks: list[dict[str, Any]] = []
    for rule in found:
        of_column = columns.setdefault(rule["column"], []) if "column" in rule else checks
        match rule["rule"]:
            case "not_null":
                of_column.append({"missing": {"qualifier": "none"}})
            case "null_fraction":
                threshold = {"metric": "percent", "must_be_less_than_or_equal": 100 * rule["max"]}
                of_column.append({"missing": {"qualifier": "few", "threshold": threshold}})
            case "range":
                of_column.append({"invalid": {"valid_min": rule["min"], "valid_max": rule["max"]}})
            case "set":
                of_column.append({"invalid": {"valid_values": rule["values"]}})
            case "unique":
                of_column.append({"duplicate": {}})
            case "mean":
                between = {"greater_than_or_equal": rule["min"], "less_than_or_equal": rule["max"]}
                of_column.append({"aggregate": {"function": "avg", "threshold": {"must_be_between": between}}})
            case "row_count":
                of_column.append({"row_count": {"threshold": {"must_be_greater_than_or_equal": rule["min"]}}})
    listed = [{"name": name, "checks": those} for name, those in columns.items()]
    return json.dumps({"dataset": "peers/bench/bench/peers_plain", "columns": listed, "checks": checks}, indent=1)


def slo_file() -> str:
    """The rules as mlguard has them; those of metrics are judged over the batch, `unique` is the primary key."""
    slos = [f"{{name: nulls_{c}, check: null_rate({c}) <= {NULL_FRACTION}, over: batch}}" for c in FLOATS]
    slos += [f"{{name: mean_{c}, check: mean({c}) BETWEEN {a} AND {b}, over: batch}}" for c, (a, b) in MEANS.items()]
    slos.append("{name: volume, check: row_count() >= 1, over: batch}")
    return slo_files.row_rules("bench.peers_guarded", "reject") + "slos:\n" + "".join(f"  - {s}\n" for s in slos)


def run(server: BenchServer, options: Options) -> list[Figure]:
    """Load both tables, guard one, and measure in turn."""
    rows = options.asked or TABLE_ROWS
    environment = _environment(server.folder)
    with server.connect() as connection:
        for name in ("peers_plain", "peers_guarded"):
            connection.execute(table(f"bench.{name}", primary_key=True).encode())
    slo_files.apply(server, "peers", slo_file())
    _fill(server, rows)
    batch = write_csv(server.folder / "peers_batch.csv", min(BATCH_ROWS, rows), start=rows)
    contract, source = server.folder / "contract.yml", server.folder / "source.yml"
    contract.write_text(soda_contract(rules(rows)), encoding="utf-8")
    host = str(server.server.folder)
    source.write_text(
        "type: postgres\nname: peers\nconnection:\n"
        f"  host: {host}\n  port: 5432\n  database: bench\n  user: postgres\n  password: none\n",
        encoding="utf-8",
    )
    soda = [environment / "soda", "contract", "verify", "--data-source", source, "--contract", contract]
    dsn = f"postgresql+psycopg2://postgres@localhost/bench?host={host}"
    gx = [environment / "python", Path(__file__).with_name("peers_gx.py"), dsn, "bench.peers_plain"]
    given = json.dumps(rules(rows))
    with server.connect() as connection:
        loads: dict[str, Callable[[], float]] = {
            PLAIN: partial(_load, connection, "peers_plain", batch),
            GUARDED: partial(_load, connection, "peers_guarded", batch),
            GUARDED_SWEPT: partial(_load, connection, "peers_guarded", batch, sweep=True),
        }
        peers: dict[str, Callable[[], float]] = {
            SODA: partial(_peer, server, soda, "", _soda_verdict),
            GX_BOOLEAN: partial(_peer, server, [*gx, "BOOLEAN_ONLY"], given, _gx_verdict),
            GX: partial(_peer, server, [*gx, "SUMMARY"], given, _gx_verdict),
        }
        for load in loads.values():
            load()
        ours = interleave(loads, LOADS * options.rounds, say).samples
        theirs = interleave(peers, options.rounds, say).samples
    return _figures(ours, theirs)


def _figures(ours: Mapping[str, Sequence[float]], theirs: Mapping[str, Sequence[float]]) -> list[Figure]:
    found = [Figure("peers", "COPY of the batch, no rule", "", Spread.of(ours[PLAIN]), unit=Unit.SECONDS)]
    for name, what in ((GUARDED, EXTRA), (GUARDED_SWEPT, SWEPT)):
        extra = [with_it - without for with_it, without in zip(ours[name], ours[PLAIN], strict=True)]
        found.append(Figure("peers", f"{what}: more", "", Spread.of(extra), unit=Unit.SECONDS))
        for peer, target in TARGETS.items():
            cost = median(theirs[peer])
            bound = target if name == GUARDED else None
            found.append(Figure("peers", what, peer, Spread.of([one / cost for one in extra]), bound))
    found += [Figure("peers", peer, "", Spread.of(theirs[peer]), unit=Unit.SECONDS) for peer in TARGETS]
    return found


def _environment(folder: Path) -> Path:
    """The folder of the peers' programs."""
    given = os.environ.get("MLGUARD_PEERS")
    home = Path(given) if given else folder / "peers_env"
    if not given:
        say("peers: installing Soda and Great Expectations")
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        wanted = Path(__file__).with_name("requirements-peers.txt")
        subprocess.run([home / "bin" / "pip", "install", "--quiet", "--requirement", wanted], check=True)
    return home / "bin"


def _fill(server: BenchServer, rows: int) -> None:
    """Load both tables alike, a million rows at a time: the first from a file, the others are the first moved on."""
    say(f"peers: two tables of {rows} rows")
    step = min(1_000_000, rows)
    file = write_csv(server.folder / "peers.csv", step)
    others = ", ".join(COLUMNS[2:])
    with server.connect() as connection:
        for name in ("peers_plain", "peers_guarded"):
            connection.execute(f"copy bench.{name} from '{file}' (format csv)".encode())
            for start in range(step, rows, step):
                moved = f"entity_id + {start}, event_ts + {start} * interval '250 ms', {others}"
                first = f"select {moved} from bench.{name} where entity_id < {min(step, rows - start)}"
                connection.execute(f"insert into bench.{name} {first}".encode())
                say(f"peers: {name} holds {start + step}")
            connection.execute(f"vacuum analyze bench.{name}".encode())
        # What the loads left to be written is not the first peer's work.
        connection.execute(b"checkpoint")
    file.unlink()


def _load(connection: psycopg.Connection[Any], name: str, file: Path, *, sweep: bool = False) -> float:
    """CPU seconds of a load that is rolled back, so that every round finds the same table."""
    pid = connection.info.backend_pid
    before = cpu_seconds(pid)
    with connection.transaction(force_rollback=True):
        connection.execute(f"copy bench.{name} from '{file}' (format csv)".encode())
        connection.execute(b"set constraints all immediate")
        if sweep:
            connection.execute(b"select mlguard.sweep()")
    spent = cpu_seconds(pid) - before
    say(f"peers: {name}: {spent:.3f} s")
    return spent


def _peer(server: BenchServer, command: list[Any], given: str, held: Callable[[str], int]) -> float:
    """CPU seconds of a validation: its process with all children, and the whole server meanwhile."""
    before = _server_cpu(server), _children_cpu()
    quiet = {"SODA_CORE_TELEMETRY_ENABLED": "false", "GX_ANALYTICS_ENABLED": "false"}
    done = subprocess.run(
        [str(word) for word in command], input=given, capture_output=True, text=True, check=False,
        env={**os.environ, **quiet, "PYTHONPATH": ""},
    )  # fmt: skip
    if done.returncode or held(done.stdout) != RULES:
        raise SystemExit(f"{command[0]} did not find all {RULES} rules kept:\n{done.stdout}\n{done.stderr}")
    time.sleep(0.5)  # the backend of the peer has ended by then, and is counted
    spent = _server_cpu(server) - before[0] + _children_cpu() - before[1]
    say(f"peers: {Path(command[0]).name} {command[-1]}: {spent:.1f} s")
    return spent


def _gx_verdict(text: str) -> int:
    found = re.search(rf"(\d+) of {RULES} hold", text)
    return int(found[1]) if found else 0


def _soda_verdict(text: str) -> int:
    return len(re.findall("PASSED", text))


def _children_cpu() -> float:
    spent = os.times()
    return spent.children_user + spent.children_system


def _server_cpu(server: BenchServer) -> float:
    """CPU seconds of all processes the server has had, those that have ended included."""
    pid = server.server.pid
    alive = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return cpu_seconds(pid) + children_cpu_seconds(pid) + sum(cpu_seconds(int(child)) for child in alive)
