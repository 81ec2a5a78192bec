"""Limits that windows argue for: volume, freshness, missing values, means.

They come from the first part of the windows and must hold over the rest.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from statistics import median
from typing import Any

import numpy as np

from mlguard.lang.types import Kind
from mlguard.suggest.engine import TRAIN, Source
from mlguard.suggest.facts import Column, Profile, Proposal
from mlguard.suggest.names import slug
from mlguard.suggest.statistics import (
    count,
    lower_limit,
    number,
    rounded,
    share,
    share_up,
    tail_size,
    unseen_below,
    upper_limit,
    wilson_upper,
)
from mlguard.suggest.windows import DAYS, LEAST_ROWS, Windows

LEAST_WINDOWS = 14
BACK = 28  # windows that volume is compared with
MOST_MISSING = 0.75  # a limit above it says nothing
STEADY = 0.8  # rank correlation with time above which a mean has no band
SILENT = 2  # days without rows until now after which nothing is said of volume
STEADIEST = 0.9  # of the usual volume: a closer limit would be about the calendar


def volume(windows: Windows, now: datetime) -> tuple[Proposal | None, str]:
    """Return the limit of the fall in rows against the median of the windows before, or why there is none."""
    rows = windows.rows[1:-1]  # the first and the last day may be cut off
    ratios: list[float] = []
    for place in range(3, len(rows)):
        before = median(rows[max(0, place - BACK) : place])
        if before > 0:
            ratios.append(rows[place] / before)
    if len(ratios) < LEAST_WINDOWS or median(rows) < 10 or windows.unit != DAYS:
        return None, ""
    train = ratios[: math.ceil(len(ratios) * TRAIN)]
    if min(ratios) <= 0:
        return None, ""
    falls = [-math.log(ratio) for ratio in sorted(train)[: tail_size(len(train)) + 1]]
    least = math.exp(-upper_limit(falls, 0.99))
    limit = min(math.floor(least * 100) / 100, math.floor(min(ratios) * 100) / 100, STEADIEST)
    if limit < 0.05:
        return None, ""
    silent = (now.date() - date.fromisoformat(windows.names[-1])).days
    if silent > SILENT:
        return None, f"volume: the last rows are {silent} days old; a limit would be broken now"
    widened = "; widened by those" if min(ratios) < math.floor(least * 100) / 100 else ""
    value = {"check": f"change(row_count(), '{BACK} days') >= {number(Decimal(str(round(limit - 1, 2))))}"}
    evidence = (
        f"{len(train)} days had {share(min(train))} to {share(max(train))} of the median of up to {BACK} days before; "
        f"the {len(ratios) - len(train)} days after had {share(min(ratios[len(train) :], default=1))} at least{widened}"
    )
    return Proposal(None, "volume", value, evidence), ""


def freshness(source: Source, found: Profile, now: datetime) -> tuple[Proposal | None, str]:
    """Return how old the newest row may be, from the gaps there were, or why not."""
    time = found.event_time
    if time is None:
        return None, ""
    unit = "day" if time.kind is Kind.DATE else "hour"
    moment = source.dialect.zoneless(time)
    rows = source.query(
        f"select distinct extract(epoch from date_trunc('{unit}', {moment}))::float8 from {source.rows}"
        f" where isfinite({moment}) order by 1"
    )
    step = 86_400.0 if unit == "day" else 3_600.0
    filled = [float(row[0]) for row in rows]
    gaps = [(b - a) + step for a, b in itertools.pairwise(filled)]
    if len(gaps) < LEAST_WINDOWS:
        return None, f"freshness: {len(gaps) + 1} different {unit}s say too little about how often rows come"
    train = gaps[: math.ceil(len(gaps) * TRAIN)]
    most = max(upper_limit(sorted(train)[-tail_size(len(train)) :], found.confidence), *gaps)
    hours = math.ceil(most / 3600)
    words = f"{hours} hours" if hours <= 72 else f"{math.ceil(hours / 24)} days"
    newest = found.of(time).high
    age = (now.timestamp() - filled[-1]) / 3600
    if age > (hours if hours <= 72 else math.ceil(hours / 24) * 24):
        old = f"{age / 24:,.0f} days" if age > 48 else f"{age:.0f} hours"
        return (
            None,
            f"freshness: rows came at least every {words}, but the newest is {old} old; a limit would be broken now",
        )
    longest = f"the longest wait was {max(gaps) / 3600:.0f} hours"
    evidence = f"{longest} in {count(len(gaps))} {unit}s with rows; newest {str(newest)[:16]}"
    value = {"check": f"staleness() <= INTERVAL '{words}'", "on_violation": "warn"}
    return Proposal(None, "fresh", value, evidence), ""


def null_rates(windows: Windows, found: Profile) -> Iterator[Proposal]:
    """Yield `max_null_rate` from the shares of missing values that windows had."""
    for column in found.columns:
        present = windows.present.get(column.ref)
        if present is None or column.not_null:
            continue
        pairs = [(rows - there, rows) for there, rows in zip(present, windows.rows, strict=True) if rows >= LEAST_ROWS]
        rates = [gone / rows for gone, rows in pairs]
        train = rates[: math.ceil(len(rates) * TRAIN)]
        if len(train) < 5 or max(rates) > MOST_MISSING:
            continue
        typical = median(rows for _, rows in pairs)
        angles = sorted(math.asin(math.sqrt(rate)) for rate in train)  # in which rates of any size vary alike
        tail = math.sin(min(upper_limit(angles[-tail_size(len(train)) :], found.confidence), math.pi / 2)) ** 2
        noise = wilson_upper(round(max(train) * typical), int(typical), found.confidence)
        most = max(tail, noise)
        widened = ""
        if max(rates) > most:
            most, widened = max(rates) * 1.1, "; widened by those"
        if most > MOST_MISSING:
            continue
        later = f"up to {share(max(rates[len(train) :], default=0.0))} in the {len(rates) - len(train)} after{widened}"
        evidence = f"{share(min(train))} to {share(max(train))} in {len(train)} {windows.unit}, {later}"
        yield Proposal(column.name, "max_null_rate", share_up(most), evidence)


def means(windows: Windows, found: Profile) -> Iterator[Proposal]:
    """Yield bands of the mean (of booleans: of the share that is true) over windows."""
    for column in found.columns:
        values = windows.mean.get(column.ref)
        if values is None:
            continue
        known = [
            value for value, rows in zip(values, windows.rows, strict=True) if value is not None and rows >= LEAST_ROWS
        ]
        train = known[: math.ceil(len(known) * TRAIN)]
        if len(train) < LEAST_WINDOWS or min(train) == max(train):
            continue
        if abs(trend := _trend(known)) > STEADY:
            way = "rises" if trend > 0 else "falls"
            yield Proposal(None, "", None, f"{column.name}: its mean {way} with time (rank correlation {trend:.2f})")
            continue
        low, high = _band(train, found.confidence)
        out = [value for value in known if not low <= value <= high]
        widened = ""
        if out:
            if len(out) > 0.1 * (len(known) - len(train)) + 1:
                later = f"{len(out)} of {len(known) - len(train)} later {windows.unit}"
                yield Proposal(None, "", None, f"{column.name}: its mean moves with time ({later} left the band)")
                continue
            low, high = _band(known, found.confidence)
            widened = f"; widened, because {len(out)} of the later did not keep to it"
        yield _band_of(column, found, (low, high), (train, known, windows), widened)


def _trend(values: Sequence[float]) -> float:
    """Return Spearman's rank correlation of values and time."""
    ranks = np.argsort(np.argsort(values))
    return float(np.corrcoef(ranks, np.arange(len(values)))[0, 1])


def _band(values: Sequence[float], confidence: float) -> tuple[float, float]:
    k = tail_size(len(values)) + 1
    ordered = sorted(values)
    return lower_limit(ordered[:k], confidence), upper_limit(ordered[-k:], confidence)


def _band_of(
    column: Column,
    found: Profile,
    band: tuple[float, float],
    seen: tuple[list[float], list[float], Windows],
    widened: str,
) -> Proposal:
    train, known, windows = seen
    low, high = rounded(band[0], up=False, digits=3), rounded(band[1], up=True, digits=3)
    least = found.of(column).low
    if column.kind is Kind.BOOL:
        low, high = max(low, Decimal(0)), min(high, Decimal(1))
    elif least is not None and Decimal(least) >= 0:
        low = max(low, Decimal(0))
    what = f"share({column.sql})" if column.kind is Kind.BOOL else f"mean({column.sql})"
    name = slug(column.name, "share" if column.kind is Kind.BOOL else "mean")
    value: dict[str, Any] = {"check": f"{what} BETWEEN {number(low)} AND {number(high)}"}
    if windows.unit != DAYS:
        value["over"] = "batch"
    below = share_up(unseen_below(len(known), found.confidence))
    evidence = (
        f"{_short(min(known))} to {_short(max(known))} in {len(known)} {windows.unit}, the band from the first "
        f"{len(train)}{widened}; fewer than {below} of {windows.unit} leave it"
    )
    return Proposal(None, name, value, evidence)


def _short(value: float) -> str:
    return f"{value:.4g}"
