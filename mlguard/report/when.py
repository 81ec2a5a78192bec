"""Times and lengths of time as people read and write them. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_UNITS = {
    "s": 1, "sec": 1, "second": 1,
    "m": 60, "min": 60, "minute": 60,
    "h": 3600, "hour": 3600,
    "d": 86400, "day": 86400,
    "w": 604800, "week": 604800,
}  # fmt: skip
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*")
LENGTH_FORM = "write 4h, 90 min, 2 days or 1d 12h"
TIME_FORM = "write 2026-12-01, 2026-12-01 06:00 or 2026-12-01T06:00+01:00; without an offset it is UTC"


def parse_length(text: str) -> timedelta:
    """Read `4h`, `90 min`, `1d 12h`.

    Raises:
        ValueError: it is no such thing, or not more than nothing.
    """
    rest = text.strip().lower()
    seconds = 0.0
    while rest:
        part = _PART.match(rest)
        unit = part[2] if part else ""
        factor = _UNITS.get(unit) or _UNITS.get(unit.removesuffix("s"))
        if part is None or factor is None:
            raise ValueError(LENGTH_FORM)
        seconds += float(part[1]) * factor
        rest = rest[part.end() :]
    if not seconds:
        raise ValueError(LENGTH_FORM)
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError("that is longer than time") from None


def parse_time(text: str) -> datetime:
    """Read an ISO time or date; without an offset it is UTC, as all times mlguard prints.

    Raises:
        ValueError: it is no such thing.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(TIME_FORM) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def parse_since(text: str, now: datetime) -> datetime:
    """Read a time, or a length of time before `now`.

    Raises:
        ValueError: it is neither.
    """
    try:
        return parse_time(text)
    except ValueError:
        try:
            return now - parse_length(text)
        except (ValueError, OverflowError):
            raise ValueError(f"{TIME_FORM}; or a length: {LENGTH_FORM}") from None


def minute(time: datetime | None) -> str:
    """Return a time as messages show it: 2026-11-20 03:12 UTC."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if time else ""
