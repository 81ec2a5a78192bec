"""Predictions that wait for a person: list, accept, override, reject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlguard.errors import PlanError
from mlguard.operate.ask import as_rows, refuse_unknown, require_runtime
from mlguard.operate.quarantine import Decision

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    import psycopg

REVIEW_STATUSES = ("pending", "accepted", "overridden", "rejected", "obsolete")


@dataclass(frozen=True)
class Review:
    """One row that a step routed to review; values of pii columns are not in it."""

    id: int
    table: str
    key: Any
    step: str
    version: int | None
    batch: int
    status: str
    routed_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None
    given: Any


_REVIEW = """
select r.id, r.tbl as "table", r.key, r.step, r.version, r.batch, r.status, r.routed_at, r.decided_at, r.decided_by,
       r.reason, r.given
from mlguard.review as r
"""


def review_list(
    connection: psycopg.Connection[Any],
    *,
    table: str | None = None,
    status: str | None = "pending",
    limit: int | None = 100,
) -> list[Review]:
    """Return routed rows, oldest first: who waits longest comes first.

    Args:
        connection: the database.
        table: of this table only.
        status: pending, accepted, overridden, rejected or obsolete; None for all.
        limit: at most so many; None for all.

    Raises:
        PlanError: no row is routed, and there is no such table; a near name is suggested.
        RuntimeVersionError: mlguard is not installed here, or does not fit this client.
    """
    require_runtime(connection)
    query = (
        _REVIEW + "where (%(table)s::text is null or r.tbl = %(table)s)\n"
        "  and (%(status)s::text is null or r.status = %(status)s)\norder by r.id\nlimit %(limit)s"
    )
    found = as_rows(connection, Review, query, table=table, status=status, limit=limit)
    if not found:
        refuse_unknown(connection, table=table, records="review")
    return found


def review_known(connection: psycopg.Connection[Any], ids: Iterable[int]) -> list[int]:
    """Return the numbers, each once, after a look whether all of them exist: a typing error changes nothing.

    Raises:
        PlanError: there is no review of such a number.
    """
    require_runtime(connection)
    wanted = list(dict.fromkeys(ids))
    found = {item.id for item in as_rows(connection, Review, _REVIEW + "where r.id = any(%(ids)s)", ids=wanted)}
    for number in wanted:
        if number not in found:
            raise PlanError(f"there is no review {number}", help="mlguard review list shows those there are")
    return wanted


def review_accept(connection: psycopg.Connection[Any], number: int, reason: str) -> list[Decision]:
    """Let a routed row appear in guarded reads as it is."""
    return _decide(connection, "mlguard.review_accept(%(id)s, %(reason)s)", number, reason)


def review_reject(connection: psycopg.Connection[Any], number: int, reason: str) -> list[Decision]:
    """Keep a routed row out of guarded reads for good; it stays in the table."""
    return _decide(connection, "mlguard.review_reject(%(id)s, %(reason)s)", number, reason)


def review_override(
    connection: psycopg.Connection[Any], number: int, set_columns: Mapping[str, Any], reason: str
) -> list[Decision]:
    """Give a routed row a person's values, under the rules of its table, and let it appear in guarded reads."""
    from psycopg.types.json import Jsonb

    call = "mlguard.review_override(%(id)s, %(set)s, %(reason)s)"
    return _decide(connection, call, number, reason, set=Jsonb(dict(set_columns)))


def _decide(connection: psycopg.Connection[Any], call: str, number: int, reason: str, **more: object) -> list[Decision]:
    query = f"select d.id, d.outcome, d.reason from {call} as d"
    return as_rows(connection, Decision, query, id=number, reason=reason, **more)
