"""Which lengths the calendar can be cut into, and the buckets that windows are made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlguard.compile.windows import (
    DAY,
    HOUR,
    MINUTE,
    base_of,
    calendar_fault,
    size,
    sliding_fault,
    span_of,
    table_window,
)
from mlguard.program import Over, Span
from mlguard.spec.values import Length

CALENDAR = ["1 day", "7 days", "1 week", "3 days", "366 days", "1 month", "1 hour", "6 hours", "12 hours", "1 minute"]
CALENDAR += ["15 minutes", "30 min", "60 minutes"]


def span(text: str) -> Span:
    """Return a length as the compiler keeps it."""
    return table_window(Length.parse(text))[0]


@pytest.mark.parametrize("text", CALENDAR)
def test_the_calendar_can_be_cut_into(text: str) -> None:
    assert calendar_fault(span(text)) == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("5 hours", "a day is no whole number of windows of 5 hours"),
        ("90 minutes", "a day is no whole number of windows of 1 hour 30 minutes"),
        ("45 minutes", "an hour is no whole number of windows of 45 minutes"),
        ("30 seconds", "a window of 30 seconds is no whole number of minutes"),
        ("61 seconds", "a window of 1 minute 1 second is no whole number of minutes"),
        ("3 months", "windows of 3 months have no agreed beginning"),
        ("367 days", "a window of 367 days is longer than a year"),
        ("1 day 1 hour", "a window of 1 day 1 hour mixes units the calendar keeps apart"),
    ],
)
def test_the_calendar_cannot_be_cut_into(text: str, why: str) -> None:
    assert calendar_fault(span(text)) == why


@pytest.mark.parametrize("text", ["5 hours", "90 minutes", "7 days", "2 months", "366 days", "8784 hours"])
def test_a_window_can_slide_over(text: str) -> None:
    assert sliding_fault(span(text)) == ""


@pytest.mark.parametrize("text", ["90 seconds", "367 days", "13 months", "1 day 1 hour"])
def test_a_window_cannot_slide_over(text: str) -> None:
    assert sliding_fault(span(text)).startswith("a window of the last ")


@pytest.mark.parametrize(
    ("text", "spelled"),
    [("1 week", "7 days"), ("24 hours", "1 day"), ("72 h", "3 days"), ("60 min", "1 hour"), ("1 mon", "1 month")],
)
def test_one_spelling(text: str, spelled: str) -> None:
    assert str(span(text)) == spelled


def over(text: str) -> Over:
    """Return what an SLO is judged over."""
    if text == "batch":
        return Over("batch")
    last = text.removeprefix("last ")
    return Over("sliding" if last != text else "calendar", span(last))


@pytest.mark.parametrize(
    ("overs", "window", "base"),
    [
        ([], "1 day", None),
        (["batch"], "1 day", None),
        (["1 day"], "1 day", "1 day"),
        (["7 days"], "1 day", "7 days"),
        (["7 days", "3 days"], "1 day", "1 day"),
        (["14 days", "7 days", "batch"], "1 day", "7 days"),
        (["1 month"], "1 day", "1 day"),
        (["1 month", "7 days"], "1 day", "1 day"),
        (["1 month", "6 hours"], "1 day", "6 hours"),
        (["1 day", "1 hour"], "1 day", "1 hour"),
        (["6 hours", "4 hours"], "1 day", "2 hours"),
        (["20 minutes", "15 minutes"], "1 day", "5 minutes"),
        (["last 7 days"], "1 day", "1 day"),
        (["last 14 days"], "7 days", "7 days"),
        (["last 1 hour"], "1 day", "1 hour"),
        (["last 36 hours"], "1 day", "12 hours"),
        (["last 90 minutes"], "1 day", "30 minutes"),
        (["last 100 minutes", "1 day"], "1 day", "20 minutes"),
    ],
)
def test_buckets(overs: list[str], window: str, base: str | None) -> None:
    found = base_of((over(text) for text in overs), span(window))  # what the compiler gives can be read once only
    assert (None if found is None else str(found)) == base


lengths = st.sampled_from([span(text) for text in CALENDAR])
minutes = st.integers(1, 1440 * 3).map(lambda count: span_of(Span("", microseconds=count * MINUTE)))
overs = st.lists(
    st.one_of(lengths.map(lambda one: Over("calendar", one)), minutes.map(lambda one: Over("sliding", one))), min_size=1
)


@given(overs, lengths)
def test_every_window_is_a_whole_number_of_buckets(found: list[Over], window: Span) -> None:
    base = base_of(found, window)
    assert base is not None
    assert calendar_fault(base) == ""
    for one in found:
        assert one.span is not None
        assert size(one.span) % size(base) == 0 or one.span.months
    assert size(base) <= DAY or all(one.span is not None and one.span.days for one in found)
    assert size(base) >= MINUTE
    assert HOUR % size(base) == 0 or DAY % size(base) == 0 or size(base) % DAY == 0
