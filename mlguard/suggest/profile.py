"""Read a source: one pass over all rows, one over the profiled ones, and some thousand rows to search in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from mlguard.lang.types import Kind
from mlguard.suggest import personal
from mlguard.suggest.engine import TRAIN, Source, within_floats
from mlguard.suggest.facts import Column, Counted, Profile
from mlguard.suggest.names import best_time, is_surely_id
from mlguard.suggest.statistics import count, tail_size

SEARCHED = 20_000  # rows that rules between columns and patterns are searched in
SEARCHED_CELLS = 1_000_000
LEAST_HELD_OUT = 0.05
_NO_ORDER = frozenset({Kind.JSON, Kind.JSONB, Kind.OTHER, Kind.ARRAY, Kind.BYTEA})

Step = Callable[[str, int, int], None]


def profile(
    source: Source,
    *,
    event_time: str | None,
    confidence: float,
    pii: Sequence[str] = (),
    step: Step | None = None,
) -> Profile:
    """Read a source.

    Args:
        source: not yet split; it is afterwards.
        event_time: name of the column that orders rows; None to look for one.
        confidence: of every bound.
        pii: columns, or patterns of columns, that are known to hold personal data.
        step: told what is being done.
    """
    tell = step or (lambda what, done, of: None)
    tell("counting", 0, 4)
    found = _overview(source)
    found.confidence = confidence
    _choose_time(found, event_time)
    tell("dividing", 1, 4)
    _split(source, found)
    tell("profiling", 2, 4)
    _details(source, found)
    tell("searching", 3, 4)
    if found.train:
        _search_rows(source, found)
    personal.find(found)
    for column in found.columns:
        if any(fnmatchcase(column.name, pattern) for pattern in pii):
            found.pii.setdefault(column.name, "the file says so")
    if time := found.event_time:
        found.split = (
            found.split if time.name not in found.pii else "Proposed from the earlier rows, validated on the later"
        )
    return found


def _overview(source: Source) -> Profile:
    """Count rows, values, odd numbers; take extremes and lengths: one pass over everything."""
    asked: list[tuple[str, Column, str]] = []
    for column in source.columns:
        ref = column.ref
        asked.append(("present", column, f"count({ref})"))
        if column.may_be_nan:
            finite = within_floats(ref)
            asked.append(("odd", column, f"count(*) filter (where {ref} is not null and not ({finite}))"))
            asked.append(("low", column, f"(min({ref}) filter (where {finite}))::text"))
            asked.append(("high", column, f"(max({ref}) filter (where {finite}))::text"))
        elif column.is_number or column.is_time:
            asked.append(("low", column, f"min({ref})::text"))
            asked.append(("high", column, f"max({ref})::text"))
        elif column.is_text or column.kind is Kind.ARRAY:
            size = f"length({ref})" if column.is_text else source.dialect.elements(ref)
            asked.append(("shortest", column, f"min({size})"))
            asked.append(("longest", column, f"max({size})"))
    values = source.query(f"select {', '.join(['count(*)', *(sql for _, _, sql in asked)])} from {source.rows}")[0]
    found = Profile(source.columns, int(values[0]))
    answers: dict[str, dict[str, Any]] = {column.ref: {} for column in source.columns}
    for (what, column, _), value in zip(asked, values[1:], strict=True):
        answers[column.ref][what] = value
    for ref, answer in answers.items():
        longest = answer.get("longest")
        found.counted[ref] = Counted(
            present=answer["present"] or 0,
            odd=answer.get("odd") or 0,
            low=answer.get("low"),
            high=answer.get("high"),
            lengths=None if longest is None else (int(answer["shortest"]), int(longest)),
        )
    return found


def _choose_time(found: Profile, named: str | None) -> None:
    if named is not None:
        found.event_time = next(column for column in found.columns if column.name == named)
        found.event_time_why = "named by --event-time"
        return
    times = [
        column for column in found.columns if column.is_time and found.rows and found.of(column).present == found.rows
    ]
    found.event_time, found.event_time_why = best_time(times, found)


def _split(source: Source, found: Profile) -> None:
    """Divide by time where there is one, so that the later rows validate what the earlier ones propose."""
    time = found.event_time
    if time is not None and found.rows:
        moment = source.dialect.zoneless(time)
        cut = source.query(f"select ({source.dialect.quantile(moment, TRAIN)})::text from {source.sample}")[0][0]
        if cut is not None:
            type_ = "date" if time.kind is Kind.DATE else "timestamp"
            source.split(f"coalesce({moment} > cast('{cut}' as {type_}), false)")
            held = source.query(f"select count(*) filter (where part = 1) from {source.rows}")[0][0]
            if held >= LEAST_HELD_OUT * found.rows:
                found.split = f"proposed from the rows up to {str(cut)[:19]}, validated on the {count(held)} after it"
                return
    source.split(None)
    held = source.query(f"select count(*) filter (where part = 1) from {source.rows}")[0][0] if found.rows else 0
    found.split = f"proposed from {count(found.rows - held)} rows, validated on the {count(held)} others (by hash)"


def _details(source: Source, found: Profile) -> None:
    """Take distinct values and the tails of both parts of the profiled rows."""
    sizes = dict(source.query(f"select part, count(*) from {source.sample} group by part"))
    found.profiled, found.train = sum(sizes.values()), int(sizes.get(0, 0))
    if not found.profiled:
        return
    dialect = source.dialect
    ordered = [column for column in found.columns if column.kind not in _NO_ORDER]
    if ordered:
        asked = ", ".join(dialect.distinct(column.ref) for column in ordered)
        for column, n in zip(ordered, source.query(f"select {asked} from {source.sample}")[0], strict=True):
            found.of(column).distinct = int(n)
    tailed = [column for column in found.columns if _has_tail(column, found)]
    if not tailed:
        return
    k = tail_size(found.train)
    asked = ", ".join(
        dialect.greatest(_tail_value(column), k, down=down) for column in tailed for down in (True, False)
    )
    rows = {row[0]: row[1:] for row in source.query(f"select part, {asked} from {source.sample} group by part")}
    for place, column in enumerate(tailed):
        (high, low), (high_held, low_held) = (
            [
                list(map(float, many or ()))
                for many in rows.get(part, ((),) * 2 * len(tailed))[2 * place : 2 * place + 2]
            ]
            for part in (0, 1)
        )
        high_all, low_all = sorted(high + high_held, reverse=True)[:k], sorted(low + low_held)[:k]
        found.of(column).tails = (high, low, high_all, low_all)


def _has_tail(column: Column, found: Profile) -> bool:
    counted = found.of(column)
    if column.is_text:
        return counted.lengths is not None and counted.lengths[0] < counted.lengths[1]
    return column.is_number and counted.low != counted.high and not counted.odd and not is_surely_id(column.name)


def _tail_value(column: Column) -> str:
    return f"{column.ref}::float8" if column.is_number else f"length({column.ref})::float8"


def _search_rows(source: Source, found: Profile) -> None:
    columns = found.columns
    if not columns:
        return
    limit = max(2_000, min(SEARCHED, SEARCHED_CELLS // len(columns)))
    rows = source.few(limit, columns)
    for column, values in zip(columns, zip(*rows, strict=True), strict=False):
        if column.is_text:
            found.values[column.ref] = list(values)
        else:
            found.values[column.ref] = np.array(
                [np.nan if value is None else float(value) for value in values], dtype=np.float64
            )
