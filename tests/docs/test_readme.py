"""README.md: what it shows is run, its commands exist, its SLO file is as short as it says."""

from __future__ import annotations

import re

from tests.docs.test_docs import README, runner
from tests.docs.transcripts import ROOT, Runner, blocks

__all__ = ["runner"]  # the fixture
TEXT = README.read_text(encoding="utf-8")


def test_what_it_shows_is_so(runner: Runner) -> None:
    differences = runner.run(README)
    assert not differences, "\n\n".join(differences)


def test_every_block_is_run_or_tested_below() -> None:
    left = [block.language for block in blocks(TEXT) if not block.order]
    assert left == ["sh", "mermaid"]


def test_the_two_commands_exist() -> None:
    (block,) = [block for block in blocks(TEXT) if block.language == "sh"]
    assert block.body.splitlines() == ["make demo", "make test"]
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"demo", "test"} <= targets


def test_the_slo_file_is_twelve_lines() -> None:
    first, more, predictions = [block for block in blocks(TEXT) if block.language == "yaml"]
    assert len(first.body.splitlines()) == 12
    assert len(more.body.splitlines()) == 3
    assert len(predictions.body.splitlines()) == 10
