"""The keys of a prediction table → Predictions: its model, its inputs, its steps, where the truth is found. Pure."""

from __future__ import annotations

from mlguard.compile.draft import Scene
from mlguard.program import AttributeSource, LabelSource, Predictions
from mlguard.spec.models import SloFile


def predictions_of(
    file: SloFile, scene: Scene, labels: LabelSource | None = None, attributes: AttributeSource | None = None
) -> Predictions | None:
    """Return what makes the table one of predictions, None where the file names no model; faults are noted."""
    if file.model is None:
        return None
    if file.version_column is not None and scene.shape.column(file.version_column) is None and not scene.shape.declared:
        scene.fault(
            f"no column `{file.version_column}` in {scene.table}",
            ("version_column",),
            scene.nearest(file.version_column),
        )
    if file.approval == "required" and file.version_column is None:
        scene.fault(
            "`approval: required` needs to know which version wrote a row",
            ("approval",),
            "add version_column: <column>",
        )
    return Predictions(
        model=file.model,
        version_column=file.version_column,
        approval=file.approval == "required",
        features=tuple(file.features),
        when_features_held=file.when_features_held,
        labels=labels,
        attributes=attributes,
    )
