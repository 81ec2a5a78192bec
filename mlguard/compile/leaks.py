"""`leak_guard` → the assertion a person would write: predictions that are younger than the truth about them. Pure.

`event_time <= labels.event_time` says that whatever is predicted was predicted before its label was known, judged at
COMMIT of whoever writes predictions or labels, for the keys that were touched.
"""

from __future__ import annotations

import re

from mlguard.compile.assertion import judge_tables, rule_of_query
from mlguard.compile.draft import Draft, Scene
from mlguard.lang import ExpressionError
from mlguard.lang.query import parse_query
from mlguard.names import quote_ident
from mlguard.program import Action, Rule
from mlguard.spec.predictions import Labels

KIND = "leak_guard"
HELP = "write leak_guard: event_time <= labels.event_time, or a column of either table in its place"
_FORM = re.compile(r"\s*(?P<own>\w+)\s*(?P<op><=|<)\s*labels\.(?P<known>\w+)\s*")


def build_leak_guard(draft: Draft, scene: Scene) -> Rule | None:
    """Return the rule of a `leak_guard`, or None where it has faults (noted in the scene).

    Args:
        draft: its value is the text of the check, and the file's `labels`.
        scene: where faults are noted.
    """
    text, labels = draft.value
    select = _select(str(text), labels, draft, scene)
    if select is None:
        return None
    try:
        query = parse_query(select, scene.table.schema)
        judge_tables(query, scene)
    except ExpressionError as error:
        scene.fault(f"`{KIND}` is judged as an assertion: {error.message}", draft.path, error.help)
        return None
    said = str(text).strip()
    return rule_of_query(draft, scene, query, text=said, limit=f"required {said}", form=KIND)


def sides(text: str) -> tuple[str, str, str]:
    """Return the time of a row, the operator and the time of its label, of a leak_guard without faults."""
    found = _FORM.fullmatch(text)
    assert found is not None, text
    return found["own"], found["op"], found["known"]


def _select(text: str, labels: Labels | None, draft: Draft, scene: Scene) -> str | None:
    """Return the SELECT of rows that know too much; what is wrong is noted."""
    found = _FORM.fullmatch(text)
    if draft.words.action in (Action.QUARANTINE, Action.REPAIR):
        scene.fault(f"`{KIND}` looks at two tables", draft.path, "use reject, hold or warn")
    elif labels is None:
        scene.fault(f"`{KIND}` compares with labels, and the file names none", draft.path, "add labels: {table: …}")
    elif found is None:
        scene.fault(f"`{KIND}` compares one time of a row with one of its label", draft.path, HELP)
    else:
        own = scene.event_time if found["own"] == "event_time" else quote_ident(found["own"])
        known = labels.event_time if found["known"] == "event_time" else quote_ident(found["known"])
        if own is None:
            scene.fault(f"`{KIND}` needs the table's event_time", draft.path, "add event_time: <column> to the file")
        elif known is None:
            scene.fault(f"`{KIND}` needs the labels' event_time", draft.path, "add event_time: <column> to labels")
        elif found["own"] != "event_time" and not scene.shape.declared and scene.shape.column(found["own"]) is None:
            scene.fault(f"no column `{found['own']}` in {scene.table}", draft.path, scene.nearest(found["own"]))
        else:
            return _joined(own, found["op"], known, labels, scene)
    return None


def _joined(own: str, operator: str, known: str, labels: Labels, scene: Scene) -> str:
    on = [quote_ident(name) for name in labels.on]
    keys = ", ".join(on)
    same = " and ".join(f"l.{name} = p.{name}" for name in on)
    shown = ", ".join(f"p.{name}" for name in on)
    return (
        f"select {shown}, p.moment, l.known,\n"
        "  'it is as of ' || p.moment || ', and its label was known at ' || l.known as says\n"
        f"from (select {keys}, ({own}) as moment from {scene.table.sql}) as p\n"
        f"join (select {keys}, ({known}) as known from {labels.table.sql}) as l on {same}\n"
        f"where not (p.moment {operator} l.known)"
    )
