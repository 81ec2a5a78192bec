"""What mlguard does at COMMIT beyond judging what was written is never the writer's risk."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg

from mlguard import api
from tests.support import prepare, project, query

TABLE = "create schema f; create table f.t (id bigint, at timestamptz, score double precision);"
SLOS = """
mlguard: 1
table: f.t
event_time: at
slos:
  - {name: mean, check: mean(score) <= 1, over: 1 day, min_rows: 1}
"""
LOAD = "insert into f.t select i, '2026-01-01+00', 1 from generate_series(1, 2000) i"


def test_a_timeout_ends_the_judgement_of_windows_and_not_the_load(pg: str, tmp_path: Path) -> None:
    # PostgreSQL lets no statement_timeout end a COMMIT; SET CONSTRAINTS, and publish() by it, judge before that.
    prepare(pg, TABLE)
    api.apply(project(tmp_path, SLOS), pg)
    [(verdict,)] = query(pg, "select pg_get_functiondef('mlguard.\"verdict f.t/mean\"'::regproc)")
    slow = str(verdict).replace("\nbegin\n", "\nbegin\n  perform pg_sleep(20);\n")
    assert slow != verdict
    prepare(pg, slow)
    with psycopg.connect(pg) as writer:
        writer.execute("set statement_timeout = '2s'")
        writer.execute(LOAD.encode())
        began = time.monotonic()
        writer.execute("set constraints all immediate")
        writer.commit()
        assert 1 < time.monotonic() - began < 15, "the window was being judged"
    assert query(pg, "select count(*) from f.t") == [(2000,)]
    assert query(pg, "select count(*) from mlguard.verdict") == [(0,)]
    prepare(pg, str(verdict))
    prepare(pg, "select mlguard.sweep()")
    assert query(pg, "select outcome, n from mlguard.verdict where n > 0") == [("PASS", 2000)]
