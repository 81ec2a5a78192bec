"""Guarded reads against the plain table, small and 100 times larger: what a reader waits, what the backend spends."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psycopg

from bench import slo_files
from bench.figures import Figure, at_most
from bench.measure import Series, cpu_seconds, interleave
from bench.options import Options, say
from bench.pgbench import transactions_per_second
from bench.servers import BenchServer
from bench.workload import table

SMALL, TIMES = 10_000, 100
POINT_READS = 3_000
ROUND_TRIPS = 100  # reads of one sample of what a client waits: short, because a busy machine drifts
SLICES = 20
SCANNED = 1_000_000  # rows read by one sample of full scans, however small the table
NOISE = 1.03  # a full scan is the same work twice: what is above this is not noise
PLAIN, GUARDED = "plain table", "guarded view"
COLUMNS = "entity_id, event_ts, f01, f02, i01, t1"
Connection = psycopg.Connection[tuple[object, ...]]


def run(server: BenchServer, options: Options) -> list[Figure]:
    """Measure point reads and full scans."""
    figures = []
    for rows in (SMALL, SMALL * (10 if options.quick else TIMES)):
        say(f"reads: {rows} rows")
        name = f"bench.read_{rows}"
        install(server, name, rows)
        figures += _compare(server, name, rows, options)
    return figures


def install(server: BenchServer, name: str, rows: int) -> None:
    """Make a table whose newest row is a minute old, with a gate that asks for freshness."""
    with server.connect() as connection:
        connection.execute(table(name, primary_key=True).encode())
        connection.execute(
            f"insert into {name} (entity_id, event_ts, f01, f02, i01, t1, t2)"
            " select n, now() at time zone 'UTC' - interval '1 minute', n % 100, 50, n % 1000, 'DE', 'gold'"
            f" from generate_series(0, {rows - 1}) as n".encode()
        )
        connection.execute(f"vacuum (analyze) {name}".encode())
    slo_files.apply(server, name, slo_files.fresh(name))


def _compare(server: BenchServer, name: str, rows: int, options: Options) -> list[Figure]:
    relations = {PLAIN: name, GUARDED: f"{name}_guarded"}
    scripts = {side: _script(server.folder, relation, rows) for side, relation in relations.items()}
    waited = _series(
        {side: partial(_milliseconds, server, script, options.seconds) for side, script in scripts.items()}, options
    )
    with server.connect() as plain, server.connect() as guarded:
        connections = {PLAIN: plain, GUARDED: guarded}
        spent = _series(
            {side: partial(_points, connections[side], relation, rows) for side, relation in relations.items()},
            options,
        )
        answered = interleave(
            {side: partial(_round_trips, connections[side], relation, rows) for side, relation in relations.items()},
            2 * options.rounds * SLICES,
        )
        scanned = _series(
            {
                side: partial(_scans, connections[side], relation, max(1, SCANNED // rows))
                for side, relation in relations.items()
            },
            options,
        )
    return [
        Figure("reads", f"point read, {rows} rows, pgbench", PLAIN, waited.ratio(GUARDED, PLAIN), at_most(1.1)),
        Figure("reads", f"point read, {rows} rows, psycopg", PLAIN, answered.ratio(GUARDED, PLAIN), at_most(1.1)),
        Figure("reads", f"full scan, {rows} rows, CPU", PLAIN, scanned.ratio(GUARDED, PLAIN), at_most(NOISE)),
        Figure("reads", f"point read, {rows} rows, CPU alone", PLAIN, spent.ratio(GUARDED, PLAIN)),
    ]


def _series(variants: dict[str, Callable[[], float]], options: Options) -> Series:
    """Measure the two sides twice as often as asked, after a first time that is not counted."""
    for variant in variants.values():
        variant()
    return interleave(variants, 2 * options.rounds)


def _script(folder: Path, relation: str, rows: int) -> Path:
    path = folder / f"{relation}.sql"
    path.write_text(
        f"\\set id random(0, {rows - 1})\nselect {COLUMNS} from {relation} where entity_id = :id;\n", encoding="utf-8"
    )
    return path


def _milliseconds(server: BenchServer, script: Path, seconds: int) -> float:
    """Return how long one client waits for one read, its round trip included."""
    return 1000 / transactions_per_second(server, script, 1, seconds)


def _points(connection: Connection, relation: str, rows: int) -> float:
    """Return the CPU seconds of prepared reads by primary key, the client's share and transactions left out."""
    query = f"select {COLUMNS} from {relation} where entity_id = %s".encode()
    pid = connection.info.backend_pid
    with connection.transaction():
        before = cpu_seconds(pid)
        for number in range(POINT_READS):
            connection.execute(query, (number * 7919 % rows,), prepare=True)
        return cpu_seconds(pid) - before


def _round_trips(connection: Connection, relation: str, rows: int) -> float:
    """Return the seconds that a Python client waits for prepared reads by primary key, its own work included."""
    query = f"select {COLUMNS} from {relation} where entity_id = %s".encode()
    before = time.perf_counter()
    for number in range(ROUND_TRIPS):
        connection.execute(query, (number * 7919 % rows,), prepare=True).fetchall()
    return time.perf_counter() - before


def _scans(connection: Connection, relation: str, times: int) -> float:
    """Return the CPU seconds of full scans."""
    query = f"select count(*), sum(f01), max(t1) from {relation}".encode()
    pid = connection.info.backend_pid
    before = cpu_seconds(pid)
    for _ in range(times):
        connection.execute(query)
    return cpu_seconds(pid) - before
