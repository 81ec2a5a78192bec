"""mlguard.yaml: targets, people, and secrets that never stand in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlguard.errors import SpecError
from mlguard.spec import load_project
from mlguard.spec.project_file import ProjectFile


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slos").mkdir()
    (tmp_path / "slos" / "a.slo.yaml").write_text("mlguard: 1\ntable: a.b\n")


def settings(text: str) -> ProjectFile:
    Path("mlguard.yaml").write_text("mlguard: 1\n" + text)
    return load_project().settings


def refused(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        settings(text)
    return str(caught.value)


def test_targets_and_people() -> None:
    read = settings(
        "targets:\n"
        "  prod:\n"
        "    dsn: postgresql://loader:${PW}@db/features\n"
        "    roles: {task: [churn], writer: etl}\n"
        "  local: {}\n"
        "people: {ml: ['slack://${SLACK}', mailto://ml@example.com]}\n"
        "quiet_hours: 22:00 to 07:00 Europe/Berlin\n"
    )
    environment = {"PW": "secret", "SLACK": "T/B/X"}
    assert read.dsn("prod", environment) == "postgresql://loader:secret@db/features"
    assert read.dsn("local", environment) is None
    assert read.targets["prod"].roles.writer == ("etl",)
    assert read.addresses("ml", environment) == ("slack://T/B/X", "mailto://ml@example.com")
    assert read.addresses("nobody", environment) == ()
    assert "secret" not in repr(read)


def test_missing_variables_are_named_where_they_stand() -> None:
    read = settings("targets:\n  prod: {dsn: 'host=${HOST} password=${PW}'}\n")
    with pytest.raises(SpecError) as caught:
        read.dsn("prod", {})
    text = str(caught.value)
    assert "the environment variable HOST is not set" in text
    assert "the environment variable PW is not set" in text
    assert "mlguard.yaml:3:15" in text
    with pytest.raises(SpecError, match="no target `x`"):
        read.dsn("x", {})


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://user:hunter2@db/x",
        "postgresql://user:${A}2@db/x",
        "postgresql://db/x?password=hunter2",
        "host=db password=hunter2",
        "host=db password='hunter 2'",
        "host=db PASSWORD = x${A}",
    ],
)
def test_a_password_is_never_written_out(dsn: str) -> None:
    text = refused(f'targets: {{prod: {{dsn: "{dsn}"}}}}\n')
    assert "a password is written out" in text


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://db/x",
        "postgresql://user@db/x",
        "postgresql://${USER}:${PW}@[::1]:5432/x",
        "service=prod",
        "${DSN}",
    ],
)
def test_dsn_without_a_password_is_fine(dsn: str) -> None:
    assert settings(f'targets: {{prod: {{dsn: "{dsn}"}}}}\n').targets["prod"].dsn == dsn


def test_tokens_in_addresses() -> None:
    assert "token is written out" in refused(
        "people: {ml: 'slack://T01ABCDEF23/B01ABCDEF23/a8Xk29sLmN01pQrStUvWxYz9'}\n"
    )
    assert "token is written out" in refused("people: {ml: 'mailto://me:pw1@example.com'}\n")
    assert "wanted an address" in refused("people: {ml: me@example.com}\n")


def test_broken_variables() -> None:
    assert "a variable is written ${NAME}" in refused("targets: {prod: {dsn: '${A B}'}}\n")
    assert "a variable is written ${NAME}" in refused("targets: {prod: {dsn: 'host=${A'}}\n")


def test_variables_mean_nothing_elsewhere() -> None:
    Path("slos/a.slo.yaml").write_text("mlguard: 1\ntable: a.b\nowner: ${OWNER}\n")
    assert load_project().files[0].owner == "${OWNER}"


def test_unknown_keys_are_refused_with_those_of_slo_files() -> None:
    Path("slos/a.slo.yaml").write_text("mlguard: 1\ntable: a.b\nonwer: x\n")
    text = refused("targts: {}\ndefaults: {key: [a]}\n")
    assert 'did you mean "targets"?' in text
    assert "unknown key `key`" in text
    assert 'did you mean "owner"?' in text
