"""Who may do what: roles, private tables, the append-only log, exceptions to SLOs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
import pytest

from tests.runtime_example import rows, session, value, write

ROLES = ("mlguard_platform", "mlguard_task", "mlguard_writer")
EVERYBODY_S = {"slo", "gate", "violation", "rejection", "batch", "metric", "verdict", "profile", "incident"}
EVERYBODY_S |= {"model_version", "model_usage", "prediction_batch", "model_metric"}
EVERYBODY_S |= {"model", "retrain_request", "training_ticket", "withdrawal"}
PLATFORM_S = {
    "review",
    "post_set",
    "quarantine",
    "change",
    "event",
    "hold",
    "waiver",
    "object",
    "outbox",
    "baseline",
    "baseline_column",
    "retention",
    "own_size",
}
ACTS = {"release", "replay", "discard", "off", "waive", "resume", "sweep"}
ACTS_ON_INCIDENTS = {"snooze", "resolve", "label", "claim_outbox", "claim_pages", "delivered", "failed"}
ACTS_ON_BASELINES = {"set_baseline", "keep_baseline", "baseline_columns"}
ACTS_ON_MODELS = {"approve", "promote", "challenge", "rollback", "retire", "audit_head", "verify_audit"}
ACTS_ON_MODELS |= {"reinstate", "cancel_retrain", "set_retrain_policy"}
ACTS_ON_MODELS |= {"set_retention"}
ACTS_ON_PARTITIONS = {"attach_partition", "detach_partition", "cover_partitions", "written_v1"}
ACTS_ON_PREDICTIONS = {"review_accept", "review_override", "review_reject"}
TRAINS = {"begin_training", "ticket_v1", "request_retrain", "claim_retrain", "heartbeat", "finish_retrain"}
LOADER_S = {"begin_batch", "end_batch", "publish", "_written", "_same_columns"}
PUBLIC_S = {"refuse_v1", "guard_v1", "guard_between_v1", "gate_open_v1", "may_mend_v1", "copying_v1", *LOADER_S}


@contextmanager
def role(connection: psycopg.Connection[Any], name: LiteralString) -> Iterator[None]:
    connection.execute(f"set role {name}")
    try:
        yield
    finally:
        connection.execute("reset role")


def test_private_tables_are_nobody_s(db: str) -> None:
    with session(db) as connection:
        open_to = rows(
            connection,
            "select c.relname, r.rolname from pg_class c, pg_roles r"
            " where c.relnamespace = 'mlguard'::regnamespace and c.relkind in ('r', 'S')"
            "   and c.relname <> 'alembic_version'"
            "   and (r.rolname = any (%s) or r.rolname = 'pg_read_all_stats')"
            "   and (has_table_privilege(r.rolname, c.oid, 'select') or has_table_privilege(r.rolname, c.oid, 'insert')"
            "        or has_table_privilege(r.rolname, c.oid, 'update'))",
            list(ROLES),
        )
        assert open_to == []


def test_each_role_sees_its_views(db: str) -> None:
    with session(db) as connection:
        for name in ROLES:
            seen = {
                view
                for (view,) in rows(
                    connection,
                    "select relname from pg_class where relnamespace = 'mlguard'::regnamespace and relkind = 'v'"
                    " and has_table_privilege(%s, oid, 'select')",
                    name,
                )
            }
            assert seen == (EVERYBODY_S | PLATFORM_S if name == "mlguard_platform" else EVERYBODY_S)


def test_each_role_reads_its_views(customer_db: str) -> None:
    """Functions in a view run as who reads it: a missing EXECUTE would show only here."""
    with session(customer_db) as connection:
        write(connection, 1, 28, bad=2)
        connection.execute("grant usage on schema features to mlguard_platform, mlguard_task, mlguard_writer")
        for name in ROLES:
            views = EVERYBODY_S | PLATFORM_S if name == "mlguard_platform" else EVERYBODY_S
            connection.execute(f"set role {name}".encode())
            for view in views:
                connection.execute(f"select * from mlguard.{view}".encode())
            connection.execute("select mlguard.assert_ok('features.customer')")
            connection.execute("reset role")


def test_functions_by_role(db: str) -> None:
    with session(db) as connection:
        executable: LiteralString = (
            "select proname from pg_proc"
            " where pronamespace = 'mlguard'::regnamespace and has_function_privilege(%s, oid, 'execute')"
        )
        public = {name for (name,) in rows(connection, executable, "pg_read_all_stats")}
        assert public == PUBLIC_S
        task = {name for (name,) in rows(connection, executable, "mlguard_task")}
        writer = {name for (name,) in rows(connection, executable, "mlguard_writer")}
        platform = {name for (name,) in rows(connection, executable, "mlguard_platform")}
        assert task - writer == {"ack", "register", *TRAINS}
        assert {name for name in writer if not name.startswith("_")} == {
            *(name for name in PUBLIC_S if not name.startswith("_")),
            "assert_ok",
            "newest_v1",
            "arrivals_v1",
        }
        of_platform = {name for name in platform - task if not name.startswith("_")}
        assert (
            of_platform
            == ACTS | ACTS_ON_INCIDENTS | ACTS_ON_BASELINES | ACTS_ON_MODELS | ACTS_ON_PREDICTIONS | ACTS_ON_PARTITIONS
        )


def test_a_task_cannot_release(customer_db: str) -> None:
    with session(customer_db) as connection:
        write(connection, 1, 28, bad=1)
        with role(connection, "mlguard_task"):
            for statement in (
                "select * from mlguard.release(1)",
                "select * from mlguard.discard(1, 'x')",
                "select mlguard.off('features.customer/fresh', '1 h', 'x')",
                "select * from mlguard._quarantine",
                "select * from mlguard.quarantine",
                "insert into mlguard._hold (tbl, slo) values ('features.customer', 'x')",
                "select mlguard.withhold_v1('features.customer', '[]', '{}', null, null, 'INSERT', false)",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.encode())
        with role(connection, "mlguard_platform"):
            assert rows(connection, "select outcome from mlguard.release(1, '{\"age\": 4}')") == [("released",)]
            assert value(connection, "select decided_by from mlguard.quarantine") == "postgres"


def test_everything_pins_its_search_path(db: str) -> None:
    with session(db) as connection:
        loose = rows(
            connection,
            "select proname from pg_proc where pronamespace = 'mlguard'::regnamespace"
            " and prokind <> 'a' and not coalesce('search_path=pg_catalog, pg_temp' = any (proconfig), false)",
        )
        # They write as their caller, and triggers of the table's owner may count on the caller's path.
        assert sorted(loose) == [("attach_partition",), ("detach_partition",), ("publish",)]


def test_everything_is_commented(db: str) -> None:
    with session(db) as connection:
        bare = rows(
            connection,
            "select relname::text from pg_class where relnamespace = 'mlguard'::regnamespace"
            "  and relkind in ('r', 'v', 'S') and relname <> 'alembic_version' and relname !~ '_id_seq$|_no_seq$'"
            "  and obj_description(oid, 'pg_class') is null"
            " union all select proname from pg_proc where pronamespace = 'mlguard'::regnamespace"
            "  and obj_description(oid, 'pg_proc') is null"
            " union all select relname || '.' || attname from pg_attribute join pg_class c on c.oid = attrelid"
            "  where relnamespace = 'mlguard'::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped"
            "  and relname <> 'alembic_version' and col_description(attrelid, attnum) is null",
        )
        assert bare == []


@pytest.mark.parametrize(
    "statement",
    ["update mlguard._event set who = 'x'", "delete from mlguard._event", "truncate mlguard._event"],
)
def test_events_are_append_only(db: str, statement: LiteralString) -> None:
    with session(db) as connection:
        connection.execute("select mlguard._record('apply', 'features.customer', null, null, 'first')")
        connection.execute("set session_replication_role = replica")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            connection.execute(statement)
        assert rows(connection, "select who, act, target, reason from mlguard.event") == [
            ("postgres", "apply", "features.customer", "first")
        ]


def test_resume_ends_what_is_in_force(customer_db: str) -> None:
    with session(customer_db) as connection, role(connection, "mlguard_platform"):
        connection.execute("select mlguard.off('features.customer/age.range', interval '4 h', 'one')")
        connection.execute("select mlguard.waive('features.customer/age.range', now() + interval '1 day', 'two')")
        connection.execute("select mlguard.off('features.customer/plan.in', interval '4 h', 'another rule')")
        assert value(connection, "select mlguard.resume('features.customer/age.range', 'mended')") == 2
        assert value(connection, "select mlguard.resume('features.customer/age.range', 'again')") == 0
        assert rows(connection, "select slo, ended_at <= clock_timestamp() from mlguard.waiver order by id") == [
            ("features.customer/age.range", True),
            ("features.customer/age.range", True),
            ("features.customer/plan.in", None),
        ]
        assert rows(
            connection, "select who, target, jsonb_array_length(before), reason from mlguard.event where act = 'resume'"
        ) == [("postgres", "features.customer/age.range", 2, "mended")]
        with pytest.raises(psycopg.errors.UndefinedObject):
            connection.execute("select mlguard.resume('features.customer/nope', 'x')")
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            connection.execute("select mlguard.resume('features.customer/age.range', ' ')")
    with session(customer_db) as connection:
        connection.execute("insert into features.customer (customer_id, age) values (1, -4)")
        assert value(connection, "select count(*) from features.customer") == 0
    with (
        session(customer_db) as connection,
        role(connection, "mlguard_task"),
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("select mlguard.resume('features.customer/age.range', 'x')")


def test_off_and_waive(customer_db: str) -> None:
    with session(customer_db) as connection, role(connection, "mlguard_platform"):
        until = value(connection, "select mlguard.off('features.customer/age.range', interval '4 h', 'feed is broken')")
        assert value(connection, "select %s - now() between interval '3:59' and interval '4 h'", until)
        connection.execute("select mlguard.waive('features.customer/plan.in', now() + interval '1 day', 'known')")
        assert rows(connection, "select slo, kind, reason, who, ended_at from mlguard.waiver order by id") == [
            ("features.customer/age.range", "off", "feed is broken", "postgres", None),
            ("features.customer/plan.in", "waive", "known", "postgres", None),
        ]
        assert value(connection, "select waived_until from mlguard.slo where name = 'age.range'") == until
        assert rows(connection, "select act, target, reason from mlguard.event order by id") == [
            ("off", "features.customer/age.range", "feed is broken"),
            ("waive", "features.customer/plan.in", "known"),
        ]
    with session(customer_db) as connection:
        connection.execute("insert into features.customer (customer_id, age) values (1, -4)")
        assert value(connection, "select count(*) from features.customer") == 1
        connection.execute("select mlguard.sweep(now() + interval '2 days')")
        assert value(connection, "select count(*) from mlguard._waiver where ended_at = until") == 2


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("off('features.customer/nope', '1 h', 'x')", "there is no SLO features.customer/nope"),
        ("off('features.customer/fresh', '1 h', ' ')", "needs a reason"),
        ("off('features.customer/fresh', '1 h', null)", "needs a reason"),
        ("off('features.customer/fresh', '-1 h', 'x')", "must end, and in the future"),
        ("off('features.customer/fresh', null, 'x')", "must end, and in the future"),
        ("waive('features.customer/fresh', 'infinity', 'x')", "must end, and in the future"),
        ("waive('features.customer/fresh', '2020-01-01', 'x')", "must end, and in the future"),
    ],
)
def test_exceptions_that_are_refused(customer_db: str, call: str, words: str) -> None:
    with session(customer_db) as connection, pytest.raises(psycopg.Error, match=words):
        connection.execute(f"select mlguard.{call}".encode())


def test_a_constraint_takes_no_waiver_but_says_the_alter(customer_db: str) -> None:
    with session(customer_db) as connection:
        with pytest.raises(psycopg.errors.FeatureNotSupported) as caught:
            connection.execute("select mlguard.off('features.customer/tenure.range', '1 h', 'x')")
        hint = str(caught.value.diag.message_hint)
        assert hint.startswith(
            'To take it out: alter table "features"."customer" drop constraint if exists "mlguard_tenure.range"; '
        )
        assert caught.value.diag.constraint_name == "features.customer/tenure.range"
        connection.execute(
            "update mlguard._slo set place = 'statement trigger' where id = 'features.customer/tenure.range'"
        )
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="waivable: true"):
            connection.execute("select mlguard.off('features.customer/tenure.range', '1 h', 'x')")


def test_health_of_an_slo(customer_db: str) -> None:
    query = "select health from mlguard.slo where name = %s"
    with session(customer_db) as connection:
        connection.execute(
            "insert into mlguard._object (tbl, kind, name, slos) values"
            " ('features.customer', 'TRIGGER', 'zz_mlguard_before_row', '{features.customer/age.range}'),"
            " ('features.customer', 'FUNCTION', 'mlguard.\"before row features.customer\"()',"
            "  '{features.customer/age.range}'),"
            " ('features.customer', 'VIEW', 'features.customer_guarded', '{features.customer}')"
        )
        assert {name: value(connection, query, name) for name in ("tenure.range", "age.range", "fresh")} == {
            "tenure.range": "INSTALLED",
            "age.range": "INSTALLED",
            "fresh": "INSTALLED",
        }
        connection.execute("alter table features.customer disable trigger zz_mlguard_before_row")
        connection.execute('alter table features.customer drop constraint "mlguard_tenure.range"')
        connection.execute("drop view features.customer_guarded")
        assert {name: value(connection, query, name) for name in ("tenure.range", "age.range", "fresh")} == {
            "tenure.range": "MISSING",
            "age.range": "DISABLED",
            "fresh": "MISSING",
        }


def test_roles_made_later_get_their_rights(bare_any: str) -> None:
    """Where the installer may not make roles, an administrator does, and the owner grants again."""
    from mlguard import runtime

    with session(bare_any) as connection:
        runtime.install(connection)
        connection.execute("revoke usage on schema mlguard from mlguard_task")
        connection.execute("revoke all on all tables in schema mlguard from mlguard_task")
        with role(connection, "mlguard_task"), pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select * from mlguard.gate")
        connection.execute("select mlguard.grant_roles()")
        with role(connection, "mlguard_task"):
            assert rows(connection, "select * from mlguard.gate") == []
