"""Assertions: the view that holds the SELECT, the function that counts its rows, the triggers that ask for it. Pure.

The view is resolved once, when it is made: neither search_path nor a temporary object of a writer can change what it
means. A statement trigger on every table it reads notes that it must be judged, and which keys the statement touched;
the judgement itself, at COMMIT and under the assertion's lock, is the runtime's (0017).
"""

from __future__ import annotations

import re

from mlguard.emit.objects import (
    LOCK_ASSERTION,
    DbObject,
    Kind,
    Phase,
    Statement,
    comment,
    function,
    indent,
)
from mlguard.emit.rules import literal, one_line
from mlguard.emit.triggers import trigger, trigger_function
from mlguard.names import TableName, digest, fit, quote_ident
from mlguard.program import Action, Assertion, Existing, Rule, TableProgram

SAMPLES = 5  # rows of the result that a verdict keeps
LOOKED_AT = 5000  # rows of a statement whose keys are taken as they come; of more, the different ones
EVENTS = {
    "insert": "\nreferencing new table as new_rows",
    "update": "\nreferencing old table as old_rows new table as new_rows",
    "delete": "\nreferencing old table as old_rows",
    "truncate": "",
}
ISO = "\nset datestyle = 'ISO'"  # keys that are dates travel as text, and a writer may set how those look


def objects(program: TableProgram) -> list[DbObject]:
    """Return the objects of every assertion in the table's file, those on other tables among them."""
    rules = [rule for rule in program.rules if rule.assertion is not None]
    made: list[DbObject] = []
    for rule in rules:
        made += [_judge(rule, program), _view(rule, program)]
    tables = dict.fromkeys(table for rule in rules for table in _of(rule).tables)
    for table in tables:
        made += _watch(table, [rule for rule in rules if table in _of(rule).tables], program)
    return made


def view_name(rule: Rule) -> TableName:
    """Return the name of the view that holds the SELECT: fit to be typed, and the assertion's alone."""
    plain = re.sub(r"[^a-z0-9]+", "_", rule.name.lower()).strip("_")
    return TableName("mlguard", fit(f"assertion_{plain}_{digest(rule.id)[:8]}"))


def count_rows(rule: Rule, *, sample: int) -> str:
    """Return a query for the number of rows the assertion returns, and the first of them as jsonb (null: not shown)."""
    return _count(f"(\n{indent(_of(rule).sql, 4)}\n  )", "", sample=0 if _of(rule).hidden else sample)


def _of(rule: Rule) -> Assertion:
    assert rule.assertion is not None, rule.id
    return rule.assertion


def _judge_name(rule: Rule) -> str:
    return f"mlguard.{quote_ident(fit(f'judge assertion {rule.id}'))}"


def _count(source: str, condition: str, *, sample: int) -> str:
    if not sample:
        return f"select count(*), null::pg_catalog.jsonb\nfrom {source} as q{condition}"
    return (
        f"select count(*), jsonb_agg(f.found order by f.place) filter (where f.place <= {sample})\nfrom (\n"
        f"  select to_jsonb((q.*)) as found, row_number() over () as place\n  from {source} as q{condition}\n) as f"
    )


def _judge(rule: Rule, program: TableProgram) -> DbObject:
    """Return the function that counts the rows of the SELECT: of touched keys, or (null) all."""
    assertion = _of(rule)
    view = view_name(rule).sql
    sample = 0 if assertion.hidden else SAMPLES
    name = _judge_name(rule)
    body = f"return query\n{_count(view, '', sample=sample)};"
    declare: tuple[str, ...] = ()
    if assertion.keys:
        column = next(iter(assertion.keys.values()))[1]
        declare = (f"_touched pg_catalog.{_catalogue_name(assertion.key_type)}[] := _keys",)
        some = _count(view, f"\n  where q.{quote_ident(column)} = any (_touched)", sample=sample)
        body = f"if _keys is null then\n{indent(body)}\nelse\n  return query\n{indent(some)};\nend if;"
    made = function(
        f"{name}(_keys pg_catalog.text[])",
        returns="table (n bigint, samples pg_catalog.jsonb)",
        attributes="stable\nsecurity definer\nset search_path = pg_catalog, pg_temp\nset row_security = off"
        + (ISO if assertion.key_type == "date" else ""),
        about=f"{one_line(rule.id)}: how many rows the assertion returns, and the first of them.\n"
        "_keys: only rows whose key was touched can be new; null: all are counted.",
        declare=declare,
        body=indent(body),
    )
    return DbObject(
        table=program.table,
        kind=Kind.FUNCTION,
        name=f"{name}(text[])",
        slos=(rule.id,),
        create=(
            Statement(made),
            Statement(f"revoke all on function {name}(pg_catalog.text[]) from public"),
            Statement(comment(f"function {name}(pg_catalog.text[])", program.table, (rule.id,), made)),
        ),
        drop=(f"drop function if exists {name}(pg_catalog.text[])",),
        why=rule.placement.reason,
        replaces_in_place=True,
    )


def _catalogue_name(key_type: str) -> str:
    return {"bigint": "int8"}.get(key_type, key_type)


def _view(rule: Rule, program: TableProgram) -> DbObject:
    """Return the assertion itself: its view, its entry and lock row, and the first judgement of what is stored."""
    assertion = _of(rule)
    view = view_name(rule)
    acts = "shadow" if rule.shadow else rule.action.value
    made = f"create view {view.sql} as\n{assertion.sql}"
    tables = ", ".join(literal(str(table)) for table in assertion.tables)
    put = (
        f"-- {acts}\nselect mlguard.put_assertion_v1(\n  {literal(rule.id)},\n  array[{tables}],\n"
        f"  {literal(view.name)},\n  {literal(_judge_name(rule))},\n  {str(assertion.hidden).lower()},\n"
        f"  {literal(_version(assertion))}\n)"
    )
    create = [Statement(made), Statement(comment(f"view {view.sql}", program.table, (rule.id,), made)), Statement(put)]
    if program.existing is not Existing.ALLOW or rule.action is not Action.REJECT or rule.shadow:
        judged = f"select mlguard.try_assertion_v1({literal(rule.id)})"
        create.append(Statement(judged, LOCK_ASSERTION, Phase.VALIDATE))
    return DbObject(
        table=program.table,
        kind=Kind.ASSERTION,
        name=str(view),
        slos=(rule.id,),
        create=tuple(create),
        drop=(f"select mlguard.end_assertion_v1({literal(rule.id)})", f"drop view if exists {view.sql}"),
        why=rule.placement.reason,
    )


def _watch(table: TableName, rules: list[Rule], program: TableProgram) -> list[DbObject]:
    """Return the function that notes a write to one table, and its triggers there and on every heir and partition."""
    own = table == program.table
    label = f"after writes {table}" + ("" if own else f" for {program.table}")
    name = f"mlguard.{quote_ident(fit(label))}"
    ids = tuple(rule.id for rule in rules)
    columns = dict.fromkeys(_of(rule).keys[table][0] for rule in rules if table in _of(rule).keys)
    dates = any(_of(rule).key_type == "date" for rule in rules if table in _of(rule).keys)
    made = function(
        f"{name}()",
        returns="trigger",
        attributes="security definer\nset search_path = pg_catalog, pg_temp" + (ISO if dates else ""),
        about=f"{one_line(str(table))}, once a statement that wrote rows: has assertions judged at COMMIT.",
        declare=tuple(f"_keys_{number} pg_catalog.text[]" for number in range(1, len(columns) + 1)),
        body=indent(_watch_body(table, rules, list(columns))),
    )
    names = ", ".join(rule.name for rule in rules)
    why = f"every transaction that writes {table} has {names} judged at its COMMIT"
    found = [trigger_function(program, name, made, ids, why)]
    heirs = next((_of(rule).heirs.get(table, ()) for rule in rules), ())
    for relation in dict.fromkeys((table, *heirs)):
        for event, transition in EVENTS.items():
            called = f"zz_mlguard_assertions_{event}" + ("" if own else f"_{digest(str(program.table))[:8]}")
            rest = f"after {event} on {relation.sql}{transition}\nfor each statement\nexecute function {name}()"
            found.append(trigger(program, relation, called, rest, ids, why))
    return found


def _watch_body(table: TableName, rules: list[Rule], columns: list[str]) -> str:
    """Return the body: what to note after TRUNCATE, after a statement without rows, and after any other."""
    whole = "\n".join(_due(rule, "null") for rule in rules)
    noted = []
    for rule in rules:
        key = _of(rule).keys.get(table)
        keys = f"_keys_{columns.index(key[0]) + 1}" if key is not None else "null"
        noted.append(_due(rule, keys))
    branches = []
    for head, written, source in (
        ("if TG_OP = 'INSERT' then", "new_rows", "new_rows as r"),
        *([("elsif TG_OP = 'DELETE' then", "old_rows", "old_rows as r")] if columns else []),
        ("else", "old_rows", _before_and_after(columns)),
    ):
        lines = [f"if not exists (select from {written}) then\n  return null;\nend if;"]
        lines += [_keys(f"_keys_{number}", column, source) for number, column in enumerate(columns, 1)]
        branches.append(f"{head}\n" + indent("\n".join(lines)))
    return (
        f"if TG_OP = 'TRUNCATE' then\n{indent(whole)}\n  return null;\nend if;\n"
        + "\n".join(branches)
        + "\nend if;\n"
        + "\n".join(noted)
        + "\nreturn null;"
    )


def _due(rule: Rule, keys: str) -> str:
    return f"perform mlguard.assertion_due_v1({literal(rule.id)}, {literal(_version(_of(rule)))}, {keys});"


def _version(assertion: Assertion) -> str:
    """Return what tells the keys of one SELECT from those of another: both may be in force in one transaction."""
    keys = [f"{table}.{column}={result}" for table, (column, result) in sorted(assertion.keys.items())]
    return digest(assertion.sql, assertion.key_type, *keys)


def _before_and_after(columns: list[str]) -> str:
    """Return the rows of an UPDATE as they were and as they are, key columns only."""
    listed = ", ".join(f"u.{quote_ident(column)}" for column in columns)
    return f"(\n    select {listed} from old_rows as u\n    union all\n    select {listed} from new_rows as u\n  ) as r"


def _keys(variable: str, column: str, source: str) -> str:
    """Return the statements that collect the touched keys, at most a few thousand; too many mean the whole SELECT."""
    it = f"r.{quote_ident(column)}::pg_catalog.text"
    return (
        f"{variable} := array(\n  select {it} from {source} limit {LOOKED_AT + 1});\n"
        f"if cardinality({variable}) > {LOOKED_AT}\n"
        f"   and (select count(distinct k.key) from unnest({variable}) as k (key)) <= 1000 then\n"
        f"  {variable} := array(\n    select distinct {it} from {source} limit 1001);\nend if;"
    )
