"""Sums by score, bin or group as one: the twins of the runtime's _sum_arrays and _sum_tallies (0024). Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from mlguard.emit.tallies import MOST_GROUPS, MOST_SCORES

SMALL = "*"  # the name of the groups that are pooled
Sums = list[float]


def sum_arrays(parts: Sequence[Sums]) -> Sums:
    """Add arrays of numbers, place by place."""
    return [math.fsum(places) for places in zip(*parts, strict=True)]


def sum_tallies(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Add tallies name by name."""
    return {"c": _added([part["c"] for part in parts])}


def sum_scores(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Add tallies by score; too many different ones are rounded."""
    rounded = any("rounded" in part for part in parts)
    if not rounded:
        found = _added([part["c"] for part in parts])
        if len(found) <= MOST_SCORES:
            return {"c": found}
    pieces = [{rounded_score(score): sums} for part in parts for score, sums in part["c"].items()]
    return {"c": _added(pieces), "rounded": True}


def sum_groups(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Add tallies by group; of too many the smallest are pooled."""
    found = _added([part["c"] for part in parts])
    if len(found) > MOST_GROUPS:
        order = sorted(found, key=lambda name: (-found[name][0], name.encode()))
        small = [found[name] for name in order[MOST_GROUPS:]]
        kept = [{name: found[name]} for name in order[:MOST_GROUPS]]
        found = _added([*kept, *({SMALL: sums} for sums in small)])
    return {"c": found}


def _added(tallies: Sequence[dict[Any, Sums]]) -> dict[Any, Sums]:
    lists: dict[Any, list[Sums]] = {}
    for tally in tallies:
        for name, sums in tally.items():
            lists.setdefault(name, []).append(sums)
    return {name: sum_arrays(parts) for name, parts in lists.items()}


def rounded_score(score: float) -> float:
    """Return a score with three digits that count: the twin of the runtime's rounded_score_v1."""
    if score == 0 or abs(score) < 1e-30:
        return 0.0
    places = Decimal(1).scaleb(math.floor(math.log10(abs(score))) - 2)
    return float(Decimal(f"{score:.15g}").quantize(places, rounding=ROUND_HALF_UP))
