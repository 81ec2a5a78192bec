"""Verdict functions: merged states in, metrics, an answer and the reason for none out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from mlguard.emit import verdicts
from mlguard.emit.table import objects
from mlguard.names import MAX_BYTES
from mlguard.program import Rule
from tests import judged
from tests.integration.test_states import EDGES, install
from tests.judged import metric_rule

SHAPE = judged.shape(
    "f.t", {"age": "integer", "plan": "text", "income": "double precision", "at": "timestamp with time zone"}
)
CREATE = "create schema f; create table f.t (age integer, plan text, income double precision, at timestamptz);"
CONTEXT: dict[str, Any] = {
    "tbl": "f.t",
    "over": "1 day",
    "batch": None,
    "start": "2026-01-20 00:00+00",
    "end": "2026-01-21 00:00+00",
    "segment": {},
}


@pytest.fixture
def session(guarded_db: str) -> Iterator[psycopg.Connection[Any]]:
    """A session in which f.t is a table."""
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        connection.execute((CREATE + EDGES).encode())
        yield connection


def judge(connection: psycopg.Connection[Any], rule: Rule, states: dict[str, Any]) -> tuple[Any, ...]:
    """Return metrics, values, rows, answer and reason of the rule's verdict function."""
    install(connection, judged.program(SHAPE, rule, event_time="at"))
    found: tuple[Any, ...]
    (found,) = connection.execute(
        f"select v.metrics, v.vals, v.n, v.ok, v.reason from {verdicts.verdict_name(rule)}(%s, %s) as v".encode(),
        (json.dumps(states), json.dumps(CONTEXT)),
    ).fetchall()
    return found


def remember(connection: psycopg.Connection[Any], metric: str, values: list[float], segment: str = "{}") -> None:
    """Put values of a metric on record, the last of the window before the one judged."""
    for back, value in enumerate(reversed(values), 1):
        connection.execute(
            "insert into mlguard._metric (tbl, metric, over, window_start, window_end, segment, value, n)"
            " values ('f.t', %s, '1 day', timestamptz '2026-01-20 00:00+00' - %s * interval '1 day',"
            " timestamptz '2026-01-21 00:00+00' - %s * interval '1 day', %s, %s, 100)",
            (metric, back, back, segment, value),
        )


def test_all_metrics_are_told_in_order(session: psycopg.Connection[Any]) -> None:
    rule = metric_rule(SHAPE, "r", "mean(income) > 2 * coverage(age) or row_count() >= 10")
    states = {"n": 4, "have(age)": 3, "sum(income)": 8, "have(income)": 3, "nan(income)": 1}
    assert judge(session, rule, states) == (
        ["mean(income)", "coverage(age)", "row_count()"],
        [4.0, 0.75, 4.0],
        4,
        True,
        None,
    )
    assert judge(session, rule, {**states, "sum(income)": 1})[3:] == (False, None)


def test_a_metric_without_values_has_no_answer(session: psycopg.Connection[Any]) -> None:
    rule = metric_rule(SHAPE, "r", "mean(income) > 2 and row_count() > 1")
    nothing = {"n": 40, "sum(income)": 0, "have(income)": 5, "nan(income)": 5}
    assert judge(session, rule, nothing)[1:] == ([None, 40], 40, None, "no values")
    assert judge(session, rule, {**nothing, "n": 1})[3:] == (False, None)
    assert judge(session, rule, {})[1:] == ([None, 0], 0, False, None)


def test_a_filter_of_rows_has_its_own_count_and_its_own_history(session: psycopg.Connection[Any]) -> None:
    rule = metric_rule(SHAPE, "r", "delta(coverage(age), '7 days') > -0.1", where="plan = 'free'")
    states = {"n": 50, "n where plan = 'free'": 10, "have(age) where plan = 'free'": 5}
    remember(session, "coverage(age)", [0.9] * 5)
    name = "coverage(age) where plan = 'free'"
    assert judge(session, rule, states)[1:] == ([None, 0.5], 10, None, "fewer than 3 earlier windows")
    remember(session, name, [0.55, 0.5, 0.6])
    found = judge(session, rule, states)
    assert found[0] == [f"delta({name.partition(' where')[0]}, '7 days') where plan = 'free'", name]
    assert (found[1], *found[2:]) == ([pytest.approx(-0.05), 0.5], 10, True, None)


@pytest.mark.parametrize(
    ("past", "answer", "reason"),
    [
        ([0.8, 0.8], None, "fewer than 3 earlier windows"),
        ([0.8, 0.8, 0.8], False, None),
        ([0.4, 0.5, 0.6], True, None),
        ([0, 0, 0], None, "trailing is 0"),
    ],
)
def test_change_needs_a_past(
    session: psycopg.Connection[Any], past: list[float], answer: bool | None, reason: str | None
) -> None:
    remember(session, "coverage(age)", past)
    rule = metric_rule(SHAPE, "r", "change(coverage(age), '10 days') >= -0.25")
    found = judge(session, rule, {"n": 10, "have(age)": 5})
    assert found[0] == ["change(coverage(age), '10 days')", "coverage(age)"]
    assert found[1][1] == 0.5
    assert found[3:] == (answer, reason)
    assert judge(session, rule, {"n": 0})[3:] == (None, "no values")


def test_usual_is_learned_first(session: psycopg.Connection[Any]) -> None:
    rule = metric_rule(SHAPE, "r", "usual(coverage(age))")
    assert judge(session, rule, {"n": 10, "have(age)": 5})[1:] == ([None, 0.5], 10, None, "learning")


def test_a_distance_without_a_baseline(session: psycopg.Connection[Any]) -> None:
    rule = metric_rule(SHAPE, "r", "psi(plan) <= 0.2")
    states = {"n": 300, "values(plan)": {"c": {"free": 300}, "other": 0, "n": 300}}
    assert judge(session, rule, states)[1:] == ([None], 300, None, "no baseline yet")


def test_text_of_the_file_stays_text(session: psycopg.Connection[Any]) -> None:
    check = "share(plan = 'x' or plan = 'a\n  drop table f.t; --\n  $mlguard$ \\ ''') < 1"
    rule = metric_rule(SHAPE, "r; drop table f.t; --", check)
    judge(session, rule, {})
    session.execute("insert into f.t (plan, at) values ('x', '2026-01-20'), ('y', '2026-01-20')")
    ((states,),) = session.execute('select states from mlguard."recount f.t"(null, null)').fetchall()
    found = judge(session, rule, states)
    assert found[0][0].startswith("share(plan = 'x'")
    assert found[1:] == ([0.5], 2, True, None)


def test_names_fit() -> None:
    rule = metric_rule(SHAPE, "é" * 60, "row_count() > 0")
    name = verdicts.verdict_name(rule)
    assert len(name.removeprefix("mlguard.").strip('"').encode()) <= MAX_BYTES
    (made,) = (item for item in objects(judged.program(SHAPE, rule)) if item.name.startswith(name))
    assert any(f"mlguard:{rule.id}:" in statement.sql for statement in made.create)
