"""Texts of constants → checked values, as PostgreSQL's input functions read them. Pure.

Only spellings that mean the same whatever DateStyle, IntervalStyle or TimeZone says are accepted; every ValueError
says what is wrong with the text in words that follow the text itself.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import NoReturn

from mlguard.lang.types import FLOATS, INTEGERS, Kind, SqlType
from mlguard.lang.zones import time_zone

INTEGER_BITS = {Kind.INT2: 16, Kind.INT4: 32, Kind.INT8: 64}
Value = bool | Decimal | str

_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,4})?")
_NOT_FINITE = {
    "nan": "NaN",
    "infinity": "Infinity",
    "inf": "Infinity",
    "+infinity": "Infinity",
    "+inf": "Infinity",
    "-infinity": "-Infinity",
    "-inf": "-Infinity",
}
_TRUTH = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}
_TIMESTAMP = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})"
    r"(?:[ T](?P<time>\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?))?"
    r"\s*(?P<offset>Z|z|[-+]\d{2}(?::?\d{2})?)?"
)
_TIME = re.compile(r"\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?")
_OFTEN_MEANT = {"now", "today", "tomorrow", "yesterday", "epoch", "allballs"}
_UNITS = {
    **dict.fromkeys(("year", "years", "yr", "yrs", "y"), ("months", 12)),
    **dict.fromkeys(("month", "months", "mon", "mons"), ("months", 1)),
    **dict.fromkeys(("week", "weeks", "w"), ("days", 7)),
    **dict.fromkeys(("day", "days", "d"), ("days", 1)),
    **dict.fromkeys(("hour", "hours", "hr", "hrs", "h"), ("microseconds", 3_600_000_000)),
    **dict.fromkeys(("minute", "minutes", "min", "mins", "m"), ("microseconds", 60_000_000)),
    **dict.fromkeys(("second", "seconds", "sec", "secs", "s"), ("microseconds", 1_000_000)),
    **dict.fromkeys(("millisecond", "milliseconds", "msec", "msecs", "ms"), ("microseconds", 1_000)),
    **dict.fromkeys(("microsecond", "microseconds", "usec", "usecs", "us"), ("microseconds", 1)),
}
_INTERVAL_PART = re.compile(
    r"\s*(?:(?P<sign>[-+]?)(?P<clock>\d{1,7}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)"
    r"|(?P<number>[-+]?\d{1,9}(?:\.\d{1,9})?)\s*(?P<unit>[A-Za-z]+))(?=\s|[-+]|\d|$)"
)
_DAY = 86_400_000_000


@dataclass(frozen=True)
class Span:
    """An interval as PostgreSQL keeps it: months, days and microseconds do not turn into one another."""

    months: int
    days: int
    microseconds: int


def natural_number(text: str, was: Kind | None = None) -> tuple[Kind, Decimal]:
    """Return the type PostgreSQL gives a number in a query, and its value.

    `was` is the type before a sign was put in front: a number written with a point stays numeric.
    """
    value = Decimal(text)
    if value.is_zero():
        value = value.copy_abs()
    whole = not any(mark in text for mark in ".eE") and (was is not Kind.NUMERIC or value.copy_abs() > 2**62)
    for kind in (Kind.INT4, Kind.INT8):
        if whole and fits(value, kind):
            return kind, value
    return Kind.NUMERIC, value


def fits(value: Decimal, kind: Kind) -> bool:
    """Tell whether an integer type can hold the whole number `value`."""
    limit = 1 << (INTEGER_BITS[kind] - 1)
    return -limit <= value < limit


def bounds(kind: Kind) -> tuple[int, int]:
    """Return the least and greatest value of an integer type."""
    limit = 1 << (INTEGER_BITS[kind] - 1)
    return -limit, limit - 1


def read(text: str, type: SqlType) -> Value:
    """Read a constant of `type`.

    Raises:
        ValueError: PostgreSQL would refuse the text, or read it differently from session to session.
    """
    reader = _READERS.get(type.kind)
    if reader is None:
        raise ValueError(f"cannot be a constant of type {type}")
    return reader(text, type)


def _number(text: str, type: SqlType) -> Value:
    spelled = text.strip()
    if type.kind not in INTEGERS and (special := _NOT_FINITE.get(spelled.lower())):
        return special
    if not _NUMBER.fullmatch(spelled) or len(spelled) > 1000:
        raise ValueError(f"is not {_a(type)}")
    value = Decimal(spelled)
    if type.kind in INTEGERS:
        if not re.fullmatch(r"[-+]?\d+", spelled):
            raise ValueError(f"is not {_a(type)}: it has a fraction or an exponent")
        return in_range(value, type)
    return in_range(value.copy_abs() if value.is_zero() else value, type)


def in_range(value: Decimal, type: SqlType) -> Decimal:
    """Return `value` if the numeric type can hold it.

    Raises:
        ValueError: it cannot.
    """
    if type.kind in INTEGERS and not fits(value, type.kind):
        low, high = bounds(type.kind)
        raise ValueError(f"is out of range for {type}, which holds {low} to {high}")
    if type.kind in FLOATS and not value.is_zero():
        # The bounds stay a hair inside IEEE 754's, so that rounding cannot carry a literal past them.
        smallest, largest = ("1e-307", "1e308") if type.kind is Kind.FLOAT8 else ("1e-37", "3e38")
        if not Decimal(smallest) <= value.copy_abs() <= Decimal(largest):
            raise ValueError(f"is out of range for {type}")
    return value


def _a(type: SqlType) -> str:
    return f"{'an' if str(type).startswith('i') else 'a'} {type}"


def _boolean(text: str, type: SqlType) -> Value:
    value = _TRUTH.get(text.strip().lower())
    if value is None:
        raise ValueError("is neither true nor false")
    return value


def _text(text: str, type: SqlType) -> Value:
    return text


def _endless(text: str) -> str | None:
    return {"infinity": "infinity", "-infinity": "-infinity"}.get(text.lower())


def _moment(text: str, type: SqlType) -> tuple[str, str | None, str | None]:
    """Split a date or timestamp into its date, time and offset, each checked."""
    if text.lower() in _OFTEN_MEANT:
        raise ValueError("changes with the clock: write the date itself")
    found = _TIMESTAMP.fullmatch(text)
    if not found:
        example = "2026-11-20" if type.kind is Kind.DATE else "2026-11-20 08:30:00"
        raise ValueError(f"is not a {type}: write it as {example}")
    day, clock, offset = found["date"], found["time"], found["offset"]
    try:
        date.fromisoformat(day)
        if clock:
            time.fromisoformat(clock if "." not in clock else clock.ljust(15, "0"))
    except ValueError:
        raise ValueError("is not in the calendar") from None
    return day, clock, offset


def _date(text: str, type: SqlType) -> Value:
    spelled = text.strip()
    if endless := _endless(spelled):
        return endless
    day, clock, offset = _moment(spelled, type)
    if clock or offset:
        raise ValueError("has a time, which a date drops")
    return day


def _timestamp(text: str, type: SqlType) -> Value:
    spelled = text.strip()
    if endless := _endless(spelled):
        return endless
    day, clock, offset = _moment(spelled, type)
    if offset:
        raise ValueError("has a time zone, which a timestamp without time zone drops")
    return f"{day} {clock or '00:00:00'}"


def _timestamptz(text: str, type: SqlType) -> Value:
    spelled = text.strip()
    if endless := _endless(spelled):
        return endless
    day, clock, offset = _moment(spelled, type)
    if offset:
        _written_offset(offset)
    return f"{day} {clock or '00:00:00'}{offset or ''}"


def _time(text: str, type: SqlType) -> Value:
    spelled = text.strip()
    if not _TIME.fullmatch(spelled):
        raise ValueError("is not a time: write it as 08:30 or 08:30:00")
    try:
        time.fromisoformat(spelled if "." not in spelled else spelled.ljust(15, "0"))
    except ValueError:
        raise ValueError("is not a time of day") from None
    return spelled


def _interval(text: str, type: SqlType) -> Value:
    read_interval(text)
    return " ".join(text.split())


def _uuid(text: str, type: SqlType) -> Value:
    spelled = text.strip()
    if not re.fullmatch(r"\{?[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\}?", spelled):
        raise ValueError("is not a uuid")
    return str(uuid.UUID(spelled))


def _json(text: str, type: SqlType) -> Value:
    def refuse(word: str) -> NoReturn:
        raise ValueError(word)

    try:
        json.loads(text, parse_constant=refuse)
        text.encode()
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None
    if "\\u0000" in text:
        raise ValueError("holds \\u0000, which PostgreSQL text cannot")
    return text


def _bytea(text: str, type: SqlType) -> Value:
    if not re.fullmatch(r"\\x(?:[0-9a-fA-F]{2})*", text):
        raise ValueError(r"is not a bytea: write it in hexadecimal, as '\x00ff'")
    return text.lower()


_READERS: dict[Kind, Callable[[str, SqlType], Value]] = {
    **dict.fromkeys((*INTEGERS, *FLOATS, Kind.NUMERIC), _number),
    Kind.BOOL: _boolean,
    Kind.TEXT: _text,
    Kind.ENUM: _text,
    Kind.UNKNOWN: _text,
    Kind.DATE: _date,
    Kind.TIMESTAMP: _timestamp,
    Kind.TIMESTAMPTZ: _timestamptz,
    Kind.TIME: _time,
    Kind.INTERVAL: _interval,
    Kind.UUID: _uuid,
    Kind.JSON: _json,
    Kind.JSONB: _json,
    Kind.BYTEA: _bytea,
}


def read_interval(text: str) -> Span:
    """Read an interval such as `1 day 02:30:00` or `26 hours`.

    Raises:
        ValueError: the text is not one, or its meaning depends on IntervalStyle.
    """
    parts: list[tuple[str, Decimal, bool]] = []  # field, amount in its unit, whether it carries a sign
    pos = 0
    spelled = text.strip()
    while pos < len(spelled):
        found = _INTERVAL_PART.match(spelled, pos)
        if not found:
            raise ValueError("is not an interval: write it as '26 hours' or '1 day 02:30:00'")
        pos = found.end()
        if clock := found["clock"]:
            hours, minutes, seconds = (*clock.split(":"), "0")[:3]
            if int(minutes) > 59 or Decimal(seconds) >= 60:
                raise ValueError("is not an interval: minutes and seconds end at 59")
            amount = ((int(hours) * 60 + int(minutes)) * 60 + Decimal(seconds)) * 1_000_000
            signed = found["sign"]
            parts.append(("microseconds", -amount if signed == "-" else amount, bool(signed)))
            continue
        unit = _UNITS.get(found["unit"].lower())
        if unit is None:
            raise ValueError(f"has the unknown unit `{found['unit']}`: use weeks, days, hours, minutes or seconds")
        field, factor = unit
        number = Decimal(found["number"])
        if field == "months" and number != int(number):
            raise ValueError("has a fraction of a month or year, which has no fixed length")
        parts.append((field, number * factor, found["number"][0] in "+-"))
    if not parts:
        raise ValueError("is not an interval: write it as '26 hours' or '1 day 02:30:00'")
    if len(parts) > 1 and parts[0][1] < 0 and not all(signed for _, _, signed in parts):
        raise ValueError("is read differently by IntervalStyle sql_standard: write a sign in front of every part")
    return _span(parts)


def _span(parts: list[tuple[str, Decimal, bool]]) -> Span:
    months = int(sum(amount for field, amount, _ in parts if field == "months"))
    days = 0
    microseconds = sum((amount for field, amount, _ in parts if field == "microseconds"), Decimal(0))
    for field, amount, _ in parts:
        if field == "days":
            days += int(amount)
            microseconds += (amount - int(amount)) * _DAY
    if abs(months) > 12_000 or abs(days) > 365_250 or abs(microseconds) > 365_250 * _DAY:
        raise ValueError("is longer than 1,000 years")
    return Span(months, days, int(microseconds))


def parse_interval(text: str) -> timedelta:
    """Read an interval of fixed length: weeks, days (of 24 hours), hours, minutes, seconds.

    Raises:
        ValueError: not an interval, or one in months or years.
    """
    try:
        span = read_interval(text)
    except ValueError as error:
        raise ValueError(f"'{text}' {error}") from None
    if span.months:
        raise ValueError(f"'{text}' is in months or years, whose length varies: write it in days")
    return timedelta(days=span.days, microseconds=span.microseconds)


def with_offset(text: str, zone: str) -> str:
    """Return a timestamptz constant with its offset from UTC written out; without one it is local time of `zone`.

    Raises:
        ValueError: the zone is unknown, or the offset is none.
    """
    found = _TIMESTAMP.fullmatch(text)
    if not found:
        return text  # infinity
    clock = found["time"] or "00:00:00"
    moment = datetime.fromisoformat(f"{found['date']} {clock if '.' not in clock else clock.ljust(15, '0')}")
    seconds = int(_offset(found["offset"], moment, zone).total_seconds())
    sign = "-" if seconds < 0 else "+"
    hours, rest = divmod(abs(seconds), 3600)
    parts = [hours, *(divmod(rest, 60) if rest % 60 else [rest // 60] if rest else [])]
    return f"{found['date']} {clock}{sign}" + ":".join(f"{part:02}" for part in parts)


def _offset(written: str | None, moment: datetime, zone: str) -> timedelta:
    if written is not None:
        return _written_offset(written)
    local = moment.replace(tzinfo=time_zone(zone))
    # Where the clock is set back a time comes twice, where it is set forward one never comes: PostgreSQL reads both as
    # standard time, which is the smaller offset.
    return min(local.utcoffset() or timedelta(), local.replace(fold=1).utcoffset() or timedelta())


def _written_offset(written: str) -> timedelta:
    if written in "Zz":
        return timedelta()
    hours, minutes = int(written[1:3]), int(written[3:].lstrip(":") or 0)
    if hours > 15 or minutes > 59:
        raise ValueError(f"has the offset {written}, which no time zone has")
    return timedelta(hours=hours, minutes=minutes) * (-1 if written[0] == "-" else 1)
