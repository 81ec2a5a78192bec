"""Wrong usage, on purpose: every mistake is exit code 2 and a sentence that helps, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["chek"], "there is no verb 'chek'; did you mean 'check'?"),
        (["frobnicate"], "there is no verb 'frobnicate'; there are demo, init,"),
        (["check", "--formt", "json"], "--format"),
        (["check", "--format", "xml"], "'xml' is not one of"),
        (["--format", "junit", "plan"], "'junit' is not one of text, json, markdown"),
        (["check", "--fail-on", "everything"], "'everything' is not one of"),
        (["quarantine", "liste"], "No such command 'liste'"),
        (["plan", "extra"], "unexpected extra argument"),
        (["compile", "--expand", "--out", "x"], "say one of them"),
        (["plan", "--prune", "--select", "table:a.b"], "--prune with --select"),
        (["--select", "table:a.b", "apply", "--yes", "--prune"], "--prune with --select"),
        (["apply"], "say --yes to go on without asking"),
        (["remove", "--all"], "say --yes to go on without asking"),
        (["remove"], "say which tables, or --all"),
        (["remove", "a.b", "--all"], "say which tables, or --all"),
        (["remove", "a.b", "--runtime"], "say it with --all"),
        (["apply", "--lock-timeout", "0", "--yes"], "--lock-timeout"),
        (["apply", "--lock-timeout", "0.0001", "--yes"], "--lock-timeout"),  # 0 ms: PostgreSQL would wait for ever
        (["apply", "--lock-timeout", "nan", "--yes"], "nan is no finite number"),
        (["apply", "--lock-timeout", "inf", "--yes"], "--lock-timeout"),
        (["remove", "a.b", "--lock-timeout", "3000000", "--yes"], "--lock-timeout"),
        (["bench", "--table", "a.b", "--lock-timeout", "nan"], "nan is no finite number"),
        (["tune", "--budget", "nan"], "nan is no finite number"),
        (["suggest", "x.csv", "--confidence", "nan"], "nan is no finite number"),
        (["quarantine", "show", "99999999999999999999"], "is not in the range"),
        (["incidents", "ack", "99999999999999999999"], "is not in the range"),
        (["incidents", "ack", "0"], "is not in the range"),
        (["review", "reject", "99999999999999999999", "--reason", "x"], "is not in the range"),
        (["retrain", "done", "99999999999999999999", "--version", "1"], "is not in the range"),
        (["violations", "--limit", "99999999999999999999"], "--limit"),
        (["audit", "list", "--limit", "99999999999999999999"], "--limit"),
        (["gate"], "Missing argument 'TABLE'"),
        (["off", "x", "--for", "4"], "'4': write 4h"),
        (["off", "x", "--for", "4h"], "Missing option '--reason'"),
        (["off", "x", "--for", "4h", "--reason", " "], "--reason must say something"),
        (["waive", "x", "--until", "2020-01-01", "--reason", "y"], "that time is over"),
        (["waive", "x", "--until", "tomorrow", "--reason", "y"], "write 2026-12-01"),
        (["violations", "--since", "yesterday"], "or a length: write 4h"),
        (["violations", "--limit", "0"], "--limit"),
        (["quarantine", "show"], "Missing argument 'ID...'"),
        (["quarantine", "show", "one"], "'one' is not a valid integer"),
        (["quarantine", "release"], "say which rows"),
        (["quarantine", "release", "1", "--all", "--table", "a.b"], "say which rows"),
        (["quarantine", "release", "--all"], "say which rows"),
        (["quarantine", "release", "1", "--set", "age"], "write COLUMN=VALUE"),
        (["quarantine", "discard", "1"], "Missing option '--reason'"),
        (["quarantine", "discard", "--table", "a.b", "--reason", "x"], "say which rows"),
        (["quarantine", "list", "a.b", "--table", "a.c"], "two tables are named"),
        (["doctor", "--ignore", "nothing"], "there is no finding 'nothing'"),
        (["validate", "--slos", "nowhere"], "no folder or file nowhere"),
        (["plan", "--slos", "nowhere"], "no folder or file nowhere"),
        (["check", "--target", "production"], "there is no mlguard.yaml"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_wrong_usage(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], said: str) -> None:
    monkeypatch.chdir(tmp_path)
    if "--target" in args:
        slos = tmp_path / "slos"
        slos.mkdir()
        (slos / "a.slo.yaml").write_text("mlguard: 1\ntable: a.b\n")
    done = run(*args)
    assert done.exit_code == 2, done.output
    assert said in " ".join(done.output.split())
    assert "Traceback" not in done.output


def test_a_database_that_is_not_there(run: Run) -> None:
    done = run("status", "--dsn", "postgresql://nobody:hush@127.0.0.1:1/nothing")
    assert done.exit_code == 3
    assert "cannot connect to PostgreSQL" in done.stderr
    assert "hush" not in done.output
