"""What is shipped: the wheel holds all it needs and works where no checkout is; versions and targets are as said."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import HeaderParser
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mlguard

ROOT = Path(__file__).parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
BUNDLED = {"sql": "_sql", "migrations": "_migrations", "schema": "_schema", "examples/flights": "_examples/flights"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def metadata(contents: dict[str, bytes]) -> Message:
    (name,) = (name for name in contents if name.endswith(".dist-info/METADATA"))
    return HeaderParser().parsestr(contents[name].decode())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel was installed; dependencies come from this environment."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", str(folder)]
    subprocess.run([*pip, str(wheel)], check=True)
    return folder


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python outside the checkout, with the installed wheel before everything else."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def tracked(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def test_name_version_licence_and_command(metadata: Message, contents: dict[str, bytes]) -> None:
    assert (metadata["Name"], metadata["Version"]) == ("mlguard-db", mlguard.__version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    entry_points = next(text for name, text in contents.items() if name.endswith("entry_points.txt"))
    assert b"mlguard = mlguard.cli:main" in entry_points
    assert {Path(name).name for name in contents if "/licenses/" in name} == {"LICENSE", "NOTICE"}


@pytest.mark.parametrize("source", BUNDLED)
def test_what_lies_beside_the_package_is_inside_the_wheel(source: str, contents: dict[str, bytes]) -> None:
    files = tracked(ROOT / source)
    assert files
    for path in files:
        inside = f"mlguard/{BUNDLED[source]}/{path.relative_to(ROOT / source)}"
        assert contents[inside] == path.read_bytes()


def test_the_wheel_holds_the_package_and_nothing_else(contents: dict[str, bytes]) -> None:
    own = {str(path.relative_to(ROOT)) for path in tracked(ROOT / "mlguard")}
    bundled = tuple(f"mlguard/{place}/" for place in BUNDLED.values())
    found = {name for name in contents if ".dist-info/" not in name and not name.startswith(bundled)}
    assert found == own
    assert "mlguard/py.typed" in found


def test_the_installed_wheel_guards_a_database(installed: Path, bare18: str) -> None:
    where = run(installed, "-c", "import mlguard; print(mlguard.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(installed)
    flights = installed / "mlguard" / "_examples" / "flights"
    with psycopg.connect(bare18, autocommit=True) as connection:
        connection.execute((flights / "schema.sql").read_text())
    verb = ("-m", "mlguard", "--slos", str(flights / "slos"))
    applied = run(installed, *verb, "apply", "--yes", MLGUARD_DSN=bare18)
    assert applied.returncode == 0, applied.stderr
    again = run(installed, *verb, "plan", "--detailed-exitcode", MLGUARD_DSN=bare18)
    assert again.returncode == 0, again.stdout + again.stderr


def test_importing_loads_no_library() -> None:
    heavy = "{'alembic', 'duckdb', 'pandas', 'psycopg', 'pydantic', 'rich', 'ruamel', 'sqlalchemy', 'sqlglot'}"
    code = f"import sys, mlguard; print(sorted({heavy} & sys.modules.keys()))"
    assert run(ROOT, "-c", code).stdout.strip() == "[]"


@pytest.mark.parametrize("first", ["mlguard.api", "mlguard.plan", "mlguard.apply"])
def test_verbs_stay_verbs_whatever_is_imported_first(first: str) -> None:
    code = f"import {first}, mlguard; print(all(callable(getattr(mlguard, n)) for n in ('plan', 'apply', 'load')))"
    done = run(ROOT, "-c", code)
    assert done.stdout.strip() == "True", done.stderr


def test_public_names_resolve() -> None:
    assert set(dir(mlguard)) == set(mlguard.__all__)
    for name in mlguard.__all__:
        assert getattr(mlguard, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mlguard.nothing  # noqa: B018 - the look-up is what is tested


def direct() -> list[Requirement]:
    project = PYPROJECT["project"]
    texts = [*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra)]
    return [found for found in map(Requirement, texts) if found.name != project["name"]]


def test_constraints_pin_every_dependency_within_its_bounds() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+", line) for line in lines)
    pins = {canonicalize_name(name): pin for name, _, pin in (line.partition("==") for line in lines)}
    assert len(pins) == len(lines)
    for requirement in direct():
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_this_environment_is_within_the_bounds() -> None:
    for requirement in direct():
        assert version(requirement.name) in requirement.specifier, requirement


def test_make_lists_every_target() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^\.PHONY: (\w+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert re.findall(r"make (\w+)", listed) == targets
    assert {"demo", "test", "fuzz", "faults", "lint", "types", "bench", "golden", "clean", "help"} == set(targets)


@pytest.mark.parametrize(
    ("python", "words"),
    [("/nowhere/python3", "Python 3.11 or later"), ("", "none was found")],
)
def test_make_says_which_python_it_needs(python: str, words: str, tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    done = subprocess.run(
        ["make", "test", f"PYTHON={python}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert words in done.stderr
    assert not (tmp_path / ".venv").exists()
