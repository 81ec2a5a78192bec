"""Replay of the stored history: which alarms today's or proposed SLO files would have raised.

Everything runs in one transaction that is rolled back, with the functions that judge live data: the history of the
tables is cleared in it, states are counted from the stored rows, and windows are swept one after another as their time
comes. Nothing of it is ever seen by others. While it runs, sweeps of the same tables pass them by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlguard import catalog, catalog_assertions
from mlguard.apply import remember_table
from mlguard.compile import compile_project
from mlguard.compile.labels import tables_joined
from mlguard.emit.objects import Kind
from mlguard.emit.table import objects
from mlguard.errors import PlanError
from mlguard.operate.ask import pinned, require_runtime
from mlguard.program import Action, Level, Over, Place, Placement, Rule, TableProgram

if TYPE_CHECKING:
    import psycopg

    from mlguard.spec import Project

JUDGING = ("recount ", "sample ", "verdict ")  # how the names of the generated functions begin that a replay needs
MONTH = 365.25 / 12  # days

_FORGET = (
    "delete from mlguard._incident_event where slo in (select id from mlguard._slo where tbl = %(tbl)s)",
    "delete from mlguard._incident where tbl = %(tbl)s",
    "delete from mlguard._hold where tbl = %(tbl)s",
    "delete from mlguard._verdict where tbl = %(tbl)s",
    "delete from mlguard._metric where tbl = %(tbl)s",
    "delete from mlguard._single where tbl = %(tbl)s",
    "delete from mlguard._state where tbl = %(tbl)s",
    "delete from mlguard._sample where tbl = %(tbl)s",
    "delete from mlguard._bucket where tbl = %(tbl)s",
    "delete from mlguard._pairing where tbl = %(tbl)s",
    "delete from mlguard._recount_due where tbl = %(tbl)s",
    (
        "delete from mlguard._baseline_column as c using mlguard._baseline as b"
        " where b.tbl = c.tbl and b.version = c.version and b.tbl = %(tbl)s and b.kind in ('first', 'previous')"
    ),
    "delete from mlguard._baseline where tbl = %(tbl)s and kind in ('first', 'previous')",
    "delete from mlguard._learned_scope where tbl = %(tbl)s",
    "delete from mlguard._band where tbl = %(tbl)s",
    "delete from mlguard._reference where tbl = %(tbl)s",
    "delete from mlguard._seen where tbl = %(tbl)s",
    "delete from mlguard._seen_size where tbl = %(tbl)s",
    "delete from mlguard._series where tbl = %(tbl)s",
    "delete from mlguard._pair where tbl = %(tbl)s",
    "delete from mlguard._armed where slo in (select id from mlguard._slo where tbl = %(tbl)s)",
    "delete from mlguard._slo where tbl = %(tbl)s",
)
# In force from the first stored row on, so that no window is taken for history of the time before.
_SINCE = """
update mlguard._slo as s
set since = b.first
from (select min(bucket) as first from mlguard._bucket where tbl = %(tbl)s and isfinite(bucket)) as b
where s.tbl = %(tbl)s and b.first is not null
"""
_ENDS = """
select distinct mlguard._window_end(t.window_length, t.time_zone, w.start) + t.late
       + make_interval(secs => mlguard._seconds(m.matures))
from mlguard._bucket as b
join mlguard._table as t on t.tbl = b.tbl
cross join lateral (
  select interval '0' union select s.matures from mlguard._slo as s where s.tbl = t.tbl
) as m (matures)
cross join lateral mlguard._window_start(t.window_length, t.time_zone, b.bucket) as w (start)
where b.tbl = any(%(tables)s) and isfinite(b.bucket)
order by 1
"""
_OPENED = """
select i.id, i.tbl, i.slo, i.headline, i.window_start, i.window_end, i.severity,
       array(select c.slo from mlguard._incident as c where c.cause = i.id order by c.slo)
from mlguard._incident as i
where i.cause is null and i.id > %(last)s and i.tbl = any(%(tables)s)
order by i.id
"""
_LABELS = """
select i.tbl, lower(i.scope), upper(i.scope), i.label
from mlguard._incident as i
where i.label is not null and i.scope is not null and i.tbl = any(%(tables)s)
"""
_COUNTS = """
select v.slo, count(*) filter (where v.outcome in ('PASS', 'FAIL', 'NOTED')),
       count(*) filter (where v.outcome in ('FAIL', 'NOTED')),
       count(*) filter (where v.outcome = 'INSUFFICIENT'), count(*) filter (where v.outcome = 'ERROR')
from mlguard._verdict as v
where v.tbl = any(%(tables)s) and v.current and (%(since)s::timestamptz is null or v.window_end > %(since)s)
group by v.slo
"""
_VALUES = """
select v.slo, v.window_start, v.window_end, v.outcome, v.vals[1], v.observed, (v.detail ->> 'score')::double precision,
       v.segment
from mlguard._verdict as v
where v.tbl = any(%(tables)s) and v.current
order by v.slo, v.window_start
"""


@dataclass(frozen=True)
class Alarm:
    """One alarm the replay raised, with what else broke for the same cause."""

    table: str
    slo: str
    headline: str
    start: datetime | None
    end: datetime | None
    severity: str
    others: tuple[str, ...] = ()
    label: str | None = None  # what people said of an incident at that time: true, false, expected


@dataclass(frozen=True)
class Judged:
    """One SLO over the replayed windows.

    Attributes:
        judged: windows (and segments) it had an answer for.
        failed: those it failed, whether or not they alarmed by themselves.
    """

    slo: str
    judged: int
    failed: int
    insufficient: int
    errors: int


@dataclass(frozen=True)
class Value:
    """The value of an SLO's first metric over one replayed window."""

    slo: str
    start: datetime | None
    end: datetime | None
    outcome: str
    value: float | None
    observed: str | None
    score: float | None = None  # of learned health: above 1 is outside the band
    segment: Mapping[str, Any] = field(default_factory=dict)
    label: str | None = None  # what people said of an incident of the table at that time


@dataclass(frozen=True)
class Backtest:
    """What a replay found.

    Attributes:
        tables: the tables replayed.
        start, end: from the first window's start to the last one's end.
        windows: how many windows were swept.
        alarms: the alarms, oldest first.
        slos: each SLO's counts.
        values: each SLO's values, for tuning.
        true_found, true_all: incidents labelled true that an alarm met, and all of them.
    """

    tables: tuple[str, ...]
    start: datetime | None
    end: datetime | None
    windows: int
    alarms: tuple[Alarm, ...]
    slos: tuple[Judged, ...]
    values: tuple[Value, ...] = field(repr=False, default=())
    true_found: int = 0
    true_all: int = 0

    @property
    def days(self) -> float:
        """Days between the first window's start and the last one's end."""
        if self.start is None or self.end is None:
            return 0.0
        return (self.end - self.start).total_seconds() / 86_400

    @property
    def per_month(self) -> float:
        """Alarms a month."""
        return len(self.alarms) / max(self.days / MONTH, 1 / MONTH)

    @property
    def precision(self) -> float | None:
        """Share of the alarms with a label that were right; None where none has one."""
        judged = [alarm for alarm in self.alarms if alarm.label is not None]
        return sum(alarm.label != "false" for alarm in judged) / len(judged) if judged else None

    @property
    def recall(self) -> float | None:
        """Share of the incidents labelled true that an alarm met; None where none is."""
        return self.true_found / self.true_all if self.true_all else None


Progress = Callable[[str, int, int], None]


def backtest(
    connection: psycopg.Connection[Any],
    project: Project,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    progress: Progress | None = None,
) -> Backtest:
    """Replay the rows stored in the guarded tables under the SLO files of `project`.

    A batch SLO is replayed with each window of its table as one batch: which transaction wrote a row is not stored.

    Args:
        connection: the database; mlguard is installed there.
        project: the SLO files, as they are or as they might be.
        since: alarms before it are not counted; windows before it are learned from.
        until: windows that end after it are not judged; None: now.
        progress: called after every window.

    Raises:
        SpecError, CompileError: an SLO file does not fit the database.
        PlanError: no SLO of the project is judged over batches or windows.
    """
    require_runtime(connection)
    with pinned(connection):
        shapes = catalog.shapes(connection, [file.table for file in project.files])
        sources = catalog_assertions.shapes(connection, tables_joined(project.files))
    compiled = compile_project(project, shapes, sources=sources)
    programs = [_as_windows(program) for program in compiled.tables.values() if program.judged]
    if not programs:
        raise PlanError(
            "no SLO of these files is judged over batches or windows, so there is nothing to replay",
            help="row rules are judged on stored rows by mlguard check",
        )
    names = [str(program.table) for program in programs]
    until = until or datetime.now(UTC)
    with connection.transaction(force_rollback=True):
        labels = connection.execute(_LABELS, {"tables": names}).fetchall()
        for program in programs:
            _install(connection, program)
        ends = [end for (end,) in connection.execute(_ENDS, {"tables": names}).fetchall() if end <= until]
        alarms = list(_sweep(connection, names, ends, progress))
        counts = connection.execute(_COUNTS, {"tables": names, "since": since}).fetchall()
        values = connection.execute(_VALUES, {"tables": names}).fetchall()
    kept = [alarm for alarm in alarms if since is None or alarm.end is None or alarm.end > since]
    told = [replace(alarm, label=_label(alarm, labels)) for alarm in kept]
    true = [row for row in labels if row[3] == "true"]
    starts = [start for _, start, *_ in values if start is not None]
    return Backtest(
        tables=tuple(names),
        start=max(filter(None, (min(starts, default=None), since)), default=None),
        end=ends[-1] if ends else None,
        windows=len(ends),
        alarms=tuple(told),
        slos=tuple(Judged(*row) for row in sorted(counts)),
        values=tuple(_labelled(Value(*row), labels) for row in values),
        true_found=sum(any(_meets(alarm, row) for alarm in told) for row in true),
        true_all=len(true),
    )


def _as_windows(program: TableProgram) -> TableProgram:
    """Return the program with what a replay judges, every batch SLO over the table's windows, and nothing that acts."""
    rules = tuple(_as_window(rule, program) for rule in program.judged)
    base = program.base or program.window
    return replace(program, rules=rules, base=base)


def _as_window(rule: Rule, program: TableProgram) -> Rule:
    over = rule.over if rule.level is Level.WINDOW else Over("calendar", program.window)
    # Learned health begins on trial; a replay asks what it would say once it is trusted.
    placement = Placement(Place.WINDOW, "replayed")
    learned = (*rule.learned, "armed") if rule.learned else ()
    return replace(
        rule, level=Level.WINDOW, over=over, placement=placement, action=Action.WARN, shadow=False, learned=learned
    )


def _install(connection: psycopg.Connection[Any], program: TableProgram) -> None:
    table = str(program.table)
    for statement in _FORGET:
        connection.execute(statement.encode(), {"tbl": table})
    remember_table(connection, program)
    for made in objects(program):
        bare = made.name.removeprefix('mlguard."')
        if made.kind is Kind.FUNCTION and bare.startswith(JUDGING):
            for step in made.create:
                connection.execute(step.sql.encode())
    connection.execute("select mlguard.backfill_v1(%s)", (table,))
    connection.execute(_SINCE.encode(), {"tbl": table})


def _sweep(
    connection: psycopg.Connection[Any], names: Sequence[str], ends: Sequence[datetime], progress: Progress | None
) -> Iterator[Alarm]:
    """Sweep at the close of every window, and yield the alarms each sweep opened."""
    last = connection.execute("select last_value - (not is_called)::integer from mlguard.incident_id").fetchone()
    seen = int(last[0]) if last else 0
    for number, end in enumerate(ends, 1):
        connection.execute("select mlguard.sweep(%s)", (end,))
        for row in connection.execute(_OPENED, {"last": seen, "tables": list(names)}).fetchall():
            seen = max(seen, row[0])
            yield Alarm(row[1], row[2], row[3], row[4], row[5], row[6], tuple(row[7]))
        if progress:
            progress(f"{end:%Y-%m-%d %H:%M}", number, len(ends))


def _meets(alarm: Alarm, label: Sequence[Any]) -> bool:
    return _overlaps(alarm.table, alarm.start, alarm.end, label)


def _overlaps(table: str, start: datetime | None, end: datetime | None, label: Sequence[Any]) -> bool:
    labelled, lower, upper, _ = label
    if table != labelled or start is None or end is None:
        return False
    return (upper is None or start < upper) and (lower is None or lower < end)


def _label(alarm: Alarm, labels: Sequence[Sequence[Any]]) -> str | None:
    return next((row[3] for row in labels if _meets(alarm, row)), None)


def _labelled(value: Value, labels: Sequence[Sequence[Any]]) -> Value:
    table = value.slo.partition("/")[0]
    label = next((row[3] for row in labels if _overlaps(table, value.start, value.end, row)), None)
    return replace(value, label=label) if label else value


def by_slo(found: Backtest) -> Mapping[str, list[Value]]:
    """Return the replayed values of each SLO, oldest first."""
    grouped: dict[str, list[Value]] = {}
    for value in found.values:
        grouped.setdefault(value.slo, []).append(value)
    return grouped


def span_words(found: Backtest) -> str:
    """Return `365 windows, 2013-01-01 to 2013-12-31`."""
    if found.start is None or found.end is None:
        return "no window was closed"
    return f"{found.windows} windows, {found.start:%Y-%m-%d} to {found.end - timedelta(seconds=1):%Y-%m-%d}"
