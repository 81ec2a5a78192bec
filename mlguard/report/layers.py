"""Where the nodes of a directed graph stand when it is drawn in layers, from left to right. Pure.

After Sugiyama, Tagawa and Toda 1981: edges that close a circle are turned, each node stands one layer after the last of
those before it, and layers are ordered by the mean place of their neighbours, to and fro, keeping what crosses least.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

SWEEPS = 12


def layered(nodes: Sequence[str], edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Return the layers, each from top to bottom."""
    forward = _without_circles(nodes, edges)
    rank = _ranks(nodes, forward)
    layers: list[list[str]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for node in nodes:
        layers[rank[node]].append(node)
    best, least = layers, _crossings(layers, forward)
    for sweep in range(SWEEPS):
        layers = _ordered([list(layer) for layer in layers], forward, down=sweep % 2 == 0)
        crossings = _crossings(layers, forward)
        if crossings < least:
            best, least = layers, crossings
    return best


def _without_circles(nodes: Sequence[str], edges: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Turn each edge that leads back to a node on the way to it; an edge to itself is left out."""
    following: dict[str, list[str]] = {node: [] for node in nodes}
    for source, target in edges:
        following[source].append(target)
    done: set[str] = set()
    kept: list[tuple[str, str]] = []
    for root in nodes:
        if root in done:
            continue
        way, waiting = {root}, [(root, iter(following[root]))]
        while waiting:
            node, rest = waiting[-1]
            for after in rest:
                if after in way:
                    kept += [(after, node)] if after != node else []
                    continue
                kept.append((node, after))
                if after not in done:
                    way.add(after)
                    waiting.append((after, iter(following[after])))
                    break
            else:
                waiting.pop()
                way.discard(node)
                done.add(node)
    return kept


def _ranks(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return the length of the longest way to each node; one that nothing leads to stands next to what it feeds."""
    rank = dict.fromkeys(nodes, 0)
    for _ in nodes:
        moved = False
        for source, target in edges:
            if rank[target] < rank[source] + 1:
                rank[target], moved = rank[source] + 1, True
        if not moved:
            break
    fed = {target for _, target in edges}
    for node in nodes:
        targets = [rank[target] for source, target in edges if source == node]
        if node not in fed and targets:
            rank[node] = min(targets) - 1
    return rank


def _ordered(layers: list[list[str]], edges: Sequence[tuple[str, str]], *, down: bool) -> list[list[str]]:
    place = {node: index for layer in layers for index, node in enumerate(layer)}
    near: dict[str, list[str]] = {node: [] for node in place}
    for source, target in edges:
        near[target if down else source].append(source if down else target)
    for layer in layers if down else reversed(layers):
        layer.sort(key=lambda node: _mean(place, near[node], place[node]))
        place |= {node: index for index, node in enumerate(layer)}
    return layers


def _mean(place: Mapping[str, int], near: Sequence[str], own: int) -> float:
    return sum(place[node] for node in near) / len(near) if near else float(own)


def _crossings(layers: Sequence[Sequence[str]], edges: Sequence[tuple[str, str]]) -> int:
    rank = {node: number for number, layer in enumerate(layers) for node in layer}
    place = {node: index for layer in layers for index, node in enumerate(layer)}
    ends = [(rank[source], rank[target], place[source], place[target]) for source, target in edges]
    return sum(
        (a[2] - b[2]) * (a[3] - b[3]) < 0
        for index, a in enumerate(ends)
        for b in ends[:index]
        if a[0] == b[0] and a[1] == b[1]
    )
