"""refuse_v1: what a refused writer is told, and what is left of the attempt."""

from __future__ import annotations

import psycopg
import pytest

from tests.runtime_example import detail, rows, session, value

SLO = "features.customer/tenure.range"


def refused(dsn: str, statement: str) -> psycopg.Error:
    with session(dsn) as connection, pytest.raises(psycopg.errors.CheckViolation) as caught:
        connection.execute(statement.encode())
    return caught.value


def test_message_and_fields(customer_db: str) -> None:
    error = refused(customer_db, "insert into features.customer (customer_id, plan, tenure) values (1017, 'pro', -4)")
    assert error.diag.message_primary == (
        "mlguard: features.customer/tenure.range: tenure is -4, plan is pro, allowed at least 0 (customer_id 1017); "
        "this statement stored nothing"
    )
    assert error.sqlstate == "23514"
    assert (error.diag.constraint_name, error.diag.schema_name, error.diag.table_name, error.diag.column_name) == (
        SLO,
        "features",
        "customer",
        "tenure",
    )
    assert detail(error) == {
        "slo": SLO,
        "table": "features.customer",
        "column": "tenure",
        "observed": {"tenure": -4, "plan": "pro"},
        "allowed": "allowed at least 0",
        "key": {"customer_id": 1017},
        "severity": "normal",
        "owner": "platform-ml",
        "runbook": "https://run.book/1",
        "version": 3,
    }
    assert error.diag.message_hint == (
        "Owner platform-ml. Runbook https://run.book/1 "
        "Correct the row; or, if the rule is wrong, change it in the SLO file."
    )


def test_refusals_are_counted_through_rollback(customer_db: str) -> None:
    for number in range(3):
        refused(customer_db, f"insert into features.customer (customer_id, tenure) values ({number}, -1)")
    with session(customer_db) as connection:
        [(tbl, refusals, recent)] = rows(
            connection,
            "select tbl, refused, last_at between now() - interval '1 minute' and clock_timestamp()"
            " from mlguard.rejection where slo = %s",
            SLO,
        )
        assert (tbl, refusals, recent) == ("features.customer", 3, True)
        assert value(connection, "select count(*) from features.customer") == 0
        never = rows(connection, "select refused, last_at from mlguard.rejection where slo like '%%/plan.in'")
        assert never == [(0, None)]


@pytest.mark.parametrize(
    ("observed", "key", "words"),
    [
        ("null", "null", "allowed at least 0; this"),
        ('{"tenure": null}', "{}", "tenure is NULL, allowed at least 0; this"),
        ('{"plan": "a\\nb\\tc", "tenure": true}', "null", "tenure is true, plan is a b c, allowed"),
        ('{"tenure": {"a": [1]}}', '{"b": 1, "customer_id": "x"}', 'tenure is {"a": [1]}, allowed at least 0'),
        ('{"other": 1, "tenure": 2}', '{"z": 1, "customer_id": 7}', "tenure is 2, other is 1, allowed"),
        ('{"other": 1, "tenure": 2}', '{"z": 1, "customer_id": 7}', "(customer_id 7, z 1); this statement"),
    ],
)
def test_words_of_values(customer_db: str, observed: str, key: str, words: str) -> None:
    with session(customer_db) as connection, pytest.raises(psycopg.errors.CheckViolation) as caught:
        connection.execute("select mlguard.refuse_v1(%s, %s::jsonb, %s::jsonb)", [SLO, observed, key])
    assert words in str(caught.value.diag.message_primary)


def test_long_values_are_cut(customer_db: str) -> None:
    with session(customer_db) as connection, pytest.raises(psycopg.errors.CheckViolation) as caught:
        connection.execute("select mlguard.refuse_v1(%s, jsonb_build_object('tenure', repeat('é', 100)), null)", [SLO])
    assert f"tenure is {'é' * 80}…, allowed" in str(caught.value.diag.message_primary)


def test_unknown_slo_still_refuses(db: str) -> None:
    with session(db) as connection, pytest.raises(psycopg.errors.CheckViolation) as caught:
        connection.execute("""select mlguard.refuse_v1('a.b/gone', '{"x": 1}', null)""")
    error = caught.value
    assert error.diag.message_primary == "mlguard: a.b/gone: x is 1; this statement stored nothing"
    assert (error.diag.constraint_name, error.diag.table_name, error.diag.column_name) == ("a.b/gone", "b", None)
    assert detail(error)["severity"] is None


def test_writer_needs_no_right_on_the_schema(customer_db: str) -> None:
    with session(customer_db) as connection:
        connection.execute("grant usage on schema features to pg_read_all_stats")
        connection.execute("grant insert on features.customer to pg_read_all_stats")
        connection.execute("set role pg_read_all_stats")
        with pytest.raises(psycopg.errors.CheckViolation, match="tenure is -1"):
            connection.execute("insert into features.customer (customer_id, tenure) values (1, -1)")
        connection.execute(
            "insert into features.customer (customer_id, age, plan) values (1, -1, 'pro'), (2, 1, 'pro')"
        )


def test_counters_go_when_forgotten(customer_db: str) -> None:
    with session(customer_db) as connection:
        connection.execute("select mlguard.count_refusals_v1(no), mlguard.forget_refusals_v1(no) from mlguard._slo")
        assert rows(connection, "select * from mlguard.rejection") == []
    error = refused(customer_db, "insert into features.customer (customer_id, tenure) values (1, -1)")
    assert error.diag.constraint_name == SLO
