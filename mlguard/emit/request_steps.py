"""What COMMIT does to the rows of the requests that a transaction touched, step by step. Pure."""

from __future__ import annotations

import re

from mlguard.emit import post_names
from mlguard.emit.objects import indent
from mlguard.emit.pg_expr import to_sql
from mlguard.emit.rules import key, literal, one_line
from mlguard.lang.types import FLOATS, UNKNOWN, Kind, SqlType
from mlguard.names import quote_ident
from mlguard.program import Step, TableProgram

NOTED = 100  # lines of mlguard.violation that one COMMIT writes for one step; one more counts the rest
# Below it a float sum can be told from an overflow.
_MOST = {Kind.FLOAT8: "1e290", Kind.FLOAT4: "'Infinity'", Kind.NUMERIC: "'Infinity'"}
# A share of the sum that is less is zero: PostgreSQL refuses to compute it.
_LEAST = {Kind.FLOAT8: "1e-300", Kind.FLOAT4: "1e-37"}
# How far from 1 a sum is that rounding has made.
_NEAR = {Kind.FLOAT8: "1e-9", Kind.FLOAT4: "1e-5", Kind.NUMERIC: "1e-9"}
_SCALE = re.compile(r",\s*(-?\d+)\s*\)")


def body(program: TableProgram) -> tuple[tuple[str, ...], str]:
    """Return (declarations, body) of the function that COMMIT calls."""
    assert program.predictions is not None
    steps = [step for step in program.predictions.steps if step.at_commit]
    parts = [_scale(program, step) if step.kind == "normalise" else _remove(program, step) for step in steps]
    declare: tuple[str, ...] = ()
    if any(step.kind == "normalise" for step in steps):
        declare = ("_meant bigint", "_done bigint", "_odd jsonb", "_odd_n bigint")
    return declare, "\n".join(parts)


def _touched(program: TableProgram) -> str:
    assert program.predictions is not None
    types = _types(program)
    columns = ",\n         ".join(
        f"(e.value ->> {place})::{types.get(name, UNKNOWN)} as key_{place + 1}"
        for place, name in enumerate(program.predictions.request)
    )
    return (
        f"touched as materialized (\n  select distinct {columns}\n"
        "  from mlguard._request as q\n  cross join lateral jsonb_array_elements(q.keys) as e (value)\n"
        f"  where q.tbl = {literal(str(program.table))} and q.xid = pg_current_xact_id() and q.keys is not null\n)"
    )


def _types(program: TableProgram) -> dict[str, SqlType]:
    return {column.name: column.type for column in program.shape.columns}


def _source(program: TableProgram, step: Step) -> str:
    """Return FROM and WHERE of the rows of touched requests that the step is about."""
    assert program.predictions is not None
    same = " and ".join(
        f"t.{quote_ident(name)} = k.key_{place}" for place, name in enumerate(program.predictions.request, 1)
    )
    wanted = [f"t.{quote_ident(name)} is not null" for name in step.by if name not in program.predictions.request]
    if step.when is not None:
        wanted.append(f"({to_sql(step.when, 't', program.time_zone)})")
    where = "\nwhere " + "\n  and ".join(wanted) if wanted else ""
    return f"from touched as k\njoin {program.table.sql} as t on {same}{where}"


def _group(step: Step) -> str:
    return ", ".join(f"t.{quote_ident(name)}" for name in step.by)


def _by_key(program: TableProgram) -> bool:
    """Say whether a row is found again by its key: with partitions a place is looked for in each of them."""
    return program.shape.partitioned and post_names.unique_key(program)


def _place(program: TableProgram) -> str:
    if _by_key(program):
        return ", ".join(f"t.{quote_ident(name)} as at_{place}" for place, name in enumerate(program.key, 1))
    return "t.tableoid as at_1, t.ctid as at_2"


def _found_again(program: TableProgram, row: str) -> str:
    if _by_key(program):
        return " and ".join(f"t.{quote_ident(name)} = {row}.at_{place}" for place, name in enumerate(program.key, 1))
    return f"t.ctid = {row}.at_2 and t.tableoid = {row}.at_1"


def _log(program: TableProgram, step: Step, rows: str, old: str, new: str, its_key: str) -> str:
    assert program.predictions is not None
    table = literal(str(program.table))
    return (
        "insert into mlguard._change (tbl, key, column_name, old, new, rule, batch, pending, step_set)\n"
        f"select {table}, {its_key}, {literal(step.order)}, {old}, {new},\n"
        f"       {literal(_rule(program, step))}, (select mlguard.batch_v1({table})), false,\n"
        f"       {literal(post_names.step_set(program)[0])}\nfrom {rows}"
    )


def _rule(program: TableProgram, step: Step) -> str:
    return f"{program.table}/post.{step.name}"


def _remove(program: TableProgram, step: Step) -> str:
    kinds = {name: type_.kind for name, type_ in _types(program).items()}
    ranks = f"t.{quote_ident(step.order)}"
    if kinds.get(step.order) in FLOATS | {Kind.NUMERIC}:
        ranks = f"nullif({ranks}, 'NaN')"  # PostgreSQL sorts it above every number
    ties = ", ".join(f"t.{quote_ident(name)}" for name in program.key)
    ranked = (
        f"select {_place(program)},\n       row_number() over (\n         partition by {_group(step)}\n"
        f"         order by {ranks} desc nulls last, {ties}\n       ) as rank\n{_source(program, step)}"
    )
    gone = (
        f"delete from {program.table.sql} as t\nusing ranked as r\n"
        f"where r.rank > {step.k or 1} and {_found_again(program, 'r')}\nreturning t.*"
    )
    log = _log(
        program, step, "gone as g", f"to_jsonb(g.{quote_ident(step.order)})", "null", key(program, "g", whole=True)
    )
    return (
        f"-- {step.kind} {one_line(step.name)}\nwith {_touched(program)},\nranked as materialized (\n{indent(ranked)}\n"
        f"),\ngone as (\n{indent(gone)}\n)\n{log};"
    )


def _scale(program: TableProgram, step: Step) -> str:
    """Divide by the sum; a request whose values are no shares of anything stays as it is, and is noted."""
    assert program.predictions is not None
    type_ = _types(program).get(step.order, UNKNOWN)
    column = f"t.{quote_ident(step.order)}"
    number = f"{column}::double precision" if type_.kind is Kind.FLOAT4 else column
    fine = f"{column} >= 0 and {column} < {_MOST.get(type_.kind, _MOST[Kind.FLOAT8])}"
    logs = step.when is not None or step.order not in program.predictions.raw
    columns = [_place(program), f"{number} as was", f"sum({number}) filter (where {fine}) over w as total"]
    columns += [
        f"count(*) filter (where not ({fine})) over w as odd",
        "count(*) over w as n",
        "row_number() over w as no",
    ]
    columns += [f"t.{quote_ident(name)} as by_{place}" for place, name in enumerate(step.by, 1)]
    if logs:
        columns.append(f"{key(program, 't', whole=True)} as key")
    listed = ",\n       ".join(columns)
    found = f"select {listed}\n{_source(program, step)}\nwindow w as (partition by {_group(step)})"
    share = "f.was / f.total"
    if type_.kind in _LEAST:
        share = f"case when f.total > 1 and f.was < f.total * {_LEAST[type_.kind]} then 0 else {share} end"
    meant = (
        f"select f.*, {share} as share\nfrom found as f\n"
        f"where f.odd = 0 and f.total > 0 and abs(f.total - 1) > {_near(type_)} and f.was is not null"
    )
    scaled = (
        f"update {program.table.sql} as t\nset {quote_ident(step.order)} = m.share\nfrom meant as m\n"
        f"where {_found_again(program, 'm')}\nreturning {'m.key, ' * logs}m.was, t.{quote_ident(step.order)} as share"
    )
    ctes = [_touched(program)]
    for name, text in (("found", found), ("meant", meant)):
        ctes.append(f"{name} as materialized (\n{indent(text)}\n)")
    ctes.append(f"scaled as (\n{indent(scaled)}\n)")
    if logs:
        log = _log(program, step, "scaled as s", "to_jsonb(s.was)", "to_jsonb(s.share)", "s.key")
        ctes.append(f"logged as (\n{indent(log)}\n)")
    request = ", ".join(f"{literal(name)}, f.by_{place}" for place, name in enumerate(step.by, 1))
    odd = (
        f"select jsonb_build_object({request}) as request, f.n, row_number() over () as place\nfrom found as f\n"
        "where f.no = 1 and (f.odd > 0 or f.total is null or f.total <= 0)"
    )
    ctes.append(f"odd as (\n{indent(odd)}\n)")
    table, rule = literal(str(program.table)), literal(_rule(program, step))
    noted = "o.request" if not program.pii & set(step.by) else "null"
    return (
        f"-- normalise {one_line(step.name)}\nperform mlguard.request_acting_v1({table}, true);\nwith "
        + ",\n".join(ctes)
        + "\nselect (select count(*) from meant), (select count(*) from scaled),\n"
        f"       (select jsonb_agg(jsonb_build_object('key', {noted}, 'rows', o.n)) from odd as o"
        f" where o.place <= {NOTED}),\n       (select count(*) from odd)\n  into _meant, _done, _odd, _odd_n;\n"
        f"perform mlguard.request_acting_v1({table}, false);\n"
        f"if _done < _meant then\n  perform mlguard.request_refused_v1({rule}, _meant, _done);\nend if;\n"
        f"perform mlguard.note_v1({rule}, 'NOTED', null, nullif(o.value -> 'key', 'null'),"
        " (o.value -> 'rows')::bigint, 1,\n"
        "  'no value below zero, no NaN or infinity, and a sum above zero are needed: the request stays as it is')\n"
        "from jsonb_array_elements(_odd) as o (value);\n"
        f"if _odd_n > {NOTED} then\n  perform mlguard.note_v1({rule}, 'NOTED', null, null, null, _odd_n - {NOTED},\n"
        f"    format('and %s more requests', _odd_n - {NOTED}));\nend if;"
    )


def _near(type_: SqlType) -> str:
    scale = _SCALE.search(type_.sql)
    if type_.kind is Kind.NUMERIC and scale is not None:  # each row was rounded to its decimals
        return f"f.n * 0.5 * 10::numeric ^ (-{scale.group(1)})"
    return _NEAR.get(type_.kind, _NEAR[Kind.FLOAT8])
