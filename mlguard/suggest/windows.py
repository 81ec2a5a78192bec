"""What windows of a source looked like: days of event time, files of a folder, or blocks of rows in their order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from mlguard.lang.types import Kind
from mlguard.suggest.engine import Source
from mlguard.suggest.facts import Column, Profile
from mlguard.suggest.names import is_id

LEAST_ROWS = 30  # of a window whose rates are looked at, as for means and rates of the language
DAYS, FILES, BLOCKS = "days", "files", "blocks of rows in their order"
MOST_BLOCKS = 50


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
    rows = source.query(
        f"select {cut} as w, count(*)"
        + "".join(f", {sql}" for sql in asked)
        + f" from {source.rows} group by 1 order by 1"
    )
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
