"""The project folder that `mlguard init` makes. Knows files, not SLOs."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from importlib.resources import files
from pathlib import Path

from mlguard.errors import MlguardError, Problem

# Template to place. Names that tools act upon (.gitignore, .github) are given only to what is made.
PLACES = {
    "mlguard.yaml": "mlguard.yaml",
    "example.slo.yaml": "slos/example.slo.yaml",
    "schema.sql": "schema.sql",
    "compose.yaml": "compose.yaml",
    "slo-ci.sh": "slo-ci.sh",
    "workflow.yml": ".github/workflows/slo.yml",
    "gitignore": ".gitignore",
}


def create(path: Path, *, force: bool = False) -> list[Path]:
    """Make a project folder: everything, or nothing where a file is in the way.

    Args:
        path: the folder; made when it does not exist.
        force: overwrite files that are there.

    Returns:
        The files, in the order in which a reader should open them.

    Raises:
        MlguardError: files are in the way, or the folder cannot be written.
    """
    template = files(__package__) / "template"
    wanted = {path / place: (template / name).read_bytes() for name, place in PLACES.items()}
    there = [file for file in wanted if file.exists() or file.is_symlink()]
    if there and not force:
        raise MlguardError(
            f"{len(there)} files are in the way",
            problems=[
                Problem(f"{file} exists already; nothing was written", help="another folder, or --force to overwrite")
                for file in there
            ],
        )
    try:
        _write(path, wanted)
    except OSError as error:
        raise MlguardError(
            f"{error.filename or path} cannot be written: {error.strerror}; nothing was changed",
            help="choose a folder that you may write to",
        ) from error
    return list(wanted)


def _write(path: Path, wanted: dict[Path, bytes]) -> None:
    """Write all files beside their places, then move them in: a full disk is found out before anything is changed."""
    made: list[Path] = []
    try:
        for folder in dict.fromkeys([path, *(file.parent for file in wanted)]):
            for step in [*reversed(folder.parents), folder]:
                if not step.exists():
                    step.mkdir()
                    made.append(step)
        for file in wanted:
            if file.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
        with tempfile.TemporaryDirectory(prefix=".mlguard-init-", dir=path) as staging:
            staged = {file: Path(staging) / str(number) for number, file in enumerate(wanted)}
            for file, beside in staged.items():
                beside.write_bytes(wanted[file])
            for file, beside in staged.items():
                beside.replace(file)
    except OSError:
        for step in reversed(made):
            with contextlib.suppress(OSError):  # not empty: somebody else's
                step.rmdir()
        raise
