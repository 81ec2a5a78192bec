"""Calendar arithmetic on local clocks, as the runtime's _window_start and _window_end do it (0013). Pure.

Local times are datetimes without a zone: windows are cut as the clock of the file's time zone shows them.
"""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from mlguard.program import Span

ORIGIN = datetime(2001, 1, 1)  # noqa: DTZ001 - a Monday on any clock


def add(at: datetime, span: Span, sign: int) -> datetime:
    """Return a local time so much later (or earlier): months keep the day where the month has it."""
    months = sign * span.months
    if months:
        total = at.year * 12 + at.month - 1 + months
        year, month = divmod(total, 12)
        at = at.replace(year=year, month=month + 1, day=min(at.day, calendar.monthrange(year, month + 1)[1]))
    return at + sign * timedelta(days=span.days, microseconds=span.microseconds)


def floor(at: datetime, span: Span) -> datetime:
    """Return the start of the calendar window that a local time falls in."""
    if span.months:
        months = (at.year - ORIGIN.year) * 12 + at.month - 1
        return add(ORIGIN, Span("", months=months - months % span.months), 1)
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if span.days:
        days = (day - ORIGIN).days
        return ORIGIN + timedelta(days=days - days % span.days)
    length = timedelta(microseconds=span.microseconds)
    return day + (at - day) // length * length


def instant(local: datetime, zone: str) -> datetime:
    """Return a local time as an instant; of one that the clock shows twice the later, as PostgreSQL does."""
    aware = local.replace(tzinfo=ZoneInfo(zone), fold=1)
    return aware.astimezone(UTC)


def local_time(at: datetime, zone: str) -> datetime:
    """Return an instant as the clock of the zone shows it."""
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def words(at: datetime) -> str:
    """Return a local time as messages show it."""
    return f"{at:%Y-%m-%d %H:%M}"
