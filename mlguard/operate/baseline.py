"""What distributions are compared with: set it from rows, a table or a file, and show it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlguard.errors import PlanError
from mlguard.names import TableName
from mlguard.operate.ask import REGCLASS, as_rows, guarded_table, require_runtime, values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import psycopg


@dataclass(frozen=True)
class Compared:
    """A column of a guarded table that an SLO compares with the baseline.

    Attributes:
        column: its exact name.
        spelled: as expressions and the names of states spell it.
        number: whether it is a number.
        in_bins: compared by bins of its amount.
        in_values: compared value by value.
        pii: its values are shown to nobody, and its categories are kept as hashes.
        missing: values that count as missing beside NULL, as text.
    """

    column: str
    spelled: str
    number: bool
    in_bins: bool
    in_values: bool
    pii: bool
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Distribution:
    """One column in a baseline; of a pii column without edges and categories.

    Attributes:
        column: the column.
        state: the state it is compared with: `bins(age)`, `values(plan) where source = 'web'`.
        segment: values of the segment columns; {} is all rows.
        kind: number or category.
        pii: whether the column is personal.
        edges: of a number; bin i holds the values above edge i - 1 and up to edge i.
        counts: values in each bin, or of each category, most frequent first.
        categories: their names, in the order of `counts`.
        other: values of categories that are not listed.
        n: values, missing ones and NaN left out.
        missing: missing values and NaN; None where they were not counted.
    """

    column: str
    state: str
    segment: dict[str, Any]
    kind: str
    pii: bool
    edges: list[float] | None
    counts: list[int]
    categories: list[str] | None
    other: int
    n: int
    missing: int | None

    @property
    def whole(self) -> bool:
        """True for all rows: no segment, no filter."""
        return not self.segment and " where " not in self.state


@dataclass(frozen=True)
class Baseline:
    """One version of what distributions of a table are compared with.

    Attributes:
        state: learning (not there yet), frozen (in use) or replaced.
        starts: event time of its first rows; None where there is no limit.
        ends: event time up to which they reach.
        n: values of the column that has most; None while it is learned.
        next_at: when sweep() looks again for columns that it lacks.
    """

    table: str
    version: int
    source: str
    state: str
    starts: datetime | None
    ends: datetime | None
    n: int | None
    set_at: datetime
    set_by: str
    next_at: datetime | None
    columns: tuple[Distribution, ...] = field(default=())


def baselines(connection: psycopg.Connection[Any], table: str) -> list[Baseline]:
    """Return all versions of a table's baseline, newest first, with the columns of the one in use.

    Raises:
        PlanError: the table is not guarded.
    """
    require_runtime(connection)
    name = guarded_table(connection, table)
    found = as_rows(
        connection,
        Baseline,
        """
select b.tbl as "table", b.version, b.source, b.state, b.starts, b.ends, b.n, b.set_at, b.set_by, b.next_at
from mlguard.baseline as b
where b.tbl = %(table)s
order by b.version desc
""",
        table=name,
    )
    return [replace(one, columns=_columns(connection, one)) if one.state == "frozen" else one for one in found]


def _columns(connection: psycopg.Connection[Any], baseline: Baseline) -> tuple[Distribution, ...]:
    query = """
select c.column_name as "column", c.state, c.segment, c.kind, c.pii, c.edges, c.counts, c.categories, c.other, c.n,
       c.missing
from mlguard.baseline_column as c
where c.tbl = %(table)s and c.version = %(version)s
order by c.column_name, c.state, c.segment::text
"""
    return tuple(as_rows(connection, Distribution, query, table=baseline.table, version=baseline.version))


def compared_columns(connection: psycopg.Connection[Any], table: str) -> list[Compared]:
    """Return the columns of a guarded table that SLOs compare with its baseline, in the table's order.

    Raises:
        PlanError: the table is not guarded.
    """
    require_runtime(connection)
    query = f"""
select c.column_name as "column", c.spelled, c.is_number as "number", c.in_bins, c.in_values, c.pii, c.missing
from ({REGCLASS}) as t cross join lateral mlguard.baseline_columns(t.oid) as c
"""
    return as_rows(connection, Compared, query, table=guarded_table(connection, table))


def set_from_rows(
    connection: psycopg.Connection[Any], table: str, starts: datetime | None = None, ends: datetime | None = None
) -> int:
    """Make stored rows of the table its baseline; return the version.

    Args:
        connection: the database.
        table: a guarded table.
        starts: event time from which on; None: no limit.
        ends: event time up to which, itself not included; None: no limit.

    Raises:
        PlanError: the table is not guarded, no SLO compares a column of it, or there are too few values.
    """
    query = "select mlguard.set_baseline(t.oid, null, %(starts)s, %(ends)s) from ({0}) as t"
    return _set(connection, table, query, starts=starts, ends=ends)


def set_from_table(connection: psycopg.Connection[Any], table: str, other: str) -> int:
    """Make the rows of another table, read with this user's rights, the baseline; return the version.

    Raises:
        PlanError: a table does not exist or is not guarded, no SLO compares a column of it, or there are too few
            values.
    """
    try:
        name = TableName.parse(other)
    except ValueError as error:
        raise PlanError(f"{other!r} is not a table: {error}") from error
    if values(connection, "select to_regclass(%(other)s)", other=name.sql) == [None]:
        raise PlanError(f"there is no table {other} to take a baseline from")
    query = "select mlguard.set_baseline(t.oid, %(other)s::regclass) from ({0}) as t"
    return _set(connection, table, query, other=name.sql)


def set_from_training(
    connection: psycopg.Connection[Any], table: str, *, version: str | None = None, ticket: int | None = None
) -> int:
    """Make the rows that a training run could read the baseline; return the version of the baseline.

    Args:
        connection: the database.
        table: a guarded table with event times.
        version: `model:version`, one that was trained with a ticket.
        ticket: the ticket itself.

    Raises:
        PlanError: there is no such version or ticket; or as `set_from_rows`.
    """
    source = f"ticket {ticket}" if version is None else f"version {version}"
    query = "select mlguard.set_baseline(t.oid, %(source)s) from ({0}) as t"
    return _set(connection, table, query, source=source)


def set_from_file(connection: psycopg.Connection[Any], table: str, path: Path) -> int:
    """Make the rows of a Parquet or CSV file the baseline; return the version.

    Raises:
        PlanError: the table is not guarded, no SLO compares a column of it, the file cannot be read or lacks all of
            these columns, or there are too few values.
    """
    from psycopg.types.json import Jsonb

    from mlguard.operate.baseline_file import counted

    columns = compared_columns(connection, table)
    found = counted(path, columns) if columns else []
    query = "select mlguard.keep_baseline(t.oid, %(source)s, %(columns)s) from ({0}) as t"
    return _set(connection, table, query, source=path.name, columns=Jsonb(found))


def lacking(connection: psycopg.Connection[Any], table: str, version: int) -> list[str]:
    """Return the columns that SLOs compare and this version lacks, since it has fewer than 200 values of them."""
    query = (
        "select distinct c.column_name from mlguard.baseline_column as c where c.tbl = %(table)s and c.version = %(v)s"
    )
    known = set(values(connection, query, table=table, v=version))
    return [one.column for one in compared_columns(connection, table) if one.column not in known]


def _set(connection: psycopg.Connection[Any], table: str, query: str, **parameters: object) -> int:
    require_runtime(connection)
    name = guarded_table(connection, table)
    with _own_words():
        version: int = values(connection, query.format(REGCLASS), table=name, **parameters)[0]
    return version


@contextmanager
def _own_words() -> Iterator[None]:
    """Raise what the runtime refuses as PlanError, without the driver's words."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        said = error.diag.message_primary or ""
        if not said.startswith("mlguard: "):
            raise
        raise PlanError(said.removeprefix("mlguard: "), help=error.diag.message_hint or "") from error
