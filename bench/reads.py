"""Guarded reads: CPU of the backend through the guarded view against the plain table, small and 100 times larger."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import psycopg

from bench import slo_files
from bench.figures import Figure, at_most
from bench.measure import cpu_seconds, interleave
from bench.options import Options, say
from bench.servers import BenchServer
from bench.workload import table

SMALL, TIMES = 10_000, 100
POINT_READS = 10_000
NOISE = 1.03  # a full scan is the same work twice: what is above this is not noise
PLAIN, GUARDED = "plain table", "guarded view"
SCAN = "select count(*), sum(f01), max(t1) from {}"
POINT = "select entity_id, event_ts, f01, f02, i01, t1 from {} where entity_id = %s"


def run(server: BenchServer, options: Options) -> list[Figure]:
    """Measure point reads and full scans."""
    large = SMALL * (10 if options.quick else TIMES)
    figures = []
    for rows in (SMALL, large):
        say(f"reads: {rows} rows")
        name = f"bench.read_{rows}"
        _install(server, name, rows)
        figures += _compare(server, name, rows, options)
    return figures


def _install(server: BenchServer, name: str, rows: int) -> None:
    with server.connect() as connection:
        connection.execute(table(name, primary_key=True).encode())
        connection.execute(
            f"insert into {name} (entity_id, event_ts, f01, f02, i01, t1, t2)"
            " select n, now() - interval '1 minute', n % 100, 50, n % 1000, 'DE', 'gold'"
            f" from generate_series(0, {rows - 1}) as n".encode()
        )
        connection.execute(f"vacuum (analyze) {name}".encode())
    slo_files.apply(server, name, slo_files.fresh(name))


def _compare(server: BenchServer, name: str, rows: int, options: Options) -> list[Figure]:
    scans = max(1, 1_000_000 // rows)
    with server.connect() as plain, server.connect() as guarded:
        sides = {PLAIN: (plain, name), GUARDED: (guarded, f"{name}_guarded")}
        points: dict[str, Callable[[], float]] = {
            side: partial(_points, connection, relation, rows) for side, (connection, relation) in sides.items()
        }
        full: dict[str, Callable[[], float]] = {
            side: partial(_scans, connection, relation, scans) for side, (connection, relation) in sides.items()
        }
        for variant in (*points.values(), *full.values()):
            variant()
        reads = interleave(points, 2 * options.rounds)
        scanned = interleave(full, 2 * options.rounds)
    return [
        Figure("reads", f"point read, {rows} rows", PLAIN, reads.ratio(GUARDED, PLAIN), at_most(1.1)),
        Figure("reads", f"full scan, {rows} rows", PLAIN, scanned.ratio(GUARDED, PLAIN), at_most(NOISE)),
    ]


def _points(connection: psycopg.Connection[tuple[object, ...]], relation: str, rows: int) -> float:
    """Return the CPU seconds of prepared reads by primary key."""
    query = POINT.format(relation).encode()
    pid = connection.info.backend_pid
    before = cpu_seconds(pid)
    for number in range(POINT_READS):
        connection.execute(query, (number * 7919 % rows,), prepare=True)
    return cpu_seconds(pid) - before


def _scans(connection: psycopg.Connection[tuple[object, ...]], relation: str, times: int) -> float:
    """Return the CPU seconds of full scans."""
    query = SCAN.format(relation).encode()
    pid = connection.info.backend_pid
    before = cpu_seconds(pid)
    for _ in range(times):
        connection.execute(query)
    return cpu_seconds(pid) - before
