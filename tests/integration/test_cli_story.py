"""The command line against a real server: a project's whole life, and every exit code on the way."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from mlguard.cli import cli
from mlguard.patience import Options
from tests.support import prepare, query

Run = Callable[..., Result]
TABLE = "features.customer"
GOOD = f"insert into {TABLE} values (1, now(), 20, 'pro', 1, 0.5)"
BAD = f"""
insert into {TABLE} values (2, now(), 300, 'pro', 1, 0.5), (3, now(), 400, 'free', 1, 7), (4, now(), 5, 'free', 2, 7)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder, made by `init`, and the current one."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["init"])
    assert done.exit_code == 0, done.output
    return tmp_path


@pytest.fixture
def run(bare: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a verb in the project folder, on an empty database."""
    monkeypatch.setenv("MLGUARD_DSN", bare)

    def invoke(*args: str, code: int = 0) -> Result:
        done = CliRunner().invoke(cli, args)
        assert done.exit_code == code, done.output
        return done

    return invoke


def table(dsn: str, folder: Path) -> None:
    prepare(dsn, (folder / "schema.sql").read_text())


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "slos" / "example.slo.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_from_an_empty_folder_to_a_guarded_table_and_back(run: Run, bare: str, folder: Path) -> None:
    assert "1 SLO file without a fault" in run("validate").stderr
    assert TABLE in run("plan", code=2).stderr
    table(bare, folder)
    prepare(bare, f"insert into {TABLE} values (1, now(), 200, 'pro', 1, 0.5)")

    first = run("plan", "--detailed-exitcode", code=4).stdout
    assert "age.range: 1 of 1" in first
    assert "existing: fail, so apply will refuse" in first
    assert "schema mlguard: install" in first
    refused = run("apply", "--yes", code=2)
    assert "1 of 1 stored rows break it" in refused.stderr
    assert query(bare, "select to_regnamespace('mlguard')") == [(None,)]

    prepare(bare, f"update {TABLE} set age = 20")
    run("apply", "--dry-run")
    assert query(bare, "select to_regnamespace('mlguard')") == [(None,)]
    assert f"applied: {TABLE}" in run("apply", "--yes").stderr
    assert "nothing to do" in run("plan", "--detailed-exitcode").stdout
    assert "nothing to do" in run("apply", "--yes").stdout
    assert "9 PASS" in run("check").stdout
    assert "is open, fresh until" in run("gate", TABLE).stdout
    assert "10 SLOs, 10 INSTALLED" in run("status").stdout

    prepare(bare, BAD)
    with pytest.raises(psycopg.errors.CheckViolation):
        prepare(bare, f"insert into {TABLE} values (9, now(), 30, 'gratis', 1, 0.5)")
    status = run("status").stdout
    assert "2 rows in quarantine, last 20" in status
    assert "refused 1 time, last 20" in status
    assert "rows wait in quarantine" in run("remove", "--all", "--yes", code=2).stderr
    assert query(bare, f"select count(*) from mlguard._object where tbl = '{TABLE}'") != [(0,)]

    run("quarantine", "discard", "--all", "--table", TABLE, "--reason", "test data")
    assert f"removed: {TABLE}" in run("remove", TABLE, "--yes").stderr
    assert run("remove", "--all", "--yes").stdout == "no table is guarded here\n"
    run("remove", "--all", "--runtime", "--yes")
    assert query(bare, "select to_regnamespace('mlguard')") == [(None,)]
    assert "not installed" in run("status", code=3).stderr


def test_a_changed_file_is_a_plan_and_an_outdated_slo(run: Run, bare: str, folder: Path) -> None:
    table(bare, folder)
    prepare(bare, GOOD)
    run("apply", "--yes")
    edit(folder, "[free, pro, enterprise]", "[free, pro]")
    edit(folder, "tenure_days: {type: double precision, range: [0, null]}", "tenure_days: {type: double precision}")
    status = {slo["slo"]: slo["health"] for slo in json.loads(run("status", "--format", "json").stdout)["slos"]}
    assert status[f"{TABLE}/plan.in"] == "OUTDATED"
    assert status[f"{TABLE}/tenure_days.range"] == "ORPHANED"
    assert status[f"{TABLE}/age.range"] == "INSTALLED"
    shown = run("plan").stdout
    assert "~ changed: plan.in" in shown
    assert "- gone: tenure_days.range" in shown
    run("apply", "--yes")
    assert "nothing to do" in run("plan").stdout
    edit(folder, "columns:", "columns:\n  churn_reason: {type: text, in: [price]}")
    assert "churn_reason" in run("plan", code=2).stderr


def test_status_without_files_says_what_it_cannot_tell(
    run: Run, bare: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(bare, folder)
    run("apply", "--yes")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    done = run("status")
    assert "10 SLOs, 10 INSTALLED" in done.stdout
    assert "cannot be told" in done.stderr
    assert "no folder or file nowhere" in run("status", "--slos", "nowhere", code=2).stderr


def test_check_in_every_format_on_a_broken_table(run: Run, bare: str, folder: Path) -> None:
    table(bare, folder)
    prepare(bare, f"insert into {TABLE} values (1, now(), 200, 'gratis', 1, 0.5)")
    text = run("check", code=1).stdout
    assert text.splitlines()[-1] == "9 SLOs on 1 table: 7 PASS, 2 FAIL"
    root = ET.fromstring(run("check", "--format", "junit", code=1).stdout)
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("9", "2", "0")
    assert "::error file=slos/example.slo.yaml,line=" in run("check", "--format", "github", code=1).stdout
    assert json.loads(run("check", "--format", "sarif", code=1).stdout)["runs"][0]["results"]
    only = run("check", "--select", "slo:age.range", code=1).stdout
    assert only.splitlines()[-1] == "1 SLO on 1 table: 1 FAIL"
    assert run("check", "--select", "slo:fresh").stdout.splitlines()[-1] == "1 SLO on 1 table: 1 PASS"
    assert "fits nothing" in run("check", "--select", "slo:frsh", code=2).stderr


def test_a_table_that_may_not_be_read_is_an_error_not_a_failure(run: Run, bare: str, folder: Path) -> None:
    table(bare, folder)
    prepare(bare, "create role cli_stranger login; grant usage on schema features to cli_stranger")
    try:
        with psycopg.connect(bare) as connection:
            host = connection.info.host
            name = connection.info.dbname
        done = run("check", "--dsn", f"host={host} dbname={name} user=cli_stranger", code=3)
        assert "ERROR" in done.stdout
        assert "permission denied" in done.stdout
    finally:
        prepare(bare, "drop owned by cli_stranger; drop role cli_stranger")


def test_the_gate_closes_and_an_exception_opens_it(run: Run, bare: str, folder: Path) -> None:
    table(bare, folder)
    prepare(bare, f"insert into {TABLE} values (1, now() - interval '3 days', 20, 'pro', 1, 0.5)")
    run("apply", "--yes")
    held = run("gate", TABLE, code=1)
    assert held.stdout.startswith(f"mlguard: {TABLE} is stale: newest event_ts is ")
    with pytest.raises(psycopg.Error, match="is stale") as raised:
        query(bare, f"select * from {TABLE}_guarded")
    assert str(raised.value.diag.message_primary).split(", allowed")[0] == held.stdout.split(", allowed")[0]
    assert "held since" in run("status").stdout
    assert run("off", "fresh", "--for", "4h", "--reason", "moving house").stderr.startswith(
        f"{TABLE}/fresh is off until"
    )
    assert "let through by an exception" in run("gate", TABLE).stdout
    assert "off until" in run("status").stdout
    assert "NOTED" in run("check").stdout
    run("waive", f"{TABLE}/fresh", "--until", "2999-01-01", "--reason", "known")
    assert "until 2999-01-01 00:00 UTC" in run("status").stdout
    assert "is not guarded here" in run("gate", "features.custmer", code=2).stderr
    assert f"did you mean {TABLE}?" in run("gate", "features.custmer", code=2).stderr


def test_an_exception_to_a_constraint_is_the_one_alter(run: Run, bare: str, folder: Path) -> None:
    table(bare, folder)
    run("apply", "--yes")
    done = run("waive", "plan.in", "--until", "2999-01-01", "--reason", "new plan", code=2)
    assert "is a CHECK constraint" in done.stderr
    prepare(bare, done.stdout)
    prepare(bare, f"insert into {TABLE} values (9, now(), 30, 'gratis', 1, 0.5)")
    assert "MISSING" in run("status").stdout
    assert "did you mean plan.in?" in run("off", "plan.inn", "--for", "1h", "--reason", "x", code=2).stderr


def test_kept_rows_are_shown_mended_released_and_given_up(run: Run, bare: str, folder: Path) -> None:
    table(bare, folder)
    run("apply", "--yes")
    prepare(bare, BAD)
    listed = json.loads(run("quarantine", "list", TABLE, "--format", "json").stdout)
    newest, oldest = [row["id"] for row in listed]
    assert f"{TABLE}/age.range: age is 300" in run("quarantine", "show", str(oldest)).stdout
    stays = run("quarantine", "release", str(oldest), code=1)
    assert stays.stdout.startswith(f"{oldest}  still broken  age.range: age is 300")
    assert "1 left in quarantine" in stays.stderr
    assert run("quarantine", "release", str(oldest), "--set", "age=33").stdout.startswith(f"{oldest}  released")
    assert query(bare, f"select age from {TABLE} where customer_id = 2") == [(33,)]
    assert run("quarantine", "release", str(oldest)).stdout.startswith(f"{oldest}  already released")
    assert run("quarantine", "replay", TABLE, code=1).stdout.startswith(f"{newest}  still broken")
    run("quarantine", "discard", str(newest), "--reason", "test data")
    assert "no row is waiting" in run("quarantine", "list").stderr
    assert len(json.loads(run("quarantine", "list", "--status", "all", "--format", "json").stdout)) == 2
    assert "test data" in run("quarantine", "show", str(newest)).stdout
    assert "there is no kept row 9999" in run("quarantine", "release", "9999", str(newest), code=2).stderr


def test_values_of_pii_columns_are_shown_nowhere(run: Run, bare: str, folder: Path) -> None:
    table(bare, folder)
    edit(folder, "age: {type: integer,", "age: {type: integer, pii: true,")
    run("apply", "--yes")
    prepare(bare, f"insert into {TABLE} values (2, now(), 424242, 'pro', 1, 0.5)")
    for args in (["list"], ["list", "--format", "json"], ["show", "1"], ["show", "1", "--format", "json"]):
        assert "424242" not in run("quarantine", *args).output
    assert "424242" not in run("quarantine", "release", "1", "-v", code=1).output
    assert "424242" not in run("quarantine", "release", "1", "--set", "age=424242", "-v", code=1).output
    prepare(
        bare, f"alter table {TABLE} disable trigger all; insert into {TABLE} values (3, now(), 424242, 'pro', 1, 0.5)"
    )
    for style in ("text", "json", "junit", "github", "markdown", "sarif"):
        assert "424242" not in run("check", "-v", "--format", style, code=1).output


def test_v_prints_the_sql_to_stderr(run: Run, bare: str, folder: Path) -> None:
    table(bare, folder)
    done = run("plan", "-v")
    assert "from pg_catalog.pg_class" in done.stderr
    assert "add constraint" in done.stdout
    assert 'add constraint "mlguard_plan.in"' in run("apply", "--yes", "-v").stderr


def test_prune_takes_out_what_no_file_asks_for(run: Run, bare: str, folder: Path) -> None:
    table(bare, folder)
    run("apply", "--yes")
    prepare(bare, f"create table features.other (like {TABLE})")
    edit(folder, TABLE, "features.other")
    edit(folder, ", unique: true", "")
    run("apply", "--yes")
    assert "nothing to do" in run("plan").stdout
    health = {slo["table"]: slo["health"] for slo in json.loads(run("status", "--format", "json").stdout)["slos"]}
    assert health == {TABLE: "ORPHANED", "features.other": "INSTALLED"}
    assert "- gone:" in run("plan", "--prune", "--detailed-exitcode", code=4).stdout
    run("apply", "--prune", "--yes")
    assert "1 guarded table" in run("status").stdout


def test_a_target_of_the_project_file(run: Run, bare: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(bare, folder)
    monkeypatch.delenv("MLGUARD_DSN")
    monkeypatch.setenv("MLGUARD_PRODUCTION_DSN", bare)
    assert "schema mlguard: install" in run("plan", "--target", "production").stdout
    assert "there are: local, production" in run("--target", "staging", "plan", code=2).stderr
    monkeypatch.delenv("MLGUARD_PRODUCTION_DSN")
    assert "MLGUARD_PRODUCTION_DSN is not set" in run("plan", "--target", "production", code=2).stderr


def test_a_locked_table_is_given_up_in_words(
    run: Run, bare: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(bare, folder)
    monkeypatch.setattr(sys.modules["mlguard.patience"], "Options", partial(Options, attempts=1))
    with psycopg.connect(bare) as other:
        other.execute(f"lock table {TABLE} in access share mode".encode())
        done = run("apply", "--yes", "--lock-timeout", "0.1", code=3)
    assert "could not lock the table within 0.1 s" in done.stderr
    run("apply", "--yes")


def test_apply_on_a_terminal_asks_and_shows_a_bar(run: Run, bare: str, folder: Path) -> None:
    table(bare, folder)
    master, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(
        [sys.executable, "-m", "mlguard", "apply"], stdin=terminal, stdout=terminal, stderr=terminal, env=environment
    ) as process:
        os.close(terminal)
        os.write(master, b"y\n")
        shown = _read_all(master)
    assert process.returncode == 0, shown
    assert "Apply this? [y/N]" in shown
    assert "━" in shown
    assert "\x1b[32m+" in shown
    assert f"applied: {TABLE}" in shown
    assert "nothing to do" in run("plan").stdout


def _read_all(master: int) -> str:
    parts = []
    while select.select([master], [], [], 60)[0]:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other side closed
            break
        if not part:
            break
        parts.append(part)
    os.close(master)
    return b"".join(parts).decode()


def test_ctrl_c_while_apply_waits_for_a_lock(run: Run, bare: str, folder: Path) -> None:
    table(bare, folder)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with psycopg.connect(bare) as other:
        other.execute(f"lock table {TABLE} in access share mode".encode())
        with subprocess.Popen(
            [sys.executable, "-m", "mlguard", "apply", "--yes", "--lock-timeout", "60"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        ) as process:
            while not query(bare, "select from pg_locks where not granted"):
                time.sleep(0.05)
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("interrupted; tables that were done stay done")
    assert query(bare, "select count(*) from mlguard._object") == [(0,)]
    run("apply", "--yes")
    assert "nothing to do" in run("plan").stdout
