"""Open the database a verb works on; says in words what is wrong, never shows a password, knows nothing of SLOs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import tuple_row

from mlguard.errors import EngineError

if TYPE_CHECKING:
    import sqlalchemy

    Target = str | psycopg.Connection[Any] | sqlalchemy.Engine | sqlalchemy.Connection | None

OLDEST_SERVER = 14
CONNECT_SECONDS = 10
DSN_VARIABLE = "MLGUARD_DSN"
WRONG_HOST = "check the host of the DSN; a '@' or '/' in the password is written %40, %2F"
DSN_HELP = "give --dsn, set MLGUARD_DSN, or set libpq's PGHOST, PGUSER, PGDATABASE, …"

# Beginnings of libpq's and the server's words, and what to do about them; the first that is found is told.
REMEDIES = (
    ("password authentication failed", "check the user and password of the DSN, or ~/.pgpass"),
    ("no password supplied", "the server asks for a password: put it into ~/.pgpass, PGPASSWORD or the DSN"),
    ("no pg_hba.conf entry", "the server does not admit this user from this host; ask its administrator"),
    ("could not translate host name", WRONG_HOST),
    ("failed to resolve host", WRONG_HOST),
    ("Connection refused", "is the server running, and does it listen on this port?"),
    ("No such file or directory", "is the server running, and is this its socket folder? " + DSN_HELP),
    ("timeout expired", "the server did not answer: check host, port and firewall"),
    ("too many clients", "the server has no free connection; try again, or raise max_connections"),
    ("too many connections", "the server has no free connection for this user or database"),
    ("does not exist", "check the database and user of the DSN"),
    ("SSL", "check sslmode and the certificates of the DSN"),
)


@contextmanager
def connect(target: Target = None, *, autocommit: bool = False) -> Iterator[psycopg.Connection[Any]]:
    """Give a psycopg connection to `target`; close it afterwards only if it was opened here.

    Args:
        target: a DSN, an open psycopg connection, an SQLAlchemy engine or connection over psycopg, or None for
            MLGUARD_DSN and then libpq's own PG* variables.
        autocommit: for a connection opened here; a given one keeps its own setting.

    Raises:
        EngineError: the server cannot be reached, refuses us, or is older than PostgreSQL 14.
    """
    if isinstance(target, psycopg.Connection):
        _refuse_old(target)
        yield target
    elif target is None or isinstance(target, str):
        connection = _open(target or os.environ.get(DSN_VARIABLE) or "", autocommit)
        with connection:
            _refuse_old(connection)
            yield connection
    else:
        with _unwrapped(target) as connection:
            _refuse_old(connection)
            yield connection


@contextmanager
def session(target: Target) -> Iterator[psycopg.Connection[Any]]:
    """Give a connection in autocommit mode and with plain rows, whatever the caller's own settings are.

    A connection that is inside a transaction stays in it: reading is fine there, and apply refuses it.
    """
    with connect(target, autocommit=True) as connection:
        idle = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        autocommit, row_factory = connection.autocommit, connection.row_factory
        connection.row_factory = tuple_row
        if idle:
            connection.autocommit = True
        try:
            yield connection
        finally:
            connection.row_factory = row_factory
            if idle and not connection.closed:
                connection.autocommit = autocommit


def _open(dsn: str, autocommit: bool) -> psycopg.Connection[Any]:
    settings = _settings(dsn)
    try:
        return psycopg.connect(make_conninfo(**settings), autocommit=autocommit)
    except psycopg.OperationalError as error:
        words = _without_password(str(error), settings)
        remedy = next((help for sign, help in REMEDIES if sign in words), DSN_HELP)
        raise EngineError(f"cannot connect to PostgreSQL: {words}", help=remedy) from None


def _settings(dsn: str) -> dict[str, Any]:
    """Read a DSN; its text may hold a password, so no parser's words about it are passed on."""
    for prefix in ("postgresql+psycopg://", "postgresql+psycopg2://", "postgres+psycopg://"):
        if dsn.startswith(prefix):  # an SQLAlchemy URL
            dsn = "postgresql://" + dsn.removeprefix(prefix)
    try:
        settings: dict[str, Any] = dict(conninfo_to_dict(dsn))
    except psycopg.ProgrammingError:
        raise EngineError(
            "the DSN cannot be read",
            help="write postgresql://user@host:5432/database or host=… dbname=…; in a URL, special characters of the "
            "password are percent-encoded ('@' is %40, '/' is %2F, '%' is %25)",
        ) from None
    if "@" in str(settings.get("host", "")):
        raise EngineError("the DSN holds a '@' too many", help="in a URL, a '@' in the password is written %40")
    settings.setdefault("application_name", "mlguard")
    settings.setdefault("client_encoding", "UTF8")
    if "PGCONNECT_TIMEOUT" not in os.environ:
        settings.setdefault("connect_timeout", CONNECT_SECONDS)
    return settings


def _without_password(words: str, settings: dict[str, Any]) -> str:
    words = words.strip().removeprefix("connection failed: ")
    for secret in (settings.get("password"), os.environ.get("PGPASSWORD")):
        if secret:
            words = words.replace(str(secret), "***")
    return words


def _refuse_old(connection: psycopg.Connection[Any]) -> None:
    if connection.closed:
        raise EngineError("the database connection is closed", help="open it again")
    major = connection.info.server_version // 10000
    if major < OLDEST_SERVER:
        raise EngineError(
            f"the server is PostgreSQL {major}", help=f"mlguard needs PostgreSQL {OLDEST_SERVER} or later"
        )


@contextmanager
def _unwrapped(target: sqlalchemy.Engine | sqlalchemy.Connection) -> Iterator[psycopg.Connection[Any]]:
    """Give the driver connection under an SQLAlchemy engine or connection."""
    if "sqlalchemy" not in sys.modules:  # whoever holds an engine has imported it
        raise EngineError(f"cannot connect through a {type(target).__name__}", help=DSN_HELP)
    import sqlalchemy

    if isinstance(target, sqlalchemy.Engine):
        try:
            opened = target.connect()
        except sqlalchemy.exc.OperationalError as error:
            words = _without_password(str(error.orig), {"password": target.url.password})
            remedy = next((help for sign, help in REMEDIES if sign in words), DSN_HELP)
            raise EngineError(f"cannot connect to PostgreSQL: {words}", help=remedy) from None
        with opened:
            yield _driver_connection(opened)
    elif isinstance(target, sqlalchemy.Connection):
        yield _driver_connection(target)
    else:
        raise EngineError(f"cannot connect through a {type(target).__name__}", help=DSN_HELP)


def _driver_connection(opened: sqlalchemy.Connection) -> psycopg.Connection[Any]:
    driver = opened.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise EngineError(
            f"the SQLAlchemy engine runs on {opened.dialect.name}+{opened.dialect.driver}",
            help="use create_engine('postgresql+psycopg://…')",
        )
    return driver
