"""Lines of a column that need no values: type, pii, required, share of missing values, sizes of arrays. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from mlguard.lang.types import Kind
from mlguard.suggest.facts import Column, Profile, Proposal
from mlguard.suggest.statistics import count, share, share_up, unseen_below, wilson_upper

LEAST_ROWS = 30  # below, "never missing" says too little: it may be missing in one row of ten
MOST_MISSING = 0.95  # a column that is nearly always missing has no use for a limit


def propose(column: Column, found: Profile) -> Iterator[Proposal]:
    """Yield the lines."""
    name = column.name
    if column.kind is not Kind.UNKNOWN and column.type.sql:
        yield Proposal(name, "type", str(column.type.sql), "")
    if name in found.pii:
        yield Proposal(name, "pii", True, f"{found.pii[name]}; no value of it is shown anywhere")
    yield from _missing(column, found)
    counted = found.of(column)
    if column.kind is Kind.ARRAY and counted.lengths is not None and counted.present >= LEAST_ROWS:
        least, most = counted.lengths
        if least == most > 0:
            yield Proposal(name, "array_length", most, f"so many in all {count(counted.present)} arrays")


def _missing(column: Column, found: Profile) -> Iterator[Proposal]:
    counted, n = found.of(column), found.rows
    missing = n - counted.present
    if column.not_null:
        yield Proposal(column.name, "required", True, "the table itself refuses NULL")
    elif missing == 0 and n >= LEAST_ROWS:
        below = share_up(unseen_below(n, found.confidence))
        yield Proposal(
            column.name,
            "required",
            True,
            f"0 of {count(n)} rows NULL; below {below}",
            f"{column.ref} is not null",
        )
    elif n >= LEAST_ROWS and found.event_time is None and missing / n <= MOST_MISSING:
        upper = wilson_upper(missing, n, found.confidence)
        yield Proposal(
            column.name,
            "max_null_rate",
            share_up(min(1.0, upper * 1.5)),
            f"{share(missing / n)} of {count(n)} rows are NULL; half as much again as the upper bound of that, "
            f"{share(upper)}, because loads differ",
        )
