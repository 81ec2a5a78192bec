from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from mlguard.report.columns import aligned, count, one_line, width
from mlguard.report.when import minute, parse_length, parse_since, parse_time

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("4h", timedelta(hours=4)),
        ("90 min", timedelta(minutes=90)),
        ("2 days", timedelta(days=2)),
        ("1d 12h", timedelta(hours=36)),
        ("1.5 hours", timedelta(minutes=90)),
        ("1w", timedelta(weeks=1)),
        ("30S", timedelta(seconds=30)),
    ],
)
def test_lengths(written: str, read: timedelta) -> None:
    assert parse_length(written) == read


@pytest.mark.parametrize("written", ["", "4", "h", "0h", "-4h", "4 fortnights", "4h and more", "9" * 40 + "d"])
def test_what_is_no_length(written: str) -> None:
    with pytest.raises(ValueError, match=r"write 4h|longer than time"):
        parse_length(written)


def test_times_without_an_offset_are_utc() -> None:
    assert parse_time("2026-12-01") == datetime(2026, 12, 1, tzinfo=UTC)
    assert parse_time("2026-12-01 06:00+01:00") == datetime(2026, 12, 1, 6, tzinfo=timezone(timedelta(hours=1)))
    with pytest.raises(ValueError, match="write 2026"):
        parse_time("tomorrow")


def test_since_takes_either() -> None:
    assert parse_since("24h", NOW) == NOW - timedelta(days=1)
    assert parse_since("2026-11-01", NOW) == datetime(2026, 11, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="or a length"):
        parse_since("yesterday", NOW)
    with pytest.raises(ValueError, match="or a length"):
        parse_since("99999999 days", NOW)


def test_times_are_shown_in_utc() -> None:
    assert minute(datetime(2026, 11, 20, 4, 12, tzinfo=timezone(timedelta(hours=1)))) == "2026-11-20 03:12 UTC"
    assert minute(None) == ""


def test_columns_align_by_what_a_terminal_shows() -> None:
    lines = aligned([("a", "x"), ("日本", "y"), ("e\u0301", "z")])
    assert lines == ["a     x", "日本  y", "e\u0301     z"]
    assert width("日本") == 4
    assert aligned([]) == []


def test_one_line_shows_what_is_invisible() -> None:
    assert one_line("a\n b\x1b[0m\u202e") == "a b\\x1b[0m\\u202e"


def test_count() -> None:
    assert (count(1, "row"), count(2, "row"), count(0, "entry", "entries")) == ("1 row", "2 rows", "0 entries")
