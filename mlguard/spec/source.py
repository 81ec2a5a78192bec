"""The text of one file and the places in it; knows nothing of YAML."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mlguard.errors import Problem, Where

MAX_FILE_BYTES = 1 << 20
MAX_QUOTED = 400  # characters of a source line that a message may quote
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
# What YAML 1.2 lets stand unescaped (chapter 5.1), less U+FEFF inside the text.
_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
# Characters that change how the rest of a line is shown: control characters and the bidirectional marks.
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def shown(text: str, limit: int = 80) -> str:
    """Return `text` fit for a one-line message: invisible characters escaped, long text cut."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return _INVISIBLE.sub(lambda match: ascii(match.group())[1:-1], cut)


@dataclass(frozen=True, eq=False)
class Source:
    """One file as text. Places are character offsets; `where` turns them into line and column."""

    name: str
    text: str

    @cached_property
    def _line_starts(self) -> tuple[int, ...]:
        return (0, *(match.end() for match in _LINE_BREAK.finditer(self.text)))

    def line(self, number: int) -> str:
        """Return line `number` (from 1) without its line break."""
        starts = self._line_starts
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")

    def where(self, offset: int) -> Where:
        """Return the place of the character at `offset`, with its line; what could reorder the line is blanked."""
        offset = max(0, min(offset, len(self.text)))
        number = bisect_right(self._line_starts, offset)
        start = self._line_starts[number - 1]
        quoted = _INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", self.line(number)[:MAX_QUOTED].replace("\t", " "))
        return Where(self.name, number, offset - start + 1, quoted)


def read_source(path: Path, name: str) -> Source | Problem:
    """Read a file as text, or say why it is not a file mlguard can read."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        return Problem(f"cannot read the file: {error.strerror or error}", Where(name, 1, 1))
    if len(raw) > MAX_FILE_BYTES:
        return Problem("the file is over 1 MiB", Where(name, 1, 1), "split it: one file per table")
    return decode(raw, name)


def decode(raw: bytes, name: str) -> Source | Problem:
    """Turn the bytes of a file into text; UTF-8 only, as JSON Schema editors and PostgreSQL's identifiers expect."""
    start = Where(name, 1, 1)
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Problem("the file is UTF-16", start, "save it as UTF-8")
    if b"\0" in raw:
        return Problem(f"the file is not text: byte {raw.index(0) + 1} is NUL", start)
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        return Source(name, raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        readable = Source(name, raw[: error.start].decode("utf-8", "replace"))
        at = readable.where(error.start)
        place = Where(name, at.line, at.column)
        return Problem(f"not UTF-8: byte 0x{raw[error.start]:02x} cannot stand here", place, "save the file as UTF-8")


def unreadable(source: Source) -> Iterator[Problem]:
    """Yield a fault for every character YAML does not let stand in a file."""
    for match in _UNREADABLE.finditer(source.text):
        code = ord(match.group())
        yield Problem(
            f"the control character U+{code:04X} cannot stand in YAML",
            source.where(match.start()),
            f'remove it, or write it as "\\u{code:04X}" in double quotes',
        )
