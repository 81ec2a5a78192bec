"""`usual:` of files, groups and columns: one SLO for each column, and one for the rows of the table. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mlguard.compile.draft import Draft, Path, Scene, Words
from mlguard.compile.metric import judged_fields
from mlguard.lang.fault import nearest
from mlguard.lang.metrics import (
    ALL,
    COLUMN_SERIES,
    LEAST_ROWS,
    METRICS,
    NUMBERS_ONLY,
    PAIRS,
    TABLE_SERIES,
    WORDS_ONLY,
    Family,
)
from mlguard.lang.types import NUMBERS, TIMES, Kind, SqlType
from mlguard.program import Level
from mlguard.spec.columns import Usual

ROWS = "rows"

ARMED = "armed"  # a word of Rule.learned: acts without a trial


def usual_drafts(
    usual: Usual, columns: list[str], path: Path, words: Words, scene: Scene, *, own: bool
) -> Iterator[Draft]:
    """Yield `<column>.usual` for each column that can be learned.

    Args:
        usual: what the file says.
        columns: whom it is said of.
        path: where.
        words: the words of the SLOs.
        scene: where faults are noted.
        own: said of the one column itself, so that what does not fit it is a fault; else it is left out.
    """
    named = _named(usual, path, scene, own=own)
    for name in columns:
        shape = scene.shape.column(name)
        if shape is None or not usual.metrics or named is None:
            continue
        if not own and (shape.type.kind in TIMES or scene.key == (name,)):
            continue  # of times and identifiers every value is new: nothing is usual about them
        if shape.virtual:
            if own:
                scene.fault(f"{name} is a virtual generated column, which statement triggers see as NULL", path)
            continue
        families = tuple(family for family in named if _fits(family, shape.type))
        if own and len(families) < len(named):
            odd = next(family for family in named if family not in families)
            scene.fault(f"{_spelled(odd)} is not learned of {name}, which is {shape.type}", path, "leave it out")
        elif families:
            yield Draft(f"{name}.usual", "usual", families, path, path, name, _in_shadow(usual, words))


def rows_draft(usual: Usual, path: Path, words: Words, scene: Scene, *, pairs: bool) -> Draft | None:
    """Return `rows.usual`: volume and repeated rows, and with `pairs: all` what pairs of columns keep to."""
    if not usual.metrics:
        return None
    families: tuple[str, ...] = (ALL,)
    if ALL not in usual.metrics:
        families = tuple(TABLE_SERIES[name] for name in usual.metrics if name in TABLE_SERIES)
    if pairs:
        families = (*families, PAIRS)
    name = ROWS if scene.shape.column(ROWS) is None else f"all {ROWS}"
    return Draft(f"{name}.usual", "usual", families, path, path, None, _in_shadow(usual, words)) if families else None


def _in_shadow(usual: Usual, words: Words) -> Words:
    """Unsaid, a learned SLO is on trial, and acts once its alarms kept within the budget; `false` ends the trial."""
    said = usual.was_set("shadow")
    return replace(words, shadow=said and usual.shadow, armed=said and not usual.shadow, tolerance=usual.tolerance)


def _named(usual: Usual, path: Path, scene: Scene, *, own: bool) -> tuple[str, ...] | None:
    """Return the series of columns that are named, or None where a name is wrong (noted)."""
    if ALL in usual.metrics:
        return (ALL,)
    known = COLUMN_SERIES if own else {**COLUMN_SERIES, **TABLE_SERIES}
    wrong = [name for name in usual.metrics if name not in known]
    for name in wrong:
        guess = nearest(name, known)
        help_ = f'did you mean "{guess}"?' if guess else f"learned are {', '.join(known)}"
        if name in TABLE_SERIES:
            help_ = "it is of the rows: write it under the file's `usual`"
        elif name in METRICS:
            help_ = f"write it as an SLO: check: usual({name}(…)); {help_}"
        scene.fault(f"`{name}` is not learned by `usual`", (*path, "metrics", usual.metrics.index(name)), help_)
    series = (COLUMN_SERIES[name] for name in usual.metrics if name in COLUMN_SERIES)
    return None if wrong else tuple(dict.fromkeys(series))


def _fits(family: str, type_: SqlType) -> bool:
    if type_.kind is Kind.UNKNOWN:
        return True
    number = type_.kind in NUMBERS
    return not (family in NUMBERS_ONLY and not number) and not (family in WORDS_ONLY and number)


def _spelled(family: str) -> str:
    return next(name for name, series in COLUMN_SERIES.items() if series == family)


def learned_fields(draft: Draft, scene: Scene) -> dict[str, Any] | None:
    """Return the fields of the Rule of a learned SLO, or None where it has faults (noted)."""
    words = draft.words
    for said, word in ((words.by, "by"), (words.where, "where")):
        if said:
            scene.fault(f"`{word}` is not available for learned health", (*draft.words_path, word), "remove it")
            return None
    found = judged_fields(draft, scene)
    if found is None:
        return None
    if scene.batch_column is not None and found["level"] is Level.BATCH:
        scene.fault(
            f"learned health is of transactions or windows, not of what `batch: {scene.batch_column}` tells apart",
            (*draft.words_path, "over"),
            "write over: 1 day",
        )
        return None
    least = LEAST_ROWS[Family.RATE] if draft.column is not None else LEAST_ROWS[Family.VOLUME]
    return {
        **found,
        "expr": None,
        "where": None,
        "columns": (draft.column,) if draft.column is not None else (),
        "learned": (*draft.value, ARMED) if words.armed else draft.value,
        "tolerance": words.tolerance,
        "min_rows": least if words.min_rows is None else words.min_rows,
    }
