"""A baseline from a Parquet or CSV file: the edges and counts that the runtime computes of a table, on DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlguard.errors import EngineError, PlanError
from mlguard.learn.distance import decile_ranks, edges_from
from mlguard.names import quote_ident

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb

    from mlguard.operate.baseline import Compared

MOST = 1000  # categories that are kept by name
GREATEST = 1e140  # magnitudes beyond are taken for infinite, as in states
LONGEST, KEPT, HASH = 200, 180, 16  # characters: of a category, of the beginning of a longer one, of a hash
READERS = {".parquet": "read_parquet({})", ".csv": "read_csv({}, all_varchar = true, header = true)"}


def counted(path: Path, columns: Sequence[Compared]) -> list[dict[str, Any]]:
    """Return what mlguard.keep_baseline() takes.

    Args:
        path: a .parquet or .csv file; in CSV an empty field is NULL.
        columns: what is wanted; columns the file lacks are left out.

    Raises:
        PlanError: the file does not exist, is of another kind, lacks every column, or holds text where numbers belong.
        EngineError: DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError:
        raise EngineError(
            "reading files needs DuckDB, which is not installed", help="pip install 'mlguard-db[local]'"
        ) from None
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise PlanError(f"{path} is neither .parquet nor .csv", help="convert it, or load it into a table")
    if not path.exists():
        raise PlanError(f"there is no file {path}")
    with duckdb.connect() as engine:
        try:
            engine.execute(f"create temp view given as select * from {reader.format(_text(str(path)))}")
            names = [name for name, *_ in engine.execute("select * from given limit 0").description or ()]
            found = [part for column in columns if column.column in names for part in _column(engine, path, column)]
        except duckdb.Error as error:
            raise PlanError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if columns and not any(column.column in names for column in columns):
        wanted = ", ".join(column.column for column in columns)
        raise PlanError(f"{path} has none of the columns that SLOs compare", help=f"they are {wanted}")
    return found


def _column(engine: duckdb.DuckDBPyConnection, path: Path, column: Compared) -> list[dict[str, Any]]:
    return [
        *([_bins(engine, path, column)] if column.in_bins else []),
        *([_categories(engine, column)] if column.in_values else []),
    ]


def _bins(engine: duckdb.DuckDBPyConnection, path: Path, column: Compared) -> dict[str, Any]:
    cell = quote_ident(column.column)
    number = f"try_cast({cell} as double)"
    odd = _one(engine, f"select count(*) from given where {cell} is not null and {number} is null")
    if odd:
        raise PlanError(f"column {column.column} of {path} holds {odd} values that are no numbers")
    listed = "".join(f" or {number} = {float(text)!r}" for text in column.missing if text.lower() != "nan")
    amount = (
        f"case when isnan({number}){listed} then null"
        f" when abs({number}) > {GREATEST!r} then sign({number}) * 'inf'::double else {number} end"
    )
    engine.execute(f"create or replace temp table cells as select {amount} as x from given")
    rows, n, least = engine.execute("select count(*), count(x), min(x) from cells").fetchall()[0]
    edges: tuple[float, ...] = ()
    if n:
        ranks = decile_ranks(n)
        ordered = "select x, row_number() over (order by x) as place from cells where x is not null"
        at = f"select place, x from ({ordered}) where place in ({', '.join(map(str, sorted(set(ranks))))})"
        values = dict(engine.execute(at).fetchall())
        edges = edges_from([values[rank] for rank in ranks], least)
    steps = " ".join(f"when x <= ? then {place}" for place in range(len(edges)))
    bin_ = f"case {steps} else {len(edges)} end" if edges else "0"
    counts = dict(
        engine.execute(f"select {bin_}, count(*) from cells where x is not null group by 1", list(edges)).fetchall()
    )
    return {
        "column_name": column.column,
        "key": f"bins({column.spelled})",
        "kind": "number",
        "edges": [repr(edge) for edge in edges],  # JSON has no Infinity
        "counts": [counts.get(place, 0) for place in range(len(edges) + 1)],
        "n": n,
        "missing": rows - n,
    }


def _categories(engine: duckdb.DuckDBPyConnection, column: Compared) -> dict[str, Any]:
    cell = quote_ident(column.column)
    text = f"cast(try_cast({cell} as bigint) as varchar)" if column.number else f"cast({cell} as varchar)"
    hashed = f"left(md5({text}), {HASH})"
    cut = f"case when length({text}) > {LONGEST} then left({text}, {KEPT}) || ' ' || {hashed} else {text} end"
    shown = hashed if column.pii else cut
    present = "".join(f" and {text} <> {_text(missing)}" for missing in column.missing)
    engine.execute(
        f"create or replace temp table cells as select {shown} as name, count(*) as n from given"
        f" where {text} is not null{present} group by 1"
    )
    n = _one(engine, "select coalesce(sum(n), 0) from cells")
    kept = dict(engine.execute(f"select name, n from cells order by n desc, name limit {MOST}").fetchall())
    return {
        "column_name": column.column,
        "key": f"values({column.spelled})",
        "kind": "category",
        "categories": kept,
        "other": n - sum(kept.values()),
        "n": n,
        "missing": _one(engine, "select count(*) from given") - n,
    }


def _one(engine: duckdb.DuckDBPyConnection, query: str) -> int:
    row = engine.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def _text(value: str) -> str:
    """Return a DuckDB string constant; backslashes mean nothing in one."""
    return "'" + value.replace("'", "''") + "'"
