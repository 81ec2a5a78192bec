"""Expression text → tokens with offsets. The only module that imports sqlglot, and only its PostgreSQL tokenizer.

The tokenizer knows strings, quoted names, dollar quotes and nested comments. Three things are decided here, after the
PostgreSQL manual 4.1, because a tokenizer built for many dialects is laxer: how a run of operator characters is
divided, what may stand between tokens (an invisible character is part of a name for PostgreSQL), and which literals
are outside the language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from mlguard.lang.fault import ExpressionError
from mlguard.names import MAX_BYTES

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token as RawToken
    from sqlglot.tokenizer_core import TokenType
    from sqlglot.tokens import Tokenizer

MAX_LENGTH = 20_000
MAX_DIGITS = 1_000

OPERATORS = frozenset(
    {"+", "-", "*", "/", "%", "<", "<=", ">", ">=", "=", "<>", "!=", "||", "~", "~*", "!~", "!~*", "->", "->>", "#>>"}
)
_OPERATOR_CHARACTERS = frozenset("+-*/<>=~!@#%^&|`?")
_MAY_END_IN_SIGN = frozenset("~!@#%^&|`?")  # manual 4.1.3: an operator holding one of these may end in + or -
_WHITESPACE = " \t\n\r\f\v"
_WORD = re.compile(r"[A-Za-z_\u0080-\U0010ffff][\w$\u0080-\U0010ffff]*")
_NUMBER = re.compile(r"\d+(\.\d*)?([eE][+-]?\d+)?")
_FOLD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")  # UTF-8 servers fold ASCII only
_REFUSED_LITERALS = {
    "BYTE_STRING": ("E'…' strings are outside the language", "write a plain '…' string; a backslash in it is itself"),
    "UNICODE_STRING": ("U&'…' strings are outside the language", "write the characters themselves in a '…' string"),
    "BIT_STRING": ("bit strings are outside the language", "write a number"),
    "HEX_STRING": ("hexadecimal literals are outside the language", "write the number in decimal"),
    "NATIONAL_STRING": ("N'…' strings are outside the language", "write a plain '…' string"),
    "HEREDOC_STRING": ("dollar-quoted strings are outside the language", "write a plain '…' string, with '' for one '"),
    "RAW_STRING": ("raw strings are outside the language", "write a plain '…' string"),
}
_OPERATOR_HELP = {
    "^": "write power(a, b)",
    "**": "write power(a, b)",
    "==": "write =",
    "=>": "write >=",
    "=<": "write <=",
    "@>": "write payload ->> 'key' = 'value'",
    "&&": "write AND",
    "&": 'write AND; a U&"…" name is written as the name itself in "…"',
    "|": "write OR, or || to join text",
    "~~": "write LIKE",
    "~~*": "write ILIKE",
    "!~~": "write NOT LIKE",
    "!~~*": "write NOT ILIKE",
    "!": "write NOT",
    "?": "write `payload -> 'key' IS NOT NULL`",
    "#>": "write #>> for the text at a path",
}


class TokenKind(Enum):
    """What a token is."""

    WORD = "word"  # keyword, type, function or unquoted column; `text` is folded to lower case
    NAME = "quoted name"
    STRING = "string"
    NUMBER = "number"
    OPERATOR = "operator"
    PUNCTUATION = "punctuation"
    END = "end of the expression"


@dataclass(frozen=True)
class Token:
    """One token; `text` is the value of a string or name, `pos` and `end` are character offsets."""

    kind: TokenKind
    text: str
    pos: int
    end: int


def tokenize(text: str, operators: frozenset[str] = OPERATORS) -> list[Token]:
    """Return the tokens of `text`, the last of kind END.

    Args:
        text: the expression.
        operators: the operators there are; every other run of operator characters is refused.

    Raises:
        ExpressionError: a character, literal, operator or comment that is outside the language.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"the expression has {len(text)} characters; the limit is {MAX_LENGTH}",
            MAX_LENGTH,
            len(text),
            "split it into several SLOs",
        )
    if "\0" in text:
        raise ExpressionError("PostgreSQL text cannot hold a NUL byte", text.index("\0"), text.index("\0") + 1)
    raw = _raw_tokens(text)
    _check_gaps(text, raw)
    tokens = list(_tokens(text, raw, operators))
    tokens.append(Token(TokenKind.END, "", len(text), len(text)))
    return tokens


@cache
def _tokenizer() -> type[Tokenizer]:
    from sqlglot.dialects.postgres import Postgres

    class ExpressionTokenizer(Postgres.Tokenizer):
        COMMANDS: ClassVar[set[TokenType]] = set()  # a column may be called show or comment

    return ExpressionTokenizer


def _raw_tokens(text: str) -> list[RawToken]:
    from sqlglot.errors import TokenError

    try:
        return _tokenizer()().tokenize(text)
    except TokenError:
        pos, what = _unclosed(text)
        raise ExpressionError(f"the {what} that begins here is not closed", pos, len(text)) from None


def _unclosed(text: str) -> tuple[int, str]:
    """Find where the literal or comment begins that never ends."""
    pos = 0
    while pos < len(text):
        for opening, closing, what in (("'", "'", "string"), ('"', '"', "quoted name"), ("/*", "*/", "comment")):
            if text.startswith(opening, pos):
                close = text.find(closing, pos + len(opening))
                if close < 0:
                    return pos, what
                pos = close + len(closing)
                break
        else:
            pos += 1
    return max(len(text) - 1, 0), "literal"


def _tokens(text: str, raw: list[RawToken], operators: frozenset[str]) -> Iterator[Token]:
    index = 0
    while index < len(raw):
        token = raw[index]
        pos, end = token.start, token.end + 1
        source = text[pos:end]
        name = token.token_type.name
        index += 1
        if name in _REFUSED_LITERALS:
            message, help = _REFUSED_LITERALS[name]
            raise ExpressionError(message, pos, end, help)
        if name == "STRING":
            yield Token(TokenKind.STRING, token.text, pos, end)
        elif name == "IDENTIFIER":
            yield _quoted_name(token.text, pos, end)
        elif name == "NUMBER":
            yield _number(text, source, pos, end)
        elif set(source) <= _OPERATOR_CHARACTERS:
            while index < len(raw) and raw[index].start == end and text[end] in _OPERATOR_CHARACTERS:
                end = raw[index].end + 1
                index += 1
            yield from _operators(text[pos:end], pos, operators)
        elif _WORD.match(source):
            yield from _words(source, pos)
        else:
            yield Token(TokenKind.PUNCTUATION, source, pos, end)


def _quoted_name(name: str, pos: int, end: int) -> Token:
    if not name:
        raise ExpressionError("a quoted name must not be empty", pos, end)
    _check_name_length(name, pos, end)
    return Token(TokenKind.NAME, name, pos, end)


def _check_name_length(name: str, pos: int, end: int) -> None:
    if len(name.encode(errors="replace")) > MAX_BYTES:
        raise ExpressionError(f"a name longer than the {MAX_BYTES} bytes PostgreSQL keeps", pos, end)


def _number(text: str, source: str, pos: int, end: int) -> Token:
    if not _NUMBER.fullmatch(source) or _WORD.match(text[end : end + 1]):
        while end < len(text) and (text[end].isalnum() or text[end] == "_"):
            end += 1
        raise ExpressionError(f"`{text[pos:end]}` is not a number", pos, end, "write it as 1000, 0.5 or 1e-3")
    digits, _, exponent = source.lower().partition("e")
    if len(digits) > MAX_DIGITS or len(exponent) > 5 or abs(int(exponent or 0)) > MAX_DIGITS:
        raise ExpressionError("a number of more than a thousand digits", pos, end)
    return Token(TokenKind.NUMBER, source, pos, end)


def _operators(run: str, pos: int, known: frozenset[str]) -> Iterator[Token]:
    """Divide a run of operator characters as the manual's 4.1.3 says: longest first, but rarely ending in a sign."""
    while run:
        length = len(run)
        if not _MAY_END_IN_SIGN & set(run[:-1]):
            while length > 1 and run[length - 1] in "+-":
                length -= 1
        operator = run[:length]
        if operator not in known:
            help = _OPERATOR_HELP.get(operator, "")
            if not help and operator[-1] in "+-" and operator[:-1] in known:
                help = f"put a space between `{operator[:-1]}` and `{operator[-1]}`"
            raise ExpressionError(f"operator `{operator}` is outside the language", pos, pos + length, help)
        yield Token(TokenKind.OPERATOR, operator, pos, pos + length)
        run = run[length:]
        pos += length


def _words(source: str, pos: int) -> Iterator[Token]:
    """Yield the words of one raw token: the tokenizer joins some pairs, such as `double precision`."""
    for part in re.finditer(rf"[^{_WHITESPACE}]+", source):
        start, end = pos + part.start(), pos + part.end()
        word = part.group()
        odd = next((index for index, char in enumerate(word) if not char.isprintable() or char.isspace()), None)
        if odd is not None:
            raise _odd_character(word[odd], start + odd)
        _check_name_length(word, start, end)
        yield Token(TokenKind.WORD, word.translate(_FOLD), start, end)


def _odd_character(char: str, pos: int) -> ExpressionError:
    return ExpressionError(
        f"the character U+{ord(char):04X} is not a space for PostgreSQL",
        pos,
        pos + 1,
        "delete it, or write a plain space; text pasted from a web page often holds one",
    )


def _check_gaps(text: str, raw: list[RawToken]) -> None:
    """Refuse what hides between tokens: odd spaces, and `--` comments that swallow a part of the check."""
    last = 0
    for token in raw:
        _check_gap(text, last, token.start, at_end=False)
        last = token.end + 1
    _check_gap(text, last, len(text), at_end=True)


def _check_gap(text: str, start: int, stop: int, *, at_end: bool) -> None:
    pos = start
    while pos < stop:
        if text.startswith("--", pos):
            line_end = next((at for at in range(pos, stop) if text[at] in "\n\r"), stop)
            if at_end or (pos > 0 and text[pos - 1] not in _WHITESPACE):
                raise ExpressionError(
                    "`--` begins a comment, which cuts the check off here",
                    pos,
                    line_end,
                    "write `- -` for minus a negative number; put comments into /* … */ or into the YAML, after #",
                )
            pos = line_end
        elif text.startswith("/*", pos):
            pos = _comment_end(text, pos)
        elif text[pos] in _WHITESPACE:
            pos += 1
        else:
            raise _odd_character(text[pos], pos)


def _comment_end(text: str, pos: int) -> int:
    """Return the offset after the block comment at `pos`; comments nest."""
    depth = 0
    for mark in re.compile(r"/\*|\*/").finditer(text, pos):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return mark.end()
    raise ExpressionError("the comment that begins here is not closed", pos, len(text))
