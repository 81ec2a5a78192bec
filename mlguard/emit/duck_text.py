"""Text, patterns, JSON and arrays in DuckDB. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mlguard.emit.duck_core import NotLocal, quoted
from mlguard.emit.duck_regex import translated
from mlguard.lang import tree
from mlguard.lang.tree import Expr, Literal
from mlguard.lang.types import BOOL, Kind, SqlType

if TYPE_CHECKING:
    from mlguard.emit.duck_expr import Writer

_TEXT = SqlType(Kind.TEXT)


def is_blank_padded(expr: Expr) -> bool:
    """Tell whether a column is char(n), which PostgreSQL pads with blanks that mostly do not count."""
    return expr.type.kind is Kind.TEXT and expr.type.sql.partition("(")[0].strip() in ("char", "character", "bpchar")


def like(w: Writer, expr: tree.Like) -> str:
    """Return [NOT] LIKE or ILIKE."""
    if is_blank_padded(expr.operand):
        raise NotLocal("LIKE", "char(n) is matched with its padding")
    word = f"{'not ' * expr.negated}{'ilike' if expr.insensitive else 'like'}"
    operand, pattern = w.atom(w.write(expr.operand)), expr.pattern
    if expr.insensitive:
        beyond_ascii(w, operand)
    if isinstance(pattern, Literal):
        return f"({operand} {word} {w.write(pattern)} escape '\\')"
    w.fails += 1
    bad = w.failing("pattern ends in the escape character", BOOL)
    ends = quoted(r"(^|[^\\])(\\\\)*\\$")
    after_percent = quoted(r"(^|[^\\])(\\\\)*%_*\\$")
    plain = word.removeprefix("not ")

    def body(x: str, p: str) -> str:
        # The backslash is an error where PostgreSQL comes to it: with text left over, or behind a % (like_match.c).
        until = f"left({p}, -1) || case when regexp_matches({p}, {after_percent}, 's') then '' else '_%' end"
        reached = f"{x} {plain} ({until}) escape '\\'"
        return (
            f"case when regexp_matches({p}, {ends}, 's') then"
            f" case when {reached} then {bad} when {x} is not null then {str(expr.negated).lower()} end"
            f" else {x} {word} {p} escape '\\' end"
        )

    return w.let((operand, w.write(pattern)), body)


def beyond_ascii(w: Writer, operand: str) -> None:
    """Doubt rows whose case is a matter of the database's locale."""
    w.doubt(f"strlen({operand}) <> length({operand})", "letters beyond ASCII, whose case the database's locale decides")


def regex(w: Writer, expr: tree.Regex) -> str:
    """Return `~ ~* !~ !~*`."""
    if is_blank_padded(expr.operand):
        raise NotLocal("~", "char(n) is matched with its padding")
    assert isinstance(expr.pattern, Literal)
    if expr.pattern.value is None:
        return "null::boolean"
    pattern = translated(str(expr.pattern.value), expr.insensitive)
    operand = w.write(expr.operand)
    if expr.insensitive or any(mark in pattern for mark in ("\\p", "\\b", "\\B")):
        beyond_ascii(w, operand)
    return f"({'not ' * expr.negated}regexp_matches({operand}, {quoted(pattern)}))"


def call(w: Writer, expr: tree.Call) -> str | None:
    """Return a function of text or of arrays, or None where it is another's."""
    args = [w.write(arg) for arg in expr.args] if expr.name in _NAMES else []
    match expr.name:
        case "lower" | "upper":
            beyond_ascii(w, args[0])
            return f"{expr.name}({args[0]})"
        case "trim" if len(args) == 1:
            return f"trim({args[0]}, ' ')"
        case "trim":
            return w.strict(expr.args, args, lambda x, marks: f"trim({x}, {marks})")
        case "left":
            return w.strict(expr.args, (args[0], w.typed(expr.args[1])), lambda x, n: f"left({x}, {n})")
        case "right":
            return _right(w, args[0], expr.args[1])
        case "length":
            return f"length({args[0]})::integer"
        case "starts_with":
            return w.strict(expr.args, args, lambda x, start: f"starts_with({x}, {start})")
        case "cardinality":
            return f"len({args[0]})::integer"
        case "array_length":
            return _array_length(expr, args[0])
    return None


_NAMES = frozenset({"lower", "upper", "trim", "left", "right", "length", "starts_with", "cardinality", "array_length"})


def _right(w: Writer, text: str, count: Expr) -> str:
    """Return the last characters; the least integer has no opposite, and PostgreSQL then takes the whole text."""
    if isinstance(count, Literal):
        return f"right({text}, {w.typed(count)})"
    return w.let(
        (text, w.write(count)),
        lambda x, n: f"case when {n} = -2147483648 then {x} else right({x}, {n}) end",
    )


def _array_length(expr: tree.Call, array: str) -> str:
    dimension = expr.args[1]
    if not isinstance(dimension, Literal) or dimension.value is None:
        raise NotLocal("array_length", "the dimension comes from a column")
    if dimension.value == 1:
        return f"nullif(len({array}), 0)::integer"
    raise NotLocal("array_length", "arrays of a file have one dimension")


# JSON


def json_get(w: Writer, expr: tree.JsonGet) -> str:
    """Return `-> ->> #>>`."""
    value = _walked(w, expr)
    if expr.op == "->":
        return value
    return _as_text(w, value)


def _walked(w: Writer, expr: tree.JsonGet) -> str:
    operand, path = w.atom(w.write(expr.operand)), expr.path
    if expr.operand.type.kind is Kind.JSON and not isinstance(expr.operand, tree.JsonGet):
        operand = _readable(w, operand)
    if expr.op == "#>>":
        assert isinstance(path, Literal)
        keys = [key for key in str(path.value)[1:-1].split(",") if key != ""]
        value = operand
        for key in keys:
            value = _step(w, value, key.strip())
        return value if keys else f"({operand})"
    if isinstance(path, Literal):
        if path.value is None:
            return "null::json"
        if isinstance(path.value, str):
            return _key(operand, path.value)
        return _position(w, expr.operand, operand, str(path.value))
    if path.type.kind is Kind.TEXT:
        return w.let(
            (operand, w.write(path)),
            lambda x, key: (
                f"case when json_type({x}) = 'OBJECT'"
                f" then {x} -> ('/' || replace(replace({key}, '~', '~0'), '/', '~1')) end"
            ),
        )
    return _position(w, expr.operand, operand, f"{w.atom(w.write(path))}::bigint")


def _position(w: Writer, expr: Expr, operand: str, position: str) -> str:
    """Return an element of an array; jsonb keeps a bare value as an array of one, and its element 0 is the value."""
    if expr.type.kind is Kind.JSON:
        return w.let((operand, position), lambda x, n: f"{x} -> {n}")
    return w.let(
        (operand, position),
        lambda x, n: (
            f"case when json_type({x}) in ('ARRAY', 'OBJECT') then {x} -> {n}::bigint when {n} in (0, -1) then {x} end"
        ),
    )


def _key(operand: str, key: str) -> str:
    """Return the value of a key, by a JSON pointer (RFC 6901): `$` and dots mean nothing there."""
    pointer = quoted("/" + key.replace("~", "~0").replace("/", "~1"))
    found = f"({operand} -> {pointer})"
    if key.isdigit() or key == "-":  # a pointer would take it for a position
        return f"(case when json_type({operand}) = 'OBJECT' then {found} end)"
    return found


def _step(w: Writer, value: str, key: str) -> str:
    """Return one step of #>>: a key of an object, a position of an array."""
    number = key.removeprefix("-")
    if not number.isdigit():
        return _key(value, key)
    pointer = quoted(f"/{key}")
    return w.let(
        (value,),
        lambda x: f"case json_type({x}) when 'OBJECT' then {x} -> {pointer} when 'ARRAY' then {x} -> {int(key)} end",
    )


def _as_text(w: Writer, value: str) -> str:
    """Return a JSON value as `->>` shows it.

    DuckDB spells numbers with a fraction or exponent anew, and objects and arrays without blanks: such rows are in
    doubt where their text is used.
    """
    w.spelled(f"json_type({value}) in ('DOUBLE', 'OBJECT', 'ARRAY')")
    return f"({value} ->> '$')"


def _readable(w: Writer, operand: str) -> str:
    """Return a json, raising where it holds an escaped NUL: text cannot, and PostgreSQL reads all of it."""
    w.fails += 1
    bad = w.failing("unsupported Unicode escape sequence", SqlType(Kind.JSON))
    nul = quoted(r"(^|[^\\])(\\\\)*\\u0000")
    return w.let((operand,), lambda x: f"case when regexp_matches({x}::varchar, {nul}) then {bad} else {x} end")


def compare(w: Writer, left: Expr, right: Expr, op: str) -> str:
    """Return that two jsonb values are equal; one must be a constant without parts."""
    constant, other = (right, left) if isinstance(right, Literal) else (left, right)
    if not isinstance(constant, Literal) or not isinstance(constant.value, str):
        raise NotLocal("=", "of two jsonb values: write (payload ->> 'key') for what is compared")
    value = json.loads(constant.value)
    if isinstance(value, dict | list):
        raise NotLocal("=", "jsonb compared with an object or array")
    text = w.write(other)

    def body(x: str) -> str:
        if value is None:
            return f"json_type({x}) = 'NULL'"
        if isinstance(value, bool):
            return f"json_type({x}) = 'BOOLEAN' and {x} ->> '$' = '{str(value).lower()}'"
        if isinstance(value, str):
            return f"json_type({x}) = 'VARCHAR' and {x} ->> '$' = {quoted(value)}"
        number = f"case when json_type({x}) in ('UBIGINT', 'BIGINT', 'DOUBLE') then ({x} ->> '$')::double end"
        return f"coalesce({number} = '{value!r}'::double, case when {x} is not null then false end)"

    same = w.let((text,), body)
    return f"(({same}))" if op == "=" else f"(not ({same}))"
