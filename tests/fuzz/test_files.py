"""Whatever stands in a file: an error with words and a place, or objects that PostgreSQL would read."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from mlguard.compile import compile_project
from mlguard.emit.table import objects
from mlguard.errors import CompileError, Problem, SpecError
from mlguard.report.sql_text import expanded, script
from mlguard.spec.load import Loader
from mlguard.spec.models import SloFile
from mlguard.spec.project import Project
from mlguard.spec.source import decode
from tests.fuzz import budget, files, sound


def loaded(raw: bytes, folder: Path) -> SloFile | None:
    """Read a file; None where it is refused, which is then in words."""
    source = decode(raw, "f.slo.yaml")
    if isinstance(source, Problem):
        assert source.message
        return None
    found = Loader().loads(source, folder / "f.slo.yaml")
    assert (found.file is None) == bool(found.faults)
    in_words(found.faults)
    return found.file


def in_words(problems: tuple[Problem, ...]) -> None:
    assert all(problem.message and problem.where for problem in problems)
    if problems:
        rendered = str(SpecError("", problems=problems))
        assert not any(sign in rendered for sign in "\x1b\x00\u202e\u2066")
        assert len(rendered) < 200_000


def judge(raw: bytes, folder: Path) -> str:
    """Read, compile and write a file; return how far it came."""
    file = loaded(raw, folder)
    if file is None:
        return "refused"
    try:
        program = compile_project(Project((file,)), None)
    except (SpecError, CompileError) as error:
        in_words(error.problems)
        return "not compiled"
    for table in program.tables.values():
        try:
            made = objects(table)
        except CompileError as error:
            in_words(error.problems)
            return "not written"
        sound.read([statement.sql for item in made for statement in item.create])
        assert script(table.table, made)
        assert expanded(table)
    return "compiled"


def test_any_file(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()

    def example(chance: random.Random) -> None:
        pick = chance.random()
        if pick < 0.9:
            raw = files.mutated(chance)
        elif pick < 0.97:
            raw = files.bomb(chance)
        else:
            raw = chance.randbytes(chance.randint(0, 400))
        counts[judge(raw, tmp_path)] += 1

    budget.run(0.25, example)
    print(dict(counts))
    assert counts["compiled"]
    assert counts["refused"]


@pytest.mark.parametrize("text", files.real())
def test_real_files_are_read(text: str, tmp_path: Path) -> None:
    assert judge(text.encode(), tmp_path) in ("compiled", "not written", "not compiled", "refused")
