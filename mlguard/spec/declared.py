"""Plain Python values as the tree that SLO files are read into: what is said in code is judged as what is in YAML.

A place in it is a name, such as `Customer.age`, and in an expression the character.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any

from mlguard.errors import Problem, Where
from mlguard.spec.source import Source
from mlguard.spec.yaml_nodes import Entry, Items, Node, Pairs, Scalar, Span

TEXT = "python"  # the style of text that stands as it is: neither folded nor escaped


class Named(Source):
    """Text that is found by a name instead of a file and line."""

    def where(self, offset: int) -> Where:
        """Return the name; of an expression of one line also the character."""
        if "\n" in self.text or not self.text:
            return Where(self.name, 0, 0)
        return Where(self.name, 0, max(0, min(offset, len(self.text))) + 1, self.text)


@dataclass(frozen=True)
class Declared:
    """What code says of one table: a name for messages, the keys of an SLO file, and names of its columns."""

    name: str
    keys: Mapping[str, Any]
    columns: Mapping[str, str] = field(default_factory=dict)  # column → what messages call it


def tree(declared: Declared) -> tuple[Pairs, list[Problem]]:
    """Return the tree of one table, and what in it is no value of an SLO file."""
    faults: list[Problem] = []
    columns = declared.keys.get("columns")
    entries = {}
    for key, value in declared.keys.items():
        if key == "columns" and isinstance(columns, Mapping):
            inner = {
                column: Entry(_key(column, _column(declared, column)), _node(said, _column(declared, column), faults))
                for column, said in columns.items()
            }
            node: Node = Pairs(inner, _span(declared.name))
        elif key == "slos" and isinstance(value, list | tuple):
            node = Items(tuple(_slo(slo, declared.name, faults) for slo in value), _span(declared.name))
        else:
            node = _node(value, declared.name, faults)
        entries[key] = Entry(_key(key, declared.name), node)
    return Pairs(entries, _span(declared.name)), faults


def _column(declared: Declared, column: str) -> str:
    return declared.columns.get(column, f"{declared.name}.{column}")


def _slo(slo: Any, name: str, faults: list[Problem]) -> Node:
    """Return one of `slos`, which messages call by its own name."""
    said = slo.get("name") if isinstance(slo, Mapping) else None
    return _node(slo, f"{name}/{said}" if isinstance(said, str) else name, faults)


def _node(value: Any, name: str, faults: list[Problem]) -> Node:
    if isinstance(value, Mapping):
        return Pairs(
            {str(key): Entry(_key(key, name), _node(said, name, faults)) for key, said in value.items()}, _span(name)
        )
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return Items(tuple(_node(item, name, faults) for item in items), _span(name))
    if (text := _plain(value)) is not None:
        return Scalar(text, "", _span(name))
    text = next(_text(value), None)
    if text is None:
        faults.append(
            Problem(
                f"a value of type {type(value).__name__} cannot stand here",
                Where(name, 0, 0),
                "write text, a number, true, false, None, a list or a dict",
            )
        )
        text = ""
    return Scalar(text, TEXT, Span(Named(name, text), -1, len(text) + 1))


def _plain(value: Any) -> str | None:
    """Return a number, a truth value or nothing as YAML spells it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Decimal) and not isinstance(value, Enum):
        text = str(value)
        return {"nan": ".nan", "inf": ".inf", "-inf": "-.inf", "NaN": ".nan"}.get(text, text)
    return None


def _text(value: Any) -> Iterator[str]:
    if isinstance(value, Enum):
        yield str(value.value)
    elif isinstance(value, str):
        yield str(value)
    elif isinstance(value, date | datetime | time):
        yield value.isoformat(*([" "] if isinstance(value, datetime) else []))


def _key(key: Any, name: str) -> Scalar:
    return Scalar(str(key), TEXT, _span(name))


def _span(name: str) -> Span:
    return Span(Named(name, ""), 0, 0)
