"""`mlguard retrain work` killed outright, and its server killed under it: one run, one version, one record."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from mlguard import runtime
from mlguard.operate import retrain
from tests.faults.crashing import CrashingServer
from tests.loop_example import guard, one, sweep
from tests.support import query

TRAIN = """
import os, pathlib, sys, time
pathlib.Path(sys.argv[1]).write_text("begun")
time.sleep(float(sys.argv[2]))
pathlib.Path(os.environ["MLGUARD_VERSION_FILE"]).write_text("2026-12")
"""


@pytest.fixture(scope="module")
def server() -> Iterator[CrashingServer]:
    with CrashingServer() as started:
        yield started


@pytest.fixture
def dsn(server: CrashingServer, tmp_path: Path) -> Iterator[str]:
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute("create database loop template template0")
    address = server.dsn_of("loop")
    with psycopg.connect(address, autocommit=True) as connection:
        runtime.install(connection)
    guard(address, tmp_path)
    query(address, "select mlguard.set_retrain_policy('churn', p_lease => '1 s')")
    query(address, "select mlguard.request_retrain('churn', 'by hand')")
    yield address
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute("drop database loop with (force)")


def command(tmp_path: Path, seconds: float) -> list[str]:
    script = tmp_path / "train.py"
    script.write_text(TRAIN, encoding="utf-8")
    return [sys.executable, str(script), str(tmp_path / "begun"), str(seconds)]


def start(dsn: str, tmp_path: Path, seconds: float) -> subprocess.Popen[str]:
    """Start a worker, and return it once its command runs."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "mlguard", "--dsn", dsn, "retrain", "work", "--model", "churn", "--",
         *command(tmp_path, seconds)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (tmp_path / "begun").exists():
        if worker.poll() is not None or time.monotonic() > deadline:
            worker.kill()
            pytest.fail(f"the command never began: {worker.communicate()[0]}")
        time.sleep(0.05)
    return worker


def test_what_a_killed_worker_had_claimed_the_next_one_does(dsn: str, tmp_path: Path) -> None:
    worker = start(dsn, tmp_path, 60)
    os.killpg(worker.pid, signal.SIGKILL)
    worker.communicate()
    assert one(dsn, "select state from mlguard.retrain_request") == "claimed"
    deadline = time.monotonic() + 20
    while not sweep(dsn)["claims lost"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    connect = lambda: psycopg.connect(dsn, autocommit=True)  # noqa: E731 - what work() takes
    worked = retrain.work(connect, "churn", command(tmp_path, 0), lambda _: None)
    assert worked is not None
    assert query(dsn, "select state, attempts, version from mlguard.retrain_request") == [("done", 2, "2026-12")]
    assert query(dsn, "select version, state from mlguard.model_version") == [("2026-12", "registered")]
    sweep(dsn)
    assert query(dsn, "select * from mlguard.verify_audit()") == []


def test_a_run_outlives_its_server(server: CrashingServer, dsn: str, tmp_path: Path) -> None:
    query(dsn, "select mlguard.set_retrain_policy('churn', p_lease => '60 s')")
    worker = start(dsn, tmp_path, 2)
    server.crash()
    server.restart()
    said, _ = worker.communicate(timeout=60)
    assert worker.returncode == 0, said
    assert query(dsn, "select state, attempts, version from mlguard.retrain_request") == [("done", 1, "2026-12")]
    assert query(dsn, "select version, state from mlguard.model_version") == [("2026-12", "registered")]
