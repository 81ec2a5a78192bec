"""Hot standby and logical replication: what is judged where, and what the readers of the other server see."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from mlguard import api, doctor
from mlguard.cli import cli
from mlguard.embedded import EmbeddedServer
from mlguard.spec import Project
from tests import servers
from tests.integration.test_dump_restore import ROLES, run
from tests.standby import Standby
from tests.support import prepare, project, query

TABLE = """
create schema features;
create table features.customer (customer_id bigint primary key, age integer, tenure double precision, at timestamptz);
"""
SLOS = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: at
owner: platform-ml
columns:
  tenure: {range: [0, null]}
  age: {range: {between: [0, 130], on_violation: quarantine}}
slos:
  - {name: fresh, check: staleness() <= INTERVAL '26 hours'}
  - {name: alike, check: mean(tenure) <= 100, over: batch, on_violation: hold, min_rows: 1}
"""
PATIENCE = 20.0  # seconds


@pytest.fixture(scope="module")
def primary() -> Iterator[EmbeddedServer]:
    """A server whose changes can be followed."""
    settings = {**servers.SETTINGS, "wal_level": "logical"}
    with EmbeddedServer(18, settings=settings, parent=servers.folder()) as server:
        yield server


@pytest.fixture
def loaded(tmp_path: Path) -> Project:
    return project(tmp_path, SLOS)


def until(dsn: str, sql: str, wanted: object) -> None:
    """Wait until a query gives a value."""
    deadline = time.monotonic() + PATIENCE
    while (found := query(dsn, sql)) != [(wanted,)]:
        assert time.monotonic() < deadline, (sql, found)
        time.sleep(0.02)


def followed(primary: str, standby: str) -> None:
    """Wait until the standby has replayed what the primary has written."""
    [(here,)] = query(primary, "select pg_current_wal_insert_lsn()::text")
    until(standby, f"select pg_last_wal_replay_lsn() >= '{here}'", True)


def test_guarded_reads_on_a_hot_standby(loaded: Project) -> None:
    with servers.embedded(18) as made, made.database() as dsn:
        prepare(dsn, TABLE)
        api.apply(loaded, dsn)
        prepare(dsn, "insert into features.customer values (1, 30, 5, now() - interval '1 hour')")
        with Standby(made.server) as standby:
            there = standby.dsn_of(dsn.rpartition("/")[2].partition("?")[0])
            followed(dsn, there)
            read = "select count(*)::int from features.customer_guarded"
            assert query(there, read) == [(1,)]

            prepare(dsn, "insert into features.customer values (2, 30, 500, now() - interval '1 hour')")
            followed(dsn, there)
            with pytest.raises(psycopg.Error, match=r"is held since .* mean\(tenure\) is 500") as held:
                query(there, read)
            assert held.value.sqlstate == "ML001"
            with pytest.raises(psycopg.Error, match="is held since"):
                query(there, "select mlguard.assert_ok('features.customer')")
            assert CliRunner().invoke(cli, ["--dsn", there, "gate", "features.customer"]).exit_code == 1
            assert CliRunner().invoke(cli, ["--dsn", there, "status"]).exit_code in (0, 1)

            prepare(dsn, "delete from features.customer where customer_id = 2")
            followed(dsn, there)
            assert query(there, read) == [(1,)]

            # Nothing is written any more: it is this server's own clock by which the rows grow old.
            prepare(dsn, "update features.customer set at = now() - interval '26 hours' + interval '2 seconds'")
            followed(dsn, there)
            assert query(there, read) == [(1,)]
            time.sleep(2.2)
            with pytest.raises(psycopg.Error, match=r"is stale: newest at is .* allowed 26 h"):
                query(there, read)

            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction, match="this server is a standby") as refused:
                query(there, "select * from mlguard.sweep()")
            assert "Let sweep() run on the primary" in (refused.value.diag.message_hint or "")
            done = CliRunner().invoke(cli, ["--dsn", there, "watch", "--once"])
            assert done.exit_code == 3
            assert "this server is a standby" in done.stderr
            done = CliRunner().invoke(cli, ["--dsn", there, "doctor"])
            assert done.stderr == "no finding\n"


@pytest.fixture
def published(primary: EmbeddedServer, loaded: Project) -> Iterator[str]:
    """DSN of a guarded database on the server whose changes can be followed."""
    with contextlib.closing(servers.TestServer(primary)) as server, server.database() as dsn:
        prepare(dsn, TABLE)
        api.apply(loaded, dsn)
        prepare(dsn, "insert into features.customer select n, 30, 5, now() from generate_series(1, 10) n")
        yield dsn


@pytest.fixture
def subscribe(primary: EmbeddedServer, published: str) -> Iterator[Callable[[str, str], None]]:
    """Publish tables, and subscribe a database to them; waits until their rows were copied."""
    name = published.rpartition("/")[2].partition("?")[0]
    made: list[str] = []

    def subscribe(dsn: str, tables: str) -> None:
        prepare(published, f"create publication feed for {tables}")
        prepare(dsn, f"create subscription feed connection 'host={primary.folder} user=postgres dbname={name}'"
                     " publication feed with (slot_name = 'feed', streaming = off)")  # fmt: skip
        made.append(dsn)
        until(dsn, "select bool_and(srsubstate in ('r', 's')) from pg_subscription_rel", True)

    yield subscribe
    for dsn in made:
        prepare(dsn, "drop subscription feed")


def caught_up(published: str) -> None:
    """Wait until the subscriber has applied what was committed."""
    [(here,)] = query(published, "select pg_current_wal_insert_lsn()::text")
    until(published, f"select min(confirmed_flush_lsn) >= '{here}' from pg_replication_slots", True)


def test_a_subscriber_takes_over_rows_and_gate(
    published: str, bare18: str, subscribe: Callable[[str, str], None], tmp_path: Path
) -> None:
    """The schema without its triggers, and the few tables of mlguard that a guarded read asks."""
    prepare(bare18, f"do $$ begin {ROLES} exception when duplicate_object then null; end $$")
    copy, wanted = tmp_path / "schema", tmp_path / "list"
    assert run("pg_dump", "-Fc", "--schema-only", "--no-owner", f"--file={copy}", dsn=published).returncode == 0
    listed = run("pg_restore", "--list", copy).stdout.splitlines()
    wanted.write_text("\n".join(line for line in listed if " TRIGGER " not in line), encoding="utf-8")
    done = run("pg_restore", "--no-owner", f"--use-list={wanted}", "-d", bare18, copy)
    assert done.stderr == ""
    subscribe(
        bare18,
        "table features.customer, mlguard.alembic_version, mlguard._table, mlguard._slo, mlguard._object,"
        " mlguard._hold, mlguard._freshness, mlguard._waiver, mlguard._incident",
    )
    read = "select count(*)::int from features.customer_guarded"
    assert query(bare18, read) == [(10,)]
    prepare(published, "insert into features.customer values (11, 30, 5, now()), (12, -4, 5, now())")
    caught_up(published)
    assert query(bare18, read) == [(11,)]
    assert query(bare18, "select count(*) from mlguard._quarantine") == [(0,)], "kept out once, where it was written"
    prepare(published, "insert into features.customer values (13, 30, 5000, now())")
    caught_up(published)
    with pytest.raises(psycopg.Error, match=r"is held since .* mean\(tenure\) is 5000"):
        query(bare18, read)
    prepare(published, "delete from features.customer where customer_id = 13")
    caught_up(published)
    assert query(bare18, read) == [(11,)]


def test_a_subscriber_with_a_guard_of_its_own(
    published: str, guarded_db: str, subscribe: Callable[[str, str], None], loaded: Project, tmp_path: Path
) -> None:
    """Row triggers and CHECKs judge what replication brings; statement triggers see the first copy only."""
    prepare(guarded_db, TABLE)
    api.apply(loaded, guarded_db)
    prepare(published, "insert into features.customer values (100, 30, 5, now())")
    subscribe(guarded_db, "table features.customer")
    assert query(guarded_db, "select count(*) from features.customer") == [(11,)]
    assert query(guarded_db, "select sum(landed) from mlguard.batch") == [(11,)], "the copy of the table is a batch"

    prepare(published, "insert into features.customer values (101, 30, 5, now())")
    # Past the publisher's guard, as where it has none.
    with psycopg.connect(published, autocommit=True) as connection:
        connection.execute("alter table features.customer disable trigger all")
        connection.execute("insert into features.customer values (102, -4, 5, now())")
    caught_up(published)
    assert query(guarded_db, "select max(customer_id) from features.customer") == [(101,)]
    assert query(guarded_db, "select key from mlguard.quarantine") == [({"customer_id": 102},)]
    assert query(guarded_db, "select sum(landed) from mlguard.batch") == [(11,)], "no statement trigger fired"
    found = [finding for finding in examine(guarded_db) if finding.name == "subscribed"]
    assert [finding.table for finding in found] == ["features.customer"]

    # A CHECK that the publisher lacks stops the subscription at that transaction, until a person decides.
    with psycopg.connect(published, autocommit=True) as connection:
        connection.execute('alter table features.customer drop constraint "mlguard_tenure.range"')
        connection.execute("insert into features.customer values (103, 30, -5, now())")
    until(guarded_db, "select apply_error_count > 0 from pg_stat_subscription_stats", True)
    prepare(guarded_db, 'alter table features.customer drop constraint "mlguard_tenure.range"')
    caught_up(published)
    assert query(guarded_db, "select max(customer_id) from features.customer") == [(103,)]


def examine(dsn: str) -> list[doctor.Finding]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return doctor.examine(connection)
