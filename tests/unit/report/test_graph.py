"""Pictures of tables and models: where boxes stand, and that names are text whatever they hold."""

from __future__ import annotations

import itertools
import random
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from mlguard import api
from mlguard.operate.graph import Edge, Graph, Node, of_files
from mlguard.report import graph_mermaid, graph_svg
from mlguard.report.layers import layered
from tests.fuzz import hostile
from tests.support import write

CUSTOMER = """
mlguard: 1
table: features.customer
inputs: [raw.events]
consumers: [churn, ltv]
columns: {age: {type: integer, range: {between: [0, 130], on_violation: quarantine}}, plan: {type: text, in: [a]}}
"""
CHURN = """
mlguard: 1
table: predictions.churn
model: churn
event_time: as_of
features: [features.customer]
labels: {table: labels.churn, on: [customer_id], value: churned}
consumers: [crm]
columns: {score: {type: double precision, range: [0, 1]}, as_of: {type: timestamptz}}
"""


@pytest.fixture
def graph(tmp_path: Path) -> Graph:
    write(tmp_path, CUSTOMER, "customer.slo.yaml")
    return of_files(api.load(write(tmp_path, CHURN, "churn.slo.yaml")))


def test_files_alone(graph: Graph) -> None:
    kinds = {node.title: node.kind for node in graph.nodes}
    assert kinds == {
        "features.customer": "table",
        "predictions.churn": "predictions",
        "raw.events": "input",
        "labels.churn": "input",
        "churn": "model",
        "ltv": "consumer",
        "crm": "consumer",
    }
    assert {(edge.source, edge.target, edge.kind) for edge in graph.edges} == {
        ("table:raw.events", "table:features.customer", "data"),
        ("table:features.customer", "model:churn", "data"),
        ("table:features.customer", "consumer:ltv", "data"),
        ("model:churn", "table:predictions.churn", "data"),
        ("table:labels.churn", "table:predictions.churn", "joined"),
        ("table:predictions.churn", "consumer:crm", "data"),
    }
    customer = next(node for node in graph.nodes if node.title == "features.customer")
    assert customer.lines == ("2 SLOs: 1 reject, 1 quarantine",)
    assert not graph.with_state


def test_layers_lead_forward_and_circles_end() -> None:
    assert layered(["c", "b", "a"], [("a", "b"), ("b", "c")]) == [["a"], ["b"], ["c"]]
    assert layered(["a", "b"], [("a", "b"), ("b", "a"), ("a", "a")]) == [["a"], ["b"]]
    assert layered(["a", "b", "l"], [("a", "b"), ("b", "c"), ("l", "c")][:1]) == [["a", "l"], ["b"]]
    # Without a change of order the two edges cross.
    first, second = layered(["a", "b", "c", "d"], [("a", "d"), ("b", "c")])
    assert first.index("a") - first.index("b") == second.index("d") - second.index("c")


def test_a_source_stands_next_to_what_it_feeds() -> None:
    layers = layered(["a", "b", "c", "late"], [("a", "b"), ("b", "c"), ("late", "c")])
    assert [sorted(layer) for layer in layers] == [["a"], ["b", "late"], ["c"]]


def random_graph(chance: random.Random) -> Graph:
    nodes = tuple(
        Node(
            f"n{number}",
            chance.choice(list(graph_svg.WORDS)),
            hostile.text(chance) or "x",
            tuple(hostile.text(chance) for _ in range(chance.randint(0, 3))),
            chance.choice(["", "held", "bad", "ok"]),
        )
        for number in range(chance.randint(1, 14))
    )
    ids = [node.id for node in nodes]
    kinds = ["data", "joined", "incident"]
    edges = {Edge(chance.choice(ids), chance.choice(ids), chance.choice(kinds)) for _ in range(chance.randint(0, 25))}
    return Graph(nodes, tuple(sorted(edges, key=str)), with_state=True)


@pytest.mark.parametrize("seed", range(40))
def test_any_graph_is_a_picture_without_overlap(seed: int) -> None:
    graph = random_graph(random.Random(seed))
    root = ET.fromstring(graph_svg.render(graph))
    names = {element.tag.removeprefix("{http://www.w3.org/2000/svg}") for element in root.iter()}
    assert names <= {"svg", "style", "defs", "marker", "path", "rect", "g", "title", "text"}
    assert all(not key.startswith("on") and "href" not in key for element in root.iter() for key in element.attrib)
    boxes = graph_svg.placed(graph)
    assert len(boxes) == len(graph.nodes)
    for one, other in itertools.combinations(boxes.values(), 2):
        apart = (
            one.x + one.width <= other.x
            or other.x + other.width <= one.x
            or one.y + one.height <= other.y
            or other.y + other.height <= one.y
        )
        assert apart


@pytest.mark.parametrize("seed", range(40))
def test_any_name_is_text_for_mermaid(seed: int) -> None:
    graph = random_graph(random.Random(seed))
    lines = graph_mermaid.render(graph).split("\n")
    assert lines[0] == "flowchart LR"
    assert len([line for line in lines if '"]' in line or '")' in line or '"}' in line]) == len(graph.nodes)
    for line in lines[1:]:
        label = line.partition('"')[2].rpartition('"')[0]
        words = label.replace("<b>", "").replace("</b>", "").replace("<br>", "")
        assert not set(words) & set("\"<>'`()[]{}|&\\")


def test_held_tables_are_marked() -> None:
    graph = Graph((Node("t", "table", "a.b", ("held",), "held"),), (), with_state=True)
    assert "  class n1 held" in graph_mermaid.render(graph)
    assert '<g class="table held">' in graph_svg.render(graph)
