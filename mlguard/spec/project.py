"""A project: all SLO files of a folder and the mlguard.yaml beside it. Every fault of every file is raised at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlguard.errors import Problem, SpecError, Where
from mlguard.names import TableName
from mlguard.spec.declared import Declared, tree
from mlguard.spec.faults import without_repeats
from mlguard.spec.load import Loaded, Loader
from mlguard.spec.models import SloFile
from mlguard.spec.project_file import ProjectFile, find_project_file, load_project_file
from mlguard.spec.selection import Selection, parse_selection, unmatched
from mlguard.spec.source import read_source

SUFFIX = ".slo.yaml"
DEFAULT_FOLDER = Path("slos")
NO_SETTINGS = ProjectFile(mlguard=1)
EVERYTHING = Selection()


@dataclass(frozen=True)
class Project:
    """What the files say, selected. `files` are in the order of their paths; one table is in one file."""

    files: tuple[SloFile, ...]
    settings: ProjectFile = NO_SETTINGS
    selection: Selection = EVERYTHING
    root: Path = DEFAULT_FOLDER

    def file(self, table: TableName) -> SloFile | None:
        """Return the file of a table."""
        return next((file for file in self.files if file.table == table), None)


def load_project(slos: Path | None = None, *, select: Sequence[str] = ()) -> Project:
    """Read `slos/**/*.slo.yaml`, or one file, and the mlguard.yaml beside it.

    Args:
        slos: folder or file; `slos/` where it is None.
        select: words of --select; without any, everything.

    Raises:
        SpecError: anything is wrong in any file; `problems` holds all of it.
    """
    project, faults = read_project(slos, select=select)
    raise_all(faults)
    return project


def read_project(slos: Path | None = None, *, select: Sequence[str] = ()) -> tuple[Project, list[Problem]]:
    """As `load_project`, but return what is wrong, and with it the project as far as it can be read.

    Where there are faults the project is there to be looked at for more of them, and for nothing else.
    """
    root = slos if slos is not None else DEFAULT_FOLDER
    paths = _paths(root)
    settings, loader, faults = _settings(root)
    loaded = [loader.load(path, str(path)) for path in paths]
    return _assembled(loaded, settings, faults, select, root)


def declared_project(tables: Iterable[Declared], *, select: Sequence[str] = ()) -> Project:
    """Return the project that code declares, with the mlguard.yaml of this folder.

    Args:
        tables: what is said of each table.
        select: words of --select; without any, everything.

    Raises:
        SpecError: anything is wrong in any of them; places are names such as `Customer.age`.
    """
    settings, loader, faults = _settings(DEFAULT_FOLDER)
    loaded = []
    for declared in tables:
        root, found = tree(declared)
        loaded.append(loader.read(root, found, Path(declared.name), declared.name))
    project, faults = _assembled(loaded, settings, faults, select, DEFAULT_FOLDER)
    raise_all(faults)
    return project


def _settings(root: Path) -> tuple[ProjectFile, Loader, list[Problem]]:
    """Read the mlguard.yaml beside `root`, where there is one."""
    beside = find_project_file(root)
    if beside is None:
        return NO_SETTINGS, Loader(), []
    source = read_source(beside, str(beside))
    if isinstance(source, Problem):
        return NO_SETTINGS, Loader(), [source]
    read, defaults, faults = load_project_file(source)
    return read or NO_SETTINGS, Loader(defaults), faults


def _assembled(
    loaded: Sequence[Loaded], settings: ProjectFile, faults: list[Problem], select: Sequence[str], root: Path
) -> tuple[Project, list[Problem]]:
    selection, unread = parse_selection(select)
    faults = [*faults, *unread, *(fault for each in loaded for fault in each.faults), *_two_of_one_table(loaded)]
    files = tuple(file for each in loaded if (file := each.file or each.rest) is not None)
    if not faults:
        faults += unmatched(selection, files)
    return Project(tuple(file for file in files if selection.covers_file(file)), settings, selection, root), faults


def _paths(root: Path) -> list[Path]:
    """Return the SLO files at `root`, sorted."""
    if root.is_file():
        return [root]
    if not root.exists():
        raise SpecError(f"no folder or file {root}", help="run mlguard init, or name it: mlguard --slos <folder>")
    if paths := sorted(root.rglob(f"*{SUFFIX}")):
        return paths
    others = sorted(
        path for pattern in ("*.yaml", "*.yml") for path in root.rglob(pattern) if path.name != "mlguard.yaml"
    )
    if others:
        help = f"names end in {SUFFIX}; rename {others[0]} to {others[0].name.split('.')[0]}{SUFFIX}"
    else:
        help = "run mlguard init for an example"
    raise SpecError(f"no SLO files in {root}", help=help)


def _two_of_one_table(loaded: Iterable[Loaded]) -> list[Problem]:
    """Find tables that more than one file is about."""
    first: dict[TableName, Where] = {}
    faults: list[Problem] = []
    for each in loaded:
        if each.table is None or each.table_at is None:
            continue
        if (before := first.setdefault(each.table, each.table_at)) is not each.table_at:
            message = f"a second file for {each.table}; the first is {before.file}"
            faults.append(
                Problem(message, each.table_at, "keep one file per table; `include:` shares what tables have in common")
            )
    return faults


def raise_all(faults: Sequence[Problem]) -> None:
    """Raise what is wrong, sorted by file and line; do nothing when nothing is."""
    if not faults:
        return
    problems = without_repeats(faults)
    if len(problems) == 1:
        only = problems[0]
        raise SpecError(only.message, help=only.help, where=only.where)
    files = {problem.where.file for problem in problems if problem.where and problem.where.line}
    among = f" in {len(files)} files" if len(files) > 1 else ""
    raise SpecError(f"{len(problems)} problems{among}", problems=problems)
