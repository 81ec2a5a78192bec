"""Checks over metrics as rules: limits in words, defaults, and what depends on the table."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from mlguard.compile.words import metric_limit
from mlguard.errors import SpecError
from mlguard.lang import Scope, compile_slo
from mlguard.lang.types import Kind, SqlType
from mlguard.program import Action, ColumnShape, Level, Place, Rule
from tests.unit.compile.shape import SHAPE, compiled

SCOPE = Scope({column.name: column.type for column in SHAPE.columns}, closed=True)


def only(text: str) -> Rule:
    """Return the one rule of a file with one SLO, written as a flow mapping without its name."""
    (rule,) = compiled(f"slos: [{{name: a, {text}}}]\n").rules
    return rule


@pytest.mark.parametrize(
    ("check", "limit"),
    [
        ("coverage(age) >= 0.75", "allowed >= 0.75"),
        ("0.75 <= coverage(age)", "allowed >= 0.75"),
        ("1000 < row_count()", "allowed > 1000"),
        ("0 = duplicate_rate(customer_id)", "allowed = 0"),
        ("nan_rate(f_a) <> 1", "allowed <> 1"),
        ("change(coverage(age), '7 days') >= -0.25", "allowed >= -0.25"),
        ("mean(age) BETWEEN 20 AND 60.5", "allowed 20 to 60.5"),
        ("mean(age) < 2 * 30.0", "allowed < 2 * 30.0"),
        ("mean(age) NOT BETWEEN 20 AND 60", "required mean(age) NOT BETWEEN 20 AND 60"),
        ("mean(age) BETWEEN 20 AND max(age)", "required mean(age) BETWEEN 20 AND max(age)"),
        ("min(age)   <=\n max(age)", "required min(age) <= max(age)"),
        ("abs(mean(f_a)) < 3", "required abs(mean(f_a)) < 3"),
        ("usual(coverage(age))", "required usual(coverage(age))"),
        ("coverage(age) > 0.5 AND row_count() > 5", "required coverage(age) > 0.5 AND row_count() > 5"),
    ],
)
def test_limits_in_words(check: str, limit: str) -> None:
    assert metric_limit(compile_slo(check, SCOPE), check) == limit


@pytest.mark.parametrize(
    ("check", "rows"),
    [
        ("row_count() > 0", 0),
        ("count(age) > 0", 0),
        ("sum(amount) <= 100", 1),
        ("distinct_count(plan) > 2", 1),
        ("coverage(age) > 0.5", 30),
        ("psi(plan) < 0.2", 200),
        ("new_category_rate(plan) = 0", 30),
        ("change(row_count(), '7 days') > -0.5", 0),
        ("trailing(psi(plan), '7 days') < 1", 200),
        ("usual(mean(age))", 30),
        ("row_count() > 0 AND coverage(age) > 0.5", 30),
    ],
)
def test_rows_below_which_nothing_is_said(check: str, rows: int) -> None:
    assert only(f'check: "{check}"').min_rows == rows
    assert only(f'check: "{check}", min_rows: 7').min_rows == 7


def test_defaults() -> None:
    rule = only("check: coverage(age) > 0.5")
    assert (rule.level, rule.action, rule.severity) == (Level.WINDOW, Action.WARN, "normal")
    assert (str(rule.over), rule.reopen, rule.max_segments, rule.waivable) == ("1 day", "next", 50, True)
    assert only("check: coverage(age) > 0.5, on_violation: hold").severity == "page"
    assert only("check: coverage(age) > 0.5, on_violation: hold, severity: low").severity == "low"


def test_window_is_the_files() -> None:
    program = compiled("window: 6 hours\nlate: 90 min\nslos: [{name: a, check: row_count() > 0}]\n")
    (rule,) = program.rules
    assert (str(rule.over), str(program.base), str(program.late)) == ("6 hours", "6 hours", "1:30:00")
    assert rule.placement.place is Place.WINDOW


def test_batches_need_no_buckets() -> None:
    program = compiled("slos: [{name: a, check: row_count() > 0, over: batch, on_violation: reject}]\n")
    (rule,) = program.rules
    assert (rule.level, rule.placement.place, program.base) == (Level.BATCH, Place.COMMIT, None)


def test_single_writers_say_batch_themselves() -> None:
    program = compiled(
        "writes: rows\nslos: [{name: a, check: row_count() > 0}, {name: b, check: row_count() > 0, over: batch}]\n"
    )
    assert [rule.level for rule in program.rules] == [Level.WINDOW, Level.BATCH]


def test_segments_and_filters_are_read_columns_too() -> None:
    rule = only("check: coverage(age) > 0.5, where: plan = 'free', by: country")
    assert rule.columns == ("age", "plan")
    assert (rule.column, rule.by) == (None, ("country",))


def test_a_column_called_rows_keeps_its_name() -> None:
    shape = replace(SHAPE, columns=(ColumnShape("rows", SqlType(Kind.INT4)),))
    assert [rule.name for rule in compiled("mlguard: 1\ntable: features.customer\nusual: all\n", shape).rules] == [
        "rows.usual",
        "all rows.usual",
    ]


def test_what_a_group_says_of_importance_gives_way() -> None:
    program = compiled(
        "columns: {f_a: {importance: 0.9}}\n"
        "groups: [{columns: 'f_*', importance: 0.1}, {columns: [f_b, age], importance: 0.5}]\n"
    )
    assert program.importance == {"f_a": Decimal("0.9"), "f_b": Decimal("0.1"), "age": Decimal("0.5")}


def test_columns_that_no_database_was_asked_about_are_taken_on_trust() -> None:
    shape = replace(SHAPE, columns=(), declared=True)
    program = compiled("slos: [{name: a, check: psi(channel) < 0.2, by: country, where: source = 'x'}]\n", shape)
    assert program.rules[0].columns == ("channel", "source")


def test_assertions_are_handed_on() -> None:
    program = compiled("slos: [{name: a, assert: 'SELECT customer_id FROM features.customer WHERE age < 0'}]\n")
    assert [rule.level for rule in program.rules] == [Level.ASSERTION]


def test_two_short_forms_of_one_name() -> None:
    with pytest.raises(SpecError, match="`age` is not learned"):
        compiled("usual: [age]\n")


def test_a_batch_of_a_column_says_so() -> None:
    program = compiled("batch: plan\nslos: [{name: a, check: coverage(age) > 0.5, over: batch, on_violation: hold}]\n")
    assert program.batch_column == "plan"
    assert program.rules[0].placement.reason == "over: batch: judged at COMMIT, over all rows of its plan so far"
    assert "plan" in program.named
    assert compiled("slos: []\n").batch_column is None


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("plans", "no column `plans` in features.customer to tell batches apart by"),
        ("tenure_days", "tenure_days is double precision, whose values are no names of loads"),
        ("payload", "payload is jsonb, whose values are no names of loads"),
        ("churned", "churned is boolean, whose values are no names of loads"),
        ("decade", "decade is a virtual generated column, which statement triggers see as NULL"),
        ("email", "email is pii, and the name of a batch stands in messages"),
    ],
)
def test_columns_that_cannot_tell_batches_apart(column: str, message: str) -> None:
    with pytest.raises(SpecError) as refused:
        compiled(f"batch: {column}\ncolumns: {{email: {{pii: true}}}}\n")
    assert [problem.message for problem in refused.value.problems] == [message]
