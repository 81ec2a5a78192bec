"""withhold_v1 and kept_out_warning_v1: rows kept out of a table, and what their writer is told."""

from __future__ import annotations

import json
from typing import Any, LiteralString, NamedTuple

import psycopg
import pytest

from tests.runtime_example import TABLE, rows, session, value, write

AGE, PLAN = "features.customer/age.range", "features.customer/plan.in"


class Told(NamedTuple):
    """A warning; psycopg's own object forgets its fields once the statement is over."""

    message: str
    sqlstate: str | None
    schema: str | None
    table: str | None
    detail: str


def warnings_of(connection: psycopg.Connection[Any]) -> list[Told]:
    """Collect the warnings of a connection from here on."""
    seen: list[Told] = []

    def hear(diag: psycopg.errors.Diagnostic) -> None:
        if diag.severity_nonlocalized == "WARNING":
            seen.append(
                Told(
                    diag.message_primary or "",
                    diag.sqlstate,
                    diag.schema_name,
                    diag.table_name,
                    diag.message_detail or "",
                )
            )

    connection.add_notice_handler(hear)
    return seen


def test_a_row_is_kept_whole_with_every_rule_it_broke(customer_db: str) -> None:
    with session(customer_db) as connection:
        connection.execute(
            "insert into features.customer (customer_id, age, plan, email, payload) values"
            """ (1, -4, 'gold', 'a@b', '{"k": 1, "k": 2}')"""
        )
        assert value(connection, "select count(*) from features.customer") == 0
        [kept] = rows(
            connection,
            "select tbl, key, row ->> 'age', broken, slos, batch = (select max(id) from mlguard.batch), op, superseded,"
            " status, writer, decided_at from mlguard.quarantine",
        )
        assert kept == (
            TABLE, {"customer_id": 1}, "-4",
            [
                {"slo": AGE, "observed": {"age": -4}, "version": 1},
                {"slo": PLAN, "observed": {"plan": "gold"}, "version": 1},
            ],
            [AGE, PLAN], True, "INSERT", False, "waiting", "postgres", None,
        )  # fmt: skip
        assert '{""k"": 1, ""k"": 2}' in value(connection, "select row_text from mlguard._quarantine")


def test_the_writer_is_told_once_a_statement(customer_db: str) -> None:
    with session(customer_db) as connection:
        seen = warnings_of(connection)
        connection.execute(
            "insert into features.customer (customer_id, age, plan)"
            " select g, case when g <= 2 then -4 else 9 end, case when g in (2, 3) then 'gold' else 'pro' end"
            " from generate_series(1, 964) g"
        )
        [told] = seen
        batch = value(connection, "select max(id) from mlguard.batch")
        assert told.message == (
            f"mlguard: 3 of 964 rows kept out of features.customer (age.range 2, plan.in 2), batch {batch}; "
            "the row count and RETURNING omit them"
        )
        assert (told.sqlstate, told.schema, told.table) == ("01ML1", "features", "customer")
        assert json.loads(told.detail) == {
            "table": TABLE, "kept_out": 3, "landed": 961, "batch": batch,
        }  # fmt: skip
        write(connection, 2001, 2010)
        assert len(seen) == 1, "a good load says nothing"


def test_each_statement_tells_of_its_own_rows(customer_db: str) -> None:
    with session(customer_db, autocommit=False) as connection:
        seen = warnings_of(connection)
        write(connection, 1, 20, bad=3)
        write(connection, 101, 110)
        write(connection, 201, 205, bad=1)
        connection.execute("savepoint a")
        write(connection, 301, 305, bad=1)
        connection.execute("rollback to a")
        write(connection, 401, 404, bad=1)
        connection.commit()
        told = [warning.message.split(" rows ")[0] for warning in seen]
        assert told == ["mlguard: 3 of 20", "mlguard: 1 of 5", "mlguard: 1 of 5", "mlguard: 1 of 4"]
        assert rows(connection, "select landed, withheld from mlguard.batch") == [(34, 5)]


def test_copy_and_upsert(customer_db: str) -> None:
    with session(customer_db) as connection:
        write(connection, 1, 2)
        seen = warnings_of(connection)
        with connection.cursor().copy("copy features.customer (customer_id, age, plan) from stdin") as copy:
            copy.write("11\t5\tpro\n12\t500\tpro\n")
        connection.execute(
            "insert into features.customer (customer_id, age, plan)"
            " values (1, 200, 'pro'), (2, 50, 'pro'), (3, 5, 'pro')"
            " on conflict (customer_id) do update set age = excluded.age"
        )
        told = [warning.message.split(" kept")[0] for warning in seen]
        assert told == ["mlguard: 1 of 2 rows", "mlguard: 1 of 2 rows"]
        assert rows(connection, "select customer_id, age from features.customer order by 1") == [
            (1, 30), (2, 50), (3, 5), (11, 5),
        ]  # fmt: skip


def test_one_statement_that_writes_two_tables(customer_db: str) -> None:
    """The list of tables to tell about is one setting: neither table's warning may swallow the other's."""
    with session(customer_db) as connection:
        connection.execute(
            """
            create table features.plan (name text);
            create function features.keep() returns trigger language plpgsql as $$ begin
              perform mlguard.withhold_v1('features.plan', '[{"slo": "features.plan/x"}]', to_jsonb(new),
                                          new::text, null, tg_op, false);
              return null; end $$;
            create function features.tell() returns trigger language plpgsql as $$ begin
              perform mlguard.kept_out_warning_v1('features.plan');
              return null; end $$;
            create trigger keep before insert on features.plan for each row execute function features.keep();
            create trigger tell after insert on features.plan for each statement
              when (strpos(current_setting('mlguard.kept_out', true), '|features.plan|') > 0)
              execute function features.tell();
            """
        )
        seen = warnings_of(connection)
        connection.execute(
            "with p as (insert into features.plan values ('a'), ('b') returning 1)"
            " insert into features.customer (customer_id, age) values (1, -1), (2, 2)"
        )
        told = sorted(warning.message.split(", batch")[0] for warning in seen)
        assert told == [
            "mlguard: 1 of 2 rows kept out of features.customer (age.range 1)",
            "mlguard: 2 rows kept out of features.plan (x 2)",
        ]
        assert not value(connection, "select nullif(current_setting('mlguard.kept_out', true), '|')")


def test_the_cap(customer_db: str) -> None:
    with session(customer_db) as connection:
        connection.execute("update mlguard._table set quarantine_cap = 5")
        write(connection, 1, 28, bad=3)
        write(connection, 101, 128, bad=2)
    with session(customer_db) as connection:
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded) as caught:
            write(connection, 201, 228, bad=1)
        error = caught.value
        assert error.diag.message_primary == (
            "mlguard: the quarantine of features.customer is full: 5 rows wait; this statement stored nothing"
        )
        assert error.diag.table_name == "customer"
        assert "mlguard quarantine list features.customer" in str(error.diag.message_hint)
        connection.execute("select mlguard.discard(id, 'test') from mlguard._quarantine limit 2")
        write(connection, 201, 228, bad=2)
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
            write(connection, 301, 328, bad=1)
        assert value(connection, "select count(*) from mlguard.quarantine where status = 'waiting'") == 5


SETTINGS = ("batches", "kept_out", "kept_from", "kept_out_rows", "landed_before", "quarantine_room", "quarantine_full")


@pytest.mark.parametrize("isolation", [psycopg.IsolationLevel.READ_COMMITTED, psycopg.IsolationLevel.SERIALIZABLE])
@pytest.mark.parametrize(
    "nonsense",
    ["x", "{", "[1]", "|features.customer=(9,9)|", "|features.customer=(x)|",
     "|features.customer=99999999999999999999|", '{"features.customer": {"": "x"}}', '{"features.customer": 1}'],
)  # fmt: skip
def test_settings_that_hold_nonsense_fail_no_write(
    customer_db: str, nonsense: str, isolation: psycopg.IsolationLevel
) -> None:
    """Anybody may set them: what cannot be read is as if it were not there, and what is kept is kept."""
    with session(customer_db, autocommit=False) as connection:
        connection.isolation_level = isolation
        for name in SETTINGS:
            for number, local in ((1, False), (2, True)):
                connection.execute("select set_config(%s, %s, %s)", [f"mlguard.{name}", nonsense, local])
                start = 1000 * SETTINGS.index(name) + 100 * number
                write(connection, start, start + 9, bad=2)
                write(connection, start + 10, start + 19, bad=1)
                connection.commit()
            connection.execute("select set_config(%s, '', false)", [f"mlguard.{name}"])
            connection.commit()
        kept = 6 * len(SETTINGS)
        assert value(connection, "select count(*) from mlguard._quarantine") == kept
        assert value(connection, "select sum(withheld) from mlguard.batch") == kept


def test_serializable_writers_are_told_the_same(customer_db: str) -> None:
    told = []
    for isolation in (psycopg.IsolationLevel.READ_COMMITTED, psycopg.IsolationLevel.SERIALIZABLE):
        with session(customer_db, autocommit=False) as connection:
            connection.isolation_level = isolation
            seen = warnings_of(connection)
            write(connection, 1, 10, bad=3)
            write(connection, 11, 20, bad=2)
            connection.execute("savepoint s")
            write(connection, 21, 30, bad=4)
            connection.execute("rollback to s")
            write(connection, 31, 40, bad=1)
            told.append([warning.message.split(", batch")[0] for warning in seen])
            connection.rollback()
    assert told[0] == told[1]
    assert [line.split(" rows")[0] for line in told[0]] == [
        "mlguard: 3 of 10", "mlguard: 2 of 10", "mlguard: 4 of 10", "mlguard: 1 of 10",
    ]  # fmt: skip


def test_the_cap_cannot_be_stretched_by_its_writer(customer_db: str) -> None:
    with session(customer_db) as connection:
        connection.execute("update mlguard._table set quarantine_cap = 5")
        room = '{"features.customer": 1000000}'
        connection.execute("select set_config('mlguard.quarantine_room', %s, false)", [room])
        write(connection, 1, 28, bad=5)
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
            write(connection, 101, 128, bad=1)
    with session(customer_db, autocommit=False) as connection:
        connection.execute("select mlguard.discard(id, 'test') from mlguard._quarantine")
        write(connection, 201, 228, bad=1)
        other = "insert into mlguard._batch (tbl, room) values ('a.b', 1000000) returning ctid"
        connection.execute("select set_config('mlguard.batches', %s, true)", [
            f"|features.customer={value(connection, other)}|"
        ])  # fmt: skip
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
            write(connection, 301, 328, bad=6)


def test_the_cap_is_not_counted_at_every_row(guarded_db: str) -> None:
    """Doubling the kept rows doubles the time: 20000 rows, each of which counted all before it, would take minutes."""
    with session(guarded_db) as connection:
        connection.execute(
            "insert into mlguard._table (tbl, schema_name, table_name, quarantine_cap) values ('a.b', 'a', 'b', 30000)"
        )
        connection.execute("set statement_timeout = '60s'")
        keep = (
            "select count("
            "mlguard.withhold_v1('a.b', '[{\"slo\": \"a.b/c\"}]', '{}', null, null, 'INSERT', false)::text)"
            " from generate_series(1, 20000)"
        )
        connection.execute(keep.encode())
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
            connection.execute(keep.encode())


def test_retention(customer_db: str) -> None:
    with session(customer_db) as connection:
        write(connection, 1, 28, bad=2)
        connection.execute("select mlguard.discard(id, 'mine') from mlguard._quarantine limit 1")
        connection.execute("select mlguard.sweep(now() + interval '400 days')")
        assert value(connection, "select count(*) from mlguard.quarantine where row is not null") == 2
        connection.execute("update mlguard._table set quarantine_retention = '30 days'")
        connection.execute("select mlguard.sweep(now() + interval '29 days')")
        assert value(connection, "select count(*) from mlguard.quarantine where row is not null") == 2
        connection.execute("select mlguard.sweep(now() + interval '31 days')")
        left = rows(
            connection, "select status, reason, key, row, broken, decided_by from mlguard.quarantine order by reason"
        )
        broken = [{"slo": AGE, "version": 1}]
        assert left == [
            ("discarded", "kept longer than 30 d", None, None, broken, "postgres"),
            ("discarded", "mine", None, None, broken, "postgres"),
        ]
        assert value(connection, "select after from mlguard.event where act = 'retention'") == {"rows": 2}


def test_pii_columns_are_not_shown(customer_db: str) -> None:
    with session(customer_db) as connection:
        connection.execute("insert into features.customer (customer_id, age, email) values (1, -1, 'joe@x.org')")
        connection.execute("update mlguard._table set pii = '{email,customer_id}'")
        hidden = "not shown (pii)"
        [(key, row)] = rows(connection, "select key, row from mlguard.quarantine")
        assert key == {"customer_id": hidden}
        assert (row["email"], row["customer_id"], row["age"]) == (hidden, hidden, -1)
        assert "joe" not in str(rows(connection, "select q::text from mlguard.quarantine q"))
        connection.execute("delete from mlguard._table")
        assert "-1" not in str(rows(connection, "select row from mlguard.quarantine")), "nobody knows any more"


def test_changes_of_pii_columns_are_not_shown(customer_db: str) -> None:
    with session(customer_db) as connection:
        for column in ("email", "age"):
            connection.execute(
                "insert into mlguard._change (tbl, key, column_name, old, new, rule, pending)"
                """ values ('features.customer', '{"customer_id": 1}', %s, '"joe"', '"x"', 'r', false)""",
                [column],
            )
        query: LiteralString = "select column_name, old, new from mlguard.change order by id"
        hidden = "not shown (pii)"
        assert rows(connection, query) == [("email", hidden, hidden), ("age", "joe", "x")]
        connection.execute("delete from mlguard._table")
        assert rows(connection, query) == [("email", hidden, hidden), ("age", hidden, hidden)]
