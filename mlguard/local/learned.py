"""Learned health over the batches or windows of a file, in their order, by mlguard.learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from mlguard.emit.duck_cells import DuckCells
from mlguard.lang.tree import Column
from mlguard.lang.types import NUMBERS
from mlguard.learn.duck import ColumnKind, sample_of
from mlguard.learn.learner import Learner
from mlguard.learn.memory import LEARNED_AT
from mlguard.learn.series import TABLE, Series
from mlguard.local.engine import Engine
from mlguard.local.find import Found, Scope
from mlguard.local.history import slot
from mlguard.local.words import figure
from mlguard.names import quote_ident
from mlguard.program import Rule, TableProgram
from mlguard.report.verdict import Outcome

if TYPE_CHECKING:
    import duckdb

ARMED, ALL = "armed", "all"
TRIAL, LAST, BUDGET = 10, 60, 0.05  # scopes a trial takes, that count of it, and the share of them that may alarm
ON_TRIAL = "shadow: on trial until its alarms keep within the budget"
SEVERAL = "several signs at once, the plainest: "
_WORDS = {
    "null": "null_rate({0})", "mean": "mean({0})", "negative": "negative_rate({0})",
    "same": "share of rows where {0} repeats the time before", "magnitude": "order of magnitude of {0}",
    "grid": "share of values of {0} with more decimals than usual", "far": "share of far-out values of {0}",
    "ks": "shift of the distribution of {0}", "spike": "rise of a single value of {0}",
    "overlap": "overlap of {0} with the time before", "linf": "change of the mix of {0}",
    "new": "share of values of {0} never seen before",
    "shape": "share of values of {0} of a form never seen before", "rows": "row_count()",
    "repeats": "share of repeated rows", "pair": "share of pairs ({0}, {1}) never seen together",
    "dependence": "dependence of {0} and {1}", "nulls": "share of rows where only one of {0} and {1} is missing",
}  # fmt: skip


@dataclass
class Learned:
    """The learned SLOs of one table over batches, or over windows of one length."""

    engine: Engine
    program: TableProgram
    rules: Sequence[Rule]
    learner: Learner = field(default_factory=Learner)
    past: int = 0
    trial: list[bool] = field(default_factory=list)

    def judge(self, scope: Scope, condition: str, n: int) -> list[tuple[Rule, Found]]:
        """Judge one scope, then learn from it.

        Args:
            scope: the batch or window.
            condition: which rows are its, '' for all; they are called `r`.
            n: how many there are.
        """
        if not n:
            return []
        sample = sample_of(self._rows(condition), slot=slot(scope), kinds=self._kinds)
        armed = len(self.trial) >= TRIAL and sum(self.trial[-LAST:]) <= max(1, BUDGET * len(self.trial[-LAST:]))
        found = []
        for rule in self.rules:
            verdict = self.learner.judge(sample, partial(_counts, rule=rule))
            name = TABLE if rule.column is None else rule.column
            worst = next((column for column in verdict.columns if column.column == name), None)
            said = f"{_words(worst.series)} is {figure(worst.value)}" if worst is not None else ""
            if self.past < LEARNED_AT:
                why = f"learning: {self.past} of {LEARNED_AT} past windows or batches"
                found.append((rule, Found(scope, Outcome.INSUFFICIENT, n, observed=said, reason=why)))
            elif worst is None:
                found.append((rule, Found(scope, Outcome.INSUFFICIENT, n, reason="no series has a band yet")))
            else:
                score = worst.score / float(rule.tolerance)
                plainest = SEVERAL if score > 1 and abs(worst.z) <= worst.limit else ""
                words = f"{plainest}{said}{_band(worst.band.low, worst.band.high)}"
                outcome, reason = Outcome.PASS, ""
                if score > 1:
                    acts = ARMED in rule.learned or (armed and not rule.shadow)
                    outcome, reason = (Outcome.FAIL, "") if acts else (Outcome.NOTED, ON_TRIAL)
                found.append((rule, Found(scope, outcome, n, observed=words, reason=reason, score=score)))
        if self.past >= LEARNED_AT:
            self.trial.append(any(item.outcome in (Outcome.FAIL, Outcome.NOTED) for _, item in found))
        self.learner.observe(sample)
        self.past += 1
        return found

    @property
    def _kinds(self) -> dict[str, ColumnKind]:
        types = {column.name: column.type.kind for column in self.program.shape.columns}
        return {name: "number" if types[name] in NUMBERS else "text" for name in self.program.learned_columns}

    def _rows(self, condition: str) -> duckdb.DuckDBPyRelation:
        cells = DuckCells(self.program)
        columns = []
        for shape in self.program.shape.columns:
            if shape.name not in self.program.learned_columns:
                continue
            column = Column(shape.type, shape.name)
            raw, present = cells.raw(column), cells.present(column)
            value = f"case when {present} then {raw} end" if present else raw
            columns.append(f"{value} as {quote_ident(shape.name)}")
        where = f" where {condition}" if condition else ""
        return self.engine.connection.sql(f"select {', '.join(columns)} from {self.program.table.sql} as r{where}")


def _counts(series: Series, rule: Rule) -> bool:
    return ALL in rule.learned or series.metric in rule.learned or bool(series.partner)


def _words(series: Series) -> str:
    return _WORDS[series.metric].format(series.column, series.partner)


def _band(low: float | None, high: float | None) -> str:
    if low is None:
        return f", usually at most {figure(high)}"
    return f", usually at least {figure(low)}" if high is None else f", usually {figure(low)} to {figure(high)}"
