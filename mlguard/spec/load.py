"""One SLO file from text to model, with what it includes; returns faults instead of raising them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from mlguard.errors import Problem, Where
from mlguard.names import TableName
from mlguard.spec.base import Model
from mlguard.spec.faults import problems
from mlguard.spec.models import SharedFile, SloFile, TableSettings
from mlguard.spec.salvage import MOST, without_faults
from mlguard.spec.source import Source, read_source, shown
from mlguard.spec.yaml_nodes import Entry, Items, Node, Pairs, Scalar, compose, plain

AnyModel = TypeVar("AnyModel", bound=Model)
Entries = Mapping[str, Entry]
_SETTINGS = frozenset(info.alias or name for name, info in TableSettings.model_fields.items())


@dataclass(frozen=True)
class Loaded:
    """What became of one SLO file."""

    file: SloFile | None
    faults: tuple[Problem, ...]
    table: TableName | None = None  # told even where the rest of the file is wrong
    table_at: Where | None = None
    rest: SloFile | None = None  # of a faulty file what could be read all the same, to be looked at and never applied


class Loader:
    """Reads SLO files; keeps the files they share, so that each is read once."""

    def __init__(self, defaults: Entries | None = None) -> None:
        self._defaults: Entries = defaults or {}
        self._shared: dict[Path, tuple[Pairs | None, tuple[Problem, ...]]] = {}

    def load(self, path: Path, name: str) -> Loaded:
        """Read the SLO file at `path`, called `name` in messages."""
        source = read_source(path, name)
        if isinstance(source, Problem):
            return Loaded(None, (source,))
        return self.loads(source, path)

    def loads(self, source: Source, path: Path) -> Loaded:
        """Read an SLO file from its text; `path` is where its includes are looked for."""
        root, faults = read_mapping(source)
        if root is None:
            return Loaded(None, tuple(faults))
        return self.read(root, faults, path, source.name)

    def read(self, root: Pairs, faults: list[Problem], path: Path, name: str) -> Loaded:
        """Read an SLO file from its tree; `faults` are those found on the way there."""
        merged, more = self._with_includes(root, path)
        merged = _with_settings(merged, self._defaults)
        faults += more
        file = _validated(merged, faults, name)
        table, table_at = _table(root)
        if faults:
            return Loaded(None, tuple(faults), table, table_at, file if not more else None)
        return Loaded(file, (), table, table_at)

    def _with_includes(self, root: Pairs, path: Path, chain: tuple[Path, ...] = ()) -> tuple[Pairs, list[Problem]]:
        """Put what `root` includes under it: what stands nearer to the SLO file wins."""
        entry = root.entries.get("include")
        if entry is None:
            return root, []
        faults: list[Problem] = []
        names = entry.value.items if isinstance(entry.value, Items) else (entry.value,)
        for node in reversed(names):
            if not isinstance(node, Scalar) or node.kind != "text" or not node.text:
                continue  # validation says so
            where = node.span.source.where(node.span.start)
            shared, found = self._read_shared(path.parent / node.text, node.text, where, (*chain, path.resolve()))
            faults += found
            if shared is not None:
                root = _under(root, shared)
        return root, faults

    def _read_shared(
        self, path: Path, name: str, where: Where, chain: tuple[Path, ...]
    ) -> tuple[Pairs | None, tuple[Problem, ...]]:
        if "\0" in name:
            return None, (Problem("a file name with a NUL character", where),)
        try:
            resolved = path.resolve()
        except (OSError, RuntimeError):
            resolved = path.absolute()
        if resolved in chain:
            files = " → ".join(each.name for each in (*chain[chain.index(resolved) :], resolved))
            return None, (Problem(f"files include one another: {shown(files, 200)}", where, "break the circle"),)
        if resolved not in self._shared:
            self._shared[resolved] = self._read_new(path, name, where, chain)
        return self._shared[resolved]

    def _read_new(
        self, path: Path, name: str, where: Where, chain: tuple[Path, ...]
    ) -> tuple[Pairs | None, tuple[Problem, ...]]:
        if not path.is_file():
            return None, (
                Problem(f"no file `{shown(name)}`", where, f"looked for {shown(os.path.normpath(path), 200)}"),
            )
        source = read_source(path, os.path.normpath(path))
        if isinstance(source, Problem):
            return None, (source,)
        root, faults = read_mapping(source)
        if root is None:
            return None, tuple(faults)
        faults += _elsewhere(validate(SharedFile, root)[1], faults)
        merged, more = self._with_includes(root, path, chain)
        return merged, (*faults, *more)


def read_mapping(source: Source) -> tuple[Pairs | None, list[Problem]]:
    """Read a file as YAML whose top level is a mapping."""
    root, faults = compose(source)
    if root is None or isinstance(root, Pairs):
        return root, faults
    if isinstance(root, Items):
        message = "a list at the top level, wanted keys such as `table:`"
    else:
        message = "no keys in the file, wanted `key: value` lines such as `table: features.customer`"
    faults.append(Problem(message, source.where(root.span.start), "begin with `mlguard: 1`"))
    return None, faults


def validate(model: type[AnyModel], root: Node) -> tuple[AnyModel | None, list[Problem]]:
    """Read a tree as `model`."""
    try:
        return model.model_validate(plain(root)), []
    except ValidationError as error:
        return None, list(problems(error, model, root))


def _validated(root: Pairs, faults: list[Problem], name: str) -> SloFile | None:
    """Read an SLO file as far as it can be read; what is wrong is added to `faults`, also what other faults hide."""
    tree: Pairs | None = root
    for _ in range(MOST):
        if tree is None:
            return None
        try:
            return SloFile.model_validate(plain(tree)).placed(tree, name)
        except ValidationError as error:
            faults += _elsewhere(list(problems(error, SloFile, tree)), faults)
            tree = without_faults(tree, error)
    return None


def _elsewhere(found: list[Problem], before: list[Problem]) -> list[Problem]:
    """Leave out faults on lines YAML already refused: they follow from that."""
    lines = {(problem.where.file, problem.where.line) for problem in before if problem.where}
    return [problem for problem in found if problem.where and (problem.where.file, problem.where.line) not in lines]


def _table(root: Pairs) -> tuple[TableName | None, Where | None]:
    entry = root.entries.get("table")
    if entry is None or not isinstance(entry.value, Scalar):
        return None, None
    try:
        return TableName.parse(entry.value.text), entry.value.span.source.where(entry.value.span.start)
    except ValueError:
        return None, None


def _under(root: Pairs, shared: Pairs) -> Pairs:
    """Put a shared file under a file: columns key by key, groups before, defaults where nothing is said."""
    entries = dict(root.entries)
    for name in ("columns", "groups"):
        if (entry := shared.entries.get(name)) is not None:
            own = entries.get(name)
            entries[name] = entry if own is None else Entry(own.key, _joined(own.value, entry.value))
    defaults = shared.entries.get("defaults")
    merged = Pairs(entries, root.span)
    if defaults is None or not isinstance(defaults.value, Pairs):
        return merged
    if "defaults" in root.entries or "table" not in root.entries:  # a shared file that includes another
        own = entries.get("defaults")
        entries["defaults"] = defaults if own is None else Entry(own.key, _joined(own.value, defaults.value))
        return Pairs(entries, root.span)
    return _with_settings(merged, defaults.value.entries)


def _joined(own: Node, shared: Node) -> Node:
    if isinstance(own, Items) and isinstance(shared, Items):
        return Items(shared.items + own.items, own.span)
    if not isinstance(own, Pairs) or not isinstance(shared, Pairs):
        return own
    entries = dict(shared.entries)
    for name, entry in own.entries.items():
        below = entries.get(name)
        deeper = below is not None and isinstance(entry.value, Pairs) and isinstance(below.value, Pairs)
        entries[name] = Entry(entry.key, _joined(entry.value, below.value)) if deeper and below else entry
    return Pairs(entries, own.span)


def _with_settings(root: Pairs, defaults: Entries) -> Pairs:
    """Give the settings that the file does not."""
    given = {name: entry for name, entry in defaults.items() if name in _SETTINGS and name not in root.entries}
    return Pairs({**root.entries, **given}, root.span) if given else root


def as_entries(value: Any) -> Entries:
    """Return the entries of a mapping node, or none."""
    return value.entries if isinstance(value, Pairs) else {}
