"""What a table's objects and records are before a migration, as statements that bring them back.

PostgreSQL's own definitions are read, as pg_dump reads them: whoever made an object, it comes back as it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlguard import catalog
from mlguard.emit.gate import grant_if_role
from mlguard.emit.objects import LOCK_CATALOGUE, LOCK_TRIGGER, Kind, Phase, Statement, dollar_quote
from mlguard.emit.rules import literal
from mlguard.emit.table import count_refusals
from mlguard.errors import PlanError
from mlguard.ledger import texts
from mlguard.names import TableName, fit, quote_ident

if TYPE_CHECKING:
    import psycopg

    from mlguard.plan import InstalledObject, InstalledTable

_FUNCTION = """
select pg_get_functiondef(p.oid), obj_description(p.oid, 'pg_proc'),
       array(select case when a.grantee = 0 then '' else pg_get_userbyid(a.grantee) end
             from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) with ordinality as a
             where a.privilege_type = 'EXECUTE' and a.grantee <> p.proowner order by a.ordinality)
from pg_proc as p where p.oid = to_regprocedure(%(name)s)
"""
_CONSTRAINT = """
select pg_get_constraintdef(k.oid), obj_description(k.oid, 'pg_constraint'), k.convalidated,
       case when k.contype = 'u' then pg_get_indexdef(k.conindid) end, c.relkind = 'p'
from pg_constraint as k join pg_class as c on c.oid = k.conrelid join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = %(schema)s and c.relname = %(table)s and k.conname = %(name)s
"""
_TRIGGER = """
select pg_get_triggerdef(t.oid), obj_description(t.oid, 'pg_trigger'), t.tgenabled::text
from pg_trigger as t join pg_class as c on c.oid = t.tgrelid join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = %(schema)s and c.relname = %(table)s and t.tgname = %(name)s and not t.tgisinternal
"""
_VIEW = """
select pg_get_viewdef(c.oid), obj_description(c.oid, 'pg_class'), coalesce(c.reloptions, '{}'),
       array(select a.attname::text from pg_attribute as a
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum)
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = %(schema)s and c.relname = %(table)s and c.relkind = 'v'
"""
# In the order in which they were granted, so that a dump comes out the same.
_READERS = """
select case when a.grantee = 0 then '' else pg_get_userbyid(a.grantee) end, a.privilege_type
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
cross join lateral aclexplode(c.relacl) with ordinality as a
where n.nspname = %(schema)s and c.relname = %(table)s and a.grantee <> c.relowner order by a.ordinality
"""
_POLICIES = """
select p.polname, p.polpermissive, p.polcmd::text,
       array(select case when r = 0 then '' else pg_get_userbyid(r) end from unnest(p.polroles) as r),
       pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid), obj_description(p.oid, 'pg_policy')
from pg_policy as p join pg_class as c on c.oid = p.polrelid join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = %(schema)s and c.relname = %(table)s and p.polname like 'mlguard\\_%%' order by p.polname
"""
_COMMANDS = {"r": "select", "a": "insert", "w": "update", "d": "delete", "*": "all"}
_ENABLED = {"A": "enable always", "R": "enable replica", "D": "disable", "O": "enable"}


@dataclass(frozen=True)
class Earlier:
    """What brings back the objects and the records of one table."""

    objects: dict[tuple[str, str], tuple[Statement, ...]]  # by kind and name
    records: tuple[str, ...]  # the rows of _table and _slo
    named: tuple[str, ...]  # the columns that the SLO file named
    counts: bool  # stored rows are counted by states


def read(
    connection: psycopg.Connection[Any],
    installed: InstalledTable,
    touched: Iterable[InstalledObject],
    columns: Sequence[str],
) -> Earlier:
    """Return what is there now of a table.

    Args:
        connection: inside a transaction with an empty search_path.
        installed: the table.
        touched: the objects that are replaced or dropped.
        columns: those of the table, which its views will have after the migration.

    Raises:
        PlanError: an object is not as mlguard made it, so that what would come back is not known.
    """
    found = {}
    for item in touched:
        if not item.present or not item.intact:
            raise PlanError(
                f"{installed.table}: {item.kind.value} {item.name} was changed or dropped behind mlguard's back, and a"
                " downgrade would bring that back",
                help="mlguard apply repairs it; write the revision after that",
            )
        found[item.identity] = _statements(connection, installed.table, item, columns)
    tbl = str(installed.table)
    tables = _records(connection, "_table", "tbl", ("applied_at", "applied_by"), tbl)
    slos = _records(connection, "_slo", "id", ("version", "since"), tbl)
    named = catalog.rows(
        connection,
        "select column_name from mlguard._schema_column where tbl = %(tbl)s and wanted order by attnum",
        tbl=tbl,
    )
    counts = catalog.rows(connection, "select recount is not null from mlguard._table where tbl = %(tbl)s", tbl=tbl)
    return Earlier(found, (*tables, *slos), tuple(name for (name,) in named), bool(counts and counts[0][0]))


def _records(connection: psycopg.Connection[Any], table: str, key: str, without: Sequence[str], tbl: str) -> list[str]:
    """Return an upsert for each row, which takes the values out of the row's own jsonb."""
    only = " and level <> 'schema'" if table == "_slo" else ""
    rows = catalog.rows(
        connection, f"select to_jsonb(t) from mlguard.{table} as t where tbl = %(tbl)s{only} order by {key}", tbl=tbl
    )
    again = ",\n  version = old.version + 1, since = statement_timestamp()" if table == "_slo" else ""
    made = []
    for (row,) in rows:
        names = [quote_ident(name) for name in row if name not in without]
        columns = ", ".join(names)
        # An SLO that comes back has its number again, which names its counters; nobody else was given it.
        fixed = (quote_ident(key), '"no"')
        updates = ",\n  ".join(f"{name} = excluded.{name}" for name in names if name not in fixed)
        kept = json.dumps({name: row[name] for name in row if name not in without}, ensure_ascii=False)
        made.append(
            f"insert into mlguard.{table} as old ({columns})\noverriding system value\nselect {columns}\n"
            f"from jsonb_populate_record(null::mlguard.{table}, {literal(kept)})\n"
            f"on conflict ({key}) do update set\n  {updates}{again}\nwhere old.hash is distinct from excluded.hash"
        )
    return made


def _statements(
    connection: psycopg.Connection[Any], table: TableName, item: InstalledObject, columns: Sequence[str]
) -> tuple[Statement, ...]:
    """Return the statements that make an object as it is now; those of a trigger or constraint drop it first."""
    drops = tuple(Statement(sql, LOCK_CATALOGUE) for sql in item.undo)
    match item.kind:
        case Kind.COUNTERS:
            return tuple(Statement(count_refusals(slo)) for slo in item.slos)
        case Kind.FUNCTION:
            return _function(connection, item.name)
        case Kind.NOT_NULL:
            return _not_null(table, item) if item.undo else ()
        case Kind.CHECK | Kind.FOREIGN_KEY | Kind.UNIQUE:
            return (*drops, *_constraint(connection, table, item)) if item.undo else ()
        case Kind.ASSERTION:
            return (*drops, *_assertion(connection, item))
        case Kind.TRIGGER:
            return (*drops, *_trigger(connection, table, item.name))
        case Kind.VIEW:
            return _view(connection, TableName.parse(item.name), columns)
        case Kind.POLICY:
            return (*drops, *_policies(connection, table))
        case Kind.REVOKE:
            role = item.name.removeprefix("select from ")
            return (Statement(f"revoke select on table {table.sql} from {quote_ident(role)}"),)


def _one(connection: psycopg.Connection[Any], query: str, **parameters: str) -> tuple[Any, ...]:
    (row,) = catalog.rows(connection, query, **parameters)
    return row


def _comment(target: str, words: str | None) -> tuple[Statement, ...]:
    return (Statement(f"comment on {target} is {literal(words)}"),) if words is not None else ()


def _function(connection: psycopg.Connection[Any], name: str) -> tuple[Statement, ...]:
    definition, words, readers = _one(connection, _FUNCTION, name=name)
    made = [Statement(definition.strip()), Statement(f"revoke all on function {name} from public")]
    for role in readers:
        grant = f"grant execute on function {name} to {quote_ident(role) if role else 'public'}"
        made.append(Statement(_if_role(role, grant) if role else grant))
    return (*made, *_comment(f"function {name}", words))


def _if_role(role: str, grant: str) -> str:
    known = f"exists (select from pg_catalog.pg_roles where rolname = {literal(role)})"
    return "do " + dollar_quote(f"begin\n  if {known} then\n    {grant};\n  end if;\nend")


def _not_null(table: TableName, item: InstalledObject) -> tuple[Statement, ...]:
    column = quote_ident(item.name.removesuffix(" not null"))
    proof = quote_ident(fit(f"mlguard_{item.slos[0].partition('/')[2]}_proof"))
    alter = f"alter table {table.sql}"
    return (
        Statement(f"{alter} drop constraint if exists {proof}", LOCK_CATALOGUE),
        Statement(f"{alter} add constraint {proof} check ({column} is not null) not valid", LOCK_CATALOGUE),
        Statement(f"{alter} validate constraint {proof}", phase=Phase.VALIDATE),
        Statement(f"{alter} alter column {column} set not null, drop constraint {proof}", LOCK_CATALOGUE, Phase.FINISH),
    )


def _constraint(connection: psycopg.Connection[Any], table: TableName, item: InstalledObject) -> tuple[Statement, ...]:
    definition, words, valid, index, partitioned = _one(
        connection, _CONSTRAINT, schema=table.schema, table=table.name, name=item.name
    )
    name = quote_ident(item.name)
    add = f"alter table {table.sql}\n  add constraint {name}"
    said = _comment(f"constraint {name} on {table.sql}", words)
    if item.kind is Kind.UNIQUE and partitioned:
        return (Statement(f"{add} {definition}", LOCK_CATALOGUE), *said)
    if item.kind is Kind.UNIQUE:
        build = index.replace("CREATE UNIQUE INDEX ", "create unique index concurrently ", 1)
        attach = Statement(f"{add} unique using index {name}", LOCK_CATALOGUE)
        return (Statement(build, phase=Phase.PREPARE), attach, *said)
    made = Statement(f"{add}\n  {definition.removesuffix(' NOT VALID')}\n  not valid", LOCK_CATALOGUE)
    check = f"alter table {table.sql} validate constraint {name}"
    return (made, *said, *([Statement(check, phase=Phase.VALIDATE)] if valid else []))


def _trigger(connection: psycopg.Connection[Any], table: TableName, name: str) -> tuple[Statement, ...]:
    plain, on, relation = name.partition(" on ")
    where = TableName.parse(relation) if on else table
    definition, words, enabled = _one(connection, _TRIGGER, schema=where.schema, table=where.name, name=plain)
    called = quote_ident(plain)
    return (
        Statement(definition, LOCK_TRIGGER),
        Statement(f"alter table {where.sql} {_ENABLED[enabled]} trigger {called}", LOCK_TRIGGER),
        *_comment(f"trigger {called} on {where.sql}", words),
    )


def _view(connection: psycopg.Connection[Any], view: TableName, columns: Sequence[str]) -> tuple[Statement, ...]:
    """Return a view with its readers; where it would lose columns it is dropped first, as PostgreSQL wants it."""
    definition, words, options, has = _one(connection, _VIEW, schema=view.schema, table=view.name)
    settings = f" with ({', '.join(options)})" if options else ""
    grants = []
    for role, privilege in catalog.rows(connection, _READERS, schema=view.schema, table=view.name):
        grant = f"grant {privilege} on {view.sql} to {quote_ident(role) if role else 'public'}"
        plain = role and privilege == "SELECT"
        grants.append(Statement(grant_if_role(view, role) if plain else _if_role(role, grant) if role else grant))
    drops = [] if has == list(columns) else [Statement(f"drop view if exists {view.sql}")]
    return (
        *drops,
        Statement(f"create or replace view {view.sql}{settings} as\n{definition.strip().rstrip(';')}"),
        *grants,
        *_comment(f"view {view.sql}", words),
    )


def _assertion(connection: psycopg.Connection[Any], item: InstalledObject) -> tuple[Statement, ...]:
    view = TableName.parse(item.name)
    definition, words, _, _ = _one(connection, _VIEW, schema=view.schema, table=view.name)
    (slo,) = item.slos
    tables, relation, judge, hidden, version = _one(
        connection,
        "select tables, relation, judge, hidden, version from mlguard._assertion where slo = %(slo)s",
        slo=slo,
    )
    put = (
        f"select mlguard.put_assertion_v1(\n  {literal(slo)},\n  {texts(tables)},\n  {literal(relation)},\n"
        f"  {literal(judge)},\n  {str(hidden).lower()},\n  {literal(version)}\n)"
    )
    return (
        Statement(f"create view {view.sql} as\n{definition.strip().rstrip(';')}"),
        *_comment(f"view {view.sql}", words),
        Statement(put),
        Statement(f"select mlguard.try_assertion_v1({literal(slo)})", phase=Phase.VALIDATE),
    )


def _policies(connection: psycopg.Connection[Any], table: TableName) -> tuple[Statement, ...]:
    made = []
    for name, permissive, command, roles, using, check, words in catalog.rows(
        connection, _POLICIES, schema=table.schema, table=table.name
    ):
        to = ", ".join(quote_ident(role) if role else "public" for role in roles)
        kind = "permissive" if permissive else "restrictive"
        text = f"create policy {quote_ident(name)} on {table.sql}\nas {kind} for {_COMMANDS[command]} to {to}"
        text += f"\nusing ({using})" if using is not None else ""
        text += f"\nwith check ({check})" if check is not None else ""
        made.append(Statement(text, LOCK_CATALOGUE))
        made += _comment(f"policy {quote_ident(name)} on {table.sql}", words)
    return (*made, Statement(f"alter table {table.sql} enable row level security", LOCK_CATALOGUE))
