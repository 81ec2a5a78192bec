"""Logs as JSON: one object a line on stderr, no password in any of them."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from mlguard.cli.log import without_secrets
from mlguard.cli.progress import progress
from tests.unit.cli.conftest import Run


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_line_is_an_object(run: Run, tmp_path: Any) -> None:
    (tmp_path / "a.slo.yaml").write_text("mlguard: 1\ntable: a.b\nkey: [k]\ncolumns: {k: {type: bigint}}\n")
    done = run("--log-format", "json", "--slos", str(tmp_path), "compile", "--out", str(tmp_path / "sql"))
    said, ended = lines(done.stderr)
    assert said["event"] == "said"
    assert said["message"].startswith("wrote ")
    assert {key: ended[key] for key in ("event", "verb", "exit_code")} == {
        "event": "ended",
        "verb": "compile",
        "exit_code": 0,
    }
    assert ended["seconds"] >= 0
    assert ended["at"].endswith("+00:00")


def test_the_environment_says_it_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLGUARD_LOG", "json")
    error, ended = lines(run("--slos", "/nowhere", "plan").stderr)
    assert (error["event"], error["kind"]) == ("error", "SpecError")
    assert error["problems"][0]["help"]
    assert ended["exit_code"] == 2
    usage, _ = lines(run("vlidate").stderr)
    assert usage["kind"] == "usage"
    assert "there is no verb" in run("--log-format", "text", "vlidate").stderr


def test_no_password_of_a_dsn(run: Run) -> None:
    done = run("--log-format", "json", "status", "--dsn", "postgresql://me:s3cr3t@127.0.0.1:1/x?connect_timeout=1")
    assert [line["event"] for line in lines(done.stderr)] == ["error", "ended"]
    assert "s3cr3t" not in done.stderr


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:s3@h/x", "postgresql://me:***@h/x"),
        ("host=h password=s3 user=u", "host=h password=*** user=u"),
        ("host=h PASSWORD='s 3\\'' user=u", "host=h PASSWORD=*** user=u"),
        ("postgresql://me@h/x", "postgresql://me@h/x"),
        ("10:30 me@example.com", "10:30 me@example.com"),
    ],
)
def test_passwords_are_taken_out(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_steps_of_long_work(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MLGUARD_LOG", "json")
    with progress() as report:
        assert report is not None
        report("validate", 1, 3)
    (line,) = lines(capsys.readouterr().err)
    assert (line["event"], line["what"], line["done"], line["of"]) == ("step", "validate", 1, 3)
    assert sys.stderr is not None
