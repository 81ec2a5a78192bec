"""YAML text to a tree of positioned nodes. No Python object is ever constructed from a tag; knows no model.

ruamel.yaml scans and parses; this module composes, because mlguard wants every fault (duplicate keys, tags, loops) with
its place, exact source text instead of converted numbers, and limits that hold before memory is spent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from mlguard.errors import Problem
from mlguard.spec.source import Source, shown, unreadable

MAX_NODES = 100_000  # counted after aliases are expanded
MAX_DEPTH = 60
MAX_FAULTS = 100  # of one file; more of them tell nobody anything
MERGE = "<<"

# YAML 1.2.2, chapter 10.3.2 (core schema).
_NULL = re.compile(r"(?:null|Null|NULL|~|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,6})?\Z")
_NOT_FINITE = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a file, from the first character to after the last one."""

    source: Source = field(repr=False, compare=False)
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value, with the text that stands for it."""

    text: str
    style: str  # '' plain, "'", '"', '|' or '>'
    span: Span = field(compare=False)

    @property
    def kind(self) -> str:
        """What YAML takes it for: 'text', 'number', 'boolean' or 'null'."""
        if self.style:
            return "text"
        if _NULL.match(self.text):
            return "null"
        if _BOOL.match(self.text):
            return "boolean"
        if _INT.match(self.text) or _FLOAT.match(self.text) or _NOT_FINITE.match(self.text):
            return "number"
        return "text"

    @property
    def number(self) -> Decimal | None:
        """The number a plain scalar stands for; None for text and for infinities."""
        return as_number(self.text) if not self.style else None


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[Node, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One `key: value` of a mapping."""

    key: Scalar
    value: Node


@dataclass(frozen=True, slots=True)
class Pairs:
    """A mapping; keys are exact names, in file order."""

    entries: Mapping[str, Entry]
    span: Span = field(compare=False)


Node: TypeAlias = Scalar | Items | Pairs


def as_number(text: str) -> Decimal | None:
    """Read a number as YAML 1.2 writes it; None where `text` is none, or has more digits than any column holds."""
    if len(text) > 1000:
        return None
    if text.startswith(("0x", "0o")) and _INT.match(text):
        return Decimal(int(text, 0))
    return Decimal(text) if _FLOAT.match(text) else None


def kind_of(node: Node) -> str:
    """Name what a node is in words of YAML: 'text', 'number', 'boolean', 'null', 'list' or 'mapping'."""
    if isinstance(node, Scalar):
        return node.kind
    return "list" if isinstance(node, Items) else "mapping"


def plain(node: Node) -> Any:
    """Return the tree as dict, tuple and Scalar: what the models validate."""
    if isinstance(node, Pairs):
        return {name: plain(entry.value) for name, entry in node.entries.items()}
    if isinstance(node, Items):
        return tuple(plain(item) for item in node.items)
    return node


@dataclass
class _Open:
    """A collection whose end was not read yet."""

    start: int
    flow: bool
    anchor: str | None
    is_mapping: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    merged: list[tuple[Scalar, Node]] = field(default_factory=list)
    key: Node | None = None
    split_at: int = -1
    size: int = 1


class TooMuch(Exception):
    """The rest of the file is not read: a limit is passed, or a fault leaves nothing to go on with."""


class Composer:
    """Builds the node tree of one file from parser events, collecting faults as it goes."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.faults: list[Problem] = []
        self.root: Node | None = None
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._nodes = 0
        self._documents = 0

    def fault(self, message: str, offset: int, help: str = "") -> None:
        """Record a fault; past MAX_FAULTS the rest of the file is left unread."""
        self.faults.append(Problem(message, self.source.where(offset), help))
        if len(self.faults) >= MAX_FAULTS:
            raise TooMuch

    def take(self, event: Any) -> None:
        """Take the next parser event."""
        if isinstance(event, ScalarEvent):
            self._scalar(event)
        elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            self._begin(event)
        elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            self._end(event)
        elif isinstance(event, AliasEvent):
            self._alias(event)
        elif isinstance(event, DocumentStartEvent):
            self._document(event)

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            self.fault(
                "a second document begins here", event.start_mark.index, "one file holds one document: remove ---"
            )
            raise TooMuch
        if event.version is not None and tuple(event.version) != (1, 2):
            self.fault("mlguard reads YAML 1.2", event.start_mark.index, "remove the %YAML line")

    def _tag(self, event: Any) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None:
            name = self.source.text[event.start_mark.index :].split(maxsplit=1)[0]
            self.fault(
                f"`{shown(name)}` is a tag, and mlguard reads none",
                event.start_mark.index,
                "remove it; a value that begins with ! needs quotes around the whole of it",
            )

    def _count(self, size: int, offset: int) -> None:
        self._nodes += size
        if self._nodes > MAX_NODES:
            self.fault(
                f"more than {MAX_NODES:,} values once aliases are expanded", offset, "remove the aliases (*name)"
            )
            raise TooMuch

    def _scalar(self, event: Any) -> None:
        self._tag(event)
        start, end = event.start_mark.index, event.end_mark.index
        if event.anchor is not None or getattr(event, "tag", None) is not None:
            start = self._after_properties(start, end)
        node = Scalar(event.value, event.style or "", Span(self.source, start, end))
        self._count(1, start)
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, 1)
        self._add(node, 1)

    def _after_properties(self, start: int, end: int) -> int:
        """Return where the value itself begins after its `&anchor` and `!tag`."""
        match = re.compile(r"(?:[&!]\S*\s*)+").match(self.source.text, start, end)
        return match.end() if match else start

    def _begin(self, event: Any) -> None:
        self._tag(event)
        start = event.start_mark.index
        if len(self._stack) >= MAX_DEPTH:
            self.fault(f"nested deeper than {MAX_DEPTH} levels", start)
            raise TooMuch
        self._count(1, start)
        is_mapping = isinstance(event, MappingStartEvent)
        self._stack.append(_Open(start, bool(event.flow_style), event.anchor, is_mapping))

    def _end(self, event: Any) -> None:
        opened = self._stack.pop()
        span = Span(self.source, opened.start, event.end_mark.index)
        node: Node
        if opened.is_mapping:
            for key, value in reversed(opened.merged):
                self._merge(opened, key, value)
            node = Pairs(opened.entries, span)
        else:
            node = Items(tuple(opened.items), span)
        if opened.anchor is not None:
            self._anchors[opened.anchor] = (node, opened.size)
        self._add(node, opened.size)

    def _alias(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        found = self._anchors.get(event.anchor)
        if found is None:
            self.fault(
                f"`*{shown(event.anchor)}` refers to an anchor, and no finished value has &{shown(event.anchor)}",
                start,
                "a value that begins with * needs quotes around the whole of it",
            )
            self._add(Scalar("", "'", Span(self.source, start, end)), 1)
            return
        node, size = found
        self._count(size, start)
        self._add(node, size, Span(self.source, start, end))

    def _add(self, node: Node, size: int, alias: Span | None = None) -> None:
        if not self._stack:
            self.root = node
            return
        opened = self._stack[-1]
        opened.size += size
        if not opened.is_mapping:
            opened.items.append(node)
        elif opened.key is None:
            opened.key = node if alias is None or not isinstance(node, Scalar) else replace(node, span=alias)
        else:
            key, opened.key = opened.key, None
            self._pair(opened, key, node)

    def _pair(self, opened: _Open, key: Node, value: Node) -> None:
        if not isinstance(key, Scalar):
            self.fault(
                f"a key must be a name, found a {kind_of(key)}", key.span.start, "put quotes around the whole key"
            )
        elif key.text == MERGE and not key.style:
            opened.merged.append((key, value))
        elif split := self._split_at_comma(opened, key, value):
            if split[1] != opened.split_at:  # `x IN (1, 2, 3)` is one fault, not two
                opened.split_at = split[1]
                self.fault(*split)
        elif not key.text and not key.style:
            self.fault("a key is missing before the colon", key.span.start)
        elif (first := opened.entries.get(key.text)) is not None:
            line = self.source.where(first.key.span.start).line
            message = f"`{shown(key.text)}` is here a second time; the first is on line {line}"
            self.fault(message, key.span.start, "keep one of them")
        else:
            opened.entries[key.text] = Entry(key, value)

    def _split_at_comma(self, opened: _Open, key: Scalar, value: Node) -> tuple[str, int, str] | None:
        """Recognise `{check: psi(a, b) <= 1}`, which YAML takes for two entries, the second without a value."""
        if not opened.flow or not opened.entries or not isinstance(value, Scalar) or value.text or value.style:
            return None
        before = list(opened.entries.values())[-1].value
        if not isinstance(before, Scalar) or before.style or not unfinished(before.text):
            return None
        return (
            f"the comma cuts this value short: YAML reads `{shown(before.text)}` and, as a key, `{shown(key.text)}`",
            before.span.start,
            "put quotes around the whole expression",
        )

    def _merge(self, opened: _Open, key: Scalar, value: Node) -> None:
        for part in value.items if isinstance(value, Items) else (value,):
            if not isinstance(part, Pairs):
                self.fault("`<<` takes a mapping, or a list of mappings", key.span.start)
                continue
            for name, entry in part.entries.items():
                opened.entries.setdefault(name, entry)


def unfinished(text: str) -> bool:
    """Tell whether an expression stops in the middle: a bracket or a quote is left open."""
    outside = re.sub(r"'[^']*'|\"[^\"]*\"", "", text)
    return "'" in outside or '"' in outside or any(outside.count(a) > outside.count(b) for a, b in ("()", "[]", "{}"))


def compose(source: Source) -> tuple[Node | None, list[Problem]]:
    """Read one YAML document. The tree is None when the file cannot be read as YAML at all."""
    from mlguard.spec.yaml_traps import explain, without_trap

    if faults := [problem for problem, _ in zip(unreadable(source), range(MAX_FAULTS), strict=False)]:
        return None, faults
    found: list[Problem] = []
    text = source.text
    while True:
        composer = Composer(source)
        try:
            for event in _events(text):
                composer.take(event)
        except TooMuch:
            return None, found + composer.faults
        except MarkedYAMLError as error:
            repaired = without_trap(source, text, error)
            told = repaired[1] if repaired else explain(source, text, error)
            # A value that a comma has cut short cannot be read on: that is one fault, not two.
            if repaired or not any(_line(fault) == _line(told) for fault in composer.faults):
                found.append(told)
            if repaired is None or len(found) >= MAX_FAULTS:
                return None, found + composer.faults
            text = repaired[0]
            continue
        except (YAMLError, ValueError, OverflowError) as error:
            return None, [*found, Problem(f"not YAML: {shown(str(error))}", source.where(0)), *composer.faults]
        found += composer.faults
        if composer.root is None:
            found.append(Problem("the file is empty", source.where(0), "begin with `mlguard: 1`"))
        return composer.root, found


def _line(fault: Problem) -> int:
    return fault.where.line if fault.where else 0


def _events(text: str) -> Iterator[Any]:
    yield from YAML(typ="safe", pure=True).parse(text)
