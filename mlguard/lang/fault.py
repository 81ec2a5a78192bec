"""The one error of the expression language: what is wrong, where in the text, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable

from mlguard.errors import MlguardError


class ExpressionError(MlguardError):
    """An expression is outside the language, or does not fit the table.

    `pos` and `end` are 0-based character offsets into the expression text, `end` exclusive.
    """

    def __init__(self, message: str, pos: int, end: int, help: str = "") -> None:
        self.pos = pos
        self.end = max(end, pos + 1)
        super().__init__(message, help=help)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the entry of `known` that was probably meant, or None."""
    from difflib import get_close_matches

    names = {name.lower(): name for name in known}
    found = get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return names[found[0]] if found else None
