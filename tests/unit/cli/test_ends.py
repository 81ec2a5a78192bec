"""How a run ends: in words, with the right exit code, whatever happened."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mlguard import api
from mlguard.cli.state import State
from mlguard.errors import ApplyError, Exit, PlanError, Problem, SpecError, Where
from tests.unit.cli.conftest import Run
from tests.unit.report.samples import plan

pytestmark = pytest.mark.usefixtures("no_database")


def fails(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def check(*args: Any) -> None:
        raise error

    monkeypatch.setattr(api, "check", check)


def test_an_error_of_mlguard_is_its_words(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fails(monkeypatch, PlanError("that cannot be", help="do this instead"))
    done = run("check")
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", "that cannot be\n   help: do this instead\n")


def test_all_faults_are_shown_with_their_lines(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    where = Where("slos/a.slo.yaml", 3, 5, "    chek: x > 0")
    fails(
        monkeypatch, SpecError("two", problems=[Problem("unknown key `chek`", where, "did you mean?"), Problem("more")])
    )
    shown = run("check").stderr
    assert " 3 |     chek: x > 0\n   |     ^" in shown
    assert shown.endswith("more\n")


def test_the_exit_code_is_the_errors(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fails(monkeypatch, ApplyError("the database refused"))
    assert run("check").exit_code == Exit.ENGINE


@pytest.mark.parametrize("verbose", [False, True])
def test_the_unexpected_is_a_bug_and_its_traceback_is_for_v(
    run: Run, monkeypatch: pytest.MonkeyPatch, verbose: bool
) -> None:
    fails(monkeypatch, ZeroDivisionError("division\nby zero"))
    done = run("check", *(["-v"] if verbose else []))
    assert done.exit_code == Exit.ENGINE
    assert done.stderr.startswith("mlguard: ZeroDivisionError: division by zero\n   this is a bug in mlguard; ")
    assert ("Traceback" in done.stderr) is verbose


def test_what_postgresql_says_is_no_bug(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fails(monkeypatch, psycopg.errors.InsufficientPrivilege("permission denied for schema mlguard"))
    done = run("check")
    assert done.exit_code == Exit.ENGINE
    assert done.stderr.startswith(
        "mlguard: PostgreSQL answered: permission denied for schema mlguard\n   help: connect as"
    )


def test_ctrl_c_says_what_is_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fails(monkeypatch, KeyboardInterrupt())
    done = run("check")
    assert done.exit_code == 130
    assert done.stderr.strip() == "interrupted; nothing was changed"


def test_ctrl_c_during_apply_says_what_is_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def apply(*args: Any, confirm: Any, **more: Any) -> None:
        assert confirm(plan())
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "apply", apply)
    done = run("apply", "--yes")
    assert done.exit_code == 130
    assert "tables that were done stay done" in done.stderr


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "slos").mkdir()
    rules = "".join(f"  - {{name: rule_{number}, check: x > {number}}}\n" for number in range(400))
    (tmp_path / "slos" / "a.slo.yaml").write_text(
        f"mlguard: 1\ntable: a.b\ncolumns: {{x: {{type: bigint}}}}\nslos:\n{rules}"
    )
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "mlguard", "compile"],
        cwd=tmp_path,
        stdout=writing,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_what_a_terminal_cannot_show_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "slos").mkdir()
    (tmp_path / "slos" / "a.slo.yaml").write_text("mlguard: 1\ntable: a.b\nslos: [{name: ä, check: 'x > y('}]\n")
    done = subprocess.run(
        [sys.executable, "-m", "mlguard", "validate"],
        cwd=tmp_path,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


def test_options_stand_before_or_after_the_verb(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[State] = []

    def project(self: State) -> None:
        seen.append(self)
        raise PlanError("far enough")

    monkeypatch.setattr(State, "project", project)
    for args in (
        ["--dsn", "d", "--slos", "s", "--select", "a,b", "--target", "t", "-v", "check"],
        ["check", "--dsn", "d", "--slos", "s", "--select", "a", "--select", "b", "--target", "t", "-v"],
        ["--dsn", "before", "check", "--dsn", "d", "--slos", "s", "--select", "a, b", "--target", "t", "--verbose"],
    ):
        run(*args)
        state = seen.pop()
        assert (state.dsn, state.slos, state.select, state.target, state.verbose) == ("d", "s", ("a", "b"), "t", True)
