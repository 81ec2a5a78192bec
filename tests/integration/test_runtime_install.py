"""Installing, upgrading, checking and removing the runtime."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from mlguard import runtime
from mlguard.embedded import wheel_binaries
from mlguard.errors import ApplyError, EngineError, RuntimeVersionError
from tests.golden.dump import dump
from tests.runtime_example import make, rows, session, value, write

LAST = runtime.versions()[-1]


def test_install_check_uninstall(bare: str) -> None:
    before = dump(bare)
    with session(bare) as connection:
        assert runtime.installed_version(connection) is None
        assert runtime.install(connection) == LAST
        assert runtime.install(connection) == LAST
        assert runtime.check_version(connection) == LAST
        assert not connection.info.transaction_status
        runtime.uninstall(connection)
        runtime.uninstall(connection)
        assert runtime.installed_version(connection) is None
    assert dump(bare) == before


def test_the_plain_files_go_up_and_down(bare: str) -> None:
    """A DBA may run the files with psql, without Alembic."""
    before = dump(bare)
    ups = sorted(runtime.sql_folder().glob("*.up.sql"))
    with session(bare) as connection:
        for up in ups:
            connection.execute(up.read_bytes())
            connection.execute(Path(str(up).replace(".up.", ".down.")).read_bytes())
            connection.execute(up.read_bytes())
        connection.execute(
            "insert into mlguard._table (tbl, schema_name, table_name) values ('a.b', 'a', 'b');"
            " insert into mlguard._slo (id, tbl, name, level, check_text, action, place)"
            " values ('a.b/c', 'a.b', 'c', 'row', 'x', 'reject', 'x');"
            " select mlguard.count_refusals_v1(no) from mlguard._slo"
        )
        for up in reversed(ups):
            connection.execute(Path(str(up).replace(".up.", ".down.")).read_bytes())
    assert dump(bare) == before


def test_every_pair_has_its_revision(bare_any: str) -> None:
    names = [path.name.removesuffix(".up.sql") for path in sorted(runtime.sql_folder().glob("*.up.sql"))]
    downs = [path.name.removesuffix(".down.sql") for path in sorted(runtime.sql_folder().glob("*.down.sql"))]
    revisions = sorted(path.stem for path in (runtime.migrations_folder() / "versions").glob("[0-9]*.py"))
    assert names == downs == revisions
    assert [name[:4] for name in names] == [f"{number:04}" for number in range(1, len(names) + 1)]


def test_install_inside_a_transaction_of_the_caller(bare: str) -> None:
    with session(bare, autocommit=False) as connection:
        connection.execute("create table kept (a int)")
        runtime.install(connection)
        connection.rollback()
        assert runtime.installed_version(connection) is None
        assert value(connection, "select to_regclass('kept')") is None
        connection.execute("create table kept (a int)")
        runtime.install(connection)
        connection.commit()
        assert runtime.check_version(connection) == LAST


def test_twenty_at_once(bare: str) -> None:
    def install() -> str:
        with psycopg.connect(bare, autocommit=True) as connection:
            return runtime.install(connection)

    with ThreadPoolExecutor(20) as pool:
        installers = [pool.submit(install) for _ in range(20)]
    assert {installer.result() for installer in installers} == {LAST}
    with session(bare) as connection:
        assert runtime.check_version(connection) == LAST


def test_a_failing_file_leaves_nothing(bare_any: str) -> None:
    with session(bare_any) as connection:
        connection.execute("create schema mlguard; create view mlguard.slo as select 1 as a")
        with pytest.raises(psycopg.errors.DuplicateTable):
            runtime.install(connection)
        assert rows(connection, "select relname from pg_class where relnamespace = 'mlguard'::regnamespace") == [
            ("slo",)
        ]


def test_version_skew_is_said_both_ways(guarded_db: str) -> None:
    with session(guarded_db) as connection:
        connection.execute("update mlguard.alembic_version set version_num = '0001'")
        with pytest.raises(RuntimeVersionError, match="version 0001, older than this client's"):
            runtime.check_version(connection)
        connection.execute("update mlguard.alembic_version set version_num = '9999'")
        ahead = f"version 9999, newer than this client knows .{LAST}.\n.*pip install --upgrade mlguard-db"
        with pytest.raises(RuntimeVersionError, match=ahead):
            runtime.check_version(connection)
        with pytest.raises(RuntimeVersionError, match=ahead):
            runtime.install(connection)
        with pytest.raises(RuntimeVersionError, match=ahead):
            runtime.uninstall(connection)


def test_not_installed_is_said(bare_any: str) -> None:
    with session(bare_any) as connection, pytest.raises(RuntimeVersionError, match="not installed in this database"):
        runtime.check_version(connection)


def test_upgrading_from_an_older_version(bare_any: str) -> None:
    with session(bare_any) as connection:
        runtime.install(connection)
        write_version = "update mlguard.alembic_version set version_num = %s"
        [down] = runtime.sql_folder().glob(f"{LAST}_*.down.sql")
        connection.execute(down.read_bytes())
        connection.execute(write_version, [runtime.versions()[-2]])
        assert runtime.install(connection) == LAST
        assert value(connection, "select count(*) from mlguard.gate") == 0


def test_uninstall_refuses_to_lose(customer_db: str) -> None:
    with session(customer_db) as connection:
        with pytest.raises(ApplyError, match=r"tables are still guarded: features\.customer"):
            runtime.uninstall(connection, discard=True)
        connection.execute("delete from mlguard._object")
        write(connection, 1, 28, bad=2)
        connection.execute("select mlguard.off('features.customer/fresh', '1 h', 'x')")
        with pytest.raises(ApplyError, match="would lose 2 rows waiting in quarantine and 1 audited event"):
            runtime.uninstall(connection)
        with pytest.raises(ApplyError, match="objects outside the runtime still need it"):
            runtime.uninstall(connection, discard=True)
        connection.execute("drop schema features cascade")
        for name in ("before row", "written", "removal"):
            connection.execute(f'drop function mlguard."{name} features.customer"()'.encode())
        runtime.uninstall(connection, discard=True)
        assert value(connection, "select count(*) from pg_namespace where nspname = 'mlguard'") == 0


def test_an_ordinary_user_installs_it(bare: str) -> None:
    """NOSUPERUSER, NOCREATEROLE: CREATE on the database is all it takes."""
    with session(bare) as admin:
        admin.execute("create role plain login nosuperuser nocreaterole")
        try:
            admin.execute("select format('grant create on database %I to plain', current_database())")
            name = value(admin, "select current_database()")
            with session(bare.replace("postgres@", "plain@")) as connection:
                with pytest.raises(EngineError, match=r"may not install .*\n.*grant create on database"):
                    runtime.install(connection)
                admin.execute(f'grant create on database "{name}" to plain'.encode())
                runtime.install(connection)
            make(bare.replace("postgres@", "plain@"))
            with session(bare.replace("postgres@", "plain@")) as connection:
                write(connection, 1, 28, bad=1)
                [released] = rows(connection, "select outcome from mlguard.release(1, '{\"age\": 4}')")
                assert released == ("released",)
                assert value(connection, "select count(*) from features.customer_guarded") == 28
                with pytest.raises(psycopg.errors.CheckViolation, match="tenure is -1"):
                    connection.execute("insert into features.customer (customer_id, tenure) values (99, -1)")
                assert value(connection, "select sum(refused) from mlguard.rejection") == 1
        finally:
            admin.execute("reassign owned by plain to postgres; drop owned by plain; drop role plain")


def test_a_user_without_rights_is_told(guarded_db: str) -> None:
    with session(guarded_db) as admin:
        admin.execute("create role nobody_here login")
        try:
            dsn = guarded_db.replace("postgres@", "nobody_here@")
            with session(dsn) as connection, pytest.raises(EngineError, match="no rights on schema mlguard"):
                runtime.check_version(connection)
            admin.execute("grant mlguard_task to nobody_here")
            with session(dsn) as connection:
                assert runtime.check_version(connection) == LAST
        finally:
            admin.execute("drop role nobody_here")


def test_alembic_itself(bare: str) -> None:
    def alembic(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "alembic", *words],
            cwd=runtime.migrations_folder(),
            env={**os.environ, "MLGUARD_DSN": bare, "PYTHONPATH": str(Path(runtime.__file__).parents[1])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    script = alembic("upgrade", "head", "--sql")
    assert "YYYY-MM-DD HH24:MI" in script
    alembic("upgrade", "head")
    assert LAST in alembic("current")
    with session(bare) as connection:
        assert runtime.check_version(connection) == LAST
        alembic("downgrade", "base")
        connection.execute("drop schema mlguard cascade")
        connection.execute(script.encode())
        assert runtime.check_version(connection) == LAST


def test_it_survives_dump_and_restore(customer_db: str, bare: str) -> None:
    with session(customer_db) as connection:
        write(connection, 1, 30, bad=1)
    done = subprocess.run(
        [wheel_binaries() / "pg_dump", "--inserts", customer_db], capture_output=True, text=True, check=True
    )
    script = "\n".join(
        line for line in done.stdout.splitlines() if not line.startswith(("\\", "SET transaction_timeout"))
    )
    with session(bare) as connection:
        connection.execute(script.encode())
        assert value(connection, "select count(*) from features.customer_guarded") == 29
        with pytest.raises(psycopg.errors.CheckViolation, match="tenure is -1"):
            connection.execute("insert into features.customer (customer_id, tenure) values (99, -1)")
        [released] = rows(connection, "select outcome from mlguard.release(1, '{\"age\": 4}')")
        assert released == ("released",)
        connection.execute("delete from features.customer")
        with pytest.raises(psycopg.Error, match="has no event time, so it has no age"):
            connection.execute("select * from features.customer_guarded")
