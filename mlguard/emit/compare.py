"""Rows that break rules of two versions of an SLO file, side by side on DuckDB. Pure.

Each version has a table of the rows that break any of its rules, told by their places in the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlguard.emit.duck_guard import source_duck
from mlguard.emit.duck_rules import ROW, key_duck
from mlguard.lang.tree import InTable
from mlguard.names import TableName, quote_ident
from mlguard.program import TableProgram

_KEY = "mlguard key"
_COMMA = ",\n  "


@dataclass(frozen=True)
class Side:
    """One version of a table's row rules.

    Attributes:
        name: the table of DuckDB that holds the rows which break a rule.
        rules: the names of its rules, each a column of that table.
    """

    name: str
    rules: tuple[str, ...]

    def broken(self, rule: str, alias: str) -> str:
        """Return the condition that the row breaks the rule; where the version has no such rule it never does."""
        if rule not in self.rules:
            return "false"
        return f"coalesce({alias}.{quote_ident(f'b{self.rules.index(rule)}')}, false)"


def gather(
    side: Side, program: TableProgram | None, conditions: Sequence[str], lookups: Sequence[InTable], row: str = "r"
) -> str:
    """Return the statement that makes the table of one version.

    Args:
        side: the version.
        program: its table; None where it has none.
        conditions: of each rule TRUE where the row breaks it.
        lookups: what the rules look up.
        row: the alias in the conditions.
    """
    name = quote_ident(side.name)
    if program is None or not conditions:
        return f"create table {name} as\nselect 0 as n, null::json as {quote_ident(_KEY)} where false"
    numbered = f"(select *, row_number() over () as {quote_ident(ROW)} from {program.table.sql})"
    cells = "".join(f",\n  {condition} as b{place}" for place, condition in enumerate(conditions))
    broken = " or ".join(f"b{place}" for place in range(len(conditions)))
    return (
        f"create table {name} as\nselect * from (\nselect\n  {row}.{quote_ident(ROW)} as n,\n"
        f"  {key_duck(program, row)} as {quote_ident(_KEY)}{cells}\n"
        f"from {source_duck(numbered, lookups, program, row)}\n)\nwhere {broken}"
    )


def count_differences(old: Side, new: Side, rules: Sequence[str]) -> str:
    """Return the query for two counts a rule: rows that break it in the new version only, and in the old one only."""
    counts = []
    for rule in rules:
        before, after = old.broken(rule, "o"), new.broken(rule, "n")
        counts.append(f"sum(case when {after} and not {before} then 1 else 0 end)")
        counts.append(f"sum(case when {before} and not {after} then 1 else 0 end)")
    return (
        f"select\n  {_COMMA.join(counts)}\n"
        f"from {quote_ident(old.name)} as o\nfull join {quote_ident(new.name)} as n on n.n = o.n"
    )


def first_keys(breaking: Side, other: Side, rule: str, limit: int) -> str:
    """Return the query for the keys of the first rows that break a rule in one version and not in the other."""
    return (
        f"select a.{quote_ident(_KEY)}\nfrom {quote_ident(breaking.name)} as a\n"
        f"left join {quote_ident(other.name)} as b on b.n = a.n\n"
        f"where {breaking.broken(rule, 'a')} and not {other.broken(rule, 'b')}\norder by a.n\nlimit {limit}"
    )


def drop_view(table: TableName) -> str:
    """Return the statement that drops the view of a table's data."""
    return f"drop view {table.sql}"
