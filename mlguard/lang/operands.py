"""Tokens → the operands of expressions: literals, columns, calls, CASE and the forms with words inside parentheses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from decimal import Decimal

from mlguard.lang import tree
from mlguard.lang.cursor import Cursor
from mlguard.lang.fault import ExpressionError
from mlguard.lang.lex import Token, TokenKind
from mlguard.lang.literals import natural_number
from mlguard.lang.precedence import NOT, OR, SIGN, WORDS
from mlguard.lang.tree import Expr
from mlguard.lang.types import BOOL, UNKNOWN, SqlType
from mlguard.lang.words import RESERVED, VOLATILE

_OUTSIDE_AS_VALUE = {
    "select": "subqueries are outside the language",
    "with": "subqueries are outside the language",
    "values": "subqueries are outside the language",
    "exists": "subqueries are outside the language",
    "array": "array literals are outside the language",
    "row": "row values are outside the language",
    "any": "ANY is outside the language",
    "all": "ALL is outside the language",
    "some": "SOME is outside the language",
}
_SUBQUERY_HELP = "only `c IN (SELECT c FROM schema.t)` may read another table; an `assert:` may hold any SELECT"
_INSTEAD_AS_VALUE = {
    "array": "write c IN (…)",
    "row": "compare the columns one by one",
    "any": "write c IN (…)",
    "all": "write c NOT IN (…)",
    "some": "write c IN (…)",
}
_LITERAL_TYPES = frozenset(
    {"date", "time", "timestamp", "timestamptz", "interval", "uuid", "numeric", "decimal", "jsonb", "json", "text"}
    | {"float4", "float8", "real", "int2", "int4", "int8", "integer", "bigint", "smallint", "boolean", "bool"}
)


class Operands(Cursor, ABC):
    """The part of the parser below the operators."""

    @abstractmethod
    def expression(self, lowest: int) -> Expr:
        """Parse an expression of operators that bind at least as tightly as `lowest`."""

    def items(self, where: str) -> tuple[Expr, ...]:
        """Parse expressions up to the closing parenthesis."""
        items = [self.expression(OR)]
        while self.at_mark(","):
            self.advance()
            items.append(self.expression(OR))
        if not self.at_mark(")") and not self.at_end():
            raise self.after_value()
        self.expect_mark(")", f"after {where}")
        return tuple(items)

    def operand(self) -> Expr:
        """Parse what stands between operators, with its sign or NOT."""
        token = self.token
        if token.kind is TokenKind.NUMBER:
            self.advance()
            kind, value = natural_number(token.text)
            return tree.Literal(SqlType(kind), value, pos=token.pos)
        if token.kind is TokenKind.STRING:
            self.advance()
            return tree.Literal(UNKNOWN, token.text, pos=token.pos)
        if token.kind is TokenKind.NAME:
            return self._column(self.advance())
        if token.kind is TokenKind.OPERATOR:
            return self._sign(token)
        if token.kind is TokenKind.WORD:
            return self._word(token)
        if not self.at_mark("("):
            raise self._no_value()
        self.advance()
        inner = self.expression(OR)
        if self.at_mark(","):
            raise self.fault("row values are outside the language", "compare the columns one by one")
        if not self.at_mark(")") and not self.at_end():
            raise self.after_value()
        self.expect_mark(")", f"to close the one at character {token.pos + 1}")
        return inner

    def _no_value(self) -> ExpressionError:
        token = self.token
        if token.kind is TokenKind.PUNCTUATION:
            if token.text == "." and self.peek().kind is TokenKind.NUMBER:
                return self.fault("a number begins with a digit", f"write 0.{self.peek().text}")
            if token.text in ("$", ":"):
                return self.fault("parameters are outside the language", "write the value itself")
        return self.unexpected("a value")

    def _sign(self, token: Token) -> Expr:
        if token.text == "*" and self.at_mark("(", ahead=-1):
            raise self.fault("`*` stands where a value is expected", "write row_count() for the number of rows")
        if token.text == "+":
            raise self.fault("`+` in front of a value does nothing", "leave it out")
        if token.text != "-":
            raise self._no_value()
        self.advance()
        operand = self.expression(SIGN)
        if isinstance(operand, tree.Literal) and isinstance(operand.value, Decimal):
            # gram.y negates a constant while parsing; the type is that of the negated number.
            kind, value = natural_number(str(operand.value.copy_negate()), operand.type.kind)
            return tree.Literal(SqlType(kind), value, pos=token.pos)
        return tree.Negate(UNKNOWN, operand, pos=token.pos)

    def _word(self, token: Token) -> Expr:
        word = token.text
        if word in ("true", "false"):
            self.advance()
            return tree.Literal(BOOL, word == "true", pos=token.pos)
        if word == "null":
            self.advance()
            return tree.Literal(UNKNOWN, None, pos=token.pos)
        if word == "not":
            self.advance()
            return tree.Not(BOOL, self.expression(NOT), pos=token.pos)
        called = self.at_mark("(", ahead=1)
        if word == "case":
            return self._case(self.advance())
        if called and word in ("cast", "extract", "trim"):
            return self._form(self.advance())
        if (literal := self._typed_literal()) is not None:
            return literal
        if word in _OUTSIDE_AS_VALUE and (called or word in RESERVED):
            raise self.fault(_OUTSIDE_AS_VALUE[word], _INSTEAD_AS_VALUE.get(word, _SUBQUERY_HELP))
        if word in VOLATILE and (called or word in RESERVED):
            reason, help = VOLATILE[word]
            raise self.fault(f"`{word}{'()' * called}` is outside the language: {reason}", help)
        if called:
            return self._call(self.advance())
        if word in RESERVED:
            if self.index and (word in WORDS or word in ("then", "else", "end", "when", "from", "as")):
                raise self.unexpected("a value")
            raise self.fault(f"`{word}` is a reserved word of PostgreSQL", f'write the column as "{word}"')
        return self._column(self.advance())

    def _column(self, token: Token) -> Expr:
        if self.at_mark("("):
            raise self.fault("function names are written without quotes", token=token)
        if self.at_mark("."):
            after = self.peek()
            if self.at_mark("(", ahead=2):
                raise self.fault("functions are written without a schema", f"write {after.text}(…)", token)
            raise ExpressionError(
                f"`{token.text}.{after.text}` has a table in front",
                token.pos,
                after.end,
                f"write the bare column name: {after.text}",
            )
        return tree.Column(UNKNOWN, token.text, pos=token.pos)

    def _typed_literal(self) -> Expr | None:
        """Parse `date '…'`, `interval '…'`, `timestamp with time zone '…'`, if one begins here."""
        token = self.token
        zoned = token.text in ("timestamp", "time") and self.at("with", "without", ahead=1)
        double = token.text == "double" and self.at("precision", ahead=1)
        ahead = 4 if zoned else 2 if double else 1
        if not (zoned or double or token.text in _LITERAL_TYPES) or self.peek(ahead).kind is not TokenKind.STRING:
            return None
        type = self.type_spelled()
        value = self.advance()
        if type.kind.value == "interval" and self.at("year", "month", "day", "hour", "minute", "second"):
            unit = self.token.text
            raise self.fault("the unit stands inside the quotes", f"write interval '{value.text} {unit}'")
        return tree.Cast(type, tree.Literal(UNKNOWN, value.text, pos=value.pos), pos=token.pos)

    # Forms with words inside the parentheses

    def _call(self, name: Token) -> Expr:
        self.advance()
        if self.at_mark(")"):
            self.advance()
            return tree.Call(UNKNOWN, name.text, (), pos=name.pos)
        if self.at("distinct", "all", "variadic"):
            help = "write distinct_count(c)" if self.at("distinct") else ""
            raise self.fault(f"{self.token.text.upper()} is outside the language here", help)
        return tree.Call(UNKNOWN, name.text, self.items(f"the arguments of {name.text}"), pos=name.pos)

    def _form(self, name: Token) -> Expr:
        if name.text == "cast":
            return self._cast_call(name)
        return self._extract(name) if name.text == "extract" else self._trim(name)

    def _cast_call(self, name: Token) -> Expr:
        self.advance()
        operand = self.expression(OR)
        self.expect("as", "in CAST")
        type = self.type_spelled()
        self.expect_mark(")", "after the type of CAST")
        return tree.Cast(type, operand, pos=name.pos)

    def _extract(self, name: Token) -> Expr:
        self.advance()
        unit = self.token
        if unit.kind not in (TokenKind.WORD, TokenKind.STRING):
            raise self.unexpected("a field such as hour or epoch")
        self.advance()
        self.expect("from", "after the field of extract")
        operand = self.expression(OR)
        self.expect_mark(")", "after extract")
        literal = tree.Literal(UNKNOWN, unit.text.lower(), pos=unit.pos)
        return tree.Call(UNKNOWN, "extract", (literal, operand), pos=name.pos)

    def _trim(self, name: Token) -> Expr:
        if self.at("both", "leading", "trailing", ahead=1):
            self.advance()
            raise self.fault(f"{self.token.text.upper()} is outside the language", "write trim(x) or trim(x, 'chars')")
        return self._call(name)

    def _case(self, name: Token) -> Expr:
        subject = None if self.at("when") else self.expression(OR)
        branches: list[tuple[Expr, Expr]] = []
        while self.at("when"):
            pos = self.advance().pos
            condition = self.expression(OR)
            if subject is not None:
                condition = tree.Compare(BOOL, "=", subject, condition, pos=pos)
            self.expect("then", "after the condition of WHEN")
            branches.append((condition, self.expression(OR)))
        if not branches:
            raise self.unexpected("WHEN")
        otherwise = self.expression(OR) if self.take("else") else None
        self.expect("end", "to close CASE")
        return tree.Case(UNKNOWN, tuple(branches), otherwise, pos=name.pos)
