"""One spelling for all ways to write the same, which reads back as the same."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, reject, settings

from mlguard.lang import ExpressionError, compile_row, spelled
from mlguard.lang.spell import spelled_name
from tests.unit.lang.generate import SCOPE, conditions


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(conditions(1) | conditions(2) | conditions(3))
def test_reads_back_as_the_same(text: str) -> None:
    try:
        expr = compile_row(text, SCOPE)
    except ExpressionError:
        reject()
    written = spelled(expr)
    again = compile_row(written, SCOPE)
    assert again == expr
    assert spelled(again) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("i>=0   and f<1", "i >= 0 AND f < 1"),
        ('("b" OR b is null) and not b', "(b OR b IS NULL) AND NOT b"),
        ("not (i in (1,2))", "NOT (i IN (1, 2))"),
        ("i between 1 and 2 + 3", "i BETWEEN 1 AND 2 + 3"),
        ("t not like 'a''%'", "t NOT LIKE 'a''%'"),
        ("t !~* '^a'", "t !~* '^a'"),
        ("(t || u) ~ 'a'", "(t || u) ~ 'a'"),
        ("p -> 'a' ->> 'b' = 'x'", "(p -> 'a') ->> 'b' = 'x'"),
        ("p #>> '{a,b}' = 'x'", "p #>> '{a,b}' = 'x'"),
        ("case i when 1 then b else not b end", "CASE WHEN i = 1 THEN b ELSE NOT b END"),
        ("cast(t as integer) = -1", "t::integer = -1"),
        ("i in (select id from Ops.Block)", 'i IN (SELECT "id" FROM "ops"."block")'),
        ("v <= '26 hours'", "v <= INTERVAL '26 hours'"),
        ("extract(hour from z) > 6", "extract(hour FROM z) > 6"),
        ("z at time zone 'UTC' > l", "z AT TIME ZONE 'UTC' > l"),
        ("i is distinct from null", "i IS DISTINCT FROM NULL"),
        ("greatest(i, 2) - (j - 1) > -i", "greatest(i, 2) - (j - 1) > -i"),
    ],
)
def test_spelling(text: str, written: str) -> None:
    assert spelled(compile_row(text, SCOPE)) == written


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("age", "age"),
        ("Age", '"Age"'),
        ("order", '"order"'),
        ("é", '"é"'),
        ("a b", '"a b"'),
        ('a"b', '"a""b"'),
        ("f_1", "f_1"),
    ],
)
def test_names(name: str, written: str) -> None:
    assert spelled_name(name) == written
