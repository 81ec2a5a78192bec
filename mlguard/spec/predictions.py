"""What a prediction table says beside the rest: attributes, post-prediction steps, labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from mlguard.spec.base import Fault, Model
from mlguard.spec.fields import (
    Bounds,
    Expression,
    Label,
    LengthOrZero,
    Literal_,
    Name,
    Names,
    NewValue,
    Table,
    Whole,
)
from mlguard.spec.readers import OneOf

STEP_KINDS = ("set", "clamp", "round", "default", "route")


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
    route: Annotated[Literal["review"], OneOf()] | None = Field(
        default=None, description="review: the row also goes to the review queue."
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
