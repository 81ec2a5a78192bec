"""Everything a report shows of each guarded table: gate, SLOs with their past, incidents, kept and refused rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlguard.operate.ask import as_rows, may_read, require_runtime, values
from mlguard.operate.incidents import incidents
from mlguard.operate.status import status

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from mlguard.operate.gate import Gate
    from mlguard.operate.incidents import Incident
    from mlguard.operate.status import SloStatus
    from mlguard.spec import Project

HISTORY = 60  # verdicts of an SLO that are drawn
INCIDENTS = 200  # of all tables, the most severe first

_FACTS = """
select s.id, s.level, s.check_text, s.allowed, s.reason, s.owner, s.runbook, s.description, s.tags
from mlguard.slo as s
"""
_PAST = """
select y.slo, y.at, y.outcome, y.metrics, y.vals, y.n, y.observed, y.allowed, y.detail
from mlguard.slo as s
cross join lateral (
  select v.slo, coalesce(v.window_end, v.at) as at, v.outcome, v.metrics, v.vals, v.n, v.observed, v.allowed, v.detail,
         v.id
  from mlguard.verdict as v
  where v.slo = s.id and v.current and v.segment = '{}'
  order by v.id desc
  limit %(limit)s
) as y
order by y.slo, y.at, y.id
"""
_SEGMENTS = """
select s.id as slo, y.segment, y.outcome, y.observed
from mlguard.slo as s
cross join lateral (
  select distinct on (v.segment) v.segment, v.outcome, v.observed
  from mlguard.verdict as v
  where v.slo = s.id and v.current and v.segment <> '{}'
  order by v.segment, v.id desc
) as y
where y.outcome in ('FAIL', 'ERROR')
order by s.id, y.segment
"""
_KEPT = """
select q.tbl as "table", q.status, count(*) as rows, min(q.kept_at) as first_at, max(q.kept_at) as last_at
from mlguard.quarantine as q
group by q.tbl, q.status
order by q.tbl, q.status desc
"""
_REFUSED = """
select r.tbl as "table", r.slo, r.refused, r.last_at from mlguard.rejection as r where r.refused > 0
order by r.refused desc, r.slo
"""
_LIMIT = re.compile(r"\A(?:allowed )?[^<>=]*(<=|>=|<|>) *(-?\d+(?:\.\d+)?)(?:::\w+(?: \w+)?)?\Z")


@dataclass(frozen=True)
class Facts:
    """What is in force."""

    id: str
    level: str
    check_text: str
    allowed: str | None
    reason: str | None
    owner: str | None
    runbook: str | None
    description: str | None
    tags: list[str]


@dataclass(frozen=True)
class Past:
    """One judgement, as recorded; values of pii columns are None."""

    slo: str
    at: datetime
    outcome: str
    metrics: list[str]
    vals: list[float | None] | None
    n: int | None
    observed: str | None
    allowed: str | None
    detail: dict[str, Any] | None


@dataclass(frozen=True)
class Segment:
    """A segment whose last judgement failed."""

    slo: str
    segment: dict[str, Any]
    outcome: str
    observed: str | None


@dataclass(frozen=True)
class KeptRows:
    """Rows in quarantine by what became of them."""

    table: str
    status: str
    rows: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class Refused:
    """Refused attempts of one SLO."""

    table: str
    slo: str
    refused: int
    last_at: datetime | None


@dataclass(frozen=True)
class Point:
    """One value of a plot, with the ends of what was allowed then; None is open."""

    at: datetime
    value: float | None
    outcome: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Series:
    """The past of the metric an SLO is about."""

    metric: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class SloView:
    """One SLO."""

    status: SloStatus
    facts: Facts | None  # None: not applied yet
    series: Series | None
    last: Past | None
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class TableView:
    """One guarded table."""

    gate: Gate
    slos: tuple[SloView, ...]
    incidents: tuple[Incident, ...]
    kept: tuple[KeptRows, ...]
    refused: tuple[Refused, ...]


@dataclass(frozen=True)
class Overview:
    """A database at a time."""

    database: str
    at: datetime
    tables: tuple[TableView, ...]
    whole: bool  # the reader may see quarantine and incidents


def overview(connection: psycopg.Connection[Any], project: Project | None = None) -> Overview:
    """Return what a report shows, all of it as of one snapshot.

    Args:
        connection: the database.
        project: SLO files to compare with; only what they select is shown.

    Raises:
        RuntimeVersionError: mlguard is not installed here, or does not fit this client.
        SpecError, CompileError: an SLO file does not fit the database.
    """
    require_runtime(connection)
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read")
        found = status(connection, project)
        facts = {row.id: row for row in as_rows(connection, Facts, _FACTS)}
        past: dict[str, list[Past]] = {}
        for row in as_rows(connection, Past, _PAST, limit=HISTORY):
            past.setdefault(row.slo, []).append(row)
        segments: dict[str, list[Segment]] = {}
        for failed in as_rows(connection, Segment, _SEGMENTS):
            segments.setdefault(failed.slo, []).append(failed)
        platform = may_read(connection, "quarantine", "incident")
        kept = as_rows(connection, KeptRows, _KEPT) if platform else []
        refused = as_rows(connection, Refused, _REFUSED)
        alarms = incidents(connection, everything=True, limit=INCIDENTS) if platform else []
        (at,) = values(connection, "select statement_timestamp()")
    tables = []
    for gate in found.gates:
        views = tuple(
            SloView(
                slo,
                facts.get(slo.slo),
                series_of(past.get(slo.slo, [])),
                past[slo.slo][-1] if slo.slo in past else None,
                tuple(segments.get(slo.slo, [])),
            )
            for slo in found.slos
            if slo.table == gate.table
        )
        tables.append(
            TableView(
                gate,
                views,
                tuple(one for one in alarms if one.table == gate.table),
                tuple(row for row in kept if row.table == gate.table),
                tuple(row for row in refused if row.table == gate.table),
            )
        )
    return Overview(connection.info.dbname, at, tuple(tables), platform)


def series_of(past: list[Past]) -> Series | None:
    """Return what to draw of an SLO's judgements, oldest first: its one metric, or of learned ones the worst now.

    Where a check has several metrics the first is drawn, and no limit, since the check is about all of them.
    """
    if any(one.vals is None for one in past):  # the value is personal
        return None
    told = [one for one in past if one.metrics]  # a window without rows may have none
    if not told:
        return None
    learned = (told[-1].detail or {}).get("series") or []
    if learned:
        worst = str(max(learned, key=lambda one: float(one.get("score") or 0))["series"])
        found = (_learned(one, worst) for one in past)
        return Series(worst, tuple(point for point in found if point is not None))
    single = len(set(told[-1].metrics)) == 1
    points = [_plain(one, single=single) for one in past]
    return Series(told[-1].metrics[0], tuple(points)) if any(one.value is not None for one in points) else None


def _learned(one: Past, series: str) -> Point | None:
    for item in (one.detail or {}).get("series") or []:
        if item.get("series") == series:
            return Point(one.at, item.get("value"), one.outcome, item.get("low"), item.get("high"))
    return None


def _plain(one: Past, *, single: bool) -> Point:
    value = one.vals[0] if one.vals else None
    low, high = limits_of(one.allowed or "") if single else (None, None)
    return Point(one.at, value, one.outcome, low, high)


def limits_of(allowed: str) -> tuple[float | None, float | None]:
    """Return the ends of `allowed >= 0.75`; None for an open end, and for both where it says something else."""
    found = _LIMIT.match(allowed)
    if found is None:
        return None, None
    end = float(found[2])
    return (end, None) if found[1].startswith(">") else (None, end)
