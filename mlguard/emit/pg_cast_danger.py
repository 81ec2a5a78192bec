"""What can make a cast raise in PostgreSQL; of text only the usual spellings are known to be fine."""

from __future__ import annotations

from decimal import Decimal

from mlguard.emit import pg_ranges as ranges
from mlguard.emit.pg_expr import Writer, quoted
from mlguard.emit.pg_ranges import Condition
from mlguard.lang.convert import Danger, conversion
from mlguard.lang.literals import bounds
from mlguard.lang.precedence import ADD, CAST, OTHER
from mlguard.lang.tree import Cast, Expr, Literal
from mlguard.lang.types import FLOATS, INTEGERS, NUMBERS, TIMES, Kind, SqlType

_DATE = "(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"  # days every month has
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,6})?)?"
_READABLE: dict[Kind, str] = {
    Kind.INT2: "^[-+]?[0-9]{1,4}$",
    Kind.INT4: "^[-+]?[0-9]{1,9}$",
    Kind.INT8: "^[-+]?[0-9]{1,18}$",
    Kind.NUMERIC: "^[-+]?[0-9]{1,200}(\\.[0-9]{1,200})?$",
    Kind.FLOAT4: "^[-+]?[0-9]{1,30}(\\.[0-9]{1,30})?$",
    Kind.FLOAT8: "^[-+]?[0-9]{1,200}(\\.[0-9]{1,200})?$",
    Kind.BOOL: "^(true|false|t|f|yes|no|on|off|1|0)$",
    Kind.DATE: f"^{_DATE}$",
    Kind.TIMESTAMP: f"^{_DATE}([ T]{_CLOCK})?$",
    Kind.TIME: f"^{_CLOCK}$",
    Kind.INTERVAL: "^[0-9]{1,6} (second|minute|hour|day|week)s?$",
    Kind.UUID: "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
}
# What a json text may hold and jsonb may not: \u0000, broken surrogates, numbers beyond numeric.
_NOT_JSONB = "\\\\u|[eE][-+]?[0-9]{3}|[0-9]{200}"
_FLOAT_BOUNDS = {Kind.INT2: "32767", Kind.INT4: "2147483647", Kind.INT8: "9.2e18"}


def cast_conditions(expr: Cast, writer: Writer) -> list[Condition]:
    """Return what makes the cast raise."""
    operand = expr.operand
    source, target = operand.type.kind, expr.type.kind
    found = conversion(operand.type, expr.type)
    if found is None or found.danger is Danger.NONE or (isinstance(operand, Literal) and "(" not in expr.type.sql):
        return []
    if source is Kind.TEXT:
        return _domain(_unreadable(writer, operand, target))
    if source is Kind.JSON:
        return _domain(f"{writer.write(operand, CAST)}::text ~ {quoted(_NOT_JSONB)}")
    if source is Kind.JSONB:
        return _domain(_not_json_number(writer, operand, expr.type))
    if source is Kind.UNKNOWN:
        return _domain(f"{writer.write(operand, OTHER)} is not null")
    if source in TIMES:
        return ranges.overflow(ranges.calendar(writer, operand))
    if source is Kind.INTERVAL:
        return ranges.overflow(ranges.length(writer, operand))
    return ranges.overflow(_too_large(writer, operand, expr.type))


def _domain(bad: str) -> list[Condition]:
    return [Condition(bad, Danger.DOMAIN, exact=False)]


def _unreadable(writer: Writer, operand: Expr, target: Kind) -> str:
    readable = _READABLE.get(target)
    if readable is None:  # json: no pattern tells
        return f"{writer.write(operand, OTHER)} is not null"
    return f"{writer.write(operand, ADD)} !~ {quoted(readable)}"


def _not_json_number(writer: Writer, operand: Expr, target: SqlType) -> str:
    wanted = "boolean" if target.kind is Kind.BOOL else "number"
    other = f"jsonb_typeof({writer.write(operand)}) <> '{wanted}'"
    if target.kind not in NUMBERS or target == SqlType(Kind.NUMERIC):
        return other
    value = Cast(SqlType(Kind.NUMERIC), operand)
    return f"case when {other} then true else {_too_large(writer, value, target) or 'false'} end"


def _too_large(writer: Writer, operand: Expr, target: SqlType) -> str | None:
    """Return that a number does not fit the narrower type."""
    source = operand.type.kind
    if target.kind in INTEGERS:
        if source in FLOATS:
            limit = _FLOAT_BOUNDS[target.kind]
            return ranges.between(writer, operand, f"-{limit}", limit)
        low, high = bounds(target.kind)
        return ranges.between(writer, operand, low, high)
    if target.kind in FLOATS:
        if _fits_float(operand.type, target.kind):
            return None
        return ranges.factor(
            writer, operand, *(("1e-37", "3e38") if target.kind is Kind.FLOAT4 else ("1e-300", "1e300"))
        )
    precision, scale = (int(part) for part in target.sql[len("numeric(") : -1].split(","))
    largest = Decimal(10**precision - 1).scaleb(-scale)
    if source in INTEGERS:
        return f"{writer.write(operand, OTHER)} not between {_numeric(-largest)} and {_numeric(largest)}"
    return ranges.magnitude(writer, operand, largest)


def _numeric(value: Decimal) -> str:
    return ranges.written(value, Kind.NUMERIC)


def _fits_float(type: SqlType, target: Kind) -> bool:
    """Tell whether every value of numeric(p, s) is within the range of the float."""
    if type.kind is not Kind.NUMERIC or "(" not in type.sql:
        return False
    precision, _, scale = type.sql[type.sql.index("(") + 1 : -1].partition(",")
    limit = 30 if target is Kind.FLOAT4 else 290
    return int(precision) <= limit and 0 <= int(scale or 0) <= limit
