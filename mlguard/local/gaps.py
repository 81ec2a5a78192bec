"""`no_gaps` over the windows of a file: the twin of the function that mlguard.emit.gaps writes."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mlguard.emit.duck_grouping import bucket
from mlguard.emit.gaps import gap_metric
from mlguard.lang.types import Kind
from mlguard.local.calendar import instant
from mlguard.local.engine import Engine
from mlguard.local.find import Found, Scope
from mlguard.local.words import finding
from mlguard.names import quote_ident
from mlguard.program import Rule, TableProgram
from mlguard.report.verdict import Outcome

MICROSECOND = 1e6


@dataclass(frozen=True)
class _Bucket:
    start: datetime
    n: int
    longest: float | None  # seconds to a row of it from the row before, which may be in another bucket
    last: float  # its newest row, in seconds since 1970


class Gaps:
    """The distances between neighbouring event times of one table, by bucket.

    Times without a zone are subtracted as they stand, as in the database.

    Args:
        engine: where the table is.
        program: the rows that land.
    """

    def __init__(self, engine: Engine, program: TableProgram, rule: Rule) -> None:
        assert rule.column is not None
        assert rule.no_gaps is not None
        self.program, self.rule = program, rule
        shape = program.shape.column(rule.column)
        self.zoned = shape is None or shape.type.kind is Kind.TIMESTAMPTZ
        at = f"r.{quote_ident(rule.column)}"
        at = at if self.zoned else f"cast({at} as timestamp)"
        sql = (
            "select start, count(*), max(moment - earlier), max(moment)\nfrom (\n"
            f"  select {bucket(program, 'r')} as start, epoch_us({at}) as moment,"
            f" epoch_us(lag({at}) over (order by {at})) as earlier\n"
            f"  from {program.table.sql} as r\n  where isfinite({at})\n) as neighbours\ngroup by start\norder by start"
        )
        rows = engine.rows(sql, f"{program.table}: {rule.name}", table=str(program.table))
        self.buckets = [
            _Bucket(start, n, None if gap is None else gap / MICROSECOND, last / MICROSECOND)
            for start, n, gap, last in rows
        ]
        self.starts: Sequence[datetime] = [found.start for found in self.buckets]

    def find(self, scope: Scope) -> Found:
        """Return what the SLO says of one window."""
        assert scope.start is not None
        assert scope.end is not None
        assert self.rule.no_gaps is not None
        lower, upper = bisect.bisect_left(self.starts, scope.start), bisect.bisect_left(self.starts, scope.end)
        inside = self.buckets[lower:upper]
        gaps = [found.longest for found in inside if found.longest is not None]
        # Nothing came between the last row and the end of the window.
        last = max((found.last for found in self.buckets[:upper]), default=None)
        if last is not None:
            gaps.append(self._seconds(scope.end) - last)
        n, longest = sum(found.n for found in inside), max(gaps, default=None)
        metrics = ((gap_metric(self.rule), longest),)
        outcome, reason, limits = self._outcome(n, longest)
        return Found(scope, outcome, n, metrics, finding(metrics, limits, ""), reason)

    def _outcome(self, n: int, longest: float | None) -> tuple[Outcome, str, str]:
        assert self.rule.no_gaps is not None
        least = self.rule.min_rows
        if n < least:
            return Outcome.INSUFFICIENT, f"{n} row{'s' * (n != 1)}, fewer than {least}", ""
        if longest is None:
            return Outcome.INSUFFICIENT, "no rows yet", ""
        if longest <= self.rule.no_gaps.total_seconds():
            return Outcome.PASS, "", ""
        outcome, reason = (Outcome.NOTED, "shadow") if self.rule.shadow else (Outcome.FAIL, "")
        return outcome, reason, self.rule.limit

    def _seconds(self, local: datetime) -> float:
        """Return the end of a window on the scale of the rows' times."""
        if self.zoned:
            return instant(local, self.program.time_zone).timestamp()
        return (local - datetime(1970, 1, 1)).total_seconds()  # noqa: DTZ001 - local
