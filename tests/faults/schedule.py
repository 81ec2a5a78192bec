"""One schedule: from a seed, who writes what at once and what breaks when; played on a database of its own."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psycopg
from psycopg import errors

from mlguard import api
from mlguard.errors import MlguardError
from mlguard.patience import Options
from mlguard.spec import Project
from tests.faults.crashing import CrashingServer
from tests.faults.ride import DAYS, day
from tests.faults.writer import AGAIN, EXPECTED, LOST, PATIENCE, Connection, Habits, Writer

ROOT = Path(__file__).parents[2]
WRITERS = 16
GENTLE = ("insert", "insert", "copy", "insert_new", "release", "discard", "read")
ROUGH = ("insert", "copy", "upsert", "insert_new", "merge", "update", "delete", "release", "discard", "except", "read")
EMPTYING = (*ROUGH, "truncate")
FAULTS = ("server", "backend", "client", "sweeper", "terminate", "cancel", "clock", "apply")
RARE = ("server", "backend")  # they take seconds of recovery

# The clock goes back an hour between one fold and the next: nothing tells that from what was noted so far being an hour
# further on. Under the lock of the table, as no fold sees two clocks.
CLOCK = """
select mlguard._wait_table('features.ride');
update mlguard._bucket set changed_at = changed_at + interval '1 hour', shrunk_at = shrunk_at + interval '1 hour';
update mlguard._window set checked_to = checked_to + interval '1 hour';
update mlguard._metric set at = at + interval '1 hour';
update mlguard._verdict set at = at + interval '1 hour';
update mlguard._batch set opened_at = opened_at + interval '1 hour', closed_at = closed_at + interval '1 hour'
where xid <> pg_current_xact_id();
"""


@dataclass(frozen=True)
class Fault:
    """Something that breaks once so many transactions were begun."""

    what: str
    after: int


@dataclass(frozen=True)
class Schedule:
    """What a seed stands for. `seed` also draws the rows and statements of each writer."""

    seed: int
    habits: tuple[Habits, ...]
    transactions: int
    faults: tuple[Fault, ...]
    sweepers: int

    @property
    def applies(self) -> bool:
        """Whether the SLO file changes under way."""
        return any(fault.what == "apply" for fault in self.faults)

    def __str__(self) -> str:
        breaks = ", ".join(f"{fault.what} after {fault.after}" for fault in self.faults)
        return (
            f"seed {self.seed}: {len(self.habits)} writers of {self.transactions} transactions; {breaks or 'no fault'}"
        )


def draw(seed: int) -> Schedule:
    """Return the schedule of a seed, always the same."""
    chance = random.Random(seed)
    verbs = chance.choices((GENTLE, ROUGH, EMPTYING), (2, 4, 3))[0]
    transactions = chance.choice((2, 3, 5))
    habits = tuple(
        Habits(
            verbs,
            isolation=chance.choices(("read committed", "repeatable read", "serializable"), (6, 2, 1))[0],
            timeout=chance.choice((0, 0, 0, 0, 15, 60)),
            lock_timeout=chance.choice((0, 0, 0, 5, 40)),
            rollbacks=chance.choice((0.0, 0.1, 0.3)),
            bad=chance.choice((0.0, 0.1, 0.4)),
            prepares=chance.random() < 0.1,
        )
        for _ in range(chance.choice((2, 4, 8, WRITERS)))
    )
    total = transactions * len(habits)
    faults = [
        Fault(what, chance.randint(1, max(total - 1, 1)))
        for what in FAULTS
        if chance.random() < (0.12 if what in RARE else 0.2)
    ]
    return Schedule(seed, habits, transactions, tuple(sorted(faults, key=lambda f: f.after)), sweepers=2)


@dataclass
class Played:
    """What came of a schedule.

    Attributes:
        acknowledged: tokens of rows whose COMMIT was confirmed to a client.
        problems: whatever a client was told that it should not be.
        counts: how often things happened, for the record.
    """

    acknowledged: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


class Play:
    """Plays one schedule on a database."""

    def __init__(self, schedule: Schedule, server: CrashingServer, database: str, changed: Project) -> None:
        self.schedule, self.server, self.changed = schedule, server, changed
        self.dsn = server.dsn_of(database)
        self.database = database
        self.played = Played()
        self._chance = random.Random(-schedule.seed)
        self._begun = 0
        self._lock = threading.Lock()
        self._moved = threading.Condition(self._lock)
        self._over = threading.Event()
        self._up = threading.Event()
        self._up.set()
        self._threads: list[threading.Thread] = []

    def run(self) -> Played:
        """Start everybody, break things when their time comes, and wait until all are done."""
        writers = [
            Writer(self.dsn, number, habits, random.Random(self.schedule.seed * 1000 + number), self._tick)
            for number, habits in enumerate(self.schedule.habits, 1)
        ]
        threads = [threading.Thread(target=w.run, args=(self.schedule.transactions,)) for w in writers]
        sweepers = [threading.Thread(target=self._sweep, args=(n,)) for n in range(self.schedule.sweepers)]
        for thread in (*sweepers, *threads):
            thread.start()
        try:
            for fault in self.schedule.faults:
                self._wait_for(fault.after, threads)
                getattr(self, f"_{fault.what}")()
        finally:
            for thread in threads:
                thread.join()
            self._over.set()
            for thread in (*sweepers, *self._threads):
                thread.join()
            wait_until_quiet(self.dsn)
        for writer in writers:
            self.played.acknowledged += writer.acknowledged
            self.played.problems += writer.faults
        self.played.counts = {
            "committed rows": len(self.played.acknowledged),
            "refused": sum(writer.refused for writer in writers),
            "repeated": sum(writer.repeated for writer in writers),
            "connections lost": sum(writer.lost for writer in writers),
        }
        return self.played

    def _tick(self) -> None:
        with self._moved:
            self._begun += 1
            self._moved.notify_all()

    def _wait_for(self, begun: int, threads: list[threading.Thread]) -> None:
        with self._moved:
            while self._begun < begun and any(thread.is_alive() for thread in threads):
                self._moved.wait(0.05)
        time.sleep(self._chance.uniform(0, 0.02))

    def _sweep(self, number: int) -> None:
        """Sweep again and again, by a clock that runs now forward, now back."""
        chance = random.Random(self.schedule.seed * 1000 - number)
        while not self._over.is_set():
            try:
                with psycopg.connect(self.dsn, autocommit=True, application_name="sweeper") as connection:
                    while not self._over.wait(chance.uniform(0, 0.06)):
                        as_of = day(chance.randint(DAYS[0] - 1, DAYS[1] + 4))
                        with contextlib.suppress(*AGAIN):
                            connection.execute("select mlguard.sweep(%s::timestamptz)", [as_of])
            except LOST:
                time.sleep(0.05)
            except psycopg.Error as error:
                self.played.problems.append(f"sweeper: {error.sqlstate} {error} {error.diag.context or ''}")
                return

    # The faults, each named in FAULTS.

    def _server(self) -> None:
        self.server.crash()
        self.server.restart()

    def _backend(self) -> None:
        """Kill one backend outright: the server ends all others and recovers."""
        for pid in self._backends():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            return

    def _terminate(self) -> None:
        for pid in self._backends():
            self._ask("select pg_terminate_backend(%s)", pid)
            return

    def _cancel(self) -> None:
        for pid in self._backends():
            self._ask("select pg_cancel_backend(%s)", pid)
            return

    def _clock(self) -> None:
        for _ in range(10):
            try:
                with psycopg.connect(self.dsn) as connection:
                    connection.execute(CLOCK.encode())
                return
            except (*AGAIN, *LOST):
                time.sleep(0.05)

    def _client(self) -> None:
        """A client process of its own, killed in the midst of its work."""
        number = WRITERS + 1
        self._start_and_kill(["-m", "tests.faults.writer", self.dsn, str(number), str(self.schedule.seed), "200"])

    def _sweeper(self) -> None:
        words = "import sys, psycopg\nc = psycopg.connect(sys.argv[1], autocommit=True)\nwhile True:\n"
        words += " print('.', flush=True)\n c.execute('select mlguard.sweep()')\n"
        self._start_and_kill(["-c", words, self.dsn])

    def _apply(self) -> None:
        def work() -> None:
            # What it could not do is done when the schedule is over.
            with contextlib.suppress(MlguardError, psycopg.Error):
                api.apply(self.changed, self.dsn, options=Options(0.2, 4))

        self._threads.append(threading.Thread(target=work))
        self._threads[-1].start()

    def _start_and_kill(self, arguments: list[str]) -> None:
        child = subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, text=True
        )
        assert child.stdout is not None

        def watch(words: IO[str]) -> None:
            for _ in range(self._chance.randint(2, 6)):
                if not words.readline():
                    break
            time.sleep(self._chance.uniform(0, 0.01))
            child.kill()
            rest = words.read()
            self.played.problems += [line for line in rest.splitlines() if line.strip(".")]
            child.wait()
            words.close()

        self._threads.append(threading.Thread(target=watch, args=(child.stdout,)))
        self._threads[-1].start()

    def _backends(self) -> Iterator[int]:
        with contextlib.suppress(*LOST), psycopg.connect(self.dsn, autocommit=True) as connection:
            found = connection.execute(
                "select pid from pg_stat_activity where datname = %s and pid <> pg_backend_pid()"
                " and (application_name like 'writer%%' or application_name = 'sweeper') order by pid",
                [self.database],
            ).fetchall()
            self._chance.shuffle(found)
            yield from (pid for (pid,) in found)

    def _ask(self, sql: str, pid: int) -> None:
        with contextlib.suppress(*LOST), psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(sql.encode(), [pid])


def wait_until_quiet(dsn: str) -> None:
    """Wait for a server that recovers by itself, and for backends that still work for a client that was killed."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                while connection.execute(
                    "select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
                    " and backend_type = 'client backend'"
                ).fetchone():
                    time.sleep(0.02)
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def settle(connection: Connection) -> None:
    """Commit what was left prepared, as its client would."""
    for (name,) in connection.execute(
        "select gid from pg_prepared_xacts where database = current_database()"
    ).fetchall():
        connection.execute(f"commit prepared '{name}'".encode())


def patiently(work: Callable[[], None], tries: int = 5) -> None:
    """Do what a conflict with the last of the background may hinder, again."""
    for attempt in range(tries):
        try:
            work()
            return
        except (*AGAIN, errors.LockNotAvailable):
            if attempt == tries - 1:
                raise
            time.sleep(0.1)


__all__ = ["EXPECTED", "Play", "Played", "Schedule", "draw", "patiently", "settle"]
