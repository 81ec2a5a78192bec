"""As on a managed server: no superuser, no CREATEROLE, no event trigger; and tables whose rows belong to teams."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from mlguard import api, doctor
from mlguard.connect import session
from mlguard.doctor import Finding
from mlguard.errors import SpecError
from mlguard.spec import Project
from tests import servers
from tests.support import prepare, project, query

TEAMS = """
create schema features;
grant usage on schema features to red, blue;
create table features.customer (id bigint primary key, team text not null, age integer, note text);
alter table features.customer enable row level security;
alter table features.customer force row level security;
create policy own_team on features.customer using (team = current_user or current_user = 'platform');
grant select, insert, update, delete on features.customer to red, blue
"""
SLOS = """
mlguard: 1
table: features.customer
key: [id]
reads: %s
columns:
  age: {type: integer, range: {between: [0, 130], on_violation: quarantine}}
slos:
  - {name: notes, check: coverage(note) >= 0.5, over: batch, on_violation: hold, min_rows: 1}
  - {name: known, check: age <> 99}
"""


def examine(dsn: str) -> list[Finding]:
    with session(dsn) as connection:
        return doctor.examine(connection)


def as_role(dsn: str, role: str) -> str:
    return psycopg.conninfo.make_conninfo(dsn, user=role)


@pytest.fixture(scope="module", params=["18", "machine"])
def managed(request: pytest.FixtureRequest) -> Iterator[str]:
    """DSN of an owner without any right but CREATE on the database, on a server that mlguard was never on."""
    binaries = servers.machine_binaries() if request.param == "machine" else None
    if request.param == "machine" and binaries is None:
        pytest.skip("needs a PostgreSQL 14 to 17 of the machine's own")
    with servers.machine(binaries) if binaries else servers.embedded(18) as server, server.database() as dsn:
        prepare(
            dsn, "create role platform login nosuperuser nocreaterole; create role red login; create role blue login"
        )
        name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
        prepare(dsn, f"grant create on database {name} to platform")
        yield as_role(dsn, "platform")


@pytest.fixture(params=["view", "policy"])
def teams(managed: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[str, Project]]:
    """A guarded table with policies of its own."""
    prepare(managed, TEAMS)
    slos = project(tmp_path, SLOS % request.param + "revoke: [red, blue]\n" * (request.param == "view"))
    api.apply(slos, managed)
    yield managed, slos
    api.remove(None, managed, discard=True, runtime_too=True)
    assert query(managed, "select to_regnamespace('mlguard')") == [(None,)]
    prepare(managed, "drop schema features cascade")


def test_everything_works_without_rights(teams: tuple[str, Project]) -> None:
    owner, slos = teams
    reads = query(owner, "select reads from mlguard._table")[0][0]
    relation = "features.customer_guarded" if reads == "view" else "features.customer"
    found = {finding.message.split()[1]: finding.fix for finding in examine(owner) if finding.name == "role"}
    for role, fix in found.items():
        if f"create role {role}" in fix:  # an administrator makes the roles, the first time there are none
            prepare(as_role(owner, "postgres"), f"create role {role}")
        assert fix.endswith("as the owner of schema mlguard: select mlguard.grant_roles();")
    prepare(owner, "select mlguard.grant_roles()")
    for finding in examine(owner):  # the view was made before there was a role to read it
        assert finding.name == "ungranted"
        prepare(owner, finding.fix)
    assert examine(owner) == []
    # Each team writes its own rows; what is kept out, judged and counted is the table's, whoever owns the row.
    for role in ("red", "blue"):
        rows = f"({len(role)}, '{role}', 30, 'x'), ({len(role) + 10}, '{role}', 400, 'x')"
        prepare(as_role(owner, role), f"insert into features.customer values {rows}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            prepare(as_role(owner, role), "insert into features.customer values (77, 'green', 30, 'x')")
        with pytest.raises(psycopg.errors.CheckViolation, match="customer/known"):
            prepare(as_role(owner, role), f"insert into features.customer values (78, '{role}', 99, 'x')")
    prepare(owner, "select mlguard.sweep()")
    assert query(owner, "select row ->> 'team' from mlguard.quarantine order by 1") == [("blue",), ("red",)]
    for role in ("red", "blue"):
        seen = query(as_role(owner, role), f"select team from {relation}")
        assert seen == [(role,)]
    oldest = "(select min(id) from mlguard.quarantine)"
    released = query(owner, f"select outcome from mlguard.release({oldest}, '{{\"age\": 4}}')")
    assert released == [("released",)]
    prepare(as_role(owner, "red"), "insert into features.customer values (50, 'red', 30, null)")
    for role in ("red", "blue"):
        with pytest.raises(psycopg.Error, match="is held since"):
            query(as_role(owner, role), f"select team from {relation}")
    assert api.plan(slos, owner).empty


def test_a_changed_column_is_found_without_an_event_trigger(teams: tuple[str, Project]) -> None:
    owner, slos = teams
    assert query(owner, "select evtname from pg_event_trigger where evtname like 'mlguard%'") == []
    [(says,)] = query(owner, "select reason from mlguard.slo where name = 'schema'")
    assert says == "sweep() compares the columns; an event trigger needs a superuser"
    prepare(owner, "alter table features.customer rename note to remark")
    assert {"schema", "column-gone"} <= {finding.name for finding in examine(owner)}
    with pytest.raises(SpecError, match="no column `note`"):
        api.plan(slos, owner)
    prepare(owner, "select mlguard.sweep()")
    assert query(owner, "select state from mlguard.gate") == [("closed",)]
