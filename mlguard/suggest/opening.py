"""Open what DuckDB can read: a path, a folder, a URI, a table of a DuckDB file, a frame."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mlguard.errors import EngineError
from mlguard.names import TableName
from mlguard.suggest.duck import DuckSource, FolderSource, connect, literal
from mlguard.suggest.facts import Column

READERS = {
    ".parquet": "read_parquet",
    ".pq": "read_parquet",
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".json": "read_json",
    ".jsonl": "read_json",
    ".ndjson": "read_json",
}
ENDINGS = ("", ".gz", ".zst")


def suffix_of(path: str) -> str:
    """Return the ending that tells how a file is read, without that of a compression."""
    name = path.lower()
    for ending in (".gz", ".zst"):
        name = name.removesuffix(ending)
    return Path(name).suffix


def open_path(text: str, table: str | None, limit: int) -> DuckSource:
    """Open a file, a folder of files, a URI, or `x.duckdb:table`.

    Raises:
        EngineError: nothing is there, or DuckDB cannot read it.
    """
    connection = connect()
    shown = text.partition("?")[0] if "://" in text else text  # behind it may stand a signature
    path, colon, inner = text.rpartition(":")
    inside = bool(colon) and path.endswith((".duckdb", ".db", ".ddb"))
    import duckdb

    files = False
    try:
        if inside:
            if not Path(path).exists():
                raise EngineError(f"no file {path}")
            connection.execute(f"attach {literal(path)} as given (read_only)")
            schema, dot, name = inner.rpartition(".")
            relation = connection.table(f'given."{schema if dot else "main"}"."{name}"')
            default = f"{schema if dot else 'public'}.{name}"
        else:
            folder = Path(text).is_dir()
            found = _in_folder(Path(text)) if folder else text
            reader = READERS.get(suffix_of(found))
            if reader is None:
                raise EngineError(
                    f"{text}: nothing says how to read it",
                    help=f"names end in {', '.join(READERS)}, or x.duckdb:table, or schema.table of the database",
                )
            many = any(character in text for character in "*?[")
            if "://" not in text and not many and not Path(text).exists():
                raise EngineError(f"no file {text}")
            files = folder or many
            extra = ", union_by_name=true, filename='file'" if files else ""
            relation = connection.sql(f"from {reader}({literal(found)}{extra})")
            default = "public." + re.sub(r"\W+", "_", Path(text).name.split(".")[0]).strip("_").lower()
        made = FolderSource if files else DuckSource
        return made(relation, connection, shown, table or default, limit)
    except duckdb.Error as error:
        said = " ".join(str(error).replace(text, shown).split())
        raise EngineError(f"{shown}: DuckDB answered: {said}") from error


def _in_folder(folder: Path) -> str:
    """Return the pattern that names a folder's files, of whichever kind there are most of."""
    kinds: dict[str, int] = {}
    for path in sorted(folder.rglob("*")):
        for ending in ENDINGS:
            name = path.name.lower()
            if path.is_file() and name.endswith(ending) and (kind := Path(name.removesuffix(ending)).suffix) in READERS:
                kinds[kind + ending] = kinds.get(kind + ending, 0) + 1
    if not kinds:
        raise EngineError(f"no files in {folder} that can be read", help=f"names end in {', '.join(READERS)}")
    return f"{folder}/**/*{max(kinds, key=lambda kind: kinds[kind])}"


def open_frame(frame: Any, table: str | None, limit: int) -> DuckSource:
    """Open a pandas or polars frame, an Arrow table, or a DuckDB relation.

    Raises:
        EngineError: DuckDB cannot read such an object.
    """
    connection = connect()
    import duckdb

    name = f"{type(frame).__module__.split('.')[0]} {type(frame).__name__}"
    given_names = frame.column_names if hasattr(frame, "column_names") else getattr(frame, "columns", ())
    names = [str(column) for column in given_names]
    plain = [f"c{index}" for index in range(len(names))]
    try:
        if isinstance(frame, duckdb.DuckDBPyRelation):
            given: Any = frame.to_arrow_table() if hasattr(frame, "to_arrow_table") else frame.arrow()
            given = given.rename_columns(plain)
        elif hasattr(frame, "set_axis"):
            given = frame.set_axis(plain, axis=1)
        elif hasattr(frame, "rename_columns"):
            given = frame.rename_columns(plain)
        elif hasattr(frame, "to_arrow"):
            given = frame.to_arrow().rename_columns(plain)
        else:
            raise EngineError(
                f"suggest cannot read a {type(frame).__name__}",
                help="give a path, schema.table, a pandas or polars frame, an Arrow table or a DuckDB relation",
            )
        relation = connection.from_arrow(given) if not hasattr(given, "set_axis") else connection.from_df(given)
        source = DuckSource(relation, connection, name, table or "public.frame", limit)
    except duckdb.Error as error:
        raise EngineError(f"{name}: DuckDB answered: {' '.join(str(error).split())}") from error
    source.columns = tuple(Column(column.index, names[column.index], column.type) for column in source.columns)
    return source


def is_table(text: str) -> bool:
    """Say whether a word names a table of the database."""
    return table_of(text) is not None


def table_of(text: str) -> TableName | None:
    """Return the table of the database that a word names, or None where it is a path."""
    if "/" in text or ":" in text or suffix_of(text) in READERS or any(character in text for character in "*?["):
        return None
    if Path(text).exists():
        return None
    try:
        return TableName.parse(text)
    except ValueError:
        return None
