"""Metrics of batches, judged at COMMIT: refused, held, noted, corrected."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests import metrics_example
from tests.metrics_example import Connection, add_slo, gate, judged, sell
from tests.runtime_example import detail, rows, session, value


@pytest.fixture
def sales(db: str) -> str:
    """DSN of a database with the table of metrics_example, on each server in turn."""
    metrics_example.make(db)
    return db


def test_reject_says_what_it_found(sales: str) -> None:
    with session(sales) as connection:
        slo = add_slo(
            connection, "amount_coverage", "coverage(amount)", ">= 0.75", action="reject", owner="platform-ml"
        )
        add_slo(connection, "enough", "row_count()", ">= 1000", action="reject", min_rows=0, severity="page")
        add_slo(connection, "fine", "mean(amount)", "<= 100", action="reject")
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            sell(connection, 200, missing=102)
        error = caught.value
        assert error.diag.message_primary == (
            "mlguard: features.sale/amount_coverage: coverage(amount) is 0.49 over the 200 rows this transaction wrote,"
            " allowed >= 0.75; COMMIT refused, nothing was stored"
        )
        assert (error.diag.constraint_name, error.diag.table_name, error.diag.column_name) == (slo, "sale", "amount")
        assert error.diag.message_hint == "Owner platform-ml. Correct the load and send it again."
        found = detail(error)
        assert (found["observed"], found["rows"], found["segment"]) == ({"coverage(amount)": 0.49}, 200, {})
        assert found["also"] == [
            {
                "slo": "features.sale/enough",
                "segment": {},
                "observed": "row_count() is 200",
                "allowed": "allowed >= 1000",
            }
        ]
        for table in ("features.sale", "mlguard._state", "mlguard._verdict", "mlguard._metric", "mlguard._batch"):
            assert value(connection, f"select count(*) from {table}") == 0
        assert rows(connection, "select slo, refused from mlguard.rejection where refused > 0 order by slo") == [
            ("features.sale/amount_coverage", 1),
            ("features.sale/enough", 1),
        ]


def test_all_statements_of_a_transaction_are_one_batch(sales: str) -> None:
    with session(sales) as connection:
        add_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75", action="reject")
        with connection.transaction():
            sell(connection, 40, missing=40)
            sell(connection, 160)
        assert judged(connection, "amount_coverage") == [("PASS", 200, "coverage(amount) is 0.8", None)]
        connection.autocommit = False
        sell(connection, 40)
        sell(connection, 20, missing=20)
        with pytest.raises(psycopg.errors.CheckViolation, match=r"coverage\(amount\) is 0\.667 over the 60 rows"):
            connection.commit()


def test_metrics_of_every_batch_stay(sales: str) -> None:
    with session(sales) as connection:
        add_slo(connection, "a", "coverage(amount)", ">= 0.1")
        add_slo(connection, "b", "coverage(amount) | row_count()", "_1 >= 0.2 and _2 > 1")
        sell(connection, 50, missing=10)
        assert rows(
            connection, "select metric, over, batch, value, n, current from mlguard.metric order by metric"
        ) == [("coverage(amount)", "batch", 1, 0.8, 50, True), ("row_count()", "batch", 1, 50, 50, True)]
        [line] = rows(connection, "select column_name, n, null_rate, mean, batch from mlguard.profile")
        assert line == ("amount", 50, pytest.approx(0.2), None, 1)


def test_figures_tell_a_value_from_its_limit(db: str) -> None:
    with session(db) as connection:
        for number, limit, words in (
            (0.491, "allowed >= 0.75", "0.491"),
            (0.74996, "allowed >= 0.75", "0.74996"),
            (0.75, "allowed > 0.75", "0.75"),
            (0.000123456, None, "0.000123"),
            (-0.5, None, "-0.5"),
            (200000, "allowed >= 1000000", "200000"),
            (12.34567, None, "12.346"),
            (1.5e20, None, "1.50e+20"),
            (0, None, "0"),
            (float("inf"), None, "infinite"),
            (None, None, "no value"),
        ):
            assert value(connection, "select mlguard._figure(%s, %s)", number, limit) == words


# What a transaction wrote, and what it took away again.


def test_a_load_that_corrects_itself_is_judged_as_it_ends(sales: str) -> None:
    with session(sales) as connection:
        add_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.95", action="reject")
        sell(connection, 100, day="2025-12-01")
        with connection.transaction():
            sell(connection, 100, missing=60)
            connection.execute("update features.sale set amount = 1 where amount is null")
            sell_more = "delete from features.sale where id > 190"
            connection.execute(sell_more.encode())
        assert judged(connection, "amount_coverage")[-1] == ("PASS", 90, "coverage(amount) is 1", None)
        with connection.transaction():
            sell(connection, 100, missing=60)
            connection.execute("delete from features.sale where amount is null")
        assert judged(connection, "amount_coverage")[-1] == ("PASS", 40, "coverage(amount) is 1", None)


def test_a_reload_is_judged_by_what_it_wrote(sales: str) -> None:
    with session(sales) as connection:
        add_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.5", action="reject")
        sell(connection, 100)
        with connection.transaction():
            connection.execute("delete from features.sale")
            sell(connection, 200, missing=50)
        assert judged(connection, "amount_coverage")[-1][:2] == ("PASS", 200)
        with connection.transaction():
            connection.execute("truncate features.sale")
            sell(connection, 300, missing=30)
        assert judged(connection, "amount_coverage")[-1][:2] == ("PASS", 300)
        with connection.transaction():
            sell(connection, 50, missing=50)
            connection.execute("truncate features.sale")
            sell(connection, 60)
        assert judged(connection, "amount_coverage")[-1][:2] == ("PASS", 60)


def test_upserts_are_judged_by_the_rows_they_wrote(sales: str) -> None:
    with session(sales) as connection:
        add_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.5", action="reject")
        sell(connection, 100)
        upsert = (
            "insert into features.sale values (%s, 'DE', %s, '2026-01-01 12:00+00')"
            " on conflict (id) do update set amount = excluded.amount"
        )
        with connection.transaction():
            for i in range(81, 121):
                connection.execute(upsert, [i, None if i % 4 == 0 else 5])
        # 20 rows inserted and 20 replaced, in forty statements.
        assert judged(connection, "amount_coverage")[-1][:3] == ("PASS", 40, "coverage(amount) is 0.75")
        connection.execute("update features.sale set amount = null where id <= 10")
        assert judged(connection, "amount_coverage")[-1][:2] == ("INSUFFICIENT", 10)


def test_merge_is_judged_by_the_rows_it_wrote(sales: str) -> None:
    with session(sales) as connection:
        if connection.info.server_version < 150000:
            pytest.skip("PostgreSQL 15 brought MERGE")
        add_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.5", action="reject")
        sell(connection, 100)
        connection.execute(
            "merge into features.sale t using (select g as id from generate_series(61, 150) g) s on s.id = t.id"
            " when matched and t.id <= 70 then delete"
            " when matched then update set amount = null"
            " when not matched then insert values (s.id, 'DE', 1, '2026-01-01 12:00+00')"
        )
        assert judged(connection, "amount_coverage")[-1][:3] == ("PASS", 80, "coverage(amount) is 0.625")


def test_nothing_is_judged_where_nothing_was_written(sales: str) -> None:
    with session(sales) as connection:
        add_slo(connection, "some", "row_count()", ">= 1", action="reject", min_rows=0)
        sell(connection, 100)
        connection.execute("delete from features.sale where id <= 50")
        with connection.transaction():
            sell(connection, 30)
            connection.execute("delete from features.sale where id > 100")
        assert value(connection, "select count(*) from mlguard._verdict") == 1


def test_rolled_back_savepoints_leave_no_state(sales: str) -> None:
    with session(sales, autocommit=False) as connection:
        add_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75", action="reject")
        connection.commit()
        connection.execute("savepoint a")
        sell(connection, 500, missing=500)
        connection.execute("rollback to a")
        sell(connection, 100)
        connection.execute("savepoint b")
        sell(connection, 500, missing=500)
        connection.execute("rollback to b")
        connection.commit()
        assert judged(connection, "amount_coverage") == [("PASS", 100, "coverage(amount) is 1", None)]
        assert value(connection, "select sum(n) from mlguard._state where segment = '{}'") == 100


def test_immediate_constraints_judge_the_rows_so_far(sales: str) -> None:
    with session(sales, autocommit=False) as connection:
        add_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75", action="hold")
        connection.commit()
        connection.execute("set constraints all immediate")
        sell(connection, 100, missing=50)
        assert value(connection, "select count(*) from mlguard.hold where ended_at is null") == 1
        sell(connection, 300)
        connection.commit()
        assert rows(connection, "select version, current, outcome, n from mlguard.verdict order by version") == [
            (1, False, "FAIL", 100),
            (2, True, "PASS", 400),
        ]
        assert rows(connection, "select value, current from mlguard.metric order by id") == [
            (0.5, False),
            (0.875, True),
        ]
        assert rows(connection, "select ended_by, reason from mlguard.hold") == [("mlguard", "re-judged good")]


def test_a_batch_is_judged_whole_whatever_is_folded_in_between(sales: str) -> None:
    with session(sales, autocommit=False) as connection:
        add_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75")
        connection.commit()
        sell(connection, 100, missing=50)
        connection.execute("select mlguard.sweep()")
        sell(connection, 300)
        connection.execute("select mlguard.backfill_v1('features.sale')")
        sell(connection, 100)
        connection.commit()
        assert judged(connection, "amount_coverage") == [("PASS", 500, "coverage(amount) is 0.9", None)]
        connection.execute("select mlguard.sweep()")
        assert value(connection, "select sum(n) from mlguard._bucket where segment = '{}'") == 500
        assert value(connection, "select count(*) from mlguard._state") == 0


def test_prepared_transactions_are_judged_when_prepared(sales: str) -> None:
    with session(sales, autocommit=False) as connection:
        add_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75", action="reject")
        connection.commit()
        sell(connection, 100, missing=50)
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("prepare transaction 'x'")


def test_serializable_writers_do_not_fail_each_other(sales: str) -> None:
    with session(sales) as connection:
        add_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.1", action="reject")
        add_slo(connection, "by_country", "coverage(amount)", ">= 0.1", action="hold", by_columns=["country"])

    # All write before the first commits: whoever looked at what others append would fail here.
    with ExitStack() as stack:
        writers = [stack.enter_context(psycopg.connect(sales)) for _ in range(4)]
        for place, writer in enumerate(writers):
            writer.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
            writer.execute(
                "insert into features.sale select g, 'DE', 1, now() from generate_series(%s::bigint, %s) g",
                [place * 100, place * 100 + 49],
            )
        for writer in writers:
            writer.commit()
    with session(sales) as connection:
        assert rows(connection, "select outcome, count(*) from mlguard._verdict group by 1") == [("PASS", 8)]


def test_serializable_transactions_judged_twice_supersede(sales: str) -> None:
    with session(sales, autocommit=False) as connection:
        add_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75")
        connection.commit()
        connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        sell(connection, 100, missing=50)
        connection.execute("set constraints all immediate")
        connection.execute("set constraints all deferred")
        sell(connection, 100)
        connection.commit()
        assert rows(connection, "select version, current, outcome from mlguard.verdict order by version") == [
            (1, False, "FAIL"),
            (2, True, "PASS"),
        ]


# Outcomes.


def test_outcomes_that_are_neither_good_nor_bad(sales: str) -> None:
    with session(sales) as connection:
        add_slo(connection, "few", "coverage(amount)", ">= 0.75", action="reject")
        add_slo(connection, "count", "row_count()", ">= 5", action="reject", min_rows=0)
        add_slo(
            connection,
            "past",
            "trailing(coverage(amount), '7 days')",
            ">= 0.75",
            action="reject",
            min_rows=0,
            history="fewer than 3 earlier windows",
        )
        sell(connection, 12, missing=12)
        assert judged(connection, "few") == [
            ("INSUFFICIENT", 12, "coverage(amount) is 0", "12 rows, fewer than 30"),
        ]
        assert judged(connection, "count")[0][0] == "PASS"
        assert judged(connection, "past") == [
            ("INSUFFICIENT", 12, "trailing(coverage(amount), '7 days') has no value", "fewer than 3 earlier windows")
        ]
        assert gate(connection) is None


def test_enough_rows_without_values_fail(sales: str) -> None:
    with session(sales) as connection:
        add_slo(connection, "average", "mean(amount)", ">= 1", action="reject")
        with pytest.raises(
            psycopg.errors.CheckViolation, match=r"mean\(amount\) has no value over the 30 rows"
        ) as error:
            sell(connection, 30, missing=30)
        assert detail(error.value)["reason"] == "no values"


def test_an_error_is_neither_pass_nor_fail(sales: str) -> None:
    with session(sales) as connection:
        for action in ("reject", "hold"):
            add_slo(connection, action, "broken()", ">= 5", action=action)
        sell(connection, 777)
        wanted = ("ERROR", None, None, "could not be judged: SQLSTATE 22P02 (data exception)")
        assert judged(connection, "reject") == judged(connection, "hold") == [wanted]
        assert gate(connection) is None
        everything = value(
            connection,
            "select string_agg(v::text, ' ') || coalesce((select string_agg(i::text, ' ') from mlguard.incident i), '')"
            " from mlguard._verdict v",
        )
        assert "secret" not in everything
        assert rows(connection, "select distinct severity from mlguard.incident") == [("page",)]


def test_a_verdict_function_that_is_gone_is_an_error(sales: str) -> None:
    with session(sales) as connection:
        add_slo(connection, "gone", "coverage(amount)", ">= 0.5", action="reject")
        connection.execute('drop function mlguard."verdict features.sale/gone"(jsonb, jsonb)')
        sell(connection, 100, missing=100)
        assert judged(connection, "gone")[0][0] == "ERROR"


def test_states_that_cannot_be_merged_are_an_error(sales: str) -> None:
    with session(sales, autocommit=False) as connection:
        add_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.5", action="reject")
        connection.commit()
        for _ in range(2):
            sell(connection, 100)
            connection.execute('update mlguard._state set states = states || \'{"sum(amount)": "no number"}\'')
        connection.commit()
        assert judged(connection, "amount_coverage") == [
            ("ERROR", None, None, "could not be judged: SQLSTATE 22P02 (data exception)")
        ]


def test_shadow_and_waived_are_noted(sales: str) -> None:
    with session(sales) as connection:
        add_slo(connection, "shadowed", "coverage(amount)", ">= 0.75", action="hold", shadow=True)
        waived = add_slo(connection, "waived", "coverage(amount)", ">= 0.75", action="hold")
        connection.execute("select mlguard.off(%s, '1 hour', 'maintenance')", [waived])
        sell(connection, 100, missing=60)
        assert judged(connection, "shadowed") == [("NOTED", 100, "coverage(amount) is 0.4", "shadow")]
        assert judged(connection, "waived") == [("NOTED", 100, "coverage(amount) is 0.4", "waived")]
        assert gate(connection) is None
        assert rows(connection, "select outcome, reason, observed, n, batch from mlguard.violation order by id") == [
            ("NOTED", "shadow", {"coverage(amount)": 0.4}, 100, 1),
            ("NOTED", "waived", {"coverage(amount)": 0.4}, 100, 1),
        ]
        assert value(connection, "select count(*) from mlguard.incident") == 0


def test_warn_records_and_lets_pass(sales: str) -> None:
    with session(sales) as connection:
        add_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75")
        sell(connection, 100, missing=60)
        assert rows(connection, "select outcome, segment, allowed from mlguard.violation") == [
            ("FAIL", None, "allowed >= 0.75")
        ]
        assert gate(connection) is None
        assert value(connection, "select detail -> 'states' -> 'have(amount)' from mlguard.verdict") == 40


# Cost.


def cpu_ms(connection: Connection) -> float:
    """CPU time of the connection's backend so far, in milliseconds."""
    fields = Path(f"/proc/{connection.info.backend_pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 10.0


def test_many_slos_cost_little_whatever_the_history(sales: str) -> None:
    with session(sales) as connection:
        metrics = ["coverage(amount)", "mean(amount)", "share(amount > 100)", "row_count()"]
        for i in range(38):
            add_slo(connection, f"s{i}", metrics[i % 4], ">= 0", min_rows=0)
        connection.execute(
            "insert into mlguard._verdict (slo, tbl, over, batch, outcome)"
            " select 'features.sale/s' || g %% 38, 'features.sale', 'batch', -g, 'PASS'"
            " from generate_series(1, 40000) g;"
            " insert into mlguard._metric (tbl, metric, over, batch, value)"
            " select 'features.sale', 'coverage(amount)', 'batch', -g, 1 from generate_series(1, 40000) g;"
            " insert into mlguard._state (tbl, batch, bucket, sign, op, n, states)"
            " select 'features.sale', -g, '2026-01-01', 1, 'INSERT', 1, '{\"n\": 1}' from generate_series(1, 20000) g;"
            " update mlguard._table set base = null".replace("%%", "%").encode()
        )
        for _ in range(3):
            sell(connection, 50)
        before = cpu_ms(connection)
        for _ in range(40):
            sell(connection, 50)
        assert (cpu_ms(connection) - before) / 40 < 20  # 15 for the verdicts, 5 for writing and counting 50 rows

        connection.autocommit = False
        sell(connection, 50)
        connection.execute("set constraints all immediate")
        scanned = rows(
            connection,
            "select relname from pg_stat_xact_user_tables where schemaname = 'mlguard' and seq_scan > 0"
            " and relname in ('_state', '_metric', '_verdict', '_delta', '_batch', '_hold', '_quarantine', '_change')",
        )
        assert scanned == []
        connection.rollback()
