"""Which states a metric is made from, what they are called, and that each is kept once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlguard.emit import after_statement, samples, states
from mlguard.lang import compile_slo
from mlguard.lang.analyse import base_metrics
from mlguard.lang.measure import measure
from mlguard.lang.metrics import METRICS, Family, Takes
from mlguard.lang.types import Kind, SqlType
from tests import judged
from tests.judged import BATCH, learned_rule, metric_rule

SHAPE = judged.shape(
    "f.t",
    {"age": "integer", "level": "integer", "Plan": "text", "x": "double precision", "at": "timestamp with time zone"},
)


@pytest.mark.parametrize(
    ("check", "finish", "keys"),
    [
        ("row_count() > 1", "count", ["n"]),
        ("count(age) > 1", "count", ["have(age)"]),
        ("coverage(age) > 1", "ratio", ["have(age)", "n"]),
        ("null_rate(age) > 1", "rest", ["have(age)", "n"]),
        ("nan_rate(x) > 1", "ratio", ["nan(x)", "n"]),
        ("zero_rate(age) > 1", "share", ["zero(age)", "have(age)", None]),
        ("negative_rate(x) > 1", "share", ["negative(x)", "have(x)", "nan(x)"]),
        ("share(age>1 and \"Plan\"='a') > 1", "ratio", ["true(age > 1 AND \"Plan\" = 'a')", "n"]),
        ("sum(age) > 1", "sum", ["sum(age)", "have(age)", None]),
        ("mean(x) > 1", "mean", ["sum(x)", "have(x)", "nan(x)"]),
        ("stddev(x) > 1", "stddev", ["moments(x)"]),
        ("min(x) > 1", "least", ["min(x)"]),
        ("max(x) > 1", "greatest", ["max(x)"]),
        ("median(x) > 1", "quantile", ["quantiles(x)"]),
        ("quantile(x, 0.95) > 1", "quantile", ["quantiles(x)"]),
        ("correlation(age, x) > 1", "correlation", ["joint(age, x)"]),
        ("distinct_count(age) > 1", "distinct", ["keys(age) where age is not missing"]),
        ('duplicate_rate(age, "Plan") > 1', "duplicates", ['keys(age, "Plan")']),
        ("psi(age) > 1", "psi", ["bins(age)"]),
        ("psi(level) > 1", "psi", ["values(level)"]),
        ('js("Plan") > 1', "js", ['values("Plan")']),
        ("ks(level) > 1", "ks", ["bins(level)"]),
        ("linf(x) > 1", "linf", ["bins(x)"]),
        ("new_category_rate(age) > 1", "new_categories", ["values(age)"]),
    ],
)
def test_a_metric_is_finished_from_its_states(check: str, finish: str, keys: list[str | None]) -> None:
    (metric,) = base_metrics(compile_slo(check, judged.scope(SHAPE)))
    found = measure(metric, None, {"level"})
    assert found.finish == finish
    assert [state.key if state else None for state in found.states] == keys


def test_every_judged_metric_has_states() -> None:
    columns = {"age": "x, age", "any": "age"}
    for entry in METRICS.values():
        if entry.family in (Family.HISTORY, Family.AGE):
            continue
        arguments = {"share": "age > 1", "quantile": "x, 0.5", "correlation": columns["age"], "row_count": ""}
        arguments |= {"label_coverage": "", "equal_opportunity_gap": "age > 1, label, age"}
        arguments |= {
            "error_ratio": "x, label, age",
            **dict.fromkeys(("parity_gap", "disparate_impact"), "age > 1, age"),
        }
        arguments |= dict.fromkeys(("accuracy", "precision", "recall", "f1"), "age > 1, label")
        if entry.takes == (Takes.NUMBER, Takes.TRUTH):
            arguments[entry.name] = "x, label"
        check = f"{entry.name}({arguments.get(entry.name, 'x' if entry.name != 'new_category_rate' else 'age')}) > 0"
        scope = replace(judged.scope(SHAPE), label=SqlType(Kind.BOOL))
        (metric,) = base_metrics(compile_slo(check, scope))
        assert measure(metric).needs, entry.name


def test_a_filter_is_part_of_every_name() -> None:
    rule = metric_rule(SHAPE, "r", "mean(x) > 1 or distinct_count(age) > 2", where="\"Plan\" = 'free'")
    assert [state.key for state in states.needed_by(rule, judged.program(SHAPE, rule))] == [
        "n",
        "n where \"Plan\" = 'free'",
        "sum(x) where \"Plan\" = 'free'",
        "have(x) where \"Plan\" = 'free'",
        "nan(x) where \"Plan\" = 'free'",
        "keys(age) where age is not missing and \"Plan\" = 'free'",
    ]


def test_states_are_kept_once_and_only_where_asked() -> None:
    rules = (
        metric_rule(SHAPE, "a", "coverage(x) > 0.5 and change(mean(x), '7 days') > -1"),
        metric_rule(SHAPE, "b", "mean(x) > 1 and zero_rate(x) < 1", BATCH),
        metric_rule(SHAPE, "c", "coverage(age) > 0.5", by=("Plan",)),
    )
    found = states.needed(judged.program(SHAPE, *rules, event_time="at"))
    assert {by: [state.key for state in kept] for by, kept in found.items()} == {
        (): ["n", "have(x)", "sum(x)", "nan(x)", "zero(x)"],
        ("Plan",): ["n", "have(age)"],
    }
    assert states.needed(judged.program(SHAPE)) == {}
    assert [state.key for state in states.needed(judged.program(SHAPE, learned_rule(SHAPE)))[()]] == ["n"]


def test_what_cannot_be_recounted_by_time_is_not() -> None:
    window, batch = metric_rule(SHAPE, "w", "row_count() > 1"), metric_rule(SHAPE, "b", "row_count() > 1", BATCH)
    learned = learned_rule(SHAPE)
    for rules, event_time, recounts, samples_stored, removals in (
        ((window,), "at", True, False, True),
        ((window,), None, False, False, False),
        ((batch,), "at", False, False, True),
        ((learned,), "at", True, True, True),
        ((learned,), None, False, False, False),
        ((window, batch), None, False, False, True),
    ):
        program = judged.program(SHAPE, *rules, event_time=event_time)
        names = " ".join(item.name for item in after_statement.objects(program))
        assert bool(states.recount_name(program)) is recounts
        assert bool(samples.sampler_name(program)) is samples_stored
        assert ("after removal" in names) is removals
        assert "after rows" in names
    assert after_statement.objects(judged.program(SHAPE)) == []
