"""One SLO over metrics against the states of one batch or window: what the generated verdict functions do. Pure.

The twin of mlguard.emit.verdicts and of the runtime's _find (0012).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from mlguard.emit.states import categories
from mlguard.emit.verdicts import (
    CHANCE,
    DISTANCES,
    HISTORY_LACKS,
    LEARNING,
    NO_ANSWER,
    NOTHING_BEFORE,
    ROUNDED,
    counts_labels,
)
from mlguard.lang.analyse import told_metrics
from mlguard.lang.measure import Measure, Of, State, measure, measured_name
from mlguard.lang.metrics import FAIRNESS, METRICS, Family
from mlguard.lang.tree import Expr, Literal, Metric
from mlguard.local.baseline import NO_VALUES, Baseline, Segment
from mlguard.local.condition import Impossible, Value, holds
from mlguard.local.finalise import count, finalise
from mlguard.local.merge import Document
from mlguard.local.scores import fair, fair_bound, no_score
from mlguard.local.words import finding, for_segment, short
from mlguard.program import Rule, TableProgram
from mlguard.report.verdict import Outcome

if TYPE_CHECKING:
    from mlguard.learn.distance import Compared


@dataclass(frozen=True)
class Scope:
    """What is judged: one batch or window, and which segment of it.

    Attributes:
        over: `batch`, or the length of the window; values of one length are one history.
        label: the batch, or the window, in words.
        place: its place among the batches; windows are placed by their times.
        start, end: local times; of a batch `start` is its newest event time, where it has one.
        segment: pairs of segment column and value; () is all rows.
    """

    over: str
    label: str
    place: int = 0
    start: datetime | None = None
    end: datetime | None = None
    segment: Segment = ()


class Past(Protocol):
    """The values of metrics before a batch or window."""

    def trailing(self, scope: Scope, metric: str, back: str) -> float | None:
        """Return the median of a metric so far back; None with fewer than three values."""

    def usual(self, scope: Scope, metric: str, value: float | None, rows: int) -> bool | None:
        """Return whether a value lies in its band; None while that is learned."""

    def documents(self, scope: Scope) -> Sequence[Document]:
        """Return the states that `baseline: previous` compares with."""


@dataclass(frozen=True)
class Found:
    """One SLO judged on one scope.

    Attributes:
        metrics: every metric of the check by name with its value.
    """

    scope: Scope
    outcome: Outcome
    n: int | None
    metrics: tuple[tuple[str, float | None], ...] = ()
    observed: str = ""
    reason: str = ""
    score: float | None = field(default=None, compare=False)  # of learned health: above 1 is outside the band


class Judge:
    """Judges one SLO, scope by scope."""

    def __init__(self, rule: Rule, program: TableProgram, baseline: Baseline, past: Past) -> None:
        assert rule.expr is not None
        self.rule, self.program, self.baseline, self.past = rule, program, baseline, past
        self.expr: Expr = rule.expr
        self.told = told_metrics(rule.expr)
        self.names = {metric: measured_name(metric, rule.where) for metric in self.told}
        names = categories(program)
        self.measures: dict[Metric, Measure] = {
            metric: measure(metric, rule.where, names)
            for metric in self.told
            if METRICS[metric.name].family is not Family.HISTORY
        }
        self.labelled = State(Of.LABELLED, where=rule.where).key
        # The rows of a verdict about labels are those that have one.
        self.counted = self.labelled if counts_labels(rule) else State(Of.ROWS, where=rule.where).key

    def find(self, states: Document, scope: Scope) -> Found:
        """Return what the SLO says of these states."""
        rows = int(count(states, self.counted) or 0)
        all_rows = int(count(states, State(Of.ROWS, where=self.rule.where).key) or 0)
        values, why = self._values(states, scope, all_rows)
        try:
            ok, reason = self._answer(states, scope, values, why)
        except Impossible as error:
            return Found(scope, Outcome.ERROR, None, reason=str(error))
        outcome, reason = self._outcome(ok, reason, rows)
        metrics = tuple((self.names[metric], _number(values[metric])) for metric in self.told)
        limits = self.rule.limit if outcome in (Outcome.FAIL, Outcome.NOTED) else ""
        segment = for_segment(dict(scope.segment), self.rule.by)
        return Found(scope, outcome, rows, metrics, finding(metrics, limits, segment), reason)

    def _outcome(self, ok: bool | None, reason: str, rows: int) -> tuple[Outcome, str]:
        least = self.rule.min_rows
        if rows < least:
            what = "labelled row" if self.counted == self.labelled else "row"
            return Outcome.INSUFFICIENT, f"{rows} {what}{'s' * (rows != 1)}, fewer than {least}"
        if ok:
            return Outcome.PASS, ""
        if ok is None and reason != NO_VALUES:
            return Outcome.INSUFFICIENT, reason or NO_ANSWER
        return (Outcome.NOTED, "shadow") if self.rule.shadow else (Outcome.FAIL, reason)

    def _values(self, states: Document, scope: Scope, rows: int) -> tuple[dict[Metric, Value], dict[Metric, str]]:
        values: dict[Metric, Value] = {}
        why: dict[Metric, str] = {}
        for metric, found in self.measures.items():
            if metric.name in FAIRNESS:
                values[metric] = fair(states, metric.name, self._key(metric), self.rule.min_rows)
                continue
            if found.column is None:
                values[metric] = finalise(found, states)
                continue
            distance = self._distance(metric, found, states, scope)
            values[metric] = None if isinstance(distance, str) else distance
            if isinstance(distance, str):
                why[metric] = distance
        for metric in self.told:
            if metric not in values:
                values[metric] = self._history(metric, values, scope, rows)
        return values, why

    def _key(self, metric: Metric) -> str:
        state = self.measures[metric].states[0]
        assert state is not None
        return state.key

    def _distance(self, metric: Metric, found: Measure, states: Document, scope: Scope) -> float | str:
        state = found.states[0]
        assert state is not None
        past = self.past.documents(scope) if self.program.baseline.kind == "previous" else ()
        if metric.name == "new_category_rate":
            return self.baseline.new_categories(states, state, past)
        compared = self.baseline.compared(states, state, scope.segment, past)
        if isinstance(compared, str):
            return compared
        from mlguard.learn.distance import DISTANCES as FUNCTIONS

        return FUNCTIONS[metric.name](compared.here, compared.baseline)

    def _history(self, metric: Metric, values: dict[Metric, Value], scope: Scope, rows: int) -> Value:
        base = metric.args[0]
        assert isinstance(base, Metric)
        value = _number(values[base])
        if metric.name == "usual":
            return self.past.usual(scope, self.names[base], value, rows)
        before = self._before(metric, scope)
        if metric.name == "trailing" or before is None or value is None:
            return before if metric.name == "trailing" else None
        if metric.name == "delta":
            return value - before
        return value / before - 1 if before != 0 else None

    def _before(self, metric: Metric, scope: Scope) -> float | None:
        base, length = metric.args
        assert isinstance(base, Metric)
        assert isinstance(length, Literal)
        return self.past.trailing(scope, self.names[base], str(length.value))

    def _answer(
        self, states: Document, scope: Scope, values: dict[Metric, Value], why: dict[Metric, str]
    ) -> tuple[bool | None, str]:
        ok, reason = holds(self.expr, values), ""
        distances = [metric for metric in self.told if metric.name in DISTANCES]
        if ok is False and distances:
            ok, reason = self._noise(distances, states, scope, values)
        if ok is False and self._within_chance(states, values):
            ok, reason = None, CHANCE
        if ok is False and any("rounded" in states.get(self._key(m), {}) for m in self.told if m.name == "auc"):
            reason = ROUNDED
        if ok is None and not reason:
            reason = self._reason(states, values, why, scope)
        return ok, reason

    def _within_chance(self, states: Document, values: dict[Metric, Value]) -> bool:
        """A gap between groups that chance alone could bring about is unknown, not too large."""
        bounds: dict[Metric, Value] = {
            metric: fair_bound(states, metric.name, self._key(metric), self.rule.min_rows)
            for metric in self.told
            if metric.name in FAIRNESS
        }
        return bool(bounds) and holds(self.expr, {**values, **bounds}) is not False

    def _noise(
        self, distances: Sequence[Metric], states: Document, scope: Scope, values: dict[Metric, Value]
    ) -> tuple[bool | None, str]:
        """A distance that chance alone could bring about is unknown, not too large."""
        known, reason = dict(values), ""
        past = self.past.documents(scope) if self.program.baseline.kind == "previous" else ()
        for metric in distances:
            value, state = _number(values[metric]), self.measures[metric].states[0]
            if value is None or metric.name == "new_category_rate" or state is None:
                continue
            compared = self.baseline.compared(states, state, scope.segment, past)
            if not isinstance(compared, str) and (words := _within_noise(metric.name, value, compared)):
                known[metric], reason = None, words
        ok = holds(self.expr, known)
        return ok, reason if ok is None else ""

    def _reason(self, states: Document, values: dict[Metric, Value], why: dict[Metric, str], scope: Scope) -> str:
        """Why there is no answer: a metric without values first, then what lacks a past or a baseline."""
        for metric in self.told:
            if metric not in self.measures or values[metric] is not None:
                continue
            if METRICS[metric.name].family in (Family.LABELS, Family.GROUPS):
                return no_score(states, metric.name, self._key(metric), self.rule.min_rows, self.labelled)
            return why.get(metric, NO_VALUES)
        for metric in self.told:
            if metric in self.measures or values[metric] is not None:
                continue
            if metric.name == "change" and self._before(metric, scope) == 0:
                return NOTHING_BEFORE
            return LEARNING if metric.name == "usual" else HISTORY_LACKS
        return NO_ANSWER


def _number(value: Value) -> float | None:
    return None if value is None else float(value)


def _within_noise(metric: str, value: float, compared: Compared) -> str:
    from mlguard.learn.distance import noise

    limit = noise(metric, compared.here, compared.baseline)
    if value > limit:
        return ""
    n, m = float(compared.here.sum()), float(compared.baseline.sum())
    smaller = f" and a baseline of {round(m)}" if m < n else ""
    return f"n = {round(n)} values{smaller} cannot tell {short(value)} from chance (up to {short(limit)})"
