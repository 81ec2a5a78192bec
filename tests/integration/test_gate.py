"""The read gate: what raises, what stays open, and that it follows the data by itself."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from mlguard import api
from mlguard.errors import SpecError
from tests.support import prepare, project, query

TEXT = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
owner: platform-ml
slos:
  - {name: fresh, check: staleness() <= INTERVAL '26 hours', runbook: 'https://wiki/fresh'}
"""
FRESH = "insert into features.customer (customer_id, event_ts) values (1, now() - interval '1 hour')"
STALE = "insert into features.customer (customer_id, event_ts) values (2, now() - interval '28 hours 12 minutes')"


def guard(dsn: str, tmp_path: Path, text: str = TEXT) -> None:
    prepare(dsn)
    api.apply(project(tmp_path, text), dsn)


def as_role(dsn: str, role: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"set role {role}".encode())
        return connection.execute(sql.encode()).fetchall()


def held(dsn: str, sql: str) -> psycopg.errors.Diagnostic:
    with pytest.raises(psycopg.Error) as caught, psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.encode())
    assert caught.value.sqlstate == "ML001", caught.value
    return caught.value.diag


@pytest.mark.parametrize(
    "sql",
    [
        "select * from features.customer_guarded",
        "select count(*) from features.customer_guarded",
        "select 1 from features.customer_guarded where customer_id = 99",
        "select exists (select from features.customer_guarded)",
        "select * from (values (1), (2)) v(i) join features.customer_guarded c on c.customer_id = v.i",
        "select * from features.customer_guarded c left join (values (1), (2)) v(i) on c.customer_id = v.i",
        "select * from (values (1), (2)) v(i) left join features.customer_guarded c on c.customer_id = v.i",
        "select * from (values (98), (99)) v(i) left join features.customer_guarded c on c.customer_id = v.i",
        "select * from (values (1)) v(i) left join features.customer_guarded c on c.customer_id = 99 and c.age > 200",
        "select * from (values (98), (99)) v(i) full join features.customer_guarded c on c.customer_id = v.i",
        "select * from (values (1)) v(i) where not exists (select from features.customer_guarded c where c.age = v.i)",
        "begin transaction read only; select * from features.customer_guarded",
        "prepare p as select * from features.customer_guarded where customer_id = $1; execute p(1)",
        "with c as materialized (select * from features.customer_guarded) select count(*) from c",
    ],
)
@pytest.mark.parametrize("rows", ["none", "stale"])
def test_held_reads_raise(pg: str, tmp_path: Path, sql: str, rows: str) -> None:
    guard(pg, tmp_path)
    if rows == "stale":
        prepare(pg, STALE)
    held(pg, sql)


def test_words(pg: str, tmp_path: Path) -> None:
    guard(pg, tmp_path)
    diag = held(pg, "select * from features.customer_guarded")
    assert diag.message_primary == "mlguard: features.customer has no rows, so it has no age (fresh)"
    prepare(pg, STALE)
    diag = held(pg, "select * from features.customer_guarded")
    assert (diag.message_primary or "").startswith("mlguard: features.customer is stale: newest event_ts is ")
    assert (diag.message_primary or "").endswith(", 28 h 12 min old, allowed 26 h (fresh)")
    assert diag.constraint_name == "features.customer/fresh"
    assert "Nothing is wrong with your query. Owner platform-ml" in (diag.message_hint or "")
    assert "https://wiki/fresh" in (diag.message_hint or "")


def test_rows_without_an_event_time_are_not_called_no_rows(pg: str, tmp_path: Path) -> None:
    guard(pg, tmp_path)
    prepare(pg, "insert into features.customer (customer_id) values (1)")
    diag = held(pg, "select * from features.customer_guarded")
    assert diag.message_primary == "mlguard: features.customer has no event time, so it has no age (fresh)"
    (verdict,) = [found for found in api.check(project(tmp_path, TEXT), pg).verdicts if found.slo.endswith("/fresh")]
    assert verdict.observed == "the table has no event time that has come, so it has no age"


def test_it_opens_and_closes_by_itself(pg: str, tmp_path: Path) -> None:
    guard(pg, tmp_path)
    prepare(pg, STALE)
    held(pg, "select * from features.customer_guarded")
    prepare(pg, FRESH)
    assert query(pg, "select count(*) from features.customer_guarded") == [(2,)]
    prepare(pg, "delete from features.customer where customer_id = 1")
    held(pg, "select * from features.customer_guarded")
    prepare(pg, "update features.customer set event_ts = now()")
    assert query(pg, "select count(*) from features.customer_guarded") == [(1,)]
    prepare(pg, "update features.customer set event_ts = now() - interval '3 days'")
    held(pg, "select * from features.customer_guarded")
    prepare(pg, "update features.customer set event_ts = now()")
    prepare(pg, "truncate features.customer")
    held(pg, "select * from features.customer_guarded")


def test_events_in_the_future_do_not_count(pg: str, tmp_path: Path) -> None:
    guard(pg, tmp_path)
    prepare(pg, "insert into features.customer (customer_id, event_ts) values (1, now() + interval '2 days')")
    held(pg, "select * from features.customer_guarded")


def test_rolled_back_rows_do_not_freshen(pg: str, tmp_path: Path) -> None:
    guard(pg, tmp_path)
    prepare(pg, f"begin; {FRESH}; rollback")
    held(pg, "select * from features.customer_guarded")


def test_assert_ok_and_gate_view(pg: str, tmp_path: Path) -> None:
    guard(pg, tmp_path)
    held(pg, "select mlguard.assert_ok('features.customer')")
    assert query(pg, "select tbl, state from mlguard.gate") == [("features.customer", "closed")]
    prepare(pg, FRESH)
    prepare(pg, "select mlguard.assert_ok('features.customer')")
    assert query(pg, "select tbl, state from mlguard.gate") == [("features.customer", "open")]


def test_rows_stored_before_apply_count(pg: str, tmp_path: Path) -> None:
    prepare(pg)
    prepare(pg, FRESH)
    api.apply(project(tmp_path, TEXT), pg)
    assert query(pg, "select count(*) from features.customer_guarded") == [(1,)]


def test_a_waiver_opens_the_gate_and_ends_by_itself(pg: str, tmp_path: Path) -> None:
    guard(pg, tmp_path)
    prepare(pg, "select mlguard.off('features.customer/fresh', interval '1 second', 'known outage')")
    assert query(pg, "select count(*) from features.customer_guarded") == [(0,)]
    prepare(pg, "select pg_sleep(1.1)")
    held(pg, "select count(*) from features.customer_guarded")


def test_warn_does_not_hold(pg: str, tmp_path: Path) -> None:
    guard(pg, tmp_path, TEXT.replace("runbook:", "on_violation: warn, runbook:"))
    assert query(pg, "select count(*) from features.customer_guarded") == [(0,)]


def test_task_role_reads_the_view_only(pg: str, tmp_path: Path) -> None:
    prepare(pg)
    prepare(
        pg, "drop role if exists mlg_analyst; create role mlg_analyst; grant usage on schema features to mlg_analyst"
    )
    prepare(pg, "grant select on features.customer to mlg_analyst")
    try:
        api.apply(project(tmp_path, TEXT + "revoke: [mlg_analyst]\n"), pg)
        prepare(pg, FRESH)
        assert as_role(pg, "mlg_analyst", "select count(*) from features.customer_guarded") == [(1,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            as_role(pg, "mlg_analyst", "select count(*) from features.customer")
        api.remove(None, pg)
        assert as_role(pg, "mlg_analyst", "select count(*) from features.customer") == [(1,)]
    finally:
        prepare(pg, "drop owned by mlg_analyst; drop role mlg_analyst")


class TestPolicy:
    def test_raises_when_a_row_would_be_returned(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, TEXT + "reads: policy\n")
        prepare(pg, STALE)
        prepare(pg, "drop role if exists mlg_reader; create role mlg_reader")
        try:
            prepare(pg, "grant usage on schema features to mlg_reader; grant all on features.customer to mlg_reader")
            held(pg, "set role mlg_reader; select * from features.customer")
            prepare(pg, "set role mlg_reader; insert into features.customer (customer_id, event_ts) values (9, now())")
            assert as_role(pg, "mlg_reader", "select count(*) from features.customer") == [(2,)]
        finally:
            prepare(pg, "drop owned by mlg_reader; drop role mlg_reader")

    def test_writers_may_mend_a_held_table(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, TEXT + "reads: policy\n")
        prepare(pg, STALE)
        prepare(pg, "drop role if exists mlg_loader; create role mlg_loader; grant mlguard_writer to mlg_loader")
        try:
            prepare(pg, "grant usage on schema features to mlg_loader; grant all on features.customer to mlg_loader")
            prepare(pg, "set role mlg_loader; update features.customer set event_ts = now() where customer_id = 2")
            assert query(pg, "select state from mlguard.gate") == [("open",)]
        finally:
            prepare(pg, "drop owned by mlg_loader; drop role mlg_loader")

    def test_a_view_would_go_round_row_security(self, pg: str, tmp_path: Path) -> None:
        prepare(pg)
        prepare(pg, "alter table features.customer enable row level security")
        with pytest.raises(SpecError, match="row-level security"):
            api.apply(project(tmp_path, TEXT), pg)


def test_a_row_beside_which_the_newest_one_went_is_found_again(pg: str, tmp_path: Path) -> None:
    guard(pg, tmp_path)
    prepare(pg, STALE)
    prepare(pg, FRESH)
    with psycopg.connect(pg) as writer:  # within the grain of what is stored: it leaves no line of its own
        writer.execute(
            "insert into features.customer (customer_id, event_ts) values (3, now() - interval '59 minutes')"
        )
        prepare(pg, "delete from features.customer where customer_id = 1")
    assert query(pg, "select state from mlguard.gate") == [("closed",)]
    prepare(pg, "select mlguard.sweep()")
    assert query(pg, "select state from mlguard.gate") == [("open",)]
    assert query(pg, "select count(*) from mlguard._freshness_due") == [(0,)]
    with psycopg.connect(pg) as older:
        older.execute("insert into features.customer (customer_id, event_ts) values (4, now() - interval '58 minutes')")
        prepare(pg, "delete from features.customer where customer_id = 3")
        prepare(pg, "select mlguard.sweep()")
        assert query(pg, "select state from mlguard.gate") == [("closed",)], "what is not committed does not count"
    prepare(pg, "select mlguard.sweep()")
    assert query(pg, "select state from mlguard.gate") == [("open",)]
