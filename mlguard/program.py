"""The intermediate representation: what the SLO files of one table mean, before any SQL. Frozen and comparable.

`compile.py` builds it, `emit/` and `evaluate.py` read it. It must not know YAML, SQL text or a connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from functools import cached_property

from mlguard.errors import Where
from mlguard.lang.tree import Expr
from mlguard.lang.types import SqlType
from mlguard.names import TableName


class Action(Enum):
    """What happens on violation."""

    REJECT = "reject"
    QUARANTINE = "quarantine"
    REPAIR = "repair"
    HOLD = "hold"
    WARN = "warn"


class Level(Enum):
    """Over what an SLO is judged."""

    ROW = "row"
    BATCH = "batch"
    WINDOW = "window"
    READ = "read"
    ASSERTION = "assertion"
    SCHEMA = "schema"


class Place(Enum):
    """Where in the database an SLO lives."""

    CHECK = "CHECK constraint"
    NOT_NULL = "NOT NULL constraint"
    UNIQUE = "UNIQUE constraint"
    FOREIGN_KEY = "FOREIGN KEY constraint"
    BEFORE_ROW = "row trigger"
    AFTER_STATEMENT = "statement trigger"
    GATE = "read gate"
    COMMIT = "judgement at COMMIT"
    WINDOW = "window judgement"
    ASSERTION = "assertion at COMMIT"
    SCHEMA = "schema watch"


class Reads(Enum):
    """How guarded readers reach the table."""

    VIEW = "view"
    POLICY = "policy"
    NONE = "none"


class Existing(Enum):
    """What apply does about rows that already break a new rule."""

    FAIL = "fail"
    ALLOW = "allow"
    QUARANTINE = "quarantine"


class OnUpdate(Enum):
    """What a quarantine rule does to an UPDATE that breaks it."""

    REJECT = "reject"
    KEEP = "keep"
    REMOVE = "remove"


@dataclass(frozen=True)
class ColumnShape:
    """One column of the real table."""

    name: str
    type: SqlType
    not_null: bool = False
    generated: str | None = None  # the generation expression, as PostgreSQL prints it
    virtual: bool = False  # generated when read (PostgreSQL 18): transition tables show NULL in its place
    identity: str = ""  # '' | 'always' | 'by default'
    cascade: str = ""  # the foreign key action that may write it: 'ON UPDATE CASCADE', 'ON DELETE SET NULL', …
    nondeterministic: bool = False  # its collation takes different strings as equal


@dataclass(frozen=True)
class PartitionBounds:
    """A partition by range of one column of times, and between which values: from `low` up to `high`, as text."""

    partition: TableName
    low: str
    high: str


@dataclass(frozen=True)
class TableShape:
    """The real table, as the catalogue shows it (or as the file declares it, when no database is asked)."""

    table: TableName
    columns: tuple[ColumnShape, ...]
    relkind: str = "r"  # pg_class.relkind: r table, p partitioned, v view, m materialised, f foreign
    persistence: str = "p"  # pg_class.relpersistence: p permanent, u unlogged, t temporary
    partition_columns: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()  # column sets held unique by a constraint or plain index
    indexes: tuple[tuple[str, ...], ...] = ()  # columns of the indexes over all rows, in their order
    cascades_out: tuple[str, ...] = ()  # foreign keys of other tables that would follow a DELETE here
    partitions: tuple[TableName, ...] = ()  # partitions at any depth
    bounds: tuple[PartitionBounds, ...] = ()  # of partitions between two times, where the table is cut by one column
    heirs: tuple[TableName, ...] = ()  # tables that INHERIT from it without being partitions
    parent: TableName | None = None  # the table it is a partition or heir of
    row_security: bool = False
    forced_row_security: bool = False
    owner: str = ""
    declared: bool = False  # true: from the file alone, columns may be missing

    @property
    def partitioned(self) -> bool:
        """True for a partitioned table, whether it has partitions by now or not."""
        return self.relkind == "p" or bool(self.partitions)

    def column(self, name: str) -> ColumnShape | None:
        """Return the column of that exact name, or None."""
        return self._named.get(name)

    @cached_property
    def _named(self) -> Mapping[str, ColumnShape]:
        return {column.name: column for column in self.columns}


@dataclass(frozen=True)
class Bound:
    """A tolerated amount of bad rows in one transaction: a share of the rows, or a count."""

    share: Decimal | None = None  # 0.05 for 5%
    rows: int | None = None

    def __str__(self) -> str:
        return f"{(self.share * 100).normalize():f}%" if self.share is not None else f"{self.rows} rows"


@dataclass(frozen=True)
class Span:
    """A length of time in the three parts PostgreSQL's interval has."""

    text: str  # as the file writes it: '7 days'
    months: int = 0
    days: int = 0
    microseconds: int = 0

    @property
    def timedelta(self) -> timedelta:
        """The same as a timedelta; a month counts as 30 days, as where PostgreSQL compares intervals."""
        return timedelta(days=self.months * 30 + self.days, microseconds=self.microseconds)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Over:
    """What metrics are judged over: one batch, calendar windows, or a window that slides."""

    kind: str  # 'batch' | 'calendar' | 'sliding'
    span: Span | None = None  # None for a batch

    def __str__(self) -> str:
        if self.span is None:
            return "batch"
        return f"last {self.span}" if self.kind == "sliding" else str(self.span)


@dataclass(frozen=True)
class Baseline:
    """What distributions are compared with."""

    kind: str  # 'first' | 'previous' | 'version' | 'file'
    span: Span | None = None
    path: str = ""

    def __str__(self) -> str:
        return self.path if self.kind == "file" else f"{self.kind} {self.span}" if self.span else self.kind


@dataclass(frozen=True)
class Assertion:
    """A SELECT whose rows are violations."""

    sql: str  # as mlguard writes it, every table qualified
    tables: tuple[TableName, ...]  # all tables it reads
    keys: Mapping[TableName, tuple[str, str]] = field(default_factory=dict)
    # table → (its column, column of the SELECT's result) where only touched keys need to be judged again
    key_type: str = ""  # in which keys are compared: bigint, text, uuid, date
    heirs: Mapping[TableName, tuple[TableName, ...]] = field(default_factory=dict)
    # table → its partitions and heirs: written directly, they fire triggers of their own only
    hidden: bool = False  # a table it reads has pii columns: no value of its rows is shown
    clock: str = ""  # the word by which it reads the clock, '' where it does not
    form: str = ""  # the short form it stands for, '' where a person wrote the SELECT


@dataclass(frozen=True)
class Deadline:
    """A local time of day by which data must have come, on some days of the week."""

    text: str  # as the file writes it
    at: str  # 06:00
    time_zone: str
    days: tuple[int, ...]  # ISO numbers, Monday 1

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Volume:
    """How many rows a window that slides with the reader's clock must have at least."""

    least: int
    span: Span
    column: str  # the event time

    def __str__(self) -> str:
        return f"{self.least} rows of {self.words}"

    @property
    def words(self) -> str:
        """The window as messages name it: `the last hour`, `the last 7 days`."""
        one = self.span.text.startswith("1 ") and self.span.text.count(" ") == 1
        return f"the last {self.span.text.removeprefix('1 ') if one else self.span}"


@dataclass(frozen=True)
class Repair:
    """How one column is mended: `value` is evaluated on the row as it arrived."""

    column: str
    value: Expr


@dataclass(frozen=True)
class Points:
    """Points between which a score is interpolated in a straight line; outside them the nearest one counts."""

    column: str  # of the prediction table
    table: TableName
    x: str
    y: str


@dataclass(frozen=True)
class Step:
    """One post-prediction step: what it does to a row, and to which rows.

    Attributes:
        name: as the change log names it.
        kind: the file's word: set, clamp, round, default, calibrate, normalise, route, top_k, dedupe.
        when: only rows for which this is true; None: every row.
        sets: column → new value, computed from the row as the steps before left it; empty for what is no assignment.
        points: a calibration by the points of a table.
        total: its values are known to be computable for every row, whatever a guard would have to suppose.
        on_error: 'quarantine' or 'reject': what an error of the step does to its row.
        by, order, k: of what is judged at COMMIT: columns that rows are grouped by, the column that ranks a group's
            rows or, of normalise, is divided by its sum, and how many rows stay.
    """

    name: str
    kind: str
    when: Expr | None = None
    sets: tuple[Repair, ...] = ()
    points: Points | None = None
    total: bool = False
    on_error: str = "quarantine"
    by: tuple[str, ...] = ()
    order: str = ""
    k: int = 0

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns the step writes before the row lands."""
        return tuple(item.column for item in self.sets) + ((self.points.column,) if self.points else ())

    @property
    def scales(self) -> tuple[str, ...]:
        """The columns the step writes at COMMIT."""
        return (self.order,) if self.kind == "normalise" and self.by else ()

    @property
    def at_commit(self) -> bool:
        """True for what is judged over the rows of a request, once they have all landed."""
        return bool(self.by)


@dataclass(frozen=True)
class LabelSource:
    """Where the truth about predictions is found."""

    table: TableName
    on: tuple[str, ...]  # columns both tables share
    value: Expr  # on a row of the label table
    event_time: Expr | None = None  # on a row of the label table
    mature_after: Span = Span("0 days")
    shape: TableShape | None = None  # None: no database was asked


@dataclass(frozen=True)
class AttributeSource:
    """Columns of another table about what is predicted for, for segments and fairness."""

    table: TableName
    on: tuple[str, ...]  # columns both tables share
    columns: tuple[str, ...]
    shape: TableShape | None = None  # None: no database was asked


@dataclass(frozen=True)
class FeatureSource:
    """A feature table as a training run joins it: its newest row per key that the time of the prediction allows."""

    table: TableName
    on: tuple[str, ...]  # its key columns, which the table of predictions has too
    event_time: Expr  # on a row of the feature table
    time_zone: str
    columns: tuple[ColumnShape, ...]  # what is added to a prediction


@dataclass(frozen=True)
class Predictions:
    """What makes a table one of predictions."""

    model: str
    version_column: str | None = None
    approval: bool = False  # versions nobody approved may not write
    features: tuple[TableName, ...] = ()  # inputs whose gates are looked at when predictions are written
    when_features_held: str = "reject"  # 'reject' | 'fallback' | 'allow'
    steps: tuple[Step, ...] = ()
    raw: Mapping[str, str] = field(default_factory=dict)  # column → column that keeps the model's own value
    labels: LabelSource | None = None
    attributes: AttributeSource | None = None
    joined: tuple[FeatureSource, ...] = ()  # features that a training run reads beside the predictions
    steps_in_file: Where | None = field(default=None, compare=False)

    @property
    def request(self) -> tuple[str, ...]:
        """The columns that name a request: of what is judged at COMMIT the fewest; () where nothing is."""
        return min((step.by for step in self.steps if step.at_commit), key=len, default=())


@dataclass(frozen=True)
class Placement:
    """Where a rule lives, and why there."""

    place: Place
    reason: str


@dataclass(frozen=True)
class Rule:
    """One SLO in force on one table."""

    name: str
    table: TableName
    level: Level
    action: Action
    expr: Expr | None  # None for UNIQUE and FOREIGN KEY; `true` means the row is good
    text: str  # the check as the user wrote it (short forms: as the table in the docs spells them)
    limit: str  # what is allowed, in words: '0 to 130', 'free, pro, enterprise', or the check text
    placement: Placement
    columns: tuple[str, ...] = ()  # columns the rule reads, in order of appearance
    column: str | None = None  # the one column it is about, where there is one
    where: Expr | None = None
    nulls_fail: bool = False
    max_bad: Bound | None = None
    min_rows: int = 30  # rows below which a share in max_bad is not judged
    max_age: timedelta | None = None  # level READ: the limit of staleness()
    max_age_strict: bool = False  # `<` rather than `<=`
    arrives: Deadline | None = None  # level READ: by when data must have come
    volume: Volume | None = None  # level READ: how many rows there must be
    no_gaps: timedelta | None = None  # level WINDOW: the longest time allowed between two event times
    references: tuple[TableName, str] | None = None
    repairs: tuple[Repair, ...] = ()
    unique: tuple[str, ...] = ()
    over: Over | None = None  # levels BATCH and WINDOW
    by: tuple[str, ...] = ()  # segment columns
    max_segments: int = 50
    reopen: str = "next"  # 'same' | 'next': when a window hold ends
    learned: tuple[str, ...] = ()  # learned health of `column` (None: of the table): series families, or ('all',)
    tolerance: Decimal = Decimal(1)  # multiplies learned limits
    matures: Span | None = None  # of a rule about labels: how long after a window's end they are waited for
    assertion: Assertion | None = None
    shadow: bool = False
    waivable: bool = False
    portable: bool = False
    severity: str = "normal"
    owner: str = ""
    runbook: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    then: tuple[str, ...] = ("notify",)
    where_in_file: Where | None = field(default=None, compare=False)

    @property
    def id(self) -> str:
        """The full id, `<schema>.<table>/<name>`."""
        return f"{self.table}/{self.name}"


@dataclass(frozen=True)
class TableProgram:
    """Everything mlguard wants on one table."""

    table: TableName
    shape: TableShape
    rules: tuple[Rule, ...]
    key: tuple[str, ...] = ()
    event_time: Expr | None = None
    event_time_text: str = ""
    time_zone: str = "UTC"
    pii: frozenset[str] = frozenset()
    writes_rows: bool = False
    reads: Reads = Reads.VIEW
    revoke: tuple[str, ...] = ()
    existing: Existing = Existing.FAIL
    on_update: OnUpdate = OnUpdate.REJECT
    quarantine_cap: int = 1_000_000  # waiting rows at most; above it quarantine refuses the write
    quarantine_retention: timedelta | None = None
    window: Span = Span("1 day", days=1)
    late: timedelta = timedelta(0)
    base: Span | None = None  # length of the buckets of states: the longest all windows are made of; None: no window
    baseline: Baseline = Baseline("first", Span("28 days", days=28))
    missing: Mapping[str, tuple[Expr, ...]] = field(default_factory=dict)  # column → literals that count as missing
    batch_column: str | None = None  # whose values tell loads apart; None: a batch is a transaction
    inputs: tuple[TableName, ...] = ()
    named: tuple[str, ...] = ()  # columns that the file names: what breaks when one is dropped or retyped
    schema_mode: str = "at_least"  # 'exact' | 'at_least' | 'off'
    importance: Mapping[str, Decimal] = field(default_factory=dict)
    predictions: Predictions | None = None
    owner: str = ""
    consumers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what plan tells beside the steps

    @property
    def grain(self) -> timedelta:
        """By how much the newest event time must advance before the freshness log gets a line.

        A five-hundredth of the shortest allowed age (of arrivals: of the window), at least a second, at most five
        minutes: so much later than the truth may a table look, and so seldom do writers append.
        """
        ages = [rule.max_age for rule in self.rules if rule.max_age is not None]
        ages += [self.window.timedelta for rule in self.rules if rule.arrives is not None]
        return min(max(min(ages) / 500, timedelta(seconds=1)), timedelta(minutes=5)) if ages else timedelta(minutes=5)

    @property
    def judged(self) -> tuple[Rule, ...]:
        """The SLOs over batches and windows, in file order."""
        return tuple(rule for rule in self.rules if rule.level in (Level.BATCH, Level.WINDOW))

    @property
    def learned_columns(self) -> tuple[str, ...]:
        """Columns whose health is learned from samples, in the table's order; all of them where the table's is."""
        learned = [rule for rule in self.rules if rule.learned]
        if any(rule.column is None for rule in learned):
            return tuple(column.name for column in self.shape.columns)
        wanted = {rule.column for rule in learned}
        return tuple(column.name for column in self.shape.columns if column.name in wanted)

    def at(self, place: Place) -> tuple[Rule, ...]:
        """Return the rules that live at `place`, in file order."""
        return tuple(rule for rule in self.rules if rule.placement.place is place)


@dataclass(frozen=True)
class Program:
    """All tables of a project, by name."""

    tables: Mapping[TableName, TableProgram]
