"""Fixtures over real PostgreSQL servers; each server starts when the first test of a worker asks for it.

`bare`, `bare18`, `bare15`, `bare_any`   DSN of a fresh empty database: on both servers, on PostgreSQL 18, on the
                     machine's own server, on 18 only (for slow suites)
`pg`, `pg18`, `pg15`, `pg_any`   the same with the runtime installed, which would take longer than most tests
`db`, `guarded_db`   as `pg`, `pg18`
`customer_db`        as `db`, with the guarded table features.customer of runtime_example
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests import runtime_example, servers

# The same cases each time: a change is not refused by chance. MLGUARD_HYPOTHESIS=default draws new ones.
settings.load_profile(os.environ.get("MLGUARD_HYPOTHESIS", "ci"))

# A shell's background job ignores Ctrl-C, and so would the programs that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

NO_MACHINE_SERVER = "needs a PostgreSQL 14 to 17 of the machine's own: none is installed under /usr/lib/postgresql"


@pytest.fixture(scope="session")
def server18() -> Iterator[servers.TestServer]:
    """The embedded PostgreSQL 18."""
    with servers.embedded(18) as server:
        yield server


@pytest.fixture(scope="session")
def server16() -> Iterator[servers.TestServer]:
    """The embedded PostgreSQL 16."""
    with servers.embedded(16) as server:
        yield server


@pytest.fixture(scope="session")
def server_machine() -> Iterator[servers.TestServer]:
    """The newest PostgreSQL 14 to 17 installed on this machine."""
    binaries = servers.machine_binaries()
    if binaries is None:
        pytest.skip(NO_MACHINE_SERVER)
    with servers.machine(binaries) as server:
        yield server


@pytest.fixture(params=["18", "machine"])
def server(request: pytest.FixtureRequest) -> servers.TestServer:
    """Each of the two servers in turn."""
    chosen: servers.TestServer = request.getfixturevalue(f"server{'_' * (request.param == 'machine')}{request.param}")
    return chosen


@pytest.fixture
def bare18(server18: servers.TestServer) -> Iterator[str]:
    """DSN of an empty database on PostgreSQL 18."""
    with server18.database() as dsn:
        yield dsn


@pytest.fixture
def bare15(server_machine: servers.TestServer) -> Iterator[str]:
    """DSN of an empty database on the machine's own server."""
    with server_machine.database() as dsn:
        yield dsn


@pytest.fixture
def bare(server: servers.TestServer) -> Iterator[str]:
    """DSN of an empty database, on each server in turn."""
    with server.database() as dsn:
        yield dsn


@pytest.fixture
def bare_any(bare18: str) -> str:
    """DSN of an empty database on one server, for suites too slow to run on both."""
    return bare18


@pytest.fixture
def pg18(server18: servers.TestServer) -> Iterator[str]:
    """DSN of a database with the runtime installed, on PostgreSQL 18."""
    with server18.guarded_database() as dsn:
        yield dsn


@pytest.fixture
def pg15(server_machine: servers.TestServer) -> Iterator[str]:
    """DSN of a database with the runtime installed, on the machine's own server."""
    with server_machine.guarded_database() as dsn:
        yield dsn


@pytest.fixture
def pg(server: servers.TestServer) -> Iterator[str]:
    """DSN of a database with the runtime installed, on each server in turn."""
    with server.guarded_database() as dsn:
        yield dsn


@pytest.fixture
def pg_any(pg18: str) -> str:
    """DSN of a database with the runtime installed on one server, for suites too slow to run on both."""
    return pg18


@pytest.fixture
def db(pg: str) -> str:
    """DSN of a database with the runtime installed, on each server in turn."""
    return pg


@pytest.fixture
def guarded_db(pg18: str) -> str:
    """DSN of a database with the runtime installed, on PostgreSQL 18."""
    return pg18


@pytest.fixture
def customer_db(db: str) -> str:
    """DSN of a database with the guarded table of runtime_example, on each server in turn."""
    runtime_example.make(db)
    return db
