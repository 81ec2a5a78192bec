"""YAML's traps for expressions, and its syntax errors in words a person can act on; knows no model."""

from __future__ import annotations

import re

from ruamel.yaml.error import MarkedYAMLError

from mlguard.errors import Problem
from mlguard.spec.source import Source, shown
from mlguard.spec.yaml_nodes import Scalar, unfinished

QUOTE_IT = "put quotes around the whole expression"
QUOTE_VALUE = "put quotes around the whole value"
_EXPRESSIONS = frozenset({"check", "assert", "where", "when", "event_time", "leak_guard", "value"})
MAX_REREAD = 100_000  # characters of a file that is worth reading again after a fault, to find the other ones
_ENTRY = re.compile(
    r"(?P<key>[ ]*(?:-[ ]+)*(?P<name>[^\s:#'\"\[\]{}&*!|>%@`,?-][^:#'\"]*?)[ ]*:[ ]+)(?P<value>\S.*?)[ ]*\Z"
)
_QUOTED_THEN_MORE = re.compile(r"""(?:'(?:[^']|'')*'|"(?:[^"\\]|\\.)*")[ ]*(?P<more>[^\s#,}\]].*)""")
_COMMENT = re.compile(r"[ \t]+(?P<comment>#[^\r\n]*)")


def comment_after(scalar: Scalar) -> str:
    """Return the comment on the line where a plain scalar ends, or ''."""
    match = None if scalar.style else _COMMENT.match(scalar.span.source.text, scalar.span.end)
    return match["comment"] if match else ""


def cut_short(scalar: Scalar, *, strict: bool) -> Problem | None:
    """Find an expression that a ` #` ends early: YAML begins a comment there, SQL has operators and text with #.

    With `strict` any comment on the line is a fault; without, only one after an expression that stops in the middle,
    or one that begins like a jsonb operator (#>, #>>, #-).
    """
    comment = comment_after(scalar)
    if not comment:
        return None
    if not (strict or unfinished(scalar.text) or re.match(r"#(?:>|-|[^\s#]*')", comment)):
        return None
    return Problem(
        f"the # cuts this value short: YAML reads `{shown(scalar.text)}` and takes the rest for a comment",
        scalar.span.source.where(scalar.span.start),
        f"{QUOTE_IT}; a real comment goes on a line of its own",
    )


def _offset(error: MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return int(mark.index) if mark is not None else 0


def _line_around(text: str, offset: int) -> tuple[int, int]:
    offset = min(offset, len(text))
    start = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    ends = [end for end in (text.find("\n", offset), text.find("\r", offset)) if end >= 0]
    return start, min(ends, default=len(text))


def without_trap(source: Source, text: str, error: MarkedYAMLError) -> tuple[str, Problem] | None:
    """Return the text with the one value that cannot be read blanked out, places unmoved, and the fault it was.

    None where the fault is not one value on one line: then nothing after it can be trusted.
    """
    if len(text) > MAX_REREAD:
        return None
    for offset in (_offset(error), int(error.context_mark.index) if error.context_mark else 0):
        start, end = _line_around(text, offset)
        match = _ENTRY.match(text[start:end])
        if match is None or match["value"].startswith("{") or not match["value"].strip("x") or offset < start:
            continue
        value_at = start + match.start("value")
        problem = _trap(source, match["name"], value_at, match["value"], error)
        if problem is not None:
            return text[:value_at] + "x" * (end - value_at) + text[end:], problem
    return None


def _trap(source: Source, name: str, offset: int, value: str, error: MarkedYAMLError) -> Problem | None:
    where = source.where(offset)
    quote_it = QUOTE_IT if name in _EXPRESSIONS else QUOTE_VALUE
    if more := _QUOTED_THEN_MORE.match(value):
        taken = value[: more.start("more")].rstrip()
        return Problem(f"YAML takes {shown(taken)} for the whole value, and text follows it", where, quote_it)
    if value[0] in "%@`*&!":
        return Problem(f"a value cannot begin with {value[0]} in YAML", where, quote_it)
    if value[0] == "[" and "]" in value and not value.endswith("]"):
        return Problem(f"YAML takes `{shown(value)}` for a list, and text follows it", where, quote_it)
    problem = error.problem or ""
    if "mapping values are not allowed" in problem and re.search(r":(?:\s|\Z)", value):
        return Problem("YAML takes the second `: ` on this line for another key", where, quote_it)
    if "could not find expected ':'" in problem and _COMMENT.search(value):
        return Problem("the # cuts this value short: YAML takes the rest for a comment", where, quote_it)
    if "escape character" in problem:
        return Problem(
            "a backslash means something else in double quotes",
            source.where(_offset(error)),
            "put single quotes around the whole value: '…', and write a ' inside as ''",
        )
    return None


_WORDS: tuple[tuple[str, str, str], ...] = (
    (r"found character '\\t'", "a tab stands where YAML wants spaces", "indent with spaces"),
    (r"found character '.'", "a value cannot begin with this character in YAML", QUOTE_IT),
    (
        r"could not find expected ':'",
        "this is neither `key: value` nor part of the value above it",
        "check the indentation, or put quotes around the value that ends here",
    ),
    (
        r"mapping values are not allowed",
        "a `key:` cannot stand here",
        "check the indentation; a value with `: ` inside needs quotes around the whole of it",
    ),
    (
        r"<block end>|<document start>|expected the node content|sequence entries are not allowed|block collection",
        "this does not fit the lines above it",
        "check the indentation, and that quotes stand around the whole value",
    ),
    (r"unexpected end of stream|document separator", "a quote is opened here and never closed", "close it"),
    (
        r"escape",
        "a backslash means something else in double quotes",
        "put single quotes around the whole value: '…', and write a ' inside as ''",
    ),
    (r"alphabetic or numeric", "& and * name anchors in YAML", "put quotes around a value that begins with & or *"),
    (r"tag|URI|'!'", "! begins a tag in YAML, and mlguard reads none", "put quotes around a value that begins with !"),
    (
        r"chomping|indentation|comment or a line break|more indented",
        "a text block begins with | or > alone on its line, and its first line sets the indentation",
        "put the text on the lines below, indented evenly",
    ),
    (r"document|directive|%YAML|version", "this belongs to no document", "remove lines that begin with %, --- or ..."),
)


def _cut_above(source: Source, text: str, offset: int) -> Problem | None:
    """Find the value on the line above whose comment keeps it from going on here."""
    start, _ = _line_around(text, offset)
    above, end = _line_around(text, max(start - 2, 0))
    match = _ENTRY.match(text[above:end]) if above < start else None
    if match is None or match["value"][0] in "'\"|>#" or not _COMMENT.search(match["value"]):
        return None
    where = source.where(above + match.start("value"))
    return Problem(
        "the # cuts this value short: YAML ends it there, and the next line does not belong to it", where, QUOTE_IT
    )


_QUOTED_THEN = re.compile(r"""(?P<name>[A-Za-z_]+)[ ]*:[ ]+(?P<quoted>'(?:[^']|'')*'|"(?:[^"\\]|\\.)*")[ ]*\Z""")


def _quoted_in_brackets(source: Source, text: str, opened: int, offset: int) -> Problem | None:
    """Find `{check: 'a' = b}`, where YAML takes 'a' for the whole value."""
    match = _QUOTED_THEN.search(text, opened, offset)
    if match is None or not text[offset : offset + 1].strip(" \r\n,:#]}"):
        return None
    return Problem(
        f"YAML takes {shown(match['quoted'])} for the whole value, and text follows it",
        source.where(match.start("quoted")),
        QUOTE_IT if match["name"] in _EXPRESSIONS else QUOTE_VALUE,
    )


def _broken_brackets(source: Source, text: str, opened: int, offset: int) -> Problem:
    bracket = text[opened : opened + 1]
    if bracket in ("{", "[") and not text[offset:].strip():
        return Problem(f"a {bracket} is opened here and never closed", source.where(opened), "close it")
    help = "put quotes around values that hold , : # [ ] { }"
    if bracket in ("{", "["):
        help = f"it is opened on line {source.where(opened).line}; {help}"
    message = "a { … } or [ … ] is broken here: it is not closed, or a value in it needs quotes"
    return Problem(message, source.where(offset), help)


def explain(source: Source, text: str, error: MarkedYAMLError) -> Problem:
    """Say a syntax error in mlguard's words, with its place."""
    problem, context = error.problem or "", error.context or ""
    unclosed = "end of stream" in problem or "document separator" in problem
    mark = error.context_mark if unclosed and error.context_mark else error.problem_mark or error.context_mark
    where = source.where(int(mark.index) if mark is not None else 0)
    if context.startswith("while parsing a flow") and error.context_mark:
        quoted = _quoted_in_brackets(source, text, int(error.context_mark.index), _offset(error))
        return quoted or _broken_brackets(source, text, int(error.context_mark.index), _offset(error))
    if re.search(r"expected ':'|<block end>", problem) and (cut := _cut_above(source, text, _offset(error))):
        return cut
    for pattern, message, help in _WORDS:
        if re.search(pattern, problem) or re.search(pattern, context):
            return Problem(message, where, help)
    return Problem("YAML cannot be read here", where, "check the indentation and the quotes")
