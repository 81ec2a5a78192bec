"""Series as one line of blocks, with marks where they left their band."""

from __future__ import annotations

import math

import pytest

from mlguard.report.sparkline import BLOCKS, figure, spark


def test_the_scale_runs_from_the_least_to_the_greatest_value() -> None:
    drawn = spark([0, 1, 2, 3, 4, 5, 6, 7])
    assert drawn.line == BLOCKS
    assert (drawn.least, drawn.most, drawn.marks) == (0, 7, "")


def test_missing_values_are_dots_and_infinite_ones_stand_at_the_ends() -> None:
    drawn = spark([1, None, math.nan, 2, math.inf, -math.inf])
    assert drawn.line == "▁··██▁"
    assert (drawn.least, drawn.most) == (1, 2)


def test_values_outside_the_band_are_marked_below() -> None:
    drawn = spark([5, 1, 5, 9, None, math.inf], low=2, high=8)
    assert drawn.marks == " ^ ^ ^"
    assert spark([5, 1], high=8).marks == ""
    assert spark([2, 8], low=2, high=8).marks == "", "the ends belong to the band"


def test_only_the_last_values_are_drawn() -> None:
    drawn = spark([100, *range(60)], width=10)
    assert len(drawn.line) == 10
    assert (drawn.least, drawn.most) == (50, 59)


@pytest.mark.parametrize("values", [[], [None], [math.nan, None], [math.inf]])
def test_without_a_finite_value_there_is_no_scale(values: list[float | None]) -> None:
    drawn = spark(values)
    assert len(drawn.line) == len(values)
    assert (drawn.least, drawn.most) == (None, None)


def test_equal_and_huge_values_draw_all_the_same() -> None:
    assert spark([3, 3]).line == "▁▁"
    assert spark([-1.7e308, 1.7e308]).line == "▁█"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "no value"),
        (math.nan, "NaN"),
        (math.inf, "infinite"),
        (-math.inf, "-infinite"),
        (3.0, "3"),
        (0.123456, "0.1235"),
        (1234567.5, "1234568"),
        (1e-7, "1e-07"),
    ],
)
def test_figures(value: float | None, text: str) -> None:
    assert figure(value) == text
