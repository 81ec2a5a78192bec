"""Row SLOs on real servers: each action, every way of writing, each trap."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

import mlguard
from mlguard import api, doctor
from tests.support import prepare, project, query

RULES = """
mlguard: 1
table: features.customer
key: [customer_id]
reads: none
columns:
  age: {type: integer, range: [0, 130]}
  plan: {type: text, in: [free, pro, enterprise]}
  tenure_days: {type: double precision, range: [0, null]}
"""
QUARANTINE = """
mlguard: 1
table: features.customer
key: [customer_id]
reads: none
columns:
  age: {type: integer, range: {between: [0, 130], on_violation: quarantine}}
  plan: {type: text, in: {values: [free, pro, enterprise], on_violation: quarantine}}
"""


def guard(dsn: str, tmp_path: Path, text: str) -> None:
    prepare(dsn)
    api.apply(project(tmp_path, text), dsn)


def write(dsn: str, *statements: str) -> None:
    """Run statements in one transaction."""
    with psycopg.connect(dsn) as connection:
        for sql in statements:
            connection.execute(sql.encode())
        connection.commit()  # a COMMIT that fails in __exit__ would leave the connection open


def refused(dsn: str, sql: str) -> psycopg.errors.Diagnostic:
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        write(dsn, sql)
    return caught.value.diag


def warnings_of(dsn: str, sql: str) -> list[str]:
    said: list[str] = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.add_notice_handler(lambda diag: said.append(diag.message_primary or ""))
        connection.execute(sql.encode())
    return said


def copy_in(dsn: str, lines: list[str], target: str = "features.customer (customer_id, age, plan)") -> list[str]:
    said: list[str] = []
    with psycopg.connect(dsn) as connection:
        connection.add_notice_handler(lambda diag: said.append(diag.message_primary or ""))
        with connection.cursor() as cursor, cursor.copy(f"copy {target} from stdin (format csv)") as copy:
            copy.write("\n".join(lines) + "\n")
    return said


class TestReject:
    def test_message_and_fields(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, RULES)
        diag = refused(pg, "insert into features.customer values (1017, -4, 'free')")
        assert diag.message_primary == (
            "mlguard: features.customer/age.range: age is -4, allowed 0 to 130 (customer_id 1017);"
            " this statement stored nothing"
        )
        assert diag.constraint_name == "features.customer/age.range"
        assert (diag.schema_name, diag.table_name, diag.column_name) == ("features", "customer", "age")
        detail = json.loads(diag.message_detail or "")
        assert detail["slo"] == "features.customer/age.range"
        assert detail["observed"] == {"age": -4}

    @pytest.mark.parametrize("value", ["'NaN'", "'Infinity'", "'-Infinity'", "-1"])
    def test_open_range_admits_finite_numbers_only(self, pg: str, tmp_path: Path, value: str) -> None:
        guard(pg, tmp_path, RULES)
        diag = refused(pg, f"insert into features.customer (customer_id, tenure_days) values (1, {value})")
        assert diag.constraint_name == "features.customer/tenure_days.range"

    def test_null_passes_as_in_check(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, RULES)
        prepare(pg, "insert into features.customer (customer_id) values (1)")

    def test_nulls_fail(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, RULES + "slos:\n  - {name: adult, check: age >= 18, nulls: fail}\n")
        diag = refused(pg, "insert into features.customer (customer_id) values (1)")
        assert diag.constraint_name == "features.customer/adult"
        assert "age is NULL" in (diag.message_primary or "")

    def test_where_binds_to_its_rule(self, pg: str, tmp_path: Path) -> None:
        text = RULES + "slos:\n  - {name: paid, check: tenure_days > 0, where: \"plan = 'pro'\"}\n"
        guard(pg, tmp_path, text)
        prepare(pg, "insert into features.customer values (1, 5, 'free', 0)")
        assert refused(pg, "insert into features.customer values (2, 5, 'pro', 0)").constraint_name == (
            "features.customer/paid"
        )

    def test_refusals_are_counted_although_they_rolled_back(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, RULES)
        for _ in range(3):
            refused(pg, "insert into features.customer values (1, -4)")
        rows = query(pg, "select refused from mlguard.rejection where slo = 'features.customer/age.range'")
        assert rows == [(3,)]

    def test_rows_mode_uses_one_function(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, RULES.replace("reads: none", "reads: none\nwrites: rows"))
        checks = query(pg, "select count(*) from pg_constraint where contype = 'c' and conname like 'mlguard%'")
        assert checks == [(0,)]
        diag = refused(pg, "insert into features.customer values (1017, -4, 'free')")
        assert diag.message_primary == (
            "mlguard: features.customer/age.range: age is -4, allowed 0 to 130 (customer_id 1017);"
            " this statement stored nothing"
        )

    def test_lookup(self, pg: str, tmp_path: Path) -> None:
        prepare(pg, "create schema ref; create table ref.plan (plan text); insert into ref.plan values ('free')")
        text = RULES + "slos:\n  - {name: known, check: plan IN (SELECT plan FROM ref.plan)}\n"
        guard(pg, tmp_path, text)
        prepare(pg, "insert into features.customer values (1, 5, 'free'), (2, 5, null)")
        assert refused(pg, "insert into features.customer values (3, 5, 'pro')").constraint_name == (
            "features.customer/known"
        )

    def test_portable_check_is_plain(self, pg: str, tmp_path: Path) -> None:
        text = "mlguard: 1\ntable: features.customer\nreads: none\n"
        text += "slos:\n  - {name: old, check: age < 200, portable: true}\n"
        guard(pg, tmp_path, text)
        diag = refused(pg, "insert into features.customer values (3, 500)")
        assert diag.constraint_name == "mlguard_old"
        (definition,) = query(pg, "select pg_get_constraintdef(oid) from pg_constraint where conname = 'mlguard_old'")
        assert "mlguard." not in str(definition)

    def test_required_and_unique_keep_their_own_sqlstate(self, pg: str, tmp_path: Path) -> None:
        text = (
            "mlguard: 1\ntable: features.customer\nreads: none\ncolumns:\n"
            "  plan: {type: text, required: true}\n  email: {type: text, unique: true}\n"
        )
        guard(pg, tmp_path, text)
        with pytest.raises(psycopg.errors.NotNullViolation):
            prepare(pg, "insert into features.customer (customer_id) values (1)")
        prepare(pg, "insert into features.customer (customer_id, plan, email) values (1, 'free', 'a')")
        with pytest.raises(psycopg.errors.UniqueViolation) as caught:
            prepare(pg, "insert into features.customer (customer_id, plan, email) values (2, 'free', 'a')")
        assert caught.value.diag.constraint_name == "mlguard_email.unique@customer"

    def test_division_by_zero_counts_as_broken(self, pg: str, tmp_path: Path) -> None:
        text = "mlguard: 1\ntable: features.customer\nreads: none\nslos:\n  - {name: ratio, check: 100 / age < 50}\n"
        guard(pg, tmp_path, text)
        assert refused(pg, "insert into features.customer values (1, 0)").constraint_name == "features.customer/ratio"
        prepare(pg, "insert into features.customer values (1, 10)")


class TestQuarantine:
    def test_one_row_with_every_reason(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, QUARANTINE)
        said = warnings_of(
            pg, "insert into features.customer values (1, 5, 'free'), (2, -4, 'gold'), (3, -1, 'pro'), (4, 6, null)"
        )
        assert query(pg, "select customer_id from features.customer order by 1") == [(1,), (4,)]
        kept = query(pg, "select key, slos, row from mlguard.quarantine order by id")
        assert [row[0] for row in kept] == [{"customer_id": 2}, {"customer_id": 3}]
        assert kept[0][1] == ["features.customer/age.range", "features.customer/plan.in"]
        assert len(said) == 1
        assert said[0].startswith("mlguard: 2 of 4 rows kept out of features.customer (age.range 2, plan.in 1), batch ")
        assert said[0].endswith("; the row count and RETURNING omit them")

    def test_copy(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, QUARANTINE)
        said = copy_in(pg, [f"{i},{-1 if i % 10 == 0 else 30},free" for i in range(100)])
        assert query(pg, "select count(*) from features.customer") == [(90,)]
        assert said[0].startswith("mlguard: 10 of 100 rows kept out of features.customer (age.range 10), batch ")

    def test_counts_are_of_the_statement(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, QUARANTINE)
        said: list[str] = []
        with psycopg.connect(pg) as connection:
            connection.add_notice_handler(lambda diag: said.append(diag.message_primary or ""))
            connection.execute("insert into features.customer select g, 5, 'free' from generate_series(1, 50) g")
            connection.execute("savepoint a")
            connection.execute("insert into features.customer select g, 5, 'free' from generate_series(51, 60) g")
            connection.execute("rollback to a")
            connection.execute("insert into features.customer values (100, -1, 'free'), (101, 1, 'free')")
        assert said[0].startswith("mlguard: 1 of 2 rows kept out")

    def test_update_is_refused(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, QUARANTINE)
        prepare(pg, "insert into features.customer values (1, 5, 'free')")
        diag = refused(pg, "update features.customer set age = -4")
        assert diag.constraint_name == "features.customer/age.range"
        assert query(pg, "select age from features.customer") == [(5,)]

    def test_upsert_keeps_the_stored_row(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, QUARANTINE)
        prepare(pg, "insert into features.customer values (1, 5, 'free')")
        said = warnings_of(
            pg,
            "insert into features.customer values (1, -5, 'pro'), (2, 7, 'pro')"
            " on conflict (customer_id) do update set age = excluded.age, plan = excluded.plan",
        )
        assert query(pg, "select customer_id, age from features.customer order by 1") == [(1, 5), (2, 7)]
        assert query(pg, "select op, superseded from mlguard.quarantine") == [("INSERT", True)]
        assert len(said) == 1
        assert said[0].startswith("mlguard: 1 of 2 rows kept out")

    def test_keep_on_update(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, QUARANTINE.replace("reads: none", "reads: none\nquarantine_update: keep"))
        prepare(pg, "insert into features.customer values (1, 5, 'free'), (2, 6, 'free')")
        said = warnings_of(pg, "update features.customer set age = age - 6")
        assert query(pg, "select customer_id, age from features.customer order by 1") == [(1, 5), (2, 0)]
        assert said[0].startswith("mlguard: 1 of 2 rows kept out")

    def test_remove_takes_the_stored_row_too(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, QUARANTINE.replace("reads: none", "reads: none\nquarantine_update: remove"))
        prepare(pg, "insert into features.customer values (1, 5, 'free'), (2, 6, 'free')")
        prepare(pg, "update features.customer set age = age - 6")
        assert query(pg, "select customer_id, age from features.customer order by 1") == [(2, 0)]
        prepare(
            pg,
            "insert into features.customer values (2, -1, 'free')"
            " on conflict (customer_id) do update set age = excluded.age",
        )
        assert query(pg, "select count(*) from features.customer") == [(0,)]
        assert query(pg, "select count(*) from mlguard.quarantine where status = 'waiting'") == [(2,)]

    def test_merge(self, pg18: str, tmp_path: Path) -> None:
        guard(pg18, tmp_path, QUARANTINE)
        prepare(pg18, "insert into features.customer values (1, 5, 'free')")
        prepare(
            pg18,
            "merge into features.customer c"
            " using (values (1, 8, 'pro'), (2, -8, 'pro'), (3, 9, 'pro')) as s(id, age, plan)"
            " on c.customer_id = s.id when matched then update set age = s.age"
            " when not matched then insert (customer_id, age, plan) values (s.id, s.age, s.plan)",
        )
        assert query(pg18, "select customer_id, age from features.customer order by 1") == [(1, 8), (3, 9)]
        assert query(pg18, "select key from mlguard.quarantine") == [({"customer_id": 2},)]

    def test_a_bad_cast_in_json_breaks_the_rule_not_the_load(self, pg: str, tmp_path: Path) -> None:
        prepare(pg, "create schema features; create table features.event (id int primary key, payload jsonb)")
        text = (
            "mlguard: 1\ntable: features.event\nkey: [id]\nreads: none\nslos:\n"
            "  - {name: n_positive, check: \"(payload ->> 'n')::integer > 0\", on_violation: quarantine}\n"
        )
        api.apply(project(tmp_path, text), pg)
        prepare(
            pg,
            """insert into features.event values (1, '{"n": 5}'), (2, '{"n": "abc"}'), (3, '{"n": 99999999999}'),
            (4, '{}'), (5, null), (6, '[1]'), (7, '"x"'), (8, '{"n": "2147483647"}'), (9, '{"n": -1}')""",
        )
        assert query(pg, "select id from features.event order by 1") == [(1,), (4,), (5,), (6,), (7,), (8,)]
        assert query(pg, "select count(*) from mlguard.quarantine") == [(3,)]

    def test_replica_role_does_not_get_past(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, QUARANTINE)
        prepare(pg, "set session_replication_role = replica; insert into features.customer values (1, -5, 'pro')")
        assert query(pg, "select count(*) from features.customer") == [(0,)]

    def test_waived_rows_land_and_are_noted(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, QUARANTINE)
        prepare(pg, "select mlguard.off('features.customer/age.range', interval '1 hour', 'upstream fix on its way')")
        prepare(pg, "insert into features.customer values (1, -5, 'pro')")
        assert query(pg, "select count(*) from features.customer") == [(1,)]
        assert query(pg, "select slo, outcome from mlguard.violation") == [("features.customer/age.range", "NOTED")]

    def test_generated_and_identity_columns_survive_release(self, pg: str, tmp_path: Path) -> None:
        prepare(
            pg,
            "create schema features; create table features.m (id bigint generated always as identity primary key,"
            ' "Größe" text, a integer, twice integer generated always as (a * 2) stored)',
        )
        text = (
            "mlguard: 1\ntable: features.m\nkey: [id]\nreads: none\ncolumns:\n"
            "  a: {type: integer, range: {between: [0, 10], on_violation: quarantine}}\n"
        )
        api.apply(project(tmp_path, text), pg)
        prepare(pg, """insert into features.m ("Größe", a) values ('x"y', 50)""")
        assert query(pg, "select outcome from mlguard.release((select id from mlguard.quarantine))") == [
            ("still broken",)
        ]
        released = query(pg, "select outcome from mlguard.release((select id from mlguard.quarantine), '{\"a\": 5}')")
        assert released == [("released",)]
        assert query(pg, 'select id, "Größe", a, twice from features.m') == [(1, 'x"y', 5, 10)]


class TestRepair:
    TEXT = """
    mlguard: 1
    table: features.customer
    key: [customer_id]
    reads: none
    columns:
      age: {type: integer, range: {between: [0, 130], on_violation: repair, repair: {clamp: [0, 130]}}}
      plan: {type: text, in: {values: [free, pro], on_violation: quarantine}}
    slos:
      - {name: tenure, check: tenure_days >= 0, on_violation: repair, repair: null}
    """

    def test_values_are_mended_and_logged(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, self.TEXT)
        prepare(
            pg, "insert into features.customer values (1, -4, 'free', -1), (2, 200, 'pro', 3), (3, 5, 'pro', 'NaN')"
        )
        assert query(pg, "select customer_id, age, tenure_days::text from features.customer order by 1") == [
            (1, 0, None),
            (2, 130, "3"),
            (3, 5, "NaN"),
        ]
        changes = query(pg, "select key, column_name, old, new, rule from mlguard.change order by id")
        assert changes == [
            ({"customer_id": 1}, "age", -4, 0, "features.customer/age.range"),
            ({"customer_id": 1}, "tenure_days", -1, None, "features.customer/tenure"),
            ({"customer_id": 2}, "age", 200, 130, "features.customer/age.range"),
        ]

    def test_quarantine_judges_the_mended_row_and_keeps_the_one_that_arrived(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, self.TEXT)
        prepare(pg, "insert into features.customer values (1, -4, 'gold', 0)")
        assert query(pg, "select row -> 'age', slos from mlguard.quarantine") == [(-4, ["features.customer/plan.in"])]
        assert query(pg, "select count(*) from mlguard.change") == [(0,)]

    def test_upsert_leaves_no_phantom_lines(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, self.TEXT)
        prepare(pg, "insert into features.customer values (1, 5, 'free')")
        prepare(pg, "insert into features.customer values (1, -9, 'free') on conflict do nothing")
        assert query(pg, "select count(*) from mlguard.change") == [(0,)]
        prepare(
            pg,
            "insert into features.customer values (1, -9, 'free')"
            " on conflict (customer_id) do update set age = excluded.age",
        )
        assert query(pg, "select age from features.customer") == [(0,)]
        assert query(pg, "select old, new from mlguard.change") == [(-9, 0)]

    def test_update(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, self.TEXT)
        prepare(pg, "insert into features.customer values (1, 5, 'free')")
        prepare(pg, "update features.customer set age = 999")
        assert query(pg, "select age from features.customer") == [(130,)]
        assert query(pg, "select old, new from mlguard.change") == [(999, 130)]


class TestWarnShadowMaxBad:
    def test_warn_records_and_lands(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, QUARANTINE.replace("quarantine", "warn"))
        prepare(pg, "insert into features.customer select g, -1, 'free' from generate_series(1, 250) g")
        assert query(pg, "select count(*) from features.customer") == [(250,)]
        rows = query(pg, "select outcome, sum(bad), max(n), count(*) from mlguard.violation group by 1")
        assert rows == [("FAIL", 250, 250, 101)]

    def test_shadow_never_acts(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, RULES.replace("range: [0, 130]", "range: {between: [0, 130], shadow: true}"))
        prepare(pg, "insert into features.customer values (1, -1, 'free')")
        assert query(pg, "select outcome, reason from mlguard.violation") == [("NOTED", "shadow")]

    @pytest.mark.parametrize("action", ["quarantine", "warn", "reject"])
    def test_max_bad_is_judged_at_commit(self, pg: str, tmp_path: Path, action: str) -> None:
        rule = f"range: {{between: [0, 130], on_violation: {action}, max_bad: 5%}}"
        guard(pg, tmp_path, RULES.replace("range: [0, 130]", rule))
        prepare(
            pg,
            "insert into features.customer"
            " select g, case when g <= 5 then -1 else 1 end from generate_series(1, 100) g",
        )
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            write(
                pg,
                "insert into features.customer select g, 1 from generate_series(1001, 1090) g",
                "insert into features.customer select g, -1 from generate_series(1101, 1110) g",
            )
        message = caught.value.diag.message_primary or ""
        assert "COMMIT refused, nothing was stored" in message
        assert "5%" in message
        assert caught.value.diag.constraint_name == "features.customer/age.range"
        expected = 95 if action == "quarantine" else 100
        assert query(pg, "select count(*) from features.customer") == [(expected,)]

    def test_max_bad_rows(self, pg: str, tmp_path: Path) -> None:
        rule = 'range: {between: [0, 130], on_violation: quarantine, max_bad: "2 rows"}'
        guard(pg, tmp_path, RULES.replace("range: [0, 130]", rule))
        prepare(pg, "insert into features.customer values (1, -1), (2, -1)")
        diag = refused(pg, "insert into features.customer values (1, -1), (2, -1), (3, -1)")
        assert diag.constraint_name == "features.customer/age.range"
        assert query(pg, "select count(*) from mlguard.quarantine") == [(2,)]


class TestPii:
    TEXT = """
    mlguard: 1
    table: features.customer
    key: [customer_id]
    reads: none
    columns:
      email: {type: text, matches: '^[^@]+@example\\.com$', required: true, pii: true}
      age: {type: integer, range: {between: [0, 130], on_violation: quarantine}}
    """

    def test_no_value_anywhere(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, self.TEXT)
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            copy_in(pg, ["1,secret-person@evil.org"], "features.customer (customer_id, email)")
        everything = " ".join(
            str(getattr(caught.value.diag, name)) for name in dir(caught.value.diag) if name[0] != "_"
        )
        assert "secret-person" not in everything
        assert "email is not shown (pii)" in (caught.value.diag.message_primary or "")

    def test_required_does_not_print_the_row(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, self.TEXT)
        diag = refused(pg, "insert into features.customer (customer_id, plan) values (77, 'secret-plan')")
        assert diag.constraint_name == "features.customer/email.required"
        assert "secret-plan" not in str(diag.message_detail)

    def test_listings_are_masked(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, self.TEXT)
        prepare(pg, "insert into features.customer (customer_id, age, email) values (1, -1, 'joe@example.com')")
        assert "joe" not in str(query(pg, "select * from mlguard.quarantine"))


def test_rows_mode_quarantines_with_a_warning(pg: str, tmp_path: Path) -> None:
    guard(pg, tmp_path, QUARANTINE.replace("reads: none", "reads: none\nwrites: rows"))
    said = warnings_of(pg, "insert into features.customer values (1, -5, 'pro')")
    assert said[0].startswith("mlguard: 1 row kept out of features.customer (age.range 1), batch ")
    assert query(pg, "select count(*) from features.customer") == [(0,)]
    assert query(pg, "select count(*) from pg_trigger where tgname = 'zz_mlguard_count_before'") == [(0,)]


HOSTILE = """
create schema evil;
create function evil.yes(integer, integer) returns boolean language sql immutable as 'select true';
create operator evil.>= (leftarg = integer, rightarg = integer, function = evil.yes);
create operator evil.<= (leftarg = integer, rightarg = integer, function = evil.yes);
create function evil.never(integer, integer) returns boolean language sql immutable as 'select false';
create operator evil.> (leftarg = integer, rightarg = integer, function = evil.never);
create function evil.strpos(text, text) returns integer language sql immutable as 'select 0';
create function evil.current_setting(text, boolean) returns text language sql immutable as $$select ''$$;
"""


@pytest.mark.parametrize("action", ["reject", "quarantine"])
def test_rows_mode_looks_up_nothing_in_the_writer_s_search_path(pg: str, tmp_path: Path, action: str) -> None:
    """Its functions for good rows pin no search_path: operators of the same name must not take the rules' place."""
    text = RULES if action == "reject" else QUARANTINE
    guard(pg, tmp_path, text.replace("reads: none", "reads: none\nwrites: rows"))
    prepare(pg, HOSTILE)
    assert query(pg, "select proconfig from pg_proc where proname = 'before row features.customer'") == [(None,)]
    path = "set search_path = evil, pg_catalog"
    with psycopg.connect(pg) as connection:
        connection.execute(path)
        assert connection.execute("select 5 >= 9, strpos('ab', 'b')").fetchone() == (True, 0)
    bad = "insert into features.customer values (1, -5, 'pro')"
    if action == "reject":
        assert refused(pg, f"{path}; {bad}").constraint_name == "features.customer/age.range"
    else:
        assert len(warnings_of(pg, f"{path}; {bad}")) == 1
        assert query(pg, "select slos from mlguard._quarantine") == [(["features.customer/age.range"],)]
    assert query(pg, "select count(*) from features.customer") == [(0,)]
    # Also where the session met the function under another path first, and keeps its plans.
    with psycopg.connect(pg, autocommit=True) as connection:
        connection.execute("insert into features.customer values (2, 5, 'pro')")
        connection.execute(path)
        if action == "reject":
            with pytest.raises(psycopg.errors.CheckViolation):
                connection.execute(bad.encode())
        else:
            connection.execute(bad.encode())
    assert query(pg, "select customer_id from features.customer") == [(2,)]


def test_rows_mode_judges_by_the_column_s_collation(pg15: str, tmp_path: Path) -> None:
    """A function's argument has none: where 'A' equals 'a', the rules stay where they see the column.

    Only servers built with ICU have such collations.
    """
    prepare(
        pg15,
        "create schema features;"
        "create collation features.folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
        "create table features.word (id integer primary key, w text collate features.folded)",
    )
    text = "mlguard: 1\ntable: features.word\nkey: [id]\nreads: none\nwrites: rows\ncolumns:\n  w: {not_in: [stop]}\n"
    api.apply(project(tmp_path, text), pg15)
    prepare(pg15, "insert into features.word values (1, 'go')")
    assert refused(pg15, "insert into features.word values (2, 'STOP')").constraint_name == "features.word/w.not_in"


def test_rows_mode_with_every_kind_of_column(pg: str, tmp_path: Path) -> None:
    prepare(
        pg,
        "create schema features; create domain features.positive as integer check (value > -100);"
        "create type features.mood as enum ('sad', 'ok');"
        "create table features.odd (id integer primary key, a features.positive, m features.mood, v varchar(5),"
        " n numeric(6,2), j jsonb, t text[], g integer generated always as (id + 1) stored)",
    )
    text = (
        "mlguard: 1\ntable: features.odd\nkey: [id]\nreads: none\nwrites: rows\ncolumns:\n"
        "  a: {range: {between: [0, 9], on_violation: repair, repair: {clamp: [0, 9]}}}\n"
        "  m: {in: {values: [ok], on_violation: quarantine}}\n  v: {in: [x]}\n  n: {range: [0, 9]}\n"
        "slos:\n  - {name: j, check: \"(j ->> 'n')::integer > 0\", on_violation: quarantine}\n"
    )
    api.apply(project(tmp_path, text), pg)
    prepare(pg, "insert into features.odd values (1, 50, 'ok', 'x', 1.5, '{\"n\": 1}', '{a}')")
    assert query(pg, "select id, a, m::text, v, n, g from features.odd") == [(1, 9, "ok", "x", Decimal("1.50"), 2)]
    prepare(
        pg,
        "insert into features.odd values (2, 50, 'sad', null, null, null), (3, 5, 'ok', null, null, '{\"n\": \"q\"}');"
        "update features.odd set a = -3 where id = 1",
    )
    assert query(pg, "select id, a from features.odd") == [(1, 0)]
    assert query(pg, "select slos from mlguard._quarantine order by id") == [
        (["features.odd/m.in"],), (["features.odd/j"],),
    ]  # fmt: skip
    assert query(pg, "select old, new from mlguard.change order by id") == [(50, 9), (-3, 0)]
    assert refused(pg, "insert into features.odd (id, v) values (4, 'y')").constraint_name == "features.odd/v.in"
    assert refused(pg, "update features.odd set m = 'sad'").constraint_name == "features.odd/m.in"
    # What was made is what a second plan finds, and it all goes again.
    assert api.plan(project(tmp_path, text), pg).empty
    with psycopg.connect(pg) as connection:
        assert {finding.name for finding in doctor.examine(connection)} <= {"role"}
    api.remove(["features.odd"], pg, discard=True)
    left = "select count(*) from pg_proc where pronamespace = 'mlguard'::regnamespace and proname like '%odd%'"
    assert query(pg, left) == [(0,)]


ODD = """
create schema features;
create domain features.positive as integer check (value > -100);
create table features.odd (
  id integer primary key, a features.positive, f8 double precision, f4 real, i interval, j jsonb, js json, b bytea,
  d date, at timestamptz, r numrange, arr text[]
);
"""


def test_a_kept_row_comes_back_as_it_arrived_whatever_the_session_says(pg: str, tmp_path: Path) -> None:
    prepare(pg, ODD)
    text = (
        "mlguard: 1\ntable: features.odd\nkey: [id]\nreads: none\ncolumns:\n"
        "  a: {range: {between: [0, 9], on_violation: quarantine}}\n"
    )
    loaded = project(tmp_path, text)
    api.apply(loaded, pg)
    row = (
        "0.1::float8 + 0.2, 3.1415927::real, '-1 days -02:03:04', 'null', '{\"k\": 1,  \"k\": 2}', '\\x00ff',"
        " '2026-02-03', '2026-02-03 04:05:06.789+09', '[1,2)', array['x', null, 'a,b', '\"']"
    )
    prepare(
        pg,
        "set extra_float_digits = 0; set intervalstyle = sql_standard; set datestyle = 'SQL, DMY';"
        f" set timezone = 'Asia/Tokyo'; set bytea_output = escape; insert into features.odd select 1, -1, {row};"
        f" insert into features.odd select 2, 1, {row}",
    )
    assert query(pg, "select count(*) from features.odd") == [(1,)]
    prepare(
        pg,
        "set intervalstyle = sql_standard; set datestyle = 'SQL, DMY'; set mlguard.test = '';"
        " select mlguard.off('features.odd/a.range', interval '1 hour', 'test');"
        " select mlguard.release((select id from mlguard.quarantine))",
    )
    same = query(
        pg,
        "select count(*), count(distinct (f8, f4, i, j, js::text, b, d, at, r, arr)) from features.odd",
    )
    assert same == [(2, 1)]


def test_rows_of_one_statement_are_kept_as_rows_of_many(pg: str, tmp_path: Path) -> None:
    guard(pg, tmp_path, QUARANTINE)
    rows = ("(1, 200, 'free')", "(2, 200, 'gold')", "(3, 30, 'gold')", "(4, null, 'gold')")
    insert = "insert into features.customer (customer_id, age, plan) values "
    columns = (
        "select key, row, row_text, broken, slos, op, superseded, status, writer from mlguard._quarantine order by id"
    )
    write(pg, *(insert + row for row in rows))
    singly = query(pg, columns)
    write(pg, "delete from mlguard._quarantine")
    assert warnings_of(pg, insert + ", ".join(rows))[0].startswith(
        "mlguard: 4 of 4 rows kept out of features.customer (plan.in 3, age.range 2), batch "
    )
    assert query(pg, columns) == singly
    assert len(singly) == 4
    assert query(pg, "select count(*) from mlguard._quarantine q join mlguard._batch b on b.id = q.batch") == [(4,)]


def test_a_waived_rule_lets_its_rows_land_beside_rows_that_are_kept(pg: str, tmp_path: Path) -> None:
    guard(pg, tmp_path, QUARANTINE)
    write(pg, "select mlguard.off('features.customer/age.range', interval '1 hour', 'test')")
    write(
        pg,
        "insert into features.customer (customer_id, age, plan)"
        " values (1, 30, 'gold'), (2, -1, 'free'), (3, -1, 'gold'), (4, 30, 'gold'), (5, -1, 'free')",
    )
    assert query(pg, "select customer_id from features.customer order by 1") == [(2,), (5,)]
    kept = query(pg, "select (key ->> 'customer_id')::integer, slos from mlguard._quarantine order by id")
    assert kept == [(number, ["features.customer/plan.in"]) for number in (1, 3, 4)]
    assert query(pg, "select count(*) from mlguard.violation where outcome = 'NOTED'") == [(3,)]


def test_remove_takes_a_stored_row_only_for_upserts_and_updates(pg: str, tmp_path: Path) -> None:
    guard(pg, tmp_path, QUARANTINE.replace("reads: none", "reads: none\nquarantine_update: remove"))
    prepare(pg, "insert into features.customer values (1, 5, 'free'), (2, 6, 'free')")
    prepare(pg, "update features.customer set plan = 'pro'")
    prepare(pg, "insert into features.customer values (1, -1, 'free')")
    prepare(pg, "insert into features.customer values (1, -1, 'free') on conflict do nothing")
    assert query(pg, "select count(*) from features.customer") == [(2,)]
    prepare(pg, "update features.customer set customer_id = 100, age = -5 where customer_id = 2")
    assert query(pg, "select customer_id from features.customer") == [(1,)]
    assert query(pg, "select bool_and(superseded) from mlguard.quarantine") == [(True,)]


@pytest.mark.parametrize("existing", ["quarantine", "allow"])
def test_columns_named_like_the_names_inside_generated_code(pg: str, tmp_path: Path, existing: str) -> None:
    names = ["g", "r", "t", "stored", "new", "old", "_n", "_bad_1", "_broken", "_arrived", "_mended", "_landed", "line"]
    names += ["new_rows", "old_rows", "tbl", "slo", "_gone", "_seen", "_newest", "_future", "f", "h", "w", "batch"]
    columns = ", ".join(f'"{name}" integer default 1' for name in names)
    prepare(
        pg,
        f"create schema features;create table features.t (id int primary key, at timestamptz default now(),{columns})",
    )
    prepare(pg, "insert into features.t (id, g) values (1, -5), (2, 5)")
    text = (
        f"mlguard: 1\ntable: features.t\nevent_time: at\nexisting: {existing}\ncolumns:\n"
        + "".join(f"  {name}: {{range: {{between: [0, 9], on_violation: quarantine}}}}\n" for name in names[:8])
        + "  line: {range: {between: [0, 9], on_violation: repair, repair: {clamp: [0, 9]}}}\n"
        + "slos:\n  - {name: a, check: _n < 5 AND r < 7, on_violation: warn}\n"
        + "  - {name: b, check: tbl < 5, max_bad: 50%}\n  - {name: fresh, check: \"staleness() <= INTERVAL '1 day'\"}\n"
    )
    loaded = project(tmp_path, text)
    api.apply(loaded, pg)
    assert api.plan(loaded, pg).empty
    prepare(pg, "insert into features.t (id, g, _n, line) values (3, -1, 1, 1), (4, 1, 8, 50), (5, 1, 1, 1)")
    expected = [(1,), (2,), (4,), (5,)] if existing == "allow" else [(2,), (4,), (5,)]
    assert query(pg, "select id from features.t_guarded order by 1") == expected
    kept = query(pg, "select (row ->> 'id')::int, row ->> 'g' from mlguard.quarantine order by 1")
    assert kept == ([(3, "-1")] if existing == "allow" else [(1, "-5"), (3, "-1")])
    assert query(pg, "select line from features.t where id = 4") == [(9,)]
    assert query(pg, "select slo, bad from mlguard.violation") == [("features.t/a", 1)]
    assert query(pg, "select new from mlguard.change") == [(9,)]
    prepare(
        pg, "update features.t set at = now() - interval '3 days' where id > 1; delete from features.t where id = 5"
    )
    report = mlguard.check(loaded, pg)
    assert not report.having(mlguard.Outcome.ERROR)
