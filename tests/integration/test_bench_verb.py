"""mlguard bench: every object measured, nothing left behind, no lock held or waited for."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from mlguard import api, planner
from mlguard.errors import ApplyError, PlanError
from mlguard.operate.bench import bench
from mlguard.report import bench_text
from tests.support import CUSTOMER, prepare, project, query

SLOS = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
columns:
  age: {range: {between: [0, 130], on_violation: quarantine}}
  plan: {in: [free, pro]}
  tenure_days: {range: [0, null]}
slos:
  - {name: mean_age, check: mean(age) < 100, over: batch}
  - {name: one_plan, assert: SELECT customer_id FROM features.customer WHERE plan = 'none'}
"""
ROWS = """
insert into features.customer
select n, 30 + n % 40, 'free', n, null, now() from generate_series(1, 300) n
"""


def traces(dsn: str) -> dict[str, int]:
    """Return how many rows each table has, of mlguard's and the guarded one."""
    found = (
        "select c.oid::regclass::text from pg_class c"
        " where c.relnamespace = 'mlguard'::regnamespace and c.relkind = 'r'"
    )
    with psycopg.connect(dsn, autocommit=True) as connection:
        names = [str(name) for (name,) in connection.execute(found).fetchall()]
        counts = {}
        for name in (*names, "features.customer"):
            row = connection.execute(f"select count(*) from {name}".encode()).fetchone()
            counts[name] = int(row[0]) if row else -1
    return counts


@pytest.fixture
def measured(db: str, tmp_path: Path) -> str:
    prepare(db, CUSTOMER)
    api.apply(project(tmp_path, SLOS), db)
    prepare(db, ROWS)
    return db


def test_every_object_is_measured_and_nothing_stays(measured: str, tmp_path: Path) -> None:
    before = traces(measured)
    with psycopg.connect(measured, autocommit=True) as connection:
        program = next(iter(planner.program(api.load(tmp_path / "slos"), connection).tables.values()))
        connection.execute("create temp table mine (x int)")
        found = bench(connection, "features.customer", program=program, rows=200, rounds=2)
        assert connection.execute(
            "select relname from pg_class where relnamespace = pg_my_temp_schema() and relkind = 'r'"
        ).fetchall() == [("mine",)]
    assert (found.rows, found.rounds) == (200, 2)
    names = {cost.name: cost for cost in found.objects}
    assert names["mlguard_plan.in"].slos == ("features.customer/plan.in",)
    assert "features.customer/age.range" in names["zz_mlguard_before_row"].slos
    assert "zz_mlguard_after_rows_insert" in names
    assert {cost.slo.partition("/")[2] for cost in found.rules} == {"age.range", "plan.in", "tenure_days.range"}
    assert found.whole.row > found.plain.row > 0
    assert names["zz_mlguard_after_rows_insert"].statement > 0
    assert [why for name, why in found.skipped if "assertion" in name] == [
        "judges an assertion, whose lock would make other COMMITs wait"
    ]
    assert found.own_bytes > 100_000
    assert traces(measured) == before
    assert json.loads(bench_text.to_json(found))["ratio"] == found.ratio
    assert "ratio" in bench_text.render(found)


def test_no_lock_on_the_table_is_held_while_it_is_measured(measured: str) -> None:
    locked: list[object] = []

    def look(what: str, done: int, total: int) -> None:
        locked.extend(
            query(measured, "select mode from pg_locks where relation = 'features.customer'::regclass and granted")
        )

    with psycopg.connect(measured, autocommit=True) as connection:
        bench(connection, "features.customer", rows=10, rounds=1, progress=look)
    assert locked == []


def test_a_locked_table_is_not_waited_for_long(measured: str) -> None:
    with psycopg.connect(measured) as other, psycopg.connect(measured, autocommit=True) as connection:
        other.execute("lock table features.customer in access exclusive mode")
        with pytest.raises(ApplyError, match=r"locked by another session for longer than 0\.1 s"):
            bench(connection, "features.customer", lock_timeout=0.1)
        assert connection.execute("select pg_my_temp_schema() = 0 or true").fetchone() == (True,)


def test_what_cannot_be_measured(measured: str) -> None:
    prepare(measured, "delete from features.customer")
    with psycopg.connect(measured, autocommit=True) as connection:
        with pytest.raises(PlanError, match="has no rows to write again"):
            bench(connection, "features.customer")
        with pytest.raises(PlanError, match="is not guarded here"):
            bench(connection, "features.other")


def test_hostile_names(guarded_db: str, tmp_path: Path) -> None:
    table, column = 'a%s "b" ON x', 'c%d\n"e"'
    quoted = [name.replace('"', '""') for name in (table, column)]
    prepare(guarded_db, f'create schema s; create table s."{quoted[0]}" (k bigint primary key, "{quoted[1]}" int)')
    text = (
        f"mlguard: 1\ntable: {json.dumps('s.' + table)}\nkey: [k]\n"
        f"columns: {{{json.dumps(column)}: {{range: {{between: [0, 9], on_violation: quarantine}}}}}}\n"
    )
    api.apply(project(tmp_path, text), guarded_db)
    prepare(guarded_db, f'insert into s."{quoted[0]}" values (1, 2)')
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        found = bench(connection, f"s.{table}", rounds=1)
    assert {cost.name for cost in found.objects} >= {"zz_mlguard_before_row"}
