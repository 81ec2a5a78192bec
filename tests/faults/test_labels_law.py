"""The sum of states of labels equals a recount, whatever is written in which order, by one session or by many."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import psycopg
import pytest

from tests import labels_example
from tests.labels_example import ATTRIBUTES, HEAD, Connection

SLOS = """
slos:
  - {name: errors, check: 'mae(score, label) >= 0', by: model_version, over: 7 days}
  - {name: classes, check: 'f1(score >= 0.5, label) >= 0 and auc(score, label) >= 0', over: 1 day}
  - {name: calibration, check: 'calibration_error(score, label) >= 0 and brier(score, label) >= 0', over: 1 day}
  - {name: own_groups, check: 'error_ratio(score, label, grp) > 0 and parity_gap(score > 0.3, grp) >= 0', over: 1 day}
  - {name: coverage, check: label_coverage() >= 0, over: 1 day, by: grp}
"""
WITH_ATTRIBUTES = """
  - {name: groups, check: 'parity_gap(score > 0.3, gender) >= 0', over: 1 day}
  - {name: opportunity, check: 'equal_opportunity_gap(score > 0.3, label, gender) >= 0', over: 1 day}
  - {name: split, check: 'mean(score) >= 0', by: gender}
"""
PREDICTED = (
    "select i, '2026-01-01 12:00+00'::timestamptz + (i % 5) * interval '1 day', 'v' || (i % 2),"
    " case when random() < 0.05 then 'NaN' else round(random()::numeric, 2)::float8 end, 'g' || (i % 3)"
)
UPSERT = "on conflict (customer_id, as_of) do update"
KNOWN = "select i, '2026-01-01 12:00+00'::timestamptz + (i % 5) * interval '1 day'"
STATEMENTS = (
    f"insert into predictions.churn {PREDICTED} from {{ids}} {UPSERT} set score = excluded.score",
    f"insert into predictions.churn {PREDICTED} from {{ids}} on conflict do nothing",
    "update predictions.churn set score = 1 - score where {which}",
    "update predictions.churn set model_version = 'v2', grp = null where {which}",
    "update predictions.churn set as_of = as_of + interval '7 days' where {which}",
    "delete from predictions.churn where {which}",
    f"insert into labels.churn {KNOWN}, (random() < 0.5)::int from {{ids}} {UPSERT} set churned = excluded.churned",
    f"insert into labels.churn {KNOWN}, null from {{ids}} on conflict do nothing",
    "update labels.churn set churned = 1 - churned where {which}",
    "update labels.churn set labelled_at = now() where {which}",
    "update labels.churn set as_of = as_of + interval '7 days' where {which}",
    "delete from labels.churn where {which}",
)
ATTRIBUTE_STATEMENTS = (
    "insert into crm.person select i, 'fm'::text from {ids} on conflict (customer_id) do update set gender = 'x'",
    "update crm.person set gender = case gender when 'm' then 'f' else 'm' end where {which}",
    "delete from crm.person where {which}",
)


def statement(chance: random.Random, statements: tuple[str, ...]) -> str:
    low = chance.randrange(200)
    high = low + chance.choice([0, 1, 5, 60])
    return chance.choice(statements).format(
        ids=f"generate_series({low}, {high}) as i", which=f"customer_id between {low} and {high}"
    )


def run(connection: Connection, chance: random.Random, statements: tuple[str, ...], steps: int) -> None:
    """Write at random: transactions of a few statements, some of them or of their savepoints rolled back."""
    for _ in range(steps):
        try:
            with connection.transaction(force_rollback=chance.random() < 0.15):
                for _ in range(chance.choice([1, 1, 2, 4])):
                    with connection.transaction(force_rollback=chance.random() < 0.2):
                        connection.execute(statement(chance, statements).encode())
        except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected):
            continue


@pytest.mark.parametrize("seed", range(3))
def test_one_session_in_any_order_needs_no_recount(db: str, tmp_path: Path, seed: int) -> None:
    labels_example.create(db)
    labels_example.put(db, tmp_path, SLOS)
    chance = random.Random(seed)
    with psycopg.connect(db, autocommit=True) as connection:
        connection.execute("select setseed(%s)", (seed / 10,))
        for _ in range(4):
            run(connection, chance, STATEMENTS, 12)
            labels_example.fold(connection)
            labels_example.same_as_a_recount(connection)
        connection.execute("truncate predictions.churn")
        run(connection, chance, STATEMENTS, 6)
        labels_example.fold(connection)
        labels_example.same_as_a_recount(connection)
        connection.execute("select mlguard._find_unseen('predictions.churn')")
        assert connection.execute("select count(*) from mlguard._recount_due").fetchone() == (0,)


@pytest.mark.parametrize("seed", range(2))
def test_attributes_and_truncated_labels_are_counted_anew_by_a_sweep(db: str, tmp_path: Path, seed: int) -> None:
    labels_example.create(db)
    labels_example.put(db, tmp_path, SLOS + WITH_ATTRIBUTES, HEAD + ATTRIBUTES)
    chance = random.Random(seed)
    with psycopg.connect(db, autocommit=True) as connection:
        for _ in range(3):
            run(connection, chance, STATEMENTS + ATTRIBUTE_STATEMENTS, 10)
            if chance.random() < 0.5:
                connection.execute("truncate labels.churn")
            labels_example.sweep(connection)
            labels_example.same_as_a_recount(connection)


@pytest.mark.parametrize("variant", ["rows", "partitions"])
def test_single_rows_and_partitions_are_counted_alike(db: str, tmp_path: Path, variant: str) -> None:
    create, head = labels_example.CREATE, HEAD
    if variant == "rows":
        head += "writes: rows\n"
    else:
        create = create.replace(
            ");\ncreate table labels.churn",
            ") partition by range (as_of);\n"
            "create table predictions.old partition of predictions.churn\n"
            "  for values from (minvalue) to ('2026-01-04');\n"
            "create table predictions.new partition of predictions.churn\n"
            "  for values from ('2026-01-04') to (maxvalue);\n"
            "create table labels.churn",
        )
        assert "predictions.old" in create
    labels_example.create(db, create)
    labels_example.put(db, tmp_path, SLOS, head)
    chance = random.Random(variant)
    with psycopg.connect(db, autocommit=True) as connection:
        for _ in range(3):
            run(connection, chance, STATEMENTS, 12)
            if variant == "partitions":
                connection.execute("delete from predictions.old where customer_id % 7 = 0")
                connection.execute(
                    "insert into predictions.old values (999, '2026-01-01', 'v1', 0.5) on conflict do nothing"
                )
            labels_example.fold(connection)
            labels_example.same_as_a_recount(connection)


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_many_sessions_at_once_end_in_a_recount(db: str, tmp_path: Path, isolation: str) -> None:
    labels_example.create(db)
    labels_example.put(db, tmp_path, SLOS + WITH_ATTRIBUTES, HEAD + ATTRIBUTES)

    def write(number: int) -> None:
        chance = random.Random(number)
        with psycopg.connect(db, autocommit=True) as connection:
            connection.execute("select set_config('default_transaction_isolation', %s, false)", (isolation,))
            for _ in range(15):
                try:
                    run(connection, chance, STATEMENTS + ATTRIBUTE_STATEMENTS, 1)
                except psycopg.errors.SerializationFailure:
                    continue

    def look(stop: threading.Event) -> None:
        with psycopg.connect(db, autocommit=True) as connection:
            while not stop.wait(0.2):
                labels_example.sweep(connection)

    stop = threading.Event()
    sweeper = threading.Thread(target=look, args=(stop,))
    writers = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    sweeper.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    stop.set()
    sweeper.join()
    with psycopg.connect(db, autocommit=True) as connection:
        labels_example.sweep(connection)
        labels_example.same_as_a_recount(connection)
        labels_example.sweep(connection)
        assert connection.execute("select count(*) from mlguard._recount_due").fetchone() == (0,)
        assert connection.execute("select count(*) from mlguard._pairing").fetchone() == (0,)


RACES = {
    "prediction and label": (
        "insert into predictions.churn values (1, '2026-01-01 12:00+00', 'v1', 0.9, 'a')",
        "insert into labels.churn values (1, '2026-01-01 12:00+00', 1)",
    ),
    "correction of both": (
        "update predictions.churn set score = 0.2 where customer_id = 2",
        "update labels.churn set churned = 0 where customer_id = 2",
    ),
    "both gone": (
        "delete from predictions.churn where customer_id = 2",
        "delete from labels.churn where customer_id = 2",
    ),
    "prediction and attribute": (
        "insert into predictions.churn values (1, '2026-01-01 12:00+00', 'v1', 0.9, 'a')",
        "insert into crm.person values (1, 'f')",
    ),
}


@pytest.mark.parametrize("race", RACES)
def test_two_transactions_that_do_not_see_each_other_are_counted_in_the_end(db: str, tmp_path: Path, race: str) -> None:
    labels_example.create(db)
    labels_example.put(db, tmp_path, SLOS + WITH_ATTRIBUTES, HEAD + ATTRIBUTES)
    prediction, other = RACES[race]
    with psycopg.connect(db) as one, psycopg.connect(db) as two, psycopg.connect(db, autocommit=True) as third:
        for customer in (2, 3):
            third.execute(
                "insert into predictions.churn values (%s, '2026-01-01 12:00+00', 'v1', 0.9, 'a')", (customer,)
            )
            third.execute("insert into labels.churn values (%s, '2026-01-01 12:00+00', 1)", (customer,))
        labels_example.sweep(third)
        one.execute(prediction.encode())
        two.execute(other.encode())
        one.commit()
        labels_example.sweep(third)  # sees one of the two only, and must not forget it
        labels_example.sweep(third)
        two.commit()
        labels_example.fold(third)
        with pytest.raises(AssertionError):
            labels_example.same_as_a_recount(third)
        labels_example.sweep(third)
        labels_example.same_as_a_recount(third)
        before = third.execute("select count(*) from mlguard._recount_due").fetchone()
        labels_example.sweep(third)
        assert before == (0,)
        assert third.execute("select count(*) from mlguard._pairing").fetchone() == (0,)


def test_a_snapshot_older_than_every_mark_is_not_trusted(db: str, tmp_path: Path) -> None:
    labels_example.create(db)
    labels_example.put(db, tmp_path, SLOS)
    with psycopg.connect(db) as old, psycopg.connect(db, autocommit=True) as third:
        old.execute("set transaction isolation level repeatable read")
        old.execute("select 1")  # it looks now, and gets a number only when it writes
        third.execute("insert into predictions.churn values (1, '2026-01-01 12:00+00', 'v1', 0.9, 'a')")
        for _ in range(3):
            labels_example.sweep(third)
            third.execute("create table if not exists labels.other ()")
        assert third.execute("select count(*) from mlguard._pairing").fetchone() == (0,)
        old.execute("insert into labels.churn values (1, '2026-01-01 12:00+00', 1)")
        old.commit()
        labels_example.sweep(third)
        labels_example.same_as_a_recount(third)


def test_one_statement_that_writes_both_is_counted_once(db: str, tmp_path: Path) -> None:
    labels_example.create(db)
    labels_example.put(db, tmp_path, SLOS)
    with psycopg.connect(db, autocommit=True) as connection:
        connection.execute(
            "with p as (insert into predictions.churn values (1, '2026-01-01 12:00+00', 'v1', 0.9, 'a'))"
            " insert into labels.churn values (1, '2026-01-01 12:00+00', 1)"
        )
        labels_example.sweep(connection)
        labels_example.same_as_a_recount(connection)
        connection.execute(
            "alter table labels.churn add foreign key (customer_id, as_of) references predictions.churn"
            " on delete cascade"
        )
        connection.execute("insert into predictions.churn values (2, '2026-01-01 12:00+00', 'v1', 0.9, 'a')")
        connection.execute("delete from predictions.churn where customer_id = 1")
        labels_example.sweep(connection)
        labels_example.same_as_a_recount(connection)
