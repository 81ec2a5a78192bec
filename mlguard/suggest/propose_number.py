"""Ranges and sets of numbers. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from mlguard.lang.types import FLOATS
from mlguard.suggest.facts import Column, Profile, Proposal
from mlguard.suggest.names import is_surely_id, natural_ends
from mlguard.suggest.statistics import count, lower_limit, number, rounded, upper_limit

LEAST_ROWS = 100
TOLERATED = 0.001  # share of validating values beyond a bound up to which all rows together may widen it
LIMIT = {"smallint": 32_767, "integer": 2_147_483_647, "bigint": 9_223_372_036_854_775_807}


def propose(column: Column, found: Profile) -> Iterator[Proposal]:
    """Yield the range of a column of numbers, or that it is finite."""
    counted = found.of(column)
    values = counted.present - counted.odd
    if counted.low is None or counted.high is None or column.name in found.pii or counted.odd:
        return
    low, high = Decimal(counted.low), Decimal(counted.high)
    if values < LEAST_ROWS:
        return
    seen = f"{_shown(low)} to {_shown(high)} in {count(values)} values"
    if column.is_whole and low == 0 and high == 1:
        yield _in(column, [0, 1], f"only 0 and 1 in {count(values)} values")
        return
    ends = natural_ends(column.name, low, high, whole=column.is_whole)
    if ends is not None:
        yield _range(column, (Decimal(ends[0]), Decimal(ends[1])), f"{ends[2]}; {seen}", warn=False)
        return
    if is_surely_id(column.name) or _counts_on(column, found):
        if low >= 0:
            yield _range(
                column, (Decimal(0), None), f"an identifier, never negative in {count(values)} values", warn=False
            )
        return
    first = _bounds(column, found, low, high, all_rows=False)
    if first is None:
        return
    bounds, why = first
    again = _bounds(column, found, low, high, all_rows=True)
    fallback = None
    if again is not None:
        fallback = _range(column, again[0], f"{seen}; {again[1]}; widened, because {{bad}}", warn=True)
    yield _range(column, bounds, f"{seen}; {why}", warn=True, fallback=fallback)


def finite(column: Column, found: Profile) -> Proposal | None:
    """Return that a column is finite, for columns without a range (a range refuses NaN and infinities itself)."""
    counted = found.of(column)
    if column.kind not in FLOATS or counted.odd or counted.present < LEAST_ROWS:
        return None
    return Proposal(column.name, "finite", True, f"no NaN, no infinity in {count(counted.present)} values")


def _shown(value: Decimal) -> str:
    """Write a value for people, to six digits."""
    return number(value) if value == value.to_integral_value() else f"{float(value):.6g}"


def _counts_on(column: Column, found: Profile) -> bool:
    """Tell numbers that were given out one after the other: as many different ones as rows, without gaps."""
    counted = found.of(column)
    if not column.is_whole or counted.low is None or counted.high is None:
        return False
    span = int(counted.high) - int(counted.low) + 1
    return found.profiled == found.rows and counted.distinct > 0.9 * counted.present and span < 2 * counted.present


def _bounds(
    column: Column, found: Profile, low: Decimal, high: Decimal, *, all_rows: bool
) -> tuple[tuple[Decimal | None, Decimal | None], str] | None:
    """Return both ends and how they came about; the tails of the first part, or of all rows."""
    tails = found.of(column).tails
    highest, lowest = (tails[2], tails[3]) if all_rows else (tails[0], tails[1])
    if len(highest) < 2 or len(lowest) < 2:
        return None
    whole = column.is_whole
    top = rounded(upper_limit(highest, found.confidence), up=True, whole=whole)
    bottom = rounded(lower_limit(lowest, found.confidence), up=False, whole=whole)
    if all_rows:
        top, bottom = (
            max(top, rounded(float(high), up=True, whole=whole), high),
            min(bottom, rounded(float(low), up=False, whole=whole), low),
        )
    why = f"ends there by the tail of {count(len(highest))} values"
    if low >= 0 and bottom < high / 10 and low <= high / 20:
        bottom = Decimal(0)
        why = f"never negative; {why}"
    if high <= 0 and top > low / 10 and high >= low / 20:
        top = Decimal(0)
        why = f"never positive; {why}"
    if not whole and low >= 0 and Decimal("0.9") <= high <= 1 and top < Decimal("1.5"):
        top, bottom, why = Decimal(1), Decimal(0), "looks like a share"
    limit = LIMIT.get(column.kind.value)
    upper = None if limit is not None and top > limit else top
    lower = None if limit is not None and bottom < -limit else bottom
    return ((lower, upper), why) if (lower, upper) != (None, None) else None


def _range(
    column: Column,
    ends: tuple[Decimal | None, Decimal | None],
    evidence: str,
    *,
    warn: bool,
    fallback: Proposal | None = None,
) -> Proposal:
    low, high = ends
    parts = []
    ref = f"{column.ref}::float8" if column.may_be_nan else column.ref
    if low is not None:
        parts.append(f"{ref} >= {number(low)}")
    if high is not None:
        parts.append(f"{ref} <= {number(high)}")
    between = [None if end is None else end for end in ends]
    value = {"between": between, "on_violation": "warn"} if warn else between
    return Proposal(column.name, "range", value, evidence, " and ".join(parts), fallback, TOLERATED)


def _in(column: Column, values: list[int], evidence: str) -> Proposal:
    listed = ", ".join(map(str, values))
    return Proposal(column.name, "in", values, evidence, f"{column.ref} in ({listed})")
