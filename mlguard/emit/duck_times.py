"""Dates, times and intervals in DuckDB; clocks of a timestamptz are those of the file's zone. Pure.

Both engines count microseconds from the same origin, but DuckDB's timestamps end in the year 294247, PostgreSQL's in
294276, and PostgreSQL's begin in 4713 BC.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from mlguard.emit.duck_core import NotLocal, quoted
from mlguard.emit.duck_numeric import Exact, Num
from mlguard.emit.pg_expr import BELOW_HOUR
from mlguard.lang import tree
from mlguard.lang.literals import read_interval, with_offset
from mlguard.lang.tree import Expr, Literal
from mlguard.lang.types import INTEGERS, TIMES, Kind
from mlguard.lang.zones import whole_hours

if TYPE_CHECKING:
    from mlguard.emit.duck_expr import Writer

_RANGE = "date or timestamp out of range"
_FIRST = {Kind.DATE: "date '4714-11-24 (BC)'", Kind.TIMESTAMP: "timestamp '4714-11-24 (BC)'"}
_LAST_DATE = "date '5874897-12-31'"
_ERAS = {"decade": 10, "century": 100, "millennium": 1000}
_ENDLESS = frozenset({"century", "decade", "epoch", "isoyear", "julian", "millennium", "year"})


def literal(value: str, kind: Kind, zone: str) -> str:
    """Return a constant date, time, timestamp or interval."""
    if kind is Kind.INTERVAL:
        return interval(*_span(value))
    if kind is Kind.TIMESTAMPTZ:
        text = with_offset(value, zone)
        return f"{quoted(text)}::timestamptz"
    return f"{quoted(value)}::{kind.name.lower()}"


def _span(value: str) -> tuple[int, int, int]:
    span = read_interval(value)
    return span.months, span.days, span.microseconds


def interval(months: int, days: int, microseconds: int) -> str:
    """Return a constant interval of three parts."""
    parts = [
        f"to_months({months})" * bool(months),
        f"to_days({days})" * bool(days),
        f"to_microseconds({microseconds})" * (bool(microseconds) or not (months or days)),
    ]
    found = [part for part in parts if part]
    return found[0] if len(found) == 1 else f"({' + '.join(found)})"


def at_zone(w: Writer, text: str, zone: str) -> str:
    """Return `text at time zone 'zone'`."""
    return f"({w.atom(text)} at time zone {quoted(zone)})"


def ranged(w: Writer, text: str, kind: Kind, type_name: str) -> str:
    """Return a date or timestamp, raising before the first that PostgreSQL has; endless ones stay."""
    w.fails += 1
    out = w.failing_as(_RANGE, type_name, kind)
    first = _FIRST[Kind.DATE if kind is Kind.DATE else Kind.TIMESTAMP]
    if kind is Kind.TIMESTAMPTZ:
        first = "(timestamp '4714-11-24 (BC)' at time zone 'UTC')"
    late = f" or {{x}} > {_LAST_DATE}" if kind is Kind.DATE else ""
    bad = f"({{x}} < {first}{late}) and isfinite({{x}})"
    return w.let((text,), lambda x: f"case when {bad.format(x=x)} then {out} else {x} end")


def as_timestamp(w: Writer, expr: Expr) -> str:
    """Return a date or timestamp to be compared: a date later than all timestamps as the last day that has one."""
    text = w.atom(w.write(expr))
    if expr.type.kind is not Kind.DATE:
        return text
    if isinstance(expr, Literal):
        return f"{text}::timestamp"
    return w.let(
        (text,), lambda x: f"case when isfinite({x}) then least({x}, date '294247-01-10') else {x} end::timestamp"
    )


def arithmetic(w: Writer, expr: tree.Arithmetic) -> str | None:
    """Return `+ - * /` with a date, time or interval, or None where it has none."""
    kind, left, right, op = expr.type.kind, expr.left, expr.right, expr.op
    kinds = {left.type.kind, right.type.kind}
    if not kinds & (TIMES | {Kind.INTERVAL, Kind.TIME}):
        return None
    w.fails += 1
    if kind is Kind.TIMESTAMPTZ:
        return ranged(w, _moved(w, expr), kind, "timestamptz")
    if kind is Kind.INTERVAL and op in "*/":
        return _scaled(w, expr)
    one, two = w.atom(w.write(left)), w.atom(w.write(right))
    if kind is Kind.INT4:
        bad = w.failing("cannot subtract infinite dates", expr.type)
        return w.let(
            (one, two),
            lambda a, b: f"case when isinf({a}) or isinf({b}) then {bad} else ({a} - {b})::integer end",
        )
    sides = (left, right)
    if kinds == {Kind.TIME}:
        return w.strict(sides, (one, two), lambda a, b: f"(({_day(a)}) - ({_day(b)}))")
    if kind is Kind.DATE:
        one, two = (
            f"{text}::integer" if side.type.kind in INTEGERS else text for side, text in ((left, one), (right, two))
        )
    together = w.strict(sides, (one, two), lambda a, b: f"({a} {op} {b})")
    if kind is Kind.DATE:
        return ranged(w, together, kind, "date")
    if kind is Kind.TIMESTAMP:
        return ranged(w, together, kind, "timestamp")
    if kind is Kind.INTERVAL and kinds & TIMES:
        w.doubt(f"isinf({one}) or isinf({two})", "the length from or to infinity")
    return together


def _moved(w: Writer, expr: tree.Arithmetic) -> str:
    """Return timestamptz ± interval as PostgreSQL's writer does it."""
    flipped = expr.left.type.kind is Kind.INTERVAL
    moment, length = (expr.right, expr.left) if flipped else (expr.left, expr.right)
    text = w.write(moment)
    for zone, step in _steps(w, length):
        local = at_zone(w, text, zone)
        moved = w.strict((moment, length), (local, step), lambda a, b: f"({a} {expr.op} {b})")
        text = at_zone(w, moved, zone)
    return text


def _steps(w: Writer, length: Expr) -> list[tuple[str, str]]:
    """Divide a constant interval into what is added on the zone's clock and what is elapsed time."""
    if w.zone == "UTC" or not isinstance(length, Literal) or not isinstance(length.value, str):
        return [(w.zone, w.write(length))]
    months, days, microseconds = _span(length.value)
    found = [(w.zone, interval(months, days, 0))] if months or days else []
    return found + ([("UTC", interval(0, 0, microseconds))] if microseconds or not found else [])


def _scaled(w: Writer, expr: tree.Arithmetic) -> str:
    """Return an interval times a whole number; a fraction would be spread over its parts with roundings of its own."""
    left, right = expr.left, expr.right
    length, factor = (left, right) if left.type.kind is Kind.INTERVAL else (right, left)
    if expr.op == "*" and factor.type.kind in INTEGERS:
        return f"({w.atom(w.write(length))} * {w.atom(w.typed(factor))}::bigint)"
    value = factor.value if isinstance(factor, Literal) else None
    if expr.op == "*" and isinstance(value, Decimal) and value == int(value) and abs(value) < 2**31:
        return f"({w.atom(w.write(length))} * {int(value)}::bigint)"
    raise NotLocal(expr.op, "an interval times or by a fraction")


def negate(w: Writer, expr: tree.Negate) -> str:
    """Return minus an interval."""
    w.fails += 1
    return f"(-{w.atom(w.write(expr.operand))})"


def cast(w: Writer, expr: tree.Cast) -> str | None:
    """Return a cast between dates, times and intervals, or None where it is none."""
    source, target = expr.operand.type.kind, expr.type.kind
    if source not in TIMES | {Kind.TIME, Kind.INTERVAL} or target not in TIMES | {Kind.TIME, Kind.INTERVAL}:
        return None
    text = w.write(expr.operand)
    if source is target:
        return text
    w.fails += 1
    if source is Kind.TIMESTAMPTZ:
        local = at_zone(w, text, w.zone)
        return local if target is Kind.TIMESTAMP else _narrowed(w, local, target)
    if target is Kind.TIMESTAMPTZ:
        moment = f"{w.atom(text)}::timestamp"
        return at_zone(w, moment, w.zone)
    if source is Kind.INTERVAL:
        return w.let((text,), lambda x: f"(time '00:00:00' + to_microseconds(({clock(x)}) % 86400000000))")
    if source is Kind.TIME:
        return f"(({_day(text)}) - timestamp '2000-01-01 00:00:00')"
    return _narrowed(w, text, target)


def clock(x: str) -> str:
    """Return the microseconds of an interval beside its months and days."""
    parts = (("hour", 3_600_000_000), ("minute", 60_000_000), ("microseconds", 1))
    return " + ".join(f"extract({part} from {x}) * {size}::bigint" for part, size in parts)


def _day(text: str) -> str:
    return f"date '2000-01-01' + {text}"


def _narrowed(w: Writer, text: str, target: Kind) -> str:
    if target is Kind.TIME:
        # Of infinity PostgreSQL has no time of day: NULL.
        return w.let((text,), lambda x: f"case when isfinite({x}) then {x}::time end")
    return f"{w.atom(text)}::{target.name.lower()}"


def date_trunc(w: Writer, expr: tree.Call) -> str:
    """Return a date, time or interval cut to a unit."""
    unit, operand = expr.args
    word = str(unit.value) if isinstance(unit, Literal) else ""
    kind = operand.type.kind
    w.fails += 1
    if word in _ERAS and kind is not Kind.INTERVAL:
        return _era(w, word, kind, w.write(operand))
    if kind is Kind.TIMESTAMPTZ:
        begins_in_utc = word in BELOW_HOUR or (word == "hour" and whole_hours(w.zone))
        zone = "UTC" if begins_in_utc else w.zone
        cut = ranged(
            w, f"date_trunc({quoted(word)}, {at_zone(w, w.write(operand), zone)})", Kind.TIMESTAMP, "timestamp"
        )
        return at_zone(w, cut, zone)
    cut = f"date_trunc({quoted(word)}, {w.write(operand)})"
    return cut if kind is Kind.INTERVAL else ranged(w, cut, Kind.TIMESTAMP, "timestamp")


def _era(w: Writer, word: str, kind: Kind, text: str) -> str:
    """Cut to a decade, century or millennium; these begin in the year 1 (timestamp.c, timestamp_trunc)."""
    size = _ERAS[word]
    local = at_zone(w, text, w.zone) if kind is Kind.TIMESTAMPTZ else text
    after, before = (f"({{y}} // {size}) * {size}", f"-((9 - {{y}}) // {size}) * {size}")
    if word != "decade":
        after = f"(({{y}} + {size - 1}) // {size}) * {size} - {size - 1}"
        before = f"-(({size} - {{y}}) // {size}) * {size} + 1"

    def body(x: str) -> str:
        year = f"extract(year from {x})"
        begin = f"case when {year} > 0 then {after} else {before} end".replace("{y}", year)
        return f"case when isinf({x}) then {x} else date_trunc('year', {x}) + to_years(({begin} - {year})::integer) end"

    cut = ranged(w, w.let((local,), body), Kind.TIMESTAMP, "timestamp")
    return at_zone(w, cut, w.zone) if kind is Kind.TIMESTAMPTZ else cut


def extract(w: Writer, expr: tree.Call) -> Num:
    """Return a field of a date, time or interval, which is a numeric."""
    unit, operand = expr.args
    word = str(unit.value) if isinstance(unit, Literal) else ""
    kind = operand.type.kind
    text = w.write(operand)
    if kind is Kind.TIMESTAMPTZ:
        w.fails += 1
        text = at_zone(w, text, "UTC" if word == "epoch" else w.zone)
    if kind in TIMES and word in _ENDLESS:
        w.doubt(f"isinf({text})", "the year of infinity")
    return _field(w, word, kind, text)


def _field(w: Writer, word: str, kind: Kind, text: str) -> Num:
    if word == "epoch":
        if kind is Kind.INTERVAL:
            return _epoch_of_interval(w, text)
        if kind is Kind.DATE:
            days = f"({w.atom(text)} - date '1970-01-01')"
            return Exact(f"cast({days} * 86400 as decimal(19,0))", 19, 0, shown=True)
        whole = f"epoch_us({text if kind is not Kind.TIME else _day(text)})"
        if kind is Kind.TIME:
            whole = f"({whole} - 946684800000000)"
        return Exact(f"cast({whole} as decimal(19,0)) * 0.000001::decimal(7,6)", 20, 6, shown=True)
    if word in ("second", "milliseconds"):
        scale = 6 if word == "second" else 3
        part = f"cast(extract(microseconds from {text}) as decimal(10,0))"
        return Exact(
            f"{part} * {'0.000001' if scale == 6 else '0.001'}::decimal({scale + 1},{scale})", 11, scale, shown=True
        )
    if word == "julian" and kind is not Kind.DATE:
        raise NotLocal("extract(julian)", "of a timestamp: its fraction is rounded to a scale of its own")
    digits = 12 if word == "microseconds" else 10
    value = f"extract({word} from {text})"
    if kind in TIMES and word in ("year", "isoyear", "decade"):
        value = _of_era(w, word, text)
    if kind is Kind.INTERVAL and word == "quarter":
        negative = f"extract(year from {text}) < 0 or extract(month from {text}) < 0"
        w.doubt(negative, "the quarter of a negative interval, which PostgreSQL 18 counts anew")
    return Exact(f"cast({value} as decimal({digits},0))", digits, 0, shown=True)


def _of_era(w: Writer, word: str, text: str) -> str:
    """Return a year or decade: PostgreSQL has no year 0, DuckDB has (timestamp.c, timestamp_part_common)."""
    if word == "decade":
        year = f"extract(year from {text})"
        return w.let((year,), lambda y: f"case when {y} >= 0 then {y} // 10 else -((9 - {y}) // 10) end")
    year = f"extract({word} from {text})"
    return w.let((year,), lambda y: f"case when {y} > 0 then {y} else {y} - 1 end")


def _epoch_of_interval(w: Writer, text: str) -> Num:
    """Return seconds of an interval: a year has 365.25 days, a month that is left over 30 (timestamp.c)."""

    def body(x: str) -> str:
        months = f"(extract(year from {x}) * 12 + extract(month from {x}))"
        days = f"extract(day from {x}) * 86400::bigint"
        whole = f"({months} // 12) * 31557600::bigint + ({months} % 12) * 2592000::bigint + {days}"
        return f"cast({whole} as decimal(19,0)) + cast({clock(x)} as decimal(19,0)) * 0.000001::decimal(7,6)"

    return Exact(f"cast({w.let((text,), body)} as decimal(27,6))", 21, 6, shown=True)
