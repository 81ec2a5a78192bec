"""The formulas that proposals rest on, against their definitions and by repeated draws."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from scipy import stats

from mlguard.suggest.statistics import (
    count,
    lower_limit,
    number,
    rounded,
    share,
    share_up,
    tail_size,
    unseen_below,
    upper_limit,
    wilson_upper,
)


@pytest.mark.parametrize(("bad", "n"), [(1, 100), (30, 1000), (500, 1000), (999, 1000)])
def test_wilson_is_the_published_interval(bad: int, n: int) -> None:
    published = stats.binomtest(bad, n).proportion_ci(confidence_level=0.98, method="wilson").high
    assert wilson_upper(bad, n, 0.99) == pytest.approx(published, rel=1e-9)


def test_never_seen_is_the_rule_of_three() -> None:
    assert unseen_below(1000, 0.95) == pytest.approx(3 / 1000, rel=0.01)
    assert unseen_below(0, 0.95) == 1
    # The bound is the rate at which n clean rows have a probability of exactly 1 - confidence.
    assert (1 - unseen_below(500, 0.99)) ** 500 == pytest.approx(0.01)
    assert wilson_upper(0, 500, 0.99) == unseen_below(500, 0.99)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.normal(size=n),
        lambda rng, n: rng.exponential(size=n),
        lambda rng, n: rng.uniform(size=n),
        lambda rng, n: rng.lognormal(0, 0.7, size=n),
    ],
    ids=["normal", "exponential", "uniform", "lognormal"],
)
def test_as_many_further_rows_stay_within_the_limits(draw: object) -> None:
    """The promise of a limit, kept in 200 repetitions: a second sample of the same size has no value beyond."""
    rng = np.random.default_rng(11)
    n, k, broken, inside = 5_000, tail_size(5_000), 0, 0
    for _ in range(200):
        first, second = np.sort(draw(rng, n)), draw(rng, n)  # type: ignore[operator]
        top, bottom = upper_limit(list(first[-k:]), 0.99), lower_limit(list(first[:k]), 0.99)
        inside += top < first[-1] or bottom > first[0]
        broken += second.max() > top
    assert inside == 0
    assert broken <= 200 * 0.05  # 1% is promised; the fit itself is from a sample


def test_the_sample_maximum_would_not_keep_that_promise() -> None:
    rng = np.random.default_rng(11)
    broken = sum(rng.normal(size=5_000).max() < rng.normal(size=5_000).max() for _ in range(200))
    assert broken > 200 * 0.3


def test_a_capped_quantity_keeps_its_cap() -> None:
    assert upper_limit([5.0] * 100, 0.99) == 5.0


@pytest.mark.parametrize(
    ("value", "up", "said"),
    [(1234.5, True, "1300"), (1234.5, False, "1200"), (-0.0123, False, "-0.013"), (0.0, True, "0"), (7, True, "7")],
)
def test_rounding_leads_away_from_the_values(value: float, up: bool, said: str) -> None:
    assert number(rounded(value, up=up)) == said


def test_whole_numbers_stay_whole() -> None:
    assert number(rounded(3.2, up=True, whole=True)) == "4"
    assert number(rounded(123456.7, up=True, whole=True)) == "130000"


@pytest.mark.parametrize(
    ("value", "said"), [("1e300", "1.0e+300"), ("-2.5e-20", "-2.5e-20"), ("1500", "1500"), ("0.050", "0.05")]
)
def test_numbers_are_written_as_yaml_and_sql_read_them(value: str, said: str) -> None:
    assert number(Decimal(value)) == said
    assert Decimal(said) == Decimal(value)


def test_shares_for_people() -> None:
    assert [share(x) for x in (0, 0.00012, 0.0203, 0.5, 1)] == ["0%", "0.012%", "2.0%", "50%", "100%"]
    assert [share_up(x) for x in (0.0203, 0.5, 1)] == ["2.1%", "50%", "100%"]
    assert count(1234567) == "1,234,567"
