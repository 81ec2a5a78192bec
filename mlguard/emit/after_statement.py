"""The AFTER STATEMENT triggers of a table: rules judged on the rows as they landed, in one pass over them. Pure.

Here live warn and shadow rules, rejects that cannot be a CHECK, everything counted against `max_bad`, the
confirmation of repairs, and the freshness of the table. A transition table serves one event only, so there is one
trigger for each event; all judge through one function for each event kind.
"""

from __future__ import annotations

from mlguard.emit.before_row import row_hash
from mlguard.emit.objects import DbObject, function, indent
from mlguard.emit.pg_expr import to_sql
from mlguard.emit.rules import broken, key, literal, observed, one_line
from mlguard.emit.triggers import trigger, trigger_function
from mlguard.lang.types import Kind as TypeKind
from mlguard.names import TableName, fit, quote_ident
from mlguard.program import Action, Place, Rule, TableProgram

WHY = "judges all rows of a statement in one pass"
SAMPLE = 100  # lines of mlguard.violation a statement writes for one SLO; one more line counts the rest


def objects(program: TableProgram) -> list[DbObject]:
    """Return the functions and triggers, none where no rule needs them."""
    made: list[DbObject] = []
    if _judges_rows(program):
        judged = program.at(Place.AFTER_STATEMENT)
        rules = dict.fromkeys((*judged, *_counted(program), *_mending(program), *program.at(Place.GATE)))
        made += _pair(program, "after rows", _rows_body(program), ("insert", "update"), tuple(rules))
    if tracks_freshness(program):
        events = ("update", "delete", "truncate")
        made += _pair(program, "after removal", _removal_body(program), events, program.at(Place.GATE))
    return made


def tracks_freshness(program: TableProgram) -> bool:
    """Say whether some SLO of the table asks for staleness()."""
    return bool(program.at(Place.GATE))


def _counted(program: TableProgram) -> tuple[Rule, ...]:
    """Rules whose bad rows are judged at COMMIT."""
    return tuple(rule for rule in program.rules if rule.max_bad is not None)


def _mending(program: TableProgram) -> tuple[Rule, ...]:
    """Rules whose repairs are on record once their rows have landed."""
    return tuple(rule for rule in program.at(Place.BEFORE_ROW) if rule.action is Action.REPAIR)


def _judges_rows(program: TableProgram) -> bool:
    return bool(
        program.at(Place.AFTER_STATEMENT) or _counted(program) or _mending(program) or tracks_freshness(program)
    )


def event_time(program: TableProgram, row: str) -> str:
    """Return the event time as timestamptz; zoneless times are read in the table's time zone."""
    assert program.event_time is not None
    text = to_sql(program.event_time, row, program.time_zone)
    zone = literal(program.time_zone)
    kind = program.event_time.type.kind
    if kind is TypeKind.DATE:
        return f"(({text})::timestamp at time zone {zone})"
    if kind is TypeKind.TIMESTAMP:
        return f"(({text}) at time zone {zone})"
    return f"({text})"


def _rows_body(program: TableProgram) -> tuple[tuple[str, ...], str]:
    """Return (declarations, body) of the function that judges the rows a statement wrote."""
    table = literal(str(program.table))
    rules = program.at(Place.AFTER_STATEMENT)
    declare = ["_n bigint"]
    targets, columns = ["_n"], ["count(*)"]
    for number, rule in enumerate(rules, 1):
        declare.append(f"_bad_{number} bigint")
        targets.append(f"_bad_{number}")
        columns.append(f"count(*) filter (where {broken(rule, program, 'r')})")
    if tracks_freshness(program):
        at = event_time(program, "r")
        declare += ["_newest timestamptz", "_future timestamptz[]"]
        targets += ["_newest", "_future"]
        columns.append(f"max({at}) filter (where {at} <= statement_timestamp())")
        columns.append(f"array_agg(distinct date_trunc('minute', {at})) filter (where {at} > statement_timestamp())")
    body = [
        "select\n"
        + indent(",\n".join(columns))
        + "\n  into\n"
        + indent(",\n".join(targets))
        + "\n  from new_rows as r;"
    ]
    for number, rule in enumerate(rules, 1):
        if rule.action is Action.REJECT and rule.max_bad is None and not rule.shadow:
            body.append(_reject(rule, program, f"_bad_{number}"))
    for number, rule in enumerate(rules, 1):
        if rule.action is not Action.REJECT or rule.max_bad is not None or rule.shadow:
            body.append(_record(rule, program, f"_bad_{number}"))
    if _counted(program):
        pairs = [
            f"{literal(rule.id)}, _bad_{number}"
            for number, rule in enumerate(rules, 1)
            if rule.max_bad is not None and not rule.shadow
        ]
        counts = f"jsonb_build_object({', '.join(pairs)})" if pairs else "'{}'"
        body.append(f"perform mlguard.landed_v1({table}, _n, {counts});")
    if _mending(program):
        body.append(
            f"perform mlguard.confirm_repairs_v1({table},\n"
            f"  array(select {row_hash(program, 'r')} from new_rows as r))\n"
            f"  where exists (select from mlguard._change where tbl = {table} and pending);"
        )
    if tracks_freshness(program):
        body.append(f"perform mlguard.fresh_v1({table}, _newest, _future);")
    body.append("return null;")
    return tuple(declare), "\n".join(body)


def _reject(rule: Rule, program: TableProgram, count: str) -> str:
    refuse = (
        f"perform mlguard.refuse_v1({literal(rule.id)}, {observed(rule, program, 'r')},"
        f" {key(program, 'r', rule=rule)})\n"
        f"from new_rows as r where {broken(rule, program, 'r')} limit 1;"
    )
    return (
        f"-- reject {one_line(rule.name)}\nif {count} > 0 then\n  if mlguard.waived_v1({literal(rule.id)}) then\n"
        f"{indent(_lines(rule, program, count, literal('NOTED'), literal('waived')), 4)}\n  else\n"
        f"{indent(refuse, 4)}\n  end if;\nend if;"
    )


def _record(rule: Rule, program: TableProgram, count: str) -> str:
    kind = "shadow" if rule.shadow else rule.action.value
    if rule.shadow:
        outcome, reason = literal("NOTED"), literal("shadow")
    else:
        waived = f"mlguard.waived_v1({literal(rule.id)})"
        outcome = f"case when {waived} then 'NOTED' else 'FAIL' end"
        reason = f"case when {waived} then 'waived' end"
    return (
        f"-- {kind} {one_line(rule.name)}\nif {count} > 0 then\n"
        f"{indent(_lines(rule, program, count, outcome, reason))}\nend if;"
    )


def _lines(rule: Rule, program: TableProgram, count: str, outcome: str, reason: str) -> str:
    """Write one line a bad row up to SAMPLE, then one that counts the rest."""
    name = literal(rule.id)
    return (
        f"perform mlguard.note_v1({name}, {outcome}, {observed(rule, program, 'r')},"
        f" {key(program, 'r', rule=rule)}, _n, 1, {reason})\n"
        f"from (select * from new_rows as r where {broken(rule, program, 'r')} limit {SAMPLE}) as r;\n"
        f"if {count} > {SAMPLE} then\n"
        f"  perform mlguard.note_v1({name}, {outcome}, null, null, _n, {count} - {SAMPLE},"
        f" format('and %s more rows', {count} - {SAMPLE}));\nend if;"
    )


def _removal_body(program: TableProgram) -> tuple[tuple[str, ...], str]:
    """Return (declarations, body) for UPDATE, DELETE and TRUNCATE: the newest row may have gone.

    The one place where stored rows are read again: only when the newest event time itself was taken away.
    """
    table = literal(str(program.table))
    newest = (
        f"select max({event_time(program, 't')}) from {program.table.sql} as t"
        f" where {event_time(program, 't')} <= statement_timestamp()"
    )
    recompute = (
        "_seen := pg_current_snapshot();  -- lines of rows that commit from here on are kept\n"
        f"perform mlguard.refreshed_v1({table}, ({newest}), _seen);"
    )
    body = (
        f"if TG_OP = 'TRUNCATE' then\n{indent(recompute)}\n  return null;\nend if;\n"
        f"select max({event_time(program, 'r')}) into _gone from old_rows as r"
        f" where {event_time(program, 'r')} <= statement_timestamp();\n"
        f"if _gone >= mlguard.newest_v1({table}) then\n{indent(recompute)}\nend if;\n"
        "return null;"
    )
    return ("_gone timestamptz", "_seen pg_snapshot"), body


def _pair(
    program: TableProgram,
    label: str,
    content: tuple[tuple[str, ...], str],
    events: tuple[str, ...],
    rules: tuple[Rule, ...],
) -> list[DbObject]:
    """Return one function and its triggers on the table and on each partition.

    A row written through the parent fires the parent's statement trigger only, one written straight into a
    partition the partition's only: judged once either way.
    """
    declare, body = content
    name = f"mlguard.{quote_ident(fit(f'{label} {program.table}'))}"
    ids = tuple(rule.id for rule in rules)
    made = function(
        f"{name}()",
        returns="trigger",
        attributes="security definer\nset search_path = ''",
        about=f"{one_line(str(program.table))}, once a statement, over the rows it wrote or took away.",
        declare=declare,
        body=indent(body),
    )
    found = [trigger_function(program, name, made, ids, WHY)]
    for relation in (program.table, *program.shape.partitions):
        found += [_trigger(program, relation, f"zz_mlguard_{label}", event, name, ids) for event in events]
    return found


def _trigger(
    program: TableProgram, relation: TableName, label: str, event: str, function_name: str, ids: tuple[str, ...]
) -> DbObject:
    tables = {
        "insert": "\nreferencing new table as new_rows",
        "update": "\nreferencing new table as new_rows",
        "delete": "\nreferencing old table as old_rows",
        "truncate": "",
    }[event]
    if event == "update" and "removal" in label:
        tables = "\nreferencing old table as old_rows"
    rest = f"after {event} on {relation.sql}{tables}\nfor each statement\nexecute function {function_name}()"
    return trigger(program, relation, f"{label} {event}".replace(" ", "_"), rest, ids, WHY)
