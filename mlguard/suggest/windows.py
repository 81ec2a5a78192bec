"""What windows of a source looked like, and the limits they argue for: volume, freshness, missing values, means.

Limits come from the first part of the windows and must hold over the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

from mlguard.lang.types import Kind
from mlguard.suggest.engine import TRAIN, Source
from mlguard.suggest.facts import Column, Profile, Proposal
from mlguard.suggest.names import is_id
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

LEAST_WINDOWS = 14
LEAST_ROWS = 30  # of a window whose rates are looked at, as for means and rates of the language
DAYS, FILES, BLOCKS = "days", "files", "blocks of rows in their order"
MOST_BLOCKS = 50
MOST_MISSING = 0.75  # a limit above it says nothing
STEADIEST = 0.9  # of the usual volume: a closer limit would be about the calendar
BACK = 28  # windows that volume is compared with


@dataclass(frozen=True)
class Windows:
    """Windows, oldest first: rows, and per column the values present and their mean.

    Attributes:
        names: when each began, or the file it is.
        unit: what they are, in the plural.
    """

    names: tuple[str, ...]
    rows: tuple[int, ...]
    present: dict[str, tuple[int, ...]]
    mean: dict[str, tuple[float | None, ...]]
    unit: str = DAYS


def read(source: Source, found: Profile, *, history: bool) -> Windows | None:
    """Count each day of event time, each file of a folder, or blocks of rows in their order (loads differ as these do).

    None where there is no order, or, with `history`, where there are neither days nor files.
    """
    time = found.event_time
    if not found.rows or (time is None and not source.files and (history or not source.ordered)):
        return None
    unit = DAYS if time is not None else FILES if source.files else BLOCKS
    if time is not None:
        moment = source.dialect.zoneless(time)
        cut = f"case when isfinite({moment}) then date_trunc('day', {moment})::date end"
    else:
        size = max(LEAST_ROWS, math.ceil(found.rows / MOST_BLOCKS))
        cut = "file" if source.files else f"place // {size}"
    nullable = [c for c in found.columns if found.of(c).present < found.rows]
    means = [c for c in found.columns if history and _has_mean(c, found)]
    asked = [f"count({c.ref})" for c in nullable] + [_mean(c) for c in means]
    rows = source.query(f"select {cut} as w, count(*)" + "".join(f", {sql}" for sql in asked) + f" from {source.rows} group by 1 order by 1")
    rows = [row for row in rows if row[0] is not None]
    if unit == DAYS:
        rows = _every_day(rows, len(asked))
    if not rows:
        return None
    columns = list(zip(*rows, strict=True))
    return Windows(
        tuple(map(str, columns[0])),
        tuple(map(int, columns[1])),
        {c.ref: tuple(map(int, columns[2 + place])) for place, c in enumerate(nullable)},
        {
            c.ref: tuple(None if value is None else float(value) for value in columns[2 + len(nullable) + place])
            for place, c in enumerate(means)
        },
        unit,
    )


def _has_mean(column: Column, found: Profile) -> bool:
    if column.name in found.pii or found.of(column).odd:
        return False
    return column.kind is Kind.BOOL or (column.is_number and not is_id(column.name))


def _mean(column: Column) -> str:
    return f"avg({column.ref}::integer)" if column.kind is Kind.BOOL else f"avg({column.ref}::float8)"


def _every_day(rows: list[tuple[Any, ...]], asked: int) -> list[tuple[Any, ...]]:
    """Fill days without rows in."""
    by_day = {row[0]: row for row in rows}
    first, last = min(by_day), max(by_day)
    days = (first + timedelta(days=n) for n in range(min((last - first).days, 100_000) + 1))
    return [by_day.get(day, (day, 0, *([0] * asked))) for day in days]


def volume(windows: Windows) -> Proposal | None:
    """Return the limit of the fall in rows against the median of the windows before."""
    rows = windows.rows[1:-1]  # the first and the last day may be cut off
    ratios: list[float] = []
    for place in range(3, len(rows)):
        before = median(rows[max(0, place - BACK) : place])
        if before > 0:
            ratios.append(rows[place] / before)
    if len(ratios) < LEAST_WINDOWS or median(rows) < 10 or windows.unit != DAYS:
        return None
    train = ratios[: math.ceil(len(ratios) * TRAIN)]
    if min(ratios) <= 0:
        return None
    falls = [-math.log(ratio) for ratio in sorted(train)[: tail_size(len(train)) + 1]]
    least = math.exp(-upper_limit(falls, 0.99))
    limit = min(math.floor(least * 100) / 100, math.floor(min(ratios) * 100) / 100, STEADIEST)
    if limit < 0.05:
        return None
    widened = "; widened by those" if min(ratios) < math.floor(least * 100) / 100 else ""
    value = {"check": f"change(row_count(), '{BACK} days') >= {number(Decimal(str(round(limit - 1, 2))))}"}
    evidence = (
        f"{len(train)} days had {share(min(train))} to {share(max(train))} of the median of up to {BACK} days before; "
        f"the {len(ratios) - len(train)} days after had {share(min(ratios[len(train) :], default=1))} at least{widened}"
    )
    return Proposal(None, "volume", value, evidence)


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
    gaps = [(b - a) + step for a, b in zip(filled, filled[1:], strict=False)]
    if len(gaps) < LEAST_WINDOWS:
        return None, f"freshness: {len(gaps) + 1} different {unit}s say too little about how often rows come"
    train = gaps[: math.ceil(len(gaps) * TRAIN)]
    most = max(upper_limit(sorted(train)[-tail_size(len(train)) :], found.confidence), max(gaps))
    hours = math.ceil(most / 3600)
    words = f"{hours} hours" if hours <= 72 else f"{math.ceil(hours / 24)} days"
    newest = found.of(time).high
    age = (now.timestamp() - filled[-1]) / 3600
    if age > (hours if hours <= 72 else math.ceil(hours / 24) * 24):
        old = f"{age / 24:,.0f} days" if age > 48 else f"{age:.0f} hours"
        return None, f"freshness: rows came at least every {words}, but the newest is {old} old; a limit would be broken now"
    evidence = (
        f"the longest wait was {max(gaps) / 3600:.0f} hours in {count(len(gaps))} {unit}s with rows; newest {str(newest)[:16]}"
    )
    value = {"check": f"staleness() <= INTERVAL '{words}'", "on_violation": "warn"}
    return Proposal(None, "fresh", value, evidence), ""


def null_rates(windows: Windows, found: Profile) -> Iterator[Proposal]:
    """Yield `max_null_rate` from the shares of missing values that windows had."""
    for column in found.columns:
        present = windows.present.get(column.ref)
        if present is None or column.not_null:
            continue
        pairs = [
            (rows - there, rows)
            for there, rows in zip(present, windows.rows, strict=True)
            if rows >= LEAST_ROWS
        ]
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
        unit = windows.unit
        later = max(rates[len(train) :], default=0.0)
        evidence = f"{share(min(train))} to {share(max(train))} in {len(train)} {unit}, up to {share(later)} in the {len(rates) - len(train)} after{widened}"
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
        low, high = _band(train, found.confidence)
        out = [value for value in known if not low <= value <= high]
        widened = ""
        if out:
            if len(out) > 0.1 * (len(known) - len(train)) + 1:
                found_note = f"{column.name}: its mean moves with time ({len(out)} of {len(known) - len(train)} later windows left the band)"
                yield Proposal(None, "", None, found_note)
                continue
            low, high = _band(known, found.confidence)
            widened = f"; widened, because {len(out)} of the later did not keep to it"
        yield _band_of(column, found, (low, high), (train, known, windows), widened)


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
    name = f"{column.name}_{'share' if column.kind is Kind.BOOL else 'mean'}".replace(".", "_")
    value: dict[str, Any] = {"check": f"{what} BETWEEN {number(low)} AND {number(high)}"}
    if windows.unit != DAYS:
        value["over"] = "batch"
    unit = windows.unit
    below = share_up(unseen_below(len(known), found.confidence))
    evidence = (
        f"{_short(min(known))} to {_short(max(known))} in {len(known)} {unit}, the band from the first {len(train)}{widened}; fewer than "
        f"{below} of {unit} leave it"
    )
    return Proposal(None, name, value, evidence)


def _short(value: float) -> str:
    return f"{value:.4g}"


def now_utc() -> datetime:
    """The time of this run."""
    return datetime.now(UTC)

