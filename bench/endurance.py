"""A day's worth of small batches on one table: what COMMIT's judging of the last costs beside that of the first.

Every batch is one transaction of its own; windows close under way, a sweep follows every thousand batches as `watch`
would do it, and autovacuum works as on any server. What is measured is the CPU that a backend needs for COMMIT, in
which a batch is judged. Machines drift within minutes, so the first batches are not those of an hour ago: another
database of the same server is young, and takes turns with the old one.
"""

from __future__ import annotations

import statistics
from datetime import UTC, datetime, timedelta

import psycopg

import mlguard
from bench import slo_files
from bench.figures import Figure, Unit, at_most
from bench.measure import Series, Spread, cpu_seconds
from bench.options import Options, say
from bench.servers import BenchServer

BATCHES = 5_000  # unless --rows says otherwise: 100000 is more than one a second for a day
CHUNK = 1_000  # batches between two sweeps, and the age of the young database
SLICE, SLICES = 200, 6  # batches of one turn, turns of each round
WARM_UP = 50  # the first commits of a session plan its statements
ROWS = 5
DAYS = 30  # of event times, so that windows close and history grows
SUITE = "endurance"
OLD, YOUNG, PLAIN = "old", "young", "plain"
TABLES = """
create schema if not exists bench;
create table bench.day_plain (id bigint primary key, amount double precision, kind text, at timestamptz not null);
create table bench.day_guarded (like bench.day_plain including all);
"""
SLOS = """
mlguard: 1
table: bench.day_guarded
key: [id]
event_time: at
reads: none
columns:
  amount: {range: {between: [0, 1000], on_violation: quarantine}}
slos:
  - {name: filled, check: coverage(amount) >= 0.5, over: batch, on_violation: hold, min_rows: 1}
  - {name: mean_kept, check: mean(amount) >= 0, over: batch, on_violation: reject, min_rows: 1}
  - {name: steady, check: "delta(mean(amount), '7 days') <= 1000", over: batch, min_rows: 1}
  - {name: daily, check: mean(amount) >= 0, over: 1 day, by: kind, min_rows: 1}
  - {name: many, check: row_count() >= 1, over: 1 day}
"""
INSERT = """
insert into bench.{table}
select %(first)s + g, 10 + g, (array['a', 'b', 'c'])[1 + g %% 3], %(at)s from generate_series(1, {rows}) g
"""


class Day:
    """One database, and how many batches it has had."""

    def __init__(self, server: BenchServer, database: str) -> None:
        self.dsn = server.server.dsn_of(database)
        self.batches = 0
        self.begin = datetime.now(UTC) - timedelta(days=DAYS)
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(TABLES.encode())
        mlguard.apply(mlguard.load(slo_files.write(server.folder / SUITE, SLOS)), self.dsn)

    def write(self, table: str, batches: int, of: int) -> float:
        """Write batches in a session of its own; return the median CPU seconds of a COMMIT."""
        sql = INSERT.format(table=table, rows=ROWS).encode()
        found = []
        with psycopg.connect(self.dsn) as connection:
            pid = connection.info.backend_pid
            for number in range(batches):
                at = self.begin + timedelta(days=DAYS) * min(self.batches / of, 1)
                connection.execute(sql, {"first": self.batches * ROWS, "at": at})
                before = cpu_seconds(pid)
                connection.commit()
                self.batches += 1
                if number >= WARM_UP:
                    found.append(cpu_seconds(pid) - before)
        return statistics.median(found)

    def sweep(self) -> float:
        """Sweep, and return the CPU seconds that took."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            before = cpu_seconds(connection.info.backend_pid)
            connection.execute("select mlguard.sweep()")
            return cpu_seconds(connection.info.backend_pid) - before


def run(server: BenchServer, options: Options) -> list[Figure]:
    """Grow one database old, then measure it and a young one in turns."""
    batches = max(options.asked or (CHUNK * 2 if options.quick else BATCHES), CHUNK * 2)
    with server.connect() as connection:
        connection.execute("alter system set autovacuum = on")
        connection.execute("alter system set synchronous_commit = off")  # flushing takes no CPU, but time
        connection.execute("select pg_reload_conf()")
        connection.execute("create database young template template0")
    old, young = Day(server, "bench"), Day(server, "young")
    while old.batches < batches:
        cost = old.write("day_guarded", CHUNK, batches)
        say(f"endurance: {old.batches} batches, COMMIT {cost * 1e6:.0f} µs; sweep {old.sweep():.2f} s")
    young.write("day_guarded", CHUNK, batches)
    young.sweep()
    return _compare(old, young, options.rounds * SLICES)


def _compare(old: Day, young: Day, rounds: int) -> list[Figure]:
    age = old.batches
    costs: dict[str, list[float]] = {OLD: [], YOUNG: [], PLAIN: []}
    for number in range(rounds):
        turns = [(OLD, old, "day_guarded"), (YOUNG, young, "day_guarded"), (PLAIN, old, "day_plain")]
        for name, day, table in turns[number % 3 :] + turns[: number % 3]:
            costs[name].append(day.write(table, SLICE, day.batches))
    series = Series(costs)

    def cost(name: str) -> Spread:
        return Spread.of([value * 1e6 for value in costs[name]])

    return [
        Figure(SUITE, f"COMMIT after {age} batches", f"after {CHUNK}", series.ratio(OLD, YOUNG), at_most(1.2)),
        *(Figure(SUITE, f"COMMIT, {name}", "", cost(name), None, Unit.MICROSECONDS) for name in (OLD, YOUNG, PLAIN)),
    ]
