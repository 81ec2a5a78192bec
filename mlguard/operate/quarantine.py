"""Rows that were kept out: list, show, release, replay, discard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlguard.errors import PlanError
from mlguard.operate.ask import REGCLASS, as_rows, guarded_table, refuse_unknown, require_runtime, values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    import psycopg

_SETTLED = ("released", "discarded", "accepted", "overridden", "rejected")
STATUSES = ("waiting", "released", "obsolete", "discarded")


@dataclass(frozen=True)
class Kept:
    """One row that was kept out; values of pii columns are not in it."""

    id: int
    table: str
    key: Any
    row: Any
    slos: list[str]
    broken: list[dict[str, Any]]
    batch: int | None
    op: str
    superseded: bool
    status: str
    kept_at: datetime
    writer: str
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None


@dataclass(frozen=True)
class Decision:
    """What became of one row that was to be released, discarded or reviewed."""

    id: int
    outcome: str
    reason: str | None

    @property
    def settled(self) -> bool:
        """True where the row no longer waits."""
        return self.outcome in _SETTLED or self.outcome.startswith("already ")


_KEPT = """
select q.id, q.tbl as "table", q.key, q.row, q.slos, q.broken, q.batch, q.op, q.superseded, q.status, q.kept_at,
       q.writer, q.decided_at, q.decided_by, q.reason
from mlguard.quarantine as q
"""


def quarantine_list(
    connection: psycopg.Connection[Any],
    *,
    table: str | None = None,
    slo: str | None = None,
    status: str | None = "waiting",
    limit: int | None = 100,
) -> list[Kept]:
    """Return kept rows, newest first.

    Args:
        connection: the database.
        table: of this table only.
        slo: that break this SLO (full id, or its name).
        status: waiting, released, obsolete or discarded; None for all.
        limit: at most so many; None for all.

    Raises:
        PlanError: no row is kept, and there is no such SLO or table; a near name is suggested.
        RuntimeVersionError: mlguard is not installed here, or does not fit this client.
    """
    require_runtime(connection)
    found = as_rows(
        connection,
        Kept,
        _KEPT
        + """
where (%(table)s::text is null or q.tbl = %(table)s)
  and (%(status)s::text is null or q.status = %(status)s)
  and (%(slo)s::text is null or exists (
        select from unnest(q.slos) as b (id) where b.id = %(slo)s or b.id = q.tbl || '/' || %(slo)s))
order by q.id desc
limit %(limit)s
""",
        table=table,
        slo=slo,
        status=status,
        limit=limit,
    )
    if not found:
        refuse_unknown(connection, table=table, slo=slo, records="quarantine")
    return found


def quarantine_show(connection: psycopg.Connection[Any], ids: Iterable[int]) -> list[Kept]:
    """Return kept rows by number, in that order.

    Raises:
        PlanError: there is no row of such a number.
    """
    require_runtime(connection)
    wanted = list(dict.fromkeys(ids))
    found = {kept.id: kept for kept in as_rows(connection, Kept, _KEPT + "where q.id = any(%(ids)s)", ids=wanted)}
    for number in wanted:
        if number not in found:
            raise PlanError(f"there is no kept row {number}", help="mlguard quarantine list shows those there are")
    return [found[number] for number in wanted]


def waiting_ids(connection: psycopg.Connection[Any], table: str) -> list[int]:
    """Return the numbers of the rows of a table that wait, newest first.

    Released in this order, the latest version of a row comes into the table and makes earlier ones obsolete.

    Raises:
        PlanError: the table is not guarded.
    """
    require_runtime(connection)
    guarded_table(connection, table)
    query = (
        "select q.id from mlguard.quarantine as q where q.tbl = %(table)s and q.status = 'waiting' order by q.id desc"
    )
    return values(connection, query, table=table)


def release(
    connection: psycopg.Connection[Any], number: int, set_columns: Mapping[str, Any] | None = None
) -> list[Decision]:
    """Write a kept row into its table, if it holds now; a row that still breaks a rule stays.

    Args:
        connection: the database.
        number: of the kept row.
        set_columns: columns to correct on the way.
    """
    from psycopg.types.json import Jsonb

    corrections = Jsonb(dict(set_columns)) if set_columns else None
    return as_rows(
        connection,
        Decision,
        "select d.id, d.outcome, d.reason from mlguard.release(%(id)s, %(set)s) as d",
        id=number,
        set=corrections,
    )


def replay(connection: psycopg.Connection[Any], table: str) -> list[Decision]:
    """Judge all waiting rows of a table anew and write those that hold now.

    Raises:
        PlanError: the table is not guarded.
    """
    require_runtime(connection)
    query = f"select d.id, d.outcome, d.reason from ({REGCLASS}) as t cross join lateral mlguard.replay(t.oid) as d"
    return as_rows(connection, Decision, query, table=guarded_table(connection, table))


def discard(connection: psycopg.Connection[Any], number: int, reason: str) -> list[Decision]:
    """Give a kept row up; who and why are kept, and the row until its retention is over."""
    return as_rows(
        connection,
        Decision,
        "select d.id, d.outcome, d.reason from mlguard.discard(%(id)s, %(reason)s) as d",
        id=number,
        reason=reason,
    )
