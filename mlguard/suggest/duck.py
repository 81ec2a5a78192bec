"""Rows that DuckDB reads as a source: files, DuckDB tables and frames."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlguard.errors import EngineError
from mlguard.lang.types import Kind, SqlType, parse_type
from mlguard.suggest.engine import TRAIN, as_value
from mlguard.suggest.facts import Column

if TYPE_CHECKING:
    import duckdb

INSTALL = "pip install 'mlguard-db[local]'"
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
        return f"regexp_matches({ref}, {literal(pattern)})"

    def elements(self, ref: str) -> str:
        """Elements of a list or array."""
        return f"len({ref})"

    def exact(self, column: Column) -> str:
        """Integers of 128 bits; decimals add up exactly as they are."""
        return f"{column.ref}::hugeint" if column.is_whole else column.ref

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
            f"select {chosen} from (from {self.rows} where part = 0"
            f" using sample reservoir({limit} rows) repeatable (7))"
        )


class FolderSource(DuckSource):
    """A folder of partitions; each file is a window of its own."""

    files = True


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


def literal(text: str) -> str:
    """Return text as an SQL string."""
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
