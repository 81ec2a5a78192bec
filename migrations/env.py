"""Alembic environment of the in-database runtime.

`mlguard.runtime` hands a connection over; `python -m alembic` in this folder opens one by MLGUARD_DSN or PG*.
"""

from __future__ import annotations

import sqlalchemy
from alembic import context

from mlguard.connect import connect
from mlguard.runtime import LOCK, SCHEMA, borrowed_engine


def configure(**options: object) -> None:
    """Set what both modes share: the version table lives with the runtime, all versions in one transaction."""
    context.configure(target_metadata=None, version_table_schema=SCHEMA, transaction_per_migration=False, **options)  # type: ignore[arg-type]


def run_over(connection: sqlalchemy.Connection) -> None:
    """Run the migrations inside the transaction that is open on `connection`."""
    configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


def run_alone() -> None:
    """Open a connection as mlguard does, and run the migrations under the lock of installers."""
    with connect() as opened, opened.transaction():
        opened.execute("select pg_catalog.pg_advisory_xact_lock(%s)", [LOCK])
        opened.execute(f"create schema if not exists {SCHEMA}")
        with borrowed_engine(opened).connect() as connection:
            run_over(connection)


def print_sql() -> None:
    """Print the SQL (`--sql`) instead of running it."""
    configure(dialect_name="postgresql")
    with context.begin_transaction():
        context.execute(f"create schema if not exists {SCHEMA}")
        context.run_migrations()


given = context.config.attributes.get("connection")
if context.is_offline_mode():
    print_sql()
elif given is not None:
    run_over(given)
else:
    run_alone()
