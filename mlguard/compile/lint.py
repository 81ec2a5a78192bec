"""Files → Project, with every fault of every file: those of keys, and of the expressions in what can be read. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlguard.errors import CompileError, Problem, SpecError
from mlguard.spec.project import Project, raise_all, read_project


def load_whole(slos: Path | None = None, *, select: Sequence[str] = ()) -> Project:
    """Read SLO files as `load_project` does; where one is faulty, look for what else is wrong in all of them.

    Faults of expressions are not looked for where no key is wrong: whoever compiles the project finds them.

    Args:
        slos: folder or file; `slos/` where it is None.
        select: words of --select; without any, everything.

    Raises:
        SpecError: anything is wrong in any file; `problems` holds all of it.
    """
    project, faults = read_project(slos, select=select)
    if faults:
        raise_all([*faults, *_of_expressions(project, faults)])
    return project


def _of_expressions(project: Project, faults: Sequence[Problem]) -> list[Problem]:
    """Return what compiling shows, less what stands on a line with another fault: it follows from that."""
    from mlguard.compile import compile_project

    lines = {(fault.where.file, fault.where.line) for fault in faults if fault.where}
    try:
        compile_project(project, None)
    except (SpecError, CompileError) as error:
        return [found for found in error.problems if found.where and (found.where.file, found.where.line) not in lines]
    return []
