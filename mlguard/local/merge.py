"""States of several groups as one: what the runtime's merge_v1 does (0011), number for number. Pure.

A document of states is a mapping of state keys to values, as mlguard.lang.measure names them, and `n`, the rows.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from typing import Any

from mlguard.emit.grouped import MOST_CATEGORIES, MOST_KEYS, POINTS
from mlguard.local.tallies import sum_arrays, sum_groups, sum_scores, sum_tallies

Document = dict[str, Any]
HASHES = 2.0**64  # DuckDB's hash() is 64 bits wide
_MOST_POINTS = 2002


def merge(documents: Sequence[Document]) -> Document:
    """Return the states of all rows together; without a document, of no rows."""
    if not documents:
        return {"n": 0}
    if len(documents) == 1:
        return documents[0]
    keys = dict.fromkeys(key for document in documents for key in document)
    return {key: _merged(key, [document[key] for document in documents if key in document]) for key in keys}


def _merged(key: str, parts: list[Any]) -> Any:
    merger = _MERGERS.get(key.partition("(")[0].partition(" ")[0])
    if merger is not None:
        return merger(parts)
    return sum(parts)


def _extreme(pick: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    def merged(parts: list[Any]) -> Any:
        known = [part for part in parts if part is not None]
        return pick(known) if known else None

    return merged


def _moments(parts: list[Sequence[float]]) -> list[float]:
    """Chan, Golub and LeVeque 1979, over all parts at once: squares around the common mean."""
    known = [part for part in parts if part[0] > 0]
    if not known:
        return [0, 0.0, 0.0]
    n = sum(part[0] for part in known)
    mean = sum(part[0] * part[1] for part in known) / n
    return [n, mean, sum(part[2] + part[0] * (part[1] - mean) ** 2 for part in known)]


def _joint(parts: list[Sequence[float]]) -> list[float]:
    """Pébay 2008, equation 3.13, over all parts at once."""
    known = [part for part in parts if part[0] > 0]
    if not known:
        return [0, 0.0, 0.0, 0.0, 0.0, 0.0]
    n = sum(part[0] for part in known)
    a, b = (sum(part[0] * part[place] for part in known) / n for place in (1, 2))
    return [
        n,
        a,
        b,
        sum(part[3] + part[0] * (part[1] - a) ** 2 for part in known),
        sum(part[4] + part[0] * (part[2] - b) ** 2 for part in known),
        sum(part[5] + part[0] * (part[1] - a) * (part[2] - b) for part in known),
    ]


def _bins(parts: list[dict[str, Any]]) -> dict[str, Any]:
    counts = [sum(places) for places in zip(*(part["c"] for part in parts), strict=True)]
    return {"n": sum(part["n"] for part in parts), "c": counts}


def _values(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The most frequent categories stay by name."""
    counts: dict[str, int] = {}
    for part in parts:
        for name, count in part["c"].items():
            counts[name] = counts.get(name, 0) + count
    other = sum(part["other"] for part in parts)
    if len(counts) > MOST_CATEGORIES:
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0].encode()))
        counts = dict(ranked[:MOST_CATEGORIES])
        other += sum(count for _, count in ranked[MOST_CATEGORIES:])
    return {"n": sum(part["n"] for part in parts), "c": counts, "other": other}


def _keys(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The smallest hashes of a union are a uniform sample of its keys (Bar-Yossef et al. 2002), counts complete."""
    theta = min(part["t"] for part in parts)
    counts: dict[int, int] = {}
    for part in parts:
        for key, count in part["k"].items():
            if theta >= 1 or key < theta * HASHES:
                counts[key] = counts.get(key, 0) + count
    return cut_keys(counts, theta, sum(part["n"] for part in parts))


def cut_keys(counts: dict[int, int], theta: float, rows: int) -> dict[str, Any]:
    """Return the state of keys by hash: of too many, those with the smallest hashes."""
    if len(counts) > MOST_KEYS:
        limit = sorted(counts)[MOST_KEYS]
        theta = limit / HASHES
        counts = {key: count for key, count in counts.items() if key < limit}
    return {"t": theta, "k": counts, "n": rows}


def _quantiles(parts: list[dict[str, Any]]) -> dict[str, Any]:
    points = sorted(
        (value, weight)
        for part in parts
        for value, weight in zip(part["v"], part.get("w") or [1.0] * len(part["v"]), strict=True)
    )
    n = sum(part["n"] for part in parts)
    exact = all(weight == 1 for _, weight in points)
    state: dict[str, Any] = {"n": n, "v": [value for value, _ in points]}
    if not exact:
        state["w"] = [weight for _, weight in points]
    if len(points) > _MOST_POINTS:
        values, ranks = ranked(state)
        kept = [at_rank(values, ranks, place / (POINTS - 1)) for place in range(POINTS)]
        return {"n": n, "v": kept, "w": [n / POINTS] * POINTS}
    return state


def ranked(state: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Return the points of a quantile state with their ranks, 0 to 1, both ascending."""
    values: list[float] = state["v"]
    weights = state.get("w")
    if weights is None:
        last = max(len(values) - 1, 1)
        return values, [place / last for place, _ in enumerate(values)]
    # A point stands for the rows around it; the first and the last are the ends.
    middles, so_far = [], 0.0
    for weight in weights:
        so_far += weight
        middles.append(so_far - weight / 2)
    first, width = middles[0], middles[-1] - middles[0]
    return values, [(middle - first) / width if width else 0.0 for middle in middles]


def at_rank(values: Sequence[float], ranks: Sequence[float], rank: float) -> float:
    """Return the value at a rank, interpolated between points as percentile_cont does."""
    place = max(bisect.bisect_right(ranks, rank), 1)
    here = values[place - 1]
    # Equal ends are not interpolated: infinity - infinity is no number.
    if place >= len(values) or here == values[place] or rank <= ranks[place - 1]:
        return here
    step = (rank - ranks[place - 1]) / (ranks[place] - ranks[place - 1])
    return here + step * (values[place] - here)


_MERGERS: dict[str, Callable[[list[Any]], Any]] = {
    "min": _extreme(min),
    "max": _extreme(max),
    "moments": _moments,
    "joint": _joint,
    "bins": _bins,
    "values": _values,
    "keys": _keys,
    "quantiles": _quantiles,
    **dict.fromkeys(("errors", "confusion", "scores"), sum_arrays),
    **dict.fromkeys(("parity", "opportunity", "unequal"), sum_groups),
    "roc": sum_scores,
    "calibration": sum_tallies,
}
