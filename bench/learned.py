"""Learned health: refreshing bands, judging a batch, and a whole window of a wide table.

python -m bench.learned prints these figures, with the most they may be where there is such:

- the bands of 1,000 series with 400 windows of history learned from nothing, and brought up to date by one window,
- judging 250 series of one batch against their bands,
- one window of 20 columns with 1,000 rows: profiles, series, verdicts, references and bands.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import psycopg

from bench.measure import cpu_seconds
from mlguard import runtime
from mlguard.embedded import EmbeddedServer

SERIES, WINDOWS, JUDGED = 1000, 400, 250
COLUMNS, ROWS, DAYS = 20, 1000, 26
TABLE = "bench.wide"

Connection = psycopg.Connection[Any]

_HISTORY = """
insert into mlguard._metric (tbl, metric, over, window_start, window_end, value, n, sd, sampled)
select %(table)s, m.name, '1 day', d.at, d.at + interval '1 day',
       case m.kind when 'rows' then round(1000 + 50 * random()) when 'mean' then 10 + random()
                   else 0.1 + 0.02 * random() end,
       1000, 1, true
from (select g.i, g.kind, format('usual_%%s(c%%s)', g.kind, g.i) as name
      from (select i, (array['null', 'mean', 'ks', 'spike', 'overlap'])[1 + i %% 5] as kind
            from generate_series(1, %(series)s::integer) g (i)) g) m
cross join (select timestamptz '2025-01-06 00:00+00' + i * interval '1 day' as at
            from generate_series(%(first)s::integer, %(last)s::integer) g (i)) d
order by d.at, m.i
"""


def main() -> None:
    """Measure on the embedded server and print."""
    with (
        EmbeddedServer(18, settings={"shared_buffers": "256MB"}) as server,
        psycopg.connect(server.dsn, autocommit=True) as connection,
    ):
        runtime.install(connection)
        for line in (*series(connection), wide(connection)):
            print(line)


def series(connection: Connection) -> list[str]:
    """Return lines about bands of series with a long history."""
    register(connection, [])
    connection.execute(_HISTORY, {"table": TABLE, "series": SERIES, "first": 0, "last": WINDOWS - 1})
    connection.execute(
        "insert into mlguard._series (tbl, over, metric, family, column_name, partner)"
        " select distinct tbl, over, metric, substring(metric from 'usual_(.*)\\('),"
        " substring(metric from '\\((.*)\\)'), '' from mlguard._metric"
    )
    connection.execute("vacuum analyze mlguard._metric")
    pid = connection.info.backend_pid
    begun = cpu_seconds(pid)
    anew = _seconds(lambda: _refresh(connection))
    anew_cpu = cpu_seconds(pid) - begun
    connection.execute(_HISTORY, {"table": TABLE, "series": SERIES, "first": WINDOWS, "last": WINDOWS})
    begun = cpu_seconds(pid)
    after = _seconds(lambda: _refresh(connection))
    after_cpu = cpu_seconds(pid) - begun
    judged = min(_seconds(lambda: _judge(connection)) for _ in range(5))
    connection.execute("truncate mlguard._metric, mlguard._band, mlguard._series, mlguard._table cascade")
    return [
        f"bands of {SERIES} series learned from {WINDOWS} windows (<= 10 s): {anew:.2f} s, {anew_cpu:.2f} s of it CPU",
        f"the same brought up to date by one more window: {after:.2f} s, {after_cpu:.2f} s of it CPU",
        f"{JUDGED} series judged against their bands (<= 100 ms): {judged * 1000:.0f} ms",
    ]


def wide(connection: Connection) -> str:
    """Return a line about one window of a wide table."""
    names = [f"c{i}" for i in range(COLUMNS)]
    register(connection, names)
    rng = random.Random(7)
    took = []
    for day in range(DAYS):
        _deliver(connection, rng, day, names)
        took.append(_seconds(lambda day=day: _sweep(connection, day)))  # type: ignore[misc]
    usual = sorted(took[21:])[len(took[21:]) // 2]
    told = f"a window of {COLUMNS} columns and {ROWS} rows: {usual:.2f} s"
    return f"{told}; of the 20th, where pairs are learned: {took[19]:.1f} s"


def register(connection: Connection, columns: list[str]) -> None:
    """Put the table and the learned SLOs of its columns and rows in force."""
    connection.execute(
        "insert into mlguard._table (tbl, schema_name, table_name, base, window_length) values (%s, %s, %s, %s, %s)",
        (TABLE, *TABLE.split("."), "1 day", "1 day"),
    )
    for column in (*columns, None):
        name = f"{column or 'rows'}.usual"
        connection.execute(
            "insert into mlguard._slo"
            " (id, tbl, name, level, check_text, action, place, column_name, over, learned, shadow)"
            " values (%s, %s, %s, 'window', 'usual', 'warn', 'window judgement', %s, '1 day', %s, true)",
            (f"{TABLE}/{name}", TABLE, name, column, ["all"] if column else ["all", "pairs"]),
        )


def _refresh(connection: Connection) -> None:
    connection.execute("select mlguard._refresh_bands(%s, '1 day', false)", (TABLE,))


def _judge(connection: Connection) -> None:
    row = connection.execute(
        "select count((mlguard._held_against(b, 0.11, 1000, 1000, 1)).score)"
        " from (select b.* from mlguard._band b where b.tbl = %s limit %s) b",
        (TABLE, JUDGED),
    ).fetchone()
    assert row == (JUDGED,)


def _deliver(connection: Connection, rng: random.Random, day: int, names: list[str]) -> None:
    at = "2026-01-05 00:00+00"
    with connection.transaction():
        for i, name in enumerate((*names, "")):
            nums, texts = _values(rng, i) if name else ([float(j) for j in range(ROWS)], None)
            connection.execute(
                "insert into mlguard._sample (tbl, bucket, n, k, column_name, nums, texts)"
                " values (%s, %s::timestamptz + %s * interval '1 day', %s, %s, %s, %s, %s)",
                (TABLE, at, day, ROWS, ROWS, name, nums, texts),
            )
    connection.execute(
        "insert into mlguard._bucket (tbl, bucket, n, states)"
        " values (%s, %s::timestamptz + %s * interval '1 day', %s, '{}')",
        (TABLE, at, day, ROWS),
    )


def _values(rng: random.Random, i: int) -> tuple[list[float] | None, list[str] | None]:
    if i % 4 == 0:
        return None, rng.choices(["free", "pro", "team", "other"], [8, 4, 2, 1], k=ROWS)
    if i % 4 == 1:
        return [round(rng.lognormvariate(3, 1), 2) for _ in range(ROWS)], None
    if i % 4 == 2:
        return [float(rng.randrange(50)) for _ in range(ROWS)], None
    return None, [f"u-{rng.randrange(3000)}" for _ in range(ROWS)]


def _sweep(connection: Connection, day: int) -> None:
    connection.execute("select mlguard._sweep_usual(timestamptz '2026-01-06 00:00+00' + %s * interval '1 day')", (day,))


def _seconds(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
