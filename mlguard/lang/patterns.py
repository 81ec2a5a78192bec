"""Patterns of LIKE and of regular expressions: what PostgreSQL would refuse at run time, found beforehand. Pure."""

from __future__ import annotations

import re

_OTHER_SYNTAX = re.compile(r"\*\*\*|\(\?[a-z]+\)")  # manual 9.7.3.4: from here on it may be a literal string


def like_fault(pattern: str) -> str | None:
    """Return what is wrong with a LIKE pattern, or None."""
    trailing = len(pattern) - len(pattern.rstrip("\\"))
    return "the pattern ends in the escape character `\\`" if trailing % 2 else None


def regex_fault(pattern: str) -> str | None:
    """Return what is wrong with a PostgreSQL regular expression (manual 9.7.3), or None.

    Finds what people get wrong: unbalanced parentheses and brackets, a quantifier without an operand, a last
    backslash. The server has the last word: apply tries every pattern there.
    """
    if _OTHER_SYNTAX.match(pattern):
        return None
    depth = 0
    can_repeat = False
    pos = 0
    while pos < len(pattern):
        char = pattern[pos]
        if char == "\\":
            if pos + 1 == len(pattern):
                return "the pattern ends in a backslash"
            pos, can_repeat = pos + 2, True
            continue
        if char == "[":
            close = _bracket_end(pattern, pos)
            if close < 0:
                return "a `[` is not closed"
            pos, can_repeat = close + 1, True
            continue
        if char in "*+?" and not can_repeat and not pattern.startswith("(?", pos - 1):
            return f"the quantifier `{char}` has nothing to repeat"
        if char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth < 0:
                return "a `)` closes nothing"
        can_repeat = char not in "(|^"
        pos += 1
    return "a `(` is not closed" if depth else None


def _bracket_end(pattern: str, pos: int) -> int:
    """Return the offset of the `]` that closes the bracket expression at `pos`, or -1."""
    at = pos + 1
    if pattern.startswith("^", at):
        at += 1
    if pattern.startswith("]", at):
        at += 1
    while at < len(pattern):
        if pattern[at] == "\\":
            at += 2
        elif pattern[at] == "[" and pattern[at + 1 : at + 2] in (":", ".", "="):
            close = pattern.find(pattern[at + 1] + "]", at + 2)
            if close < 0:
                return -1
            at = close + 2
        elif pattern[at] == "]":
            return at
        else:
            at += 1
    return -1
