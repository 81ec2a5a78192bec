"""Short forms that the database judges as assertions, judged on files: `increasing_by` and `leak_guard`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlguard.compile import growth, leaks
from mlguard.emit.duck_core import NotLocal
from mlguard.emit.duck_guard import safe_duck
from mlguard.evaluate_assertions import SAMPLES, Returned
from mlguard.lang import Scope, compile_value
from mlguard.lang.spell import spelled_name
from mlguard.lang.tree import Expr
from mlguard.lang.types import FLOATS, Kind
from mlguard.local.engine import Engine
from mlguard.local.words import trimmed_number
from mlguard.names import TableName, quote_ident
from mlguard.program import Rule, TableProgram, TableShape
from mlguard.report.of_rule import verdict_of
from mlguard.report.verdict import Outcome, Verdict


@dataclass(frozen=True)
class _Violations:
    """Rows that violate: an item of FROM with the columns `keys`, `a`, `b` and `moment`, and what a row says."""

    source: str
    keys: tuple[str, ...]
    says: str  # with {a}, {b} and {moment}


def asserted(engine: Engine, program: TableProgram, stored: TableName, rule: Rule) -> Verdict:
    """Judge one of them.

    Args:
        engine: where the table is.
        program: the table; its labels are read where it says.
        stored: the rows that land.
        rule: the SLO.
    """
    assert rule.assertion is not None
    try:
        found = (_falls if rule.assertion.form == growth.KIND else _leaks)(program, stored, rule)
    except NotLocal as error:
        return verdict_of(rule, Outcome.INSUFFICIENT, reason=error.message)
    what, table = f"{program.table}: {rule.name}", str(program.table)
    ((bad,),) = engine.rows(f"select count(*)\nfrom {found.source}", what, table=table)
    rows: Sequence[tuple[Any, ...]] = ()
    if bad and not rule.assertion.hidden:
        columns = ", ".join([*map(quote_ident, found.keys), "a", "b", "cast(moment as varchar)"])
        rows = engine.rows(f"select {columns}\nfrom {found.source}\nlimit {SAMPLES}", what, table=table)
    sample = tuple(dict(zip(found.keys, row, strict=False)) for row in rows)
    says = ""
    if rows:
        a, b, moment = map(trimmed_number, rows[0][-3:])
        says = found.says.format(a=a, b=b, moment=moment)
    observed = Returned(int(bad), sample, 0.0, says).words
    samples = tuple({"observed": None, "key": key} for key in sample)
    return verdict_of(rule, Outcome.FAIL if bad else Outcome.PASS, observed=observed, bad=int(bad), samples=samples)


def _falls(program: TableProgram, stored: TableName, rule: Rule) -> _Violations:
    """Rows whose value is below the greatest of their entity's moment before: what mlguard.compile.growth writes."""
    assert program.event_time is not None
    *entity, column = rule.columns
    value, at = f"r.{quote_ident(column)}", safe_duck(program.event_time, program, "r")
    own = [f"r.{quote_ident(name)}" for name in entity]
    shape = program.shape.column(column)
    known = [f"{name} is not null" for name in (*own, value, at)]
    if shape is not None and shape.type.kind in FLOATS | {Kind.NUMERIC}:
        known.append(f"not isnan({value})")
    source = (
        f"(\n  select {', '.join(own)}, {value} as b, {at} as moment,\n"
        f"    max({value}) over (partition by {', '.join(own)} order by {at}\n"
        f"      groups between 1 preceding and 1 preceding) as a\n"
        f"  from {stored.sql} as r\n  where {' and '.join(known)}\n) as ordered\nwhere b < a"
    )
    name = spelled_name(column).replace("{", "{{").replace("}", "}}")
    shown = tuple(key for key in program.key if key in entity) or tuple(entity)
    return _Violations(source, shown, f"{name} falls from {{a}} to {{b}} at {{moment}}")


def _leaks(program: TableProgram, stored: TableName, rule: Rule) -> _Violations:
    """Predictions that are younger than the truth about them: what mlguard.compile.leaks writes."""
    labels = program.predictions.labels if program.predictions is not None else None
    assert labels is not None
    assert labels.shape is not None
    first, operator, second = leaks.sides(rule.text)
    own = program.event_time if first == "event_time" else _compiled(first, program.shape)
    known = labels.event_time if second == "event_time" else _compiled(second, labels.shape)
    assert own is not None
    assert known is not None
    kinds = {own.type.kind, known.type.kind}
    if Kind.TIMESTAMPTZ in kinds and len(kinds) > 1:
        raise NotLocal("a time with a zone beside one without", "the session's time zone decides")
    on = [quote_ident(name) for name in labels.on]
    same = " and ".join(f"t.{name} = r.{name}" for name in on)
    moment, seen = safe_duck(own, program, "r"), safe_duck(known, program, "t")
    source = (
        f"(\n  select {', '.join(f'r.{name}' for name in on)}, cast({moment} as varchar) as a,"
        f" cast({seen} as varchar) as b,\n    {moment} as moment\n"
        f"  from {stored.sql} as r join {labels.table.sql} as t on {same}\n"
        f"  where not ({moment} {operator} {seen})\n) as leaked"
    )
    shown = tuple(key for key in program.key if key in labels.on) or labels.on
    return _Violations(source, shown, "it is as of {a}, and its label was known at {b}")


def _compiled(name: str, shape: TableShape) -> Expr:
    columns = {column.name: column.type for column in shape.columns}
    return compile_value(quote_ident(name), Scope(columns=columns, closed=True, lookups=False))
