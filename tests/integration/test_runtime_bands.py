"""Bands of learned series inside the database: what they are learned from, and how they are brought up to date."""

from __future__ import annotations

import random
from typing import Any

import psycopg
import pytest

from mlguard import runtime

Connection = psycopg.Connection[Any]

EMPTY = """
jsonb_populate_record(null::mlguard._band, '{"tbl": "f.t", "over": "1 day", "segment": {}, "metric": "usual_mean(x)",
  "class": "location", "side": "both", "factor": 1.5, "scale": 2, "filled": [], "known": [], "slots": [], "units": [],
  "r1": [], "r2": [], "r3": [], "r4": [], "r5": [], "r6": [], "errors": [], "spreads": [],
  "history": 0, "upto": 0, "left_out": 0, "learned_at": "2026-01-05"}')
"""
LEARNED = ("filled", "known", "slots", "units", "r1", "r2", "r3", "r4", "r5", "r6")


@pytest.fixture
def installed(db: str) -> Any:
    """A session of a database with the runtime."""
    with psycopg.connect(db, autocommit=True) as connection:
        runtime.install(connection)
        yield connection


def past(rng: random.Random, n: int) -> tuple[list[float | None], list[int], list[int | None]]:
    """Return values, rows and slots of a series with gaps, ties and days that are left out."""
    values = [
        rng.choice([None, rng.gauss(5, 1), rng.gauss(5, 1), float(round(rng.gauss(5, 1))), -0.0]) for _ in range(n)
    ]
    rows = [rng.choice([1000, 1000, 50]) for _ in range(n)]
    slots = [None if rng.random() < 0.05 else (i + int(rng.random() < 0.1)) % 7 for i in range(n)]
    return values, rows, slots


def taken_in(connection: Connection, steps: list[tuple[Any, ...]]) -> dict[str, Any]:
    """Return the band after values were taken in step by step."""
    connection.execute("truncate mlguard._band")
    connection.execute(f"insert into mlguard._band select (b).* from (select {EMPTY} as b) b".encode())
    for step in steps:
        connection.execute(
            "with next as (delete from mlguard._band b"
            " returning mlguard._taken_in(b, %s::float8[], %s::bigint[], %s::int[]) as b)"
            " insert into mlguard._band select (n.b).* from next n",
            step,
        )
    cursor = connection.execute("select * from mlguard._band")
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    row = cursor.fetchone()
    assert row is not None
    return dict(zip(names, row, strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_values_taken_in_at_once_or_singly_make_the_same_band(installed: Connection, seed: int) -> None:
    rng = random.Random(seed)
    values, rows, slots = past(rng, 260)
    singly = taken_in(installed, [([v], [n], [s]) for v, n, s in zip(values, rows, slots, strict=True)])
    cut = rng.randrange(1, 259)
    parts = [(values[:cut], rows[:cut], slots[:cut]), (values[cut:], rows[cut:], slots[cut:])]
    assert taken_in(installed, [(values, rows, slots)]) == taken_in(installed, parts) == singly
    assert [len(singly[name]) for name in LEARNED] == [200, 150, 35, *[150] * 7]


def test_errors_are_those_of_the_guesses(installed: Connection) -> None:
    values, rows, slots = past(random.Random(9), 120)
    while values[0] is None:
        values, rows, slots = values[1:], rows[1:], slots[1:]
    band = taken_in(installed, [(values, rows, slots)])
    for i, value in enumerate(values):
        if i < 7 or value is None:
            assert [band[f"r{c}"][i] for c in range(1, 7)] == [None] * 6
            continue
        row = installed.execute(
            "select mlguard._guesses(%s::float8[], %s::int[], %s), mlguard._steady('location', %s::float8, 2)",
            (band["filled"][:i], slots[max(0, i - 35) : i], slots[i], value),
        ).fetchone()
        assert row is not None
        guesses, steadied = row
        wanted = [None if guess is None else steadied - guess for guess in guesses]
        assert [band[f"r{c}"][i] for c in range(1, 7)] == pytest.approx(wanted, abs=1e-12)


def test_a_band_brought_up_to_date_is_the_one_learned_from_nothing(installed: Connection) -> None:
    installed.execute("insert into mlguard._table (tbl, schema_name, table_name) values ('f.t', 'f', 't')")
    values, rows, _ = past(random.Random(3), 90)
    metrics = ("usual_null(x)", "usual_mean(x)", "usual_rows()", "usual_dependence(x, y)")
    for metric in metrics:
        installed.execute(
            "insert into mlguard._series (tbl, over, metric, family, column_name, partner)"
            " values ('f.t', '1 day', %s, '', '', '')",
            (metric,),
        )
    for day, (value, n) in enumerate(zip(values, rows, strict=True)):
        for metric in metrics:
            installed.execute(
                "insert into mlguard._metric (tbl, metric, over, window_start, window_end, value, n, sd, sampled)"
                " select 'f.t', %s, '1 day', d.at, d.at + interval '1 day', %s::float8, %s, 1, true"
                " from (select timestamptz '2026-01-05 00:00+00' + %s * interval '1 day' as at) d",
                (metric, value, n, day),
            )
        if day % 3 == 0 or day > 80:
            installed.execute("select mlguard._refresh_bands('f.t', '1 day', false)")
    kept = bands(installed)
    installed.execute("delete from mlguard._band")
    installed.execute("select mlguard._refresh_bands('f.t', '1 day', false)")
    anew = bands(installed)
    assert len(kept) == len(metrics)
    assert kept == anew


def test_a_value_labelled_as_a_fault_leaves_its_band(installed: Connection) -> None:
    test_a_band_brought_up_to_date_is_the_one_learned_from_nothing(installed)
    before = bands(installed)["usual_mean(x)"]
    installed.execute(
        "update mlguard._metric set excluded = true where id = ("
        " select max(id) from mlguard._metric where metric = 'usual_mean(x)' and value is not null)"
    )
    installed.execute("select mlguard._refresh_bands('f.t', '1 day', false)")
    after = bands(installed)
    assert after["usual_mean(x)"]["left_out"] == 1
    assert len(after["usual_mean(x)"]["filled"]) == len(before["filled"]) - 1


def bands(connection: Connection) -> dict[str, dict[str, Any]]:
    """Return the bands by metric, without the time at which they were learned."""
    found = connection.execute("select metric, to_jsonb(b) - 'learned_at' from mlguard._band b").fetchall()
    return dict(found)
