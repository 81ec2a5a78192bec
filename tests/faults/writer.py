"""A client that writes at random: transactions drawn from a seed, retried where PostgreSQL asks for it.

`python -m tests.faults.writer DSN NUMBER SEED TRANSACTIONS` is the same client as a process of its own, to be killed.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors

from tests.faults.ride import COUNTRIES, DAYS, SHARED_IDS, WRONG_COUNTRY, day

Connection = psycopg.Connection[Any]
Row = tuple[int, int, str, float | None, float | None, str]

COLUMNS = "(id, token, country, amount, score, event_ts)"
NEW_VALUES = "token = excluded.token, amount = excluded.amount, score = excluded.score"
TRIES = 5
PATIENCE = 20.0  # seconds that a client goes on looking for its server
AGAIN = (errors.SerializationFailure, errors.DeadlockDetected)
# What a client must expect of a guarded table on a bad day; anything else is a fault of mlguard.
EXPECTED = (
    errors.CheckViolation,
    errors.UniqueViolation,
    errors.QueryCanceled,
    errors.LockNotAvailable,
    errors.DiskFull,
)
LOST = (psycopg.OperationalError, psycopg.InterfaceError)


@dataclass(frozen=True)
class Habits:
    """How one writer behaves, drawn from the seed.

    Attributes:
        verbs: the statements it draws from.
        isolation: of its transactions.
        timeout: milliseconds that a statement may take, 0 for ever.
        lock_timeout: milliseconds that a lock may take, 0 for ever.
        rollbacks: share of transactions and savepoints that are given up.
        bad: share of rows with a value to be kept out.
        prepares: whether it commits in two phases.
    """

    verbs: tuple[str, ...]
    isolation: str = "read committed"
    timeout: int = 0
    lock_timeout: int = 0
    rollbacks: float = 0.15
    bad: float = 0.15
    prepares: bool = False


class Writer:
    """Writes `transactions` transactions, and reconnects where it lost the server."""

    def __init__(
        self, dsn: str, number: int, habits: Habits, chance: random.Random, tick: Callable[[], None] = lambda: None
    ) -> None:
        self.dsn, self.number, self.habits, self.chance, self.tick = dsn, number, habits, chance, tick
        self.acknowledged: list[int] = []
        self.faults: list[str] = []
        self.refused = 0
        self.no_space = 0
        self.repeated = 0
        self.lost = 0
        self._next = number * 1_000_000
        self._offered: list[int] = []
        self._prepared: dict[str, list[int]] = {}

    def run(self, transactions: int) -> None:
        """Do the work, whatever happens to the connection."""
        left = transactions
        deadline = time.monotonic() + PATIENCE
        while left > 0 or self._prepared:
            try:
                with self._connect() as connection:
                    self._finish_prepared(connection)
                    while left > 0:
                        left -= 1
                        self.tick()
                        self._transaction(connection)
                    return
            except LOST as error:
                self.lost += 1
                if time.monotonic() > deadline:
                    self.faults.append(f"writer {self.number} never found its server again: {error}")
                    return
                time.sleep(0.05)

    def _connect(self) -> Connection:
        options = f"-c statement_timeout={self.habits.timeout} -c lock_timeout={self.habits.lock_timeout}"
        options += f" -c default_transaction_isolation={self.habits.isolation.replace(' ', chr(92) + ' ')}"
        return psycopg.connect(self.dsn, autocommit=True, options=options, application_name=f"writer {self.number}")

    def _finish_prepared(self, connection: Connection) -> None:
        """Commit what was prepared before the connection was lost: the server has kept it."""
        for name, tokens in list(self._prepared.items()):
            if connection.execute("select 1 from pg_prepared_xacts where gid = %s", [name]).fetchone():
                connection.execute(f"commit prepared '{name}'".encode())
                self.acknowledged += tokens
            del self._prepared[name]

    def _transaction(self, connection: Connection) -> None:
        for _ in range(TRIES):
            self._offered = []
            try:
                self._attempt(connection)
            except AGAIN:
                self.repeated += 1
                continue
            except EXPECTED as error:
                self.refused += 1
                self.no_space += isinstance(error, errors.DiskFull)
                return
            except LOST as error:
                if error.sqlstate is not None and not error.sqlstate.startswith(("57", "08")):
                    self._fault(error)
                raise
            except psycopg.Error as error:
                self._fault(error)
                return
            else:
                return

    def _attempt(self, connection: Connection) -> None:
        try:
            connection.execute("begin")
            if self.chance.random() < 0.08:
                connection.execute("set constraints all immediate")
            for _ in range(self.chance.choice((1, 1, 1, 2, 3))):
                self._part(connection)
            if self.chance.random() < self.habits.rollbacks:
                connection.execute("rollback")
            elif self.habits.prepares:
                self._commit_in_two_phases(connection)
            else:
                connection.execute("commit")
                self.acknowledged += self._offered
        except psycopg.Error:
            with contextlib.suppress(*LOST):
                connection.execute("rollback")
            raise

    def _commit_in_two_phases(self, connection: Connection) -> None:
        self._next += 1
        name = f"writer {self._next}"
        self._prepared[name] = self._offered
        try:
            connection.execute(f"prepare transaction '{name}'".encode())
        except psycopg.Error as error:
            if not isinstance(error, LOST):
                del self._prepared[name]
            raise
        connection.execute(f"commit prepared '{name}'".encode())
        self.acknowledged += self._prepared.pop(name)

    def _part(self, connection: Connection) -> None:
        """One statement, now and then in a savepoint that is given up."""
        if self.chance.random() < 0.6:
            self._statement(connection)
            return
        before = list(self._offered)
        with self._savepoint(connection) as given_up:
            self._statement(connection)
        if given_up:
            self._offered = before

    @contextlib.contextmanager
    def _savepoint(self, connection: Connection) -> Iterator[list[bool]]:
        given_up: list[bool] = []
        connection.execute("savepoint part")
        try:
            yield given_up
        except EXPECTED:
            connection.execute("rollback to part")
            given_up.append(True)
            return
        if self.chance.random() < self.habits.rollbacks * 2:
            connection.execute("rollback to part")
            given_up.append(True)
        else:
            connection.execute("release part")

    def _statement(self, connection: Connection) -> None:
        verb = self.chance.choice(self.habits.verbs)
        getattr(self, f"_{verb}")(connection)

    def _rows(self, most: int, ids: Sequence[int] | None = None) -> list[Row]:
        rows = []
        emptied = self.chance.random() < 0.1  # a load whose amounts are missing: held
        for number in range(len(ids) if ids else self.chance.randint(1, most)):
            self._next += 1
            amount: float | None = round(self.chance.uniform(0, 1000), 2)
            if self.chance.random() < self.habits.bad:
                amount = self.chance.choice((-5.0, 2000.0))
            elif emptied or self.chance.random() < 0.1:
                amount = None
            score = None if self.chance.random() < 0.2 else round(self.chance.uniform(-0.2, 1.2), 2)
            country = WRONG_COUNTRY if self.chance.random() < 0.005 else self.chance.choice(COUNTRIES)
            at = f"{day(self.chance.randint(*DAYS))} {self.chance.randint(0, 23):02d}:30+00"
            rows.append((ids[number] if ids else self._next, self._next, country, amount, score, at))
        return rows

    def _offer(self, connection: Connection, rows: Sequence[Row], *, only_once: bool = True) -> None:
        connection.execute(
            "insert into ops.offer (token, only_once, amount)"
            " select o.token, %s, o.amount from unnest(%s::bigint[], %s::float8[]) o (token, amount)",
            (only_once, [row[1] for row in rows], [row[3] for row in rows]),
        )
        self._offered += [row[1] for row in rows]

    def _shared(self) -> list[int]:
        return self.chance.sample(range(1, SHARED_IDS + 1), self.chance.randint(1, 6))

    def _insert(self, connection: Connection) -> None:
        rows = self._rows(8)
        self._offer(connection, rows)
        connection.execute(*_insert_of(rows))

    def _copy(self, connection: Connection) -> None:
        rows = self._rows(40)
        self._offer(connection, rows)
        with connection.cursor() as cursor, cursor.copy(f"copy features.ride {COLUMNS} from stdin".encode()) as copy:
            for row in rows:
                copy.write_row(row)

    def _upsert(self, connection: Connection) -> None:
        rows = self._rows(0, self._shared())
        self._offer(connection, rows)
        sql, values = _insert_of(rows)
        connection.execute(sql + f" on conflict (id) do update set {NEW_VALUES}".encode(), values)

    def _insert_new(self, connection: Connection) -> None:
        rows = self._rows(0, self._shared())
        self._offer(connection, rows, only_once=False)
        sql, values = _insert_of(rows)
        connection.execute(sql + b" on conflict do nothing", values)

    def _merge(self, connection: Connection) -> None:
        rows = self._rows(0, self._shared())
        self._offer(connection, rows)
        connection.execute(
            b"merge into features.ride t using (%s) as s %s on t.id = s.id"
            b" when matched then update set token = s.token, amount = s.amount, score = s.score"
            b" when not matched then insert %s values (s.id, s.token, s.country, s.amount, s.score, s.event_ts)"
            % (_values(len(rows)), COLUMNS.encode(), COLUMNS.encode()),
            [value for row in rows for value in row],
        )

    def _update(self, connection: Connection) -> None:
        which = self._shared()
        what = self.chance.choice(
            (
                "amount = 500",
                "amount = null",
                "amount = -1",  # refused: a stored row is not taken out by its own change
                "score = 3",
                "country = 'us'",
                "event_ts",
            )
        )
        if what == "event_ts":
            what = f"event_ts = timestamptz '{day(self.chance.randint(*DAYS))} 06:00+00'"
        connection.execute(f"update features.ride set {what} where id = any (%s)".encode(), [which])

    def _delete(self, connection: Connection) -> None:
        if self.chance.random() < 0.5:
            connection.execute("delete from features.ride where id = any (%s)", [self._shared()])
        else:
            low = self.number * 1_000_000
            connection.execute(
                "delete from features.ride where id between %s and %s and id %% 3 = %s",
                [low, low + 999_999, self.chance.randint(0, 2)],
            )

    def _truncate(self, connection: Connection) -> None:
        if self.chance.random() < 0.15:
            connection.execute("truncate features.ride")
        else:
            self._delete(connection)

    def _release(self, connection: Connection) -> None:
        patch = None if self.chance.random() < 0.3 else json.dumps({"amount": 5, "score": 0.5})
        connection.execute(
            f"select r.* from ({self._waiting()}) w, mlguard.release(w.id, %s::jsonb) r".encode(), [patch]
        )

    def _discard(self, connection: Connection) -> None:
        connection.execute(f"select r.* from ({self._waiting()}) w, mlguard.discard(w.id, 'not needed') r".encode())

    def _waiting(self) -> str:
        salt = self.chance.randint(1, 1000)
        return (
            "select q.id from mlguard.quarantine q where q.status = 'waiting'"
            f" order by hashint8(q.id * {salt}) limit 3 offset 0"
        )

    def _except(self, connection: Connection) -> None:
        slo = self.chance.choice(("amount.range", "filled", "daily"))
        verb = self.chance.choice(("off", "waive", "resume"))
        more = {"off": ", interval '1 hour'", "waive": ", now() + interval '1 hour'", "resume": ""}[verb]
        connection.execute(f"select mlguard.{verb}('features.ride/{slo}'{more}, 'because')".encode())

    def _read(self, connection: Connection) -> None:
        with self._tolerating(connection):
            connection.execute("select count(*) from features.ride_guarded")

    @contextlib.contextmanager
    def _tolerating(self, connection: Connection) -> Iterator[None]:
        """A closed gate is no fault."""
        connection.execute("savepoint look")
        try:
            yield
        except psycopg.Error as error:
            if error.sqlstate != "ML001":
                raise
            connection.execute("rollback to look")
        else:
            connection.execute("release look")

    def _fault(self, error: psycopg.Error) -> None:
        self.faults.append(f"writer {self.number}: {error.sqlstate} {error} {error.diag.context or ''}")


def _values(rows: int) -> bytes:
    line = b"(%s::bigint, %s::bigint, %s::text, %s::float8, %s::float8, %s::timestamptz)"
    return b"values " + b", ".join([line] * rows)


def _insert_of(rows: Sequence[Row]) -> tuple[bytes, list[object]]:
    return f"insert into features.ride {COLUMNS} ".encode() + _values(len(rows)), [v for row in rows for v in row]


def main() -> None:
    """Write until killed, or until the work is done; what was found wrong goes to stdout, a line each."""
    dsn, number, seed, transactions = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    habits = Habits(verbs=("insert", "copy", "upsert", "merge", "update", "delete", "release", "discard"))
    writer = Writer(dsn, number, habits, random.Random(seed), lambda: print(".", flush=True))
    writer.run(transactions)
    for fault in writer.faults:
        print(fault)


if __name__ == "__main__":
    main()
