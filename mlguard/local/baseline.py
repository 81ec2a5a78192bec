"""What the distributions of a file are compared with: frozen as the runtime freezes it (0014), counted by DuckDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlguard.emit.duck_cells import DuckCells
from mlguard.emit.duck_core import quoted
from mlguard.emit.duck_grouping import Rows, moment
from mlguard.lang.measure import Of, State
from mlguard.lang.tree import Column
from mlguard.local.calendar import add
from mlguard.local.engine import Engine
from mlguard.local.merge import Document, merge
from mlguard.local.scan import Counted, count
from mlguard.local.sources import make_view, open_source
from mlguard.local.words import OTHER
from mlguard.names import TableName
from mlguard.program import Span, TableProgram

if TYPE_CHECKING:
    from mlguard.learn.distance import Compared

ENOUGH = 200  # values below which a column has no baseline
MOST_SEGMENTS = 1000
NO_BASELINE, NO_VALUES = "no baseline yet", "no values"
Segment = tuple[tuple[str, str | None], ...]
WHOLE: Segment = ()
Sets = Mapping[tuple[str, ...], Sequence[State]]


@dataclass(frozen=True)
class Period:
    """From which stretch of time, on the local clock, a baseline takes a column, and from when on it may."""

    column: str
    starts: datetime | None
    ends: datetime
    due: datetime


@dataclass
class Baseline:
    """The baseline of one table, frozen column by column while its batches and windows are replayed.

    Args:
        engine: where the table is.
        program: the table.
        sets: the states that are counted, by segment columns.
    """

    engine: Engine
    program: TableProgram
    sets: Sets
    columns: dict[str, Column] = field(default_factory=dict)
    edges: dict[str, tuple[float, ...]] = field(default_factory=dict)
    frozen: dict[tuple[str, Segment], dict[str, Any]] = field(default_factory=dict)
    periods: list[Period] | None = None

    def __post_init__(self) -> None:
        states = (state for found in self.sets.values() for state in found if state.of in (Of.BINS, Of.VALUES))
        for state in states:
            column = state.args[0]
            assert isinstance(column, Column)
            self.columns.setdefault(column.name, column)

    @property
    def wanted(self) -> bool:
        """Whether an SLO compares a column with it."""
        return bool(self.columns)

    def from_file(self, path: Path) -> None:
        """Take all rows of a file: the SLO file names it.

        Raises:
            PlanError: it cannot be read, or has none of the columns.
        """
        table = TableName("mlguard baseline", self.program.table.name)
        source = open_source(self.engine, table, path)
        shape = make_view(self.engine, source, None)
        there = replace(self.program, table=table, shape=shape)
        known = {column.name for column in shape.columns}
        self._take(there, "", [column for name, column in self.columns.items() if name in known], segments=False)

    def freeze(self, end: datetime, left_out: Sequence[tuple[datetime, datetime]]) -> tuple[str, ...]:
        """Freeze what may be frozen when a window is judged that ends at `end`; returns the columns that came in.

        Args:
            end: the local end of the window.
            left_out: windows that failed under a hold: no baseline is made of them.
        """
        if self.program.baseline.kind == "file" or self.program.event_time is None or not self.lacking:
            return ()
        if self.periods is None:
            self.periods = self._first_periods() if self.program.baseline.kind == "first" else []
        found = self.periods
        if self.program.baseline.kind == "previous":
            found = self._previous_periods(end)
        due = [period for period in found if period.due <= end and period.column in self.lacking]
        added: list[str] = []
        for stretch in dict.fromkeys((period.starts, period.ends) for period in due):
            columns = [self.columns[p.column] for p in due if (p.starts, p.ends) == stretch]
            added += self._take(self.program, self._between(*stretch, left_out), columns, segments=True)
        return tuple(added)

    @property
    def lacking(self) -> list[str]:
        """Columns that are compared and not frozen."""
        there = {entry["column"] for entry in self.frozen.values()}
        return [name for name in self.columns if name not in there]

    def _between(self, starts: datetime | None, ends: datetime, left_out: Sequence[tuple[datetime, datetime]]) -> str:
        at = moment(self.program, "r")
        parts = [f"{at} < {stamp(ends)}", *([f"{at} >= {stamp(starts)}"] if starts is not None else [])]
        parts += [f"not ({at} >= {stamp(lower)} and {at} < {stamp(upper)})" for lower, upper in left_out]
        return " and ".join(parts)

    def _take(self, program: TableProgram, condition: str, columns: Sequence[Column], *, segments: bool) -> list[str]:
        """Freeze columns of some rows; ones with fewer than ENOUGH values stay out."""
        added = []
        edges: dict[str, tuple[float, ...]] = {}
        names = {column.name for column in columns}
        every = [(by, state) for by, found in self.sets.items() for state in found if _column(state) in names]
        for column in columns:
            binned = any(state.of is Of.BINS for _, state in every if _column(state) == column.name)
            cells = DuckCells(program)
            x = cells.amount(column) if binned else cells.category(column)
            n, found = self._survey(program, condition, x, binned=binned)
            if n < ENOUGH:
                continue
            added.append(column.name)
            if found is not None:
                edges[column.name] = found
        self.edges |= edges
        for by in dict.fromkeys(by for by, _ in every) if segments else [()]:
            states = [
                replace(state, where=state.where if segments else None)
                for found_by, state in every
                if _column(state) in added and (found_by == by or not segments)
            ]
            if states:
                rows = Rows(program, by=by, condition=condition)
                self._keep(by, count(self.engine, rows, tuple(dict.fromkeys(states)), edges=edges), states)
        return added

    def _survey(
        self, program: TableProgram, condition: str, x: str, *, binned: bool
    ) -> tuple[int, tuple[float, ...] | None]:
        """Return the number of values, and of numbers the edges: the distinct deciles."""
        from mlguard.learn.distance import decile_ranks, edges_from

        table = str(self.program.table)
        where = f" where {condition}" if condition else ""
        given = f"(select {x} as x from {program.table.sql} as r{where}) as g"
        ((n, least),) = self.engine.rows(
            f"select count(x), {'min(x)' if binned else 'null'} from {given}", "baseline", table=table
        )
        if not binned or n < ENOUGH:
            return n, None
        ranks = decile_ranks(n)
        ordered = f"select x, row_number() over (order by x) as place from {given} where x is not null"
        listed = ", ".join(map(str, sorted(set(ranks))))
        found = dict(
            self.engine.rows(f"select place, x from ({ordered}) where place in ({listed})", "baseline", table=table)
        )
        return n, edges_from([found[rank] for rank in ranks], least)

    def _keep(self, by: tuple[str, ...], found: Counted, states: Sequence[State]) -> None:
        named = {tuple(zip(by, key[1], strict=True)): document for key, document in found.documents.items()}
        ranked = sorted(named, key=lambda segment: (-named[segment]["n"], str(segment)))
        kept: dict[Segment, Document] = {segment: named[segment] for segment in ranked[:MOST_SEGMENTS]}
        most = max((rule.max_segments for rule in self.program.judged if rule.by), default=50)
        if by and len(ranked) > most:
            kept[((OTHER, "other"),)] = merge([named[segment] for segment in ranked[most:]])
        for segment, document in kept.items():
            for state in states:
                entry = document.get(state.key)
                if entry and entry["n"] > 0:
                    self.frozen[state.key, segment] = {"column": _column(state), **entry}

    def _first_periods(self) -> list[Period]:
        daily = self._daily()
        length = self.program.baseline.span or Span("28 days", days=28)
        ahead = (add(datetime(2001, 1, 1), length, 1) - datetime(2001, 1, 1)) - timedelta(hours=1)  # noqa: DTZ001 - local
        own = {name: stretch for name, days in daily.items() if (stretch := _stretch(days, length, ahead))}
        if "" not in own:
            return []
        first = own[""]
        found = []
        for name in self.columns:
            if name not in own:
                continue
            shared = sum(n for day, n in daily[name].items() if first[0] <= day < first[1]) >= ENOUGH
            starts, ends = first if shared else own[name]
            found.append(Period(name, starts, ends, ends))
        return found

    def _previous_periods(self, end: datetime) -> list[Period]:
        as_of = end + self.program.late
        length = self.program.baseline.span or Span("28 days", days=28)
        found = []
        if self.periods is None or not hasattr(self, "_days"):
            self._days = self._daily()
        for name in self.columns:
            days = {day: n for day, n in self._days.get(name, {}).items() if day < as_of}
            if sum(days.values()) < ENOUGH:
                continue
            since = add(as_of, length, -1)
            enough = sum(n for day, n in days.items() if day >= since) >= ENOUGH
            found.append(Period(name, since if enough else None, as_of, end))
        return found

    def _daily(self) -> dict[str, dict[datetime, int]]:
        """Return how many values each column has on each local day; '' is rows."""
        cells, at = DuckCells(self.program), moment(self.program, "r")
        counts = []
        for column in self.columns.values():
            binned = any(
                state.of is Of.BINS and _column(state) == column.name for found in self.sets.values() for state in found
            )
            counts.append(f"count({cells.amount(column) if binned else cells.category(column)})")
        sql = (
            f"select date_trunc('day', {at}) as day, count(*), {', '.join(counts)}\n"
            f"from {self.program.table.sql} as r\nwhere isfinite({at})\ngroup by 1 order by 1"
        )
        daily: dict[str, dict[datetime, int]] = {name: {} for name in ("", *self.columns)}
        for day, *found in self.engine.rows(sql, "baseline", table=str(self.program.table)):
            start = datetime(day.year, day.month, day.day) if isinstance(day, date) else day  # noqa: DTZ001 - local
            for name, n in zip(daily, found, strict=True):
                if n:
                    daily[name][start] = n
        return daily

    # Comparing.

    def compared(self, states: Document, state: State, segment: Segment, past: Sequence[Document]) -> Compared | str:
        """Return the counts here and in the baseline as they are compared, or why there is nothing to compare.

        Args:
            states: of the batch or window.
            state: bins or values.
            segment: which segment they are of.
            past: the documents of the same segment before it, where `baseline: previous` looks back.
        """
        from mlguard.learn.distance import bins, categories

        entry = self.frozen.get((state.key, segment))
        if entry is None and segment:
            entry = self.frozen.get((state.key, WHOLE)) if self.program.baseline.kind == "file" else None
            if entry is None and self.frozen:
                return "this segment is not in the baseline"
        if entry is None:
            return NO_BASELINE
        here = states.get(state.key)
        if not here or here["n"] <= 0:
            return NO_VALUES
        entry = self._recent(entry, state, past)
        if "c" in here and isinstance(here["c"], list):
            return bins(here["c"], entry["c"])
        found = categories(here["c"], entry["c"], other=here["other"], baseline_other=entry["other"])
        return found if found is not None else "its categories are too rare to compare"

    def new_categories(self, states: Document, state: State, past: Sequence[Document]) -> float | str:
        """Return the share of values whose category the baseline does not know, or why that cannot be told."""
        from mlguard.learn.distance import new_category_rate

        entry = self.frozen.get((state.key, WHOLE))
        if entry is None:
            return NO_BASELINE
        entry = self._recent(entry, state, past)
        here = states.get(state.key)
        if not here or here["n"] <= 0:
            return NO_VALUES
        if entry["other"] > 0:
            return "the baseline has more than 1000 categories"
        found = new_category_rate(here["c"], entry["c"], other=here["other"])
        return found if found is not None else NO_VALUES

    def _recent(self, entry: dict[str, Any], state: State, past: Sequence[Document]) -> dict[str, Any]:
        """Return what lies before the batch or window, where that is the baseline and enough."""
        if self.program.baseline.kind != "previous":
            return entry
        parts = [{state.key: document[state.key], "n": 0} for document in past if state.key in document]
        found = merge(parts).get(state.key) if parts else None
        return found if found and found["n"] >= ENOUGH else entry


def _column(state: State) -> str | None:
    column = state.args[0] if state.args else None
    return column.name if isinstance(column, Column) and state.of in (Of.BINS, Of.VALUES) else None


def _stretch(days: Mapping[datetime, int], length: Span, ahead: timedelta) -> tuple[datetime, datetime] | None:
    """Return the first days that hold enough; where no stretch of that length does, as many days as it takes."""
    if sum(days.values()) < ENOUGH:
        return None
    order = sorted(days)
    for day in order:
        if sum(days[later] for later in order if day <= later <= day + ahead) >= ENOUGH:
            return day, add(day, length, 1)
    so_far = 0
    for day in order:
        so_far += days[day]
        if so_far >= ENOUGH:
            return order[0], day + timedelta(days=1)
    return None


def stamp(at: datetime) -> str:
    """Return a local time as a constant."""
    return f"timestamp {quoted(at.isoformat(sep=' '))}"
