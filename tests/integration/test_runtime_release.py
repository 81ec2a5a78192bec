"""release, replay, discard: the ways out of quarantine."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from tests.runtime_example import rows, session, value

AGE, PLAN = "features.customer/age.range", "features.customer/plan.in"


def keep(connection: psycopg.Connection[Any], number: int, *, age: int = -4, plan: str = "pro") -> int:
    """Write a row that is kept out; return its number in quarantine."""
    connection.execute(
        "insert into features.customer (customer_id, age, plan, email, payload, event_ts)"
        """ values (%s, %s, %s, 'a@b', '{"k": 1, "k": 2}', '2026-01-02 03:04:05.6+05')""",
        [number, age, plan],
    )
    found: int = value(connection, "select max(id) from mlguard._quarantine")
    return found


def loosen(connection: psycopg.Connection[Any]) -> None:
    """Change the rules so that ages down to -10 are good: release judges anew."""
    for statement in (
        "select pg_get_functiondef('mlguard.\"before row features.customer\"'::regproc)",
        "select pg_get_triggerdef(oid) from pg_trigger where tgname = 'zz_mlguard_before_row'",
    ):
        changed = value(connection, statement).replace("0 and 130", "-10 and 130").replace(">= 0", ">= '-10'::integer")
        connection.execute(changed.replace("CREATE TRIGGER", "create or replace trigger").encode())


def release(connection: psycopg.Connection[Any], number: int, patch: str | None = None) -> tuple[str, str | None]:
    [(found, outcome, reason)] = rows(connection, "select * from mlguard.release(%s, %s)", number, patch)
    assert found == number
    return outcome, reason


def status(connection: psycopg.Connection[Any], number: int) -> tuple[Any, ...]:
    [found] = rows(connection, "select status, decided_by, reason from mlguard.quarantine where id = %s", number)
    return found


def test_release_judges_again(customer_db: str) -> None:
    with session(customer_db) as connection:
        number = keep(connection, 1, plan="gold")
        assert release(connection, number) == ("still broken", "age.range: age is -4; plan.in: plan is gold")
        assert status(connection, number) == ("waiting", None, None)
        loosen(connection)
        assert release(connection, number) == ("still broken", "plan.in: plan is gold")
        assert rows(connection, "select slos, broken -> 0 ->> 'slo' from mlguard.quarantine") == [([PLAN], PLAN)]
        assert value(connection, "select count(*) from features.customer") == 0


def test_release_moves_the_row_once(customer_db: str) -> None:
    with session(customer_db) as connection:
        number = keep(connection, 1)
        loosen(connection)
        assert release(connection, number) == ("released", None)
        assert status(connection, number) == ("released", "postgres", None)
        [landed] = rows(
            connection,
            "select customer_id, age, double_age, email, payload::text, event_ts = '2026-01-01 22:04:05.6+00'"
            " from features.customer",
        )
        assert landed == (1, -4, -8, "a@b", '{"k": 1, "k": 2}', True), "duplicate json keys come from the text"
        outcome, reason = release(connection, number)
        assert outcome == "already released"
        assert str(reason).startswith("by postgres at 20")
        assert value(connection, "select count(*) from features.customer") == 1
        [event] = rows(connection, "select who, act, target, before, after, reason from mlguard.event")
        assert event == (
            "postgres", "release", f"quarantine {number}",
            {"table": "features.customer", "status": "waiting", "slos": [AGE]}, {"status": "released"}, None,
        )  # fmt: skip


def test_release_with_corrections(customer_db: str) -> None:
    with session(customer_db) as connection:
        number = keep(connection, 1, plan="gold")
        assert release(connection, number, '{"age": 4}') == ("still broken", "plan.in: plan is gold")
        assert rows(connection, "select slos from mlguard.quarantine") == [([AGE, PLAN],)], (
            "the stored row is as it was"
        )
        assert release(connection, number, '{"agee": 4}') == ("failed", '"agee" is no column of features.customer')
        assert release(connection, number, '{"double_age": 4}') == (
            "failed",
            '"double_age" is generated and cannot be set',
        )
        assert release(connection, number, '{"age": "x"}')[0] == "failed"
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            release(connection, number, "[1]")
        assert release(connection, number, '{"age": 4, "plan": null}') == ("released", None)
        assert status(connection, number) == ("released", "postgres", "set age, plan")
        assert rows(connection, "select age, plan, payload::text from features.customer") == [
            (4, None, '{"k": 1, "k": 2}')
        ]


def test_release_refuses_what_a_check_refuses(customer_db: str) -> None:
    with session(customer_db) as connection:
        number = keep(connection, 1)
        assert release(connection, number, '{"age": 4, "tenure": -1}') == (
            "still broken",
            "tenure.range: tenure is -1, plan is pro",
        )
        assert value(connection, "select refused from mlguard.rejection where slo like '%%/tenure.range'") == 1


def test_release_does_not_overwrite(customer_db: str) -> None:
    with session(customer_db) as connection:
        number = keep(connection, 1)
        connection.execute("insert into features.customer (customer_id, age) values (1, 7)")
        assert release(connection, number, '{"age": 4}') == ("conflict", "a row with this key is stored")
        assert rows(connection, "select age from features.customer") == [(7,)]
        connection.execute("update mlguard._table set key = '{}'")
        assert release(connection, number, '{"age": 4}') == (
            "conflict",
            "a row with this key is stored (customer_pkey)",
        )
        assert status(connection, number)[0] == "waiting"


def test_an_earlier_version_becomes_obsolete(customer_db: str) -> None:
    with session(customer_db) as connection:
        first, second, other = keep(connection, 1), keep(connection, 1), keep(connection, 2)
        assert release(connection, second, '{"age": 4}')[0] == "released"
        assert status(connection, first) == (
            "obsolete",
            "postgres",
            f"quarantine {second}, a later version, was released",
        )
        assert release(connection, first)[0] == "already obsolete"
        assert status(connection, other)[0] == "waiting"


def test_release_into_a_changed_table(customer_db: str) -> None:
    with session(customer_db) as connection:
        number, other = keep(connection, 1), keep(connection, 2)
        connection.execute(
            "alter table features.customer drop column payload, add column grade text not null default 'b',"
            " alter column email type varchar(20)"
        )
        assert release(connection, number, '{"age": 4}') == (
            "failed",
            '"payload" is no column of features.customer',
        )
        assert release(connection, number, '{"age": 4, "payload": null}') == ("released", None)
        assert rows(connection, "select customer_id, age, plan, email, grade from features.customer") == [
            (1, 4, "pro", "a@b", "b")
        ]
        # Same names, other places: the text would go into the wrong columns.
        connection.execute("alter table features.customer drop column email, add column email text")
        assert release(connection, other, '{"age": 4, "payload": null}') == ("released", None)
        assert rows(connection, "select email, plan from features.customer where customer_id = 2") == [("a@b", "pro")]
        last = keep_plain(connection, 3)
        connection.execute("drop view features.customer_guarded; drop table features.customer cascade")
        assert release(connection, last) == ("failed", "there is no table features.customer")


def keep_plain(connection: psycopg.Connection[Any], number: int) -> int:
    connection.execute("insert into features.customer (customer_id, age) values (%s, -4)", [number])
    found: int = value(connection, "select max(id) from mlguard._quarantine")
    return found


def test_release_overrides_identity_and_keeps_exotic_values(customer_db: str) -> None:
    with session(customer_db) as connection:
        connection.execute(
            """
            create table features.odd (
              id bigint generated always as identity primary key, "Weird ""name" integer[], n numeric, f float8,
              b bytea, t timestamptz, "row" text, good boolean default false);
            insert into mlguard._table (tbl, schema_name, table_name, key)
            values ('features.odd', 'features', 'odd', '{id}');
            create function features.keep() returns trigger language plpgsql as $$ begin
              perform mlguard.withhold_v1('features.odd', '[{"slo": "features.odd/x", "observed": {"n": 1}}]',
                                          to_jsonb(new), new::text, jsonb_build_object('id', new.id), tg_op, false);
              return null; end $$;
            create trigger keep before insert on features.odd for each row when (not new.good)
              execute function features.keep();
            """
        )
        connection.execute("set timezone = 'Asia/Kolkata'")
        connection.execute(
            "insert into features.odd values"
            " (default, '[3:4]={1,2}', 'NaN', '-Infinity', '\\x00ff', '2026-01-01 00:00+00',"
            " E'a\"b\\\\c,(\\n)')"
        )
        number = value(connection, "select max(id) from mlguard._quarantine")
        connection.execute("set timezone = 'UTC'")
        assert release(connection, number) == ("still broken", "x: n is 1")
        assert release(connection, number, '{"good": true}') == ("released", None)
        [landed] = rows(
            connection,
            """select id, "Weird ""name"::text, n::text, f::text, b, t = '2026-01-01 00:00+00', "row"
               from features.odd""",
        )
        assert landed == (1, "[3:4]={1,2}", "NaN", "-Infinity", b"\x00\xff", True, 'a"b\\c,(\n)')


def test_values_of_pii_tables_are_not_told(customer_db: str) -> None:
    with session(customer_db) as connection:
        connection.execute("alter table features.customer add check (email <> 'a@b')")
        number = keep(connection, 1)
        outcome, reason = release(connection, number, '{"age": "joe@x.org"}')
        assert (outcome, reason) == ("failed", "PostgreSQL refused it with SQLSTATE 22P02")
        outcome, reason = release(connection, number, '{"age": 4}')
        assert (outcome, reason) == ("failed", "PostgreSQL refused it with SQLSTATE 23514 (customer_email_check)")
        connection.execute("update mlguard._table set pii = '{age}'")
        assert release(connection, number) == ("still broken", "age.range: age is not shown (pii)")
        connection.execute("update mlguard._table set pii = '{}'")
        assert "joe@x.org" in str(release(connection, number, '{"age": "joe@x.org"}'))


def test_triggers_of_the_table_see_the_usual_names(customer_db: str) -> None:
    with session(customer_db) as connection:
        connection.execute(
            """
            create table public.heard (id bigint);
            create function features.hear() returns trigger language plpgsql as $$
              begin insert into heard values (new.customer_id); return new; end $$;
            create trigger hear after insert on features.customer for each row execute function features.hear();
            """
        )
        assert release(connection, keep(connection, 1), '{"age": 4}') == ("released", None)
        assert rows(connection, "select id from heard") == [(1,)]
        assert value(connection, "show search_path") == '"$user", public'
        connection.execute(
            "create or replace function features.hear() returns trigger language plpgsql as"
            " 'begin if new.age = 4 then return null; end if; return new; end'; drop trigger hear on features.customer;"
            " create trigger hear before insert on features.customer for each row execute function features.hear()"
        )
        assert release(connection, keep(connection, 2), '{"age": 4}') == (
            "failed",
            "PostgreSQL refused it with SQLSTATE 09000",
        )


def test_two_releases_of_one_row(customer_db: str) -> None:
    """The second waits for the first and finds the row released, or releases it where the first rolled back."""
    for commit, expected in ((True, "already released"), (False, "released")):
        with session(customer_db) as setup:
            setup.execute("delete from features.customer")
            number = keep(setup, 1)
        outcomes: list[str] = []

        def second(number: int = number, outcomes: list[str] = outcomes) -> None:
            with session(customer_db) as other:
                outcomes.append(release(other, number, '{"age": 4}')[0])

        with session(customer_db, autocommit=False) as first:
            assert release(first, number, '{"age": 4}')[0] == "released"
            thread = threading.Thread(target=second)
            thread.start()
            thread.join(0.5)
            assert thread.is_alive(), "the second release waits"
            if commit:
                first.commit()
            else:
                first.rollback()
            thread.join(10)
        assert outcomes == [expected]
        with session(customer_db) as connection:
            assert value(connection, "select count(*) from features.customer") == 1


def test_replay(customer_db: str) -> None:
    with session(customer_db) as connection:
        first, bad, second = keep(connection, 1), keep(connection, 2, plan="gold"), keep(connection, 1)
        loosen(connection)
        assert rows(connection, "select * from mlguard.replay('features.customer')") == [
            (bad, "still broken", "plan.in: plan is gold"),
            (second, "released", None),
        ]
        assert status(connection, first)[0] == "obsolete"
        assert rows(connection, "select id from mlguard.replay('features.customer')") == [(bad,)]
        with pytest.raises(psycopg.errors.UndefinedObject):
            connection.execute("select mlguard.replay('pg_class')")


def test_discard(customer_db: str) -> None:
    with session(customer_db) as connection:
        number = keep(connection, 1)
        for reason in (None, "  "):
            with pytest.raises(psycopg.errors.InvalidParameterValue, match="needs a reason"):
                connection.execute("select mlguard.discard(%s, %s)", [number, reason])
        assert rows(connection, "select * from mlguard.discard(%s, 'test data')", number) == [
            (number, "discarded", "test data")
        ]
        assert status(connection, number) == ("discarded", "postgres", "test data")
        assert value(connection, "select row ->> 'age' from mlguard.quarantine") == "-4"
        assert rows(connection, "select outcome from mlguard.discard(%s, 'again')", number) == [("already discarded",)]
        assert release(connection, number)[0] == "already discarded"
        assert rows(connection, "select act, reason from mlguard.event") == [("discard", "test data")]


def test_unknown_numbers(guarded_db: str) -> None:
    with session(guarded_db) as connection:
        assert release(connection, 99) == ("not found", "no kept row has this number")
        assert rows(connection, "select outcome from mlguard.discard(99, 'x')") == [("not found",)]
