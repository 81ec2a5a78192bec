"""Recorded violations, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlguard.operate.ask import as_rows, refuse_unknown, require_runtime

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg


@dataclass(frozen=True)
class Violation:
    """One recorded violation; values of pii columns are not in it."""

    at: datetime
    slo: str
    table: str
    outcome: str
    batch: int | None
    observed: Any
    allowed: str | None
    n: int | None
    bad: int | None
    key: Any
    reason: str | None


def violations(
    connection: psycopg.Connection[Any],
    *,
    slo: str | None = None,
    table: str | None = None,
    since: datetime | None = None,
    limit: int | None = 100,
) -> list[Violation]:
    """Return recorded violations, newest first.

    Refused writes are not among them, since what they recorded rolled back with them: `status` counts those.

    Args:
        connection: the database.
        slo: of this SLO only (full id, or its name).
        table: of this table only.
        since: recorded at or after.
        limit: at most so many; None for all.

    Raises:
        PlanError: nothing is recorded, and there is no such SLO or table; a near name is suggested.
    """
    require_runtime(connection)
    found = as_rows(
        connection,
        Violation,
        """
select v.at, v.slo, v.tbl as "table", v.outcome, v.batch, v.observed, v.allowed, v.n, v.bad, v.key, v.reason
from mlguard.violation as v
where (%(slo)s::text is null or v.slo = %(slo)s or v.slo = v.tbl || '/' || %(slo)s)
  and (%(table)s::text is null or v.tbl = %(table)s)
  and (%(since)s::timestamptz is null or v.at >= %(since)s)
order by v.id desc
limit %(limit)s
""",
        slo=slo,
        table=table,
        since=since,
        limit=limit,
    )
    if not found:
        refuse_unknown(connection, table=table, slo=slo, records="violation")
    return found
