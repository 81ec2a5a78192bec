"""What of a faulty SLO file can be read all the same, so that its other faults are told in the same run. Pure.

A key that is nearly a legal one is taken for it, and what is wrong by itself is left out: one SLO, one rule of a
column. Where leaving it out could make something else look wrong, nothing of the file is read. The result is looked at
for faults and never applied.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ValidationError

from mlguard.spec.base import FAULTS, KeyPath, nearest
from mlguard.spec.faults import legal_keys, model_at
from mlguard.spec.models import SloFile
from mlguard.spec.yaml_nodes import Entry, Items, Node, Pairs

MOST = 5  # rounds: each shows faults that those before it hid
# Nothing else in a file depends on these: without them no other key becomes wrong.
_OF_FILE = frozenset(
    {"owner", "runbook", "description", "tags", "consumers", "inputs", "revoke", "late", "schema", "missing", "pairs"}
    | {"existing", "writes", "quarantine", "quarantine_update", "baseline", "time_zone", "examples", "reads"}
)
_OF_SLO = frozenset(
    {"owner", "runbook", "description", "tags", "severity", "then", "shadow", "waivable", "min_rows", "max_bad"}
    | {"nulls", "reopen", "max_segments"}
)


def without_faults(root: Pairs, error: ValidationError) -> Pairs | None:
    """Return the tree of an SLO file less what validation refused; None where that could make the rest look wrong."""
    cuts: dict[KeyPath, str | None] = {}  # path → the key that was meant
    for path, unknown in _blamed(error):
        meant = _meant(path) if unknown else None
        cut = path if meant is not None or (unknown and len(path) == 1) else _unit(path)
        if cut is None:
            return None
        cuts[cut] = meant if cut == path else None
    kept: Node = root
    whole = {path for path, meant in cuts.items() if meant is None}
    for path in sorted(cuts, key=_order, reverse=True):
        if not any(path[:length] in whole for length in range(1, len(path))):
            kept = _without(kept, path, cuts[path])
    assert isinstance(kept, Pairs)
    # Examples name SLOs, of which one may be gone.
    return Pairs({name: entry for name, entry in kept.entries.items() if name != "examples"}, kept.span)


def _order(path: KeyPath) -> tuple[tuple[int, str], ...]:
    """Sort by place in lists, so that what is cut last does not move what is yet to be cut."""
    return tuple((part, "") if isinstance(part, int) else (-1, part) for part in path)


def _blamed(error: ValidationError) -> Iterator[tuple[KeyPath, bool]]:
    """Yield the path of each fault, and whether it is a key that nobody knows."""
    seen: set[KeyPath] = set()
    for each in error.errors(include_url=False):
        path = tuple(each["loc"])
        inner = each.get("ctx", {}).get("faults", ()) if each["type"] == FAULTS else ()
        for found in [path + fault.path for fault in inner] or [path]:
            if found not in seen:
                seen.add(found)
                yield found, each["type"] == "extra_forbidden"


def _meant(path: KeyPath) -> str | None:
    model: type[BaseModel] | None = model_at(SloFile, path[:-1])
    return nearest(str(path[-1]), legal_keys(model))


def _unit(path: KeyPath) -> KeyPath | None:
    """Return the smallest part around a fault that can be left out by itself; None where there is none."""
    match path:
        case ("slos" | "groups", int(), str() as word, *_) if word in _OF_SLO:
            return path[:3]
        case ("slos" | "groups", int(), *_):
            return path[:2]
        case ("columns", str(), str(), *_):
            return path[:3]
        case ("columns", str()):
            return path
        case (str() as word, *_) if word in _OF_FILE:
            return path[:1]
    return None


def _without(node: Node, path: KeyPath, meant: str | None) -> Node:
    """Return the tree without what stands at `path`; with `meant`, the key there is that one if it is free."""
    head, *rest = path
    if isinstance(node, Items) and isinstance(head, int) and head < len(node.items):
        items = list(node.items)
        if rest:
            items[head] = _without(items[head], tuple(rest), meant)
        else:
            del items[head]
        return Items(tuple(items), node.span)
    if not isinstance(node, Pairs) or head not in node.entries:
        return node
    entries = dict(node.entries)
    found = entries[str(head)]
    if rest:
        entries[str(head)] = Entry(found.key, _without(found.value, tuple(rest), meant))
    else:
        del entries[str(head)]
        if meant is not None and meant not in entries:
            entries[meant] = found
    return Pairs(entries, node.span)
