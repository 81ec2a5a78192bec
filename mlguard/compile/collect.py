"""SLO file → drafts: short forms, groups and `slos:` as one list; what this version cannot judge is refused. Pure."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from typing import Any

from mlguard.compile.draft import Draft, Path, Scene, Words
from mlguard.compile.learned import rows_draft, usual_drafts
from mlguard.program import Action, Bound
from mlguard.spec.columns import ColumnRules, Group, Usual
from mlguard.spec.models import SloFile
from mlguard.spec.rules import Words as SpecWords

ROW_SHORT_FORMS = frozenset(
    {"required", "unique", "range", "in", "not_in", "matches", "length", "finite", "array_length", "references"}
)
STORED_SHORT_FORMS = frozenset({"increasing_by", "no_gaps"})
METRIC_SHORT_FORMS = frozenset({"max_null_rate", "new_categories"})
LATER = "is not available in this version"


def drafts(file: SloFile, scene: Scene, members: Mapping[int, list[str]]) -> list[Draft]:
    """Return every SLO of the file, in order; faults are noted in the scene.

    Args:
        file: the SLO file.
        scene: where faults are noted.
        members: index of each group → its columns.
    """
    _refuse_later(file, scene)
    found: list[Draft] = []
    named: set[tuple[str, str]] = set()
    for name, column in file.columns.items():
        if scene.shape.column(name) is None:
            continue
        for draft in _of_column(file, name, column, ("columns", name), scene, own=True):
            named.add((name, draft.kind))
            found.append(draft)
        if column.usual is not None:
            named.add((name, "usual"))  # `usual: none` too wins over groups and the file
    for index, group in enumerate(file.groups):
        for name in members[index]:
            for draft in _of_column(file, name, group, ("groups", index), scene, own=False):
                # what a column says itself wins over its groups, the first group wins
                if (name, draft.kind) not in named:
                    named.add((name, draft.kind))
                    found.append(draft)
            if group.usual is not None:
                named.add((name, "usual"))
    for index, slo in enumerate(file.slos):
        path: Path = ("slos", index)
        words = _words(slo, file)
        if slo.assert_ is not None:
            found.append(Draft(slo.name, "assert", slo.assert_, (*path, "assert"), path, words=words))
            continue
        assert slo.check is not None
        found.append(Draft(slo.name, "check", slo.check, (*path, "check"), path, words=words))
    if file.leak_guard is not None:
        at = ("leak_guard",)
        guarded = (file.leak_guard.check, file.labels)
        found.append(Draft("leak_guard", "leak_guard", guarded, at, at, words=_words(file.leak_guard, file)))
    if file.arrives_by is not None:
        at = ("arrives_by",)
        found.append(
            Draft("arrives_by", "arrives_by", file.arrives_by.value, at, at, words=_words(file.arrives_by, file))
        )
    return [*found, *_of_every_column(file, scene, {name for name, kind in named if kind == "usual"})]


def _of_every_column(file: SloFile, scene: Scene, named: set[str]) -> Iterator[Draft]:
    """Yield what the file's `usual` makes: an SLO for each column that says nothing itself, and one for the rows."""
    usual = file.usual
    pairs = file.pairs == "all"
    if usual is None or not usual.metrics:
        if pairs:
            scene.fault("`pairs: all` adds to what `usual` learns, and nothing is", ("pairs",), "write usual: all")
        return
    path: Path = ("usual",)
    words = _words(usual, file)
    columns = [column.name for column in scene.shape.columns if column.name not in named]
    yield from usual_drafts(usual, columns, path, words, scene, own=False)
    rows = rows_draft(usual, path, words, scene, pairs=pairs)
    if rows is not None:
        yield rows


def _refuse_later(file: SloFile, scene: Scene) -> None:
    if file.reads == "rename":
        scene.fault(f"`reads: rename` {LATER}", ("reads",), "use policy where readers must keep the name, else view")


def _of_column(file: SloFile, name: str, rules: ColumnRules, path: Path, scene: Scene, *, own: bool) -> Iterator[Draft]:
    if rules.pii == "forbid":
        yield Draft(f"{name}.pii", "pii_forbid", None, (*path, "pii"), path, name, _words(None, file))
    for key, rule in rules.rules():
        at = (*path, key)
        if isinstance(rule, Usual):
            yield from usual_drafts(rule, [name], at, _words(rule, file), scene, own=own)
            continue
        if key not in ROW_SHORT_FORMS | STORED_SHORT_FORMS | METRIC_SHORT_FORMS:
            scene.fault(f"`{key}` {LATER}", at, "remove it for now")
            continue
        value = _value(key, rule)
        if value is False:
            continue  # `required: false` overrides an included file
        yield Draft(f"{name}.{key}", key, value, at, at, name, _words(rule, file))


def _value(key: str, rule: Any) -> Any:
    match key:
        case "increasing_by":
            return tuple(rule.columns)
        case "range" | "length":
            return rule.between
        case "in" | "not_in":
            return rule.values
        case "matches":
            return rule.pattern
    return rule.value


def members_of(file: SloFile, scene: Scene) -> dict[int, list[str]]:
    """Return for each group the columns it means, in the table's order; one that means none is noted."""
    return {index: _members(group, scene, ("groups", index)) for index, group in enumerate(file.groups)}


def means(group: Group, column: str) -> bool:
    """Tell whether the group is about a column of that name."""
    return any(fnmatch.fnmatchcase(column, pattern) for pattern in group.columns) and not any(
        fnmatch.fnmatchcase(column, pattern) for pattern in group.except_
    )


def _members(group: Group, scene: Scene, path: Path) -> list[str]:
    """Return the columns a group means, in the table's order."""
    names = [column.name for column in scene.shape.columns]
    found = [name for name in names if means(group, name)]
    if not found and not scene.shape.declared:
        scene.fault(f"the group names no column of {scene.table}", (*path, "columns"), f"columns: {', '.join(names)}")
    return found


def _words(words: SpecWords | None, file: SloFile) -> Words:
    """Apply the file's defaults to the words of one SLO."""
    if words is None:
        return Words(owner=file.owner, runbook=file.runbook, tags=file.tags)
    amount = words.max_bad
    return Words(
        over=words.over,
        by=words.by,
        max_segments=words.max_segments,
        reopen=words.reopen,
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
        said=frozenset(words.model_fields_set),
    )
