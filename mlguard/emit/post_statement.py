"""What post-prediction steps need around a statement, and the row of their version. Pure.

Before it: whether it may both insert and update, which tells the row triggers that one row can meet two of them.
After it: lines and reviews of rows that did not land, as under ON CONFLICT DO NOTHING, are taken back. Only those few
rows are looked up, by the key's index.
"""

from __future__ import annotations

from mlguard.emit import memory, post_names
from mlguard.emit.objects import DbObject, Kind, Statement, function, indent
from mlguard.emit.row_key import row_key
from mlguard.emit.rules import literal, one_line
from mlguard.emit.triggers import trigger, trigger_function
from mlguard.names import fit, quote_ident
from mlguard.program import TableProgram

BEFORE = "zz_mlguard_post_before"
AFTER = "zz_mlguard_post_after"
REMOVED = "zz_mlguard_post_removed"


def objects(program: TableProgram, settings: str) -> list[DbObject]:
    """Return the statement triggers of the steps.

    Args:
        program: the table.
        settings: lines of a function's header under which values are read as they were written.
    """
    ids = (str(program.table),)
    why = "tells what this statement did from what another one did"
    kept = [memory.STATEMENT, *(what for what, _ in _numbered(program))]
    made = [version(program), *(memory.memory(program, what, why) for what in kept)]
    made += _before(program, ids)
    if post_names.unique_key(program):
        made += _after(program, settings, ids)
    if post_names.routes(program):
        made += _removed(program, ids)
    return made


def version(program: TableProgram) -> DbObject:
    """Return what puts the set of steps in force, those at COMMIT included."""
    table = literal(str(program.table))
    hash_, steps = post_names.step_set(program)
    return DbObject(
        table=program.table,
        kind=Kind.COUNTERS,
        name="post-prediction steps",
        slos=(str(program.table),),
        create=(Statement(f"select mlguard.post_set_v1({table}, {literal(hash_)}, {literal(steps)})"),),
        drop=(f"select mlguard.post_set_ended_v1({table}, {literal(hash_)})",),
        why="numbers the versions of the steps",
        replaces_in_place=True,
    )


def _before(program: TableProgram, ids: tuple[str, ...]) -> list[DbObject]:
    name = f"mlguard.{quote_ident(fit(f'post {program.table} before'))}"
    both = literal(post_names.both(program))
    emptied = [post_names.memo(program), post_names.lines_mark(program), post_names.routed_mark(program)]
    cleared = [f"pg_catalog.set_config({literal(name)}, '', true)" for name in emptied]
    cleared.append(memory.anew(program, memory.STATEMENT))
    cleared += [memory.put(program, what, _next(numbers)) for what, numbers in _numbered(program)]
    rest = ",\n    ".join(cleared)
    made = function(
        f"{name}()",
        returns="trigger",
        attributes="security definer",
        about=f"Tells the row trigger of {one_line(str(program.table))} whether a statement may insert and update: of\n"
        "INSERT … ON CONFLICT DO UPDATE and MERGE this is called for INSERT, then for UPDATE.\n"
        "Pins no search_path: nothing here is looked up in it.",
        declare=(),
        body=f"  perform pg_catalog.set_config({both}, {_mark()}, true),\n    {rest};\n  return null;",
    )
    why = "one row of an upsert meets two row triggers and is processed once"
    found = [trigger_function(program, name, made, ids, why)]
    for relation in (program.table, *program.shape.partitions):
        rest = f"before insert or update on {relation.sql}\nfor each statement\nexecute function {name}()"
        found.append(trigger(program, relation, BEFORE, rest, ids, why))
    return found


def _numbered(program: TableProgram) -> list[tuple[str, str]]:
    """Return what a statement remembers the first number of, and the sequence that gives the numbers."""
    found = [(memory.LINES, "_change_id_seq")]
    if post_names.routes(program):
        found.append((memory.ROUTED, "_review_id_seq"))
    return found


def _next(sequence: str) -> str:
    """Return the number that a sequence gives next, without taking it."""
    return (
        "(\n      select case when s.is_called then s.last_value operator(pg_catalog.+) 1 else s.last_value end"
        f" from mlguard.{sequence} as s)"
    )


def _mark() -> str:
    return "case when TG_OP operator(pg_catalog.=) 'UPDATE' then 'both' else '' end"


def _after(program: TableProgram, settings: str, ids: tuple[str, ...]) -> list[DbObject]:
    name = f"mlguard.{quote_ident(fit(f'after post {program.table}'))}"
    table = literal(str(program.table))
    types = {column.name: str(column.type) for column in program.shape.columns}
    landed = "\n    and ".join(
        f"t.{quote_ident(column)} = (c.key ->> {literal(column)})::{types.get(column, 'text')}"
        for column in program.key
    )
    values = post_names.values_hash(program, "t")
    parts, marks = [], []
    for private, mark, what in (
        ("_change", post_names.lines_mark(program), memory.LINES),
        ("_review", post_names.routed_mark(program), memory.ROUTED),
    ):
        if private == "_review" and not post_names.routes(program):
            continue
        # The setting only says that there are some: which ones, whoever writes must have no say in.
        marked = f"current_setting({literal(mark)}, true) <> ''"
        marks.append(marked)
        parts.append(
            f"if {marked} then\n  _from := {memory.got(program, what)};\n  delete from mlguard.{private} as c\n"
            f"  where c.batch = _batch\n    and c.id >= _from\n    and c.tbl = {table}\n"
            "    and c.step_set is not null\n    and not exists (\n"
            f"      select from {program.table.sql} as t\n      where {indent(landed, 4).lstrip()}\n"
            "        and t.xmin = c.xmin  -- written by the same (sub)transaction\n"
            f"        and {values} = c.row_hash\n    );\n"
            f"  perform set_config({literal(mark)}, '', true);\nend if;"
        )
    made = function(
        f"{name}()",
        returns="trigger",
        attributes=f"security definer\nset search_path = pg_catalog, pg_temp\n{settings}\nset enable_seqscan = off\n"
        "set enable_hashjoin = off\nset enable_mergejoin = off",
        about=f"Takes back what the steps of {one_line(str(program.table))} noted of rows that did not land.",
        declare=("_from bigint", f"_batch bigint := mlguard.batch_v1({table})"),
        body=indent("\n".join((*parts, "return null;"))),
    )
    why = "lines of rows that did not land are taken back"
    result = [trigger_function(program, name, made, ids, why)]
    for relation in (program.table, *program.shape.partitions):
        copying = f"mlguard.copying_v1({literal(relation.sql)}::regclass)"
        rest = (
            f"after insert or update on {relation.sql}\nfor each statement\n"
            f"when (({' or '.join(marks)}) and not {copying})\nexecute function {name}()"
        )
        result.append(trigger(program, relation, AFTER, rest, ids, why))
    return result


def _removed(program: TableProgram, ids: tuple[str, ...]) -> list[DbObject]:
    name = f"mlguard.{quote_ident(fit(f'after removal of routed {program.table}'))}"
    table = literal(str(program.table))
    waiting = f"select from mlguard._review as w where w.tbl = {table} and w.status in ('pending', 'rejected')"
    made = function(
        f"{name}()",
        returns="trigger",
        attributes="security definer\nset search_path = pg_catalog, pg_temp",
        about=f"Ends the reviews of rows of {one_line(str(program.table))} that were deleted.",
        declare=(),
        body=indent(
            f"if TG_OP = 'TRUNCATE' then\n  perform mlguard.unrouted_v1({table}, null);\n"
            f"elsif exists ({waiting}) then\n  perform mlguard.unrouted_v1({table},\n"
            f"    array(select {row_key(program, 'o')} from old_rows as o));\nend if;\nreturn null;"
        ),
    )
    why = "a row that is deleted needs no review"
    found = [trigger_function(program, name, made, ids, why)]
    for relation in (program.table, *program.shape.partitions):
        for event, tables in (("delete", "\nreferencing old table as old_rows"), ("truncate", "")):
            rest = f"after {event} on {relation.sql}{tables}\nfor each statement\nexecute function {name}()"
            found.append(trigger(program, relation, f"{REMOVED}_{event}", rest, ids, why))
    return found
