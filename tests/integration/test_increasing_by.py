"""`increasing_by` on real servers: what is a fall, what is left out, which rows are read, and two writers at once."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from mlguard import api, planner
from mlguard.doctor import examine
from mlguard.errors import PlanError, SpecError
from mlguard.operate.status import status
from mlguard.report import plan_text
from mlguard.report.verdict import Outcome
from tests.integration.test_assertions_concurrent import LEVELS, REFUSALS, commit, session
from tests.support import prepare, project, query

TABLE = """
create schema features;
create table features.customer (
  customer_id integer, event_ts timestamptz, tenure_days double precision, plan text
);
create index customer_moment on features.customer (customer_id, event_ts);
"""
SLO = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
reads: none
columns:
  tenure_days: {increasing_by: [customer_id]}
"""


def guard(dsn: str, folder: Path, text: str = SLO, tables: str = TABLE) -> None:
    prepare(dsn, tables)
    api.apply(project(folder, text), dsn)


Row = tuple[int | None, str | None, float | None]


def put(connection: psycopg.Connection[tuple[object, ...]], *rows: Row) -> None:
    """Write rows (customer, day of November, value)."""
    for customer, day, value in rows:
        moment = None if day is None else f"2026-11-{day}"
        connection.execute("insert into features.customer values (%s, %s, %s)", (customer, moment, value))


def write(dsn: str, *rows: Row) -> None:
    """Write rows as one transaction."""
    with psycopg.connect(dsn) as connection:
        put(connection, *rows)


def refused(dsn: str, *rows: Row, then: str = "select") -> psycopg.errors.CheckViolation:
    """Write rows, or run a statement, as one transaction that must be refused at COMMIT; return the error."""
    with psycopg.connect(dsn) as connection:
        put(connection, *rows)
        connection.execute(then.encode())
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            connection.commit()
    return caught.value


def test_a_fall_is_refused_with_the_row_in_detail(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path)
    write(db, (7, "01", 40), (8, "01", 90))
    error = refused(db, (7, "02", 31))
    said = error.diag.message_primary or ""
    assert said.startswith(
        "mlguard: features.customer/tenure_days.increasing_by: tenure_days falls from 40 to 31 at 2026-11-02 "
    )
    assert said.endswith("(customer_id 7); COMMIT refused, nothing was stored")
    detail = json.loads(error.diag.message_detail or "")
    assert detail["allowed"] == "tenure_days must not fall within customer_id in order of event_ts"
    (row,) = detail["sample"]
    assert (row["customer_id"], row["tenure_days"], row["tenure_days_before"]) == (7, 31, 40)
    assert query(db, "select count(*) from features.customer") == [(2,)]


@pytest.mark.parametrize(
    "rows",
    [
        [(7, "02", 40)],  # standing still is no fall
        [(7, "02", 41), (7, "03", 41)],
        [(7, "01", 39)],  # of the same moment: no order
        [(7, "02", None), (7, "03", 40)],
        [(7, "02", float("nan")), (7, "03", 40)],
        [(None, "02", 1)],  # of no entity
        [(7, None, 1)],  # of no moment
        [(9, "02", 1)],
    ],
)
def test_what_is_no_fall(db: str, tmp_path: Path, rows: list[Row]) -> None:
    guard(db, tmp_path)
    write(db, (7, "01", 40))
    write(db, *rows)


@pytest.mark.parametrize(
    "rows",
    [
        [(7, "02", 39)],
        [(7, "02", None), (7, "03", 39)],  # a missing value hides no fall
        [(7, "02", float("nan")), (7, "03", 39)],
        [(6, "30", 0), (7, "01", 50), (7, "02", 49)],  # the greatest of the moment before
        [(8, "02", 5), (8, "03", 4)],  # within one transaction
    ],
)
def test_what_is_a_fall(db: str, tmp_path: Path, rows: list[Row]) -> None:
    guard(db, tmp_path)
    write(db, (7, "01", 40))
    refused(db, *rows)


def test_a_late_row_is_judged_against_both_neighbours(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path)
    write(db, (7, "01", 40), (7, "10", 50))
    refused(db, (7, "05", 39))
    refused(db, (7, "05", 51))
    write(db, (7, "05", 45))


def test_updates_and_moves_between_entities(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path)
    write(db, (7, "01", 40), (7, "10", 50), (8, "05", 10))
    for change in (
        "set tenure_days = 60 where event_ts = '2026-11-01'",
        "set event_ts = '2026-11-11' where event_ts = '2026-11-01'",
        "set customer_id = 7 where customer_id = 8",
    ):
        refused(db, then=f"update features.customer {change}")
    # The row between the two goes: what was 40, 45, 50 stays in order.
    with psycopg.connect(db) as connection:
        connection.execute("delete from features.customer where customer_id = 8")


def test_only_the_touched_entities_rows_are_read(db: str, tmp_path: Path) -> None:
    """The judge reads by the index: a stored fall elsewhere is not met, and no sequential scan is counted."""
    guard(db, tmp_path, f"{SLO}existing: allow\n")
    rows = "select g % 500, timestamptz '2026-01-01' + g * interval '1 minute', g from generate_series(1, 50000) as g"
    with psycopg.connect(db, autocommit=True) as connection:
        connection.execute(f"insert into features.customer {rows}")
        connection.execute("analyze features.customer")
        connection.execute("select mlguard.try_assertion_v1('features.customer/tenure_days.increasing_by')")
        (view,) = connection.execute("select relation from mlguard._assertion").fetchone() or ("",)
        plan = connection.execute(
            f"explain (format json) select * from mlguard.{view} where customer_id = any ('{{1, 2}}'::int8[])"
        ).fetchone()
    assert plan is not None
    assert "Seq Scan" not in json.dumps(plan[0])
    assert "customer_moment" in json.dumps(plan[0])


def test_plan_names_the_index_that_lacks(db: str, tmp_path: Path) -> None:
    prepare(db, TABLE + "drop index features.customer_moment;")
    with psycopg.connect(db) as connection:
        notes = plan_text.render(planner.make_plan(project(tmp_path, SLO), connection))
    assert "no index of features.customer begins with customer_id" in notes
    assert 'create index concurrently on "features"."customer" ("customer_id", "event_ts");' in notes
    query_index = TABLE.replace("create schema features;", "drop schema features cascade; create schema features;")
    prepare(db, query_index)
    with psycopg.connect(db) as connection:
        assert "no index" not in plan_text.render(planner.make_plan(project(tmp_path, SLO), connection))


def test_a_partitioned_table_and_a_partition_alone(db: str, tmp_path: Path) -> None:
    parted = """
create schema features;
create table features.customer (customer_id integer, event_ts timestamptz, tenure_days double precision, plan text)
  partition by range (event_ts);
create table features.early partition of features.customer for values from (minvalue) to ('2026-11-05 00:00+00');
create table features.later partition of features.customer for values from ('2026-11-05 00:00+00') to (maxvalue);
create index customer_moment on features.customer (customer_id, event_ts);
"""
    guard(db, tmp_path, tables=parted)
    write(db, (7, "01", 40))
    refused(db, (7, "10", 39))
    refused(db, then="insert into features.later values (7, '2026-11-10', 39)")
    (tmp_path / "alone").mkdir()
    alone = project(tmp_path / "alone", SLO.replace("table: features.customer", "table: features.early"))
    with psycopg.connect(db) as connection, pytest.raises(SpecError) as caught:
        planner.make_plan(alone, connection)
    assert "is a part of features.customer" in str(caught.value.problems[0].message)


def test_doctor_names_it_too(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path)
    with psycopg.connect(db) as connection:
        assert "slo-index" not in {finding.name for finding in examine(connection)}
        connection.execute("drop index features.customer_moment")
        (found,) = (finding for finding in examine(connection) if finding.name == "slo-index")
    assert found.message.startswith("tenure_days.increasing_by reads the whole table")
    assert found.fix == 'create index concurrently on "features"."customer" (customer_id, event_ts);'


def test_hold_warn_status_and_check(db: str, tmp_path: Path) -> None:
    text = SLO.replace("increasing_by: [customer_id]", "increasing_by: {columns: [customer_id], on_violation: hold}")
    guard(db, tmp_path, text.replace("reads: none\n", ""))
    write(db, (7, "01", 40), (7, "02", 31))
    with pytest.raises(psycopg.Error) as caught, psycopg.connect(db) as connection:
        connection.execute("select * from features.customer_guarded")
    assert caught.value.sqlstate == "ML001"
    with psycopg.connect(db) as connection:
        (found,) = (slo for slo in status(connection).slos if slo.slo.endswith("increasing_by"))
        assert (found.slo, found.state) == ("features.customer/tenure_days.increasing_by", "held")
    (verdict,) = api.check(project(tmp_path, text), db).verdicts
    assert (verdict.outcome, verdict.bad, verdict.column) == (Outcome.FAIL, 1, "tenure_days")
    assert verdict.observed.startswith("tenure_days falls from 40 to 31 at ")
    with psycopg.connect(db) as connection:
        connection.execute("update features.customer set tenure_days = 41 where event_ts = '2026-11-02'")
    assert len(query(db, "select * from features.customer_guarded")) == 2


def test_stored_falls_stop_apply_and_remove_leaves_nothing(db: str, tmp_path: Path) -> None:
    prepare(db, TABLE)
    write(db, (7, "01", 40), (7, "02", 31))
    with pytest.raises(PlanError, match="increasing_by"):
        api.apply(project(tmp_path, SLO), db)
    with psycopg.connect(db) as connection:
        connection.execute("delete from features.customer where event_ts = '2026-11-02'")
    api.apply(project(tmp_path, SLO), db)
    changed = project(tmp_path, SLO.replace("[customer_id]", "[customer_id, plan]"))
    api.apply(changed, db)
    write(db, (7, "02", 31))  # another entity: its plan is NULL, so it is of none
    api.remove(["features.customer"], db)
    assert query(db, "select count(*) from pg_trigger where tgname like 'zz_mlguard%%'") == [(0,)]
    write(db, (7, "03", 1))


def test_values_of_a_pii_column_are_not_shown(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, SLO.replace("tenure_days: {", "tenure_days: {pii: true, "))
    error = refused(db, (7, "01", 4711), (7, "02", 3113))
    for text in (error.diag.message_primary, error.diag.message_detail, error.diag.context, error.diag.message_hint):
        assert "4711" not in (text or "")
        assert "3113" not in (text or "")


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_two_writers_cannot_each_leave_half_of_a_fall(db: str, tmp_path: Path, level: psycopg.IsolationLevel) -> None:
    """Each row alone keeps to 40; of 50 on the 2nd and 45 on the 3rd one must be refused, whoever is first."""
    guard(db, tmp_path)
    write(db, (7, "01", 40))
    with session(db, level) as one, session(db, level) as two:
        one.execute("insert into features.customer values (7, '2026-11-02', 50)")
        two.execute("insert into features.customer values (7, '2026-11-03', 45)")
        with ThreadPoolExecutor(2) as pool:
            ends = list(pool.map(commit, (one, two)))
    assert Counter(ends)["done"] == 1
    assert set(ends) <= {"done", *REFUSALS}
    assert query(db, "select count(*) from features.customer") == [(2,)]
