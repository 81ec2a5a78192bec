"""Triggers on the tables that hold labels and attributes, and the marks by which late pairs are found. Pure.

A label that comes, changes or goes is joined with its predictions, and what it adds or takes is appended to the states
of the prediction table. A changed attribute only marks the buckets of its predictions: they are counted anew.

Two transactions that write a prediction and its label at once do not see each other, so neither counts the pair.
Nobody waits for that: each statement leaves a mark with its transaction and what it saw, and sweep() has the buckets of
those that saw nothing of each other counted anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlguard.emit import joins, states
from mlguard.emit.buckets import UNKNOWN, of_row
from mlguard.emit.cells import settings
from mlguard.emit.groups import Grouping, Source
from mlguard.emit.objects import DbObject, function, indent
from mlguard.emit.rules import literal, one_line
from mlguard.emit.triggers import trigger, trigger_function
from mlguard.lang.measure import OF_LABELS
from mlguard.names import TableName, digest, fit, quote_ident
from mlguard.program import AttributeSource, LabelSource, TableProgram

WHY_LABELS = "counts labels with the predictions they belong to"
WHY_ATTRIBUTES = "has predictions counted anew whose attributes changed"
LARGE = 1000  # rows of a statement from which on it has plans of its own
SEEN = "_pairing"  # the variable that holds what the statement saw before it looked for pairs


def objects(program: TableProgram) -> list[DbObject]:
    """Return the functions and triggers, none where no SLO asks for labels or attributes."""
    made: list[DbObject] = []
    needed = wanted(program)
    if needed.labels is not None:
        made += _watch(program, "after labels", needed.labels, _labels_body(program), WHY_LABELS)
    if needed.attributes is not None:
        body = _attributes_body(program, needed.attributes)
        made += _watch(program, "after attributes", needed.attributes, body, WHY_ATTRIBUTES)
    return made


def declaration(program: TableProgram) -> tuple[str, ...]:
    """Return the variable that a trigger function of the prediction table needs for its mark, if it leaves one."""
    return (f"{SEEN} pg_snapshot",) if wanted(program).any else ()


def before(program: TableProgram) -> list[str]:
    """Return what the function does before it looks at labels and attributes."""
    return [f"{SEEN} := pg_current_snapshot();"] if wanted(program).any else []


def mark(program: TableProgram, rows: str) -> list[str]:
    """Return the statement that leaves the mark of rows written (`new_rows`) or taken away (`old_rows`)."""
    if not wanted(program).any:
        return []
    bucket = of_row(program, "r")
    ends = f"select min({bucket.group}) as low, max({bucket.group}) as high from {rows} as r"
    marked = f"{SEEN}, {bucket.start_of('s.low')}, {bucket.start_of('s.high')}"
    call = f"mlguard.pair_v1({literal(str(program.table))}, 'predictions', {marked})"
    return [f"perform {call}\nfrom (\n{indent(ends)}\n) as s\nwhere s.low is not null;"]


def wanted(program: TableProgram) -> joins.Joins:
    """Return what the SLOs of the table need to have joined."""
    found = [joins.joins_of(program, by, kept) for by, kept in states.needed(program).items()]
    return joins.Joins(
        next((each.labels for each in found if each.labels is not None), None),
        next((each.attributes for each in found if each.attributes is not None), None),
    )


def pairs(program: TableProgram, rows: str, *, sign: int) -> list[str]:
    """Return the statements that append the states of predictions written or taken away whose label is there already.

    They come before those of the rows themselves: where no row is left, nothing may be taken out any more.
    """
    return _pairs(program, sign, rows=rows)


def _pairs(program: TableProgram, sign: int, *, rows: str = "", label_rows: str = "") -> list[str]:
    made = []
    for by, kept in states.needed(program).items():
        found = tuple(state for state in kept if state.of in OF_LABELS)
        if not found:
            continue
        joined = joins.joins_of(program, by, found)
        source = Source(joins.labelled(program, joined, rows=rows, label_rows=label_rows), UNKNOWN)
        select = states.Select(Grouping(program, by, source), found)
        values = [str(sign), "'LABELS'", "0", select.document()]
        statement = states.insert(select.grouping, values, select.tables(), batch="null")
        made.append(f"{states.with_ctes(select.ctes(), statement)};")
    return [_by_size(made, rows or label_rows)] if made else []


def _by_size(statements: Sequence[str], rows: str) -> str:
    """Return the statements twice: PL/pgSQL keeps plans, and what suits a large load does not suit a single row."""
    text = indent(_lines(statements))
    return (
        f"if exists (select from {rows} offset {LARGE}) then  -- a plan of its own for large statements\n"
        f"{text}\nelse\n{text}\nend if;"
    )


def _labels_body(program: TableProgram) -> str:
    table = literal(str(program.table))
    gone = _pairs(program, -1, label_rows="old_rows")
    come = _pairs(program, 1, label_rows="new_rows")
    return _body(table, gone, come)


def _attributes_body(program: TableProgram, attributes: AttributeSource) -> str:
    """Mark the buckets of predictions whose attributes are not what they were."""
    table = literal(str(program.table))
    keys = [quote_ident(name) for name in attributes.on]
    columns = ", ".join([*keys, *(f"{quote_ident(name)}::text" for name in attributes.columns)])
    only = ", ".join(keys)
    bucket = of_row(program, "p")
    whole = {rows: f"select {only} from {rows}" for rows in ("old_rows", "new_rows")}
    changed = (
        f"select {only} from (select {columns} from old_rows except all select {columns} from new_rows) as o\n"
        f"union\nselect {only} from (select {columns} from new_rows except all select {columns} from old_rows) as n"
    )

    def marking(rows: str) -> str:
        found = (
            f"select distinct {bucket.group} as bucket\nfrom (\n{indent(rows)}\n) as a\n"
            f"join {joins.stored(program)} as p on {joins.matched(attributes.on, 'a')}"
        )
        start = bucket.start_of("s.bucket")
        return (
            f"perform mlguard.recount_due_v1({table}, {start}, {start})\n"
            f"from (\n{indent(found)}\n) as s\nwhere s.bucket is not null;"
        )

    return (
        f"{SEEN} := pg_current_snapshot();\n"
        f"if TG_OP = 'TRUNCATE' then\n  perform mlguard.recount_due_v1({table}, null, null);\n"
        f"elsif TG_OP = 'INSERT' then\n{indent(marking(whole['new_rows']))}\n"
        f"elsif TG_OP = 'DELETE' then\n{indent(marking(whole['old_rows']))}\n"
        f"else\n{indent(marking(changed))}\nend if;\n"
        f"perform mlguard.pair_v1({table}, 'attributes', {SEEN}, null, null);\nreturn null;"
    )


def _body(table: str, gone: Sequence[str], come: Sequence[str]) -> str:
    return (
        f"{SEEN} := pg_current_snapshot();\n"
        f"if TG_OP = 'TRUNCATE' then\n  perform mlguard.recount_due_v1({table}, null, null);\nend if;\n"
        f"if TG_OP in ('UPDATE', 'DELETE') then\n{indent(_lines(gone))}\nend if;\n"
        f"if TG_OP in ('INSERT', 'UPDATE') then\n{indent(_lines(come))}\nend if;\n"
        f"perform mlguard.pair_v1({table}, 'labels', {SEEN}, null, null);\nreturn null;"
    )


def _lines(statements: Sequence[str]) -> str:
    return "\n".join(statements)


def _watch(
    program: TableProgram, label: str, source: LabelSource | AttributeSource, body: str, why: str
) -> list[DbObject]:
    """Return one function and its triggers on the other table and each of its partitions."""
    name = f"mlguard.{quote_ident(fit(f'{label} {program.table}'))}"
    ids = tuple(rule.id for rule in program.judged)
    made = function(
        f"{name}()",
        returns="trigger",
        attributes="security definer\nset search_path = pg_catalog, pg_temp" + settings(states.text_arguments(program)),
        about=f"{one_line(str(source.table))}, once a statement: {why}, {one_line(str(program.table))}.",
        declare=(f"{SEEN} pg_snapshot",),
        body=indent(body),
    )
    found = [trigger_function(program, name, made, ids, why)]
    # Two prediction tables may share a table of labels.
    prefix = f"zz_mlguard_{label} {digest(str(program.table))[:8]}".replace(" ", "_")
    for relation in joins.relations(source):
        found += [_trigger(program, relation, prefix, event, name, ids, why) for event in _REFERENCING]
    return found


_REFERENCING = {
    "insert": "\nreferencing new table as new_rows",
    "update": "\nreferencing old table as old_rows new table as new_rows",
    "delete": "\nreferencing old table as old_rows",
    "truncate": "",
}


def _trigger(
    program: TableProgram,
    relation: TableName,
    prefix: str,
    event: str,
    function_name: str,
    ids: tuple[str, ...],
    why: str,
) -> DbObject:
    rest = (
        f"after {event} on {relation.sql}{_REFERENCING[event]}\nfor each statement\nexecute function {function_name}()"
    )
    return replace(trigger(program, relation, f"{prefix}_{event}", rest, ids, why), on=relation)
