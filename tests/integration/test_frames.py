"""The Python interface: frames in and out, reports, and every kind of target."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import psycopg
import pytest
import sqlalchemy

import mlguard
from tests.support import prepare, project, query

TEXT = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
columns:
  age: {type: integer, range: {between: [0, 130], on_violation: quarantine}}
  plan: {type: text, in: [free, pro]}
  tenure_days: {type: double precision, range: {between: [0, 10], on_violation: repair, repair: {clamp: [0, 10]}}}
slos:
  - {name: fresh, check: staleness() <= INTERVAL '1 day'}
"""


@pytest.fixture
def table(pg: str, tmp_path: Path) -> str:
    prepare(pg)
    mlguard.apply(project(tmp_path, TEXT), pg)
    return pg


def frame(**columns: object) -> pd.DataFrame:
    base = {"customer_id": [1, 2, 3], "age": [30, -4, 40], "plan": ["free", "pro", None]}
    base |= {"tenure_days": [1.5, 2.0, 99.0], "event_ts": [pd.Timestamp.now(tz="UTC")] * 3}
    return pd.DataFrame({**base, **columns})


def test_load_and_read(table: str) -> None:
    result = mlguard.load(frame(), "features.customer", table)
    assert (result.stored, result.quarantined, result.repaired) == (2, 1, 1)
    assert result.warnings[0].startswith("mlguard: 1 of 3 rows kept out of features.customer (age.range 1)")
    back = mlguard.read("features.customer", table)
    assert sorted(back["customer_id"]) == [1, 3]
    assert sorted(back["tenure_days"]) == [1.5, 10.0]


def test_a_refused_load_stores_nothing_and_says_why(table: str) -> None:
    with pytest.raises(mlguard.SloViolation) as caught:
        mlguard.load(frame(plan=["free", "pro", "gold"]), "features.customer", table)
    assert caught.value.slo == "features.customer/plan.in"
    assert caught.value.column == "plan"
    assert query(table, "select count(*) from features.customer") == [(0,)]


def test_a_held_table_cannot_be_read(table: str) -> None:
    with pytest.raises(mlguard.ReadHeld) as caught:
        mlguard.read("features.customer", table)
    assert caught.value.slo == "features.customer/fresh"


def test_a_column_the_table_lacks_is_named(table: str) -> None:
    with pytest.raises(mlguard.PlanError, match="no column wrong"):
        mlguard.load(frame(wrong=[1, 2, 3]), "features.customer", table)


def test_every_kind_of_target(table: str, tmp_path: Path) -> None:
    loaded = project(tmp_path, TEXT)
    mlguard.load(frame(), "features.customer", table)
    engine = sqlalchemy.create_engine(table.replace("postgresql://", "postgresql+psycopg://"))
    with psycopg.connect(table, row_factory=psycopg.rows.dict_row) as connection:
        for target in (table, connection, engine):
            assert mlguard.plan(loaded, target).empty
            assert mlguard.check(loaded, target).holds
            assert len(mlguard.read("features.customer", target)) == 2
    engine.dispose()


def test_report(table: str, tmp_path: Path) -> None:
    loaded = project(tmp_path, TEXT)
    report = mlguard.check(loaded, table)
    assert not report.holds
    assert list(report.failures["slo"]) == ["features.customer/fresh"]
    assert "features.customer/fresh" in report._repr_html_()
    with pytest.raises(mlguard.SloViolation):
        report.raise_for_violation()


def test_sqlalchemy_errors_become_violations(table: str) -> None:
    engine = sqlalchemy.create_engine(table.replace("postgresql://", "postgresql+psycopg://"))
    with pytest.raises(mlguard.WriteRefused) as caught, mlguard.violations(), engine.begin() as connection:
        connection.execute(sqlalchemy.text("insert into features.customer (customer_id, plan) values (1, 'gold')"))
    assert isinstance(caught.value.__cause__, sqlalchemy.exc.IntegrityError)
    assert caught.value.slo == "features.customer/plan.in"
    engine.dispose()
