"""What `alembic revision --autogenerate` must not see: objects of mlguard, which no model declares.

Constraints and indexes are told by their names, which begin with `mlguard_`; the schema `mlguard` is left out whole.
A column that mlguard made NOT NULL looks like any other, so that a comparator asks the registry.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult

from mlguard.emit import gate, served
from mlguard.names import TableName

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import AlterColumnOp

PLUGIN = "mlguard.not_null"
ROLE = "mlguard_platform"  # may read the registry
SCHEMA = "mlguard"
PREFIX = "mlguard_"
DEFAULT_PLUGINS = ("alembic.autogenerate.*",)
_CONSTRAINTS = ("unique_constraint", "check_constraint", "foreign_key_constraint", "index")
_KEY = "mlguard_not_null"  # where what was read is kept for the rest of one comparison
_REGISTRY = """
select has_schema_privilege(n.oid, 'usage') and has_table_privilege(o.oid, 'select')
       and has_table_privilege(t.oid, 'select')
from pg_catalog.pg_namespace as n
join pg_catalog.pg_class as o on o.relnamespace = n.oid and o.relname = '_object'
join pg_catalog.pg_class as t on t.relnamespace = n.oid and t.relname = '_table'
where n.nspname = 'mlguard'
"""
_NOT_NULL = """
select t.schema_name, t.table_name, o.name
from mlguard._object as o join mlguard._table as t using (tbl)
where o.kind = 'NOT_NULL' and o.undo <> '{}'
"""

log = logging.getLogger(__name__)
NameFilter = Callable[[str | None, Any, Any], bool]
ObjectFilter = Callable[[Any, str | None, Any, bool, Any], bool]


def include_name(name: str | None, type_: str, parent_names: Mapping[str, str | None]) -> bool:
    """Say whether autogenerate may look at a schema, or at what is in it; for `include_name` of context.configure."""
    schema = name if type_ == "schema" else parent_names.get("schema_name")
    return schema != SCHEMA


def include_object(object_: Any, name: str | None, type_: str, reflected: bool, compare_to: Any) -> bool:
    """Say whether autogenerate may act on an object; for `include_object` of context.configure.

    False for tables of schema `mlguard` and for constraints and indexes named `mlguard_…` that only the database has;
    also for a guarded view that a model maps, and that autogenerate would create as a table.
    """
    if type_ == "table" and getattr(object_, "schema", None) == SCHEMA:
        return False
    if type_ == "table" and not reflected and compare_to is None:
        return not _is_view(object_)
    ours = reflected and type_ in _CONSTRAINTS and (name or "").startswith(PREFIX)
    return not (ours and compare_to is None)


def _is_view(table: sqlalchemy.Table) -> bool:
    """Say whether the name is that of the guarded or the served view of another table of the metadata."""
    for other in table.metadata.tables.values():
        if other is table or other.schema != table.schema:
            continue
        base = TableName(other.schema or "public", other.name)
        if table.name in (gate.view_name(base).name, served.view_name(base).name):
            return True
    return False


def options(**given: Any) -> dict[str, Any]:
    """Return the keyword arguments of context.configure with the filters of mlguard beside those given.

    Args:
        given: what context.configure takes. An `include_name`, `include_object` or `autogenerate_plugins` among it
            is kept: an object is included where yours and ours say so.
    """
    made = dict(given)
    made["include_name"] = _both(include_name, given.get("include_name"))
    made["include_object"] = _both(include_object, given.get("include_object"))
    made["autogenerate_plugins"] = [*(given.get("autogenerate_plugins") or DEFAULT_PLUGINS), PLUGIN]
    return made


def _both(ours: Callable[..., bool], yours: Callable[..., bool] | None) -> Callable[..., bool]:
    if yours is None:
        return ours
    return lambda *arguments: ours(*arguments) and yours(*arguments)


def leave_not_null(
    context: AutogenContext,
    alter: AlterColumnOp,
    schema: str | None,
    table: str,
    column: str,
    found: sqlalchemy.Column[Any],
    modelled: sqlalchemy.Column[Any],
) -> PriorityDispatchResult:
    """Keep autogenerate from making a column nullable that an SLO made NOT NULL."""
    if found.nullable or not modelled.nullable:
        return PriorityDispatchResult.CONTINUE
    connection = context.connection
    assert connection is not None
    kept: set[tuple[str, str, str]] | None = context.opts.get(_KEY)
    if kept is None:
        kept = context.opts[_KEY] = _not_null(connection)
    if (schema or connection.dialect.default_schema_name, table, f"{column} not null") not in kept:
        return PriorityDispatchResult.CONTINUE
    alter.existing_nullable = False
    return PriorityDispatchResult.STOP


def _not_null(connection: sqlalchemy.Connection) -> set[tuple[str, str, str]]:
    """Return the columns that SLOs made NOT NULL, as (schema, table, name of the object)."""
    if connection.dialect.name != "postgresql":
        return set()
    may = connection.scalar(sqlalchemy.text(_REGISTRY))
    if may is False:
        log.warning("no rights on schema mlguard: columns that an SLO made NOT NULL look as if you had; grant %s", ROLE)
    return {(row[0], row[1], row[2]) for row in connection.execute(sqlalchemy.text(_NOT_NULL))} if may else set()


def _register() -> None:
    """Make the comparator known to Alembic under its name, once a process."""
    try:
        plugin = Plugin(PLUGIN)
    except ValueError:  # known already: the module was imported anew
        return
    plugin.add_autogenerate_comparator(leave_not_null, "column", "nullable", priority=DispatchPriority.FIRST)


_register()
