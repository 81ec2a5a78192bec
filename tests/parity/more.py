"""Rules that the random generator of the language seldom or never makes: every field, unit, path, pattern and cast."""

from __future__ import annotations

from hypothesis import strategies as st

from mlguard.lang.catalogue import FIELDS, UNITS
from mlguard.lang.types import Kind
from tests.parity import samples


def _extracts() -> list[str]:
    return [
        f"extract({field} from {samples.OF[kind]})"
        for kind, fields in FIELDS.items()
        for field in sorted(fields)
        if kind in samples.OF
    ]


def _truncations() -> list[str]:
    found = [f"date_trunc('{unit}', {samples.OF[kind]})" for kind, units in UNITS.items() for unit in sorted(units)]
    return found + [f"date_trunc('{unit}', d)" for unit in sorted(UNITS[Kind.TIMESTAMP])]


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _compared(group: tuple[str, ...], *others: str) -> st.SearchStrategy[str]:
    side = st.sampled_from((*group, *others))
    return st.tuples(st.sampled_from(group), st.sampled_from(samples.COMPARED), side).map(
        lambda x: f"({x[0]}) {x[1]} ({x[2]})"
    )


def _units() -> st.SearchStrategy[str]:
    cut = st.sampled_from(_truncations())
    beside = {"d": "date '2024-02-29'", "l": "l", "z": "z", "v": "v"}
    return st.tuples(cut, st.sampled_from(samples.COMPARED)).map(lambda x: f"{x[0]} {x[1]} {beside[x[0][-2]]}")


def single() -> st.SearchStrategy[str]:
    """One condition."""
    sampled = st.sampled_from
    extract = sampled(_extracts())
    text = sampled((*samples.TEXTS, "t", "u"))
    return st.one_of(
        st.tuples(extract, sampled(samples.COMPARED), sampled(("0", "1", "2024", "24", "365", "1e9"))).map(" ".join),
        st.tuples(extract, sampled(samples.COMPARED), extract).map(" ".join),
        _units(),
        _compared(tuple(time for time in samples.TIMES if _is(time, "zoned")), "z"),
        _compared(tuple(time for time in samples.TIMES if _is(time, "local")), "l", "d"),
        _compared(samples.SPANS, "v", "interval '1 day'", "interval '0 seconds'"),
        _compared(samples.CLOCKS, "time '12:30'"),
        _compared((*samples.INTEGERS, *samples.WHOLE), *samples.NUMBERS),
        _compared(samples.FLOATS, *samples.NUMBERS),
        _compared(samples.NUMERICS, *samples.NUMBERS),
        _compared(samples.QUOTIENTS, *samples.SHORT),
        st.tuples(sampled(samples.QUOTIENTS), sampled(samples.SHORT), sampled(samples.SHORT)).map(
            lambda x: f"{x[0]} between {x[1]} and {x[2]}"
        ),
        _compared((*samples.TEXTS, "t", "u"), "'a'", "''", "'é'"),
        st.tuples(text, sampled(("~", "~*", "!~", "!~*")), sampled(samples.PATTERNS).map(_quote)).map(
            lambda x: f"({x[0]}) {x[1]} {x[2]}"
        ),
        st.tuples(text, sampled(("like", "not like", "ilike", "not ilike")), sampled(samples.LIKES).map(_quote)).map(
            lambda x: f"({x[0]}) {x[1]} {x[2]}"
        ),
        st.tuples(text, sampled(("like", "ilike")), sampled(("t", "u"))).map(lambda x: f"({x[0]}) {x[1]} {x[2]}"),
        st.tuples(
            sampled(samples.JSONB),
            sampled(("is null", "is not null", "= '1'", "<> 'null'", "= 'true'", "= '\"x\"'", "= '1.5'")),
        ).map(lambda x: f"({x[0]}) {x[1]}"),
        st.tuples(sampled(("i", "s", "j - 1", "length(t)", "100 / s")), sampled(("in", "not in"))).map(
            lambda x: f"{x[0]} {x[1]} (select number from public.members)"
        ),
        st.tuples(sampled(("t", "u", "lower(t)", "p ->> 'a'")), sampled(("in", "not in"))).map(
            lambda x: f"{x[0]} {x[1]} (select word from public.members)"
        ),
        sampled(
            (
                "t::boolean",
                "u::boolean",
                "i::boolean",
                "(p -> 'a')::boolean",
                "t::uuid = w",
                "u::uuid is null",
                "k is null",
                "t::jsonb -> 'a' is null",
                "u::jsonb is not null",
                "k::jsonb -> 'a' = '1'",
                "e = 'ok'",
                "e in ('sad', 'ok')",
                "e is distinct from 'ok'",
                "w > '7fffffff-ffff-ffff-ffff-ffffffffffff'",
                "is_finite(f)",
                "is_finite(n)",
                "is_finite(m)",
                "is_finite(d)",
                "is_finite(l)",
                "is_finite(z)",
                "is_finite(i)",
                "num_nonnulls(i, t, z) >= 2",
                "coalesce(b, i > 0)",
                "b is not unknown",
                "(i > 0) is not false",
                "nullif(b, i > 0)",
                "starts_with(t, u)",
                "r in (0.1, 0.5)",
                "r = 0.1",
                "f in (1, 2.5, g)",
                "m in (1, 2.50)",
                "i in (1, 2, 7)",
                "i between s and j",
                "f between -1 and 1",
                "f not between g and r",
                "t between 'A' and 'b'",
                "d between '2024-01-01' and '2024-12-31'",
                "num_nulls(p -> 'a', k, w) = 0",
                "date '2024-03-31' = d",
                "d = l",
                "d < l",
                "f is null or g / f > 1",
                "c is null",
            )
        ),
    )


def _is(time: str, what: str) -> bool:
    begins = time[0] == "z" and "at time zone" not in time and "::" not in time
    zoned = begins or time.startswith("l at") or time.endswith("::timestamptz")
    return zoned == (what == "zoned")


def combined() -> st.SearchStrategy[str]:
    """A condition of one or two, joined as rules join them."""
    one = single()
    return st.one_of(
        one,
        one,
        st.tuples(one, st.sampled_from(("and", "or")), one).map(lambda x: f"({x[0]}) {x[1]} ({x[2]})"),
        one.map(lambda x: f"not ({x})"),
        st.tuples(one, one, one).map(lambda x: f"case when {x[0]} then {x[1]} else {x[2]} end"),
        one.map(lambda x: f"({x}) is not true"),
    )
