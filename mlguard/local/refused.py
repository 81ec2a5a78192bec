"""What of an SLO file cannot be judged on files, and why, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from mlguard.compile import growth, leaks
from mlguard.emit.duck_cells import compares_json, doubt_of
from mlguard.emit.duck_core import NotLocal
from mlguard.emit.duck_guard import safe_duck
from mlguard.emit.joins import joins_of
from mlguard.emit.states import COMPARING, needed_by
from mlguard.lang.measure import Of
from mlguard.lang.tree import Expr
from mlguard.lang.types import Kind
from mlguard.local.engine import Engine
from mlguard.local.rows import NOT_JUDGED
from mlguard.names import TableName
from mlguard.program import Level, Rule, TableProgram
from mlguard.report.verdict import Outcome

OF_TABLES = (Level.BATCH, Level.WINDOW)


@dataclass(frozen=True)
class Refused:
    """Why an SLO is not judged: INSUFFICIENT where files cannot tell, ERROR where the data stand in the way."""

    outcome: Outcome
    reason: str


def refused(
    engine: Engine, program: TableProgram, given: Collection[TableName], doubled: Mapping[str, str]
) -> dict[str, Refused]:
    """Return the SLOs that cannot be judged here, beside row rules, with the reason.

    Args:
        engine: where the table is.
        program: the table.
        given: the tables of which there is data.
        doubled: why labels or attributes cannot be joined (mlguard.local.joined.doubled).
    """
    found: dict[str, Refused] = {}
    for rule in program.rules:
        why = _why(rule, program, given)
        if why:
            reason = why if why.startswith(NOT_JUDGED) else f"{NOT_JUDGED}{why}"
            found[rule.id] = Refused(Outcome.INSUFFICIENT, reason)
        elif broken := _unjoinable(rule, program, doubled):
            found[rule.id] = Refused(Outcome.ERROR, broken)
    return found | _doubtful(engine, program, found)


def _why(rule: Rule, program: TableProgram, given: Collection[TableName]) -> str:
    if rule.assertion is not None:
        return _no_assertion(rule, program, given)
    why = _changed_by_steps(rule, program)
    if why or rule.level not in OF_TABLES:
        return why
    joins = joins_of(program, rule.by, needed_by(rule, program))
    for source in (joins.labels, joins.attributes):
        if source is not None and (source.shape is None or source.shape.table not in given):
            return f"no data was given for {source.table}"
    try:
        if program.event_time is not None:
            safe_duck(program.event_time, program, "r")
        if joins.labels is not None:
            safe_duck(joins.labels.value, program, "t")
        for condition in _conditions(rule, program):
            safe_duck(condition, program, "r")
    except NotLocal as error:
        return error.message
    listed = (state for state in needed_by(rule, program) if state.of in (Of.KEYS, Of.VALUES))
    return "the engines differ in which JSON is equal" if any(compares_json(state.args) for state in listed) else ""


def _no_assertion(rule: Rule, program: TableProgram, given: Collection[TableName]) -> str:
    assert rule.assertion is not None
    if rule.assertion.form not in (growth.KIND, leaks.KIND):
        return "an assertion is PostgreSQL's own SQL"
    lacking = [str(table) for table in rule.assertion.tables if table not in given]
    if lacking:
        return f"no data was given for {', '.join(lacking)}"
    return _changed_by_steps(rule, program)


def _changed_by_steps(rule: Rule, program: TableProgram) -> str:
    """Say whether post-prediction steps, which run in the database, come before what the rule looks at."""
    steps = program.predictions.steps if program.predictions is not None else ()
    written = {column for step in steps for column in (*step.targets, *step.scales)}
    looked_at = {*rule.columns, *((rule.column,) if rule.column else ())}
    sifted = any(not step.targets and not step.scales for step in steps)
    if looked_at & written or (sifted and rule.level in OF_TABLES):
        return "post-prediction steps come before it, and run in the database"
    return ""


def _unjoinable(rule: Rule, program: TableProgram, doubled: Mapping[str, str]) -> str:
    if rule.level not in OF_TABLES or not doubled:
        return ""
    joins = joins_of(program, rule.by, needed_by(rule, program))
    labels = doubled.get("labels", "") if joins.labels is not None else ""
    return labels or (doubled.get("attributes", "") if joins.attributes is not None else "")


def _conditions(rule: Rule, program: TableProgram) -> Iterator[Expr]:
    """Return the conditions on rows that the SLO's metrics look at."""
    for state in needed_by(rule, program) if rule.expr is not None else ():
        if state.where is not None:
            yield state.where
        if state.of is Of.TRUE or (state.of in COMPARING and state.args[0].type.kind is Kind.BOOL):
            yield state.args[0]


def _doubtful(engine: Engine, program: TableProgram, known: Collection[str]) -> dict[str, Refused]:
    """Return SLOs over metrics whose conditions look at values of which the engines may say different things."""
    doubts: dict[str, tuple[str, str]] = {}
    for rule in program.rules:
        if rule.level not in OF_TABLES or rule.id in known:
            continue
        found = [doubt for each in _conditions(rule, program) if (doubt := doubt_of(each, program, "r")) is not None]
        if found:
            doubts[rule.id] = " or ".join(condition for condition, _ in found), found[0][1]
    if not doubts:
        return {}
    counts = ", ".join(f"coalesce(sum(case when {condition} then 1 else 0 end), 0)" for condition, _ in doubts.values())
    sql = f"select count(*), {counts} from {program.table.sql} as r"
    ((total, *bad),) = engine.rows(sql, f"{program.table}: doubtful values", table=str(program.table))
    return {
        slo: Refused(Outcome.INSUFFICIENT, f"{NOT_JUDGED}{n} of {total} rows hold {why}")
        for (slo, (_, why)), n in zip(doubts.items(), bad, strict=True)
        if n
    }
