"""Plain values as YAML 1.2 text on one line, quoted where another reader would take them for something else. Pure."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from mlguard.suggest.statistics import number

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_TYPE = re.compile(r"[a-z][a-z0-9 ]*(\(\d+(, ?\d+)?\))?")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def flow(value: Any) -> str:
    """Return a value: scalars, lists, mappings."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return number(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return scalar(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {flow(each)}" for key, each in value.items()) + "}"
    return "[" + ", ".join(map(flow, value)) + "]"


def scalar(text: str) -> str:
    """Return text, bare where it cannot be misread."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    if text.isprintable() and "\\" not in text and "\ufeff" not in text:
        return "'" + text.replace("'", "''") + "'"
    return double(text)


def key(text: str) -> str:
    """Return a key of a block mapping."""
    return scalar(text)


def double(text: str) -> str:
    """Return text in double quotes, everything unusual escaped."""
    out = []
    for character in text:
        if character in '"\\':
            out.append("\\" + character)
        elif character.isprintable() and character != "\ufeff":
            out.append(character)
        else:
            out.append(f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\U{ord(character):08x}")
    return '"' + "".join(out) + '"'


def plain(text: str) -> str:
    """Return a bare value where YAML allows it: types, shares, lengths of time."""
    return text if _TYPE.fullmatch(text) or re.fullmatch(r"[0-9.]+%|[0-9]+ [a-z]+", text) else scalar(text)


def comment(text: str) -> str:
    """Return words for a comment: one line, nothing invisible in it."""
    return "".join(character if character.isprintable() else " " for character in text)
