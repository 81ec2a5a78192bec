"""`leak_guard`: a prediction that is younger than its label is refused at COMMIT, whichever of the two came last."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from mlguard import api
from mlguard.errors import SpecError
from mlguard.plan import Plan
from tests import labels_example
from tests.support import prepare, project, query

GUARD = "leak_guard: event_time <= labels.event_time\n"
SLO = "predictions.churn/leak_guard"
PREDICTION = "insert into predictions.churn (customer_id, as_of, score) values ({}, '{}', 0.5)"
LABEL = "insert into labels.churn values ({0}, '{1}', 1, '{2}')"


@pytest.fixture
def dsn(db: str, tmp_path: Path) -> str:
    labels_example.create(db)
    labels_example.put(db, tmp_path, GUARD)
    return db


def refused(dsn: str, *statements: str) -> psycopg.Error:
    """Run statements in one transaction, whose COMMIT must be what fails."""
    with psycopg.connect(dsn) as connection:
        for statement in statements:
            connection.execute(statement.encode())
        with pytest.raises(psycopg.Error) as caught:
            connection.commit()
    return caught.value


@pytest.mark.parametrize("last", ["label", "prediction"])
def test_whichever_comes_last_is_refused_at_commit(dsn: str, last: str) -> None:
    both = [PREDICTION.format(7, "2026-01-05 12:00+00"), LABEL.format(7, "2026-01-05 12:00+00", "2026-01-05 11:00+00")]
    first, second = both if last == "label" else both[::-1]
    prepare(dsn, first)
    error = refused(dsn, second)
    assert error.sqlstate == "23514"
    assert error.diag.constraint_name == SLO
    said = str(error.diag.message_primary)
    assert SLO in said
    assert "it is as of 2026-01-05 12:00:00+00, and its label was known at 2026-01-05 11:00:00+00" in said
    assert "customer_id 7" in said
    detail = json.loads(str(error.diag.message_detail))
    assert detail["slo"] == SLO
    assert detail["key"]["customer_id"] == 7
    n = query(dsn, "select (select count(*) from predictions.churn), (select count(*) from labels.churn)")
    assert sorted(n[0], key=str) == [0, 1], "what came last is not stored"


def test_both_in_one_transaction_are_refused_and_the_moment_itself_is_not(dsn: str) -> None:
    when = "2026-01-05 12:00+00"
    refused(dsn, LABEL.format(1, when, "2026-01-05 11:59+00"), PREDICTION.format(1, when))
    prepare(dsn, f"{LABEL.format(2, when, when)}; {PREDICTION.format(2, when)}")
    prepare(dsn, f"{PREDICTION.format(3, when)}; {LABEL.format(3, when, '2026-01-20')}")
    assert query(dsn, "select customer_id from predictions.churn order by 1") == [(2,), (3,)]


def test_a_label_that_is_moved_back_is_refused(dsn: str) -> None:
    prepare(dsn, f"{PREDICTION.format(1, '2026-01-05')}; {LABEL.format(1, '2026-01-05', '2026-01-20')}")
    refused(dsn, "update labels.churn set labelled_at = '2026-01-01'")
    prepare(dsn, "update labels.churn set labelled_at = '2026-01-06'")


def test_only_touched_keys_are_judged_again(dsn: str, tmp_path: Path) -> None:
    """An old leak, let in while the guard was off, does not refuse what others write; touching it does."""
    prepare(dsn, f"{PREDICTION.format(1, '2026-01-05')}; {LABEL.format(1, '2026-01-05', '2026-01-20')}")
    query(dsn, f"select mlguard.off('{SLO}', interval '1 hour', 'a correction upstream')")
    prepare(dsn, "update labels.churn set labelled_at = '2026-01-01'")
    query(dsn, f"select mlguard.resume('{SLO}', 'corrected')")
    prepare(dsn, f"{PREDICTION.format(2, '2026-01-05')}; {LABEL.format(2, '2026-01-05', '2026-01-20')}")
    refused(dsn, "update labels.churn set churned = 0 where customer_id = 1")
    (table,) = [made for made in _plan(dsn, tmp_path).tables if made.program is not None]
    assert table.program is not None
    (rule,) = [rule for rule in table.program.rules if rule.name == "leak_guard"]
    assert rule.placement.reason.endswith("; only the touched customer_id is judged again")


def _plan(dsn: str, folder: Path) -> Plan:
    return api.plan(project(folder, labels_example.HEAD + GUARD), dsn)


def test_apply_refuses_while_a_leak_is_stored(db: str, tmp_path: Path) -> None:
    labels_example.create(db)
    prepare(db, f"{PREDICTION.format(1, '2026-01-05')}; {LABEL.format(1, '2026-01-05', '2026-01-01')}")
    with pytest.raises(Exception, match="leak_guard"):
        labels_example.put(db, tmp_path, GUARD)


def test_other_columns_may_be_compared(db: str, tmp_path: Path) -> None:
    labels_example.create(db)
    prepare(db, "alter table predictions.churn add computed_at timestamptz")
    labels_example.put(db, tmp_path, "leak_guard: computed_at < labels.labelled_at\n")
    prepare(db, LABEL.format(1, "2026-01-05", "2026-01-05"))
    error = refused(
        db,
        "insert into predictions.churn (customer_id, as_of, score, computed_at)"
        " values (1, '2026-01-05', 0.5, '2026-01-05')",
    )
    assert error.diag.constraint_name == SLO
    assert error.sqlstate == "23514"


@pytest.mark.parametrize(
    ("guard", "words"),
    [
        ("leak_guard: event_time <= label_time\n", "compares one time of a row with one of its label"),
        ("leak_guard: {check: event_time <= labels.event_time, on_violation: quarantine}\n", "looks at two tables"),
        ("leak_guard: computd <= labels.event_time\n", "no column `computd`"),
    ],
)
def test_what_cannot_be_compared_is_refused(guarded_db: str, tmp_path: Path, guard: str, words: str) -> None:
    labels_example.create(guarded_db)
    with pytest.raises(SpecError) as caught:
        labels_example.put(guarded_db, tmp_path, guard)
    assert words in str(caught.value)


def test_it_is_taken_out_with_everything_else(dsn: str) -> None:
    api.remove(None, dsn)
    prepare(dsn, f"{LABEL.format(1, '2026-01-05', '2026-01-01')}; {PREDICTION.format(1, '2026-01-05')}")
    left = "select tgname from pg_trigger where tgrelid = 'labels.churn'::regclass and not tgisinternal"
    assert query(dsn, left) == []
