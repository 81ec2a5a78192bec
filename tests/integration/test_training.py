"""<table>_training(ticket) with labels: feature time <= prediction time <= label time, and nothing of the future."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from mlguard import api
from tests.loop_example import one, sweep
from tests.support import prepare, query

SCHEMA = """
create schema features; create schema predictions; create schema labels;
create table features.customer (
  customer_id bigint, event_ts timestamptz, age integer, primary key (customer_id, event_ts));
create table predictions.churn (
  customer_id bigint, as_of timestamptz, score double precision, model_version text,
  primary key (customer_id, as_of));
create table labels.churn (
  customer_id bigint, as_of timestamptz, churned double precision, labelled_at timestamptz,
  primary key (customer_id, as_of));
"""
FEATURES = """
mlguard: 1
table: features.customer
key: [customer_id, event_ts]
event_time: event_ts
slos:
  - {name: age_coverage, check: coverage(age) >= 0.5, over: 1 day, min_rows: 1}
"""
PREDICTIONS = """
mlguard: 1
table: predictions.churn
model: churn
version_column: model_version
key: [customer_id, as_of]
event_time: as_of
features: [features.customer]
labels: {table: labels.churn, on: [customer_id, as_of], value: churned, event_time: labelled_at, mature_after: 3 days}
slos:
  - {name: mae, check: 'mae(score, label) <= 0.5', over: 1 day}
"""
READ = "select customer_id, customer_age, label from predictions.churn_training({ticket}) order by customer_id"


def at(text: str) -> str:
    """Return SQL for a time, as `5 days` ago."""
    return f"now() - interval '{text}'"


@pytest.fixture
def dsn(db: str, tmp_path: Path) -> str:
    prepare(db, SCHEMA)
    for name, text in {"features": FEATURES, "predictions": PREDICTIONS}.items():
        (tmp_path / f"{name}.slo.yaml").write_text(text, encoding="utf-8")
    api.apply(api.load(tmp_path), db)
    return db


def predict(dsn: str, customer: int, days: str) -> None:
    prepare(dsn, f"insert into predictions.churn values ({customer}, {at(days)}, 0.4, '1')")


def label(dsn: str, customer: int, days: str, value: float = 1, *, known: str) -> None:
    """Label the prediction of a customer that is so many days old; `known` is when the label was."""
    prepare(
        dsn,
        f"insert into labels.churn select customer_id, as_of, {value}, {at(known)} from predictions.churn"
        f" where customer_id = {customer} and as_of < {at(days)} + interval '1 hour'",
    )


def ticket(dsn: str) -> int:
    sweep(dsn)
    return int(one(dsn, "select mlguard.begin_training('churn')"))


def read(dsn: str, number: int) -> list[tuple[object, ...]]:
    return query(dsn, READ.format(ticket=number))


def test_features_are_as_old_as_the_prediction_or_older(dsn: str) -> None:
    prepare(
        dsn,
        f"insert into features.customer values (1, {at('12 days')}, 30), (1, {at('11 days')}, 31),"
        f" (1, {at('9 days')}, 99), (2, {at('9 days')}, 99)",
    )
    predict(dsn, 1, "10 days")
    predict(dsn, 2, "10 days")
    for customer in (1, 2):
        label(dsn, customer, "10 days", known="5 days")
    assert read(dsn, ticket(dsn)) == [(1, 31, 1.0), (2, None, 1.0)], "no row of a customer is of that time: no feature"


def test_a_feature_of_the_very_moment_is_known(dsn: str) -> None:
    prepare(dsn, f"insert into predictions.churn values (1, date_trunc('hour', {at('10 days')}), 0.4, '1')")
    prepare(dsn, "insert into features.customer select customer_id, as_of, 44 from predictions.churn")
    label(dsn, 1, "10 days", known="5 days")
    assert read(dsn, ticket(dsn)) == [(1, 44, 1.0)]


def test_labels_before_the_prediction_and_after_the_ticket_are_left_out(dsn: str) -> None:
    for customer, known in ((1, "5 days"), (2, "11 days"), (3, "-5 days")):
        predict(dsn, customer, "10 days")
        label(dsn, customer, "10 days", known=known)
    predict(dsn, 4, "10 days")  # has no label
    assert [row[0] for row in read(dsn, ticket(dsn))] == [1], "2 was known before it was predicted, 3 is of tomorrow"


def test_predictions_that_are_not_mature_wait(dsn: str) -> None:
    for customer, days in ((1, "4 days"), (2, "2 days")):
        predict(dsn, customer, days)
        label(dsn, customer, days, known="1 day")
    assert [row[0] for row in read(dsn, ticket(dsn))] == [1], "labels are final after 3 days"


def test_a_corrected_label_is_read_as_it_was_corrected_and_only_once_it_was_known(dsn: str) -> None:
    predict(dsn, 1, "10 days")
    label(dsn, 1, "10 days", 0, known="8 days")
    number = ticket(dsn)
    assert read(dsn, number) == [(1, None, 0.0)]
    prepare(dsn, "update labels.churn set churned = 1, labelled_at = clock_timestamp()")
    assert read(dsn, number) == [], "the correction came after the ticket, and what it replaced is not stored"
    assert read(dsn, ticket(dsn)) == [(1, None, 1.0)]


def test_only_predictions_of_the_window_of_the_ticket(dsn: str) -> None:
    for customer, days in ((1, "40 days"), (2, "10 days"), (3, "-1 days")):
        predict(dsn, customer, days)
        label(dsn, customer, days, known="30 days" if customer == 1 else "1 day" if customer == 2 else "-2 days")
    assert [row[0] for row in read(dsn, ticket(dsn))] == [2]
    older = one(dsn, f"select mlguard.begin_training('churn', {at('50 days')}, {at('20 days')})")
    assert [row[0] for row in read(dsn, int(older))] == [1]


def test_the_order_of_times_is_in_every_row(dsn: str) -> None:
    prepare(
        dsn,
        "insert into features.customer select k % 40, now() - k * interval '2 hours', 30"
        " from generate_series(1, 300) k;"
        "insert into predictions.churn select k % 40, now() - k * interval '3 hours', 0.4, '1'"
        " from generate_series(1, 200) k;"
        "insert into labels.churn select customer_id, as_of, 1, as_of + (customer_id - 10) * interval '6 hours'"
        " from predictions.churn",
    )
    number = ticket(dsn)
    rows = query(
        dsn,
        "select count(*), bool_and(coalesce(customer_event_ts <= as_of, true) and as_of <= label_time),"
        f" bool_and(label_time <= (select at from mlguard.training_ticket where id = {number})),"
        f" bool_and(as_of <= (select at - interval '3 days' from mlguard.training_ticket where id = {number}))"
        f" from predictions.churn_training({number})",
    )
    expected = query(
        dsn,
        "select count(*) from predictions.churn p join labels.churn l using (customer_id, as_of)"
        f" join mlguard.training_ticket t on t.id = {number}"
        " where p.as_of between t.from_at and t.at - interval '3 days' and l.labelled_at between p.as_of and t.at",
    )
    assert rows == [(expected[0][0], True, True, True)]
    assert int(str(expected[0][0])) > 50


def test_rows_in_quarantine_are_not_read(dsn: str, tmp_path: Path) -> None:
    text = FEATURES + "  - {name: young, check: age < 130, on_violation: quarantine}\n"
    (tmp_path / "features.slo.yaml").write_text(text, encoding="utf-8")
    api.apply(api.load(tmp_path), dsn)
    prepare(dsn, f"insert into features.customer values (1, {at('12 days')}, 30), (1, {at('11 days')}, 500)")
    predict(dsn, 1, "10 days")
    label(dsn, 1, "10 days", known="5 days")
    assert read(dsn, ticket(dsn)) == [(1, 30, 1.0)]


def test_a_ticket_of_another_model_or_none_opens_nothing(dsn: str) -> None:
    for wrong in ("null", "77"):
        with pytest.raises(psycopg.Error, match="is no training ticket of model churn") as caught:
            query(dsn, READ.format(ticket=wrong))
        assert caught.value.sqlstate == "ML002"


def test_a_label_that_is_null_or_cannot_be_computed_has_not_arrived(db: str, tmp_path: Path) -> None:
    prepare(db, SCHEMA)
    said = PREDICTIONS.replace("value: churned", "value: 1 / churned")
    for name, text in {"features": FEATURES, "predictions": said}.items():
        (tmp_path / f"{name}.slo.yaml").write_text(text, encoding="utf-8")
    api.apply(api.load(tmp_path), db)
    for customer in (1, 2, 3):
        predict(db, customer, "10 days")
    label(db, 1, "10 days", 2, known="5 days")
    label(db, 2, "10 days", 0, known="5 days")
    prepare(db, f"insert into labels.churn select 3, as_of, null, {at('5 days')} from predictions.churn limit 1")
    prepare(
        db, "update labels.churn l set as_of = p.as_of from predictions.churn p where p.customer_id = l.customer_id"
    )
    assert read(db, ticket(db)) == [(1, None, 0.5)]


def test_a_prediction_table_with_a_label_time_of_its_own(db: str, tmp_path: Path) -> None:
    prepare(db, SCHEMA)
    prepare(db, "alter table predictions.churn add label_time timestamptz")
    for name, text in {"features": FEATURES, "predictions": PREDICTIONS}.items():
        (tmp_path / f"{name}.slo.yaml").write_text(text, encoding="utf-8")
    api.apply(api.load(tmp_path), db)
    predict(db, 1, "10 days")
    label(db, 1, "10 days", known="5 days")
    number = ticket(db)
    found = query(db, f"select label_time, churn_label_time is not null from predictions.churn_training({number})")
    assert found == [(None, True)]


def test_labels_that_are_held_open_nothing(dsn: str, tmp_path: Path) -> None:
    said = """
mlguard: 1
table: labels.churn
key: [customer_id, as_of]
event_time: as_of
slos:
  - {name: known, check: coverage(churned) >= 0.9, over: batch, on_violation: hold, min_rows: 1}
"""
    (tmp_path / "labels.slo.yaml").write_text(said, encoding="utf-8")
    api.apply(api.load(tmp_path), dsn)
    predict(dsn, 1, "10 days")
    prepare(dsn, f"insert into labels.churn select customer_id, as_of, null, {at('5 days')} from predictions.churn")
    sweep(dsn)
    with pytest.raises(psycopg.Error, match=r"must not be trained now: labels\.churn is held since") as caught:
        one(dsn, "select mlguard.begin_training('churn')")
    assert caught.value.sqlstate == "ML002"
    prepare(dsn, "update labels.churn set churned = 1")
    number = ticket(dsn)
    inputs = one(dsn, f"select inputs from mlguard.training_ticket where id = {number}")
    assert set(inputs) == {"features.customer", "labels.churn", "predictions.churn"}
