"""All objects of one table, and the queries that count what breaks its rules. Pure."""

from __future__ import annotations

from mlguard.emit import (
    after_statement,
    assertions,
    before_row,
    gate,
    gate_partitions,
    labelled,
    requests,
    samples,
    served,
    states,
    training,
    verdicts,
    volume,
)
from mlguard.emit.constraints import check, foreign_key, not_null, unique
from mlguard.emit.objects import DbObject, Kind, Statement
from mlguard.emit.rules import broken, is_fallible, judge, key, literal, observed, whole_row
from mlguard.names import quote_ident
from mlguard.program import Action, Level, Place, Rule, TableProgram


def objects(program: TableProgram) -> tuple[DbObject, ...]:
    """Return everything wanted on the table, in order of creation."""
    made: list[DbObject] = []
    for rule in program.rules:
        if rule.level is Level.ROW and rule.expr is not None and is_fallible(rule, program):
            made.append(judge(rule, program))
        if can_refuse(rule):
            made.append(_counters(rule))
        match rule.placement.place:
            case Place.CHECK:
                made.append(check(rule, program))
            case Place.NOT_NULL:
                made.append(not_null(rule, program))
            case Place.UNIQUE:
                made.append(unique(rule, program))
            case Place.FOREIGN_KEY:
                made.append(foreign_key(rule, program))
            case _:
                pass  # made below, most as one function for all such rules of the table
    made += before_row.objects(program)
    made += requests.objects(program)
    made += states.objects(program)
    made += samples.objects(program)
    made += verdicts.objects(program)
    made += volume.objects(program)
    made += after_statement.objects(program)
    made += labelled.objects(program)
    made += assertions.objects(program)
    made += gate.objects(program)
    made += gate_partitions.objects(program)
    made += served.objects(program)
    made += training.objects(program)
    order = list(Kind)
    return tuple(sorted(made, key=lambda item: order.index(item.kind)))


def can_refuse(rule: Rule) -> bool:
    """Say whether the rule can refuse a write in mlguard's own words, so that refusals are counted."""
    if rule.shadow or rule.portable:
        return False
    if rule.placement.place is Place.CHECK:
        return True
    in_trigger = rule.placement.place in (Place.BEFORE_ROW, Place.AFTER_STATEMENT, Place.ASSERTION, Place.COMMIT)
    return in_trigger and (rule.action in (Action.REJECT, Action.QUARANTINE, Action.REPAIR) or rule.max_bad is not None)


def _counters(rule: Rule) -> DbObject:
    name = literal(rule.id)
    return DbObject(
        table=rule.table,
        kind=Kind.COUNTERS,
        name=rule.name,
        slos=(rule.id,),
        create=(Statement(count_refusals(rule.id)),),
        drop=(f"select mlguard.forget_refusals_v1(s.no) from mlguard._slo as s where s.id = {name}",),
        why="counts refused attempts, which roll back with their transaction",
        replaces_in_place=True,
    )


def count_refusals(slo: str) -> str:
    """Return the statement that makes the counters of an SLO whose record is there."""
    return f"select mlguard.count_refusals_v1(s.no) from mlguard._slo as s where s.id = {literal(slo)}"


def judged_in_place(program: TableProgram) -> tuple[Rule, ...]:
    """Return the rules that a scan of the stored rows can judge."""
    return tuple(rule for rule in program.rules if rule.expr is not None and rule.level is Level.ROW)


def count_broken(program: TableProgram, rules: tuple[Rule, ...], *, judges_installed: bool) -> str:
    """Return one query: the number of stored rows, then for each rule the number that break it.

    Args:
        program: the table.
        rules: rules with an expression.
        judges_installed: whether the judge functions of fallible rules exist; before the first apply they do not,
            and a row outside a rule's guard is counted as broken.
    """
    columns = ["count(*)"]
    columns += [f"count(*) filter (where {broken(rule, program, 'r', judged=judges_installed)})" for rule in rules]
    return "select\n  " + ",\n  ".join(columns) + f"\nfrom {program.table.sql} as r"


def sample_broken(program: TableProgram, rule: Rule, limit: int, *, judges_installed: bool) -> str:
    """Return a query for the first rows that break the rule: what was observed, and the key."""
    return (
        f"select {observed(rule, program, 'r')} as observed, {key(program, 'r', rule=rule)} as key\n"
        f"from {program.table.sql} as r where {broken(rule, program, 'r', judged=judges_installed)} limit {limit}"
    )


def count_duplicates(program: TableProgram, rule: Rule) -> str:
    """Return a query for the rows too many under UNIQUE (NULLs are distinct, as in the constraint)."""
    columns = ", ".join(quote_ident(column) for column in rule.unique)
    present = " and ".join(f"{quote_ident(column)} is not null" for column in rule.unique)
    return (
        f"select coalesce(sum(n - 1), 0)::bigint from (select count(*) as n from {program.table.sql}"
        f" where {present} group by {columns} having count(*) > 1) as d"
    )


def count_orphans(program: TableProgram, rule: Rule) -> str:
    """Return a query for the rows whose reference points nowhere."""
    assert rule.references is not None
    assert rule.column is not None
    target, column = rule.references
    own = f"r.{quote_ident(rule.column)}"
    return (
        f"select count(*) from {program.table.sql} as r where {own} is not null"
        f" and not exists (select from {target.sql} as t where t.{quote_ident(column)} = {own})"
    )


def quarantine_existing(program: TableProgram, rules: tuple[Rule, ...]) -> str:
    """Return the statement that moves stored rows which break `rules` into quarantine."""
    either = "\n   or ".join(broken(rule, program, "r") for rule in rules)
    reasons = "\n    || ".join(
        f"case when {broken(rule, program, 'g')} then jsonb_build_array(jsonb_build_object('slo', {literal(rule.id)},"
        f" 'observed', {observed(rule, program, 'g')})) else '[]' end"
        for rule in rules
    )
    return (
        f"with gone as (\n  delete from {program.table.sql} as r\n  where {either}\n  returning r.*\n)\n"
        f"select count(mlguard.withhold_v1({literal(str(program.table))},\n    {reasons},\n"
        f"    to_jsonb({whole_row('g')}), {whole_row('g')}::text,\n"
        f"    {key(program, 'g', whole=True)}, 'APPLY', false)::text)\nfrom gone as g"
    )
