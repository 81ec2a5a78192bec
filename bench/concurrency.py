"""Many writers at once: sixteen that insert row by row, four that load by COPY, every COMMIT flushed.

While they write, pg_stat_activity and pg_locks are looked at again and again: a backend that waits for a lock, in a
table where every writer has rows of its own, waits because of mlguard.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self

import psycopg

from bench import baselines, slo_files
from bench.figures import Figure, Unit, at_least, at_most
from bench.measure import Spread, interleave
from bench.options import Options, say
from bench.pgbench import transactions_per_second
from bench.rows import insert_script
from bench.servers import BenchServer
from bench.states import windows, with_slos
from bench.workload import write_csv

SUITE = "concurrency"
CLIENTS, LOADERS = 16, 4
PLAIN, GUARDED = "plain table", "writes: rows, 20 rules, states of 10 metrics"
TABLES = {PLAIN: "many_plain", GUARDED: "many_guarded"}
LOADED = {PLAIN: "many_plain", GUARDED: "many_loaded"}
BULK = "writes: bulk, 20 rules, states of 10 metrics"
LOOK = 0.005  # seconds between two looks


class Watch:
    """Looks for backends that wait for a lock, for as long as the block runs."""

    def __init__(self, dsn: str) -> None:
        self.looks = 0
        self.waiting: dict[str, int] = {}
        self._dsn = dsn
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            while not self._stop.wait(LOOK):
                self.looks += 1
                for locktype, mode, relation in connection.execute(
                    "select l.locktype, l.mode, coalesce(l.relation::regclass::text, '') from pg_locks l"
                    " where not l.granted and l.pid <> pg_backend_pid()"
                    # Files that grow are extended under a lock, those of the plain table too.
                    " and l.locktype <> 'extend'"
                    " union all"
                    " select 'activity', a.wait_event, '' from pg_stat_activity a"
                    " where a.wait_event_type = 'Lock' and a.wait_event <> 'extend' and a.pid <> pg_backend_pid()"
                ).fetchall():
                    words = f"{locktype} {mode} {relation}".strip()
                    self.waiting[words] = self.waiting.get(words, 0) + 1


def run(server: BenchServer, options: Options) -> list[Figure]:
    """Measure both kinds of writers."""
    for table in {*TABLES.values(), *LOADED.values()}:
        baselines.install_plain(server, table)
    slo_files.apply(
        server,
        SUITE,
        with_slos(slo_files.row_rules("bench.many_guarded", "reject", writes="rows"), windows()),
        with_slos(slo_files.row_rules("bench.many_loaded", "reject"), windows()),
    )
    return [*_single(server, options), *_loads(server, options)]


def _single(server: BenchServer, options: Options) -> list[Figure]:
    say(f"concurrency: {CLIENTS} clients")
    watches: list[Watch] = []

    def speed(name: str) -> float:
        script = insert_script(server.folder, TABLES[name])
        if name == PLAIN:
            return transactions_per_second(server, script, CLIENTS, options.seconds)
        with Watch(server.dsn) as watch:
            found = transactions_per_second(server, script, CLIENTS, options.seconds)
        watches.append(watch)
        return found

    variants: dict[str, Callable[[], float]] = {name: partial(speed, name) for name in TABLES}
    series = interleave(variants, options.rounds * 2, say)
    return [
        Figure(SUITE, f"{GUARDED}, {CLIENTS} clients", PLAIN, series.ratio(GUARDED, PLAIN), at_least(0.75)),
        _waits(f"{CLIENTS} clients", watches),
    ]


def _loads(server: BenchServer, options: Options) -> list[Figure]:
    say(f"concurrency: {LOADERS} loaders")
    rows = options.rows // 10
    files = [write_csv(server.folder / f"load_{n}.csv", rows, start=n * rows) for n in range(LOADERS)]
    watches: list[Watch] = []

    def speed(name: str) -> float:
        with server.connect() as connection:
            connection.execute(f"truncate bench.{LOADED[name]}".encode())
            connection.execute(b"select mlguard.sweep()")
            connection.execute(b"checkpoint")
        if name == PLAIN:
            return _rows_per_second(server, LOADED[name], files, rows)
        with Watch(server.dsn) as watch:
            found = _rows_per_second(server, LOADED[name], files, rows)
        watches.append(watch)
        return found

    variants: dict[str, Callable[[], float]] = {name: partial(speed, name) for name in LOADED}
    series = interleave(variants, options.rounds, say)
    return [
        Figure(SUITE, f"{BULK}, {LOADERS} COPYs", PLAIN, series.ratio(GUARDED, PLAIN), at_least(0.65)),
        _waits(f"{LOADERS} COPYs", watches),
    ]


def _rows_per_second(server: BenchServer, table: str, files: list[Path], rows: int) -> float:
    """Load every file in a session of its own, all at once."""

    def load(file: Path) -> None:
        with server.connect() as connection:
            connection.execute(f"copy bench.{table} from '{file}' (format csv)".encode())

    threads = [threading.Thread(target=load, args=(file,)) for file in files]
    before = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return rows * len(files) / (time.monotonic() - before)


def _waits(what: str, watches: list[Watch]) -> Figure:
    """Return in how many of a thousand looks somebody waited for a lock."""
    for watch in watches:
        for words, times in watch.waiting.items():
            say(f"concurrency: waited for a lock in {times} of {watch.looks} looks: {words}")
    found = [1000 * sum(watch.waiting.values()) / max(watch.looks, 1) for watch in watches]
    return Figure(SUITE, f"waits for a lock, {what}", "a thousand looks", Spread.of(found), at_most(0), Unit.RATIO)
