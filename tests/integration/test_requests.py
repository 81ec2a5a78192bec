"""Steps over the rows of a request: judged at COMMIT, over all rows of the requests that the transaction touched."""

from __future__ import annotations

import io
from pathlib import Path

import psycopg
import pytest

from mlguard import api
from tests.support import prepare, project, query

TABLE = """
create schema p;
create table p.offers (
  id bigint primary key, request_id bigint, item text, score double precision, raw_score double precision,
  at timestamptz default now());
create index on p.offers (request_id);
"""
HEAD = "mlguard: 1\ntable: p.offers\nmodel: ranker\nkey: [id]\nreads: view\nevent_time: at\n"
TOP = "post:\n  - {name: best, top_k: {k: 2, by: [request_id], order: score}}\n"
ONCE = "post:\n  - {name: once, dedupe: {by: [request_id, item], order: score}}\n"
SUMS = "post:\n  - {name: shares, normalise: {columns: score, by: [request_id]}}\n"
RAW = "raw: {score: raw_score}\n"
ALL = SUMS + ONCE.removeprefix("post:\n") + TOP.removeprefix("post:\n")


def guard(dsn: str, folder: Path, text: str, table: str = TABLE, head: str = HEAD) -> None:
    prepare(dsn, table)
    api.apply(project(folder, head + text), dsn)


def offers(*rows: tuple[object, ...], rest: str = "") -> str:
    values = ", ".join(
        f"({', '.join('null' if item is None else repr(item) for item in row)})" for row in rows
    )
    return f"insert into p.offers (id, request_id, item, score) values {values} {rest}"


def ids(dsn: str) -> list[object]:
    return [row[0] for row in query(dsn, "select id from p.offers order by id")]


def left_over(dsn: str) -> list[tuple[object, ...]]:
    return query(dsn, "select (select count(*) from mlguard._request), (select count(*) from mlguard._acting)")


def test_top_k_keeps_the_best_and_logs_the_rest(pg: str, tmp_path: Path) -> None:
    guard(pg, tmp_path, TOP)
    rows = [(1, 7, "a", 0.5), (2, 7, "b", 0.9), (3, 7, "c", 0.7), (4, 7, "d", None), (5, 7, "e", "NaN"), (6, 8, "a", 0.1)]
    prepare(pg, offers(*rows))
    assert ids(pg) == [2, 3, 6]
    assert query(pg, "select key, column_name, old, new, rule, version from mlguard.change order by id") == [
        ({"id": 1}, "score", 0.5, None, "p.offers/post.best", 1),
        ({"id": 4}, "score", None, None, "p.offers/post.best", 1),
        ({"id": 5}, "score", "NaN", None, "p.offers/post.best", 1),
    ]
    assert left_over(pg) == [(0, 0)]
