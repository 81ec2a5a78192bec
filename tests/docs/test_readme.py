"""README.md: what it shows is run, its commands exist, its SLO file is as short as it says."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from click.testing import CliRunner

from tests.docs.test_docs import README, ROOT, runner
from tests.docs.transcripts import Runner, blocks

__all__ = ["runner"]  # the fixture
TEXT = README.read_text(encoding="utf-8")


def test_what_it_shows_is_so(runner: Runner) -> None:  # noqa: F811 - pytest's way to name a fixture
    differences = runner.run(README)
    assert not differences, "\n\n".join(differences)


def test_every_block_is_run_or_tested_below() -> None:
    left = [block.language for block in blocks(TEXT) if not block.order]
    assert left == ["sh", "mermaid"]
