"""The words of one SLO: what short forms, `slos:` entries and file-level rules share. No YAML, no SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from mlguard.spec.base import Fault, Model
from mlguard.spec.fields import (
    AmountOfRows,
    Bounds,
    Check,
    Expression,
    Flag,
    Label,
    Literal_,
    Names,
    NewValue,
    OverWhat,
    Positive,
    Text,
    Texts,
    Whole,
)
from mlguard.spec.readers import OneOf, one_or_many
from mlguard.spec.source import shown
from mlguard.spec.yaml_nodes import Scalar

ActionWord = Annotated[Literal["reject", "quarantine", "repair", "hold", "warn"], OneOf()]
SeverityWord = Annotated[Literal["low", "normal", "page"], OneOf()]
FurtherWord = Annotated[Literal["notify", "retrain", "rollback_model", "withdraw"], OneOf()]
Further = Annotated[tuple[FurtherWord, ...], BeforeValidator(one_or_many)]


class Repair(Model):
    """How a broken value is mended: exactly one of the four."""

    clamp: Bounds | None = Field(
        default=None, description="Move the value to the nearer end of [lowest, highest]; null is open."
    )
    default: Literal_ | None = Field(default=None, description="Put this value in its place.")
    null: Flag = Field(default=False, description="Put NULL in its place; written `repair: null`.")
    set: Mapping[Text, NewValue] = Field(default={}, description="Column to expression, on the row as it arrived.")

    def faults(self) -> Iterator[Fault]:
        """Exactly one way to mend."""
        chosen = [name for name in ("clamp", "default", "null", "set") if getattr(self, name) not in (None, False, {})]
        if len(chosen) != 1:
            yield Fault(
                "a repair mends in one way" + (f", found {' and '.join(chosen)}" if chosen else ""),
                help="write {clamp: [0, 1]}, {default: 0}, null, or {column: expression}",
            )


class RepairForm:
    """The ways to write a repair: null, {clamp: …}, {default: …}, or column to expression without more ado."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.expand, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        columns = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}
        return {"anyOf": [{"type": "null"}, handler(schema), columns]}

    @staticmethod
    def expand(value: Any) -> Any:
        """Turn a short spelling into the mapping of the model."""
        if value is None or (isinstance(value, Scalar) and value.kind == "null"):
            return {"null": True}
        if isinstance(value, dict) and value and not value.keys() & Repair.model_fields.keys():
            return {"set": value}
        return value


class Words(Model):
    """What may be said of any SLO, however it is written."""

    over: OverWhat | None = Field(
        default=None,
        description="row, batch, window, 1 day, last 7 days, or read; unsaid: row without a metric, read for "
        "staleness(), else window.",
    )
    where: Expression | None = Field(
        default=None, description="Only rows for which this is true; binds to this SLO only."
    )
    by: Names = Field(default=(), description="Segment columns: one verdict for each combination of their values.")
    max_segments: Positive = Field(
        default=50, description="Largest segments of the baseline judged alone; the rest is `other`."
    )
    nulls: Annotated[Literal["pass", "fail"], OneOf()] = Field(
        default="pass", description="What a row rule says where its expression is NULL."
    )
    max_bad: AmountOfRows | None = Field(
        default=None,
        description='Bad rows one load may have: 5% or "20 rows"; above it COMMIT fails. Unsaid: 0 with reject, no '
        "limit otherwise.",
    )
    min_rows: Whole | None = Field(
        default=None,
        description="Rows below which a metric is INSUFFICIENT; unsaid: means and shares 30, distributions 200, "
        "sums and extremes 1, counts 0.",
    )
    on_violation: ActionWord | None = Field(
        default=None,
        description="reject, quarantine, repair, hold or warn; unsaid: reject for rows and assertions, hold for "
        "staleness(), else warn.",
    )
    reopen: Annotated[Literal["same", "next"], OneOf()] = Field(
        default="next",
        description="A window hold ends when the same window is re-judged good, or the next one is good.",
    )
    repair: Annotated[Repair, RepairForm()] | None = Field(
        default=None, description="How a value is mended, with `on_violation: repair`."
    )
    then: Further = Field(
        default=("notify",), description="Further actions: notify, retrain, rollback_model, withdraw."
    )
    shadow: Flag = Field(default=False, description="Judged and recorded, never acts.")
    waivable: Flag | None = Field(
        default=None, description="true: placed where a waiver takes effect without DDL; unsaid: false for CHECKs."
    )
    portable: Flag = Field(
        default=False, description="A plain CHECK that loads without schema mlguard; keeps no ledger."
    )
    severity: SeverityWord | None = Field(
        default=None, description="low, normal or page; unsaid: normal, with hold page."
    )
    owner: Text | None = Field(default=None, description="Who answers for this SLO; unsaid: the file's.")
    runbook: Text | None = Field(
        default=None, description="Address of what to do when it is violated; unsaid: the file's."
    )
    description: Text = Field(default="", description="Why the SLO exists; travels into every message and report.")
    tags: Texts = Field(default=(), description="Words to select by: --select tag:…")

    def faults(self) -> Iterator[Fault]:
        """A repair and its action need each other; segments need columns."""
        if self.repair is not None and self.on_violation != "repair":
            yield Fault("`repair` without `on_violation: repair` never runs", ("repair",), "add it", at_key=True)
        if self.repair is None and self.on_violation == "repair":
            yield Fault(
                "`on_violation: repair` does not say how",
                ("on_violation",),
                "add repair: {clamp: [0, 1]}, {default: 0}, null, or {column: expression}",
            )
        if self.was_set("max_segments") and not self.by:
            yield Fault("`max_segments` without `by` limits nothing", ("max_segments",), "add `by`", at_key=True)


class Slo(Words):
    """One entry of `slos:`."""

    name: Label = Field(
        description="Stable id, unique in the file; no dots. The full id is <schema>.<table>/<name>.",
        json_schema_extra={"pattern": r"^[^.]+$"},
    )
    check: Check | None = Field(
        default=None, description="One boolean SQL expression; quote it when it holds # or `: `."
    )
    assert_: Check | None = Field(
        default=None, alias="assert", description="One SELECT whose rows are the violations; judged at COMMIT."
    )

    def faults(self) -> Iterator[Fault]:
        """Exactly one of check and assert, and only the words that fit it."""
        yield from super().faults()
        if "." in self.name:
            yield Fault(
                f"the name `{self.name}` has a dot; dots are for the short forms",
                ("name",),
                f"write {self.name.replace('.', '_')}",
            )
        if "/" in self.name:
            yield Fault(
                f"the name `{shown(self.name)}` has a /, which parts table and SLO in ids",
                ("name",),
                f"write {shown(self.name.replace('/', '_'))}",
            )
        if (self.check is None) == (self.assert_ is None):
            both = self.check is not None
            yield Fault(
                f"`{self.name}` has both `check` and `assert`" if both else f"`{self.name}` has no `check`",
                ("assert",) if both else (),
                "an SLO is one check (a boolean expression) or one assert (a SELECT)",
                at_key=both,
            )
        elif self.assert_ is not None:
            for word in ("over", "where", "by", "max_segments", "nulls", "max_bad", "min_rows", "repair", "portable"):
                if self.was_set(word):
                    yield Fault(
                        f"`{word}` says nothing about an assertion", (word,), "put it into the SELECT", at_key=True
                    )
            if self.on_violation in ("quarantine", "repair"):
                yield Fault(
                    f"an assertion cannot {self.on_violation}: it judges whole transactions",
                    ("on_violation",),
                    "use reject, hold or warn",
                )


class ShortForm(Words):
    """Base of the rules that are written under a column, a group or the file; they have no name of their own."""
