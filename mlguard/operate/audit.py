"""The chain of audited acts: what was done, and whether anybody changed the record of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlguard.operate.ask import as_rows, require_runtime

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg


@dataclass(frozen=True)
class Event:
    """One row of mlguard.event; `seal` and `hash` are None until a sweep has chained it."""

    id: int
    at: datetime
    who: str
    act: str
    target: str
    before: Any
    after: Any
    reason: str | None
    seal: int | None
    hash: str | None


@dataclass(frozen=True)
class Head:
    """The end of the chain: number and hash of its last seal, and how many events wait for theirs."""

    no: int | None
    hash: str | None
    at: datetime | None
    unsealed: int
    unsealed_since: datetime | None


@dataclass(frozen=True)
class AuditFault:
    """One thing that is wrong with the chain."""

    fault: str  # edited | deleted | reordered | gap | broken | cut | rewritten | unsealed
    seal: int | None
    event: int | None
    words: str


def audit_list(
    connection: psycopg.Connection[Any],
    *,
    target: str | None = None,
    act: str | None = None,
    who: str | None = None,
    since: datetime | None = None,
    limit: int | None = 100,
) -> list[Event]:
    """Return audited acts, the newest first.

    Args:
        connection: of a member of mlguard_platform.
        target: about this: an SLO id, a table, a model; what begins with it counts too.
        act: only these: apply, waive, approve, promote, …
        who: only what this user did.
        since: only since then.
        limit: at most so many; None for all.
    """
    require_runtime(connection)
    return as_rows(
        connection,
        Event,
        "select e.* from mlguard.event as e"
        " where (%(target)s::text is null or starts_with(e.target, %(target)s))"
        "   and (%(act)s::text is null or e.act = %(act)s) and (%(who)s::text is null or e.who = %(who)s)"
        "   and (%(since)s::timestamptz is null or e.at >= %(since)s)"
        " order by e.id desc limit %(limit)s",
        target=target,
        act=act,
        who=who,
        since=since,
        limit=limit,
    )


def audit_head(connection: psycopg.Connection[Any]) -> Head:
    """Return the end of the chain, to be kept where no owner of the database can reach it."""
    require_runtime(connection)
    return as_rows(connection, Head, "select h.* from mlguard.audit_head() as h")[0]


def audit_verify(
    connection: psycopg.Connection[Any], no: int | None = None, digest: str | None = None
) -> list[AuditFault]:
    """Recompute the chain and return what is wrong with it, nothing where it is whole.

    Args:
        connection: of a member of mlguard_platform.
        no: number of an exported head; without one a chain that was made anew cannot be told from the first.
        digest: its hash, in hexadecimal.
    """
    require_runtime(connection)
    query = "select f.* from mlguard.verify_audit(%(no)s, %(hash)s) as f"
    return as_rows(connection, AuditFault, query, no=no, hash=digest)
