"""Learns what is usual for a table from samples of its past scopes, and how far off is too far.

`Learner` judges a `Sample` and observes it. It needs numpy, and no database: the same is written in SQL for PostgreSQL,
so that a table is judged alike in the database, in a backtest and on a folder of files.
"""

from mlguard.learn.bands import Band
from mlguard.learn.learner import ColumnVerdict, Learner, Verdict
from mlguard.learn.sample import SAMPLE_ROWS, Sample, chosen_positions, numbers, texts
from mlguard.learn.series import KINDS, TABLE, Series

__all__ = [
    "KINDS",
    "SAMPLE_ROWS",
    "TABLE",
    "Band",
    "ColumnVerdict",
    "Learner",
    "Sample",
    "Series",
    "Verdict",
    "chosen_positions",
    "numbers",
    "texts",
]
