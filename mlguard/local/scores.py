"""Metrics of labels and groups from states: the twins of the runtime's finalisers of 0024, number for number. Pure.

None is "no value".
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from mlguard.lang.metrics import FAIRNESS
from mlguard.local.merge import Document

TINY = 2.220446049250313e-16  # of double precision; what scikit-learn divides by in place of a label of 0
CHANCE = 0.01  # what bounds of fairness may be wrong by


def _sums(states: Document, key: str) -> Sequence[float] | None:
    found: Sequence[float] | None = states.get(key)
    return found


def _over(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def label_coverage(states: Document, labelled: str, rows: str) -> float | None:
    """Return the share of rows whose label has arrived."""
    return _over(float(states.get(labelled) or 0), float(states.get(rows) or 0))


def _of_errors(value: Callable[[Sequence[float]], float]) -> Callable[[Document, str], float | None]:
    def metric(states: Document, key: str) -> float | None:
        sums = _sums(states, key)
        return None if not sums or not sums[0] else value(sums)

    return metric


def _of_classes(
    part: Callable[[Sequence[float]], float], whole: Callable[[Sequence[float]], float]
) -> Callable[[Document, str], float | None]:
    def metric(states: Document, key: str) -> float | None:
        sums = _sums(states, key)
        return None if not sums else _over(part(sums), whole(sums))

    return metric


def _auc(states: Document, key: str) -> float | None:
    """Mann and Whitney 1947: how often a positive scores above a negative, ties counting half."""
    below = area = yes_all = no_all = 0.0
    for _, (no, yes) in sorted(_tally(states, key).items()):
        area += yes * (below + no / 2)
        below += no
        no_all, yes_all = no_all + no, yes_all + yes
    return _over(area, yes_all * no_all)


def _calibration_error(states: Document, key: str) -> float | None:
    """Naeini, Cooper and Hauskrecht 2015: |mean probability - share of positives| of each bin, weighted by its rows."""
    bins = _tally(states, key).values()
    return _over(sum(abs(total - yes) for _, total, yes in bins), sum(n for n, _, _ in bins))


def _tally(states: Document, key: str) -> dict[Any, Sequence[float]]:
    found: dict[Any, Sequence[float]] = (states.get(key) or {}).get("c", {})
    return found


accuracy = _of_classes(lambda c: c[0] + c[3], sum)
SCORES: dict[str, Callable[..., float | None]] = {
    "label_coverage": label_coverage,
    "mae": _of_errors(lambda s: s[1] / s[0]),
    "rmse": _of_errors(lambda s: math.sqrt(max(s[2], 0.0) / s[0])),
    "bias": _of_errors(lambda s: s[3] / s[0]),
    "mape": _of_errors(lambda s: (s[4] + s[5] / TINY) / s[0]),
    "logloss": _of_errors(lambda s: s[1] / s[0]),
    "brier": _of_errors(lambda s: s[2] / s[0]),
    "accuracy": accuracy,
    "precision": _of_classes(lambda c: c[0], lambda c: c[0] + c[1]),
    "recall": _of_classes(lambda c: c[0], lambda c: c[0] + c[2]),
    "f1": _of_classes(lambda c: 2 * c[0], lambda c: 2 * c[0] + c[1] + c[2]),
    "auc": _auc,
    "calibration_error": _calibration_error,
}


# Fairness. Groups of fewer rows than asked are judged as one, and not at all where they are few together.


@dataclass(frozen=True)
class Group:
    """A group: its rows, and of them those that count or the sum of their errors, and the sum of squares."""

    n: float
    a: float
    b: float

    @property
    def share(self) -> float:
        """What is compared: a share, or a mean error."""
        return self.a / self.n


def groups(states: Document, key: str, least: int) -> list[Group]:
    """Return the groups large enough to be compared, the small ones as one."""
    pooled: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for name, (n, a, *rest) in _tally(states, key).items():
        group = "small groups" if name == "*" or n < least else "missing" if name == "?" else name
        for place, value in enumerate((n, a, *(rest or (0.0,)))):
            pooled[group][place] += value
    return [Group(*sums) for _, sums in sorted(pooled.items()) if sums[0] >= max(least, 1)]


def fair(states: Document, metric: str, key: str, least: int) -> float | None:
    """Return a metric of fairness between groups of at least so many rows; None with fewer than two."""
    found = groups(states, key, least)
    if len(found) < 2:
        return None
    shares = [group.share for group in found]
    if metric in ("parity_gap", "equal_opportunity_gap"):
        return max(shares) - min(shares)
    if metric == "disparate_impact":
        return _over(min(shares), max(shares))
    amounts = [group.a for group in found]
    if max(amounts) == 0:
        return None
    return math.inf if min(amounts) == 0 else _over(max(shares), min(shares))


def fair_bound(states: Document, metric: str, key: str, least: int) -> float | None:
    """Return the value nearest to fairness that chance alone leaves possible, at 1 %; None with fewer than two groups.

    Over all pairs of groups together (Bonferroni): of a difference of shares Newcombe 1998, method 10; of a ratio Katz
    et al. 1978, half a case added where there is none.
    """
    from mlguard.learn.distance import normal_tail

    found = groups(states, key, least)
    if len(found) < 2:
        return None
    z = normal_tail(CHANCE / max(len(found) * (len(found) - 1), 1))
    pairs = list(permutations(found, 2))
    if metric in ("parity_gap", "equal_opportunity_gap"):
        return max(0.0, *(_difference(high, low, z) for high, low in pairs))
    if metric == "disparate_impact":
        return min(1.0, *(math.exp(_ratio(low, high) + z * _spread(low, high, metric)) for high, low in pairs))
    return max(1.0, *(math.exp(_ratio(high, low) - z * _spread(low, high, metric)) for high, low in pairs))


def _difference(high: Group, low: Group, z: float) -> float:
    below = high.share - (_middle(high, z) - _half(high, z))
    above = _middle(low, z) + _half(low, z) - low.share
    return high.share - low.share - math.hypot(below, above)


def _middle(group: Group, z: float) -> float:
    return (group.a + z * z / 2) / (group.n + z * z)


def _half(group: Group, z: float) -> float:
    """Half of Wilson's interval."""
    return z * math.sqrt(max(group.a * (1 - group.share), 0.0) + z * z / 4) / (group.n + z * z)


def _ratio(above: Group, below: Group) -> float:
    return math.log(_mean(above) / _mean(below))


def _mean(group: Group) -> float:
    return (group.a if group.a > 0 else 0.5) / group.n


def _spread(one: Group, other: Group, metric: str) -> float:
    return math.sqrt(max(_variance(one, metric) + _variance(other, metric), 0.0))


def _variance(group: Group, metric: str) -> float:
    """The delta method on the logarithm."""
    if metric == "error_ratio" and group.a > 0:
        return max(group.b / group.n - group.share**2, 0.0) / group.n / group.share**2
    return 1 / max(group.a, 0.5) - 1 / max(group.n, 0.5)


def no_score(states: Document, metric: str, key: str, least: int, labelled: str) -> str:
    """Return why a metric of labels or groups has no value, in words."""
    if metric not in ("parity_gap", "disparate_impact") and not states.get(labelled):
        return "no labels"
    if metric in FAIRNESS:
        if len(groups(states, key, least)) < 2:
            rows = {"equal_opportunity_gap": "positive labels", "error_ratio": "labelled rows"}.get(metric, "rows")
            return f"fewer than two groups of {least} {rows}"
        return "no errors" if metric == "error_ratio" else "no positive predictions"
    if metric == "auc" and _tally(states, key):
        return "only one class"
    if metric in _NONE and accuracy(states, key) is not None:
        return _NONE[metric]
    return "no prediction that can be compared with its label"


_NONE = {
    "precision": "no positive predictions",
    "recall": "no positive labels",
    "f1": "no positive labels or predictions",
}
