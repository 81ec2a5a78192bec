"""Whole files: what good ones become, and in which words bad ones are refused."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from pytest_regressions.file_regression import FileRegressionFixture

from mlguard.errors import SpecError
from mlguard.lang import spelled
from mlguard.lang.tree import Expr
from mlguard.program import Rule, TableProgram
from tests.unit.compile.shape import compiled

HERE = Path(__file__).parent
GOOD = sorted((HERE / "good").glob("*.slo.yaml"))
BAD = sorted((HERE / "bad").glob("*.slo.yaml"))
_KEPT_QUIET = {"where_in_file", "name", "table", "text", "placement"}


def name_of(path: Path) -> str:
    return path.name.removesuffix(".slo.yaml")


def _shown(value: Any) -> str:
    if isinstance(value, Expr):
        return spelled(value)
    if isinstance(value, (tuple, list)):
        return ", ".join(_shown(item) for item in value)
    return str(getattr(value, "value", value))


def _rule(rule: Rule) -> str:
    """Return the rule, and every field of it that is not what fields are by default."""
    said = [
        f"    {field.name}: {_shown(getattr(rule, field.name))}"
        for field in fields(Rule)
        if field.name not in _KEPT_QUIET and getattr(rule, field.name) != field.default
    ]
    head = f"{rule.name}: {rule.text}\n    {rule.placement.place.value}: {rule.placement.reason}"
    return "\n".join([head, *said])


def _table(program: TableProgram) -> str:
    said = {
        "window": program.window,
        "late": program.late,
        "base": program.base,
        "baseline": program.baseline,
        "schema": program.schema_mode,
        "inputs": _shown(program.inputs),
        "importance": ", ".join(f"{name} {weight}" for name, weight in program.importance.items()),
        "notes": _shown(program.notes),
        **{
            f"missing in {name}": ", ".join(f"{spelled(value)} ({value.type})" for value in values)
            for name, values in program.missing.items()
        },
    }
    return "\n".join(f"{name}: {value}" for name, value in said.items())


@pytest.mark.parametrize("path", GOOD, ids=name_of)
def test_good_file_becomes(path: Path, file_regression: FileRegressionFixture) -> None:
    program = compiled(path.read_text(encoding="utf-8"))
    text = "\n\n".join([_table(program), *(_rule(rule) for rule in program.rules)])
    file_regression.check(text + "\n", fullpath=path.with_name(f"{name_of(path)}.txt"))


@pytest.mark.parametrize("path", BAD, ids=name_of)
def test_bad_file_is_refused_in_these_words(path: Path, file_regression: FileRegressionFixture) -> None:
    with pytest.raises(SpecError) as caught:
        compiled(path.read_text(encoding="utf-8"))
    assert all(fault.where is not None for fault in caught.value.problems)
    file_regression.check(f"{caught.value}\n", fullpath=path.with_name(f"{name_of(path)}.txt"))
