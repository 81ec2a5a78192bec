"""Typed tree → DuckDB text with PostgreSQL's meaning. Knows spellings; decides no meaning and no placement.

Every text stands in parentheses of its own or is a call, so that none needs to know what is around it. Where PostgreSQL
would raise on a row the text raises too; `broken_duck` catches that. What cannot be said is refused by `NotLocal`, and
where a node is right but for some values, these are noted as a doubt (`Writer.doubts`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from mlguard.emit import duck_casts, duck_compare, duck_decimal, duck_math, duck_numeric, duck_text, duck_times
from mlguard.emit.duck_core import Names, NotLocal, duck_type, fail, is_simple, is_wrapped, quoted
from mlguard.emit.duck_numeric import Num
from mlguard.lang import tree
from mlguard.lang.spell import spelled
from mlguard.lang.tree import Expr, Literal
from mlguard.lang.types import FLOATS, INTEGERS, NUMBERS, TIMES, Kind, SqlType
from mlguard.lang.unify import is_null
from mlguard.names import digest, quote_ident

_TIMED = TIMES | {Kind.TIME, Kind.INTERVAL}
LOOKUP = "mlguard lookup "  # begins the names of columns that hold results of IN (SELECT …)
LONGEST = 400_000  # characters: a text beyond that is of an expression nobody wrote by hand

# What is never judged locally, and why. tests/parity holds each entry against a rule that is refused for it.
UNSUPPORTED: Mapping[str, str] = {
    "sqrt, ln, exp, power of numeric": "rounded to a scale that depends on the value; of floats and integers not",
    "quotients of numeric": "rounded to a scale that depends on the values; beside a short number judged",
    "arithmetic on numeric without precision": "held as double, which compares but does not add exactly",
    "numeric of more than 38 digits": "no decimal of DuckDB holds it",
    "round(x, digits) with digits from a column": "its scale would differ from row to row",
    "interval times or by a fraction": "PostgreSQL spreads the fraction over months, days and microseconds",
    "text as interval": "its spellings are not read locally",
    "order of enum labels": "a file does not hold it",
    "jsonb compared with jsonb, or with an object or array": "DuckDB keeps the text, not the value",
    "jsonb as text": "PostgreSQL spells it anew",
    "numeric as text, where its zeros are not known": "2.50 and 2.5 are equal and spelled differently",
    "extract(julian) of a timestamp": "its fraction is rounded to a scale of its own",
    "array_length of a dimension other than 1": "arrays of a file have one dimension",
    "LIKE and ~ on char(n)": "matched with the padding, which files do not hold",
    "regular expressions with back references, look-around, embedded options or collating elements": "RE2 has none",
}


def to_duck(expr: Expr, row: str | None = None, time_zone: str = "UTC") -> str:
    """Return the expression as DuckDB reads it; it raises on the rows on which PostgreSQL would.

    Args:
        expr: a typed tree without metrics.
        row: what stands before every column, an alias of the relation; None for nothing.
        time_zone: the zone in which days are cut and zoneless constants are read.

    Raises:
        NotLocal: a construct of UNSUPPORTED.
    """
    return Writer(row, time_zone).write(expr)


class Writer:
    """Writes one expression after the other, and notes what they can do to a row."""

    def __init__(self, row: str | None = None, zone: str = "UTC", elsewhere: Mapping[str, str] | None = None) -> None:
        self.prefix = f"{row}." if row else ""
        self.elsewhere = elsewhere or {}  # columns that are read under another name
        self.zone = zone
        self.fails = 0  # nodes written so far that raise on some row
        self.doubts: dict[str, str] = {}  # condition → why a row on which it is true is not judged
        self.lookups: list[tree.InTable] = []
        self._names = Names()
        self._trials: dict[int, bool] = {}

    def write(self, expr: Expr) -> str:
        """Return `expr`."""
        text = self._node(expr)
        if len(text) > LONGEST:
            raise NotLocal("the expression", f"written out it is longer than {LONGEST:,} characters")
        return text

    # What the writers of parts use

    def atom(self, text: str) -> str:
        """Return a text in parentheses, unless it is a column or constant."""
        return text if (is_simple(text) and " " not in text) or is_wrapped(text) else f"({text})"

    def let(self, values: tuple[str, ...], body: Callable[..., str]) -> str:
        """Return `body` of the values, each evaluated once."""
        return self.atom(self._names.let(tuple(map(self.atom, values)), body))

    def failing(self, words: str, type: SqlType) -> str:
        """Return what raises, in place of a value of that type."""
        return fail(words, type.kind, duck_type(type))

    def failing_as(self, words: str, name: str, kind: Kind = Kind.NUMERIC) -> str:
        """Return what raises, in place of a value of that DuckDB type."""
        return fail(words, kind, name)

    def doubt(self, condition: str, why: str) -> None:
        """Note that a row is not judged where the condition is true."""
        self.doubts.setdefault(condition, why)

    def spelled(self, condition: str) -> None:
        """Note that the text of a JSON value is used."""
        self.doubt(condition, "the spelling of a JSON number with a fraction, of an object or an array")

    def can_fail(self, *exprs: Expr) -> bool:
        """Tell whether one of `exprs` raises on some row, leaving no trace."""
        for expr in exprs:
            if id(expr) not in self._trials:
                trial = Writer(self.prefix.rstrip("."), self.zone, self.elsewhere)
                trial._trials = self._trials
                trial._value(expr)
                self._trials[id(expr)] = trial.fails > 0
        return any(self._trials[id(expr)] for expr in exprs)

    def strict(self, exprs: Sequence[Expr], texts: Sequence[str], body: Callable[..., str]) -> str:
        """Return `body` of the texts of operands that PostgreSQL evaluates all.

        DuckDB leaves out a later one where an earlier is NULL; if it can raise, it is evaluated beforehand.
        """
        return self.let(tuple(texts), body) if self.can_fail(*exprs[1:]) else body(*texts)

    def typed(self, expr: Expr) -> str:
        """Return an operand whose DuckDB type is PostgreSQL's: a bare number would adapt to what is beside it."""
        if isinstance(expr, Literal) and isinstance(expr.value, Decimal) and expr.type.kind in INTEGERS:
            return f"'{expr.value:f}'::{duck_type(expr.type)}"
        return self.write(expr)

    def extract(self, expr: tree.Call) -> Num:
        """Return a field of a date, time or interval as a number."""
        return duck_times.extract(self, expr)

    def read_numeric(self, expr: tree.Cast) -> Num:
        """Return text or jsonb as numeric."""
        return duck_casts.read_numeric(self, expr)

    # One method per node

    def _node(self, expr: Expr) -> str:  # one line per node
        if expr.type.kind is Kind.NUMERIC and not isinstance(expr, tree.Column | tree.Literal):
            number = duck_decimal.number(self, expr)
            if isinstance(number, duck_numeric.Ratio):
                raise NotLocal("/", "a quotient of numerics is rounded to a scale that depends on its values")
            return self.atom(number.text)
        match expr:
            case tree.Column():
                return self._column(expr)
            case tree.Literal():
                return self._literal(expr)
            case tree.Not():
                return f"(not {self.atom(self.write(expr.operand))})"
            case tree.Logical():
                return self._logical(expr)
            case tree.Compare():
                return duck_compare.compare(self, expr)
            case tree.Distinct():
                return duck_compare.distinct(self, expr)
            case tree.Is():
                return self._is_(expr)
            case tree.Between():
                return duck_compare.between(self, expr)
            case tree.InList():
                return duck_compare.in_list(self, expr)
            case tree.InTable():
                return self._in_table(expr)
            case tree.Arithmetic():
                return duck_times.arithmetic(self, expr) or duck_math.arithmetic(self, expr)
            case tree.Negate() if expr.type.kind is Kind.INTERVAL:
                return duck_times.negate(self, expr)
            case tree.Negate():
                return duck_math.negate(self, expr)
            case tree.Concat():
                parts = (expr.left, expr.right)
                texts = [self.atom(self.write(part)) for part in parts]
                return self.strict(parts, texts, lambda a, b: f"({a} || {b})")
            case tree.Regex():
                return duck_text.regex(self, expr)
            case tree.JsonGet():
                return duck_text.json_get(self, expr)
            case tree.Like():
                return duck_text.like(self, expr)
            case tree.Case():
                return self._case(expr)
            case tree.Cast():
                return self._cast(expr)
            case tree.AtTimeZone():
                self.fails += 1
                return duck_times.at_zone(self, self.write(expr.operand), expr.zone)
            case tree.Call():
                return self._call(expr)
        raise NotLocal(type(expr).__name__, "has no value in a row")

    def _column(self, expr: tree.Column) -> str:
        text = self.prefix + quote_ident(self.elsewhere.get(expr.name, expr.name))
        if expr.type.kind is Kind.UNKNOWN:
            raise NotLocal(expr.name, "the file does not say of which type it is")
        return f"rtrim({text}, ' ')" if duck_text.is_blank_padded(expr) else text

    def _literal(self, expr: Literal) -> str:
        kind, value = expr.type.kind, expr.value
        if value is None:
            return "null" if kind is Kind.UNKNOWN else f"null::{duck_type(expr.type)}"
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, Decimal):
            if kind in INTEGERS:
                return f"{value:f}" if value >= 0 else f"({value:f})"
            if kind is Kind.NUMERIC:
                return duck_numeric.constant(value).text
            return f"'{value}'::{duck_type(expr.type)}"
        if kind in _TIMED:
            return duck_times.literal(value, kind, self.zone)
        if kind is Kind.BYTEA:
            return f"unhex({quoted(value.removeprefix(chr(92) + 'x'))})"
        if kind in (Kind.TEXT, Kind.ENUM, Kind.UNKNOWN):
            return quoted(value)
        return f"{quoted(value)}::{duck_type(expr.type)}"

    def _logical(self, expr: tree.Logical) -> str:
        """Write AND and OR; an operand that can raise is reached only where those before it leave the result open."""
        written = self.write(expr.operands[0])
        for operand in expr.operands[1:]:
            before = self.fails
            text = self.write(operand)
            plain = f"{self.atom(written)} {expr.op} {self.atom(text)}"
            written = f"({plain})" if self.fails == before else self.in_turn(expr.op, written, text)
        return written

    def _is_(self, expr: tree.Is) -> str:
        operand = expr.operand
        text = self._value(operand)
        what = "null" if expr.what == "unknown" else expr.what
        return f"({self.atom(text)} is {'not ' * expr.negated}{what})"

    def in_turn(self, op: str, first: str, second: str) -> str:
        """Return AND or OR whose second operand is evaluated only where the first leaves the result open."""
        stop = "false" if op == "and" else "true"
        return self.let(
            (first,), lambda x: f"case when {x} is {stop} then {stop} else {x} {op} {self.atom(second)} end"
        )

    def _in_table(self, expr: tree.InTable) -> str:
        """Write the column in which the result of the sub-select stands: TRY cannot hold one itself."""
        if expr not in self.lookups:
            self.lookups.append(expr)
        column = f"{self.prefix}{quote_ident(lookup_name(expr))}"
        before = self.fails
        operand = self.write(expr.operand)
        found = f"({'not ' * expr.negated}{column})"
        # The operand raises where PostgreSQL evaluates it, not where the lookups are made.
        return (
            found if self.fails == before else f"(case when {operand} is null then {found} else {found} and true end)"
        )

    def _case(self, expr: tree.Case) -> str:
        results = [result for _, result in expr.branches]
        results += [expr.otherwise] if expr.otherwise is not None else []
        texts = [self._as(result, expr.type) for result in results]
        arms = "".join(
            f" when {self.write(condition)} then {text}"
            for (condition, _), text in zip(expr.branches, texts[: len(expr.branches)], strict=True)
        )
        otherwise = f" else {texts[-1]}" if expr.otherwise is not None else ""
        return f"(case{arms}{otherwise} end)"

    def _as(self, expr: Expr, type: SqlType) -> str:
        """Return one of several values that end up in one type."""
        if type.kind in FLOATS:
            return self.atom(duck_math.as_float(self, expr, type.kind))
        if type.kind in INTEGERS:
            return f"{self.atom(self.typed(expr))}::{duck_type(type)}"
        if is_null(expr):
            return f"null::{duck_type(type)}"
        return self.write(expr)

    def _cast(self, expr: tree.Cast) -> str:
        source, target = expr.operand.type.kind, expr.type.kind
        if target is Kind.TEXT and source is not Kind.TEXT:
            return duck_casts.to_text(self, expr)
        if source is Kind.TEXT:
            return duck_casts.from_text(self, expr)
        if source is Kind.JSONB:
            return duck_casts.from_jsonb(self, expr)
        if source is Kind.JSON:
            return duck_casts.from_text(self, tree.Cast(expr.type, tree.Cast(SqlType(Kind.TEXT), expr.operand)))
        if source in NUMBERS and target in NUMBERS:
            return self.atom(duck_math.cast(self, expr))
        moved = duck_times.cast(self, expr)
        if moved is not None:
            return moved
        if is_null(expr.operand) or {source, target} == {Kind.BOOL, Kind.INT4} or source is target:
            return f"{self.atom(self.write(expr.operand))}::{duck_type(expr.type)}"
        raise NotLocal(f"{expr.operand.type}::{expr.type}", "has no spelling in DuckDB")

    def _call(self, expr: tree.Call) -> str:
        match expr.name:
            case "num_nulls" | "num_nonnulls":
                return self._count_nulls(expr)
            case "is_finite":
                return self._is_finite(expr)
            case "nullif":
                return duck_compare.nullif(self, expr)
            case "greatest" | "least":
                if expr.type.kind is Kind.ENUM:
                    raise NotLocal(expr.name, "of an enum: a file does not hold the order of its labels")
                return f"{expr.name}({', '.join(self._as(arg, expr.type) for arg in expr.args)})"
            case "coalesce":
                return f"coalesce({', '.join(self._as(arg, expr.type) for arg in expr.args)})"
            case "date_trunc":
                return duck_times.date_trunc(self, expr)
        found = duck_math.call(self, expr) or duck_text.call(self, expr)
        if found is None:
            raise NotLocal(expr.name, "has no spelling in DuckDB")
        return self.atom(found)

    def _count_nulls(self, expr: tree.Call) -> str:
        word = "is null" if expr.name == "num_nulls" else "is not null"
        tests = [f"({self.atom(self._value(arg))} {word})::integer" for arg in expr.args]
        return f"({' + '.join(tests)})"

    def _value(self, expr: Expr) -> str:
        if expr.type.kind is Kind.NUMERIC:
            return duck_decimal.number(self, expr).text
        return self.write(expr)

    def _is_finite(self, expr: tree.Call) -> str:
        operand = expr.args[0]
        kind = operand.type.kind
        if kind is Kind.NUMERIC:
            number = duck_decimal.number(self, operand)
            if isinstance(number, duck_numeric.Rough):
                return f"isfinite({number.text})"
            return f"(({number.text}) = ({number.text}))"  # true, and NULL for NULL: a decimal is finite
        text = self.write(operand)
        return f"isfinite({text}{'::double' * (kind in INTEGERS)})"


def lookup_name(expr: tree.InTable) -> str:
    """Return the name of the column that holds whether the operand is in the table, the same for equal lookups."""
    return LOOKUP + digest(spelled(expr.operand), expr.schema, expr.table, expr.column)
