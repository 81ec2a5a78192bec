"""The real PostgreSQL servers of the test suite: which there are, and databases on them."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

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
    "max_wal_size": "4GB",
}


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

    @contextlib.contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """Give the DSN of a fresh database made from `template`; drop it afterwards, whoever is still connected."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.server.dsn, autocommit=True) as admin:
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
            with psycopg.connect(self.server.dsn, autocommit=True) as admin:
                for (gid,) in admin.execute("select gid from pg_prepared_xacts where database = %s", [name]).fetchall():
                    with psycopg.connect(self.server.dsn_of(name), autocommit=True) as owner:
                        owner.execute(sql.SQL("rollback prepared {}").format(sql.Literal(gid)))
                admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    def guarded_database(self) -> contextlib.AbstractContextManager[str]:
        """Give the DSN of a fresh database in which the runtime is installed."""
        if not self._template_ready:
            self._make_template()
            self._template_ready = True
        return self.database(TEMPLATE)

    def _make_template(self) -> None:
        from mlguard import runtime

        with psycopg.connect(self.server.dsn, autocommit=True) as admin:
            admin.execute(sql.SQL("create database {} template template0").format(sql.Identifier(TEMPLATE)))
        with psycopg.connect(self.server.dsn_of(TEMPLATE), autocommit=True) as connection:
            runtime.install(connection)


@contextlib.contextmanager
def embedded(version: int) -> Iterator[TestServer]:
    """Run the wheel's server for the length of a test session."""
    with EmbeddedServer(version, settings=SETTINGS) as server:
        yield TestServer(server)


@contextlib.contextmanager
def machine(binaries: Path) -> Iterator[TestServer]:
    """Run a server of this machine's own programs for the length of a test session."""
    with EmbeddedServer(binaries=binaries, settings=SETTINGS) as server:
        yield TestServer(server)
