"""How this package asks the database: rows as dataclasses, and refusals in words before anything is asked."""

from __future__ import annotations

from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

from mlguard.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import psycopg

T = TypeVar("T")
MOST_NAMES = 20


def as_rows(connection: psycopg.Connection[Any], kind: type[T], query: str, **parameters: object) -> list[T]:
    """Return the rows of a query as values of a dataclass whose fields are named as its columns."""
    from psycopg.rows import class_row

    with connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query.encode(), parameters).fetchall()


def values(connection: psycopg.Connection[Any], query: str, **parameters: object) -> list[Any]:
    """Return the only column of a query."""
    from psycopg.rows import scalar_row

    with connection.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(query.encode(), parameters).fetchall()


@contextmanager
def pinned(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Look at the database with names resolved in pg_catalog only, so that every name comes qualified."""
    with connection.transaction():
        connection.execute("set local search_path = ''")
        yield


def require_runtime(connection: psycopg.Connection[Any]) -> None:
    """Refuse a database without mlguard, or with one that does not fit this client.

    Raises:
        RuntimeVersionError: schema mlguard is not installed, or client and runtime do not fit each other.
    """
    from mlguard import runtime

    runtime.check_version(connection)


def may_read(connection: psycopg.Connection[Any], *relations: str) -> bool:
    """Say whether this user may read all of some relations of schema mlguard."""
    query = "select bool_and(has_table_privilege('mlguard.' || r.n, 'select')) from unnest(%(names)s::text[]) as r (n)"
    return bool(values(connection, query, names=list(relations))[0])


def guarded_table(connection: psycopg.Connection[Any], table: str) -> str:
    """Return the name of a guarded table.

    Raises:
        PlanError: it is not guarded here; a near name is suggested.
    """
    known = values(connection, "select g.tbl from mlguard.gate as g order by g.tbl")
    if table not in known:
        raise PlanError(f"{table} is not guarded here", help=near(table, known) or listed(known, "guarded"))
    return table


def refuse_unknown(
    connection: psycopg.Connection[Any], *, table: str | None = None, slo: str | None = None, records: str
) -> None:
    """Refuse a table or SLO that is neither in force nor on record: what it lists would be nothing, for want of a name.

    Args:
        connection: the database.
        table: name of a table.
        slo: full id of an SLO, or its name.
        records: the view of schema mlguard that is listed; what is in it was in force once.

    Raises:
        PlanError: nobody has heard of it; a near name is suggested.
    """
    if table is not None and not values(
        connection, f"select 1 from mlguard.{records} as r where r.tbl = %(table)s limit 1", table=table
    ):
        guarded_table(connection, table)
    if slo is not None:
        known = values(connection, "select s.id from mlguard.slo as s order by s.id")
        names = {*known, *(one.partition("/")[2] for one in known)}
        if slo not in names:
            raise PlanError(f"no SLO {slo} is in force here", help=near(slo, names) or listed(known, "in force"))


# A guarded table as a regclass made from its number: a cast from its name would need USAGE on its schema.
REGCLASS = """
select c.oid::regclass
from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname || '.' || c.relname = %(table)s
"""


def near(typed: str, known: Iterable[str]) -> str:
    """Return `did you mean …?` where a name much like the one typed exists, else nothing."""
    meant = get_close_matches(typed, list(known), n=1)
    return f"did you mean {meant[0]}?" if meant else ""


def listed(known: Sequence[str], what: str) -> str:
    """Return the names that do exist, as far as they fit on a line or two."""
    return f"{what}: {', '.join(known[:MOST_NAMES]) or 'none'}{', …' if len(known) > MOST_NAMES else ''}"
