"""Lengths of windows: which a calendar can be cut into, and the buckets that a table's windows are made of. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd
from typing import Protocol

from mlguard.compile.draft import Path, Scene
from mlguard.program import Over, Span

MINUTE = 60_000_000  # microseconds
HOUR = 60 * MINUTE
DAY = 24 * HOUR
MONTH_DAYS = 31  # the longest; where lengths in months are compared with others
CALENDAR_HELP = (
    "write 1 day, 7 days, 1 month, 1 hour (of those that divide a day) or 15 minutes (of those that divide an hour)"
)


class Length(Protocol):
    """A length of time as the file writes it."""

    @property
    def months(self) -> int:
        """Months."""

    @property
    def days(self) -> int:
        """Days."""

    @property
    def microseconds(self) -> int:
        """The rest."""


def span_of(length: Length) -> Span:
    """Return a length of the file in the one spelling PostgreSQL and people read alike: `7 days`, `6 hours`."""
    months, days, rest = length.months, length.days, length.microseconds
    parts = [(months, "month"), (days, "day")]
    for size, unit in ((HOUR, "hour"), (MINUTE, "minute"), (1_000_000, "second"), (1, "microsecond")):
        count, rest = divmod(rest, size)
        parts.append((count, unit))
    text = " ".join(f"{count} {unit}{'s' * (count != 1)}" for count, unit in parts if count)
    return Span(text or "0 hours", months, days, length.microseconds)


def calendar_fault(span: Span) -> str:
    """Say why the calendar cannot be cut into this length; '' where it can.

    Days are counted from a Monday, so that 7 days begin on Mondays; hours and minutes begin anew every day.
    """
    kinds = sum(bool(part) for part in (span.months, span.days, span.microseconds))
    if kinds > 1:
        return f"a window of {span} mixes units the calendar keeps apart"
    if span.months:
        return "" if span.months == 1 else f"windows of {span} have no agreed beginning"
    if span.days:
        return "" if span.days <= 366 else f"a window of {span} is longer than a year"
    if span.microseconds % MINUTE or not span.microseconds:
        return f"a window of {span} is no whole number of minutes"
    if span.microseconds < HOUR:
        return "" if HOUR % span.microseconds == 0 else f"an hour is no whole number of windows of {span}"
    if span.microseconds % HOUR == 0 and DAY % span.microseconds == 0:
        return ""
    return f"a day is no whole number of windows of {span}"


def sliding_fault(span: Span) -> str:
    """Say why a window cannot slide over this length; '' where it can."""
    kinds = sum(bool(part) for part in (span.months, span.days, span.microseconds))
    if kinds > 1:
        return f"a window of the last {span} mixes units the calendar keeps apart"
    if span.microseconds % MINUTE:
        return f"a window of the last {span} is no whole number of minutes"
    if span.months > 12 or span.days > 366:
        return f"a window of the last {span} is longer than a year"
    return ""


def table_window(length: Length) -> tuple[Span, str]:
    """Return the table's own window, and why the calendar cannot be cut into it ('' where it can)."""
    span = _whole_days(length)
    return span, calendar_fault(span)


def over_of(said: Length | None, *, sliding: bool, scene: Scene, path: Path) -> Over | None:
    """Return what windows an SLO is judged over, or None where it cannot be (noted)."""
    if said is None:
        return Over("calendar", scene.window)
    span = _whole_days(said)
    fault = sliding_fault(span) if sliding else calendar_fault(span)
    if fault:
        scene.fault(fault, path, f"write last {_in_hours(span)}" if sliding else _calendar_help(span))
        return None
    return Over("sliding" if sliding else "calendar", span)


def _whole_days(length: Length) -> Span:
    """Return the length; 24 hours of a window are meant as a day, also where the clock changes."""
    if not length.months and not length.days and length.microseconds and length.microseconds % DAY == 0:
        return span_of(Span("", days=length.microseconds // DAY))
    return span_of(length)


def _in_hours(span: Span) -> str:
    minutes = max((span.months * MONTH_DAYS + span.days) * 24 * 60 + span.microseconds // MINUTE, 1)
    if minutes > 366 * 24 * 60:
        return "366 days"
    count, unit = (minutes // 60, "hour") if minutes % 60 == 0 else (minutes, "minute")
    return f"{count} {unit}{'s' * (count != 1)}"


def _calendar_help(span: Span) -> str:
    return f"{CALENDAR_HELP}; or let it slide: last {_in_hours(span)}" if not span.months else CALENDAR_HELP


def size(span: Span) -> int:
    """Return the length in microseconds, a day of 24 hours, a month of 31 days."""
    return (span.months * MONTH_DAYS + span.days) * DAY + span.microseconds


def base_of(overs: Iterable[Over], window: Span) -> Span | None:
    """Return the longest calendar length that all these windows are made of; None where there is no window.

    A sliding window ends at each bucket's end, so that the table's own window counts beside it.
    """
    found = tuple(overs)
    spans = [over.span for over in found if over.span is not None]
    if any(over.kind == "sliding" for over in found):
        spans.append(window)
    if not spans:
        return None
    if any(span.months for span in spans) and all(not span.microseconds for span in spans):
        spans = [span for span in spans if not span.months] + [Span("1 day", days=1)]
    if all(span.days for span in spans):
        return span_of(Span("", days=gcd(*(span.days for span in spans))))
    common = gcd(*(span.microseconds or DAY for span in spans))
    largest = max(length for length in _CLOCK_LENGTHS if common % length == 0)
    return span_of(Span("", microseconds=largest))


_CLOCK_LENGTHS = tuple(
    length
    for length in (*range(MINUTE, HOUR + 1, MINUTE), *range(2 * HOUR, DAY, HOUR))
    if (HOUR % length == 0) or (length % HOUR == 0 and DAY % length == 0)
)
