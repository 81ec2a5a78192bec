"""What a table written row by row (`writes: rows`) runs for every row, good ones above all. Pure.

A statement that writes one row pays for each function it enters and for each setting that function pins: pinning
search_path alone costs as much as ten rules. So a good row meets only functions that pin nothing. That is safe where
nothing in them is looked up by name: their calls are qualified, with arguments of the exact types, and the rules
themselves stand in a function with BEGIN ATOMIC, whose operators PostgreSQL bound when it was made. PostgreSQL puts
that function's text in place of its call, so that it is never called either.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlguard.emit.objects import DbObject, Kind, Statement, comment, function, indent
from mlguard.emit.rules import broken, literal, one_line
from mlguard.emit.triggers import trigger_function
from mlguard.lang.analyse import lookups_of
from mlguard.lang.types import without_modifier
from mlguard.names import fit, quote_ident
from mlguard.program import Rule, TableProgram

MAX_ARGUMENTS = 100  # FUNC_MAX_ARGS


@dataclass(frozen=True)
class Slow:
    """The function for a row that breaks a rule: what it pins, declares and does."""

    attributes: str
    declare: tuple[str, ...]
    body: str


def applies(program: TableProgram, rules: tuple[Rule, ...]) -> bool:
    """Say whether the rules can stand in a function that PostgreSQL puts in place of its call.

    A subquery keeps it from doing so. An argument of a function has no collation of its own, which matters where the
    column's takes different strings as equal.
    """
    columns = columns_of_rules(rules)
    folded = {column.name for column in program.shape.columns if column.nondeterministic}
    fits = 0 < len(columns) <= MAX_ARGUMENTS and not folded & set(columns)
    return program.writes_rows and fits and not looks_up(rules)


def looks_up(rules: tuple[Rule, ...]) -> bool:
    """Say whether a rule reads another table."""
    return any(lookups_of(part) for rule in rules for part in (rule.expr, rule.where) if part is not None)


def summary(rules: tuple[Rule, ...]) -> str:
    """Return the rules as a function's remark lists them."""
    return "\n".join(f"  {rule.action.value} {one_line(rule.name)}: {one_line(rule.text)}" for rule in rules)


def functions(program: TableProgram, rules: tuple[Rule, ...], name: str, slow: Slow, why: str) -> list[DbObject]:
    """Return the function that holds the rules, the one for rows that break them, and the trigger's."""
    ids = tuple(rule.id for rule in rules)
    table = one_line(str(program.table))
    broken_, judged = breaks(program, rules)
    acts = f"mlguard.{quote_ident(fit(f'broken row {program.table}'))}"
    act = function(
        f"{acts}(new record, old record, tg_op text)",
        returns="record",
        attributes=slow.attributes,
        about=f"Row rules of {table}, called for the rows that break one of them:\n{summary(rules)}",
        declare=slow.declare,
        body=indent(slow.body),
    )
    columns = ", ".join(f"NEW.{quote_ident(column)}" for column in columns_of_rules(rules))
    enter = function(
        f"{name}()",
        returns="trigger",
        attributes="security definer",
        about=f"Every row written to {table}. Pins no search_path, which a good row would pay for: nothing here is\n"
        "looked up in it.",
        declare=(),
        body=f"  if {broken_}({columns}) is not true then\n    return NEW;\n  end if;\n"
        f"  return {acts}(NEW, OLD, TG_OP);",
    )
    return [
        judged,
        private(program, f"{acts}(record, record, text)", act, ids, "decides what happens to a row that breaks a rule"),
        trigger_function(program, name, enter, ids, why),
    ]


def told(program: TableProgram) -> str:
    """Return the body of the statement trigger's function that warns of rows that were kept out."""
    table = literal(str(program.table))
    listed = f"pg_catalog.strpos(pg_catalog.current_setting('mlguard.kept_out', true), {literal(f'|{program.table}|')})"
    return (
        f"  if {listed} operator(pg_catalog.>) 0 then\n    perform mlguard.kept_out_warning_v1({table});\n  end if;\n"
        "  return null;"
    )


def columns_of_rules(rules: tuple[Rule, ...]) -> tuple[str, ...]:
    """Return the columns that rules read, each once: the parameters of `breaks`."""
    return tuple(dict.fromkeys(column for rule in rules for column in rule.columns))


def breaks(program: TableProgram, rules: tuple[Rule, ...]) -> tuple[str, DbObject]:
    """Return the name and the making of the function that says whether a row may break a rule.

    Its columns are part of the name: CREATE OR REPLACE FUNCTION cannot rename a parameter. Where a rule could raise,
    the row counts as one that may: a call of the rule's judge would bind this function to it.
    """
    columns = columns_of_rules(rules)
    types = {column.name: str(column.type) for column in program.shape.columns}
    parameters = ", ".join(f"{quote_ident(column)} {types[column]}" for column in columns)
    argument_types = ", ".join(without_modifier(types[column]) for column in columns)
    listed = ", ".join(columns)
    name = f"mlguard.{quote_ident(fit(f'breaks {program.table} ({listed})'))}"
    conditions = "\n    or ".join(f"({broken(rule, program, None, judged=False)})" for rule in rules)
    made = (
        f"create or replace function {name}({parameters})\nreturns boolean\nlanguage sql\nstable\n"
        f"begin atomic\n  select {conditions};\nend"
    )
    ids = tuple(rule.id for rule in rules)
    return name, private(program, f"{name}({argument_types})", made, ids, "holds the rules, bound when it was made")


def private(program: TableProgram, signature: str, sql: str, slos: tuple[str, ...], why: str) -> DbObject:
    """Return a function that only mlguard's own functions call."""
    return DbObject(
        table=program.table,
        kind=Kind.FUNCTION,
        name=signature,
        slos=slos,
        create=(
            Statement(sql),
            Statement(f"revoke all on function {signature} from public"),
            Statement(comment(f"function {signature}", program.table, slos, sql)),
        ),
        drop=(f"drop function if exists {signature}",),
        why=why,
        replaces_in_place=True,
    )
