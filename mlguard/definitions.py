"""How PostgreSQL itself words the objects that mlguard made, and the hash that is kept of it. Pure.

A definition is read back in the transaction that made the object; a later difference means that somebody changed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlguard.emit.objects import DbObject, Kind, indent
from mlguard.emit.rules import literal
from mlguard.names import TableName

# PostgreSQL's own words for each kind of object, one query a kind whatever their number; the name in the answer is
# the identity under which emit knows the object. Comments are looked for in their table: obj_description() would run a
# query of its own for each of the thousands of functions that every database has.
QUERIES: dict[Kind, str] = {
    Kind.CHECK: """
select n.nspname || '.' || c.relname, k.conname, pg_catalog.pg_get_constraintdef(k.oid)
from pg_catalog.pg_constraint as k join pg_catalog.pg_class as c on c.oid = k.conrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where k.contype in ('c', 'u', 'f') and k.conname like 'mlguard\\_%' and not c.relispartition
""",
    Kind.COUNTERS: """
select substring(pg_catalog.obj_description(c.oid, 'pg_class') from '^mlguard:(.*):[0-9a-f]+$'),
       'memory of ' || split_part(c.relname, ' of ', 1), ''
from pg_catalog.pg_class as c
where c.relkind = 'S' and c.relnamespace = pg_catalog.to_regnamespace('mlguard')
  and pg_catalog.obj_description(c.oid, 'pg_class') like 'mlguard:%'
""",
    Kind.TRIGGER: """
select n.nspname || '.' || c.relname, t.tgname, pg_catalog.pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text
from pg_catalog.pg_trigger as t join pg_catalog.pg_class as c on c.oid = t.tgrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where t.tgname like 'zz\\_mlguard\\_%' and not t.tgisinternal
""",
    Kind.FUNCTION: """
select 'mlguard', format('mlguard.%I(%s)', p.proname, pg_catalog.oidvectortypes(p.proargtypes)),
       pg_catalog.pg_get_functiondef(p.oid)
from pg_catalog.pg_proc as p
where p.pronamespace = pg_catalog.to_regnamespace('mlguard')
  and (p.proname like 'judge %' or p.proname like 'before row %' or p.proname like 'breaks %'
       or p.proname like 'broken row %' or p.proname like 'after %'
       or p.proname like 'kept out %' or p.proname like 'count before %'
       or p.proname like 'post %' or p.proname like 'verdict %'
       or p.proname like 'recount %' or p.proname like 'sample %' or p.proname like 'volume %'
       or p.oid in (
         select d.objoid from pg_catalog.pg_description as d
         where d.description like 'mlguard:%' and d.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass))
union all
select 'mlguard',
       '"' || replace(n.nspname, '"', '""') || '"."' || replace(p.proname, '"', '""') || '"('
         || pg_catalog.oidvectortypes(p.proargtypes) || ')',
       pg_catalog.pg_get_functiondef(p.oid)
from pg_catalog.pg_description as d
join pg_catalog.pg_proc as p on p.oid = d.objoid join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
where d.description like 'mlguard:%' and d.description ~ '^mlguard:.*:[0-9a-f]{12}$'
  and d.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass and n.nspname <> 'mlguard' and p.prokind = 'f'
""",
    Kind.VIEW: """
select n.nspname || '.' || c.relname, n.nspname || '.' || c.relname, pg_catalog.pg_get_viewdef(c.oid)
from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where c.relkind = 'v'
  and c.oid in (
    select d.objoid from pg_catalog.pg_description as d
    where d.description like 'mlguard:%' and d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
      and d.objsubid = 0)
""",
    # Up to PostgreSQL 15 columns of a single table stand without its alias; without aliases all versions read alike.
    Kind.ASSERTION: r"""
select 'mlguard', 'mlguard.' || c.relname,
       coalesce(
         (select regexp_replace(
            d.said, '(?<![\w$".])(?:' || string_agg(distinct a.found[1], '|') || ')\.(?=[\w"*])', '', 'g')
          from regexp_matches(
            d.said,
            '(?:FROM|JOIN|,)\s+\(*(?:ONLY )?'
            '(?:"[^"]+"|[a-z_][\w$]*)\.(?:"[^"]+"|[a-z_][\w$]*) ([a-z_]\w*)(?![\w$"])',
            'g') as a (found)),
         d.said)
from pg_catalog.pg_class as c
cross join lateral (select pg_catalog.pg_get_viewdef(c.oid) as said) as d
where c.relkind = 'v' and c.relname like 'assertion\_%'
  and c.relnamespace = pg_catalog.to_regnamespace('mlguard')
""",
    Kind.POLICY: """
select p.schemaname || '.' || p.tablename, p.policyname,
       concat_ws(' ', p.permissive, p.roles::text, p.cmd, p.qual, c.relrowsecurity)
from pg_catalog.pg_policies as p
join pg_catalog.pg_namespace as n on n.nspname = p.schemaname
join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = p.tablename
where p.policyname like 'mlguard\\_%'
""",
    Kind.NOT_NULL: """
select n.nspname || '.' || c.relname, a.attname || ' not null', 'not null'
from pg_catalog.pg_attribute as a join pg_catalog.pg_class as c on c.oid = a.attrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where a.attnotnull and a.attnum > 0 and c.relkind in ('r', 'p')
  and exists (select from mlguard._table as t where t.schema_name = n.nspname and t.table_name = c.relname)
""",
}
_SHARED = {Kind.UNIQUE: Kind.CHECK, Kind.FOREIGN_KEY: Kind.CHECK}

Place = tuple[Kind, str, str]  # whose query finds it, and under which relation and name


def wordless(kind: Kind, name: str) -> bool:
    """Say whether the catalogue has no words for an object: revoked rights, and counters that no query finds."""
    return kind is Kind.REVOKE or (kind is Kind.COUNTERS and not name.startswith("memory of "))


def place(kind: Kind, table: str, name: str) -> Place:
    """Return where an object is found in the answers of QUERIES; a wordless one is nowhere."""
    kind = _SHARED.get(kind, kind)
    if kind in (Kind.FUNCTION, Kind.ASSERTION):
        return kind, "mlguard", name
    if kind is Kind.VIEW:
        return kind, name, name
    plain, on, relation = name.partition(" on ")
    return (kind, relation, plain) if kind is Kind.TRIGGER and on else (kind, table, name)


def queries_of(kinds: Iterable[Kind]) -> dict[Kind, str]:
    """Return the queries that find objects of these kinds."""
    wanted = {_SHARED.get(kind, kind) for kind in kinds}
    return {kind: query for kind, query in QUERIES.items() if kind in wanted}


# Settings under which a definition reads the same whoever asks: values in it are printed by them.
PLAIN = {"TimeZone": "UTC", "DateStyle": "ISO, MDY", "IntervalStyle": "postgres"}


def plainly(sql: str) -> list[str]:
    """Return the statement between two that set PLAIN for it, and give the transaction its own settings back."""
    keep = ", ".join(f"set_config('mlguard.own_{name}', current_setting('{name}'), true)" for name in PLAIN)
    change = ", ".join(f"set_config('{name}', {literal(value)}, true)" for name, value in PLAIN.items())
    back = ", ".join(f"set_config('{name}', current_setting('mlguard.own_{name}'), true)" for name in PLAIN)
    return [f"select {keep}", f"select {change}", sql, f"select {back}"]


def remember(table: TableName, made: Sequence[DbObject]) -> str:
    """Return the statement that keeps the hash of each object's definition; search_path must be empty when it runs.

    The hash is the one of `plan.fingerprint`: the first 12 hex digits of SHA-256 over the definition in UTF-8.
    """
    lines = []
    for item in made:
        kind, relation, name = place(item.kind, str(table), item.name)
        lines.append(", ".join(literal(text) for text in (item.kind.name, item.name, kind.name, relation, name)))
    found = [
        f"select {literal(kind.name)} as found, q.relation::text, q.name::text, q.definition\n"
        f"from (\n{indent(query.strip())}\n) as q (relation, name, definition)"
        for kind, query in queries_of(item.kind for item in made).items()
    ]
    if not found:
        found = ["select '' as found, '' as relation, '' as name, '' as definition"]
    values = ",\n  ".join(f"({line})" for line in lines)
    definitions = "\nunion all\n".join(found)
    return (
        "update mlguard._object as o\n"
        "set definition_hash = left(encode(sha256(convert_to(coalesce(d.definition, ''), 'UTF8')), 'hex'), 12)\n"
        f"from (values\n  {values}\n) as m (kind, name, found, relation, called)\n"
        f"left join (\n{indent(definitions)}\n) as d\n"
        "  on d.found = m.found and d.relation = m.relation and d.name = m.called\n"
        f"where o.tbl = {literal(str(table))} and o.kind = m.kind and o.name = m.name"
    )
