"""Casts from and to text and JSON in DuckDB, in the spellings PostgreSQL reads. Pure.

What PostgreSQL certainly reads is read the same; what it certainly refuses raises; spellings that it may read and this
does not (a date such as `Feb 3 2024`) raise too and put the row in doubt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlguard.emit import duck_decimal, duck_math, duck_numeric
from mlguard.emit.duck_core import NotLocal, duck_type, quoted
from mlguard.emit.duck_numeric import Exact, Num, Ratio, Rough
from mlguard.lang import tree
from mlguard.lang.types import FLOATS, INTEGERS, NUMBERS, Kind, SqlType

if TYPE_CHECKING:
    from mlguard.emit.duck_expr import Writer

_BLANK = r"[ \t\n\x0b\f\r]*"  # isspace() in the C locale
_DIGITS = "[0-9]+(_[0-9]+)*"  # underscores from PostgreSQL 16 on
_MANTISSA = r"([0-9]+(_[0-9]+)*\.?([0-9]+(_[0-9]+)*)?|\.[0-9]+(_[0-9]+)*)"
_FLOAT = r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?"
_ENDLESS = "[-+]?(inf|infinity)|[-+]?nan"
_DATE = "[0-9]{4,7}-[0-9]{1,2}-[0-9]{1,2}"
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
_TRUE, _FALSE = (
    ("t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"),
    (*("f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"),),
)
_FROM_16 = "[-+]?(0[xXoObB][0-9a-fA-F_]+|[0-9.]+_[0-9_.eE+-]*)"
_ROUGH = "[eE].*[0-9]{3}|([0-9][._]?){18}"
_TOO_ROUGH = "a number of more than 17 digits, or beyond double precision, as numeric"
_NOT_READ = "text that is not one"


def whole(pattern: str, text: str, flags: str = "s") -> str:
    """Return that all of `text`, but for blanks around, matches."""
    return f"regexp_full_match({text}, {quoted(f'(?{flags}){_BLANK}(?:{pattern}){_BLANK}')})"


def from_text(w: Writer, expr: tree.Cast) -> str:
    """Return a cast of text; to numeric see read_numeric."""
    kind, text = expr.type.kind, w.write(expr.operand)
    if kind is Kind.TEXT:
        return text
    w.fails += 1
    bad = w.failing(_NOT_READ, expr.type)
    name = duck_type(expr.type)
    trimmed = "trim({x}, chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13))"
    if kind in INTEGERS:
        w.doubt(whole(_FROM_16, text), "a number in another base or with underscores, read from PostgreSQL 16 on")
        good = whole(f"[-+]?{_DIGITS}", "{x}")
        value = f"cast(replace({trimmed}, '_', '') as {name})"
    elif kind in FLOATS:
        base = whole("[-+]?0[xX][0-9a-fA-F.]+([pP][-+]?[0-9]+)?|nan\\([^)]*\\)", text, "is")
        w.doubt(base, "a number in another base")
        return w.let((text,), lambda x: _float(w, expr, x))
    elif kind is Kind.BOOL:
        lowered = f"lower({trimmed})"
        truths = ", ".join(map(quoted, _TRUE))
        good = f"{lowered} in ({', '.join(map(quoted, (*_TRUE, *_FALSE)))})"
        value = f"{lowered} in ({truths})"
    elif kind is Kind.UUID:
        good = r"regexp_full_match({x}, '[0-9a-fA-F]{4}(-?[0-9a-fA-F]{4}){7}|\{[0-9a-fA-F]{4}(-?[0-9a-fA-F]{4}){7}\}')"
        good = good.replace("{4}", "{{4}}").replace("{7}", "{{7}}").replace("\\{", "\\{{").replace("\\}", "\\}}")
        value = "cast(replace(replace(replace({x}, '{{', ''), '}}', ''), '-', '') as uuid)"
    elif kind in (Kind.JSON, Kind.JSONB):
        return _json(w, expr, text, bad)
    elif kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIME):
        return _moment(w, kind, name, text, bad)
    else:
        raise NotLocal(f"text::{expr.type}", "its spellings are not read locally")

    def body(x: str) -> str:
        condition, read = good.replace("{x}", x), value.replace("{x}", x)
        if kind is Kind.UUID:
            condition, read = (part.replace("{{", "{").replace("}}", "}") for part in (condition, read))
        return f"case when {condition} then {read} when {x} is not null then {bad} end"

    return w.let((text,), body)


def _float(w: Writer, expr: tree.Cast, x: str) -> str:
    name = duck_type(expr.type)
    bad = w.failing(_NOT_READ, expr.type)
    trimmed = f"trim({x}, chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13))"
    value = f"cast({trimmed} as {name})"
    endless = f"regexp_replace(lower({trimmed}), '^[+]|^-(nan)', '\\1')"
    # Too large or too small for the type: some digit of the mantissa is not 0, yet the value is.
    lost = f"isinf({value}) or ({value} = 0 and regexp_matches({x}, '^[^eE]*[1-9]'))"
    return (
        f"case when {whole(_FLOAT, x)} then case when {lost} then {bad} else {value} end"
        f" when {whole(_ENDLESS, x, 'is')} then cast({endless} as {name})"
        f" when {x} is not null then {bad} end"
    )


def _json(w: Writer, expr: tree.Cast, text: str, bad: str) -> str:
    """Return text as JSON. DuckDB reads NaN and Infinity too, and keeps an escaped NUL."""
    no = r"(^|[^\\])(\\\\)*\\u0000" if expr.type.kind is Kind.JSONB else r"$^x"
    words = r"(^|[\[,:\s])[-+]?(nan|inf|infinity)($|[\],}\s])"
    w.doubt(f"regexp_matches({text}, {quoted(words)}, 'i')", "JSON that holds NaN or Infinity")
    return w.let(
        (text,),
        lambda x: (
            f"case when try_cast({x} as json) is not null and not regexp_matches({x}, {quoted(no)})"
            f" then cast({x} as json) when {x} is not null then {bad} end"
        ),
    )


def _moment(w: Writer, kind: Kind, name: str, text: str, bad: str) -> str:
    pattern = {
        Kind.DATE: _DATE,
        Kind.TIMESTAMP: f"{_DATE}([ T]{_CLOCK})?",
        Kind.TIME: _CLOCK,
    }[kind]
    # Others that hold a digit or one of its words PostgreSQL may read, as DateStyle says.
    words = "[0-9]|infinity|now|today|tomorrow|yesterday|epoch|allballs"
    other = f"not {whole(pattern, text)} and regexp_matches({text}, '{words}', 'i')"
    w.doubt(other, f"text as {name} in a spelling other than ISO 8601")
    return w.let(
        (text,),
        lambda x: (
            f"case when {whole(pattern, x)} and not regexp_matches({x}, '^\\s*0+-')"
            f" and try_cast(trim({x}) as {name}) is not null then cast(trim({x}) as {name})"
            f" when {x} is not null then {bad} end"
        ),
    )


def read_numeric(w: Writer, expr: tree.Cast) -> Num:
    """Return text, or a number of jsonb, as numeric."""
    held = duck_type(expr.type)
    w.fails += 1
    bounded = held != "double"
    if not bounded and "(" in expr.type.sql:
        raise NotLocal(str(expr.type), "no decimal of DuckDB has that precision")
    bad = w.failing_as(_NOT_READ, held)
    if expr.operand.type.kind is Kind.JSONB:
        text = _json_number(w, expr)
        if not bounded:
            spelled = f"{w.write(expr.operand)} ->> '$'"
            w.doubt(f"regexp_matches({spelled}, '{_ROUGH}')", _TOO_ROUGH)
        made = w.let((text,), lambda x: f"cast({x} as {held})")
    else:
        text = w.write(expr.operand)
        w.doubt(whole(_FROM_16, text), "a number in another base or with underscores, read from PostgreSQL 16 on")
        if not bounded:
            w.doubt(f"regexp_matches({text}, '{_ROUGH}')", _TOO_ROUGH)
        pattern = rf"[-+]?{_MANTISSA}([eE][-+]?[0-9]+)?"
        trimmed = "trim({x}, chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13))"
        endless = bad if bounded else f"cast(regexp_replace(lower({trimmed}), '^[+]', '') as double)"

        def body(x: str) -> str:
            return (
                f"case when {whole(pattern, x)} then cast(replace({trimmed}, '_', '') as {held})"
                f" when {whole('nan|[-+]?(inf|infinity)', x, 'is')} then {endless}"
                f" when {x} is not null then {bad} end"
            ).replace("{x}", x)

        made = w.let((text,), body)
        if bounded:
            w.doubt(whole("nan", text, "is"), f"NaN as {expr.type}")
    if bounded:
        width, scale = (int(part) for part in held[len("decimal(") : -1].split(","))
        return Exact(made, width - scale, scale, shown=True)
    return Rough(made)


def _json_number(w: Writer, expr: tree.Cast) -> str:
    """Return the text of a JSON number; another kind of value raises. JSON's null is NULL, from PostgreSQL 18 on."""
    text = w.write(expr.operand)
    bad = w.failing(_NOT_READ, SqlType(Kind.TEXT))
    w.doubt(f"json_type({text}) = 'NULL'", "JSON's null as a number, an error before PostgreSQL 18")
    return w.let(
        (text,),
        lambda x: (
            f"case when json_type({x}) in ('UBIGINT', 'BIGINT', 'DOUBLE') then {x} ->> '$'"
            f" when json_type({x}) <> 'NULL' then {bad} end"
        ),
    )


def from_jsonb(w: Writer, expr: tree.Cast) -> str:
    """Return a cast of jsonb to a number (but numeric) or boolean."""
    kind = expr.type.kind
    w.fails += 1
    if kind in (Kind.JSON, Kind.JSONB):
        return w.write(expr.operand)
    if kind is Kind.BOOL:
        bad = w.failing(_NOT_READ, expr.type)
        text = w.write(expr.operand)
        w.doubt(f"json_type({text}) = 'NULL'", "JSON's null as boolean, an error before PostgreSQL 18")
        return w.let(
            (text,),
            lambda x: (
                f"case when json_type({x}) = 'BOOLEAN' then {x} ->> '$' = 'true'"
                f" when json_type({x}) <> 'NULL' then {bad} end"
            ),
        )
    if kind in INTEGERS:
        name, bad = duck_type(expr.type), w.failing(_NOT_READ, expr.type)
        text = w.write(expr.operand)
        w.doubt(f"json_type({text}) = 'NULL'", "JSON's null as a number, an error before PostgreSQL 18")
        return w.let(
            (text,),
            lambda x: (
                f"case when json_type({x}) in ('UBIGINT', 'BIGINT') then cast({x} ->> '$' as {name})"
                f" when json_type({x}) = 'DOUBLE' then cast(round(cast({x} ->> '$' as double)) as {name})"
                f" when json_type({x}) <> 'NULL' then {bad} end"
            ),
        )
    numeric = tree.Cast(SqlType(Kind.NUMERIC), expr.operand, pos=expr.pos)
    return duck_math.cast(w, tree.Cast(expr.type, numeric, pos=expr.pos))


def to_text(w: Writer, expr: tree.Cast) -> str:
    """Return a value as text, where both engines spell it the same."""
    operand = expr.operand
    kind = operand.type.kind
    if kind is Kind.NUMERIC:
        number = duck_decimal.number(w, operand)
        if isinstance(number, Ratio) or not isinstance(number, Exact) or not number.shown:
            raise NotLocal("numeric::text", "the zeros after its last digit are not known")
        return f"({duck_numeric.to(number, number.whole, number.scale)})::varchar"
    if kind is Kind.JSONB:
        raise NotLocal("jsonb::text", "PostgreSQL spells it anew")
    if kind in (*NUMBERS - FLOATS, Kind.BOOL, Kind.UUID, Kind.TIME, Kind.ENUM, Kind.JSON):
        return f"({w.typed(operand)})::varchar"
    raise NotLocal(f"{operand.type}::text", "its text depends on settings")
