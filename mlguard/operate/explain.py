"""Why a verdict is what it is: the numbers, the history behind them, and what else broke at the same time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlguard.errors import PlanError
from mlguard.operate.ask import as_rows, near, require_runtime, values

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

HISTORY = 60  # values of a metric that are shown
MOST = 2**63 - 1  # of bigint, as all numbers in schema mlguard

_VERDICT = """
select v.id, v.at, v.slo, v.tbl as "table", v.over, v.batch, v.window_start, v.window_end, v.segment, v.version,
       v.current, v.outcome, v.metrics, v.vals, v.n, v.observed, v.allowed, v.reason, v.detail
from mlguard.verdict as v
"""
_SLO = """
select s.id, s.check_text, s.action, s.severity, s.place, s.reason, s.shadow, s.owner, s.runbook, s.description
from mlguard.slo as s
where s.id = %(slo)s
"""
_HISTORY = """
select m.metric, m.value, m.n, coalesce(m.window_end, m.at) as at
from (
  select m.*, row_number() over (partition by m.metric order by coalesce(m.window_start, m.at) desc) as place
  from mlguard.metric as m
  where m.tbl = %(table)s and m.over = %(over)s and m.segment = %(segment)s::jsonb and m.current
    and m.metric = any(%(metrics)s)
    and coalesce(m.window_start, m.at) <= coalesce(%(start)s::timestamptz, %(at)s)
) as m
where m.place <= %(limit)s
order by m.metric, m.place desc
"""
_SAME_SCOPE = """
select v.slo, v.outcome, v.observed, v.allowed
from mlguard.verdict as v
where v.tbl = %(table)s and v.current and v.id <> %(id)s and v.outcome in ('FAIL', 'ERROR')
  and v.batch is not distinct from %(batch)s
  and v.window_start is not distinct from %(start)s and v.window_end is not distinct from %(end)s
order by v.slo
"""
_EARLIER = """
select v.id, v.at, v.version, v.outcome, v.observed
from mlguard.verdict as v
where v.slo = %(slo)s and v.segment = %(segment)s::jsonb and v.id <> %(id)s
  and v.batch is not distinct from %(batch)s
  and v.window_start is not distinct from %(start)s and v.window_end is not distinct from %(end)s
order by v.version
"""
_ROWS = """
select v.at, v.outcome, v.observed, v.key, v.n, v.bad, v.reason
from mlguard.violation as v
where v.slo = %(slo)s
order by v.id desc
limit 5
"""


@dataclass(frozen=True)
class Verdict:
    """One judgement of an SLO, as the database recorded it."""

    id: int
    at: datetime
    slo: str
    table: str
    over: str
    batch: int | None
    window_start: datetime | None
    window_end: datetime | None
    segment: dict[str, Any]
    version: int
    current: bool
    outcome: str
    metrics: list[str]
    vals: list[float | None]
    n: int | None
    observed: str | None
    allowed: str | None
    reason: str | None
    detail: dict[str, Any] | None


@dataclass(frozen=True)
class SloFacts:
    """What is in force."""

    id: str
    check_text: str
    action: str
    severity: str
    place: str
    reason: str | None
    shadow: bool
    owner: str | None
    runbook: str | None
    description: str | None


@dataclass(frozen=True)
class Point:
    """One past value of a metric."""

    metric: str
    value: float | None
    n: int | None
    at: datetime


@dataclass(frozen=True)
class Other:
    """What else failed over the same rows."""

    slo: str
    outcome: str
    observed: str | None
    allowed: str | None


@dataclass(frozen=True)
class Version:
    """Another judgement of the same batch or window."""

    id: int
    at: datetime
    version: int
    outcome: str
    observed: str | None


@dataclass(frozen=True)
class Line:
    """A recorded violation of a row rule."""

    at: datetime
    outcome: str
    observed: Any
    key: Any
    n: int | None
    bad: int | None
    reason: str | None


@dataclass(frozen=True)
class Explanation:
    """Everything there is to say of one verdict.

    Attributes:
        slo: the SLO; None where it is no longer in force.
        verdict: the judgement; None for a row rule, which has only lines.
        history: past values of its metrics, oldest first, the judged one last.
        others: what else failed over the same rows.
        versions: other judgements of the same batch or window.
        lines: recorded violations, newest first.
    """

    slo: SloFacts | None
    verdict: Verdict | None
    history: tuple[Point, ...] = ()
    others: tuple[Other, ...] = ()
    versions: tuple[Version, ...] = ()
    lines: tuple[Line, ...] = ()


def explain(connection: psycopg.Connection[Any], what: str) -> Explanation:
    """Explain a verdict, an incident, or the last verdict of an SLO.

    Args:
        connection: the database.
        what: `verdict:31`, `incident:412`, a bare number (an incident, else a verdict), or an SLO: its id, or its
            name where only one has it.

    Raises:
        PlanError: there is no such thing; near names are suggested.
        RuntimeVersionError: mlguard is not installed here, or does not fit this client.
    """
    require_runtime(connection)
    named = _full_id(connection, what)
    verdict = _find(connection, named)
    if verdict is None:
        return _of_rule(connection, named)
    scope = {"start": verdict.window_start, "end": verdict.window_end, "batch": verdict.batch}
    from psycopg.types.json import Jsonb

    segment = Jsonb(verdict.segment)
    names = list(verdict.metrics) + [str(item["series"]) for item in (verdict.detail or {}).get("series", [])]
    return Explanation(
        slo=next(iter(as_rows(connection, SloFacts, _SLO, slo=verdict.slo)), None),
        verdict=verdict,
        history=tuple(
            as_rows(
                connection,
                Point,
                _HISTORY,
                table=verdict.table,
                over=verdict.over,
                segment=segment,
                metrics=names,
                start=verdict.window_start,
                at=verdict.at,
                limit=HISTORY,
            )
        ),
        others=tuple(as_rows(connection, Other, _SAME_SCOPE, table=verdict.table, id=verdict.id, **scope)),
        versions=tuple(
            as_rows(connection, Version, _EARLIER, slo=verdict.slo, segment=segment, id=verdict.id, **scope)
        ),
    )


def _full_id(connection: psycopg.Connection[Any], what: str) -> str:
    """Return the id of the SLO where `what` is the name of exactly one in force, else `what` itself."""
    found = values(connection, "select s.id from mlguard.slo as s where s.name = %(what)s", what=what)
    return str(found[0]) if len(found) == 1 else what


def _find(connection: psycopg.Connection[Any], what: str) -> Verdict | None:
    kind, _, number = what.rpartition(":")
    if number.isdecimal() and kind in ("", "verdict", "incident"):
        wanted = min(int(number), MOST)
        if kind != "verdict":
            found = values(
                connection, "select i.last_verdict from mlguard.incident as i where i.id = %(id)s", id=wanted
            )
            if found and found[0] is not None:
                return _verdict(connection, "where v.id = %(id)s", id=found[0])
            if kind == "incident" or found:
                raise PlanError(f"there is no incident {wanted} with a verdict", help="mlguard incidents list --all")
        verdict = _verdict(connection, "where v.id = %(id)s", id=wanted)
        if verdict is None:
            raise PlanError(f"there is no incident or verdict {wanted}", help="mlguard incidents list --all")
        return verdict
    return _verdict(
        connection, "where v.slo = %(slo)s order by (v.outcome in ('FAIL', 'ERROR')) desc, v.id desc limit 1", slo=what
    )


def _verdict(connection: psycopg.Connection[Any], tail: str, **parameters: object) -> Verdict | None:
    return next(iter(as_rows(connection, Verdict, _VERDICT + tail, **parameters)), None)


def _of_rule(connection: psycopg.Connection[Any], slo: str) -> Explanation:
    facts = next(iter(as_rows(connection, SloFacts, _SLO, slo=slo)), None)
    if facts is None:
        known = values(connection, "select s.id from mlguard.slo as s order by s.id")
        raise PlanError(f"there is no SLO {slo} in this database", help=near(slo, known) or "mlguard status lists them")
    return Explanation(slo=facts, verdict=None, lines=tuple(as_rows(connection, Line, _ROWS, slo=slo)))
