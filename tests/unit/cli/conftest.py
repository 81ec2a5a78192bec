"""A command line to drive, and an interface behind it that needs no database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mlguard.cli import cli
from mlguard.cli.state import State

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line; stdout and stderr are apart, nothing of the caller's environment is seen."""
    for name in ("MLGUARD_DSN", "NO_COLOR", "PGHOST", "PGDATABASE", "PGUSER"):
        monkeypatch.delenv(name, raising=False)

    def invoke(*args: str, **more: Any) -> Result:
        return CliRunner().invoke(cli, args, **more)

    return invoke


@pytest.fixture
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let verbs open a database that is not there, and load SLO files that nobody reads."""

    class Project:
        files = ()
        selection = ()

    @contextmanager
    def database(self: State) -> Iterator[object]:
        yield object()

    monkeypatch.setattr(State, "database", database)
    monkeypatch.setattr(State, "project", lambda self: Project())
    monkeypatch.setattr("mlguard.doctor.bypass", lambda connection, tables: {})
