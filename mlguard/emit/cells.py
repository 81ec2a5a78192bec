"""One column, or one condition, of a row as states see it: what is a value, how it is counted and written. Pure.

Nothing here raises, whatever the row holds: the states of a write must never be the reason why it fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlguard.emit.objects import DbObject, Kind, Statement, comment, function
from mlguard.emit.pg_expr import Writer, to_sql
from mlguard.emit.pg_guard import guard
from mlguard.emit.rules import Types, one_line
from mlguard.lang.analyse import columns_of
from mlguard.lang.measure import CAN_BE_NAN
from mlguard.lang.precedence import AND, CAST
from mlguard.lang.spell import spelled
from mlguard.lang.tree import Column, Expr
from mlguard.lang.types import FLOATS, INTEGERS, NUMBERS, TIMES, without_modifier
from mlguard.lang.types import Kind as TypeKind
from mlguard.names import digest, fit, quote_ident
from mlguard.program import TableProgram

# Sums of greater magnitudes could leave the range of double precision, which raises: they are taken for infinite.
GREATEST = "1e140"
LONGEST_TEXT = 200  # characters of a category; longer ones are kept as their beginning and a hash
HASH = 16  # hex digits of MD5 that stand for a value or key
# Types whose text depends on the session, and the settings that fix it.
_SETTINGS = {
    **dict.fromkeys((*TIMES, TypeKind.TIME), ("set datestyle = 'ISO, YMD'", "set timezone = 'UTC'")),
    TypeKind.INTERVAL: ("set intervalstyle = 'postgres'",),
    **dict.fromkeys(FLOATS, ("set extra_float_digits = 1",)),
    TypeKind.BYTEA: ("set bytea_output = 'hex'",),
}
_ALL_SETTINGS = tuple(dict.fromkeys(line for lines in _SETTINGS.values() for line in lines))
_FIXED = frozenset({*INTEGERS, TypeKind.NUMERIC, TypeKind.TEXT, TypeKind.BOOL, TypeKind.UUID, TypeKind.ENUM})
_FIXED_JSON = frozenset({TypeKind.JSON, TypeKind.JSONB})


class Cells:
    """Writes the columns and conditions of one table's rows.

    Numbers that need care are written once a query: `amount` names them, `amounts` says what the names stand for.
    """

    def __init__(self, program: TableProgram, row: str = "r") -> None:
        self.program, self.row = program, row
        self._writer = Writer(row, program.time_zone)
        self._amounts: dict[str, str] = {}

    def raw(self, arg: Expr) -> str:
        """Return the column as it is."""
        return self._writer.write(arg, CAST)

    def present(self, arg: Expr, raw: str = "") -> str | None:
        """Return when the column is not missing, beyond not being NULL; None where NULL alone is missing."""
        literals = self.program.missing.get(arg.name, ()) if isinstance(arg, Column) else ()
        if not literals:
            return None
        items = ", ".join(self._writer.write(item) for item in literals)
        return f"{raw or self.raw(arg)} not in ({items})"

    def value(self, arg: Expr) -> tuple[str, ...]:
        """Return the conditions under which a number is a value: not missing, not NaN; NULL is left out by itself."""
        conditions = [condition for condition in (self.present(arg),) if condition]
        if arg.type.kind in CAN_BE_NAN:
            conditions.append(f"{self.raw(arg)} < 'NaN'")
        return tuple(conditions)

    def amount(self, arg: Expr) -> str:
        """Return a number as double precision, NULL where it is no value; the query needs `amounts`."""
        raw, kind = self.raw(arg), arg.type.kind
        if kind in INTEGERS and self.present(arg) is None:
            return f"{raw}::double precision"
        return self._amounts.setdefault(self._amount(arg), f"v.x_{len(self._amounts) + 1}")

    def _amount(self, arg: Expr) -> str:
        raw, kind = self.raw(arg), arg.type.kind
        as_float = raw if kind is TypeKind.FLOAT8 else f"{raw}::double precision"
        present = self.present(arg)
        if kind in INTEGERS:
            return f"case when {present} then {as_float} end"
        also = f" and {present}" if present else ""
        infinite = f"sign({raw})::double precision * 'Infinity'"
        return f"case when abs({raw}) <= {GREATEST}{also} then {as_float} when {raw} < 'NaN'{also} then {infinite} end"

    @property
    def amounts(self) -> str:
        """What to join to the rows for the amounts written so far, as a line of its own; '' where there are none."""
        if not self._amounts:
            return ""
        columns = ",\n  ".join(f"{text} as {name.removeprefix('v.')}" for text, name in self._amounts.items())
        return f"\ncross join lateral (select\n  {columns}\n) as v"

    def category(self, arg: Expr) -> str:
        """Return a column as the name of its category, NULL where it is missing; that of a pii column is a hash."""
        assert isinstance(arg, Column)
        text = shown(self.program, arg, self.raw(arg))
        present = self.present(arg)
        return f"case when {present} then {text} end" if present else text

    def key(self, args: Sequence[Expr]) -> str:
        """Return the hash of some columns together; NULL is a value of its own."""
        texts = [f"coalesce({text_of(self.raw(arg), arg.type.kind)}, E'\\x1e')" for arg in args]
        joined = " || E'\\x1f' || ".join(texts)  # control characters that no key holds
        return f"left(md5({joined}), {HASH})"

    def holds(self, condition: Expr) -> str:
        """Return a condition on the row that never raises; where it would, it counts as false."""
        whole = guard(condition, self.row, self.program.time_zone).whole
        text = self._writer.write(condition, AND + 1)
        if whole is None:
            return text
        columns = ", ".join(f"{self.row}.{quote_ident(name)}" for name in columns_of(condition))
        return f"case when {whole} then {text} else {_name(self.program, condition)}({columns}) end"


def text_of(raw: str, kind: TypeKind) -> str:
    """Return a value as text, the same for equal values."""
    if kind is TypeKind.NUMERIC:
        return f"trim_scale({raw})::text"
    if kind in FLOATS:
        return f"({raw} + 0)::text"  # -0 becomes 0, which it equals
    return raw if kind is TypeKind.TEXT else f"{raw}::text"


def shown(program: TableProgram, column: Column, raw: str) -> str:
    """Return a value of the column as text, of a pii column a hash of it."""
    text = text_of(raw, column.type.kind)
    return f"left(md5({text}), {HASH})" if column.name in program.pii else text


def settings(args: Iterable[Expr]) -> str:
    """Return the lines of a function's header that make the text of columns the same in every session."""
    lines: dict[str, None] = {}
    for arg in args:
        kind = arg.type.kind
        found = () if kind in _FIXED | _FIXED_JSON else _SETTINGS.get(kind, _ALL_SETTINGS)
        lines |= dict.fromkeys(found)
    return "".join(f"\n{line}" for line in lines)


def is_number(arg: Expr) -> bool:
    """Say whether samples keep the column as a number."""
    return arg.type.kind in NUMBERS


def judges(program: TableProgram, conditions: Iterable[Expr]) -> list[DbObject]:
    """Return the functions that evaluate conditions on rows where their expression could raise."""
    wanted = {
        _name(program, condition): condition
        for condition in conditions
        if guard(condition, "r", program.time_zone).whole is not None
    }
    return [_judge(program, name, condition) for name, condition in wanted.items()]


def _name(program: TableProgram, condition: Expr) -> str:
    text = f"{spelled(condition)} ({', '.join(columns_of(condition))})"
    return f"mlguard.{quote_ident(fit(f'holds {program.table} {digest(text)}'))}"


def _judge(program: TableProgram, name: str, condition: Expr) -> DbObject:
    columns = columns_of(condition)
    why = f"{program.table}: {one_line(spelled(condition))} could raise, so a function judges it"
    known = Types(program, why)
    types = [without_modifier(known[column]) for column in columns]
    parameters = ", ".join(f"{quote_ident(column)} {type_}" for column, type_ in zip(columns, types, strict=True))
    signature = f"{name}({', '.join(types)})"
    body = (
        f"  return {to_sql(condition, None, program.time_zone)};\n"
        "exception\n  when others then\n    return false;  -- a condition that errors on a row is not true for it"
    )
    made = function(
        f"{name}({parameters})",
        returns="boolean",
        attributes="stable parallel safe\nset search_path = pg_catalog, pg_temp",
        about=f"{one_line(str(program.table))}: {one_line(spelled(condition))}\n"
        "Called only for rows outside the condition's guard.",
        declare=(),
        body=body,
    )
    grant = f"grant execute on function {signature} to public"
    about = (str(program.table),)
    return DbObject(
        table=program.table,
        kind=Kind.FUNCTION,
        name=signature,
        slos=about,
        create=(
            Statement(made),
            Statement(grant),
            Statement(comment(f"function {signature}", program.table, about, made)),
        ),
        drop=(f"drop function if exists {signature}",),
        why="evaluates a condition of a metric where its expression could raise",
        replaces_in_place=True,
    )
