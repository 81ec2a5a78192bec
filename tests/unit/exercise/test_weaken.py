"""Weaker forms: each lets every row pass that the rule lets pass, and some more."""

from __future__ import annotations

import pytest

from mlguard.exercise.weaken import weaker
from mlguard.lang import Scope, compile_row
from mlguard.lang.types import parse_type
from mlguard.names import TableName
from mlguard.program import Action, Level, Place, Placement, Rule

COLUMNS = {"i": "integer", "f": "double precision", "t": "text", "b": "boolean"}


def rule(check: str, *, nulls_fail: bool = False) -> Rule:
    types = {name: parse_type(spelled) for name, spelled in COLUMNS.items()}
    scope = Scope(columns={name: type for name, type in types.items() if type is not None}, closed=True)
    placement = Placement(Place.CHECK, "a test")
    table = TableName("public", "x")
    expr = compile_row(check, scope)
    return Rule("a", table, Level.ROW, Action.REJECT, expr, check, check, placement, nulls_fail=nulls_fail)


@pytest.mark.parametrize(
    ("check", "forms"),
    [
        ("i < 5", ["i <= 5", "i < 6"]),
        ("i >= 0", ["i >= -1"]),
        ("5 > i", ["5 >= i", "6 > i"]),
        ("i >= -3", ["i >= -4"]),
        ("f <= 1", ["f <= 1.1"]),
        ("f > 200", ["f >= 200", "f > 180"]),
        ("i BETWEEN 0 AND 130", ["i <= 130", "i >= 0", "i BETWEEN -1 AND 130", "i BETWEEN 0 AND 131"]),
        ("b AND i < i", ["i < i", "b", "b AND i <= i"]),
        ("b OR f > f", ["b OR f >= f"]),
        ("t NOT IN ('a', 'b')", ["t NOT IN ('b')", "t NOT IN ('a')"]),
        ("t IN ('a', 'b')", []),
        ("NOT (b AND i < 5)", []),
        ("i = 5", []),
        ("i < length(t)", ["i <= length(t)"]),
    ],
)
def test_the_forms_of_a_check(check: str, forms: list[str]) -> None:
    assert [words for words, _ in weaker(rule(check))] == forms


def test_null_passes_where_it_failed() -> None:
    ((words, form),) = weaker(rule("i = 5", nulls_fail=True))
    assert words == "nulls: pass"
    assert not form.nulls_fail
