"""Rules that live as constraints of the table: CHECK, NOT NULL, UNIQUE, FOREIGN KEY. Pure."""

from __future__ import annotations

from mlguard.emit.objects import (
    LOCK_BOTH_SCAN,
    LOCK_CATALOGUE,
    LOCK_REFERENCES,
    LOCK_SCAN,
    DbObject,
    Kind,
    Phase,
    Statement,
    comment,
    indent,
)
from mlguard.emit.rules import broken, core_broken, key, literal, observed
from mlguard.names import fit, quote_ident
from mlguard.program import Existing, Rule, TableProgram


def constraint_name(rule: Rule) -> str:
    """Return the constraint's name, `mlguard_<slo name>` within 63 bytes; clients map it back to the SLO."""
    return fit(f"mlguard_{rule.name}")


def index_name(rule: Rule) -> str:
    """Return the name of a unique constraint, which is its index's too, and so unique in the schema."""
    return fit(f"mlguard_{rule.name}@{rule.table.name}")


def _address(rule: Rule, name: str) -> str:
    return f"constraint {quote_ident(name)} on {rule.table.sql}"


def _validate(rule: Rule, name: str, program: TableProgram, lock: str = LOCK_SCAN) -> tuple[Statement, ...]:
    """NOT VALID and VALIDATE in one transaction would hold the strong lock while scanning, so they are two."""
    if program.existing is Existing.ALLOW:
        return ()
    sql = f"alter table {rule.table.sql} validate constraint {quote_ident(name)}"
    return (Statement(sql, lock, Phase.VALIDATE),)


def check_condition(rule: Rule, program: TableProgram) -> str:
    """Return what stands inside CHECK (…).

    CASE rather than `(rule) IS NOT FALSE OR refuse()`: PostgreSQL folds NOT into the comparison, so a good row
    costs the comparison alone, and a NULL takes the ELSE.
    """
    if rule.portable:
        return f"({core_broken(rule, program, None)}) is not true"
    return (
        f"case\n  when {broken(rule, program, None)}\n  then mlguard.refuse_v1(\n    {literal(rule.id)},\n"
        f"    {observed(rule, program, None)},\n    {key(program, None, rule=rule)}\n  )\n  else true\nend"
    )


def check(rule: Rule, program: TableProgram) -> DbObject:
    """Return the CHECK constraint of a row rule."""
    name = constraint_name(rule)
    table = rule.table.sql
    add = (
        f"alter table {table}\n  add constraint {quote_ident(name)}\n"
        f"  check (\n{indent(check_condition(rule, program), 4)}\n  )\n  not valid"
    )
    return DbObject(
        table=rule.table,
        kind=Kind.CHECK,
        name=name,
        slos=(rule.id,),
        create=(
            Statement(add, LOCK_CATALOGUE),
            Statement(comment(_address(rule, name), rule.table, (rule.id,), add)),
            *_validate(rule, name, program),
        ),
        drop=(f"alter table {table} drop constraint if exists {quote_ident(name)}",),
        why=rule.placement.reason,
    )


def not_null(rule: Rule, program: TableProgram) -> DbObject:
    """Return NOT NULL, reached through a validated CHECK so that no scan happens under ACCESS EXCLUSIVE.

    SET NOT NULL skips its scan where a valid CHECK proves that no NULL exists (PostgreSQL manual, ALTER TABLE).
    A column that is NOT NULL already is left as it is, and stays so when the SLO goes.
    """
    assert rule.column is not None
    column = quote_ident(rule.column)
    table = rule.table.sql
    shape = program.shape.column(rule.column)
    name = f"{rule.column} not null"
    if shape is not None and shape.not_null:
        return DbObject(rule.table, Kind.NOT_NULL, name, (rule.id,), (), (), why="the column is NOT NULL already")
    helper = quote_ident(fit(f"mlguard_{rule.name}_proof"))
    return DbObject(
        table=rule.table,
        kind=Kind.NOT_NULL,
        name=name,
        slos=(rule.id,),
        create=(
            Statement(f"alter table {table} drop constraint if exists {helper}", LOCK_CATALOGUE),
            Statement(
                f"alter table {table} add constraint {helper} check ({column} is not null) not valid", LOCK_CATALOGUE
            ),
            Statement(f"alter table {table} validate constraint {helper}", LOCK_SCAN, Phase.VALIDATE),
            Statement(
                f"alter table {table} alter column {column} set not null, drop constraint {helper}",
                LOCK_CATALOGUE,
                Phase.FINISH,
            ),
        ),
        drop=(f"alter table {table} alter column {column} drop not null, drop constraint if exists {helper}",),
        why=rule.placement.reason,
    )


def unique(rule: Rule, program: TableProgram) -> DbObject:
    """Return UNIQUE over an index built CONCURRENTLY; on a partitioned table, where that is impossible, plainly.

    Columns that are unique already (a primary key, say) are left as they are.
    """
    name = index_name(rule)
    table = rule.table.sql
    columns = ", ".join(quote_ident(column) for column in rule.unique)
    if frozenset(rule.unique) in {frozenset(found) for found in program.shape.unique}:
        return DbObject(rule.table, Kind.UNIQUE, name, (rule.id,), (), (), why="the columns are unique already")
    add: tuple[Statement, ...]
    if program.shape.relkind == "p":
        add = (Statement(f"alter table {table} add constraint {quote_ident(name)} unique ({columns})", LOCK_CATALOGUE),)
    else:
        add = (
            Statement(
                f"create unique index concurrently {quote_ident(name)} on {table} ({columns})",
                LOCK_SCAN,
                Phase.PREPARE,
            ),
            Statement(
                f"alter table {table} add constraint {quote_ident(name)} unique using index {quote_ident(name)}",
                LOCK_CATALOGUE,
            ),
        )
    text = add[-1].sql
    return DbObject(
        table=rule.table,
        kind=Kind.UNIQUE,
        name=name,
        slos=(rule.id,),
        create=(*add, Statement(comment(_address(rule, name), rule.table, (rule.id,), text))),
        drop=(f"alter table {table} drop constraint if exists {quote_ident(name)}",),
        why=rule.placement.reason,
    )


def foreign_key(rule: Rule, program: TableProgram) -> DbObject:
    """Return the FOREIGN KEY of a `references` short form."""
    assert rule.references is not None
    assert rule.column is not None
    name = constraint_name(rule)
    target, column = rule.references
    table = rule.table.sql
    add = (
        f"alter table {table}\n  add constraint {quote_ident(name)}\n  foreign key ({quote_ident(rule.column)})"
        f" references {target.sql} ({quote_ident(column)})\n  not valid"
    )
    return DbObject(
        table=rule.table,
        kind=Kind.FOREIGN_KEY,
        name=name,
        slos=(rule.id,),
        create=(
            Statement(add, LOCK_REFERENCES),
            Statement(comment(_address(rule, name), rule.table, (rule.id,), add)),
            *_validate(rule, name, program, LOCK_BOTH_SCAN),
        ),
        drop=(f"alter table {table} drop constraint if exists {quote_ident(name)}",),
        why=rule.placement.reason,
    )
