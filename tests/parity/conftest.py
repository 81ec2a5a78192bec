"""Both engines, once for all parity tests of a worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import servers
from tests.parity.engines import Engines, both


@pytest.fixture(scope="session")
def engines(server18: servers.TestServer) -> Iterator[Engines]:
    """A table in PostgreSQL 18 and the same in DuckDB."""
    with server18.database() as dsn, both(dsn) as made:
        yield made


@pytest.fixture(scope="session")
def older_engines(server_machine: servers.TestServer) -> Iterator[Engines]:
    """The same in the machine's own PostgreSQL."""
    with server_machine.database() as dsn, both(dsn) as made:
        yield made
