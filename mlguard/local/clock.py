"""What the read gate judges by the reader's clock, judged on files by a given one: age, volume, arrival."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from mlguard.emit.duck_core import quoted
from mlguard.emit.duck_grouping import interval
from mlguard.emit.duck_guard import safe_duck
from mlguard.lang.types import Kind
from mlguard.local.calendar import floor, instant, local_time
from mlguard.local.engine import Engine
from mlguard.local.rows import NOT_JUDGED
from mlguard.names import TableName
from mlguard.program import Deadline, Rule, Span, TableProgram
from mlguard.report.of_rule import aged, thin, verdict_of
from mlguard.report.verdict import Outcome, Verdict


def judged_by_clock(rule: Rule) -> bool:
    """Say whether the SLO is one of these."""
    return rule.max_age is not None or rule.volume is not None or rule.arrives is not None


def by_clock(engine: Engine, program: TableProgram, stored: TableName, rule: Rule, as_of: datetime) -> Verdict:
    """Judge one of them.

    Args:
        engine: where the table is.
        program: the table.
        stored: the rows that land.
        rule: the SLO.
        as_of: the time on the clock.
    """
    clock = _Clock(engine, program, stored, as_of)
    if rule.max_age is not None:
        newest, rows = clock.newest()
        return aged(rule, program.event_time_text, newest, as_of, rows)
    if rule.volume is not None:
        return thin(rule, min(clock.since(rule.volume.span), rule.volume.least))
    assert rule.arrives is not None
    return clock.arrival(rule, rule.arrives)


class _Clock:
    def __init__(self, engine: Engine, program: TableProgram, stored: TableName, as_of: datetime) -> None:
        assert program.event_time is not None
        self.engine, self.program, self.stored, self.as_of = engine, program, stored, as_of
        text = safe_duck(program.event_time, program, "r")
        if program.event_time.type.kind is not Kind.TIMESTAMPTZ:
            text = f"timezone({quoted(program.time_zone)}, cast({text} as timestamp))"
        self.at, self.now = text, f"timestamptz {quoted(as_of.astimezone(UTC).isoformat(sep=' '))}"

    def _one(self, columns: str) -> Any:
        sql = f"select {columns}\nfrom {self.stored.sql} as r"
        (row,) = self.engine.rows(sql, f"{self.program.table}: event times", table=str(self.program.table))
        return row

    def newest(self) -> tuple[datetime | None, int]:
        """Return the newest event time that is not in the future, and how many rows there are."""
        past = f"case when {self.at} <= {self.now} and isfinite({self.at}) then {self.at} end"
        newest, rows = self._one(f"epoch_us(max({past})), count(*)")
        return (datetime.fromtimestamp(newest / 1e6, UTC) if newest is not None else None), rows

    def since(self, span: Span) -> int:
        """Return the rows of the window that ends now: days and months of the file's calendar, hours of the clock."""
        start = f"{self.now} - {interval(span)}"
        if span.months or (span.days and self.program.time_zone != "UTC"):
            zone = quoted(self.program.time_zone)
            start = f"timezone({zone}, timezone({zone}, {self.now}) - {interval(span)})"
        inside = f"{self.at} > {start} and {self.at} <= {self.now}"
        (rows,) = self._one(f"coalesce(sum(case when {inside} then 1 else 0 end), 0)")
        return int(rows)

    def arrival(self, rule: Rule, arrives: Deadline) -> Verdict:
        """Judge `arrives_by`: rows of times after the deadline before came after it, ones from before its day did not.

        Of those between the two only the database knows when they were written.
        """
        due = _deadline(arrives, self.as_of, itself=True)
        before = _deadline(arrives, due, itself=False)
        zone = self.program.time_zone
        wanted = instant(floor(local_time(before, zone), self.program.window), zone)
        newest, _ = self.newest()
        when = due.astimezone(ZoneInfo(arrives.time_zone))
        shown = f"newest {self.program.event_time_text} is {_minute(newest) if newest else 'unknown'}"
        words = f"by {when:%Y-%m-%d %H:%M} {arrives.time_zone}, {shown}"
        if newest is None or newest < wanted:
            observed = f"nothing new had come {words}, wanted {_minute(wanted)} or later"
            return verdict_of(rule, Outcome.FAIL, observed=observed)
        if newest > before:
            return verdict_of(rule, Outcome.PASS, observed=f"data came {words}")
        reason = f"{NOT_JUDGED}{shown}; whether it was written after {_minute(before)} is not in a file"
        return verdict_of(rule, Outcome.INSUFFICIENT, reason=reason)


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _deadline(arrives: Deadline, before: datetime, *, itself: bool) -> datetime:
    """Return the last deadline before a time (`itself`: or at it): the twin of the runtime's _deadline."""
    today: date = local_time(before, arrives.time_zone).date()
    at = time.fromisoformat(arrives.at)
    for back in range(9):
        day = today - timedelta(days=back)
        due = instant(datetime.combine(day, at), arrives.time_zone)
        if day.isoweekday() in arrives.days and (due < before or (itself and due == before)):
            return due
    raise AssertionError(arrives)
