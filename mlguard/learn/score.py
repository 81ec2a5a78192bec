"""From ratios of series to scores of columns: joint evidence, and the blame for broken pair rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mlguard.learn.sample import Numbers
from mlguard.learn.series import PAIR_METRICS, Series

JOINT = 3
"""Ratios of a column's own series are joined by this norm: weak evidence of several series adds up."""
SUSPECT = 0.5
"""A pair rule with a smaller ratio is not looked at."""


def column_scores(series: Sequence[Series], ratios: Numbers) -> dict[str, tuple[float, int]]:
    """The score of every column that has a series, and its worst series (an index).

    A broken pair rule is blamed on that of its two columns with more broken rules, then on the one whose own score is
    larger (as far as that stays below 1); on both when they are alike.
    """
    own: dict[str, float] = {}
    worst: dict[str, int] = {}
    pairs: list[int] = []
    for i, one in enumerate(series):
        if one.metric in PAIR_METRICS:
            if ratios[i] > SUSPECT:
                pairs.append(i)
            own.setdefault(one.column, 0.0)
            own.setdefault(one.partner, 0.0)
            continue
        own[one.column] = own.get(one.column, 0.0) + float(ratios[i]) ** JOINT
        if one.column not in worst or ratios[i] > ratios[worst[one.column]]:
            worst[one.column] = i
    own = {column: float(np.power(total, 1 / JOINT)) for column, total in own.items()}
    return _blamed(series, ratios, pairs, own, worst)


def _blamed(
    series: Sequence[Series], ratios: Numbers, pairs: Sequence[int], own: Mapping[str, float], worst: dict[str, int]
) -> dict[str, tuple[float, int]]:
    broken = dict.fromkeys(own, 0)
    for i in pairs:
        if ratios[i] > 1:
            broken[series[i].column] += 1
            broken[series[i].partner] += 1
    scores = dict(own)
    for i in pairs:
        column, partner = series[i].column, series[i].partner
        guilt = [broken[name] + min(own[name], 0.99) for name in (column, partner)]
        for name, mine, other in ((column, guilt[0], guilt[1]), (partner, guilt[1], guilt[0])):
            if mine >= other:
                scores[name] = max(scores[name], float(ratios[i]))
                if name not in worst or ratios[i] > ratios[worst[name]]:
                    worst[name] = i
    return {name: (scores[name], worst[name]) for name in scores if name in worst}
