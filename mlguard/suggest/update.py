"""`--update`: insert what is missing into an SLO file as text, so that what a person wrote stays byte for byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mlguard.errors import SpecError
from mlguard.suggest import write
from mlguard.suggest.facts import Draft, Proposal
from mlguard.suggest.yaml_text import comment, flow, key


@dataclass(frozen=True)
class Merged:
    """The new text, and what was added or left as it was, in words."""

    text: str
    added: tuple[str, ...]
    kept: tuple[str, ...]


def merge(text: str, draft: Draft, path: str) -> Merged:
    """Insert the lines of `draft` that the file does not say anything about.

    Raises:
        SpecError: the file is not a mapping about the same table.
    """
    root = YAML(typ="rt").compose(text)
    if not isinstance(root, MappingNode):
        raise SpecError(f"{path} holds no SLO file", help="name a file with a table, or write a new one with -o")
    if root.flow_style:
        raise SpecError(
            f"{path} is one {{ … }}, which has no lines to add to", help="write each key on a line of its own"
        )
    said = _scalar(_get(root, "table"))
    if said != draft.table:
        raise SpecError(f"{path} is about {said}, not {draft.table}", help="give --table, or the file of that table")
    return _Merge(text, draft).run(root)


def personal(text: str) -> tuple[str, ...]:
    """Return the columns, or patterns of columns, that the file calls personal: their values are not shown either."""
    root = YAML(typ="rt").compose(text)
    found: list[str] = []
    columns = _get(root, "columns")
    for name, entry in columns.value if isinstance(columns, MappingNode) else ():
        if _scalar(_get(entry, "pii")) in ("true", "forbid"):
            found.append(_scalar(name))
    groups = _get(root, "groups")
    for entry in groups.value if isinstance(groups, SequenceNode) else ():
        if _scalar(_get(entry, "pii")) in ("true", "forbid"):
            named = _get(entry, "columns")
            found += map(_scalar, named.value if isinstance(named, SequenceNode) else [named])
    return tuple(found)


class _Merge:
    def __init__(self, text: str, draft: Draft) -> None:
        self.text, self.draft = text, draft
        self.added: list[str] = []
        self.kept: list[str] = []
        self.inserts: list[tuple[int, str]] = []

    def run(self, root: MappingNode) -> Merged:
        self._settings(root)
        self._columns(root)
        self._slos(root)
        text = self.text
        # From the end, so that places stay true; of the same place the last first, so that order stays as well.
        end = "\r\n" if "\r\n" in text else "\n"
        for _, (at, what) in sorted(enumerate(self.inserts), key=lambda one: (one[1][0], one[0]), reverse=True):
            text = text[:at] + what.replace("\n", end) + text[at:]
        return Merged(text, tuple(self.added), tuple(self.kept))

    def _settings(self, root: MappingNode) -> None:
        lines = []
        for proposal in self.draft.settings:
            if (there := _get(root, proposal.key)) is None:
                lines.append(write.setting(proposal))
                self.added.append(proposal.key)
            elif _plain(there) != _as_read(proposal.value):
                self.kept.append(f"{proposal.key} (proposed {write.value(proposal.value)})")
        table = _get(root, "table")
        assert table is not None
        self._insert(table, lines)

    def _columns(self, root: MappingNode) -> None:
        there = _get(root, "columns")
        if there is None or _empty(there):
            lines: list[str] = []
            for name, proposals in self.draft.columns.items():
                lines += write.column(name, proposals)
                self.added += [f"{name}.{proposal.key}" for proposal in proposals]
            if not lines:
                return
            slos = _key(root, "slos")
            if there is not None:
                self._insert(_key(root, "columns"), lines)
            elif slos is not None:
                at = self.text.rfind("\n", 0, slos.start_mark.index) + 1
                self.inserts.append((at, "".join(f"{line}\n" for line in ["columns:", *lines, ""])))
            else:
                self._insert(root, ["", "columns:", *lines])
            return
        if not isinstance(there, MappingNode):
            return
        fresh: list[str] = []
        inline: list[str] = []
        indent = " " * there.value[0][0].start_mark.column if there.value and not there.flow_style else "  "
        for name, proposals in self.draft.columns.items():
            entry = _get(there, name)
            if entry is not None:
                self._column(name, _key(there, name), entry, proposals)
            elif there.flow_style:
                inner = {proposal.key: proposal.value for proposal in proposals}
                inline.append(f"{key(name)}: {flow(inner)}")
                self.added += [f"{name}.{proposal.key}" for proposal in proposals]
            else:
                fresh += write.column(name, proposals, indent)
                self.added += [f"{name}.{proposal.key}" for proposal in proposals]
        if fresh:
            self._insert(there, fresh)
        if inline:
            self._into_flow(there, ", ".join(inline))

    def _column(self, name: str, at: Any, entry: Node, proposals: list[Proposal]) -> None:
        missing: list[Proposal] = []
        for proposal in proposals:
            there = _get(entry, proposal.key) if isinstance(entry, MappingNode) else None
            if there is not None:
                if _plain(there) != _as_read(proposal.value) and not (
                    proposal.key == "type" and _plain(there) == proposal.value
                ):
                    self.kept.append(f"{name}.{proposal.key} (proposed {write.value(proposal.value)})")
            elif not _excluded(proposal.key, entry):
                missing.append(proposal)
        if not missing:
            return
        if isinstance(entry, MappingNode) and entry.flow_style:
            inside = ", ".join(f"{proposal.key}: {write.value(proposal.value)}" for proposal in missing)
            self._into_flow(entry, inside)
            start = self.text.rfind("\n", 0, entry.start_mark.index) + 1
            indent = self.text[start : len(self.text)][: len(self.text[start:]) - len(self.text[start:].lstrip(" "))]
            why = "".join(
                f"{indent}# {name}.{proposal.key}: {comment(proposal.evidence)}\n"
                for proposal in missing
                if proposal.evidence
            )
            self.inserts.append((start, why))
        elif isinstance(entry, MappingNode) and entry.value:
            indent = " " * entry.value[0][0].start_mark.column
            self._insert(entry, [write.rule(proposal, indent) for proposal in missing])
        elif _empty(entry):
            indent = " " * (at.start_mark.column + 2)
            self._insert(at, [write.rule(proposal, indent) for proposal in missing])
        else:
            self.kept.append(name)
            return
        self.added += [f"{name}.{proposal.key}" for proposal in missing]

    def _slos(self, root: MappingNode) -> None:
        there = _get(root, "slos")
        names = set()
        checks = set()
        if isinstance(there, SequenceNode):
            names = {_scalar(_get(item, "name")) for item in there.value}
            checks = {_scalar(_get(item, "check")) for item in there.value}
        fresh = [one for one in self.draft.slos if one.key not in names and one.value["check"] not in checks]
        self.kept += [
            f"slo {one.key}" for one in self.draft.slos if one.key in names and one.value["check"] not in checks
        ]
        if not fresh:
            return
        self.added += [f"slo {one.key}" for one in fresh]
        if isinstance(there, SequenceNode) and there.flow_style:
            self._into_flow(there, ", ".join(flow({"name": one.key, **one.value}) for one in fresh))
            return
        if isinstance(there, SequenceNode) and there.value:
            item = there.value[0].start_mark
            line = self.text[self.text.rfind("\n", 0, item.index) + 1 : item.index]
            indent = " " * line.index("-")
            self._insert(there, [text for one in fresh for text in write.slo(one, indent)])
        else:
            lines = [text for one in fresh for text in write.slo(one)]
            if there is not None:
                self._insert(_key(root, "slos"), lines)
            else:
                self._insert(root, ["", "slos:", *lines])

    def _insert(self, after: Node, lines: list[str]) -> None:
        """Put lines behind the line on which a value ends."""
        if not lines:
            return
        end = _end(after)
        line_end = self.text.find("\n", end)
        newline = "" if line_end >= 0 else "\n"
        at = len(self.text) if line_end < 0 else line_end + 1
        if at and self.text[at - 1 : at] == "\n" and end == at:
            at = end
        self.inserts.append((at, newline + "".join(f"{line}\n" for line in lines)))

    def _into_flow(self, node: Any, inside: str) -> None:
        close = node.end_mark.index - 1
        before = self.text[:close].rstrip()
        comma = "" if not node.value or before.endswith(",") else ", "
        self.inserts.append((len(before), f"{comma}{inside}"))


def _excluded(name: str, entry: Node) -> bool:
    """Say whether what a person wrote already settles a rule by other means."""
    others = {
        "max_null_rate": ("required",),
        "in": ("not_in", "matches"),
        "length": ("matches", "in"),
        "range": ("in",),
    }
    return any(_get(entry, other) is not None for other in others.get(name, ()))


def _end(node: Any) -> int:
    """Return where the text of a node ends; block collections end with their last value."""
    if isinstance(node, (MappingNode, SequenceNode)) and not node.flow_style and node.value:
        last = node.value[-1]
        if isinstance(last, tuple):
            return _end(last[0] if _empty(last[1]) else last[1])
        return _end(last)
    if isinstance(node, ScalarNode) and node.style in ("|", ">"):
        return int(node.end_mark.index) - 1
    return int(node.end_mark.index)


def _get(node: Any, name: str) -> Any:
    if isinstance(node, MappingNode):
        for each, value in node.value:
            if isinstance(each, ScalarNode) and each.value == name:
                return value
    return None


def _key(node: Any, name: str) -> Any:
    """Return the node of a key: what stands behind it may be nothing, which has no place of its own."""
    return next((each for each, _ in node.value if isinstance(each, ScalarNode) and each.value == name), None)


def _empty(node: Any) -> bool:
    return isinstance(node, ScalarNode) and not node.value and node.style is None


def _scalar(node: Any) -> str:
    return str(node.value) if isinstance(node, ScalarNode) else ""


def _plain(node: Any) -> Any:
    if isinstance(node, ScalarNode):
        return node.value
    if isinstance(node, SequenceNode):
        return [_plain(each) for each in node.value]
    return {_scalar(name): _plain(value) for name, value in node.value}


def _as_read(value: Any) -> Any:
    """Return a proposed value as the texts that YAML would read."""
    if isinstance(value, dict):
        return {name: _as_read(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_read(each) for each in value]
    return value if isinstance(value, str) else flow(value)
