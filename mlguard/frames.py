"""DataFrames in and out of a guarded table, for notebooks and jobs. Needs pandas."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlguard import catalog
from mlguard.connect import session
from mlguard.emit.gate import view_name
from mlguard.errors import EngineError, PlanError
from mlguard.names import TableName, quote_ident
from mlguard.violation import violations

if TYPE_CHECKING:
    import pandas as pd
    import psycopg

    from mlguard.connect import Target

_KEPT_OUT = re.compile(r"^mlguard: (\d+) (?:of \d+ )?rows? kept out of ")


@dataclass(frozen=True)
class LoadResult:
    """What became of the rows of a load.

    Attributes:
        stored: rows that landed in the table, mended ones included.
        quarantined: rows kept out; they wait in mlguard.quarantine.
        repaired: rows of which at least one value was mended; None for a role that may not read mlguard.change.
        warnings: what the database said, word for word.
    """

    stored: int
    quarantined: int
    repaired: int | None
    warnings: tuple[str, ...] = ()


def read(table: str, target: Target = None) -> pd.DataFrame:
    """Return a guarded table as a frame, through its gate.

    Args:
        table: `schema.table`.
        target: the database.

    Raises:
        SloViolation: the table is held.
        EngineError: the database could not be reached, or the table is not guarded.
    """
    import pandas as pd

    name = _table(table)
    with session(target) as connection, violations():
        view = view_name(name)
        shape = catalog.shapes(connection, [view]).get(view)
        source = view if shape is not None else name
        if shape is None and catalog.shapes(connection, [name]).get(name) is None:
            raise EngineError(f"no table {table} in this database")
        if shape is None:
            connection.execute("select mlguard.assert_ok(%s::regclass)", (name.sql,))
        cursor = connection.execute(f"select * from {source.sql}".encode())
        columns = [column.name for column in cursor.description or ()]
        return pd.DataFrame(cursor.fetchall(), columns=columns)


def load_frame(frame: pd.DataFrame, table: str, target: Target = None) -> LoadResult:
    """Write a frame into a table as one batch (COPY in one transaction).

    Args:
        frame: its columns are the table's, in any order; missing ones take their defaults. NaN, NaT and None in
            columns that are not floats are NULL; in float columns NaN is NULL too, as pandas means it.
        table: `schema.table`.
        target: the database.

    Raises:
        SloViolation: the load was refused; nothing of it is stored.
        PlanError: a column of the frame is not in the table.
        EngineError: the database could not be reached.
    """
    name = _table(table)
    with session(target) as connection, violations():
        shape = catalog.shapes(connection, [name]).get(name)
        if shape is None:
            raise EngineError(f"no table {table} in this database")
        columns = [str(column) for column in frame.columns]
        unknown = [column for column in columns if shape.column(column) is None]
        if unknown:
            raise PlanError(
                f"{table} has no column {', '.join(unknown)}",
                help=f"columns: {', '.join(column.name for column in shape.columns)}",
            )
        said: list[str] = []

        def note(diag: psycopg.errors.Diagnostic) -> None:
            said.append(diag.message_primary or "")

        connection.add_notice_handler(note)
        try:
            with connection.transaction(), connection.cursor() as cursor:
                listed = ", ".join(quote_ident(column) for column in columns)
                with cursor.copy(f"copy {name.sql} ({listed}) from stdin".encode()) as copy:
                    for row in _rows(frame):
                        copy.write_row(row)
                repaired = _repaired(connection, table)
        finally:
            connection.remove_notice_handler(note)
        kept = sum(int(found[1]) for line in said if (found := _KEPT_OUT.match(line)))
        return LoadResult(len(frame) - kept, kept, repaired, tuple(said))


def _repaired(connection: psycopg.Connection[Any], table: str) -> int | None:
    """Count the rows this transaction mended, or None for a user who may not see what was changed."""
    import psycopg

    try:
        with connection.transaction():
            row = connection.execute(
                "select count(distinct c.key) from mlguard.change as c join mlguard.batch as b on b.id = c.batch"
                " where b.tbl = %s and b.opened_at = now()",
                (table,),
            ).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return None
    return int(row[0]) if row else 0


def _rows(frame: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    import pandas as pd

    for row in frame.astype(object).itertuples(index=False, name=None):
        yield tuple(None if pd.api.types.is_scalar(value) and pd.isna(value) else value for value in row)


def _table(text: str) -> TableName:
    try:
        return TableName.parse(text)
    except ValueError as error:
        raise PlanError(f"{text!r} is not a table: {error}") from error
