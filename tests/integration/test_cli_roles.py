"""What the verbs show to whom: task, writer and platform roles that own nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from mlguard import api
from mlguard.cli import cli
from tests.support import CUSTOMER, prepare, project

TABLE = "features.customer"
SLOS = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
columns:
  age: {type: integer, range: {between: [0, 130], on_violation: quarantine}}
slos:
  - {name: fresh, check: staleness() <= INTERVAL '26 hours'}
"""
RunAs = Callable[..., Result]


@pytest.fixture
def run_as(guarded_db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunAs]:
    """Run a verb as a login role that is a member of one of mlguard's."""
    monkeypatch.chdir(tmp_path)
    prepare(guarded_db, CUSTOMER)
    api.apply(project(tmp_path, SLOS), guarded_db)
    (tmp_path / "slos" / "t.slo.yaml").unlink()
    (tmp_path / "slos").rmdir()
    prepare(guarded_db, f"insert into {TABLE} (customer_id, age) values (1, 400), (2, 20)")
    roles = ("task", "writer", "platform", "nobody")
    for role in roles:
        prepare(guarded_db, f"create role cli_{role} login")
        if role != "nobody":
            prepare(guarded_db, f"grant mlguard_{role} to cli_{role}")

    def run(role: str, *args: str, code: int = 0) -> Result:
        dsn = psycopg.conninfo.make_conninfo(guarded_db, user=f"cli_{role}")
        done = CliRunner().invoke(cli, [*args, "--dsn", dsn])
        assert done.exit_code == code, done.output
        return done

    yield run
    for role in roles:
        prepare(guarded_db, f"drop role cli_{role}")


@pytest.mark.parametrize("role", ["task", "writer", "platform"])
def test_everybody_sees_status_gate_and_violations(run_as: RunAs, role: str) -> None:
    found = json.loads(run_as(role, "status", "--format", "json").stdout)
    assert {slo["slo"]: slo["health"] for slo in found["slos"]} == {
        f"{TABLE}/age.range": "INSTALLED",
        f"{TABLE}/fresh": "INSTALLED",
        f"{TABLE}/schema": "INSTALLED",
    }
    assert found["gates"][0]["state"] == "closed"
    assert "has no event time, so it has no age" in run_as(role, "gate", TABLE, code=1).stdout
    run_as(role, "violations")


def test_kept_rows_are_for_the_platform(run_as: RunAs) -> None:
    assert "age.range" in run_as("platform", "quarantine", "list").stdout
    assert "1 row in quarantine" in run_as("platform", "status").stdout
    for role in ("task", "writer"):
        done = run_as(role, "quarantine", "list", code=3)
        assert "permission denied" in done.stderr
        assert "help: connect as a member of mlguard_platform" in done.stderr


def test_the_platform_works_with_what_was_found(run_as: RunAs) -> None:
    assert run_as("platform", "quarantine", "release", "1", "--set", "age=40").stdout.startswith("1  released")
    run_as("platform", "off", "fresh", "--for", "1h", "--reason", "known")
    assert "off until" in run_as("platform", "status").stdout
    assert "waived until" in run_as("task", "status").stdout


def test_check_asks_what_its_user_may_ask(run_as: RunAs, guarded_db: str, tmp_path: Path) -> None:
    """Rows of the table are read as who asks; of mlguard's own only what is for everybody."""
    project(tmp_path, SLOS)
    for role in ("task", "writer", "platform"):
        done = run_as(role, "check", code=3)
        assert "permission denied for schema features" in done.stdout
    prepare(guarded_db, f"grant usage on schema features to public; grant select on {TABLE} to public")
    run_as("platform", "waive", "fresh", "--until", "2100-01-01", "--reason", "known")
    for role in ("task", "writer", "platform"):
        found = json.loads(run_as(role, "check", "--format", "json").stdout)
        assert {one["slo"]: one["outcome"] for one in found["verdicts"]} == {
            f"{TABLE}/age.range": "PASS",
            f"{TABLE}/fresh": "NOTED",
        }


def test_what_only_reads_works_where_nothing_can_be_written(
    run_as: RunAs, guarded_db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, SLOS)
    verbs: dict[tuple[str, ...], int] = {
        ("check",): 1,
        ("plan",): 0,
        ("status",): 0,
        ("gate", TABLE): 1,
        ("violations",): 0,
        ("quarantine", "list"): 0,
        ("quarantine", "show", "1"): 0,
        ("review", "list"): 0,
        ("incidents", "list"): 0,
        ("models", "list"): 0,
        ("models", "usage"): 0,
        ("retrain", "list"): 0,
        ("audit", "list"): 0,
        ("audit", "head"): 0,
        ("audit", "verify"): 0,
        ("baseline", "show", TABLE): 0,
        ("explain", "fresh"): 0,
        ("graph",): 0,
        ("report",): 0,
        ("doctor",): 0,
        ("compile",): 0,
        ("validate",): 0,
    }
    with monkeypatch.context() as there:  # roles are dropped afterwards
        there.setenv("PGOPTIONS", "-c default_transaction_read_only=on")
        there.setenv("MLGUARD_DSN", guarded_db)
        for verb, code in verbs.items():
            done = CliRunner().invoke(cli, verb)
            assert done.exit_code == code, (verb, done.output)
            assert "read-only" not in done.output, verb


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("violations", "--table", "features.custmer"), "did you mean features.customer?"),
        (("violations", "--slo", "age.rage"), "did you mean age.range?"),
        (("quarantine", "list", "features.custmer"), "did you mean features.customer?"),
        (("quarantine", "list", "--slo", "nothing.like.it"), "in force: features.customer/age.range"),
        (("review", "list", "features.custmer"), "did you mean features.customer?"),
        (("explain", "incident:99999999999999999999"), "there is no incident"),
        (("explain", "99999999999999999999"), "there is no incident or verdict"),
        (("explain", "age.rnge"), "there is no SLO age.rnge"),
    ],
)
def test_a_name_nobody_has_heard_of_is_not_taken_for_nothing_found(
    run_as: RunAs, args: tuple[str, ...], said: str
) -> None:
    assert said in run_as("platform", *args, code=2).stderr


def test_explain_takes_the_name_of_an_slo(run_as: RunAs) -> None:
    assert run_as("task", "explain", "age.range").stdout == run_as("task", "explain", f"{TABLE}/age.range").stdout


def test_a_role_without_rights_is_told_which_it_needs(run_as: RunAs) -> None:
    assert "grant mlguard_task to cli_nobody" in run_as("nobody", "status", code=3).stderr
