"""Types of options that more than one verb takes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from mlguard.report.when import parse_length, parse_since, parse_time

lock_timeout = click.option(
    "--lock-timeout",
    type=click.FloatRange(min=0, min_open=True),
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
