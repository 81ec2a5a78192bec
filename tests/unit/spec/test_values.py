"""The small languages inside SLO files."""

from __future__ import annotations

import contextlib
from datetime import datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlguard.names import TableName
from mlguard.spec.values import Amount, Arrival, Baseline, Length, Over, QuietHours, Reference, Share


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1 hour", (0, 0, 3_600_000_000)),
        ("28 days", (0, 28, 0)),
        ("1 day 06:30", (0, 1, 23_400_000_000)),
        ("INTERVAL '26 hours'", (0, 0, 93_600_000_000)),
        ("interval '1 month 2 days'", (1, 2, 0)),
        ("2 years", (24, 0, 0)),
        ("1.5 hours", (0, 0, 5_400_000_000)),
        ("4h", (0, 0, 14_400_000_000)),
        ("90 min", (0, 0, 5_400_000_000)),
        ("2w", (0, 14, 0)),
        ("00:00:01", (0, 0, 1_000_000)),
    ],
)
def test_length(text: str, parts: tuple[int, int, int]) -> None:
    length = Length.parse(text)
    assert (length.months, length.days, length.microseconds) == parts


def test_a_month_is_thirty_days_where_one_number_is_wanted() -> None:
    assert Length.parse("1 month 1 day").timedelta == timedelta(days=31)


@pytest.mark.parametrize(
    "text", ["", "day", "5", "1 dya", "1.5 days", "-1 day", "1 day ago", "1 day, 2 hours", "9999999 years"]
)
def test_no_length(text: str) -> None:
    with pytest.raises(ValueError, match=r"length|unit of time"):
        Length.parse(text)


def test_share() -> None:
    assert Share.parse("2%").value == Decimal("0.02")
    assert Share.parse("0.02").value == Decimal("0.02")
    assert Share.parse(" 0.5 % ").value == Decimal("0.005")
    with pytest.raises(ValueError, match="did you mean 2%"):
        Share.parse("2")


def test_amount() -> None:
    assert Amount.parse("5%") == Amount(Decimal("0.05"), None, "5%")
    assert Amount.parse("20  rows") == Amount(None, 20, "20 rows")
    assert Amount.parse("1 row").rows == 1
    assert Amount.parse_count("0").rows == 0
    with pytest.raises(ValueError, match="20 rows"):
        Amount.parse("20")


@pytest.mark.parametrize(
    ("text", "kind", "days"),
    [
        ("row", "row", None),
        ("read", "read", None),
        ("window", "window", None),
        ("7 days", "window", 7),
        ("last 7 days", "sliding", 7),
    ],
)
def test_over(text: str, kind: str, days: int | None) -> None:
    over = Over.parse(text)
    assert over.kind == kind
    assert (over.length.days if over.length else None) == days


def test_baseline() -> None:
    assert Baseline.parse("version").kind == "version"
    assert Baseline.parse("first 28 days").length == Length.parse("28 days")
    assert Baseline.parse("previous 1 week").kind == "previous"
    assert Baseline.parse("profiles/a.json").path == "profiles/a.json"


def test_reference() -> None:
    own = TableName("features", "customer")
    assert Reference.parse("crm.person.id").table_name(own) == TableName("crm", "person")
    assert Reference.parse("person.id").table_name(own) == TableName("features", "person")


def test_times_of_day() -> None:
    assert Arrival.parse("06:00 Europe/Berlin on weekdays") == Arrival(
        "06:00 Europe/Berlin on weekdays", time(6), "Europe/Berlin", (0, 1, 2, 3, 4)
    )
    assert Arrival.parse("6:30 on mon, friday").days == (0, 4)
    assert Arrival.parse("23:59").time_zone is None
    quiet = QuietHours.parse("22:00 to 07:00 Europe/Berlin")
    assert (quiet.start, quiet.end, quiet.time_zone) == (time(22), time(7), "Europe/Berlin")
    assert QuietHours.parse("22:00-07:00 on weekends").days == (5, 6)
    for wrong in ("24:00", "6", "06:00 UTC on", "06:00 UTC UTC", "noon"):
        with pytest.raises(ValueError, match=r"write"):
            Arrival.parse(wrong)


@pytest.mark.parametrize(
    ("hours", "at", "quiet"),
    [
        ("22:00 to 07:00 Europe/Berlin", "2026-11-20T21:00+00:00", True),
        ("22:00 to 07:00 Europe/Berlin", "2026-11-20T20:59+00:00", False),
        ("22:00 to 07:00 Europe/Berlin", "2026-11-21T05:59+00:00", True),
        ("22:00 to 07:00 Europe/Berlin", "2026-11-21T06:00+00:00", False),
        ("22:00 to 07:00", "2026-11-20T21:00+00:00", True),  # Berlin, as the defaults say
        ("12:00 to 13:00 UTC", "2026-11-20T12:30+00:00", True),
        ("12:00 to 13:00 UTC", "2026-11-20T13:00+00:00", False),
        ("22:00 to 07:00 UTC on weekdays", "2026-11-21T06:00+00:00", True),  # a Saturday: Friday's night
        ("22:00 to 07:00 UTC on weekdays", "2026-11-21T23:00+00:00", False),
        ("22:00 to 07:00 UTC on weekdays", "2026-11-23T06:00+00:00", False),  # a Monday: Sunday's night
    ],
)
def test_moments_in_quiet_hours(hours: str, at: str, quiet: bool) -> None:
    assert QuietHours.parse(hours).covers(datetime.fromisoformat(at), "Europe/Berlin") is quiet


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (Length, Share, Amount, Over, Baseline, Reference, Arrival, QuietHours):
        with contextlib.suppress(ValueError):
            read.parse(text)
