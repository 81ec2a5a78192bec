"""Pooled references and what is measured against them, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mlguard.learn.profile import SKETCH, Profile, profile_of
from mlguard.learn.reference import (
    NumberReference,
    far_share,
    grid_share,
    ks_distance,
    largest_change,
    number_reference,
    off_grid,
    spike,
    text_reference,
    usual_decimals,
)


def numbers(*values: float) -> Profile:
    return profile_of(np.array(values, dtype=np.float64))


def codes(*values: int) -> Profile:
    return profile_of(np.array(values, dtype=np.int64))


def reference(*profiles: Profile) -> NumberReference:
    found = number_reference(profiles)
    assert found is not None
    return found


def hundred() -> list[Profile]:
    return [profile_of(np.arange(101, dtype=np.float64)) for _ in range(3)]


def test_profile_counts_what_is_there() -> None:
    profile = numbers(2, 1, 2, float("nan"))
    assert (profile.k, profile.present) == (4, 3)
    assert profile.values.tolist() == [1, 2]
    assert profile.shares == pytest.approx([1 / 3, 2 / 3])
    assert profile.ordered.tolist() == [1, 2, 2]
    assert profile.heavy.tolist() == [False, True]
    assert profile.share_of(np.array([2.0, 3.0])) == pytest.approx([2 / 3, 0])
    assert codes(0, -1, 0).present == 2


def test_sketch_keeps_both_ends_and_even_ranks() -> None:
    profile = profile_of(np.arange(1000, dtype=np.float64))
    assert len(profile.sketch) == SKETCH
    assert profile.sketch[[0, 1, -1]].tolist() == [0, 999 // 399, 999]


def test_edges_and_range_of_a_uniform_column() -> None:
    found = reference(*hundred())
    assert found.edges.tolist() == list(range(5, 100, 5))
    assert found.cumulated[0] == pytest.approx(5 / 101)
    assert (found.low, found.high) == (5 - 1.5 * 90, 95 + 1.5 * 90)


def test_no_reference_of_too_little() -> None:
    assert number_reference([numbers(*range(30))] * 2) is None, "two scopes"
    assert number_reference([numbers(1, 2, 3)] * 5) is None, "15 numbers"
    assert text_reference([codes(1)] * 2) is None
    assert text_reference([codes(-1)] * 3) is None, "no texts at all"


def test_ks_and_far_by_hand() -> None:
    found = reference(*hundred())
    assert ks_distance(numbers(*range(101)), found) == pytest.approx(0)
    assert ks_distance(numbers(1000.0), found) == pytest.approx(95 / 101), (
        "all of the reference lies below the last edge"
    )
    assert far_share(numbers(50, 230, 231, -131), found) == pytest.approx(0.5), "the limits themselves are not far"


def test_spike_of_numbers_counts_heavy_values_only() -> None:
    found = reference(*hundred())
    assert spike(numbers(*range(101)), found) == 0
    assert spike(numbers(*range(50), *[999.0] * 50), found) == pytest.approx(0.5)
    usual = reference(*[numbers(*[7.0] * 50, *range(100, 150)) for _ in range(3)])
    assert spike(numbers(*[7.0] * 60, *range(100, 140)), usual) == pytest.approx(0.1)
    assert spike(numbers(*[7.0] * 40, *range(100, 160)), usual) == 0, "a fall is not a spike"


def test_texts_rise_and_fall() -> None:
    usual = text_reference([codes(0, 0, 0, 1)] * 3)
    assert usual is not None
    assert spike(codes(0, 0, 1, 1), usual) == pytest.approx(0.25)
    assert largest_change(codes(0, 0, 1, 1), usual) == pytest.approx(0.25)
    assert largest_change(codes(1, 1), usual) == pytest.approx(0.75)
    assert largest_change(codes(2), usual) == pytest.approx(1)
    assert largest_change(codes(0), usual) == pytest.approx(0.25), "code 1 is gone"


def test_decimals() -> None:
    assert usual_decimals(np.array([1.0, -3.0, 0.0])) == 0
    assert usual_decimals(np.array([0.1, 12.3, 1e6 + 0.7])) == 1
    assert usual_decimals(np.array([40.12345, 2.0])) == 5
    assert usual_decimals(np.array([1 / 3, 0.5])) is None
    assert usual_decimals(np.array([1 / 3] + [2.5] * 999)) == 1, "one stray in a thousand"
    assert off_grid(np.array([0.1 + 0.2, 1e9 + 0.5, 0.15]), 1).tolist() == [False, False, True]


def test_more_decimals_than_usual() -> None:
    usual = reference(*[numbers(*(np.arange(40) / 10)) for _ in range(3)])
    assert grid_share(numbers(0.1, 0.25, 3.0, 7.123), usual) == pytest.approx(0.5)
    fine = reference(*[numbers(*np.sqrt(np.arange(2, 42))) for _ in range(3)])
    assert grid_share(numbers(0.1), fine) is None
