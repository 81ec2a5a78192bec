"""Read the database: the shape of tables, and what mlguard has installed there. The one room that asks pg_catalog."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlguard import definitions
from mlguard.emit.objects import Kind
from mlguard.lang.types import Kind as TypeKind
from mlguard.lang.types import SqlType, parse_type
from mlguard.names import TableName
from mlguard.program import ColumnShape, PartitionBounds, TableShape

if TYPE_CHECKING:
    import psycopg

_RELATIONS = """
select n.nspname, c.relname, c.oid::bigint, c.relkind::text, c.relpersistence::text,
       c.relrowsecurity and not exists (  -- row security that reads: policy switched on is not the table's own
         select from pg_catalog.pg_policy as p where p.polrelid = c.oid and p.polname = 'mlguard_all_rows'
       ),
       c.relforcerowsecurity, pg_catalog.pg_get_userbyid(c.relowner)
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where (n.nspname, c.relname) in (select * from unnest(%(schemas)s::text[], %(names)s::text[]))
"""
_COLUMNS = """
select a.attrelid::bigint, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), t.typtype::text,
       pg_catalog.format_type(nullif(t.typbasetype, 0), t.typtypmod),
       a.attnotnull, a.attidentity::text, a.attgenerated::text,
       pg_catalog.pg_get_expr(d.adbin, d.adrelid), coalesce(not l.collisdeterministic, false)
from pg_catalog.pg_attribute as a
join pg_catalog.pg_type as t on t.oid = a.atttypid
left join pg_catalog.pg_collation as l on l.oid = a.attcollation
left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = any(%(oids)s::oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum
"""
_KEYS = """
select i.indrelid::bigint, array_agg(a.attname order by k.ord)
from pg_catalog.pg_index as i
cross join lateral unnest(i.indkey) with ordinality as k(attnum, ord)
join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
join pg_catalog.pg_class as c on c.oid = i.indexrelid
where i.indrelid = any(%(oids)s::oid[]) and i.indisunique and i.indisvalid and i.indpred is null
  and i.indexprs is null and k.ord <= i.indnkeyatts and not (i.indisunique and c.relname like 'mlguard\\_%%')
group by i.indrelid, i.indexrelid
"""
_INDEXES = """
select i.indrelid::bigint, array_agg(a.attname order by k.ord)
from pg_catalog.pg_index as i
cross join lateral unnest(i.indkey) with ordinality as k(attnum, ord)
join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
join pg_catalog.pg_class as c on c.oid = i.indexrelid
join pg_catalog.pg_am as m on m.oid = c.relam
where i.indrelid = any(%(oids)s::oid[]) and i.indisvalid and i.indpred is null and i.indexprs is null
  and k.ord <= i.indnkeyatts and m.amname = 'btree'
group by i.indrelid, i.indexrelid
"""
_CASCADES = """
select c.conrelid::bigint, c.confrelid::bigint, c.confupdtype::text, c.confdeltype::text,
       array(select a.attname from pg_catalog.pg_attribute as a
             where a.attrelid = c.conrelid and a.attnum = any(c.conkey)),
       c.conrelid::regclass::text || '.' || c.conname
from pg_catalog.pg_constraint as c
where c.contype = 'f' and (c.conrelid = any(%(oids)s::oid[]) or c.confrelid = any(%(oids)s::oid[]))
"""
_PARTITIONS = """
select p.partrelid::bigint,
       array(select a.attname from pg_catalog.pg_attribute as a
             where a.attrelid = p.partrelid and a.attnum = any(p.partattrs::smallint[])),
       array(select n.nspname || chr(31) || c.relname
             from pg_catalog.pg_partition_tree(p.partrelid) as t
             join pg_catalog.pg_class as c on c.oid = t.relid
             join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
             where t.parentrelid is not null and c.relkind in ('r', 'p') order by 1)
from pg_catalog.pg_partitioned_table as p
where p.partrelid = any(%(oids)s::oid[])
"""
# Times as text that reads the same whatever the session's time zone and DateStyle; MINVALUE and the like are left out.
_BOUNDS = """
select b.partrelid::bigint, b.nspname || chr(31) || b.relname,
       case when b.zoned then to_char(b.said[1]::timestamptz at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US"+00"')
            else to_char(b.said[1]::timestamp, 'YYYY-MM-DD HH24:MI:SS.US') end,
       case when b.zoned then to_char(b.said[2]::timestamptz at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US"+00"')
            else to_char(b.said[2]::timestamp, 'YYYY-MM-DD HH24:MI:SS.US') end
from (
  select p.partrelid, n.nspname, c.relname, a.atttypid = 'timestamptz'::regtype as zoned,
         regexp_match(pg_catalog.pg_get_expr(c.relpartbound, c.oid),
                      $$FROM \\('(\\d[^']*)'\\) TO \\('(\\d[^']*)'\\)$$) as said
  from pg_catalog.pg_partitioned_table as p
  join pg_catalog.pg_attribute as a on a.attrelid = p.partrelid and a.attnum = p.partattrs[0]
  join pg_catalog.pg_inherits as i on i.inhparent = p.partrelid
  join pg_catalog.pg_class as c on c.oid = i.inhrelid and c.relispartition
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where p.partrelid = any(%(oids)s::oid[]) and p.partstrat = 'r' and p.partnatts = 1
    and a.atttypid in ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
) as b
where b.said is not null and b.said::text !~ 'BC'
order by 1, 2
"""
_HEIRS = """
select i.inhparent::bigint, array_agg(n.nspname || chr(31) || c.relname order by 1)
from pg_catalog.pg_inherits as i
join pg_catalog.pg_class as c on c.oid = i.inhrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where i.inhparent = any(%(oids)s::oid[]) and not c.relispartition and c.relkind in ('r', 'f')
group by i.inhparent
"""
_ACTIONS = {"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


def rows(connection: psycopg.Connection[Any], query: str, **parameters: object) -> list[tuple[Any, ...]]:
    """Run a query with names resolved in pg_catalog only, and return its rows."""
    return connection.execute(query, parameters).fetchall()


def column_type(printed: str, typtype: str, base: str | None = None) -> SqlType:
    """Read a type as format_type() prints it; enums and unknown types keep their spelling.

    A domain is judged as the type below it.
    """
    known = parse_type(base or printed)
    if known is not None:
        return SqlType(known.kind, printed, known.element) if base else known
    if printed.endswith("[]"):
        return SqlType(TypeKind.ARRAY, printed, SqlType(TypeKind.OTHER, printed[:-2]))
    return SqlType(TypeKind.ENUM if typtype == "e" else TypeKind.OTHER, printed)


def shapes(connection: psycopg.Connection[Any], tables: Iterable[TableName]) -> dict[TableName, TableShape]:
    """Return the shape of each table that exists, in a handful of queries however many there are."""
    wanted = list(tables)
    found = rows(
        connection,
        _RELATIONS,
        schemas=[table.schema for table in wanted],
        names=[table.name for table in wanted],
    )
    oids = [row[2] for row in found]
    columns: dict[int, list[ColumnShape]] = defaultdict(list)
    cascades: dict[tuple[int, str], str] = {}
    outgoing: dict[int, list[str]] = defaultdict(list)
    for source, target, on_update, on_delete, names, label in rows(connection, _CASCADES, oids=oids):
        actions = [
            f"ON {event} {_ACTIONS[code]}"
            for event, code in (("UPDATE", on_update), ("DELETE", on_delete))
            if code in _ACTIONS
        ]
        # ON DELETE CASCADE removes rows and writes no column
        writing = [action for action in actions if action != "ON DELETE CASCADE"]
        for name in names:
            if writing:
                cascades[source, name] = " and ".join(writing)
        if on_delete in _ACTIONS:
            outgoing[target].append(label)
    for oid, name, printed, typtype, base, not_null, identity, generated, default, folds in rows(
        connection, _COLUMNS, oids=oids
    ):
        columns[oid].append(
            ColumnShape(
                name=name,
                type=column_type(printed, typtype, base),
                not_null=not_null,
                generated=default if generated else None,
                virtual=generated == "v",
                identity={"a": "always", "d": "by default"}.get(identity, ""),
                cascade=cascades.get((oid, name), ""),
                nondeterministic=folds,
            )
        )
    unique: dict[int, list[tuple[str, ...]]] = defaultdict(list)
    for oid, names in rows(connection, _KEYS, oids=oids):
        unique[oid].append(tuple(names))
    indexes: dict[int, set[tuple[str, ...]]] = defaultdict(set)
    for oid, names in rows(connection, _INDEXES, oids=oids):
        indexes[oid].add(tuple(names))
    partitions = {
        oid: (tuple(names), tuple(TableName(*leaf.split("\x1f")) for leaf in leaves))
        for oid, names, leaves in rows(connection, _PARTITIONS, oids=oids)
    }
    bounds: dict[int, list[PartitionBounds]] = defaultdict(list)
    for oid, partition, low, high in rows(connection, _BOUNDS, oids=oids):
        bounds[oid].append(PartitionBounds(TableName(*partition.split("\x1f")), low, high))
    heirs = {
        oid: tuple(TableName(*heir.split("\x1f")) for heir in found)
        for oid, found in rows(connection, _HEIRS, oids=oids)
    }
    return {
        TableName(schema, name): TableShape(
            table=TableName(schema, name),
            columns=tuple(columns[oid]),
            relkind=relkind,
            persistence=persistence,
            partition_columns=partitions.get(oid, ((), ()))[0],
            partitions=partitions.get(oid, ((), ()))[1],
            bounds=tuple(bounds[oid]),
            heirs=heirs.get(oid, ()),
            unique=tuple(sorted(unique[oid])),
            indexes=tuple(sorted(indexes[oid])),
            cascades_out=tuple(outgoing[oid]),
            row_security=security,
            forced_row_security=forced,
            owner=owner,
        )
        for schema, name, oid, relkind, persistence, security, forced, owner in found
    }


def constraints(connection: psycopg.Connection[Any], relation: TableName) -> frozenset[str]:
    """Return the names of a relation's constraints."""
    found = rows(
        connection,
        "select c.conname from pg_catalog.pg_constraint as c join pg_catalog.pg_class as r on r.oid = c.conrelid"
        " join pg_catalog.pg_namespace as n on n.oid = r.relnamespace"
        " where n.nspname = %(schema)s and r.relname = %(name)s",
        schema=relation.schema,
        name=relation.name,
    )
    return frozenset(name for (name,) in found)


def lacking_roles(connection: psycopg.Connection[Any], names: Iterable[str]) -> frozenset[str]:
    """Return those of the names that no role of the server has."""
    wanted = sorted(set(names))
    found = rows(
        connection, "select r.rolname from pg_catalog.pg_roles as r where r.rolname = any(%(names)s)", names=wanted
    )
    return frozenset(wanted) - {name for (name,) in found}


def grants(connection: psycopg.Connection[Any], relation: TableName) -> list[tuple[str, str]]:
    """Return (role, privilege) of everybody but the owner who holds a privilege on a relation; '' is PUBLIC."""
    return rows(
        connection,
        "select case when a.grantee = 0 then '' else pg_catalog.pg_get_userbyid(a.grantee) end, a.privilege_type"
        " from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace"
        " cross join lateral pg_catalog.aclexplode(c.relacl) as a"
        " where n.nspname = %(schema)s and c.relname = %(name)s and a.grantee <> c.relowner order by 1, 2",
        schema=relation.schema,
        name=relation.name,
    )


@dataclass(frozen=True)
class Installed:
    """One object as mlguard.object remembers it, beside what the catalogue shows now."""

    table: str
    kind: Kind
    name: str
    slos: tuple[str, ...]
    hash: str
    recorded: str  # PostgreSQL's own definition when it was installed, hashed
    undo: tuple[str, ...]

    @property
    def identity(self) -> tuple[str, str]:
        """(kind, name): unique within a table."""
        return (self.kind.name, self.name)


def installed(connection: psycopg.Connection[Any], tables: Sequence[str] | None = None) -> dict[str, list[Installed]]:
    """Return what is recorded as installed, by table."""
    found: dict[str, list[Installed]] = defaultdict(list)
    query = (
        "select tbl, kind, name, slos, hash, definition_hash, undo from mlguard._object"
        " where %(tables)s::text[] is null or tbl = any(%(tables)s::text[]) order by id"
    )
    for tbl, kind, name, slos, hash_, recorded, undo in rows(connection, query, tables=tables):
        found[tbl].append(Installed(tbl, Kind[kind], name, tuple(slos), hash_, recorded, tuple(undo)))
    return dict(found)


@dataclass(frozen=True)
class Guarded:
    """A table as mlguard.table remembers it."""

    table: str
    hash: str
    slos: dict[str, str]  # SLO id -> hash of its record


def guarded(connection: psycopg.Connection[Any]) -> dict[str, Guarded]:
    """Return the guarded tables with the hashes of their records."""
    slos: dict[str, dict[str, str]] = defaultdict(dict)
    for tbl, slo, hash_ in rows(connection, "select tbl, id, hash from mlguard._slo where level <> 'schema'"):
        slos[tbl][slo] = hash_
    return {
        tbl: Guarded(tbl, hash_, slos.get(tbl, {}))
        for tbl, hash_ in rows(connection, "select tbl, hash from mlguard._table")
    }


@contextmanager
def _plain_times(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Have times in PostgreSQL's own definitions printed the same whatever the session prefers."""
    wanted = definitions.PLAIN
    with connection.transaction():
        before = {name: rows(connection, "select current_setting(%(name)s)", name=name)[0][0] for name in wanted}
        for settings in (wanted, before):
            for name, value in settings.items():
                connection.execute("select pg_catalog.set_config(%s, %s, true)", (name, value))
            if settings is wanted:
                yield


class Definitions:
    """PostgreSQL's own definitions of the objects that exist now, read once."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._found: dict[definitions.Place, str] = {}
        with _plain_times(connection):
            for kind, query in definitions.QUERIES.items():
                for relation, name, definition in connection.execute(query.encode()).fetchall():
                    self._found[kind, relation, name] = definition

    def of(self, kind: Kind, table: str, name: str) -> str | None:
        """Return the definition of an object, or None where it does not exist; '' for kinds that have none."""
        return "" if definitions.wordless(kind, name) else self._found.get(definitions.place(kind, table, name))
