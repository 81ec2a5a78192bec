"""The real PostgreSQL servers of the test suite: which there are, and databases on them."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from mlguard.embedded import EmbeddedServer

OLDEST, NEWEST = 14, 17  # the machine's own server: any supported major version that is not the wheel's
FOLDERS = ("/usr/lib/postgresql", "/usr/local/opt", "/opt/homebrew/opt", "/usr")
TEMPLATE = "mlguard_template"
SETTINGS = {
    "max_prepared_transactions": "10",
    "max_connections": "60",
    "autovacuum": "off",  # its locks and its timing would make tests depend on luck
    "shared_buffers": "64MB",
    "max_wal_size": "1GB",
}
MEMORY = Path("/dev/shm")
ENOUGH = 6 << 30  # bytes: what the servers of two workers can come to hold, twice over


def folder() -> Path | None:
    """Return where servers keep their folders: in memory where there is much of it, else None, as anywhere.

    Most tests have a database of their own, of 300 files, made and dropped: on a disk, that takes longer than they do.
    What is about durability starts servers of its own, with fsync, on the disk.
    """
    try:
        roomy = os.access(MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY).free >= ENOUGH
    except OSError:
        return None
    return MEMORY if roomy else None


def machine_binaries() -> Path | None:
    """Return the program folder of the newest supported server installed on this machine, or None."""
    named = os.environ.get("MLGUARD_TEST_PG_BIN")
    if named:
        return Path(named)
    found: list[tuple[int, Path]] = []
    for folder in FOLDERS:
        for postgres in Path(folder).glob("*/bin/postgres"):
            version = re.search(r"(\d+)$", postgres.parent.parent.name)
            if version and OLDEST <= int(version[1]) <= NEWEST:
                found.append((int(version[1]), postgres.parent))
    return max(found, default=(0, None))[1]


class TestServer:
    """One server of the session, with a counter for database names."""

    __test__ = False  # a helper, not a test class

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server
        self._numbers = itertools.count(1)
        self._template_ready = False
        self._admin: psycopg.Connection[Any] | None = None

    def close(self) -> None:
        """Close the connection that makes and drops databases."""
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    def admin(self) -> psycopg.Connection[Any]:
        """Return a connection to the database `postgres`, the same one as long as it lives."""
        if self._admin is None or self._admin.closed:
            self._admin = psycopg.connect(self.server.dsn, autocommit=True)
        return self._admin

    @contextlib.contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """Give the DSN of a fresh database made from `template`; drop it afterwards, whoever is still connected."""
        name = f"test_{next(self._numbers)}"
        admin = self.admin()
        # Copying files is quicker than logging every page of them, which is the default since PostgreSQL 15.
        how = "strategy file_copy" if admin.info.server_version >= 150000 else ""
        admin.execute(
            sql.SQL("create database {} template {} {}").format(
                sql.Identifier(name), sql.Identifier(template), sql.SQL(how)
            )
        )
        try:
            yield self.server.dsn_of(name)
        finally:
            self._drop(name)

    def _drop(self, name: str) -> None:
        admin = self.admin()
        for (gid,) in admin.execute("select gid from pg_prepared_xacts where database = %s", [name]).fetchall():
            with psycopg.connect(self.server.dsn_of(name), autocommit=True) as owner:
                owner.execute(sql.SQL("rollback prepared {}").format(sql.Literal(gid)))
        # A closed connection's process takes a moment to end; DROP DATABASE that meets one looks again after 100 ms.
        deadline = time.monotonic() + 1
        while (
            time.monotonic() < deadline
            and admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name]
            ).fetchall()
        ):
            time.sleep(0.001)
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    def guarded_database(self) -> contextlib.AbstractContextManager[str]:
        """Give the DSN of a fresh database in which the runtime is installed."""
        if not self._template_ready:
            self._make_template()
            self._template_ready = True
        return self.database(TEMPLATE)

    def _make_template(self) -> None:
        from mlguard import runtime

        self.admin().execute(sql.SQL("create database {} template template0").format(sql.Identifier(TEMPLATE)))
        with psycopg.connect(self.server.dsn_of(TEMPLATE), autocommit=True) as connection:
            runtime.install(connection)
        # The next to connect leaves the cache of the catalogue among the files, for all copies.
        psycopg.connect(self.server.dsn_of(TEMPLATE)).close()


@contextlib.contextmanager
def embedded(version: int) -> Iterator[TestServer]:
    """Run the wheel's server for the length of a test session."""
    with (
        EmbeddedServer(version, settings=SETTINGS, parent=folder()) as server,
        contextlib.closing(TestServer(server)) as made,
    ):
        yield made


@contextlib.contextmanager
def machine(binaries: Path) -> Iterator[TestServer]:
    """Run a server of this machine's own programs for the length of a test session."""
    with (
        EmbeddedServer(binaries=binaries, settings=SETTINGS, parent=folder()) as server,
        contextlib.closing(TestServer(server)) as made,
    ):
        yield made
