"""`increasing_by` → the assertion a person would write: rows whose value fell since their entity's moment before. Pure.

Rows of one entity are ordered by event time, and rows of the same moment have no order among them: a row is a violation
where its value is below the greatest of the moment before. If every moment keeps to that, values never fall. Because
the window is cut by entity, PostgreSQL reads only the touched entities' rows, by an index that begins with the entity.
"""

from __future__ import annotations

from mlguard.compile.assertion import judge_tables, rule_of_query
from mlguard.compile.draft import Draft, Scene
from mlguard.compile.make import scope_of
from mlguard.compile.shorts import string
from mlguard.lang import ExpressionError, compile_value
from mlguard.lang.query import parse_query
from mlguard.lang.spell import spelled_name
from mlguard.lang.tree import Column
from mlguard.lang.types import FLOATS, NUMBERS, TIMES, Kind, SqlType
from mlguard.names import quote_ident
from mlguard.program import Action, Rule

KIND = "increasing_by"
_WORDS = ("over", "where", "by", "max_segments", "nulls", "max_bad", "min_rows", "repair", "portable", "reopen")
_ORDERED = NUMBERS | TIMES | {Kind.INTERVAL, Kind.UNKNOWN}


def build_growth(draft: Draft, scene: Scene) -> Rule | None:
    """Return the rule of an `increasing_by`, or None where it has faults (noted in the scene)."""
    event_time = scene.event_time
    if not _fits(draft, scene) or event_time is None:
        return None
    try:
        query = parse_query(_select(draft, scene, event_time), scene.table.schema)
        judge_tables(query, scene)
    except ExpressionError as error:
        scene.fault(f"`{KIND}` is judged as an assertion: {error.message}", draft.path, error.help)
        return None
    entity = ", ".join(map(spelled_name, draft.value))
    assert draft.column is not None
    name = spelled_name(draft.column)
    return rule_of_query(
        draft,
        scene,
        query,
        text=f"{name} never falls within {entity}, in order of {event_time.strip()}",
        limit=f"{name} must not fall within {entity} in order of {event_time.strip()}",
        column=draft.column,
        columns=(*draft.value, draft.column),
        form=KIND,
    )


def _fits(draft: Draft, scene: Scene) -> bool:
    """Say whether the form can be judged; what is wrong is noted."""
    before = len(scene.problems)
    words, path = draft.words, draft.path
    for word in _WORDS:
        if word in words.said:
            help_ = "remove it, or write what you mean as an `assert`"
            scene.fault(f"`{word}` says nothing about `{KIND}`", (*draft.words_path, word), help_)
    if words.action in (Action.QUARANTINE, Action.REPAIR):
        scene.fault(
            f"`{KIND}` cannot {words.action.value}: which of two rows is the wrong one nobody can tell",
            (*draft.words_path, "on_violation"),
            "use reject, hold or warn",
        )
    entity: tuple[str, ...] = draft.value
    if not entity:
        scene.fault(
            f"`{KIND}` names no entity", path, f"write {KIND}: [{scene.key[0] if scene.key else 'customer_id'}]"
        )
    for place, name in enumerate(entity):
        if scene.shape.column(name) is None and not scene.shape.declared:
            scene.fault(f"no column `{name}` in {scene.table}", path, scene.nearest(name))
        if name == draft.column or name in entity[:place]:
            scene.fault(f"`{KIND}` of {draft.column} names {name} twice", path, "name each column once")
    shape = scene.shape.column(draft.column or "")
    if shape is not None and shape.type.kind not in _ORDERED:
        scene.fault(f"{KIND} needs a number or a time; {draft.column} is {shape.type}", path, "write an `assert`")
    _judge_order(draft, scene)
    return len(scene.problems) == before


def _judge_order(draft: Draft, scene: Scene) -> None:
    if scene.event_time is None:
        scene.fault(f"`{KIND}` needs the table's event_time", draft.path, "add event_time: <column> to the file")
        return
    try:
        order = compile_value(scene.event_time, scope_of(scene))
    except ExpressionError:
        return  # told where the file says it
    if isinstance(order, Column) and order.name == draft.column:
        message = f"{draft.column} is the event_time, in whose order it always grows"
        scene.fault(message, draft.path, f"remove `{KIND}`; for gaps write no_gaps")


def _select(draft: Draft, scene: Scene, event_time: str) -> str:
    assert draft.column is not None
    value, entity = quote_ident(draft.column), [quote_ident(name) for name in draft.value]
    taken = {column.name for column in scene.shape.columns}
    before = quote_ident(_free(f"{draft.column}_before"[:60], taken))
    moment = quote_ident(_free("moment", taken))
    says = quote_ident(_free("says", taken))
    falls = string(f"{spelled_name(draft.column)} falls from ")
    shape = scene.shape.column(draft.column)
    present = [f"{name} is not null" for name in (*entity, value, f"({event_time})")]
    if shape is not None and _has_nan(shape.type):
        present.append(f"{value} <> 'NaN'")
    rows = "\n    and ".join(present)
    shown = ", ".join((*entity, moment, value))
    return (
        f"select {shown}, {before},\n"
        f"  {falls} || {before} || ' to ' || {value} || ' at ' || {moment} as {says}\nfrom (\n"
        f"  select {', '.join((*entity, value))}, ({event_time}) as {moment},\n"
        f"    max({value}) over (\n"
        f"      partition by {', '.join(entity)} order by ({event_time})\n"
        f"      groups between 1 preceding and 1 preceding\n"
        f"    ) as {before}\n"
        f"  from {scene.table.sql}\n"
        f"  where {rows}\n"
        f") as ordered\n"
        f"where {value} < {before}"
    )


def _has_nan(type_: SqlType) -> bool:
    return type_.kind in FLOATS or type_.kind is Kind.NUMERIC


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
