"""Findings about partitions: those that came past mlguard, and those that went past it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlguard.doctor.finding import Finding, Table
from mlguard.emit.objects import Kind
from mlguard.operate.ask import values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg

    from mlguard.plan import InstalledTable

APPLY = "mlguard apply"
OF_OTHERS = "zz_mlguard_assertions_"  # triggers with which an assertion watches the tables it reads


def lacking(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """Yield each partition without statement triggers: they are not cloned to partitions, and ATTACH checks none."""
    found = values(
        connection,
        """
select array[t.tbl, p.relid::regclass::text, c.relkind::text, string_agg(k.tgname, ', ' order by k.tgname),
             (pg_catalog.pg_relation_size(p.relid) > 0)::text]
from unnest(%(tables)s::text[], %(oids)s::oid[]) as t (tbl, oid)
cross join lateral pg_catalog.pg_partition_tree(t.oid) as p
join pg_catalog.pg_class as c on c.oid = p.relid
left join pg_catalog.pg_trigger as k
  on k.tgrelid = t.oid and k.tgname like 'zz\\_mlguard\\_%%' and not k.tgisinternal and k.tgtype & 1 = 0
  and not exists (select from pg_catalog.pg_trigger as o where o.tgrelid = p.relid and o.tgname = k.tgname)
where p.isleaf and p.relid <> t.oid and (c.relkind = 'f' or k.oid is not null)
group by t.tbl, p.relid, c.relkind
order by 1
""",
        tables=[table.tbl for table in tables],
        oids=[table.oid for table in tables],
    )
    for tbl, leaf, kind, triggers, stored in found:
        if kind == "f":
            message = f"partition {leaf} is a foreign table: no CHECK and no trigger of this server judges its rows"
            yield Finding("foreign-partition", message, "guard the table on its own server", tbl)
            continue
        message = f"partition {leaf} lacks {triggers}: rows written straight into it are not judged by statement"
        fix = APPLY
        if stored == "true":
            message += "; the rows it came with were judged by CHECKs only, and no state counts them"
            fix += " counts them, mlguard check judges them; attach the next by mlguard.attach_partition()"
        yield Finding("partition", message, fix, tbl)


def disabled_clones(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """Yield each row trigger that PostgreSQL cloned to a partition and that does not always fire there."""
    found = values(
        connection,
        """
select array[t.tbl, k.tgname, k.tgrelid::regclass::text]
from unnest(%(tables)s::text[], %(oids)s::oid[]) as t (tbl, oid)
cross join lateral pg_catalog.pg_partition_tree(t.oid) as p
join pg_catalog.pg_trigger as k on k.tgrelid = p.relid and k.tgname like 'zz\\_mlguard\\_%%' and k.tgparentid <> 0
-- Clones are internal up to PostgreSQL 14; those of later versions that do not fire for every role are told elsewhere.
where k.tgenabled = 'D' or k.tgisinternal and k.tgenabled <> 'A'
order by 1
""",
        tables=[table.tbl for table in tables],
        oids=[table.oid for table in tables],
    )
    for tbl, trigger, relation in found:
        message = f"row trigger {trigger} is disabled on partition {relation}: its rows are not judged by it"
        yield Finding("disabled", message, f"alter table {relation} enable always trigger {trigger};", tbl)


def gone(connection: psycopg.Connection[Any], table: Table, there: InstalledTable) -> tuple[str, ...]:
    """Return the relations that were partitions of the table when mlguard put triggers on them, and are none now."""
    known = {
        relation
        for item in there.objects
        if item.kind is Kind.TRIGGER and not item.name.startswith(OF_OTHERS)
        for trigger, on, relation in (item.name.partition(" on "),)
        if on and any(other.name == trigger for other in there.objects)
    }
    if not known:
        return ()
    now = values(
        connection,
        """
select n.nspname || '.' || c.relname
from pg_catalog.pg_partition_tree(%(oid)s::oid) as p
join pg_catalog.pg_class as c on c.oid = p.relid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
""",
        oid=table.oid,
    )
    return tuple(sorted(known - set(now)))


def gone_findings(table: Table, relations: Sequence[str]) -> Iterator[Finding]:
    """Yield one finding for each of them."""
    for relation in relations:
        yield Finding(
            "partition-gone",
            f"{relation} was a partition and was dropped or detached past mlguard: its rows still count in the states,"
            " and where it is a table of its own now, what is written into it counts too",
            f"{APPLY} (it counts what is left anew); the next time mlguard.detach_partition()",
            table.tbl,
        )
