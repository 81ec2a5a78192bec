"""`mlguard incidents` and `mlguard watch` against real servers, down to killing the watch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from mlguard import runtime
from mlguard.cli import cli
from tests.incidents_example import AGE, CUSTOMER, PLAN, SCORE, SCORE_MEAN, judge, make, number, outbox, sweep
from tests.runtime_example import rows, session, value

LONG = 30  # seconds after which a test gives up waiting

Run = Callable[..., Result]
Connection = psycopg.Connection[Any]


@pytest.fixture
def db(pg_any: str) -> str:
    """What is printed comes from the client: one server shows it."""
    return pg_any


@pytest.fixture
def connection(db: str) -> Iterator[Connection]:
    make(db)
    with session(db) as opened:
        yield opened


@pytest.fixture
def run(db: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("MLGUARD_DSN", db)

    def invoke(*args: str, code: int = 0) -> Result:
        done = CliRunner().invoke(cli, args)
        assert done.exit_code == code, done.output
        return done

    return invoke


def fail(connection: Connection) -> int:
    """Let two columns of one batch fail; return the number of the alarm."""
    found = judge(connection, AGE, batch=88123, found=0.491)
    judge(connection, PLAN, batch=88123, found=0.31)
    sweep(connection)
    assert found is not None
    return found


# incidents


def test_nothing_to_list(connection: Connection, run: Run) -> None:
    assert run("incidents", "list").stderr == "no incident is open\n"
    assert run("incidents", "list", "--all").stderr == "there was never an incident\n"
    assert json.loads(run("incidents", "list", "--format", "json").stdout) == []


def test_list_shows_one_alarm_with_what_broke_below_it(connection: Connection, run: Run) -> None:
    alarm = fail(connection)
    judge(connection, SCORE_MEAN, batch=None, day="2026-01-01")
    done = run("incidents", "list")
    unswept, first, second = done.stdout.splitlines()
    assert first.startswith(f"#{alarm}")
    assert first.endswith(f"{CUSTOMER}: coverage(age) is 0.491, allowed >= 0.75 (age_coverage, batch 88123)")
    assert second.startswith(f"+ #{alarm + 1}")
    assert "also broke" in second
    assert "open, not swept yet" in unswept
    assert done.stderr == "2 alarms: 2 open; 1 more broke with them\n"
    assert len(run("incidents", "list", "--table", SCORE).stdout.splitlines()) == 1
    assert len(run("incidents", "list", "--table", CUSTOMER).stdout.splitlines()) == 2
    assert run("incidents", "list", "--limit", "1").stderr == "the first 1; --limit shows more\n"
    assert f"did you mean {CUSTOMER}?" in run("incidents", "list", "--table", "features.custmer", code=2).stderr


def test_list_of_a_table_shows_the_alarm_its_incident_belongs_to(connection: Connection, run: Run) -> None:
    fail(connection)
    judge(connection, SCORE_MEAN, day="2026-01-01")
    sweep(connection)
    shown = run("incidents", "list", "--table", SCORE)
    assert [line.split()[0][:1] for line in shown.stdout.splitlines()] == ["#", "+"]


def test_what_is_left_of_an_alarm_is_listed_by_itself(connection: Connection, run: Run) -> None:
    judge(connection, f"{CUSTOMER}/volume", day="2026-11-19")
    judge(connection, SCORE_MEAN, day="2026-11-19")
    sweep(connection)
    cause = number(connection, f"{CUSTOMER}/volume")
    run("incidents", "resolve", str(cause), "--reason", "loaded again")
    done = run("incidents", "list")
    assert f"open, part of #{cause}" in done.stdout
    assert done.stderr == "1 alarm: 1 open\n"


def test_the_life_of_an_alarm(connection: Connection, run: Run) -> None:
    alarm = fail(connection)
    part = alarm + 1
    shown = run("incidents", "show", str(alarm)).stdout
    assert f"mlguard incidents ack {alarm}" in shown
    assert "2 tasks read features.customer: churn, ltv" in shown
    assert f"  #{part}  open  {CUSTOMER}: null_rate(plan) is 0.31" in shown
    assert "FAIL  batch 88123  coverage(age) is 0.491, allowed >= 0.75  1000 rows" in shown
    assert run("incidents", "ack", str(part)).stderr == f"#{alarm} is acknowledged; #{part} is a part of it\n"
    assert "acknowledged by postgres" in run("incidents", "list").stdout
    told = run("incidents", "snooze", str(alarm), "--for", "4h", "--reason", "backfill runs").stderr
    assert told.startswith(f"#{alarm} is snoozed until 20")
    run("incidents", "resolve", str(alarm), "--reason", "loaded again", "--label", "true")
    assert run("incidents", "list").stderr == "no incident is open\n"
    assert "resolved by postgres, a true alarm" in run("incidents", "list", "--all").stdout
    run("incidents", "label", str(part), "--expected", "--reason", "new plan")
    run("incidents", "label", str(alarm), "--none")
    found = json.loads(run("incidents", "list", "--all", "--format", "json").stdout)
    assert [(one["id"], one["state"], one["label"]) for one in found] == [
        (alarm, "resolved", None),
        (part, "resolved", "expected"),
    ]
    whole = json.loads(run("incidents", "show", str(alarm), "--format", "json").stdout)[0]
    assert [act["act"] for act in whole["acts"]] == ["acknowledge", "snooze", "resolve", "label", "label"]
    assert [alert["event"] for alert in whole["alerts"]] == ["opened", "acknowledged", "snoozed", "resolved"]
    text = run("incidents", "show", str(alarm)).stdout
    assert "postgres: resolve" in text
    assert "to churn, ltv, platform-ml, not delivered yet" in text


def test_show_of_a_held_table_says_how_to_open_it(connection: Connection, run: Run) -> None:
    alarm = fail(connection)
    assert "mlguard off" not in run("incidents", "show", str(alarm)).stdout
    connection.execute("insert into mlguard._hold (tbl, slo) values (%s, %s)", [CUSTOMER, AGE])
    shown = run("incidents", "show", str(alarm)).stdout
    assert f"mlguard off {AGE} --for 4h" in shown
    assert f"{CUSTOMER} is held: guarded reads raise" in shown


def test_show_of_what_no_sweep_has_seen(connection: Connection, run: Run) -> None:
    found = judge(connection, AGE, batch=1, found=0.4)
    shown = run("incidents", "show", str(found)).stdout
    assert "coverage(age) is 0.4" in shown
    assert "nobody was alerted (mlguard watch)" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "99"), "there is no incident 99"),
        (("ack", "99"), "there is no incident 99"),
        (("ack",), "Missing argument"),
        (("snooze", "1", "--reason", "x"), "say how long"),
        (("snooze", "1", "--for", "4h", "--until", "2100-01-01", "--reason", "x"), "say how long"),
        (("snooze", "1", "--until", "2020-01-01", "--reason", "x"), "that time is over"),
        (("snooze", "1", "--for", "4h", "--reason", " "), "--reason must say something"),
        (("resolve", "1"), "Missing option '--reason'"),
        (("resolve", "1", "--reason", " "), "--reason must say something"),
        (("resolve", "1", "--reason", "x", "--label", "maybe"), "'maybe' is not one of"),
        (("label", "1"), "say what it was: --true, --false or --expected"),
    ],
)
def test_what_is_refused(connection: Connection, run: Run, arguments: tuple[str, ...], words: str) -> None:
    fail(connection)
    assert words in run("incidents", *arguments, code=2).stderr
    assert rows(connection, "select distinct state, label from mlguard.incident") == [("open", None)]


def test_a_resolved_incident_cannot_be_acknowledged(connection: Connection, run: Run) -> None:
    alarm = fail(connection)
    run("incidents", "resolve", str(alarm), "--reason", "mended")
    said = run("incidents", "ack", str(alarm), code=2).stderr
    assert f"incident {alarm} was resolved" in said
    assert "mended" in said


# watch


def test_once_prints_each_change_once(connection: Connection, run: Run) -> None:
    alarm = fail(connection)
    (line,) = run("watch", "--once").stdout.splitlines()
    assert line[20:] == (
        f"  PAGE    opened #{alarm} {CUSTOMER}: coverage(age) is 0.491, allowed >= 0.75 (age_coverage, batch 88123);"
        " 1 more broke with it; for churn, ltv, platform-ml"
    )
    assert run("watch", "--once").stdout == ""
    connection.execute("select mlguard.ack(%s, 'on it')", [alarm])
    (line,) = run("watch", "--once").stdout.splitlines()
    assert f"PAGE    acknowledged #{alarm} {CUSTOMER}: " in line
    assert line.endswith("; by postgres: on it; for churn, ltv, platform-ml")
    assert rows(connection, "select count(*) from mlguard.outbox where delivered_at is null") == [(0,)]


def test_once_as_json_is_one_object_a_line(connection: Connection, run: Run) -> None:
    alarm = fail(connection)
    connection.execute("select mlguard.ack(%s)", [alarm])
    found = [json.loads(line) for line in run("watch", "--once", "--format", "json").stdout.splitlines()]
    assert [(one["event"], one["alarm"], one["payload"]["table"]) for one in found] == [
        ("opened", alarm, CUSTOMER),
        ("acknowledged", alarm, CUSTOMER),
    ]


def test_sweep_only_leaves_the_outbox(connection: Connection, run: Run) -> None:
    fail(connection)
    assert run("watch", "--once", "--sweep-only").stdout == ""
    assert rows(connection, "select attempts, delivered_at from mlguard.outbox") == [(0, None)]


def test_once_fails_in_words(run: Run, bare: str, db: str) -> None:
    assert "not installed" in run("watch", "--once", "--dsn", bare, code=3).stderr
    assert "cannot connect" in run("watch", "--once", "--dsn", "host=127.0.0.1 port=1", code=3).stderr
    assert "cannot connect" in run("watch", "--dsn", "host=127.0.0.1 port=1", code=3).stderr


@contextmanager
def watching(dsn: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run a watch as a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "mlguard", "watch", "--dsn", dsn, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("watching ")
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=LONG)
    return process.returncode, out, err


def until(connection: Connection, query: str) -> None:
    """Wait until a query returns true."""
    end = time.monotonic() + LONG
    while not value(connection, query):
        assert time.monotonic() < end, query
        time.sleep(0.05)


def test_watch_prints_what_comes_and_ends_on_sigterm(connection: Connection, db: str) -> None:
    with watching(db, "--interval", "1s") as process:
        alarm = fail(connection)
        until(connection, "select count(*) = 1 from mlguard.outbox where delivered_at is not null")
        connection.execute("select mlguard.resolve(%s, 'mended')", [alarm])
        until(connection, "select count(*) = 2 from mlguard.outbox where delivered_at is not null")
        process.send_signal(signal.SIGTERM)
        code, out, err = ended(process)
    assert code == 0
    assert [line.split()[4] for line in out.splitlines()] == ["opened", "resolved"]
    assert err == "stopped\n"


def test_watch_outlives_lost_connections(connection: Connection, db: str) -> None:
    with watching(db, "--interval", "1s") as process:
        for batch in (1, 2):
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and application_name = 'mlguard' and pid <> pg_backend_pid()"
            )
            judge(connection, (AGE, PLAN)[batch - 1], batch=batch)
            until(connection, f"select count(*) = {batch} from mlguard.outbox where delivered_at is not null")
        process.send_signal(signal.SIGTERM)
        code, out, err = ended(process)
    assert code == 0
    assert len(out.splitlines()) == 2
    assert err.count("the database is gone (") == 2
    assert err.count("trying again in") == 2
    assert err.count("connected again") == 2


def test_what_a_killed_watch_had_claimed_comes_again(connection: Connection, db: str, run: Run) -> None:
    """The reader of its output does not read: the watch stands still between claiming and having delivered."""
    for batch in range(8):
        judge(connection, AGE, batch=batch)
        sweep(connection)
        connection.execute("select mlguard.resolve(max(id), repeat('x', 20000)) from mlguard._incident")
    lines = value(connection, "select count(*) from mlguard.outbox")
    with watching(db, "--interval", "1s") as process:
        until(connection, "select count(*) > 3 from mlguard.outbox where attempts > 0")
        time.sleep(0.5)
        process.kill()
        process.wait()
    left = value(connection, "select count(*) from mlguard.outbox where delivered_at is null")
    assert 0 < left < lines
    assert run("watch", "--once").stdout.count("\n") < left  # claimed ones are not given to anybody else at once
    connection.execute("update mlguard._outbox set next_try = now() - interval '1 s' where delivered_at is null")
    run("watch", "--once")
    assert value(connection, "select count(*) from mlguard.outbox where delivered_at is null") == 0
    assert value(connection, "select max(attempts) from mlguard.outbox") == 2


def test_watch_ends_when_nobody_reads_it_any_more(connection: Connection, db: str) -> None:
    with watching(db, "--interval", "1s") as process:
        assert process.stdout is not None
        process.stdout.close()
        fail(connection)
        assert process.wait(LONG) == 141
    assert rows(connection, "select delivered_at from mlguard.outbox") == [(None,)]


def test_a_server_that_refuses_a_sweep_is_told_once_and_tried_again(connection: Connection, db: str) -> None:
    with watching(db, "--interval", "1s") as process:
        until(connection, "select count(*) > 0 from pg_stat_activity where query ~ 'claim_outbox'")
        connection.execute("alter function mlguard.sweep(timestamptz) rename to sweep_away")
        time.sleep(2.5)
        fail(connection)
        until(connection, "select count(*) = 1 from mlguard.outbox where delivered_at is not null")
        connection.execute("alter function mlguard.sweep_away(timestamptz) rename to sweep")
        process.send_signal(signal.SIGTERM)
        code, out, err = ended(process)
    assert code == 0
    assert out.count("opened") == 1
    assert err.count("PostgreSQL answered: function mlguard.sweep() does not exist; trying again") == 1


def test_watch_stops_when_the_runtime_is_upgraded_under_it(connection: Connection, db: str) -> None:
    with watching(db, "--interval", "1s") as process:
        connection.execute("update mlguard.alembic_version set version_num = '9999'")
        code, _, err = ended(process)
        assert code == 3
        assert "newer than this client knows" in err
        connection.execute("update mlguard.alembic_version set version_num = %s", [runtime.versions()[-1]])


def test_a_task_may_list_and_acknowledge_but_not_watch(connection: Connection, db: str, run: Run) -> None:
    connection.execute("select mlguard._grant_incidents(r) from unnest('{mlguard_task,mlguard_platform}'::text[]) r")
    alarm = fail(connection)
    connection.execute("create role task_of_incidents login in role mlguard_task")
    try:
        dsn = psycopg.conninfo.make_conninfo(db, user="task_of_incidents")
        assert f"#{alarm}" in run("incidents", "list", "--dsn", dsn).stdout
        shown = run("incidents", "show", str(alarm), "--dsn", dsn).stdout
        assert "what was said and done" not in shown  # outbox and events are the platform's
        assert "what was judged" in shown
        run("incidents", "ack", str(alarm), "--dsn", dsn)
        assert (
            "permission denied" in run("incidents", "resolve", str(alarm), "--reason", "x", "--dsn", dsn, code=3).stderr
        )
        assert "mlguard_platform" in run("watch", "--once", "--dsn", dsn, code=3).stderr
    finally:
        connection.execute("drop role task_of_incidents")
    assert [event for event, _, _ in outbox(connection)] == ["opened", "acknowledged"]
