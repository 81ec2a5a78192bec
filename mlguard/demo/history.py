"""`mlguard demo --history`: a whole year of real flights judged day by day, and which real events alarm."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from mlguard import api
from mlguard.demo.screen import Screen
from mlguard.demo.story import TABLE, excerpt, run_story
from mlguard.demo.year import EVENTS, ZONE, Learned, Year
from mlguard.learn.series import KINDS
from mlguard.operate.backtest import Backtest, Value, backtest
from mlguard.operate.explain import explain
from mlguard.operate.incidents import incidents
from mlguard.report import explain_text, incidents_text
from mlguard.report.sparkline import figure, spark

if TYPE_CHECKING:
    import psycopg

    from mlguard.learn.learner import ColumnVerdict
    from mlguard.spec import Project

LEARNED_IN_DATABASE = 40  # days; the 39th and 40th are 8 and 9 February
WHOLE_YEAR = 365
SHOWN = (
    "window:", "late:", "baseline:", "usual:", "slos:",
    "  - name: coverage_drop", "  - name: volume", "  - name: carrier_mix", "  - name: carrier_share",
)  # fmt: skip
# SLO, what its values are called, which of a week is drawn, and its limits (low, high).
DRAWN: tuple[tuple[str, str, Callable[[Sequence[float]], float], float | None, float | None], ...] = (
    ("coverage_drop", "coverage(dep_delay) against 7 days before, worst day of each week", min, -0.25, None),
    ("volume", "flights against 28 days before, worst day of each week", min, -0.32, None),
    ("carrier_mix", "psi(carrier), worst day of each week", max, None, 0.2),
    ("carrier_share", "linf(carrier), worst day of each week", max, None, 0.06),
)


def run(write: Callable[[str], None], *, dsn: str | None = None, keep: bool = False, days: int = WHOLE_YEAR) -> None:
    """Replay the year on an embedded server, or on `dsn`.

    Args:
        write: takes each line.
        dsn: the reader's own server; a database `mlguard_demo` is made there, and dropped after it.
        keep: leave the database for psql.
        days: how many days of 2013, at least 41.

    Raises:
        EngineError: no server can be started or reached, or DuckDB is not installed.
    """
    try:
        import duckdb  # noqa: F401 - said here, before a server is started
    except ImportError as error:
        from mlguard.errors import EngineError

        raise EngineError(
            "DuckDB reads the year, and is not installed", help="pip install 'mlguard-db[demo]'"
        ) from error
    run_story(write, partial(tell, days=days), dsn=dsn, keep=keep)


def tell(folder: Path, dsn: str, screen: Screen, *, days: int = WHOLE_YEAR) -> None:
    """Tell it on an empty database.

    Args:
        folder: examples/flights.
        dsn: a database without schemas features and ref.
        screen: where it is told.
        days: how many days of 2013.
    """
    import psycopg

    year = Year(folder, days)
    project = api.load(folder / "slos")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute((folder / "schema.sql").read_bytes())
        api.apply(project, dsn)
        screen.chapter("1. SLOs over days, and health that is learned")
        screen.say(f"{TABLE} again, all of 2013 this time. What its SLO file says of days:")
        screen.show(excerpt((folder / "slos" / "flights.slo.yaml").read_text(encoding="utf-8"), SHOWN))
        _first_weeks(connection, project, year, screen)
        found = _whole_year(connection, project, year, screen)
    learned = _learned(year, screen)
    _calendar(found, learned, year, screen)


def _first_weeks(connection: psycopg.Connection[Any], project: Project, year: Year, screen: Screen) -> None:
    days = year.days[:LEARNED_IN_DATABASE]
    screen.chapter(f"2. Everything in the database, 1 January to {days[-1]:%-d %B}")
    _load(connection, year, days, screen)
    before = screen.seconds
    shown: list[str] = []

    def look(_: str, number: int, total: int) -> None:
        if number == total:
            shown.append(incidents_text.list_text(incidents(connection, everything=True)))
            shown.append(explain_text.render(explain(connection, f"{TABLE}/origin_delay_1h.usual")))

    found = backtest(connection, project, until=_close(days[-1]), progress=look)
    took = screen.seconds - before
    learned = sum(slo.slo.endswith(".usual") for slo in found.slos)
    screen.say(
        f"mlguard backtest replays them day by day as if each had just ended: {len(found.slos)} SLOs,"
        f" {learned} of them learned, {took:.0f} s, {1000 * took / max(found.windows, 1):.0f} ms a day. After the last"
        " day, mlguard incidents list says:"
    )
    screen.show(_wrapped(shown[0]))
    screen.say(
        "One alarm, whatever broke with it stands below it. No limit for origin_delay_1h was typed by anybody;"
        f" mlguard explain {TABLE}/origin_delay_1h.usual:"
    )
    screen.show(_wrapped(shown[1]))


def _whole_year(connection: psycopg.Connection[Any], project: Project, year: Year, screen: Screen) -> Backtest:
    screen.chapter(f"3. The typed SLOs, over all {len(year.days)} days")
    _load(connection, year, year.days[LEARNED_IN_DATABASE:], screen)
    before = screen.seconds
    typed = replace(project, files=tuple(file.model_copy(update={"usual": None}) for file in project.files))
    found = backtest(connection, typed, until=_close(year.days[-1]))
    screen.say(
        f"Replayed in {screen.seconds - before:.0f} s: {sum(slo.judged for slo in found.slos)} verdicts over"
        f" {found.windows} days, {len(found.alarms)} alarms, {found.per_month:.1f} a month."
    )
    for slo, words, worst, low, high in DRAWN:
        values = [value for value in found.values if value.slo == f"{TABLE}/{slo}"]
        _draw(words, values, worst, low, high, screen)
    return found


def _learned(year: Year, screen: Screen) -> list[Learned]:
    screen.chapter(f"4. Learned health, over all {len(year.days)} days")
    before = screen.seconds
    found = year.learned()
    screen.say(
        "In the database, learning a day takes as long as chapter 2 says; a whole year would outlast this demo. So the"
        " same learner replays it here, from the Parquet file, in Python: each day is judged by the days before it."
        f" {screen.seconds - before:.0f} s, {len(found)} of {len(year.days)} days alarm:"
    )
    rows = [
        (f"{one.day:%a %-d %b}", one.columns[0].column or "the table", _words(one.columns[0]), _more(one))
        for one in found
    ]
    screen.table(("day", "column", "what", "also"), rows)
    return found


def _calendar(found: Backtest, learned: Sequence[Learned], year: Year, screen: Screen) -> None:
    screen.chapter("5. What it was")
    by_day: dict[date, list[str]] = {}
    for alarm in found.alarms:
        if alarm.start is not None:
            day = alarm.start.astimezone(ZoneInfo(ZONE)).date()
            by_day.setdefault(day, []).append(alarm.slo.partition("/")[2])
    for one in learned:
        by_day.setdefault(one.day, []).extend(f"{column.column or 'rows'}.usual" for column in one.columns)
    rows = [(f"{day:%a %-d %b}", EVENTS.get(day, "?"), ", ".join(by_day[day])) for day in sorted(by_day)]
    screen.table(("day", "what it was", "what alarmed"), rows)
    months = len(year.days) / (WHOLE_YEAR / 12)
    screen.say(
        f"{len(by_day)} days of {len(year.days)}, {len(by_day) / months:.1f} a month, over every column and every SLO"
        " together. The names of the events are from the calendar; mlguard only had the numbers. A failure that goes on"
        " the day after is the same incident and no alarm of its own."
    )


def _load(connection: psycopg.Connection[Any], year: Year, days: Sequence[date], screen: Screen) -> None:
    before = screen.seconds
    with tempfile.TemporaryDirectory(prefix="mlguard-demo-") as folder:
        text = year.csv(days[0], days[-1], Path(folder) / "flights.csv")
    with connection.cursor() as cursor, cursor.copy(f"copy {TABLE} from stdin (format csv, header)".encode()) as copy:
        copy.write(text)
    n = sum(year.counts[day] for day in days)
    screen.say(
        f"{n} flights of {len(days)} days are loaded, every row rule judged, in {screen.seconds - before:.0f} s."
    )


def _close(day: date) -> datetime:
    """Return when the window of a day has surely closed and the next has not."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + timedelta(days=1)


def _draw(
    words: str,
    values: Sequence[Value],
    worst: Callable[[Sequence[float]], float],
    low: float | None,
    high: float | None,
    screen: Screen,
) -> None:
    weeks: list[float | None] = []
    for start in range(0, len(values), 7):
        known = [value.value for value in values[start : start + 7] if value.value is not None]
        weeks.append(worst(known) if known else None)
    drawn = spark(weeks, low=low, high=high)
    limit = f"at least {figure(low)}" if low is not None else f"at most {figure(high)}"
    screen.show(f"{words}\n  {drawn.line}  {figure(drawn.least)} to {figure(drawn.most)}, allowed {limit}")
    if drawn.marks:
        screen.show(f"  {drawn.marks}")


def _words(column: ColumnVerdict) -> str:
    ends = [figure(end) if end is not None else "open" for end in (column.band.low, column.band.high)]
    return f"{KINDS[column.series.metric].meaning}: {figure(column.value)}, usual {ends[0]} to {ends[1]}"


def _more(one: Learned) -> str:
    return ", ".join(column.column or "the table" for column in one.columns[1:])


def _wrapped(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines())
