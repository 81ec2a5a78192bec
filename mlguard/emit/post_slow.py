"""Post-prediction steps of a row that a condition holds for, that an error meets, or that an UPDATE writes. Pure.

Stands before the rules in the function of before_row that judges bad rows. Exactly once: a value is processed when the
model writes it, and not again when ON CONFLICT DO UPDATE hands on what was processed, when an UPDATE leaves it as it
is or moves its row to another partition, and when a person overrides it.
"""

from __future__ import annotations

from mlguard.emit import memory, post_names
from mlguard.emit.objects import indent
from mlguard.emit.pg_guard import guard
from mlguard.emit.pg_probe import ProbeWriter
from mlguard.emit.post import points_name, reads
from mlguard.emit.post_names import of, stepped
from mlguard.emit.row_key import row_key
from mlguard.emit.rules import HIDDEN, key, literal, one_line
from mlguard.lang.analyse import columns_of
from mlguard.lang.tree import Expr
from mlguard.names import quote_ident
from mlguard.program import Step, TableProgram


def declarations(program: TableProgram) -> tuple[str, ...]:
    """Return the variables of the steps."""
    found = of(program)
    fresh = tuple(f"{fresh_of(program, name)} boolean := true" for name in stepped(program))
    points = ("_value double precision",) if any(step.points for step in found.steps) else ()
    routes = (
        ("_routes text[] := '{}'", "_routed bigint", "_anew boolean := false") if post_names.routes(program) else ()
    )
    note = ("_note jsonb", "_taken text[] := '{}'") if _notes(program) else ()
    return ("_lines jsonb := '[]'", "_was jsonb", "_before record", "_first bigint", *fresh, *points, *routes, *note)


def fresh_of(program: TableProgram, column: str) -> str:
    """Return the variable that says that the writer, or a step, gave the column a new value."""
    return f"_fresh_{stepped(program).index(column) + 1}"


def body(program: TableProgram) -> str:
    """Return the steps, one after the other until one errs."""
    found = of(program)
    parts = [_begin(program)]
    for name, kept in found.raw.items():
        own = f"NEW.{quote_ident(kept)} := NEW.{quote_ident(name)};"
        parts.append(f"if {fresh_of(program, name)} then\n  {own}\nend if;")
    parts += [_step(program, number, step) for number, step in enumerate(found.steps, 1)]
    inner = "\n".join(parts)
    return f"<<steps>>\nbegin\n{indent(inner)}\nend steps;"


def after(program: TableProgram, row_hash: str) -> str:
    """Return what is done once the row is known to land: lines, reviews, the note for a trigger to come."""
    table, set_ = literal(str(program.table)), literal(post_names.step_set(program)[0])
    its_key = key(program, "NEW", whole=True)
    pending = str(not post_names.unique_key(program)).lower()
    mark = literal(post_names.lines_mark(program))
    log = (
        f"if _lines <> '[]' then\n  _first := mlguard.post_lines_v1({table}, {set_},\n    {its_key},\n"
        f"    {row_hash},\n    _lines, {pending}, {mark});\nend if;"
    )
    parts = [log]
    if post_names.routes(program):
        routed = literal(post_names.routed_mark(program))
        # Of an upsert's UPDATE that took over what its INSERT had routed, only older reviews are obsolete.
        taken = " or _taken <> '{}'" if _notes(program) else ""
        before = (
            "coalesce((_note ->> 'routed')::bigint, 9223372036854775807)" if _notes(program) else "9223372036854775807"
        )
        parts.append(
            f"if _routes <> '{{}}' or (tg_op = 'UPDATE' and (_anew{taken})) then\n"
            f"  _routed := mlguard.route_v1({table}, {set_}, {its_key},\n    {row_key(program, 'NEW')},\n"
            f"    {row_hash},\n    _routes, case tg_op when 'UPDATE' then {before} end, {routed});\nend if;"
        )
    if _notes(program):
        parts.append(_leave_note(program, row_hash))
    return "\n".join(parts)


def _notes(program: TableProgram) -> bool:
    """Say whether one row can meet two row triggers: ON CONFLICT needs a unique index, a move needs partitions."""
    return bool(stepped(program)) and bool(program.shape.unique or program.shape.partition_columns)


def _begin(program: TableProgram) -> str:
    """Return what decides which columns hold a new value of the model."""
    columns, raw = stepped(program), of(program).raw
    lines = [f"NEW.{quote_ident(kept)} := OLD.{quote_ident(kept)};" for kept in raw.values()]
    lines += [
        f"{fresh_of(program, name)} := NEW.{quote_ident(name)} is distinct from OLD.{quote_ident(name)};"
        for name in columns
    ]
    lines.append(
        "if current_setting('mlguard.acting', true) = 'on' and"
        f" mlguard.acting_v1({literal(str(program.table))}) then\n"
        + "\n".join(f"  {fresh_of(program, name)} := false;" for name in columns)
        + "\n  exit steps;  -- a person's values\nend if;"
    )
    if _notes(program):
        lines.insert(0, _read_note(program))
        lines.append(_take_note(program))
    update = "\n".join(lines)
    text = f"if tg_op = 'UPDATE' then\n{indent(update)}\nend if;"
    if program.shape.partition_columns:
        note = indent(_read_note(program))
        moved = "\n".join(f"    {fresh_of(program, name)} := false;" for name in columns)
        text += (
            f"\nif tg_op = 'INSERT' and current_setting({literal(post_names.both(program))}, true) = 'both' then\n"
            f"{note}\n  if _note ->> 'op' = 'MOVE' and _note -> 'row' = to_jsonb(NEW) then\n{moved}\n"
            "    exit steps;  -- an UPDATE brings its row here from another partition\n  end if;\nend if;"
        )
    return text


def _read_note(program: TableProgram) -> str:
    """Return what reads the note, unless another statement left it: its writer may have put it back."""
    return (
        f"_note := mlguard.unsealed_v1(current_setting({literal(post_names.memo(program))}, true));\n"
        f"if (_note ->> 'statement')::bigint <> {memory.got(program, memory.STATEMENT)} then\n  _note := null;\nend if;"
    )


def _take_note(program: TableProgram) -> str:
    """Return what recognises, in an upsert's UPDATE, the values that its INSERT has processed."""
    same = " or ".join(
        "("
        + " and ".join(f"_note -> 'key' -> {literal(name)} = to_jsonb(NEW.{quote_ident(name)})" for name in columns)
        + ")"
        for columns in program.shape.unique
    )
    if not same:
        return "null;"
    raw = of(program).raw
    types = {column.name: str(column.type) for column in program.shape.columns}
    lines = []
    for name in stepped(program):
        took = [f"{fresh_of(program, name)} := false;", f"_taken := _taken || {literal(name)}::text;"]
        if name in raw:
            kept = quote_ident(raw[name])
            took.append(f"NEW.{kept} := (_note -> 'raw' ->> {literal(raw[name])})::{types.get(raw[name], 'text')};")
        text = "\n".join(took)
        lines.append(
            f"if _note -> 'now' -> {literal(name)} = to_jsonb(NEW.{quote_ident(name)}) then\n{indent(text)}\nend if;"
        )
    inner = "\n".join(lines)
    return f"if _note ->> 'op' = 'INSERT' and ({same}) then\n{indent(inner)}\nelse\n  _note := null;\nend if;"


def _leave_note(program: TableProgram, row_hash: str) -> str:
    memo, both = literal(post_names.memo(program)), literal(post_names.both(program))
    statement = f"'statement', {memory.got(program, memory.STATEMENT)}"
    text = ""
    routed = "'routed', _routed, " * post_names.routes(program)
    if program.shape.unique:
        identity = dict.fromkeys(name for columns in program.shape.unique for name in columns)
        keys = ", ".join(f"{literal(name)}, NEW.{quote_ident(name)}" for name in identity)
        now = ", ".join(f"{literal(name)}, NEW.{quote_ident(name)}" for name in stepped(program))
        kept = ", ".join(f"{literal(name)}, NEW.{quote_ident(name)}" for name in of(program).raw.values())
        text = (
            f"if tg_op = 'INSERT' and current_setting({both}, true) = 'both' then\n"
            f"  perform set_config({memo}, mlguard.sealed_v1(jsonb_build_object('op', 'INSERT', {statement},\n"
            f"    'key', jsonb_build_object({keys}),\n    'now', jsonb_build_object({now}),\n"
            f"    'raw', jsonb_build_object({kept}), {routed}'first', _first,\n"
            "    'count', jsonb_array_length(_lines))), true);\n"
            "elsif tg_op = 'UPDATE' and _note ->> 'first' is not null then\n"
            f"  perform mlguard.post_moved_v1({literal(str(program.table))}, (_note ->> 'first')::bigint,\n"
            f"    (_note ->> 'count')::integer, _taken, {row_hash});\nend if;"
        )
    if program.shape.partition_columns:
        moves = " or ".join(
            f"NEW.{quote_ident(name)} is distinct from OLD.{quote_ident(name)}"
            for name in program.shape.partition_columns
        )
        text += (
            f"\nif tg_op = 'UPDATE' then\n  if {moves} then\n    perform set_config({memo}, mlguard.sealed_v1("
            f"jsonb_build_object('op', 'MOVE', {statement}, 'row', to_jsonb(NEW))), true);\n  end if;\nend if;"
        )
    return text.lstrip("\n")


def _step(program: TableProgram, number: int, step: Step) -> str:
    """Return one step: whether it runs, what it assigns, what it leaves behind."""
    if not step.targets:
        return _framed(program, step, _routing(program, step), "")
    if step.points is not None:
        act = _interpolation(program, number, step)
        return _framed(program, step, act, _when(program, step, _fresh(program, step, step.targets)))
    own = tuple(item.column for item in step.sets if item.column in columns_of(item.value))
    several = len(step.sets) > 1
    row = "_before" if several else "NEW"
    lines = ["_before := NEW;"] if several else []
    for item in step.sets:
        assigned = _assigned(program, step, item.column, _text(program, item.value, row))
        if several and item.column in own:
            assigned = f"if {fresh_of(program, item.column)} then\n{indent(assigned)}\nend if;"
        lines.append(assigned)
    needed = own if not several else ()
    return _framed(program, step, "\n".join(lines), _when(program, step, _fresh(program, step, needed)))


def _routing(program: TableProgram, step: Step) -> str:
    """Return what routes a row where the columns that the condition reads are new, and only then."""
    columns = stepped(program)
    read = reads(step)
    told = [fresh_of(program, name) for name in columns if name in read or not read]
    told += [
        f"NEW.{quote_ident(name)} is distinct from OLD.{quote_ident(name)}" for name in read if name not in columns
    ]
    act = f"_routes := _routes || {literal(step.name)}::text;"
    if step.when is not None:
        act = f"if {_text(program, step.when, 'NEW')} then\n  {act}\nend if;"
    text = f"_anew := true;\n{act}"
    if not told:
        return f"if tg_op = 'INSERT' then\n{indent(text)}\nend if;"
    condition = " or ".join(told)
    if any(name not in columns for name in read):  # OLD is nothing in an INSERT, and must not be asked for
        condition = f"case when tg_op = 'INSERT' then true else {condition} end"
    return f"if ({condition}) then\n{indent(text)}\nend if;"


def _fresh(program: TableProgram, step: Step, needed: tuple[str, ...]) -> str:
    """Return when a step has something to do: a stepped column it reads or writes has a new value.

    `needed`: columns whose new value is computed from the old one, which must not happen twice.
    """
    columns = stepped(program)
    if needed:
        return " and ".join(fresh_of(program, name) for name in needed)
    touched = [name for name in columns if name in step.targets or name in reads(step)] or list(columns)
    return " or ".join(fresh_of(program, name) for name in touched)


def _when(program: TableProgram, step: Step, fresh: str) -> str:
    if step.when is None:
        return fresh
    text = _text(program, step.when, "NEW")
    return f"({fresh}) and ({text})" if fresh else text


def _text(program: TableProgram, expr: Expr, row: str) -> str:
    return ProbeWriter(row, program.time_zone).write(expr)


def _assigned(program: TableProgram, step: Step, column: str, value: str) -> str:
    """Return an assignment, and its line in the change log where the model's own value would be lost without."""
    target, fresh = f"NEW.{quote_ident(column)}", fresh_of(program, column)
    if step.when is None and column in of(program).raw:
        return f"{target} := {value};\n{fresh} := true;"
    line = (
        f"_lines := _lines || jsonb_build_object('step', {literal(step.name)}, 'column', {literal(column)},\n"
        f"  'old', _was, 'new', to_jsonb({target}));"
    )
    return (
        f"_was := to_jsonb({target});\n{target} := {value};\n"
        f"if to_jsonb({target}) is distinct from _was then\n{indent(line)}\nend if;\n{fresh} := true;"
    )


def _interpolation(program: TableProgram, number: int, step: Step) -> str:
    assert step.points is not None
    column = step.points.column
    target = f"NEW.{quote_ident(column)}"
    return (
        f"_value := {points_name(program, number)}({target});\n"
        f"if _value is null and {target} is not null then\n"
        f"  raise exception 'mlguard: % has no points', {literal(str(step.points.table))};\nend if;\n"
        + _assigned(program, step, column, "_value")
    )


def _framed(program: TableProgram, step: Step, act: str, when: str) -> str:
    """Return a step with its condition, in a block that catches errors where one can occur."""
    remark = f"-- {step.kind} {one_line(step.name)}"
    text = f"if {when} then\n{indent(act)}\nend if;" if when else act
    values = [] if step.total else [item.value for item in step.sets]
    parts = values + ([step.when] if step.when is not None else [])
    fallible = step.points is not None or any(guard(part, None, program.time_zone).whole is not None for part in parts)
    if not fallible:
        return f"{remark}\n{text}"
    return (
        f"{remark}\nbegin\n{indent(text)}\nexception\n  when others then\n{indent(_erred(program, step), 4)}\n"
        "end;\nif _broken <> '[]' then\n  exit steps;\nend if;"
    )


def _erred(program: TableProgram, step: Step) -> str:
    slo = literal(f"{program.table}/post.{step.name}")
    pairs = [
        f"{literal(name)}, {literal(HIDDEN) if name in program.pii else '_arrived.' + quote_ident(name)}"
        for name in reads(step)[:50]
    ]
    observed = f"jsonb_build_object({', '.join(pairs)})" if pairs else "null"
    if step.on_error == "reject":
        return f"perform mlguard.refuse_v1({slo}, {observed}, {key(program, 'NEW')});"
    return f"_broken := _broken || jsonb_build_object('slo', {slo}, 'observed', {observed});"
