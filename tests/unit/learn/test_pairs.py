"""Pair rules: their values by hand, and that the search finds what ties columns together and nothing else."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlguard.learn import domain_search
from mlguard.learn.memory import Memory
from mlguard.learn.pair_search import histories, search
from mlguard.learn.pairs import Rule, cut, explained_share, shuffle
from mlguard.learn.sample import Column, Integers, Numbers
from mlguard.learn.scope import Scope, scope_of
from mlguard.learn.seen import CAP, Seen, discrete, pair_keys
from mlguard.learn.series import Series
from mlguard.learn.vocabulary import Vocabulary


def column(*values: float) -> Numbers:
    return np.array(values, dtype=np.float64)


def codes(*values: int) -> Integers:
    return np.array(values, dtype=np.int64)


def rule_after(first: Column, second: Column) -> tuple[Rule, dict[str, Seen]]:
    rule = Rule(Series("a", "pair", "b"))
    rule.observe({"a": first, "b": second})
    known = {"a": Seen(sorted(set(discrete(first).tolist()))), "b": Seen(sorted(set(discrete(second).tolist())))}
    return rule, known


def test_pair_counts_known_values_never_seen_together() -> None:
    rule, known = rule_after(codes(0, 1, 2), column(10, 11, 12))
    assert rule.value({"a": codes(0, 1, 2, 0), "b": column(10, 11, 12, 11)}, known) == pytest.approx(0.25)
    assert rule.value({"a": codes(0, 7), "b": column(10, 10)}, known) == 0, "7 is new by itself: another series says so"
    assert rule.value({"a": codes(0, -1, -1, -1), "b": column(11, 10, 10, 10)}, known) == pytest.approx(0.25)
    assert math.isnan(rule.value({"a": codes(0)}, known))


def test_pair_says_nothing_once_a_set_is_full() -> None:
    rule, known = rule_after(codes(0), column(1))
    known["a"] = Seen(full=True)
    assert math.isnan(rule.value({"a": codes(0), "b": column(1)}, known))


def test_nulls_count_rows_where_exactly_one_is_missing() -> None:
    rule = Rule(Series("a", "nulls", "b"))
    values: dict[str, Column] = {"a": codes(-1, -1, 1, 1), "b": column(math.nan, 1, math.nan, 1)}
    assert rule.value(values, {}) == pytest.approx(0.5)


def test_explained_share() -> None:
    first = codes(*([0, 1] * 50))
    assert explained_share(first, first) == pytest.approx(1)
    assert explained_share(first, codes(*([0] * 50 + [1] * 50))) == pytest.approx(0)
    assert math.isnan(explained_share(first, codes(*([3] * 100)))), "a constant explains nothing"
    assert math.isnan(explained_share(codes(0, 1), codes(0, 1)))
    three_quarters = codes(*([0, 0, 1, 1] * 25)), codes(*([0, 0, 1, 0] * 25))
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    joint = (
        0.5 * math.log(0.5 / (0.5 * 0.75)) + 0.25 * math.log(0.25 / (0.5 * 0.25)) + 0.25 * math.log(0.25 / (0.5 * 0.75))
    )
    assert explained_share(*three_quarters) == pytest.approx(joint / entropy)


def test_cut() -> None:
    assert cut(column(0, 5, 6, math.nan), column(5, 10)).tolist() == [0, 1, 1, 31]
    assert cut(codes(3, 4, -1), codes(1, 3)).tolist() == [1, 30, 31]
    assert cut(codes(3, -1), codes()).tolist() == [30, 31]


def test_seen_grows_up_to_its_cap() -> None:
    seen = Seen()
    seen.add(np.array([5, 1], dtype=np.int64))
    seen.add(np.array([3, 5], dtype=np.int64))
    assert seen.listed() == [1, 3, 5]
    assert seen.has(np.array([3, 4], dtype=np.int64)).tolist() == [True, False]
    seen.add(np.arange(10, CAP + 10, dtype=np.int64))
    assert seen.full
    assert len(seen) == 3


def test_numbers_are_discrete_by_value() -> None:
    assert discrete(column(0.0, -0.0))[0] == discrete(column(0.0, -0.0))[1]
    assert pair_keys(discrete(column(1)), discrete(column(2))) != pair_keys(discrete(column(2)), discrete(column(1)))


def test_shuffle_is_fixed_and_whole() -> None:
    assert sorted(shuffle(504).tolist()) == list(range(504))
    assert shuffle(504).tolist() == shuffle(504).tolist()
    assert np.mean(shuffle(504) % 24 == np.arange(504) % 24) < 0.2, "rows of a daily rhythm do not stay in step"


def scopes(seed: int, count: int = 20, rows: int = 400) -> list[Scope]:
    rng = np.random.default_rng(seed)
    result = []
    for _ in range(count):
        city = rng.integers(0, 25, rows)
        missing = rng.random(rows) < 0.1
        wind, rain = rng.normal(size=rows), rng.normal(size=rows)
        wind[missing], rain[missing] = np.nan, np.nan
        size = np.round(rng.normal(size=rows), 1)
        columns: dict[str, Column] = {
            "city": city.astype(np.int64),
            "zip": (10_000.0 + city * 37).astype(np.float64),
            "noise": rng.integers(0, 25, rows).astype(np.int64),
            "wind": wind,
            "rain": rain,
            "size": size,
            "price": np.round(3 * size + rng.normal(size=rows) * 0.1, 1),
        }
        result.append(scope_of(rows, None, None, columns))
    return result


def test_search_finds_what_ties_columns_together() -> None:
    found = search(scopes(1))
    kinds = {(metric, frozenset((a, b))) for a, metric, b in (rule.series for rule, _ in found)}
    assert ("pair", frozenset(("city", "zip"))) in kinds
    assert ("nulls", frozenset(("wind", "rain"))) in kinds
    assert ("dependence", frozenset(("size", "price"))) in kinds
    assert not any("noise" in columns for _, columns in kinds)
    assert len(kinds) == len(found), "not once more the other way round"


def test_search_gives_histories_and_is_repeatable() -> None:
    first, second = search(scopes(2)), search(scopes(2))
    assert [rule.series for rule, _ in first] == [rule.series for rule, _ in second]
    assert all(len(history) == 20 for _, history in first)
    pair = next(history for rule, history in first if rule.series.metric == "pair")
    assert np.isnan(pair[:8]).all()
    assert max(pair[8:]) == 0


def test_rules_that_are_there_are_not_found_again() -> None:
    found = search(scopes(3))
    assert histories(found, [rule for rule, _ in found]) == []


def test_rules_are_learned_after_20_scopes_and_again() -> None:
    memory = Memory()
    memory.vocabularies = {name: Vocabulary(map(str, range(25))) for name in ("city", "noise")}
    learned = [bool(memory.observe(scope)) for scope in scopes(4, count=20)]
    assert learned == [False] * 19 + [True]
    assert {rule.series.metric for rule in memory.rules} == {"pair", "nulls", "dependence"}


def plainly(first: list[Column], second: list[Column]) -> tuple[float, float, list[float]]:
    """Gain, nature and history of a pair as the specification says, one row at a time."""
    known_a: set[float] = set()
    known_b: set[float] = set()
    seen: set[tuple[float, float]] = set()
    nature, broken = [], []
    for x, y in zip(first, second, strict=True):
        pairs = list(zip(x.tolist(), y.tolist(), strict=True))
        mixed = list(zip(x[shuffle(len(x))].tolist(), y.tolist(), strict=True))
        nature.append(np.mean([a in known_a and b in known_b and (a, b) not in seen for a, b in pairs]))
        broken.append(np.mean([a in known_a and b in known_b and (a, b) not in seen for a, b in mixed]))
        whole = [(a, b) for a, b in pairs if a >= 0 and not math.isnan(b)]
        known_a |= {a for a in x.tolist() if a >= 0}
        known_b |= {b for b in y.tolist() if not math.isnan(b)}
        seen |= set(whole)
    half = len(first) // 2
    gain = np.median(broken[half:]) - np.median(nature[half:]) - np.std(nature[half:])
    return float(gain), float(np.median(nature[half:])), [float(x) for x in nature]


@pytest.mark.parametrize("cells", [10**9, 0])
def test_domains_are_what_the_specification_says(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain_search, "_TABLE_CELLS", cells)
    rng = np.random.default_rng(6)
    first: list[Column] = [rng.integers(-1, 30, rows) for rows in (120, 90, 150, 130, 80, 140, 110, 100, 95, 105)]
    second: list[Column] = []
    for x in first:
        stray = np.where(rng.random(len(x)) < 0.04, rng.integers(0, 11, len(x)), 0)
        second.append(np.where(rng.random(len(x)) < 0.03, np.nan, (x % 11 + stray).astype(np.float64)))
    found = domain_search.search_domains({"a": first, "b": second})
    gain, nature, history = plainly(first, second)
    assert gain > 0.1 > nature
    ((rule, past),) = found
    assert rule.series in {Series("a", "pair", "b"), Series("b", "pair", "a")}
    assert np.isnan(past[:8]).all()
    assert past[8:] == pytest.approx(history[8:])
    assert max(past[8:]) > 0
