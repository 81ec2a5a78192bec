"""The examples do what their READMEs say: real data passes untouched, and each file is what it claims to be."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import re
from pathlib import Path

import psycopg
import pytest

from mlguard import api

EXAMPLES = Path(__file__).parents[2] / "examples"
FLIGHTS = EXAMPLES / "flights"
LARGEST = 2_000_000


def rows() -> list[str]:
    return gzip.decompress((FLIGHTS / "flights.csv.gz").read_bytes()).decode().splitlines(keepends=True)


@pytest.mark.parametrize("name", ["customer", "flights"])
def test_an_example_is_applied_and_taken_out_again(name: str, pg18: str) -> None:
    project = api.load(EXAMPLES / name / "slos")
    with psycopg.connect(pg18, autocommit=True) as connection:
        connection.execute((EXAMPLES / name / "schema.sql").read_text())
        connection.execute((EXAMPLES / name / "schema.sql").read_text())
    api.apply(project, pg18)
    assert api.plan(project, pg18).empty
    api.remove(None, pg18)


def test_a_month_of_real_flights_passes_and_the_slip_in_the_data_is_noted(pg18: str) -> None:
    head, *flights = rows()
    with psycopg.connect(pg18, autocommit=True) as connection:
        connection.execute((FLIGHTS / "schema.sql").read_text())
        api.apply(api.load(FLIGHTS / "slos"), pg18)
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


def test_the_slo_file_declares_every_column_of_the_data() -> None:
    (flights,) = api.load(FLIGHTS / "slos").files
    assert sorted(flights.columns) == sorted(rows()[0].strip().split(","))
