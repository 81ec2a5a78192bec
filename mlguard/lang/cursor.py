"""Reading tokens one after the other, and the errors of a token that cannot stand where it does. Knows no operator."""

from __future__ import annotations

from mlguard.lang.fault import ExpressionError
from mlguard.lang.lex import Token, TokenKind
from mlguard.lang.types import SqlType, parse_type
from mlguard.lang.words import RESERVED

_OUTSIDE_AFTER_VALUE = {
    "isnull": ("ISNULL is outside the language", "write IS NULL"),
    "notnull": ("NOTNULL is outside the language", "write IS NOT NULL"),
    "similar": ("SIMILAR TO is outside the language", "write x ~ 'pattern'"),
    "collate": ("COLLATE is outside the language", "leave it out: < and > compare text by bytes"),
    "overlaps": ("OVERLAPS is outside the language", "write a.start < b.end AND b.start < a.end with your columns"),
    "escape": ("ESCAPE is outside the language", "the escape character of LIKE is the backslash"),
    "over": ("window functions are outside the language", ""),
    "filter": ("FILTER is outside the language", "write the condition under `where:`"),
    "within": ("WITHIN GROUP is outside the language", "write quantile(c, 0.95)"),
}

_UNITS = frozenset({"second", "minute", "hour", "day", "week", "month", "year"})


class Cursor:
    """A place in a list of tokens."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.index = 0
        self.ends = {token.pos: token.end for token in tokens}

    @property
    def token(self) -> Token:
        """The token at hand."""
        return self.tokens[self.index]

    def at_end(self) -> bool:
        """Tell whether nothing is left."""
        return self.token.kind is TokenKind.END

    def peek(self, ahead: int = 1) -> Token:
        """Return a token further on, or END."""
        return self.tokens[min(self.index + ahead, len(self.tokens) - 1)]

    def advance(self) -> Token:
        """Return the token at hand and go past it; END stays."""
        token = self.token
        if token.kind is not TokenKind.END:
            self.index += 1
        return token

    def at(self, *words: str, ahead: int = 0) -> bool:
        """Tell whether one of the unquoted words stands here."""
        token = self.peek(ahead)
        return token.kind is TokenKind.WORD and token.text in words

    def at_mark(self, mark: str, ahead: int = 0) -> bool:
        """Tell whether that punctuation stands here."""
        token = self.peek(ahead)
        return token.kind is TokenKind.PUNCTUATION and token.text == mark

    def expect(self, word: str, where: str) -> Token:
        """Go past a word that must stand here."""
        if not self.at(word):
            raise self.unexpected(f"{word.upper()} {where}")
        return self.advance()

    def expect_mark(self, mark: str, where: str) -> Token:
        """Go past punctuation that must stand here."""
        if not self.at_mark(mark):
            raise self.unexpected(f"`{mark}` {where}")
        return self.advance()

    def unexpected(self, wanted: str) -> ExpressionError:
        """Return the error of the token at hand standing where something else must."""
        token = self.token
        if token.kind is TokenKind.END:
            return ExpressionError(f"the expression ends where {wanted} is expected", token.pos, token.end)
        return self.fault(f"{shown(token)} stands where {wanted} is expected")

    def fault(self, message: str, help: str = "", token: Token | None = None) -> ExpressionError:
        """Return an error at `token`, or at the token at hand."""
        token = token or self.token
        return ExpressionError(message, token.pos, token.end, help)

    def take(self, word: str) -> bool:
        """Go past a word if it stands here, and tell whether it did."""
        taken = self.at(word)
        if taken:
            self.advance()
        return taken

    def identifier(self, what: str, help: str) -> Token:
        """Go past a name, quoted or not."""
        token = self.token
        if token.kind is TokenKind.NAME or (token.kind is TokenKind.WORD and token.text not in RESERVED):
            return self.advance()
        raise self.fault(f"{shown(token)} stands where the name of {what} is expected", help)

    def after_value(self) -> ExpressionError:
        """Explain a token that cannot follow a complete value."""
        token = self.token
        if token.kind is TokenKind.PUNCTUATION:
            if token.text == ";":
                return self.fault("`;` ends a statement; a check is one expression", "join conditions with AND")
            if token.text == "[":
                return self.fault("array elements are outside the language", "write array_length(x, 1)")
            if token.text == ",":
                return self.fault("`,` joins nothing here", "join conditions with AND")
            if token.text == ")":
                return self.fault("`)` closes nothing", "add the opening `(` or delete this")
            if token.text == ":":
                return self.fault("`:name` parameters are outside the language", "write the value itself")
        if token.kind is TokenKind.WORD and token.text in _OUTSIDE_AFTER_VALUE:
            message, help = _OUTSIDE_AFTER_VALUE[token.text]
            return self.fault(message, help)
        if token.kind is TokenKind.STRING:
            return self.fault("a string stands where an operator is expected", "double the quotes inside a string: ''")
        number = self.tokens[self.index - 1] if self.index else token
        if token.kind is TokenKind.WORD and number.kind is TokenKind.NUMBER and token.text.removesuffix("s") in _UNITS:
            help = f"write '{number.text} {token.text}', beside a time interval '{number.text} {token.text}'"
            return self.fault("a length of time stands in quotes", help, number)
        return self.fault(f"{shown(token)} stands where an operator is expected")

    def type_spelled(self) -> SqlType:
        """Parse the name of a type."""
        first = self.token
        if first.kind is not TokenKind.WORD:
            raise self.unexpected("a type")
        self.advance()
        spelled = [first.text]
        if (first.text == "double" and self.at("precision")) or (
            first.text in ("character", "char") and self.at("varying")
        ):
            spelled.append(self.advance().text)
        if self.at_mark("("):
            spelled.append(self._modifier())
        if first.text in ("timestamp", "time") and self.at("with", "without") and self.at("time", ahead=1):
            spelled.append(self.advance().text)
            spelled.append(self.advance().text)
            self.expect("zone", "after TIME")
            spelled.append("zone")
        if self.at_mark("["):
            raise self.fault("casts to arrays are outside the language", token=first)
        name = " ".join(spelled).replace(" (", "(")
        type = parse_type(name)
        if type is None:
            raise self.fault(f"type `{name}` is outside the language", token=first)
        return type

    def _modifier(self) -> str:
        self.advance()
        parts: list[str] = []
        while not self.at_mark(")"):
            token = self.advance()
            if token.kind is not TokenKind.NUMBER and token.text not in (",", "-"):
                raise self.fault("a type's modifier is one or two numbers", "for example numeric(10,2)", token)
            parts.append(token.text)
        self.advance()
        return f"({''.join(parts)})"


def shown(token: Token) -> str:
    """Return what to call a token in a message."""
    if token.kind is TokenKind.STRING:
        return "a string"
    return "the end" if token.kind is TokenKind.END else f"`{token.text}`"
