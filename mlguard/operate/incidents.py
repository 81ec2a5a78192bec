"""Incidents: what failed, why, since when, and what people said and did about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlguard.errors import PlanError
from mlguard.operate.ask import as_rows, guarded_table, may_read, require_runtime, values

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

LABELS = ("true", "false", "expected")


@dataclass(frozen=True)
class Incident:
    """One SLO and segment from the first failure to resolution; values of pii columns are not in it."""

    id: int
    state: str  # open | acknowledged | snoozed | resolved
    severity: str  # low | normal | page
    slo: str
    table: str
    column: str | None
    segment: dict[str, Any]
    headline: str  # table, column, number, limit, batch or window in one line
    observed: str | None
    allowed: str | None
    n: int | None
    over: str
    batch: int | None
    window_start: datetime | None
    window_end: datetime | None
    opened_at: datetime
    last_at: datetime
    times: int
    flaps: int
    cause: int | None  # the incident that alerts for this one
    owner: str | None
    consumers: list[str]
    runbook: str | None
    first_verdict: int | None
    last_verdict: int | None
    acked_at: datetime | None
    acked_by: str | None
    acked_reason: str | None
    snoozed_by: str | None
    snoozed_until: datetime | None
    snoozed_reason: str | None
    resolved_at: datetime | None
    resolved_by: str | None
    resolved_reason: str | None
    auto: bool
    label: str | None
    labelled_by: str | None
    label_reason: str | None
    also: list[int]  # other numbers that messages gave it
    swept: bool  # False: no sweep has seen it yet, so its cause is not known and nobody was told

    @property
    def name(self) -> str:
        """The SLO's name within its table."""
        return self.slo.partition("/")[2]


@dataclass(frozen=True)
class Judged:
    """One verdict of an incident's SLO and segment."""

    verdict: int
    at: datetime
    outcome: str
    scope: str | None
    observed: str | None
    allowed: str | None
    n: int | None
    current: bool  # False: the batch or window was judged anew


@dataclass(frozen=True)
class Told:
    """One alert of an incident."""

    at: datetime
    event: str
    severity: str
    recipients: list[str]
    delivered_at: datetime | None
    attempts: int
    last_error: str | None


@dataclass(frozen=True)
class Done:
    """One act of a person."""

    at: datetime
    who: str
    act: str
    reason: str | None


@dataclass(frozen=True)
class Whole:
    """Everything about one incident; alerts and acts only for who may see them."""

    incident: Incident
    words: str  # the text of an alert
    consequences: list[Incident]
    history: list[Judged]
    alerts: list[Told]
    acts: list[Done]
    held: bool  # guarded reads of its table raise now


_INCIDENT = """
select i.id, i.state, i.severity, i.slo, i.tbl as "table", i.column_name as "column", i.segment, i.headline, i.observed,
       i.allowed, i.n, i.over, i.batch, i.window_start, i.window_end, i.opened_at, i.last_at, i.times, i.flaps, i.cause,
       i.owner, i.consumers, i.runbook, i.first_verdict, i.last_verdict, i.acked_at, i.acked_by, i.acked_reason,
       i.snoozed_by, i.snoozed_until, i.snoozed_reason, i.resolved_at, i.resolved_by, i.resolved_reason, i.auto,
       i.label, i.labelled_by, i.label_reason, i.also, i.swept
from mlguard.incident as i
"""


def incidents(
    connection: psycopg.Connection[Any],
    *,
    table: str | None = None,
    everything: bool = False,
    limit: int | None = 100,
) -> list[Incident]:
    """Return incidents, the most severe first and then the newest, each cause followed by its consequences.

    Args:
        connection: the database.
        table: of this table, and what incidents of this table are a consequence or the cause of.
        everything: resolved ones too.
        limit: at most so many; None for all.

    Raises:
        PlanError: the table is not guarded.
    """
    require_runtime(connection)
    if table is not None:
        guarded_table(connection, table)
    return as_rows(
        connection,
        Incident,
        _INCIDENT
        + """
left join mlguard.incident as r on r.id = i.cause
where (%(everything)s or i.state <> 'resolved')
  and (%(table)s::text is null or %(table)s in (i.tbl, r.tbl)
       or exists (
         select from mlguard.incident as c where c.cause = i.id and c.tbl = %(table)s and c.state <> 'resolved'))
order by coalesce(r.state, i.state) = 'resolved' and i.state = 'resolved',
         array_position(array['page', 'normal', 'low'], coalesce(r.severity, i.severity)),
         coalesce(r.opened_at, i.opened_at) desc, coalesce(r.id, i.id) desc, i.cause is not null, i.tbl, i.id
limit %(limit)s
""",
        table=table,
        everything=everything,
        limit=limit,
    )


def incident(connection: psycopg.Connection[Any], number: int) -> Whole:
    """Return everything about one incident.

    Raises:
        PlanError: there is no incident of that number.
    """
    require_runtime(connection)
    found = as_rows(
        connection,
        Incident,
        _INCIDENT + "where i.id = %(id)s or %(id)s = any (i.also) order by i.id = %(id)s desc limit 1",
        id=number,
    )
    if not found:
        raise PlanError(f"there is no incident {number}", help="mlguard incidents list --all shows those there are")
    one = found[0]
    consequences = as_rows(connection, Incident, _INCIDENT + "where i.cause = %(id)s order by i.tbl, i.id", id=one.id)
    if one.swept:
        words = values(connection, "select mlguard._incident_words(%(id)s)", id=one.id)[0]
        history = as_rows(connection, Judged, "select h.* from mlguard._incident_history(%(id)s) as h", id=one.id)
    else:
        words, history = one.headline, []
    alerts = _alerts(connection, one.id) if may_read(connection, "outbox") else []
    acts = _acts(connection, one.id) if may_read(connection, "event") else []
    gates = values(connection, "select g.state from mlguard.gate as g where g.tbl = %(table)s", table=one.table)
    return Whole(one, words, consequences, history, alerts, acts, held=gates == ["closed"])


def _alerts(connection: psycopg.Connection[Any], number: int) -> list[Told]:
    return as_rows(
        connection,
        Told,
        "select o.at, o.event, o.severity, o.recipients, o.delivered_at, o.attempts, o.last_error"
        " from mlguard.outbox as o where o.incident = %(id)s order by o.id",
        id=number,
    )


def _acts(connection: psycopg.Connection[Any], number: int) -> list[Done]:
    return as_rows(
        connection,
        Done,
        "select e.at, e.who, e.act, e.reason from mlguard.event as e where e.target = %(target)s order by e.id",
        target=f"incident {number}",
    )


def ack(connection: psycopg.Connection[Any], number: int, reason: str | None = None) -> int:
    """Say that somebody works on an incident; return the number of the one that alerts for it.

    Raises:
        PlanError: there is no such incident, or it is resolved.
    """
    return _act(connection, "select mlguard.ack(%(id)s, %(reason)s)", id=number, reason=reason)


def snooze(connection: psycopg.Connection[Any], number: int, until: datetime, reason: str) -> int:
    """Keep an incident quiet until a time; return the number of the one that alerts for it.

    Raises:
        PlanError: there is no such incident, it is resolved, or the time has passed.
    """
    return _act(
        connection, "select mlguard.snooze(%(id)s, %(until)s, %(reason)s)", id=number, until=until, reason=reason
    )


def resolve(connection: psycopg.Connection[Any], number: int, reason: str, label: str | None = None) -> int:
    """End an incident, what failed with it on its table, and the holds of both; return its number.

    Args:
        connection: the database.
        number: of the incident.
        reason: why; it is kept.
        label: 'true', 'false' or 'expected': whether it was a true alarm.

    Raises:
        PlanError: there is no such incident, or it is resolved.
    """
    return _act(
        connection, "select mlguard.resolve(%(id)s, %(reason)s, %(label)s)", id=number, reason=reason, label=label
    )


def label(connection: psycopg.Connection[Any], number: int, judged: str | None, reason: str | None = None) -> int:
    """Say whether an incident was a true alarm, open or resolved; None takes the label back. Return its number.

    Raises:
        PlanError: there is no such incident.
    """
    return _act(
        connection, "select mlguard.label(%(id)s, %(label)s, %(reason)s)", id=number, label=judged, reason=reason
    )


def _act(connection: psycopg.Connection[Any], query: str, **parameters: object) -> int:
    import psycopg

    require_runtime(connection)
    try:
        return int(values(connection, query, **parameters)[0])
    except (
        psycopg.errors.UndefinedObject,
        psycopg.errors.ObjectNotInPrerequisiteState,
        psycopg.errors.InvalidParameterValue,
    ) as error:
        said = (error.diag.message_primary or str(error)).removeprefix("mlguard: ")
        raise PlanError(said, help=error.diag.message_hint or "") from error
