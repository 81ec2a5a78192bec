"""Typed tree → PostgreSQL text. Knows spellings and precedence; decides no meaning and no placement.

Every spelling is immutable where the tree allows it: what depends on a time zone names the zone of the file instead of
asking the session. Constants are written so that PostgreSQL reads them as constants of the final type while parsing
(`'0'::double precision`, not `0::double precision`): a CHECK is set up again by every statement, and each conversion
it would have to fold costs more than a comparison does.
"""

from __future__ import annotations

import re
from decimal import Decimal

from mlguard.lang import tree
from mlguard.lang.catalogue import FUNCTIONS
from mlguard.lang.literals import fits, read_interval, with_offset
from mlguard.lang.precedence import (
    ADD,
    AND,
    AT,
    ATOM,
    CAST,
    COLLATE,
    COMPARE,
    IS,
    MATCH,
    MULTIPLY,
    NOT,
    OR,
    OTHER,
    SIGN,
)
from mlguard.lang.tree import Expr
from mlguard.lang.types import INTEGERS, TIMES, Kind, SqlType
from mlguard.lang.zones import whole_hours
from mlguard.names import quote_ident, quote_literal

_TYPE_NAMES = {Kind.TIME: "time", Kind.TIMESTAMP: "timestamp", Kind.TIMESTAMPTZ: "timestamptz"}
_PREFIXED = frozenset({Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.INTERVAL})
_UNTYPED = frozenset({Kind.TEXT, Kind.ENUM, Kind.ARRAY, Kind.OTHER, Kind.UNKNOWN})
BELOW_HOUR = frozenset({"microseconds", "milliseconds", "second", "minute"})
_LONGEST_PLAIN = 40  # digits; longer numbers are written with an exponent


def to_sql(expr: Expr, row: str | None = None, zone: str = "UTC") -> str:
    """Return the expression as PostgreSQL reads it.

    Args:
        expr: a typed tree without metrics.
        row: what stands before every column, such as `NEW`; None for nothing.
        zone: the time zone in which days are cut and zoneless constants are read.
    """
    return Writer(row, zone).write(expr)


# Names of variables in generated functions, and of those that PL/pgSQL declares itself (manual 43.10).
_VARIABLE = re.compile(r"_|(?:new|old|found|tg_\w+)\Z")
ROW_AT_A_TIME = "NEW."  # the row variable of row triggers; everything else judges many rows in one query


class Writer:
    """Writes nodes with as few parentheses as PostgreSQL and a reader need."""

    def __init__(self, row: str | None = None, zone: str = "UTC") -> None:
        self.prefix = f"{row}." if row else ""
        self.zone = zone

    def write(self, expr: Expr, level: int = OR) -> str:
        """Return `expr`, in parentheses where it binds more loosely than `level`."""
        text, own = self._node(expr)
        return text if own >= level else f"({text})"

    # One method per node: the text, and how tightly it binds

    def _node(self, expr: Expr) -> tuple[str, int]:  # one line per node
        match expr:
            case tree.Column():
                return self._column(expr)
            case tree.Literal():
                return self._literal(expr)
            case tree.Not():
                return self._not_(expr)
            case tree.Logical():
                return self._logical(expr)
            case tree.Compare():
                return self._compare(expr)
            case tree.Distinct():
                return self._distinct(expr)
            case tree.Is():
                return self._is_(expr)
            case tree.Between():
                return self._between(expr)
            case tree.InList():
                return self._in_list(expr)
            case tree.InTable():
                return self._in_table(expr)
            case tree.Arithmetic():
                return self._arithmetic(expr)
            case tree.Negate():
                return self._negate(expr)
            case tree.Concat():
                return self._concat(expr)
            case tree.Regex():
                return self._regex(expr)
            case tree.JsonGet():
                return self._json_get(expr)
            case tree.Like():
                return self._like(expr)
            case tree.Case():
                return self._case(expr)
            case tree.Cast():
                return self._cast(expr)
            case tree.AtTimeZone():
                return self._at_time_zone(expr)
            case tree.Call():
                return self._call(expr)
            case tree.Metric():
                return self._metric(expr)
        raise TypeError(type(expr))

    def _column(self, expr: tree.Column) -> tuple[str, int]:
        return self.prefix + quote_ident(expr.name), ATOM

    def _literal(self, expr: tree.Literal) -> tuple[str, int]:
        kind, value = expr.type.kind, expr.value
        if value is None:
            return ("null", ATOM) if kind is Kind.UNKNOWN else (f"null::{type_name(expr.type)}", CAST)
        if isinstance(value, bool):
            return str(value).lower(), ATOM
        if isinstance(value, Decimal):
            return number(value, kind)
        if kind is Kind.TIMESTAMPTZ:
            value = with_offset(value, self.zone)
        if kind in _PREFIXED:
            return f"{type_name(expr.type)} {quoted(value)}", ATOM
        if kind in _UNTYPED:
            return quoted(value), ATOM
        return f"{quoted(value)}::{type_name(expr.type)}", CAST

    def _not_(self, expr: tree.Not) -> tuple[str, int]:
        return f"not {self.write(expr.operand, ATOM)}", NOT

    def _logical(self, expr: tree.Logical) -> tuple[str, int]:
        own = AND if expr.op == "and" else OR
        return f" {expr.op} ".join(self.write(operand, own + 1) for operand in expr.operands), own

    def _compare(self, expr: tree.Compare) -> tuple[str, int]:
        sides = (expr.left, expr.right)
        equality = expr.op in ("=", "<>")
        left, right = (self.write(side, OTHER) for side in sides) if equality else self._by_bytes(OTHER, *sides)
        return f"{left} {expr.op} {right}", COMPARE

    def _by_bytes(self, level: int, *sides: Expr) -> list[str]:
        """Return what is compared by order; for text that is the order of bytes, whatever collation a column has.

        One COLLATE is enough, but where another side holds one inside, the two would conflict.
        """
        if all(side.type.kind is not Kind.TEXT for side in sides):
            return [self.write(side, level) for side in sides]
        return [
            f'{self.write(side, COLLATE)} collate "C"'
            if not index or _names_collation(side)
            else self.write(side, level)
            for index, side in enumerate(sides)
        ]

    def _distinct(self, expr: tree.Distinct) -> tuple[str, int]:
        word = "is not distinct from" if expr.negated else "is distinct from"
        return f"{self.write(expr.left, OTHER)} {word} {self.write(expr.right, OTHER)}", IS

    def _is_(self, expr: tree.Is) -> tuple[str, int]:
        return f"{self.write(expr.operand, OTHER)} is {'not ' * expr.negated}{expr.what}", IS

    def _between(self, expr: tree.Between) -> tuple[str, int]:
        operand, low, high = self._by_bytes(OTHER, expr.operand, expr.low, expr.high)
        if self.write(expr.low, SIGN) != low:  # gram.y has a narrower rule for it, without COLLATE and AT TIME ZONE
            low = f"({low})"
        return f"{operand} {'not ' * expr.negated}between {low} and {high}", MATCH

    def _in_list(self, expr: tree.InList) -> tuple[str, int]:
        items = ", ".join(self.write(item) for item in expr.items)
        return f"{self.write(expr.operand, OTHER)} {'not ' * expr.negated}in ({items})", MATCH

    def _in_table(self, expr: tree.InTable) -> tuple[str, int]:
        table, source = quote_ident(expr.table), f"{quote_ident(expr.schema)}.{quote_ident(expr.table)}"
        if _VARIABLE.match(expr.table):  # PL/pgSQL would take a column of such a table for a field of its variable
            table, source = "looked", f"{source} as looked"
        # The column is qualified, or a column this table lacks would be taken from the row judged.
        column = f"{table}.{quote_ident(expr.column)}"
        operand = self.write(expr.operand, OTHER)
        member = f"{operand} {'not ' * expr.negated}in (select {column} from {source})"
        if self.prefix != ROW_AT_A_TIME:
            return member, MATCH
        # IN builds a hash of the whole table, and for one row at a time builds it anew for each: a probe finds the
        # member by its index, and only a row without one pays for what IN says about NULLs.
        probe = f"exists (select from {source} where {column} = {operand})"
        return f"case when {probe} then {str(not expr.negated).lower()} else {member} end", ATOM

    def _arithmetic(self, expr: tree.Arithmetic) -> tuple[str, int]:
        if expr.type.kind is Kind.TIMESTAMPTZ:
            return self._moved(expr), AT
        own = ADD if expr.op in "+-" else MULTIPLY
        return f"{self.write(expr.left, own)} {expr.op} {self.write(expr.right, own + 1)}", own

    def _moved(self, expr: tree.Arithmetic) -> str:
        """Write timestamptz ± interval: days and months on the clock of the file's zone, hours as elapsed time.

        A length that is not a constant is added on the zone's clock as a whole.
        """
        flipped = expr.left.type.kind is Kind.INTERVAL
        moment, length = (expr.right, expr.left) if flipped else (expr.left, expr.right)
        text = self.write(length, MULTIPLY)
        steps = _steps(length, self.zone) or ((self.zone, text),)
        written = self.write(moment, AT)
        for zone, step in steps:
            written = f"({written} at time zone {quoted(zone)} {expr.op} {step}) at time zone {quoted(zone)}"
        return written

    def at_zone(self, expr: Expr, zone: str) -> str:
        """Return `expr at time zone 'zone'`, which binds as AT."""
        return f"{self.write(expr, AT)} at time zone {quoted(zone)}"

    def _negate(self, expr: tree.Negate) -> tuple[str, int]:
        return f"-{self.write(expr.operand, CAST)}", SIGN

    def _concat(self, expr: tree.Concat) -> tuple[str, int]:
        return self._other(expr.left, "||", expr.right, tree.Concat)

    def _regex(self, expr: tree.Regex) -> tuple[str, int]:
        operator = f"{'!' * expr.negated}~{'*' * expr.insensitive}"
        return self._other(expr.operand, operator, expr.pattern, tree.Regex)

    def _json_get(self, expr: tree.JsonGet) -> tuple[str, int]:
        return self._other(expr.operand, expr.op, expr.path, tree.JsonGet)

    def _other(self, left: Expr, operator: str, right: Expr, own: type[Expr]) -> tuple[str, int]:
        """Write an operator of the level where all are equal: only chains of one kind go without parentheses."""
        chain = isinstance(left, own)
        return f"{self.write(left, OTHER if chain else ADD)} {operator} {self.write(right, ADD)}", OTHER

    def _like(self, expr: tree.Like) -> tuple[str, int]:
        word = f"{'not ' * expr.negated}{'ilike' if expr.insensitive else 'like'}"
        return f"{self.write(expr.operand, OTHER)} {word} {self.write(expr.pattern, OTHER)}", MATCH

    def _case(self, expr: tree.Case) -> tuple[str, int]:
        arms = "".join(
            f" when {self.write(condition)} then {self.write(result)}" for condition, result in expr.branches
        )
        otherwise = f" else {self.write(expr.otherwise)}" if expr.otherwise is not None else ""
        return f"case{arms}{otherwise} end", ATOM

    def _cast(self, expr: tree.Cast) -> tuple[str, int]:
        source, target = expr.operand.type.kind, expr.type.kind
        name = type_name(expr.type)
        if source is Kind.TIMESTAMPTZ and target is not Kind.TIMESTAMPTZ:
            local = self.at_zone(expr.operand, self.zone)
            return (local, AT) if target is Kind.TIMESTAMP else (f"({local})::{name}", CAST)
        if target is Kind.TIMESTAMPTZ and source in (Kind.DATE, Kind.TIMESTAMP):
            operand = self.write(expr.operand, CAST) + "::timestamp" * (source is Kind.DATE)
            return f"{operand} at time zone {quoted(self.zone)}", AT
        return f"{self.write(expr.operand, CAST)}::{name}", CAST

    def _at_time_zone(self, expr: tree.AtTimeZone) -> tuple[str, int]:
        return self.at_zone(expr.operand, expr.zone), AT

    def _call(self, expr: tree.Call) -> tuple[str, int]:
        if expr.name in ("greatest", "least"):
            return self._extreme(expr)
        if expr.name == "is_finite":
            return self._is_finite(expr)
        if expr.name == "date_trunc":
            return self._date_trunc(expr)
        if expr.name == "extract":
            return self._extract(expr)
        args = [self.write(arg) for arg in expr.args]
        spelling = FUNCTIONS[expr.name].postgresql or "{name}({*})"
        return spelling.replace("{name}", expr.name).replace("{*}", ", ".join(args)), ATOM

    def _extreme(self, expr: tree.Call) -> tuple[str, int]:
        args = ", ".join(self._by_bytes(OR, *expr.args))
        if expr.type.kind is not Kind.TEXT:
            return f"{expr.name}({args})", ATOM
        # The collation named inside would otherwise rule what stands around, such as upper().
        return f'{expr.name}({args}) collate "default"', COLLATE

    def _is_finite(self, expr: tree.Call) -> tuple[str, int]:
        operand = expr.args[0]
        kind = operand.type.kind
        if kind in TIMES:
            return f"isfinite({self.write(operand)})", ATOM
        if kind in INTEGERS:  # true, and NULL for NULL
            return f"{self.write(operand, OTHER)} < 'Infinity'::double precision", COMPARE
        limit = f"::{type_name(SqlType(kind))}" if kind is not Kind.UNKNOWN else ""
        return f"abs({self.write(operand)}) < 'Infinity'{limit}", COMPARE

    def _date_trunc(self, expr: tree.Call) -> tuple[str, int]:
        unit, operand = expr.args
        word = str(unit.value) if isinstance(unit, tree.Literal) else ""
        if operand.type.kind is not Kind.TIMESTAMPTZ:
            return f"date_trunc({quoted(word)}, {self.write(operand)})", ATOM
        zone = self._trunc_zone(word)
        return f"date_trunc({quoted(word)}, {self.at_zone(operand, zone)}) at time zone {quoted(zone)}", AT

    def _trunc_zone(self, unit: str) -> str:
        """Return where to cut: in UTC what begins there when it does locally, because local time repeats an hour."""
        if unit in BELOW_HOUR or (unit == "hour" and whole_hours(self.zone)):
            return "UTC"
        return self.zone

    def _extract(self, expr: tree.Call) -> tuple[str, int]:
        unit, operand = expr.args
        word = str(unit.value) if isinstance(unit, tree.Literal) else ""
        source = self.write(operand)
        if operand.type.kind is Kind.TIMESTAMPTZ:
            source = self.at_zone(operand, "UTC" if word == "epoch" else self.zone)
        return f"extract({word} from {source})", ATOM

    def _metric(self, expr: tree.Metric) -> tuple[str, int]:
        raise ValueError(f"{expr.name}() is a metric and has no value in a row")


def quoted(text: str) -> str:
    """Return a string literal; quote_literal's leading blank is for text glued to a word, which never happens here."""
    return quote_literal(text).strip()


def type_name(type: SqlType) -> str:
    """Return the short name of a type, with its modifier."""
    if "(" in type.sql or type.kind in (Kind.ENUM, Kind.ARRAY, Kind.OTHER):
        return type.sql
    return _TYPE_NAMES.get(type.kind) or str(type.kind.value)


def number(value: Decimal, kind: Kind) -> tuple[str, int]:
    """Return a number that PostgreSQL reads as a constant of type `kind`, and how tightly it binds."""
    plain = f"{value:f}"
    text = plain if len(plain) <= _LONGEST_PLAIN else str(value)
    bare = kind is Kind.INT4 or (kind is Kind.INT8 and not fits(value, Kind.INT4))
    if bare or (kind is Kind.NUMERIC and "." in text and "E" not in text):
        return text, SIGN if text.startswith("-") else ATOM
    if kind is Kind.UNKNOWN:
        return text, SIGN
    return f"'{text}'::{kind.value}", CAST


def _steps(length: Expr, zone: str) -> tuple[tuple[str, str], ...]:
    """Divide a constant interval into what is added on a zone's clock and what is elapsed time; else return ()."""
    if zone == "UTC" or not isinstance(length, tree.Literal) or not isinstance(length.value, str):
        return ()
    span = read_interval(length.value)
    days = (zone, f"interval '{span.months} months {span.days} days'")
    time = ("UTC", f"interval '{span.microseconds} microseconds'")
    if span.months or span.days:
        return (days, time) if span.microseconds else ((zone, f"interval {quoted(length.value)}"),)
    return (("UTC", f"interval {quoted(length.value)}"),)


def _names_collation(expr: Expr) -> bool:
    """Tell whether the text of `expr` holds a COLLATE that reaches its value."""
    calls = (node for node in expr.walk() if isinstance(node, tree.Call) and node.type.kind is Kind.TEXT)
    return any(call.name in ("greatest", "least") for call in calls)
