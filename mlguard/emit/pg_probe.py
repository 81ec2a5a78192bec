"""Lookups in other tables as index probes, for conditions judged one row at a time. Knows nothing of steps.

IN builds a hash of the whole table, for one row at a time anew for each. A probe reads an index instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlguard.emit.pg_expr import Writer
from mlguard.lang import tree
from mlguard.lang.analyse import lookups_of
from mlguard.lang.precedence import ATOM, OTHER
from mlguard.lang.tree import Expr
from mlguard.names import quote_ident


@dataclass(frozen=True)
class Probe:
    """A member of another table's column: the table with its alias, the column, the column of the row."""

    source: str
    column: str
    operand: str


class ProbeWriter(Writer):
    """Writes `c IN (SELECT …)` as probes that give true, false and NULL exactly as IN does."""

    def _in_table(self, expr: tree.InTable) -> tuple[str, int]:
        probe = _probe(expr)
        operand = self.write(expr.operand, OTHER)
        member, missing = str(not expr.negated).lower(), str(expr.negated).lower()
        unknown = (
            f"({operand} is null and exists (select from {probe.source}))"
            f" or exists (select from {probe.source} where {probe.column} is null)"
        )
        found = f"exists (select from {probe.source} where {probe.column} = {operand})"
        return f"case when {found} then {member} when {unknown} then null else {missing} end", ATOM


def plain_lookups(expr: Expr) -> tuple[tuple[Expr, ...], tuple[Probe, ...] | None]:
    """Take a condition apart: the parts without lookups, and its one `column IN (SELECT …)` as a probe.

    The probes are None where the condition is not of that form: `a AND b AND c IN (SELECT …)`, which is true exactly
    where all parts are and the probe finds a row.
    """
    parts = expr.operands if isinstance(expr, tree.Logical) and expr.op == "and" else (expr,)
    flat: list[Expr] = []
    for part in parts:
        flat += part.operands if isinstance(part, tree.Logical) and part.op == "and" else (part,)
    looking = [part for part in flat if lookups_of(part)]
    rest = tuple(part for part in flat if not lookups_of(part))
    one = looking[0] if len(looking) == 1 else None
    if not isinstance(one, tree.InTable) or one.negated or not isinstance(one.operand, tree.Column):
        return (), None
    return rest, (_probe(one),)


def _probe(expr: tree.InTable) -> Probe:
    column = expr.operand.name if isinstance(expr.operand, tree.Column) else ""
    source = f"{quote_ident(expr.schema)}.{quote_ident(expr.table)} as looked"
    return Probe(source, f"looked.{quote_ident(expr.column)}", column)
