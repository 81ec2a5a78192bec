"""Rules between columns, searched in some thousand rows of the first part. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from mlguard.lang.types import FLOATS, INTEGERS, Kind
from mlguard.suggest.engine import Dialect
from mlguard.suggest.facts import Column, Profile, Proposal
from mlguard.suggest.names import is_surely_id, slug, words
from mlguard.suggest.statistics import count, share

LEAST_ROWS = 200
BY_CHANCE = 0.05  # share of the rows that would break a rule if the two columns had nothing to do with each other
MOST_COLUMNS = 60
MOST_RULES = 12
TOLERANCE = 1e-6

Values = Any  # a numpy array; its type parameters say nothing here


def propose(found: Profile, dialect: Dialect) -> Iterator[Proposal]:
    """Yield rules: sums and products, sums to one, orders, implications, values that are missing together."""
    usable = [
        column
        for column in found.columns
        if column.ref in found.values
        and not column.is_text
        and column.name not in found.pii
        and not found.of(column).odd
        and not is_surely_id(column.name)
    ][:MOST_COLUMNS]
    values = {column.ref: found.values[column.ref] for column in usable}
    if not usable or len(next(iter(values.values()))) < LEAST_ROWS:
        return
    yield from itertools.islice(_sums_to_one(usable, values), MOST_RULES)
    totals = list(itertools.islice(_totals(usable, values, dialect), MOST_RULES))
    yield from totals
    known = {
        frozenset(pair) for total in totals for pair in itertools.combinations(re.findall(r"\bc\d+", total.holds), 2)
    }
    yield from itertools.islice(_orders(usable, values, known), MOST_RULES)
    yield from itertools.islice(_implications(usable, values), MOST_RULES)
    yield from itertools.islice(_missing_together(found), MOST_RULES)


def _rule(name: str, check: str, holds: str, evidence: str) -> Proposal:
    return Proposal(None, name, {"check": check}, evidence, f"({holds}) is not false")


def _sums_to_one(columns: list[Column], values: dict[str, Values]) -> Iterator[Proposal]:
    """Columns whose names begin alike and whose values, 0 to 1, add up to 1 in each row."""
    groups: dict[str, list[Column]] = {}
    for column in columns:
        if column.kind in FLOATS | {Kind.NUMERIC} and (said := words(column.name)):
            groups.setdefault(said[0], []).append(column)
    for prefix, members in groups.items():
        if not 3 <= len(members) <= 20:
            continue
        matrix = np.array([values[column.ref] for column in members])
        full = ~np.isnan(matrix).any(axis=0)
        if full.sum() < LEAST_ROWS or matrix[:, full].min() < -TOLERANCE or matrix[:, full].max() > 1 + TOLERANCE:
            continue
        off = np.abs(matrix[:, full].sum(axis=0) - 1)
        tolerance = 1e-6 if off.max() <= 1e-7 else 1e-3 if off.max() <= 5e-4 else 0.0
        if tolerance and matrix[:, full].std(axis=1).max() > 1e-3:
            listed = " + ".join(column.sql for column in members)
            refs = " + ".join(f"{column.ref}::float8" for column in members)
            text = f"{tolerance:f}".rstrip("0")
            evidence = f"in {count(int(full.sum()))} searched rows and {{all}} the {len(members)} columns add up to 1"
            yield _rule(
                slug(prefix, "sums_to_1"),
                f"{listed} BETWEEN {1 - tolerance:.6f} AND {1 + tolerance:.6f}",
                f"abs({refs} - 1) <= {text}",
                evidence,
            )


def _totals(columns: list[Column], values: dict[str, Values], dialect: Dialect) -> Iterator[Proposal]:
    """Triples a + b = c and a * b = c in every row, first tried on a handful of rows."""
    numbers = [c for c in columns if c.is_number and _varies(values[c.ref])]
    if len(numbers) < 3:
        return
    matrix = np.array([values[c.ref] for c in numbers])
    full = ~np.isnan(matrix)
    few = np.flatnonzero(full.all(axis=0))[:64]
    if len(few) < 32:
        return
    head = matrix[:, few]
    taken: set[int] = set()
    for c, total in enumerate(numbers):
        for a, b in itertools.combinations([place for place in range(len(numbers)) if place != c], 2):
            for sign, made in (("+", head[a] + head[b]), ("*", head[a] * head[b])):
                if c in taken or not np.allclose(made, head[c], rtol=TOLERANCE, atol=TOLERANCE):
                    continue
                rows = full[a] & full[b] & full[c]
                x, y, z = matrix[a, rows], matrix[b, rows], matrix[c, rows]
                all_made = x + y if sign == "+" else x * y
                scale = float(np.abs(z).max())
                if not np.allclose(all_made, z, rtol=0, atol=TOLERANCE * max(scale, 1)) or not _matters(x, y, sign):
                    continue
                taken.add(c)
                yield _total(numbers[a], numbers[b], total, sign, (scale, int(rows.sum())), dialect)


def _varies(values: Values) -> bool:
    present = values[~np.isnan(values)]
    return len(present) >= LEAST_ROWS and present.min() < present.max()


def _matters(x: Values, y: Values, sign: str) -> bool:
    """Say whether both sides have a say: neither is 0 (or 1, in a product) in nearly all rows."""
    idle = 0.0 if sign == "+" else 1.0
    return bool((x != idle).mean() > 0.02 and (y != idle).mean() > 0.02 and len(np.unique(y)) > 1)


def _total(a: Column, b: Column, c: Column, sign: str, seen: tuple[float, int], dialect: Dialect) -> Proposal:
    """Return the rule: exact for integers and sums of decimals, else within a millionth of the largest total."""
    scale, n = seen
    kinds = {a.kind, b.kind, c.kind}
    word = "plus" if sign == "+" else "times"
    if kinds <= INTEGERS or (kinds <= INTEGERS | {Kind.NUMERIC} and sign == "+"):
        check = f"{_wide(a)} {sign} {_wide(b)} = {c.sql}"
        holds = f"{dialect.exact(a)} {sign} {dialect.exact(b)} = {dialect.exact(c)}"
    else:
        tolerance = max(10.0 ** np.ceil(np.log10(max(scale, 1) * TOLERANCE)), 1e-6)
        text = f"{tolerance:f}".rstrip("0").rstrip(".")
        check = f"abs({a.sql} {sign} {b.sql} - {c.sql}) <= {text}"
        holds = f"abs({a.ref}::float8 {sign} {b.ref}::float8 - {c.ref}::float8) <= {text}"
    evidence = f"in {count(n)} searched rows and {{all}}"
    return _rule(slug(a.name, word, b.name, "is", c.name), check, holds, evidence)


def _wide(column: Column) -> str:
    return column.sql if column.kind in (Kind.INT8, Kind.NUMERIC) else f"{column.sql}::bigint"


def _orders(columns: list[Column], values: dict[str, Values], known: set[frozenset[str]]) -> Iterator[Proposal]:
    """Pairs a <= b that many rows would break if values were paired at random, and none does."""
    found: dict[tuple[int, int], tuple[float, int]] = {}
    for i, j in itertools.permutations(range(len(columns)), 2):
        a, b = columns[i], columns[j]
        if not _comparable(a, b) or frozenset((a.ref, b.ref)) in known:
            continue
        x, y = values[a.ref], values[b.ref]
        rows = ~np.isnan(x) & ~np.isnan(y)
        n = int(rows.sum())
        if n < LEAST_ROWS or (x[rows] > y[rows]).any() or not (x[rows] < y[rows]).any():
            continue
        by_chance = float((x[rows] > np.roll(y[rows], n // 2)).mean())
        if by_chance >= BY_CHANCE:
            found[i, j] = by_chance, n
    for (i, j), (by_chance, n) in found.items():
        if any((i, k) in found and (k, j) in found for k in range(len(columns))):
            continue  # follows from two others
        a, b = columns[i], columns[j]
        evidence = f"in {count(n)} searched rows and {{all}}; paired at random {share(by_chance)} would break it"
        yield _rule(slug(a.name, "at_most", b.name), f"{a.sql} <= {b.sql}", f"{a.ref} <= {b.ref}", evidence)


def _comparable(a: Column, b: Column) -> bool:
    if a.is_time and b.is_time:
        return (a.kind is Kind.TIMESTAMPTZ) == (b.kind is Kind.TIMESTAMPTZ)
    return a.is_number and b.is_number and (a.kind in FLOATS) == (b.kind in FLOATS)


def _implications(columns: list[Column], values: dict[str, Values]) -> Iterator[Proposal]:
    """Pairs of booleans of which one combination never occurs, though at random it would in 5% of the rows."""
    flags = [c for c in columns if c.kind is Kind.BOOL or (c.is_whole and set(np.unique(values[c.ref])) == {0.0, 1.0})]
    for a, b in itertools.combinations(flags, 2):
        x, y = values[a.ref], values[b.ref]
        rows = ~np.isnan(x) & ~np.isnan(y)
        n = int(rows.sum())
        if n < LEAST_ROWS:
            continue
        p, q = float(x[rows].mean()), float(y[rows].mean())
        if not (0.01 < p < 0.99 and 0.01 < q < 0.99):
            continue
        for one, other, chance in ((1, 1, p * q), (1, 0, p * (1 - q)), (0, 1, (1 - p) * q), (0, 0, (1 - p) * (1 - q))):
            if chance < BY_CHANCE or ((x[rows] == one) & (y[rows] == other)).any():
                continue
            check = f"NOT ({_said(a, one, a.sql)} AND {_said(b, other, b.sql)})"
            holds = f"not ({_said(a, one, a.ref)} and {_said(b, other, b.ref)})"
            name = slug("not" if not one else "", a.name, "and", "not" if not other else "", b.name, "never")
            evidence = f"in {count(n)} searched rows and {{all}}; at random {share(chance)} of the rows would break it"
            yield _rule(name, check, holds, evidence)


def _said(column: Column, value: int, ref: str) -> str:
    if column.kind is Kind.BOOL:
        return ref if value else f"NOT {ref}"
    return f"{ref} = {value}"


def _missing_together(found: Profile) -> Iterator[Proposal]:
    """Columns that are NULL in the same rows, each with the first of them."""
    masks: dict[bytes, Column] = {}
    for column in found.columns:
        values = found.values.get(column.ref)
        if values is None or column.name in found.pii or (not column.is_text and not column.is_number):
            continue
        gone = np.array([value is None for value in values]) if column.is_text else np.isnan(values)
        if len(gone) < LEAST_ROWS or not 0.01 < gone.mean() < 0.99:
            continue
        first = masks.setdefault(np.packbits(gone).tobytes(), column)
        if first is column:
            continue
        rate = float(gone.mean())
        evidence = (
            f"in {count(len(gone))} searched rows and {{all}}; at random {share(2 * rate * (1 - rate))} would break it"
        )
        yield _rule(
            slug(first.name, "with", column.name),
            f"({first.sql} IS NULL) = ({column.sql} IS NULL)",
            f"({first.ref} is null) = ({column.ref} is null)",
            evidence,
        )
