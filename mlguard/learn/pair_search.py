"""Finding pair rules in the samples still kept.

Each pair of columns is compared with itself after one of the two has been shuffled: what a shuffle would break and
nature does not is a rule. The shuffle is fixed (rows in the order of i * 2654435761 mod 2**32), so that learning twice
finds the same rules.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlguard.learn.domain_search import search_domains
from mlguard.learn.pairs import Found, Rule, cut, explained_share, shuffle
from mlguard.learn.profile import Profile, holds, numeric
from mlguard.learn.sample import Column, Flags
from mlguard.learn.scope import Scope
from mlguard.learn.series import Series

TOP_VALUES = 30
PARTNERS = 2
"""Partners a column may have."""


class _Column:
    """What the search needs of one column, over all scopes searched."""

    def __init__(self, name: str, scopes: Sequence[Scope]) -> None:
        columns = [scope.columns[name] for scope in scopes]
        profiles: list[Profile] = [scope.profiles[name] for scope in scopes]
        self.name = name
        self.columns = columns
        self.numeric = numeric(columns[-1])
        self.holds: list[Flags] = [holds(column) for column in columns]
        self.distinct = float(np.median([len(p.values) for p in profiles]))
        self.unique = float(np.median([len(p.values) / p.present for p in profiles if p.present] or [1.0]))
        self.missing = float(np.median([1 - p.present / max(1, p.k) for p in profiles]))
        self.bins = _bins(columns)


def search(scopes: Sequence[Scope]) -> list[Found]:
    """Finds the pair rules of the kept scopes, oldest first."""
    names = [name for name in scopes[-1].columns if all(_comparable(scope, scopes[-1], name) for scope in scopes)]
    columns = [_Column(name, scopes) for name in names]
    return [*_dependences(columns), *_domains(columns), *_null_blocks(columns)]


def _comparable(scope: Scope, last: Scope, name: str) -> bool:
    return name in scope.columns and numeric(scope.columns[name]) == numeric(last.columns[name])


def _bins(columns: Sequence[Column]) -> Column:
    pooled = np.concatenate([column[holds(column)] for column in columns])
    if numeric(columns[-1]):
        if len(pooled) <= 20:
            return np.empty(0)
        return np.unique(np.sort(pooled)[np.arange(1, 10) * (len(pooled) - 1) // 10])
    values, counts = np.unique(pooled, return_counts=True)
    return np.sort(values[np.argsort(-counts, kind="stable")[:TOP_VALUES]])


def _dependences(columns: Sequence[_Column]) -> list[Found]:
    able = [c for c in columns if c.unique < 0.98 and (len(c.bins) >= 1 if c.numeric else c.distinct >= 2)]
    binned = {c.name: [cut(column, c.bins) for column in c.columns] for c in able}
    strength: dict[tuple[str, str], float] = {}
    for i, a in enumerate(able):
        first = binned[a.name][len(a.columns) // 2 :]
        mixed = [x[shuffle(len(x))] for x in first[::3]]
        for b in able[i + 1 :]:
            second = binned[b.name][len(b.columns) // 2 :]
            usual = [explained_share(x, y) for x, y in zip(first, second, strict=True)]
            chance = [explained_share(x, y) for x, y in zip(mixed, second[::3], strict=True)]
            middle = float(np.median(usual))
            if middle > 0:
                score = (middle - float(np.median(chance))) / (float(np.std(usual)) + 0.02 * middle)
                if score >= 3:
                    strength[a.name, b.name] = score
    chosen: dict[tuple[str, str], None] = {}
    for a in able:
        own = sorted(((score, pair) for pair, score in strength.items() if a.name in pair), reverse=True)
        chosen.update(dict.fromkeys(pair for _, pair in own[:PARTNERS]))
    by_name = {c.name: c for c in able}
    return [
        (
            Rule(Series(a, "dependence", b), bins=(by_name[a].bins, by_name[b].bins)),
            [explained_share(x, y) for x, y in zip(binned[a], binned[b], strict=True)],
        )
        for a, b in chosen
    ]


def _domains(columns: Sequence[_Column]) -> list[Found]:
    able = [c for c in columns if 2 <= c.distinct <= 5000 and c.unique < 0.9]
    return search_domains({c.name: c.columns for c in able})


def _null_blocks(columns: Sequence[_Column]) -> list[Found]:
    able = [c for c in columns if 0.0005 < c.missing < 0.999]
    found: list[Found] = []
    taken: set[tuple[str, str]] = set()
    for a in able:
        best: tuple[float, str, list[float]] | None = None
        for b in able:
            if a is b:
                continue
            pairs = zip(a.holds, b.holds, strict=True)
            history = [float((x != y).mean()) if len(x) else float("nan") for x, y in pairs]
            mismatch = float(np.nanmedian(history))
            if mismatch <= 0.2 * min(a.missing, b.missing) and (best is None or mismatch < best[0]):
                best = (mismatch, b.name, history)
        if best is not None and (best[1], a.name) not in taken:
            taken.add((a.name, best[1]))
            found.append((Rule(Series(a.name, "nulls", best[1])), best[2]))
    return found


def histories(found: Sequence[Found], have: Sequence[Rule]) -> list[Found]:
    """Those of the found rules that are not there yet, in either direction."""
    there = {(rule.series.metric, *sorted((rule.series.column, rule.series.partner))) for rule in have}
    return [
        (rule, history)
        for rule, history in found
        if (rule.series.metric, *sorted((rule.series.column, rule.series.partner))) not in there
    ]
