"""The examples do what their READMEs say: real data passes untouched, and each file is what it claims to be."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import re
from datetime import date
from pathlib import Path

import duckdb
import psycopg
import pytest

from mlguard import api
from mlguard.demo.history import tell
from mlguard.demo.screen import Screen
from mlguard.demo.year import Year

EXAMPLES = Path(__file__).parents[2] / "examples"
FLIGHTS = EXAMPLES / "flights"
LARGEST = 2_000_000
DAYS = 45  # of the replay: the blizzard is on the 39th and 40th


def rows() -> list[str]:
    return gzip.decompress((FLIGHTS / "flights.csv.gz").read_bytes()).decode().splitlines(keepends=True)


@pytest.mark.parametrize("name", ["customer", "flights"])
def test_an_example_is_applied_and_taken_out_again(name: str, bare18: str) -> None:
    project = api.load(EXAMPLES / name / "slos")
    with psycopg.connect(bare18, autocommit=True) as connection:
        connection.execute((EXAMPLES / name / "schema.sql").read_text())
        connection.execute((EXAMPLES / name / "schema.sql").read_text())
    api.apply(project, bare18)
    assert api.plan(project, bare18).empty
    api.remove(None, bare18)


def test_a_month_of_real_flights_passes_and_the_slip_in_the_data_is_noted(bare18: str) -> None:
    head, *flights = rows()
    with psycopg.connect(bare18, autocommit=True) as connection:
        connection.execute((FLIGHTS / "schema.sql").read_text())
        api.apply(api.load(FLIGHTS / "slos"), bare18)
        columns = head.strip()
        for _, day in itertools.groupby(flights, key=lambda line: line.partition(",")[0]):
            with connection.cursor().copy(f"copy features.flight ({columns}) from stdin (format csv)".encode()) as copy:
                copy.write("".join(day))
        count = connection.execute("select count(*) from features.flight").fetchone()
        kept_out = connection.execute("select id, slos from mlguard.quarantine").fetchall()
        mended = connection.execute("select key from mlguard.change").fetchall()
        noted = connection.execute("select slo, outcome, bad from mlguard.violation").fetchall()
        assert count == (len(flights),)
        assert (kept_out, mended) == ([], [])
        assert noted == [("features.flight/tailnum.matches", "FAIL", 1)]
        # The data is of 2013: whoever reads it through the gate is told.
        with pytest.raises(psycopg.DatabaseError, match=r"features\.flight is stale") as held:
            connection.execute("select count(*) from features.flight_guarded")
        assert held.value.sqlstate == "ML001"


def test_the_data_is_what_its_source_says() -> None:
    packed = (FLIGHTS / "flights.csv.gz").read_bytes()
    said = (FLIGHTS / "SOURCE.md").read_text()
    assert len(packed) <= LARGEST
    assert hashlib.sha256(gzip.decompress(packed)).hexdigest() in said
    assert f"{len(rows()) - 1:,} flights" in said
    columns = (FLIGHTS / "schema.sql").read_text().partition("features.flight (")[2].partition("primary key")[0]
    assert rows()[0].strip().split(",") == re.findall(r"^  (\w+)", columns, re.MULTILINE)


def test_the_year_is_what_its_source_says_and_its_february_the_csv() -> None:
    path = FLIGHTS / "flights_2013.parquet"
    said = (FLIGHTS / "SOURCE.md").read_text()
    assert hashlib.sha256(path.read_bytes()).hexdigest() in said
    with duckdb.connect() as duck:
        duck.execute("set timezone = 'America/New_York'")
        duck.execute("create table year as from read_parquet($file)", {"file": str(path)})
        duck.execute(
            "create table february as from read_csv($file, types = {flight: 'varchar'})",
            {"file": str(FLIGHTS / "flights.csv.gz")},
        )
        columns = [name for name, *_ in duck.execute("describe february").fetchall()]
        assert columns == [name for name, *_ in duck.execute("describe year").fetchall()]
        (flights, days, fewest, most) = duck.execute(
            "select sum(n), count(*), min(n), max(n) from (select count(*) as n from year group by flight_date)"
        ).fetchall()[0]
        assert (days, f"{flights:,} flights", f"{fewest} to {most:,} a day") == (
            365,
            "336,776 flights",
            "634 to 1,014 a day",
        )
        assert f"{flights:,} flights" in said
        assert f"{fewest} to {most:,} a day" in said
        both = "select * from year where month(flight_date) = 2 except all from february"
        assert duck.execute(both).fetchall() == []
        assert duck.execute(f"select count(*) from ({both.replace('except', 'intersect')})").fetchone() == (
            len(rows()) - 1,
        )


def test_the_delay_of_the_hour_before_is_computed_as_its_source_says() -> None:
    with duckdb.connect() as duck:
        duck.execute(
            "create table may as select * from read_parquet($file) where month(flight_date) = 5",
            {"file": str(FLIGHTS / "flights_2013.parquet")},
        )
        wrong = """
            with gone as (
              select origin, sched_dep + to_minutes(dep_delay) as at, dep_delay from may where dep_delay is not null
            ), computed as (
              select f.origin, f.sched_dep, round(avg(g.dep_delay), 2) as mean
              from (select distinct origin, sched_dep from may) f
              join gone g on g.origin = f.origin and g.at >= f.sched_dep - interval 1 hour and g.at < f.sched_dep
              group by all
            )
            select count(*) from may left join computed using (origin, sched_dep)
            where origin_delay_1h is distinct from mean and day(flight_date) > 1
        """
        assert duck.execute(wrong).fetchone() == (0,)


def test_the_slo_file_declares_every_column_of_the_data() -> None:
    (flights,) = api.load(FLIGHTS / "slos").files
    assert sorted(flights.columns) == sorted(rows()[0].strip().split(","))


def test_the_replay_of_a_year_tells_what_alarms(bare18: str) -> None:
    lines: list[str] = []
    tell(FLIGHTS, bare18, Screen(lines.append), days=DAYS)
    told = "\n".join(lines)
    assert re.findall(r"^── (\d)\.", told, re.MULTILINE) == ["1", "2", "3", "4", "5"]
    assert "coverage_drop" in told
    # One alarm: what broke with it stands below it.
    (cause,) = [line for line in lines if line.strip().startswith("#")]
    assert "origin_delay_1h" in cause
    assert any(line.strip().startswith("+ #") and "coverage(dep_delay)" in line for line in lines)
    assert any("outside the band" in line for line in lines)
    last = told.partition("── 5.")[2]
    alarmed = re.findall(r"^ +(\w{3} \d+ \w{3}) +\|", last, re.MULTILINE)
    assert alarmed == ["Fri 8 Feb"]
    assert "blizzard" in last


def test_the_replay_learns_the_same_in_python_and_leaves_quiet_days_alone() -> None:
    alarms = Year(FLIGHTS, DAYS).learned()
    assert [one.day for one in alarms] == [date(2013, 2, 8)]
    assert alarms[0].columns[0].column == "origin_delay_1h"
    assert alarms[0].columns[0].series.metric == "null"
