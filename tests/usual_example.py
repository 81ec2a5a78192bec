"""A table whose learned health is judged in SQL and by the Python twin at the same time: what parity tests feed."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg

from mlguard.learn.learner import Learner
from mlguard.learn.sample import Sample, numbers, texts
from mlguard.learn.series import SCALES

TABLE = "features.load"
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
Connection = psycopg.Connection[Any]
Columns = Mapping[str, Sequence[float | None] | Sequence[str | None]]

NUMBERS = frozenset({"amount", "code", "constant", "odd", "ratio"})


def make(connection: Connection, columns: Sequence[str]) -> None:
    """Register the table and the learned SLOs of its columns and rows."""
    connection.execute(
        "insert into mlguard._table (tbl, schema_name, table_name, base, window_length) values (%s, %s, %s, %s, %s)",
        (TABLE, *TABLE.split("."), "1 day", "1 day"),
    )
    for column in (*columns, None):
        add_slo(connection, column)


def add_slo(connection: Connection, column: str | None, **fields: object) -> str:
    """Put the learned SLO of a column, or of the rows, in force; returns its id."""
    name = f"{column or 'rows'}.usual"
    row: dict[str, object] = {
        "id": f"{TABLE}/{name}",
        "tbl": TABLE,
        "name": name,
        "level": "window",
        "check_text": "usual",
        "action": "warn",
        "place": "window judgement",
        "column_name": column,
        "over": "1 day",
        "learned": ["all"] if column else ["all", "pairs"],
        **fields,
    }
    names = ", ".join(row)
    marks = ", ".join(["%s"] * len(row))
    connection.execute(f"insert into mlguard._slo ({names}) values ({marks})".encode(), list(row.values()))
    return str(row["id"])


def start_of(day: int) -> datetime:
    """Return the start of a day's window."""
    return MONDAY + timedelta(days=day)


def deliver(connection: Connection, day: int, columns: Columns, n: int | None = None) -> None:
    """Leave the sample and the row count of a day behind, as the triggers of a table would."""
    k = len(next(iter(columns.values())))
    n = k if n is None else n
    places = [float(place) for place in range(k)]
    with connection.transaction():  # samples are told apart by it
        for name, values in (*columns.items(), ("", places)):
            number = name in NUMBERS or name == ""
            connection.execute(
                "insert into mlguard._sample (tbl, bucket, n, k, column_name, nums, texts)"
                " values (%s, %s, %s, %s, %s, %s, %s)",
                (TABLE, start_of(day), n, k, name, list(values) if number else None, None if number else list(values)),
            )
    connection.execute(
        "insert into mlguard._bucket (tbl, bucket, n, states) values (%s, %s, %s, '{}')", (TABLE, start_of(day), n)
    )


def sweep(connection: Connection, day: int) -> None:
    """Judge the windows that are closed by the end of a day, and learn from them."""
    connection.execute("select mlguard._sweep_usual(%s)", (start_of(day + 1),))


def sample(day: int, columns: Columns, n: int | None = None) -> Sample:
    """Return the same day as the twin takes it."""
    k = len(next(iter(columns.values())))
    return Sample(
        n=k if n is None else n,
        columns={name: numbers(values) if name in NUMBERS else texts(values) for name, values in columns.items()},  # type: ignore[arg-type]
        positions=np.arange(k),
        slot=(start_of(day).weekday() + 1) % 7,
    )


@dataclass
class Both:
    """The runtime and its twin, fed the same days."""

    connection: Connection
    learner: Learner
    measured: Mapping[Any, float] = field(default_factory=dict)

    def day(self, day: int, columns: Columns, n: int | None = None) -> list[str]:
        """Judge and learn one day by both; return where they differ, in words."""
        deliver(self.connection, day, columns, n)
        sweep(self.connection, day)
        one = sample(day, columns, n)
        verdict = self.learner.judge(one)
        self.measured = self.learner.memory.measure(self.learner.memory.prepare(one))
        self.learner.observe(one)
        return [*self.values(day), *self._scores(day, {c.column: c.score for c in verdict.columns})]

    def values(self, day: int) -> list[str]:
        """Return where the values of the last day differ, in words."""
        rows = self.connection.execute(
            "select metric, value from mlguard._metric where window_start = %s and current and sampled",
            (start_of(day),),
        ).fetchall()
        told = {metric: math.nan if value is None else value for metric, value in rows}
        wanted = {
            f"usual_{series.metric}({', '.join(filter(None, (series.column, series.partner)))})": value
            for series, value in self.measured.items()
            if series.metric not in SCALES.values()
        }
        # Rules learned from this day on have a past in SQL at once.
        told = {name: value for name, value in told.items() if name in wanted or "(" not in name or "," not in name}
        return [
            f"day {day}: {name} is {told.get(name)}, not {wanted.get(name)}"
            for name in sorted({*told, *wanted})
            if not alike(told.get(name, math.nan), wanted.get(name, math.nan))
        ]

    def _scores(self, day: int, wanted: Mapping[str, float]) -> list[str]:
        rows = self.connection.execute(
            "select coalesce(s.column_name, ''), (v.detail ->> 'score')::float8, v.outcome"
            " from mlguard._verdict v join mlguard._slo s on s.id = v.slo where v.window_start = %s and v.current",
            (start_of(day),),
        ).fetchall()
        # SQL computes scores from seven errors on, but both judge from twenty scopes on.
        if not wanted:
            return [
                f"day {day}: {column or 'rows'} {outcome}" for column, _, outcome in rows if outcome != "INSUFFICIENT"
            ]
        told = {column: score or 0.0 for column, score, _ in rows}
        return [
            f"day {day}: score of {column or 'rows'} is {told.get(column)}, not {score}"
            for column, score in wanted.items()
            if not alike(told.get(column, math.nan), score)
        ]


def alike(one: float, other: float) -> bool:
    """Whether two numbers are equal to 1e-9, relative to those above 1; NaN is equal to NaN."""
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other or abs(one - other) <= 1e-9 * max(1.0, abs(one), abs(other))


def random_day(rng: random.Random, day: int, k: int) -> dict[str, Any]:
    """Return a day of a table with every kind of column: heavy tails, NaN and infinities, constants, rare texts."""

    def some(value: Any, missing: float) -> Any:
        return None if rng.random() < missing else value

    plans, cities = ["free", "pro", "team"], [f"city {i}" for i in range(40)]
    city = [rng.choice(cities) for _ in range(k)]
    return {
        "amount": [some(round(rng.lognormvariate(3, 1) - 5, 2), 0.05) for _ in range(k)],
        "code": [some(float(rng.choice([-1, 0, 1, 2, 3, 50])), 0.01) for _ in range(k)],
        "constant": [0.1] * k,
        "odd": [
            some(rng.choice([math.inf, -math.inf, math.nan, -0.0, 0.0, 1e300, -1e-300, rng.random()]), 0.1)
            for _ in range(k)
        ],
        "ratio": [some(rng.random() * (1 + day / 50), 0.2) for _ in range(k)],
        "plan": [some(rng.choices(plans, [8, 3, 1])[0], 0.02) for _ in range(k)],
        "city": city,
        "region": [None if name == "city 0" else f"R{int(name.split()[1]) % 5}" for name in city],
        "word": [some(f"{rng.choice('abcXYZ')}{rng.randrange(10 ** rng.randrange(1, 5))} Ä-ß", 0.3) for _ in range(k)],
        "same": ["x"] * k,
        "empty": [None] * k,
    }
