"""Every divergence ever found, by name: a rule and the values of its columns, on which both engines must now agree.

A new one comes from a failure of test_rules: its message is the entry.
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
