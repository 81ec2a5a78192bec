"""Types of options that more than one verb takes."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import click

from mlguard.report.when import parse_length, parse_since, parse_time


class Number(click.FloatRange):
    """A number between two bounds; click's own range lets NaN through, which is between any."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the number."""
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value} is no finite number", param, ctx)
        return found


# PostgreSQL counts lock_timeout in whole milliseconds, in 32 bits; 0 would be no limit at all.
SECONDS = Number(0.001, 2_000_000)
ID = click.IntRange(1, 2**63 - 1)  # bigint, as all numbers in schema mlguard
LIMIT = click.IntRange(1, 2**63 - 1)

lock_timeout = click.option(
    "--lock-timeout",
    type=SECONDS,
    default=3.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a statement may wait for a lock before the table's transaction is given up and tried again.",
)


class _Read(click.ParamType[Any]):
    """An option whose text a function reads; what it raises as ValueError is what the user is told."""

    def __init__(self, name: str, read: Any) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(f"'{value}': {error}", param, ctx)


def _future(text: str) -> datetime:
    time = parse_time(text)
    if time <= datetime.now(UTC):
        raise ValueError("that time is over")
    return time


LENGTH = _Read("length", parse_length)
TIME = _Read("time", parse_time)
FUTURE = _Read("time", _future)
TIME_OR_LENGTH = _Read("time or length", lambda text: parse_since(text, datetime.now(UTC)))
