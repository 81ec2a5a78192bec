"""The SLO file as a whole, and what it may share with others. Frozen; positions are kept beside the values.

Modules of this package, each knowing only those before it: source (text and places) → yaml_nodes, yaml_traps (YAML to
nodes) → offsets → values (small languages) → base, readers, fields (one value) → rules, columns, predictions → models
→ faults (words for what is wrong) → salvage → load → project_file, selection, project. schema exports the JSON Schema.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PrivateAttr

from mlguard.errors import Where
from mlguard.spec.base import Fault, KeyPath, Model, Short
from mlguard.spec.columns import ArrivesBy, Column, Group, LeakGuard, Usual
from mlguard.spec.fields import (
    BaselineOf,
    Expression,
    JsonValue,
    Label,
    LengthOfTime,
    LengthOrZero,
    Literals,
    Name,
    Names,
    Positive,
    Table,
    Tables,
    Text,
    Texts,
    TimeZone,
    Version,
)
from mlguard.spec.offsets import offset_in
from mlguard.spec.predictions import Attributes, Labels, PostStep
from mlguard.spec.readers import OneOf, as_list
from mlguard.spec.rules import Slo
from mlguard.spec.source import shown
from mlguard.spec.values import Baseline, Length
from mlguard.spec.yaml_nodes import Items, Node, Pairs, Scalar

MANY = BeforeValidator(as_list)
MODEL_ONLY = ("version_column", "approval", "features", "when_features_held", "attributes", "post", "raw", "labels")


class Quarantine(Model):
    """Limits of what is kept out of a table."""

    cap: Positive = Field(
        default=1_000_000, description="Most rows that may wait; above it quarantine refuses the write."
    )
    retention: LengthOfTime | None = Field(
        default=None, description="How long decided rows are kept: 90 days; absent: for ever."
    )


class Example(Model):
    """A row and the rules it must break; `mlguard test` runs them."""

    row: Mapping[Text, JsonValue] = Field(description="Column to value; columns left out are NULL.")
    breaks: Texts = Field(description="Names of exactly the SLOs this row breaks; [] for a good row.")


class TableSettings(Model):
    """Settings of a table that `defaults:` may give for many."""

    owner: Text = Field(default="", description="Team or person who answers; found under `people` in mlguard.yaml.")
    runbook: Text = Field(default="", description="Address of what to do; the default of every SLO of the file.")
    description: Text = Field(default="", description="What the table holds.")
    tags: Texts = Field(default=(), description="Words to select by: --select tag:…")
    consumers: Texts = Field(default=(), description="Tasks that read the table; every alert is addressed to them.")
    time_zone: TimeZone = Field(default="UTC", description="How days are cut and times without a zone are read.")
    writes: Annotated[Literal["bulk", "rows"], OneOf()] = Field(
        default="bulk", description="How the table is mostly written; decides the cheaper enforcement."
    )
    batch: Name = Field(
        default="transaction",
        description="What one load is: transaction, or a column such as load_id (may hold, cannot reject).",
    )
    window: LengthOfTime = Field(
        default=Length("1 day", days=1), description="Window of the SLOs that name none, by calendar: 1 day, 7 days."
    )
    late: LengthOrZero = Field(
        default=Length("0 hours"), description="How long after its end a window still waits for rows: 1 hour."
    )
    baseline: BaselineOf = Field(
        default=Baseline("first", Length("28 days", days=28)),
        description="What distributions are compared with: first 28 days, previous 28 days, version, or a file.",
    )
    schema_: Annotated[Literal["exact", "at_least", "off"], OneOf()] = Field(
        default="at_least",
        alias="schema",
        description="Which change of columns closes the gate: exact, at_least or off.",
    )
    missing: Literals = Field(default=(), description="Values that metrics take for NULL: [NaN, ''].")
    usual: Annotated[Usual, Short("metrics")] | None = Field(
        default=None, description="Metrics whose healthy band is learned for every column: all, none, a list."
    )
    pairs: Annotated[Literal["all", "none"], OneOf()] = Field(
        default="none", description="all: with `usual`, what pairs of columns keep to is learned too."
    )
    existing: Annotated[Literal["fail", "allow", "quarantine"], OneOf()] = Field(
        default="fail", description="What apply does about rows that already break a new rule."
    )
    reads: Annotated[Literal["view", "rename", "policy", "none"], OneOf()] = Field(
        default="view",
        description="How readers reach the table: <table>_guarded, the table's own name, a policy, or unguarded.",
    )
    revoke: Names = Field(default=(), description="Roles that lose direct access and must go through the gate.")
    quarantine: Quarantine = Field(default=Quarantine(), description="Limits of what is kept out: cap, retention.")
    quarantine_update: Annotated[Literal["reject", "keep", "remove"], OneOf()] = Field(
        default="reject", description="What a quarantine rule does to an UPDATE that breaks it."
    )


class Defaults(TableSettings):
    """The settings that `defaults:` may give."""


class SharedFile(Model):
    """A file that SLO files `include:`."""

    mlguard: Version = Field(default=1, description="Format version.")
    include: Texts = Field(default=(), description="Further files, relative to this one.")
    columns: Mapping[Name, Column] = Field(
        default={}, description="Columns; what the SLO file says of the same column wins."
    )
    groups: Annotated[tuple[Group, ...], MANY] = Field(
        default=(), description="Many columns at once; before the groups of the SLO file."
    )
    defaults: Defaults = Field(default=Defaults(), description="Settings of the table, where the SLO file gives none.")


class SloFile(TableSettings):
    """One SLO file: everything mlguard is to hold about one table."""

    mlguard: Version = Field(description="Format version: 1.")
    table: Table = Field(description="The table, schema-qualified; exact names, without SQL quotes.")
    key: Names = Field(
        default=(), description="Row identity; without it rows are told by a hash and release cannot upsert."
    )
    event_time: Expression | None = Field(
        default=None, description="Column or expression that drives windows and freshness; absent: the time of writing."
    )
    inputs: Tables = Field(default=(), description="Upstream tables: an incident here attaches to an open one there.")
    include: Texts = Field(
        default=(), description="Files with shared columns, groups and defaults, relative to this one."
    )
    columns: Mapping[Name, Column] = Field(default={}, description="Column to what is said of it: the short forms.")
    groups: Annotated[tuple[Group, ...], MANY] = Field(default=(), description="Many columns at once.")
    slos: Annotated[tuple[Slo, ...], MANY] = Field(default=(), description="The SLOs that the short forms cannot say.")
    leak_guard: Annotated[LeakGuard, Short("check")] | None = Field(
        default=None, description="No row knows more than its time allowed: event_time <= labels.event_time."
    )
    arrives_by: Annotated[ArrivesBy, Short("value")] | None = Field(
        default=None, description="Data is there by a time of day: '06:00 Europe/Berlin on weekdays'."
    )
    examples: Annotated[tuple[Example, ...], MANY] = Field(
        default=(), description="Rows and the SLOs each breaks; `mlguard test` runs them."
    )

    model: Label | None = Field(default=None, description="Makes it a prediction table: the model that writes it.")
    version_column: Name | None = Field(default=None, description="Column that holds the model version.")
    approval: Annotated[Literal["required", "none"], OneOf()] = Field(
        default="none", description="required: versions nobody approved may not write."
    )
    features: Tables = Field(default=(), description="Feature tables the model reads.")
    when_features_held: Annotated[Literal["reject", "fallback", "allow"], OneOf()] = Field(
        default="reject", description="What happens to predictions while a feature table is held."
    )
    attributes: Attributes | None = Field(
        default=None, description="Columns of another table, for segments and fairness."
    )
    post: Annotated[tuple[PostStep, ...], MANY] = Field(
        default=(), description="Post-prediction triggers, in this order, before the row lands."
    )
    raw: Mapping[Name, Name] = Field(default={}, description="Column to the column that keeps the model's own value.")
    labels: Labels | None = Field(default=None, description="Where the truth is found later.")

    _root: Node | None = PrivateAttr(None)
    _file: str = PrivateAttr("")

    def placed(self, root: Node, name: str) -> SloFile:
        """Remember the tree it was read from, and what messages call the file."""
        self._root, self._file = root, name
        return self

    @property
    def path(self) -> str:
        """The file it was read from, as messages name it; '' when it was built in code."""
        return self._file

    def where(self, path: KeyPath, *, key: bool = False) -> Where:
        """Return the place of the value at `path`, or of its key; what is not written is where its parent is.

        Paths are YAML keys and list indices, e.g. ("slos", 2, "check"). The long and the short spelling of a rule have
        the same path: ("columns", "age", "range", "between", 0) is found in `range: [0, 130]` too.
        """
        if self._root is None:
            return Where(self._file, 1, 1)
        return place(self._root, path, key=key)

    def where_in(self, path: KeyPath, offset: int) -> Where:
        """Return the place of character `offset` of the text at `path`."""
        node = None if self._root is None else locate(self._root, path)[0]
        if not isinstance(node, Scalar):
            return self.where(path)
        return node.span.source.where(offset_in(node, offset))

    def faults(self) -> Iterator[Fault]:
        """What is wrong between the keys of the file."""
        if "/" in str(self.table):
            words = f"the table `{shown(str(self.table))}` has a / in its name, which parts table and SLO in ids"
            yield Fault(words, ("table",), "rename the table, or guard a table of another name")
        seen = Counter(slo.name for slo in self.slos)
        for index, slo in enumerate(self.slos):
            if seen[slo.name] > 1 and any(slo.name == before.name for before in self.slos[:index]):
                yield Fault(
                    f"a second SLO named `{shown(slo.name)}`", ("slos", index, "name"), "names are unique in a file"
                )
        for name in ("key", "consumers", "inputs", "revoke", "features"):
            values = getattr(self, name)
            for index, value in enumerate(values):
                if value in values[:index]:
                    yield Fault(f"`{shown(str(value))}` is here a second time", (name, index), "remove it")
        if self.model is None:
            for name in MODEL_ONLY:
                if self.was_set(name):
                    yield Fault(f"`{name}` is for prediction tables", (name,), "add `model: <name>`", at_key=True)
        names = [step.name for step in self.post]
        for index, step_name in enumerate(names):
            if step_name in names[:index]:
                yield Fault(f"a second step named `{shown(step_name)}`", ("post", index, "name"), "name each step once")

    def __eq__(self, other: object) -> bool:
        """Compare what the files say, not where they say it."""
        return isinstance(other, SloFile) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # holds mappings


def locate(root: Node, path: KeyPath) -> tuple[Node, Scalar | None]:
    """Follow `path` as far as it is written: the last node on it, and the key that led there."""
    node, key = root, None
    for part in path:
        if isinstance(node, Pairs) and isinstance(part, str) and (entry := node.entries.get(part)) is not None:
            node, key = entry.value, entry.key
        elif isinstance(node, Items) and isinstance(part, int) and 0 <= part < len(node.items):
            node, key = node.items[part], None
    return node, key


def place(root: Node, path: KeyPath, *, key: bool = False) -> Where:
    """Return where the value at `path` (or its key) begins; a value left out is where its key is."""
    node, name = locate(root, path)
    nothing = isinstance(node, Scalar) and not node.text and not node.style
    span = name.span if name is not None and (key or nothing) else node.span
    return span.source.where(span.start)
