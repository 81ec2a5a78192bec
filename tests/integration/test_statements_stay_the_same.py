"""What clients and generated functions run is one text with parameters, so that pg_stat_statements counts it once."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mlguard import api, operate
from mlguard.embedded import EmbeddedServer
from mlguard.operate.explain import explain
from mlguard.operate.overview import overview
from tests import servers
from tests.support import CUSTOMER, prepare, project

SLOS = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
columns:
  age: {range: {between: [0, 130], on_violation: quarantine}, max_null_rate: 20%}
  plan: {in: {values: [free, pro], on_violation: warn}}
  tenure_days: {range: {between: [0, null], on_violation: repair, repair: {default: 0}}}
slos:
  - {name: mean_age, check: mean(age) < 100, over: batch}
  - {name: half, check: coverage(age) >= 0.5, over: batch, on_violation: hold}
"""


@pytest.fixture(scope="module")
def counting() -> Iterator[servers.TestServer]:
    """The machine's server, which loads pg_stat_statements where it is installed."""
    binaries = servers.machine_binaries()
    if binaries is None:
        pytest.skip("needs a PostgreSQL of the machine's own: none is installed")
    settings = dict(servers.SETTINGS)
    if any(binaries.parent.glob("lib/**/pg_stat_statements.*")):
        settings["shared_preload_libraries"] = "pg_stat_statements"
    with (
        EmbeddedServer(binaries=binaries, settings=settings, parent=servers.folder()) as server,
        contextlib.closing(servers.TestServer(server)) as made,
    ):
        yield made


@pytest.fixture
def guarded(counting: servers.TestServer, tmp_path: Path) -> Iterator[psycopg.Connection[Any]]:
    with counting.guarded_database() as dsn:
        prepare(dsn, CUSTOMER)
        api.apply(project(tmp_path, SLOS), dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield connection


def load(connection: psycopg.Connection[Any], number: int) -> None:
    """Write a load in which every action has something to do, each time of other values and another size."""
    connection.execute(
        "insert into features.customer"
        " select %s * 1000 + n, case when n %% 9 = 0 then 200 + n else n %% 90 end,"
        " case when n %% 7 = 0 then 'gold' else 'free' end, n - 3, null, now() from generate_series(1, %s) n",
        (number, 40 + number),
    )
    connection.execute("select count(*) from mlguard.sweep()")


def texts(connection: psycopg.Connection[Any]) -> dict[int, str]:
    """Return the statements that pg_stat_statements tells apart, by its id."""
    rows = connection.execute(
        "select s.queryid, s.query from pg_stat_statements as s"
        " where s.dbid = (select d.oid from pg_database as d where d.datname = current_database())"
    ).fetchall()
    return {int(queryid): str(query) for queryid, query in rows}


class Recorder(psycopg.Cursor[Any]):
    """Keeps the text of every statement as the client sends it."""

    seen: set[str] = set()  # noqa: RUF012 - one for all cursors of a test

    def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
        text = (
            query.decode() if isinstance(query, bytes) else query if isinstance(query, str) else query.as_string(self)
        )
        self.seen.add(text)
        return super().execute(query, params, **more)


def watched(connection: psycopg.Connection[Any], work: Callable[[], object]) -> set[str]:
    Recorder.seen = set()
    before, connection.cursor_factory = connection.cursor_factory, Recorder
    try:
        work()
    finally:
        connection.cursor_factory = before
    return Recorder.seen


def test_what_the_client_sends_does_not_change_with_what_it_asks(
    guarded: psycopg.Connection[Any], tmp_path: Path
) -> None:
    def asked() -> None:
        operate.status(guarded)
        operate.violations(guarded, limit=7)
        rows = operate.quarantine_list(guarded, limit=1)
        operate.quarantine_show(guarded, [row.id for row in rows])
        for one in operate.incidents(guarded):
            operate.incident(guarded, one.id)
            operate.snooze(guarded, one.id, _later(guarded), f"reason {one.times}")
        explain(guarded, "features.customer/half")
        operate.audit_list(guarded, target="features.customer")
        overview(guarded)

    load(guarded, 1)
    first = watched(guarded, asked)
    for number in range(2, 5):
        load(guarded, number)
    assert watched(guarded, asked) - first == set()
    ids = [text for text in first if re.search(r"\bid\s*=\s*\d|batch\s*=\s*\d|'features\.customer/half'", text)]
    assert ids == []


def _later(connection: psycopg.Connection[Any]) -> Any:
    row = connection.execute("select now() + interval '1 hour'").fetchone()
    assert row is not None
    return row[0]


def test_loads_run_the_same_statements(guarded: psycopg.Connection[Any]) -> None:
    """Where the server has pg_stat_statements loaded, its ids are counted; else texts of the generated functions."""
    loaded = guarded.execute("select current_setting('shared_preload_libraries')").fetchone()
    if loaded is not None and "pg_stat_statements" in str(loaded[0]):
        guarded.execute("create extension if not exists pg_stat_statements")
        guarded.execute("set pg_stat_statements.track = 'all'")
        for number in range(1, 4):
            load(guarded, number)
        texts(guarded)  # that this was asked is counted too
        before = texts(guarded)
        for number in range(4, 8):
            load(guarded, number)
        assert [query for queryid, query in texts(guarded).items() if queryid not in before] == []
        return
    bodies = guarded.execute(
        "select p.proname, p.prosrc from pg_proc as p where p.pronamespace = 'mlguard'::regnamespace"
        " and p.proname ~ ' features.customer'"
    ).fetchall()
    assert len(bodies) > 3
    # A text that is put together and then EXECUTEd would be another statement at every call.
    assert [name for name, body in bodies if re.search(r"\bexecute\b", body, re.IGNORECASE)] == []


def test_the_runtime_puts_no_values_into_what_it_executes(guarded: psycopg.Connection[Any]) -> None:
    """EXECUTE format(…) may name relations (%I, %s of what a name is made of), and never a value (%L)."""
    found = guarded.execute(
        "select p.proname, p.prosrc from pg_proc as p where p.pronamespace = 'mlguard'::regnamespace"
        " and p.prosrc ~* 'execute format'"
    ).fetchall()
    assert found
    calls = [(name, call) for name, body in found for call in re.findall(r"(?is)execute format\(.*?;", body)]
    # DDL takes no parameters; a comment is the only place where one of its words is a value.
    assert [name for name, call in calls if "%L" in call and "'comment on " not in call] == []
