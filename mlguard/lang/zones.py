"""Time zones by their IANA names, the only ones a rule may use. Pure but for the system's zone files."""

from __future__ import annotations

from datetime import datetime, tzinfo
from functools import cache


@cache
def time_zone(name: str) -> tzinfo:
    """Return the zone of that IANA name.

    Raises:
        ValueError: there is none; abbreviations and offsets are refused, because PostgreSQL reads `UTC+2` backwards.
    """
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ValueError(f"`{name}` is not a time zone: write an IANA name, for example UTC or Europe/Berlin") from None


@cache
def whole_hours(name: str) -> bool:
    """Tell whether the zone has been whole hours from UTC since 1970, so that hours begin when they do in UTC."""
    zone = time_zone(name)
    moments = (datetime(year, month, 1, tzinfo=zone) for year in range(1970, 2038) for month in (1, 7))
    offsets = (moment.utcoffset() for moment in moments)
    return all(offset is not None and offset.total_seconds() % 3600 == 0 for offset in offsets)
