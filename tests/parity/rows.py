"""Rows for both engines: the edges of every type, and anything else that both can hold."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.unit.lang.generate import COLUMNS, VALUES

# Values of a PostgreSQL column that no column of DuckDB holds, with the reason: no file can bring them either.
NOT_HELD: dict[str, tuple[str, tuple[str, ...]]] = {
    "n": ("double holds 15 digits and magnitudes to 1e308", ("1e130000", "-1e2000", "1e400")),
    "m": ("a decimal has no NaN", ("NaN",)),
    "l": ("timestamps end in 294247", ("294276-12-31 23:59",)),
    "z": ("timestamps end in 294247", ("294276-12-31+00",)),
    "k": ("JSON of DuckDB is well-formed Unicode", ('{"a":"\\ud800"}',)),
    "a": ("lists have one dimension and begin at 1", ("{{1,2},{3,4}}", "[5:6]={1,2}")),
}
MORE: dict[str, list[str | None]] = {
    "f": ["-0", "5e-324", "2.220446049250313e-308", "0.3", "1e15", "4503599627370497.5"],
    "r": ["-0", "1e-45", "16777217"],
    "t": [
        "\x01",
        "😀",
        "e\u0301",
        "İ",
        "aB",
        "a\nb",
        "1e400",
        "1e-400",
        "0x1F",
        "1_000",
        "+5",
        "nan",
        "-inf",
        "12:30",
        "0" * 32,
    ],
    "u": ["ǆ", "ΑΣ", "K", "a b", "no", "off", "2024-1-2"],
    "d": ["2024-03-31", "1900-02-28", "9999-12-31", "1582-10-10"],
    "l": ["2024-03-31 02:30", "1969-12-31 23:59:59.999999", "2016-12-31 23:59:59"],
    "z": ["2024-03-31 01:00+00", "2024-10-27 01:30+00", "1890-01-01 00:00+00", "2016-12-31 23:59:59.5+00"],
    "v": ["00:00:00.000001", "1 year 2 mons -3 days 04:05:06.7", "30 days", "1 mon", "720:00"],
    "p": ['{"a":"x"}', '{"a":{"b":null}}', '{"b":1,"a":-7}', '"s"', "[]", "{}", '{"a":9223372036854775807}', "true"],
    "k": ['{"a":{"b":"1"}}', '{"a":"é"}', "[]", '{"a":true}'],
}
_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
_ANY: dict[str, st.SearchStrategy[str]] = {
    "s": st.integers(-(2**15), 2**15 - 1).map(str),
    "i": st.integers(-(2**31), 2**31 - 1).map(str),
    "j": st.integers(-(2**63), 2**63 - 1).map(str),
    "n": st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**6), max_value=10**6, places=4).map(str),
    "m": st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**7), max_value=10**7, places=2).map(str),
    "r": st.floats(width=32).map(repr),
    "f": st.floats().map(repr),
    "g": st.floats(-1e6, 1e6).map(repr),
    "t": _TEXT,
    "u": _TEXT,
    "d": st.dates().map(str),
    "c": st.times().map(str),
    "l": st.datetimes().map(str),
    "z": st.datetimes().map(lambda moment: f"{moment}+00"),
    "w": st.uuids().map(str),
}


def values_of(name: str) -> list[str | None]:
    """Return the edges of a column that both engines hold."""
    left_out = NOT_HELD.get(name, ("", ()))[1]
    return [value for value in (*VALUES[name], *MORE.get(name, [])) if value not in left_out]


def cells(name: str) -> st.SearchStrategy[str | None]:
    """One value of a column."""
    edges = st.sampled_from(values_of(name))
    return edges | _ANY[name] if name in _ANY else edges


def rows() -> st.SearchStrategy[tuple[str | None, ...]]:
    """One row."""
    return st.tuples(*(cells(name) for name in COLUMNS))
