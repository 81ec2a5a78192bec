"""Findings about what mlguard made: gone, disabled, changed, not validated; triggers and partitions beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlguard.doctor import drift
from mlguard.doctor.finding import Finding, Table
from mlguard.emit.before_row import TRIGGER
from mlguard.emit.objects import Kind
from mlguard.operate.ask import values
from mlguard.operate.health import Health, disabled_triggers, of_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import psycopg

    from mlguard.plan import InstalledTable

APPLY = "mlguard apply"
# Objects that go when their table is dropped; functions and counters stay.
_ON_TABLE = (Kind.CHECK, Kind.UNIQUE, Kind.FOREIGN_KEY, Kind.TRIGGER, Kind.VIEW, Kind.POLICY)
_FAULTS = {Health.MISSING: "missing", Health.DISABLED: "disabled", Health.TAMPERED: "tampered"}
_WORDS = {Health.MISSING: "is gone", Health.DISABLED: "is disabled", Health.TAMPERED: "was changed in the database"}


def findings(
    connection: psycopg.Connection[Any], tables: Sequence[Table], installed: Mapping[str, InstalledTable]
) -> Iterator[Finding]:
    """Yield what is wrong with the objects of every table."""
    disabled = disabled_triggers(connection)
    here = [table for table in tables if table.oid is not None]
    not_always = list(_not_always(connection, here))
    told = frozenset((finding.table, trigger) for finding, trigger in not_always)
    for table in tables:
        there = installed.get(table.tbl)
        if table.oid is None:
            yield _gone(connection, table)
        elif there is not None:
            yield from _of_table(table, there, disabled, told)
    yield from (finding for finding, _ in not_always)
    yield from _later_triggers(connection, here)
    yield from _partitions(connection, here)


def _gone(connection: psycopg.Connection[Any], table: Table) -> Finding:
    renamed = drift.now_named(connection, table)
    if renamed:
        message = f"the table is {renamed} now, its SLOs name the old one: writes to {renamed} fail with SQLSTATE 42P01"
        fix = f"rename it back; or mlguard remove {table.tbl}, name {renamed} in the SLO file, then {APPLY}"
        return Finding("gone", message, fix, table.tbl)
    fix = f"mlguard remove {table.tbl}, or make the table again and run {APPLY}"
    return Finding("gone", "the table no longer exists, its SLOs are still in force", fix, table.tbl)


def _of_table(
    table: Table, there: InstalledTable, disabled: frozenset[tuple[str, str]], told: frozenset[tuple[str, str]]
) -> Iterator[Finding]:
    """Yield the findings about one table's objects; triggers in `told` have a finding of their own."""
    on_table = [item for item in there.objects if item.kind in _ON_TABLE and item.undo]
    if on_table and not any(item.present for item in on_table):
        message = f"the table was made anew: none of its {len(on_table)} constraints, triggers and views is there"
        yield Finding("re-created", message, APPLY, table.tbl)
        return
    for item in there.objects:
        health = of_object(item, table.tbl, disabled)
        label = f"{item.kind.value} {item.name}"
        if health is Health.TAMPERED and (table.tbl, item.name) in told:
            continue
        if health is not Health.INSTALLED:
            yield Finding(_FAULTS[health], f"{label} {_WORDS[health]}", APPLY, table.tbl)
        elif not item.validated:
            message = f"{label} holds for new rows; stored rows were not all judged"
            fix = f"mend the rows that break it (mlguard check), then {APPLY}"
            yield Finding("unvalidated", message, fix, table.tbl)


def _not_always(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[tuple[Finding, str]]:
    """Yield each trigger that session_replication_role can switch off, with its name as apply knows it."""
    found = values(
        connection,
        """
select array[t.tbl, k.tgname, k.tgrelid::regclass::text,
             k.tgname || case when k.tgrelid = t.oid then '' else ' on ' || n.nspname || '.' || c.relname end]
from unnest(%(tables)s::text[], %(oids)s::oid[]) as t (tbl, oid)
join pg_catalog.pg_trigger as k
  on k.tgrelid = t.oid or k.tgrelid in (select p.relid from pg_catalog.pg_partition_tree(t.oid) as p)
join pg_catalog.pg_class as c on c.oid = k.tgrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where k.tgname like 'zz\\_mlguard\\_%%' and not k.tgisinternal and k.tgenabled in ('O', 'R')
order by 1
""",
        **_named(tables),
    )
    for tbl, trigger, relation, name in found:
        finding = Finding(
            "not-always",
            f"trigger {trigger} of {relation} does not fire for every session_replication_role",
            f"alter table {relation} enable always trigger {trigger};",
            tbl,
        )
        yield finding, name


def _later_triggers(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    found = values(
        connection,
        """
select distinct array[t.tbl, k.tgname]
from unnest(%(tables)s::text[], %(oids)s::oid[]) as t (tbl, oid)
join pg_catalog.pg_trigger as k
  on k.tgrelid = t.oid or k.tgrelid in (select p.relid from pg_catalog.pg_partition_tree(t.oid) as p)
where k.tgname > %(ours)s and not k.tgisinternal and k.tgenabled <> 'D'
  and k.tgtype & 3 = 3 and k.tgtype & 20 <> 0  -- BEFORE ROW (1, 2) of INSERT (4) or UPDATE (16)
  and exists (select from pg_catalog.pg_trigger as o where o.tgrelid = t.oid and o.tgname = %(ours)s)
  and not exists (select from mlguard._object as m where m.tbl = t.tbl and m.name = k.tgname)
order by 1
""",
        **_named(tables),
        ours=TRIGGER,
    )
    for tbl, trigger in found:
        yield Finding(
            "later-trigger",
            f"row trigger {trigger} runs after {TRIGGER} (PostgreSQL fires them by name) and can change a judged row",
            f"rename it so that it sorts before: alter trigger {trigger} on {tbl} rename to …;",
            tbl,
        )


def _partitions(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """Statement triggers are not cloned to partitions, and ATTACH checks none."""
    found = values(
        connection,
        """
select array[t.tbl, p.relid::regclass::text, c.relkind::text, string_agg(k.tgname, ', ' order by k.tgname)]
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
        **_named(tables),
    )
    for tbl, leaf, kind, triggers in found:
        if kind == "f":
            message = f"partition {leaf} is a foreign table: no CHECK and no trigger of this server judges its rows"
            yield Finding("foreign-partition", message, "guard the table on its own server", tbl)
        else:
            message = f"partition {leaf} lacks {triggers}: rows written straight into it are not judged by statement"
            yield Finding("partition", message, APPLY, tbl)


def _named(tables: Sequence[Table]) -> dict[str, Any]:
    return {"tables": [table.tbl for table in tables], "oids": [table.oid for table in tables]}
