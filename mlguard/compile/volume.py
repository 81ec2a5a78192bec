"""`row_count() >= 100` over a sliding window, with hold → a rule of the read gate, counted by its readers. Pure."""

from __future__ import annotations

from typing import Any

from mlguard.compile.draft import Draft, Scene
from mlguard.compile.make import scope_of
from mlguard.compile.then import ACTS
from mlguard.lang import ExpressionError, compile_value
from mlguard.lang.analyse import least_row_count
from mlguard.lang.tree import Column, Expr
from mlguard.program import Action, Level, Over, Place, Placement, Volume


def at_the_gate(draft: Draft, scene: Scene, expr: Expr, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a metric's Rule, changed where a volume with `hold` can be counted by its readers.

    What a reader cannot count stays a window that sweep() judges, and its reason says why.
    """
    over: Over = fields["over"]
    least = least_row_count(expr)
    if over.kind != "sliding" or fields["action"] is not Action.HOLD or not least or over.span is None:
        return fields
    column = _column(draft, scene)
    if not isinstance(column, Column):
        placed: Placement = fields["placement"]
        return {**fields, "placement": Placement(placed.place, f"{placed.reason}; not by readers: {column}")}
    volume = Volume(least, over.span, column.name)
    reason = f"the rows of {volume.words} are counted by the reader's clock, when it reads, and by sweep()"
    return {
        **fields,
        "level": Level.READ,
        "placement": Placement(Place.GATE, reason),
        "over": None,
        "volume": volume,
    }


def _column(draft: Draft, scene: Scene) -> Column | str:
    """Return the event time by which readers can count, or say why they cannot."""
    words = draft.words
    for said, word in ((words.where, "where"), (words.by, "by"), (words.min_rows, "min_rows")):
        if said:
            return f"it says `{word}`"
    if "reopen" in words.said:
        return "it says `reopen`"
    act = next((word for word in words.then if word in ACTS), "")
    if act:
        return f"`{act}` follows windows"
    if scene.event_time is None:
        return "the file names no event_time"
    if scene.shape.forced_row_security:
        return "row-level security is forced on the owner, who would not see all rows"
    try:
        moment = compile_value(scene.event_time, scope_of(scene))
    except ExpressionError:
        return "the event_time has faults"  # told where the file says it
    return moment if isinstance(moment, Column) else "the event_time is no column, so no index leads to its rows"
