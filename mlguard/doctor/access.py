"""Who can read a guarded table without passing its gate: roles, and views of other people's making."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlguard.doctor.finding import Finding, Table
from mlguard.emit.gate import TASK_ROLE, view_name
from mlguard.names import quote_ident
from mlguard.operate.ask import pinned, values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import psycopg

    from mlguard.names import TableName

PLATFORM = "mlguard_platform"

# A role may read past the gate where it may SELECT the table (or a partition of it, or a column), itself or through a
# role it inherits. Owners and platform roles answer for the table; superusers pass everything. Under a policy the
# table itself is the gate, and only roles that skip row security pass.
_READERS = """
select array[w.tbl, r.rolname,
  coalesce((
    select min(pg_catalog.pg_get_userbyid(a.grantee))
    from pg_catalog.aclexplode(c.relacl) as a
    where a.privilege_type = 'SELECT' and a.grantee <> 0 and a.grantee <> r.oid
      and pg_catalog.pg_has_role(r.oid, a.grantee, 'usage')
      and not exists (
        select from pg_catalog.aclexplode(c.relacl) as own
        where own.privilege_type = 'SELECT' and own.grantee = r.oid)
  ), ''),
  case when c.oid = w.oid then '' else c.oid::regclass::text end]
from unnest(%(tables)s::text[], %(schemas)s::text[], %(names)s::text[]) as given (tbl, schema_name, table_name)
join pg_catalog.pg_namespace as n on n.nspname = given.schema_name
join pg_catalog.pg_class as b on b.relnamespace = n.oid and b.relname = given.table_name
cross join lateral (select given.tbl, b.oid) as w
join pg_catalog.pg_class as c
  on c.oid = b.oid or c.oid in (select p.relid from pg_catalog.pg_partition_tree(b.oid) as p)
join pg_catalog.pg_roles as r
  on not r.rolsuper and r.rolname not like 'pg\\_%%'
  and not pg_catalog.pg_has_role(r.oid, c.relowner, 'usage')
where pg_catalog.has_schema_privilege(r.oid, c.relnamespace, 'usage')
  and (pg_catalog.has_table_privilege(r.oid, c.oid, 'select')
       or pg_catalog.has_any_column_privilege(r.oid, c.oid, 'select'))
  and not exists (
    select from pg_catalog.pg_roles as p
    where p.rolname = %(platform)s and pg_catalog.pg_has_role(r.oid, p.oid, 'usage'))
  and (r.rolbypassrls or not exists (
    select from pg_catalog.pg_policy as y where y.polrelid = c.oid and y.polname = 'mlguard_gate'))
order by 1
"""
_PUBLIC = """
select given.tbl
from unnest(%(tables)s::text[], %(schemas)s::text[], %(names)s::text[]) as given (tbl, schema_name, table_name)
join pg_catalog.pg_namespace as n on n.nspname = given.schema_name
join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = given.table_name
where pg_catalog.has_table_privilege('public', c.oid, 'select')
  and not exists (select from pg_catalog.pg_policy as y where y.polrelid = c.oid and y.polname = 'mlguard_gate')
"""


@dataclass(frozen=True)
class Reader:
    """A role that can read a table without passing its gate."""

    role: str
    through: str = ""  # the role it inherits the right from
    partition: str = ""  # the partition it can read, where it cannot read the table itself

    @property
    def grantee(self) -> str:
        """The role whose grant it is."""
        return self.through or self.role

    def __str__(self) -> str:
        where = f" on partition {self.partition}" if self.partition else ""
        return f"{self.role}{f' (through {self.through})' if self.through else ''}{where}"


EVERYBODY = Reader("PUBLIC")


def bypass(connection: psycopg.Connection[Any], tables: Iterable[TableName]) -> dict[TableName, tuple[Reader, ...]]:
    """Return, for each table that has any, the roles that could read it without passing a gate.

    Args:
        connection: the database; schema mlguard need not be installed.
        tables: tables that have a gate, or are to get one.
    """
    wanted = {str(table): table for table in tables}
    parameters = {
        "tables": list(wanted),
        "schemas": [table.schema for table in wanted.values()],
        "names": [table.name for table in wanted.values()],
    }
    found: dict[TableName, list[Reader]] = defaultdict(list)
    with pinned(connection):
        public = values(connection, _PUBLIC, **parameters)
        readers = values(connection, _READERS, platform=PLATFORM, **parameters)
    for tbl in public:
        found[wanted[tbl]].append(EVERYBODY)
    for tbl, role, through, partition in readers:
        known = found[wanted[tbl]]
        # Where everybody can, or a role can read the whole table, naming more adds nothing.
        if EVERYBODY not in known and all(reader.role != role for reader in known):
            known.append(Reader(role, through, partition))
    return {table: tuple(roles) for table, roles in found.items() if roles}


def _public_functions(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Yield a finding where grant_roles() has the rights that CREATE FUNCTION gives, which the runtime takes away."""
    found = values(
        connection,
        "select p.oid from pg_catalog.pg_proc as p"
        " where p.oid = pg_catalog.to_regprocedure('mlguard.grant_roles()') and p.proacl is null",
    )
    if found:
        message = "everybody may call every function of schema mlguard, as after a restore without privileges"
        yield Finding("public-functions", message, "select mlguard.grant_roles(); then mlguard apply")


def findings(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """Yield who may call what is not for them, who reads past the gates, and through which views."""
    yield from _public_functions(connection)
    gated = {table.name: table for table in tables if table.reads != "none" and table.oid is not None}
    for name, readers in bypass(connection, gated).items():
        table = gated[name]
        for reader in readers:
            relation = reader.partition or table.sql
            yield Finding(
                "reads-past-gate",
                f"{reader} may SELECT the table itself, not only its guarded view",
                f"`revoke: [{reader.grantee}]` in the SLO file, or: revoke select on {relation} from {reader.grantee};",
                table.tbl,
            )
    behind_view = [table for table in gated.values() if table.reads != "policy"]
    yield from _views(connection, behind_view)
    yield from _ungranted(connection, behind_view)
    yield from _owners(connection)


def _views(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """A view reads with the rights of its owner, so a view on the table itself is a way round the gate."""
    found = values(
        connection,
        """
select distinct array[t.tbl, r.ev_class::regclass::text]
from unnest(%(tables)s::text[], %(oids)s::oid[]) as t (tbl, oid)
join pg_catalog.pg_depend as d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = t.oid
join pg_catalog.pg_rewrite as r on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = r.oid
where r.ev_class <> t.oid
  and coalesce(pg_catalog.obj_description(r.ev_class, 'pg_class'), '') not like 'mlguard:%%'
order by 1
""",
        tables=[table.tbl for table in tables],
        oids=[table.oid for table in tables],
    )
    for tbl, view in found:
        yield Finding(
            "view-past-gate",
            f"view {view} reads the table itself, so its readers pass no gate",
            f"let {view} read the guarded view instead",
            tbl,
        )


def _ungranted(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    views = {view_name(table.name): table for table in tables}
    found = values(
        connection,
        """
select v.name
from unnest(%(names)s::text[], %(schemas)s::text[], %(relations)s::text[]) as v (name, schema_name, relation)
join pg_catalog.pg_namespace as n on n.nspname = v.schema_name
join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = v.relation
join pg_catalog.pg_roles as r on r.rolname = %(role)s
where not pg_catalog.has_table_privilege(r.oid, c.oid, 'select')
""",
        names=[str(view) for view in views],
        schemas=[view.schema for view in views],
        relations=[view.name for view in views],
        role=TASK_ROLE,
    )
    for view, table in views.items():
        if str(view) in found:
            yield Finding(
                "ungranted",
                f"{TASK_ROLE} may not SELECT {view}: tasks would have to read round the gate",
                f"grant select on {view.sql} to {TASK_ROLE};",
                table.tbl,
            )


def _owners(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Who owns a table can put code on it, which runs as mlguard's owner when mlguard reads or writes the table."""
    found = values(
        connection,
        """
with used as (
  select t.tbl, format('%%I.%%I', t.schema_name, t.table_name) as relation from mlguard._table as t
  union
  select t.tbl, j.line ->> 'table' from mlguard._table as t, jsonb_array_elements(t.joins) as j (line)
  union
  select split_part(a.slo, '/', 1), r.name from mlguard._assertion as a, unnest(a.tables) as r (name)
  union
  -- What a row rule or a post-prediction step looks up, as the language spells it.
  select o.tbl, m.found[1]
  from (
    select s.tbl, s.check_text as words from mlguard._slo as s
    union all
    select p.tbl, p.steps::text from mlguard._post_set as p where p.ended_at is null
  ) as o
  cross join lateral regexp_matches(
    o.words, 'in\\s*\\(\\s*select\\s+\\S+\\s+from\\s+([\\w$]+\\.[\\w$]+)\\s*\\)', 'gi') as m (found)
)
select distinct array[u.tbl, c.oid::regclass::text, pg_catalog.pg_get_userbyid(c.relowner),
                      pg_catalog.pg_get_userbyid(n.nspowner)]
from used as u
join pg_catalog.pg_class as c on c.oid = pg_catalog.to_regclass(u.relation)
join pg_catalog.pg_namespace as n on n.nspname = 'mlguard'
where not pg_catalog.pg_has_role(c.relowner, n.nspowner, 'member')
order by 1
""",
    )
    for tbl, relation, owner, ours in found:
        yield Finding(
            "owner",
            f"{relation} belongs to {owner}: code that {owner} puts on it (a trigger, a default, a cast of its type, a"
            f" view in its place) runs with the rights of {ours} when mlguard reads or writes it",
            f"if {owner} is not trusted with the rights of {ours}: alter table {relation} owner to"
            f" {quote_ident(ours)};",
            tbl,
        )
