"""Whole files: good ones load, bad ones are refused in exactly the words kept beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_regressions.file_regression import FileRegressionFixture

from mlguard.errors import SpecError
from mlguard.spec.faults import without_repeats
from mlguard.spec.load import Loader

HERE = Path(__file__).parent
GOOD = sorted((HERE / "good").glob("*.slo.yaml"))
BAD = sorted((HERE / "bad").glob("*.slo.yaml"))


def name_of(path: Path) -> str:
    return path.name.removesuffix(".slo.yaml")


@pytest.mark.parametrize("path", GOOD, ids=name_of)
def test_good_file_loads(path: Path) -> None:
    loaded = Loader().load(path, path.name)
    assert [fault.render() for fault in loaded.faults] == []
    assert loaded.file is not None
    assert loaded.file.path == path.name


@pytest.mark.parametrize("path", BAD, ids=name_of)
def test_bad_file_is_refused_in_these_words(path: Path, file_regression: FileRegressionFixture) -> None:
    loaded = Loader().load(path, path.name)
    assert loaded.file is None
    faults = without_repeats(loaded.faults)
    text = str(SpecError("", problems=faults)).replace(f"{HERE}/", "")
    file_regression.check(text + "\n", fullpath=path.with_name(f"{name_of(path)}.txt"))
    assert "pydantic" not in text
    assert "input_value" not in text


@pytest.mark.parametrize("path", BAD, ids=name_of)
def test_every_fault_has_its_place(path: Path) -> None:
    for fault in Loader().load(path, path.name).faults:
        assert fault.where is not None
        assert fault.where.line >= 1
        assert fault.where.column >= 1
