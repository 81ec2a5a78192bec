"""`--target NAME`: the DSN that mlguard.yaml gives it; the SLO files are not read for it."""

from __future__ import annotations

from pathlib import Path

from mlguard.errors import Problem, SpecError


def dsn_of(target: str, slos: str | None) -> str | None:
    """Return the DSN of a target, its variables filled in; None where it leaves the choice to the environment.

    Raises:
        SpecError: there is no mlguard.yaml, no such target, or a variable is not set.
    """
    from mlguard.spec.project import DEFAULT_FOLDER, raise_all
    from mlguard.spec.project_file import find_project_file, load_project_file
    from mlguard.spec.source import read_source

    root = Path(slos) if slos is not None else DEFAULT_FOLDER
    path = find_project_file(root)
    if path is None:
        raise SpecError(
            f"--target {target}: there is no mlguard.yaml in or beside {root}", help="give --dsn, or run mlguard init"
        )
    source = read_source(path, str(path))
    if isinstance(source, Problem):
        raise SpecError(source.message, problems=[source])
    file, _, faults = load_project_file(source)
    raise_all(faults)
    assert file is not None
    return file.dsn(target)
