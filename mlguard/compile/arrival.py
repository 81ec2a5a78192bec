"""`arrives_by` → a rule of the read gate: on named days, by a local time, newer data must have come. Pure."""

from __future__ import annotations

from mlguard.compile.draft import Draft, Scene
from mlguard.compile.make import rule_of
from mlguard.program import Action, Deadline, Level, Place, Placement, Rule
from mlguard.spec.values import Arrival

KIND = "arrives_by"
_WORDS = ("over", "where", "by", "max_segments", "nulls", "max_bad", "min_rows", "repair", "portable", "reopen")
_PLACE = Placement(Place.GATE, "arrival is judged by the reader's clock, when it reads, and by sweep()")


def build_arrival(draft: Draft, scene: Scene) -> Rule | None:
    """Return the rule of the file's `arrives_by`, or None where it has faults (noted in the scene)."""
    words = draft.words
    before = len(scene.problems)
    for word in _WORDS:
        if word in words.said and not (word == "over" and words.over.kind == "read"):
            scene.fault(
                f"`{word}` says nothing about `{KIND}`",
                (*draft.words_path, word),
                "remove it; for rows that must have come by the end of a window write row_count() >= 1",
            )
    action = words.action or Action.WARN
    if action not in (Action.HOLD, Action.WARN):
        scene.fault(
            f"on_violation: {action.value} is for writes; `{KIND}` is judged by the clock",
            (*draft.words_path, "on_violation"),
            "use hold (guarded reads raise) or warn",
        )
    if scene.event_time is None:
        scene.fault(f"`{KIND}` needs the table's event_time", draft.path, "add event_time: <column> to the file")
    if len(scene.problems) > before:
        return None
    return rule_of(
        draft,
        scene,
        {
            "level": Level.READ,
            "action": action,
            "expr": None,
            "text": f"{KIND} {draft.value.text}",
            "limit": f"required by {draft.value.text}",
            "placement": _PLACE,
            "columns": (),
            "column": None,
            "waivable": True,
            "arrives": _deadline(draft.value, scene),
        },
    )


def _deadline(arrival: Arrival, scene: Scene) -> Deadline:
    days = tuple(day + 1 for day in arrival.days)
    return Deadline(arrival.text, f"{arrival.at:%H:%M}", arrival.time_zone or scene.time_zone, days)
