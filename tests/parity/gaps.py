"""What DuckDB does not judge as PostgreSQL does: each gap with an example. A gap that closes turns the suite red.

REFUSED: constructs that are refused, one example at least for each entry of UNSUPPORTED.
DOUBTED: values on which a rule is not judged, the rule and the values; the engines differ there, or PostgreSQL's own
versions or databases do (`differs` false).
"""

from __future__ import annotations

from typing import NamedTuple

REFUSED: dict[str, tuple[str, ...]] = {
    "sqrt, ln, exp, power of numeric": ("sqrt(m) > 1", "ln(m) > 0", "exp(m) > 1", "power(m, 2) > 1"),
    "quotients of numeric": (
        "m / i > m",
        "(m / 3) * 3 = m",
        "(m / 3)::numeric(6,2) > 1",
        "round(m / 3, 2) > 1",
        "j / m > 1",
    ),
    "arithmetic on numeric without precision": ("n + 1 > 0", "n * 2 > 0", "n % 2 = 0", "round(n, 2) > 1"),
    "numeric of more than 38 digits": ("m * m * m * m > 0", "t::numeric(50,2) > 0", "m::numeric(39,0) > 0"),
    "round(x, digits) with digits from a column": ("round(m, i) > 0",),
    "interval times or by a fraction": ("v * 0.5 > v", "v / 2 > v", "v * f > v"),
    "text as interval": ("u::interval > v",),
    "order of enum labels": ("e < 'happy'", "e between 'sad' and 'ok'", "greatest(e, 'ok') = 'ok'"),
    "jsonb compared with jsonb, or with an object or array": ("p = p", "p = '{\"a\":1}'", "p in ('[1]', '2')"),
    "jsonb as text": ("p::text = '1'", "(p -> 'a')::text = '1'"),
    "numeric as text, where its zeros are not known": ("n::text = '1'", "coalesce(m, 1)::text = '1'"),
    "extract(julian) of a timestamp": ("extract(julian from l) > 0", "extract(julian from z) > 0"),
    "array_length of a dimension other than 1": ("array_length(a, 2) is null", "array_length(a, i) is null"),
    "LIKE and ~ on char(n)": ("h like 'a%'", "h ~ '^a'"),
    "regular expressions with back references, look-around, embedded options or collating elements": (
        r"t ~ '(a)\1'",
        "t ~ '(?=a)'",
        "t ~ '(?i)a'",
        "t ~ '[[.a.]]'",
        "t ~ '***:a'",
        r"t ~ '\ma'",
    ),
}


class Doubt(NamedTuple):
    """A rule, and a row on which it is not judged."""

    text: str
    row: dict[str, str]
    differs: bool = True


DOUBTED: dict[str, Doubt] = {
    "case beyond ASCII": Doubt("upper(t) = 'ẞ'", {"t": "ß"}),
    "ILIKE beyond ASCII": Doubt("t ilike 'é'", {"t": "É"}, differs=False),
    "classes beyond ASCII": Doubt(r"t ~ '^\w$'", {"t": "\u0301"}, differs=False),
    "a date that is not spelled as ISO 8601": Doubt("t::date = '2024-02-03'", {"t": "Feb 3 2024"}),
    "a number in base 16": Doubt("t::integer = 31", {"t": "0x1F"}),
    "a number with underscores": Doubt("t::integer = 1000", {"t": "1_000"}, differs=False),
    "a numeric with underscores": Doubt("t::numeric(9,2) = 1000.5", {"t": "1_000.5"}, differs=False),
    "a float in base 16": Doubt("t::double precision = 31", {"t": "0x1F"}),
    "numeric text of many digits": Doubt("t::numeric = 1", {"t": "1.000000000000000000001"}),
    "numeric text beyond double precision": Doubt("t::numeric = 'Infinity'", {"t": "1e400"}),
    "the year of infinity": Doubt("extract(year from d) > 9999", {"d": "infinity"}),
    "NaN as a numeric with precision": Doubt("f::numeric(6,2) > 0", {"f": "NaN"}),
    "the length to infinity": Doubt("l - timestamp '2024-01-01' > interval '1 day'", {"l": "infinity"}),
    "the quarter of a negative interval": Doubt("extract(quarter from v) > 0", {"v": "-5 years"}),
    "JSON numbers as text": Doubt("p ->> 'a' = '1.50'", {"p": '{"a":1.50}'}),
    "JSON objects as text": Doubt("p ->> 'a' = '{\"b\": 1}'", {"p": '{"a":{"b":1}}'}),
    "JSON's null as a number": Doubt("(p -> 'a')::integer is null", {"p": '{"a":null}'}, differs=False),
    "NaN in JSON": Doubt("t::jsonb is not null", {"t": "[NaN]"}),
}
