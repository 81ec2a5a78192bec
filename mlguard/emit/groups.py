"""How rows are grouped before their states are computed: by time, load and segment, or not at all. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from mlguard.emit.buckets import UNKNOWN, Bucket, of_row
from mlguard.emit.cells import shown, text_of
from mlguard.emit.joins import column_types
from mlguard.emit.rules import literal
from mlguard.lang.tree import Column
from mlguard.lang.types import Kind, SqlType
from mlguard.names import quote_ident
from mlguard.program import Level, TableProgram

LONGEST_NAME = 200  # characters of a load's name; values that differ only beyond them are one load


@dataclass(frozen=True)
class Source:
    """Where rows come from.

    Attributes:
        rows: the FROM clause; rows are called `r`.
        unknown: the bucket of rows without an event time, as timestamptz.
        condition: which rows, '' for all.
        stored: rows of the table itself, for which buckets are sampled one by one; else a statement's rows as a whole.
    """

    rows: str
    unknown: str
    condition: str = ""
    stored: bool = False

    def where(self, *more: str) -> str:
        """Return the WHERE clause with further conditions, as a line of its own; '' where there are none."""
        conditions = [condition for condition in (self.condition, *more) if condition]
        return f"\nwhere {' and '.join(conditions)}" if conditions else ""


@dataclass(frozen=True)
class Grouping:
    """The groups of one set of segment columns."""

    program: TableProgram
    by: tuple[str, ...]
    source: Source
    by_load: bool = False  # where the table's loads are judged; states of a statement only

    @cached_property
    def bucket(self) -> Bucket | None:
        """The bucket rows are grouped by; None where all rows are in one."""
        timed = self.program.base is not None and self.program.event_time is not None
        return of_row(self.program, "r") if timed else None

    @cached_property
    def load(self) -> Column | None:
        """The column whose values tell the loads apart that rows are grouped by; None where they are not."""
        return load_column(self.program) if self.by_load else None

    @cached_property
    def _columns(self) -> tuple[Column, ...]:
        types = column_types(self.program)
        return tuple(Column(types.get(name, SqlType(Kind.UNKNOWN)), name) for name in self.by)

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of what rows are grouped by."""
        names = tuple(f"by_{number}" for number, _ in enumerate(self.by, 1))
        return (*("bucket",) * bool(self.bucket), *("load",) * bool(self.load), *names)

    @property
    def selected(self) -> list[str]:
        """What rows are grouped by, as the first columns of a SELECT over them."""
        found = [f"{self.bucket.group} as bucket"] if self.bucket else []
        if self.load:
            text = text_of(f"r.{quote_ident(self.load.name)}", self.load.type.kind)
            found.append(f"nullif(left({text}, {LONGEST_NAME}), '') as load")
        for number, column in enumerate(self._columns, 1):
            # json has no equality, so it is grouped by its text.
            text = "::text" if column.type.kind is Kind.JSON else ""
            found.append(f"r.{quote_ident(column.name)}{text} as by_{number}")
        return found

    def of(self, alias: str) -> list[str]:
        """Return the keys as columns of a sub-select."""
        return [f"{alias}.{key}" for key in self.keys]

    def group_by(self, more: int = 0) -> str:
        """Return the GROUP BY clause over the keys and `more` columns after them, '' where there are none."""
        count = len(self.keys) + more
        return f"\ngroup by {', '.join(str(number) for number in range(1, count + 1))}" if count else ""

    def start(self, alias: str, *, finite: bool = False) -> str:
        """Return the start of a group's bucket; null where states are not kept by time.

        `finite`: only rows of known times were grouped.
        """
        if self.program.base is None:
            return UNKNOWN
        if self.bucket is None:
            return self.source.unknown
        start = self.bucket.start_of(f"{alias}.bucket", finite=finite)
        return start if finite or self.source.unknown == UNKNOWN else f"coalesce({start}, {self.source.unknown})"

    def segment(self, alias: str) -> str:
        """Return a group's segment as jsonb."""
        pairs = [
            f"{literal(column.name)}, {shown(self.program, column, f'{alias}.by_{number}')}"
            for number, column in enumerate(self._columns, 1)
        ]
        return f"jsonb_build_object({', '.join(pairs)})" if pairs else "'{}'::jsonb"

    def same(self, left: str, right: str) -> str:
        """Return when two groups are the same one, in a form that a hash join can use although keys may be NULL."""
        conditions = []
        if self.bucket:
            conditions.append(f"coalesce({left}.bucket, '-infinity') = coalesce({right}.bucket, '-infinity')")
        if self.load:
            conditions.append(f"coalesce({left}.load, '') = coalesce({right}.load, '')")
        if self.by:
            conditions.append(f"{self.segment(left)} = {self.segment(right)}")
        return " and ".join(conditions) or "true"


def load_column(program: TableProgram) -> Column | None:
    """Return the column whose values tell loads apart, where loads are judged."""
    name = program.batch_column
    if name is None or not any(rule.level is Level.BATCH for rule in program.judged):
        return None
    types = {column.name: column.type for column in program.shape.columns}
    return Column(types.get(name, SqlType(Kind.UNKNOWN)), name)
