"""What mlguard.yaml says of databases and people; the SLO files are not read for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlguard.errors import Problem, SpecError

if TYPE_CHECKING:
    from mlguard.spec.project_file import ProjectFile


def dsn_of(target: str, slos: str | None) -> str | None:
    """Return the DSN of a target, its variables filled in; None where it leaves the choice to the environment.

    Raises:
        SpecError: there is no mlguard.yaml, no such target, or a variable is not set.
    """
    from mlguard.spec.project import DEFAULT_FOLDER

    file = project_file(slos)
    if file is None:
        root = Path(slos) if slos is not None else DEFAULT_FOLDER
        raise SpecError(
            f"--target {target}: there is no mlguard.yaml in or beside {root}", help="give --dsn, or run mlguard init"
        )
    return file.dsn(target)


def project_file(slos: str | None) -> ProjectFile | None:
    """Read the mlguard.yaml beside the SLO files; None where there is none.

    Raises:
        SpecError: something is wrong in it.
    """
    from mlguard.spec.project import DEFAULT_FOLDER, raise_all
    from mlguard.spec.project_file import find_project_file, load_project_file
    from mlguard.spec.source import read_source

    path = find_project_file(Path(slos) if slos is not None else DEFAULT_FOLDER)
    if path is None:
        return None
    source = read_source(path, str(path))
    if isinstance(source, Problem):
        raise SpecError(source.message, problems=[source])
    file, _, faults = load_project_file(source)
    raise_all(faults)
    assert file is not None
    return file
