"""What the learner does with tables that grow, have seasons, heavy tails, constants, little history and past faults."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from mlguard.learn import TABLE, Learner, Sample, Series, Verdict, chosen_positions, numbers, texts
from mlguard.learn.learner import confidence_of
from mlguard.learn.memory import learning_due
from mlguard.learn.sample import Numbers, Texts
from mlguard.learn.state import dump, load

Columns = dict[str, Numbers | Texts]


def sample(columns: Columns, *, n: int | None = None, slot: int | None = None) -> Sample:
    k = len(next(iter(columns.values())))
    return Sample(n=k if n is None else n, columns=columns, positions=np.arange(k), slot=slot)


def orders(seed: int, count: int, rows: int = 500) -> Iterator[Columns]:
    """Days of a shop: a trend, a weekly season, heavy tails, a constant, a null rate, cities with their codes."""
    rng = np.random.default_rng(seed)
    cities = [f"City {i}" for i in range(20)]
    for day in range(count):
        k = int(rows * (1 + 0.004 * day) * (0.6 if day % 7 >= 5 else 1) * rng.normal(1, 0.02))
        city = rng.integers(0, 20, k)
        amount: Numbers = np.round(np.exp(rng.normal(3 + 0.002 * day, 1, k)), 2).astype(np.float64)
        age: Numbers = np.where(rng.random(k) < 0.08, np.nan, np.round(rng.normal(40, 10, k)))
        yield {
            "city": texts([cities[i] for i in city]),
            "zip": texts([f"{10_000 + 37 * i}" for i in city]),
            "amount": amount,
            "tail": rng.pareto(1.3, k) * 100,
            "age": age,
            "version": np.full(k, 3.0),
            "flag": texts((rng.random(k) < 0.1).tolist()),
        }


def learned(days: int, seed: int = 1, **kwargs: float) -> tuple[Learner, Columns]:
    learner = Learner(**kwargs)
    *past, now = orders(seed, days + 1)
    for day, columns in enumerate(past):
        learner.observe(sample(columns, slot=day % 7))
    return learner, now


def verdict_of(learner: Learner, columns: Columns) -> Verdict:
    return learner.judge(sample(columns, slot=learner.memory.observed % 7))


def changed(columns: Columns, name: str, change: Callable[[Numbers | Texts], Numbers | Texts]) -> Columns:
    return {**columns, name: change(columns[name].copy())}


def spoil(rows: float, value: float | str | None) -> Callable[[Numbers | Texts], Numbers | Texts]:
    def change(values: Numbers | Texts) -> Numbers | Texts:
        values[: int(rows * len(values))] = value
        return values

    return change


@pytest.fixture(scope="module")
def sixty() -> tuple[Learner, Columns]:
    return learned(60)


def test_clean_days_hardly_ever_alarm() -> None:
    alarms = judged = 0
    for seed in range(3):
        learner = Learner()
        for day, columns in enumerate(orders(seed, 120)):
            verdict = learner.judge(sample(columns, slot=day % 7))
            judged += verdict.confidence != "learning"
            alarms += verdict.alert
            learner.observe(sample(columns, slot=day % 7))
    assert judged == 300
    assert alarms <= 5


@pytest.mark.parametrize(
    ("name", "change", "metric"),
    [
        ("age", spoil(0.2, np.nan), "null"),
        ("amount", spoil(0.12, 20.0), "spike"),
        ("amount", lambda x: -x, "negative"),
        ("amount", lambda x: np.where(np.arange(len(x)) % 4 == 0, x / 1000, x), "grid"),
        ("tail", lambda x: x * 1000, None),
        ("version", spoil(0.02, 4.0), None),
        ("city", spoil(0.02, "Atlantis"), None),
        ("city", spoil(0.02, "#1"), None),
        ("zip", lambda x: np.roll(x, 1), "pair"),
        ("flag", lambda x: np.where(x == "true", "false", "true"), None),
    ],
)
def test_a_fault_alarms_and_names_its_column(
    sixty: tuple[Learner, Columns], name: str, change: Callable[[Numbers | Texts], Numbers | Texts], metric: str | None
) -> None:
    learner, now = sixty
    assert not verdict_of(learner, now).alert
    verdict = verdict_of(learner, changed(now, name, change))
    assert verdict.alert, verdict.columns[:3]
    first = verdict.columns[0]
    assert first.column == name or name in first.series
    assert metric is None or first.series.metric == metric
    assert first.score > 1
    assert first.z > first.limit or first.score < 2


def test_lost_and_repeated_rows_are_of_the_table(sixty: tuple[Learner, Columns]) -> None:
    learner, now = sixty
    half = {name: values[: len(values) // 2] for name, values in now.items()}
    assert verdict_of(learner, half).columns[0].series == Series(TABLE, "rows")
    twice = {name: np.concatenate([values, values[:60]]) for name, values in now.items()}
    worst = verdict_of(learner, twice).columns[0]
    assert (worst.series, worst.value > 0.05) == (Series(TABLE, "repeats"), True)


def test_a_column_that_repeats_the_last_scope_alarms() -> None:
    learner = Learner()
    past = list(orders(4, 41))
    for day, columns in enumerate(past[:40]):
        learner.observe(sample(columns, slot=day % 7))
    stale: Columns = {**past[40], "age": np.resize(past[39]["age"], len(past[40]["age"])).astype(np.float64)}
    verdict = verdict_of(learner, stale)
    assert verdict.columns[0].series == Series("age", "same")
    assert verdict.alert
    without_order = Sample(n=len(stale["age"]), columns=stale, slot=5)
    assert all(c.series.metric != "same" or np.isnan(c.value) for c in learner.judge(without_order).columns)


def test_below_20_scopes_it_is_learning() -> None:
    learner, now = learned(19)
    verdict = verdict_of(learner, {name: values[:10] for name, values in now.items()})
    assert (verdict.alert, verdict.confidence, verdict.observed) == (False, "learning", 19)
    assert learner.bands(n=500, k=500) == []
    learner.observe(sample(now))
    assert verdict_of(learner, {name: values[:10] for name, values in now.items()}).alert
    assert [confidence_of(n) for n in (20, 40, 90)] == ["low", "medium", "high"]
    assert [n for n in range(700) if learning_due(n)] == [20, 40, 80, 160, 320, 640]


def test_an_excluded_scope_changes_nothing() -> None:
    learner, now = learned(40)
    before = verdict_of(learner, now)
    learner.observe(sample(changed(now, "city", spoil(1, "Atlantis"))), excluded=True)
    assert learner.memory.observed == 40
    assert verdict_of(learner, now) == before


def test_past_faults_that_stayed_do_not_blind_it() -> None:
    learner = Learner()
    *past, now = orders(6, 91)
    for day, columns in enumerate(past):
        faulty = changed(columns, "age", spoil(0.5, np.nan)) if day == 55 else columns
        learner.observe(sample(faulty, slot=day % 7))
    assert verdict_of(learner, changed(now, "age", spoil(0.9, np.nan))).alert
    assert verdict_of(learner, changed(now, "city", spoil(0.05, "Atlantis"))).alert
    assert not verdict_of(learner, now).alert


def test_judging_teaches_nothing(sixty: tuple[Learner, Columns]) -> None:
    learner, now = sixty
    bad = changed(now, "city", spoil(0.3, "Lemuria"))
    first = verdict_of(learner, bad)
    assert verdict_of(learner, bad) == first
    assert first.alert


def test_the_dial_is_monotone() -> None:
    scores = []
    for sensitivity in (0.5, 0.7, 1.0, 1.5, 3.0):
        learner, now = learned(40, sensitivity=sensitivity)
        scores.append(verdict_of(learner, changed(now, "age", spoil(0.1, np.nan))).score)
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 1 > scores[-1]
    with pytest.raises(ValueError, match="positive"):
        Learner(0)


def test_few_rows_are_forgiven_and_large_faults_in_them_are_not() -> None:
    rng = np.random.default_rng(11)
    learner = Learner()

    def day() -> Columns:
        k = int(rng.poisson(18)) + 4
        return {"kind": texts(list(rng.choice(list("abc"), k))), "v": rng.exponential(10, k)}

    for _ in range(60):
        learner.observe(sample(day()))
    assert sum(learner.judge(sample(day())).alert for _ in range(50)) <= 2
    found = [learner.judge(sample(changed(day(), "v", spoil(0.6, np.nan)))).alert for _ in range(20)]
    assert sum(found) >= 18


def test_large_scopes_are_judged_by_their_sample_and_their_rows() -> None:
    rng = np.random.default_rng(12)
    learner = Learner()

    def scope(n: int, nulls: float = 0.1) -> Sample:
        positions = chosen_positions(n)
        values = np.where(rng.random(len(positions)) < nulls, np.nan, rng.normal(size=len(positions)))
        return Sample(n=n, columns={"v": values}, positions=positions)

    for _ in range(30):
        learner.observe(scope(int(rng.normal(50_000, 500))))
    assert not learner.judge(scope(50_000)).alert
    assert learner.judge(scope(40_000)).columns[0].series == Series(TABLE, "rows")
    assert learner.judge(scope(50_000, nulls=0.25)).columns[0].series == Series("v", "null")


def test_a_new_column_is_learned_from_then_on() -> None:
    learner = Learner()
    *past, now = orders(13, 61)
    for day, columns in enumerate(past):
        kept = columns if day >= 30 else {name: values for name, values in columns.items() if name != "age"}
        learner.observe(sample(kept, slot=day % 7))
    assert not verdict_of(learner, now).alert
    assert verdict_of(learner, changed(now, "age", spoil(0.5, np.nan))).columns[0].column == "age"


def test_a_column_of_texts_may_come_as_numbers_once() -> None:
    learner, now = learned(30)
    retyped = {**now, "zip": np.arange(len(now["zip"]), dtype=np.float64)}
    assert verdict_of(learner, retyped).columns[0].column == "zip"


def test_empty_scopes_are_a_matter_of_rows() -> None:
    learner, now = learned(30)
    empty: Columns = {name: values[:0] for name, values in now.items()}
    verdict = verdict_of(learner, empty)
    assert verdict.columns[0].series == Series(TABLE, "rows")
    learner.observe(sample(empty))
    assert verdict_of(learner, now).score < 1.5


def test_strange_numbers_do_not_stop_it() -> None:
    learner = Learner()
    for i in range(25):
        values = np.array([1e308, -1e308, np.inf, np.nan, float(i)] * 10)
        learner.observe(sample({"x": values, "y": np.full(50, np.nan)}))
    assert learner.judge(sample({"x": np.zeros(50), "y": np.zeros(50)})).observed == 25


def test_a_learner_goes_on_from_its_state() -> None:
    learner, now = learned(47, seed=21)
    again = load(json.loads(json.dumps(dump(learner), allow_nan=False)))
    bad = changed(now, "zip", spoil(0.1, "99999"))
    for columns in (now, bad):
        ours, theirs = verdict_of(learner, columns), verdict_of(again, columns)
        assert [c.column for c in ours.columns] == [c.column for c in theirs.columns]
        assert [c.score for c in ours.columns] == pytest.approx([c.score for c in theirs.columns])
    again.observe(sample(now))
    learner.observe(sample(now))
    assert verdict_of(again, bad).score == pytest.approx(verdict_of(learner, bad).score)
    with pytest.raises(ValueError, match="version"):
        load({"version": 0})


def test_samples_must_be_whole() -> None:
    with pytest.raises(ValueError, match="one length"):
        Sample(n=2, columns={"a": numbers([1, 2]), "b": numbers([1])})
    with pytest.raises(ValueError, match="cannot come from"):
        Sample(n=1, columns={"a": numbers([1, 2])})
    with pytest.raises(ValueError, match="positions"):
        Sample(n=2, columns={"a": numbers([1, None])}, positions=np.arange(3))


def test_texts_of_all_kinds() -> None:
    assert texts([True, None, float("nan"), "x", 5]).tolist() == ["true", None, None, "x", "5"]
    assert np.isnan(numbers([None, 2.0])).tolist() == [True, False]


def test_positions_of_like_scopes_are_alike() -> None:
    assert chosen_positions(5).tolist() == [0, 1, 2, 3, 4]
    first, second = chosen_positions(50_000), chosen_positions(48_000)
    assert len(first) == len(second) == 2000
    assert (np.diff(first) > 0).all()
    assert len(np.intersect1d(first, second)) > 1850
    assert abs(first.mean() / 50_000 - 0.5) < 0.03
