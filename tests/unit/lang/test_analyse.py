"""Questions about a typed tree."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest

from mlguard.lang import (
    Scope,
    columns_of,
    compile_row,
    compile_slo,
    compile_value,
    immutable,
    lookups_of,
    metrics_of,
    parse_interval,
    patterns_of,
    staleness_limit,
)
from mlguard.lang.literals import read_interval
from mlguard.lang.types import Kind
from mlguard.names import TableName
from tests.unit.lang.generate import SCOPE


def test_columns_in_order_of_appearance() -> None:
    assert columns_of(compile_row("t = 'a' or i > j and coalesce(t, u) = 'b'", SCOPE)) == ("t", "i", "j", "u")


def test_lookups() -> None:
    expr = compile_row('i in (select id from Ops.Block) or i not in (select "Id" from "Ops".t)', SCOPE)
    assert lookups_of(expr) == ((TableName("ops", "block"), "id"), (TableName("Ops", "t"), "Id"))


def test_patterns() -> None:
    assert patterns_of(compile_row("t ~ '^a' or u !~* 'b$' or t ~ '^a'", SCOPE)) == ("^a", "b$")


def test_metrics() -> None:
    (metric,) = metrics_of(compile_slo("staleness() < interval '1 day'", SCOPE))
    assert (metric.name, metric.args, metric.pos) == ("staleness", (), 0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("i > 0 and t ~ 'a' and z > '2026-01-01' and extract(hour from z) > 1", None),
        ("date_trunc('day', z) + interval '1 day' > z", None),
        ("t::integer > 1", None),
        ("t::date > d", "how text is read as a date or time depends on DateStyle"),
        ("u::interval > v", "how text is read as an interval depends on IntervalStyle"),
        ("e::text = 'ok'", "the label of an enum value can be renamed"),
        ("i in (select id from ops.blocklist)", "it reads ops.blocklist, whose rows can change"),
        ("staleness() < interval '1 day'", "staleness() looks at more than one row"),
    ],
)
def test_immutable(text: str, reason: str | None) -> None:
    assert immutable(compile_slo(text, SCOPE)) == reason


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("staleness() <= INTERVAL '26 hours'", (timedelta(hours=26), False)),
        ("staleness() < '1 day 02:00'", (timedelta(hours=26), True)),
        ("interval '2 weeks' >= staleness()", (timedelta(days=14), False)),
        ("interval '90 minutes' > staleness()", (timedelta(minutes=90), True)),
        ("staleness() >= interval '1 day'", None),
        ("staleness() <= interval '1 month'", None),
        ("staleness() <= interval '1 day' + interval '2 hours'", None),
        ("staleness() <= interval '1 day' and coverage(i) > 0.5", None),
        ("i > 0", None),
    ],
)
def test_staleness_limit(text: str, limit: tuple[timedelta, bool] | None) -> None:
    assert staleness_limit(compile_slo(text, SCOPE)) == limit


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("26 hours", timedelta(hours=26)),
        ("1 day 02:30:00", timedelta(days=1, hours=2, minutes=30)),
        ("1.5 days", timedelta(hours=36)),
        ("-2 weeks", timedelta(days=-14)),
        ("10min", timedelta(minutes=10)),
        ("1 day -01:00", timedelta(hours=23)),
        ("250 ms 1 us", timedelta(microseconds=250_001)),
    ],
)
def test_parse_interval(text: str, length: timedelta) -> None:
    assert parse_interval(text) == length


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 month", "'1 month' is in months or years, whose length varies: write it in days"),
        ("2 years", "'2 years' is in months or years, whose length varies: write it in days"),
        ("soon", "'soon' is not an interval: write it as '26 hours' or '1 day 02:30:00'"),
        ("5", "'5' is not an interval: write it as '26 hours' or '1 day 02:30:00'"),
        ("", "'' is not an interval: write it as '26 hours' or '1 day 02:30:00'"),
    ],
)
def test_parse_interval_refuses(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"interval|months") as caught:
        parse_interval(text)
    assert str(caught.value) == reason


def test_months_days_and_time_stay_apart() -> None:
    span = read_interval("1 year -1 month 1.5 days")
    assert (span.months, span.days, span.microseconds) == (11, 1, 43_200_000_000)


def test_undeclared_columns_are_taken_on_trust_offline() -> None:
    scope = Scope({"age": SCOPE.columns["i"]}, closed=False)
    expr = compile_row("age >= 0 and anything > 5 and lower(other) = 'x' and ratio / base > 1", scope)
    assert columns_of(expr) == ("age", "anything", "other", "ratio", "base")
    assert compile_value("anything", scope).type.kind is Kind.UNKNOWN


def test_sqlglot_is_loaded_only_when_text_is_parsed() -> None:
    code = "import sys, mlguard.lang, mlguard.emit.pg_guard; sys.exit('sqlglot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
