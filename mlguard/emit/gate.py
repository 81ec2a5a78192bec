"""The read gate of a table: the guarded view, or the row-level-security policy, and what is revoked. Pure."""

from __future__ import annotations

from mlguard.emit import post_names, volume, withdrawn
from mlguard.emit.objects import LOCK_CATALOGUE, DbObject, Kind, Statement, comment, dollar_quote
from mlguard.emit.row_key import row_key
from mlguard.emit.rules import literal
from mlguard.names import TableName, fit, quote_ident
from mlguard.program import Action, Place, Reads, TableProgram

POLICY_GATE = "mlguard_gate"
POLICY_ROWS = "mlguard_all_rows"
TASK_ROLE = "mlguard_task"
AND = "\n  and "


def objects(program: TableProgram) -> list[DbObject]:
    """Return the gate's objects as `reads:` asks."""
    made: list[DbObject] = []
    if program.reads is Reads.VIEW:
        made.append(_view(program))
    elif program.reads is Reads.POLICY:
        made.append(_policy(program))
    made += [_revoke(program, role) for role in program.revoke]
    return made


def view_name(table: TableName) -> TableName:
    """Return the name of the guarded view."""
    return TableName(table.schema, fit(f"{table.name}_guarded"))


def _view(program: TableProgram) -> DbObject:
    """Return the guarded view.

    The condition does not depend on the row, so PostgreSQL evaluates it once, before any row, as a One-Time Filter:
    it raises on an empty table and for count(*) too. While the gate is open index probes decide, inline, which
    costs a prepared point read a third of what a function call would; guard_v1, which knows waivers and words, is
    called only when they fail.
    """
    why = "readers reach the table through its gate"
    return guarded_view(program, view_name(program.table), source(program), conditions(program), why)


def guarded_view(program: TableProgram, view: TableName, rows: str, where: list[str], why: str) -> DbObject:
    """Return a view of the table that tasks, and roles that lost the table itself, may read.

    `rows` is its FROM clause, `where` what must hold beside it.
    """
    made = f"create or replace view {view.sql} as\nselect\n{columns_sql(program)}\n{rows}"
    if where:
        made += f"\nwhere {AND.join(where)}"
    grants = [Statement(grant_if_role(view, role)) for role in dict.fromkeys((TASK_ROLE, *program.revoke))]
    return DbObject(
        table=program.table,
        on=view,
        kind=Kind.VIEW,
        name=str(view),
        slos=(str(program.table),),
        create=(
            Statement(made),
            *grants,
            Statement(comment(f"view {view.sql}", program.table, (str(program.table),), made)),
        ),
        drop=(f"drop view if exists {view.sql}",),
        why=why,
        replaces_in_place=True,
    )


def columns_sql(program: TableProgram) -> str:
    """Return the select list of a view over the table `t`: every column, in the table's order."""
    return ",\n".join(f"  t.{quote_ident(column.name)}" for column in program.shape.columns)


def source(program: TableProgram, *, span: tuple[str, str] | None = None) -> str:
    """Return the FROM clause of a view: the table as `t`, joined on the gate's condition to one row of no column.

    As a WHERE of the table alone the condition would become, from PostgreSQL 16 on, one of any outer join that has
    the view on its nullable side: asked only for rows that match, so that a held table without a match gives NULLs,
    and asked after a function of the reader's own was shown its rows. The condition of a join stays where it is.

    Where the view returns rows of a span of event times only, holds of windows outside it do not count.
    """
    return f"from (select offset 0) as gate\njoin {program.table.sql} as t\n  on {open_condition(program, span=span)}"


def conditions(program: TableProgram) -> list[str]:
    """Return what must hold for a row `t` to be read through a view, beside the gate."""
    withheld = [unwithheld(program, "t")] if post_names.routes(program) else []
    return [*withheld, *withdrawn.conditions(program)]


def open_condition(program: TableProgram, *, span: tuple[str, str] | None = None) -> str:
    """Return the condition of a view that is true while the gate is open, and raises while it is closed."""
    table = literal(str(program.table))
    guard = f"mlguard.guard_v1({table})" if span is None else f"mlguard.guard_between_v1({table}, {span[0]}, {span[1]})"
    holding = [rule for rule in program.at(Place.GATE) if rule.action is Action.HOLD and not rule.shadow]
    if any(rule.arrives is not None for rule in holding):
        # When the last deadline was is not said in a line.
        return guard
    ages = [rule.max_age for rule in holding if rule.max_age is not None]
    fresh = ""
    if ages:
        seconds = f"{min(ages).total_seconds():.6f}".rstrip("0").rstrip(".")
        fresh = (
            f"exists (\n      select from mlguard._freshness as f\n      where f.tbl = {table}\n"
            f"        and f.newest between statement_timestamp() - interval '{seconds} seconds'"
            " and statement_timestamp()\n    )\n    and "
        )
    full = "".join(f"\n    and {volume.enough(program, rule)}" for rule in holding if rule.volume is not None)
    return (
        f"case\n"
        f"    when {fresh}not exists (\n      select from mlguard._hold as h\n"
        f"      where h.tbl = {table} and h.ended_at is null\n    ){full}\n    then true\n"
        f"    else {guard}\n  end"
    )


def unwithheld(program: TableProgram, row: str) -> str:
    """Return that no person has yet to decide about a row, nor rejected it; one probe a query where none waits."""
    waiting = f"w.tbl = {literal(str(program.table))} and w.status in ('pending', 'rejected')"
    return (
        f"(\n    not (select exists (select from mlguard._review as w where {waiting}))\n    or not exists (\n"
        f"      select from mlguard._review as w\n      where {waiting}\n"
        f"        and w.row_key = {row_key(program, row)}\n    )\n  )"
    )


def grant_if_role(view: TableName, role: str) -> str:
    """Return a grant that a server without the role (it could not be created) passes over."""
    grant = f"grant select on {view.sql} to {quote_ident(role)}"
    return "do " + dollar_quote(
        f"begin\n  if exists (select from pg_catalog.pg_roles where rolname = {literal(role)}) then\n"
        f"    {grant};\n  end if;\nend"
    )


def _policy(program: TableProgram) -> DbObject:
    """Return the restrictive policy; a table without row security of its own gets one that admits every row."""
    table = program.table.sql
    gate = (
        f"create policy {POLICY_GATE} on {table}\nas restrictive for select to public\n"
        f"using ((select mlguard.may_mend_v1() or mlguard.guard_v1({literal(str(program.table))})))"
    )
    create = [Statement(gate, LOCK_CATALOGUE)]
    drop = [f"drop policy if exists {POLICY_GATE} on {table}"]
    if not program.shape.row_security:
        create.insert(
            0,
            Statement(
                f"create policy {POLICY_ROWS} on {table}\n"
                "as permissive for all to public\nusing (true) with check (true)",
                LOCK_CATALOGUE,
            ),
        )
        create.append(Statement(f"alter table {table} enable row level security", LOCK_CATALOGUE))
        drop = [
            f"alter table {table} disable row level security",
            *drop,
            f"drop policy if exists {POLICY_ROWS} on {table}",
        ]
    create.append(Statement(comment(f"policy {POLICY_GATE} on {table}", program.table, (str(program.table),), gate)))
    return DbObject(
        table=program.table,
        kind=Kind.POLICY,
        name=POLICY_GATE,
        slos=(str(program.table),),
        create=tuple(create),
        drop=tuple(drop),
        why="reads raise when a row would be returned while the gate is closed; writers may mend",
    )


def _revoke(program: TableProgram, role: str) -> DbObject:
    table = program.table.sql
    return DbObject(
        table=program.table,
        kind=Kind.REVOKE,
        name=f"select from {role}",
        slos=(str(program.table),),
        create=(Statement(f"revoke select on table {table} from {quote_ident(role)}"),),
        drop=(f"grant select on table {table} to {quote_ident(role)}",),
        why="reads of this role go through the gate",
        replaces_in_place=True,
    )
