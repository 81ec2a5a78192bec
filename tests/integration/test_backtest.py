"""Replays of stored history: which alarms, how many right, and nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from mlguard import api
from mlguard.cli import cli
from mlguard.errors import PlanError
from mlguard.operate.backtest import backtest
from mlguard.report import backtest_text
from tests import support
from tests.runtime_example import rows, session, value

FIRST = datetime(2026, 1, 5, tzinfo=UTC)
DAYS, FAULT = 40, 30
FILE = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
owner: platform-ml
columns:
  age: {type: integer, usual: all}
  email: {type: text, pii: true}
slos:
  - name: coverage
    check: coverage(age) >= 0.75
  - name: batch_size
    check: row_count() >= 50
    over: batch
  - name: plans
    check: psi(plan) <= 0.2
    baseline: trailing 7 days
"""
PLAIN = "\n".join(
    line for line in FILE.splitlines() if "psi" not in line and "plans" not in line and "trailing" not in line
)


def fill(connection: psycopg.Connection[Any], days: int = DAYS, fault: int | None = FAULT) -> None:
    """Write a batch a day; on one day most ages are missing."""
    for day in range(days):
        connection.execute(
            "insert into features.customer (customer_id, age, plan, tenure_days, email, event_ts)"
            " select %(day)s * 1000 + g, case when not %(fault)s or g %% 10 = 0 then 20 + g %% 40 end,"
            " (array['free', 'pro'])[1 + (g %% 3 = 0)::int], g %% 17, 'secret-' || g || '@x.org', %(at)s"
            " from generate_series(1, %(n)s) g",
            {"day": day, "fault": day == fault, "at": FIRST + timedelta(days=day, hours=1), "n": 100 + day % 5},
        )


@contextmanager
def guarded(dsn: str, folder: Path, text: str = PLAIN) -> Iterator[tuple[psycopg.Connection[Any], Any]]:
    """A guarded table with history, and its project."""
    support.prepare(dsn)
    project = support.project(folder, text)
    api.apply(project, dsn)
    with session(dsn) as connection:
        connection.execute("update mlguard._slo set since = %s", (FIRST,))
        fill(connection)
        yield connection, project


def contents(connection: psycopg.Connection[Any]) -> dict[str, tuple[int, str]]:
    """Return rows and a digest of every table of mlguard and of features."""
    names = rows(
        connection,
        "select c.oid::regclass::text from pg_class c where c.relkind = 'r'"
        " and c.relnamespace in ('mlguard'::regnamespace, 'features'::regnamespace) order by 1",
    )
    return {
        name: connection.execute(
            f"select count(*), md5(coalesce(string_agg(t::text, ',' order by t::text), '')) from {name} t".encode()
        ).fetchone()  # type: ignore[misc]
        for (name,) in names
    }


def test_it_finds_the_fault_and_leaves_everything_as_it_was(pg18: str, tmp_path: Path) -> None:
    with guarded(pg18, tmp_path) as (connection, project):
        connection.execute("select mlguard.sweep(%s)", (FIRST + timedelta(days=20),))
        before = contents(connection)
        functions = rows(connection, "select oid, proname, prosrc from pg_proc order by oid")
        found = backtest(connection, project, until=FIRST + timedelta(days=DAYS))
        assert contents(connection) == before
        assert rows(connection, "select oid, proname, prosrc from pg_proc order by oid") == functions
    assert found.windows == DAYS
    assert (found.start, found.end) == (FIRST, FIRST + timedelta(days=DAYS))
    alarm, *rest = found.alarms
    assert rest == []
    assert alarm.start == FIRST + timedelta(days=FAULT)
    assert {alarm.slo, *alarm.others} == {"features.customer/coverage", "features.customer/age.usual"}
    counts = {slo.slo.partition("/")[2]: (slo.judged, slo.failed) for slo in found.slos}
    assert counts["coverage"] == (DAYS, 1)
    assert counts["batch_size"] == (DAYS, 0)
    assert found.precision is None
    assert found.per_month == pytest.approx(1 / (DAYS / (365.25 / 12)))


def test_proposed_files_are_judged_not_those_in_force(pg18: str, tmp_path: Path) -> None:
    with guarded(pg18, tmp_path) as (connection, _):
        proposed = support.project(tmp_path, PLAIN.replace(">= 0.75", ">= 0.05").replace(", usual: all", ""))
        assert backtest(connection, proposed).alarms == ()
        assert (
            value(connection, "select check_text from mlguard.slo where name = 'coverage'") == "coverage(age) >= 0.75"
        )


def test_labels_give_precision_and_recall(pg18: str, tmp_path: Path) -> None:
    with guarded(pg18, tmp_path) as (connection, project):
        connection.execute("select mlguard.sweep(%s)", (FIRST + timedelta(days=DAYS),))
        [(incident,)] = rows(
            connection, "select id from mlguard.incident where cause is null and label is null limit 1"
        )
        connection.execute("select mlguard.label(%s, 'true', 'the feed was cut')", (incident,))
        found = backtest(connection, project)
    assert found.precision == 1.0
    assert found.recall == 1.0
    assert "precision 100% of those judged" in backtest_text.render(found)


def test_partitions_of_parquet_files_are_replayed_in_a_server_of_their_own(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as engine:
        engine.execute("set timezone = 'UTC'")
        for month in ("01", "02"):
            engine.execute(
                "copy (select d * 1000 + g as customer_id, case when d <> 30 or g % 10 = 0 then 20 + g % 40 end as age,"
                " 'free' as plan, 'secret-' || g as email,"
                " timestamp '2026-01-05 01:00' + d * interval 1 day as event_ts"
                " from range(40) as days(d), range(100) as places(g)"
                f" where strftime(timestamp '2026-01-05' + d * interval 1 day, '%m') = '{month}')"
                f" to '{tmp_path}/{month}.parquet' (format parquet)"
            )
    slos = support.write(tmp_path, PLAIN)
    done = CliRunner().invoke(
        cli,
        ["backtest", "--slos", str(slos), "--data", f"features.customer={tmp_path}/*.parquet"],
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.output
    assert "40 windows, 2026-01-05 to 2026-02-13: 1 alarm" in done.output
    assert "2026-02-04" in done.output
    assert "secret-" not in done.output


def test_no_value_of_personal_data_is_told(pg18: str, tmp_path: Path) -> None:
    with guarded(pg18, tmp_path) as (connection, project):
        found = backtest(connection, project)
    assert "secret-" not in backtest_text.render(found) + backtest_text.to_json(found)


def test_row_rules_alone_are_nothing_to_replay(pg18: str, tmp_path: Path) -> None:
    support.prepare(pg18)
    project = support.project(
        tmp_path,
        "mlguard: 1\ntable: features.customer\nkey: [customer_id]\nowner: a\ncolumns:\n  age: {range: [0, 130]}\n",
    )
    api.apply(project, pg18)
    with session(pg18) as connection, pytest.raises(PlanError, match="nothing to replay"):
        backtest(connection, project)
