"""What a target of mlguard.yaml says: where the database is, and whom mlguard's roles are given to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from mlguard.cli import cli
from tests.support import CUSTOMER, prepare, query, write

SLOS = """
mlguard: 1
table: features.customer
key: [customer_id]
columns:
  age: {type: integer, range: [0, 130]}
"""
NAMES = ("target churn", "target_loader", "target_admin")
Run = Callable[..., Result]


@pytest.fixture
def run(bare18: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TARGET_DSN", bare18)
    prepare(bare18, CUSTOMER)
    for name in NAMES:
        prepare(bare18, f'create role "{name}" login')
    write(tmp_path, SLOS)
    (tmp_path / "mlguard.yaml").write_text(
        "mlguard: 1\n"
        "targets:\n"
        "  prod: {dsn: '${TARGET_DSN}', roles: {task: ['target churn', target_admin], writer: [target_loader]}}\n"
        "  typo: {dsn: '${TARGET_DSN}', roles: {task: [target_nobody]}}\n"
    )

    def invoke(*args: str, code: int = 0) -> Result:
        done = CliRunner().invoke(cli, args)
        assert done.exit_code == code, done.output
        return done

    yield invoke
    for name in NAMES:
        prepare(bare18, f'reassign owned by "{name}" to postgres; drop owned by "{name}"; drop role "{name}"')


def members(dsn: str) -> list[tuple[object, ...]]:
    return query(
        dsn,
        "select g.rolname, m.rolname from pg_auth_members a join pg_roles g on g.oid = a.roleid"
        " join pg_roles m on m.oid = a.member where m.rolname like 'target%' order by 1, 2",
    )


WANTED = [("mlguard_task", "target churn"), ("mlguard_task", "target_admin"), ("mlguard_writer", "target_loader")]


def test_apply_gives_the_roles_of_its_target(run: Run, bare18: str) -> None:
    assert "role mlguard_task: given to target churn, target_admin" in run("--target", "prod", "plan").stdout
    assert members(bare18) == []
    done = run("--target", "prod", "apply", "--yes")
    assert "applied: features.customer\nrole mlguard_task: given to target churn, target_admin\n" in done.stderr
    assert members(bare18) == WANTED
    assert "nothing to do" in run("--target", "prod", "plan", "--detailed-exitcode").stdout


def test_a_membership_that_is_missing_is_something_to_do(run: Run, bare18: str) -> None:
    run("apply", "--yes", "--dsn", bare18)
    assert members(bare18) == []
    found = json.loads(run("--target", "prod", "plan", "--format", "json", "--detailed-exitcode", code=4).stdout)
    assert found["roles"][2] == {"role": "mlguard_writer", "member": "target_loader"}
    assert "roles: 3 to give" in found["summary"]
    prepare(bare18, "grant mlguard_task to target_admin")
    done = run("--target", "prod", "apply", "--yes")
    assert "role mlguard_task: given to target churn\n" in done.stderr
    assert "applied: nothing" not in done.stderr
    assert members(bare18) == WANTED


def test_a_role_nobody_has_heard_of_stops_apply_before_it_begins(run: Run, bare18: str) -> None:
    said = run("--target", "typo", "apply", "--yes", code=2).stderr
    assert "no role target_nobody on this server" in said
    assert 'create role "target_nobody" login' in said
    assert query(bare18, "select to_regnamespace('mlguard')") == [(None,)]


def test_who_may_not_give_roles_is_told_what_to_have_run(
    run: Run, bare18: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("apply", "--yes", "--dsn", bare18)
    prepare(
        bare18,
        "grant create on database " + str(psycopg.conninfo.conninfo_to_dict(bare18)["dbname"]) + " to target_admin;"
        "alter table features.customer owner to target_admin; grant usage, create on schema features to target_admin;"
        "grant all on schema mlguard to target_admin; grant all on all tables in schema mlguard to target_admin;"
        "grant all on all functions in schema mlguard to target_admin;"
        "grant all on all sequences in schema mlguard to target_admin",
    )
    monkeypatch.setenv("TARGET_DSN", psycopg.conninfo.make_conninfo(bare18, user="target_admin"))
    said = run("--target", "prod", "apply", "--yes", code=3).stderr
    assert "the tables are done, but roles could not be given" in said
    assert 'an administrator runs: grant "mlguard_task" to "target churn"; grant "mlguard_task" to' in said
