"""A sample made ready for measuring, and what is measured on it alone or against the scope before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlguard.learn.profile import Profile, holds, numeric, profile_of
from mlguard.learn.sample import Column, Integers
from mlguard.learn.seen import discrete

LEAST_COMPARED = 5
"""Rows that two samples must share before they are compared row by row."""


@dataclass(frozen=True, eq=False)
class Scope:
    """A sample whose texts are codes, with the profile of every column.

    Args:
        n: Rows of the scope.
        k: Rows of the sample.
        slot: Its place in the cycle, or None.
        positions: Arrival positions of the sampled rows, or None.
        columns: By name, numbers or codes.
        profiles: By name, what the series need.
        repeats: Share of the sampled rows that equal an earlier one in every column; NaN without rows.
    """

    n: int
    k: int
    slot: int | None
    positions: Integers | None
    columns: Mapping[str, Column]
    profiles: Mapping[str, Profile]
    repeats: float


def scope_of(n: int, slot: int | None, positions: Integers | None, columns: Mapping[str, Column]) -> Scope:
    """Makes a scope of ready columns."""
    return Scope(
        n=n,
        k=len(next(iter(columns.values()))) if columns else 0,
        slot=slot,
        positions=positions,
        columns=columns,
        profiles={name: profile_of(column) for name, column in columns.items()},
        repeats=repeated_share(columns),
    )


def repeated_share(columns: Mapping[str, Column]) -> float:
    """Share of rows that are equal, in every column, to another one before them; missing values are equal."""
    key: Integers | None = None
    for column in columns.values():
        values = np.where(holds(column), discrete(column), np.iinfo(np.int64).min)
        _, ranks = np.unique(values, return_inverse=True)
        if key is None:
            key = ranks.astype(np.int64)
        else:
            _, key = np.unique(key * (int(ranks.max(initial=0)) + 1) + ranks, return_inverse=True)
    return float(1 - len(np.unique(key)) / len(key)) if key is not None and len(key) else float("nan")


def same_share(scope: Scope, before: Scope, name: str) -> float:
    """Share of the positions held by both samples, with a value in at least one of them, whose values are equal."""
    column, earlier = scope.columns[name], before.columns.get(name)
    if scope.positions is None or before.positions is None or earlier is None or numeric(column) != numeric(earlier):
        return float("nan")
    _, here, there = np.intersect1d(scope.positions, before.positions, assume_unique=True, return_indices=True)
    now, then = column[here], earlier[there]
    some = holds(now) | holds(then)
    return float((now == then)[some].mean()) if some.sum() >= LEAST_COMPARED else float("nan")


def overlap(profile: Profile, before: Profile) -> float:
    """Overlap of two distributions of values: the sum of the smaller of the two shares of every value."""
    return float(np.minimum(profile.shares, before.share_of(profile.values)).sum())
