"""Assertions on real servers: every way of writing, every action, and what apply, plan and remove do with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

import mlguard
from mlguard import api
from mlguard.errors import ApplyError, PlanError, SpecError
from mlguard.operate import status
from mlguard.report import plan_text
from mlguard.report.verdict import Outcome
from tests.support import prepare, project, query

STAFF = """
create schema hr;
create table hr.employee (name text primary key, salary integer, dept integer);
create table hr.department (dept integer primary key, budget integer);
insert into hr.department values (1, 25), (2, 40);
insert into hr.employee values ('Joe', 10, 1), ('Fred', 10, 1), ('Ann', 20, 2);
"""
SAME_SALARY = """
mlguard: 1
table: hr.employee
key: [name]
reads: none
slos:
  - name: same_salary
    assert: |
      SELECT a.name FROM hr.employee a JOIN hr.employee b ON a.name = 'Joe' AND b.name = 'Fred'
      WHERE a.salary <> b.salary
"""
WITHIN_BUDGET = """
mlguard: 1
table: hr.department
key: [dept]
reads: none
slos:
  - name: within_budget
    assert: |
      SELECT d.dept, sum(e.salary) AS spent FROM hr.department d JOIN hr.employee e ON e.dept = d.dept
      GROUP BY d.dept, d.budget HAVING sum(e.salary) > d.budget
"""
REFUSED = "COMMIT refused, nothing was stored"


def guard(dsn: str, folder: Path, text: str, tables: str = STAFF) -> None:
    prepare(dsn, tables)
    api.apply(project(folder, text), dsn)


def write(dsn: str, *statements: str, **options: Any) -> None:
    """Run statements as one transaction."""
    with psycopg.connect(dsn, **options) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def refused(dsn: str, *statements: str) -> psycopg.errors.CheckViolation:
    """Run statements as one transaction that must be refused at COMMIT; return the error."""
    with psycopg.connect(dsn) as connection:
        for statement in statements:
            connection.execute(statement.encode())
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            connection.commit()
    return caught.value


def test_a_violation_is_refused_at_commit_with_every_field(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, SAME_SALARY)
    error = mlguard.SloViolation.from_exception(refused(db, "update hr.employee set salary = 11 where name = 'Joe'"))
    assert error is not None
    assert str(error.message) == (
        "mlguard: hr.employee/same_salary: the assertion returns 1 row (name Joe); " + REFUSED
    )
    assert (error.slo, error.table, error.limit, error.sqlstate) == (
        "hr.employee/same_salary",
        "hr.employee",
        "no rows",
        "23514",
    )
    assert (error.key, error.observed) == ({"name": "Joe"}, {"rows": 1})
    assert query(db, "select salary from hr.employee where name = 'Joe'") == [(10,)]
    assert query(db, "select slo, refused from mlguard.rejection") == [("hr.employee/same_salary", 1)]
    assert query(db, "select count(*) from mlguard._assertion_due") == [(0,)]


def test_only_the_final_state_counts(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, SAME_SALARY)
    write(
        db,
        "update hr.employee set salary = 11 where name = 'Joe'",
        "update hr.employee set salary = 11 where name = 'Fred'",
    )
    assert query(db, "select distinct salary from hr.employee where dept = 1") == [(11,)]


@pytest.mark.parametrize(
    "statement",
    [
        "insert into hr.employee values ('Eve', 6, 1)",
        "update hr.employee set salary = salary + 6 where name = 'Joe'",
        "update hr.employee set dept = 1 where name = 'Ann'",
        "update hr.department set budget = 19 where dept = 1",
        "insert into hr.employee values ('Joe', 20, 1) on conflict (name) do update set salary = excluded.salary",
        "insert into hr.employee select 'Eve', 6, 1 from (select 1) as one returning name",
    ],
)
def test_every_way_of_writing_is_judged(db: str, tmp_path: Path, statement: str) -> None:
    guard(db, tmp_path, WITHIN_BUDGET)
    error = refused(db, statement)
    assert "hr.department/within_budget: the assertion returns 1 row (dept 1)" in str(error)


def test_copy_merge_truncate_and_delete_are_judged(db: str, tmp_path: Path) -> None:
    text = WITHIN_BUDGET.replace("HAVING sum(e.salary) > d.budget", "HAVING sum(e.salary) > d.budget\n") + (
        "  - {name: never_empty, assert: 'SELECT 1 AS nobody WHERE NOT EXISTS (SELECT FROM hr.employee)'}\n"
    )
    guard(db, tmp_path, text)
    with psycopg.connect(db) as connection, connection.cursor() as cursor:
        with cursor.copy("copy hr.employee from stdin") as copy:
            copy.write_row(("Eve", 6, 1))
        with pytest.raises(psycopg.errors.CheckViolation, match="within_budget"):
            connection.commit()
    for statement in ("truncate hr.employee", "delete from hr.employee"):
        assert "never_empty" in str(refused(db, statement))
    if query(db, "select current_setting('server_version_num')::int >= 150000") == [(True,)]:
        merge = (
            "merge into hr.employee as e using (values ('Joe', 16)) as v (name, salary) on e.name = v.name"
            " when matched then update set salary = v.salary"
        )
        assert "within_budget" in str(refused(db, merge))
    assert query(db, "select count(*) from hr.employee") == [(3,)]


def test_partitions_heirs_and_cascades_are_judged(db: str, tmp_path: Path) -> None:
    tables = """
    create schema s;
    create table s.owner (id integer primary key);
    create table s.item (k integer, owner integer references s.owner on delete cascade, v integer)
      partition by list (k);
    create table s.item_1 partition of s.item for values in (1);
    create table s.item_2 partition of s.item for values in (2);
    create table s.note (k integer, v integer);
    create table s.note_old () inherits (s.note);
    create table s.note_older () inherits (s.note_old);
    insert into s.owner values (1), (2);
    insert into s.item values (1, 1, 5), (2, 2, 5);
    """
    text = """
    mlguard: 1
    table: s.item
    reads: none
    slos:
      - {name: small, assert: "SELECT k FROM s.item GROUP BY k HAVING sum(v) > 9"}
      - {name: two, assert: "SELECT count(*) FROM s.item HAVING count(*) < 2"}
      - {name: notes, assert: "SELECT k FROM s.note WHERE v < 0"}
    """
    guard(db, tmp_path, text, tables)
    for statement, slo in (
        ("insert into s.item values (1, 1, 6)", "small"),
        ("insert into s.item_1 values (1, 1, 6)", "small"),
        ("update s.item set k = 1 where k = 2", "small"),
        ("delete from s.item_2", "two"),
        ("truncate s.item_2", "two"),
        ("delete from s.owner where id = 2", "two"),
        ("insert into s.note values (1, -1)", "notes"),
        ("insert into s.note_old values (1, -1)", "notes"),
        ("insert into s.note_older values (1, -1)", "notes"),
    ):
        assert f"s.item/{slo}:" in str(refused(db, statement)), statement


def test_the_replica_role_does_not_get_past_it(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, SAME_SALARY)
    refused(db, "set session_replication_role = replica", "update hr.employee set salary = 11 where name = 'Joe'")


def test_a_writer_without_rights_and_with_names_of_his_own_is_judged(db: str, tmp_path: Path) -> None:
    """Operators, functions, types and tables that a writer puts before the real ones change nothing."""
    guard(db, tmp_path, WITHIN_BUDGET)
    write(
        db,
        "drop role if exists assertion_writer",
        "create role assertion_writer",
        "grant usage on schema hr to assertion_writer",
        "grant select, insert, update on hr.employee to assertion_writer",
        "create schema evil",
        "grant all on schema evil to assertion_writer",
    )
    try:
        error = refused(
            db,
            "set role assertion_writer",
            "create function evil.never(integer, integer) returns boolean language sql as 'select false'",
            "create operator evil.= (function = evil.never, leftarg = integer, rightarg = integer)",
            "create function evil.count(text) returns bigint language sql as 'select 0::bigint'",
            "create table evil.employee (name text, salary integer, dept integer)",
            "create temporary table _assertion_due (xid xid8, slo pg_catalog.text, keys pg_catalog.text[])",
            "set local search_path = pg_temp, evil, pg_catalog",
            'set local mlguard.assertions = \'{"hr.department/within_budget": "(0,1)"}\'',
            "insert into hr.employee values ('Eve', 6, 1)",
        )
        assert "within_budget" in str(error)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            write(db, "set role assertion_writer", "select mlguard.assertion_due_v1('x', '', null)")
        # The types of the writer's own schema are not taken for PostgreSQL's.
        with psycopg.connect(db) as connection:
            for statement in (
                "set role assertion_writer",
                "create domain pg_temp.text as pg_catalog.varchar(1)",
                "create domain pg_temp.jsonb as pg_catalog.varchar(1)",
                "create domain pg_temp.int8 as pg_catalog.int4 check (value < 0)",
                "create domain pg_temp.tid as pg_catalog.varchar(1)",
                "insert into hr.employee values ('Eve', 6, 1)",
            ):
                connection.execute(statement.encode())
            with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.DataError)):
                connection.commit()
        assert query(db, "select count(*) from hr.employee") == [(3,)]
    finally:
        write(db, "drop owned by assertion_writer", "drop role assertion_writer")


def test_a_setting_cannot_hide_what_was_touched(db: str, tmp_path: Path) -> None:
    """The places kept in a setting are a hint: wrong or old ones are not believed."""
    guard(db, tmp_path, WITHIN_BUDGET)
    with psycopg.connect(db) as connection:
        connection.execute("insert into hr.employee values ('Eve', 1, 2)")
        row = connection.execute("select current_setting('mlguard.assertions')").fetchone()
        assert row is not None
        connection.execute("insert into hr.employee values ('Bob', 6, 1)")
        connection.execute("select set_config('mlguard.assertions', %s, true)", row)
        connection.execute("insert into hr.employee values ('Eva', 1, 2)")
        with pytest.raises(psycopg.errors.CheckViolation, match="dept 1"):
            connection.commit()
    for setting in ("{}", ""):
        with psycopg.connect(db) as connection:
            connection.execute("insert into hr.employee values ('Bob', 6, 1)")
            connection.execute("select set_config('mlguard.assertions', %s, true)", (setting,))
            with pytest.raises(psycopg.errors.CheckViolation, match="dept 1"):
                connection.commit()


def test_savepoints(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, SAME_SALARY)
    bad = "update hr.employee set salary = 11 where name = 'Joe'"
    write(db, "savepoint a", bad, "rollback to savepoint a", "update hr.employee set dept = 3 where name = 'Ann'")
    write(db, "savepoint a", bad, "rollback to savepoint a")
    write(db, "update hr.employee set dept = 2 where name = 'Ann'", "savepoint a", bad, "rollback to savepoint a")
    refused(db, "savepoint a", bad, "release savepoint a")
    refused(db, "savepoint a", "update hr.employee set dept = 3", "rollback to savepoint a", bad)
    refused(db, bad, "savepoint a", "update hr.employee set salary = 11", "rollback to savepoint a")
    assert query(db, "select count(*) from mlguard._assertion_due") == [(0,)]


def test_keys_touched_around_savepoints_are_all_judged(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, WITHIN_BUDGET)
    refused(
        db,
        "insert into hr.employee values ('Bob', 6, 1)",
        "savepoint a",
        "insert into hr.employee values ('Eve', 1, 2)",
        "rollback to savepoint a",
        "insert into hr.employee values ('Eva', 1, 2)",
    )


def test_immediate_constraints_judge_each_statement(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, SAME_SALARY)
    with psycopg.connect(db) as connection:
        connection.execute("set constraints all immediate")
        connection.execute("update hr.employee set salary = 12 where dept = 1")
        connection.execute("update hr.employee set dept = 3 where name = 'Ann'")
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("update hr.employee set salary = 11 where name = 'Joe'")
    with psycopg.connect(db) as connection:
        connection.execute("update hr.employee set salary = 11 where name = 'Joe'")
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("set constraints all immediate")
    with psycopg.connect(db) as connection:
        connection.execute("update hr.employee set salary = 11 where dept = 1")
        connection.execute("set constraints all immediate")
        connection.execute("set constraints all deferred")
        connection.execute("update hr.employee set salary = 12 where name = 'Joe'")
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.commit()


def test_what_a_deferred_trigger_writes_during_commit_is_judged(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, SAME_SALARY)
    prepare(
        db,
        """
        create function hr.late() returns trigger language plpgsql as $$
        begin update hr.employee set salary = 11 where name = 'Joe'; return null; end $$;
        create constraint trigger zzzz_late after insert on hr.department deferrable initially deferred
        for each row execute function hr.late();
        """,
    )
    refused(db, "update hr.employee set dept = 3 where name = 'Ann'", "insert into hr.department values (9, 1)")
    refused(db, "insert into hr.department values (9, 1)")


def test_prepare_transaction_judges(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, SAME_SALARY)
    with psycopg.connect(db) as connection:
        connection.execute("update hr.employee set salary = 11 where name = 'Joe'")
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("prepare transaction 'bad'")
    with psycopg.connect(db, autocommit=True) as connection:
        connection.execute("begin")
        connection.execute("update hr.employee set salary = 11 where dept = 1")
        connection.execute("prepare transaction 'good'")
        connection.execute("commit prepared 'good'")
    assert query(db, "select count(*) from mlguard._assertion_due") == [(0,)]


def test_a_statement_without_rows_costs_no_judgement(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, SAME_SALARY)
    before = query(db, "select xid from mlguard._assertion_lock")
    write(db, "update hr.employee set salary = 0 where false", "delete from hr.employee where false")
    write(db, "insert into hr.department values (7, 7)")
    assert query(db, "select xid from mlguard._assertion_lock") == before


def test_ten_thousand_single_row_inserts_are_judged_once(db: str, tmp_path: Path) -> None:
    text = WITHIN_BUDGET + "  - {name: no_debt, assert: 'SELECT max(salary) FROM hr.employee HAVING max(salary) < 0'}\n"
    guard(db, tmp_path, text)
    with psycopg.connect(db) as connection:
        connection.execute("set track_functions = 'all'")
        with connection.pipeline():
            for number in range(10_000):
                connection.execute(f"insert into hr.employee values ('n{number}', 0, {number % 3000})".encode())
        connection.commit()
    calls = "select funcname, calls from pg_stat_user_functions where funcname like 'judge assertion %'"
    assert query(db, calls) == [
        ("judge assertion hr.department/no_debt", 1),
        ("judge assertion hr.department/within_budget", 1),
    ]


def test_hold_closes_the_gate_until_the_assertion_holds_again(db: str, tmp_path: Path) -> None:
    held = SAME_SALARY.replace("reads: none\n", "").replace("assert: |", "on_violation: hold\n    assert: |")
    guard(db, tmp_path, held)
    write(db, "update hr.employee set salary = 11 where name = 'Joe'")
    with pytest.raises(psycopg.errors.DatabaseError, match="the assertion returns 1 row") as caught:
        query(db, "select * from hr.employee_guarded")
    assert caught.value.sqlstate == "ML001"
    write(db, "update hr.employee set salary = 12 where name = 'Joe'")  # still broken: the same hold
    assert query(db, "select count(*) from mlguard._hold") == [(1,)]
    write(db, "update hr.employee set salary = 12 where name = 'Fred'")
    assert query(db, "select count(*) from hr.employee_guarded") == [(3,)]
    verdicts = "select outcome, current, version from mlguard._verdict order by id"
    assert query(db, verdicts) == [("PASS", False, 1), ("FAIL", False, 2), ("PASS", True, 3)]


def test_a_hold_that_was_ended_by_hand_comes_back_with_the_next_write(db: str, tmp_path: Path) -> None:
    held = SAME_SALARY.replace("reads: none\n", "").replace("assert: |", "on_violation: hold\n    assert: |")
    guard(db, tmp_path, held)
    write(db, "update hr.employee set salary = 11 where name = 'Joe'")
    prepare(db, "update mlguard._hold set ended_at = now()")
    write(db, "update hr.employee set dept = 3 where name = 'Ann'")
    assert query(db, "select count(*) from mlguard._hold where ended_at is null") == [(1,)]


def test_warn_and_shadow_record_what_changes(db: str, tmp_path: Path) -> None:
    warn = SAME_SALARY.replace("assert: |", "on_violation: warn\n    assert: |")
    both = warn + "  - {name: quiet, shadow: true, assert: 'SELECT name FROM hr.employee WHERE salary > 100'}\n"
    guard(db, tmp_path, both)
    write(db, "update hr.employee set salary = 111 where name = 'Joe'")
    write(db, "update hr.employee set dept = 3 where name = 'Ann'")
    found = query(
        db, "select split_part(slo, '/', 2), outcome, observed, key, bad, reason from mlguard.violation order by 1"
    )
    assert found == [
        ("quiet", "NOTED", {"rows": 1}, {"name": "Joe"}, 1, "shadow"),
        ("same_salary", "FAIL", {"rows": 1}, {"name": "Joe"}, 1, None),
    ]
    current = "select split_part(slo, '/', 2), outcome, observed from mlguard._verdict where current order by 1"
    assert query(db, current) == [
        ("quiet", "NOTED", "the assertion returns 1 row (name Joe)"),
        ("same_salary", "FAIL", "the assertion returns 1 row (name Joe)"),
    ]


def test_a_waiver_lets_it_through_and_ends_by_itself(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, SAME_SALARY)
    prepare(db, "select mlguard.off('hr.employee/same_salary', interval '1 hour', 'pay day')")
    write(db, "update hr.employee set salary = 11 where name = 'Joe'")
    assert query(db, "select outcome, reason from mlguard.violation") == [("NOTED", "waived")]
    prepare(db, "update mlguard._waiver set ended_at = now()")
    refused(db, "update hr.employee set dept = 3 where name = 'Ann'")
    write(db, "update hr.employee set salary = 11 where name = 'Fred'")
    assert query(db, "select outcome from mlguard._verdict where current") == [("PASS",)]


def test_no_value_of_a_pii_table_is_shown(db: str, tmp_path: Path) -> None:
    tables = STAFF + "create table hr.person (name text primary key, email text);"
    text = SAME_SALARY + (
        "  - {name: known, on_violation: warn, assert: 'SELECT e.name FROM hr.employee e WHERE NOT EXISTS"
        " (SELECT FROM hr.person p WHERE p.name = e.name)'}\n"
        '  - {name: numbers, on_violation: warn, assert: "SELECT e.name FROM hr.employee e JOIN hr.person p'
        ' ON p.email = e.name WHERE p.email::integer > 0"}\n'
    )
    person = "mlguard: 1\ntable: hr.person\nreads: none\ncolumns: {email: {type: text, pii: true}}\n"
    prepare(db, tables)
    project(tmp_path, person, "person.slo.yaml")
    slos = project(tmp_path, text)
    plan = plan_text.render(api.plan(slos, db))
    api.apply(slos, db)
    write(db, "insert into hr.person values ('x', 'Joe')")
    report = api.check(slos, db)
    everywhere = [
        plan,
        repr(report),
        *[repr(query(db, f"select * from mlguard.{table}")) for table in ("_verdict", "_violation", "_hold")],
    ]
    assert not [text for text in everywhere if "Fred" in text or "Ann" in text]
    assert query(
        db,
        "select split_part(slo, '/', 2), outcome, observed, reason from mlguard._verdict where current"
        " and slo like '%/%s' order by 1".replace("%s", "n%"),
    ) == [("numbers", "ERROR", "could not be judged", "error 22P02")]
    assert query(db, "select observed from mlguard._verdict where current and slo like '%/known'") == [
        ("the assertion returns 3 rows",)
    ]


def test_a_select_that_fails_refuses_rather_than_passes(db: str, tmp_path: Path) -> None:
    text = SAME_SALARY + "  - {name: ratio, assert: 'SELECT name FROM hr.employee WHERE 100 / salary < 1'}\n"
    guard(db, tmp_path, text)
    with psycopg.connect(db) as connection:
        connection.execute("update hr.employee set salary = 0 where name = 'Ann'")
        with pytest.raises(psycopg.errors.DivisionByZero) as caught:
            connection.commit()
    assert str(caught.value).startswith(
        "mlguard: hr.employee/ratio could not be judged: division by zero; COMMIT refused, nothing was stored"
    )


def test_apply_refuses_while_the_select_returns_rows(db: str, tmp_path: Path) -> None:
    prepare(db, STAFF + "update hr.employee set salary = 11 where name = 'Joe';")
    slos = project(tmp_path, SAME_SALARY)
    shown = plan_text.render(api.plan(slos, db))
    assert "same_salary: the assertion returns 1 row (name Joe)" in shown
    assert "COMMITs that write hr.employee wait for each other on its row lock, and each runs the whole SELECT" in shown
    with pytest.raises(PlanError, match=r"same_salary: the assertion returns 1 row \(name Joe\)"):
        api.apply(slos, db)
    with pytest.raises(PlanError, match="the assertion returns 1 row"):
        api.apply(project(tmp_path, SAME_SALARY + "existing: quarantine\n"), db)
    assert query(db, "select count(*) from mlguard._slo") == [(0,)]

    allowed = project(tmp_path, SAME_SALARY + "existing: allow\n")
    assert "every COMMIT that writes hr.employee is refused until it returns none" in plan_text.render(
        api.plan(allowed, db)
    )
    api.apply(allowed, db)
    refused(db, "update hr.employee set dept = 3 where name = 'Ann'")
    write(db, "update hr.employee set salary = 11 where name = 'Fred'")


def test_with_keys_rows_that_broke_it_before_bother_nobody_else(db: str, tmp_path: Path) -> None:
    prepare(db, STAFF + "update hr.department set budget = 1 where dept = 2;")
    api.apply(project(tmp_path, WITHIN_BUDGET + "existing: allow\n"), db)
    write(db, "update hr.employee set salary = 11 where name = 'Joe'")
    refused(db, "update hr.employee set salary = 19 where name = 'Ann'")
    refused(db, "update hr.department set budget = 2 where dept = 2")
    write(db, "update hr.department set budget = 20 where dept = 2")
    assert query(db, "select outcome from mlguard._verdict where current") == [("PASS",)]


def test_apply_again_changes_and_remove_takes_all_out(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, WITHIN_BUDGET)
    slos = project(tmp_path, WITHIN_BUDGET)
    assert api.plan(slos, db).empty
    changed = project(tmp_path, WITHIN_BUDGET.replace("> d.budget", "> 2 * d.budget"))
    plan = api.plan(changed, db)
    assert plan.tables[0].changed == ("hr.department/within_budget",)
    api.apply(changed, db)
    assert api.plan(changed, db).empty
    write(db, "insert into hr.employee values ('Eve', 6, 1)")
    refused(db, "insert into hr.employee values ('Bob', 60, 1)")

    # Another action with the same SELECT is judged anew.
    warned = WITHIN_BUDGET.replace("assert: |", "on_violation: warn\n    assert: |")
    api.apply(project(tmp_path, warned), db)
    assert query(db, "select outcome from mlguard._verdict where current") == [("FAIL",)]
    with pytest.raises(PlanError, match="returns 1 row"):
        api.apply(slos, db)
    api.apply(
        project(tmp_path, "mlguard: 1\ntable: hr.department\nreads: none\ncolumns: {dept: {required: true}}\n"), db
    )
    triggers = "select count(*) from pg_trigger where tgname like 'zz\\_mlguard%'"
    assert query(db, triggers) == [(0,)]
    write(db, "insert into hr.employee values ('Bob', 60, 1)")

    prepare(db, "delete from hr.employee where dept = 1")
    api.apply(slos, db)
    api.remove(None, db)
    assert query(db, triggers) == [(0,)]
    assert query(db, "select count(*) from mlguard._assertion") == [(0,)]
    left = "select relname from pg_class where relname like 'assertion\\_within%'"
    assert query(db, left) == []
    functions = "select proname from pg_proc where proname like 'judge assertion %' or proname like 'after writes %'"
    assert query(db, functions) == []


def test_remove_after_the_table_was_dropped(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, WITHIN_BUDGET)
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        prepare(db, "drop table hr.department")
    prepare(db, "drop table hr.department cascade")
    with psycopg.connect(db) as connection:
        connection.execute("insert into hr.employee values ('Eve', 6, 1)")
        with pytest.raises(psycopg.errors.UndefinedTable, match="could not be judged"):
            connection.commit()
    api.remove(["hr.department"], db)
    write(db, "insert into hr.employee values ('Eve', 6, 1)")


def test_a_lost_object_is_made_again(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, SAME_SALARY)
    prepare(
        db, "drop view mlguard.assertion_same_salary_93dba4b3; drop trigger zz_mlguard_assertions_update on hr.employee"
    )
    slos = project(tmp_path, SAME_SALARY)
    assert {step.verb for step in api.plan(slos, db).tables[0].steps} == {"repair"}
    api.apply(slos, db)
    refused(db, "update hr.employee set salary = 11 where name = 'Joe'")


def test_check_judges_assertions(db: str, tmp_path: Path) -> None:
    prepare(db, STAFF)
    slos = project(tmp_path, SAME_SALARY)
    assert [(v.outcome, v.observed) for v in api.check(slos, db).verdicts] == [
        (Outcome.PASS, "the assertion returns 0 rows")
    ]
    prepare(db, "update hr.employee set salary = 11 where name = 'Joe'")
    (verdict,) = api.check(slos, db).verdicts
    assert (verdict.outcome, verdict.observed, verdict.bad) == (
        Outcome.FAIL,
        "the assertion returns 1 row (name Joe)",
        1,
    )
    assert verdict.samples == ({"observed": None, "key": {"name": "Joe"}},)


def test_status_shows_what_was_found_last(db: str, tmp_path: Path) -> None:
    warn = SAME_SALARY.replace("assert: |", "on_violation: warn\n    assert: |")
    guard(db, tmp_path, warn + "  - {name: paid, assert: 'SELECT name FROM hr.employee WHERE salary < 0'}\n")
    write(db, "update hr.employee set salary = 11 where name = 'Joe'")
    with psycopg.connect(db) as connection:
        found = {item.slo: item for item in status(connection).slos}
    assert found["hr.employee/paid"].state == "holding"
    assert found["hr.employee/same_salary"].state == "failing"
    assert found["hr.employee/same_salary"].observed == "the assertion returns 1 row (name Joe)"


@pytest.mark.parametrize(
    ("select", "said"),
    [
        ("SELECT name FROM hr.employee WHERE salry < 0", 'column "salry" does not exist'),
        ("SELECT name, dept AS name FROM hr.employee", "give each column of the result a name of its own"),
        ("SELECT name FROM hr.nobody", "no table hr.nobody in this database"),
        ("SELECT name FROM hr.payroll", "hr.payroll is a view"),
        ("SELECT name FROM hr.snapshot", "hr.snapshot is a materialised view"),
        ("SELECT k FROM hr.part_1", "hr.part_1 is a part of hr.part"),
        ("SELECT name FROM hr.employee WHERE pg_relation_size('hr.employee') > 0", "pg_relation_size() is volatile"),
        ("SELECT name FROM hr.employee WHERE name < any(array['x'::hr.word])", "no type of PostgreSQL's own"),
        ("SELECT relname FROM pg_class", "has no schema"),
        ("SELECT relname FROM pg_catalog.pg_class", "is not a table of yours"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_anything_is_changed(
    pg18: str, tmp_path: Path, select: str, said: str
) -> None:
    prepare(
        pg18,
        STAFF
        + """
        create view hr.payroll as select name from hr.employee;
        create materialized view hr.snapshot as select name from hr.employee;
        create domain hr.word as text;
        create table hr.part (k integer) partition by list (k);
        create table hr.part_1 partition of hr.part for values in (1);
        """,
    )
    text = f"mlguard: 1\ntable: hr.employee\nreads: none\nslos:\n  - name: a\n    assert: {json.dumps(select)}\n"
    with pytest.raises(SpecError) as caught:
        api.apply(project(tmp_path, text), pg18)
    (problem,) = caught.value.problems
    assert said in problem.render()
    assert problem.where is not None
    assert problem.where.line == 6


def test_row_security_that_would_hide_rows_is_refused(bare18: str, tmp_path: Path) -> None:
    prepare(
        bare18,
        STAFF
        + """
        alter table hr.employee enable row level security;
        alter table hr.employee force row level security;
        create policy few on hr.employee using (false);
        drop role if exists assertion_owner;
        create role assertion_owner login;
        grant assertion_owner to current_user;
        alter schema hr owner to assertion_owner;
        alter table hr.employee owner to assertion_owner;
        grant create on schema hr to assertion_owner;
        """,
    )
    try:
        owner = psycopg.conninfo.make_conninfo(bare18, user="assertion_owner")
        with pytest.raises(SpecError, match=r"row-level security hides rows of hr\.employee"):
            api.plan(project(tmp_path, SAME_SALARY), owner)
    finally:
        prepare(bare18, "drop owned by assertion_owner cascade; drop role assertion_owner")


def test_a_violation_that_slips_in_before_the_triggers_stand_is_told(db: str, tmp_path: Path) -> None:
    prepare(db, STAFF)
    slos = project(tmp_path, SAME_SALARY)

    def slip_in(_: object) -> bool:
        prepare(db, "update hr.employee set salary = 11 where name = 'Joe'")
        return True

    with pytest.raises(ApplyError, match=r"stored rows could not all be judged:[\s\S]*returns 1 row \(name Joe\)"):
        api.apply(slos, db, confirm=slip_in)
    refused(db, "update hr.employee set dept = 3 where name = 'Ann'")
