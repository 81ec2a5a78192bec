"""Findings about what was changed or added around a guarded table after apply: columns, foreign keys, heirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlguard.doctor.finding import Finding, Table
from mlguard.operate.ask import values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg


def findings(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """Yield what the next plan would refuse or note, and what makes writes fail until then."""
    here = [table for table in tables if table.oid is not None]
    yield from _columns(connection, here)
    yield from _schema(connection, tables)
    yield from _cascades(connection, here)
    yield from _subscribed(connection, here)
    yield from _heirs(connection, here)
    yield from _rules(connection, here)


def now_named(connection: psycopg.Connection[Any], table: Table) -> str | None:
    """Return the present name of a table that was renamed or moved: its triggers and constraints went with it."""
    found = values(
        connection,
        """
select distinct k.relation::regclass::text
from (
  select t.tgrelid as relation, pg_catalog.obj_description(t.oid, 'pg_trigger') as said
  from pg_catalog.pg_trigger as t
  where not t.tgisinternal and t.tgname like 'zz\\_mlguard\\_%%' and t.tgparentid = 0
  union all
  select c.conrelid, pg_catalog.obj_description(c.oid, 'pg_constraint')
  from pg_catalog.pg_constraint as c
  where c.conname like 'mlguard\\_%%' and c.conparentid = 0
) as k
join pg_catalog.pg_class as c on c.oid = k.relation and not c.relispartition
where pg_catalog.starts_with(k.said, 'mlguard:' || %(tbl)s || ':')
   or pg_catalog.starts_with(k.said, 'mlguard:' || %(tbl)s || '/')
order by 1
""",
        tbl=table.tbl,
    )
    return str(found[0]) if found else None


def _columns(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """A CHECK follows a renamed column; functions name columns in their text, and fail."""
    found = values(
        connection,
        """
select array[t.tbl, w.name, string_agg(distinct w.slo, ', ' order by w.slo)]
from unnest(%(tables)s::text[], %(oids)s::oid[]) as t (tbl, oid)
cross join lateral (
  select c.name, s.name as slo from mlguard._slo as s, unnest(s.columns) as c (name) where s.tbl = t.tbl
  union all
  select c.name, 'key' from mlguard._table as g, unnest(g.key) as c (name) where g.tbl = t.tbl
) as w
where not exists (
  select from pg_catalog.pg_attribute as a
  where a.attrelid = t.oid and a.attname = w.name and a.attnum > 0 and not a.attisdropped)
group by t.tbl, w.name
order by 1
""",
        tables=[table.tbl for table in tables],
        oids=[table.oid for table in tables],
    )
    for tbl, column, slos in found:
        yield Finding(
            "column-gone",
            f"column {column} is gone or was renamed, {slos} still name it: writes and reads fail with SQLSTATE 42703"
            " wherever a trigger judges it",
            "name the column that took its place in the SLO file, then mlguard apply; or rename it back",
            tbl,
        )


def _schema(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """What the schema SLO finds; where no event trigger could be made, doctor may be the first to see it."""
    if not values(connection, "select to_regprocedure('mlguard.schema_faults(text)')::text")[0]:
        return
    found = values(
        connection,
        """
select array[t.tbl, string_agg(f.words, '; ' order by f.column_name nulls first),
             (select string_agg(distinct b.slo, ', ' order by b.slo)
              from unnest(%(tables)s::text[]) as k (tbl)
              cross join lateral mlguard.schema_faults(k.tbl) as g
              cross join lateral unnest(g.slos) as b (slo)
              where k.tbl = t.tbl)]
from unnest(%(tables)s::text[]) as t (tbl)
cross join lateral mlguard.schema_faults(t.tbl) as f
where f.column_name is not null or f.fault <> 'missing'  -- a table that is gone is a finding of its own
group by t.tbl
order by 1
""",
        tables=[table.tbl for table in tables],
    )
    for tbl, words, slos in found:
        breaks = f"; it breaks {slos}" if slos else ""
        yield Finding(
            "schema",
            f"{words}{breaks}: the gate is closed, or closes with the next sweep",
            "change the columns back, or name the new ones in the SLO file, then mlguard apply takes them as they are",
            tbl,
        )


def _cascades(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """A row that a trigger keeps out of a cascading update leaves an orphan; plan refuses both together."""
    found = values(
        connection,
        """
select array[t.tbl, c.conname, string_agg(a.attname, ', ' order by a.attnum)]
from unnest(%(tables)s::text[], %(oids)s::oid[]) as t (tbl, oid)
join mlguard._table as g on g.tbl = t.tbl
join pg_catalog.pg_constraint as c on c.conrelid = t.oid and c.contype = 'f'
join pg_catalog.pg_attribute as a on a.attrelid = t.oid and a.attnum = any (c.conkey)
where (c.confupdtype in ('c', 'n', 'd') or c.confdeltype in ('n', 'd'))
group by t.tbl, g.on_update, c.oid, c.conname
having bool_or(exists (
         select from mlguard._slo as s
         where s.tbl = t.tbl and s.action = 'quarantine' and not s.shadow and a.attname = any (s.columns)))
  or (g.on_update <> 'reject' and exists (
        select from mlguard._slo as s
        where s.tbl = t.tbl and s.action in ('quarantine', 'repair') and not s.shadow))
order by 1
""",
        tables=[table.tbl for table in tables],
        oids=[table.oid for table in tables],
    )
    for tbl, key, columns in found:
        yield Finding(
            "cascade",
            f"foreign key {key} writes {columns} when the row it points to changes: a row that is kept out of such an"
            " update is left pointing nowhere",
            "change the foreign key to NO ACTION, or use reject on these columns and quarantine_update: reject",
            tbl,
        )


def _heirs(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """INHERITS copies CHECKs and nothing else; rows of the heir show up in reads of the parent."""
    found = values(
        connection,
        """
select array[t.tbl, i.inhrelid::regclass::text]
from unnest(%(tables)s::text[], %(oids)s::oid[]) as t (tbl, oid)
join pg_catalog.pg_inherits as i on i.inhparent = t.oid
join pg_catalog.pg_class as c on c.oid = i.inhrelid and not c.relispartition
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where not exists (
  select from mlguard._table as g where g.schema_name = n.nspname and g.table_name = c.relname)
order by 1
""",
        tables=[table.tbl for table in tables],
        oids=[table.oid for table in tables],
    )
    for tbl, heir in found:
        yield Finding(
            "heir",
            f"table {heir} inherits its CHECKs but no trigger: rows written into it are read here and not judged",
            f"give {heir} an SLO file of its own",
            tbl,
        )


def _rules(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """A rule takes a write away, or sends it elsewhere, before there is a row to judge."""
    found = values(
        connection,
        """
select array[t.tbl, pg_catalog.quote_ident(r.rulename), r.ev_class::regclass::text]
from unnest(%(tables)s::text[], %(oids)s::oid[]) as t (tbl, oid)
join pg_catalog.pg_rewrite as r
  on r.ev_class = t.oid or r.ev_class in (select p.relid from pg_catalog.pg_partition_tree(t.oid) as p)
where r.rulename <> '_RETURN'
order by 1
""",
        tables=[table.tbl for table in tables],
        oids=[table.oid for table in tables],
    )
    for tbl, rule, relation in found:
        yield Finding(
            "rule",
            f"rule {rule} of {relation} rewrites writes before any trigger sees them",
            f"drop rule {rule} on {relation};",
            tbl,
        )


def _subscribed(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """The apply worker of a subscription fires row triggers that are ENABLE ALWAYS, and no statement trigger."""
    found = values(
        connection,
        """
select distinct t.tbl
from unnest(%(tables)s::text[], %(oids)s::oid[]) as t (tbl, oid)
join pg_catalog.pg_subscription_rel as s
  on s.srrelid = t.oid or s.srrelid in (select p.relid from pg_catalog.pg_partition_tree(t.oid) as p)
where exists (
  select from pg_catalog.pg_trigger as k
  where k.tgrelid = t.oid and k.tgname like 'zz\\_mlguard\\_%%' and k.tgtype & 1 = 0)
order by 1
""",
        tables=[table.tbl for table in tables],
        oids=[table.oid for table in tables],
    )
    for tbl in found:
        yield Finding(
            "subscribed",
            "a subscription writes into the table: its rows are judged by CHECKs and row triggers, and counted nowhere",
            "guard the table where it is published; give this server the gate alone (docs/replication.md)",
            tbl,
        )
