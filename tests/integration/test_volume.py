"""row_count() over a window that slides with the reader's clock: gate, sweep, words, indexes, zones, whole life."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from mlguard import api, planner
from mlguard.doctor import examine
from mlguard.operate.health import Health
from mlguard.operate.status import status
from mlguard.report import plan_text
from mlguard.report.verdict import Outcome
from tests.support import prepare, project, query

TABLE = """
create schema predictions;
create table predictions.churn (customer_id bigint, score double precision, as_of {type});
create index churn_moment on predictions.churn (as_of);
"""
SLO = """
mlguard: 1
table: predictions.churn
event_time: as_of
owner: platform-ml
slos:
  - {name: volume, check: row_count() >= 100, over: last 1 hour, on_violation: hold}
"""
ID = "predictions.churn/volume"
READ = "select count(*) from predictions.churn_guarded"


def guard(dsn: str, folder: Path, text: str = SLO, type_: str = "timestamptz") -> str:
    prepare(dsn, TABLE.format(type=type_))
    api.apply(project(folder, text), dsn)
    return text


def load(dsn: str, rows: int, age: str = "1 minute") -> None:
    prepare(
        dsn, f"insert into predictions.churn select n, 0.5, now() - interval '{age}' from generate_series(1, {rows}) n"
    )


def held(dsn: str, sql: str = READ) -> psycopg.errors.Diagnostic:
    with pytest.raises(psycopg.Error) as caught, psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.encode())
    assert caught.value.sqlstate == "ML001", caught.value
    return caught.value.diag


def counted(dsn: str, moment: str) -> tuple[object, ...]:
    (row,) = query(
        dsn,
        f"select n, to_char(since at time zone 'UTC', 'MM-DD HH24:MI') from mlguard.\"volume {ID}\"('{moment}')",
    )
    return row


def state(dsn: str) -> str:
    with psycopg.connect(dsn) as connection:
        (found,) = (found for found in status(connection).slos if found.slo == ID)
    assert found.health is Health.INSTALLED
    return found.state


def test_the_gate_closes_and_opens_by_the_readers_clock(db: str, tmp_path: Path) -> None:
    text = guard(db, tmp_path)
    said = held(db)
    assert said.message_primary == (
        "mlguard: predictions.churn has no rows of the last hour (as_of), wanted at least 100 (volume)"
    )
    load(db, 12)
    said = held(db)
    assert said.message_primary == (
        "mlguard: predictions.churn has 12 rows of the last hour (as_of), wanted at least 100 (volume)"
    )
    detail = json.loads(said.message_detail or "")
    assert (detail["slo"], detail["state"], detail["observed"], detail["allowed"]) == (ID, "thin", 12, "allowed >= 100")
    assert "Owner platform-ml" in (said.message_hint or "")
    assert query(db, "select state, why from mlguard.gate") == [
        ("closed", "predictions.churn has 12 rows of the last hour (as_of), wanted at least 100 (volume)")
    ]
    assert state(db) == "held"
    load(db, 87)
    assert "has 99 rows" in (held(db).message_primary or "")
    load(db, 1)
    assert query(db, READ) == [(100,)]
    assert query(db, "select state from mlguard.gate") == [("open",)]
    assert state(db) != "held"
    (verdict,) = api.check(project(tmp_path, text), db).verdicts
    assert (verdict.outcome, verdict.observed) == (Outcome.PASS, "at least 100 rows of the last hour")
    # Nothing is written, only time passes.
    prepare(db, "update predictions.churn set as_of = as_of - interval '50 minutes'")
    assert query(db, READ) == [(100,)]
    prepare(db, "update predictions.churn set as_of = as_of - interval '10 minutes'")
    assert "has no rows of the last hour" in (held(db).message_primary or "")
    (verdict,) = api.check(project(tmp_path, text), db).verdicts
    assert (verdict.outcome, verdict.observed, verdict.n) == (Outcome.FAIL, "no rows of the last hour", 0)


@pytest.mark.parametrize("age", ["-1 minute", "61 minutes", "infinity", "null"])
def test_what_does_not_count(db: str, tmp_path: Path, age: str) -> None:
    guard(db, tmp_path)
    load(db, 99)
    moment = {"infinity": "'infinity'", "null": "null"}.get(age, f"now() - interval '{age}'")
    prepare(db, f"insert into predictions.churn select n, 0.5, {moment} from generate_series(1, 500) n")
    assert "has 99 rows of the last hour" in (held(db).message_primary or "")
    load(db, 1)
    assert query(db, READ) == [(600,)]


def test_the_window_is_open_at_its_start_and_closed_at_its_end(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path)
    prepare(db, "insert into predictions.churn values (1, 0.5, '2026-02-01 12:00+00'), (2, 0.5, '2026-02-01 13:00+00')")
    assert counted(db, "2026-02-01 12:59:59.999999+00") == (1, "02-01 11:59")
    assert counted(db, "2026-02-01 13:00+00") == (1, "02-01 12:00")
    assert counted(db, "2026-02-01 13:59+00") == (1, "02-01 12:59")
    assert counted(db, "2026-02-01 14:00+00") == (0, "02-01 13:00")


def test_more_than(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, SLO.replace("row_count() >= 100", "2 < row_count()"))
    load(db, 2)
    said = held(db)
    assert "has 2 rows of the last hour (as_of), wanted at least 3" in (said.message_primary or "")
    load(db, 1)
    assert query(db, READ) == [(3,)]


def test_waived_off_and_resumed(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path)
    prepare(db, f"select mlguard.off('{ID}', '1 hour', 'holiday')")
    assert query(db, READ) == [(0,)]
    prepare(db, f"select mlguard.resume('{ID}', 'back')")
    held(db)


def test_sweep_tells_those_who_do_not_read(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path)
    load(db, 3)
    prepare(db, "select mlguard.sweep()")
    found = "outcome, over, n, observed, metrics, current, window_end - window_start"
    verdicts = f"select {found} from mlguard.verdict order by id"
    ((*first, length),) = query(db, verdicts)
    assert first == ["FAIL", "read", 3, "3 rows of the last hour", ["row_count()"], True]
    assert str(length) == "1:00:00"
    assert query(db, "select slo, state from mlguard.incident") == [(ID, "open")]
    prepare(db, "select mlguard.sweep()")
    assert query(db, "select count(*) from mlguard.verdict") == [(1,)]
    load(db, 100)
    prepare(db, "select mlguard.sweep()")
    assert [row[:3] for row in query(db, verdicts)] == [("FAIL", "read", 3), ("PASS", "read", 100)]
    assert query(db, "select slo, state from mlguard.incident") == [(ID, "resolved")]


def test_shadow_is_noted_and_holds_nobody(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, SLO.replace("on_violation: hold", "on_violation: hold, shadow: true"))
    assert query(db, READ) == [(0,)]
    prepare(db, "select mlguard.sweep()")
    assert query(db, "select outcome, reason from mlguard.verdict") == [("NOTED", "shadow")]


def test_reads_by_policy(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, SLO + "reads: policy\n")
    load(db, 99)
    with psycopg.connect(db, autocommit=True) as connection:
        connection.execute("grant usage on schema predictions to mlguard_task")
        connection.execute("grant select on predictions.churn to mlguard_task")
        connection.execute("set role mlguard_task")
        with pytest.raises(psycopg.Error, match="has 99 rows of the last hour"):
            connection.execute("select count(*) from predictions.churn")
        load(db, 1)
        assert connection.execute("select count(*) from predictions.churn").fetchone() == (100,)


def test_a_task_role_reads_the_view_but_calls_no_private_function(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path)
    load(db, 100)
    with psycopg.connect(db, autocommit=True) as connection:
        connection.execute("grant usage on schema predictions to mlguard_task")
        connection.execute("set role mlguard_task")
        assert connection.execute(READ.encode()).fetchone() == (100,)
        prepare(db, "delete from predictions.churn where customer_id > 7")
        with pytest.raises(psycopg.Error, match="has 7 rows of the last hour"):
            connection.execute(READ.encode())
        for call in (f'mlguard."volume {ID}"(now())', "mlguard._volume('{}', now())", "mlguard._volumes('a.b', now())"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select {call}".encode())


def test_it_needs_no_trigger_and_reads_in_a_read_only_transaction(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path)
    assert query(db, "select count(*) from pg_trigger where tgrelid = 'predictions.churn'::regclass") == [(0,)]
    read_only = "begin transaction read only; " + READ
    held(db, read_only)
    load(db, 100)
    prepare(db, read_only)


def test_open_reads_stop_at_the_number_that_is_wanted(db: str, tmp_path: Path) -> None:
    """A gate that is open costs as many index entries as it must see, however many there are."""
    guard(db, tmp_path)
    load(db, 20000, "1 minute")
    prepare(db, "analyze predictions.churn")
    explain = "explain (analyze, costs off, timing off, summary off, format json) " + READ
    with psycopg.connect(db) as connection:
        row = connection.execute(explain.encode()).fetchone()
    assert row is not None
    (scan,) = (node for node in nodes(row[0][0]["Plan"]) if node.get("Alias") == "v")
    assert scan["Node Type"] in ("Index Scan", "Index Only Scan")
    assert scan["Actual Rows"] == 100


def nodes(plan: dict[str, object]) -> list[dict[str, object]]:
    below = plan.get("Plans", [])
    assert isinstance(below, list)
    return [plan, *(found for child in below for found in nodes(child))]


def test_a_missing_index_is_told_by_plan_and_doctor(db: str, tmp_path: Path) -> None:
    prepare(db, TABLE.format(type="timestamptz"))
    files = project(tmp_path, SLO)
    with psycopg.connect(db) as connection:
        plan = plan_text.render(planner.make_plan(files, connection))
        assert "counts the rows of a window that slides with the reader's clock" in plan
        assert "create index" not in plan
        connection.execute("drop index predictions.churn_moment")
        assert 'create index concurrently on "predictions"."churn" ("as_of");' in plan_text.render(
            planner.make_plan(files, connection)
        )
        connection.rollback()
    api.apply(files, db)
    with psycopg.connect(db) as connection:
        assert "slo-index" not in {finding.name for finding in examine(connection)}
        connection.execute("drop index predictions.churn_moment")
        (found,) = (finding for finding in examine(connection) if finding.name == "slo-index")
    assert found.message.startswith("volume reads the whole table")
    assert found.fix == 'create index concurrently on "predictions"."churn" (as_of);'


def test_partitions(db: str, tmp_path: Path) -> None:
    between = f"'{datetime.now(UTC) - timedelta(minutes=30)}'"
    parted = f"""
    create schema predictions;
    create table predictions.churn (customer_id bigint, score double precision, as_of timestamptz)
      partition by range (as_of);
    create table predictions.past partition of predictions.churn for values from (minvalue) to ({between});
    create table predictions.present partition of predictions.churn for values from ({between}) to (maxvalue);
    create index on predictions.churn (as_of);
    """
    prepare(db, parted)
    api.apply(project(tmp_path, SLO), db)
    load(db, 60, "1 minute")
    load(db, 39, "45 minutes")
    assert "has 99 rows" in (held(db).message_primary or "")
    prepare(db, "insert into predictions.past values (1, 0.5, now() - interval '50 minutes')")
    assert query(db, READ) == [(100,)]


@pytest.mark.parametrize("type_", ["timestamp", "timestamptz"])
def test_hours_where_the_clock_changes(db: str, tmp_path: Path, type_: str) -> None:
    """Berlin, 25 October 2026: 02:30 comes twice, at 00:30 and at 01:30 UTC; a zoneless 02:30 is the second."""
    guard(db, tmp_path, SLO + "time_zone: Europe/Berlin\n", type_)
    zone = "at time zone 'Europe/Berlin'" if type_ == "timestamp" else ""
    for moment in ("2026-10-24 23:30+00", "2026-10-25 01:30+00", "2026-10-25 02:30+00"):
        prepare(db, f"insert into predictions.churn values (1, 0.5, timestamptz '{moment}' {zone})")
    assert counted(db, "2026-10-25 00:29+00")[0] == 1
    assert counted(db, "2026-10-25 00:45+00")[0] == 0
    assert counted(db, "2026-10-25 01:45+00")[0] == 1
    assert counted(db, "2026-10-25 02:29+00")[0] == 1
    assert counted(db, "2026-10-25 02:30+00")[0] == 1
    assert counted(db, "2026-10-25 03:30+00")[0] == 0


@pytest.mark.parametrize(("zone", "since"), [("Europe/Berlin", "10-24 10:00"), ("UTC", "10-24 11:00")])
def test_days_are_those_of_the_files_calendar(db: str, tmp_path: Path, zone: str, since: str) -> None:
    """The last day at noon in Berlin, after the night with an hour more, began at the noon before."""
    guard(db, tmp_path, SLO.replace("last 1 hour", "last 24 hours") + f"time_zone: {zone}\n")
    prepare(db, "insert into predictions.churn values (1, 0.5, '2026-10-24 10:30+00'), (1, 0.5, '2026-10-25 10:30+00')")
    for session in ("UTC", "America/New_York"):
        prepare(db, f"alter database \"{psycopg.conninfo.conninfo_to_dict(db)['dbname']}\" set timezone = '{session}'")
        assert counted(db, "2026-10-25 11:00+00") == (2 if zone != "UTC" else 1, since)
    assert "of the last day (as_of)" in (held(db).message_primary or "")


def test_dates(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, SLO.replace("last 1 hour", "last 2 days"), "date")
    prepare(db, "insert into predictions.churn select n, 0.5, date '2026-02-01' + n from generate_series(0, 5) n")
    assert counted(db, "2026-02-03 12:00+00")[0] == 2
    assert counted(db, "2026-02-03 00:00+00")[0] == 2
    assert counted(db, "2026-02-09 12:00+00")[0] == 0


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (("hold}", "hold, where: score > 0.5}"), "it says `where`"),
        (("hold}", "hold, by: customer_id}"), "it says `by`"),
        (("hold}", "hold, min_rows: 5}"), "it says `min_rows`"),
        (("hold}", "hold, reopen: same}"), "it says `reopen`"),
        (("event_time: as_of\n", ""), "the file names no event_time"),
        (("event_time: as_of", "event_time: as_of::timestamp"), "the event_time is no column"),
    ],
)
def test_what_readers_cannot_count_stays_with_the_sweep(
    db: str, tmp_path: Path, said: tuple[str, str], why: str
) -> None:
    guard(db, tmp_path, SLO.replace(*said))
    ((place, reason),) = query(db, f"select place, reason from mlguard.slo where id = '{ID}'")
    assert place == "window judgement"
    assert why in str(reason)
    assert query(db, READ) == [(0,)]


@pytest.mark.parametrize(
    "check", ["row_count() >= 100.5", "row_count() <= 100", "row_count() >= 0", "count(score) > 9"]
)
def test_other_checks_are_windows_as_before(db: str, tmp_path: Path, check: str) -> None:
    guard(db, tmp_path, SLO.replace("row_count() >= 100", check))
    ((place, reason),) = query(db, f"select place, reason from mlguard.slo where id = '{ID}'")
    assert place == "window judgement"
    assert "reader" not in str(reason)


def test_from_window_to_gate_and_back_and_gone(db: str, tmp_path: Path) -> None:
    """A hold that sweep() opened does not outlive the day on which readers took over."""
    folder = tmp_path
    guard(db, folder, SLO.replace("hold}", "hold, reopen: next}"))
    prepare(db, "update mlguard._slo set since = now() - interval '3 days'")
    load(db, 3, "2 hours")
    prepare(db, "select mlguard.sweep()")
    assert " is held since " in (held(db).message_primary or "")
    api.apply(project(folder, SLO), db)
    load(db, 100)
    prepare(db, "select mlguard.sweep()")
    assert query(db, READ) == [(103,)]
    assert query(db, "select count(*) from mlguard._hold where ended_at is null") == [(0,)]
    assert query(db, "select over, outcome from mlguard.verdict where current") == [("read", "PASS")]
    api.apply(project(folder, SLO.replace(">= 100", ">= 200")), db)
    assert "has 100 rows of the last hour (as_of), wanted at least 200" in (held(db).message_primary or "")
    api.apply(project(folder, SLO.replace("hold", "warn")), db)
    assert query(db, READ) == [(103,)]
    assert query(db, "select place from mlguard.slo where name = 'volume'") == [("window judgement",)]
    assert query(db, "select count(*) from pg_proc where proname like 'volume %'") == [(0,)]
    api.apply(project(folder, SLO), db)
    assert query(db, "select count(*) from pg_proc where proname like 'volume %'") == [(1,)]
    api.apply(project(folder, SLO.partition("slos:")[0] + "slos: [{name: adult, check: score >= 0}]\n"), db)
    assert query(db, "select count(*) from pg_proc where proname like 'volume %'") == [(0,)]
    assert query(db, READ) == [(103,)]


def test_beside_freshness_and_arrivals(db: str, tmp_path: Path) -> None:
    both = SLO + "  - {name: fresh, check: \"staleness() <= INTERVAL '26 hours'\"}\n"
    guard(db, tmp_path, both)
    load(db, 100, "2 hours")
    assert (held(db).message_primary or "").endswith("wanted at least 100 (volume)")
    load(db, 100)
    assert query(db, READ) == [(200,)]
    api.apply(project(tmp_path, both + "arrives_by: {value: '00:00 UTC', on_violation: hold}\n"), db)
    assert query(db, READ) == [(200,)]
    prepare(db, "delete from predictions.churn")
    detail = json.loads(held(db).message_detail or "")
    assert ID in detail["slos"]
    assert len(detail["slos"]) >= 2


def test_the_served_view_has_the_same_gate(db: str, tmp_path: Path) -> None:
    prepare(db, TABLE.format(type="timestamptz") + "alter table predictions.churn add model_version text default '1';")
    api.apply(project(tmp_path, SLO + "model: churn\nversion_column: model_version\n"), db)
    load(db, 99)
    served = "select count(*) from predictions.churn_served"
    assert "has 99 rows of the last hour" in (held(db, served).message_primary or "")
    load(db, 1)
    assert query(db, "select count(*) from mlguard.model_version where state = 'champion'") == [(0,)]
    assert query(db, served) == [(0,)]


def test_a_number_that_readers_would_count_long_is_told_by_plan(db: str, tmp_path: Path) -> None:
    prepare(db, TABLE.format(type="timestamptz"))
    with psycopg.connect(db) as connection:
        for number, told in ((9999, False), (10000, True)):
            files = project(tmp_path, SLO.replace("100", str(number)))
            plan = plan_text.render(planner.make_plan(files, connection))
            assert (f"every guarded read counts {number} rows first" in plan) is told


def test_held_features_are_seen_by_the_model_that_reads_them(db: str, tmp_path: Path) -> None:
    prepare(db, "create schema out; create table out.risk (customer_id bigint, score double precision)")
    project(
        tmp_path,
        "mlguard: 1\ntable: out.risk\nmodel: risk\nfeatures: [predictions.churn]\nwhen_features_held: reject\n",
        "risk.slo.yaml",
    )
    guard(db, tmp_path)
    with pytest.raises(psycopg.Error, match="has no rows of the last hour"):
        prepare(db, "insert into out.risk values (1, 0.5)")
    load(db, 100)
    prepare(db, "insert into out.risk values (1, 0.5)")
