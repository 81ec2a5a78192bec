"""A generated trigger function and a trigger as objects: what every one of them carries. Pure."""

from __future__ import annotations

from mlguard.emit.objects import LOCK_TRIGGER, DbObject, Kind, Statement, comment, on_table
from mlguard.names import TableName
from mlguard.program import TableProgram


def trigger_function(program: TableProgram, name: str, sql: str, slos: tuple[str, ...], why: str) -> DbObject:
    """Return a trigger function, which nobody but a trigger may call."""
    return DbObject(
        table=program.table,
        kind=Kind.FUNCTION,
        name=f"{name}()",
        slos=slos,
        create=(
            Statement(sql),
            Statement(f"revoke all on function {name}() from public"),
            Statement(comment(f"function {name}()", program.table, slos, sql)),
        ),
        drop=(f"drop function if exists {name}()",),
        why=why,
        replaces_in_place=True,
    )


def trigger(
    program: TableProgram, relation: TableName, name: str, rest: str, slos: tuple[str, ...], why: str
) -> DbObject:
    """Return a trigger on the table or on a partition of it; ALWAYS, so that the replica role does not get past it.

    Args:
        program: the table.
        relation: what the trigger hangs on.
        name: the trigger's name.
        rest: the statement after the name.
        slos: ids of the SLOs it serves.
        why: what plan says.
    """
    sql = f"create or replace trigger {name}\n{rest}"
    return DbObject(
        table=program.table,
        on=relation,
        kind=Kind.TRIGGER,
        name=name if relation == program.table else f"{name} on {relation}",
        slos=slos,
        create=(
            Statement(sql, LOCK_TRIGGER),
            Statement(f"alter table {relation.sql} enable always trigger {name}", LOCK_TRIGGER),
            Statement(
                comment(
                    f"trigger {name} on {relation.sql}", program.table, slos, on_table(sql, relation, program.table)
                )
            ),
        ),
        drop=(f"drop trigger if exists {name} on {relation.sql}",),
        why=why,
        replaces_in_place=True,
    )
