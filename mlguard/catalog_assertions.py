"""What PostgreSQL says of assertions: the shape of the tables they read, and what it understands their SELECT to be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlguard import catalog
from mlguard.errors import Problem, SpecError
from mlguard.lang.types import Kind, SqlType
from mlguard.names import TableName
from mlguard.program import Program, Rule, TableShape

if TYPE_CHECKING:
    import psycopg

_KIN = """
with recursive below (root, oid) as (
  select c.oid, i.inhrelid
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  join pg_catalog.pg_inherits as i on i.inhparent = c.oid
  where (n.nspname, c.relname) in (select * from unnest(%(schemas)s::text[], %(names)s::text[]))
  union
  select b.root, i.inhrelid from below as b join pg_catalog.pg_inherits as i on i.inhparent = b.oid
)
select rn.nspname, r.relname, n.nspname, c.relname, c.relkind::text
from below as b
join pg_catalog.pg_class as r on r.oid = b.root
join pg_catalog.pg_namespace as rn on rn.oid = r.relnamespace
join pg_catalog.pg_class as c on c.oid = b.oid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
order by 1, 2, 3, 4
"""
_PARENTS = """
select n.nspname, c.relname, pn.nspname, p.relname
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
join pg_catalog.pg_inherits as i on i.inhrelid = c.oid
join pg_catalog.pg_class as p on p.oid = i.inhparent
join pg_catalog.pg_namespace as pn on pn.oid = p.relnamespace
where (n.nspname, c.relname) in (select * from unnest(%(schemas)s::text[], %(names)s::text[]))
"""
_SECURED = """
select n.nspname || '.' || c.relname
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where (n.nspname, c.relname) in (select * from unnest(%(schemas)s::text[], %(names)s::text[]))
  and pg_catalog.row_security_active(c.oid)
"""
# The stored tree of a view names every function, operator function, aggregate and relation by number, those that
# initdb made too, which pg_depend leaves out.
_TREE = """
with tree as (
  select r.ev_action::text as text
  from pg_catalog.pg_rewrite as r
  where r.ev_class = 'pg_temp.mlguard_assertion'::pg_catalog.regclass and r.rulename = '_RETURN'
)
select 'function', n.nspname, p.proname, p.provolatile::text
from tree
cross join lateral regexp_matches(tree.text, ':(?:funcid|opfuncid|aggfnoid|winfnoid) ([0-9]+)', 'g') as found (numbers)
join pg_catalog.pg_proc as p on p.oid = found.numbers[1]::pg_catalog.oid
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
union
select 'relation', n.nspname, c.relname, c.relkind::text
from tree
cross join lateral regexp_matches(tree.text, ':relid ([0-9]+)', 'g') as found (numbers)
join pg_catalog.pg_class as c on c.oid = found.numbers[1]::pg_catalog.oid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where c.oid <> 'pg_temp.mlguard_assertion'::pg_catalog.regclass
order by 1, 2, 3
"""
_READS_BY_NAME = ("table_to_xml", "schema_to_xml", "database_to_xml", "cursor_to_xml", "query_to_xml")
_PERSONAL = "select tbl from mlguard._table where pii <> '{}'"


def shapes(connection: psycopg.Connection[Any], tables: Iterable[TableName]) -> dict[TableName, TableShape]:
    """Return the shapes of the tables that assertions read: with every heir at any depth, and the parent.

    Text columns whose collation finds different texts equal are of no known type: they cannot be keys.
    """
    found = catalog.shapes(connection, tables)
    named = _named(found)
    kin: dict[TableName, list[tuple[TableName, str]]] = defaultdict(list)
    for schema, name, heir_schema, heir, kind in catalog.rows(connection, _KIN, **named):
        kin[TableName(schema, name)].append((TableName(heir_schema, heir), kind))
    parents = {
        TableName(schema, name): TableName(parent_schema, parent)
        for schema, name, parent_schema, parent in catalog.rows(connection, _PARENTS, **named)
    }
    return {
        table: replace(
            shape,
            # A foreign partition changes unseen, as a foreign table does.
            relkind="f" if any(kind == "f" for _, kind in kin[table]) else shape.relkind,
            partitions=(),
            heirs=tuple(heir for heir, _ in kin[table]),
            parent=parents.get(table),
            columns=tuple(
                replace(column, type=SqlType(Kind.OTHER, str(column.type))) if column.nondeterministic else column
                for column in shape.columns
            ),
        )
        for table, shape in found.items()
    }


def personal(connection: psycopg.Connection[Any]) -> frozenset[TableName]:
    """Return the guarded tables with pii columns, as far as the database knows; none where there is no runtime."""
    if not catalog.rows(connection, "select 1 where pg_catalog.to_regclass('mlguard._table') is not null"):
        return frozenset()
    return frozenset(TableName.parse(tbl) for (tbl,) in catalog.rows(connection, _PERSONAL))


def personal_columns(
    connection: psycopg.Connection[Any], tables: Iterable[TableName]
) -> dict[TableName, frozenset[str]]:
    """Return the pii columns of some tables, as far as they are guarded; none where there is no runtime."""
    if not catalog.rows(connection, "select 1 where pg_catalog.to_regclass('mlguard._table') is not null"):
        return {}
    found = catalog.rows(
        connection,
        "select tbl, pii from mlguard._table where tbl = any(%(tables)s)",
        tables=[str(table) for table in tables],
    )
    return {TableName.parse(tbl): frozenset(names) for tbl, names in found}


def examine(connection: psycopg.Connection[Any], program: Program) -> None:
    """Let PostgreSQL read every assertion as the body of a view that is never committed, and ask what it found.

    A view can be nothing but one SELECT that writes nothing. Of what it is made of, functions and operators must be
    pg_catalog's own and not volatile, relations those that were read from the text, and no row-level security may
    hide rows from the role that judges.

    Raises:
        SpecError: every assertion that PostgreSQL cannot read, or that is more than a question about stored rows.
    """
    problems = [
        problem
        for table in program.tables.values()
        for rule in table.rules
        if rule.assertion is not None
        for problem in _examined(connection, rule)
    ]
    if problems:
        raise SpecError(f"{len(problems)} faults in assertions", problems=problems)


def _examined(connection: psycopg.Connection[Any], rule: Rule) -> list[Problem]:
    import psycopg

    assert rule.assertion is not None
    try:
        with connection.transaction(force_rollback=True):
            connection.execute("set local search_path = ''")
            connection.execute(f"create temporary view mlguard_assertion as\n{rule.assertion.sql}".encode())
            made_of = catalog.rows(connection, _TREE)
            secured = catalog.rows(connection, _SECURED, **_named(rule.assertion.tables))
    except psycopg.errors.DuplicateColumn as error:
        return [
            _problem(rule, f"{_said(error)} in the result", "give each column of the result a name of its own: AS …")
        ]
    except psycopg.errors.ReadOnlySqlTransaction:
        return []  # a standby: what it holds was examined when it was applied
    except psycopg.errors.InsufficientPrivilege as error:
        return [_problem(rule, _said(error), "plan as the role that applies; it needs TEMPORARY on the database")]
    except psycopg.DatabaseError as error:
        return [_problem(rule, f"PostgreSQL cannot read the SELECT: {_said(error)}", error.diag.message_hint or "")]
    found: list[Problem] = []
    for what, schema, name, kind in made_of:
        if what == "function":
            found += _function(rule, schema, name, kind)
        elif TableName(schema, name) not in rule.assertion.tables:
            found.append(_problem(rule, f"PostgreSQL reads {schema}.{name} in the SELECT", "write schema.table"))
    found += [
        _problem(
            rule,
            f"row-level security hides rows of {table} from the role that applies, which is the one that judges",
            "apply as the owner of that table, or give the role BYPASSRLS",
        )
        for (table,) in secured
    ]
    return found


def _function(rule: Rule, schema: str, name: str, volatility: str) -> list[Problem]:
    if schema != "pg_catalog":
        message = f"{schema}.{name}() is outside pg_catalog: its body may change without a write"
        return [_problem(rule, message, "write what it computes into the SELECT")]
    if volatility == "v":
        message = f"{name}() is volatile: what is a violation would be chance"
        return [_problem(rule, message, "judge stored values; now() stands still within a transaction")]
    if name.startswith(_READS_BY_NAME):
        message = f"{name}() reads a table that it is told at run time, whose writes nobody would judge"
        return [_problem(rule, message, "read the table in FROM")]
    return []


def _problem(rule: Rule, message: str, help_: str) -> Problem:
    return Problem(f"{rule.name}: {message}", rule.where_in_file, help_)


def _said(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).strip()


def _named(tables: Iterable[TableName]) -> dict[str, Any]:
    listed = list(tables)
    return {"schemas": [table.schema for table in listed], "names": [table.name for table in listed]}
