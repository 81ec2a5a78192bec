"""Findings about mlguard's records: what the registry, verdicts and holds say that cannot be so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlguard.doctor.finding import Finding, Table
from mlguard.operate.ask import values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg

APPLY = "mlguard apply"


def findings(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """Yield what somebody changed in the records by hand."""
    yield from _unregistered(connection)
    yield from _unrecorded(connection, tables)
    yield from _holds(connection)
    yield from _verdicts(connection)


def _unregistered(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Objects say which SLOs they serve: one that is not in the registry is judged by nobody, or raises."""
    found = values(
        connection,
        """
select distinct array[o.tbl, s.slo]
from mlguard._object as o
cross join lateral unnest(o.slos) as s (slo)
where not exists (select from mlguard._slo as r where r.id = s.slo)
  and not exists (select from mlguard._table as t where t.tbl = s.slo)
order by 1
""",
    )
    for tbl, slo in found:
        message = f"{slo} has objects in the database, and no line in the registry: it is not judged, or writes fail"
        yield Finding("unregistered", message, APPLY, tbl)


def _unrecorded(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """A trigger that calls mlguard and that no apply made: renamed, copied, or its record deleted."""
    found = values(
        connection,
        """
select array[t.tbl, k.tgname, k.tgrelid::regclass::text, pg_catalog.quote_ident(k.tgname)]
from unnest(%(tables)s::text[], %(oids)s::oid[]) as t (tbl, oid)
join pg_catalog.pg_trigger as k
  on k.tgrelid = t.oid or k.tgrelid in (select p.relid from pg_catalog.pg_partition_tree(t.oid) as p)
join pg_catalog.pg_proc as f on f.oid = k.tgfoid and f.pronamespace = pg_catalog.to_regnamespace('mlguard')
join pg_catalog.pg_class as c on c.oid = k.tgrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where not k.tgisinternal and k.tgparentid = 0
  and not exists (
    select from mlguard._object as o
    where o.kind = 'TRIGGER'
      and (o.tbl = t.tbl and o.name = k.tgname or o.name = k.tgname || ' on ' || n.nspname || '.' || c.relname))
order by 1
""",
        tables=[table.tbl for table in tables if table.oid is not None],
        oids=[table.oid for table in tables if table.oid is not None],
    )
    for tbl, trigger, relation, quoted in found:
        message = f"trigger {trigger} of {relation} calls mlguard and was made by no apply: rows are judged twice"
        yield Finding("unrecorded", message, f"drop trigger {quoted} on {relation};", tbl)


def _holds(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """A batch that failed holds its table until it is judged good, waived, or a person has resolved it, audited."""
    found = values(
        connection,
        """
select array[v.tbl, v.id::text, v.slo, coalesce(v.observed, ''), v.batch::text, coalesce(max(h.id)::text, '')]
from mlguard._verdict as v
join mlguard._slo as s on s.id = v.slo and s.action = 'hold' and s.level = 'batch' and not s.shadow
left join mlguard._hold as h on h.slo = v.slo and h.batch = v.batch and h.segment = v.segment
where v.current and v.outcome = 'FAIL' and v.over = 'batch' and v.at >= s.since
group by v.id
having not coalesce(bool_or(
  h.id is not null and h.ended_at is null
  or h.ended_by = 'mlguard' and h.reason is not null
  or h.resolved and exists (
    select from mlguard._event as e
    where e.act = 'resolve' and e.who = h.ended_by
      and e.at between h.ended_at - interval '1 minute' and h.ended_at + interval '1 minute')), false)
order by v.id
""",
    )
    for tbl, verdict, slo, observed, batch, hold in found:
        message = f"batch {batch} failed {slo} ({observed}), nobody resolved it, and its hold is gone"
        fix = (
            "update mlguard._hold set ended_at = null, ended_by = null, reason = null, resolved = false"
            f" where id = {hold};"
            if hold
            else "select mlguard._hold_by(v, s) from mlguard._verdict as v join mlguard._slo as s on s.id = v.slo"
            f" where v.id = {verdict};"
        )
        yield Finding("hold-ended", message, fix, tbl)


def _verdicts(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """A hold is made of a verdict that failed; a verdict that is judged anew is another line."""
    found = values(
        connection,
        """
select array[v.tbl, v.id::text, v.slo, v.outcome]
from mlguard._hold as h
join mlguard._verdict as v on v.id = h.verdict
where v.outcome in ('PASS', 'INSUFFICIENT')
order by v.id
""",
    )
    for tbl, verdict, slo, outcome in found:
        message = f"verdict {verdict} of {slo} holds the table and says {outcome}: it was edited"
        yield Finding(
            "verdict-edited", message, f"update mlguard._verdict set outcome = 'FAIL' where id = {verdict};", tbl
        )
