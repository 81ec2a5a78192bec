"""One SLO as a file spells it, short form or long, before it is typed and placed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from mlguard.errors import Problem, Where
from mlguard.lang import ExpressionError
from mlguard.lang.types import SqlType
from mlguard.names import TableName
from mlguard.program import Action, Bound, Existing, Span, TableShape

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Words:
    """The words of one SLO that do not depend on what it checks; None where the file is silent."""

    over: Any = None
    by: tuple[str, ...] = ()
    max_segments: int = 50
    reopen: str = "next"
    where: str | None = None
    nulls_fail: bool = False
    max_bad: Bound | None = None
    min_rows: int | None = None
    action: Action | None = None
    repair: Any = None
    shadow: bool = False
    armed: bool = False  # learned health that was told to act without a trial
    waivable: bool | None = None
    portable: bool = False
    severity: str | None = None
    owner: str = ""
    runbook: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    then: tuple[str, ...] = ("notify",)
    tolerance: Decimal = Decimal(1)
    said: frozenset[str] = frozenset()  # the words the file says, by their Python names


@dataclass(frozen=True)
class Draft:
    """One SLO to be compiled.

    Attributes:
        kind: 'check' for an expression, else the short form's key.
        value: what stands under it.
        path: where the value stands in the file.
        words_path: the mapping in which the words stand.
    """

    name: str
    kind: str
    value: Any
    path: Path
    words_path: Path
    column: str | None = None
    words: Words = field(default_factory=Words)


@dataclass
class Scene:
    """What the drafts of one table are compiled against; collects every fault."""

    table: TableName
    shape: TableShape
    where: Callable[[Path], Where]
    where_in: Callable[[Path, int], Where]
    pii: frozenset[str]
    writes_rows: bool
    time_zone: str
    existing: Existing
    window: Span
    others: Mapping[TableName, TableShape] | None = None  # tables that assertions read; None: no database was asked
    personal: frozenset[TableName] = frozenset()  # tables with pii columns, as far as SLO files say
    key: tuple[str, ...] = ()
    event_time: str | None = None  # as the file writes it
    batch_column: str | None = None  # whose values tell loads apart; None: a batch is a transaction
    label: SqlType | None = None  # of what labels say about predictions; None: there are none
    matures: Span | None = None
    attributes: dict[str, SqlType] = field(default_factory=dict)  # columns of another table, for groups and segments
    problems: list[Problem] = field(default_factory=list)

    def fault(self, message: str, path: Path, help: str = "") -> None:
        """Note a fault at a place in the file."""
        self.problems.append(Problem(message, self.where(path), help))

    def expression_fault(self, error: ExpressionError, path: Path) -> None:
        """Note a fault inside an expression, at its own character."""
        self.problems.append(Problem(error.message, self.where_in(path, error.pos), error.help))

    def nearest(self, name: str) -> str:
        """Say which column was probably meant, or which there are."""
        import difflib

        folded = {column.name.lower(): column.name for column in self.shape.columns}
        near = folded.get(name.lower()) or next(iter(difflib.get_close_matches(name, folded.values(), 1, 0.6)), None)
        return f'did you mean "{near}"?' if near else f"columns: {', '.join(folded.values())}"
