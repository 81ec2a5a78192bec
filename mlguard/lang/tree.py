"""The typed tree of one expression: what every emitter reads. Frozen, comparable, without a word of SQL.

A node carries its type and `pos`, the 0-based character offset of its token in the expression text.
Row expressions and metrics share the tree: a metric is a `Metric` node whose arguments are row expressions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from decimal import Decimal

from mlguard.lang.types import SqlType


@dataclass(frozen=True)
class Expr:
    """Any node."""

    type: SqlType
    pos: int = field(default=0, compare=False, kw_only=True)

    def children(self) -> Iterator[Expr]:
        """Yield the direct sub-expressions, left to right."""
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Expr):
                yield value
            elif isinstance(value, tuple):
                for element in value:
                    if isinstance(element, Expr):
                        yield element
                    elif isinstance(element, tuple):
                        yield from (part for part in element if isinstance(part, Expr))

    def walk(self) -> Iterator[Expr]:
        """Yield this node and all below it, depth first."""
        yield self
        for child in self.children():
            yield from child.walk()


@dataclass(frozen=True)
class Column(Expr):
    """A column of the table."""

    name: str


@dataclass(frozen=True)
class Literal(Expr):
    """A constant. Numbers are Decimal, strings str (also dates, times and intervals, as written), NULL is None."""

    value: bool | Decimal | str | None


@dataclass(frozen=True)
class Not(Expr):
    """NOT (three-valued)."""

    operand: Expr


@dataclass(frozen=True)
class Logical(Expr):
    """AND or OR over two or more operands (three-valued)."""

    op: str  # 'and' | 'or'
    operands: tuple[Expr, ...]


@dataclass(frozen=True)
class Compare(Expr):
    """`= <> < <= > >=`; text compares by bytes."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Distinct(Expr):
    """IS [NOT] DISTINCT FROM."""

    left: Expr
    right: Expr
    negated: bool


@dataclass(frozen=True)
class Is(Expr):
    """IS [NOT] NULL / TRUE / FALSE / UNKNOWN; `what` is 'null', 'true', 'false' or 'unknown'."""

    operand: Expr
    what: str
    negated: bool


@dataclass(frozen=True)
class Between(Expr):
    """[NOT] BETWEEN, both ends included; text compares by bytes."""

    operand: Expr
    low: Expr
    high: Expr
    negated: bool


@dataclass(frozen=True)
class InList(Expr):
    """[NOT] IN a list."""

    operand: Expr
    items: tuple[Expr, ...]
    negated: bool


@dataclass(frozen=True)
class InTable(Expr):
    """`operand [NOT] IN (SELECT column FROM table)`: one column, no correlation."""

    operand: Expr
    schema: str
    table: str
    column: str
    negated: bool


@dataclass(frozen=True)
class Arithmetic(Expr):
    """`+ - * / %`, in the type PostgreSQL gives it; integer division truncates toward zero."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Negate(Expr):
    """Unary minus."""

    operand: Expr


@dataclass(frozen=True)
class Concat(Expr):
    """`||` on text."""

    left: Expr
    right: Expr


@dataclass(frozen=True)
class Like(Expr):
    """LIKE or ILIKE, with backslash as the escape character."""

    operand: Expr
    pattern: Expr
    insensitive: bool
    negated: bool


@dataclass(frozen=True)
class Regex(Expr):
    """`~ ~* !~ !~*`: true where the pattern matches anywhere."""

    operand: Expr
    pattern: Expr
    insensitive: bool
    negated: bool


@dataclass(frozen=True)
class JsonGet(Expr):
    """`-> ->> #>>` on json or jsonb."""

    op: str
    operand: Expr
    path: Expr


@dataclass(frozen=True)
class Case(Expr):
    """Searched CASE: pairs of condition and result, and the ELSE (None where absent)."""

    branches: tuple[tuple[Expr, Expr], ...]
    otherwise: Expr | None


@dataclass(frozen=True)
class Cast(Expr):
    """A cast to `type`."""

    operand: Expr


@dataclass(frozen=True)
class AtTimeZone(Expr):
    """AT TIME ZONE: a timestamptz as that zone's local time, or the reverse."""

    operand: Expr
    zone: str


@dataclass(frozen=True)
class Call(Expr):
    """A function of the catalogue (mlguard.lang.catalogue); `name` is its catalogue name."""

    name: str
    args: tuple[Expr, ...]


@dataclass(frozen=True)
class Metric(Expr):
    """A metric over rows, e.g. staleness() or coverage(age).

    Arguments are columns, a row predicate, constants, and for history a metric. `text` is the one spelling by which
    the metric is known everywhere: `coverage(age)`, `change(coverage(age), '7 days')`.
    """

    name: str
    args: tuple[Expr, ...]
    text: str = field(default="", compare=False, kw_only=True)
