"""Metrics from states: the twins of the runtime's finalisers (0011, 0014), number for number. Pure.

None is "no value". Numbers are compared as PostgreSQL compares double precision: NaN equals itself and is greatest.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from mlguard.lang.measure import Measure
from mlguard.local.merge import Document, at_rank, ranked


def finalise(found: Measure, states: Document) -> float | None:
    """Return the value of a metric over rows; not of one that is compared with a baseline (mlguard.local.distances)."""
    keys = [state.key if state is not None else None for state in found.states]
    if found.share is not None:
        return _quantile(states.get(keys[0] or ""), float(found.share))
    return _FINALISERS[found.finish](states, *keys)


def count(states: Document, key: str | None) -> float | None:
    """Return a count; a state that was not kept while there were rows is unknown, of no rows it is 0."""
    value = _of(states, key)
    if value is not None:
        return float(value)
    return 0.0 if not states.get("n") else None


def _of(states: Document, key: str | None) -> Any:
    return None if key is None else states.get(key)


def _number(states: Document, key: str | None) -> float | None:
    value = _of(states, key)
    return None if value is None else float(value)


def _over(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _ratio(states: Document, part: str | None, whole: str | None) -> float | None:
    return _over(_number(states, part), _number(states, whole))


def _rest(states: Document, part: str | None, whole: str | None) -> float | None:
    these, all_ = _number(states, part), _number(states, whole)
    return None if these is None or not all_ else (all_ - these) / all_


def _values(states: Document, have: str | None, nan: str | None) -> float | None:
    found = _number(states, have)
    return None if found is None else found - (_number(states, nan) or 0.0)


def _share(states: Document, part: str | None, have: str | None, nan: str | None) -> float | None:
    return _over(_number(states, part), _values(states, have, nan))


def _sum(states: Document, total: str | None, have: str | None, nan: str | None) -> float | None:
    return None if _values(states, have, nan) == 0 else _number(states, total)


def _stddev(states: Document, key: str | None) -> float | None:
    state = _of(states, key)
    if state is None or state[0] < 2:
        return None
    return math.sqrt(greatest(state[2], 0.0) / (state[0] - 1))


def _extreme(states: Document, key: str | None) -> float | None:
    return _number(states, key)


def _correlation(states: Document, key: str | None) -> float | None:
    state = _of(states, key)
    if state is None or state[0] < 2:
        return None
    _, _, _, aa, bb, ab = state
    if not (positive(aa) and positive(bb)):
        return None
    # Two roots: the product of two sums of squares may overflow.
    found = ab / math.sqrt(aa) / math.sqrt(bb)
    return None if math.isnan(found) else max(min(found, 1.0), -1.0)  # infinite values give NaN


def _distinct(states: Document, key: str | None) -> float | None:
    state = _of(states, key)
    if state is None:
        return 0.0 if not states.get("n") else None
    return float(state["keys"]) if "keys" in state else float(round(len(state["k"]) / state["t"]))


def _duplicates(states: Document, key: str | None) -> float | None:
    state = _of(states, key)
    if state is None:
        return None
    keys, rows = (state["keys"], state["n"]) if "keys" in state else (len(state["k"]), sum(state["k"].values()))
    return (rows - keys) / rows if rows else None


def _quantile(state: Any, rank: float) -> float | None:
    if not state or state["n"] <= 0:
        return None
    return at_rank(*ranked(state), rank)


_FINALISERS: dict[str, Callable[..., float | None]] = {
    "count": count,
    "ratio": _ratio,
    "rest": _rest,
    "share": _share,
    "sum": _sum,
    "mean": _share,
    "stddev": _stddev,
    "least": _extreme,
    "greatest": _extreme,
    "correlation": _correlation,
    "distinct": _distinct,
    "duplicates": _duplicates,
}


def less(a: float, b: float) -> bool:
    """A < b, NaN being greatest."""
    return not math.isnan(a) and (math.isnan(b) or a < b)


def same(a: float, b: float) -> bool:
    """A = b, NaN being equal to itself."""
    return a == b or (math.isnan(a) and math.isnan(b))


def positive(a: float) -> bool:
    """A > 0."""
    return less(0.0, a)


def greatest(a: float, b: float) -> float:
    """Return the greater."""
    return b if less(a, b) else a


def least(a: float, b: float) -> float:
    """Return the lesser."""
    return a if less(a, b) else b
