"""The days of the model's story: flights that depart, features, predictions, labels that come later. Tells nothing."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlguard.demo.year import Year

if TYPE_CHECKING:
    import psycopg

MODEL = "arrival_delay"
FEATURES, PREDICTIONS, LABELS = "features.departure", "predictions.arrival_delay", "labels.arrival"
FIRST, LAST = date(2013, 6, 17), date(2013, 7, 6)
TRAINED = date(2013, 7, 2)  # the day version 2 is trained; what it may learn from lies before
BROKEN = date(2013, 7, 1)
CORRECTED = date(2013, 6, 18)  # one airline's labels of this day come with the wrong sign, and are mended a day later
KEY = "flight_date, carrier, flight, origin"

# Moved by whole weeks, so that Mondays stay Mondays, and so that the day after TRAINED is past: a ticket is given for
# what lies behind. The days after that may lie ahead of the clock; sweep() is told which day it is.
STAGE = f"""
create schema raw;
create table raw.flight (
  flight_date date, carrier text, flight text, tailnum text, origin text, dest text, sched_dep timestamptz,
  dep_delay double precision, origin_delay_1h double precision, distance integer, air_time double precision,
  arr_delay double precision, hour integer);
comment on table raw.flight is 'What the airline delivers; nobody guards it.';
create function raw.today(p_day date) returns date stable language sql as $mlguard$
  select p_day + 7 * (((statement_timestamp() at time zone 'America/New_York')::date - 2 - date '{TRAINED}') / 7)
$mlguard$;
comment on function raw.today(date) is 'A day of 2013 as it is called here.';
"""
SHIFT = """
update raw.flight
set hour = extract(hour from sched_dep at time zone 'America/New_York'),
    sched_dep = sched_dep + (raw.today(flight_date) - flight_date) * interval '24 hours',
    flight_date = raw.today(flight_date)
"""


@dataclass(frozen=True)
class Days:
    """What happens on a day.

    Attributes:
        owner: who owns the tables, and loads features and labels.
        scorer: who writes predictions.
        folder: examples/flights/model.
        models: where versions of the model are kept.
    """

    owner: psycopg.Connection[Any]
    scorer: psycopg.Connection[Any]
    folder: Path
    models: Path

    def morning(self, day: date) -> None:
        """The labels of the day before come, and mlguard sweeps at six."""
        self.labels(day)
        self.sweep(day, "06:00")

    def sweep(self, day: date, at: str) -> None:
        """Sweep as of a time of a day in New York."""
        self.owner.execute(
            "select mlguard.sweep((raw.today(%s) + %s::time) at time zone 'America/New_York')", (day, at)
        )

    def labels(self, day: date) -> None:
        """Deliver what arrived yesterday, one flight in 25 a day later, and corrections of the day before that."""
        yesterday, before = day - timedelta(days=1), day - timedelta(days=2)
        wrong = "case when %(wrong)s and carrier = 'B6' then -arr_delay else arr_delay end"
        self.owner.execute(
            f"insert into {LABELS} ({KEY}, arr_delay, known_at)"
            f" select {KEY}, {wrong}, (raw.today(%(day)s) + time '04:00') at time zone 'America/New_York'"
            " from raw.flight where arr_delay is not null and ("
            "  (flight_date = raw.today(%(yesterday)s) and flight::integer %% 25 <> 0)"
            "  or (flight_date = raw.today(%(before)s) and flight::integer %% 25 = 0))"
            f" on conflict ({KEY}) do nothing".encode(),
            {"day": day, "yesterday": yesterday, "before": before, "wrong": yesterday == CORRECTED},
        )
        if before == CORRECTED:
            self.owner.execute(
                f"update {LABELS} as l set arr_delay = f.arr_delay from raw.flight as f"
                " where f.flight_date = raw.today(%s) and f.carrier = 'B6' and l.carrier = 'B6'"
                " and (l.flight_date, l.flight, l.origin) = (f.flight_date, f.flight, f.origin)"
                " and l.arr_delay <> f.arr_delay".encode(),
                (before,),
            )

    def features(self, day: date) -> None:
        """Load what is known of a day's flights; on BROKEN most of the delays of the hour before are lost."""
        delay = "case when flight::integer % 2 = 0 then origin_delay_1h end" if day == BROKEN else "origin_delay_1h"
        self.owner.execute(
            f"insert into {FEATURES} select {KEY}, sched_dep, hour, {delay}, distance from raw.flight"
            f" where flight_date = raw.today('{day}')".encode()
        )

    def predict(self, day: date, *versions: str) -> None:
        """Have versions of the model predict a day's flights."""
        weights = _module(self.folder / "weights.py")
        ((today,),) = self.owner.execute("select raw.today(%s)", (day,)).fetchall()
        rows = self.scorer.execute(
            f"select {KEY}, sched_dep, hour, origin_delay_1h, distance from {FEATURES} where flight_date = %s".encode(),
            (today,),
        ).fetchall()
        for version in versions:
            model = weights.Model(self.models / f"{version}.json")
            into = f"copy {PREDICTIONS} ({KEY}, sched_dep, predicted, model_version) from stdin"
            with self.scorer.cursor() as cursor, cursor.copy(into.encode()) as copy:
                for flight_date, carrier, flight, origin, sched_dep, *seen in rows:
                    predicted = model.predict(weights.describe(carrier, origin, *seen))
                    copy.write_row((flight_date, carrier, flight, origin, sched_dep, predicted, version))

    def day(self, day: date, *versions: str) -> None:
        """A whole day: labels, sweep, features, predictions."""
        self.morning(day)
        self.features(day)
        self.predict(day, *versions)


def deliver(owner: psycopg.Connection[Any], folder: Path) -> int:
    """Stage the flights of the story and return how many they are."""
    year = Year(folder, (LAST - date(2012, 12, 31)).days)
    with tempfile.TemporaryDirectory(prefix="mlguard-demo-") as kept:
        text = year.csv(FIRST, LAST, Path(kept) / "flights.csv")
    owner.execute(STAGE.encode())
    columns = text.partition(b"\n")[0].decode()
    with owner.cursor() as cursor:
        with cursor.copy(f"copy raw.flight ({columns}) from stdin (format csv, header)".encode()) as copy:
            copy.write(text)
        cursor.execute(SHIFT.encode())
        return cursor.rowcount


def environment(dsn: str, models: Path) -> dict[str, str]:
    """Return what train.py and `mlguard retrain work` find in their environment."""
    return {"MLGUARD_DSN": dsn, "DELAY_MODELS": str(models)}


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"mlguard_demo_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.get(spec.name)
    if module is None:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[spec.name] = module
    return module
