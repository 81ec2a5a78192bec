"""Replays a file's batches and windows in order: states are counted in DuckDB, judged as the database would have.

A calendar window is judged when it has closed (its end and `late` before the time of judging), from the window of the
first row to that of the last one, empty ones between them too. Without an event time each batch stands for a window.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mlguard.emit.duck_core import quoted
from mlguard.emit.duck_grouping import Rows, moment
from mlguard.emit.states import needed_by
from mlguard.lang.measure import Of, State
from mlguard.lang.types import NUMBERS, TIMES
from mlguard.local.baseline import WHOLE, Baseline, Segment, Sets, stamp
from mlguard.local.calendar import add, floor, instant, words
from mlguard.local.engine import Engine
from mlguard.local.find import Found, Judge, Scope
from mlguard.local.gaps import Gaps
from mlguard.local.history import BATCH, Remembered
from mlguard.local.merge import Document, merge
from mlguard.local.rows import RowRules
from mlguard.local.scan import Counted, Key, count
from mlguard.local.segments import Segments, largest, pooled
from mlguard.names import quote_ident
from mlguard.program import Action, Level, Over, Rule, Span, TableProgram
from mlguard.report.verdict import Outcome

if TYPE_CHECKING:
    from mlguard.local.learned import Learned

PATIENCE = 62  # empty windows in a row that are judged; a wrong clock in one row would make centuries of them
THE_FILE = "the file"
ALL_ROWS = (None, ())


@dataclass
class Judged:
    """What a replay found.

    Attributes:
        found: by SLO, what it said of each scope, oldest first.
        batches: rows of each batch and how many of them break each row rule.
        timeless: rows that are in no window, for they have no event time.
    """

    found: dict[str, list[Found]] = field(default_factory=dict)
    batches: list[tuple[str, int, tuple[int, ...]]] = field(default_factory=list)
    timeless: int = 0


@dataclass(frozen=True)
class _Window:
    over: str
    matures: timedelta  # how long labels are waited for
    start: datetime
    end: datetime
    step: datetime  # the end of the window before it


class Replay:
    """One table's batches and windows.

    Args:
        engine: where the table is.
        program: the rows that land, with only the SLOs that can be judged here.
        rows: its row rules.
        batch_by: the column that tells batches apart; None: the file is one.
        as_of: when it is judged.
    """

    def __init__(
        self,
        engine: Engine,
        program: TableProgram,
        rows: RowRules,
        batch_by: str | None,
        as_of: datetime,
    ) -> None:
        self.engine, self.program, self.rows = engine, program, rows
        self.broken = [condition for rule in rows.rules for condition in rule.conditions]
        self.batch_by, self.as_of = batch_by, as_of
        timed = program.event_time is not None and program.base is not None
        self.windows = tuple(rule for rule in program.judged if rule.level is Level.WINDOW and timed)
        self.batches = tuple(rule for rule in program.judged if rule not in self.windows)
        self.judged = Judged()
        self.sets = _sets(program, program.judged)
        self.baseline = Baseline(engine, program, self.sets)
        self.past = Remembered(self._previous)
        self.judges = {
            rule.id: Judge(rule, program, self.baseline, self.past) for rule in program.judged if rule.expr is not None
        }
        self.gaps = {rule.id: Gaps(engine, program, rule) for rule in self.windows if rule.no_gaps is not None}
        self.by_time: dict[tuple[str, ...], Counted] = {}
        self.looked: datetime | None = None  # up to when a baseline was looked for
        self.order: dict[tuple[str, ...], list[tuple[datetime, Segment, Document]]] = {}

    def run(self) -> Judged:
        """Count and judge everything."""
        self.judged.found = {rule.id: [] for rule in self.program.judged}
        if self.windows:
            self._replay_windows()
        if self.batches or not self.windows or self.batch_by is not None:
            self._replay_batches()
        return self.judged

    def _rows(self, *, batch: str | None = None, buckets: bool = False) -> Rows:
        """Return the rows as the rules see them, those that are kept out apart: one pass for row rules and metrics."""
        apart = self.rows.kept_out if self.rows.apart else ""
        return Rows(self.program, batch=batch, buckets=buckets, relation=self.rows.source, apart=apart)

    # Batches.

    def _replay_batches(self) -> None:
        sets = _sets(self.program, self.batches) or {(): ()}
        sets.setdefault((), ())
        counted = {
            by: count(
                self.engine,
                Rows(self.program, batch=self.batch_by, by=by) if by else self._rows(batch=self.batch_by),
                states,
                () if by else self.broken,
                self.baseline.edges,
                mergeable=bool(by),
                newest=not by and any(rule.expr is not None for rule in self.batches),
            )
            for by, states in sets.items()
        }
        whole = counted[()]
        scopes = self._batch_scopes(whole)
        labels = {key: scope.label for key, scope in scopes}
        # A batch that is kept out as a whole is none to metrics.
        self.judged.batches = [
            (labels.get(key) or self._label(key[0]), whole.rows(key), whole.bad[key])
            for key in dict.fromkeys((*labels, *whole.bad))
        ]
        learned = self._learned(self.batches)
        for key, scope in scopes:
            if scope.start is not None and self.baseline.wanted:
                added = self.baseline.freeze(add(scope.start, _of(self.program), -1), ())
                self._count_bins(added, sets, counted)
            for rule in self.batches:
                if rule.id in self.judges:
                    self._judge_parts(rule, scope, self._batch_parts(rule, key, counted))
            for group in learned.values():
                self._keep_learned(group, scope, self._batch_condition(key[0]), whole.documents[key]["n"])

    def _batch_scopes(self, whole: Counted) -> list[tuple[Key, Scope]]:
        if self.batch_by is None:
            whole.documents.setdefault(ALL_ROWS, {"n": 0})
            whole.bad.setdefault(ALL_ROWS, (0,) * len(self.broken))
        order = self._batch_order() if self.batch_by is not None else [None]
        return [
            ((name, ()), Scope(BATCH, self._label(name), place, whole.newest.get((name, ()))))
            for place, name in enumerate(order, 1)
        ]

    def _label(self, name: object) -> str:
        return THE_FILE if self.batch_by is None else f"{self.batch_by} {'missing' if name is None else name}"

    def _batch_order(self) -> list[str | None]:
        """Order numbers and times by value, other names by their first appearance."""
        assert self.batch_by is not None
        column = quote_ident(self.batch_by)
        shape = self.program.shape.column(self.batch_by)
        by_value = shape is not None and shape.type.kind in NUMBERS | TIMES
        place = column if by_value else "row_number() over ()"
        sql = (
            f"select cast(b as varchar) from (select {column} as b, {place} as place from {self.program.table.sql})"
            " group by b order by min(place) nulls first"
        )
        return [name for (name,) in self.engine.rows(sql, "batches", table=str(self.program.table))]

    def _batch_condition(self, name: object) -> str:
        if self.batch_by is None:
            return ""
        column = f"cast(r.{quote_ident(self.batch_by)} as varchar)"
        return f"{column} is null" if name is None else f"{column} = {quoted(str(name))}"

    def _batch_parts(self, rule: Rule, key: Key, counted: Mapping[tuple[str, ...], Counted]) -> dict[Segment, Document]:
        if not rule.by:
            return {WHOLE: counted[()].documents[key]}
        documents = {
            tuple(zip(rule.by, segment, strict=True)): document
            for (name, segment), document in counted[rule.by].documents.items()
            if name == key[0]
        }
        sizes = {segment: int(document["n"]) for segment, document in documents.items()}
        return pooled(documents, largest(sizes, rule.max_segments))

    # Windows.

    def _replay_windows(self) -> None:
        sets = _sets(self.program, self.windows)
        sets.setdefault((), (State(Of.ROWS),))
        alone = not self.batches and self.batch_by is None
        for by, states in sets.items():
            broken = self.broken if not by and alone else ()
            rows = self._rows(buckets=True) if broken else Rows(self.program, buckets=True, by=by)
            self.by_time[by] = count(self.engine, rows, states, broken, self.baseline.edges)
        whole = self.by_time[()]
        if alone:
            n = sum(whole.rows(key) for key in dict.fromkeys((*whole.documents, *whole.kept_out)))
            bad = tuple(sum(counts) for counts in zip(*whole.bad.values(), strict=True)) or (0,) * len(self.broken)
            self.judged.batches = [(THE_FILE, n, bad)]
        self.judged.timeless = sum(int(d["n"]) for (start, _), d in whole.documents.items() if start is None)
        self._sort()
        learned = self._learned(self.windows)
        segments: dict[str, Segments] = {}
        for window in self._closed():
            self._freeze_until(window.end, sets)
            label = f"{window.over} from {words(window.start)} to {words(window.end)}"
            scope = Scope(window.over, label, start=window.start, end=window.end)
            for rule in self.windows:
                if (str(rule.over), _matures(rule)) != (window.over, window.matures):
                    continue
                if rule.id in self.gaps:
                    self.judged.found[rule.id].append(self.gaps[rule.id].find(scope))
                if rule.id not in self.judges:
                    continue
                parts = {WHOLE: merge([d for _, d in self._inside((), window.start, window.end)])}
                if rule.by:
                    split = segments.setdefault(rule.id, Segments(rule, self.program, window.step))
                    parts = split.split(self._by_segment(rule.by, window.start, window.end), window.end)
                self._judge_parts(rule, scope, parts)
            if window.over in learned and not window.matures:
                n = sum(int(d["n"]) for _, d in self._inside((), window.start, window.end))
                self._keep_learned(learned[window.over], scope, self._between(window.start, window.end), n)

    def _freeze_until(self, end: datetime, sets: Sets) -> None:
        """Look for a baseline at the end of each of the table's own windows, as the sweeps of a live table do."""
        if not self.baseline.wanted or not self.order[()]:
            return
        at = self.looked if self.looked is not None else floor(self.order[()][0][0], self.program.window)
        while self.baseline.lacking and add(at, self.program.window, 1) <= end:
            at = add(at, self.program.window, 1)
            self._count_bins(self.baseline.freeze(at, self._left_out()), sets, self.by_time)
        self.looked = at

    def _sort(self) -> None:
        self.order = {
            by: sorted(
                (
                    (start, tuple(zip(by, segment, strict=True)), document)
                    for (start, segment), document in counted.documents.items()
                    if isinstance(start, datetime)
                ),
                key=lambda item: item[0],
            )
            for by, counted in self.by_time.items()
        }

    def _inside(self, by: tuple[str, ...], start: datetime, end: datetime) -> list[tuple[Segment, Document]]:
        kept = self.order.get(by, [])
        lower = bisect.bisect_left(kept, start, key=lambda item: item[0])
        upper = bisect.bisect_left(kept, end, key=lambda item: item[0])
        return [(segment, document) for _, segment, document in kept[lower:upper]]

    def _by_segment(self, by: tuple[str, ...], start: datetime, end: datetime) -> dict[Segment, Document]:
        parts: dict[Segment, list[Document]] = {}
        for segment, document in self._inside(by, start, end):
            parts.setdefault(segment, []).append(document)
        return {segment: merge(documents) for segment, documents in parts.items()}

    def _closed(self) -> list[_Window]:
        """Return the windows of all lengths that have closed, in the order in which they are judged."""
        starts = [start for start, _, document in self.order[()] if document["n"]]
        overs = list(dict.fromkeys((rule.over, _matures(rule)) for rule in self.windows if rule.over is not None))
        found = [window for over, matures in overs for window in self._windows(over, matures, starts)]
        places = {(str(over), matures): place for place, (over, matures) in enumerate(overs)}
        return sorted(found, key=lambda window: (window.end, places[window.over, window.matures]))

    def _windows(self, over: Over, matures: timedelta, starts: Sequence[datetime]) -> Iterator[_Window]:
        if not starts or over.span is None:
            return
        assert self.program.base is not None
        step = self.program.base if over.kind == "sliding" else over.span
        at, empty = floor(starts[0], step), 0
        while at <= starts[-1]:
            end = add(at, step, 1)
            if instant(end, self.program.time_zone) + self.program.late + matures > self.as_of:
                return
            lower = bisect.bisect_left(starts, at)
            empty = 0 if lower < len(starts) and starts[lower] < end else empty + 1
            if empty > PATIENCE:
                at, empty = floor(starts[lower], step), 0
                continue
            start = add(end, over.span, -1) if over.kind == "sliding" else at
            yield _Window(str(over), matures, start, end, at)
            at = end

    def _left_out(self) -> list[tuple[datetime, datetime]]:
        """Windows that failed under a hold: no baseline is made of them."""
        holds = {
            rule.id for rule in self.windows if rule.action is Action.HOLD and rule.over and rule.over.kind != "sliding"
        }
        return [
            (found.scope.start, found.scope.end)
            for slo in holds
            for found in self.judged.found[slo]
            if found.outcome is Outcome.FAIL and found.scope.start is not None and found.scope.end is not None
        ]

    def _previous(self, scope: Scope) -> list[Document]:
        """Return the states of the same segment in the days before, without windows that failed under a hold."""
        length = self.program.baseline.span
        if scope.start is None or length is None:
            return []
        by = tuple(name for name, _ in scope.segment)
        left_out = self._left_out()
        kept = [
            (start, document)
            for start, segment, document in self.order.get(by, [])
            if segment == scope.segment and add(scope.start, length, -1) <= start < scope.start
        ]
        return [d for start, d in kept if not any(lower <= start < upper for lower, upper in left_out)]

    def _between(self, start: datetime, end: datetime) -> str:
        at = moment(self.program, "r")
        return f"{at} >= {stamp(start)} and {at} < {stamp(end)}"

    # Both.

    def _count_bins(self, columns: Sequence[str], sets: Sets, counted: Mapping[tuple[str, ...], Counted]) -> None:
        """Count the rows by edges that were not known when they were first counted."""
        names = set(columns) & set(self.baseline.edges)
        for by, states in sets.items():
            lacking = [state for state in states if state.of is Of.BINS and _name(state) in names]
            if not lacking:
                continue
            buckets = counted is self.by_time
            rows = Rows(self.program, batch=None if buckets else self.batch_by, buckets=buckets, by=by)
            for key, document in count(self.engine, rows, lacking, edges=self.baseline.edges).documents.items():
                for state in lacking:
                    counted[by].documents[key][state.key] = document[state.key]

    def _judge_parts(self, rule: Rule, scope: Scope, parts: Mapping[Segment, Document]) -> None:
        for segment, document in parts.items():
            found = self.judges[rule.id].find(document, replace(scope, segment=segment))
            self.judged.found[rule.id].append(found)
            self.past.keep(found.scope, found.metrics, found.n or 0)

    def _learned(self, rules: Sequence[Rule]) -> dict[str, Learned]:
        if not any(rule.learned for rule in rules):
            return {}
        from mlguard.local.learned import Learned

        groups: dict[str, list[Rule]] = {}
        for rule in rules:
            if rule.learned:
                groups.setdefault(str(rule.over) if rule in self.windows else BATCH, []).append(rule)
        return {over: Learned(self.engine, self.program, found) for over, found in groups.items()}

    def _keep_learned(self, group: Learned, scope: Scope, condition: str, n: int) -> None:
        for rule, found in group.judge(scope, condition, n):
            self.judged.found[rule.id].append(found)


def _sets(program: TableProgram, rules: Sequence[Rule]) -> dict[tuple[str, ...], tuple[State, ...]]:
    """Return the states that some rules need, by segment columns."""
    found: dict[tuple[str, ...], dict[State, None]] = {}
    for rule in rules:
        found.setdefault(rule.by, {}).update(dict.fromkeys(needed_by(rule, program)))
    return {by: tuple(states) for by, states in found.items()}


def _name(state: State) -> str:
    return getattr(state.args[0], "name", "")


def _matures(rule: Rule) -> timedelta:
    return rule.matures.timedelta if rule.matures is not None else timedelta(0)


def _of(program: TableProgram) -> Span:
    return Span("", microseconds=int(program.late.total_seconds() * 1e6))
