"""graph and report of a database: held tables are marked, what failed is shown, personal data is not."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import psycopg
import pytest

from mlguard import api
from mlguard.operate.graph import of_database
from mlguard.operate.overview import overview
from tests.support import CUSTOMER, prepare, write
from tests.unit.report.test_page import read

SLOS = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
inputs: [raw.events]
consumers: [churn, "<script>alert(1)</script>"]
columns:
  age: {range: {between: [0, 130], on_violation: quarantine}}
  plan: {in: [free, pro]}
  email: {pii: true, matches: '@', usual: [null_rate]}
slos:
  - {name: half, check: coverage(age) >= 0.5, over: batch, on_violation: hold}
  - {name: longest, check: coverage(email) >= 0.1, over: 1 day}
"""
CHURN = """
mlguard: 1
table: predictions.churn
model: churn
event_time: as_of
features: [features.customer]
when_features_held: allow
columns: {score: {range: [0, 1]}}
"""


@pytest.fixture
def busy(db: str, tmp_path: Path) -> tuple[str, Path]:
    prepare(
        db,
        CUSTOMER + "create schema predictions; create table predictions.churn (score float8, as_of timestamptz)",
    )
    write(tmp_path, SLOS, "customer.slo.yaml")
    slos = write(tmp_path, CHURN, "churn.slo.yaml")
    api.apply(api.load(slos), db)
    prepare(
        db,
        """
insert into features.customer
select n, nullif(n % 3, 0) * 20, 'free', n, 'secret' || n || '@x', now() - interval '2 days'
from generate_series(1, 90) n;
insert into features.customer values (1000, 999, 'free', 1, 'secret1000@x', now());
""",
    )
    for number in (1, 2):
        with pytest.raises(psycopg.errors.CheckViolation):
            prepare(db, f"insert into features.customer values ({2000 + number}, 1, 'gold', 1, 'secret@x', now())")
    nulls = "select 3000 + n, null, 'pro', 1, 'secret@y', now() from generate_series(1, 40) n"
    prepare(db, f"insert into features.customer {nulls}; select mlguard.sweep()")
    return db, slos


def test_the_graph_knows_what_is_held(busy: tuple[str, Path]) -> None:
    dsn, slos = busy
    with psycopg.connect(dsn, autocommit=True) as connection:
        for project in (None, api.load(slos)):
            graph = of_database(connection, project)
            marks = {node.title: node.mark for node in graph.nodes}
            assert marks["features.customer"] == "held"
            assert marks["predictions.churn"] == "ok"
            assert marks["raw.events"] == marks["churn"] == ""
            held = next(node for node in graph.nodes if node.title == "features.customer")
            assert held.lines[0] == "held"
            assert any(line.startswith("age.range: kept out") for line in held.lines)
            (incident,) = [node for node in graph.nodes if node.kind == "incident"]
            assert any(edge.source == incident.id and edge.kind == "incident" for edge in graph.edges)


def test_the_overview_has_all_of_it(busy: tuple[str, Path]) -> None:
    dsn, slos = busy
    with psycopg.connect(dsn, autocommit=True) as connection:
        found = overview(connection, api.load(slos))
    customer = found.tables[0]
    views = {view.status.slo.partition("/")[2]: view for view in customer.slos}
    assert not customer.gate.open
    half = views["half"].series
    assert half is not None
    assert (half.metric, half.points[-1].value, half.points[-1].low) == ("coverage(age)", 0.0, 0.5)
    assert half.points[-1].outcome == "FAIL"
    assert [(row.status, row.rows) for row in customer.kept] == [("waiting", 1)]
    assert [(row.slo.partition("/")[2], row.refused) for row in customer.refused] == [("plan.in", 2)]
    assert [one.name for one in customer.incidents] == ["half"]


def test_from_the_command_line(busy: tuple[str, Path], tmp_path: Path) -> None:
    dsn, slos = busy
    page, picture = tmp_path / "report.html", tmp_path / "graph.svg"
    for verb in (["report", "--out", str(page)], ["graph", "--format", "svg", "--out", str(picture)]):
        subprocess.run(
            [sys.executable, "-m", "mlguard", "--dsn", dsn, "--slos", str(slos), *verb], check=True, capture_output=True
        )
    text = page.read_text(encoding="utf-8")
    reader = read(text)
    shown = "".join(reader.words)
    assert "secret" not in text
    assert "<script" not in text
    for words in ("coverage(age) is 0", "plan.in", "refused 2 times", "Incidents: 1 open", "Quarantine"):
        assert words in shown
    assert "polyline" in reader.tags
    assert ET.parse(picture).getroot().tag.endswith("svg")
