"""SLO file → drafts: short forms, groups and `slos:` as one list; what this version cannot judge is refused. Pure."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from typing import Any

from mlguard.compile.draft import Draft, Path, Scene, Words
from mlguard.program import Action, Bound
from mlguard.spec.columns import ColumnRules, Group
from mlguard.spec.models import SloFile
from mlguard.spec.rules import Words as SpecWords

ROW_SHORT_FORMS = frozenset(
    {"required", "unique", "range", "in", "not_in", "matches", "length", "finite", "array_length", "references"}
)
LATER = "this version judges row rules and staleness()"
# Keys of the file whose SLOs need batches, windows, predictions or history. Saying them must never pass silently.
LATER_KEYS = (
    "usual", "pairs", "missing", "leak_guard", "arrives_by", "examples", "model", "version_column", "approval",
    "features", "when_features_held", "attributes", "post", "raw", "labels",
)  # fmt: skip


def drafts(file: SloFile, scene: Scene) -> list[Draft]:
    """Return every SLO of the file, in order; faults are noted in the scene."""
    _refuse_later(file, scene)
    found: list[Draft] = []
    named: dict[tuple[str, str], Path] = {}
    for name, column in file.columns.items():
        if scene.shape.column(name) is None:
            continue
        for draft in _of_column(file, name, column, ("columns", name), scene):
            named[name, draft.kind] = draft.path
            found.append(draft)
    for index, group in enumerate(file.groups):
        for name in _members(group, scene, ("groups", index)):
            for draft in _of_column(file, name, group, ("groups", index), scene):
                if (
                    name,
                    draft.kind,
                ) not in named:  # what a column says itself wins over its groups, the first group wins
                    named[name, draft.kind] = draft.path
                    found.append(draft)
    for index, slo in enumerate(file.slos):
        path: Path = ("slos", index)
        if slo.assert_ is not None:
            scene.fault(f"`assert` is not available: {LATER}", (*path, "assert"))
            continue
        assert slo.check is not None
        if _refuse_later_words(slo, path, scene):
            continue
        words = _words(slo, file)
        found.append(Draft(slo.name, "check", slo.check, (*path, "check"), path, words=words))
    return found


# Keys that only set how batches and windows are judged: said today, they mean nothing yet, which plan tells.
IDLE_KEYS = ("inputs", "window", "late", "baseline", "schema_")


def idle(file: SloFile) -> tuple[str, ...]:
    """Return the keys of the file that have no effect in this version."""
    said = [key.rstrip("_") for key in IDLE_KEYS if file.was_set(key)]
    for name, column in file.columns.items():
        if column.importance is not None:
            said.append(f"columns.{name}.importance")
    return tuple(said)


def _refuse_later(file: SloFile, scene: Scene) -> None:
    for key in LATER_KEYS:
        if file.was_set(key) and getattr(file, key) not in ((), {}, None, "none"):
            scene.fault(f"`{key}` is not available: {LATER}", (key,), "remove it for now")
    if file.schema_ == "exact":
        scene.fault(f"`schema: exact` is not available: {LATER}", ("schema",), "remove it for now")
    if file.batch != "transaction":
        scene.fault(f"`batch` is not available: {LATER}", ("batch",), "remove it for now")
    if file.reads == "rename":
        scene.fault("`reads: rename` is not available in this version", ("reads",), "use view or policy")


def _of_column(file: SloFile, name: str, rules: ColumnRules, path: Path, scene: Scene) -> Iterator[Draft]:
    for key in ("usual", "missing"):
        if getattr(rules, key):
            scene.fault(f"`{key}` is not available: {LATER}", (*path, key), "remove it for now")
    if rules.pii == "forbid":
        yield Draft(f"{name}.pii", "pii_forbid", None, (*path, "pii"), path, name, _words(None, file))
    for key, rule in rules.rules():
        at = (*path, key)
        if key not in ROW_SHORT_FORMS:
            scene.fault(f"`{key}` is not available: {LATER}", at, "remove it for now")
            continue
        if _refuse_later_words(rule, at, scene):
            continue
        value = _value(key, rule)
        if value is False:
            continue  # `required: false` overrides an included file
        yield Draft(f"{name}.{key}", key, value, at, at, name, _words(rule, file))


def _value(key: str, rule: Any) -> Any:
    match key:
        case "range" | "length":
            return rule.between
        case "in" | "not_in":
            return rule.values
        case "matches":
            return rule.pattern
    return rule.value


def _members(group: Group, scene: Scene, path: Path) -> list[str]:
    """Return the columns a group means, in the table's order."""
    names = [column.name for column in scene.shape.columns]
    found = [
        name
        for name in names
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in group.columns)
        and not any(fnmatch.fnmatchcase(name, pattern) for pattern in group.except_)
    ]
    if not found and not scene.shape.declared:
        scene.fault(f"the group names no column of {scene.table}", (*path, "columns"), f"columns: {', '.join(names)}")
    return found


def _refuse_later_words(words: SpecWords, path: Path, scene: Scene) -> bool:
    """Refuse words that need batches, windows or segments."""
    if words.over is not None and words.over.kind not in ("row", "read"):
        scene.fault(f"`over: {words.over.kind}` is not available: {LATER}", (*path, "over"), "remove it for now")
        return True
    if words.by:
        scene.fault(f"`by` is not available: {LATER}", (*path, "by"), "remove it for now")
        return True
    for word in words.then:
        if word != "notify":
            scene.fault(f"`then: {word}` is not available: {LATER}", (*path, "then"), "remove it for now")
            return True
    return False


def _words(words: SpecWords | None, file: SloFile) -> Words:
    """Apply the file's defaults to the words of one SLO."""
    if words is None:
        return Words(owner=file.owner, runbook=file.runbook, tags=file.tags)
    amount = words.max_bad
    return Words(
        where=words.where,
        nulls_fail=words.nulls == "fail",
        max_bad=Bound(amount.share, amount.rows) if amount is not None else None,
        min_rows=words.min_rows,
        action=Action(words.on_violation) if words.on_violation else None,
        repair=words.repair,
        shadow=words.shadow,
        waivable=words.waivable,
        portable=words.portable,
        severity=words.severity,
        owner=words.owner or file.owner,
        runbook=words.runbook or file.runbook,
        description=words.description,
        tags=tuple(dict.fromkeys((*file.tags, *words.tags))),
        then=words.then,
    )
