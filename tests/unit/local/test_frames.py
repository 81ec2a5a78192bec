"""Frames of polars, Arrow and pandas, and files behind URIs: the same verdicts as of a file, read where they lie."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

import mlguard
from mlguard.errors import PlanError
from mlguard.local import judge
from mlguard.report.verdict import Outcome
from tests.support import project

SLOS = """
mlguard: 1
table: f.t
key: [id]
columns:
  id: {type: bigint, unique: true}
  plan: {type: text, in: [free, pro]}
  price: {type: 'numeric(10,2)', range: [0, 100]}
  score: {type: double precision, finite: true}
  seen: {type: timestamptz, required: true}
  day: {type: date}
  tags: {type: 'text[]', array_length: 2}
  payload: {type: jsonb}
slos:
  - {name: known, check: "payload ->> 'a' IS NOT NULL"}
  - {name: average, check: mean(score) <= 1, over: batch, min_rows: 1}
  - {name: kinds, check: distinct_count(plan) = 3, over: batch, min_rows: 1}
"""
COLUMNS: dict[str, list[Any]] = {
    "id": [1, 2, 3, 3],
    "plan": ["free", "pro", "gold", None],
    "price": [Decimal("1.50"), Decimal("-2.00"), None, Decimal("99.99")],
    "score": [0.5, float("nan"), float("inf"), None],
    "seen": [
        pd.Timestamp("2026-01-01T00:00Z"),
        pd.Timestamp("2026-06-01T12:00Z"),
        None,
        pd.Timestamp("2026-01-02T00:00Z"),
    ],
    "day": [pd.Timestamp("2026-01-01").date(), None, pd.Timestamp("2026-02-03").date(), None],
    "tags": [["a", "b"], ["a"], [], None],
    "payload": [{"a": 1}, {"a": None}, {"a": 3}, None],
}
FAILING = {
    "id.unique": 1, "plan.in": 1, "price.range": 1, "score.finite": 2, "seen.required": 1, "tags.array_length": 2,
    "known": 2, "average": None,
}  # fmt: skip


def table() -> pa.Table:
    moments = [moment and moment.to_pydatetime() for moment in COLUMNS["seen"]]
    return pa.table({**COLUMNS, "seen": pa.array(moments, pa.timestamp("us", "UTC"))})


def failing(folder: Path, data: Any) -> dict[str, int | None]:
    report = judge(project(folder, SLOS), {"f.t": data})
    assert not report.having(Outcome.ERROR, Outcome.INSUFFICIENT)
    return {verdict.name: verdict.bad for verdict in report.having(Outcome.FAIL)}


def batches(found: pa.Table) -> pa.RecordBatchReader:
    return found.to_reader(max_chunksize=1)


def with_dictionary(found: pa.Table) -> pa.Table:
    return found.set_column(1, "plan", found["plan"].dictionary_encode())


def as_it_is(found: pa.Table) -> pa.Table:
    return found


def in_pandas(found: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = found.to_pandas()
    return frame


ARROW: dict[str, Callable[[pa.Table], Any]] = {
    "table": as_it_is, "dictionaries": with_dictionary, "pandas": in_pandas,
}  # fmt: skip


@pytest.mark.parametrize("kind", ARROW)
def test_arrow_and_pandas(tmp_path: Path, kind: str) -> None:
    wanted = FAILING | {"score.finite": 1} if kind == "pandas" else FAILING  # where NaN stands for what is missing
    assert failing(tmp_path, ARROW[kind](table())) == wanted


@pytest.mark.parametrize("kind", ["frame", "lazy", "categories", "narrow integers"])
def test_polars(tmp_path: Path, kind: str) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.from_arrow(table())
    if kind == "lazy":
        frame = frame.lazy()
    if kind == "categories":
        frame = frame.with_columns(polars.col("plan").cast(polars.Categorical))
    if kind == "narrow integers":
        frame = frame.with_columns(polars.col("id").cast(polars.Int32))
    assert failing(tmp_path, frame) == FAILING


def test_a_lazy_frame_is_collected_once_with_only_its_own_rows(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    read: list[int] = []

    def counting(found: Any) -> Any:
        read.append(1)
        return found

    lazy = polars.from_arrow(table()).lazy().map_batches(counting)
    report = mlguard.check(lazy, "f.t", slo=project(tmp_path, SLOS))
    assert (report.holds, read) == (False, [1])


def test_frames_are_read_where_they_lie(tmp_path: Path) -> None:
    """A million rows of 8 columns take 64 MB; judging them must not take as much again in Arrow's own memory."""
    big = pa.table({"id": pa.array(range(1_000_000)), **{f"c{n}": pa.array([1.0] * 1_000_000) for n in range(7)}})
    text = "mlguard: 1\ntable: f.t\ncolumns:\n" + "".join(f"  c{n}: {{range: [0, 2]}}\n" for n in range(7))
    before = pa.total_allocated_bytes()
    pool = pa.default_memory_pool()
    report = judge(project(tmp_path, text), {"f.t": big})
    assert report.holds
    assert pool.bytes_allocated() - before < 8_000_000


def test_a_reader_that_can_be_read_once_only_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="can be read once only") as caught:
        judge(project(tmp_path, SLOS), {"f.t": batches(table())})
    assert "read_all()" in str(caught.value)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the files of a folder over HTTP."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def has_httpfs() -> bool:
    try:
        duckdb.connect().execute("load httpfs")
    except duckdb.Error:
        return False
    return True


def test_files_behind_a_uri(tmp_path: Path) -> None:
    """With DuckDB's extension they are judged; without it, and without a network to fetch it from, that is said."""
    found = table()
    connection = duckdb.connect()
    connection.register("found", found)
    connection.execute(
        f"copy (select * replace (to_json(payload) as payload) from found) to '{tmp_path / 'x.parquet'}'"
    )
    with served(tmp_path) as address:
        uri = f"{address}/x.parquet"
        if has_httpfs():
            assert failing(tmp_path, uri) == FAILING
            with pytest.raises(PlanError, match=r"nothing\.parquet cannot be read as f\.t"):
                judge(project(tmp_path, SLOS), {"f.t": f"{address}/nothing.parquet"})
            return
        with pytest.raises(PlanError, match=r"DuckDB reads it with its extension httpfs") as caught:
            judge(project(tmp_path, SLOS), {"f.t": uri})
        assert "install httpfs" in str(caught.value)
        assert uri in str(caught.value)
