"""The long-running side: sweep, hand on what the outbox holds, outlive restarts of the database."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlguard.errors import EngineError
from mlguard.operate.ask import as_rows, require_runtime, values
from mlguard.operate.notify import NotDelivered
from mlguard.report.when import minute

if TYPE_CHECKING:
    from threading import Event

    import psycopg

LOOK = 5.0  # seconds between two looks into the outbox: acts of people and failures at COMMIT need not wait for a sweep
LONGEST_WAIT = 60.0  # seconds between two attempts to reach a database that is gone
LINES = 20  # lines claimed at once
LEASE = "1 minute"  # what a killed watch had claimed comes again after this


@dataclass(frozen=True)
class Change:
    """One line of the outbox: the change of state of an incident that alerts."""

    id: int
    at: datetime
    incident: int
    alarm: int
    event: str  # opened | escalated | acknowledged | snoozed | resolved | reopened
    severity: str
    recipients: list[str]
    subject: str
    body: str
    payload: dict[str, Any]
    attempts: int

    def as_json(self) -> str:
        """Return it on one line, for log shippers."""
        return json.dumps(asdict(self), ensure_ascii=False, default=datetime.isoformat)


@dataclass(frozen=True)
class Swept:
    """What one part of a sweep did."""

    what: str
    n: int


def sweep(connection: psycopg.Connection[Any]) -> list[Swept]:
    """Judge what is due, and make incidents and alerts of it; a second sweep at the same time does nothing."""
    with _read_committed(connection):
        return as_rows(connection, Swept, "select s.what, s.n from mlguard.sweep() as s")


def claim(connection: psycopg.Connection[Any], lines: int = LINES, *, pages: bool = False) -> list[Change]:
    """Take lines of the outbox to deliver, or only those of pages; nobody else gets them within the next minute."""
    take = "claim_pages" if pages else "claim_outbox"
    with _read_committed(connection):
        return as_rows(
            connection,
            Change,
            f"select c.* from mlguard.{take}(%(lines)s, %(lease)s) as c",
            lines=lines,
            lease=LEASE,
        )


def delivered(connection: psycopg.Connection[Any], line: int) -> None:
    """Say that a line was delivered."""
    values(connection, "select mlguard.delivered(%(line)s)", line=line)


def failed(connection: psycopg.Connection[Any], line: int, why: str) -> datetime:
    """Say that a line was not delivered; return when it comes again."""
    again: datetime = values(connection, "select mlguard.failed(%(line)s, %(why)s)", line=line, why=why)[0]
    return again


def _read_committed(connection: psycopg.Connection[Any]) -> AbstractContextManager[Any]:
    """Open a transaction that sees what others committed while it waited, whatever the server's default is."""
    import psycopg

    if connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    return connection.transaction()


@dataclass
class Watch:
    """Sweeps, and hands on changes, until it is told to stop.

    A change is marked as delivered after `deliver` returned: a watch that is killed in between leaves it claimed, and
    it comes again. One that `deliver` could not deliver comes again later.

    Attributes:
        open_session: opens the database.
        deliver: takes one change; raises NotDelivered where somebody was not reached.
        say: takes words for whoever runs it.
        stop: ends it, between two statements.
        interval: seconds between two sweeps.
        outbox: False leaves the outbox to another worker.
        people: names that alerts are sent to, for the greeting.
        quiet: says whether only pages are delivered now.
        undelivered: how many attempts to deliver a change have failed.
    """

    open_session: Callable[[], AbstractContextManager[psycopg.Connection[Any]]]
    deliver: Callable[[Change], None]
    say: Callable[[str], None]
    stop: Event
    interval: float = 60.0
    outbox: bool = True
    people: tuple[str, ...] = ()
    quiet: Callable[[], bool] = lambda: False
    undelivered: int = 0
    _troubles: dict[str, str] = field(default_factory=dict)  # what was told last of what goes wrong, by what was done

    def once(self) -> None:
        """Sweep once and hand on what there is.

        Raises:
            EngineError: the database cannot be reached.
            RuntimeVersionError: mlguard is not installed there, or does not fit this client.
        """
        with self.open_session() as connection:
            require_runtime(connection)
            sweep(connection)
            self._hand_on(connection)

    def run(self) -> None:
        """Go on until `stop` is set; lost connections are opened again, waiting longer each time.

        Raises:
            EngineError: the database cannot be reached at the start: a wrong DSN is nothing to wait for.
            RuntimeVersionError: mlguard is not installed there, or does not fit this client.
        """
        lost = 0
        seen = False
        while not self.stop.is_set():
            try:
                with self.open_session() as connection:
                    require_runtime(connection)
                    self.say("connected again" if seen else _greeting(connection, self.interval, self.people))
                    seen, lost = True, 0
                    self._go_round(connection)
            except Exception as error:
                if not seen or not _gone(error):
                    raise
                lost += 1
                wait = min(LONGEST_WAIT, 2.0 ** (lost - 1)) * random.uniform(0.75, 1.25)  # noqa: S311 - to spread retries, not to keep a secret
                self.say(f"the database is gone ({_words(error)}); trying again in {wait:.0f} s")
                self.stop.wait(wait)

    def _go_round(self, connection: psycopg.Connection[Any]) -> None:
        """Sweep when it is time, and look into the outbox in between."""
        due = time.monotonic()
        while not self.stop.is_set():
            if time.monotonic() >= due:
                due = time.monotonic() + self.interval
                require_runtime(connection)
                self._try("sweep", sweep, connection)
            self._try("outbox", self._hand_on, connection)
            self.stop.wait(max(0.0, min(LOOK, due - time.monotonic())))

    def _try(
        self, what: str, act: Callable[[psycopg.Connection[Any]], Any], connection: psycopg.Connection[Any]
    ) -> None:
        """Do it; what goes wrong on the server is told once, and tried again next time."""
        import psycopg

        try:
            act(connection)
        except psycopg.errors.InsufficientPrivilege:
            raise
        except psycopg.Error as error:
            if connection.closed or connection.broken:
                raise
            if _words(error) != self._troubles.get(what):
                self.say(f"PostgreSQL answered: {_words(error)}; trying again")
            self._troubles[what] = _words(error)
        else:
            self._troubles.pop(what, None)

    def _hand_on(self, connection: psycopg.Connection[Any]) -> None:
        # What is sent somewhere takes its time: one line after the other, each within its lease.
        lines = 1 if self.people else LINES
        while self.outbox and not self.stop.is_set():
            changes = claim(connection, lines, pages=self.quiet())
            for change in changes:
                try:
                    self.deliver(change)
                except NotDelivered as error:
                    self.undelivered += 1
                    again = failed(connection, change.id, error.message)
                    self.say(
                        f"#{change.incident} {change.event} was not delivered: {error.message}; again {minute(again)}"
                    )
                else:
                    delivered(connection, change.id)
            if not changes:
                return


def _greeting(connection: psycopg.Connection[Any], interval: float, people: tuple[str, ...]) -> str:
    """Return where this watch is, and what it finds there."""
    tables, slos, alarms = values(
        connection,
        "select array[(select count(*) from mlguard.gate), (select count(*) from mlguard.slo),"
        " (select count(*) from mlguard.incident as i where i.state <> 'resolved' and i.cause is null)]",
    )[0]
    return (
        f"watching {connection.info.dbname} on {connection.info.host or 'a local socket'}: guarded tables {tables},"
        f" SLOs {slos}, open alarms {alarms}; a sweep every {interval:g} s"
        + (f"; alerts are sent to {', '.join(people)}" if people else "")
    )


def _gone(error: Exception) -> bool:
    """Say whether the connection was lost or could not be made, which waiting may mend."""
    import psycopg

    return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError, EngineError))


def _words(error: Exception) -> str:
    import psycopg

    said = (error.diag.message_primary or str(error)) if isinstance(error, psycopg.Error) else str(error)
    return " ".join(said.split("\n   help:")[0].split())
