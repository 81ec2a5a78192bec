"""Rules that the random generator of the language seldom or never makes: every field, unit, path, pattern and cast."""

from __future__ import annotations

from hypothesis import strategies as st

from mlguard.lang.catalogue import FIELDS, UNITS
from mlguard.lang.types import Kind

_ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Kathmandu")
_OF = {Kind.DATE: "d", Kind.TIMESTAMP: "l", Kind.TIMESTAMPTZ: "z", Kind.TIME: "c", Kind.INTERVAL: "v"}
_COMPARED = ("=", "<>", "<", "<=", ">", ">=", "is distinct from", "is not distinct from")
_NUMBERS = ("s", "i", "j", "m", "n", "r", "f", "g", "0", "1", "2.5", "0.1", "-7", "1e3")
_PATTERNS = (
    "^a",
    "b$",
    "^$",
    "a|b|^x$",
    "[a-c]+",
    "[^a]",
    "^[^a-z]*$",
    "(ab)+",
    "(?:a|b){1,2}c?",
    "a{2}",
    "a{0,3}b",
    "^.$",
    r"\d+",
    r"^\w+$",
    r"\s",
    r"\.",
    r"a\-b",
    "[]a]",
    "[a\\]]",
    "[[:alpha:]]+",
    "^[[:digit:][:space:]]*$",
    "x*?y",
    "^[a-zA-Z0-9._%+-]+@[a-z0-9.-]+\\.[a-z]{2,}$",
    "",
    "()",
    "a{,2}",
    "é",
    "[à-ÿ]",
    "\\u00e9",
    "\\\\",
    "\\n",
    ".\\n.",
)
_LIKES = ("", "%", "_", "a%", "%a", "%a%", "a_", r"\%", r"\_%", r"\\", "é%", "_\n_", "A%", "%\\\\")


def _extracts() -> list[str]:
    return [
        f"extract({field} from {_OF[kind]})"
        for kind, fields in FIELDS.items()
        for field in sorted(fields)
        if kind in _OF
    ]


def _truncations() -> list[str]:
    found = [f"date_trunc('{unit}', {_OF[kind]})" for kind, units in UNITS.items() for unit in sorted(units)]
    return found + [f"date_trunc('{unit}', d)" for unit in sorted(UNITS[Kind.TIMESTAMP])]


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_CONSTANT = {"l": "timestamp '2024-03-31 02:00'", "z": "timestamptz '2024-10-27 02:00'", "v": "interval '1 month'"}
_MOVES = ("interval '1 month'", "interval '-1 day'", "interval '36 hours'", "interval '1 year -1 day 01:30'", "v")
_TIMES = (
    *(f"{side} + {move}" for side in "dlz" for move in _MOVES),
    *(f"{side} - {move}" for side in "dlz" for move in _MOVES),
    *(f"z at time zone '{zone}'" for zone in _ZONES),
    *(f"l at time zone '{zone}'" for zone in _ZONES),
    *(
        "d::timestamp",
        "d::timestamptz",
        "l::date",
        "z::date",
        "z::timestamp",
        "l::timestamptz",
        "d + i",
        "i + d",
        "d - s",
    ),
    *("t::date", "u::date", "t::timestamp", "u::timestamp"),
)
_SPANS = (
    "v + v",
    "- v",
    "v * 2",
    "v * -3",
    "2 * v",
    "l - l",
    "z - z",
    "d - l",
    "c - c",
    "v - interval '1 day'",
    "c::interval",
)
_CLOCKS = ("c", "c + v", "c - interval '90 minutes'", "l::time", "z::time", "v::time", "t::time", "u::time")
_INTEGERS = (
    "d - d",
    "length(t)",
    "length(u || t)",
    "array_length(a, 1)",
    "cardinality(a)",
    "num_nulls(b, f, p, a)",
    "b::integer",
)
_JSONB = (
    "p",
    "p -> 'a'",
    "p -> 'a' -> 'b'",
    "p -> 0",
    "p -> -1",
    "p -> '0'",
    "p -> i",
    "p -> u",
    "p -> ''",
    "p -> 'a.b'",
)
_TEXTS = (
    "p ->> 'a'",
    "p #>> '{a,b}'",
    "p #>> '{0}'",
    "p #>> '{a,0}'",
    "p ->> 1",
    "k ->> 'a'",
    "k -> 'a' ->> 'b'",
    "k ->> 0",
    "lower(t)",
    "upper(u)",
    "trim(t)",
    "trim(u, 'ab')",
    "left(t, 2)",
    "right(u, 2)",
    "left(t, i)",
    "right(u, s)",
    "t || u",
    "coalesce(t, u, '')",
    "nullif(t, u)",
    "greatest(t, u)",
    "least(t, 'b')",
    "i::text",
    "j::text",
    "m::text",
    "(m + m)::text",
    "(m * m)::text",
    "b::text",
    "w::text",
    "c::text",
    "s::text",
    "k::text",
    "case when b then t end",
)
_FLOATS = (
    "f",
    "g",
    "r",
    "f + g",
    "f - g",
    "f * g",
    "f / g",
    "r + r",
    "r * r",
    "r / r",
    "f * r",
    "i * f",
    "j / f",
    "- f",
    "abs(f)",
    "sqrt(f)",
    "ln(g)",
    "exp(g)",
    "exp(f)",
    "power(g, 2)",
    "power(f, g)",
    "power(i, s)",
    "ceil(f)",
    "floor(g)",
    "round(f)",
    "sign(f)",
    "round(i)",
    "sqrt(i)",
    "ln(j)",
    "f::real",
    "n::real",
    "m::double precision",
    "j::real",
    "t::real",
    "t::double precision",
    "u::double precision",
    "(p -> 'a')::double precision",
    "greatest(f, g)",
    "least(f, i)",
    "coalesce(f, 0)",
    "nullif(f, g)",
    "case when b then f else r end",
    "greatest(r, j)",
    "coalesce(r, i)",
)
_NUMERICS = (
    "m + m",
    "m - i",
    "m * m",
    "m * i",
    "- m",
    "abs(m)",
    "sign(m)",
    "sign(n)",
    "abs(n)",
    "ceil(m)",
    "floor(m)",
    "round(m)",
    "round(m, 1)",
    "round(m, 0)",
    "round(m, -1)",
    "round(m, -3)",
    "round(m, 3)",
    "round(n)",
    "ceil(n)",
    "floor(n)",
    "m % 3",
    "m % m",
    "mod(m, 2.5)",
    "i * 0.5",
    "i + 0.25",
    "s % 2.5",
    "greatest(m, i)",
    "least(m, 0.5)",
    "coalesce(m, 0)",
    "nullif(m, 0)",
    "coalesce(n, m)",
    "greatest(n, i)",
    "f::numeric",
    "r::numeric",
    "i::numeric(12,2)",
    "m::numeric(6,1)",
    "f::numeric(10,3)",
    "t::numeric",
    "t::numeric(6,2)",
    "(p -> 'a')::numeric",
    "(p -> 'a')::numeric(8,3)",
    "n::numeric(8,2)",
    "case when b then m else i end",
)
_WHOLE = (
    "i + i",
    "i - s",
    "i * i",
    "s * s",
    "s + s",
    "j + i",
    "j * j",
    "j - j",
    "i / i",
    "j / s",
    "s / s",
    "i % s",
    "j % j",
    "mod(j, i)",
    "mod(i, -1)",
    "- s",
    "- i",
    "- j",
    "abs(s)",
    "abs(i)",
    "abs(j)",
    "f::integer",
    "f::bigint",
    "g::smallint",
    "r::integer",
    "m::integer",
    "n::bigint",
    "n::smallint",
    "j::integer",
    "i::smallint",
    "t::integer",
    "t::bigint",
    "u::smallint",
    "(p -> 'a')::integer",
    "(p -> 'a')::bigint",
    "greatest(i, j)",
    "least(s, i)",
    "coalesce(i, s)",
    "nullif(i, j)",
    "nullif(s, 0)",
    "case when b then s else i end",
)
_QUOTIENTS = ("m / 3", "i / 7.0", "i / m", "m / nullif(i, 0)", "s / 0.5", "m / m", "0.1 / s")
_SHORT = ("0", "1", "0.5", "-0.25", "100", "0.333")


def _compared(group: tuple[str, ...], *others: str) -> st.SearchStrategy[str]:
    side = st.sampled_from((*group, *others))
    return st.tuples(st.sampled_from(group), st.sampled_from(_COMPARED), side).map(
        lambda x: f"({x[0]}) {x[1]} ({x[2]})"
    )


def _units() -> st.SearchStrategy[str]:
    cut = st.sampled_from(_truncations())
    beside = {"d": "date '2024-02-29'", "l": "l", "z": "z", "v": "v"}
    return st.tuples(cut, st.sampled_from(_COMPARED)).map(lambda x: f"{x[0]} {x[1]} {beside[x[0][-2]]}")


def single() -> st.SearchStrategy[str]:
    """One condition."""
    sampled = st.sampled_from
    extract = sampled(_extracts())
    text = sampled((*_TEXTS, "t", "u"))
    return st.one_of(
        st.tuples(extract, sampled(_COMPARED), sampled(("0", "1", "2024", "24", "365", "1e9"))).map(" ".join),
        st.tuples(extract, sampled(_COMPARED), extract).map(" ".join),
        _units(),
        _compared(tuple(time for time in _TIMES if _is(time, "zoned")), "z"),
        _compared(tuple(time for time in _TIMES if _is(time, "local")), "l", "d"),
        _compared(_SPANS, "v", "interval '1 day'", "interval '0 seconds'"),
        _compared(_CLOCKS, "time '12:30'"),
        _compared((*_INTEGERS, *_WHOLE), *_NUMBERS),
        _compared(_FLOATS, *_NUMBERS),
        _compared(_NUMERICS, *_NUMBERS),
        _compared(_QUOTIENTS, *_SHORT),
        st.tuples(sampled(_QUOTIENTS), sampled(_SHORT), sampled(_SHORT)).map(lambda x: f"{x[0]} between {x[1]} and {x[2]}"),
        _compared((*_TEXTS, "t", "u"), "'a'", "''", "'é'"),
        st.tuples(text, sampled(("~", "~*", "!~", "!~*")), sampled(_PATTERNS).map(_quote)).map(lambda x: f"({x[0]}) {x[1]} {x[2]}"),
        st.tuples(text, sampled(("like", "not like", "ilike", "not ilike")), sampled(_LIKES).map(_quote)).map(
            lambda x: f"({x[0]}) {x[1]} {x[2]}"
        ),
        st.tuples(text, sampled(("like", "ilike")), sampled(("t", "u"))).map(lambda x: f"({x[0]}) {x[1]} {x[2]}"),
        st.tuples(sampled(_JSONB), sampled(("is null", "is not null", "= '1'", "<> 'null'", "= 'true'", "= '\"x\"'", "= '1.5'"))).map(
            lambda x: f"({x[0]}) {x[1]}"
        ),
        st.tuples(sampled(("i", "s", "j - 1", "length(t)", "100 / s")), sampled(("in", "not in"))).map(
            lambda x: f"{x[0]} {x[1]} (select number from public.members)"
        ),
        st.tuples(sampled(("t", "u", "lower(t)", "p ->> 'a'")), sampled(("in", "not in"))).map(
            lambda x: f"{x[0]} {x[1]} (select word from public.members)"
        ),
        sampled(
            (
                "t::boolean", "u::boolean", "i::boolean", "(p -> 'a')::boolean", "t::uuid = w", "u::uuid is null", "k is null",
                "t::jsonb -> 'a' is null", "u::jsonb is not null", "k::jsonb -> 'a' = '1'", "e = 'ok'", "e in ('sad', 'ok')",
                "e is distinct from 'ok'", "w > '7fffffff-ffff-ffff-ffff-ffffffffffff'", "is_finite(f)", "is_finite(n)",
                "is_finite(m)", "is_finite(d)", "is_finite(l)", "is_finite(z)", "is_finite(i)", "num_nonnulls(i, t, z) >= 2",
                "coalesce(b, i > 0)", "b is not unknown", "(i > 0) is not false", "nullif(b, i > 0)", "starts_with(t, u)",
                "r in (0.1, 0.5)", "r = 0.1", "f in (1, 2.5, g)", "m in (1, 2.50)", "i in (1, 2, 7)", "i between s and j",
                "f between -1 and 1", "f not between g and r", "t between 'A' and 'b'", "d between '2024-01-01' and '2024-12-31'",
                "num_nulls(p -> 'a', k, w) = 0", "date '2024-03-31' = d", "d = l", "d < l", "f is null or g / f > 1", "c is null",
            )
        ),
    )  # fmt: skip


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
