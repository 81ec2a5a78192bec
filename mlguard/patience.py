"""How apply waits: for its locks not long, again and again, in words; knows transactions, not plans."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlguard.errors import ApplyError
from mlguard.names import TableName

if TYPE_CHECKING:
    import psycopg

LONGEST_PAUSE = 5.0  # seconds between two tries


def _silent(_: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Options:
    """How patient apply is.

    Attributes:
        lock_timeout: seconds a statement may wait for a lock before the transaction is given up and tried again.
        attempts: how often a table's transaction is tried.
        say: told in words when a try got no lock, and when the next one comes.
    """

    lock_timeout: float = 3.0
    attempts: int = 10
    say: Callable[[str], None] = _silent


@contextmanager
def transaction(connection: psycopg.Connection[Any], options: Options) -> Iterator[None]:
    """Run the block as one transaction that waits for no lock longer than it may, nor outlives its client for long."""
    with connection.transaction():
        connection.execute("set local search_path = ''")
        connection.execute("select set_config('lock_timeout', %s, true)", (f"{int(options.lock_timeout * 1000)}ms",))
        # Whoever kills apply in the midst of a scan need not wait for its end to run it again; only Linux can tell.
        connection.execute(
            "select set_config('client_connection_check_interval', '1s', true) where version() like '%linux%'"
        )
        yield


def patiently(
    options: Options, table: TableName, work: Callable[[], None], *, left: str = "the table is unchanged"
) -> None:
    """Run `work` until it gets its locks; every failed try has rolled back whole, and `left` says to what.

    Raises:
        ApplyError: no try got its locks, or PostgreSQL refused.
    """
    import psycopg

    for attempt in range(1, options.attempts + 1):
        try:
            work()
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as exc:
            if attempt == options.attempts:
                raise ApplyError(
                    f"{table}: could not lock the table within {options.lock_timeout:g} s in {attempt} attempts;"
                    f" {left}",
                    help="see who holds it: select * from pg_locks where not granted; or give --lock-timeout",
                ) from exc
            pause = min(0.1 * 2**attempt, LONGEST_PAUSE)
            options.say(
                f"{table}: no lock within {options.lock_timeout:g} s; nothing waits for it any more,"
                f" try {attempt + 1} of {options.attempts} in {pause:g} s"
            )
            time.sleep(pause)
        except psycopg.errors.InsufficientPrivilege as exc:
            raise ApplyError(
                f"{table}: {_said(exc)}",
                help="apply as the owner of the table (or a member of the owning role) who may use schema mlguard",
            ) from exc
        except psycopg.DatabaseError as exc:
            raise ApplyError(f"{table}: PostgreSQL refused a step: {_said(exc)}; {left}") from exc
        else:
            return


def _said(exc: psycopg.Error) -> str:
    """Return the server's own words; its DETAIL only where it names objects, since it may hold a row."""
    import psycopg

    words = (exc.diag.message_primary or str(exc)).strip()
    if isinstance(exc, psycopg.errors.DependentObjectsStillExist) and exc.diag.message_detail:
        return f"{words}: {exc.diag.message_detail}"
    return words
