"""The schema SLO: columns that change under a guarded table close its gate, and what reopens it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from mlguard import api
from mlguard.doctor import examine
from tests import support
from tests.runtime_example import rows, session, value

FILE = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
owner: platform-ml
schema: {mode}
columns:
  age: {{type: integer, range: [0, 130]}}
  plan: {{type: text}}
"""


def guard(dsn: str, folder: Path, mode: str) -> None:
    api.apply(support.project(folder, FILE.format(mode=mode)), dsn)


def change(connection: psycopg.Connection[Any], what: str) -> None:
    """Alter the table. The guarded view names its columns, so who drops or retypes one must take the view away."""
    connection.execute("drop view if exists features.customer_guarded")
    connection.execute(f"alter table features.customer {what}".encode())


def closed(connection: psycopg.Connection[Any]) -> str | None:
    """Return why the gate is closed: the whole message a reader gets; None where it is open."""
    if not value(connection, "select exists (select from mlguard._hold where ended_at is null)"):
        return None
    with pytest.raises(psycopg.Error) as told:
        connection.execute("select mlguard.guard_v1('features.customer')")
    diag = told.value.diag
    return "\n".join(filter(None, (diag.message_primary, diag.message_detail, diag.message_hint)))


@pytest.mark.parametrize(
    ("mode", "what", "words"),
    [
        ("at_least", "drop column plan", "column plan was dropped"),
        ("at_least", "rename column plan to tariff", "column plan was renamed to tariff"),
        ("at_least", "alter column plan type varchar(9)", "column plan is character varying(9), was text"),
        ("at_least", "drop column tenure_days", None),
        ("at_least", "add column more text", None),
        ("at_least", "alter column tenure_days type real", None),
        ("exact", "drop column tenure_days", "column tenure_days was dropped"),
        ("exact", "rename column tenure_days to tenure", "column tenure_days was renamed to tenure"),
        ("exact", "alter column tenure_days type real", "column tenure_days is real, was double precision"),
        ("exact", "add column more text", "column more is new"),
        ("exact", "alter column email set not null", None),
        ("off", "drop column plan", None),
        ("off", "add column more text", None),
    ],
)
def test_what_changes_about_columns_closes_the_gate_at_once(
    pg18: str, tmp_path: Path, mode: str, what: str, words: str | None
) -> None:
    support.prepare(pg18)
    guard(pg18, tmp_path, mode)
    with session(pg18) as connection:
        assert closed(connection) is None
        change(connection, what)
        told = closed(connection)
        if words is None:
            assert told is None
        else:
            assert told is not None
            assert words in told
            assert "mlguard apply" in told


def test_what_it_breaks_is_named(pg18: str, tmp_path: Path) -> None:
    support.prepare(pg18)
    guard(pg18, tmp_path, "at_least")
    with session(pg18) as connection:
        change(connection, "rename column plan to tariff")
        [(outcome, observed, allowed, detail)] = rows(
            connection,
            "select outcome, observed, allowed, detail from mlguard.verdict where slo = 'features.customer/schema'",
        )
        assert outcome == "FAIL"
        assert observed.startswith("column plan was renamed to tariff")
        assert allowed.startswith("allowed as at the last mlguard apply")
        assert detail["words"] == "column plan was renamed to tariff"
        assert value(connection, "select count(*) from mlguard.incident where slo = 'features.customer/schema'") == 1
        [finding] = [found for found in examine(connection) if found.name == "schema"]
        assert "column plan was renamed to tariff" in finding.message


def test_slos_that_lose_their_column_are_named(pg18: str, tmp_path: Path) -> None:
    support.prepare(pg18)
    guard(pg18, tmp_path, "at_least")
    with session(pg18) as connection:
        change(connection, "rename column age to years")
        assert "column age was renamed to years (breaks age.range)" in (closed(connection) or "")
        [finding] = [found for found in examine(connection) if found.name == "schema"]
        assert finding.message.startswith("column age was renamed to years; it breaks features.customer/age.range")


def test_the_column_back_reopens_the_gate(pg18: str, tmp_path: Path) -> None:
    support.prepare(pg18)
    guard(pg18, tmp_path, "at_least")
    with session(pg18) as connection:
        change(connection, "rename column plan to tariff")
        assert closed(connection)
        change(connection, "rename column tariff to plan")
        assert closed(connection) is None
        found = rows(
            connection, "select outcome from mlguard.verdict where slo = 'features.customer/schema' order by id"
        )
        assert found == [("FAIL",), ("PASS",)]


def test_plan_names_the_change_and_apply_takes_it(pg18: str, tmp_path: Path) -> None:
    support.prepare(pg18)
    guard(pg18, tmp_path, "exact")
    with session(pg18) as connection:
        change(connection, "drop column tenure_days")
        change(connection, "add column more text")
        assert closed(connection)
    project = support.project(tmp_path, FILE.format(mode="exact"))
    plan = api.plan(project, pg18)
    assert not plan.empty
    [table] = plan.tables
    assert table.changed_columns == "column more is new; column tenure_days was dropped"
    api.apply(project, pg18)
    with session(pg18) as connection:
        assert closed(connection) is None
    assert api.plan(project, pg18).empty


def test_moved_columns_are_found_where_the_order_counts(pg18: str, tmp_path: Path) -> None:
    support.prepare(pg18)
    guard(pg18, tmp_path, "exact")
    with session(pg18) as connection:
        # One transaction: nobody sees the columns in between, but the trigger does.
        with connection.transaction():
            change(connection, "drop column email")
            change(connection, "add column email text")
        told = closed(connection)
        assert told is not None
        assert "columns stand in another order" in told


def test_a_change_that_is_rolled_back_leaves_nothing(pg18: str, tmp_path: Path) -> None:
    support.prepare(pg18)
    guard(pg18, tmp_path, "exact")
    with session(pg18) as connection:
        with connection.transaction(force_rollback=True):
            change(connection, "drop column email")
            assert value(connection, "select count(*) from mlguard._hold where ended_at is null") == 1
        assert closed(connection) is None
        assert value(connection, "select count(*) from mlguard._verdict") == 0


def test_alter_table_never_fails_because_of_it(pg18: str, tmp_path: Path) -> None:
    support.prepare(pg18)
    guard(pg18, tmp_path, "exact")
    notices: list[str] = []
    with session(pg18) as connection:
        connection.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
        connection.execute("alter function mlguard._schema_faults(text) rename to _lost")
        change(connection, "add column more text")
        assert any("could not be judged" in notice for notice in notices)
        assert value(connection, "select count(more) from features.customer") == 0
        connection.execute("alter function mlguard._lost(text) rename to _schema_faults")
        connection.execute("select mlguard.sweep()")
        assert "column more is new" in (closed(connection) or "")


def test_other_tables_may_change_as_they_like(pg18: str, tmp_path: Path) -> None:
    support.prepare(pg18)
    guard(pg18, tmp_path, "exact")
    with session(pg18) as connection:
        connection.execute("create table features.other (a integer)")
        connection.execute("alter table features.other add column b integer")
        connection.execute("drop table features.other")
        assert closed(connection) is None
        assert value(connection, "select count(*) from mlguard._verdict") == 0


@pytest.fixture
def owner(bare18: str) -> Any:
    """DSN of an ordinary role that owns the database and its tables; it may make no event trigger."""
    name = "schema_owner"
    with session(bare18) as connection:
        connection.execute(f"drop role if exists {name}".encode())
        connection.execute(f"create role {name} login".encode())
        database = connection.info.dbname
        connection.execute(f'alter database "{database}" owner to {name}'.encode())
        connection.execute(f"grant all on schema public to {name}".encode())
    made = psycopg.conninfo.make_conninfo(bare18, user=name)
    yield made
    with session(bare18) as connection:
        connection.execute(f"drop owned by {name} cascade".encode())
        connection.execute(f'alter database "{database}" owner to postgres'.encode())
        connection.execute(f"drop role {name}".encode())


def test_without_the_event_trigger_sweep_plan_and_doctor_find_it(owner: str, tmp_path: Path) -> None:
    support.prepare(owner)
    guard(owner, tmp_path, "at_least")
    project = support.project(tmp_path, FILE.format(mode="at_least"))
    with session(owner) as connection:
        assert value(connection, "select count(*) from pg_event_trigger where evtname ~ '^mlguard'") == 0
        reason = value(connection, "select reason from mlguard._slo where id = 'features.customer/schema'")
        assert reason == "sweep() compares the columns; an event trigger needs a superuser"
        change(connection, "alter column plan type varchar(9)")
        assert closed(connection) is None, "nobody has looked yet"
        assert "column plan is character varying(9), was text" in "; ".join(
            found.message for found in examine(connection)
        )
        connection.execute("select mlguard.sweep()")
        assert "column plan is character varying(9), was text" in (closed(connection) or "")
        change(connection, "alter column plan type text")
        connection.execute("select mlguard.sweep()")
        assert closed(connection) is None
        change(connection, "alter column plan type varchar(9)")
    [table] = api.plan(project, owner).tables
    assert table.changed_columns == "column plan is character varying(9), was text"
