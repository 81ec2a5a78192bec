"""The read gate: freshness log, guarded view, assert_ok."""

from __future__ import annotations

import datetime as dt
from typing import Any, LiteralString

import psycopg
import pytest

from tests.runtime_example import TABLE, detail, rows, session, value, write

FRESH = "features.customer/fresh"
HINT = (
    "Nothing is wrong with your query. Owner platform-ml. Runbook https://run.book/2 "
    "A platform role may read on with: mlguard waive features.customer/fresh --until … --reason …"
)


def refused(connection: psycopg.Connection[Any], query: LiteralString) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as caught, connection.transaction():
        connection.execute(query)
    assert caught.value.sqlstate == "ML001"
    return caught.value


def insert(connection: psycopg.Connection[Any], number: int, age: str) -> None:
    connection.execute(
        "insert into features.customer (customer_id, event_ts) values (%s, now() - %s::interval)", [number, age]
    )


def log(connection: psycopg.Connection[Any]) -> list[int]:
    """The freshness log, as minutes ago."""
    found = rows(connection, "select round(extract(epoch from now() - newest) / 60) from mlguard._freshness order by 1")
    return [int(minutes) for (minutes,) in found]


READS: list[LiteralString] = [
    "select * from features.customer_guarded",
    "select count(*) from features.customer_guarded",
    "select 1 from features.customer_guarded where customer_id = 1",
    "select exists (select from features.customer_guarded)",
    "select * from features.customer_guarded a join features.customer_guarded b using (customer_id)",
    "select * from (values (1)) v (i) cross join features.customer_guarded",
    "with c as (select * from features.customer_guarded) select count(*) from c",
]


@pytest.mark.parametrize("query", READS)
def test_a_closed_gate_raises_on_an_empty_table_too(customer_db: str, query: LiteralString) -> None:
    with session(customer_db) as connection:
        error = refused(connection, query)
        assert error.diag.message_primary == "mlguard: features.customer has no rows, so it has no age (fresh)"


@pytest.mark.parametrize("query", READS)
def test_an_open_gate_lets_through(customer_db: str, query: LiteralString) -> None:
    with session(customer_db) as connection:
        insert(connection, 1, "1 hour")
        assert len(rows(connection, query)) == 1


def test_stale(customer_db: str) -> None:
    with session(customer_db) as connection:
        connection.execute("set timezone = 'America/New_York'")
        insert(connection, 1, "28 hours 12 minutes 5 seconds")
        newest: dt.datetime = value(connection, "select max(event_ts) from features.customer")
        error = refused(connection, "select * from features.customer_guarded")
        shown = newest.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
        assert error.diag.message_primary == (
            f"mlguard: features.customer is stale: newest event_ts is {shown}, 28 h 12 min old, allowed 26 h (fresh)"
        )
        assert (error.diag.constraint_name, error.diag.schema_name, error.diag.table_name) == (
            FRESH,
            "features",
            "customer",
        )
        assert error.diag.message_hint == HINT
        found = detail(error)
        assert (found["slo"], found["state"], found["slos"], found["batch"]) == (FRESH, "stale", [FRESH], None)
        [(state, since, until, why)] = rows(connection, "select state, since, fresh_until, why from mlguard.gate")
        assert (state, since, until) == ("closed", newest + dt.timedelta(hours=26), newest + dt.timedelta(hours=26))
        assert f"mlguard: {why}" == error.diag.message_primary


def test_the_clock_alone_closes_it(customer_db: str) -> None:
    with session(customer_db) as connection:
        connection.execute("update mlguard._slo set max_age = '600 milliseconds' where id = %s", [FRESH])
        insert(connection, 1, "0 seconds")
        assert value(connection, "select mlguard.gate_open_v1(%s)", TABLE) in (True, False)
        connection.execute("select pg_sleep(0.7)")
        assert value(connection, "select mlguard.gate_open_v1(%s)", TABLE) is False


def test_inside_a_transaction_the_clock_goes_on(customer_db: str) -> None:
    with session(customer_db, autocommit=False) as connection:
        insert(connection, 1, "1 hour")
        connection.execute("update mlguard._slo set max_age = '61 minutes' where id = %s", [FRESH])
        connection.commit()
        value(connection, "select now()")
        assert value(connection, "select mlguard.gate_open_v1(%s)", TABLE)


def test_held(customer_db: str) -> None:
    with session(customer_db) as connection:
        insert(connection, 1, "1 hour")
        connection.execute(
            "insert into mlguard._hold (tbl, slo, batch, since, observed, allowed) values"
            " ('features.customer', 'features.customer/age_coverage', 88123, '2026-11-20 03:12:40+00',"
            "  'coverage(age) is 0.491', 'allowed >= 0.75'),"
            " ('features.customer', 'features.customer/b', null, '2026-11-20 04:00+00', 'b', null),"
            " ('features.customer', 'features.customer/c', null, '2026-11-20 04:00+00', 'c', null),"
            " ('features.customer', 'features.customer/c', null, '2026-11-20 05:00+00', 'c again', null)"
        )
        error = refused(connection, "select count(*) from features.customer_guarded")
        assert error.diag.message_primary == (
            "mlguard: features.customer is held since 2026-11-20 03:12 UTC: coverage(age) is 0.491, allowed >= 0.75 "
            "(age_coverage, batch 88123) and 2 more SLOs"
        )
        assert detail(error)["slos"] == [f"features.customer/{name}" for name in ("age_coverage", "b", "c")]
        connection.execute("update mlguard._hold set ended_at = now() where slo like '%%/c'")
        assert str(refused(connection, "select 1 from features.customer_guarded").diag.message_primary).endswith(
            "batch 88123) and 1 more SLO"
        )
        connection.execute("update mlguard._hold set ended_at = now() where slo like '%%/b'")
        assert str(refused(connection, "select 1 from features.customer_guarded").diag.message_primary).endswith(
            "(age_coverage, batch 88123)"
        )
        connection.execute("update mlguard._hold set ended_at = now()")
        assert value(connection, "select count(*) from features.customer_guarded") == 1
        assert rows(connection, "select state, since, why from mlguard.gate") == [("open", None, None)]


def test_prepared_statements_are_judged_at_each_execution(customer_db: str) -> None:
    with session(customer_db) as connection:
        insert(connection, 1, "1 hour")
        for _ in range(8):
            connection.execute("select age from features.customer_guarded where customer_id = %s", [1], prepare=True)
        connection.execute("insert into mlguard._hold (tbl, slo) values (%s, 'features.customer/x')", [TABLE])
        with pytest.raises(psycopg.Error, match=r"is held since .*held by hand"):
            connection.execute("select age from features.customer_guarded where customer_id = %s", [1], prepare=True)


def test_read_only_transactions(customer_db: str) -> None:
    with session(customer_db) as connection:
        connection.execute("set default_transaction_read_only = on")
        refused(connection, "select * from features.customer_guarded")
        refused(connection, "select mlguard.assert_ok('features.customer')")


def test_explaining_does_not_raise(customer_db: str) -> None:
    with session(customer_db) as connection:
        plan = "\n".join(line for (line,) in rows(connection, "explain select * from features.customer_guarded"))
        assert "One-Time Filter" in plan


def test_assert_ok(customer_db: str) -> None:
    with session(customer_db) as connection:
        error = refused(connection, "select mlguard.assert_ok('features.customer')")
        assert error.diag.message_hint == HINT
        insert(connection, 1, "1 hour")
        connection.execute("select mlguard.assert_ok('features.customer')")
        with pytest.raises(psycopg.errors.UndefinedObject, match=r"no SLO is in force on pg_catalog\.pg_class"):
            connection.execute("select mlguard.assert_ok('pg_class')")


def test_the_log_is_thinned_to_the_grain(customer_db: str) -> None:
    with session(customer_db) as connection:
        for number, minutes in enumerate(("90", "89.5", "89.01", "50", "70", "49.5", "10")):
            insert(connection, number, f"{minutes} minutes")
        assert log(connection) == [10, 50, 90]


def test_future_times_do_not_count_until_they_come(customer_db: str) -> None:
    with session(customer_db) as connection:
        insert(connection, 1, "-3 days")
        assert refused(connection, "select * from features.customer_guarded").diag.message_primary == (
            "mlguard: features.customer has only event times in the future, so it has no age (fresh)"
        )
        insert(connection, 2, "30 hours")
        assert "30 h old" in str(refused(connection, "select * from features.customer_guarded"))
        connection.execute(
            "insert into features.customer (customer_id, event_ts) values (3, now() + '600 milliseconds'),"
            " (4, now() + '1 second'), (5, 'infinity'), (6, '-infinity'), (7, null)"
        )
        connection.execute("select pg_sleep(0.8)")
        assert value(connection, "select count(*) from features.customer_guarded") == 7
        assert len(log(connection)) == 3


def test_deleting_the_newest_makes_it_stale(customer_db: str) -> None:
    with session(customer_db) as connection:
        insert(connection, 1, "30 hours")
        insert(connection, 2, "2 hours")
        insert(connection, 3, "1 hour")
        connection.execute("delete from features.customer where customer_id = 3")
        assert log(connection) == [120, 1800]
        connection.execute("delete from features.customer where customer_id = 2")
        assert "30 h old" in str(refused(connection, "select * from features.customer_guarded"))
        connection.execute("truncate features.customer")
        assert log(connection) == []
        assert "has no rows" in str(refused(connection, "select * from features.customer_guarded"))


def test_deleting_keeps_lines_of_rows_it_could_not_see(customer_db: str) -> None:
    """A row that commits between the snapshot of the DELETE and its own line's removal is still in the table."""
    with session(customer_db) as one, session(customer_db) as two:
        insert(one, 1, "30 hours")
        seen = value(one, "select pg_current_snapshot()::text")
        insert(two, 2, "1 hour")
        one.execute("select mlguard.refreshed_v1(%s, now() - interval '30 hours', %s::pg_snapshot)", [TABLE, seen])
        assert 60 in log(one)
        one.execute("select mlguard.refreshed_v1(%s, now() - interval '30 hours')", [TABLE])
        assert 60 not in log(one)


def test_rolled_back_rows_do_not_refresh(customer_db: str) -> None:
    with session(customer_db, autocommit=False) as connection:
        insert(connection, 1, "1 hour")
        assert value(connection, "select mlguard.gate_open_v1(%s)", TABLE)
        connection.rollback()
        assert not value(connection, "select mlguard.gate_open_v1(%s)", TABLE)


def test_writers_do_not_wait_for_each_other(customer_db: str) -> None:
    with session(customer_db, autocommit=False) as one, session(customer_db, autocommit=False) as two:
        two.execute("set lock_timeout = '1s'")
        write(one, 1, 5)
        write(two, 11, 15)
        two.commit()
        one.commit()


@pytest.mark.parametrize(("kind", "call"), [("off", "interval '1 hour'"), ("waive", "now() + interval '1 hour'")])
def test_an_exception_opens_it_until_it_ends(customer_db: str, kind: str, call: str) -> None:
    with session(customer_db) as connection:
        connection.execute(f"select mlguard.{kind}('{FRESH}', {call}, 'feed is late')".encode())
        assert value(connection, "select count(*) from features.customer_guarded") == 0
        assert rows(connection, "select state from mlguard.gate") == [("open",)]
        connection.execute("update mlguard._waiver set until = now()")
        refused(connection, "select * from features.customer_guarded")


@pytest.mark.parametrize("change", ["shadow = true", "action = 'warn'", "max_age = null"])
def test_only_holding_rules_close_it(customer_db: str, change: str) -> None:
    with session(customer_db) as connection:
        connection.execute(f"update mlguard._slo set {change} where id = '{FRESH}'".encode())
        assert value(connection, "select mlguard.guard_v1(%s)", TABLE) is True


@pytest.mark.parametrize(
    ("length", "words"),
    [
        ("26 hours", "26 h"),
        ("28:12:59", "28 h 12 min"),
        ("90 seconds", "1 min 30 s"),
        ("5 minutes", "5 min"),
        ("1.5 seconds", "1 s"),
        ("3 days 23:59:59", "95 h 59 min"),
        ("7 days", "7 d"),
        ("10 days 05:00", "10 d 5 h"),
        ("1 month", "30 d"),
    ],
)
def test_lengths(guarded_db: str, length: str, words: str) -> None:
    with session(guarded_db) as connection:
        assert value(connection, "select mlguard._length(%s::interval)", length) == words


def test_sweep_prunes_what_the_gate_no_longer_asks_for(customer_db: str) -> None:
    with session(customer_db) as connection:
        for number, age in enumerate(("50 hours", "20 hours", "2 hours", "-5 hours")):
            insert(connection, number, age)
        connection.execute("select mlguard.sweep()")
        assert log(connection) == [-300, 120]


def test_who_may_mend(customer_db: str) -> None:
    with session(customer_db) as connection:
        assert value(connection, "select mlguard.may_mend_v1()") is True
        for role, may in (("mlguard_writer", True), ("mlguard_platform", True), ("mlguard_task", False)):
            connection.execute(f"set role {role}".encode())
            assert value(connection, "select mlguard.may_mend_v1()") is may
