"""Metrics: what they take, what they are called, and what a check over them holds."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from mlguard.lang import (
    ExpressionError,
    Scope,
    base_metrics,
    columns_of,
    compile_row,
    compile_slo,
    history_of,
    metric_texts,
    metrics_of,
    tree,
)
from mlguard.lang.analyse import outer_metrics
from mlguard.lang.literals import read_interval
from mlguard.lang.metric_calls import length_text
from mlguard.lang.metrics import COLUMN_SERIES, LEAST_ROWS, METRICS, TABLE_SERIES, Family, Takes
from mlguard.lang.types import BOOL, Kind, SqlType
from mlguard.learn.series import KINDS, PAIR_METRICS
from tests.unit.lang.generate import SCOPE

ARGUMENTS = {
    Takes.ANY: "a",
    Takes.NUMBER: "i",
    Takes.FRACTIONAL: "f",
    Takes.CATEGORY: "t",
    Takes.LISTED: "t",
    Takes.PREDICATE: "i > 0",
    Takes.SHARE: "0.95",
    Takes.METRIC: "coverage(i)",
    Takes.LENGTH: "'7 days'",
    Takes.TRUTH: "label",
    Takes.GROUP: "t",
    Takes.ERROR: "i",
}
LABELLED = replace(SCOPE, label=SqlType(Kind.BOOL), attributes={"gender": SqlType(Kind.TEXT)})
JUDGED = [entry for entry in METRICS.values() if entry.name != "staleness"]


def example(name: str) -> str:
    """Return a call of the metric whose arguments fit."""
    takes = METRICS[name].takes
    args = [ARGUMENTS[take] for take in takes]
    if name == "correlation":
        args = ["i", "j"]
    return f"{name}({', '.join(args)})"


@pytest.mark.parametrize("name", [entry.name for entry in JUDGED])
def test_every_metric_is_typed_and_named(name: str) -> None:
    text = example(name)
    check = text if name == "usual" else f"{text} >= 0.5"
    (metric, *_) = outer_metrics(compile_slo(check, LABELLED))
    assert metric.text == text
    assert metric.type == (BOOL if name == "usual" else SqlType(Kind.FLOAT8))
    assert len(metric.args) == len(METRICS[name].takes)


OF_LABELS = [name for name, entry in METRICS.items() if Takes.TRUTH in entry.takes or name == "label_coverage"]


@pytest.mark.parametrize("name", OF_LABELS)
def test_metrics_of_labels_are_refused_where_there_are_none(name: str) -> None:
    with pytest.raises(ExpressionError, match=f"`{name}\\(\\)` needs labels, and the file names none") as raised:
        compile_slo(f"{example(name)} >= 0.5", SCOPE)
    assert "labels: {table:" in raised.value.help


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mae(i, j) < 1", "mae compares with the label"),
        ("mae(s, 1) < 1", "mae compares with the label"),
        ("label > 1", "the label comes later than the row"),
        ("mae(label, label) < 1", "the label comes later than the row"),
        ("share(label) > 0.5", "the label comes later than the row"),
        ("mean(gender) > 0.5", "`gender` is no column of this table but one of its attributes"),
        ("parity_gap(i > 0, f) < 0.1", "needs few groups, and f is double precision"),
        ("parity_gap(i > 0, i > 1) < 0.1", "takes a column of groups, not an expression"),
        ("recall(i, label) > 0.5", "the argument of recall is integer"),
    ],
)
def test_what_stands_in_a_wrong_place_is_refused(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        compile_slo(text, LABELLED)


@pytest.mark.parametrize("text", ["parity_gap(i > 0, gender) < 0.1", "error_ratio(i > 0, label, gender) < 2"])
def test_groups_may_be_attributes(text: str) -> None:
    (metric,) = metrics_of(compile_slo(text, LABELLED))
    assert columns_of(metric)[-1] == "gender"


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("null_rate", set("bsijnmrfgtudclzvwkpae")),
        ("distinct_count", set("bsijnmrfgtudclzvwkpae")),
        ("mean", set("sijnmrfg")),
        ("ks", set("sijnmrfg")),
        ("nan_rate", set("nmrfg")),
        ("psi", set("bsijnmrfgtuwe")),
        ("new_category_rate", set("bsijtuwe")),
    ],
)
def test_which_columns_fit(text: str, kinds: set[str]) -> None:
    for column in SCOPE.columns:
        check = f"{text}({column}) > 0.5"
        if column in kinds:
            assert columns_of(compile_slo(check, SCOPE)) == (column,)
            continue
        with pytest.raises(ExpressionError) as caught:
            compile_slo(check, SCOPE)
        assert caught.value.message.startswith(f"{text} needs ")
        assert caught.value.help


def test_undeclared_columns_are_taken_on_trust() -> None:
    expr = compile_slo("mean(anything) > 0 and psi(other) < 0.2", Scope({}, closed=False))
    assert columns_of(expr) == ("anything", "other")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('Coverage( "i" ) > 0.5', "coverage(i)"),
        ("quantile(f, 0.950) < 250", "quantile(f, 0.95)"),
        ("quantile(f, 1.0) < 250", "quantile(f, 1)"),
        ("quantile(f, 0) < 250", "quantile(f, 0)"),
        ("share(i>5 and (t='x' or t is null)) > 0.5", "share(i > 5 AND (t = 'x' OR t IS NULL))"),
        ("change(coverage(i), interval '1 week') > 0", "change(coverage(i), '7 days')"),
        ("delta(mean(f), '1 mon 36 hours 5 min') > 0", "delta(mean(f), '1 month 36 hours 5 minutes')"),
        ("duplicate_rate(t, i) = 0", "duplicate_rate(t, i)"),
    ],
)
def test_one_name_for_all_spellings(text: str, name: str) -> None:
    (metric, *_) = outer_metrics(compile_slo(text, SCOPE))
    assert metric.text == name


def test_name_reads_back() -> None:
    scope = Scope({"Age": SqlType(Kind.INT4), "order": SqlType(Kind.TEXT)}, closed=True)
    text = "share(\"Age\" > 5 AND \"order\" = 'it''s')"
    (metric,) = metrics_of(compile_slo(f"{text} > 0.5", scope))
    assert metric.text == text
    assert metrics_of(compile_slo(f"{metric.text} > 0.5", scope)) == (metric,)


def test_what_a_check_is_made_of() -> None:
    expr = compile_slo(
        "row_count() < 2 * trailing(row_count(), '28 days') and change(coverage(i), '7 days') > -0.5"
        " and usual(mean(f)) and coverage(i) > 0.5 and row_count() > 10",
        SCOPE,
    )
    assert metric_texts(expr) == (
        "row_count()",
        "trailing(row_count(), '28 days')",
        "change(coverage(i), '7 days')",
        "usual(mean(f))",
        "coverage(i)",
        "mean(f)",
    )
    assert [metric.text for metric in base_metrics(expr)] == ["row_count()", "coverage(i)", "mean(f)"]
    assert [metric.name for metric in history_of(expr)] == ["trailing", "change", "usual"]
    assert columns_of(expr) == ("i", "f")


def test_values_are_double_precision() -> None:
    expr = compile_slo("row_count() / 3 > 10 and sum(n) >= 5000000000", SCOPE)
    assert isinstance(expr, tree.Logical)
    assert all(isinstance(part, tree.Compare) and part.right.type.kind is Kind.FLOAT8 for part in expr.operands)
    (ratio,) = (node for node in expr.walk() if isinstance(node, tree.Arithmetic))
    assert ratio.type.kind is Kind.FLOAT8


@pytest.mark.parametrize(
    "text",
    [
        "coverage(i) between 0.5 and 0.9",
        "not (coverage(i) < 0.5 or mean(f) is null)",
        "coalesce(stddev(f), 0) <= least(3, greatest(mean(f), 1.5)) * 2 - 0.5",
        "abs(-mean(f) + 1) < 3",
        "round(mean(f)) = 3",
        "round(mean(f)::numeric, 2) = 2.35",
        "usual(mean(f)) is true",
        "min(i) <= max(i) and 1 > 0",
    ],
)
def test_what_may_stand_around_metrics(text: str) -> None:
    assert metrics_of(compile_slo(text, SCOPE))


def test_conditions_without_metrics_are_as_before() -> None:
    text = "i in (1, 2) and case when b then true end and i in (select id from ops.t)"
    assert compile_slo(text, SCOPE) == compile_row(text, SCOPE)


def test_metrics_need_not_be_judged_on_the_same_scale() -> None:
    rates = (Family.RATE, Family.LABELS, Family.GROUPS)
    others = {family: least for family, least in LEAST_ROWS.items() if family not in rates}
    assert others == {Family.VOLUME: 0, Family.AMOUNT: 1, Family.DISTRIBUTION: 200}
    assert {LEAST_ROWS[family] for family in rates} == {30}
    assert {entry.name for entry in JUDGED if entry.family is Family.DISTRIBUTION} == {"psi", "js", "ks", "linf"}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2 weeks", "14 days"),
        ("24 hours", "24 hours"),
        ("1 day 1 hour 1 minute 1 second", "1 day 1 hour 1 minute 1 second"),
        ("90 minutes", "1 hour 30 minutes"),
        ("1 year", "12 months"),
        ("1500 ms", "1 second 500000 microseconds"),
    ],
)
def test_lengths(text: str, written: str) -> None:
    assert length_text(read_interval(text)) == written
    assert read_interval(written) == read_interval(text)


def test_learned_series_are_those_that_are_learned() -> None:
    assert set(COLUMN_SERIES.values()) == set(KINDS) - {*PAIR_METRICS, *TABLE_SERIES.values()}


def test_share_of_a_constant() -> None:
    (metric,) = metrics_of(compile_slo("quantile(f, 0.5) > 1", SCOPE))
    assert metric.args[1] == tree.Literal(SqlType(Kind.FLOAT8), Decimal("0.5"))
