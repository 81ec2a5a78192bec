"""Steps over the rows of a request: what marks the requests that a statement touches, and what COMMIT does. Pure.

A statement appends the requests of its rows to mlguard._request, each once; the mark it left there before has COMMIT
call one function, before the batch is closed and judged, so that what the function removes and changes is counted with
the rest. It reads the rows of those requests only, and goes step by step, for all requests at once.
"""

from __future__ import annotations

from mlguard.emit import post_names, post_statement
from mlguard.emit.cells import settings
from mlguard.emit.objects import DbObject, Kind, Statement, comment, function, indent
from mlguard.emit.request_steps import body
from mlguard.emit.rules import literal, one_line
from mlguard.emit.triggers import trigger, trigger_function
from mlguard.lang.analyse import columns_of
from mlguard.lang.tree import Column
from mlguard.lang.types import UNKNOWN
from mlguard.names import quote_ident
from mlguard.program import TableProgram

# Before and after everything else of mlguard on the table: triggers fire in name order.
BEFORE = "zz_mlguard_a_request_before"
AFTER = "zz_mlguard_a_request_after"
CHUNK = 500  # requests in one row of mlguard._request
WHY = "top_k, dedupe and normalise see all rows of a request"


def objects(program: TableProgram) -> list[DbObject]:
    """Return the functions and triggers, none where no step is judged at COMMIT."""
    if program.predictions is None or not program.predictions.request:
        return []
    ids = (str(program.table),)
    judge = f"{post_names.function(program, 'requests')}()"
    numbered = [] if post_names.has_steps(program) else [post_statement.version(program)]
    return [*numbered, _judge(program, judge, ids), *_before(program, judge, ids), *_after(program, judge, ids)]


def _judge(program: TableProgram, judge: str, ids: tuple[str, ...]) -> DbObject:
    assert program.predictions is not None
    request = program.predictions.request
    attributes = "volatile\nsecurity definer\nset search_path = pg_catalog, pg_temp" + _settings(program)
    attributes += "\nset enable_seqscan = off"
    if any(index[0] in request for index in program.shape.indexes):  # without an index these would be quadratic
        attributes += "\nset enable_hashjoin = off\nset enable_mergejoin = off"
    declare, text = body(program)
    made = function(
        judge,
        returns="void",
        attributes=attributes,
        about=f"Steps of {one_line(str(program.table))} over the requests that a transaction touched; COMMIT calls it.",
        declare=declare,
        body=indent(text),
    )
    return DbObject(
        table=program.table,
        kind=Kind.FUNCTION,
        name=judge,
        slos=ids,
        create=(
            Statement(made),
            Statement(f"revoke all on function {judge} from public"),
            Statement(comment(f"function {judge}", program.table, ids, made)),
        ),
        drop=(f"drop function if exists {judge}",),
        why=WHY,
        replaces_in_place=True,
    )


def _settings(program: TableProgram) -> str:
    """Return the lines under which keys are written and read alike in every session."""
    assert program.predictions is not None
    shapes = {column.name: column.type for column in program.shape.columns}
    return settings(tuple(Column(shapes.get(name, UNKNOWN), name) for name in program.predictions.request))


def _acting(program: TableProgram) -> str:
    table = literal(str(program.table))
    return (
        f"if current_setting('mlguard.acting', true) = 'on' and mlguard.acting_v1({table}) then\n"
        "  return null;  -- values of a person, or of COMMIT itself\nend if;"
    )


def _before(program: TableProgram, judge: str, ids: tuple[str, ...]) -> list[DbObject]:
    name = post_names.function(program, "requests before")
    due = f"perform mlguard.request_due_v1({literal(str(program.table))}, {literal(judge)});"
    made = function(
        f"{name}()",
        returns="trigger",
        attributes="security definer\nset search_path = pg_catalog, pg_temp",
        about=f"Has COMMIT judge the requests of {one_line(str(program.table))} before it closes their batch.",
        declare=(),
        body=indent(f"{_acting(program)}\n{due}\nreturn null;"),
    )
    found = [trigger_function(program, name, made, ids, WHY)]
    for relation in (program.table, *program.shape.partitions):
        rest = f"before insert or update on {relation.sql}\nfor each statement\nexecute function {name}()"
        found.append(trigger(program, relation, BEFORE, rest, ids, WHY))
    return found


def _after(program: TableProgram, judge: str, ids: tuple[str, ...]) -> list[DbObject]:
    found = []
    for event, source in (("insert", _inserted(program)), ("update", _updated(program))):
        name = post_names.function(program, f"requests {event}")
        made = function(
            f"{name}()",
            returns="trigger",
            attributes="security definer\nset search_path = pg_catalog, pg_temp" + _settings(program),
            about=f"Notes whose requests of {one_line(str(program.table))} a statement touched.",
            declare=(),
            body=indent(f"{_acting(program)}\n{_append(program, judge, source)}\nreturn null;"),
        )
        found.append(trigger_function(program, name, made, ids, WHY))
        tables = "new table as new_rows" + " old table as old_rows" * (event == "update")
        for relation in (program.table, *program.shape.partitions):
            rest = f"after {event} on {relation.sql}\nreferencing {tables}\nfor each statement\n"
            found.append(trigger(program, relation, f"{AFTER}_{event}", f"{rest}execute function {name}()", ids, WHY))
    return found


def _append(program: TableProgram, judge: str, source: str) -> str:
    assert program.predictions is not None
    request = program.predictions.request
    table = literal(str(program.table))
    columns = ", ".join(f"r.{quote_ident(name)}" for name in request)
    values = ", ".join(f"s.{quote_ident(name)}" for name in request)
    there = " and ".join(f"r.{quote_ident(name)} is not null" for name in request)
    return (
        "insert into mlguard._request (tbl, judge, keys)\n"
        f"select {table}, {literal(judge)}, jsonb_agg(d.key)\n"
        "from (\n"
        f"  select jsonb_build_array({values}) as key, row_number() over () / {CHUNK} as chunk\n"
        f"  from (\n    select distinct {columns}\n    from {indent(source, 4).lstrip()} as r\n    where {there}\n"
        "  ) as s\n) as d\ngroup by d.chunk;\n"
        f"if found then\n  perform mlguard.request_due_v1({table}, {literal(judge)});\nend if;"
    )


def _inserted(_: TableProgram) -> str:
    return "new_rows"


def _updated(program: TableProgram) -> str:
    """Return the rows, before and after an UPDATE, in which something a step looks at is another than it was."""
    assert program.predictions is not None
    steps = [step for step in program.predictions.steps if step.at_commit]
    read = [name for step in steps for name in (*step.by, step.order, *(columns_of(step.when) if step.when else ()))]
    watched = tuple(dict.fromkeys((*program.predictions.request, *read)))
    kinds = {column.name: column.type.kind for column in program.shape.columns}
    shown = ", ".join(
        f"w.{quote_ident(name)}" + f"::text as {quote_ident(name)}" * (kinds.get(name) in post_names.NOT_HASHABLE)
        for name in watched
    )
    new, old = f"select {shown} from new_rows as w", f"select {shown} from old_rows as w"
    return f"(\n  ({new} except all {old})\n  union all\n  ({old} except all {new})\n)"
