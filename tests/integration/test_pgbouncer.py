"""Behind pgbouncer in transaction mode: clients share server connections, and nothing of one may reach another."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from mlguard import api
from tests import servers
from tests.support import project

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
SETTINGS = """
[databases]
{name} = host={host} dbname={name}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 1
max_client_conn = 20
ignore_startup_parameters = extra_float_digits
"""
MAKE = """
create schema features;
create table features.customer (id bigint primary key, age integer, note text)
"""
SLOS = """
mlguard: 1
table: features.customer
key: [id]
writes: %s
columns:
  age: {type: integer, range: {between: [0, 130], on_violation: quarantine}}
slos:
  - {name: notes, check: coverage(note) >= 0.5, over: batch, on_violation: reject, min_rows: 1}
  - {name: age_known, check: coverage(age) >= 0.5, over: batch, on_violation: hold, min_rows: 1}
"""


@pytest.fixture
def pooled(server18: servers.TestServer) -> Iterator[tuple[str, str]]:
    """DSNs of one database: straight, and through a pool of one server connection."""
    if PGBOUNCER is None:
        pytest.skip("needs pgbouncer: apt-get install pgbouncer")
    with server18.guarded_database() as dsn, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        given = psycopg.conninfo.conninfo_to_dict(dsn)
        folder = Path(str(given["host"])) / f"pgbouncer-{port}"
        folder.mkdir()
        (folder / "users").write_text('"postgres" ""\n')
        (folder / "pgbouncer.ini").write_text(
            SETTINGS.format(name=given["dbname"], host=given["host"], port=port, folder=folder)
        )
        # It does not run as root either: the server's user does.
        user = folder.parent.stat().st_uid if os.geteuid() == 0 else None
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [PGBOUNCER, str(folder / "pgbouncer.ini")],
                stdout=log,
                stderr=log,
                user=user,
                extra_groups=None if user is None else [],
            )
        through = f"postgresql://postgres@127.0.0.1:{port}/{given['dbname']}?sslmode=disable"
        try:
            wait_for(through, folder / "log")
            yield dsn, through
        finally:
            process.terminate()
            process.wait(10)


def wait_for(dsn: str, log: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(psycopg.OperationalError), psycopg.connect(dsn):
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text()[-1000:])


def client(dsn: str, told: list[str]) -> psycopg.Connection[tuple[object, ...]]:
    """Connect without prepared statements of the driver's own, as transaction pooling asks."""
    made = psycopg.connect(dsn, autocommit=True, prepare_threshold=None)
    made.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
    return made


@pytest.mark.parametrize("writes", ["bulk", "rows"])
def test_clients_that_share_a_connection(pooled: tuple[str, str], tmp_path: Path, writes: str) -> None:
    straight, through = pooled
    with psycopg.connect(straight, autocommit=True) as admin:
        admin.execute(MAKE)
    slos = project(tmp_path, SLOS % writes)
    assert api.apply(slos, through).tables  # apply's own session lock needs no session of its own
    assert api.plan(slos, through).empty
    one_told: list[str] = []
    two_told: list[str] = []
    with client(through, one_told) as one, client(through, two_told) as two:
        # Same server process: the pool has one.
        backends = {c.execute("select pg_backend_pid()").fetchone() for c in (one, two)}
        assert len(backends) == 1
        one.execute("insert into features.customer values (1, 400, 'x'), (2, 30, 'x')")
        two.execute("insert into features.customer values (3, 30, 'x')")
        one.execute("insert into features.customer values (4, 30, 'x')")
        two.execute("insert into features.customer values (5, 400, 'x'), (6, 500, 'x')")
        of = {"bulk": (" of 2 rows", " of 2 rows"), "rows": (" row", " rows")}[writes]
        kept = "kept out of features.customer (age.range"
        assert [told.partition(", batch")[0] for told in one_told] == [f"mlguard: 1{of[0]} {kept} 1)"]
        assert [told.partition(", batch")[0] for told in two_told] == [f"mlguard: 2{of[1]} {kept} 2)"]
        assert one.execute("show lock_timeout").fetchone() == ("0",), "plan's patience went to a client"
        left = "select string_agg(s, ',') from unnest(array['batches', 'kept_out', 'releasing', 'load']) as n,"
        left += " nullif(current_setting('mlguard.' || n, true), '') as s"
        assert two.execute(left.encode()).fetchone() == (None,), "a setting outlived its transaction"
        # COMMIT judges each client's transaction by itself, however they alternate.
        one.execute("begin")
        one.execute("insert into features.customer values (10, 30, null)")
        with pytest.raises(psycopg.errors.CheckViolation, match=r"coverage\(note\) is 0"):
            one.execute("commit")
        two.execute("insert into features.customer values (11, 30, 'x')")
        with pytest.raises(psycopg.errors.CheckViolation, match=r"coverage\(note\) is 0"):
            two.execute("insert into features.customer values (12, 30, null)")
        # A prepared statement of the server's own, made and run in one transaction.
        with one.transaction():
            one.execute("prepare p as select count(*) from features.customer_guarded")
            assert one.execute("execute p").fetchone() == (4,)
            one.execute("deallocate p")
        two.execute("insert into features.customer values (13, null, 'x')")
        one.execute("begin")
        one.execute("prepare q as select count(*) from features.customer_guarded")
        with pytest.raises(psycopg.Error, match="is held since"):
            one.execute("execute q")
        one.execute("rollback")
        one.execute("deallocate q")  # a prepared statement is the session's, whatever became of its transaction
        with two.transaction():
            two.execute("select mlguard.begin_batch('load')")
            two.execute("insert into features.customer values (14, 30, 'x')")
        one.execute("insert into features.customer values (15, 30, 'x')")
        names = one.execute("select name from mlguard.batch where name is not null").fetchall()
        assert names == [("load",)], "a batch that one client began was given to another"


def test_sweeps_at_once_share_their_locks_by_transaction(pooled: tuple[str, str], tmp_path: Path) -> None:
    straight, through = pooled
    with psycopg.connect(straight, autocommit=True) as admin:
        admin.execute(MAKE)
        api.apply(project(tmp_path, SLOS % "bulk"), through)
        failed: list[Exception] = []

        def sweep() -> None:
            try:
                with psycopg.connect(through, autocommit=True, prepare_threshold=None) as connection:
                    connection.execute("select mlguard.sweep()")
            except psycopg.Error as error:
                failed.append(error)

        sweepers = [threading.Thread(target=sweep) for _ in range(4)]
        for sweeper in sweepers:
            sweeper.start()
        for sweeper in sweepers:
            sweeper.join(60)
        assert failed == []
        held = admin.execute(
            "select count(*) from pg_locks where locktype = 'advisory'"
            " and database = (select oid from pg_database where datname = current_database())"
        ).fetchone()
        assert held == (0,), "an advisory lock outlived its transaction"
