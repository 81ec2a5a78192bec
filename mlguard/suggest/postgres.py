"""A table of the database as a source; plain SELECTs, nothing is written there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlguard import catalog
from mlguard.errors import EngineError
from mlguard.lang.types import Kind
from mlguard.names import TableName, quote_ident, quote_literal
from mlguard.suggest.engine import TRAIN, as_value
from mlguard.suggest.facts import Column

if TYPE_CHECKING:
    import psycopg

_ROW = quote_ident("mlguard row")  # alias of the table: a column of the same name would hide the row
# Kinds without order or equality of their own, and those that suggest says nothing of but their type.
_AS_TEXT = frozenset({Kind.JSON, Kind.JSONB, Kind.OTHER})


class Postgres:
    """How PostgreSQL spells."""

    def distinct(self, ref: str) -> str:
        """Exact."""
        return f"count(distinct {ref})"

    def greatest(self, value: str, k: int, *, down: bool) -> str:
        """The first elements of the ordered array."""
        order = "desc" if down else "asc"
        return f"(array_agg({value} order by {value} {order}) filter (where {value} is not null))[1:{k}]"

    def quantile(self, ref: str, q: float) -> str:
        """A value of the column."""
        return f"percentile_disc({q}) within group (order by {ref})"

    def matches(self, ref: str, pattern: str) -> str:
        """POSIX, anywhere in the text."""
        return f"{ref} ~ {quote_literal(pattern)}"

    def elements(self, ref: str) -> str:
        """Elements of all dimensions."""
        return f"cardinality({ref})"

    def exact(self, column: Column) -> str:
        """Numeric of any length."""
        return f"{column.ref}::numeric"

    def zoneless(self, column: Column) -> str:
        """Times with a zone as timestamps in UTC."""
        return f"({column.ref} at time zone 'UTC')" if column.kind is Kind.TIMESTAMPTZ else column.ref


class PostgresSource:
    """A table, view or foreign table."""

    files = False
    ordered = False

    def __init__(self, connection: psycopg.Connection[Any], table: TableName, limit: int) -> None:
        """Look the table up.

        Raises:
            EngineError: there is no such table.
        """
        shape = catalog.shapes(connection, [table]).get(table)
        if shape is None:
            raise EngineError(f"no table {table} in this database")
        self._connection = connection
        self.name, self.table, self.dialect = f"table {table}", str(table), Postgres()
        self.columns = tuple(
            Column(index, column.name, column.type, column.not_null) for index, column in enumerate(shape.columns)
        )
        self.key = min(shape.unique, key=len, default=())
        self._from = table.sql
        self._part = ""
        chosen = ", ".join(
            f"{quote_ident(column.name)}{'::text' if column.kind in _AS_TEXT else ''} as {column.ref}"
            for column in self.columns
        )
        self._chosen = chosen or "1"
        self._all = int(self.query(f"select count(*) from {self._from} as t")[0][0])
        self._method = ""
        if self._all > limit:
            share = max(0.0001, 100 * limit / self._all)
            can = shape.relkind in ("r", "m", "p")
            self._method = f" tablesample bernoulli ({share:.4f}) repeatable (7)" if can else f" limit {limit}"

    def _select(self, method: str, where: str = "") -> str:
        sampled = method if "tablesample" in method else ""
        limited = method if "limit" in method else ""
        inner = f"select {self._chosen}, hashtext({_ROW}::text) as h from {self._from} as {_ROW}{sampled}{limited}"
        if not self._part:
            return f"({inner}) as r"
        return f"(select r.*, ({self._part})::integer as part from ({inner}) as r{where}) as r"

    @property
    def rows(self) -> str:
        """All rows."""
        return self._select("")

    @property
    def sample(self) -> str:
        """All rows, or a Bernoulli sample with a fixed seed."""
        return self._select(self._method)

    def split(self, by: str | None) -> None:
        """Divide by a condition, or by a hash of the whole row."""
        self._part = by or f"abs(r.h::bigint) % 1000 >= {int(TRAIN * 1000)}"

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one SELECT."""
        return self._connection.execute(sql.encode()).fetchall()

    def few(self, limit: int, columns: tuple[Column, ...]) -> list[tuple[Any, ...]]:
        """Take the rows of part 0 with the smallest hash: a sample that is the same every time."""
        chosen = ", ".join(as_value(column) for column in columns)
        return self.query(f"select {chosen} from {self.sample} where part = 0 order by h limit {limit}")
