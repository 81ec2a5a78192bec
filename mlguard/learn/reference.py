"""What a column looked like lately: the profiles of the last scopes pooled, and the series measured against them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlguard.learn.profile import Profile, lookup
from mlguard.learn.sample import Flags, Integers, Numbers

REFERENCE_SCOPES = 30
"""Scopes pooled into a reference."""
LEAST_SCOPES = 3
"""Scopes needed before anything is compared with a reference."""
LEAST_VALUES = 20
"""Pooled numbers needed before they are a reference."""
LARGEST = 1e100
"""Numbers beyond it, infinite ones too, have no decimals and are left out of means; those that are new are far out."""
MOST_DECIMALS = 5
"""A column that usually has more decimals than this has no usual number of them."""


@dataclass(frozen=True, eq=False)
class NumberReference:
    """The pooled numbers of a column.

    Args:
        edges: Distinct 5 %, 10 % … 95 % quantiles of the pooled sketches.
        cumulated: Share of the pooled values below each edge.
        low: Numbers below this are far: p05 - 1.5 * (p95 - p05).
        high: Numbers above this are far: p95 + 1.5 * (p95 - p05).
        values: Values that were heavy in some pooled scope.
        shares: Their share of all pooled values, counted only where they were heavy.
        decimals: Decimals that 99.5 % of the values can be written with; None when `MOST_DECIMALS` are too few.
    """

    edges: Numbers
    cumulated: Numbers
    low: float
    high: float
    values: Numbers
    shares: Numbers
    decimals: int | None


@dataclass(frozen=True, eq=False)
class TextReference:
    """The pooled texts of a column: every code, ascending, and its share of all pooled values."""

    values: Integers
    shares: Numbers


def number_reference(profiles: Sequence[Profile]) -> NumberReference | None:
    """Pools the profiles of a numeric column; None while there is too little."""
    if len(profiles) < LEAST_SCOPES:
        return None
    pooled = np.sort(np.concatenate([profile.sketch for profile in profiles]))
    if len(pooled) < LEAST_VALUES:
        return None
    twentieths = pooled[np.arange(1, 20) * (len(pooled) - 1) // 20]
    edges = np.unique(twentieths)
    margin = 1.5 * max(float(twentieths[-1] - twentieths[0]), 1e-9)
    distinct, at = np.unique(np.concatenate([p.values[p.heavy] for p in profiles]), return_inverse=True)
    counts = np.bincount(at, np.concatenate([p.counts[p.heavy] for p in profiles]), len(distinct))
    return NumberReference(
        edges=edges,
        cumulated=_cumulated_at(pooled, edges),
        low=float(twentieths[0]) - margin,
        high=float(twentieths[-1]) + margin,
        values=distinct.astype(np.float64),
        shares=counts / max(1, sum(profile.present for profile in profiles)),
        decimals=usual_decimals(pooled),
    )


def text_reference(profiles: Sequence[Profile]) -> TextReference | None:
    """Pools the profiles of a text column; None while there is too little."""
    if len(profiles) < LEAST_SCOPES:
        return None
    counts = np.concatenate([profile.counts for profile in profiles])
    if not counts.sum():
        return None
    values, at = np.unique(np.concatenate([profile.values for profile in profiles]), return_inverse=True)
    return TextReference(values=values.astype(np.int64), shares=np.bincount(at, counts, len(values)) / counts.sum())


def usual_decimals(values: Numbers) -> int | None:
    """Fewest decimals that 99.5 % of the values can be written with; None when `MOST_DECIMALS` are too few."""
    return next((d for d in range(MOST_DECIMALS + 1) if off_grid(values, d).mean() <= 0.005), None)


def off_grid(values: Numbers, decimals: int) -> Flags:
    """Which values cannot be written with so many decimals, up to the rounding of binary floats."""
    scaled = np.where(np.abs(values) <= LARGEST, values, 0.0) * 10.0**decimals
    return np.asarray(np.abs(scaled - np.round(scaled)) > 1e-6 + 1e-9 * np.abs(scaled))


def ks_distance(profile: Profile, reference: NumberReference) -> float:
    """Largest difference of the two cumulated distributions at the reference's edges."""
    return float(np.abs(_cumulated_at(profile.ordered, reference.edges) - reference.cumulated).max())


def far_share(profile: Profile, reference: NumberReference) -> float:
    """Share of the present numbers below `low` or above `high`."""
    far = (profile.values < reference.low) | (profile.values > reference.high)
    return float(profile.shares[far].sum())


def grid_share(profile: Profile, reference: NumberReference) -> float | None:
    """Share of the present numbers with more decimals than usual; None when no number of decimals is usual."""
    if reference.decimals is None:
        return None
    return float(profile.shares[off_grid(profile.values.astype(np.float64), reference.decimals)].sum())


def spike(profile: Profile, reference: NumberReference | TextReference) -> float:
    """Largest rise of the share of any one value; of numbers only heavy ones count."""
    counted = profile.heavy if isinstance(reference, NumberReference) else np.ones(len(profile.values), dtype=bool)
    rises = profile.shares[counted] - lookup(reference.values, reference.shares, profile.values[counted])
    return float(rises.max(initial=0.0))


def largest_change(profile: Profile, reference: TextReference) -> float:
    """Largest rise or fall of the share of any one text."""
    usual = lookup(reference.values, reference.shares, profile.values)
    absent = ~np.isin(reference.values, profile.values)
    return float(max(np.abs(profile.shares - usual).max(), reference.shares[absent].max(initial=0.0)))


def _cumulated_at(ordered: Numbers, edges: Numbers) -> Numbers:
    """Share of the ordered values below each edge."""
    return np.asarray(np.searchsorted(ordered, edges, "left") / max(1, len(ordered)), dtype=np.float64)
