"""A table's whole life under mlguard: apply, use, change, interrupt, tamper, remove."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest

from mlguard import api
from mlguard.errors import ApplyError, PlanError, SpecError
from mlguard.patience import Options
from tests.support import CUSTOMER, prepare, project, query, write

FULL = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
columns:
  customer_id: {type: bigint, required: true}
  age: {type: integer, required: true, range: {between: [0, 130], on_violation: quarantine}}
  plan: {type: text, in: [free, pro]}
  email: {type: text, unique: true}
  tenure_days: {type: double precision, finite: true, range: {between: [0, 9999], on_violation: repair, repair: null}}
slos:
  - {name: fresh, check: staleness() <= INTERVAL '26 hours'}
  - {name: sane, check: NOT (plan = 'free' AND tenure_days > 100), on_violation: warn}
  - {name: limited, check: tenure_days < 50, on_violation: warn, max_bad: 50%}
"""


SCHEMA = (
    """
    select conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated
    from pg_constraint where connamespace = 'features'::regnamespace order by 1, 2
    """,
    """
    select attrelid::regclass::text, attname, attnotnull, attacl::text
    from pg_attribute a join pg_class c on c.oid = attrelid
    where relnamespace = 'features'::regnamespace and attnum > 0 order by 1, attnum
    """,
    """
    select relname, relkind::text, relacl::text, relrowsecurity
    from pg_class where relnamespace = 'features'::regnamespace order by 1
    """,
    """
    select tgrelid::regclass::text, tgname from pg_trigger
    where not tgisinternal and tgrelid in (select oid from pg_class where relnamespace = 'features'::regnamespace)
    order by 1, 2
    """,
    "select polname from pg_policy order by 1",
    "select proname from pg_proc where pronamespace = 'features'::regnamespace order by 1",
)


def dump(dsn: str) -> str:
    """Return the schema as PostgreSQL's own catalogue functions print it, of everything outside schema mlguard."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return "\n".join(repr(connection.execute(sql.encode()).fetchall()) for sql in SCHEMA)


def test_a_constraint_of_the_same_name_is_found_before_anything_changes(pg: str, tmp_path: Path) -> None:
    prepare(pg, CUSTOMER + ';alter table features.customer add constraint "mlguard_plan.in" check (true)')
    text = "mlguard: 1\ntable: features.customer\nreads: none\ncolumns:\n  plan: {in: [free, pro]}\n"
    with pytest.raises(PlanError, match=r"features\.customer has a constraint mlguard_plan\.in already") as caught:
        api.plan(project(tmp_path, text), pg)
    assert 'rename constraint "mlguard_plan.in" to' in caught.value.help
    prepare(pg, 'alter table features.customer rename constraint "mlguard_plan.in" to mine')
    api.apply(project(tmp_path, text), pg)
    assert api.plan(project(tmp_path, text), pg).empty


def test_remove_leaves_the_database_as_before(pg: str, tmp_path: Path) -> None:
    prepare(pg)
    before = dump(pg)
    api.apply(project(tmp_path, FULL), pg)
    assert dump(pg) != before
    api.remove(None, pg, runtime_too=True, discard=True)
    assert dump(pg) == before
    assert query(pg, "select count(*) from pg_namespace where nspname = 'mlguard'") == [(0,)]


def test_a_second_plan_has_nothing_to_do(pg: str, tmp_path: Path) -> None:
    prepare(pg)
    loaded = project(tmp_path, FULL)
    assert not api.plan(loaded, pg).empty
    api.apply(loaded, pg)
    again = api.plan(loaded, pg)
    assert again.empty, [(step.verb, step.what, step.why) for table in again.tables for step in table.steps]


def test_changing_one_slo_touches_its_objects_only(pg: str, tmp_path: Path) -> None:
    prepare(pg)
    api.apply(project(tmp_path, FULL), pg)
    made = api.plan(project(tmp_path, FULL.replace("[free, pro]", "[free, pro, team]")), pg)
    steps = [step for table in made.tables for step in table.steps]
    assert [(step.verb, step.slos) for step in steps] == [("replace", ("features.customer/plan.in",))]
    assert made.tables[0].changed == ("features.customer/plan.in",)


def test_words_alone_change_no_object(pg: str, tmp_path: Path) -> None:
    prepare(pg)
    api.apply(project(tmp_path, FULL), pg)
    made = api.plan(project(tmp_path, FULL + "owner: somebody-else\n"), pg)
    assert not made.empty
    assert made.tables[0].steps == ()
    api.apply(project(tmp_path, FULL + "owner: somebody-else\n"), pg)
    assert query(pg, "select distinct owner from mlguard.slo") == [("somebody-else",)]


def test_removing_an_slo_from_the_file_takes_it_out(pg: str, tmp_path: Path) -> None:
    prepare(pg)
    api.apply(project(tmp_path, FULL), pg)
    api.apply(project(tmp_path, "mlguard: 1\ntable: features.customer\nreads: none\n"), pg)
    assert query(pg, "select name from mlguard.slo") == [("schema",)]
    prepare(pg, "insert into features.customer (customer_id, age, plan) values (1, -5, 'gold')")


def test_pruning_takes_a_table_out_with_its_file(pg: str, tmp_path: Path) -> None:
    prepare(pg)
    prepare(pg, "create table features.other (id int)")
    before = dump(pg)
    api.apply(project(tmp_path, FULL), pg)
    other = tmp_path / "other"
    other.mkdir()
    api.apply(project(other, "mlguard: 1\ntable: features.other\nreads: none\n"), pg, prune=True)
    api.remove(None, pg)
    assert dump(pg) == before


class TestExistingRows:
    BAD = """
    insert into features.customer (customer_id, age, plan)
    select g, case when g <= 3 then -1 else 5 end, 'free' from generate_series(1, 10) g
    """

    def test_fail_changes_nothing(self, pg: str, tmp_path: Path) -> None:
        prepare(pg)
        prepare(pg, self.BAD)
        before = dump(pg)
        with pytest.raises(PlanError, match=r"age\.range: 3 of 10 stored rows break it"):
            api.apply(project(tmp_path, FULL), pg)
        assert dump(pg) == before

    def test_allow_guards_new_writes(self, pg: str, tmp_path: Path) -> None:
        prepare(pg)
        prepare(pg, self.BAD)
        text = FULL.replace("between: [0, 130], on_violation: quarantine", "between: [0, 130]")
        api.apply(project(tmp_path, text + "existing: allow\n"), pg)
        assert query(pg, "select count(*) from features.customer") == [(10,)]
        with pytest.raises(psycopg.errors.CheckViolation):
            prepare(pg, "insert into features.customer (customer_id, age) values (99, -1)")
        assert query(pg, "select convalidated from pg_constraint where conname = 'mlguard_age.range'") == [(False,)]
        assert api.plan(project(tmp_path, text + "existing: allow\n"), pg).empty

    def test_quarantine_moves_them(self, pg: str, tmp_path: Path) -> None:
        prepare(pg)
        prepare(pg, self.BAD)
        applied = api.apply(project(tmp_path, FULL + "existing: quarantine\n"), pg)
        assert sum(applied.moved.values()) == 3
        assert query(pg, "select count(*) from features.customer") == [(7,)]
        assert query(pg, "select op, count(*) from mlguard.quarantine group by 1") == [("APPLY", 3)]
        assert query(pg, "select bool_and(convalidated) from pg_constraint where conname like 'mlguard%'") == [(True,)]

    def test_quarantine_never_follows_a_cascade(self, pg: str, tmp_path: Path) -> None:
        prepare(pg)
        prepare(pg, self.BAD)
        prepare(pg, "create table features.child (c bigint references features.customer on delete cascade)")
        with pytest.raises(PlanError, match="existing: quarantine would delete rows"):
            api.apply(project(tmp_path, FULL + "existing: quarantine\n"), pg)


class TestTampering:
    @pytest.mark.parametrize(
        "sql",
        [
            'alter table features.customer drop constraint "mlguard_plan.in"',
            "alter table features.customer disable trigger zz_mlguard_before_row",
            "drop trigger zz_mlguard_before_row on features.customer",
            "drop view features.customer_guarded",
            "create or replace view features.customer_guarded as select * from features.customer",
            "alter table features.customer alter age drop not null",
            'alter table features.customer drop constraint "mlguard_email.unique@customer"',
        ],
    )
    def test_apply_repairs_what_was_changed_in_the_database(self, pg: str, tmp_path: Path, sql: str) -> None:
        prepare(pg)
        api.apply(project(tmp_path, FULL), pg)
        before = dump(pg)
        prepare(pg, sql)
        made = api.plan(project(tmp_path, FULL), pg)
        verbs = {step.verb for table in made.tables for step in table.steps}
        assert verbs == {"repair"}
        api.apply(project(tmp_path, FULL), pg)
        assert dump(pg) == before
        assert api.plan(project(tmp_path, FULL), pg).empty


class TestBusyTables:
    def test_lock_timeout_gives_up_and_changes_nothing(self, pg: str, tmp_path: Path) -> None:
        prepare(pg)
        api.apply(project(tmp_path, "mlguard: 1\ntable: features.customer\nreads: none\n"), pg)
        before = dump(pg)
        with psycopg.connect(pg) as blocker:
            blocker.execute("lock table features.customer in access share mode")
            with pytest.raises(ApplyError, match="could not lock the table"):
                api.apply(
                    project(tmp_path, FULL.replace("unique: true", "required: false")), pg, options=Options(0.1, 2)
                )
        assert dump(pg) == before

    def test_apply_waits_for_a_short_lock(self, pg: str, tmp_path: Path) -> None:
        prepare(pg)
        released, told = threading.Event(), threading.Event()
        said: list[str] = []

        def say(words: str) -> None:
            said.append(words)
            told.set()

        def block() -> None:
            with psycopg.connect(pg) as blocker:
                blocker.execute("lock table features.customer in access share mode")
                released.set()
                told.wait(30)

        thread = threading.Thread(target=block)
        thread.start()
        released.wait()
        api.apply(project(tmp_path, FULL), pg, options=Options(0.2, 20, say))
        thread.join()
        assert api.plan(project(tmp_path, FULL), pg).empty
        waits = "features.customer: no lock within 0.2 s; nothing waits for it any more, try 2 of 20 in 0.2 s"
        assert said[0] == waits

    def test_two_applies_do_not_mix(self, pg: str, tmp_path: Path) -> None:
        prepare(pg)
        loaded = project(tmp_path, FULL)
        api.apply(project(tmp_path, "mlguard: 1\ntable: features.customer\nreads: none\n"), pg)
        outcomes: list[str] = []

        def run() -> None:
            try:
                api.apply(loaded, pg)
                outcomes.append("done")
            except ApplyError as error:
                outcomes.append("waits" if "another mlguard" in error.message else error.message)

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert "done" in outcomes
        assert set(outcomes) <= {"done", "waits"}
        assert api.plan(loaded, pg).empty


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("after", [0.15, 0.35, 0.6])
def test_an_interrupted_apply_is_taken_up(pg18: str, tmp_path: Path, sent: signal.Signals, after: float) -> None:
    prepare(pg18)
    slos = write(tmp_path, FULL)
    script = (
        "import sys, mlguard.api as api\n"
        "project = api.load(sys.argv[1])\nprint('ready', flush=True)\napi.apply(project, sys.argv[2])\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(slos), pg18], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(after)
    os.kill(child.pid, sent)
    child.wait()
    child.stdout.close()
    api.apply(api.load(slos), pg18, options=Options(1.0, 30))
    assert api.plan(api.load(slos), pg18).empty
    with pytest.raises(psycopg.errors.CheckViolation):
        prepare(pg18, "insert into features.customer (customer_id, age, plan) values (1, 5, 'gold')")


class TestOddNames:
    @pytest.mark.parametrize(
        "name",
        [
            'Quote"d',
            "with space",
            "UPPER",
            "select",
            "ümläut",
            "emoji 🐘",
            "a'b",
            "back\\slash",
            "x" * 63,
            "ü" * 31,
            "$mlguard$",
            "%s",
            "a;b--",
        ],
    )
    def test_any_name_postgresql_keeps(self, bare18: str, tmp_path: Path, name: str) -> None:
        import json

        quoted = '"' + name.replace('"', '""') + '"'
        prepare(
            bare18, f"create schema {quoted}; create table {quoted}.{quoted} ({quoted} integer primary key, t text)"
        )
        before = query(bare18, "select count(*) from pg_class")
        key = json.dumps(name)
        table = json.dumps(f"{name}.{name}")
        text = (
            f"mlguard: 1\ntable: {table}\nkey: [{key}]\ncolumns:\n"
            f"  {key}: {{type: integer, range: {{between: [0, 9], on_violation: quarantine}}}}\n"
            f"  t: {{type: text, in: [a, b]}}\n"
        )
        loaded = project(tmp_path, text)
        api.apply(loaded, bare18)
        assert api.plan(loaded, bare18).empty
        prepare(bare18, f"insert into {quoted}.{quoted} values (1, 'a'), (50, 'b')")
        assert query(bare18, "select count(*) from mlguard.quarantine") == [(1,)]
        with pytest.raises(psycopg.errors.CheckViolation):
            prepare(bare18, f"insert into {quoted}.{quoted} values (2, 'zzz')")
        api.remove(None, bare18, discard=True, runtime_too=True)
        assert query(bare18, "select count(*) from pg_class") == before


class TestBadInput:
    @pytest.mark.parametrize(
        ("setup", "text", "message"),
        [
            ("select 1", "table: features.nope", "no table features.nope"),
            ("create view features.v as select 1 as a", "table: features.v", "is a view"),
            ("create materialized view features.m as select 1 as a", "table: features.m", "is a materialised view"),
            ("select 1", "table: features.customer\ncolumns: {nope: {range: [0, 1]}}", "no column `nope`"),
            ("select 1", "table: features.customer\ncolumns: {AGE: {range: [0, 1]}}", "no column `AGE`"),
            ("select 1", "table: features.customer\ncolumns: {age: {type: text}}", "age is integer in the database"),
            ("select 1", "table: features.customer\ncolumns: {age: {in: [a]}}", "integer"),
            ("select 1", "table: features.customer\nkey: [nope]", "no column `nope`"),
            ("select 1", "table: features.customer\nslos: [{name: a, check: nope > 1}]", "no column `nope`"),
            ("select 1", "table: features.customer\nslos: [{name: a, check: age + 1}]", "true or false"),
            ("select 1", "table: features.customer\nslos: [{name: a, check: random() > 1}]", "random"),
            ("select 1", "table: features.customer\nslos: [{name: a, check: 'mae(age, age) > 1'}]", "mae"),
            (
                "select 1",
                "table: features.customer\nslos: [{name: a, check: staleness() <= INTERVAL '1 day'}]",
                "event_time",
            ),
            (
                "create table features.g (a int, b int generated always as (a + 1) stored)",
                "table: features.g\nslos: [{name: a, check: b > 1, on_violation: quarantine}]",
                "b is generated",
            ),
            (
                "create table features.p (a int, d date) partition by range (d)",
                "table: features.p\nslos: [{name: a, check: d > '2020-01-01', on_violation: quarantine}]",
                "quarantine on a partition key",
            ),
            (
                "create table features.p (a int, d date) partition by range (d)",
                "table: features.p\nslos: [{name: a, check: a > 1, on_violation: repair, repair: {d: 'NULL'}}]",
                "partition key",
            ),
            (
                "create table features.c (a bigint references features.customer on update cascade)",
                "table: features.c\nslos: [{name: a, check: a > 1, on_violation: quarantine}]",
                "foreign key writes",
            ),
        ],
    )
    def test_clear_error_and_unchanged_database(
        self, bare18: str, tmp_path: Path, setup: str, text: str, message: str
    ) -> None:
        prepare(bare18, CUSTOMER)
        prepare(bare18, setup)
        before = dump(bare18)
        with pytest.raises(SpecError, match=re.escape(message)) as caught:
            api.apply(project(tmp_path, "mlguard: 1\n" + text + "\n"), bare18)
        assert all(problem.where is not None and problem.where.line >= 1 for problem in caught.value.problems)
        assert dump(bare18) == before
        assert query(bare18, "select count(*) from pg_namespace where nspname = 'mlguard'") == [(0,)]

    def test_injection_stays_text(self, bare18: str, tmp_path: Path) -> None:
        evil = "'); drop table features.customer; -- $mlguard$ \\"
        prepare(bare18)
        import json

        quoted = json.dumps(evil)
        text = (
            f"mlguard: 1\ntable: features.customer\nowner: {quoted}\nrunbook: {quoted}\ndescription: {quoted}\n"
            f"tags: [{quoted}]\nconsumers: [{quoted}]\ncolumns:\n  plan: {{type: text, in: [{quoted}]}}\n"
            f"  email: {{type: text, not_in: {{values: [{quoted}], on_violation: quarantine, owner: {quoted}}}}}\n"
        )
        loaded = project(tmp_path, text)
        api.apply(loaded, bare18)
        assert api.plan(loaded, bare18).empty
        with psycopg.connect(bare18, autocommit=True) as connection:
            connection.execute("insert into features.customer (customer_id, plan) values (1, %s)", (evil,))
            connection.execute("insert into features.customer (customer_id, email) values (2, %s)", (evil,))
        assert query(bare18, "select count(*) from features.customer") == [(1,)]


def test_functions_with_arguments_are_known_again(pg: str, tmp_path: Path) -> None:
    prepare(
        pg, "create schema features; create table features.n (a numeric(10,2), b varchar(20), c timestamp(3), d int[])"
    )
    text = (
        "mlguard: 1\ntable: features.n\nreads: none\nslos:\n  - {name: ratio, check: 1 / a < 5 AND length(b) < 9}\n"
        "  - {name: cast, check: \"b::integer > 0 AND c > '2020-01-01' AND cardinality(d) < 9\"}\n"
    )
    loaded = project(tmp_path, text)
    api.apply(loaded, pg)
    made = api.plan(loaded, pg)
    assert made.empty, [(step.verb, step.what, step.why) for table in made.tables for step in table.steps]
    with pytest.raises(psycopg.errors.CheckViolation):
        prepare(pg, "insert into features.n values (0, '1')")


def test_two_tables_of_one_schema_with_the_same_slo(pg: str, tmp_path: Path) -> None:
    prepare(pg, CUSTOMER + "create table features.other (email text)")
    unique = "reads: none\ncolumns: {email: {type: text, unique: true}}\n"
    write(tmp_path, "mlguard: 1\ntable: features.customer\n" + unique, "a.slo.yaml")
    slos = write(tmp_path, "mlguard: 1\ntable: features.other\n" + unique, "b.slo.yaml")
    api.apply(api.load(slos), pg)
    assert api.plan(api.load(slos), pg).empty


def test_an_owner_without_superuser_applies(bare: str, tmp_path: Path) -> None:
    """Who installs owns schema mlguard; nothing needs a superuser."""
    prepare(bare, "drop role if exists mlg_owner; create role mlg_owner login")
    database = query(bare, "select current_database()")[0][0]
    try:
        prepare(bare, f"grant create on database {database} to mlg_owner")
        theirs = psycopg.conninfo.make_conninfo(bare, user="mlg_owner")
        prepare(theirs)
        loaded = project(tmp_path, FULL)
        api.apply(loaded, theirs)
        assert api.plan(loaded, theirs).empty
        prepare(
            theirs, "insert into features.customer (customer_id, age, event_ts) values (1, 900, now()), (2, 1, now())"
        )
        assert query(theirs, "select count(*) from features.customer_guarded") == [(1,)]
        api.remove(None, theirs, discard=True, runtime_too=True)
    finally:
        prepare(bare, "drop owned by mlg_owner cascade; drop role mlg_owner")


def test_a_renamed_column_makes_the_view_anew_and_keeps_its_readers(pg: str, tmp_path: Path) -> None:
    prepare(pg)
    api.apply(project(tmp_path, FULL), pg)
    prepare(
        pg,
        "drop role if exists mlg_reads; create role mlg_reads; grant select on features.customer_guarded to mlg_reads",
    )
    try:
        prepare(
            pg, "alter table features.customer rename column email to mail; alter table features.customer add extra int"
        )
        loaded = project(tmp_path, FULL.replace("email:", "mail:"))
        api.apply(loaded, pg)
        assert api.plan(loaded, pg).empty
        columns = query(pg, "select attname from pg_attribute where attrelid = 'features.customer_guarded'::regclass")
        assert ("mail",) in columns
        assert ("extra",) in columns
        assert query(pg, "select has_table_privilege('mlg_reads', 'features.customer_guarded', 'select')") == [(True,)]
    finally:
        prepare(pg, "drop owned by mlg_reads; drop role mlg_reads")


def test_rules_with_a_judge_function_come_go_and_change(pg: str, tmp_path: Path) -> None:
    prepare(pg)
    head = "mlguard: 1\ntable: features.customer\nkey: [customer_id]\nreads: none\nslos:\n"
    kept = "  - {name: kept, check: age < 130, on_violation: quarantine}\n"
    for slos in (
        "  - {name: ratio, check: 100 / age < 50, on_violation: quarantine}\n",
        "  - {name: ratio, check: 100 / customer_id < 50, on_violation: quarantine}\n",
        "  - {name: ratio, check: 100 / (age + customer_id) < 50}\n",
        "  - {name: ratio, check: 100 / tenure_days < 50, on_violation: warn}\n",
        "",
    ):
        loaded = project(tmp_path, head + kept + slos)
        api.apply(loaded, pg)
        assert api.plan(loaded, pg).empty
    judges = query(
        pg, "select count(*) from pg_proc where pronamespace = 'mlguard'::regnamespace and proname like 'judge%'"
    )
    assert judges == [(0,)]


def test_a_table_that_was_dropped_can_be_removed(pg: str, tmp_path: Path) -> None:
    prepare(pg)
    loaded = project(tmp_path, FULL)
    api.apply(loaded, pg)
    prepare(pg, "create table features.next (id int); drop table features.customer cascade")
    other = tmp_path / "other"
    other.mkdir()
    made = api.plan(project(other, "mlguard: 1\ntable: features.next\nreads: none\n"), pg)
    assert made.orphans == ("features.customer",)
    api.remove(None, pg, discard=True, runtime_too=True)
    assert query(pg, "select count(*) from pg_namespace where nspname = 'mlguard'") == [(0,)]


def test_heirs_are_named(pg18: str, tmp_path: Path) -> None:
    prepare(pg18)
    prepare(pg18, "create table features.heir () inherits (features.customer)")
    (table,) = api.plan(project(tmp_path, FULL), pg18).tables
    assert table.program is not None
    assert table.program.notes == ("features.heir inherits CHECKs but no trigger: give it an SLO file of its own",)


def test_a_table_locked_by_somebody_else_is_not_waited_for_for_ever(pg: str, tmp_path: Path) -> None:
    prepare(pg)
    with psycopg.connect(pg) as blocker:
        blocker.execute("lock table features.customer in access exclusive mode")
        started = time.monotonic()
        with pytest.raises(ApplyError, match="locked by another session"):
            api.apply(project(tmp_path, FULL), pg, options=Options(0.2, 2))
        assert time.monotonic() - started < 5
    api.apply(project(tmp_path, FULL), pg)


def test_virtual_generated_columns_are_not_judged_blindly(pg18: str, tmp_path: Path) -> None:
    prepare(pg18, "create schema features; create table features.v (x int, g int generated always as (x * 2) virtual)")
    head = "mlguard: 1\ntable: features.v\nreads: none\nslos:\n"
    with pytest.raises(SpecError, match="virtual generated column"):
        api.apply(project(tmp_path, head + "  - {name: a, check: g < 50, on_violation: warn}\n"), pg18)
    api.apply(project(tmp_path, head + "  - {name: a, check: g < 50}\n"), pg18)
    with pytest.raises(psycopg.errors.CheckViolation):
        prepare(pg18, "insert into features.v values (500)")


@pytest.mark.parametrize("mode", ["keep", "remove"])
def test_no_orphans_through_a_cascade(pg: str, tmp_path: Path, mode: str) -> None:
    prepare(pg, "create schema features; create table features.par (id int primary key)")
    prepare(
        pg, "create table features.t (id int primary key, pid int references features.par on update cascade, x int)"
    )
    text = f"mlguard: 1\ntable: features.t\nkey: [id]\nquarantine_update: {mode}\n"
    text += "slos: [{name: a, check: x > 0, on_violation: quarantine}]\n"
    with pytest.raises(SpecError, match="would leave orphans"):
        api.apply(project(tmp_path, text), pg)
