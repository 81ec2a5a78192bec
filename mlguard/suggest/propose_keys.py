"""What tells rows apart, and what only grows: unique, key, increasing_by. Each is counted over all rows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from mlguard.lang.types import INTEGERS, Kind
from mlguard.suggest.engine import Source
from mlguard.suggest.facts import Column, Profile, Proposal
from mlguard.suggest.names import is_id, is_surely_id
from mlguard.suggest.statistics import count

LEAST_ROWS = 100
MOST_PAIRS = 12
MOST_GROWING = 8
LEAST_RISES = 100
_NAMES_ROWS = INTEGERS | {Kind.TEXT, Kind.UUID}


def unique(source: Source, found: Profile) -> Iterator[Proposal]:
    """Yield `unique` for columns whose values never repeat, and not by luck."""
    for column in found.columns:
        counted = found.of(column)
        if column.kind not in _NAMES_ROWS or counted.present < LEAST_ROWS:
            continue
        if source.key == (column.name,):
            yield Proposal(column.name, "unique", True, "the table itself holds it unique")
            continue
        in_sample = found.profiled * counted.present / max(found.rows, 1)
        if counted.distinct < 0.9 * in_sample or not _means_it(column, found):
            continue
        different = source.query(
            f"select count(*) from (select {column.ref} from {source.rows}"
            f" where {column.ref} is not null group by 1) as g"
        )[0][0]
        if different == counted.present:
            yield Proposal(column.name, "unique", True, f"{count(different)} values, none twice")


def _means_it(column: Column, found: Profile) -> bool:
    """Say whether values that never repeat are more than luck.

    n values drawn at random from D different ones are all different with a probability of about exp(-n²/2D) (the
    birthday problem); D is at least the span of integers. Text and UUIDs need a name that says so.
    """
    counted = found.of(column)
    if is_id(column.name) or column.kind is Kind.UUID:
        return True
    if column.kind not in INTEGERS or counted.low is None or counted.high is None:
        return False
    span = int(counted.high) - int(counted.low) + 1
    n = counted.present
    return n * (n - 1) / (2 * span) > -math.log(1 - found.confidence)


def key(source: Source, found: Profile, singles: list[str]) -> Proposal | None:
    """Return the key: what the table has, one unique column, or the smallest pair or triple that is."""
    if source.key:
        return Proposal(None, "key", list(source.key), "the table itself holds it unique")
    n = found.rows
    full = [column.name for column in found.columns if column.name in singles and found.of(column).present == n]
    if full:
        return Proposal(None, "key", [full[0]], f"unique and never NULL in {count(n)} rows")
    if n < LEAST_ROWS:
        return None
    for columns in _candidates(found):
        refs = ", ".join(column.ref for column in columns)
        different = source.query(f"select count(*) from (select {refs} from {source.rows} group by {refs}) as g")[0][0]
        if different == n:
            names = [column.name for column in columns]
            return Proposal(None, "key", names, f"{count(n)} rows, no two alike in {' and '.join(names)}")
    return None


def _candidates(found: Profile) -> Iterator[tuple[Column, ...]]:
    """Yield pairs and triples that have enough combinations, entities and the event time before others."""
    named = [
        column
        for column in found.columns
        if column.kind in _NAMES_ROWS | {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ}
        and found.of(column).present == found.rows
        and found.of(column).distinct > 1
        and (is_id(column.name) or column.is_time or column == found.event_time)
    ]
    others = [
        column
        for column in found.columns
        if column.kind is Kind.TEXT
        and column not in named
        and found.of(column).present == found.rows
        and found.of(column).distinct > 1
    ]
    ranked = sorted(named, key=lambda c: (c != found.event_time, not is_surely_id(c.name), c.index))
    pool = (ranked + others)[:7]
    tried = 0
    for size in (2, 3):
        for columns in itertools.combinations(pool, size):
            if not any(column in named for column in columns):
                continue
            if math.prod(found.of(column).distinct * 1.1 for column in columns) < found.profiled:
                continue
            tried += 1
            if tried > MOST_PAIRS:
                return
            yield tuple(sorted(columns, key=lambda column: (column.is_time, column.index)))


def growing(source: Source, found: Profile) -> Iterator[Proposal]:
    """Yield `increasing_by` for numbers that never fall within an entity, and often rise."""
    time = found.event_time
    if time is None or found.rows < LEAST_ROWS:
        return
    entity = next(
        (
            column
            for column in found.columns
            if column.kind in _NAMES_ROWS
            and is_id(column.name)
            and 2 <= found.of(column).distinct <= found.profiled / 3
            and found.of(column).present == found.rows
        ),
        None,
    )
    if entity is None:
        return
    numbers = [
        column
        for column in found.columns
        if column.is_number
        and column != entity
        and column.name not in found.pii
        and not is_surely_id(column.name)
        and found.of(column).distinct > 20
        and not found.of(column).odd
    ]
    columns = numbers[:40]
    if not columns:
        return
    before = ", ".join(f"lag({c.ref}) over w as b{c.index}" for c in columns)
    refs = ", ".join(dict.fromkeys((time.ref, entity.ref, *(c.ref for c in columns))))
    counts = ", ".join(
        f"count(*) filter (where {c.ref} > b{c.index}), count(*) filter (where {c.ref} < b{c.index}),"
        f" count(*) filter (where {c.ref} < b{c.index} and part = 1)"
        for c in columns
    )
    # Entities are drawn whole, so that neighbours stay neighbours.
    some = _some(source, entity, found)
    ordered = (
        f"select {refs}, part, {before} from {source.rows} {{where}}"
        f" window w as (partition by {entity.ref} order by {time.ref})"
    )
    answers = source.query(f"select {counts} from ({ordered.format(where=some)}) as o")[0]
    promising = [
        column
        for place, column in enumerate(columns)
        if answers[3 * place] >= LEAST_RISES and answers[3 * place + 1] == 0
    ][:MOST_GROWING]
    for column in promising:
        yield from _never_falls(source, found, entity, column, time)


def _some(source: Source, entity: Column, found: Profile) -> str:
    if found.rows <= 200_000:
        return ""
    wanted = max(1, found.of(entity).distinct * 200_000 // found.rows)
    inner = (
        f"select {entity.ref} from (select distinct {entity.ref} from {source.sample}) as d order by 1 limit {wanted}"
    )
    return f"where {entity.ref} in ({inner})"


def _never_falls(source: Source, found: Profile, entity: Column, column: Column, time: Column) -> Iterator[Proposal]:
    """Count rises and falls over all rows as the rule does: against the greatest value of the moment before."""
    sql = (
        f"select count(*) filter (where {column.ref} > before), count(*) filter (where {column.ref} < before) from ("
        f"select {column.ref}, max({column.ref}) over (partition by {entity.ref} order by {time.ref}"
        f" groups between 1 preceding and 1 preceding) as before from {source.rows}"
        f" where {column.ref} is not null) as o"
    )
    rises, falls = source.query(sql)[0]
    if falls == 0 and rises >= LEAST_RISES:
        evidence = (
            f"rose {count(rises)} times and never fell within {entity.name}; wants an index on it and the event time"
        )
        yield Proposal(column.name, "increasing_by", [entity.name], evidence)
