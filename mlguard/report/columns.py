"""Aligned columns and one-line texts for terminals. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence

Paint = Callable[[str], str]  # puts colour round a word, or returns it as it is
_SPACES = re.compile(r"\s+")
# What could move the cursor, recolour the terminal or reorder the line, were a stored value shown as it is.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def plain(word: str) -> str:
    """Return the word without colour."""
    return word


def one_line(text: str) -> str:
    """Return `text` on one line, its invisible characters escaped: it may hold values that somebody else wrote."""
    return _UNSAFE.sub(lambda match: ascii(match.group())[1:-1], _SPACES.sub(" ", text).strip())


def width(text: str) -> int:
    """Return how many terminal cells `text` takes: wide characters two, combining ones none."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def aligned(rows: Iterable[Sequence[str]], paint: Paint = plain, gap: str = "  ", indent: str = "") -> list[str]:
    """Return one line a row with columns aligned left; the last column is not padded."""
    table = [[one_line(cell) for cell in row] for row in rows]
    if not table:
        return []
    widths = [max(width(row[i]) for row in table if i < len(row)) for i in range(max(map(len, table)))]
    lines = []
    for row in table:
        cells = [paint(cell) + " " * (widths[i] - width(cell)) for i, cell in enumerate(row)]
        lines.append((indent + gap.join(cells)).rstrip())
    return lines


def count(n: int, one: str, many: str | None = None) -> str:
    """Return `1 SLO`, `2 SLOs`."""
    return f"{n} {one if n == 1 else many or one + 's'}"
