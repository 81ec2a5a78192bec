"""`examples:` of an SLO file against its rules: what they name must exist, and be about one row. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from mlguard.compile.collect import means
from mlguard.compile.draft import Scene
from mlguard.lang.fault import nearest
from mlguard.program import Level, Rule
from mlguard.spec.models import Example, SloFile

# What an SLO that is no rule on one row is about instead.
_ABOUT = {
    Level.ROW: "is about several rows or another table",
    Level.BATCH: "is judged over a batch",
    Level.WINDOW: "is judged over a window",
    Level.READ: "is judged over the whole table",
    Level.ASSERTION: "is judged over whole tables",
    Level.SCHEMA: "is about the columns",
}


def on_one_row(rule: Rule) -> bool:
    """Tell whether a row alone shows if it breaks the rule."""
    return rule.level is Level.ROW and rule.expr is not None


def judge_examples(file: SloFile, scene: Scene, rules: Sequence[Rule], named: Sequence[str]) -> None:
    """Note columns that are not the table's, and names of SLOs that no example can break.

    Args:
        file: the SLO file.
        scene: where faults are noted.
        rules: its SLOs.
        named: the columns that the file names; without a database they are all that is known of the table.
    """
    known = {rule.name: rule for rule in rules}
    columns = [column.name for column in scene.shape.columns]
    if scene.shape.declared:
        columns = list(dict.fromkeys([*columns, *named]))
    for index, example in enumerate(file.examples):
        for name in example.row:
            if name not in columns and not (scene.shape.declared and _grouped(file, name)):
                _unknown_column(scene, index, name, columns)
        for place, name in enumerate(example.breaks):
            path = ("examples", index, "breaks", place)
            rule = known.get(name)
            if rule is None and scene.shape.declared and _of_group(file, example, name):
                continue
            if rule is None:
                guess = nearest(name, known)
                usable = ", ".join(each.name for each in rules if on_one_row(each))
                scene.fault(
                    f"no SLO `{name}` in this file",
                    path,
                    f"did you mean {guess}?" if guess else f"SLOs on single rows: {usable or 'none'}",
                )
            elif not on_one_row(rule):
                scene.fault(f"`{name}` {_ABOUT[rule.level]}, which no example row can break", path, "remove it here")
            elif name in example.breaks[:place]:
                scene.fault(f"`{name}` is here a second time", path, "remove it")


def _grouped(file: SloFile, column: str) -> bool:
    """Tell whether a group means the column, should the table have it."""
    return any(means(group, column) for group in file.groups)


def _of_group(file: SloFile, example: Example, name: str) -> bool:
    """Tell whether a group gives the SLO to a column of the example, which only the table need have."""
    column, _, key = name.rpartition(".")
    return column in example.row and any(
        means(group, column) and any(key == each for each, _ in group.rules()) for group in file.groups
    )


def _unknown_column(scene: Scene, index: int, name: str, columns: Sequence[str]) -> None:
    guess = nearest(name, columns)
    lacks = f"no column `{name}` in {scene.table}"
    help_ = f"columns: {', '.join(columns)}"
    if scene.shape.declared:
        lacks = f"the file neither declares a column `{name}` nor reads it"
        help_ = f"declare it under columns:, or remove it; known: {', '.join(columns)}"
    scene.fault(lacks, ("examples", index, "row", name), f"did you mean {guess}?" if guess else help_)
