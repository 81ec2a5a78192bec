"""What we write: readable, quoted, of fixed types, and read back by our own parser as the same tree."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, reject, settings

from mlguard.emit.pg_expr import to_sql
from mlguard.emit.pg_guard import Guard, guard
from mlguard.lang import ExpressionError, compile_row, compile_value, tree
from mlguard.lang.types import Kind
from tests.unit.lang.generate import SCOPE, conditions


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(conditions(1) | conditions(2) | conditions(3))
def test_reads_back_as_the_same_tree(text: str) -> None:
    try:
        expr = compile_row(text, SCOPE)
    except ExpressionError:
        reject()
    written = to_sql(expr)
    beyond = (" collate ", " at time zone ", "timestamptz '", "E'")  # spellings that only PostgreSQL reads
    assume(not any(mark in written for mark in beyond))
    assume(not any(isinstance(node, tree.Call) and node.name in ("is_finite", "trim") for node in expr.walk()))
    assert compile_row(written, SCOPE) == expr


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("i >= 0 AND f < 1", """NEW."i" >= 0 and NEW."f" < '1'::double precision"""),
        ("(b or b is null) and not b", '(NEW."b" or NEW."b" is null) and not NEW."b"'),
        ("b and (b and b)", 'NEW."b" and (NEW."b" and NEW."b")'),
        ("n > 0.5 and n < 2", """NEW."n" > 0.5 and NEW."n" < '2'::numeric"""),
        ("r = 0.1", """NEW."r" = '0.1'::double precision"""),
        ("r in (0.1, 0.2)", """NEW."r" in ('0.1'::real, '0.2'::real)"""),
        ("n < f", 'NEW."n"::double precision < NEW."f"'),
        ("j > 5000000000 or j < 5", 'NEW."j" > 5000000000 or NEW."j" < 5'),
        ("i - -1 > -i", 'NEW."i" - -1 > -NEW."i"'),
        ("- (- i) = 1", '-(-NEW."i") = 1'),
        ("t > 'a'", """NEW."t" collate "C" > 'a'"""),
        ("t = 'a'", """NEW."t" = 'a'"""),
        ("t between 'a' and 'b'", """NEW."t" collate "C" between 'a' and 'b'"""),
        ("greatest(t, u) = 'a'", """greatest(NEW."t" collate "C", NEW."u") collate "default" = 'a'"""),
        ("t like 'a%'", """NEW."t" like 'a%'"""),
        (r"t ~ '\d'", r"""NEW."t" ~ E'\\d'"""),
        ("e in ('ok', 'sad')", """NEW."e" in ('ok', 'sad')"""),
        ("d > '2026-01-01'", """NEW."d" > date '2026-01-01'"""),
        ("z > '2026-07-01'", """NEW."z" > timestamptz '2026-07-01 00:00:00+02'"""),
        ("z > '2026-10-25 02:30'", """NEW."z" > timestamptz '2026-10-25 02:30+01'"""),
        ("z > '0001-01-01'", """NEW."z" > timestamptz '0001-01-01 00:00:00+00:53:28'"""),
        ("z > 'infinity'", """NEW."z" > timestamptz 'infinity'"""),
        ("v <= '26 hours'", """NEW."v" <= interval '26 hours'"""),
        ("z::date = d", """(NEW."z" at time zone 'Europe/Berlin')::date = NEW."d\""""),
        ("z = l::timestamptz", """NEW."z" = NEW."l" at time zone 'Europe/Berlin'"""),
        ("extract(hour from z) < 6", """extract(hour from NEW."z" at time zone 'Europe/Berlin') < '6'::numeric"""),
        ("extract(epoch from z) > 0.5", """extract(epoch from NEW."z" at time zone 'UTC') > 0.5"""),
        (
            "date_trunc('second', z) = z",
            """date_trunc('second', NEW."z" at time zone 'UTC') at time zone 'UTC' = NEW."z\"""",
        ),
        (
            "z + interval '1 day' > z",
            """(NEW."z" at time zone 'Europe/Berlin' + interval '1 day') at time zone 'Europe/Berlin' > NEW."z\"""",
        ),
        (
            "z - interval '1 hour' < z",
            """(NEW."z" at time zone 'UTC' - interval '1 hour') at time zone 'UTC' < NEW."z\"""",
        ),
        ("is_finite(f)", """abs(NEW."f") < 'Infinity'::double precision"""),
        ("num_nulls(i, t) <= 1", 'num_nulls(NEW."i", NEW."t") <= 1'),
        ("trim(t) = ''", "btrim(NEW.\"t\") = ''"),
        ("p ->> 'a' is not null", """NEW."p" ->> 'a' is not null"""),
        ("case i when 1 then b end", 'case when NEW."i" = 1 then NEW."b" end'),
        ("t::integer::bigint > 1", 'NEW."t"::integer::bigint > 1'),
        ("5::bigint > i", """'5'::bigint > NEW."i\""""),
    ],
)
def test_written(text: str, written: str) -> None:
    assert to_sql(compile_row(text, SCOPE), "NEW", "Europe/Berlin") == written


def test_lookups() -> None:
    expr = compile_row("i not in (select id from ops.blocklist)", SCOPE)
    member = 'r."i" not in (select "blocklist"."id" from "ops"."blocklist")'
    assert to_sql(expr, "r") == member
    probe = 'exists (select from "ops"."blocklist" where "blocklist"."id" = NEW."i")'
    assert to_sql(expr, "NEW") == f"case when {probe} then false else {member.replace('r.', 'NEW.', 1)} end"


@pytest.mark.parametrize(
    ("text", "domain", "exact", "overflow"),
    [
        ("i >= 0", None, True, None),
        ("f between 0 and 1 or t like 'a%'", None, True, None),
        ("m * 2 > 1", None, True, None),
        (
            "i / j > 1",
            '("j" = 0 and "i" is not null) is not true',
            True,
            '("j" = -1 and "i" = -9223372036854775808) is not true',
        ),
        (
            "i / nullif(j, 0) > 1 and j / 2 > 1",
            None,
            True,
            '(nullif("j", 0) = -1 and "i" = -9223372036854775808) is not true',
        ),
        ("sqrt(f) > 1", """("f" < '0'::double precision) is not true""", True, None),
        (
            "i = 0 or 10 / i > 1",
            '(case when "i" = 0 then false when "i" = 0 then true else false end) is not true',
            True,
            None,
        ),
        ("i + 1 > 0", None, True, """("i"::bigint + '1'::bigint not between -2147483648 and 2147483647) is not true"""),
        ("t::integer > 1", "(\"t\" !~ '^[-+]?[0-9]{1,9}$') is not true", False, None),
        ("i in (1, 1 / i)", '("i" = 0) is not true', False, None),
        ("d::timestamp > l", None, True, """("d" not between date '0001-01-02' and date '9999-12-30') is not true"""),
    ],
)
def test_guard(text: str, domain: str | None, exact: bool, overflow: str | None) -> None:
    assert guard(compile_row(text, SCOPE)) == Guard(domain, exact, overflow)


def test_a_guard_that_needs_another_includes_it() -> None:
    found = guard(compile_row("sqrt(f / g) > 1", SCOPE))
    assert found.domain is not None
    assert found.overflow is not None
    assert '"f" / "g" < ' in found.domain
    assert found.overflow in found.domain.replace(" then false when", "") or "1E-150" in found.domain
    assert not found.domain_exact
    assert found.whole is not None


def test_a_guard_of_a_long_expression_stays_small() -> None:
    chain = " or ".join(f"i / {n} > j / (i - {n})" for n in range(2, 60))
    found = guard(compile_row(chain, SCOPE))
    assert found.whole is not None
    assert len(found.whole) < 40 * len(chain)


def test_a_metric_has_no_text() -> None:
    with pytest.raises(ValueError, match="has no value in a row"):
        to_sql(tree.Metric(compile_value("v", SCOPE).type, "staleness", ()))


def test_repair_values_take_the_type_of_the_column() -> None:
    half = compile_value("1 / (1 + exp(-f))", SCOPE, SCOPE.columns["r"])
    assert to_sql(half) == """('1'::double precision / ('1'::double precision + exp(-"f")))::real"""
    assert to_sql(compile_value("0", SCOPE, SCOPE.columns["m"])) == "'0'::numeric"
    assert to_sql(compile_value("null", SCOPE, SCOPE.columns["t"])) == "null::text"
    assert to_sql(compile_value("'ok'", SCOPE, SCOPE.columns["e"])) == "'ok'"
    assert compile_value("i", SCOPE, SCOPE.columns["j"]).type.kind is Kind.INT8
