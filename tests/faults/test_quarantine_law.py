"""A row that was offered and committed is in exactly one place, whatever happens around it.

Eight clients insert, roll back, upsert, release and discard at once for a while; then every id is looked for.
"""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import psycopg
import pytest

from mlguard import api
from tests.support import prepare, project, query

TEXT = """
mlguard: 1
table: features.law
key: [id]
reads: none
columns:
  a: {type: integer, range: {between: [0, 1000], on_violation: quarantine}}
"""
SECONDS = 4.0
CLIENTS = 8


class Client(threading.Thread):
    """Writes rows of its own ids, and settles whatever waits."""

    def __init__(self, dsn: str, number: int, seed: int, end: float) -> None:
        super().__init__()
        self.dsn, self.number, self.end = dsn, number, end
        self.random = random.Random(seed * 100 + number)
        self.offered: dict[int, int] = {}  # id -> value, of committed inserts
        self.failures: list[str] = []

    def run(self) -> None:
        """Act until the time is over."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            next_id = self.number * 1_000_000
            while time.monotonic() < self.end:
                choice = self.random.random()
                try:
                    if choice < 0.6:
                        next_id = self._insert(connection, next_id)
                    elif choice < 0.8:
                        self._settle(connection, "release", "jsonb_build_object('a', 5)")
                    elif choice < 0.9:
                        self._settle(connection, "release", "null")
                    else:
                        self._settle(connection, "discard", "'not needed'")
                except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected):
                    continue
                except psycopg.Error as error:
                    self.failures.append(str(error))

    def _insert(self, connection: psycopg.Connection[tuple[object, ...]], next_id: int) -> int:
        rows = {next_id + i: self.random.choice([-1, 5, 2000]) for i in range(self.random.randint(1, 20))}
        isolation = self.random.choice(["read committed", "repeatable read"])
        connection.execute(f"begin isolation level {isolation}".encode())
        try:
            values = ", ".join(f"({key}, {value})" for key, value in rows.items())
            connection.execute("savepoint s")
            connection.execute(f"insert into features.law values {values}".encode())
            if self.random.random() < 0.3:
                connection.execute("rollback to s")
                connection.execute(f"insert into features.law values {values} on conflict do nothing".encode())
            if self.random.random() < 0.3:
                connection.execute("rollback")
            else:
                connection.execute("commit")
                self.offered |= rows
        except psycopg.Error:
            connection.execute("rollback")
            raise
        return next_id + 100

    def _settle(self, connection: psycopg.Connection[tuple[object, ...]], verb: str, argument: str) -> None:
        connection.execute(
            f"select mlguard.{verb}(q.id, {argument}) from (select id from mlguard.quarantine where status = 'waiting'"
            " order by random() limit 3) as q".encode()
        )


@pytest.mark.parametrize("seed", [1, 2])
def test_every_committed_row_is_in_exactly_one_place(pg: str, tmp_path: Path, seed: int) -> None:
    prepare(pg, "create schema features; create table features.law (id bigint primary key, a integer)")
    api.apply(project(tmp_path, TEXT), pg)
    end = time.monotonic() + SECONDS
    clients = [Client(pg, number, seed, end) for number in range(1, CLIENTS + 1)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert [failure for client in clients for failure in client.failures] == []
    offered = {key: value for client in clients for key, value in client.offered.items()}
    stored = {row[0] for row in query(pg, "select id from features.law")}
    kept = query(pg, "select (row ->> 'id')::bigint, status, (row ->> 'a')::int, decided_by from mlguard.quarantine")
    assert len(kept) == len({row[0] for row in kept}), "a row was kept twice"
    elsewhere = {row[0] for row in kept if row[1] in ("waiting", "discarded")}
    released = {row[0] for row in kept if row[1] == "released"}
    assert stored | elsewhere == set(offered), "a row is lost, or one that was rolled back is there"
    assert not stored & elsewhere, "a row is in two places"
    assert released <= stored
    assert [row for row in kept if (row[0], row[2]) not in offered.items()] == [], "a kept row was changed"
    assert all(row[3] is not None for row in kept if row[1] != "waiting")
    assert len(offered) > 200
