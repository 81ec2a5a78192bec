"""From failures to alarms, one per cause. Verdicts are written by hand."""

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
    RAW,
    RAW_NULLS,
    RAW_VOLUME,
    SCORE,
    SCORE_MEAN,
    TENURE,
    VOLUME,
    WEEK,
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


# From a failure to an alert


def test_a_failure_is_seen_at_once_and_alerts_with_the_next_sweep(connection: Connection) -> None:
    found = judge(connection, AGE, batch=88123, found=0.491)
    query: LiteralString = (
        "select id, state, severity, slo, tbl, column_name, observed, allowed, batch, times, cause, swept, headline"
        " from mlguard.incident"
    )
    headline = f"{CUSTOMER}: coverage(age) is 0.491, allowed >= 0.75 (age_coverage, batch 88123)"
    seen = (found, "open", "page", AGE, CUSTOMER, "age", "coverage(age) is 0.491", "allowed >= 0.75", 88123, 1, None)
    assert rows(connection, query) == [(*seen, False, headline)]
    assert outbox(connection) == []
    assert sweep(connection)["incidents opened"] == 1
    assert rows(connection, query) == [(*seen, True, headline)]
    assert outbox(connection) == [("opened", found, found)]
    assert sweep(connection)["alerts written"] == 0


def test_an_alert_names_column_number_limit_batch_readers_and_what_else_broke(connection: Connection) -> None:
    judge(connection, AGE, batch=7, found=0.491)
    judge(connection, PLAN, batch=7, found=0.31)
    connection.execute("insert into mlguard._hold (tbl, slo, batch) values (%s, %s, 7)", [CUSTOMER, AGE])
    sweep(connection)
    ((severity, recipients, subject, body, payload),) = rows(
        connection, "select severity, recipients, subject, body, payload from mlguard.outbox"
    )
    first = f"{CUSTOMER}: coverage(age) is 0.491, allowed >= 0.75 (age_coverage, batch 7)"
    assert (severity, recipients) == ("page", ["churn", "ltv", "platform-ml"])
    assert subject == f"opened #{number(connection, AGE)} {first}"
    lines = body.splitlines()
    assert lines[0] == first
    assert lines[1].startswith("since 20")
    assert lines[2:] == [
        f"{CUSTOMER} is held: guarded reads raise",
        f"2 tasks read {CUSTOMER}: churn, ltv; 1 task reads {SCORE}, made from it: fraud",
        "also broke:",
        f"  {CUSTOMER}: null_rate(plan) is 0.31, allowed <= 0.02 (plan_nulls, batch 7)",
        "owner platform-ml · runbook https://run.book/coverage",
    ]
    assert {key: payload[key] for key in ("event", "column", "batch", "held", "consumers", "runbook")} == {
        "event": "opened",
        "column": "age",
        "batch": 7,
        "held": True,
        "consumers": ["churn", "ltv"],
        "runbook": "https://run.book/coverage",
    }
    assert [other["slo"] for other in payload["also"]] == [PLAN]


@pytest.mark.parametrize("outcome", ["PASS", "NOTED", "INSUFFICIENT"])
def test_only_failures_and_errors_open(connection: Connection, outcome: str) -> None:
    assert judge(connection, AGE, outcome, batch=1) is None
    sweep(connection)
    assert rows(connection, "select * from mlguard.incident") == []


def test_an_error_pages_and_quotes_nothing_of_a_table_with_personal_data(connection: Connection) -> None:
    judge(connection, TENURE, "ERROR", batch=1, reason='invalid input syntax: "ann@example.org"')
    judge(connection, RAW_NULLS, "ERROR", day="2026-11-19", reason="division by zero")
    sweep(connection)
    assert rows(connection, "select slo, severity, observed from mlguard.incident order by slo") == [
        (TENURE, "page", "could not be judged"),
        (RAW_NULLS, "page", "could not be judged: division by zero"),
    ]


@pytest.mark.parametrize(
    "silence",
    [
        "update mlguard._slo set shadow = true where id = 'features.customer/tenure_mean'",
        "select mlguard.off('features.customer/tenure_mean', interval '1 h', 'x')",
    ],
)
def test_errors_of_shadow_and_waived_slos_wake_nobody(connection: Connection, silence: LiteralString) -> None:
    connection.execute(silence)
    assert judge(connection, TENURE, "ERROR", batch=1) is None


def test_what_goes_on_failing_is_one_incident_and_one_alert(connection: Connection) -> None:
    first = judge(connection, AGE, batch=1, found=0.5)
    assert judge(connection, AGE, batch=2, found=0.4) == first
    sweep(connection)
    assert judge(connection, AGE, batch=3, found=0.3) == first
    sweep(connection)
    assert rows(connection, "select id, times, observed, batch, others from mlguard.incident") == [
        (first, 3, "coverage(age) is 0.3", 3, 0)
    ]
    assert outbox(connection) == [("opened", first, first)]


def test_slos_that_shall_not_notify_are_recorded_only(connection: Connection) -> None:
    connection.execute("update mlguard._slo set then_do = '{}' where id = %s", [AGE])
    judge(connection, AGE, batch=1)
    sweep(connection)
    assert (state(connection, AGE), outbox(connection)) == ("open", [])
    judge(connection, AGE, batch=2)
    sweep(connection)
    assert outbox(connection) == []
    # As part of an alarm with one that notifies it is told with that one, to the end.
    connection.execute("select mlguard.resolve(%s, 'x')", [number(connection, AGE)])
    judge(connection, AGE, batch=3)
    judge(connection, PLAN, batch=3)
    sweep(connection)
    assert alarms(connection) == {AGE: [PLAN]}
    connection.execute("select mlguard.resolve(%s, 'x')", [number(connection, AGE)])
    assert events(connection) == ["opened", "resolved"]


# One alarm per cause


def test_columns_of_one_batch_are_one_alarm_with_the_greatest_score_first(connection: Connection) -> None:
    judge(connection, AGE, batch=1, score=1.5)
    judge(connection, PLAN, batch=1, score=4)
    judge(connection, TENURE, batch=1, found=900)
    assert sweep(connection)["alerts written"] == 1
    assert alarms(connection) == {PLAN: [AGE, TENURE]}
    # The alarm is as severe as the worst of what belongs to it.
    assert value(connection, "select severity from mlguard.outbox") == "page"


def test_without_scores_severity_then_importance_then_excess_decide(connection: Connection) -> None:
    judge(connection, PLAN, batch=1, found=0.9)
    judge(connection, AGE, batch=1, found=0.7)  # page
    sweep(connection)
    assert alarms(connection) == {AGE: [PLAN]}
    connection.execute("update mlguard._slo set severity = 'normal'")
    judge(connection, PLAN, batch=2, found=0.9)
    connection.execute("select mlguard.resolve(%s, 'x')", [number(connection, AGE)])
    judge(connection, PLAN, batch=3, found=0.9)
    judge(connection, AGE, batch=3, found=0.7)  # importance 0.9
    sweep(connection)
    assert alarms(connection) == {AGE: [PLAN]}
    connection.execute("select mlguard.resolve(%s, 'x')", [number(connection, AGE)])
    judge(connection, TENURE, batch=4, found=101)  # 1 % over its limit
    judge(connection, PLAN, batch=4, found=0.9)  # 45 times its limit
    sweep(connection)
    assert alarms(connection) == {PLAN: [TENURE]}


def test_another_batch_is_another_alarm(connection: Connection) -> None:
    judge(connection, AGE, batch=1)
    sweep(connection)
    judge(connection, AGE, batch=2)
    judge(connection, PLAN, batch=2)
    sweep(connection)
    assert alarms(connection) == {AGE: [], PLAN: []}
    assert events(connection) == ["opened", "opened"]


def test_segments_are_incidents_of_their_own_and_one_alarm(connection: Connection) -> None:
    for country in ("DE", "FR", "IT"):
        judge(connection, MIX, day="2026-11-19", segment={"country": country}, found=0.3)
    judge(connection, MIX, day="2026-11-19", segment={"*": "other"}, found=0.9)
    assert sweep(connection)["incidents opened"] == 4
    assert alarms(connection) == {MIX: [MIX, MIX, MIX]}
    first, second = rows(
        connection, "select headline, segment from mlguard.incident order by cause nulls first limit 2"
    )
    assert first[0] == f"{CUSTOMER}: psi(plan) is 0.9 for every other country, allowed <= 0.2 (mix, 2026-11-19)"
    assert second == (
        f"{CUSTOMER}: psi(plan) is 0.3 for country not shown (pii), allowed <= 0.2 (mix, 2026-11-19)",
        {"country": "not shown (pii)"},
    )


def test_a_missing_day_is_the_cause_of_its_stale_columns(connection: Connection) -> None:
    judge(connection, AGE_MEAN, day="2026-11-19", score=9, found=1)
    judge(connection, WEEK, day="2026-11-19", found=1)
    judge(connection, VOLUME, day="2026-11-19", found=0, n=0)
    sweep(connection)
    assert alarms(connection) == {VOLUME: [AGE_MEAN, WEEK]}


def test_a_batch_belongs_to_the_window_its_rows_are_in(connection: Connection) -> None:
    connection.execute(
        "insert into mlguard._state (tbl, batch, bucket, sign, op, n, states)"
        " values (%s, 5, '2026-11-19 00:00+00', 1, 'INSERT', 10, '{}')",
        [CUSTOMER],
    )
    judge(connection, PLAN, batch=5)
    judge(connection, AGE_MEAN, day="2026-11-18")
    sweep(connection)
    assert alarms(connection) == {AGE_MEAN: [], PLAN: []}
    judge(connection, MIX, day="2026-11-19", found=0.21)
    sweep(connection)
    assert alarms(connection) == {AGE_MEAN: [], PLAN: [MIX]}


def test_a_dropped_column_is_the_cause_of_what_fails_after_it(connection: Connection) -> None:
    judge(connection, f"{CUSTOMER}/columns")
    sweep(connection)
    judge(connection, AGE, batch=1, score=50)
    judge(connection, AGE_MEAN, day="2026-01-01")
    sweep(connection)
    assert alarms(connection) == {f"{CUSTOMER}/columns": [AGE, AGE_MEAN]}
    assert events(connection) == ["opened"]


def test_what_fails_because_of_its_input_is_no_alarm_of_its_own(connection: Connection) -> None:
    judge(connection, RAW_VOLUME, day="2026-11-19", found=0)
    sweep(connection)
    judge(connection, AGE, batch=1)
    judge(connection, SCORE_MEAN, day="2026-11-19", found=0.9)
    sweep(connection)
    assert alarms(connection) == {RAW_VOLUME: [AGE, SCORE_MEAN]}
    assert rows(connection, "select event, severity, recipients from mlguard.outbox order by id") == [
        ("opened", "page", ["ingest"]),
        # Whom the tables downstream concern is told once, and those who know already are not.
        ("escalated", "page", ["churn", "fraud", "ltv", "platform-ml", "scoring"]),
    ]
    judge(connection, PLAN, batch=2)
    sweep(connection)
    assert events(connection) == ["opened", "escalated"]
    assert "also broke:" in value(
        connection, "select mlguard._incident_words(id) from mlguard._incident where cause is null"
    )


def test_a_page_is_not_hidden_behind_a_minor_incident_upstream(connection: Connection) -> None:
    judge(connection, RAW_NULLS, day="2026-11-19")
    sweep(connection)
    connection.execute("select mlguard.snooze(%s, now() + interval '1 day', 'known')", [number(connection, RAW_NULLS)])
    judge(connection, AGE, batch=1)
    sweep(connection)
    assert alarms(connection) == {RAW_NULLS: [AGE]}
    assert rows(connection, "select event, severity, recipients from mlguard.outbox order by id") == [
        ("opened", "low", ["ingest"]),
        ("snoozed", "low", ["ingest"]),
        ("escalated", "page", ["churn", "ingest", "ltv", "platform-ml"]),
    ]
    assert state(connection, RAW_NULLS) == "open"


def test_a_cause_that_is_found_later_takes_the_alarm_over(connection: Connection) -> None:
    judge(connection, AGE_MEAN, day="2026-11-19")
    sweep(connection)
    first = number(connection, AGE_MEAN)
    connection.execute("select mlguard.ack(%s, 'looking')", [first])
    judge(connection, VOLUME, day="2026-11-19", found=0)
    sweep(connection)
    assert alarms(connection) == {VOLUME: [AGE_MEAN]}
    assert (state(connection, VOLUME), state(connection, AGE_MEAN)) == ("acknowledged", "open")
    judge(connection, RAW_VOLUME, day="2026-11-19", found=0)
    sweep(connection)
    assert alarms(connection) == {RAW_VOLUME: [AGE_MEAN, VOLUME]}
    last = number(connection, RAW_VOLUME)
    connection.execute("select mlguard.resolve(%s, 'reloaded')", [last])
    # One alarm from beginning to end: the pager closes what it opened.
    assert outbox(connection) == [
        ("opened", first, first),
        ("acknowledged", first, first),
        ("escalated", last, first),  # more severe, and somebody new
        ("resolved", last, first),
    ]


def test_two_alarms_that_turn_out_to_be_one(connection: Connection) -> None:
    judge(connection, AGE_MEAN, day="2026-11-19")
    sweep(connection)
    judge(connection, RAW_VOLUME, day="2026-11-20")
    sweep(connection)
    first, other = number(connection, AGE_MEAN), number(connection, RAW_VOLUME)
    assert alarms(connection) == {AGE_MEAN: [], RAW_VOLUME: []}
    judge(connection, RAW_NULLS, day="2026-11-19")
    sweep(connection)
    third = number(connection, RAW_NULLS)
    assert alarms(connection) == {RAW_NULLS: [AGE_MEAN], RAW_VOLUME: []}
    judge(connection, f"{CUSTOMER}/columns")
    judge(connection, f"{CUSTOMER}/columns")
    sweep(connection)
    assert outbox(connection)[:3] == [("opened", first, first), ("opened", other, other), ("escalated", third, first)]


def test_a_told_alarm_that_joins_a_told_alarm_is_closed(connection: Connection) -> None:
    for batch, slo in ((1, AGE), (2, PLAN)):
        judge(connection, slo, batch=batch)
        sweep(connection)
    one, two = number(connection, AGE), number(connection, PLAN)
    connection.execute(
        "insert into mlguard._state (tbl, batch, bucket, sign, op, n, states)"
        " values (%s, 3, '2026-11-19 00:00+00', 1, 'INSERT', 10, '{}')",
        [CUSTOMER],
    )
    connection.execute("update mlguard._incident set scope = '[2026-11-19 00:00+00, 2026-11-20 00:00+00)'")
    judge(connection, VOLUME, day="2026-11-19", found=0)
    sweep(connection)
    last = number(connection, VOLUME)
    assert alarms(connection) == {VOLUME: [AGE, PLAN]}
    assert outbox(connection) == [("opened", one, one), ("opened", two, two), ("resolved", two, two)]
    connection.execute("select mlguard.resolve(%s, 'reloaded')", [last])
    assert outbox(connection)[3:] == [("resolved", last, one)]


def test_tables_that_are_made_from_one_another(connection: Connection) -> None:
    connection.execute("update mlguard._table set inputs = '{features.score}' where tbl = 'raw.events'")
    judge(connection, RAW_VOLUME, day="2026-11-19")
    judge(connection, AGE_MEAN, day="2026-11-19")
    judge(connection, SCORE_MEAN, day="2026-11-19")
    sweep(connection)
    ((root, others),) = alarms(connection).items()
    assert {root, *others} == {RAW_VOLUME, AGE_MEAN, SCORE_MEAN}


def test_a_hold_upstream_without_an_incident_gets_one(connection: Connection) -> None:
    connection.execute("insert into mlguard._hold (tbl, slo, batch) values (%s, %s, 4)", [RAW, RAW_VOLUME])
    judge(connection, AGE, batch=1)
    sweep(connection)
    assert alarms(connection) == {RAW_VOLUME: [AGE]}
    connection.execute("update mlguard._hold set ended_at = now()")
    sweep(connection)
    assert state(connection, RAW_VOLUME) == "resolved"
