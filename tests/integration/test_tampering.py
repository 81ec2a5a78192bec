"""Whoever owns the database can change it behind mlguard's back; doctor names what, and doing as it says mends it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from click.testing import CliRunner

from mlguard import api, definitions, doctor
from mlguard.cli import cli
from mlguard.connect import session
from mlguard.spec import Project
from tests.support import prepare, project, query

TABLES = """
create schema features;
create table features.customer (id bigint primary key, age integer, plan text, note text);
create table features.daily (id bigint, day date, age integer, primary key (id, day)) partition by range (day);
create table features.daily_1 partition of features.daily for values from ('2026-01-01') to ('2026-02-01');
create table features.daily_2 partition of features.daily for values from ('2026-02-01') to ('2026-03-01');
create role tampering_reader;
grant usage on schema features to tampering_reader
"""
CUSTOMER = """
mlguard: 1
table: features.customer
key: [id]
columns:
  age: {type: integer, range: {between: [0, 130], on_violation: quarantine}}
  plan: {type: text, in: [free, pro]}
slos:
  - {name: notes, check: coverage(note) >= 0.5, over: batch, on_violation: hold, min_rows: 1}
"""
DAILY = """
mlguard: 1
table: features.daily
key: [id, day]
columns:
  age: {type: integer, range: {between: [0, 130], on_violation: quarantine}}
"""
CHECK = '"mlguard_plan.in"'
OFF = "alter table mlguard.{0} disable trigger all;"
ON = "alter table mlguard.{0} enable always trigger refuse_rewriting;"
EDIT = (
    OFF.format("_event") + "{0};" + ON.format("_event") + "alter table mlguard._event enable always trigger await_seal,"
    " enable always trigger refuse_deletion"
)


@dataclass
class Guarded:
    """A database without a finding, and its SLO files."""

    dsn: str
    slos: Project

    def examine(self) -> list[doctor.Finding]:
        with session(self.dsn) as connection:
            return doctor.examine(connection)

    def mend(self, found: list[doctor.Finding]) -> None:
        """Do what the fixes say, each once."""
        for fix in dict.fromkeys(finding.fix for finding in found):
            statement = re.search(r"(?:alter|drop|grant|revoke|select|update) .*;", fix)
            if fix.startswith("mlguard apply") or statement is None:
                assert "mlguard apply" in fix, fix
                api.apply(self.slos, self.dsn)
            else:
                prepare(self.dsn, statement[0])


@pytest.fixture(scope="module", params=["18", "machine"])
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """One database for all: each test leaves it as it found it."""
    server = request.getfixturevalue("server18" if request.param == "18" else "server_machine")
    folder = tmp_path_factory.mktemp("tampering")
    with server.guarded_database() as dsn:
        prepare(dsn, TABLES)
        try:
            project(folder, CUSTOMER, "customer.slo.yaml")
            slos = project(folder, DAILY, "daily.slo.yaml")
            api.apply(slos, dsn)
            prepare(dsn, "insert into features.customer values (1, 30, 'free', null), (2, 400, 'free', null)")
            prepare(dsn, "select mlguard.register('m', '1'); select mlguard.register('m', '2')")
            prepare(dsn, "select mlguard.sweep()")
            made = Guarded(dsn, slos)
            assert made.examine() == []
            yield made
        finally:
            prepare(dsn, "drop owned by tampering_reader; drop role tampering_reader")


TAMPERING = {
    "a disabled trigger": ("alter table features.customer disable trigger zz_mlguard_before_row", {"disabled"}),
    "all triggers disabled": ("alter table features.customer disable trigger all", {"disabled"}),
    "a disabled clone": ("alter table features.daily_1 disable trigger zz_mlguard_before_row", {"disabled"}),
    "a partition's triggers disabled": ("alter table features.daily_2 disable trigger all", {"disabled"}),
    "a trigger that a replica load skips": (
        "alter table features.customer enable trigger zz_mlguard_before_row", {"not-always"}),
    "a trigger that fires for a replica only": (
        "alter table features.customer enable replica trigger zz_mlguard_before_row", {"not-always"}),
    "a dropped trigger": ("drop trigger zz_mlguard_before_row on features.customer", {"missing"}),
    "a renamed trigger": (
        "alter trigger zz_mlguard_before_row on features.customer rename to aa_mine", {"missing", "unrecorded"}),
    "an edited function": (
        ('create or replace function mlguard."before row features.customer"() returns trigger language plpgsql'
        " as 'begin return new; end'"), {"tampered"}),
    "a function that lost its search_path": (
        'alter function mlguard."before row features.customer"() reset all', {"tampered"}),
    "a dropped constraint": (f"alter table features.customer drop constraint {CHECK}", {"missing"}),
    "a constraint that holds nothing": (
        f"alter table features.customer drop constraint {CHECK}, add constraint {CHECK} check (true)", {"tampered"}),
    "a NOT VALID twin": (
        (f"alter table features.customer drop constraint {CHECK},"
        f" add constraint {CHECK} check (plan in ('free', 'pro')) not valid"), {"tampered"}),
    "a replaced view": (
        "create or replace view features.customer_guarded as select * from features.customer", {"tampered"}),
    "a dropped view": ("drop view features.customer_guarded", {"missing"}),
    "a granted table": (
        "grant select on features.customer to tampering_reader", {"reads-past-gate"}),
    "a revoked view": ("revoke select on features.customer_guarded from mlguard_task", {"ungranted"}),
    "a rule": ("create rule mine as on insert to features.customer do instead nothing", {"rule"}),
    "a heir, and no more": (
        "create table features.heir () inherits (features.customer); drop table features.heir", set()),
    "an edited runtime function": (
        "create or replace function mlguard.guard_v1(p_tbl text) returns boolean language sql as 'select true'",
        {"runtime-edited"}),
    "a runtime function that lost its rights": (
        "alter function mlguard._judge_batch() security invoker", {"runtime-edited"}),
    "runtime functions dropped": (
        ("drop function mlguard._except; drop function mlguard.begin_batch(text, boolean);"
        " drop function mlguard.begin_batch(bigint, boolean)"), {"runtime-edited"}),
    "judging at COMMIT switched off": (OFF.format("_delta"), {"runtime-edited"}),
    "the audit opened for edits": (OFF.format("_event_seal"), {"runtime-edited"}),
    "a private table opened": ("grant select on mlguard._quarantine to tampering_reader", {"opened"}),
    "an act opened to everybody": (
        "grant execute on function mlguard.off(text, interval, text) to public", {"opened"}),
    "a call that writers need taken away": (
        "revoke execute on function mlguard.refuse_v1(text, jsonb, jsonb) from public", {"opened"}),
    "a sequence set back": ("select setval('mlguard._quarantine_id_seq', 1, false)", {"numbers"}),
    "an SLO taken out of the registry": (
        "delete from mlguard._slo where id = 'features.customer/plan.in'", {"unregistered"}),
    "a table taken out of the registry": (
        "delete from mlguard._table where tbl = 'features.daily'", {"unregistered"}),
    "the record of an object deleted": (
        "delete from mlguard._object where name = 'zz_mlguard_kept_out'", {"unrecorded"}),
    "a hold ended by hand": ("update mlguard._hold set ended_at = now()", {"hold-ended"}),
    "a hold ended in somebody's name": (
        "update mlguard._hold set ended_at = now(), ended_by = 'postgres', resolved = true", {"hold-ended"}),
    "a hold deleted": ("delete from mlguard._hold", {"hold-ended"}),
    "a verdict edited": ("update mlguard._verdict set outcome = 'PASS' where over = 'batch'", {"verdict-edited"}),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERING)
def test_tampering_is_named_and_mended(guarded: Guarded, name: str) -> None:
    sql, names = TAMPERING[name]
    prepare(guarded.dsn, sql)
    found = guarded.examine()
    assert {finding.name for finding in found} == names
    guarded.mend(found)
    assert guarded.examine() == []
    assert query(guarded.dsn, "select state from mlguard.gate where tbl = 'features.customer'") == [("closed",)]


@pytest.mark.parametrize(
    ("tamper", "undo"),
    [
        (
            "update mlguard._event set who = 'nobody' where id = 1",
            "update mlguard._event set who = 'postgres' where id = 1",
        ),
        (
            ("create table features.taken as select * from mlguard._event where id = 2;"
            " delete from mlguard._event where id = 2"),
            ("insert into mlguard._event overriding system value select * from features.taken;"
            " delete from mlguard._unsealed; drop table features.taken"),
        ),
    ],
)  # fmt: skip
def test_edits_of_the_audit_are_found(guarded: Guarded, tamper: str, undo: str) -> None:
    prepare(guarded.dsn, EDIT.format(tamper))
    [finding] = guarded.examine()
    assert (finding.name, finding.message) == ("audit", "the chain of audited events has 1 fault")
    assert "mlguard audit verify" in finding.fix
    assert CliRunner().invoke(cli, ["audit", "verify", "--dsn", guarded.dsn]).exit_code == 1
    prepare(guarded.dsn, EDIT.format(undo))
    assert guarded.examine() == []


@pytest.mark.parametrize(
    ("tamper", "health"),
    [
        ("alter table features.daily_1 disable trigger zz_mlguard_before_row", "DISABLED"),
        ('alter function mlguard."before row features.daily"() reset all', "TAMPERED"),
        ("drop trigger zz_mlguard_before_row on features.daily", "MISSING"),
    ],
)
def test_status_shows_it(guarded: Guarded, tamper: str, health: str) -> None:
    prepare(guarded.dsn, tamper)
    said = CliRunner().invoke(cli, ["status", "--dsn", guarded.dsn, "--format", "json"]).stdout
    assert re.search(rf'"slo": "features.daily/age.range"[^}}]*"health": "{health}"', said), said
    guarded.mend(guarded.examine())
    assert guarded.examine() == []


@pytest.mark.parametrize(
    "sql",
    [
        "set session_replication_role = replica; insert into features.customer values (9, 400, 'free', null)",
        "truncate features.customer; insert into features.customer values (9, 400, 'free', 'x')",
        (
            "begin; truncate features.customer; copy features.customer from program 'echo 9,400,free,x'"
            " with (format csv, freeze); commit"
        ),
    ],
    ids=["replica", "truncate", "freeze"],
)
def test_loads_that_look_for_a_way_round_are_judged(guarded: Guarded, sql: str) -> None:
    """A superuser's own load: as a replica, after TRUNCATE, and with COPY FREEZE."""
    with psycopg.connect(guarded.dsn, autocommit=True) as connection:
        connection.execute("begin")
        connection.execute(sql.replace("begin; ", "").replace("; commit", "").encode())
        assert connection.execute("select count(*) from features.customer where age > 130").fetchone() == (0,)
        connection.execute("rollback")


def test_definitions_are_read_without_a_query_for_each_function_of_postgresql(db: str) -> None:
    """They are read at every plan, apply and doctor."""
    with psycopg.connect(db) as connection:
        connection.execute("set local track_functions = 'all'")
        for query in definitions.QUERIES.values():
            connection.execute(query.encode())
        ran = connection.execute("select coalesce(sum(calls), 0)::int from pg_stat_xact_user_functions").fetchall()
    assert ran[0][0] < 100, "obj_description() alone would run more than 3,000 times"
