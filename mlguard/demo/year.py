"""The flights of 2013, a day at a time: for COPY, and as samples for the learner. Knows no database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlguard.learn.learner import Learner
from mlguard.learn.sample import Numbers, Sample, Texts, chosen_positions, texts
from mlguard.names import quote_literal

if TYPE_CHECKING:
    from mlguard.learn.learner import ColumnVerdict

FILE = "flights_2013.parquet"
ZONE = "America/New_York"
ORDER = "order by sched_dep, carrier, flight, origin"

# What happened on days that alarm, from the calendar and the weather service; mlguard only has the numbers.
EVENTS = {
    date(2013, 2, 8): "blizzard Nemo: airports close in the afternoon",
    date(2013, 2, 9): "blizzard Nemo: airports open again at noon",
    date(2013, 5, 23): "thunderstorms over New York",
    date(2013, 5, 26): "Sunday before Memorial Day",
    date(2013, 7, 4): "Independence Day",
    date(2013, 8, 31): "Saturday before Labor Day",
    date(2013, 9, 1): "Sunday before Labor Day",
    date(2013, 9, 12): "thunderstorms over New York",
    date(2013, 11, 28): "Thanksgiving",
    date(2013, 11, 29): "day after Thanksgiving",
    date(2013, 12, 24): "Christmas Eve",
    date(2013, 12, 25): "Christmas",
}


@dataclass(frozen=True)
class Learned:
    """One day on which something was not as usual.

    Attributes:
        columns: columns outside their bands, the worst first; the column name is empty for the table.
    """

    day: date
    columns: tuple[ColumnVerdict, ...]


class Year:
    """The rows of the first `days` days of 2013, sorted by time.

    Args:
        folder: examples/flights.
        days: how many days; 365 for all.
    """

    def __init__(self, folder: Path, days: int = 365) -> None:
        import duckdb

        self._duck = duckdb.connect()
        self._duck.execute(f"set timezone = '{ZONE}'")
        self._duck.execute(
            "create table flight as from read_parquet($file) where flight_date < date '2013-01-01' + $days::integer",
            {"file": str(folder / FILE), "days": days},
        )
        found = self._duck.execute("select flight_date, count(*) from flight group by 1 order by 1").fetchall()
        self.counts: dict[date, int] = dict(found)

    @property
    def days(self) -> list[date]:
        """The days, in order."""
        return list(self.counts)

    def csv(self, first: date, last: date, target: Path) -> bytes:
        """Return the rows of a stretch of days as CSV with a header; `target` is written on the way."""
        rows = f"from flight where flight_date between date '{first}' and date '{last}' {ORDER}"
        self._duck.execute(f"copy ({rows}) to {quote_literal(str(target))} (header)")
        return target.read_bytes()

    def samples(self) -> list[tuple[date, Sample]]:
        """Return the sample of every day; a slot is a day of the week."""
        kinds = {"DATE": "varchar", "TIMESTAMP WITH TIME ZONE": "varchar", "INTEGER": "double"}
        described = self._duck.execute("describe flight").fetchall()
        columns = ", ".join(f"{name}::{kinds.get(kind, kind)} as {name}" for name, kind, *_ in described)
        rows: dict[str, Any] = self._duck.execute(f"select {columns} from flight {ORDER}").fetchnumpy()
        whole = {name: _column(values) for name, values in rows.items()}
        found: list[tuple[date, Sample]] = []
        start = 0
        for day, n in self.counts.items():
            positions = chosen_positions(n)
            taken = {name: values[start : start + n][positions] for name, values in whole.items()}
            found.append((day, Sample(n=n, columns=taken, positions=positions, slot=day.weekday())))
            start += n
        return found

    def learned(self) -> list[Learned]:
        """Replay learned health: each day is judged by the days before it, then learned from."""
        learner = Learner()
        found: list[Learned] = []
        for day, sample in self.samples():
            verdict = learner.judge(sample)
            learner.observe(sample)
            if verdict.alert:
                found.append(Learned(day, tuple(column for column in verdict.columns if column.score > 1)))
        return found


def _column(values: Any) -> Numbers | Texts:
    missing, plain = np.ma.getmaskarray(values), np.ma.getdata(values)
    if plain.dtype.kind == "f":
        return np.where(missing, np.nan, plain.astype(np.float64))
    return texts([None if gone else value for value, gone in zip(plain.tolist(), missing.tolist(), strict=True)])
