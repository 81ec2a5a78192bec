"""Finding pairs of columns whose values belong together, by the share of rows that break with what was seen before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlguard.learn.pairs import Found, Rule, shuffle
from mlguard.learn.profile import holds
from mlguard.learn.sample import Column, Flags, Integers, Numbers
from mlguard.learn.seen import discrete
from mlguard.learn.series import Series

PARTNERS = 2
"""Partners a column may have."""
FIRST_KNOWN = 8
"""Scopes before the share of unseen pairs says anything."""
LEAST_GAIN = 0.1
"""What a shuffle must break beyond nature, as a share of rows."""
MOST_NATURE = 0.1
"""What nature may break."""
_TABLE_CELLS = 20_000_000


@dataclass(frozen=True, eq=False)
class _Pooled:
    """A column over all scopes searched, one scope after the other.

    Args:
        ranks: Each row's value as a number from 0; -1 is missing.
        size: How many ranks there are.
        known: Rows whose value an earlier scope held.
        shuffled: `ranks` after the fixed shuffle of each scope.
        shuffled_known: `known` after it.
    """

    ranks: Integers
    size: int
    known: Flags
    shuffled: Integers
    shuffled_known: Flags


def search_domains(columns: Mapping[str, Sequence[Column]]) -> list[Found]:
    """Finds the `pair` rules among columns, each given scope by scope, oldest first.

    Each column keeps at most `PARTNERS`: those where a shuffle breaks most, then those that nature breaks most, then by
    name, descending.
    """
    lengths = [len(column) for column in next(iter(columns.values()))] if columns else []
    scope: Integers = np.repeat(np.arange(len(lengths)), lengths).astype(np.int64)
    pooled = {name: _pooled(parts, scope) for name, parts in columns.items()}
    later = [i for i, length in enumerate(lengths) if i >= len(lengths) // 2 and length]
    if not later:
        return []
    found: list[Found] = []
    taken: set[tuple[str, str]] = set()
    for a, first in pooled.items():
        candidates: list[tuple[float, float, str, Numbers]] = []
        for b, second in pooled.items():
            if a != b:
                nature, broken = _unseen(first, second, scope, lengths)
                usual = float(np.median(nature[later]))
                gain = float(np.median(broken[later])) - usual - float(np.std(nature[later]))
                candidates.append((gain, usual, b, nature))
        for gain, usual, b, nature in sorted(candidates, key=lambda c: c[:3], reverse=True)[:PARTNERS]:
            if gain >= LEAST_GAIN and usual <= MOST_NATURE and (b, a) not in taken:
                taken.add((a, b))
                rule = Rule(Series(a, "pair", b))
                for x, y in zip(columns[a], columns[b], strict=True):
                    rule.observe({a: x, b: y})
                found.append((rule, [float("nan")] * FIRST_KNOWN + nature[FIRST_KNOWN:].tolist()))
    return found


def _pooled(parts: Sequence[Column], scope: Integers) -> _Pooled:
    held = np.concatenate([holds(part) for part in parts])
    values, ranks = np.unique(np.concatenate([discrete(part) for part in parts]), return_inverse=True)
    ranks = np.where(held, ranks, -1).astype(np.int64)
    known = held & (_first_scopes(ranks, scope, len(values))[ranks] < scope)
    starts = np.cumsum([0, *(len(part) for part in parts)])
    order = np.concatenate([start + shuffle(len(part)) for start, part in zip(starts, parts, strict=False)])
    return _Pooled(ranks, len(values), known, ranks[order], known[order])


def _first_scopes(keys: Integers, scope: Integers, size: int) -> Integers:
    """The first scope that holds each key; far beyond the last for keys that none holds, the key -1 among them."""
    first: Integers = np.full(size + 1, np.iinfo(np.int64).max)
    held = keys >= 0
    first[keys[held][::-1]] = scope[held][::-1]
    return first


def _unseen(a: _Pooled, b: _Pooled, scope: Integers, lengths: Sequence[int]) -> tuple[Numbers, Numbers]:
    """Per scope the share of rows with known values never seen together before: as they are, and with a shuffled."""
    keys, mixed = a.ranks * b.size + b.ranks, a.shuffled * b.size + b.ranks
    keys[(a.ranks < 0) | (b.ranks < 0)] = -1
    mixed[(a.shuffled < 0) | (b.ranks < 0)] = -1
    size = a.size * b.size
    if size > _TABLE_CELLS:  # too large a table: number the pairs that occur
        occurring, both = np.unique(np.concatenate([keys, mixed]), return_inverse=True)
        both = both - (1 if len(occurring) and occurring[0] < 0 else 0)
        keys, mixed, size = both[: len(keys)], both[len(keys) :], len(occurring)
    first = _first_scopes(keys, scope, size)
    unseen = a.known & b.known & (keys >= 0) & (first[keys] >= scope)
    broken = a.shuffled_known & b.known & (mixed >= 0) & (first[mixed] >= scope)
    with np.errstate(invalid="ignore"):
        shares = [
            np.bincount(scope, rows, len(lengths)) / np.array(lengths, dtype=np.float64) for rows in (unseen, broken)
        ]
    return shares[0], shares[1]
