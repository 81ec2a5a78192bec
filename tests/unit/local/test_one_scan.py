"""Row rules and metrics of a file come from one pass over its rows."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from mlguard.local import judge
from tests.support import project

HEAD = """
mlguard: 1
table: f.t
key: [id]
event_time: ts
columns:
  id: {type: bigint, required: true}
  a: {type: integer, range: [0, 1000000]}
  b: {type: double precision, finite: true}
  c: {type: text, in: [x, y, z]}
"""
DIVERTING = """
  d: {type: integer, range: {between: [0, 500], on_violation: quarantine, max_bad: 100%}}
  e: {type: integer, range: {between: [0, 500], on_violation: repair, repair: {clamp: [0, 500]}}}
"""
METRICS = """
slos:
  - {name: more, check: a + id >= 0}
  - {name: rows, check: row_count() > 0, over: OVER}
  - {name: average, check: mean(b) < 1e9 AND sum(a) > 0, over: OVER}
  - {name: spread, check: stddev(b) >= 0, over: OVER}
  - {name: most, check: max(a) < 1000000, where: b > 1, over: OVER}
  - {name: share, check: share(a > b) <= 1, over: OVER}
  - {name: together, check: "correlation(a, b) BETWEEN -1 AND 1", over: OVER}
"""


def scans(folder: Path, text: str) -> list[tuple[str, int]]:
    """Return the queries that were run, each with how often it reads the file."""
    data = folder / "x.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "copy (select i as id, (i % 99)::integer as a, i / 7 as b, ['x', 'y', 'z'][1 + i % 3] as c,"
            " (i % 510)::integer as d, (i % 511)::integer as e, timestamptz '2026-01-01 00:00+00' + to_minutes(i) as ts"
            f" from range(5000) as t (i)) to '{data}'"
        )
    queries: list[str] = []
    report = judge(project(folder, text), {"f.t": data}, trace=queries.append)
    assert report.local is not None
    found = []
    for query in queries:
        if query.startswith(("select", "with")):
            ((_, plan),) = report.local.connection.execute(f"explain {query}").fetchall()
            found.append((query, len(re.findall(r"(?:READ_)?PARQUET(?:_SCAN)?\s", str(plan)))))
    assert not report.having()
    return [(query, count) for query, count in found if "limit 5" not in query]  # the first rows that break a rule


@pytest.mark.parametrize("over", ["batch", "1 day"])
@pytest.mark.parametrize("diverting", ["", DIVERTING], ids=["all rows land", "some are kept out or mended"])
def test_row_rules_and_metrics_share_one_scan(tmp_path: Path, over: str, diverting: str) -> None:
    found = scans(tmp_path, HEAD.rstrip() + diverting.rstrip() + METRICS.replace("OVER", over))
    assert [count for _, count in found] == [1], [query for query, _ in found]
    ((query, _),) = found
    assert query.count("sum(case when") > 8


def test_what_needs_a_grouping_of_its_own_is_a_scan_of_its_own(tmp_path: Path) -> None:
    text = HEAD + (
        "slos:\n  - {name: distinct, check: distinct_count(c) >= 3, over: batch}\n"
        "  - {name: middle, check: median(b) > 0, over: batch}\n  - {name: rows, check: row_count() > 0, over: batch}\n"
    )
    assert [count for _, count in scans(tmp_path, text)] == [1, 1, 1]
