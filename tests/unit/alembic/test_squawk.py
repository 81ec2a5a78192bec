"""squawk over the SQL that `compile` prints and `revision` writes; tests/squawk.py says what is off, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlguard import runtime
from mlguard.alembic import runtime_files
from mlguard.alembic.drafts import Change, How, drafts
from mlguard.emit.table import objects
from mlguard.plan import plan_table
from mlguard.report.sql_text import script
from tests.golden.test_objects import CASES, program
from tests.squawk import BY_APPLY, OF_REMOVAL, OF_RULES, OF_RUNTIME, SETTINGS, lint, of_drafts, of_parts

HOW = How("lint", runtime.versions()[-1], 3.0)


@pytest.mark.parametrize("case", CASES)
def test_what_compile_and_revision_write(case: str, tmp_path: Path) -> None:
    table = program(tmp_path, CASES[case])
    made = objects(table)
    lint(script(table.table, made), [*SETTINGS, *BY_APPLY, *OF_RULES])
    of_drafts(drafts([Change(plan_table(table, made, None))], HOW, None))


def test_the_runtime() -> None:
    draft = runtime_files.draft("install", None)
    off = {**OF_RULES, **OF_REMOVAL, **OF_RUNTIME}
    of_parts(draft.upgrade, off)
    of_parts(draft.downgrade, off)
