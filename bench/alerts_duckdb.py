"""The learner of `usual` on samples taken by DuckDB, as a method of `alert_quality.py`.

    python bench/alert_quality.py --plugin bench/alerts_duckdb.py --methods usual,mlguard

It reads a batch's data frame and key, and nothing that the harness has computed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.alert_faults import steps_of
from bench.alert_quality import TABLE as WHOLE
from bench.alert_quality import Result
from mlguard.learn import TABLE, Learner, Sample
from mlguard.learn.duck import ColumnKind, kinds_of, sample_of


def slot_of(key: str) -> int | None:
    """Day of the week of a partition whose key is a date; None for other keys."""
    try:
        return pd.Timestamp(key).weekday() if len(key) == len("2013-01-31") else None
    except ValueError:
        return None


class Usual:
    """The product with its default settings."""

    name = "usual"
    sensitivity = 1.0

    def __init__(self, table: Any) -> None:
        self.learner = Learner(self.sensitivity)
        self.connection = duckdb.connect(config={"threads": 1})
        self.kinds: dict[str, ColumnKind] | None = None
        self.observed: list[Any] = []
        self.weekly = steps_of(table)[0]

    def _sample(self, batch: Any) -> Sample:
        relation = self.connection.from_df(batch.df)
        return sample_of(relation, slot=None if self.weekly else slot_of(batch.key), kinds=self.kinds)

    def fit(self, history: list[Any]) -> None:
        """Observes what has been added to the history since the last call."""
        if self.kinds is None:
            head = pd.concat([batch.df for batch in history[:20]])
            self.kinds = kinds_of(self.connection.from_df(head))
        for batch in history[len(self.observed) :]:
            self.learner.observe(self._sample(batch))
            self.observed.append(batch)

    def score(self, batch: Any) -> Result:
        """Scores of all columns; a column or the table above 1 is an alarm."""
        verdict = self.learner.judge(self._sample(batch))
        scores = {column.column: column.score for column in verdict.columns}
        whole = scores.pop(TABLE, 0.0)
        names = {name: scores.get(name, 0.0) for name in batch.df.columns}
        return Result({**names, WHOLE: whole})

    def observe(self, batch: Any) -> None:
        """Nothing: a batch is observed when it has become history."""


class UsualSensitive(Usual):
    """All limits at 0.7."""

    name = "usual_0.7"
    sensitivity = 0.7


class UsualStrict(Usual):
    """All limits at 1.5."""

    name = "usual_1.5"
    sensitivity = 1.5


METHODS = [Usual, UsualSensitive, UsualStrict]
