"""Throughput by pgbench: prepared statements, one transaction a statement."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from bench.servers import BenchServer


def transactions_per_second(server: BenchServer, script: Path, clients: int, seconds: int) -> float:
    """Run a script over and over and return how many transactions a second were done.

    Raises:
        RuntimeError: pgbench failed; its own words are the message.
    """
    command = [
        str(server.pgbench), "--no-vacuum", "--protocol=prepared", f"--file={script}", f"--client={clients}",
        f"--jobs={min(clients, os.cpu_count() or 1)}", f"--time={seconds}", server.dsn,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    if done.returncode != 0 or found is None:
        raise RuntimeError(f"pgbench failed: {done.stderr.strip()}")
    return float(found[1])
