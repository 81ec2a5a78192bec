"""A graph of tables, models and incidents as Mermaid text, for Markdown pages that draw it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlguard.report.columns import one_line

if TYPE_CHECKING:
    from mlguard.operate.graph import Graph, Node

SHAPES = {
    "input": ("[(", ")]"),
    "table": ("[", "]"),
    "predictions": ("[", "]"),
    "model": ("([", "])"),
    "consumer": ("(", ")"),
    "incident": ("{{", "}}"),
}
ARROWS = {"data": "-->", "joined": "-.->", "incident": "==>"}
CLASSES = """\
  classDef held fill:#fde8e8,stroke:#b42318,stroke-width:3px,color:#5c1310
  classDef bad fill:#fff4e0,stroke:#b54708,color:#5c3310
  classDef ok fill:#e8f5ec,stroke:#1a7f45,color:#0d3d22"""


def render(graph: Graph) -> str:
    """Return a flowchart; what stands in names is written so that Mermaid takes it for text."""
    numbers = {node.id: f"n{place}" for place, node in enumerate(graph.nodes, 1)}
    lines = ["flowchart LR"]
    lines += [f"  {numbers[node.id]}{_box(node)}" for node in graph.nodes]
    lines += [f"  {numbers[edge.source]} {ARROWS[edge.kind]} {numbers[edge.target]}" for edge in graph.edges]
    if any(node.mark for node in graph.nodes):
        lines.append(CLASSES)
    for mark in ("held", "bad", "ok"):
        marked = [numbers[node.id] for node in graph.nodes if node.mark == mark]
        if marked:
            lines.append(f"  class {','.join(marked)} {mark}")
    return "\n".join(lines)


def _box(node: Node) -> str:
    opening, closing = SHAPES[node.kind]
    words = "<br>".join([f"<b>{escaped(node.title)}</b>", *(escaped(line) for line in node.lines)])
    return f'{opening}"{words}"{closing}'


def escaped(text: str) -> str:
    """Return text in which every sign that Mermaid or HTML could read is written by its number (`#35;`)."""
    return "".join(sign if sign.isalnum() or sign in " .,:_-" else f"#{ord(sign)};" for sign in one_line(text))
