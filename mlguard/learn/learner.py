"""The learner: judges a sample by what it has observed, and observes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlguard.learn.bands import Band, Bands, learn_bands
from mlguard.learn.history import KEPT, History, learned_scale
from mlguard.learn.memory import LEARNED_AT, Memory, learning_due
from mlguard.learn.sample import Numbers, Sample
from mlguard.learn.scope import Scope
from mlguard.learn.score import column_scores
from mlguard.learn.series import KINDS, SCALES, Series

Confidence = Literal["learning", "low", "medium", "high"]


@dataclass(frozen=True)
class ColumnVerdict:
    """How unusual one column of a scope is.

    Args:
        column: Its name; empty for the table as a whole.
        score: Above 1 is an alarm.
        series: The worst of its series.
        value: What was measured for that series.
        z: Its error in units of its usual error.
        limit: The z allowed in that direction.
        band: Where the limit comes from; `band.low` and `band.high` are in the metric's unit.
    """

    column: str
    score: float
    series: Series
    value: float
    z: float
    limit: float
    band: Band


@dataclass(frozen=True)
class Verdict:
    """How unusual a scope is.

    Args:
        columns: Columns and the table, the most unusual first.
        alert: Whether any of them is outside its band. Never while learning.
        score: The largest of their scores; 0 while learning.
        confidence: `learning` below 20 observed scopes, `low` below 40, `medium` below 90, else `high`.
        observed: Scopes that have been observed.
    """

    columns: tuple[ColumnVerdict, ...]
    alert: bool
    score: float
    confidence: Confidence
    observed: int


def confidence_of(observed: int) -> Confidence:
    """How much the verdicts of a learner that has observed so many scopes are worth."""
    if observed < LEARNED_AT:
        return "learning"
    if observed < 40:
        return "low"
    return "medium" if observed < 90 else "high"


class Learner:
    """Learns what is usual for one table (or one segment of it), scope by scope.

    Args:
        sensitivity: The one dial: multiplies every limit. 1 is meant for one false alarm in a hundred clean scopes over
            all columns together; 0.7 for about four, 1.5 for a few in a thousand.
    """

    def __init__(self, sensitivity: float = 1.0) -> None:
        if not 0 < sensitivity < float("inf"):
            raise ValueError(f"sensitivity must be a positive number, not {sensitivity}")
        self.sensitivity = sensitivity
        self.memory = Memory()
        self.history: History | None = None
        self.series: dict[Series, int] = {}
        self.values: Numbers = np.empty((0, 0))
        self.rows: list[tuple[int, int, int | None]] = []
        self._bands: dict[int | None, Bands] = {}
        self._last: tuple[Sample, Scope, dict[Series, float]] | None = None

    def judge(self, sample: Sample, keep: Callable[[Series], bool] | None = None) -> Verdict:
        """Judges a scope; nothing is learned from it.

        Args:
            sample: The scope's sample.
            keep: Which series count; all where it is not given.
        """
        observed = self.memory.observed
        if self.history is None:
            return Verdict((), alert=False, score=0.0, confidence=confidence_of(observed), observed=observed)
        scope, measured = self._measured(sample)
        bands = self._bands_of(sample.slot)
        values = np.array([measured.get(series, np.nan) for series in bands.series])
        ratios, signed = bands.ratio(values, scope.n, scope.k), bands.signed(values, scope.n, scope.k)
        if keep is not None:
            ratios = np.where([keep(series) for series in bands.series], ratios, 0.0)
        columns = []
        for column, (score, i) in column_scores(bands.series, ratios).items():
            band = bands.band(i, scope.n, scope.k)
            limit = band.limit[0 if signed[i] >= 0 else 1]
            columns.append(
                ColumnVerdict(column, score, band.series, float(values[i]), float(ratios[i]) * limit, limit, band)
            )
        columns.sort(key=lambda verdict: -verdict.score)
        top = columns[0].score if columns else 0.0
        return Verdict(tuple(columns), top > 1, top, confidence_of(observed), observed)

    def observe(self, sample: Sample, *, excluded: bool = False) -> None:
        """Learns from a scope, unless it is excluded (labelled a fault, or told to be left out)."""
        if excluded:
            return
        scope, measured = self._measured(sample)
        self._last = None
        self._bands.clear()
        found = self.memory.observe(scope)
        new = [series for series in measured if series not in self.series]
        new += [rule.series for rule, _ in found]
        self._keep(scope, measured, new)
        for rule, past in found:
            self.values[-len(past) :, self.series[rule.series]] = past[-len(self.values) :]
        if self.memory.observed < LEARNED_AT:
            return
        if learning_due(self.memory.observed) or self.history is None or any(s.metric in KINDS for s in new):
            self.rebuild()
        else:
            row = self.values[-1][[self.series[series] for series in self.history.series]]
            self.history.append(row, scope.n, scope.k, scope.slot)

    def rebuild(self, scales: dict[Series, float] | None = None) -> None:
        """Computes all past errors anew, with scales learned now or those given."""
        series = [one for one in self.series if one.metric in KINDS]
        values = self.values[:, [self.series[one] for one in series]]
        missing = np.full(len(self.values), np.nan)
        deviations = [self.series.get(Series(one.column, SCALES.get(one.metric, ""))) for one in series]
        columns = [missing if i is None else self.values[:, i] for i in deviations]
        scale = learned_scale(series, values, np.array(columns).T.reshape(values.shape))
        if scales is not None:
            scale = np.array([scales[one] for one in series])
        self.history = History(series, scale)
        for row, (n, k, slot) in zip(values, self.rows, strict=True):
            self.history.append(row, n, k, slot)

    def bands(self, slot: int | None = None, *, n: int, k: int) -> list[Band]:
        """The bands for a scope of n rows, k of them sampled; empty while learning."""
        if self.history is None:
            return []
        bands = self._bands_of(slot)
        return [bands.band(i, n, k) for i in range(len(bands.series))]

    def _bands_of(self, slot: int | None) -> Bands:
        assert self.history is not None
        if slot not in self._bands:
            self._bands[slot] = learn_bands(self.history, slot, self.sensitivity)
        return self._bands[slot]

    def _measured(self, sample: Sample) -> tuple[Scope, dict[Series, float]]:
        if self._last is None or self._last[0] is not sample:
            scope = self.memory.prepare(sample)
            self._last = (sample, scope, self.memory.measure(scope))
        return self._last[1], self._last[2]

    def _keep(self, scope: Scope, measured: dict[Series, float], new: Iterable[Series]) -> None:
        for series in new:
            self.series.setdefault(series, len(self.series))
        width = len(self.series)
        past = np.full((len(self.values), width), np.nan)
        past[:, : self.values.shape[1]] = self.values
        row = np.full(width, np.nan)
        for series, value in measured.items():
            row[self.series[series]] = value
        self.values = np.concatenate([past, row[None]])[-KEPT:]
        self.rows = [*self.rows, (scope.n, scope.k, scope.slot)][-KEPT:]
