"""Files, DuckDB tables and frames as a source, through DuckDB; the one module of suggest that imports it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlguard.errors import EngineError
from mlguard.lang.types import Kind, SqlType, parse_type
from mlguard.names import TableName
from mlguard.suggest.engine import TRAIN, as_value
from mlguard.suggest.facts import Column
from mlguard.suggest.statistics import count

if TYPE_CHECKING:
    import duckdb

INSTALL = "pip install 'mlguard-db[local]'"
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
_TYPES = {
    "TINYINT": "smallint",
    "UTINYINT": "smallint",
    "SMALLINT": "smallint",
    "USMALLINT": "integer",
    "INTEGER": "integer",
    "UINTEGER": "bigint",
    "BIGINT": "bigint",
    "UBIGINT": "numeric",
    "HUGEINT": "numeric",
    "UHUGEINT": "numeric",
    "FLOAT": "real",
    "DOUBLE": "double precision",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP_S": "timestamp",
    "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP_NS": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "INTERVAL": "interval",
    "UUID": "uuid",
    "BLOB": "bytea",
    "JSON": "jsonb",
    "VARCHAR": "text",
}


class Duck:
    """How DuckDB spells."""

    def distinct(self, ref: str) -> str:
        """HyperLogLog, within some per cent."""
        return f"approx_count_distinct({ref})"

    def greatest(self, value: str, k: int, *, down: bool) -> str:
        """The n greatest values of an aggregate with n."""
        return f"{'max' if down else 'min'}({value}, {k})"

    def quantile(self, ref: str, q: float) -> str:
        """A value of the column."""
        return f"quantile_disc({ref}, {q})"

    def matches(self, ref: str, pattern: str) -> str:
        """RE2, anywhere in the text."""
        return f"regexp_matches({ref}, {_literal(pattern)})"

    def elements(self, ref: str) -> str:
        """Elements of a list or array."""
        return f"len({ref})"

    def zoneless(self, column: Column) -> str:
        """Times with a zone are kept as timestamps in UTC."""
        return column.ref


class DuckSource:
    """Rows DuckDB can read, kept in a table of its own memory (which spills to disk) while they are asked."""

    files = False
    ordered = True
    key: tuple[str, ...] = ()

    def __init__(self, relation: duckdb.DuckDBPyRelation, connection: Any, name: str, table: str, limit: int) -> None:
        self.name, self.table, self.dialect = name, table, Duck()
        self._connection = connection
        self.columns = tuple(
            Column(index, column, postgres_type(str(type_)))
            for index, (column, type_) in enumerate(zip(relation.columns, relation.types, strict=True))
            if not (self.files and column == "file")
        )
        self._limit = limit
        extra = ", file" if self.files else ""
        relation.project(", ".join(map(_taken, self.columns)) + extra).to_table("taken")
        self._all = connection.execute("select count(*) from taken").fetchall()[0][0]
        self._split = False

    @property
    def rows(self) -> str:
        """All rows."""
        return "parted" if self._split else "taken"

    @property
    def sample(self) -> str:
        """All rows, or a sample drawn with a fixed seed."""
        if self._all <= self._limit:
            return self.rows
        drawn = f"drawn_{self.rows}"
        self._connection.execute(
            f"create temp table if not exists {drawn} as from {self.rows} using sample reservoir({self._limit} rows)"
            " repeatable (7)"
        )
        return drawn

    def split(self, by: str | None) -> None:
        """Divide by a condition, or by a hash over all values, so that equal rows fall into one part."""
        listed = ", ".join(column.ref for column in self.columns)
        by = by or f"hash({listed}) % 1000 >= {int(TRAIN * 1000)}"
        # As a column of its own: an expression would be computed for every aggregate that asks for it.
        self._connection.execute(
            f"create or replace temp table parted as select *, rowid as place, ({by})::integer as part from taken"
        )
        self._connection.execute("drop table if exists drawn_taken")
        self._split = True

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one SELECT."""
        rows: list[tuple[Any, ...]] = self._connection.execute(sql).fetchall()
        return rows

    def few(self, limit: int, columns: tuple[Column, ...]) -> list[tuple[Any, ...]]:
        """Draw rows of part 0 with a fixed seed."""
        chosen = ", ".join(as_value(column) for column in columns)
        return self.query(
            f"select {chosen} from (from {self.rows} where part = 0 using sample reservoir({limit} rows) repeatable (7))"
        )


def postgres_type(spelled: str) -> SqlType:
    """Return the PostgreSQL type that holds what a DuckDB type holds; nested types are jsonb."""
    upper = spelled.upper()
    if match := re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", upper):
        return SqlType(Kind.NUMERIC, f"numeric({match[1]},{match[2]})")
    if match := re.fullmatch(r"(.*)\[\d*\]", spelled):
        element = postgres_type(match[1])
        if element.kind in (Kind.JSONB, Kind.ARRAY):
            return SqlType(Kind.JSONB, "jsonb")
        return SqlType(Kind.ARRAY, f"{element}[]", element)
    if upper.startswith("ENUM("):
        return SqlType(Kind.TEXT, "text")
    known = parse_type(_TYPES.get(upper, ""))
    if known is not None:
        return SqlType(known.kind, _TYPES[upper])
    return SqlType(Kind.JSONB, "jsonb")


def _taken(column: Column) -> str:
    """Return the column by its position; nested values have no order and are kept as text, times with a zone in UTC."""
    value = f"#{column.index + 1}"
    if column.kind in (Kind.JSONB, Kind.OTHER):
        value = f"{value}::text"
    elif column.kind is Kind.TIMESTAMPTZ:
        value = f"case when isfinite({value}) then make_timestamp(epoch_us({value})) else {value}::text::timestamp end"
    return f"{value} as {column.ref}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def connect() -> Any:
    """Open a DuckDB in memory.

    Raises:
        EngineError: DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError:
        raise EngineError("files and frames are read by DuckDB, which is not installed", help=INSTALL) from None
    return duckdb.connect(":memory:")


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
            connection.execute(f"attach {_literal(path)} as given (read_only)")
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
            if "://" not in text and not folder and not any(character in text for character in "*?[") and not Path(
                text
            ).exists():
                raise EngineError(f"no file {text}")
            files = folder or any(character in text for character in "*?[")
            extra = ", union_by_name=true, filename='file'" if files else ""
            relation = connection.sql(f"from {reader}({_literal(found)}{extra})")
            default = "public." + re.sub(r"\W+", "_", Path(text).name.split(".")[0]).strip("_").lower()
        made = _FolderSource if files else DuckSource
        return made(relation, connection, shown, table or default, limit)
    except duckdb.Error as error:
        said = " ".join(str(error).replace(text, shown).split())
        raise EngineError(f"{shown}: DuckDB answered: {said}") from error


class _FolderSource(DuckSource):
    """A folder of partitions; each file is a window of its own."""

    files = True


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
    names = [str(column) for column in getattr(frame, "columns", None) or getattr(frame, "column_names", ())] if not (
        hasattr(frame, "set_axis")
    ) else [str(column) for column in frame.columns]
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
    source.columns = tuple(
        Column(column.index, names[column.index], column.type) for column in source.columns
    )
    return source


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


def described(n: int, of: int) -> str:
    """Say how many rows were read."""
    return f"{count(n)} of {count(of)} rows" if n < of else f"{count(n)} rows"
