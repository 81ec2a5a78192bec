"""The servers that are measured: PostgreSQL 18 of the wheel, or the machine's own; every write is made durable."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from mlguard.embedded import EmbeddedServer, wheel_binaries
from tests.servers import machine_binaries

EMBEDDED = "embedded"
MACHINE = "machine"

# PostgreSQL's own defaults where a throw-away server would differ, and nothing in the background while timing.
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "autovacuum": "off",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "max_parallel_workers_per_gather": "0",  # a worker's CPU would not show on the backend
}


@dataclass(frozen=True)
class BenchServer:
    """A running server, a folder both sides can read, and where its pgbench is."""

    server: EmbeddedServer
    folder: Path
    pgbench: Path

    @property
    def dsn(self) -> str:
        """The address of the measured database."""
        return self.server.dsn_of("bench")

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """Open a session in autocommit mode."""
        return psycopg.connect(self.dsn, autocommit=True)

    def version(self) -> str:
        """Return the server's version number."""
        with self.connect() as connection:
            row = connection.execute("show server_version").fetchone()
        assert row is not None
        return str(row[0]).partition(" ")[0]


@contextlib.contextmanager
def running(which: str) -> Iterator[BenchServer]:
    """Run one of the two servers, with schema `bench` in a database of its own."""
    own = machine_binaries() if which == MACHINE else None
    if which == MACHINE and own is None:
        raise SystemExit("no PostgreSQL 14 to 17 of the machine's own was found; MLGUARD_TEST_PG_BIN can name one")
    programs = own or wheel_binaries()
    with EmbeddedServer(binaries=own, settings=SETTINGS) as server:
        assert server.folder is not None
        folder = server.folder / "bench"
        folder.mkdir(mode=0o755)
        with psycopg.connect(server.dsn, autocommit=True) as admin:
            admin.execute("create database bench template template0")
        found = BenchServer(server, folder, _pgbench(programs))
        with found.connect() as connection:
            connection.execute("create schema bench")
        yield found


def _pgbench(programs: Path) -> Path:
    if (programs / "pgbench").exists():
        return programs / "pgbench"
    other = shutil.which("pgbench")
    if other is None:
        raise SystemExit("pgbench was not found beside the server's programs, nor on PATH")
    return Path(other)
