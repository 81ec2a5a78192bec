"""Rules on single rows as conditions of DuckDB on the row as it arrives, before any repair. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mlguard.emit.duck_core import NotLocal
from mlguard.emit.duck_guard import Judged, judged_duck
from mlguard.lang.analyse import lookups_of
from mlguard.lang.tree import InTable
from mlguard.names import TableName
from mlguard.program import Rule, TableProgram


@dataclass(frozen=True)
class ArrivedRule:
    """A rule on a row called `r`."""

    rule: Rule
    judged: Judged

    @property
    def doubt(self) -> str:
        """TRUE on rows on which it cannot be told whether they break it."""
        return " or ".join(condition for condition, _ in self.judged.doubts) or "false"

    @property
    def broken(self) -> str:
        """TRUE on rows that break it for certain."""
        return f"({self.judged.broken} and not ({self.doubt}))" if self.judged.doubts else self.judged.broken


def arrived_rules(
    program: TableProgram, rules: Sequence[Rule], given: Collection[TableName]
) -> tuple[list[ArrivedRule], dict[str, str]]:
    """Return the rules that can be judged, and by name why others cannot.

    Args:
        program: the table.
        rules: rules on single rows.
        given: the tables of which there is data.
    """
    found: list[ArrivedRule] = []
    refused: dict[str, str] = {}
    for rule in rules:
        parts = [part for part in (rule.expr, rule.where) if part is not None]
        lacking = sorted({str(table) for part in parts for table, _ in lookups_of(part) if table not in given})
        if lacking:
            refused[rule.name] = f"no data was given for {', '.join(lacking)}"
            continue
        try:
            found.append(ArrivedRule(rule, judged_duck(rule, program, "r")))
        except NotLocal as error:
            refused[rule.name] = error.message
    return found, refused


def lookups(rules: Sequence[ArrivedRule]) -> tuple[InTable, ...]:
    """Return what the rules look up in other tables."""
    return tuple(dict.fromkeys(lookup for item in rules for lookup in item.judged.lookups))
