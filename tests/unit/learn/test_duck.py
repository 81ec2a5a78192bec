"""Samples that DuckDB takes."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np
import pytest

from mlguard.learn import chosen_positions
from mlguard.learn.duck import kinds_of, sample_of


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def test_kinds_values_and_order(connection: duckdb.DuckDBPyConnection) -> None:
    relation = connection.sql(
        """select * from (values (1, 1.5::decimal(4, 1), 'a', true, date '2024-01-31', 'nan'::float),
                                 (2, null, null, false, null, null),
                                 (null, 7.0, '', null, null, 2.0)) as t(i, d, "a b", yes, "day", position)"""
    )
    assert list(kinds_of(relation).values()) == ["number", "number", "text", "text", "text", "number"]
    sample = sample_of(relation, slot=3)
    assert (sample.n, sample.k, sample.slot) == (3, 3, 3)
    assert sample.positions is not None
    assert sample.positions.tolist() == [0, 1, 2]
    assert sample.columns["i"][:2].tolist() == [1, 2]
    assert np.isnan(sample.columns["i"][2])
    assert sample.columns["d"][[0, 2]].tolist() == [1.5, 7]
    assert sample.columns["a b"].tolist() == ["a", None, ""]
    assert sample.columns["yes"].tolist() == ["true", "false", None]
    assert sample.columns["day"].tolist() == ["2024-01-31", None, None]
    assert np.isnan(sample.columns["position"]).tolist() == [True, True, False]


def test_large_relations_are_sampled_at_the_same_places_every_time(connection: duckdb.DuckDBPyConnection) -> None:
    relation = connection.sql("select i as v, 'x' || i as t from range(30000) as r(i)")
    first, second = sample_of(relation), sample_of(relation)
    assert first.n == 30_000
    assert first.columns["v"].tolist() == second.columns["v"].tolist() == chosen_positions(30_000).tolist()
    assert first.columns["t"][5] == f"x{int(first.columns['v'][5])}", "rows stay whole"
    assert sample_of(relation, ordered=False).positions is None


def test_kinds_may_be_told(connection: duckdb.DuckDBPyConnection) -> None:
    relation = connection.sql("select null as a, 5 as b")
    sample = sample_of(relation, kinds={"a": "text", "b": "text"})
    assert sample.columns["a"].tolist() == [None]
    assert sample.columns["b"].tolist() == ["5"]


def test_no_rows(connection: duckdb.DuckDBPyConnection) -> None:
    sample = sample_of(connection.sql("select 1 as a, 'x' as b where false"))
    assert (sample.n, sample.k) == (0, 0)
