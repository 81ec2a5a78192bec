"""The AFTER STATEMENT triggers of a table: rules judged on the rows as they landed, in one pass over them. Pure.

Here live warn and shadow rules, rejects that cannot be a CHECK, everything counted against `max_bad`, the
confirmation of repairs, and the freshness of the table. A transition table serves one event only, so there is one
trigger for each event; all judge through one function for each event kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlguard.emit import labelled, post_names, samples, single, states
from mlguard.emit.before_row import row_hash
from mlguard.emit.buckets import event_time
from mlguard.emit.cells import settings
from mlguard.emit.grouped import declarations, preparation
from mlguard.emit.groups import Grouping
from mlguard.emit.joins import joins_of
from mlguard.emit.objects import DbObject, function, indent
from mlguard.emit.rules import broken, key, literal, observed, one_line
from mlguard.emit.triggers import trigger, trigger_function
from mlguard.lang.measure import State
from mlguard.lang.tree import Expr
from mlguard.names import TableName, fit, quote_ident
from mlguard.program import Action, Place, Rule, TableProgram

WHY = "judges all rows of a statement in one pass"
LARGE = (
    1000  # rows of a statement from which on COMMIT also judges the windows that are due; smaller ones wait for sweep()
)
SAMPLE = 100  # lines of mlguard.violation a statement writes for one SLO; one more line counts the rest


def objects(program: TableProgram) -> list[DbObject]:
    """Return the functions and triggers, none where no rule needs them."""
    made: list[DbObject] = []
    if _judges_rows(program):
        judged = program.at(Place.AFTER_STATEMENT)
        rules = (*judged, *_counted(program), *_mending(program), *_aged(program), *program.judged)
        made += _pair(program, "after rows", _rows_body(program), ("insert", "update"), tuple(dict.fromkeys(rules)))
    if tracks_freshness(program) or states.removals(program):
        events = ("update", "delete", "truncate")
        rules = (*_aged(program), *(program.judged if states.removals(program) else ()))
        made += _pair(program, "after removal", _removal_body(program), events, rules)
    return made


def tracks_freshness(program: TableProgram) -> bool:
    """Say whether some SLO of the table asks how far its event times have come."""
    return bool(_aged(program))


def _aged(program: TableProgram) -> tuple[Rule, ...]:
    """Rules of the gate that read the freshness log; volumes are counted from the rows themselves."""
    return tuple(rule for rule in program.at(Place.GATE) if rule.volume is None)


def _counted(program: TableProgram) -> tuple[Rule, ...]:
    """Rules whose bad rows are judged at COMMIT."""
    return tuple(rule for rule in program.rules if rule.max_bad is not None)


def _mending(program: TableProgram) -> tuple[Rule, ...]:
    """Rules whose repairs are on record once their rows have landed."""
    return tuple(rule for rule in program.at(Place.BEFORE_ROW) if rule.action is Action.REPAIR)


def _logs_by_hash(program: TableProgram) -> bool:
    """Say whether lines of the change log are confirmed by the hash of the rows that landed."""
    steps = post_names.has_steps(program) and not post_names.unique_key(program)
    return bool(_mending(program)) or steps


def _judges_rows(program: TableProgram) -> bool:
    return bool(
        program.at(Place.AFTER_STATEMENT)
        or _counted(program)
        or _logs_by_hash(program)
        or tracks_freshness(program)
        or program.judged
    )


@dataclass(frozen=True)
class _Total:
    """What the pass over the rows finds: an aggregate over rows, and over groups of rows `g` where there are groups."""

    variable: str
    type: str
    rows: str
    groups: str


def _totals(program: TableProgram) -> list[_Total]:
    found = [_Total("_n", "bigint", "count(*)", "coalesce(sum(g.n), 0)")]
    for number, rule in enumerate(program.at(Place.AFTER_STATEMENT), 1):
        bad = f"count(*) filter (where {broken(rule, program, 'r')})"
        found.append(_Total(f"_bad_{number}", "bigint", bad, f"coalesce(sum(g.bad_{number}), 0)"))
    if tracks_freshness(program):
        at = event_time(program, "r")
        newest = f"max({at}) filter (where {at} <= statement_timestamp())"
        future = f"array_agg(distinct date_trunc('minute', {at})) filter (where {at} > statement_timestamp())"
        union = "(select array_agg(distinct f.at) from groups as o, unnest(o.future) as f (at))"
        found.append(_Total("_newest", "timestamptz", newest, "max(g.newest)"))
        found.append(_Total("_future", "timestamptz[]", future, union))
    return found


def _rows_body(program: TableProgram) -> tuple[tuple[str, ...], str]:
    """Return (declarations, body) of the function that judges the rows a statement wrote."""
    table = literal(str(program.table))
    rules = program.at(Place.AFTER_STATEMENT)
    totals = _totals(program)
    sets = _kept(program)
    declare = [f"{total.variable} {total.type}" for total in totals] + list(labelled.declaration(program))
    body: list[str] = [*labelled.before(program), *labelled.pairs(program, "new_rows", sign=1)]
    body += labelled.mark(program, "new_rows")
    if sets:
        more, statements = _states(program, totals)
        declare += more
        body += statements
    else:
        body.append(_select([total.rows for total in totals], [total.variable for total in totals], "new_rows as r"))
    for number, rule in enumerate(rules, 1):
        if rule.action is Action.REJECT and rule.max_bad is None and not rule.shadow:
            body.append(_reject(rule, program, f"_bad_{number}"))
    for number, rule in enumerate(rules, 1):
        if rule.action is not Action.REJECT or rule.max_bad is not None or rule.shadow:
            body.append(_record(rule, program, f"_bad_{number}"))
    source = states.statement_source(program, "new_rows")
    for by in [by for by in sets if by]:
        joined = states.statement_source(program, "new_rows", joins_of(program, by, sets[by]))
        body.append(_append(states.Select(Grouping(program, by, joined, by_load=True), sets[by]), sign=1))
    if samples.columns(program):
        body.append(samples.statement(program, source))
    if _counted(program) or states.judges_batches(program) or _judges_windows_now(program):
        pairs = [
            f"{literal(rule.id)}, _bad_{number}"
            for number, rule in enumerate(rules, 1)
            if rule.max_bad is not None and not rule.shadow
        ]
        counts = f"jsonb_build_object({', '.join(pairs)})" if pairs else "'{}'"
        landed = f"perform mlguard.landed_v1({table}, _n, {counts});"
        body.append(landed if _counted(program) else f"if {_batch_condition(program)} then\n  {landed}\nend if;")
    if _logs_by_hash(program):
        body.append(
            f"perform mlguard.confirm_repairs_v1({table},\n"
            f"  array(select {row_hash(program, 'r')} from new_rows as r))\n"
            f"  where exists (select from mlguard._change where tbl = {table} and pending);"
        )
    if tracks_freshness(program):
        body.append(f"perform mlguard.fresh_v1({table}, _newest, _future);")
    body.append("return null;")
    return tuple(declare), "\n".join(body)


def _kept(program: TableProgram) -> dict[tuple[str, ...], tuple[State, ...]]:
    """Return the states that are appended for the rows themselves, by segment columns."""
    return {by: states.of_rows(found) for by, found in states.needed(program).items()}


def _judges_windows_now(program: TableProgram) -> bool:
    """Say whether large loads are followed by a judgement of the windows that are due."""
    return program.base is not None and not program.writes_rows


def _batch_condition(program: TableProgram) -> str:
    """Return which statements make COMMIT judge: a load of no rows is a batch, an UPDATE that found none is not."""
    return "_n > 0 or TG_OP = 'INSERT'" if states.judges_batches(program) else f"_n >= {LARGE}"


def _select(columns: Sequence[str], targets: Sequence[str], source: str) -> str:
    return "select\n" + indent(",\n".join(columns)) + "\n  into\n" + indent(",\n".join(targets)) + f"\n  from {source};"


def _states(program: TableProgram, totals: list[_Total]) -> tuple[list[str], list[str]]:
    """Return further declarations, and the statements that append the states of all rows and find the totals."""
    sets = _kept(program)
    everything = [state for found in sets.values() for state in found]
    source = states.statement_source(program, "new_rows", joins_of(program, (), sets[()]))
    grouping = Grouping(program, (), source, by_load=True)
    sampled = samples.totals(grouping) if samples.columns(program) else []
    declare = [
        *declarations(everything),
        *(f"{name} {type_}" for name, type_, _ in sampled),
        *samples.declarations(program),
    ]
    before = [preparation(program, everything)] if preparation(program, everything) else []
    if program.writes_rows and len(totals) == 1 and len(sets) == 1:
        before += _short_way(program, grouping, sets[()])
    extra = tuple(f"{total.rows} as {total.variable.lstrip('_')}" for total in totals[1:])
    select = states.Select(grouping, sets[()], extra=extra)
    lands = _counted(program) or states.judges_batches(program) or _judges_windows_now(program)
    if len(totals) == 1 and not sampled and not lands:
        return declare, [*before, _append(select, sign=1)]
    put = f"appended as (\n{indent(states.append(select, sign=1))}\n)"
    found = [(total.variable, total.groups) for total in totals] + [(name, over) for name, _, over in sampled]
    chosen = _select([over for _, over in found], [name for name, _ in found], "groups as g")
    return declare, [*before, states.with_ctes([*select.ctes(), put], chosen)]


def _short_way(program: TableProgram, grouping: Grouping, found: Sequence[State]) -> list[str]:
    """Return what is done for a statement of one ordinary row, after which there is nothing left to do."""
    made = single.statement(grouping, found)
    if not made:
        return []
    landed = f"  perform mlguard.landed_v1({literal(str(program.table))}, 1, '{{}}');\n"
    ends = f"{landed if states.judges_batches(program) else ''}  return null;"
    return [f"-- one row in which nothing is missing\n{made};\nif found then\n{ends}\nend if;"]


def _append(select: states.Select, *, sign: int) -> str:
    return f"{states.with_ctes(select.ctes(), states.append(select, sign=sign))};"


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
    """Return (declarations, body) for UPDATE, DELETE and TRUNCATE: the newest row and states of rows may have gone.

    The one place where stored rows are read again: only when the newest event time itself was taken away, and when a
    partition was truncated by itself, because what went with it is not told.
    """
    table = literal(str(program.table))
    declare: tuple[str, ...] = ()
    emptied, body = [], []
    if tracks_freshness(program):
        declare = ("_gone timestamptz", "_seen pg_snapshot")
        newest = (
            f"select max({event_time(program, 't')}) from {program.table.sql} as t"
            f" where {event_time(program, 't')} <= statement_timestamp()"
        )
        recompute = (
            "_seen := pg_current_snapshot();  -- lines of rows that commit from here on are kept\n"
            f"perform mlguard.refreshed_v1({table}, ({newest}), _seen);"
        )
        emptied.append(recompute)
        body.append(
            f"select max({event_time(program, 'r')}) into _gone from old_rows as r"
            f" where {event_time(program, 'r')} <= statement_timestamp();\n"
            f"if _gone >= mlguard.newest_v1({table}) then\n{indent(recompute)}\nend if;"
        )
    if states.removals(program):
        more, statements = _removed_states(program)
        declare += more
        body += statements
        emptied += _truncated(program)
    body.append("return null;")
    emptied.append("return null;")
    text = "\n".join(emptied)
    return declare, f"if TG_OP = 'TRUNCATE' then\n{indent(text)}\nend if;\n" + "\n".join(body)


def _removed_states(program: TableProgram) -> tuple[tuple[str, ...], list[str]]:
    """Return declarations and the statements that append the states of what was taken away."""
    sets = _kept(program)
    everything = [state for found in sets.values() for state in found]
    body = [*labelled.before(program), *labelled.pairs(program, "old_rows", sign=-1)]
    body += [*labelled.mark(program, "old_rows"), *filter(None, [preparation(program, everything)])]
    for by, found in sets.items():
        source = states.statement_source(program, "old_rows", joins_of(program, by, found))
        body.append(_append(states.Select(Grouping(program, by, source, by_load=True), found, removed=True), sign=-1))
        if not by and states.judges_batches(program):
            landed = f"perform mlguard.landed_v1({literal(str(program.table))}, 0, '{{}}');"
            body.append(f"if found and TG_OP = 'DELETE' then  -- it may mend a batch that is held\n  {landed}\nend if;")
    return (*declarations(everything), *labelled.declaration(program)), body


def _truncated(program: TableProgram) -> list[str]:
    table = literal(str(program.table))
    landed = f"perform mlguard.landed_v1({table}, 0, '{{}}');"
    whole = f"perform mlguard.truncated_v1({table});"
    if not program.shape.partitioned:
        return [whole]
    counted = f"perform mlguard.part_emptied_v1({table});" if states.recount_name(program) else ""
    part = "\n".join(filter(None, [counted, landed if states.judges_batches(program) else ""]))
    named = f"TG_RELID = {literal(program.table.sql)}::regclass"
    return [f"if {named} then\n{indent(whole)}\nelse\n{indent(part)}\nend if;"]


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
    ids = tuple(rule.id for rule in rules) or (str(program.table),)
    made = function(
        f"{name}()",
        returns="trigger",
        attributes="security definer\nset search_path = pg_catalog, pg_temp" + settings(_texts(program)),
        about=f"{one_line(str(program.table))}, once a statement, over the rows it wrote or took away.",
        declare=declare,
        body=indent(body),
    )
    found = [trigger_function(program, name, made, ids, WHY)]
    for relation in (program.table, *program.shape.partitions):
        found += [_trigger(program, relation, f"zz_mlguard_{label}", event, name, ids) for event in events]
    return found


def _texts(program: TableProgram) -> tuple[Expr, ...]:
    """Return the columns whose text becomes part of what is kept."""
    return (*states.text_arguments(program), *samples.text_columns(program))


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
