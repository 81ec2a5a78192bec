"""`no_gaps` → a rule over windows: the longest time between two neighbouring event times. Pure."""

from __future__ import annotations

from mlguard.compile.draft import Draft, Scene
from mlguard.compile.make import column_type, rule_of, scope_of
from mlguard.compile.metric import judged_fields
from mlguard.lang import ExpressionError, compile_value
from mlguard.lang.spell import spelled_name
from mlguard.lang.tree import Column
from mlguard.lang.types import TIMES, Kind
from mlguard.program import Rule
from mlguard.spec.values import Length

KIND = "no_gaps"


def build_gaps(draft: Draft, scene: Scene) -> Rule | None:
    """Return the rule of a `no_gaps`, or None where it has faults (noted in the scene)."""
    words, length = draft.words, draft.value
    before = len(scene.problems)
    for said, word in ((words.by, "by"), (words.where, "where")):
        if said:
            help_ = "remove it; write row_count() >= 1 over windows of that length for parts of the rows"
            scene.fault(f"`{word}` is not available for `{KIND}`", (*draft.words_path, word), help_)
    if words.over is not None and words.over.kind == "batch":
        message = f"`{KIND}` is about time, and a batch is none"
        scene.fault(message, (*draft.words_path, "over"), "write over: 1 day, or leave it out")
    _judge_column(draft, scene)
    _judge_length(draft, length, scene)
    fields = judged_fields(draft, scene) if len(scene.problems) == before else None
    if fields is None:
        return None
    seconds = f"{length.timedelta.total_seconds():.6f}".rstrip("0").rstrip(".")
    assert draft.column is not None
    name = spelled_name(draft.column)
    return rule_of(
        draft,
        scene,
        {
            **fields,
            "expr": None,
            "where": None,
            "columns": (draft.column,),
            "text": f"gap_seconds({name}) <= {seconds}",
            "limit": f"allowed <= {seconds} ({length})",
            "min_rows": words.min_rows or 0,
            "no_gaps": length.timedelta,
        },
    )


def _judge_column(draft: Draft, scene: Scene) -> None:
    """Refuse a column by which windows are not cut: which rows are neighbours could not be told from the window."""
    type_ = column_type(draft, scene)
    if type_ is not None and type_.kind not in TIMES | {Kind.UNKNOWN}:
        scene.fault(f"{KIND} needs times; {draft.column} is {type_}", draft.path)
        return
    try:
        order = compile_value(scene.event_time, scope_of(scene)) if scene.event_time is not None else None
    except ExpressionError:
        return  # told where the file says it
    if not (isinstance(order, Column) and order.name == draft.column):
        said = "has none" if scene.event_time is None else f"is {scene.event_time}"
        scene.fault(
            f"`{KIND}` is judged over windows, which are cut by the event_time; the file's {said}",
            draft.path,
            f"write event_time: {spelled_name(draft.column or '')}, or judge another column's gaps in an `assert`",
        )


def _judge_length(draft: Draft, length: Length, scene: Scene) -> None:
    if length.months:
        help_ = f"write days: {length.months * 30} days"
        scene.fault(f"`{KIND}: {length}`: months are of different lengths", draft.path, help_)
    elif not length:
        scene.fault(f"`{KIND}` of no length allows no second row", draft.path, "write 1 hour")
