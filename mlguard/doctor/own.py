"""Findings about mlguard's own schema: functions edited, triggers silenced, private tables opened, numbers set back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlguard import runtime_source
from mlguard.doctor.finding import Finding
from mlguard.names import quote_ident, quote_literal
from mlguard.operate.ask import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

# What everybody may call: CHECKs, views, policies and triggers call it as the writer or reader, loaders call it
# themselves. Judges of rules that could raise are open too; they are among the objects that apply makes.
PUBLIC = (
    "_same_columns",
    "_written",
    "begin_batch",
    "copying_v1",
    "end_batch",
    "gate_open_v1",
    "guard_between_v1",
    "guard_v1",
    "may_mend_v1",
    "publish",
    "refuse_v1",
)
APPLY = "mlguard apply"


def findings(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Yield what is not as the runtime was installed."""
    yield from _functions(connection)
    yield from _triggers(connection)
    yield from _opened(connection)
    yield from _calls(connection)
    yield from _numbers(connection)
    yield from _chain(connection)


def _functions(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    for name in runtime_source.edited(connection):
        message = f"function mlguard.{name} of the runtime is not what its version installs, or gone"
        yield Finding("runtime-edited", message, f"{APPLY}, which puts it back")


def _triggers(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    for table, trigger in runtime_source.silent(connection):
        message = f"trigger {trigger} of mlguard.{table} does not always fire: what it judges or keeps goes unjudged"
        fix = f"{APPLY}, or: alter table mlguard.{table} enable always trigger {trigger};"
        yield Finding("runtime-edited", message, fix)
    for table, trigger in runtime_source.gone(connection):
        message = f"trigger {trigger} of mlguard.{table} is gone: what it judges or keeps goes unjudged"
        fix = "run its CREATE TRIGGER of the runtime's SQL files (sql/runtime) again, as the owner of schema mlguard"
        yield Finding("runtime-edited", message, fix)


def _opened(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Private tables and sequences are their owner's alone; what triggers' conditions read is no secret."""
    found = values(
        connection,
        """
select array[format('mlguard.%%I', c.relname), case when c.relkind = 'S' then 'sequence' else 'table' end,
             case when a.grantee = 0 then 'public'
                  else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) end,
             string_agg(a.privilege_type, ', ' order by a.privilege_type)]
from pg_catalog.pg_class as c
cross join lateral pg_catalog.aclexplode(c.relacl) as a
where c.relnamespace = pg_catalog.to_regnamespace('mlguard') and c.relkind in ('r', 'S')
  and c.relname <> 'alembic_version' and a.grantee <> c.relowner
  and not (c.relkind = 'S' and a.grantee = 0 and a.privilege_type = 'SELECT')
group by c.relname, c.relkind, a.grantee
order by 1
""",
    )
    for relation, kind, role, rights in found:
        message = f"{role} has {rights} on private {kind} {relation}"
        yield Finding("opened", message, f"revoke all on {kind} {relation} from {role};")


def _calls(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    found = values(
        connection,
        """
select array[p.oid::regprocedure::text, p.proname, (p.proname = any (%(open)s))::text]
from pg_catalog.pg_proc as p
where p.pronamespace = pg_catalog.to_regnamespace('mlguard') and p.prokind = 'f' and p.proname = any (%(names)s)
  and pg_catalog.has_function_privilege('public', p.oid, 'execute') <> (p.proname = any (%(open)s))
  -- Where all are everybody's, as after a restore without privileges, one finding says so for all.
  and not exists (
    select from pg_catalog.pg_proc as g
    where g.oid = pg_catalog.to_regprocedure('mlguard.grant_roles()') and g.proacl is null and p.proacl is null)
order by 1
""",
        open=list(PUBLIC),
        names=list(runtime_source.functions()),
    )
    for signature, name, wanted in found:
        if wanted == "true":
            message = f"not everybody may call mlguard.{name}: writes or guarded reads of others fail"
            yield Finding("opened", message, f"grant execute on function {signature} to public;")
        else:
            message = f"everybody may call mlguard.{name}, which is not theirs"
            yield Finding("opened", message, f"revoke execute on function {signature} from public;")


def _numbers(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """A sequence that was set back gives numbers a second time, and writes fail on them."""
    found = values(
        connection,
        """
select array[d.objid::regclass::text, c.relname, a.attname]
from pg_catalog.pg_depend as d
join pg_catalog.pg_class as s on s.oid = d.objid and s.relkind = 'S'
join pg_catalog.pg_class as c on c.oid = d.refobjid
join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum = d.refobjsubid
where d.classid = 'pg_catalog.pg_class'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass
  and d.deptype in ('a', 'i') and c.relnamespace = pg_catalog.to_regnamespace('mlguard')
  and c.relpersistence = 'p'  -- what is not logged cannot be read on a standby, and no row of it stays
order by 1
""",
    )
    for sequence, table, column in found:
        highest = values(
            connection,
            f"select m.highest from (select max(t.{quote_ident(column)})::bigint as highest"
            f" from mlguard.{quote_ident(table)} as t) as m, {sequence} as s"
            " where m.highest > s.last_value or (m.highest = s.last_value and not s.is_called)",
        )
        for number in highest:
            message = f"sequence {sequence} was set back: mlguard.{table} has number {number} already, and writes fail"
            yield Finding("numbers", message, f"select setval({quote_literal(sequence).strip()}, {number});")


def _chain(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    found = values(connection, "select count(*) from mlguard.verify_audit() having count(*) > 0")
    for faults in found:
        message = f"the chain of audited events has {faults} {'fault' if faults == 1 else 'faults'}"
        fix = "mlguard audit verify names each; who could write to mlguard._event is its owner and superusers"
        yield Finding("audit", message, fix)
