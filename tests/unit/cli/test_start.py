"""What the first second of using it is like: help without waiting, the version, verbs that are found."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import mlguard
from mlguard.cli import cli
from mlguard.cli.app import VERBS
from tests.unit.cli.conftest import Run

HEAVY = ("alembic", "duckdb", "pandas", "psycopg", "pydantic", "rich", "ruamel", "sqlalchemy", "sqlglot")
CPU_SECONDS = 0.35
PROBE = """
import json, resource, sys
from mlguard.cli import cli
try:
    cli.main({args!r})
except SystemExit as end:
    assert not end.code, end.code
used = resource.getrusage(resource.RUSAGE_SELF)
heavy = sorted(set(name.partition('.')[0] for name in sys.modules) & set({heavy!r}))
print(json.dumps([heavy, used.ru_utime + used.ru_stime]), file=sys.stderr)
"""


@pytest.mark.parametrize("args", [["--help"], ["--version"], *([verb, "--help"] for verb in VERBS)], ids=" ".join)
def test_help_loads_nothing_heavy(args: list[str]) -> None:
    code = PROBE.format(args=args, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy, seconds = json.loads(done.stderr.splitlines()[-1])
    assert heavy == []
    assert seconds <= CPU_SECONDS


def test_without_a_verb_it_shows_help(run: Run) -> None:
    done = run()
    assert done.exit_code == 2
    assert "Usage: mlguard" in done.stderr


def test_help_lists_every_verb_and_the_exit_codes(run: Run) -> None:
    shown = run("--help").stdout
    for verb in VERBS:
        assert f"\n  {verb} " in shown
    assert "Exit codes: 0 holds, 1 an SLO is violated" in shown
    assert run("-h").stdout == shown


def test_version(run: Run) -> None:
    assert run("--version").stdout == f"mlguard {mlguard.__version__}\n"


def test_every_verb_can_be_imported() -> None:
    import click

    context = click.Context(cli)
    for verb in VERBS:
        command = cli.get_command(context, verb)
        assert command is not None
        assert command.name == verb


def test_module_can_be_run() -> None:
    for module in ("mlguard", "mlguard.cli"):
        done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout == f"mlguard {mlguard.__version__}\n"
