"""Tokens → an untyped tree. Knows PostgreSQL's grammar of the subset; knows no column and no type rule.

The parser is our own because sqlglot's differs from PostgreSQL where a check can notice: it binds `a ~ b || c` as
`a ~ (b || c)`, lets comparisons chain, rewrites functions while it parses, and its nodes carry no positions. The
precedences are those of the manual's table 4.1.6 and of gram.y, which decides where the table is silent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from mlguard.lang import tree
from mlguard.lang.cursor import shown
from mlguard.lang.fault import ExpressionError
from mlguard.lang.lex import MAX_LENGTH, Token, TokenKind, tokenize
from mlguard.lang.operands import Operands
from mlguard.lang.precedence import AND, AT, BINARY, CAST, COMPARE, IS, MATCH, OR, OTHER, WORDS
from mlguard.lang.tree import Expr
from mlguard.lang.types import BOOL, UNKNOWN

MAX_DEPTH = 100  # a level takes up to five Python frames here and in the emitters, of the thousand there are

_NEGATABLE = ("in", "between", "like", "ilike", "similar")


@dataclass(frozen=True)
class Parsed:
    """An untyped tree, and for the offset of each token where it ends."""

    expr: Expr
    ends: Mapping[int, int]


def parse(text: str) -> Parsed:
    """Parse one expression.

    Raises:
        ExpressionError: the text is not in the subset.
    """
    parser = _Parser(tokenize(text))
    expr = parser.whole()
    _check_depth(expr)
    return Parsed(expr, parser.ends)


def _check_depth(expr: Expr) -> None:
    """Refuse a tree too deep to walk by recursion; chains such as a + a + … grow deep without any nesting.

    Nodes are counted too: `CASE x WHEN` repeats x, and nested in itself would double with every level.
    """
    waiting = [(expr, 1)]
    count = 0
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if count > MAX_LENGTH:
            raise ExpressionError("the expression repeats too much", expr.pos, expr.pos + 1, "write CASE WHEN x = …")
        if depth > MAX_DEPTH:
            raise _too_deep(node.pos)
        waiting.extend((child, depth + 1) for child in node.children())


def _too_deep(pos: int) -> ExpressionError:
    return ExpressionError(
        f"the expression is nested deeper than {MAX_DEPTH} levels", pos, pos + 1, "split it into several SLOs"
    )


class _Parser(Operands):
    """The operators."""

    def __init__(self, tokens: list[Token]) -> None:
        super().__init__(tokens)
        self.depth = 0

    def whole(self) -> Expr:
        """Parse all there is."""
        if self.at_end():
            raise self.fault("the expression is empty", "write a condition, for example age >= 0")
        expr = self.expression(OR)
        if not self.at_end():
            raise self.after_value()
        return expr

    def expression(self, lowest: int) -> Expr:
        """Parse an expression of operators that bind at least as tightly as `lowest`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _too_deep(self.token.pos)
        left = self.operand()
        closed = 0  # the level whose operators cannot follow, because gram.y makes them non-associative
        while (level := self._level()) >= lowest:
            if level == closed:
                raise self._chained(level)
            left, closed = self._operation(left, level)
        self.depth -= 1
        return left

    def _level(self) -> int:
        """Return how tightly the operator at hand binds; 0 where there is none."""
        token = self.token
        if token.kind is TokenKind.OPERATOR:
            return BINARY[token.text]
        if token.kind is TokenKind.WORD:
            if token.text == "not" and self.at(*_NEGATABLE, ahead=1):
                return MATCH
            if token.text == "at" and self.at("time", ahead=1):
                return AT
            return WORDS.get(token.text, 0)
        return CAST if self.at_mark("::") else 0

    def _chained(self, level: int) -> ExpressionError:
        token = self.token
        name = token.text.upper()
        if level == COMPARE:
            return self.fault("comparisons do not chain", f"write a {name} b AND b {name} c")
        return self.fault(f"{name} cannot follow here without parentheses", "put parentheses around one of the two")

    def _operation(self, left: Expr, level: int) -> tuple[Expr, int]:
        """Parse one operator and its right side; also return the level that may not follow."""
        token = self.advance()
        pos = token.pos
        if level in (OR, AND):
            right = self.expression(level + 1)
            head = left.operands if isinstance(left, tree.Logical) and left.op == token.text else (left,)
            return tree.Logical(BOOL, token.text, (*head, right), pos=pos), 0
        if level == IS:
            return self._is(left, pos)
        if level == COMPARE:
            op = "<>" if token.text == "!=" else token.text
            return tree.Compare(BOOL, op, left, self.expression(COMPARE + 1), pos=pos), COMPARE
        if level == MATCH:
            return self._match(left, token)
        if level == AT:
            return self._at_time_zone(left, pos), 0
        if level == CAST:
            return tree.Cast(self.type_spelled(), left, pos=pos), 0
        if token.text == "%" and self.at_end() and isinstance(left, tree.Literal) and isinstance(left.value, Decimal):
            raise self.fault("`%` is the rest of a division", f"write the share as {left.value / 100:f}", token)
        right = self.expression(level + 1)
        return _binary(token.text, left, right, pos), 0

    def _is(self, left: Expr, pos: int) -> tuple[Expr, int]:
        negated = self.take("not")
        if self.at("null", "true", "false", "unknown"):
            return tree.Is(BOOL, left, self.advance().text, negated, pos=pos), 0
        if self.take("distinct"):
            self.expect("from", "after IS DISTINCT")
            return tree.Distinct(BOOL, left, self.expression(IS + 1), negated, pos=pos), IS
        if self.at("json", "document", "normalized", "nfc", "nfd", "nfkc", "nfkd"):
            raise self.fault(f"IS {self.token.text.upper()} is outside the language")
        raise self.unexpected("NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM")

    def _match(self, left: Expr, token: Token) -> tuple[Expr, int]:
        """Parse what follows [NOT] IN, BETWEEN, LIKE or ILIKE."""
        negated = token.text == "not"
        if self.at("similar"):
            raise self.after_value()
        word = self.advance() if negated else token
        pos = token.pos
        if word.text == "in":
            return self._in(left, negated, pos), 0
        if word.text == "between":
            if self.at("symmetric", "asymmetric"):
                raise self.fault(f"{self.token.text.upper()} is outside the language", "write the lower bound first")
            low = self._lower_bound()
            high = self.expression(OTHER)
            return tree.Between(BOOL, left, low, high, negated, pos=pos), MATCH
        pattern = self.expression(OTHER)
        return tree.Like(BOOL, left, pattern, word.text == "ilike", negated, pos=pos), MATCH

    def _lower_bound(self) -> Expr:
        """Parse up to BETWEEN's AND; gram.y has a narrower rule for it (b_expr), without AT TIME ZONE."""
        start, nesting = self.index, 0
        low = self.expression(OTHER)
        for token in self.tokens[start : self.index]:
            nesting += (token.text == "(") - (token.text == ")") if token.kind is TokenKind.PUNCTUATION else 0
            if token.kind is TokenKind.WORD and token.text == "at" and not nesting:
                raise self.fault("AT TIME ZONE cannot follow BETWEEN as it stands", "put parentheses around it", token)
        self.expect("and", "after the lower bound of BETWEEN")
        return low

    def _in(self, left: Expr, negated: bool, pos: int) -> Expr:
        self.expect_mark("(", "after IN")
        if self.at("select", "with", "values"):
            return self._in_table(left, negated, pos)
        if self.at_mark(")"):
            raise self.fault("the list of IN is empty", "write at least one value")
        return tree.InList(BOOL, left, self.items("the list of IN"), negated, pos=pos)

    def _in_table(self, left: Expr, negated: bool, pos: int) -> Expr:
        form = "the only subquery is `c IN (SELECT c FROM schema.t)`: one column, no condition, no alias"
        if not self.take("select"):
            raise self.fault("subqueries are outside the language", form)
        names = [self.identifier("a column", form)]
        if self.at_mark("."):
            self.advance()
            names.append(self.identifier("a column", form))
        if not self.at("from"):
            raise self.fault(f"{shown(self.token)} is outside the language here", form)
        self.advance()
        schema = self.identifier("a table", form)
        if not self.at_mark("."):
            raise ExpressionError(
                f"table `{schema.text}` needs its schema",
                schema.pos,
                schema.end,
                f"write schema.{schema.text}: which table a bare name means depends on who writes the row",
            )
        self.advance()
        table = self.identifier("a table", form)
        if not self.at_mark(")"):
            raise self.fault(f"{shown(self.token)} is outside the language here", form)
        self.advance()
        if len(names) == 2 and names[0].text != table.text:
            raise ExpressionError(f"`{names[0].text}` is not the table read here", names[0].pos, names[0].end, form)
        return tree.InTable(BOOL, left, schema.text, table.text, names[-1].text, negated, pos=pos)

    def _at_time_zone(self, left: Expr, pos: int) -> Expr:
        self.expect("time", "after AT")
        self.expect("zone", "after AT TIME")
        begin = self.token
        zone = self.expression(AT + 1)
        if not isinstance(zone, tree.Literal) or not isinstance(zone.value, str):
            raise self.fault("the time zone must be a string", "write AT TIME ZONE 'UTC'", begin)
        return tree.AtTimeZone(UNKNOWN, left, zone.value, pos=pos)


def _binary(op: str, left: Expr, right: Expr, pos: int) -> Expr:
    if op == "||":
        return tree.Concat(UNKNOWN, left, right, pos=pos)
    if op in ("~", "~*", "!~", "!~*"):
        return tree.Regex(BOOL, left, right, op.endswith("*"), op.startswith("!"), pos=pos)
    if op in ("->", "->>", "#>>"):
        return tree.JsonGet(UNKNOWN, op, left, right, pos=pos)
    return tree.Arithmetic(UNKNOWN, op, left, right, pos=pos)
