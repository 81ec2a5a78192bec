"""Untyped tree + the table's columns → typed tree. Decides every conversion; knows no engine and no SQL text.

Types follow PostgreSQL's implicit conversions where these cannot surprise; where they depend on the session (a date
beside a timestamptz) or hide a mistake (text beside a number) the expression is refused with what to write instead.
Conversions that could raise for some row stand in the tree as Cast nodes, so that emitters see them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal

from mlguard.lang import tree
from mlguard.lang.arithmetic import arithmetic, negate
from mlguard.lang.calls import call
from mlguard.lang.convert import REFUSED, conversion, plain
from mlguard.lang.fault import nearest
from mlguard.lang.literals import fits
from mlguard.lang.patterns import like_fault, regex_fault
from mlguard.lang.tree import Expr, Literal
from mlguard.lang.types import BOOL, FLOATS, INTEGERS, NUMBERS, Kind, SqlType
from mlguard.lang.unify import Faults, common, comparable, equated, in_reals, is_bare, is_bare_text, read_as, settle
from mlguard.lang.zones import time_zone

_TEXT = SqlType(Kind.TEXT)
_SHOWN_COLUMNS = 20


@dataclass(frozen=True)
class Scope:
    """What an expression may name.

    `closed`: these are all columns there are; where it is false, others are taken on trust with an unknown type.
    `lookups`: whether `c IN (SELECT …)` is allowed here.
    `label`: the type of the label that metrics compare with; None where the table has no labels.
    `attributes`: columns of another table, which groups may be taken from.
    `tables`: the columns of the tables that lookups read, by schema and name; None: no database was asked.
    """

    columns: Mapping[str, SqlType]
    closed: bool
    lookups: bool = True
    label: SqlType | None = None
    attributes: Mapping[str, SqlType] = field(default_factory=dict)
    tables: Mapping[tuple[str, str], Mapping[str, SqlType]] | None = None


class Checker(Faults):
    """Types one expression."""

    def __init__(self, text: str, ends: Mapping[int, int], scope: Scope, *, metrics: bool) -> None:
        super().__init__(text, ends)
        self.scope = scope
        self.metrics = metrics
        self.inside = ""  # the metric whose argument is being checked

    @contextmanager
    def rows(self, metric: str) -> Iterator[None]:
        """Check what is inside a metric: one row, which names no metric, and no table that could change meanwhile."""
        scope = self.scope
        self.scope, self.metrics, self.inside = replace(scope, lookups=False), False, metric
        try:
            yield
        finally:
            self.scope, self.metrics, self.inside = scope, True, ""

    def check(self, expr: Expr) -> Expr:
        """Return `expr` with types; a bare NULL or string keeps the unknown type until something decides it."""
        return self._node(expr)

    def settled(self, expr: Expr) -> Expr:
        """Return `expr` with types; a bare string is text."""
        return settle(self.check(expr))

    def boolean(self, expr: Expr, where: str) -> Expr:
        """Return `expr` with types, which must be true or false."""
        checked = self.check(expr)
        if is_bare(checked):
            return read_as(self, checked, BOOL)
        if checked.type.kind in (Kind.BOOL, Kind.UNKNOWN):
            return checked
        raise self.fault(checked, f"{where} is {checked.type}, not true or false", _boolean_help(checked))

    def text(self, expr: Expr, where: str) -> Expr:
        """Return `expr` with types, which must be text."""
        checked = self.check(expr)
        if is_bare(checked):
            return read_as(self, checked, _TEXT)
        if checked.type.kind in (Kind.TEXT, Kind.UNKNOWN):
            return checked
        shown = self.shown(checked)
        raise self.fault(checked, f"{where} needs text, and {shown} is {checked.type}", f"write {shown}::text")

    # One method per node

    def _node(self, expr: Expr) -> Expr:  # one line per node
        match expr:
            case tree.Column():
                return self._column(expr)
            case tree.Literal():
                return expr
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
            case tree.Concat():
                return self._concat(expr)
            case tree.Like():
                return self._like(expr)
            case tree.Regex():
                return self._regex(expr)
            case tree.JsonGet():
                return self._json_get(expr)
            case tree.Case():
                return self._case(expr)
            case tree.Cast():
                return self._cast(expr)
            case tree.AtTimeZone():
                return self._at_time_zone(expr)
            case tree.Arithmetic():
                return arithmetic(self, expr, self.check(expr.left), self.check(expr.right))
            case tree.Negate():
                return negate(self, expr, self.check(expr.operand))
            case tree.Call():
                return call(self, expr)
        raise TypeError(type(expr))

    def _column(self, expr: tree.Column) -> Expr:
        found = self.scope.columns.get(expr.name)
        if found is not None:
            return replace(expr, type=found)
        if self.scope.label is not None and expr.name == "label":
            raise self.fault(expr, "the label comes later than the row", "it stands inside metrics: mae(x, label)")
        if expr.name in self.scope.attributes:
            raise self.fault(
                expr,
                f"`{expr.name}` is no column of this table but one of its attributes",
                "attributes stand under `by:`, and as the last argument of parity_gap() and its kind",
            )
        if not self.scope.closed:
            return expr
        quoted = self.source.startswith('"', expr.pos)
        if (folded := {name.lower(): name for name in self.scope.columns}.get(expr.name.lower())) is not None:
            meant = folded if folded == folded.lower() and not quoted else f'"{folded}"'
            raise self.fault(expr, f"no column `{expr.name}`; did you mean `{meant}`?")
        if quoted:
            raise self.fault(expr, f"no column `{expr.name}`", f"text is written in single quotes: '{expr.name}'")
        guess = nearest(expr.name, self.scope.columns)
        if guess:
            raise self.fault(expr, f"no column `{expr.name}`; did you mean `{guess}`?")
        has = ", ".join(list(self.scope.columns)[:_SHOWN_COLUMNS])
        has += ", …" * (len(self.scope.columns) > _SHOWN_COLUMNS)
        raise self.fault(
            expr, f"no column `{expr.name}`", f"text is written in quotes: '{expr.name}'; the columns are {has}"
        )

    def _not_(self, expr: tree.Not) -> Expr:
        return replace(expr, operand=self.boolean(expr.operand, "what NOT negates"))

    def _logical(self, expr: tree.Logical) -> Expr:
        where = f"an operand of {expr.op.upper()}"
        return replace(expr, operands=tuple(self.boolean(operand, where) for operand in expr.operands))

    def _compare(self, expr: tree.Compare) -> Expr:
        left, right = comparable(self, self.check(expr.left), self.check(expr.right), expr, expr.op)
        return replace(expr, left=left, right=right)

    def _distinct(self, expr: tree.Distinct) -> Expr:
        left, right = comparable(self, self.check(expr.left), self.check(expr.right), expr, "IS DISTINCT FROM")
        return replace(expr, left=left, right=right)

    def _is_(self, expr: tree.Is) -> Expr:
        if expr.what == "null":
            return replace(expr, operand=self.settled(expr.operand))
        return replace(expr, operand=self.boolean(expr.operand, f"what IS {expr.what.upper()} tests"))

    def _between(self, expr: tree.Between) -> Expr:
        operand, low, high = (self.check(part) for part in (expr.operand, expr.low, expr.high))
        low_operand, low = comparable(self, operand, low, expr, "BETWEEN")
        operand, high = comparable(self, low_operand, high, expr, "BETWEEN")
        operand, low = comparable(self, operand, low, expr, "BETWEEN")
        return replace(expr, operand=operand, low=low, high=high)

    def _in_list(self, expr: tree.InList) -> Expr:
        operand = self.check(expr.operand)
        items = in_reals(self, operand, [self.check(item) for item in expr.items])
        for item in items:  # twice over, because a later item can change the type all are compared in
            operand, _ = comparable(self, operand, item, expr, "IN")
        pairs = [comparable(self, operand, item, expr, "IN") for item in items]
        return replace(expr, operand=operand, items=tuple(item for _, item in pairs))

    def _in_table(self, expr: tree.InTable) -> Expr:
        if not self.scope.lookups:
            raise self.fault(expr, "another table cannot be read here", "keep what is needed in a column")
        operand = self.settled(expr.operand)
        if self.scope.tables is not None:
            self._looked_up(expr, operand.type, self.scope.tables)
        return replace(expr, operand=operand)

    def _looked_up(
        self, expr: tree.InTable, type: SqlType, tables: Mapping[tuple[str, str], Mapping[str, SqlType]]
    ) -> None:
        """Refuse a table or column that is not there, or whose values PostgreSQL cannot compare with these."""
        table = f"{expr.schema}.{expr.table}"
        columns = tables.get((expr.schema, expr.table))
        if columns is None:
            help = "create the table first, or correct the name; names are exact, capitals included"
            raise self.fault(expr, f"no table {table} in this database", help)
        found = columns.get(expr.column)
        if found is None:
            guess = nearest(expr.column, columns)
            help = f"did you mean {guess}?" if guess else f"columns: {', '.join(list(columns)[:_SHOWN_COLUMNS])}"
            raise self.fault(expr, f"no column `{expr.column}` in {table}", help)
        if not equated(type, found):
            shown = self.shown(expr.operand)
            raise self.fault(
                expr,
                f"IN cannot compare {shown} ({type}) with {table}.{expr.column} ({found})",
                f"write {shown}::{found}",
            )

    def _concat(self, expr: tree.Concat) -> Expr:
        return replace(expr, type=_TEXT, left=self.text(expr.left, "`||`"), right=self.text(expr.right, "`||`"))

    def _like(self, expr: tree.Like) -> Expr:
        name = "ILIKE" if expr.insensitive else "LIKE"
        operand, pattern = self.text(expr.operand, name), self.text(expr.pattern, name)
        if isinstance(pattern, Literal) and isinstance(pattern.value, str) and (wrong := like_fault(pattern.value)):
            raise self.fault(pattern, wrong, r"write \\ for a backslash itself")
        return replace(expr, operand=operand, pattern=pattern)

    def _regex(self, expr: tree.Regex) -> Expr:
        name = f"`{'!' * expr.negated}~{'*' * expr.insensitive}`"
        operand, pattern = self.text(expr.operand, name), self.text(expr.pattern, name)
        if not isinstance(pattern, Literal):
            raise self.fault(
                pattern, f"the pattern of {name} must be a string", "a pattern from a column can be invalid for one row"
            )
        if isinstance(pattern.value, str) and (wrong := regex_fault(pattern.value)):
            raise self.fault(pattern, wrong, "a backslash in front makes a character stand for itself")
        return replace(expr, operand=operand, pattern=pattern)

    def _json_get(self, expr: tree.JsonGet) -> Expr:
        operand, path = self.check(expr.operand), self.check(expr.path)
        if operand.type.kind not in (Kind.JSON, Kind.JSONB, Kind.UNKNOWN) or is_bare(operand):
            raise self.fault(operand, f"`{expr.op}` needs json or jsonb, and {self.shown(operand)} is {operand.type}")
        result = _TEXT if expr.op != "->" else plain(operand.type)
        if expr.op == "#>>":
            path = self._json_path(path)
        elif is_bare(path):
            path = read_as(self, path, _TEXT)
        elif path.type.kind not in (Kind.TEXT, Kind.INT4, Kind.INT2, Kind.UNKNOWN):
            raise self.fault(path, f"`{expr.op}` needs a key (text) or a position (integer), not {path.type}")
        return replace(expr, type=result, operand=operand, path=path)

    def _json_path(self, path: Expr) -> Expr:
        value = path.value if isinstance(path, Literal) else None
        if not isinstance(value, str) or not (value.startswith("{") and value.endswith("}")):
            raise self.fault(path, "the path of `#>>` must be a string in braces", "write payload #>> '{key,0,name}'")
        if any(mark in value[1:-1] for mark in '{}"\\') or (value != "{}" and "" in _parts(value)):
            raise self.fault(path, "a path of `#>>` holds plain keys only", "chain -> and ->> for other keys")
        return replace(path, type=SqlType(Kind.ARRAY, "text[]", _TEXT))

    def _case(self, expr: tree.Case) -> Expr:
        conditions = [self.boolean(condition, "the condition of WHEN") for condition, _ in expr.branches]
        results = [self.check(result) for _, result in expr.branches]
        if expr.otherwise is not None:
            results.append(self.check(expr.otherwise))
        type, settled = common(self, results, expr, "CASE")
        otherwise = settled[-1] if expr.otherwise is not None else None
        pairs = zip(conditions, settled[: len(conditions)], strict=True)
        return replace(expr, type=type, branches=tuple(pairs), otherwise=otherwise)

    def _cast(self, expr: tree.Cast) -> Expr:
        operand = self.check(expr.operand)
        target = self._target(expr)
        bare_target = replace(target, sql="") if target.kind not in (Kind.ENUM, Kind.ARRAY) else target
        if is_bare(operand):
            folded = replace(read_as(self, operand, bare_target), pos=expr.pos)
            return folded if not target.sql else replace(expr, type=target, operand=folded)
        if _folds(operand, target):
            return replace(read_as(self, operand, target), pos=expr.pos)
        value = operand.value if isinstance(operand, Literal) else None
        if target.kind in INTEGERS and isinstance(value, Decimal) and not fits(value.to_integral_value(), target.kind):
            raise self.fault(operand, f"{self.shown(operand)} is out of range for {target}")
        if operand.type.kind is target.kind and not target.sql:
            return operand
        if conversion(operand.type, target) is None:
            reason, help = REFUSED.get((operand.type.kind, target.kind), ("PostgreSQL has no such cast", ""))
            shown = self.shown(operand)
            help = help.format(shown)
            raise self.fault(expr, f"{shown} is {operand.type} and cannot be cast to {target}: {reason}", help)
        return replace(expr, type=target, operand=operand)

    def _target(self, expr: tree.Cast) -> SqlType:
        """Return the type cast to, spelled one way; only numeric keeps its modifier."""
        target = expr.type
        spelled = target.sql.partition("(")[0].strip()
        if "(" in target.sql and target.kind is Kind.NUMERIC:
            digits = target.sql[target.sql.index("(") + 1 : -1].split(",")
            precision, scale = int(digits[0]), int((*digits, "0")[1])
            if not 1 <= precision <= 1000 or not -1000 <= scale <= 1000:
                raise self.fault(expr, f"{target} is not a type PostgreSQL has")
            return SqlType(Kind.NUMERIC, f"numeric({precision},{scale})")
        if target.kind is Kind.TEXT and ("(" in target.sql or spelled in ("char", "character", "bpchar")):
            raise self.fault(expr, f"a cast to {target} would cut the text", "write x::text, or left(x, n)")
        if "(" in target.sql:
            raise self.fault(expr, f"a cast to {target} would round", "write date_trunc('second', x)")
        return SqlType(target.kind)

    def _at_time_zone(self, expr: tree.AtTimeZone) -> Expr:
        operand = self.check(expr.operand)
        try:
            time_zone(expr.zone)
        except ValueError as error:
            raise self.fault(expr, str(error)) from None
        result = {Kind.TIMESTAMP: Kind.TIMESTAMPTZ, Kind.TIMESTAMPTZ: Kind.TIMESTAMP, Kind.UNKNOWN: Kind.UNKNOWN}
        kind = result.get(operand.type.kind)
        if kind is None or is_bare(operand):
            shown = self.shown(operand)
            raise self.fault(
                expr, "AT TIME ZONE needs a timestamp", f"write {shown}::timestamp AT TIME ZONE '{expr.zone}'"
            )
        return replace(expr, type=SqlType(kind), operand=operand)


def _parts(path: str) -> list[str]:
    return [part.strip() for part in path[1:-1].split(",")]


def _folds(operand: Expr, target: SqlType) -> bool:
    """Tell whether the cast of a number or NULL is a constant of the value that is written."""
    if not isinstance(operand, Literal) or target.sql or target.kind not in NUMBERS:
        return False
    if operand.value is None:
        return True
    if not isinstance(operand.value, Decimal) or operand.type.kind in FLOATS:
        return False  # the value of a float literal is not its decimal digits any more
    return target.kind not in INTEGERS or (operand.type.kind in INTEGERS and fits(operand.value, target.kind))


def _boolean_help(expr: Expr) -> str:
    if isinstance(expr, tree.Metric):
        return f"compare it with something, for example {expr.text} >= 0.75"
    name = expr.name if isinstance(expr, tree.Column) else "x"
    if expr.type.kind in NUMBERS:
        return f"compare it with something, for example {name} >= 0"
    if expr.type.kind is Kind.TEXT:
        return f"compare it with something, for example {name} = 'yes', or write {name}::boolean"
    return f"compare it with something, or write {name} IS NOT NULL"


def assign(checker: Checker, expr: Expr, expected: SqlType) -> Expr:
    """Return `expr` as a value of a column of type `expected`, as INSERT would convert it."""
    if is_bare_text(expr) and expected.kind in (Kind.ARRAY, Kind.OTHER):
        raise checker.fault(expr, f"a value of type {expected} cannot be written in a rule")
    if is_bare(expr):
        return read_as(checker, expr, plain(expected))
    if Kind.UNKNOWN in (expected.kind, expr.type.kind):
        return expr
    number = isinstance(expr, Literal) and isinstance(expr.value, Decimal) and expected.kind in NUMBERS
    if number and isinstance(expr, Literal) and (expr.type.kind in INTEGERS or expected.kind not in INTEGERS):
        return read_as(checker, expr, plain(expected))
    if expr.type.kind is expected.kind:
        if expr.type.kind in (Kind.ENUM, Kind.ARRAY, Kind.OTHER) and expr.type != expected:
            raise checker.fault(expr, f"{checker.shown(expr)} is {expr.type}, and {expected} is wanted")
        return expr
    both_numbers = {expr.type.kind, expected.kind} <= NUMBERS
    both_times = {expr.type.kind, expected.kind} <= {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ}
    if both_numbers or both_times:
        return tree.Cast(plain(expected), expr, pos=expr.pos)
    shown = checker.shown(expr)
    help = f"write {shown}::{expected}" if conversion(expr.type, plain(expected)) is not None else ""
    raise checker.fault(expr, f"{shown} is {expr.type}, and {expected} is wanted", help)
