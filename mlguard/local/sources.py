"""Files and frames as the tables they stand for: one view each, typed as the SLO file declares, and the table's shape.

Parquet, CSV, JSON lines, a table of a DuckDB file, a folder or pattern of partitions, and what DuckDB reaches by URI;
pandas, polars and Arrow frames and DuckDB relations are read where they lie.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlguard.emit.duck_core import quoted
from mlguard.errors import PlanError
from mlguard.lang.fault import nearest
from mlguard.lang.types import SqlType
from mlguard.local.engine import Engine, first_line
from mlguard.local.types import converted, declared, kind_of
from mlguard.names import MAX_BYTES, TableName, quote_ident
from mlguard.program import ColumnShape, TableShape

if TYPE_CHECKING:
    from mlguard.spec.models import SloFile

_READERS = {
    ".parquet": "read_parquet({})", ".pq": "read_parquet({})",
    ".csv": "read_csv({}, header = true, allow_quoted_nulls = false)",
    ".tsv": "read_csv({}, header = true, allow_quoted_nulls = false, delim = '\t')",
    ".jsonl": "read_json({}, format = 'newline_delimited')", ".ndjson": "read_json({}, format = 'newline_delimited')",
    ".json": "read_json({})",
}  # fmt: skip
_DATABASES = (".duckdb", ".ddb", ".db")
_TEXT_ONLY = (".csv", ".tsv")
_PACKED = (".gz", ".zst")
_EXTENSION = re.compile(r"automatically install the required extension '(?P<name>\w+)")
HELP = "give .parquet, .csv, .jsonl, a folder of them, or x.duckdb:table"


@dataclass(frozen=True)
class Source:
    """One table as data.

    Attributes:
        table: the table it stands for.
        what: what it is, as messages name it: the path, or `a pandas frame`.
        sql: the FROM clause that reads it.
        text: it keeps text only.
    """

    table: TableName
    what: str
    sql: str
    text: bool = False


def named(pairs: Iterable[str]) -> dict[TableName, str]:
    """Read `table=path` pairs of the command line.

    Raises:
        PlanError: one is not such a pair, or a table is named twice.
    """
    found: dict[TableName, str] = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not equals or not path:
            raise PlanError(f"--data {pair} names no table", help="write --data features.customer=x.parquet")
        table = _table(name)
        if table in found:
            raise PlanError(
                f"--data names {table} twice: {found[table]} and {path}",
                help="several files of one table are a pattern, 'loads/*.parquet', or a folder",
            )
        found[table] = path
    return found


def _table(name: str) -> TableName:
    try:
        return TableName.parse(name.strip())
    except ValueError as error:
        raise PlanError(f"{name!r} is no table: {error}") from None


def open_source(engine: Engine, table: TableName | str, data: Any) -> Source:
    """Make what is given readable.

    Args:
        engine: the DuckDB it is to be read by.
        table: the table it stands for.
        data: a path, pattern, URI, `x.duckdb:table`; or a pandas, polars or Arrow frame, or a DuckDB relation.

    Raises:
        PlanError: there is no such file, or it is of no kind that is read here.
    """
    table = table if isinstance(table, TableName) else _table(table)
    if isinstance(data, str | Path):
        return _file(engine, table, str(data))
    name = f"mlguard frame {len(engine.views)}"
    kind = f"{type(data).__module__.partition('.')[0].strip('_')} {type(data).__name__}"
    if hasattr(data, "collect") and hasattr(data, "collect_schema"):
        data = data.collect()  # a lazy frame of polars has no rows yet
    elif hasattr(data, "to_arrow_reader") and hasattr(data, "query"):
        return _relation(engine, table, name, data, f"the {kind}")
    if hasattr(data, "read_next_batch"):
        raise PlanError(
            f"{table}: a {kind} can be read once only, and what is judged may be read more often",
            help="give reader.read_all(), or a file",
        )
    try:
        engine.connection.register(name, data)
    except Exception as error:
        raise PlanError(
            f"{table}: {kind} is no data that can be judged",
            help="give a path, a pandas, polars or Arrow frame, or a DuckDB relation",
        ) from error
    return Source(table, f"the {kind}", quote_ident(name))


def _relation(engine: Engine, table: TableName, name: str, data: Any, what: str) -> Source:
    """Take over the rows of a relation of another connection, which reads one query at a time: a scan may need two.

    They are kept in a table, so that what does not fit into memory is spilled.
    """
    import duckdb

    stream = f"{name} stream"
    try:
        engine.connection.register(stream, data.to_arrow_reader(100_000))
        engine.run(f"create table {quote_ident(name)} as select * from {quote_ident(stream)}")
    except duckdb.Error as error:
        raise PlanError(f"{what} cannot be read as {table}: {first_line(error)}") from error
    engine.connection.unregister(stream)
    return Source(table, what, quote_ident(name))


def _file(engine: Engine, table: TableName, path: str) -> Source:
    for suffix in _DATABASES:
        head, found, tail = path.partition(f"{suffix}:")
        if found and "/" not in tail:
            return _database(engine, table, head + suffix, tail)
    remote = "://" in path
    if not remote and Path(path).is_dir():
        return _folder(table, path)
    suffix = _suffix(path)
    if suffix in _DATABASES:
        return _database(engine, table, path, str(table))
    if suffix not in _READERS:
        raise PlanError(f"{path} is of no kind that can be judged as {table}", help=HELP)
    if not remote and not any(sign in path for sign in "*?[") and not Path(path).exists():
        raise PlanError(f"there is no file {path} to judge as {table}")
    return _source(table, path, quoted(path), suffix)


def _suffix(path: str) -> str:
    bare = path.partition("?")[0] if "://" in path else path
    suffixes = Path(bare).suffixes
    if suffixes and suffixes[-1].lower() in _PACKED:
        suffixes = suffixes[:-1]
    return suffixes[-1].lower() if suffixes else ""


def _source(table: TableName, what: str, files: str, suffix: str) -> Source:
    return Source(table, what, _READERS[suffix].format(files), suffix in _TEXT_ONLY)


def _folder(table: TableName, path: str) -> Source:
    files = [file for file in sorted(Path(path).rglob("*")) if file.is_file() and not file.name.startswith(("_", "."))]
    suffixes = {_suffix(str(file)) for file in files}
    if not files:
        raise PlanError(f"the folder {path} holds no file to judge as {table}", help=HELP)
    if len(suffixes) > 1 or not suffixes <= set(_READERS):
        listed = ", ".join(sorted(suffix or "none" for suffix in suffixes))
        raise PlanError(
            f"the folder {path} holds files of several or unknown kinds ({listed})",
            help="give a pattern: 'x/*.parquet'",
        )
    listed = ", ".join(quoted(str(file)) for file in files)
    return _source(table, path, f"[{listed}]", suffixes.pop())


def _database(engine: Engine, table: TableName, path: str, name: str) -> Source:
    import duckdb

    if not Path(path).exists():
        raise PlanError(f"there is no file {path} to judge as {table}")
    alias = f"mlguard file {len(engine.views)}"
    parts = ".".join(quote_ident(part) for part in name.split("."))
    try:
        engine.run(f"attach {quoted(path)} as {quote_ident(alias)} (read_only)")
        engine.run(f"select 1 from {quote_ident(alias)}.{parts} limit 0")
    except duckdb.Error as error:
        raise PlanError(
            f"{path}:{name} cannot be read as {table}: {first_line(error)}", help="write x.duckdb:schema.table"
        ) from error
    return Source(table, f"{path}:{name}", f"{quote_ident(alias)}.{parts}")


def make_view(engine: Engine, source: Source, file: SloFile | None) -> TableShape:
    """Make the view that stands for the table, and return its shape.

    Columns have the types that the SLO file declares; others the file's own.

    Raises:
        PlanError: the data cannot be read, lacks a declared column, or holds one as another type.
    """
    import duckdb

    try:
        described = engine.connection.execute(f"describe select * from {source.sql}").fetchall()
    except duckdb.Error as error:
        raise _unreadable(source, error) from error
    columns = {name: type_ for name, type_, *_ in described}
    reader = source.sql
    if source.text and file is not None:
        # Of what is declared the text itself is read, so that 007 stays what it is; of the rest DuckDB sees the type.
        own = {name: told.type for name, told in file.columns.items() if name in columns and told.type}
        typed = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in own)
        reader = f"{source.sql[:-1]}, types = {{{typed}}})" if own else reader
        columns |= dict.fromkeys(own, "VARCHAR")
    _refuse_missing(source, columns, file)
    shapes, cells = [], []
    for name, type_ in columns.items():
        if not name or "\0" in name or len(name.encode()) > MAX_BYTES:
            continue  # no table can have such a column, so no SLO can name it
        wanted, cell = _column(source, name, type_, file)
        shapes.append(ColumnShape(name, wanted))
        cells.append(f"{cell} as {quote_ident(name)}")
    engine.run(f"create schema if not exists {quote_ident(source.table.schema)}")
    engine.run(f"create view {source.table.sql} as\nselect {', '.join(cells)}\nfrom {reader}")
    engine.views[str(source.table)] = source.what
    return TableShape(source.table, tuple(shapes))


def _unreadable(source: Source, error: Exception) -> PlanError:
    lacking = _EXTENSION.search(str(error)) if "://" in source.what else None
    if lacking is None:
        return PlanError(f"{source.what} cannot be read as {source.table}: {first_line(error)}")
    name = lacking["name"]
    return PlanError(
        f"{source.what} cannot be read as {source.table}: DuckDB reads it with its extension {name}, which is not"
        " installed here and could not be fetched",
        help=f"once, where there is a network: python -c \"import duckdb; duckdb.sql('install {name}')\"; it is kept"
        " in ~/.duckdb/extensions, which may be copied; or give a copy of the file",
    )


def _refuse_missing(source: Source, columns: Mapping[str, str], file: SloFile | None) -> None:
    if file is None:
        return
    wanted = (*file.columns, *file.key)
    lacking = [name for name in dict.fromkeys(wanted) if name not in columns]
    if lacking:
        guesses = [f"{name}: did you mean {guess}?" for name in lacking if (guess := nearest(name, list(columns)))]
        path = ("columns", lacking[0]) if lacking[0] in file.columns else ("key",)
        raise PlanError(
            f"{source.what} has no column {', '.join(lacking)}, which the SLO file of {source.table} names",
            help="; ".join(guesses) or f"its columns are {', '.join(columns)}",
            where=file.where(path),
        )


def _column(source: Source, name: str, type_: str, file: SloFile | None) -> tuple[SqlType, str]:
    cell = quote_ident(name)
    told = file.columns.get(name) if file is not None else None
    wanted = declared(told.type if told is not None else None)
    zone = file.time_zone if file is not None else "UTC"
    if wanted is None:
        wanted = kind_of(type_)
        return wanted, converted(cell, type_, wanted, zone, text=source.text) or cell
    found = converted(cell, type_, wanted, zone, text=source.text)
    if found is None:
        raise PlanError(
            f"column {name} of {source.what} is {type_}, and the SLO file of {source.table} declares {wanted}",
            help=f"write it as {wanted}, or declare type: {kind_of(type_)}",
            where=file.where(("columns", name, "type")) if file is not None else None,
        )
    return wanted, found
