"""When a row breaks a rule, in DuckDB: TRUE exactly where PostgreSQL says so, and never an error. Pure.

What raises on a row is caught by TRY around the rule. TRY gives NULL there; the rule itself is true or false, never
NULL, and outside TRY NULL is read as broken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlguard.emit.duck_core import NotLocal
from mlguard.emit.duck_expr import Writer, lookup_name
from mlguard.emit.rules import expression
from mlguard.lang import tree
from mlguard.lang.tree import Expr
from mlguard.names import TableName, quote_ident
from mlguard.program import Rule, TableProgram

__all__ = ["Judged", "NotLocal", "broken_duck", "judged_duck", "safe_duck", "source_duck"]


@dataclass(frozen=True)
class Judged:
    """One rule as conditions on a row."""

    broken: str  # TRUE where the row breaks the rule, FALSE elsewhere
    doubts: tuple[tuple[str, str], ...]  # condition (TRUE or FALSE) → why the row is not judged where it is TRUE
    lookups: tuple[tree.InTable, ...]  # what source_duck must join for it
    fallible: bool  # whether some row raises
    counted: str  # as `broken`, but NULL where the rule is: as good under CASE and WHERE, and less to compute


def judged_duck(rule: Rule, program: TableProgram, row: str) -> Judged:
    """Return a rule on a row, in the words of DuckDB.

    Args:
        rule: a row rule that is an expression.
        program: the table's.
        row: the alias of the relation, made by source_duck where the rule looks into another table.

    Raises:
        NotLocal: a construct of UNSUPPORTED.
    """
    writer = Writer(row, program.time_zone)
    where = None if rule.where is None else writer.write(rule.where)
    before = writer.fails
    check = writer.write(expression(rule))
    broken = f"{check} is not true" if rule.nulls_fail else f"{check} is false"
    if where is not None and writer.fails == before:
        broken = f"{writer.atom(where)} is true and {broken}"
    elif where is not None:
        # AND evaluates its second operand where the first is NULL: a check that raises there breaks the rule.
        broken = writer.let(
            (where,), lambda x: f"case when {x} is false then false when {broken} then {x} is true else false end"
        )
    doubts = tuple((_certain(condition), why) for condition, why in writer.doubts.items())
    if writer.fails:
        broken = f"coalesce({tried(broken)}, true)"
    plain = not writer.fails and not rule.nulls_fail and where is None
    counted = f"(not {writer.atom(check)})" if plain else f"({broken})"
    return Judged(f"({broken})", doubts, tuple(writer.lookups), bool(writer.fails), counted)


def _certain(condition: str) -> str:
    return f"coalesce({tried(condition)}, false)"


def tried(text: str) -> str:
    """Return a value, or NULL on a row on which it raises.

    What stands twice in a query DuckDB computes once, beforehand and outside of TRY. It does not look into a lambda.
    """
    return f"try(list_transform([true], lambda v0: {text})[1])"


def broken_duck(rule: Rule, program: TableProgram, row: str) -> str:
    """Return the condition that is TRUE exactly where the row breaks the rule, else FALSE; see judged_duck."""
    return judged_duck(rule, program, row).broken


def safe_duck(expr: Expr, program: TableProgram, row: str) -> str:
    """Return a value of the row, NULL where PostgreSQL would raise.

    Raises:
        NotLocal: a construct of UNSUPPORTED.
    """
    writer = Writer(row, program.time_zone)
    text = writer.write(expr)
    return tried(text) if writer.fails else text


def source_duck(
    relation: str,
    lookups: Sequence[tree.InTable],
    program: TableProgram,
    row: str,
    tables: Mapping[TableName, str] | None = None,
) -> str:
    """Return a relation with alias `row`, widened by one column for each lookup.

    Args:
        relation: the rows, as an item of FROM.
        lookups: those of the rules that are judged on it.
        program: the table's.
        row: the alias.
        tables: other tables → what to read for them; else by their own names.
    """
    if not lookups:
        return f"{relation} as {row}"
    columns: dict[str, str] = {}
    for lookup in lookups:
        name = TableName(lookup.schema, lookup.table)
        source = (tables or {}).get(name, name.sql)
        member = quote_ident(lookup.column)
        operand = safe_duck(lookup.operand, program, "r")
        columns[lookup_name(lookup)] = f"({operand}) in (select {member} from {source})"
    written = ",\n  ".join(f"{text} as {quote_ident(name)}" for name, text in columns.items())
    return f"(\n  select r.*,\n  {written}\n  from {relation} as r\n) as {row}"
