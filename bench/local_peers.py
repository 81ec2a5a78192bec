"""A file judged by `mlguard check --data`, and by Soda, Pandera and Great Expectations; drift of one, and by Evidently.

`python -m bench local_peers` makes environments from `requirements-local-peers.txt` and `requirements-evidently.txt`
($MLGUARD_LOCAL_PEERS and $MLGUARD_EVIDENTLY name ones that exist) and runs only when it is named. Two million rows of
20 columns and the 38 rules of the workload; drift of 18 columns, 200,000 rows against 200,000. Whole processes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bench import local
from bench.figures import Figure, Target, Unit, at_most
from bench.measure import interleave
from bench.options import Options, say
from bench.peers import rules, soda_contract
from bench.servers import BenchServer
from bench.workload import BOUNDS, SETS, write_parquet

DRIFTING = (*BOUNDS, *SETS)  # 18 columns
DRIFT_ROWS = 200_000
HERE = Path(__file__).parent
SODA, PANDERA, GX, EVIDENTLY = "Soda on DuckDB", "Pandera on polars", "Great Expectations on pandas", "Evidently"
TARGETS: dict[str, Target] = {SODA: at_most(0.95), PANDERA: at_most(0.95), GX: at_most(0.15)}
OURS, DRIFT = "mlguard", "mlguard, drift"


def run(server: BenchServer, options: Options) -> list[Figure]:
    """Judge one file by all, in turn."""
    rows = options.asked or (200_000 if options.quick else local.ROWS)
    folder = server.folder / "local_peers"
    folder.mkdir(exist_ok=True)
    peers = _environment(folder, "MLGUARD_LOCAL_PEERS", "requirements-local-peers.txt")
    evidently = _environment(folder, "MLGUARD_EVIDENTLY", "requirements-evidently.txt")
    say(f"local_peers: {rows} rows of Parquet")
    data = write_parquet(folder / "peers.parquet", rows, bad=0.001)
    drifted, reference = (write_parquet(folder / f"{name}.parquet", DRIFT_ROWS) for name in ("here", "there"))
    slos, drift = folder / "local.slo.yaml", folder / "drift.slo.yaml"
    slos.write_text(local.slo_file(), encoding="utf-8")
    drift.write_text(drift_file(reference), encoding="utf-8")
    found = rules(rows)
    contract, source = folder / "contract.yml", folder / "source.yml"
    contract.write_text(soda_contract(found).replace("peers/bench/bench/peers_plain", "peers/main/peers"))
    source.write_text(f"type: duckdb\nname: peers\nconnection:\n  database: {data}\n", encoding="utf-8")
    check = [sys.executable, "-m", "mlguard"]
    # Out of this folder, whose modules would stand in the way of installed ones.
    scripts = [shutil.copy(HERE / name, folder) for name in ("local_peer.py", "peers_gx.py")]
    own, theirs = str(scripts[0]), json.dumps(found)
    commands: dict[str, tuple[list[str], str]] = {
        OURS: ([*check, "--slos", str(slos), "check", "--data", f"{local.TABLE}={data}"], ""),
        SODA: ([f"{peers}/soda", "contract", "verify", "-ds", str(source), "-c", str(contract)], ""),
        PANDERA: ([f"{peers}/python", own, "pandera", str(data)], theirs),
        GX: ([f"{peers}/python", own, "gx", str(data)], theirs),
        DRIFT: ([*check, "--slos", str(drift), "check", "--data", f"{local.TABLE}={drifted}"], ""),
        EVIDENTLY: (
            [f"{evidently}/python", own, "evidently", str(drifted), str(reference)], json.dumps(list(DRIFTING)),
        ),
    }  # fmt: skip
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    _cpu(commands[OURS], environment)
    variants = {name: (lambda command=command: _cpu(command, environment)) for name, command in commands.items()}
    series = interleave(variants, options.rounds, say)
    what = f"check --data, {rows / 1e6:g}M rows, 38 rules, whole process"
    figures = [Figure("local_peers", what, peer, series.ratio(OURS, peer), bound) for peer, bound in TARGETS.items()]
    figures.append(
        Figure(
            "local_peers",
            "psi of 18 columns, 200k + 200k rows",
            EVIDENTLY,
            series.ratio(DRIFT, EVIDENTLY),
            at_most(0.25),
        )
    )
    return figures + [
        Figure("local_peers", f"{name}: CPU", "", series.spread(name), unit=Unit.SECONDS) for name in commands
    ]


def drift_file(reference: Path) -> str:
    """Return psi of every column against a file."""
    slos = "".join(f"  - {{name: {name}, check: psi({name}) <= 0.2, over: batch}}\n" for name in DRIFTING)
    return f"mlguard: 1\ntable: {local.TABLE}\nbaseline: {reference}\nslos:\n{slos}"


def _environment(folder: Path, variable: str, requirements: str) -> Path:
    """Return the folder of a tool's programs."""
    given = os.environ.get(variable)
    home = Path(given) if given else folder / requirements.removesuffix(".txt")
    if not given:
        say(f"local_peers: installing {requirements}")
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([home / "bin" / "pip", "install", "--quiet", "--requirement", HERE / requirements], check=True)
    return home / "bin"


def _cpu(command: tuple[list[str], str], environment: Mapping[str, str]) -> float:
    """Run one process to its end; return the CPU seconds of it and its children."""
    words, given = command
    own = environment if words[0] == sys.executable else {**environment, "PYTHONPATH": ""}
    quiet = {"SODA_CORE_TELEMETRY_ENABLED": "false", "DO_NOT_TRACK": "1"}
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**own, **quiet}
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(given)
        process.stdin.close()
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1) or "Traceback" in said:
        raise RuntimeError(f"{words[:4]} ended with {process.returncode}: {said[-2000:]}")
    say(f"local_peers: {words[0]}: {said.strip().splitlines()[-1][:200] if said.strip() else ''}")
    return usage.ru_utime + usage.ru_stime
