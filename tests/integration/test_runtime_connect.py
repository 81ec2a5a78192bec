"""connect: which database, in whose words it fails, and what is never shown; EmbeddedServer."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import sqlalchemy

from mlguard import embedded
from mlguard.connect import connect
from mlguard.embedded import EmbeddedServer
from mlguard.errors import EngineError, Exit
from tests.servers import TestServer

APPLICATION = "select current_setting('application_name')"


def test_a_dsn(bare_any: str) -> None:
    with connect(bare_any) as connection:
        assert connection.execute(APPLICATION).fetchone() == ("mlguard",)
        assert not connection.autocommit
    assert connection.closed
    with connect(bare_any.replace("postgresql://", "postgresql+psycopg://"), autocommit=True) as connection:
        assert connection.autocommit


def test_the_environment(bare_any: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLGUARD_DSN", bare_any)
    with connect() as connection:
        name, host = connection.info.dbname, connection.info.host
    monkeypatch.delenv("MLGUARD_DSN")
    monkeypatch.setenv("PGHOST", host)
    monkeypatch.setenv("PGUSER", "postgres")
    monkeypatch.setenv("PGDATABASE", name)
    with connect() as connection:
        assert connection.info.dbname == name


def test_a_given_connection_stays_open(bare_any: str) -> None:
    with psycopg.connect(bare_any) as given:
        with connect(given) as connection:
            assert connection is given
        assert not given.closed
    with pytest.raises(EngineError, match="connection is closed"), connect(given):
        pass


def test_sqlalchemy(bare_any: str) -> None:
    engine = sqlalchemy.create_engine(bare_any.replace("postgresql://", "postgresql+psycopg://"))
    with connect(engine) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    with engine.connect() as opened:
        with connect(opened) as connection:
            connection.execute("create temp table t as select 7 as a")
        assert opened.execute(sqlalchemy.text("select a from t")).scalar() == 7
    engine.dispose()


def test_another_driver_is_refused() -> None:
    engine = sqlalchemy.create_engine("sqlite://")
    with pytest.raises(EngineError, match=r"runs on sqlite\+pysqlite\n.*postgresql\+psycopg"), connect(engine):
        pass
    engine.dispose()


@pytest.mark.parametrize(
    ("dsn", "words"),
    [
        ("postgresql://u:s3cr3t@127.0.0.1:1/x", "Connection refused"),
        ("host=/nowhere dbname=x password=s3cr3t", "its socket folder"),
        ("postgresql://u:s3cr3t@p@localhost/x", "written %40"),
        ("nonsense s3cr3t", "the DSN cannot be read"),
        ("postgresql://u:s3cr3t@no.such.host.invalid/x", "check the host"),
    ],
)
def test_unreachable(dsn: str, words: str) -> None:
    with pytest.raises(EngineError) as caught, connect(dsn):
        pass
    assert words in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.exit_code is Exit.ENGINE


def test_refused_by_the_server(bare_any: str) -> None:
    with pytest.raises(EngineError, match=r"does not exist\n.*check the database"), connect(bare_any + "&dbname=nope"):
        pass
    engine = sqlalchemy.create_engine("postgresql+psycopg://u:s3cr3t@127.0.0.1:1/x")
    with pytest.raises(EngineError, match="Connection refused") as caught, connect(engine):
        pass
    assert "s3cr3t" not in str(caught.value)


def test_an_old_server_is_refused(bare_any: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlguard.connect.OLDEST_SERVER", 99)
    with pytest.raises(EngineError, match=r"the server is PostgreSQL 18\n.*PostgreSQL 99 or later"), connect(bare_any):
        pass


def test_importing_connect_does_not_import_sqlalchemy() -> None:
    script = "import sys, mlguard.connect, mlguard.embedded; assert 'sqlalchemy' not in sys.modules"
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, cwd=Path(__file__).parents[2])


def test_an_embedded_server_leaves_nothing_behind() -> None:
    with EmbeddedServer() as server:
        folder, pid = server.folder, server.pid
        assert folder is not None
        with connect(server.dsn) as connection:
            assert connection.info.server_version // 10000 == 18
        assert Path(f"/proc/{pid}").exists() or sys.platform != "linux"
    assert not folder.exists()
    with pytest.raises(EngineError, match="is not running"):
        _ = server.dsn
    server.stop()


def test_an_embedded_server_ends_with_a_process_that_was_killed() -> None:
    script = (
        "import os\nfrom mlguard.embedded import EmbeddedServer\n"
        "server = EmbeddedServer().start()\nprint(server.folder, flush=True)\nos.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False
    )
    folder = Path(done.stdout.strip())
    assert folder.name.startswith("mlguard-")
    deadline = time.monotonic() + 20
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not folder.exists()


def test_an_embedded_server_can_be_kept() -> None:
    script = (
        "from mlguard.embedded import EmbeddedServer\n"
        "with EmbeddedServer() as server: print(server.folder, server.dsn, server.keep(), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert not done.stderr
    folder, dsn, command = done.stdout.splitlines()
    try:
        with connect(dsn) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    finally:
        subprocess.run(command.split(), check=True)
    while (Path(folder) / "data" / "postmaster.pid").exists():
        pass
    subprocess.run(["rm", "-r", folder], check=True)


def test_a_missing_wheel_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "WHEEL", "no_such_wheel")
    with pytest.raises(EngineError, match=r"is not installed\n.*pip install"):
        EmbeddedServer().start()
    monkeypatch.undo()
    with pytest.raises(EngineError, match="no version 9"):
        EmbeddedServer(9).start()


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    server = EmbeddedServer(settings={"shared_buffers": "many"})
    with pytest.raises(EngineError, match=r'did not start\n.*invalid value for parameter "shared_buffers"'):
        server.start()
    assert server.folder is None


def test_postgresql_16_of_the_wheel(server16: TestServer) -> None:
    from mlguard import runtime

    with server16.database() as dsn, connect(dsn, autocommit=True) as connection:
        assert connection.info.server_version // 10000 == 16
        runtime.install(connection)
        runtime.check_version(connection)
