"""What the gates of feature tables do to predictions, and how those made on broken features are found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from mlguard import planner
from mlguard.emit import inputs, served
from mlguard.lang.tree import Column, Expr, Is, Literal
from mlguard.lang.types import SqlType, parse_type
from mlguard.program import Predictions, Repair, Step
from mlguard.violation import ReadHeld, SloViolation
from tests.models_example import HEAD, ROW, TABLE, apply, guard, refused
from tests.support import prepare, project, query

FEATURES = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
owner: platform-ml
slos:
  - {name: fresh, check: staleness() <= INTERVAL '26 hours', runbook: 'https://run.book/2'}
"""
HOLD = """
insert into mlguard._hold (tbl, slo, since, observed, allowed)
values ('features.customer', 'features.customer/fresh', '2026-11-20 03:12+00', 'coverage(age) is 0.491',
        'allowed >= 0.75')
"""
FRESH = "insert into features.customer values (1, 30, now())"
BROKEN = (
    "select p.customer_id from predictions.churn p"
    " join mlguard.prediction_batch b on b.tbl = 'predictions.churn' and b.xid = p.written_in"
    " where b.inputs_held order by 1"
)


def predict(customer: int, score: str = "0.9") -> str:
    return f"{ROW}({customer}, now(), {score}, '1')"


@pytest.fixture
def held(db: str, tmp_path: Path) -> str:
    """Row 1 was predicted on good features; then their table is held."""
    guard(db, tmp_path, HEAD)
    prepare(db, FRESH)
    apply(db, tmp_path, FEATURES, "f.slo.yaml")
    prepare(db, FRESH.replace("(1,", "(2,"))
    return db


def take(db: str, folder: Path, mode: str) -> None:
    (folder / "slos" / "t.slo.yaml").unlink()
    apply(db, folder, f"{HEAD}features: [features.customer]\nwhen_features_held: {mode}\n", "p.slo.yaml")


def test_reject(held: str, tmp_path: Path) -> None:
    take(held, tmp_path, "reject")
    prepare(held, predict(1))
    prepare(held, HOLD)
    error = refused(held, predict(2))
    words = "is held since 2026-11-20 03:12 UTC: coverage(age) is 0.491, allowed >= 0.75 (fresh)"
    assert error.sqlstate == "ML001"
    assert error.diag.message_primary == (
        f"mlguard: {TABLE}: its input features.customer {words}; this statement stored nothing"
    )
    assert error.diag.constraint_name == "features.customer/fresh"
    assert (error.diag.schema_name, error.diag.table_name) == ("predictions", "churn")
    detail = json.loads(error.diag.message_detail or "")
    assert (detail["table"], detail["input"], detail["slos"]) == (
        TABLE,
        "features.customer",
        ["features.customer/fresh"],
    )
    assert str(error.diag.message_hint).startswith(
        "Predictions made now would be made on bad inputs. Owner platform-ml. Runbook https://run.book/2 "
    )
    found = SloViolation.from_exception(error)
    assert isinstance(found, ReadHeld)
    assert found.table == TABLE
    with psycopg.connect(held) as connection, connection.cursor() as cursor:
        sql = "copy predictions.churn (customer_id, as_of) from stdin"
        with pytest.raises(psycopg.Error, match=r"its input features\.customer is held"), cursor.copy(sql) as copy:
            copy.write("5\t2026-03-01\n")
        connection.rollback()
    prepare(held, f"update {TABLE} set score = 0.1")  # mends a row; it is no prediction
    prepare(held, "select mlguard.waive('features.customer/fresh', now() + interval '1 hour', 'known')")
    prepare(held, predict(2))
    assert query(held, f"select customer_id from {TABLE} order by 1") == [(1,), (2,)]


def test_a_stale_input_counts_as_held(held: str, tmp_path: Path) -> None:
    take(held, tmp_path, "reject")
    prepare(held, "update features.customer set event_ts = now() - interval '30 hours'")
    assert "its input features.customer is stale: newest event_ts is" in str(refused(held, predict(1)))


def test_allow_marks_what_was_made_on_broken_features(held: str, tmp_path: Path) -> None:
    take(held, tmp_path, "allow")
    prepare(held, predict(1))
    prepare(held, HOLD)
    prepare(held, f"{predict(2)}; {predict(3)}")
    prepare(held, f"begin; {predict(4)}; {predict(5)}; commit")
    prepare(held, "update mlguard._hold set ended_at = now()")
    prepare(held, predict(6))
    for _ in range(2):
        assert query(held, BROKEN) == [(2,), (3,), (4,), (5,)]
        assert query(held, "select inputs_held, sum(n)::int from mlguard.prediction_batch group by 1 order by 1") == [
            (False, 2),
            (True, 4),
        ]
        [(state, since, why)] = query(
            held,
            "select distinct inputs -> 'features.customer' ->> 'state', inputs -> 'features.customer' ->> 'since',"
            " inputs -> 'features.customer' ->> 'why' from mlguard.prediction_batch where inputs_held",
        )
        assert state == "held"
        assert str(since).startswith("2026-11-20T03:12:00")
        assert why == (
            "features.customer is held since 2026-11-20 03:12 UTC: coverage(age) is 0.491, allowed >= 0.75 (fresh)"
        )
        prepare(held, "select mlguard.sweep()")


def test_one_stamp_a_transaction_and_version(held: str, tmp_path: Path) -> None:
    take(held, tmp_path, "allow")
    many = f"{ROW} select g, now() + g * interval '1 s', 0.5, '1' from generate_series(1, 150) g".replace("values", "")
    prepare(held, f"begin; {many}; {predict(500)}; {predict(501).replace(chr(39) + '1', chr(39) + '2')}; commit")
    for _ in range(2):
        found = query(held, "select version, n, batches, inputs from mlguard.prediction_batch order by version")
        assert found == [("1", 151, 1, {"features.customer": "open"}), ("2", 1, 1, {"features.customer": "open"})]
        prepare(held, "select mlguard.sweep()")
    # The large one keeps its transaction; of small ones on good inputs the hour is kept.
    assert query(held, "select version, xid is null from mlguard.prediction_batch order by 1") == [
        ("1", False),
        ("2", True),
    ]


def test_an_input_nobody_guards(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, f"{HEAD}features: [features.customer]\n")
    prepare(db, predict(1))
    assert query(db, "select inputs, inputs_held from mlguard.prediction_batch") == [
        ({"features.customer": "not guarded"}, False)
    ]


def _steps() -> tuple[Step, ...]:
    double = parse_type("double precision")
    assert isinstance(double, SqlType)
    score = Column(double, "score")
    when: Expr = Is(parse_type("boolean") or double, score, "null", negated=False)
    return (Step("fallback_prior", "set", when, (Repair("score", Literal(double, "0.5")),)),)


def test_what_a_fallback_replaces() -> None:
    step = _steps()[0]
    assert inputs.replaced(Predictions("m", steps=(step,))) == ("score",)
    assert inputs.replaced(Predictions("m", steps=(replace(step, kind="default", when=None),))) == ("score",)
    assert inputs.replaced(Predictions("m", steps=(replace(step, when=None),))) == ()
    other = replace(step, sets=(Repair("model_version", step.sets[0].value),))
    assert inputs.replaced(Predictions("m", steps=(other,))) == ()


@pytest.mark.parametrize("raw", [False, True])
def test_fallback(held: str, tmp_path: Path, raw: bool) -> None:
    """The step that stands in for NULL decides; what the model gave is kept, in its raw column or the change log."""
    prepare(held, "alter table predictions.churn add column raw_score double precision")
    take(held, tmp_path, "allow")
    with psycopg.connect(held) as connection:
        wanted = planner.program(project(tmp_path, FEATURES, "f.slo.yaml"), connection).tables
    [program] = [found for found in wanted.values() if found.predictions is not None]
    assert program.predictions is not None
    keeps = {"score": "raw_score"} if raw else {}
    changed = replace(program.predictions, when_features_held="fallback", steps=_steps(), raw=keeps)
    for item in served.objects(replace(program, predictions=changed)):
        for statement in item.create:
            prepare(held, statement.sql)
    prepare(
        held,
        "create function public.step() returns trigger language plpgsql as $$ begin"
        f"{' new.raw_score := new.score;' * raw} new.score := coalesce(new.score, 0.5); return new; end $$;"
        f" create trigger zz_mlguard_before_row before insert or update on {TABLE} for each row execute function"
        " public.step()",
    )
    prepare(held, predict(1))
    prepare(held, HOLD)
    prepare(held, "set extra_float_digits = -5; " + predict(2, str(0.1 + 0.2)))
    prepare(held, "update mlguard._hold set ended_at = now()")
    prepare(held, predict(3))
    found = query(held, f"select customer_id, score, raw_score from {TABLE} order by 1")
    assert found == [
        (1, 0.9, 0.9 if raw else None),
        (2, 0.5, 0.1 + 0.2 if raw else None),
        (3, 0.9, 0.9 if raw else None),
    ]
    log = query(held, "select key ->> 'customer_id', column_name, old, new, rule from mlguard.change")
    assert log == ([] if raw else [("2", "score", 0.1 + 0.2, None, f"{TABLE}/when_features_held")])
    assert query(held, BROKEN) == [(2,)]


def test_fallback_of_a_partitioned_table(guarded_db: str, tmp_path: Path) -> None:
    """A row that an UPDATE moves to another partition meets the row triggers of INSERT there; it is no prediction."""
    prepare(
        guarded_db,
        "create schema features; create table features.customer (id bigint primary key, note text);"
        "create schema predictions; create table predictions.churn (id bigint, day date, score double precision,"
        " raw_score double precision, primary key (id, day)) partition by range (day);"
        "create table predictions.churn_1 partition of predictions.churn"
        " for values from ('2026-01-01') to ('2026-02-01');"
        "create table predictions.churn_2 partition of predictions.churn"
        " for values from ('2026-02-01') to ('2026-03-01')",
    )
    apply(
        guarded_db,
        tmp_path,
        "mlguard: 1\ntable: features.customer\nkey: [id]\nslos:\n"
        "  - {name: notes, check: coverage(note) > 0.5, over: batch, on_violation: hold, min_rows: 1}\n",
        "f.slo.yaml",
    )
    apply(
        guarded_db,
        tmp_path,
        "mlguard: 1\ntable: predictions.churn\nmodel: churn\nkey: [id, day]\nfeatures: [features.customer]\n"
        "when_features_held: fallback\npost:\n  - {name: prior, when: score IS NULL, set: {score: 0.5}}\n"
        "raw: {score: raw_score}\n",
        "p.slo.yaml",
    )
    insert = "insert into predictions.churn (id, day, score) values "
    prepare(guarded_db, insert + "(1, '2026-01-05', 0.9)")
    prepare(guarded_db, "insert into features.customer values (1, null)")
    prepare(guarded_db, insert + "(2, '2026-01-05', 0.9)")
    prepare(guarded_db, insert.replace("churn ", "churn_1 ") + "(3, '2026-01-05', 0.9)")
    # In a session that has predicted nothing, then in one whose last prediction fell back.
    prepare(guarded_db, "update predictions.churn set day = '2026-02-05' where id = 1")
    with psycopg.connect(guarded_db, autocommit=True) as writer:
        writer.execute((insert + "(4, '2026-01-05', 0.9)").encode())
        writer.execute("update predictions.churn set day = '2026-01-06' where id = 1")
    assert query(guarded_db, "select id, day::text, score from predictions.churn order by 1") == [
        (1, "2026-01-06", 0.9),
        (2, "2026-01-05", 0.5),
        (3, "2026-01-05", 0.5),
        (4, "2026-01-05", 0.5),
    ]
