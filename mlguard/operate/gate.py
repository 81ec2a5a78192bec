"""The read gates of guarded tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlguard.operate.ask import REGCLASS, as_rows, guarded_table, require_runtime, values

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from mlguard.violation import SloViolation

_GATES = 'select g.tbl as "table", g.state, g.since, g.fresh_until, g.why from mlguard.gate as g'


@dataclass(frozen=True)
class Gate:
    """The gate of one table."""

    table: str
    state: str  # open | closed
    since: datetime | None
    fresh_until: datetime | None
    why: str | None

    @property
    def open(self) -> bool:
        """True while reads pass."""
        return self.state == "open"


def gates(connection: psycopg.Connection[Any]) -> list[Gate]:
    """Return the gate of every guarded table, by name."""
    require_runtime(connection)
    return as_rows(connection, Gate, _GATES + " order by g.tbl")


def gate(connection: psycopg.Connection[Any], table: str) -> Gate:
    """Return the gate of one table.

    Raises:
        PlanError: the table is not guarded.
    """
    require_runtime(connection)
    name = guarded_table(connection, table)
    return as_rows(connection, Gate, _GATES + " where g.tbl = %(table)s", table=name)[0]


def held(connection: psycopg.Connection[Any], table: str) -> SloViolation | None:
    """Return what a guarded read of the table would raise now; None while its gate is open, or the table is gone.

    Raises:
        PlanError: the table is not guarded.
    """
    import psycopg

    from mlguard.violation import ReadHeld, SloViolation

    require_runtime(connection)
    name = guarded_table(connection, table)
    try:
        with connection.transaction():
            values(connection, f"select mlguard.assert_ok(t.oid) from ({REGCLASS}) as t", table=name)
    except psycopg.Error as error:
        found = SloViolation.from_exception(error)
        if isinstance(found, ReadHeld):
            return found
        raise
    return None
