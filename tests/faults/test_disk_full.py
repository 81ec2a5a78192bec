"""A disk that fills up under kept rows, under the audited acts and under the WAL, while clients write."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from mlguard import api, doctor, runtime
from tests.faults import laws, ride
from tests.faults.crashing import CrashingServer
from tests.faults.schedule import settle, wait_until_quiet
from tests.faults.writer import Habits, Writer
from tests.support import project

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="a disk of a few megabytes is a tmpfs, which only root mounts"
)
VERBS = ("insert", "copy", "upsert", "merge", "update", "delete", "release", "discard", "except")
LONG = "MLGUARD_SCHEDULES" in os.environ  # `make faults`
UNDER = {
    "kept rows": ("_quarantine",),
    "audit": ("_event", "_event_seal", "_unsealed"),
    "states": ("_state", "_bucket", "_verdict", "_metric"),
}


@contextlib.contextmanager
def small_disk(path: Path, size: str, owner: str | None) -> Iterator[Path]:
    """Mount a file system of that size."""
    path.mkdir(mode=0o700)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")
    try:
        if owner:
            shutil.chown(path, owner)
        path.chmod(0o700)
        yield path
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


@contextlib.contextmanager
def full(disk: Path, leaving: int = 0) -> Iterator[None]:
    """Fill it up to so many bytes."""
    ballast = disk / "ballast"
    space = os.statvfs(disk)
    try:
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            for _ in range((space.f_bavail * space.f_frsize - leaving) // 4096):
                file.write(bytes(4096))
        yield
    finally:
        ballast.unlink()


def make(server: CrashingServer, folder: Path) -> str:
    """Give a database with the guarded table."""
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute("create database ride template template0")
    dsn = server.dsn_of("ride")
    with psycopg.connect(dsn, autocommit=True) as connection:
        runtime.install(connection)
        connection.execute(ride.CREATE.encode())
    api.apply(project(folder, ride.BEFORE), dsn)
    return dsn


def writers(dsn: str, transactions: int) -> list[tuple[Writer, threading.Thread]]:
    """Start four clients."""
    started = []
    for number in range(1, 5):
        writer = Writer(dsn, number, Habits(VERBS, bad=0.4), random.Random(number))
        thread = threading.Thread(target=writer.run, args=(transactions,))
        thread.start()
        started.append((writer, thread))
    return started


def check(dsn: str, started: list[tuple[Writer, threading.Thread]]) -> None:
    """Wait for the clients and judge what is left."""
    for _, thread in started:
        thread.join()
    wait_until_quiet(dsn)
    acknowledged = [token for writer, _ in started for token in writer.acknowledged]
    with psycopg.connect(dsn, autocommit=True) as connection:
        settle(connection)
        found = [fault for writer, _ in started for fault in writer.faults]
        found += laws.breaches(connection, acknowledged)
        found += [f"doctor: {finding}" for finding in doctor.examine(connection)]
    assert not found, "\n".join(found)
    assert acknowledged


@pytest.mark.parametrize("under", list(UNDER) if LONG else ["kept rows"])
def test_a_full_disk_refuses_whole_transactions(tmp_path: Path, under: str) -> None:
    with CrashingServer() as server:
        assert server.folder is not None
        dsn = make(server, tmp_path)
        with small_disk(server.folder / "small", "6m", server.owner) as disk:
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(f"create tablespace small location '{disk}'".encode())
                for table in UNDER[under]:
                    connection.execute(f"alter table mlguard.{table} set tablespace small".encode())
            started = writers(dsn, 60)
            time.sleep(0.1)
            with full(disk):
                time.sleep(0.5)
                # On a busy machine the first transactions take longer than that.
                while any(thread.is_alive() for _, thread in started) and not any(w.no_space for w, _ in started):
                    time.sleep(0.05)
            check(dsn, started)
            if under != "audit":  # a dozen acts fit into the page that is there
                assert sum(writer.no_space for writer, _ in started) > 0
            server.stop()


@pytest.mark.skipif(not LONG, reason="takes half a minute: make faults")
def test_a_full_disk_under_the_wal_stops_the_server_and_loses_nothing(tmp_path: Path) -> None:
    with CrashingServer(settings={"max_wal_size": "48MB", "min_wal_size": "32MB", "wal_recycle": "off"}) as server:
        assert server.folder is not None
        dsn = make(server, tmp_path)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("checkpoint")
        server.crash()
        with small_disk(server.folder / "wal", "160m", server.owner) as disk:
            log = server.folder / "data" / "pg_wal"
            for file in log.iterdir():
                shutil.move(file, disk / file.name)
            log.rmdir()
            log.symlink_to(disk)
            if server.owner:
                subprocess.run(["chown", "-R", "-h", server.owner, disk, log], check=True)
            server.restart()
            started = writers(dsn, 80)
            time.sleep(0.1)
            with full(disk, leaving=1 << 20):
                stopped = time.monotonic() + 15
                while server.running and time.monotonic() < stopped and any(t.is_alive() for _, t in started):
                    with contextlib.suppress(psycopg.Error), psycopg.connect(dsn, autocommit=True) as connection:
                        connection.execute("select pg_switch_wal()")
                    time.sleep(0.05)
            if not server.running:
                server.restart()
            check(dsn, started)
            assert sum(writer.lost for writer, _ in started) > 0, "the server never noticed"
            server.stop()
