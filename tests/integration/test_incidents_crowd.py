"""The outbox, who may do what, and many writers, sweepers and people at the same time."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString

import psycopg
import pytest

from tests.incidents_example import (
    AGE,
    AGE_MEAN,
    CUSTOMER,
    MIX,
    PLAN,
    RAW_NULLS,
    RAW_VOLUME,
    SCORE_MEAN,
    TENURE,
    VOLUME,
    WEEK,
    events,
    judge,
    make,
    number,
    outbox,
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


# The outbox


def test_lines_of_one_alarm_are_delivered_in_order(connection: Connection) -> None:
    judge(connection, AGE, batch=1)
    sweep(connection)
    connection.execute("select mlguard.ack(%s)", [number(connection, AGE)])
    judge(connection, PLAN, batch=2)
    sweep(connection)
    claim: LiteralString = "select event, incident from mlguard.claim_outbox(10)"
    age, plan = number(connection, AGE), number(connection, PLAN)
    assert rows(connection, claim) == [("opened", age), ("opened", plan)]
    assert rows(connection, claim) == []
    until = value(connection, "select mlguard.failed(1, 'the pager is down')")
    assert value(connection, "select %s - now() between interval '29 s' and interval '31 s'", until)
    connection.execute("update mlguard._outbox set next_try = now()")
    assert rows(connection, claim) == [("opened", age), ("opened", plan)]
    until = value(connection, "select mlguard.failed(1, 'the pager is down')")
    assert value(connection, "select %s - now() between interval '59 s' and interval '61 s'", until)
    connection.execute("select mlguard.delivered(1)")
    assert rows(connection, claim) == [("acknowledged", age)]
    assert rows(connection, "select attempts, last_error, delivered_at is null from mlguard.outbox order by id") == [
        (2, None, False),
        (1, None, True),
        (2, None, True),
    ]


def test_two_workers_never_take_the_same_line(connection: Connection, db: str) -> None:
    for batch in range(20):
        judge(connection, (AGE, PLAN, TENURE)[batch % 3], batch=batch)
        sweep(connection)
        connection.execute("select mlguard.resolve(max(id), 'x') from mlguard._incident")
    with session(db, autocommit=False) as one, session(db) as two:
        mine = {line for (line,) in rows(one, "select id from mlguard.claim_outbox(5)")}
        two.execute("set lock_timeout = '2 s'")
        theirs = {line for (line,) in rows(two, "select id from mlguard.claim_outbox(100)")}
        assert len(mine) == 5
        assert not mine & theirs
        one.commit()


def test_claiming_looks_at_failures_first(connection: Connection) -> None:
    judge(connection, AGE, batch=1)
    assert rows(connection, "select event from mlguard.claim_outbox()") == [("opened",)]


def test_delivered_lines_are_kept_for_a_while(connection: Connection) -> None:
    judge(connection, AGE, batch=1)
    sweep(connection)
    assert sweep(connection, "now() + interval '1 year'")["alerts pruned"] == 0
    connection.execute("select mlguard.delivered(1)")
    assert sweep(connection, "now() + interval '1 year'")["alerts pruned"] == 1


# Who may do what, and what nobody sees


def test_rights_by_role(connection: Connection, db: str) -> None:
    for role in ("mlguard_platform", "mlguard_task", "mlguard_writer"):
        connection.execute("select mlguard._grant_incidents(%s)", [role])
        connection.execute(f"grant usage on schema mlguard to {role}".encode())
    found = judge(connection, AGE, batch=1)
    sweep(connection)
    calls = {
        "ack": f"select mlguard.ack({found})",
        "snooze": f"select mlguard.snooze({found}, now() + interval '1 h', 'x')",
        "waive": f"select mlguard.waive({found}, now() + interval '1 h', 'x')",
        "label": f"select mlguard.label({found}, 'true')",
        "claim": "select * from mlguard.claim_outbox()",
        "outbox": "select * from mlguard.outbox",
        "resolve": f"select mlguard.resolve({found}, 'x')",
    }
    allowed = {"mlguard_writer": set[str](), "mlguard_task": {"ack"}, "mlguard_platform": set(calls)}
    for role, may in allowed.items():
        connection.execute(f"set role {role}".encode())
        assert value(connection, "select count(*) from mlguard.incident") == 1
        connection.execute("select mlguard._incident_words(%s), mlguard._precision(%s)", [found, AGE])
        connection.execute("select * from mlguard._incident_history(%s)", [found])
        for name, call in calls.items():
            if name in may:
                connection.execute(call.encode())
            else:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(call.encode())
        for private in ("_incident", "_incident_event", "_outbox"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select * from mlguard.{private}".encode())
        connection.execute("reset role")


def test_everything_new_is_commented_and_nobody_s(connection: Connection) -> None:
    assert (
        rows(
            connection,
            "select c.relname || '.' || a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid"
            " where c.relnamespace = 'mlguard'::regnamespace and a.attnum > 0 and not a.attisdropped"
            "   and c.relname in ('incident', 'outbox', '_incident', '_incident_event', '_outbox')"
            "   and col_description(a.attrelid, a.attnum) is null",
        )
        == []
    )
    assert (
        rows(
            connection,
            "select proname from pg_proc where pronamespace = 'mlguard'::regnamespace"
            " and proname ~ 'incident|outbox|^(ack|snooze|label|resolve|delivered|failed)$'"
            " and has_function_privilege('pg_read_all_stats', oid, 'execute')",
        )
        == []
    )


def test_no_value_of_a_personal_column_is_in_anything(connection: Connection) -> None:
    secret = 987654
    judge(connection, f"{CUSTOMER}/top_salary", batch=1, found=secret)
    judge(connection, MIX, day="2026-11-19", segment={"country": "Ruritania"})
    sweep(connection)
    judge(connection, f"{CUSTOMER}/top_salary", batch=2, found=secret)
    for view in ("incident", "outbox"):
        text = json.dumps(rows(connection, f"select to_jsonb(v) from mlguard.{view} v"))
        assert str(secret) not in text
        assert "Ruritania" not in text
    history = rows(connection, "select (mlguard._incident_history(id))::text from mlguard._incident")
    assert str(secret) not in str(history)


def test_what_becomes_personal_later_is_taken_out(connection: Connection) -> None:
    connection.execute("update mlguard._table set pii = '{}' where tbl = %s", [CUSTOMER])
    judge(connection, AGE, batch=1)
    judge(connection, f"{CUSTOMER}/top_salary", batch=1, found=987654)
    sweep(connection)
    everything: LiteralString = (
        "select string_agg(to_jsonb(v)::text, ' ') from"
        " (select to_jsonb(i) from mlguard.incident i union all select to_jsonb(o) from mlguard.outbox o) v"
    )
    assert "987654" in value(connection, everything)
    connection.execute("update mlguard._table set pii = '{salary}' where tbl = %s", [CUSTOMER])
    assert sweep(connection)["incidents masked"] == 1
    assert "987654" not in value(connection, everything)
    assert sweep(connection)["incidents masked"] == 0
    assert "coverage(age) is 0.5" in value(connection, everything)


# Many at once


@pytest.mark.parametrize("isolation", list(psycopg.IsolationLevel))
def test_eight_sessions_fail_at_once_and_none_waits(
    connection: Connection, db: str, isolation: psycopg.IsolationLevel
) -> None:
    sessions = [psycopg.connect(db) for _ in range(8)]
    try:
        for number_, each in enumerate(sessions):
            each.isolation_level = isolation
            each.execute("set local lock_timeout = '1 ms'")
            judge(each, AGE, batch=number_, anew=False)
            judge(each, (PLAN, TENURE)[number_ % 2], batch=number_, anew=False)
        # All of them are open, and a sweep does not wait for them either.
        connection.execute("set lock_timeout = '1 ms'")
        assert sweep(connection)["incidents opened"] == 0
        for each in sessions[1:]:
            each.commit()
        sessions[0].rollback()
    finally:
        for each in sessions:
            each.close()
    assert sweep(connection)["incidents opened"] == 3
    found = rows(connection, "select slo, id, times, also from mlguard.incident order by slo")
    assert [(slo, times) for slo, _, times, _ in found] == [(AGE, 7), (PLAN, 3), (TENURE, 4)]
    # Every number that a message may have named leads to the incident.
    assert len(found[0][3]) == 6
    for also in found[0][3]:
        assert value(connection, "select mlguard.label(%s, 'true')", also) == found[0][1]


def test_a_prepared_transaction_stops_nobody(connection: Connection, db: str) -> None:
    with psycopg.connect(db) as prepared:
        judge(prepared, AGE, batch=1)
        prepared.execute("prepare transaction 'long'")
        prepared.commit()
    connection.execute("set lock_timeout = '1 ms'")
    judge(connection, AGE, batch=2)
    sweep(connection)
    assert rows(connection, "select times from mlguard.incident") == [(1,)]
    connection.execute("commit prepared 'long'")
    sweep(connection)
    assert rows(connection, "select times, state from mlguard.incident") == [(2, "open")]
    assert events(connection) == ["opened"]


def test_two_sweeps_at_once(connection: Connection, db: str) -> None:
    judge(connection, AGE, batch=1)
    with session(db, autocommit=False) as first:
        assert sweep(first)["incidents opened"] == 1
        connection.execute("set lock_timeout = '1 ms'")
        assert sweep(connection) == {}
        judge(connection, AGE, batch=2)  # writers go on meanwhile
        first.commit()
    assert sweep(connection)["incidents opened"] == 0
    assert rows(connection, "select times from mlguard.incident") == [(2,)]


def test_writers_sweepers_and_people_at_the_same_time(connection: Connection, db: str) -> None:
    slos = (AGE, PLAN, TENURE)

    def write(worker: int) -> None:
        with psycopg.connect(db) as own:
            for step in range(30):
                judge(own, slos[(worker + step) % 3], batch=worker * 1000 + step)
                judge(own, slos[(worker + step + 1) % 3], batch=worker * 1000 + step)
                own.commit()

    def clean(_: int) -> None:
        with session(db) as own:
            for _ in range(30):
                sweep(own)

    def act(_: int) -> None:
        with session(db) as own:
            for _ in range(20):
                own.execute(
                    "select mlguard.ack(max(id)) from mlguard._incident where state = 'open'  having count(*) > 0"
                )

    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(work, worker) for work, n in ((write, 5), (clean, 2), (act, 1)) for worker in range(n)]
        for job in jobs:
            job.result()
    sweep(connection)
    assert rows(connection, "select slo, times from mlguard.incident where state <> 'resolved' order by slo") == [
        (slo, 100) for slo in sorted(slos)
    ]
    assert rows(connection, "select * from mlguard._incident_event") == []
    assert events(connection).count("opened") <= 3


def test_a_number_given_to_what_was_resolved_meanwhile(connection: Connection, db: str) -> None:
    first = judge(connection, AGE, batch=1)
    sweep(connection)
    with session(db, autocommit=False) as writer:
        assert judge(writer, AGE, batch=2) == first
        connection.execute("select mlguard.resolve(%s, 'mended')", [first])
        writer.commit()
    sweep(connection)
    assert rows(connection, "select state from mlguard.incident order by id") == [("resolved",), ("open",)]


def test_long_and_odd_segments(connection: Connection) -> None:
    segments = [{"country": text} for text in ("ä" * 5000, "'\"\\", "", "x" * 9000)]
    for segment in segments:
        judge(connection, MIX, day="2026-11-19", segment=segment)
    assert sweep(connection)["incidents opened"] == len(segments)
    for segment in segments:
        judge(connection, MIX, day="2026-11-20", segment=segment)
    assert sweep(connection)["incidents opened"] == 0


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_alarms_keep_their_rules(connection: Connection, seed: int) -> None:
    """Random verdicts, sweeps and acts; then the outbox is read as a pager would."""
    chance = random.Random(seed)
    batches = (AGE, PLAN, TENURE)
    windows = (VOLUME, AGE_MEAN, MIX, WEEK, RAW_VOLUME, RAW_NULLS, SCORE_MEAN)
    outcomes = ("FAIL", "FAIL", "FAIL", "PASS", "PASS", "PASS", "INSUFFICIENT", "NOTED", "ERROR")
    for step in range(120):
        match chance.randrange(10):
            case 0 | 1 | 2:
                for slo in chance.sample(batches, 2):
                    judge(connection, slo, chance.choice(outcomes), batch=step - chance.randrange(3))
            case 3 | 4 | 5:
                for slo in chance.sample(windows, 3):
                    segment = {"country": chance.choice("AB")} if slo == MIX else None
                    day = f"2026-11-{1 + step // 10 + chance.randrange(2):02}"
                    judge(connection, slo, chance.choice(outcomes), day=day, segment=segment)
            case 6 | 7:
                sweep(connection)
            case 8:
                act = chance.choice(
                    (
                        "ack(%s)",
                        "snooze(%s, now() + interval '1 h', 'x')",
                        "waive(%s, now() + interval '1 s', 'x')",
                        "label(%s, 'true')",
                        "resolve(%s, 'x')",
                    )
                )
                known = [found for (found,) in rows(connection, "select id from mlguard.incident order by id")]
                # It may be resolved, by a sweep before the act at the latest.
                with contextlib.suppress(psycopg.errors.ObjectNotInPrerequisiteState):
                    if known:
                        connection.execute(f"select mlguard.{act % chance.choice(known)}".encode())
            case 9:
                sweep(connection, "now() + interval '2 h'")
        assert (
            rows(
                connection,
                "select c.id from mlguard._incident c join mlguard._incident r on r.id = c.cause"
                " where r.cause is not null",
            )
            == []
        )
    sweep(connection)

    open_alarms: dict[int, str] = {}
    for event, _, alarm in outbox(connection):
        if event in ("opened", "reopened") and open_alarms.get(alarm, "resolved") == "resolved":
            open_alarms[alarm] = "open"
        else:
            assert event != "opened", f"alarm {alarm} is opened twice"
            assert open_alarms.get(alarm, "resolved") != "resolved", f"{event} of alarm {alarm}, which is not open"
            open_alarms[alarm] = {"escalated": open_alarms[alarm], "reopened": "open"}.get(event, event)
    told = {alarm for alarm, last in open_alarms.items() if last != "resolved"}
    standing = {
        alarm
        for (alarm,) in rows(
            connection, "select alarm from mlguard._incident where cause is null and state <> 'resolved'"
        )
    }
    assert told == standing
    # Nothing fails in silence: what is open alerts, or belongs to what did.
    assert (
        rows(
            connection,
            "select i.slo from mlguard._incident i left join mlguard._incident r on r.id = i.cause"
            " where i.state <> 'resolved' and i.cause is null and i.told is null",
        )
        == []
    )
