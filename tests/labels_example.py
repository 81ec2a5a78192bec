"""A prediction table, its labels and attributes, and what the tests of labels ask of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import psycopg

from mlguard import api
from tests.support import project

Connection = psycopg.Connection[Any]
TABLE = "predictions.churn"
CREATE = """
create schema predictions;
create schema labels;
create schema crm;
create table predictions.churn (
  customer_id bigint, as_of timestamptz, model_version text, score double precision, grp text,
  primary key (customer_id, as_of)
);
create table labels.churn (
  customer_id bigint, as_of timestamptz, churned double precision, labelled_at timestamptz,
  primary key (customer_id, as_of)
);
create table crm.person (customer_id bigint primary key, gender text);
"""
HEAD = """
mlguard: 1
table: predictions.churn
model: churn
version_column: model_version
key: [customer_id, as_of]
event_time: as_of
reads: none
labels: {table: labels.churn, on: [customer_id, as_of], value: churned, event_time: labelled_at, mature_after: 14 days}
"""
ATTRIBUTES = "attributes: {table: crm.person, on: [customer_id], columns: [gender]}\n"


def create(dsn: str, sql: str = CREATE) -> None:
    """Make the tables."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.encode())


def put(dsn: str, folder: Path, slos: str, head: str = HEAD) -> api.Applied:
    """Apply an SLO file on the prediction table."""
    return api.apply(project(folder, head + slos), dsn)


def sweep(connection: Connection, as_of: str = "2026-06-01") -> None:
    """Fold, mend and judge as of a time."""
    connection.execute("select mlguard.sweep(%s::timestamptz)", (as_of,))


def fold(connection: Connection) -> None:
    """Fold what was appended, and nothing else."""
    connection.execute("select mlguard._sweep_fold(now())")


def verdicts(connection: Connection, name: str) -> list[tuple[Any, ...]]:
    """Return (day, segment, outcome, n, reason) of the current verdicts of an SLO."""
    return connection.execute(
        "select (window_start at time zone 'UTC')::date::text, segment, outcome, n, reason from mlguard._verdict"
        " where slo = %s and current order by window_start, segment",
        (f"{TABLE}/{name}",),
    ).fetchall()


def documents(connection: Connection) -> dict[Any, dict[str, Any]]:
    """Return the folded states by bucket and segment, without what is zero."""
    rows = connection.execute(
        "select bucket, segment::text, n, states from mlguard._bucket where tbl = %s and n <> 0", (TABLE,)
    ).fetchall()
    return {row[:3]: plain(row[3]) for row in rows}


def recounted(connection: Connection) -> dict[Any, dict[str, Any]]:
    """Return the same of the stored rows."""
    rows = connection.execute(
        'select bucket, segment::text, n, states from mlguard."recount predictions.churn"(null, null)'
        " where isfinite(bucket)"
    ).fetchall()
    return {row[:3]: plain(row[3]) for row in rows}


def plain(states: dict[str, Any]) -> dict[str, Any]:
    """Return states as flat numbers, those that are zero left out: of no rows, or not kept yet, are the same."""
    found: dict[str, Any] = {}
    for key, value in states.items():
        if isinstance(value, dict):
            for name, sums in value.get("c", {}).items():
                found |= {f"{key} {name} {place}": number for place, number in enumerate(sums)}
        elif isinstance(value, list):
            found |= {f"{key} {place}": number for place, number in enumerate(value)}
        else:
            found[key] = value
    return {key: float(value) for key, value in found.items() if key != "stale" and abs(float(value)) > 1e-9}


def same_as_a_recount(connection: Connection) -> None:
    """Compare what was folded with what the stored rows give: counts exactly, sums of floats to rounding."""
    told, counted = documents(connection), recounted(connection)
    assert told.keys() == counted.keys()
    for key, states in counted.items():
        apart = {
            name: (told[key].get(name), states.get(name))
            for name in told[key].keys() | states.keys()
            if not math.isclose(told[key].get(name, 0), states.get(name, 0), rel_tol=1e-9, abs_tol=1e-9)
        }
        assert not apart, (key, apart)
