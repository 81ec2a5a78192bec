"""Random expressions of the language over one table, and rows with every edge a type has."""

from __future__ import annotations

from hypothesis import strategies as st

from mlguard.lang import Scope
from mlguard.lang.types import Kind, SqlType, parse_type

COLUMNS: dict[str, str] = {
    "b": "boolean",
    "s": "smallint",
    "i": "integer",
    "j": "bigint",
    "n": "numeric",
    "m": "numeric(10,2)",
    "r": "real",
    "f": "double precision",
    "g": "double precision",
    "t": "text",
    "u": "character varying(20)",
    "d": "date",
    "c": "time without time zone",
    "l": "timestamp without time zone",
    "z": "timestamp with time zone",
    "v": "interval",
    "w": "uuid",
    "k": "json",
    "p": "jsonb",
    "a": "integer[]",
    "e": "mood",
}


def column_type(spelled: str) -> SqlType:
    """Return the type of a test column; `mood` is an enum."""
    return parse_type(spelled) or SqlType(Kind.ENUM, "public.mood")


SCOPE = Scope({name: column_type(spelled) for name, spelled in COLUMNS.items()}, closed=True)

# What PostgreSQL reads, as text, for every type: the edges first of all.
VALUES: dict[str, list[str | None]] = {
    "b": ["true", "false", None],
    "s": ["0", "1", "-1", "2", "7", "-32768", "32767", None],
    "i": ["0", "1", "-1", "2", "7", "-7", "100", "-2147483648", "2147483647", None],
    "j": ["0", "1", "-1", "2", "-9", "3037000500", "-9223372036854775808", "9223372036854775807", None],
    "n": ["0", "1", "-1", "2.5", "-2.5", "1e-30", "1e130000", "-1e2000", "1e400", "NaN", "Infinity", "-Infinity", None],
    "m": ["0", "1", "-1.00", "2.50", "-2.55", "99999999.99", "-99999999.99", "NaN", None],
    "r": ["0", "1", "-1", "0.1", "3e38", "-3e38", "1e-38", "NaN", "Infinity", "-Infinity", None],
    "f": ["0", "1", "-1", "2.5", "0.1", "1.7e308", "-1.7e308", "4e-320", "709.5", "NaN", "Infinity", "-Infinity", None],
    "g": ["0", "1", "-1", "0.5", "-0.5", "3", "-3", "1e200", "1e-200", "NaN", "Infinity", "-Infinity", None],
    "t": [
        "",
        " ",
        "a",
        "B",
        "é",
        "ß",
        "7",
        "-7",
        " 7",
        "1e3",
        "2024-02-31",
        "2024-02-28",
        "true",
        "\\",
        "%",
        "x\\",
        None,
    ],
    "u": ["", "a", "ab", "A", "_", "99999999999999", "12:30", "1 day", "0000-01-01", "NaN", "日本", "{}", "\\", None],
    "d": ["2024-02-29", "0001-01-01", "4713-01-01 BC", "5874897-12-31", "infinity", "-infinity", None],
    "c": ["00:00", "23:59:59.999999", "24:00", "12:30", None],
    "l": ["2024-10-27 02:30", "0001-01-01", "4713-01-01 BC", "294276-12-31 23:59", "infinity", "-infinity", None],
    "z": ["2024-10-27 00:30+00", "0001-01-01+00", "4713-01-01 BC", "294276-12-31+00", "infinity", "-infinity", None],
    "v": ["1 day", "-25:00", "1 mon -1 day", "178000000 years", "-178000000 years", "2147483647 days", "0", None],
    "w": ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", None],
    "k": [
        '{"a":1}',
        '{"a":"\\u0000"}',
        '{"a":{"b":[1,2]}}',
        "[1,2]",
        "null",
        '"x"',
        '{"a":1e999}',
        '{"a":"\\ud800"}',
        None,
    ],
    "p": [
        '{"a":1}',
        '{"a":"7"}',
        '{"a":null}',
        '{"a":true}',
        '{"a":1e40}',
        '{"a":{"b":1.5}}',
        "[1,2]",
        "null",
        "3",
        None,
    ],
    "a": ["{}", "{1}", "{1,2,NULL}", "{{1,2},{3,4}}", "[5:6]={1,2}", None],
    "e": ["sad", "ok", "happy", None],
}


@st.composite
def rows(draw: st.DrawFn) -> tuple[str | None, ...]:
    """One row, as texts PostgreSQL casts."""
    return tuple(draw(st.sampled_from(VALUES[name])) for name in COLUMNS)


def _one(*options: st.SearchStrategy[str] | str) -> st.SearchStrategy[str]:
    return st.one_of([st.just(option) if isinstance(option, str) else option for option in options])


def _join(template: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda found: template.format(*(f"({part})" for part in found)))


def _literal(texts: list[str]) -> st.SearchStrategy[str]:
    return st.sampled_from(texts)


def numbers(depth: int) -> st.SearchStrategy[str]:
    """Expressions of any numeric type."""
    leaf = _literal([*"sijnmrfg", "0", "1", "-1", "2", "3.5", "0.1", "-2147483648", "9223372036854775807", "1e200"])
    if depth == 0:
        return leaf
    inner, text, time, flag = numbers(depth - 1), texts(depth - 1), times(depth - 1), conditions(depth - 1)
    integer = _literal(["s", "i", "j", "m", "5", "-3", "i % 7", "length(t)"])
    return _one(
        leaf,
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda x: f"({x[0]}) {x[1]} ({x[2]})"),
        _join("{} % {}", integer, integer),
        _join("- {}", inner),
        *(_join(f"{name}({{}})", inner) for name in ("abs", "ceil", "floor", "round", "sign", "sqrt", "ln", "exp")),
        _join("power({}, {})", inner, _literal(["2", "-1", "0.5", "g", "i", "100"])),
        _join("mod({}, {})", integer, integer),
        _join("round({}, {})", _literal(["n", "m", "i"]), _literal(["0", "2", "-3", "i"])),
        *(_join(f"{name}({{}}, {{}})", inner, inner) for name in ("coalesce", "nullif", "greatest", "least")),
        _join("num_nulls({}, {}, p)", inner, text),
        _join("length({})", text),
        _join("case when {} then {} else {} end", flag, inner, inner),
        *(_join(f"{{}}::{name}", inner) for name in ("smallint", "integer", "bigint", "numeric", "real")),
        *(_join(f"{{}}::{name}", inner) for name in ("double precision", "numeric(6,2)")),
        *(_join(f"{{}}::{name}", text) for name in ("integer", "numeric", "double precision", "bigint")),
        *(_join(f"(p -> 'a')::{name}", *()) for name in ("integer", "numeric", "real")),
        *(_join(f"extract({unit} from {{}})", time) for unit in ("year", "epoch", "dow")),
        _literal(["extract(hour from l)", "extract(hour from z)", "extract(epoch from v)", "extract(minute from c)"]),
        _literal(["array_length(a, 1)", "cardinality(a)", "d - date '2020-01-01'", "b::integer"]),
    )


def texts(depth: int) -> st.SearchStrategy[str]:
    """Expressions of type text."""
    leaf = _literal(["t", "u", "''", "'a'", "'it''s'", "'7'", "'é'", "'\\'", "p ->> 'a'", "p #>> '{a,b}'", "k ->> 'a'"])
    if depth == 0:
        return leaf
    inner = texts(depth - 1)
    return _one(
        leaf,
        _join("{} || {}", inner, inner),
        *(_join(f"{name}({{}})", inner) for name in ("lower", "upper", "trim")),
        _join("trim({}, ' a')", inner),
        *(_join(f"{name}({{}}, {{}})", inner, _literal(["1", "-1", "0", "i"])) for name in ("left", "right")),
        *(_join(f"{name}({{}}, {{}})", inner, inner) for name in ("coalesce", "nullif", "greatest", "least")),
        _literal(["i::text", "n::text", "w::text", "b::text", "c::text", "e::text", "p::text", "f::numeric::text"]),
        _join("case when {} then {} end", conditions(depth - 1), inner),
    )


def times(depth: int) -> st.SearchStrategy[str]:
    """Expressions of type date, timestamp or timestamptz."""
    leaf = _literal(
        ["d", "l", "z", "date '2024-02-29'", "timestamp '2024-03-31 02:30'", "timestamptz '2024-03-31 02:30'"]
    )
    if depth == 0:
        return leaf
    inner = times(depth - 1)
    return _one(
        leaf,
        *(_join(f"date_trunc('{unit}', {{}})", inner) for unit in ("hour", "day", "week", "month", "minute")),
        _join("{} + {}", inner, spans(depth - 1)),
        _join("{} - {}", inner, spans(depth - 1)),
        _literal(["d + 1", "d - i", "d + s", "l at time zone 'UTC'", "z at time zone 'Europe/Berlin'", "t::date"]),
        *(_join(f"{{}}::{name}", inner) for name in ("date", "timestamp", "timestamptz")),
        _join("coalesce(z, {})", _literal(["z", "'2024-10-27 02:30'", "l::timestamptz"])),
    )


def spans(depth: int) -> st.SearchStrategy[str]:
    """Expressions of type interval."""
    leaf = _literal(["v", "interval '1 day'", "interval '90 minutes'", "interval '1 month -1 day'"])
    if depth == 0:
        return leaf
    inner = spans(depth - 1)
    return _one(
        leaf,
        _join("{} + {}", inner, inner),
        _join("- {}", inner),
        _join("{} * {}", inner, _literal(["2", "0.5", "i", "g", "n"])),
        _join("{} / {}", inner, _literal(["2", "0.001", "i", "g", "n"])),
        _literal(["l - l", "z - z", "l - d", "c - c", "u::interval"]),
    )


def conditions(depth: int) -> st.SearchStrategy[str]:
    """Expressions of type boolean."""
    leaf = _literal(
        ["b", "b is true", "i >= 0", "f between 0 and 1", "t in ('a', 'b')", "p is null", "is_finite(f)", "true"]
    )
    if depth == 0:
        return leaf
    inner, number, text = conditions(depth - 1), numbers(depth - 1), texts(depth - 1)
    operator = st.sampled_from(["=", "<>", "<", "<=", ">", ">=", "is distinct from", "is not distinct from"])
    return _one(
        leaf,
        st.tuples(number, operator, number).map(lambda x: f"({x[0]}) {x[1]} ({x[2]})"),
        st.tuples(text, operator, text).map(lambda x: f"({x[0]}) {x[1]} ({x[2]})"),
        st.tuples(times(depth - 1), operator, times(depth - 1)).map(lambda x: f"({x[0]}) {x[1]} ({x[2]})"),
        st.tuples(spans(depth - 1), operator, spans(depth - 1)).map(lambda x: f"({x[0]}) {x[1]} ({x[2]})"),
        _join("{} and {}", inner, inner),
        _join("{} or {}", inner, inner),
        _join("not {}", inner),
        _join("{} is not null", number),
        _join("{} is unknown", inner),
        _join("{} not between {} and {}", number, number, number),
        _join("{} between {} and {}", text, text, text),
        _join("{} in ({}, {}, 0)", number, number, number),
        _join("{} not in ('a', {})", text, text),
        _join("{} like {}", text, _one("'a%'", "'%\\_'", "u")),
        _join("{} not ilike 'A_'", text),
        *(_join(f"{{}} {op} '^[a-z]+\\d?$'", text) for op in ("~", "~*", "!~", "!~*")),
        _join("starts_with({}, {})", text, text),
        _join("is_finite({})", number),
        _join("{}::boolean", _literal(["t", "i", "p -> 'a'", "'yes'"])),
        _literal(["e = 'ok'", "e < 'happy'", "w = '00000000-0000-0000-0000-000000000000'", "c < '12:30'", "d = l"]),
        _literal(["p = '{\"a\":1}'", "p -> 'a' = '1'", "k::jsonb = '1'", "p -> 0 is null", "k -> 'a' ->> 'b' = '1'"]),
        _join("case when {} then {} when {} then {} else {} end", inner, inner, inner, inner, inner),
        _join("coalesce({}, {})", inner, inner),
    )
