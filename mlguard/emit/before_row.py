"""The BEFORE ROW trigger of a table: repairs, quarantine and, on tables written row by row, rejects. Pure.

Order, as the docs state it: repairs run in file order; then every quarantine rule, and every repair rule once more, is
judged on the mended row, and what is kept out is the row as it arrived; rejects come last, on the row that would land,
which is where CHECKs judge it too.
"""

from __future__ import annotations

from mlguard.emit import inputs, memory, post, post_names, post_slow, post_statement, rows_mode
from mlguard.emit.objects import DbObject, function, indent
from mlguard.emit.pg_expr import to_sql
from mlguard.emit.rules import broken, key, literal, observed, one_line, whole_row
from mlguard.emit.triggers import trigger, trigger_function
from mlguard.lang.analyse import lookups_of
from mlguard.names import fit, quote_ident
from mlguard.program import Action, OnUpdate, Place, Rule, TableProgram

# BEFORE ROW triggers fire in name order: the last one sees the row as it will land.
TRIGGER = "zz_mlguard_before_row"
# Whether any waiver is in force at all: one probe of a small index spares a bad row the question for each of its rules.
WAIVERS = "exists (select from mlguard._waiver as w where w.ended_at is null and w.until > statement_timestamp())"
# A kept row is written down in full whatever the writer's session says: with fewer digits, or another spelling of
# intervals, what is released would not be what arrived; and of one key written in two time zones there would be two.
PLAIN = (
    "set datestyle = 'ISO, YMD'\nset timezone = 'UTC'\nset intervalstyle = 'postgres'\n"
    "set extra_float_digits = 1\nset bytea_output = 'hex'"
)
COUNT_TRIGGER = "zz_mlguard_count_before"
KEPT_OUT_TRIGGER = "zz_mlguard_kept_out"


def objects(program: TableProgram) -> list[DbObject]:
    """Return the function and trigger, and the WARNING trigger where rows can be kept out."""
    rules = program.at(Place.BEFORE_ROW)
    steps = post_names.has_steps(program)
    if not rules and not steps:
        return []
    made = [*(_stepped(program, rules) if steps else _functions(program, rules)), _trigger(program, rules)]
    if steps or _keeps_out(rules):
        made += _warning(program, rules)
    return made


def _keeps_out(rules: tuple[Rule, ...]) -> bool:
    return any(rule.action in (Action.QUARANTINE, Action.REPAIR) for rule in rules)


def _function_name(program: TableProgram) -> str:
    return f"mlguard.{quote_ident(fit(f'before row {program.table}'))}"


def _ids(rules: tuple[Rule, ...]) -> tuple[str, ...]:
    return tuple(rule.id for rule in rules)


def _functions(program: TableProgram, rules: tuple[Rule, ...]) -> list[DbObject]:
    """Return the trigger function; where rows come one by one, in the parts that spare a good row the cost of it."""
    attributes = "security definer\nset search_path = pg_catalog, pg_temp"
    if _keeps_out(rules):
        attributes += f"\n{PLAIN}"
    name = _function_name(program)
    declare, body = _judgement(program, rules)
    why = "; ".join(dict.fromkeys(rule.placement.reason for rule in rules))
    if rows_mode.applies(program, rules):
        return rows_mode.functions(program, rules, name, rows_mode.Slow(attributes, declare, body), why)
    called = "every row" if _unconditional(program, rules) else "the rows that break one of its rules"
    if _unconditional(program, rules):
        conditions = "\n  or ".join(broken(rule, program, "NEW") for rule in rules)
        body = f"if (\n  {conditions}\n) is not true then\n  return NEW;\nend if;\n{body}"
    made = function(
        f"{name}()",
        returns="trigger",
        attributes=attributes,
        about=f"Row rules of {one_line(str(program.table))}, called for {called}:\n{rows_mode.summary(rules)}",
        declare=declare,
        body=indent(body),
    )
    return [trigger_function(program, name, made, _ids(rules), why)]


def _stepped(program: TableProgram, rules: tuple[Rule, ...]) -> list[DbObject]:
    """Return the functions of a table with post-prediction steps, which run before its rules are judged."""
    name, slow = _function_name(program), f"mlguard.{quote_ident(fit(f'broken row {program.table}'))}"
    ids = _ids(rules) or (str(program.table),)
    declare, body = _judgement(program, rules)
    act = function(
        f"{slow}(new record, old record, tg_op text)",
        returns="record",
        attributes=f"security definer\nset search_path = pg_catalog, pg_temp\n{PLAIN}",
        about=f"Steps and row rules of {one_line(str(program.table))}, called for the rows that one of them acts on:\n"
        f"{rows_mode.summary(rules)}".rstrip(),
        declare=declare,
        body=indent(body),
    )
    private = rows_mode.private(program, f"{slow}(record, record, text)", act, ids, "decides what happens to a row")
    statements = post_statement.objects(program, PLAIN)
    return [private, *post.entry(program, rules, name, slow, ids), *statements]


def _judgement(program: TableProgram, rules: tuple[Rule, ...]) -> tuple[tuple[str, ...], str]:
    """Return (declarations, body) of what happens to a row that may break a rule."""
    steps = post_names.has_steps(program)
    rejects = [rule for rule in rules if rule.action is Action.REJECT]
    repairs = [rule for rule in rules if rule.action is Action.REPAIR]
    diverting = [rule for rule in rules if rule.action in (Action.QUARANTINE, Action.REPAIR)]
    declare: list[str] = []
    body: list[str] = []
    if diverting or steps:
        declare.append("_broken jsonb := '[]'")
    if repairs or steps:
        declare.append("_arrived record")
        body.append("_arrived := NEW;")
    if repairs:
        declare.append("_mended jsonb := '[]'")
    if steps:
        declare += post_slow.declarations(program)
        body.append(post_slow.body(program))
    judged = [_repair(rule, program) for rule in repairs] + [_quarantine(rule, program) for rule in diverting]
    if steps and judged:  # of a row whose steps failed nothing more can be said
        inner = "\n".join(judged)
        judged = [f"if _broken = '[]' then\n{indent(inner)}\nend if;"]
    body += judged
    if diverting or steps:
        body.append(_divert(program, "_arrived" if repairs or steps else "NEW"))
    body += [_reject(rule, program) for rule in rejects]
    if repairs:
        body.append(_log_repairs(program))
    if steps:
        body.append(post_slow.after(program, _step_hash(program)))
    body.append("return NEW;")
    return tuple(declare), "\n".join(body)


def _reject(rule: Rule, program: TableProgram) -> str:
    seen, its_key = observed(rule, program, "NEW"), key(program, "NEW", rule=rule)
    one = f"jsonb_build_array(jsonb_build_object('slo', {literal(rule.id)}, 'observed', {seen}))"
    return (
        f"-- reject {one_line(rule.name)}\nif {broken(rule, program, 'NEW')} then\n"
        f"  if mlguard.not_waived_v1({one}, {its_key}) <> '[]' then\n"
        f"    perform mlguard.refuse_v1({literal(rule.id)}, {seen}, {its_key});\n  end if;\nend if;"
    )


def _repair(rule: Rule, program: TableProgram) -> str:
    """Mend the columns in file order, each from the row as it arrived; an error leaves the row to quarantine."""
    lines = []
    for repair in rule.repairs:
        column = quote_ident(repair.column)
        lines.append(f"NEW.{column} := {to_sql(repair.value, '_arrived', program.time_zone)};")
        lines.append(
            "_mended := _mended || jsonb_build_object(\n"
            f"  'rule', {literal(rule.id)}, 'column', {literal(repair.column)},\n"
            f"  'old', to_jsonb(_arrived.{column}), 'new', to_jsonb(NEW.{column}));"
        )
    mend = "\n".join(lines)
    return (
        f"-- repair {one_line(rule.name)}\n"
        f"if ({broken(rule, program, 'NEW')}) and not mlguard.waived_v1({literal(rule.id)}) then\n  begin\n"
        f"{indent(mend, 4)}\n  exception\n    when others then\n      null;  -- judged once more below\n  end;\nend if;"
    )


def _quarantine(rule: Rule, program: TableProgram) -> str:
    return (
        f"-- {rule.action.value} {one_line(rule.name)}\nif {broken(rule, program, 'NEW')} then\n"
        f"  _broken := _broken || jsonb_build_object('slo', {literal(rule.id)},\n"
        f"    'observed', {observed(rule, program, 'NEW')});\nend if;"
    )


def _log_repairs(program: TableProgram) -> str:
    return (
        f"perform mlguard.repaired_v1({literal(str(program.table))},\n"
        f"  {key(program, 'NEW', whole=True)},\n  {row_hash(program, 'NEW')},\n"
        "  line ->> 'column', line -> 'old', line -> 'new', line ->> 'rule')\n"
        "from jsonb_array_elements(_mended) as line;"
    )


def row_hash(program: TableProgram, row: str) -> str:
    """Return a hash of a row that is the same before and after it landed: columns filled later are left out."""
    later = [column.name for column in program.shape.columns if column.generated] + list(inputs.restored(program))
    without = "".join(f" - {literal(name)}" for name in later)
    return f"md5((to_jsonb({whole_row(row)}){without})::text)"


def _step_hash(program: TableProgram) -> str:
    """Return by what a row that steps changed is known again once it landed."""
    return post_names.values_hash(program, "NEW") if post_names.unique_key(program) else row_hash(program, "NEW")


def _divert(program: TableProgram, arrived: str) -> str:
    """Say what happens to a row that broke a quarantine rule: refused, kept out, or kept out and removed.

    Waived rules do not divert; they are noted. `arrived` names the row as it came.
    """
    table = literal(str(program.table))
    refuse = f"perform mlguard.refuse_v1(_broken -> 0 ->> 'slo', _broken -> 0 -> 'observed', {key(program, 'NEW')});"
    stored, remove = "TG_OP = 'UPDATE'", ""
    if program.key and any(set(found) <= set(program.key) for found in program.shape.unique):
        stored = f"TG_OP = 'UPDATE' or exists (select from {program.table.sql} as stored where {_same(program, 'NEW')})"
        remove = (
            f"if TG_OP = 'UPDATE' then\n  delete from {program.table.sql} as stored where {_same(program, 'OLD')};\n"
            f"elsif {memory.got(program, memory.UPSERT)} = {memory.HELD} then\n"
            f"  delete from {program.table.sql} as stored where {_same(program, 'NEW')};\nend if;"
        )
    kept = (
        f"{table}, _broken, to_jsonb({arrived}), {arrived}::text,\n"
        f"  {key(program, arrived, whole=True)}, TG_OP,\n  {stored}"
    )
    act = f"perform mlguard.withhold_v1({kept});"
    # A statement that kept a row out of this table has its batch, and the next one is kept in one step.
    again = f"strpos(current_setting('mlguard.kept_out', true), {literal(f'|{program.table}|')}) > 0"
    if program.on_update is OnUpdate.REJECT:
        again = f"TG_OP = 'INSERT' and {again}"
        act = f"if TG_OP = 'UPDATE' then\n{indent(refuse)}\nend if;\n{act}"
    elif program.on_update is OnUpdate.REMOVE:
        act = f"{act}\n{remove}".rstrip()
    gone = f"{indent(remove, 6)}\n" if program.on_update is OnUpdate.REMOVE and remove else ""
    return (
        "if _broken <> '[]' then\n"
        f"  if {again} then\n    if mlguard.kept_v1({indent(kept, 4).lstrip()}) then\n{gone}      return null;\n"
        f"    end if;\n  end if;\n  if {WAIVERS} then\n"
        f"    _broken := mlguard.not_waived_v1(_broken, {key(program, 'NEW')});\n  end if;\n"
        f"  if _broken <> '[]' then\n{indent(act, 4)}\n    return null;\n  end if;\nend if;"
    )


def _same(program: TableProgram, row: str) -> str:
    return " and ".join(f"stored.{quote_ident(column)} = {row}.{quote_ident(column)}" for column in program.key)


def _unconditional(program: TableProgram, rules: tuple[Rule, ...]) -> bool:
    return (
        post_names.has_steps(program)
        or program.writes_rows
        or any(lookups_of(part) for rule in rules for part in (rule.expr, rule.where) if part is not None)
    )


def _trigger(program: TableProgram, rules: tuple[Rule, ...]) -> DbObject:
    when = ""
    if not _unconditional(program, rules):
        conditions = "\n  or ".join(broken(rule, program, "NEW") for rule in rules)
        when = f"\nwhen (\n  {conditions}\n)"
    rest = (
        f"before insert or update on {program.table.sql}\nfor each row{when}\n"
        f"execute function {_function_name(program)}()"
    )
    why = "a row can be kept out or changed only before it lands"
    return trigger(program, program.table, TRIGGER, rest, _ids(rules) or (str(program.table),), why)


def _warning(program: TableProgram, rules: tuple[Rule, ...]) -> list[DbObject]:
    """Return the statement triggers that tell the writer what was kept out.

    A bulk statement that kept nothing out pays for two counter reads: its WHEN never calls the second function. The
    counters of pg_stat serve as difference over the statement only, since they outlive transactions; a transition
    table would say the same but costs a copy of every row (a tenth of a bulk load). Where rows come one by one even
    the counter reads would be felt, and "of how many" says little: it is left out.
    """
    ids = _ids(rules) or (str(program.table),)
    before = f"mlguard.{quote_ident(fit(f'count before {program.table}'))}"
    after = f"mlguard.{quote_ident(fit(f'kept out {program.table}'))}"
    whole = f"{literal(program.table.sql)}::regclass"
    landed = (
        f"mlguard.written_v1({whole})"  # partitions come and go
        if program.shape.partitioned
        else f"pg_stat_get_xact_tuples_inserted({whole})\n    + pg_stat_get_xact_tuples_updated({whole})"
    )
    about = f"Tells who wrote {one_line(str(program.table))} how many rows were kept out."
    pinned = "security definer\nset search_path = pg_catalog, pg_temp"
    first = []
    if not program.writes_rows:
        first.append(f"perform set_config('mlguard.landed_before', (\n  {landed})::text, true);")
    if program.on_update is OnUpdate.REMOVE:
        # INSERT … ON CONFLICT DO UPDATE fires the statement triggers of INSERT, then those of UPDATE; a plain INSERT
        # the former only, and must never take a stored row away.
        mark = f"case when TG_OP = 'UPDATE' then {memory.HELD} else {memory.OPEN} end"
        first.append(f"perform {memory.put(program, memory.UPSERT, mark)};")
    counting = function(
        f"{before}()",
        returns="trigger",
        attributes=pinned,
        about=about,
        declare=(),
        body=indent("\n".join((*first, "return null;"))),
    )
    if program.writes_rows:
        declare: tuple[str, ...] = ()
        attributes, tell = "security definer", rows_mode.told(program)
        about += "\nEntered after every statement; pins no search_path, since nothing here is looked up in it."
    else:
        declare = ("_landed bigint",)
        attributes = pinned
        tell = (
            "  if current_setting('track_counts') = 'on' then\n"
            f"    _landed := {landed}\n"
            "    - substring(current_setting('mlguard.landed_before', true) from '^\\d{1,18}$')::bigint;\n"
            "  end if;\n"
            f"  perform mlguard.kept_out_warning_v1({literal(str(program.table))}, _landed);\n  return null;"
        )
    telling = function(
        f"{after}()",
        returns="trigger",
        attributes=attributes,
        about=about,
        declare=declare,
        body=tell,
    )
    why = "tells the writer how many rows were kept out"
    made = [trigger_function(program, before, counting, ids, why)] if first else []
    if program.on_update is OnUpdate.REMOVE:
        made.insert(0, memory.memory(program, memory.UPSERT, "tells an upsert from an INSERT, which removes no row"))
    made.append(trigger_function(program, after, telling, ids, why))
    told = f"strpos(current_setting('mlguard.kept_out', true), {literal(f'|{program.table}|')}) > 0"
    # A WHEN is set up anew in every statement: where a statement is one row, that costs more than the function.
    when = "" if program.writes_rows else f"when ({told})\n"
    for relation in (program.table, *program.shape.partitions):
        events = f"insert or update on {relation.sql}\nfor each statement"
        if first:
            rest = f"before {events}\nexecute function {before}()"
            made.append(trigger(program, relation, COUNT_TRIGGER, rest, ids, why))
        rest = f"after {events}\n{when}execute function {after}()"
        made.append(trigger(program, relation, KEPT_OUT_TRIGGER, rest, ids, why))
    return made
