"""Batches: what one transaction wrote to one table, judged at COMMIT."""

from __future__ import annotations

import time

import psycopg
import pytest

from tests.runtime_example import TABLE, detail, rows, session, value, write

AGE = "features.customer/age.range"
EMAIL = "features.customer/email.matches"


def bad_mails(connection: psycopg.Connection[object], first: int, count: int) -> None:
    connection.execute(
        "insert into features.customer (customer_id, email)"
        " select g, 'none' from generate_series(%s::bigint, %s::bigint) g",
        [first, first + count - 1],
    )


def test_share_is_judged_at_commit_over_landed_and_withheld(customer_db: str) -> None:
    with session(customer_db, autocommit=False) as connection:
        write(connection, 1, 90)
        write(connection, 91, 200, bad=41)
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            connection.commit()
        error = caught.value
        assert error.diag.message_primary == (
            "mlguard: features.customer/age.range: 41 bad rows (20.5%) of the 200 rows this transaction wrote, "
            "allowed 20%; COMMIT refused, nothing was stored"
        )
        assert (error.diag.constraint_name, error.diag.table_name, error.diag.column_name) == (AGE, "customer", "age")
        assert detail(error)["observed"] == {"bad": 41, "rows": 200}
        assert isinstance(detail(error)["batch"], int)
        assert value(connection, "select count(*) from features.customer") == 0
        assert value(connection, "select count(*) from mlguard._quarantine") == 0
        assert value(connection, "select refused from mlguard.rejection where slo = %s", AGE) == 1


def test_within_the_share_everything_is_kept(customer_db: str) -> None:
    with session(customer_db, autocommit=False) as connection:
        write(connection, 1, 160)
        write(connection, 161, 200, bad=40)
        connection.commit()
        [batch] = rows(connection, "select tbl, landed, withheld, closed_at >= opened_at, writer from mlguard.batch")
        assert batch == (TABLE, 160, 40, True, "postgres")


def test_rows_too_few_for_a_share(customer_db: str) -> None:
    with session(customer_db) as connection:
        write(connection, 1, 29, bad=28)
        with pytest.raises(psycopg.errors.CheckViolation, match=r"30 bad rows \(100%\) of the 30 rows"):
            write(connection, 101, 130, bad=30)


def test_a_row_count_needs_no_minimum(customer_db: str) -> None:
    with session(customer_db) as connection:
        bad_mails(connection, 1, 2)
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            bad_mails(connection, 11, 3)
        assert "3 bad rows of the 3 rows this transaction wrote, allowed 2 rows; COMMIT" in str(caught.value)
        assert value(connection, "select count(*) from mlguard.violation where slo = %s", EMAIL) == 1


def test_rolled_back_savepoints_do_not_count(customer_db: str) -> None:
    with session(customer_db, autocommit=False) as connection:
        bad_mails(connection, 1, 1)
        connection.execute("savepoint a")
        bad_mails(connection, 11, 5)
        connection.execute("rollback to a")
        bad_mails(connection, 21, 1)
        connection.commit()
        assert rows(connection, "select landed, withheld from mlguard.batch") == [(2, 0)]


def test_a_batch_opened_in_a_rolled_back_savepoint(customer_db: str) -> None:
    with session(customer_db, autocommit=False) as connection:
        connection.execute("savepoint a")
        bad_mails(connection, 1, 1)
        connection.execute("rollback to a")
        bad_mails(connection, 11, 3)
        with pytest.raises(psycopg.errors.CheckViolation, match="3 bad rows of the 3 rows"):
            connection.commit()


def test_a_released_savepoint_counts(customer_db: str) -> None:
    with session(customer_db, autocommit=False) as connection:
        bad_mails(connection, 1, 1)
        with connection.transaction():
            bad_mails(connection, 11, 2)
        with pytest.raises(psycopg.errors.CheckViolation, match="3 bad rows of the 3 rows"):
            connection.commit()


def test_immediate_constraints_judge_each_statement_on_the_rows_so_far(customer_db: str) -> None:
    with session(customer_db, autocommit=False) as connection:
        connection.execute("set constraints all immediate")
        bad_mails(connection, 1, 1)
        bad_mails(connection, 11, 1)
        with pytest.raises(psycopg.errors.CheckViolation, match="3 bad rows of the 3 rows"):
            bad_mails(connection, 21, 1)
    with session(customer_db, autocommit=False) as connection:
        connection.execute("set constraints all immediate")
        write(connection, 1, 40, bad=4)
        write(connection, 101, 110)
        connection.commit()
        assert rows(connection, "select landed, withheld from mlguard.batch") == [(46, 4)]
        [closed] = rows(connection, "select n from mlguard.sweep() where what = 'batches closed'")
        assert closed == (1,)
        assert rows(connection, "select closed_at is not null, landed, withheld from mlguard.batch") == [(True, 46, 4)]


def test_judged_early_then_at_commit_again(customer_db: str) -> None:
    with session(customer_db, autocommit=False) as connection:
        bad_mails(connection, 1, 2)
        connection.execute("set constraints all immediate")
        connection.execute("set constraints all deferred")
        bad_mails(connection, 11, 1)
        with pytest.raises(psycopg.errors.CheckViolation, match="3 bad rows of the 3 rows"):
            connection.commit()


def test_prepared_transactions_are_judged_when_prepared(customer_db: str) -> None:
    with session(customer_db) as connection:
        connection.execute("begin")
        bad_mails(connection, 1, 2)
        connection.execute("prepare transaction 'good'")
        connection.execute("commit prepared 'good'")
        assert value(connection, "select count(*) from features.customer") == 2
        connection.execute("begin")
        bad_mails(connection, 11, 3)
        with pytest.raises(psycopg.errors.CheckViolation, match="3 bad rows"):
            connection.execute("prepare transaction 'bad'")


def test_many_single_inserts_cost_no_square(customer_db: str) -> None:
    def seconds(count: int, first: int) -> tuple[float, float]:
        with session(customer_db, autocommit=False) as connection:
            begun = time.perf_counter()
            connection.execute(
                f"do $$ begin for i in {first}..{first + count - 1} loop"
                " insert into features.customer (customer_id, email) values (i, 'a@b'); end loop; end $$".encode()
            )
            written = time.perf_counter()
            connection.commit()
            return written - begun, time.perf_counter() - written

    few, _ = seconds(1_000, 1)
    many, commit = seconds(10_000, 10_001)
    assert many < 30 * few, "ten times the statements took more than thirty times as long"
    assert commit < 1.0
    with session(customer_db) as connection:
        assert rows(connection, "select landed from mlguard.batch order by id") == [(1000,), (10000,)]


def test_shadow_and_waived_rules_do_not_refuse(customer_db: str) -> None:
    with session(customer_db) as connection:
        connection.execute("select mlguard.off(%s, interval '1 second', 'known')", [EMAIL])
        bad_mails(connection, 1, 5)
        time.sleep(1.1)
        with pytest.raises(psycopg.errors.CheckViolation, match="5 bad rows"):
            bad_mails(connection, 11, 5)
        connection.execute("update mlguard._slo set shadow = true where id = %s", [EMAIL])
        bad_mails(connection, 21, 5)


def test_transactions_do_not_wait_for_each_other(customer_db: str) -> None:
    with session(customer_db, autocommit=False) as one, session(customer_db, autocommit=False) as two:
        two.execute("set lock_timeout = '1s'")
        write(one, 1, 10, bad=2)
        write(two, 101, 110, bad=2)
        two.commit()
        one.commit()
        assert rows(one, "select landed, withheld from mlguard.batch") == [(8, 2), (8, 2)]


def test_serializable_writers_do_not_fail_each_other(customer_db: str) -> None:
    with session(customer_db) as connection:
        write(connection, 1001, 1100)
    with session(customer_db, autocommit=False) as one, session(customer_db, autocommit=False) as two:
        one.isolation_level = two.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        for number in range(0, 50, 10):
            write(one, number + 1, number + 3, bad=1)
            write(two, number + 4, number + 6, bad=1)
            write(one, number + 7, number + 8, bad=1)
            one.commit()
            two.commit()
        assert value(one, "select count(*) from mlguard.batch") == 11


def test_a_forged_place_of_the_batch_is_not_believed(customer_db: str) -> None:
    with session(customer_db, autocommit=False) as connection:
        write(connection, 1, 10)
        connection.commit()
        bad_mails(connection, 11, 1)
        own = value(connection, "select mlguard.batch_v1(%s)", TABLE)
        connection.execute(
            "select set_config('mlguard.batches', format('|%%s=%%s|', tbl, ctid), true) from mlguard._batch"
            " where id <> %s",
            [own],
        )
        assert value(connection, "select mlguard.batch_v1(%s)", TABLE) == own
        bad_mails(connection, 21, 2)
        with pytest.raises(psycopg.errors.CheckViolation, match="3 bad rows of the 3 rows"):
            connection.commit()


def test_one_transaction_one_batch_also_after_a_restore(customer_db: str) -> None:
    """After a restore into another cluster the same xid comes again: it must not find the old batch."""
    with session(customer_db, autocommit=False) as connection:
        connection.execute(
            "insert into mlguard._batch (tbl, xid, opened_at) values (%s, pg_current_xact_id(), '2020-01-01')", [TABLE]
        )
        first = value(connection, "select mlguard.batch_v1(%s)", TABLE)
        assert value(connection, "select mlguard.batch_v1(%s)", TABLE) == first
        assert value(connection, "select opened_at = now() from mlguard._batch where id = %s", first)
        assert value(connection, "select mlguard.batch_v1('features.other')") != first


def test_notes_carry_the_rule_and_hide_pii(customer_db: str) -> None:
    with session(customer_db) as connection:
        connection.execute(
            """select mlguard.note_v1(%s, 'NOTED', '{"email": "not shown (pii)"}', '{"customer_id": 1, "email": "a@b"}',
                 100, 1, 'shadow')""",
            [EMAIL],
        )
        connection.execute("update mlguard._table set pii = '{email,customer_id}'")
        [line] = rows(
            connection,
            "select v.slo, v.tbl, observed, allowed, n, bad, key, outcome, v.reason, batch = b.id"
            " from mlguard.violation v, mlguard._batch b",
        )
    hidden = "not shown (pii)"
    assert line == (
        EMAIL, TABLE, {"email": hidden}, "allowed %@%", 100, 1, {"customer_id": hidden, "email": hidden}, "NOTED",
        "shadow", True,
    )  # fmt: skip


def repair(connection: psycopg.Connection[object], number: int, row_hash: str) -> None:
    connection.execute(
        "select mlguard.repaired_v1(%s, jsonb_build_object('customer_id', %s::int), %s, 'age', '-4', '0', %s)",
        [TABLE, number, row_hash, AGE],
    )


def test_repairs_are_final_once_their_rows_landed(customer_db: str) -> None:
    with session(customer_db, autocommit=False) as connection:
        repair(connection, 1, "h1")
        repair(connection, 2, "h2")
        assert rows(connection, "select * from mlguard.change") == []
        connection.execute("select mlguard.confirm_repairs_v1(%s, '{h1,h9}')", [TABLE])
        connection.commit()
        assert rows(connection, "select key, column_name, old, new, rule from mlguard.change") == [
            ({"customer_id": 1}, "age", -4, 0, AGE)
        ]
        assert value(connection, "select count(*) from mlguard._change") == 1


def test_repairs_under_immediate_constraints(customer_db: str) -> None:
    with session(customer_db, autocommit=False) as connection:
        connection.execute("set constraints all immediate")
        repair(connection, 1, "h1")
        repair(connection, 2, "h2")
        connection.execute("select mlguard.confirm_repairs_v1(%s, '{h2}')", [TABLE])
        connection.commit()
        assert rows(connection, "select key from mlguard.change") == [({"customer_id": 2},)]
        [phantoms] = rows(connection, "select n from mlguard.sweep() where what = 'phantom changes deleted'")
        assert phantoms == (1,)


def test_repaired_rows_count_as_bad(customer_db: str) -> None:
    with session(customer_db, autocommit=False) as connection:
        write(connection, 1, 30)
        for number in range(7):
            repair(connection, number, f"h{number}")
        connection.execute("select mlguard.confirm_repairs_v1(%s, %s)", [TABLE, [f"h{n}" for n in range(7)]])
        with pytest.raises(psycopg.errors.CheckViolation, match=r"7 bad rows \(23.33%\) of the 30 rows"):
            connection.commit()
