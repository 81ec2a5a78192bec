"""A graph of tables, models and incidents as one SVG picture, light or dark as the reader's page is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from mlguard.report.columns import one_line, width
from mlguard.report.layers import layered

if TYPE_CHECKING:
    from mlguard.operate.graph import Edge, Graph, Node

LINE, PAD, GAP, BETWEEN, MARGIN = 17, 10, 22, 70, 16  # pixels
LETTER = 7.1  # pixels of a letter at 12px
LONGEST = 44  # letters of a line that are shown
ROUND = {"model": 18, "consumer": 10, "incident": 2}
RULES = """\
.mlg .paper{fill:%(paper)s}.mlg text{fill:%(ink)s}.mlg .dim{fill:%(dim)s}.mlg rect.box{fill:%(box)s;stroke:%(edge)s}
.mlg path{stroke:%(edge)s}.mlg .tip{fill:%(edge)s}.mlg path.incident{stroke:%(bad)s}
.mlg .held rect.box{fill:%(held_box)s;stroke:%(held)s;stroke-width:3}.mlg .held .word{fill:%(held)s;font-weight:600}
.mlg .bad rect.box{fill:%(bad_box)s;stroke:%(bad)s}.mlg .ok rect.box{fill:%(ok_box)s;stroke:%(ok)s}"""
SHAPES = """\
.mlg{font:12px system-ui,sans-serif}.mlg .name{font-weight:600}.mlg path{fill:none;stroke-width:1.3}
.mlg .joined{stroke-dasharray:4 4}.mlg path.incident{stroke-dasharray:2 3}.mlg .model rect.box{stroke-width:2}
.mlg .input rect.box{stroke-dasharray:3 3}"""
LIGHT = {
    "ink": "#1c2430", "dim": "#5b6675", "paper": "#fff", "box": "#f4f6f9", "edge": "#8a95a5", "held": "#b42318",
    "held_box": "#fde8e8", "bad": "#b54708", "bad_box": "#fff4e0", "ok": "#1a7f45", "ok_box": "#e8f5ec",
}  # fmt: skip
DARK = {
    "ink": "#e6eaf0", "dim": "#9aa5b4", "paper": "#14181f", "box": "#1e242d", "edge": "#6c7888", "held": "#ff7b72",
    "held_box": "#3d1a1a", "bad": "#f0a35e", "bad_box": "#3a2a14", "ok": "#56c98a", "ok_box": "#14301f",
}  # fmt: skip
# Written out for each palette: many programs that show SVG know no variables of CSS.
STYLE = f"{SHAPES}\n{RULES % LIGHT}\n@media (prefers-color-scheme:dark){{\n{RULES % DARK}\n}}"
WORDS = {
    "input": "input",
    "table": "table",
    "predictions": "predictions",
    "model": "model",
    "consumer": "consumer",
    "incident": "",
}


@dataclass(frozen=True)
class Box:
    """Where a node stands, in pixels from the upper left corner."""

    x: float
    y: float
    width: float
    height: float


def render(graph: Graph) -> str:
    """Return the picture; nothing in it is fetched from elsewhere, and names are text whatever they hold."""
    boxes = placed(graph)
    right = max((box.x + box.width for box in boxes.values()), default=200) + MARGIN
    bottom = max((box.y + box.height for box in boxes.values()), default=60) + MARGIN
    size = (round(right), round(bottom))
    wide = f'width="{size[0]}" height="{size[1]}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="mlg" viewBox="0 0 {size[0]} {size[1]}" {wide} role="img"',
        f'aria-label="{_aria(graph)}">',
        f"<style>{STYLE}</style>",
        '<defs><marker id="mlg-tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7"',
        'orient="auto">',
        '<path class="tip" d="M0 0 8 4 0 8z"/></marker></defs>',
        f'<rect class="paper" {wide}/>',
    ]
    parts += [_line(edge, boxes) for edge in graph.edges]
    parts += [_node(node, boxes[node.id]) for node in graph.nodes]
    if not graph.nodes:
        parts.append(f'<text x="{MARGIN}" y="{MARGIN + LINE}">no table is guarded</text>')
    return "\n".join([*parts, "</svg>"])


def placed(graph: Graph) -> dict[str, Box]:
    """Return the place of every node; no two overlap."""
    nodes = {node.id: node for node in graph.nodes}
    layers = layered(list(nodes), [(edge.source, edge.target) for edge in graph.edges])
    heights = [sum(_height(nodes[name]) + GAP for name in layer) - GAP for layer in layers]
    tallest = max(heights, default=0)
    boxes: dict[str, Box] = {}
    x = float(MARGIN)
    for layer, height in zip(layers, heights, strict=True):
        widest = max(_width(nodes[name]) for name in layer)
        y = MARGIN + (tallest - height) / 2
        for name in layer:
            boxes[name] = Box(x, y, widest, _height(nodes[name]))
            y += _height(nodes[name]) + GAP
        x += widest + BETWEEN
    return boxes


def _texts(node: Node) -> list[str]:
    return [_cut(line) for line in (node.title, *node.lines)]


def _cut(text: str) -> str:
    flat = one_line(text)
    return flat if len(flat) <= LONGEST else flat[: LONGEST - 1] + "…"


def _width(node: Node) -> float:
    return max([*(width(line) for line in _texts(node)), 10]) * LETTER + 2 * PAD


def _height(node: Node) -> float:
    return (len(_texts(node)) + bool(WORDS[node.kind])) * LINE + 2 * PAD - 4


def _node(node: Node, box: Box) -> str:
    texts = _texts(node)
    x, y = box.x + PAD, box.y + PAD + 9
    lines = []
    if WORDS[node.kind]:
        lines.append(f'<text class="dim" x="{x:.1f}" y="{y:.1f}">{WORDS[node.kind]}</text>')
        y += LINE
    for place, text in enumerate(texts):
        kind = "name" if place == 0 else "word" if place == 1 else "dim"
        lines.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>')
        y += LINE
    return "\n".join(
        [
            f'<g class="{node.kind} {node.mark}"><title>{escape(one_line(node.title))}</title>',
            f'<rect class="box" x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"',
            f'rx="{ROUND.get(node.kind, 4)}"/>',
            *lines,
            "</g>",
        ]
    )


def _line(edge: Edge, boxes: dict[str, Box]) -> str:
    source, target = boxes[edge.source], boxes[edge.target]
    x1, y1 = source.x + source.width, source.y + source.height / 2
    x2, y2 = target.x, target.y + target.height / 2
    bend = max((x2 - x1) / 2, 40)
    curve = f"M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    return f'<path class="{edge.kind}" d="{curve}" marker-end="url(#mlg-tip)"/>'


def _aria(graph: Graph) -> str:
    held = [node.title for node in graph.nodes if node.mark == "held"]
    words = f"{len(graph.nodes)} tables, models and consumers"
    return escape(one_line(f"{words}; held: {', '.join(held)}" if held else words), quote=True)
