"""Every divergence ever found, by name, on which both engines must now agree.

FOUND: a rule and the values of its columns; a new one comes from a failure of test_rules: its message is the entry.
WHOLE: keys of an SLO file, its SLOs, and loads of rows (what a row does not say is NULL); from test_whole_files.
"""

from __future__ import annotations

Example = tuple[str, dict[str, str | None]]

FOUND: dict[str, Example] = {
    "DuckDB computes what stands twice outside of TRY": ("(i % s) = (i % s)", {"i": "1", "s": "0"}),
    "it looks into CASE for that": ("sqrt(f) in (floor(g), - f)", {"f": "-1", "g": "1"}),
    "it leaves out an operand beside a NULL": ("(array_length(a, 1)) = (f::smallint)", {"a": "{}", "f": "1.7e308"}),
    "so it does in BETWEEN": ("t::integer not between sqrt(s) and 1", {"t": None, "s": "-265"}),
    "BETWEEN stops at its lower end": (
        "n::numeric(6,2) not between s and i::smallint",
        {"n": "9", "s": "10", "i": "2147483647"},
    ),
    "IN stops at the first equal": ("i in (s, s % s)", {"i": "0", "s": "0"}),
    "a date beyond all timestamps": ("d = l", {"d": "5874897-12-31", "l": "2024-01-01"}),
    "the epoch of such a date": ("extract(epoch from d) > 0", {"d": "5874897-12-31"}),
    "days to infinity": ("d - date '2020-01-01' is not null", {"d": "infinity"}),
    "right() of the least integer": ("right(t, i) = 'a'", {"t": "ba", "i": "-2147483648"}),
    "an escaped NUL anywhere in a json": ("k ->> 'b' is null", {"k": '{"a":"\\u0000"}'}),
    "element 0 of a bare jsonb value": ("p -> 0 is null", {"p": '"s"'}),
    "element -1 of a bare jsonb value": ("p -> -1 is null", {"p": "3"}),
    "keys that DuckDB takes for paths": (
        "p -> '$' is null and p -> '' is null and p -> 'a.b' is null",
        {"p": '{"a":{"b":1}}'},
    ),
    "a key of digits is no position": ("p -> '0' is null", {"p": "[1,2]"}),
    "a bigint in jsonb": ("(p -> 'a')::bigint > 9223372036854775806", {"p": '{"a":9223372036854775807}'}),
    "halves in jsonb": ("(p -> 'a')::integer = 3", {"p": '{"a":2.5}'}),
    "the product of two decimals of 10 digits": ("m * m > 0", {"m": "-99999999.99"}),
    "the year 0": ("u::date is not null", {"u": "0000-01-01"}),
    "decades before Christ": ("date_trunc('decade', l) <> l", {"l": "4713-01-01 BC"}),
    "centuries begin in the year 1": ("date_trunc('century', l) = timestamp '1901-01-01'", {"l": "2000-12-31"}),
    "millennia begin in the year 1": ("date_trunc('millennium', z) < z", {"z": "2000-12-31 12:00+00"}),
    "years before Christ": ("extract(year from d) = -4713", {"d": "4713-01-01 BC"}),
    "a pattern whose last backslash is not reached": ("t like u", {"t": "a", "u": "x\\"}),
    "one whose last backslash is": ("t like u", {"t": "xa", "u": "x\\"}),
    "one that ends in a percent sign and a backslash": ("t like u", {"t": "x", "u": "x%\\"}),
    "remainder of the least integer by -1": ("i % s = 0", {"i": "-2147483648", "s": "-1"}),
    "product too small": ("f * g = 0", {"f": "1e-200", "g": "1e-200"}),
    "quotient of infinities": ("f / g is not null", {"f": "Infinity", "g": "-Infinity"}),
    "division by zero of NaN": ("f / g is not null", {"f": "NaN", "g": "0"}),
    "exp too small": ("exp(f) = 0", {"f": "-800"}),
    "a real too small": ("f::real = 0", {"f": "1e-200"}),
    "halves of double precision go to even": ("f::integer = 2 and round(f) = 2", {"f": "2.5"}),
    "halves of numeric go away from zero": ("m::integer = 3 and round(m) = 3", {"m": "2.50"}),
    "integer division cuts": ("i / s = -3", {"i": "-7", "s": "2"}),
    "a bare number is no smallint": ("s * 300 > 0", {"s": "300"}),
    "real beside a decimal constant": ("r = 0.1", {"r": "0.1"}),
    "real beside bigint": ("r = j", {"r": "16777216", "j": "16777217"}),
    "text with blanks as a number": ("t::integer = 7", {"t": " 7"}),
    "text with an exponent as an integer": ("t::integer = 1000", {"t": "1e3"}),
    "text too large for double precision": ("t::double precision > 0", {"t": "1e400"}),
    "text too small for double precision": ("t::double precision = 0", {"t": "1e-400"}),
    "on and off": ("t::boolean and not u::boolean", {"t": "on", "u": "off"}),
    "the clock is set forward": ("l::timestamptz = '2024-03-31 03:30'", {"l": "2024-03-31 02:30"}),
    "the clock is set back": ("l::timestamptz = '2024-10-27 01:30+00'", {"l": "2024-10-27 02:30"}),
    "an array without elements": ("array_length(a, 1) is null and cardinality(a) = 0", {"a": "{}"}),
    "a pattern that is nearly reached": ("t like u", {"t": "12:30", "u": "1%:\\"}),
    "a new line is any character": ("t ~ 'a.b' and not t ~ '^b'", {"t": "a\nb"}),
}

Loads = list[list[dict[str, str | None]]]


def _each(column: str, *values: str) -> list[dict[str, str | None]]:
    return [{column: value} for value in values]


def _days(column: str, values: dict[int, str]) -> list[dict[str, str | None]]:
    """One row for each letter of a day's text, an hour apart."""
    return [
        {column: letter, "hours": str(24 * day + hour / 2)}
        for day, letters in values.items()
        for hour, letter in enumerate(letters)
    ]


WHOLE: dict[str, tuple[str, str, Loads]] = {
    "a share of few rows is not judged": (
        "",
        (
            "  - {name: a, check: i > 0, on_violation: quarantine, max_bad: 10%}\n"
            "  - {name: b, check: i < 9, on_violation: reject, max_bad: 10%, min_rows: 3}\n"
        ),
        [_each("i", "-1", "-1", "1"), _each("i", "1", "9", "9"), _each("i", "9")],
    ),
    "rows that a repair mended count against its max_bad": (
        "",
        (
            "  - {name: a, check: i >= 0, on_violation: repair, repair: {clamp: [0, 9]}, max_bad: 2 rows}\n"
            "  - {name: b, check: i / s < 9, on_violation: repair, repair: {i: i / s}, max_bad: 0 rows}\n"
        ),
        [_each("i", "-1", "-1", "1"), _each("i", "-1", "-1", "-1"), [{"i": "5", "s": "0"}], _each("i", "-5")],
    ),
    "a load that is kept out as a whole is no batch": (
        "",
        (
            "  - {name: a, check: i > 0, on_violation: quarantine}\n"
            "  - {name: b, check: row_count() >= 0, over: batch}\n"
            "  - {name: c, check: \"delta(mean(i), '90 days') < 9\", over: batch, min_rows: 1}\n"
        ),
        [_each("i", "1"), _each("i", "-1", "-2"), _each("i", "2", "-2"), _each("i", "3"), _each("i", "7")],
    ),
    "segments of a sliding window are counted from its first step on": (
        "baseline: first 2 days\n",
        (
            "  - {name: a, check: row_count() < 3, over: last 2 days, by: [t], max_segments: 1}\n"
            "  - {name: b, check: row_count() > 0, over: 6 hours}\n"
        ),
        [_days("t", {0: "aab", 1: "bbab", 2: "bbbbbb", 3: "aabb"})],
    ),
    "the days of a baseline are those of the session's clock": (
        "baseline: first 2 days\ntime_zone: Europe/Berlin\n",
        "  - {name: a, check: row_count() < 3, over: 1 day, by: [t], max_segments: 1}\n",
        [_days("t", {1: "aab", 2: "bcc", 3: "ccccc", 4: "aaac"})],
    ),
    "a looked-up table is read twice in one query": (
        "",
        (
            "  - {name: a, check: i IN (SELECT number FROM public.members), on_violation: quarantine}\n"
            "  - {name: b, check: i NOT IN (SELECT number FROM public.members), where: s > 0, on_violation: warn}\n"
        ),
        [[{"i": "7", "s": "1"}, {"i": "8", "s": "1"}], _each("i", "0", "7")],
    ),
}
