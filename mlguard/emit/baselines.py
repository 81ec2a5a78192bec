"""What the runtime needs to know to read the rows of a baseline by itself. Pure."""

from __future__ import annotations

from decimal import Decimal

from mlguard.emit.buckets import event_time
from mlguard.emit.pg_guard import guard
from mlguard.lang.tree import Expr, Literal
from mlguard.program import TableProgram

ROW = "t"  # what the runtime calls a row


def event_sql(program: TableProgram) -> str | None:
    """Return the event time of a row as timestamptz, NULL where it cannot be computed; None for a table without one."""
    if program.event_time is None:
        return None
    at = event_time(program, ROW)
    whole = guard(program.event_time, ROW, program.time_zone).whole
    return at if whole is None else f"(case when {whole} then {at} end)"


def missing_words(program: TableProgram) -> dict[str, list[str]]:
    """Return what counts as missing in each column, as text; numbers as PostgreSQL reads them."""
    return {name: [_word(value) for value in values] for name, values in sorted(program.missing.items())}


def _word(value: Expr) -> str:
    assert isinstance(value, Literal)
    if isinstance(value.value, bool):
        return str(value.value).lower()
    return f"{value.value:f}" if isinstance(value.value, Decimal) else str(value.value)
