"""What is judged by a clock, and what the database judges as assertions, on PostgreSQL and on files: the same words."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from mlguard import api
from mlguard.local import judge
from mlguard.local.calendar import instant
from mlguard.report.verdict import Outcome, Verdict
from tests.parity.engines import fill
from tests.parity.test_metric_parity import same_value
from tests.support import prepare, project


def relation(columns: str, rows: list[tuple[Any, ...]]) -> duckdb.DuckDBPyRelation:
    """Return rows as a relation of a DuckDB of its own."""
    connection = duckdb.connect()
    connection.execute(f"set timezone = 'UTC'; create table t ({columns})")
    fill(connection, "t", rows)
    return connection.table("t")


def load(dsn: str, table: str, rows: list[tuple[Any, ...]]) -> None:
    with psycopg.connect(dsn) as connection, connection.cursor().copy(f"copy {table} from stdin".encode()) as copy:
        for row in rows:
            copy.write_row(row)


def told(verdict: Verdict) -> tuple[Outcome, str, int | None, int | None]:
    return verdict.outcome, verdict.observed, verdict.n, verdict.bad


@pytest.mark.parametrize(
    ("type_", "zone", "over"),
    [
        ("timestamptz", "UTC", "1 day"),
        ("timestamptz", "Europe/Berlin", "1 day"),
        ("timestamp", "Europe/Berlin", "7 days"),
        ("timestamptz", "America/New_York", "last 3 days"),
        ("date", "UTC", "7 days"),
    ],
)
def test_gaps(guarded_db: str, tmp_path: Path, type_: str, zone: str, over: str) -> None:
    prepare(guarded_db, f"create schema f; create table f.t (id integer, ts {type_}); create index on f.t (ts)")
    gap = "2 days" if type_ == "date" else "5 hours"
    text = (
        f"mlguard: 1\ntable: f.t\nevent_time: ts\ntime_zone: {zone}\n"
        f"columns: {{ts: {{type: {type_}, no_gaps: {{value: {gap}, over: {over}}}}}}}\n"
    )
    loaded = project(tmp_path, text)
    api.apply(loaded, guarded_db)
    chance = random.Random(f"{type_} {zone} {over}")
    start = datetime(2026, 3, 20, tzinfo=UTC)  # clocks are set forward in these weeks
    hours = sorted(chance.sample(range(24 * 20), 250))
    moments: list[Any] = [start + timedelta(hours=hour, seconds=chance.randrange(3000)) for hour in hours]
    if type_ != "timestamptz":
        moments = [moment.replace(tzinfo=None) for moment in moments]
    if type_ == "date":
        moments = [moment.date() for moment in moments[::20]]
    rows = [*enumerate(moments), (-1, None), (-2, "infinity"), (-3, "-infinity")]
    load(guarded_db, "f.t", rows)
    until = start + timedelta(days=40)
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        connection.execute("update mlguard._slo set since = '2026-03-01'")
        connection.execute("select mlguard.sweep(%s)", (until,))
        there = {
            end: rest
            for end, *rest in connection.execute(
                "select window_end, outcome, n, vals[1], observed, reason from mlguard._verdict where current"
            ).fetchall()
        }
    report = judge(loaded, {"f.t": relation(f"id integer, ts {type_}", rows)}, as_of=until)
    found = report.details["f.t/ts.no_gaps"]
    assert len(found) > 2
    for item in found:
        assert item.scope.end is not None
        outcome, n, value, observed, reason = there[instant(item.scope.end, zone)]
        assert same_value(item.metrics[0][1], value), item
        assert (item.outcome.value, item.n, item.observed, item.reason) == (outcome, n, observed, reason or "")
    assert {item.outcome for item in found} >= {Outcome.FAIL}


CLOCKS = """
mlguard: 1
table: f.t
event_time: ts
time_zone: {zone}
columns: {{ts: {{type: {type}}}}}
arrives_by: '{due} {zone}'
slos:
  - {{name: fresh, check: "staleness() <= interval '{age}'"}}
  - {{name: volume, check: row_count() >= {least}, over: last {span}, on_violation: hold}}
"""


@pytest.mark.parametrize(
    ("zone", "type_"), [("UTC", "timestamptz"), ("Europe/Berlin", "timestamptz"), ("Pacific/Apia", "timestamp")]
)
def test_age_volume_and_arrival(guarded_db: str, tmp_path: Path, zone: str, type_: str) -> None:
    """Rows at odd seconds, so that the moments at which the two look do not part them."""
    prepare(guarded_db, f"create schema f; create table f.t (id integer, ts {type_}); create index on f.t (ts)")
    chance = random.Random(f"{zone} {type_}")
    now = datetime.now(UTC)
    compared = 0
    for age, span, least in [("2 hours", "1 hour", 2), ("3 days", "2 days", 4), ("90 minutes", "1 month", 50)]:
        due = (now - timedelta(hours=chance.randrange(1, 20))).strftime("%H:%M")
        text = CLOCKS.format(zone=zone, type=type_, due=due, age=age, span=span, least=least)
        loaded = project(tmp_path, text)
        ages = [chance.choice([0.2, 0.9, 1.4, 7, 26, 60, 500, -30]) + chance.random() / 5 for _ in range(6)]
        moments: list[Any] = [now - timedelta(hours=hours) for hours in ages]
        if type_ == "timestamp":
            moments = [instant_as_local(moment, zone) for moment in moments]
        rows = [*enumerate(moments), (9, None), (10, "infinity")]
        prepare(guarded_db, "truncate f.t")
        api.apply(loaded, guarded_db)
        load(guarded_db, "f.t", rows)
        with psycopg.connect(guarded_db) as connection:
            theirs = {verdict.name: verdict for verdict in api.check(loaded, connection).verdicts}
        ours = {v.name: v for v in judge(loaded, {"f.t": relation(f"id integer, ts {type_}", rows)}).verdicts}
        assert set(ours) == set(theirs)
        for name, verdict in ours.items():
            if name == "arrives_by" and verdict.outcome is Outcome.INSUFFICIENT:
                assert "is not in a file" in verdict.reason
                continue
            assert told(verdict) == told(theirs[name]), (name, rows)
            compared += 1
    assert compared >= 6


def instant_as_local(moment: datetime, zone: str) -> datetime:
    from mlguard.local.calendar import local_time

    return local_time(moment, zone)


GROWTH = """
mlguard: 1
table: f.t
key: [id, ts]
event_time: ts
columns:
  v: {{type: {type}, increasing_by: [id]}}
"""


@pytest.mark.parametrize(("type_", "duck"), [("integer", "integer"), ("double precision", "double"), ("date", "date")])
def test_falls(server18: Any, tmp_path: Path, type_: str, duck: str) -> None:
    loaded = project(tmp_path, GROWTH.format(type=type_))
    chance = random.Random(type_)
    seen = set()
    with server18.database() as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        prepare(dsn, f"create schema f; create table f.t (id integer, ts timestamptz, v {type_})")
        for length in (3, 5, 8, 20, 60):
            values: list[Any] = [chance.randrange(length * 4) for _ in range(length)]
            if type_ == "double precision":
                values = [chance.choice([float(v), 0.5 * v, float("nan"), float("inf"), None]) for v in values]
            if type_ == "date":
                values = [datetime(2026, 1, 1, tzinfo=UTC).date() + timedelta(days=v) for v in values]
            at = datetime(2026, 1, 1, tzinfo=UTC)
            rows = [
                (chance.choice([1, 2, 3, 4, None]), at + timedelta(days=chance.randrange(length)), value)
                for value in (values if length > 20 else sorted(values, key=str))
            ]
            connection.execute("truncate f.t")
            load(dsn, "f.t", rows)
            (theirs,) = api.check(loaded, connection).verdicts
            (ours,) = judge(loaded, {"f.t": relation(f"id integer, ts timestamptz, v {duck}", rows)}).verdicts
            assert (ours.outcome, ours.bad) == (theirs.outcome, theirs.bad), rows
            if ours.bad in (0, 1):
                assert ours.observed == theirs.observed
                assert ours.samples == theirs.samples
            seen.add(min(ours.bad or 0, 2))
    assert len(seen) > 1


def test_leaks(server18: Any, tmp_path: Path) -> None:
    text = (
        "mlguard: 1\ntable: p.t\nmodel: m\nkey: [id]\nevent_time: ts\nleak_guard: event_time <= labels.event_time\n"
        "labels: {table: p.l, on: [id], value: y, event_time: known}\n"
    )
    loaded = project(tmp_path, text)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    predictions = [(n, start + timedelta(hours=n) if n % 7 else None) for n in range(30)]
    labels = [(n, 1.0, start + timedelta(hours=n + (-1 if n == 16 else n % 3))) for n in range(0, 30, 2)]
    with server18.database() as dsn, psycopg.connect(dsn) as connection:
        prepare(dsn, "create schema p; create table p.t (id integer, ts timestamptz);"
                "create table p.l (id integer primary key, y double precision, known timestamptz)")  # fmt: skip
        load(dsn, "p.t", predictions)
        load(dsn, "p.l", labels)
        (theirs,) = api.check(loaded, connection).verdicts
    given = {
        "p.t": relation("id integer, ts timestamptz", predictions),
        "p.l": relation("id integer, y double, known timestamptz", labels),
    }
    (ours,) = judge(loaded, given).verdicts
    assert (told(ours), ours.samples) == (told(theirs), theirs.samples)
    assert ours.outcome is Outcome.FAIL
    assert "its label was known at 2026-01-01 15:00:00+00" in ours.observed
    (ours,) = judge(loaded, {"p.t": given["p.t"]}).verdicts
    assert (ours.outcome, ours.reason) == (Outcome.INSUFFICIENT, "not judged locally: no data was given for p.l")
