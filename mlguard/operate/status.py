"""One line a gate and an SLO: what state it is in, where it lives, whether its objects are still whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlguard.operate.ask import as_rows, may_read, require_runtime, values
from mlguard.operate.gate import Gate, gates, held
from mlguard.operate.health import Health, carriers, disabled_triggers, moved_slos, of_object, worst

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from mlguard.spec import Project

NOT_APPLIED = "not applied"
NOT_JUDGED = "not judged yet"
_OUTCOMES = {"PASS": "holding", "FAIL": "failing", "INSUFFICIENT": "insufficient", "ERROR": "error", "NOTED": "noted"}

_SLOS = """
select s.id, s.tbl as "table", s.name, s.action, s.severity, s.place, s.shadow, s.version, s.since, s.tags,
       s.health, s.waived_until, r.refused, r.last_at as refused_last, v.n as recorded, v.last_at as recorded_last,
       j.outcome, j.observed, s.allowed, j.judged_at, j.past, s.level in ('batch', 'window') as awaits_verdict
from mlguard.slo as s
left join mlguard.rejection as r on r.slo = s.id
left join lateral (
  select (array_agg(y.outcome order by y.place))[1] as outcome,
         (array_agg(coalesce(y.observed, y.reason) order by y.place))[1] as observed,
         max(y.at) as judged_at, (array_agg(y.vals[1] order by y.place desc))::float8[] as past
  from (
    -- Of an SLO with segments the worst one speaks for its batch or window.
    select u.*, row_number() over (order by u.newest desc) as place
    from (
      select distinct on (w.window_end, w.batch) w.*, max(w.id) over (partition by w.window_end, w.batch) as newest
      from (
        select v.* from mlguard.verdict as v where v.slo = s.id and v.current order by v.id desc limit 1200
      ) as w
      order by w.window_end, w.batch,
               array_position('{FAIL,ERROR,NOTED,PASS,INSUFFICIENT}'::text[], w.outcome), w.id desc
    ) as u
    order by u.newest desc
    limit 24
  ) as y
) as j on s.level in ('batch', 'window', 'assertion') or (s.level = 'read' and s.action = 'warn')
left join lateral (
  select count(*) as n, max(y.at) as last_at from mlguard.violation as y where y.slo = s.id
) as v on true
order by s.tbl, s.id
"""
_KEPT = """
select b.slo, count(*) as n, max(q.kept_at) as last_at
from mlguard.quarantine as q cross join unnest(q.slos) as b (slo)
where q.status = 'waiting'
group by b.slo
"""
_JUDGED = """
select i.slo, count(*) as judged, count(*) filter (where i.label <> 'false') as true_alarms
from mlguard.incident as i
where i.label is not null
group by i.slo
"""
_OFF = """
select distinct w.slo from mlguard.waiver as w
where w.kind = 'off' and w.ended_at is null and w.until > statement_timestamp()
"""


@dataclass(frozen=True)
class Facts:
    """What the database knows of one SLO."""

    id: str
    table: str
    name: str
    action: str
    severity: str
    place: str
    shadow: bool
    version: int
    since: datetime
    tags: list[str]
    health: str | None  # as far as the database itself can tell: MISSING, DISABLED or INSTALLED
    waived_until: datetime | None
    refused: int | None
    refused_last: datetime | None
    recorded: int
    recorded_last: datetime | None
    outcome: str | None  # of the last batch or window
    observed: str | None
    allowed: str | None
    judged_at: datetime | None
    past: list[float | None] | None  # values of the first metric of the last verdicts, oldest first
    awaits_verdict: bool  # whether only a verdict can tell that it holds


@dataclass(frozen=True)
class Kept:
    """How many rows wait because of one SLO."""

    slo: str
    n: int
    last_at: datetime


@dataclass(frozen=True)
class Judged:
    """Labels of the incidents of one SLO."""

    slo: str
    judged: int
    true_alarms: int


@dataclass(frozen=True)
class SloStatus:
    """One SLO as status shows it."""

    slo: str
    table: str
    state: str
    # holding | held | off | waived | shadow | refused | kept out | recorded | not applied, and of batches and windows
    # not judged yet | failing | noted | insufficient | error
    times: int | None  # how often, for refused, kept out and recorded
    at: datetime | None  # held since; off or waived until; last refused, kept out, recorded
    action: str
    severity: str
    place: str
    health: Health | None
    validated: bool
    version: int
    since: datetime | None
    observed: str = ""  # what was found over the last batch or window
    past: tuple[float | None, ...] = ()  # the metric's values over the last batches or windows, oldest first
    precision: Precision | None = None
    allowed: str = ""  # what is allowed, in words


@dataclass(frozen=True)
class Precision:
    """How often an SLO's alarms were right, from the incidents somebody has judged."""

    judged: int
    true_alarms: int


@dataclass(frozen=True)
class Status:
    """Gates and SLOs of a database."""

    gates: tuple[Gate, ...]
    slos: tuple[SloStatus, ...]
    compared: bool  # with SLO files; without them nothing can be OUTDATED or ORPHANED


def status(connection: psycopg.Connection[Any], project: Project | None = None) -> Status:
    """Return gates and SLOs.

    Args:
        connection: the database.
        project: SLO files to compare with; only what they select is shown.

    Raises:
        RuntimeVersionError: mlguard is not installed here, or does not fit this client.
        SpecError, CompileError: an SLO file does not fit the database.
    """
    from mlguard import planner

    require_runtime(connection)
    facts = as_rows(connection, Facts, _SLOS)
    found = gates(connection)
    moved: dict[str, Health] = {}
    fresh: list[SloStatus] = []
    if project is not None:
        plan = planner.make_plan(project, connection, prune=not project.selection)
        moved = moved_slos(plan)
        fresh = [_not_applied(slo) for table in plan.tables for slo in table.added]
        if project.selection:
            facts = [fact for fact in facts if project.selection.covers(fact.table, fact.name, fact.tags)]
            tables = {fact.table for fact in facts} | {slo.table for slo in fresh}
            found = [gate for gate in found if gate.table in tables]
    look = _Look(connection, found, moved)
    return Status(tuple(found), (*(look.at(fact) for fact in facts), *fresh), compared=project is not None)


class _Look:
    """What all SLOs are looked at with, read once. Roles that may not see a part of it are told less."""

    def __init__(self, connection: psycopg.Connection[Any], found: list[Gate], moved: dict[str, Health]) -> None:
        from mlguard import planner

        self._moved = moved
        self._closing = {slo: gate.since for gate in found if not gate.open for slo in _closing(connection, gate)}
        platform = may_read(connection, "quarantine", "waiver")
        self._kept = {kept.slo: kept for kept in as_rows(connection, Kept, _KEPT)} if platform else {}
        self._off = set(values(connection, _OFF)) if platform else set()
        owner = may_read(connection, "_table", "_slo", "_object")
        self._installed = planner.installed_tables(connection) if owner else None
        self._disabled = disabled_triggers(connection)
        rows = as_rows(connection, Judged, _JUDGED) if may_read(connection, "incident") else []
        self._precision = {row.slo: Precision(row.judged, row.true_alarms) for row in rows}

    def at(self, fact: Facts) -> SloStatus:
        health, validated = self._health(fact)
        state, times, at = self._state(fact)
        return SloStatus(
            slo=fact.id,
            table=fact.table,
            state=state,
            times=times,
            at=at,
            action=fact.action,
            severity=fact.severity,
            place=fact.place,
            health=health,
            validated=validated,
            version=fact.version,
            since=fact.since,
            observed=fact.observed or "",
            allowed=fact.allowed or "",
            past=tuple(fact.past or ()),
            precision=self._precision.get(fact.id),
        )

    def _health(self, fact: Facts) -> tuple[Health, bool]:
        if self._installed is None:
            known = Health(fact.health) if fact.health else Health.INSTALLED
            return worst(known, self._moved.get(fact.id)), True
        table = self._installed.get(fact.table)
        objects = carriers(fact.id, fact.action, table) if table else []
        health = worst(*(of_object(item, fact.table, self._disabled) for item in objects), self._moved.get(fact.id))
        return health, all(item.validated for item in objects)

    def _state(self, fact: Facts) -> tuple[str, int | None, datetime | None]:
        """Return the most pressing thing there is to say of an SLO, how often, and since, until or last when."""
        kept = self._kept.get(fact.id)
        if fact.waived_until:
            return ("off" if fact.id in self._off else "waived"), None, fact.waived_until
        if fact.shadow:
            return "shadow", fact.recorded or None, fact.recorded_last
        if fact.id in self._closing:
            return "held", None, self._closing[fact.id]
        if kept:
            return "kept out", kept.n, kept.last_at
        if fact.refused:
            return "refused", fact.refused, fact.refused_last
        if fact.outcome is not None:
            return _OUTCOMES.get(fact.outcome, fact.outcome), None, fact.judged_at
        if fact.recorded:
            return "recorded", fact.recorded, fact.recorded_last
        return NOT_JUDGED if fact.awaits_verdict else "holding", None, None


def _closing(connection: psycopg.Connection[Any], gate: Gate) -> list[str]:
    """Return the ids of the SLOs that keep a gate closed now."""
    violation = held(connection, gate.table)
    return [str(slo) for slo in violation.detail.get("slos") or [violation.slo]] if violation else []


def _not_applied(slo: str) -> SloStatus:
    return SloStatus(slo, slo.partition("/")[0], NOT_APPLIED, None, None, "", "", "", None, True, 0, None)
