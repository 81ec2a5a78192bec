"""The small languages inside SLO files: lengths, shares, windows, times of day. Text in, frozen values out; pure.

Every reader raises ValueError with a message that says what to write instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from mlguard.names import TableName, quote_ident
from mlguard.spec.yaml_nodes import Scalar, as_number

_US = 1_000_000
_UNITS: dict[str, tuple[int, int, int]] = {  # months, days, microseconds: the three parts of PostgreSQL's interval
    "microsecond": (0, 0, 1),
    "millisecond": (0, 0, 1000),
    "second": (0, 0, _US),
    "minute": (0, 0, 60 * _US),
    "hour": (0, 0, 3600 * _US),
    "day": (0, 1, 0),
    "week": (0, 7, 0),
    "month": (1, 0, 0),
    "year": (12, 0, 0),
}
_ABBREVIATIONS = {"us": "microsecond", "ms": "millisecond", "s": "second", "sec": "second", "m": "minute"}
_ABBREVIATIONS |= {"min": "minute", "h": "hour", "hr": "hour", "d": "day", "w": "week", "mon": "month", "y": "year"}
_PART = re.compile(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*([a-z]+)", re.IGNORECASE)
_CLOCK = re.compile(r"\s*(\d{1,4}):([0-5]\d)(?::([0-5]\d))?")
_MAX_US = 10_000 * 366 * 24 * 3600 * _US  # ten thousand years; timedelta ends at 2.7 million
LENGTH_HELP = "write a length such as 1 hour, 7 days or 28 days"
AMOUNT_HELP = 'write a share such as 5%, or a count such as "20 rows"'
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Value:
    """A literal as the file writes it; the column it is compared with gives it its type."""

    text: str
    kind: Literal["text", "number", "boolean"]
    quoted: bool = False

    @property
    def number(self) -> Decimal | None:
        """The number it stands for, whether or not it is quoted; None for other text."""
        return as_number(self.text)

    @classmethod
    def of(cls, scalar: Scalar) -> Value:
        """Take a scalar that is not null."""
        kind = scalar.kind
        if kind == "number":
            return cls(scalar.text, "number")
        if kind == "boolean":
            return cls(scalar.text.lower(), "boolean")
        return cls(scalar.text, "text", quoted=bool(scalar.style))

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Length:
    """A length of time in the three parts PostgreSQL's interval has."""

    text: str
    months: int = 0
    days: int = 0
    microseconds: int = 0

    @classmethod
    def parse(cls, text: str) -> Length:
        """Read `1 hour`, `28 days`, `1 day 06:30`, `INTERVAL '26 hours'`."""
        inner = re.fullmatch(r"\s*interval\s+'([^']*)'\s*", text, re.IGNORECASE)
        body = inner[1] if inner else text
        months = days = 0
        micros = 0
        at = 0
        while match := _PART.match(body, at):
            number, unit = Decimal(match[1]), match[2].lower()
            unit = _ABBREVIATIONS.get(unit, unit.removesuffix("s") if unit.removesuffix("s") in _UNITS else unit)
            if unit not in _UNITS:
                raise ValueError(f"`{match[2]}` is no unit of time; {LENGTH_HELP}")
            per_month, per_day, per_micro = _UNITS[unit]
            if not per_micro and number != number.to_integral_value():
                raise ValueError(f"a length has whole {unit}s; {LENGTH_HELP}")
            months += int(number * per_month)
            days += int(number * per_day)
            micros += int(number * per_micro)
            at = match.end()
        if clock := _CLOCK.match(body, at):
            micros += (int(clock[1]) * 3600 + int(clock[2]) * 60 + int(clock[3] or 0)) * _US
            at = clock.end()
        if not at or body[at:].strip():
            raise ValueError(f"`{text}` is not a length of time; {LENGTH_HELP}")
        if (months * 31 + days) * 86_400 * _US + micros > _MAX_US:
            raise ValueError("a length of more than 10,000 years")
        return cls(" ".join(text.split()), months, days, micros)

    @property
    def timedelta(self) -> timedelta:
        """The same as a timedelta; a month counts as 30 days, as in PostgreSQL's comparison of intervals."""
        return timedelta(days=self.months * 30 + self.days, microseconds=self.microseconds)

    def __bool__(self) -> bool:
        return bool(self.months or self.days or self.microseconds)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Share:
    """A share of rows, 0 to 1."""

    value: Decimal
    text: str

    @classmethod
    def parse(cls, text: str) -> Share:
        """Read `2%` or `0.02`."""
        stripped = text.strip()
        number = as_number(stripped.removesuffix("%").rstrip())
        if number is None or number < 0:
            raise ValueError(f"`{text}` is not a share; write 2%, or 0.02")
        if stripped.endswith("%"):
            number /= 100
        elif number > 1:
            raise ValueError(f"a share is at most 1; did you mean {stripped}%?")
        if number > 1:
            raise ValueError("a share is at most 100%")
        return cls(number, stripped)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Amount:
    """A share of rows or a count of them."""

    share: Decimal | None
    rows: int | None
    text: str

    @classmethod
    def parse(cls, text: str) -> Amount:
        """Read `5%` or `20 rows`."""
        stripped = " ".join(text.split())
        if match := re.fullmatch(r"(\d{1,18}) rows?", stripped, re.IGNORECASE):
            return cls(None, int(match[1]), stripped)
        if not stripped.endswith("%"):
            raise ValueError(f"`{text}` says neither a share nor a count of rows; {AMOUNT_HELP}")
        return cls(Share.parse(stripped).value, None, stripped)

    @classmethod
    def parse_count(cls, text: str) -> Amount:
        """Read a bare count as well: `0`, `5`, `1%`."""
        stripped = text.strip()
        if re.fullmatch(r"\d{1,18}", stripped):
            return cls(None, int(stripped), stripped)
        return cls.parse(text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Over:
    """What an SLO is judged over. `window` without a length is the table's own window."""

    kind: Literal["row", "batch", "window", "sliding", "read"]
    length: Length | None = None

    @classmethod
    def parse(cls, text: str) -> Over:
        """Read `row`, `batch`, `window`, `read`, a calendar length, or `last <length>`."""
        word = text.strip()
        for kind in ("row", "batch", "window", "read"):
            if word == kind:
                return cls(kind)
        sliding = re.fullmatch(r"last\s+(.+)", word)
        try:
            length = Length.parse(sliding[1] if sliding else word)
        except ValueError as error:
            raise ValueError(
                f"`{text}` is nothing to judge over; write row, batch, window, read, a length such as 1 day, "
                "or last 7 days"
            ) from error
        if not length:
            raise ValueError("a window must have a length; write 1 day or more, or last 1 hour")
        return cls("sliding" if sliding else "window", length)

    def __str__(self) -> str:
        if self.length is None:
            return self.kind
        return f"last {self.length}" if self.kind == "sliding" else str(self.length)


@dataclass(frozen=True)
class Baseline:
    """What distributions are compared with."""

    kind: Literal["first", "previous", "version", "file"]
    length: Length | None = None
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Baseline:
        """Read `first 28 days`, `previous 28 days`, `version`, or the path of a file."""
        word = text.strip()
        if word == "version":
            return cls("version")
        if match := re.fullmatch(r"(first|previous)\s+(.+)", word):
            length = Length.parse(match[2])
            if not length:
                raise ValueError(f"a baseline must have a length; {LENGTH_HELP}")
            return cls("first" if match[1] == "first" else "previous", length)
        if "/" in word or "." in word:
            return cls("file", path=word)
        raise ValueError(
            f"`{text}` is no baseline; write first 28 days, previous 28 days, version, or the path of a file"
        )


@dataclass(frozen=True)
class Reference:
    """A column of another table; without a schema it is this file's."""

    schema: str | None
    table: str
    column: str

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read `table.column` or `schema.table.column`."""
        parts = text.split(".")
        if len(parts) not in (2, 3) or not all(parts):
            raise ValueError(f"`{text}` names no column; write schema.table.column, for example crm.person.id")
        for part in parts:
            quote_ident(part)
        return cls(parts[0] if len(parts) == 3 else None, parts[-2], parts[-1])

    def table_name(self, own: TableName) -> TableName:
        """Return the table referred to, seen from table `own`."""
        return TableName(self.schema or own.schema, self.table)


def _days(text: str) -> tuple[int, ...]:
    """Read `weekdays`, `weekends`, `mon, wed` into numbers, Monday 0."""
    words = [word for word in re.split(r"[,\s]+", text.lower()) if word and word != "and"]
    if words == ["weekdays"]:
        return (0, 1, 2, 3, 4)
    if words == ["weekends"]:
        return (5, 6)
    found = {DAYS.index(word[:3]) for word in words if word[:3] in DAYS and "days" not in word}
    if not words or len(found) != len(words):
        raise ValueError(f"`{text}` names no days; write weekdays, weekends, or mon, wed, fri")
    return tuple(sorted(found))


def _time(text: str) -> time:
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text)
    if match is None:
        raise ValueError(f"`{text}` is not a time of day; write 06:00")
    return time(int(match[1]), int(match[2]))


_AT = re.compile(r"\s*(\S+)(?:\s+(?!on\s)(\S+))?(?:\s+on\s+(.+?))?\s*\Z")
_FROM_TO = re.compile(r"\s*(\d\S*?)\s*(?:to|-|–)\s*(\d\S*)(?:\s+(?!on\s)(\S+))?(?:\s+on\s+(.+?))?\s*\Z")
EVERY_DAY = tuple(range(7))


@dataclass(frozen=True)
class Arrival:
    """A time of day by which data must be there. Without a zone it is the file's `time_zone`."""

    text: str
    at: time
    time_zone: str | None
    days: tuple[int, ...] = EVERY_DAY

    @classmethod
    def parse(cls, text: str) -> Arrival:
        """Read `06:00 Europe/Berlin on weekdays`."""
        match = _AT.match(text)
        if match is None:
            raise ValueError(f"`{text}` is not a time; write '06:00 Europe/Berlin on weekdays'")
        return cls(text.strip(), _time(match[1]), match[2], _days(match[3]) if match[3] else EVERY_DAY)


@dataclass(frozen=True)
class QuietHours:
    """Hours in which only `page` incidents are delivered; may pass midnight."""

    text: str
    start: time
    end: time
    time_zone: str | None
    days: tuple[int, ...] = EVERY_DAY

    @classmethod
    def parse(cls, text: str) -> QuietHours:
        """Read `22:00 to 07:00 Europe/Berlin on weekdays`."""
        match = _FROM_TO.match(text)
        if match is None:
            raise ValueError(f"`{text}` are no hours; write '22:00 to 07:00 Europe/Berlin'")
        days = _days(match[4]) if match[4] else EVERY_DAY
        return cls(text.strip(), _time(match[1]), _time(match[2]), match[3], days)

    def covers(self, at: datetime, time_zone: str = "UTC") -> bool:
        """Say whether a moment lies in them; hours that pass midnight belong to the day on which they begin.

        Args:
            at: the moment.
            time_zone: where these hours name no zone.
        """
        local = at.astimezone(ZoneInfo(self.time_zone or time_zone))
        now, today = local.time(), local.weekday()
        if self.start < self.end:
            return self.start <= now < self.end and today in self.days
        return today in self.days if now >= self.start else now < self.end and (today - 1) % 7 in self.days
