"""What a prediction table says beside the rest: attributes, post-prediction steps, labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from mlguard.spec.base import Fault, Model, Short
from mlguard.spec.fields import (
    Bounds,
    Expression,
    Factors,
    Label,
    LengthOrZero,
    Literal_,
    Name,
    Names,
    NewValue,
    Positive,
    Table,
    Whole,
)
from mlguard.spec.readers import OneOf
from mlguard.spec.source import shown

STEP_KINDS = ("set", "clamp", "round", "default", "calibrate", "normalise", "route", "top_k", "dedupe")


class Calibration(Model):
    """How one score is calibrated: a straight line, a logistic curve, or points of a table."""

    linear: Factors | None = Field(default=None, description="[a, b]: a * score + b.")
    logistic: Factors | None = Field(default=None, description="[a, b]: 1 / (1 + exp(-(a * score + b))).")
    table: Table | None = Field(default=None, description="Table of points, such as those of an isotonic regression.")
    x: Name | None = Field(default=None, description="With table: column of scores.")
    y: Name | None = Field(default=None, description="With table: column of calibrated values.")

    def faults(self) -> Iterator[Fault]:
        """Exactly one way, and numbers in it."""
        chosen = [name for name in ("linear", "logistic", "table") if getattr(self, name) is not None]
        if len(chosen) != 1:
            yield Fault(
                f"a calibration is one of linear, logistic, table; found {' and '.join(chosen) or 'none'}",
                help="write {linear: [1.1, -0.05]}, {logistic: [1.3, -0.2]} or {table: ops.points, x: raw, y: p}",
            )
        for name in ("linear", "logistic"):
            for index, value in enumerate(getattr(self, name) or ()):
                if value.kind != "number" or value.number is None:
                    yield Fault(f"`{shown(value.text)}` is no number", (name, index), "write [a, b]")
        if "table" in chosen and (self.x is None or self.y is None):
            yield Fault("a table of points needs its two columns", ("table",), "add x: <scores>, y: <calibrated>")


class Normalise(Model):
    """Values that sum to 1: the columns of one row, or one column over the rows of a request."""

    columns: Names = Field(description="Columns of one row that sum to 1; with `by`, the one column.")
    by: Names = Field(default=(), description="Columns that name a request: its rows sum to 1, judged at COMMIT.")


class TopK(Model):
    """The best rows of each request; the others leave the table at COMMIT."""

    k: Positive = Field(description="How many rows of a request stay.")
    by: Names = Field(description="Columns that name a request.")
    order: Name = Field(description="Column by which rows are best; the greatest first, NULL last.")


class Dedupe(Model):
    """One row of each kind; the others leave the table at COMMIT."""

    by: Names = Field(description="Columns that must not repeat together, such as [request_id, item].")
    order: Name = Field(description="Column that decides which row stays: the greatest, NULL last.")


class Attributes(Model):
    """Columns of another table, for segments and fairness; task roles need not read it."""

    table: Table = Field(description="The table, schema-qualified.")
    on: Names = Field(description="Columns both tables share.")
    columns: Names = Field(description="The columns that are taken from it.")


class PostStep(Model):
    """One post-prediction trigger; the steps run in file order, before the row lands."""

    name: Label = Field(description="Name of the step; stands in the change log.")
    when: Expression | None = Field(default=None, description="Only rows for which this is true.")
    set: Mapping[Name, NewValue] = Field(
        default={}, description="Column to SQL expression; text wants its own quotes: \"'none'\"."
    )
    clamp: Mapping[Name, Bounds] = Field(default={}, description="Column to [lowest, highest]; null is open.")
    round: Mapping[Name, Whole] = Field(default={}, description="Column to number of decimals.")
    default: Mapping[Name, Literal_] = Field(default={}, description="Column to the value that stands in for NULL.")
    calibrate: Mapping[Name, Calibration] = Field(
        default={}, description="Column to {linear: [a, b]}, {logistic: [a, b]} or {table: …, x: …, y: …}."
    )
    normalise: Annotated[Normalise, Short("columns")] | None = Field(
        default=None, description="Columns of a row that sum to 1; {columns: …, by: …}: one column over a request."
    )
    top_k: TopK | None = Field(default=None, description="{k: 10, by: [request_id], order: score}, at COMMIT.")
    dedupe: Dedupe | None = Field(default=None, description="{by: [request_id, item], order: score}, at COMMIT.")
    on_error: Annotated[Literal["quarantine", "reject"], OneOf()] = Field(
        default="quarantine", description="What an error of the step does to its row."
    )
    route: Annotated[Literal["review"], OneOf()] | None = Field(
        default=None, description="review: guarded reads omit the row until a person decides."
    )

    @property
    def kind(self) -> str:
        """Which of STEP_KINDS it is."""
        return next(kind for kind in STEP_KINDS if getattr(self, kind))

    def faults(self) -> Iterator[Fault]:
        """A step does one thing."""
        chosen = [kind for kind in STEP_KINDS if getattr(self, kind)]
        if len(chosen) != 1:
            yield Fault(
                f"the step `{self.name}` does " + (" and ".join(chosen) if chosen else "nothing"),
                help=f"a step does one of {', '.join(STEP_KINDS)}; write two steps for two of them",
            )


class Labels(Model):
    """The table that holds the truth, and how its rows are matched."""

    table: Table = Field(description="The table of labels, schema-qualified.")
    on: Names = Field(description="Columns that both tables share.")
    value: Expression = Field(description="Column or expression that is the label.")
    event_time: Expression | None = Field(
        default=None, description="Column or expression that says when it became known."
    )
    mature_after: LengthOrZero | None = Field(
        default=None, description="Age at which a prediction's label is final: 14 days."
    )
