"""States: what merges to what, what can be taken apart again, what metrics they end in."""

from __future__ import annotations

import json
import math
import random
import time
from collections import Counter
from typing import Any

import numpy as np
import psycopg
import pytest

from tests.runtime_example import session, value

Connection = psycopg.Connection[Any]
State = dict[str, Any]


def merged(connection: Connection, *documents: State | None) -> State:
    """Merge documents as sweep() and COMMIT do."""
    found: State = value(
        connection,
        "select mlguard.merge_v1(d.states) from jsonb_array_elements(%s::jsonb) d (states)",
        json.dumps([document or {} for document in documents]),
    )
    return found


def unmerged(connection: Connection, whole: State, gone: State) -> State:
    found: State = value(
        connection, "select mlguard._unmerge(%s::jsonb, %s::jsonb)", json.dumps(whole), json.dumps(gone)
    )
    return found


def metric(connection: Connection, call: str, states: State, *arguments: object) -> float | None:
    """Finalise: `call` names a function of the runtime that takes the states and `arguments`."""
    holes = ", ".join(["%s::jsonb", *["%s"] * len(arguments)])
    found: float | None = connection.execute(
        f"select mlguard.{call}({holes})".encode(), [json.dumps(states), *arguments]
    ).fetchone()[0]  # type: ignore[index]
    return found


def document(xs: list[float | None], ys: list[float | None]) -> State:
    """The states of two float columns, by the definitions, not by merging."""
    found: State = {"n": len(xs)}
    for name, column in (("x", xs), ("y", ys)):
        have = [v for v in column if v is not None]
        found[f"have({name})"] = len(have)
        found[f"zero({name})"] = sum(v == 0 for v in have)
        found[f"sum({name})"] = float(np.sum(have)) if have else None
        found[f"moments({name})"] = moments(have)
        found[f"min({name})"] = min(have, default=None)
        found[f"max({name})"] = max(have, default=None)
    both = [(a, b) for a, b in zip(xs, ys, strict=True) if a is not None and b is not None]
    found["joint(x, y)"] = joint(both)
    found["true(x > y)"] = sum(a > b for a, b in both)
    return found


def moments(have: list[float]) -> list[float]:
    return [len(have), float(np.mean(have)), float(np.var(have) * len(have))] if have else [0, 0, 0]


def joint(both: list[tuple[float, float]]) -> list[float]:
    if not both:
        return [0, 0, 0, 0, 0, 0]
    a, b = np.array(both).T
    return [
        len(a),
        a.mean(),
        b.mean(),
        a.var() * len(a),
        b.var() * len(b),
        float(((a - a.mean()) * (b - b.mean())).sum()),
    ]


def same(found: State, wanted: State) -> None:
    assert found.keys() == {key for key, state in wanted.items() if state is not None}
    for key, state in found.items():
        assert state == pytest.approx(wanted[key], rel=1e-9, abs=1e-9), key


def some_columns(seed: int, count: int) -> tuple[list[float | None], list[float | None]]:
    dice = random.Random(seed)
    xs = [None if dice.random() < 0.2 else round(dice.gauss(10, 5), 3) for _ in range(count)]
    ys = [None if x is None and dice.random() < 0.5 else round(2 * (x or 0) + dice.gauss(0, 1), 3) for x in xs]
    return xs, ys


@pytest.mark.parametrize("parts", [1, 2, 7, 200])
def test_the_sum_of_the_parts_is_the_whole(db: str, parts: int) -> None:
    xs, ys = some_columns(parts, 200)
    with session(db) as connection:
        documents = [document(xs[i::parts], ys[i::parts]) for i in range(parts)]
        same(merged(connection, *documents), document(xs, ys))
        assert merged(connection, *documents) == merged(connection, *documents, {}, None)


def test_taking_away_is_the_inverse(db: str) -> None:
    xs, ys = some_columns(3, 300)
    with session(db) as connection:
        whole, gone = document(xs, ys), document(xs[:120], ys[:120])
        left = unmerged(connection, whole, gone)
        stale = left.pop("stale", [])
        wanted = document(xs[120:], ys[120:])
        for key in ("min(x)", "max(x)", "min(y)", "max(y)"):
            if key in stale:
                wanted[key] = left[key]
        same(left, wanted)
        assert unmerged(connection, whole, whole) == {"n": 0}
        assert unmerged(connection, whole, {}) == whole


def test_extremes_go_stale_only_when_they_may_have_gone(db: str) -> None:
    with session(db) as connection:
        whole = {"n": 5, "min(x)": 1, "max(x)": 9}
        assert "stale" not in unmerged(connection, whole, {"n": 1, "min(x)": 4, "max(x)": 4})
        assert unmerged(connection, whole, {"n": 1, "min(x)": 1, "max(x)": 1})["stale"] == ["min(x)"]
        both = unmerged(connection, whole, {"n": 2, "min(x)": 1, "max(x)": 9})
        assert both["stale"] == ["max(x)", "min(x)"]
        assert merged(connection, both, {"n": 1, "min(x)": 0, "max(x)": 0})["stale"] == ["max(x)", "min(x)"]


def test_sums_are_exact_and_infinity_is_said(db: str) -> None:
    with session(db) as connection:
        big = {"n": 1, "sum(i)": 9007199254740993}
        assert merged(connection, big, big)["sum(i)"] == 18014398509481986
        cents = [{"n": 1, "sum(m)": 0.1} for _ in range(10)]
        assert merged(connection, *cents)["sum(m)"] == 1
        # In float8 1e17 + 0.75 - 1e17 is 0.
        left = value(
            connection,
            "select mlguard._unmerge(mlguard._merge(a, b), a) -> 'sum(f)' from (values"
            ' (\'{"n": 1, "sum(f)": 1e17}\'::jsonb, \'{"n": 2, "sum(f)": 0.75}\'::jsonb)) v (a, b)',
        )
        assert left == 0.75
        endless = merged(
            connection, {"n": 1, "sum(f)": "Infinity", "max(f)": "Infinity"}, {"n": 1, "sum(f)": 4, "max(f)": 4}
        )
        assert (endless["sum(f)"], endless["max(f)"]) == ("Infinity", "Infinity")
        assert metric(connection, "sum_v1", endless, "sum(f)") == math.inf
        left = unmerged(connection, endless, {"n": 1, "sum(f)": "Infinity", "max(f)": "Infinity"})
        assert left["stale"] == ["max(f)", "sum(f)"]


def test_bins_of_different_edges_are_not_added(db: str) -> None:
    with session(db) as connection:
        old = {"n": 10, "bins(x)": {"v": 1, "c": [5, 5], "n": 10}}
        new = {"n": 6, "bins(x)": {"v": 2, "c": [1, 2, 3], "n": 6}}
        assert merged(connection, new, new)["bins(x)"] == {"v": 2, "c": [2, 4, 6], "n": 12}
        assert merged(connection, old, new)["bins(x)"] == {"v": 2, "c": [1, 2, 3], "n": 6, "partial": True}
        assert merged(connection, merged(connection, old, new), new)["bins(x)"]["partial"] is True
        left = unmerged(connection, {"n": 12, "bins(x)": {"v": 2, "c": [2, 4, 6], "n": 12}}, new)
        assert left["bins(x)"] == {"v": 2, "c": [1, 2, 3], "n": 6}


def test_values_keep_the_most_frequent(db: str) -> None:
    def state(counts: dict[str, int], other: int = 0) -> State:
        return {
            "n": sum(counts.values()) + other,
            "values(c)": {"c": counts, "other": other, "n": sum(counts.values()) + other},
        }

    with session(db) as connection:
        a, b = state({"free": 3, "pro": 1}, other=2), state({"pro": 4, "team": 1})
        assert merged(connection, a, b)["values(c)"] == {"c": {"free": 3, "pro": 5, "team": 1}, "other": 2, "n": 11}
        assert unmerged(connection, merged(connection, a, b), b)["values(c)"] == a["values(c)"]
        many = [state({f"v{i:05}": i % 7 + 1 for i in range(start, start + 700)}) for start in (0, 700)]
        kept = merged(connection, *many)["values(c)"]
        truth = Counter({f"v{i:05}": i % 7 + 1 for i in range(1400)})
        assert len(kept["c"]) == 1000
        assert min(kept["c"].values()) >= 2
        assert sum(kept["c"].values()) + kept["other"] == kept["n"] == truth.total()
        last = min(kept["c"].values())
        ties = sorted(name for name, count in truth.items() if count == last)
        assert [name for name in ties if name in kept["c"]] == ties[: sum(c == last for c in kept["c"].values())]


def hashed(number: int) -> str:
    return f"{random.Random(number).getrandbits(64):016x}"


def keys(numbers: list[int]) -> State:
    return {"n": len(numbers), "keys(id)": {"t": 1, "k": dict(Counter(hashed(i) for i in numbers)), "n": len(numbers)}}


def test_keys_are_exact_until_there_are_too_many(db: str) -> None:
    with session(db) as connection:
        states = merged(connection, keys([1, 2, 2, 3]), keys([3, 4]))
        assert metric(connection, "distinct_v1", states, "keys(id)") == 4
        assert metric(connection, "duplicates_v1", states, "keys(id)") == pytest.approx(2 / 6)
        left = unmerged(connection, states, keys([3, 4]))
        assert metric(connection, "distinct_v1", left, "keys(id)") == 3

        parts = [keys([i % 30_000 for i in range(start, start + 4000)]) for start in range(0, 60_000, 4000)]
        whole = merged(connection, *parts)
        sample = whole["keys(id)"]
        assert 4000 <= len(sample["k"]) <= 4096
        assert 0 < sample["t"] < 1
        assert metric(connection, "distinct_v1", whole, "keys(id)") == pytest.approx(30_000, rel=0.06)
        assert metric(connection, "duplicates_v1", whole, "keys(id)") == pytest.approx(0.5, abs=0.001)
        # In any grouping the same keys stay: theta is the least of all, and hashes below it are complete.
        pairs = [merged(connection, *parts[i : i + 5]) for i in range(0, 15, 5)]
        again = merged(connection, *pairs)["keys(id)"]
        below = {key: count for key, count in again["k"].items() if int(key, 16) < sample["t"] * 2**64}
        assert below.items() <= {**sample["k"], **below}.items()
        assert all(again["k"][key] == sample["k"][key] for key in again["k"].keys() & sample["k"].keys())
        smaller = unmerged(connection, whole, keys([i % 30_000 for i in range(56_000, 60_000)]))
        assert metric(connection, "duplicates_v1", smaller, "keys(id)") == pytest.approx(26 / 56, abs=0.01)


def quantiles(values: list[float]) -> State:
    ordered = sorted(values)
    if len(ordered) <= 500:
        return {"n": len(ordered), "quantiles(x)": {"n": len(ordered), "v": ordered}}
    points = [float(v) for v in np.quantile(ordered, np.linspace(0, 1, 501))]
    state = {"n": len(ordered), "v": points, "w": [len(ordered) / 501] * 501}
    return {"n": len(ordered), "quantiles(x)": state}


def test_quantiles_are_exact_while_all_values_are_kept(db: str) -> None:
    dice = random.Random(5)
    values = [round(dice.lognormvariate(0, 1), 4) for _ in range(900)]
    with session(db) as connection:
        states: State = {}
        for count in (1, 2, 3, 50, 900):
            states = merged(connection, *[quantiles(values[i:count:2]) for i in range(2)])
            assert "w" not in states["quantiles(x)"]
            for q in (0, 0.01, 0.25, 0.5, 0.731, 0.95, 1):
                wanted = float(np.quantile(values[:count], q))
                assert metric(connection, "quantile_v1", states, "quantiles(x)", q) == pytest.approx(wanted)
        assert (
            metric(connection, "quantile_v1", {"n": 3, "quantiles(x)": {"n": 0, "v": []}}, "quantiles(x)", 0.5) is None
        )
        assert unmerged(connection, states, quantiles(values[:10]))["stale"] == ["quantiles(x)"]


def test_quantiles_of_many_rows_are_near(db: str) -> None:
    dice = random.Random(6)
    parts = [[dice.gauss(day, 1) for _ in range(3000 + 500 * day)] for day in range(8)]
    everything = sorted(v for part in parts for v in part)
    with session(db) as connection:
        states = merged(connection, *[quantiles(part) for part in parts])
        assert states["quantiles(x)"]["n"] == len(everything)
        assert len(states["quantiles(x)"]["v"]) == 501
        for q in (0.01, 0.1, 0.5, 0.9, 0.99):
            found = metric(connection, "quantile_v1", states, "quantiles(x)", q)
            assert found is not None
            assert np.searchsorted(everything, found) / len(everything) == pytest.approx(q, abs=0.005)


def test_infinite_values_have_quantiles_too(db: str) -> None:
    with session(db) as connection:
        states = {"n": 4, "quantiles(x)": {"n": 4, "v": ["-Infinity", 1, "Infinity", "Infinity"]}}
        assert metric(connection, "quantile_v1", states, "quantiles(x)", 1) == math.inf
        assert metric(connection, "quantile_v1", states, "quantiles(x)", 0.9) == math.inf
        assert metric(connection, "quantile_v1", states, "quantiles(x)", 0) == -math.inf
        assert merged(connection, states, {"n": 1, "quantiles(x)": {"n": 1, "v": [0]}})["quantiles(x)"]["v"] == [
            "-Infinity",
            0,
            1,
            "Infinity",
            "Infinity",
        ]


def test_metrics_are_those_of_numpy(db: str) -> None:
    xs, ys = some_columns(9, 500)
    have = [x for x in xs if x is not None]
    both = np.array([(x, y) for x, y in zip(xs, ys, strict=True) if x is not None and y is not None])
    with session(db) as connection:
        states = merged(connection, *[document(xs[i::5], ys[i::5]) for i in range(5)])
        assert metric(connection, "count_v1", states, "have(x)") == len(have)
        assert metric(connection, "ratio_v1", states, "have(x)", "n") == pytest.approx(len(have) / 500)
        assert metric(connection, "rest_v1", states, "have(x)", "n") == pytest.approx(1 - len(have) / 500)
        assert metric(connection, "mean_v1", states, "sum(x)", "have(x)", "nan(x)") == pytest.approx(np.mean(have))
        assert metric(connection, "stddev_v1", states, "moments(x)") == pytest.approx(np.std(have, ddof=1))
        assert metric(connection, "least_v1", states, "min(x)") == min(have)
        assert metric(connection, "greatest_v1", states, "max(x)") == max(have)
        assert metric(connection, "correlation_v1", states, "joint(x, y)") == pytest.approx(np.corrcoef(both.T)[0, 1])
        assert (
            metric(connection, "share_v1", {"zero(x)": 2, "have(x)": 10, "nan(x)": 2}, "zero(x)", "have(x)", "nan(x)")
            == 0.25
        )
        assert (
            metric(
                connection, "sum_v1", {"n": 3, "sum(x)": 0, "have(x)": 1, "nan(x)": 1}, "sum(x)", "have(x)", "nan(x)"
            )
            is None
        )


def test_no_rows_have_no_values(db: str) -> None:
    with session(db) as connection:
        for nothing in ({}, {"n": 0}):
            assert metric(connection, "count_v1", nothing, "n") == 0
            assert metric(connection, "ratio_v1", nothing, "have(x)", "n") is None
            assert metric(connection, "rest_v1", nothing, "have(x)", "n") is None
            assert metric(connection, "mean_v1", nothing, "sum(x)", "have(x)", "nan(x)") is None
            assert metric(connection, "stddev_v1", nothing, "moments(x)") is None
            assert metric(connection, "least_v1", nothing, "min(x)") is None
            assert metric(connection, "quantile_v1", nothing, "quantiles(x)", 0.5) is None
            assert metric(connection, "correlation_v1", nothing, "joint(x, y)") is None
            assert metric(connection, "distinct_v1", nothing, "keys(x)") == 0
            assert metric(connection, "duplicates_v1", nothing, "keys(x)") is None
        # A state that was not kept is unknown, not nought.
        assert metric(connection, "count_v1", {"n": 7}, "have(x)") is None
        assert metric(connection, "ratio_v1", {"n": 7}, "have(x)", "n") is None
        assert metric(connection, "stddev_v1", {"moments(x)": [1, 5, 0]}, "moments(x)") is None
        assert metric(connection, "correlation_v1", {"joint(x, y)": [3, 1, 1, 0, 4, 0]}, "joint(x, y)") is None


def test_ten_thousand_rows_merge_within_a_second(db: str) -> None:
    with session(db) as connection:
        connection.execute(
            "create table documents as select jsonb_build_object('n', 1, 'have(a)', 1, 'have(b)', g %% 2, 'have(c)', 1,"
            " 'zero(a)', 0, 'negative(a)', 0, 'nan(c)', 0, 'sum(a)', g * 1.5, 'sum(b)', g, 'true(x = 1)', 1,"
            " 'have(d)', 1,"
            " 'true(d > 0)', g %% 3, 'zero(b)', 0, 'negative(b)', 0, 'zero(d)', 1) as states"
            " from generate_series(1, %s) g",
            [10_000],
        )
        began = time.monotonic()
        states = value(connection, "select mlguard.merge_v1(states) from documents")
        assert time.monotonic() - began < 1
        assert (states["n"], states["have(b)"], states["sum(a)"], states["sum(b)"]) == (
            10_000,
            5000,
            75007500,
            50005000,
        )
