"""The keys of a prediction table → Predictions: its model, its inputs, its steps, where the truth is found. Pure."""

from __future__ import annotations

from mlguard.compile.draft import Scene
from mlguard.compile.post import raw_of, steps_of
from mlguard.emit.inputs import replaced
from mlguard.program import AttributeSource, LabelSource, Predictions
from mlguard.spec.models import SloFile


def predictions_of(
    file: SloFile, scene: Scene, labels: LabelSource | None = None, attributes: AttributeSource | None = None
) -> Predictions | None:
    """Return what makes the table one of predictions, None where the file names no model; faults are noted."""
    if file.model is None:
        return None
    _judge_version_column(file, scene)
    for index, table in enumerate(file.features):
        if table == file.table:
            scene.fault(
                f"{table} cannot be an input of its own predictions",
                ("features", index),
                "name the feature tables that the model reads",
            )
    steps = steps_of(file, scene)
    predictions = Predictions(
        model=file.model,
        version_column=file.version_column,
        approval=file.approval == "required",
        features=tuple(file.features),
        when_features_held=file.when_features_held,
        steps=steps,
        steps_in_file=scene.where(("post",)),
        raw=raw_of(file, scene, steps),
        labels=labels,
        attributes=attributes,
    )
    _judge_fallback(file, predictions, scene)
    return predictions


def _judge_version_column(file: SloFile, scene: Scene) -> None:
    """Refuse a version column that is not there, is computed, or is personal; and approval without one."""
    name = file.version_column
    if name is None:
        if file.approval == "required":
            scene.fault(
                "`approval: required` needs to know which version wrote a row",
                ("approval",),
                "add version_column: <column>",
            )
        return
    column = scene.shape.column(name)
    if column is None and not scene.shape.declared:
        scene.fault(f"no column `{name}` in {scene.table}", ("version_column",), scene.nearest(name))
    elif column is not None and column.generated:
        scene.fault(
            f"{name} is generated, and a trigger cannot see what it will be",
            ("version_column",),
            "name the column that the writer fills",
        )
    elif name in scene.pii:
        scene.fault(
            f"{name} is pii, and versions are shown in messages and audits",
            ("version_column",),
            "take pii off it, or name another column",
        )


def _judge_fallback(file: SloFile, predictions: Predictions, scene: Scene) -> None:
    """Refuse a fallback that nothing would fill."""
    if predictions.when_features_held == "reject":
        return
    if not predictions.features:
        scene.fault(
            f"`when_features_held: {predictions.when_features_held}` without inputs has no effect",
            ("when_features_held",),
            "add features: [schema.table, …], the tables that the model reads",
        )
    elif predictions.when_features_held == "fallback" and not replaced(predictions):
        scene.fault(
            "no step stands in for a missing value, so there is nothing to fall back on",
            ("when_features_held",),
            "add a step such as {name: fallback_prior, when: score IS NULL, set: {score: 0.5}}, or write allow",
        )
