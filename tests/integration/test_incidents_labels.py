"""Staleness by the clock, and what labels do to history and precision."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
import pytest

from tests.incidents_example import (
    AGE,
    AGE_MEAN,
    CUSTOMER,
    MIX,
    PLAN,
    VOLUME,
    alarms,
    events,
    judge,
    make,
    number,
    outbox,
    state,
    sweep,
)
from tests.runtime_example import rows, session, value

Connection = psycopg.Connection[Any]


@pytest.fixture
def connection(db: str) -> Iterator[Connection]:
    """A session on a database where the tables and SLOs of the example are registered."""
    make(db)
    with session(db) as opened:
        yield opened


# Freshness by the clock


def test_staleness_alerts_without_a_reader(connection: Connection) -> None:
    connection.execute(
        "insert into mlguard._slo (id, tbl, name, level, check_text, action, place, max_age, severity)"
        " values ('features.customer/fresh', 'features.customer', 'fresh', 'read', 'x', 'hold', 'read gate', '26 h',"
        " 'page')"
    )
    connection.execute(
        "insert into mlguard._freshness (tbl, newest) values ('features.customer', '2026-11-18 23:00+00')"
    )
    assert sweep(connection, "'2026-11-19 12:00+00'")["freshness judged"] == 0
    assert sweep(connection, "'2026-11-20 03:12+00'")["freshness judged"] == 1
    assert sweep(connection, "'2026-11-20 04:12+00'")["freshness judged"] == 0
    assert value(connection, "select subject from mlguard.outbox") == (
        f"opened #{number(connection, f'{CUSTOMER}/fresh')} features.customer: newest event_ts is 2026-11-18 23:00 UTC,"
        " 28 h 12 min old, allowed 26 h (fresh)"
    )
    # The day that is missing, and what is stale because of it, are the same alarm.
    judge(connection, VOLUME, day="2026-11-19", found=0)
    judge(connection, AGE_MEAN, day="2026-11-19", score=9)
    sweep(connection, "'2026-11-20 05:12+00'")
    assert alarms(connection) == {f"{CUSTOMER}/fresh": [AGE_MEAN, VOLUME]}
    connection.execute(
        "insert into mlguard._freshness (tbl, newest) values ('features.customer', '2026-11-20 05:00+00')"
    )
    sweep(connection, "'2026-11-20 06:00+00'")
    assert state(connection, f"{CUSTOMER}/fresh") == "resolved"


def test_a_feed_that_ends_is_not_the_cause_of_the_day_it_filled(connection: Connection) -> None:
    connection.execute(
        "insert into mlguard._slo (id, tbl, name, level, check_text, action, place, max_age)"
        " values ('features.customer/fresh', 'features.customer', 'fresh', 'read', 'x', 'hold', 'read gate', '26 h')"
    )
    connection.execute(
        "insert into mlguard._freshness (tbl, newest) values ('features.customer', '2026-11-18 20:00+00')"
    )
    judge(connection, AGE_MEAN, day="2026-11-18")
    judge(connection, MIX, day="2026-11-19", found=0.4)
    sweep(connection, "'2026-11-20 03:00+00'")
    assert alarms(connection) == {AGE_MEAN: [], f"{CUSTOMER}/fresh": [MIX]}


def test_a_waived_staleness_is_noted_and_alerts_when_the_waiver_ends(connection: Connection) -> None:
    connection.execute(
        "insert into mlguard._slo (id, tbl, name, level, check_text, action, place, max_age)"
        " values ('features.customer/fresh', 'features.customer', 'fresh', 'read', 'x', 'hold', 'read gate', '26 h')"
    )
    connection.execute("select mlguard.off('features.customer/fresh', '1 h', 'source is down')")
    sweep(connection)
    assert outbox(connection) == []
    assert rows(connection, "select outcome, observed from mlguard._verdict") == [
        ("NOTED", "has no rows, so it has no age")
    ]
    connection.execute("update mlguard._waiver set until = statement_timestamp()")
    sweep(connection)
    assert events(connection) == ["opened"]


# Labels


def test_labels_leave_faults_out_of_history_and_make_the_precision(connection: Connection) -> None:
    for batch in (1, 2):
        for metric in ("coverage(age)", "mean(tenure)"):
            connection.execute(
                "insert into mlguard._metric (tbl, metric, over, batch, value) values (%s, %s, 'batch', %s, 1)",
                [CUSTOMER, metric, batch],
            )
    judge(connection, AGE, batch=1)
    judge(connection, PLAN, batch=1)
    sweep(connection)
    excluded: LiteralString = "select batch, metric from mlguard._metric where excluded order by id"
    age = number(connection, AGE)
    connection.execute("select mlguard.label(%s, 'expected', 'campaign')", [age])
    assert rows(connection, excluded) == []
    connection.execute("select mlguard.label(%s, 'true')", [age])
    assert rows(connection, excluded) == [(1, "coverage(age)"), (1, "mean(tenure)")]
    # Its consequence was judged with it, and still says that the batch is bad.
    connection.execute("select mlguard.label(%s, 'false')", [number(connection, PLAN)])
    assert len(rows(connection, excluded)) == 2
    connection.execute("select mlguard.label(%s, null)", [age])
    assert rows(connection, excluded) == []
    assert rows(connection, "select slo, label, labelled_by from mlguard.incident order by slo") == [
        (AGE, None, None),
        (PLAN, "false", "postgres"),
    ]
    assert rows(connection, "select * from mlguard._precision(%s)", PLAN) == [(1, 0, 0.0)]
    assert rows(connection, "select * from mlguard._precision(%s)", AGE) == [(0, 0, None)]
    connection.execute("select mlguard.label(%s, 'true')", [age])
    assert rows(connection, "select * from mlguard._precision(%s)", AGE) == [(1, 1, 1.0)]
