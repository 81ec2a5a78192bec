"""Find what is disabled, bypassed, changed or at risk around guarded tables. Reads the catalogue, changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlguard.doctor import access, drift, objects, own, records, server
from mlguard.doctor.access import Reader, bypass
from mlguard.doctor.finding import NAMES, Finding, guarded

if TYPE_CHECKING:
    import psycopg

__all__ = ["NAMES", "Finding", "Reader", "bypass", "examine"]


def examine(connection: psycopg.Connection[Any]) -> list[Finding]:
    """Return every finding, in the order in which they are best mended.

    Client and runtime of different versions are the only finding then, since nothing else can be told.

    Raises:
        RuntimeVersionError: mlguard is not installed here, or does not fit this client.
    """
    from mlguard import planner
    from mlguard.operate.ask import pinned

    if skew := server.skew(connection):
        return [skew]
    installed = planner.installed_tables(connection)
    with pinned(connection):
        tables = guarded(connection)
        found = [
            *server.findings(connection, tables),
            *own.findings(connection),
            *records.findings(connection, tables),
            *objects.findings(connection, tables, installed),
            *drift.findings(connection, tables),
            *access.findings(connection, tables),
        ]
    return sorted(found, key=lambda finding: list(NAMES).index(finding.name))
