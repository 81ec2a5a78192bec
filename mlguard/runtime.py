"""Install, check and remove the in-database runtime (schema mlguard); knows its versions, nothing of SLOs.

The SQL is in sql/runtime, one pair of files a version; Alembic (migrations/) runs them and keeps the version.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import tuple_row

from mlguard.downgrade import DISCARD, refusal
from mlguard.errors import ApplyError, EngineError, RuntimeVersionError

if TYPE_CHECKING:
    import sqlalchemy
    from alembic.config import Config

SCHEMA = "mlguard"
LOCK = 0x6D6C6775617264  # 'mlguard' in ASCII: installers of one database go one by one
NOT_INSTALLED = "the mlguard runtime is not installed in this database"


def sql_folder() -> Path:
    """Return the folder of the runtime's SQL: inside an installed package, beside it in a checkout."""
    return _folder("_sql", "sql") / "runtime"


def migrations_folder() -> Path:
    """Return the folder of the Alembic environment."""
    return _folder("_migrations", "migrations")


def read_sql(name: str) -> str:
    """Return the text of one file of the runtime, such as `0001_registry.up`."""
    return (sql_folder() / f"{name}.sql").read_text(encoding="utf-8")


def versions() -> tuple[str, ...]:
    """Return all versions this client knows, oldest first; the last is the one it works with."""
    return tuple(sorted(path.name.split("_", 1)[0] for path in sql_folder().glob("*.up.sql")))


def installed_version(connection: psycopg.Connection[Any]) -> str | None:
    """Return the version of the runtime in the database, or None where there is none.

    Raises:
        EngineError: the runtime is there, but this user may not see it.
    """
    with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
        # Through the catalogue: naming mlguard.alembic_version would fail for a user without rights on the schema.
        cursor.execute(
            "select has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')"
            " from pg_catalog.pg_namespace n join pg_catalog.pg_class c on c.relnamespace = n.oid"
            " where n.nspname = 'mlguard' and c.relname = 'alembic_version'"
        )
        found = cursor.fetchone()
        if found is None:
            return None
        if not found[0]:
            raise EngineError(
                f"user {connection.info.user} has no rights on schema mlguard",
                help=f"grant mlguard_task to {connection.info.user}; (or mlguard_writer, or mlguard_platform)",
            )
        cursor.execute("select version_num from mlguard.alembic_version")
        row = cursor.fetchone()
        return None if row is None else str(row[0])


def is_current(connection: psycopg.Connection[Any]) -> bool:
    """Say whether the runtime in the database is the one this client works with."""
    return installed_version(connection) == versions()[-1]


def check_version(connection: psycopg.Connection[Any]) -> str:
    """Return the version of the runtime when it is the one this client works with.

    Raises:
        RuntimeVersionError: it is not installed, older, or newer.
        EngineError: this user may not see it.
    """
    installed = installed_version(connection)
    known = versions()
    if installed is None:
        raise RuntimeVersionError(NOT_INSTALLED, help="mlguard apply installs it")
    if installed not in known:
        raise _database_ahead(installed, known)
    if installed != known[-1]:
        raise RuntimeVersionError(
            f"the mlguard runtime in this database is version {installed}, older than this client's {known[-1]}",
            help="mlguard apply upgrades it; until then use the client that installed it",
        )
    return installed


def install(connection: psycopg.Connection[Any], *, lock_timeout: float = 3.0, attempts: int = 10) -> str:
    """Install the runtime or bring it up to this client's version, all or nothing; return the version.

    Inside a transaction of the caller it becomes part of that; else it commits. Safe to run from many places at once,
    and while tables are written to: an upgrade locks tables of mlguard that writers use, waits for each at most
    `lock_timeout` seconds, and where that does not suffice lets go of all and begins again, `attempts` times in all.
    Inside a transaction of the caller it is tried once.

    Raises:
        RuntimeVersionError: the database is ahead of this client.
        EngineError: the user may not create the schema, a file failed, or a lock could not be had.
    """
    alone = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    for left in reversed(range(attempts if alone else 1)):
        try:
            return _install(connection, lock_timeout)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            if not left:
                raise EngineError(
                    f"the mlguard runtime could not be upgraded: {_words(error)}; nothing was changed",
                    help="a transaction that wrote to a guarded table is open: see pg_stat_activity, or try again",
                ) from error
            time.sleep(0.2)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _install(connection: psycopg.Connection[Any], lock_timeout: float) -> str:
    known = versions()
    with connection.transaction():
        # Other installers are waited for, however long they take.
        connection.execute("select pg_catalog.pg_advisory_xact_lock(%s)", [LOCK])
        installed = installed_version(connection)
        if installed is not None and installed not in known:
            raise _database_ahead(installed, known)
        if installed != known[-1]:
            patience = f"{int(lock_timeout * 1000)}ms"
            with connection.cursor(row_factory=tuple_row) as cursor:
                before = cursor.execute("select current_setting('lock_timeout')").fetchone() or ("0",)
            connection.execute("select pg_catalog.set_config('lock_timeout', %s, true)", [patience])
            try:
                connection.execute("create schema if not exists mlguard")
                _migrate(connection, "head")
            except psycopg.errors.InsufficientPrivilege as error:
                raise EngineError(
                    f"user {connection.info.user} may not install the mlguard runtime: {_words(error)}",
                    help=f'grant create on database "{connection.info.dbname}" to "{connection.info.user}"; '
                    "and let the user that installed it upgrade it",
                ) from error
            connection.execute("select pg_catalog.set_config('lock_timeout', %s, true)", before)
    return known[-1]


def downgrade(connection: psycopg.Connection[Any], version: str, *, discard: bool = False) -> None:
    """Take the runtime back to an older version, all or nothing, for clients of that version.

    Args:
        connection: to the database.
        version: the version to go to, such as `0025`.
        discard: also when rows are lost that the older version has no place for.

    Raises:
        RuntimeVersionError: there is no such version, or the database is not of this client's.
        ApplyError: rows would be lost and `discard` is not given, or tables are guarded by functions that would go.
    """
    check_version(connection)
    if version not in versions():
        raise RuntimeVersionError(f"there is no version {version} of the mlguard runtime", help=f"known: {versions()}")
    with connection.transaction():
        connection.execute("select pg_catalog.pg_advisory_xact_lock(%s)", [LOCK])
        connection.execute("select pg_catalog.set_config(%s, %s, true)", [DISCARD, "on" if discard else "off"])
        try:
            _migrate(connection, version)
        except psycopg.errors.ObjectNotInPrerequisiteState as error:
            raise ApplyError(_words(error), help=error.diag.message_hint or "") from error
        except psycopg.errors.DependentObjectsStillExist as error:
            raise ApplyError(
                "objects that mlguard made for tables still need this version",
                help=f"mlguard remove takes them off first: {error.diag.message_detail or _words(error)}",
            ) from error


def uninstall(connection: psycopg.Connection[Any], *, discard: bool = False) -> None:
    """Take the runtime out of the database again, all or nothing. Roles stay: they belong to the server.

    Args:
        connection: to the database.
        discard: also when rows wait in quarantine or audited events are recorded, which are lost then.

    Raises:
        ApplyError: tables are still guarded, or something would be lost and `discard` is not given.
        RuntimeVersionError: the database is ahead of this client.
    """
    with connection.transaction():
        connection.execute("select pg_catalog.pg_advisory_xact_lock(%s)", [LOCK])
        installed = installed_version(connection)
        if installed is None:
            return
        if installed not in versions():
            raise _database_ahead(installed, versions())
        _refuse_loss(connection, discard)
        connection.execute("select pg_catalog.set_config(%s, 'on', true)", [DISCARD])
        try:
            _migrate(connection, "base")
            connection.execute("drop table mlguard.alembic_version")
            connection.execute("drop schema mlguard")
        except psycopg.errors.DependentObjectsStillExist as error:
            raise ApplyError(
                "objects outside the runtime still need it", help=f"{error.diag.message_detail or _words(error)}"
            ) from error


def _refuse_loss(connection: psycopg.Connection[Any], discard: bool) -> None:
    with connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute("select string_agg(distinct tbl, ', ' order by tbl) from mlguard._object")
        guarded = cursor.fetchone()
        if guarded and guarded[0]:
            raise ApplyError(
                f"tables are still guarded: {guarded[0]}", help="mlguard remove takes the guards off first"
            )
        cursor.execute(
            "select (select count(*) from mlguard._quarantine where status = 'waiting'),"
            " (select count(*) from mlguard._event)"
        )
        waiting, events = cursor.fetchone() or (0, 0)
    losses = [
        words
        for count, words in (
            (waiting, f"{_counted(waiting, 'row')} waiting in quarantine"),
            (events, _counted(events, "audited event")),
        )
        if count
    ]
    if losses and not discard:
        raise ApplyError(
            f"removing the runtime would lose {' and '.join(losses)}",
            help="release or discard the rows, export mlguard.event, then say --discard",
        )


def _database_ahead(installed: str, known: tuple[str, ...]) -> RuntimeVersionError:
    return RuntimeVersionError(
        f"the mlguard runtime in this database is version {installed}, newer than this client knows ({known[-1]})",
        help="upgrade the client: pip install --upgrade mlguard-db",
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _words(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error)


def _folder(packaged: str, beside: str) -> Path:
    package = Path(__file__).parent
    for folder in (package / packaged, package.parent / beside):
        if folder.is_dir():
            return folder
    raise EngineError(f"this installation of mlguard lacks its {beside} folder", help="install mlguard-db again")


def _migrate(connection: psycopg.Connection[Any], target: str) -> None:
    """Run Alembic up to `head`, or down to a version or `base`, inside the transaction open on `connection`."""
    import sqlalchemy
    from alembic import command

    with _alembic(connection) as config:
        try:
            if target == "head":
                command.upgrade(config, target)
            else:
                command.downgrade(config, target)
        except sqlalchemy.exc.DBAPIError as error:
            if isinstance(error.orig, psycopg.Error):
                raise error.orig from None
            raise


def run_sql(name: str) -> None:
    """Run one file of the runtime from a migration, or print it where Alembic prints SQL."""
    from alembic import op

    # As it stands: neither a colon nor a percent sign of the text means anything to SQLAlchemy or the driver.
    text = read_sql(name)
    if name.endswith(".down"):
        text = refusal(name.split("_", 1)[0], text) + text
    if op.get_context().as_sql:
        op.get_context().impl.static_output(text)
    else:
        op.get_bind().execution_options(no_parameters=True).exec_driver_sql(text)


def borrowed_engine(connection: psycopg.Connection[Any]) -> sqlalchemy.Engine:
    """Return an SQLAlchemy engine over a psycopg connection that leaves its transaction alone."""
    import sqlalchemy
    from sqlalchemy.pool import StaticPool

    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: connection,
        poolclass=StaticPool,
        pool_reset_on_return=None,
    )
    # The transaction is the caller's: neither the end of a block nor a return to the pool may end it.
    for method in ("do_commit", "do_rollback", "do_close"):
        setattr(engine.dialect, method, lambda _: None)
    return engine


@contextmanager
def _alembic(connection: psycopg.Connection[Any]) -> Iterator[Config]:
    """Give an Alembic configuration that works on a psycopg connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    with borrowed_engine(connection).connect() as borrowed:
        config.attributes["connection"] = borrowed
        yield config
