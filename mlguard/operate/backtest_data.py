"""Rows of Parquet or CSV files in a throw-away server, where a replay treats them as the tables they stand for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlguard import runtime
from mlguard.embedded import EmbeddedServer
from mlguard.errors import EngineError, PlanError
from mlguard.names import TableName, quote_ident

if TYPE_CHECKING:
    import duckdb
    import psycopg

    from mlguard.spec import Project
    from mlguard.spec.models import SloFile

READERS = {".parquet": "read_parquet(?)", ".csv": "read_csv(?)"}
ROWS = 10_000  # rows a step
_TYPES = {
    "BOOLEAN": "boolean", "TINYINT": "smallint", "SMALLINT": "smallint", "UTINYINT": "smallint",
    "INTEGER": "integer", "USMALLINT": "integer", "BIGINT": "bigint", "UINTEGER": "bigint",
    "UBIGINT": "numeric", "HUGEINT": "numeric", "FLOAT": "real", "DOUBLE": "double precision", "DATE": "date",
    "TIME": "time", "TIMESTAMP WITH TIME ZONE": "timestamptz", "UUID": "uuid", "JSON": "jsonb",
}  # fmt: skip


@contextmanager
def loaded(data: Mapping[str, str], project: Project) -> Iterator[psycopg.Connection[Any]]:
    """Give a connection to a throw-away database that holds the files' rows; it goes with the block.

    Args:
        data: file patterns (`loads/*.parquet`) by table name; as SLO files spell them.
        project: the SLO files; columns they type have that type, others the file's.

    Raises:
        PlanError: a table is in no SLO file, or a file cannot be read.
        EngineError: DuckDB or the embedded server is not installed.
    """
    try:
        import duckdb
    except ImportError:
        raise EngineError(
            "reading files needs DuckDB, which is not installed", help="pip install 'mlguard-db[local]'"
        ) from None
    import psycopg

    files = {str(file.table): file for file in project.files}
    for table in data:
        if table not in files:
            raise PlanError(f"{table} is in none of these SLO files", help=f"they are of {', '.join(sorted(files))}")
    lacking = sorted(set(files) - set(data))
    if lacking:
        raise PlanError(
            f"no data for {', '.join(lacking)}", help="give --data for each table, or leave out its SLO file"
        )
    with (
        EmbeddedServer(18) as server,
        psycopg.connect(server.dsn, autocommit=True) as connection,
        duckdb.connect() as engine,
    ):
        engine.execute("set timezone = 'UTC'")
        connection.execute("set timezone = 'UTC'")
        runtime.install(connection)
        for table, path in data.items():
            try:
                _load(engine, connection, files[table], path)
            except (duckdb.Error, psycopg.Error) as error:
                raise PlanError(f"{path} cannot be read as {table}: {' '.join(str(error).split())}") from error
        yield connection


def _load(engine: duckdb.DuckDBPyConnection, connection: psycopg.Connection[Any], file: SloFile, path: str) -> None:
    reader = READERS.get(Path(path).suffix.lower())
    if reader is None:
        raise PlanError(f"{path} is neither .parquet nor .csv", help="convert it first")
    found = engine.execute(f"select * from {reader}", [path])
    columns = [(name, _type(file, name, str(kind))) for name, kind, *_ in found.description or ()]
    table = TableName.parse(str(file.table))
    connection.execute(f"create schema if not exists {quote_ident(table.schema)}".encode())
    listed = ", ".join(f"{quote_ident(name)} {kind}" for name, kind in columns)
    connection.execute(f"create table {table.sql} ({listed})".encode())
    with connection.cursor() as cursor, cursor.copy(f"copy {table.sql} from stdin".encode()) as copy:
        while rows := found.fetchmany(ROWS):
            for row in rows:
                copy.write_row(row)
    connection.execute(f"analyze {table.sql}".encode())


def _type(file: SloFile, name: str, kind: str) -> str:
    """Return the PostgreSQL type of a column; a file's time without a zone that is the event time is UTC."""
    told = file.columns.get(name)
    if told is not None and told.type is not None:
        return str(told.type)
    if kind.startswith(("TIMESTAMP", "DATETIME")):
        return "timestamptz" if "ZONE" in kind or name == file.event_time else "timestamp"
    if re.fullmatch(r"DECIMAL\(\d+,\s*\d+\)", kind):
        return kind.replace("DECIMAL", "numeric")
    return _TYPES.get(kind, "text")
