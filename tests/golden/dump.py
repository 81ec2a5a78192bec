"""The runtime as pg_dump prints it, without what differs from server to server.

`python -m tests.golden.dump` writes sql/runtime.golden.sql anew.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import psycopg

from mlguard import runtime
from mlguard.embedded import wheel_binaries
from tests import servers

GOLDEN = Path(__file__).parents[2] / "sql" / "runtime.golden.sql"
VERSION = 18  # one server version prints the golden text; the others differ in spelling only
NOISE = re.compile(
    r"^(?:SET |SELECT pg_catalog\.set_config|\\(?:un)?restrict |-- (?:Dumped (?:from|by)|PostgreSQL database dump))"
)
REFRESH = "if the change is meant: python -m tests.golden.dump, and read the diff of sql/runtime.golden.sql"


def dump(dsn: str, *options: str) -> str:
    """Return the normalised schema of a database."""
    done = subprocess.run(
        [wheel_binaries(VERSION) / "pg_dump", "--schema-only", *options, dsn],
        capture_output=True,
        text=True,
        check=True,
    )
    kept = [line for line in done.stdout.splitlines() if not NOISE.match(line) and line.strip() not in ("", "--")]
    return "\n".join(line for line in kept if not line.startswith("-- Name: ")) + "\n"


def runtime_dump(server: servers.TestServer) -> str:
    """Return the normalised dump of schema mlguard in a database where the runtime was just installed."""
    with server.database() as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            runtime.install(connection)
        return dump(dsn, "--schema=mlguard")


def main() -> int:
    """Write the golden file."""
    with servers.embedded(VERSION) as server:
        GOLDEN.write_text(runtime_dump(server), encoding="utf-8")
    print(f"{GOLDEN.name} written", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
