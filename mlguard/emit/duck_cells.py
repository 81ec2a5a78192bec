"""One column, or one condition, of a row as states see it, in DuckDB's words: the twin of mlguard.emit.cells. Pure.

Nothing here raises, whatever the row holds.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlguard.emit.cells import GREATEST, LONGEST_TEXT
from mlguard.emit.duck_core import duck_type, precision
from mlguard.emit.duck_expr import Writer, to_duck
from mlguard.emit.duck_guard import safe_duck, tried
from mlguard.lang.measure import CAN_BE_NAN
from mlguard.lang.tree import Column, Expr
from mlguard.lang.types import INTEGERS, Kind
from mlguard.names import quote_ident
from mlguard.program import TableProgram

KEPT_TEXT, HASH = LONGEST_TEXT - 20, 16
_JSON = frozenset({Kind.JSON, Kind.JSONB})


class DuckCells:
    """Writes the columns and conditions of one table's rows."""

    def __init__(self, program: TableProgram, row: str = "r") -> None:
        self.program, self.row = program, row

    def raw(self, arg: Expr) -> str:
        """Return the column as it is."""
        assert isinstance(arg, Column), arg
        return f"{self.row}.{quote_ident(arg.name)}"

    def present(self, arg: Expr) -> str | None:
        """Return when the column is not missing, beyond not being NULL; None where NULL alone is missing."""
        literals = self.program.missing.get(arg.name, ()) if isinstance(arg, Column) else ()
        if not literals:
            return None
        items = ", ".join(to_duck(item, None, self.program.time_zone) for item in literals)
        return f"{self.raw(arg)} not in ({items})"

    def value(self, arg: Expr) -> tuple[str, ...]:
        """Return the conditions under which a number is a value: not missing, not NaN; NULL is left out by itself."""
        conditions = [condition for condition in (self.present(arg),) if condition]
        if self.can_be_nan(arg):
            conditions.append(f"not isnan({self.raw(arg)})")
        return tuple(conditions)

    def can_be_nan(self, arg: Expr) -> bool:
        """Say whether the column can hold NaN, which a decimal of DuckDB cannot."""
        return arg.type.kind in CAN_BE_NAN and precision(arg.type) is None

    def amount(self, arg: Expr) -> str:
        """Return a number as double precision, NULL where it is no value; magnitudes beyond GREATEST are infinite."""
        raw = self.raw(arg)
        as_float = raw if duck_type(arg.type) == "double" else f"cast({raw} as double)"
        present = self.present(arg)
        if arg.type.kind in INTEGERS or not self.can_be_nan(arg):
            return f"case when {present} then {as_float} end" if present else as_float
        also = f" and {present}" if present else ""
        infinite = f"sign({raw}) * 'Infinity'::double"
        return (
            f"case when abs({raw}) <= {GREATEST}{also} then {as_float} when not isnan({raw}){also} then {infinite} end"
        )

    def category(self, arg: Expr) -> str:
        """Return a column as the name of its category, NULL where it is missing; that of a pii column is a hash."""
        assert isinstance(arg, Column)
        text = self.text(arg)
        if arg.name in self.program.pii:
            text = f"left(md5({text}), {HASH})"
        elif arg.type.kind in (Kind.TEXT, Kind.UNKNOWN):
            text = (
                f"case when length({text}) > {LONGEST_TEXT} then left({text}, {KEPT_TEXT}) || ' '"
                f" || left(md5({text}), {HASH}) else {text} end"
            )
        present = self.present(arg)
        return f"case when {present} then {text} end" if present else text

    def text(self, arg: Expr) -> str:
        """Return a value as text, the same for equal values."""
        raw = self.raw(arg)
        if self.can_be_nan(arg):
            return f"cast({raw} + 0 as varchar)"  # -0 becomes 0, which it equals
        return raw if arg.type.kind is Kind.TEXT else f"cast({raw} as varchar)"

    def key(self, arg: Expr) -> str:
        """Return a column as part of a key: what is equal is one key."""
        raw = self.raw(arg)
        return f"{raw} + 0" if self.can_be_nan(arg) else raw

    def holds(self, condition: Expr) -> str:
        """Return a condition on the row that never raises; where it would, it counts as NULL."""
        return f"({safe_duck(condition, self.program, self.row)})"

    def told(self, condition: Expr) -> str:
        """Return a condition on the row that never raises; where it would, it counts as false, and NULL stays NULL."""
        writer = Writer(self.row, self.program.time_zone)
        text = writer.write(condition)
        if not writer.fails:
            return f"({text})"
        known = tried(f"case when ({text}) is null then 2 when ({text}) then 1 else 0 end")
        return f"(case coalesce({known}, 0) when 1 then true when 0 then false end)"


def doubt_of(condition: Expr, program: TableProgram, row: str) -> tuple[str, str] | None:
    """Return when the engines may see a condition differently, and why; None where they never do.

    Raises:
        NotLocal: a construct of UNSUPPORTED.
    """
    writer = Writer(row, program.time_zone)
    writer.write(condition)
    if not writer.doubts:
        return None
    parts = [f"coalesce({tried(doubt)}, false)" for doubt in writer.doubts]
    return f"({' or '.join(parts)})", next(iter(writer.doubts.values()))


def compares_json(args: Sequence[Expr]) -> bool:
    """Say whether equality of JSON would decide, which the engines see differently: 1 and 1.0, the order of keys."""
    return any(arg.type.kind in _JSON for arg in args)
