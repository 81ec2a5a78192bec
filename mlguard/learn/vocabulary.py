"""Codes of text values, and the values and shapes ever seen in a column."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mlguard.learn.sample import Integers, Texts

SHAPE_CHARACTERS = 24
"""Characters of a text that its shape is made of."""


def shape_of(text: str) -> str:
    """What a text looks like: digits as `9`, capitals `A`, other letters `a`, white space ` `, the rest as it is.

    Only the first `SHAPE_CHARACTERS` characters count, and runs of one class are written once: `AB-1234` is `A-9`.
    """
    classes: list[str] = []
    for character in text[:SHAPE_CHARACTERS]:
        if character.isdigit():
            kind = "9"
        elif character.isupper():
            kind = "A"
        elif character.isalpha():
            kind = "a"
        elif character.isspace():
            kind = " "
        else:
            kind = character
        if not classes or classes[-1] != kind:
            classes.append(kind)
    return "".join(classes)


class Vocabulary:
    """Gives every text of one column a code that never changes, and knows each code's shape.

    Args:
        texts: Texts that have codes already, in the order of their codes.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._codes: dict[str, int] = {}
        self._texts: list[str] = []
        self._shape_codes: dict[str, int] = {}
        self._shapes: list[int] = []
        for text in texts:
            self._add(text)

    def encode(self, column: Texts) -> Integers:
        """Codes of a column; -1 for missing."""
        codes = self._codes
        found = [-1 if text is None else codes.get(text, -2) for text in column]
        for i, code in enumerate(found):
            if code == -2:
                found[i] = self._add(column[i])
        return np.array(found, dtype=np.int64)

    def _add(self, text: str) -> int:
        code = self._codes.get(text)
        if code is None:
            code = self._codes[text] = len(self._texts)
            self._texts.append(text)
            shape = shape_of(text)
            self._shapes.append(self._shape_codes.setdefault(shape, len(self._shape_codes)))
        return code

    def shape_codes(self, codes: Integers) -> Integers:
        """The shape of each coded text."""
        return np.array([self._shapes[code] for code in codes.tolist()], dtype=np.int64)

    def listed(self) -> list[str]:
        """All texts that have a code, in the order of their codes."""
        return list(self._texts)
