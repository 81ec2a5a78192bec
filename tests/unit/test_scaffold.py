"""`mlguard init`: the folder is made whole or not at all, and what is in it is valid."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlguard import scaffold
from mlguard.errors import MlguardError
from mlguard.spec import load_project


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_project_loads(tmp_path: Path) -> None:
    made = scaffold.create(tmp_path / "deep" / "project")
    assert [str(path.relative_to(tmp_path / "deep" / "project")) for path in made] == list(scaffold.PLACES.values())
    assert sorted(everything(tmp_path / "deep" / "project")) == sorted(scaffold.PLACES.values())
    project = load_project(tmp_path / "deep" / "project" / "slos")
    assert [str(file.table) for file in project.files] == ["features.customer"]


def test_every_template_is_placed() -> None:
    folder = Path(scaffold.__file__).parent / "template"
    assert sorted(path.name for path in folder.iterdir()) == sorted(scaffold.PLACES)


def test_files_in_the_way_are_all_named_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "slos").mkdir()
    (tmp_path / "slos" / "example.slo.yaml").write_text("mine")
    (tmp_path / "mlguard.yaml").symlink_to("nowhere")
    with pytest.raises(MlguardError) as refused:
        scaffold.create(tmp_path)
    assert [problem.message.split(" ")[0] for problem in refused.value.problems] == [
        str(tmp_path / "mlguard.yaml"),
        str(tmp_path / "slos" / "example.slo.yaml"),
    ]
    assert everything(tmp_path) == {"slos/example.slo.yaml": b"mine"}


def test_force_overwrites(tmp_path: Path) -> None:
    (tmp_path / "mlguard.yaml").write_text("mine")
    (tmp_path / "notes").write_text("mine")
    scaffold.create(tmp_path, force=True)
    assert (tmp_path / "mlguard.yaml").read_text() != "mine"
    assert (tmp_path / "notes").read_text() == "mine"


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_that_cannot_be_written_stays_as_it_was(tmp_path: Path, force: bool) -> None:
    (tmp_path / ".github").write_text("a file where a folder should be")
    with pytest.raises(MlguardError, match="cannot be written"):
        scaffold.create(tmp_path, force=force)
    assert [path.name for path in tmp_path.iterdir()] == [".github"]


def test_a_folder_in_the_place_of_a_file_stays(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").mkdir()
    with pytest.raises(MlguardError, match="cannot be written"):
        scaffold.create(tmp_path, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["compose.yaml"]
