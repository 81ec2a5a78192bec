"""How incidents end, by themselves or by people."""

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
    RAW_VOLUME,
    SCORE,
    SCORE_MEAN,
    TENURE,
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


# The end of an incident


def test_two_good_batches_in_a_row_resolve_and_silence_does_not(connection: Connection) -> None:
    judge(connection, AGE, batch=1)
    for outcome in ("PASS", "INSUFFICIENT", "NOTED", "INSUFFICIENT", "PASS", "INSUFFICIENT"):
        sweep(connection)
        judge(connection, AGE, outcome, batch=int(value(connection, "select count(*) + 1 from mlguard._verdict")))
    sweep(connection, "now() + interval '1 year'")
    assert state(connection, AGE) == "open"
    judge(connection, AGE, "PASS", batch=20)
    assert sweep(connection)["incidents resolved"] == 1
    assert rows(connection, "select state, auto, resolved_by, resolved_reason from mlguard.incident") == [
        ("resolved", True, "mlguard", "2 good batches in a row")
    ]
    assert events(connection) == ["opened", "resolved"]


def test_one_window_judged_twice_counts_once(connection: Connection) -> None:
    judge(connection, AGE_MEAN, day="2026-11-18")
    sweep(connection)
    judge(connection, AGE_MEAN, "PASS", day="2026-11-19")
    judge(connection, AGE_MEAN, "PASS", day="2026-11-19")
    sweep(connection)
    assert state(connection, AGE_MEAN) == "open"
    judge(connection, AGE_MEAN, "PASS", day="2026-11-20")
    sweep(connection)
    assert state(connection, AGE_MEAN) == "resolved"


def test_an_older_window_judged_anew_is_no_good_window_after_it(connection: Connection) -> None:
    judge(connection, AGE_MEAN, day="2026-11-18")
    sweep(connection)
    for day in ("2026-11-15", "2026-11-16", "2026-11-19"):
        judge(connection, AGE_MEAN, "PASS", day=day)
    sweep(connection)
    assert state(connection, AGE_MEAN) == "open"
    judge(connection, AGE_MEAN, "PASS", day="2026-11-20")
    sweep(connection)
    assert state(connection, AGE_MEAN) == "resolved"


def test_a_batch_whose_rows_are_gone_is_corrected(connection: Connection) -> None:
    judge(connection, AGE, batch=1)
    connection.execute("insert into mlguard._hold (tbl, slo, batch) values (%s, %s, 1)", [CUSTOMER, AGE])
    sweep(connection)
    connection.execute(
        "update mlguard._hold set ended_at = now(), ended_by = 'mlguard', reason = 'corrected by batch 2'"
    )
    sweep(connection)
    assert state(connection, AGE) == "resolved"


def test_another_segment_s_pass_is_not_this_one_s(connection: Connection) -> None:
    judge(connection, MIX, day="2026-11-18", segment={"country": "DE"})
    sweep(connection)
    for day in ("2026-11-19", "2026-11-20", "2026-11-21"):
        judge(connection, MIX, "PASS", day=day, segment={"country": "FR"})
    sweep(connection)
    assert state(connection, MIX) == "open"


def test_a_corrected_batch_resolves_at_once_and_is_told_to_those_who_know(connection: Connection) -> None:
    judge(connection, AGE, batch=1)
    sweep(connection)
    judge(connection, AGE, "PASS", batch=1)
    sweep(connection)
    assert rows(connection, "select state, resolved_reason from mlguard.incident") == [
        ("resolved", "batch 1 was corrected")
    ]
    assert events(connection) == ["opened", "resolved"]


def test_a_batch_corrected_before_anybody_was_told_alerts_nobody(connection: Connection) -> None:
    judge(connection, AGE, batch=1)
    judge(connection, AGE, "INSUFFICIENT", batch=1, n=0)  # its rows were deleted
    sweep(connection)
    assert (state(connection, AGE), outbox(connection)) == ("resolved", [])
    judge(connection, AGE, batch=10)
    sweep(connection)
    assert events(connection) == ["opened"]  # the same incident, but the first that anybody hears of it
    connection.execute("select mlguard.resolve(%s, 'x')", [number(connection, AGE)])
    # A failure that later batches do not repeat is still there, and is told.
    judge(connection, PLAN, batch=2)
    for batch in (3, 4):
        judge(connection, PLAN, "PASS", batch=batch)
    sweep(connection)
    assert events(connection)[2:] == ["opened"]
    sweep(connection)
    assert events(connection)[2:] == ["opened", "resolved"]


def test_nothing_resolves_itself_while_it_holds_its_table(connection: Connection) -> None:
    judge(connection, AGE, batch=1)
    connection.execute("insert into mlguard._hold (tbl, slo, batch) values (%s, %s, 1)", [CUSTOMER, AGE])
    for batch in range(2, 6):
        judge(connection, AGE, "PASS", batch=batch)
    sweep(connection)
    sweep(connection)
    assert state(connection, AGE) == "open"


def test_what_comes_back_soon_is_the_same_incident_and_takes_longer_to_heal(connection: Connection) -> None:
    first = judge(connection, AGE, batch=1)
    sweep(connection)
    for batch in (2, 3):
        judge(connection, AGE, "PASS", batch=batch)
    sweep(connection)
    assert state(connection, AGE) == "resolved"
    judge(connection, AGE, batch=4)
    sweep(connection)
    assert rows(connection, "select id, state, flaps, times, resolved_at from mlguard.incident") == [
        (first, "open", 1, 2, None)
    ]
    for batch in (5, 6):
        judge(connection, AGE, "PASS", batch=batch)
    sweep(connection)
    assert state(connection, AGE) == "open"
    judge(connection, AGE, "PASS", batch=7)
    sweep(connection)
    assert outbox(connection) == [(event, first, first) for event in ("opened", "resolved", "reopened", "resolved")]
    for batch in range(8, 20):
        judge(connection, AGE, "PASS", batch=batch)
    judge(connection, AGE, batch=20)
    sweep(connection)
    assert number(connection, AGE) != first


def test_after_a_person_resolved_or_judged_it_a_failure_is_news(connection: Connection) -> None:
    judge(connection, AGE, batch=1)
    sweep(connection)
    first = number(connection, AGE)
    connection.execute("select mlguard.resolve(%s, 'mended')", [first])
    judge(connection, AGE, batch=2)
    sweep(connection)
    second = number(connection, AGE)
    assert second != first
    for batch in (3, 4):
        judge(connection, AGE, "PASS", batch=batch)
    sweep(connection)
    connection.execute("select mlguard.label(%s, 'true')", [second])
    judge(connection, AGE, batch=5)
    sweep(connection)
    assert number(connection, AGE) not in (first, second)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("delete from mlguard._slo where name = 'age_coverage'", "the SLO is not in force any more"),
        ("update mlguard._slo set shadow = true where name = 'age_coverage'", "the SLO is in shadow now"),
    ],
)
def test_an_slo_that_was_taken_out_leaves_no_alarm(connection: Connection, change: LiteralString, reason: str) -> None:
    judge(connection, AGE, batch=1)
    sweep(connection)
    connection.execute(change)
    sweep(connection)
    assert value(connection, "select resolved_reason from mlguard.incident") == reason
    assert events(connection) == ["opened", "resolved"]


def test_failures_of_a_table_that_is_gone_do_not_stop_the_sweep(connection: Connection) -> None:
    judge(connection, AGE, batch=1)
    judge(connection, RAW_VOLUME, day="2026-11-19")
    connection.execute("delete from mlguard._table where tbl = %s", [CUSTOMER])
    assert sweep(connection)["incidents opened"] == 1
    assert alarms(connection) == {RAW_VOLUME: []}


def test_what_outlives_its_cause_alerts_by_itself(connection: Connection) -> None:
    judge(connection, VOLUME, day="2026-11-17", found=0)
    judge(connection, AGE_MEAN, day="2026-11-17")
    judge(connection, MIX, day="2026-11-17", found=0.4)
    sweep(connection)
    assert alarms(connection) == {VOLUME: [AGE_MEAN, MIX]}
    for day in ("2026-11-18", "2026-11-19"):
        judge(connection, VOLUME, "PASS", day=day)
        judge(connection, AGE_MEAN, day=day)
        judge(connection, MIX, day=day, found=0.4)
    sweep(connection)
    # They failed while the volume was good: it was not their cause. They stay one alarm, and are told.
    (root,) = alarms(connection)
    assert alarms(connection)[root] == [({AGE_MEAN, MIX} - {root}).pop()]
    assert events(connection) == ["opened", "resolved", "opened"]


def test_what_does_not_fail_again_after_its_cause_was_resolved_stays_quiet(connection: Connection) -> None:
    judge(connection, RAW_VOLUME, day="2026-11-19")
    judge(connection, AGE, batch=1)
    sweep(connection)
    connection.execute("select mlguard.resolve(%s, 'source is back')", [number(connection, RAW_VOLUME)])
    sweep(connection)
    assert events(connection) == ["opened", "resolved"]
    assert state(connection, AGE) == "open"
    judge(connection, AGE, batch=2)
    sweep(connection)
    assert events(connection) == ["opened", "resolved", "opened"]
    assert alarms(connection) == {AGE: []}


# What people do


def test_acknowledging_a_consequence_acknowledges_the_alarm(connection: Connection) -> None:
    judge(connection, AGE, batch=1)
    judge(connection, PLAN, batch=1)
    sweep(connection)
    alarm = number(connection, AGE)
    assert value(connection, "select mlguard.ack(%s, 'on it')", number(connection, PLAN)) == alarm
    assert rows(connection, "select state, acked_by, acked_reason from mlguard.incident where id = %s", alarm) == [
        ("acknowledged", "postgres", "on it")
    ]
    assert rows(connection, "select who, act, target, before, after ->> 'state', reason from mlguard.event") == [
        ("postgres", "acknowledge", f"incident {alarm}", {"state": "open"}, "acknowledged", "on it")
    ]
    assert events(connection) == ["opened", "acknowledged"]
    judge(connection, AGE, batch=2)
    sweep(connection)
    assert state(connection, AGE) == "acknowledged"


def test_an_incident_no_sweep_has_seen_can_be_acknowledged(connection: Connection) -> None:
    found = judge(connection, AGE, batch=1)
    assert value(connection, "select mlguard.ack(%s)", found) == found
    assert events(connection) == ["opened", "acknowledged"]


def test_a_snooze_ends_by_itself_and_alerts_again(connection: Connection) -> None:
    judge(connection, AGE, batch=1)
    sweep(connection)
    found = number(connection, AGE)
    connection.execute("select mlguard.snooze(%s, now() + interval '4 h', 'backfill runs')", [found])
    judge(connection, AGE, batch=2)
    assert sweep(connection)["snoozes ended"] == 0
    assert events(connection) == ["opened", "snoozed"]
    assert sweep(connection, "now() + interval '5 h'")["snoozes ended"] == 1
    assert (events(connection), state(connection, AGE)) == (["opened", "snoozed", "reopened"], "open")


def test_nobody_is_woken_by_the_end_of_a_snooze_when_the_last_batch_was_good(connection: Connection) -> None:
    judge(connection, AGE, batch=1)
    sweep(connection)
    connection.execute("select mlguard.snooze(%s, now() + interval '4 h', 'x')", [number(connection, AGE)])
    judge(connection, AGE, "PASS", batch=2)
    sweep(connection, "now() + interval '5 h'")
    assert (events(connection), state(connection, AGE)) == (["opened", "snoozed"], "open")
    judge(connection, AGE, "PASS", batch=3)
    sweep(connection)
    assert events(connection) == ["opened", "snoozed", "resolved"]


def test_what_gets_worse_breaks_its_snooze(connection: Connection) -> None:
    judge(connection, TENURE, batch=1)
    sweep(connection)
    connection.execute("select mlguard.snooze(%s, now() + interval '4 h', 'x')", [number(connection, TENURE)])
    judge(connection, TENURE, "ERROR", batch=2)
    sweep(connection)
    assert rows(connection, "select event, severity from mlguard.outbox order by id") == [
        ("opened", "normal"),
        ("snoozed", "normal"),
        ("escalated", "page"),
    ]


def test_a_waiver_by_incident_arms_again(connection: Connection) -> None:
    judge(connection, PLAN, batch=1)
    sweep(connection)
    found = number(connection, PLAN)
    connection.execute("select mlguard.waive(%s, now() + interval '2 days', 'known until the fix')", [found])
    assert rows(connection, "select slo, kind, reason from mlguard.waiver") == [(PLAN, "waive", "known until the fix")]
    assert state(connection, PLAN) == "snoozed"
    judge(connection, PLAN, "NOTED", batch=2)
    sweep(connection, "now() + interval '3 days'")
    assert events(connection) == ["opened", "snoozed", "reopened"]


def test_resolving_ends_holds_and_what_failed_with_it(connection: Connection) -> None:
    judge(connection, AGE, batch=1)
    judge(connection, PLAN, batch=1)
    judge(connection, SCORE_MEAN, day="2026-11-19")
    for tbl, slo in ((CUSTOMER, AGE), (CUSTOMER, PLAN), (SCORE, SCORE_MEAN)):
        connection.execute("insert into mlguard._hold (tbl, slo) values (%s, %s)", [tbl, slo])
    sweep(connection)
    assert alarms(connection) == {AGE: [PLAN, SCORE_MEAN]}
    connection.execute("select mlguard.resolve(%s, 'loaded again', 'true')", [number(connection, AGE)])
    assert rows(connection, "select slo, state, label, resolved_by from mlguard.incident order by slo") == [
        (AGE, "resolved", "true", "postgres"),
        (PLAN, "resolved", "true", "postgres"),
        (SCORE_MEAN, "open", None, None),
    ]
    assert rows(connection, "select slo from mlguard._hold where ended_at is null") == [(SCORE_MEAN,)]
    assert rows(connection, "select act, target from mlguard.event order by id") == [
        (act, f"incident {number(connection, slo)}") for slo in (AGE, PLAN) for act in ("resolve", "label")
    ]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("ack(99)", "there is no incident 99"),
        ("ack(null)", "there is no incident NULL"),
        ("ack(%(resolved)s)", r"incident \d+ was resolved 20.* by postgres: mended"),
        ("snooze(%(open)s, now() + interval '1 h', ' ')", "to snooze an incident needs a reason"),
        ("snooze(%(open)s, now(), 'x')", "a snooze must end, and in the future"),
        ("snooze(%(open)s, 'infinity', 'x')", "a snooze must end, and in the future"),
        ("snooze(%(resolved)s, now() + interval '1 h', 'x')", "was resolved"),
        ("resolve(%(open)s, null)", "to resolve an incident needs a reason"),
        ("resolve(%(resolved)s, 'x')", "was resolved"),
        ("resolve(%(open)s, 'x', 'maybe')", "an incident is not labelled maybe"),
        ("label(%(open)s, 'maybe')", "an incident is not labelled maybe"),
        ("label(99, 'true')", "there is no incident 99"),
        ("waive(%(open)s, '2020-01-01', 'x')", "must end, and in the future"),
        ("delivered(99)", "there is no line 99 in the outbox"),
        ("failed(99, 'x')", "no line 99 of the outbox waits"),
    ],
)
def test_acts_that_are_refused(connection: Connection, call: str, words: str) -> None:
    judge(connection, PLAN, batch=1)
    judge(connection, AGE, batch=2)
    sweep(connection)
    connection.execute("select mlguard.resolve(%s, 'mended')", [number(connection, PLAN)])
    before = rows(connection, "select state, label from mlguard.incident order by id")
    ids = {"open": number(connection, AGE), "resolved": number(connection, PLAN)}
    with pytest.raises(psycopg.Error, match=words) as caught:
        connection.execute(f"select mlguard.{call % ids}".encode())
    assert str(caught.value.diag.message_primary).startswith("mlguard: ")
    assert rows(connection, "select state, label from mlguard.incident order by id") == before
