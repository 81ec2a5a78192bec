"""Where in a file the k-th character of a scalar stands: YAML's folding and escapes, undone.

Each reader walks the source of one scalar as YAML 1.2.2 reads it (chapters 7.3 and 8.1) and keeps, for every character
of the value, the offset it came from. A result that does not spell the value is thrown away: the scalar's start is then
the best place there is.
"""

from __future__ import annotations

import re

from mlguard.spec.yaml_nodes import Scalar

_BREAK = re.compile(r"\r\n|\r|\n")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(\r\n|[\s\S]))")
_SHORT_ESCAPES = {
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "t": "\t",
    "n": "\n",
    "v": "\v",
    "f": "\f",
    "r": "\r",
    "e": "\x1b",
    "N": "\x85",
    "_": "\xa0",
    "L": "\u2028",
    "P": "\u2029",
}
Traced = list[tuple[str, int]]


def offset_in(scalar: Scalar, position: int) -> int:
    """Return the file offset of character `position` of the scalar's text; its start where that cannot be told."""
    text, start, end = scalar.span.source.text, scalar.span.start, scalar.span.end
    if scalar.style in ("|", ">"):
        traced = _block(text, start, end, folded=scalar.style == ">", length=len(scalar.text))
    elif scalar.style:
        traced = _flow(text, start + 1, end - 1, scalar.style)
    else:
        traced = _flow(text, start, end, "")
    if "".join(character for character, _ in traced) != scalar.text:
        return start
    if position < len(traced):
        return traced[max(position, 0)][1]
    return min(traced[-1][1] + 1, end) if traced else start


def _flow(text: str, start: int, end: int, style: str) -> Traced:
    traced: Traced = []
    at = start
    while at < end:
        character = text[at]
        escape = _ESCAPE.match(text, at, end) if style == '"' else None
        if escape:
            code = escape[1] or escape[2] or escape[3]
            at = escape.end()
            if code:
                if int(code, 16) <= 0x10FFFF:
                    traced.append((chr(int(code, 16)), escape.start()))
            elif escape[4] in ("\n", "\r", "\r\n"):
                at = _after_blank(text, at, end, traced)
            else:
                traced.append((_SHORT_ESCAPES.get(escape[4], escape[4]), escape.start()))
        elif style == "'" and text.startswith("''", at):
            traced.append(("'", at))
            at += 2
        elif character in "\r\n":
            at = _fold(text, at, end, traced)
        else:
            traced.append((character, at))
            at += 1
    return traced


def _after_blank(text: str, at: int, end: int, traced: Traced) -> int:
    """Skip the indentation after an escaped line break; blank lines there stay line breaks."""
    while True:
        while at < end and text[at] in " \t":
            at += 1
        match = _BREAK.match(text, at, end)
        if match is None:
            return at
        traced.append(("\n", at))
        at = match.end()


def _fold(text: str, at: int, end: int, traced: Traced) -> int:
    """Take one folded line break: a space, or as many line breaks as there are blank lines."""
    while traced and traced[-1][0] in " \t" and text[traced[-1][1]] in " \t":
        traced.pop()
    match = _BREAK.match(text, at, end)
    assert match is not None, "called at a line break"
    before = len(traced)
    after = _after_blank(text, match.end(), end, traced)
    if len(traced) == before:
        traced.append((" ", at))
    return after


def _block(text: str, start: int, end: int, *, folded: bool, length: int) -> Traced:
    header = re.compile(r"[|>]([^\r\n#]*?)[ \t]*(?:#[^\r\n]*)?(\r\n|\r|\n)").match(text, start, end)
    if header is None:
        return []
    lines = _lines(text, header.end(), end)
    first = next((line for line in lines if line[0].strip(" ")), None)
    if first is None:
        return []
    indent = len(first[0]) - len(first[0].lstrip(" "))
    if (digit := re.search(r"[1-9]", header[1])) is not None:
        # The indicator counts from the parent's indentation, which the widest common one stands in for.
        shared = min(len(line) - len(line.lstrip(" ")) for line, _ in lines if line.strip(" "))
        indent = min(shared, indent) if shared >= int(digit.group()) else indent
    traced: Traced = []
    previous: str | None = None
    ended = start
    blanks: list[int] = []
    for line, offset in lines:
        content = line[indent:]
        if not content:
            blanks.append(offset)
            continue
        if previous is None or not folded or previous[0] in " \t" or content[0] in " \t":
            if previous is not None:
                traced.append(("\n", ended))
            traced.extend(("\n", blank) for blank in blanks)
        else:
            traced.extend([("\n", blank) for blank in blanks] or [(" ", ended)])
        blanks = []
        traced.extend((character, offset + indent + index) for index, character in enumerate(content))
        previous, ended = content, offset + len(line)
    while traced and len(traced) < length:  # the final line breaks, as chomping kept them
        traced.append(("\n", min(traced[-1][1] + 1, end)))
    return traced


def _lines(text: str, start: int, end: int) -> list[tuple[str, int]]:
    lines = []
    at = start
    while at < end:
        match = _BREAK.search(text, at, end)
        stop = match.start() if match else end
        lines.append((text[at:stop], at))
        at = match.end() if match else end
    return lines
