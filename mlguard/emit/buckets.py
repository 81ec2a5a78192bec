"""Which bucket of time a row belongs to: the SQL that both triggers and recounts use. Pure.

A bucket starts where the base length, counted from Monday 2001-01-01 on the clock of the file's time zone, says so.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlguard.emit.pg_expr import Writer, to_sql
from mlguard.emit.pg_guard import guard
from mlguard.emit.rules import literal
from mlguard.lang.precedence import CAST
from mlguard.lang.tree import Expr
from mlguard.lang.types import Kind
from mlguard.program import Span, TableProgram

UNKNOWN = "null::timestamptz"  # the bucket of rows whose time cannot be known
# Beyond these days time zones can raise, and a write must not fail for the sake of a bucket.
FIRST, LAST = "0001-01-02", "9999-12-30"


@dataclass(frozen=True)
class Bucket:
    """How rows are put into buckets.

    Attributes:
        group: what rows are grouped by; NULL for a row without an event time.
        type: its type, timestamptz or, on the clock of the file's zone, timestamp.
        zone: the zone of that clock, as a literal; '' where there is nothing to convert.
        moment: what is cut, or a part of it: NULL or not finite where the row belongs to no bucket.
    """

    group: str
    type: str
    zone: str
    moment: str

    def start_of(self, grouped: str, *, finite: bool = False) -> str:
        """Return the start of the bucket of a grouped value, as timestamptz; NULL where it is not finite."""
        start = f"{grouped} at time zone {self.zone}" if self.zone else grouped
        return start if finite else f"case when isfinite({grouped}) then {start} end"


def event_time(program: TableProgram, row: str) -> str:
    """Return the event time as timestamptz; zoneless times are read in the table's time zone."""
    assert program.event_time is not None
    return at_zone(program.event_time, row, program.time_zone)


def at_zone(moment: Expr, row: str, time_zone: str) -> str:
    """Return a time of a row as timestamptz; zoneless times are read in the time zone."""
    text = to_sql(moment, row, time_zone)
    zone = literal(time_zone)
    kind = moment.type.kind
    if kind is Kind.DATE:
        return f"(({text})::timestamp at time zone {zone})"
    if kind is Kind.TIMESTAMP:
        return f"(({text}) at time zone {zone})"
    return f"({text})"


def has_buckets(program: TableProgram) -> bool:
    """Say whether states of the table are kept by time."""
    return program.base is not None


def of_row(program: TableProgram, row: str) -> Bucket:
    """Return the bucket of a row by its event time.

    Zoneless times are cut as they stand and brought to an instant once a group, not once a row.
    """
    assert program.base is not None
    assert program.event_time is not None
    kind, zone = program.event_time.type.kind, program.time_zone
    text = Writer(row, zone).write(program.event_time, CAST)
    local = kind in (Kind.DATE, Kind.TIMESTAMP)
    moment = f"{text}::timestamp" if kind is Kind.DATE else text
    whole = guard(program.event_time, row, zone).whole
    in_utc = not local and zone == "UTC" and not program.base.months
    if in_utc:
        group = _cut_utc(program.base, moment)
    elif local:
        group = cut(program.base, moment)
    else:
        group = cut(program.base, f"{moment} at time zone {literal(zone)}")
        within = f"{text} between timestamptz '{FIRST}+00' and timestamptz '{LAST}+00'"
        whole = f"{whole} and {within}" if whole is not None else within
    if whole is not None:
        group = f"case when {whole}\n  then {group} end"
    if in_utc:
        return Bucket(group, "timestamptz", "", moment)
    return Bucket(group, "timestamp", literal(zone), moment)


def of_writing(program: TableProgram) -> str:
    """Return the bucket of the time of writing, as timestamptz: where rows without an event time are counted."""
    assert program.base is not None
    if program.time_zone == "UTC" and not program.base.months:
        return _cut_utc(program.base, "statement_timestamp()")
    zone = literal(program.time_zone)
    return f"{cut(program.base, f'statement_timestamp() at time zone {zone}')} at time zone {zone}"


def cut(base: Span, local: str) -> str:
    """Return the start of the bucket of a local time, as timestamp."""
    if base.months:
        return f"date_trunc('month', {local})"
    return f"date_bin({interval(base)}, {local}, timestamp '2001-01-01')"


def _cut_utc(base: Span, moment: str) -> str:
    return f"date_bin({interval(base)}, {moment}, timestamptz '2001-01-01 00:00+00')"


def interval(span: Span) -> str:
    """Return the length as an interval constant."""
    minutes, rest = divmod(span.microseconds, 60_000_000)
    parts = [(span.months, "month"), (span.days, "day"), (minutes, "minute"), (rest, "microsecond")]
    words = [f"{count} {unit}{'s' * (count != 1)}" for count, unit in parts if count]
    return f"interval '{' '.join(words)}'"
