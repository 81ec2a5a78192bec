"""Row rules, uniqueness and references of one table: what breaks them, and the first rows that do."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mlguard.emit.duck_core import NotLocal
from mlguard.emit.duck_guard import Judged, judged_duck, source_duck
from mlguard.emit.rules import HIDDEN
from mlguard.lang.analyse import lookups_of
from mlguard.lang.tree import InTable
from mlguard.lang.types import FLOATS, INTEGERS, Kind
from mlguard.local.engine import Engine
from mlguard.local.words import trimmed
from mlguard.names import TableName, quote_ident
from mlguard.program import Level, Rule, TableProgram
from mlguard.report.of_rule import counted, tolerated, verdict_of
from mlguard.report.verdict import Outcome, Verdict

SAMPLES = 5
MOST_SHOWN = 50  # columns of a rule that are shown of a row, as in the database
NOT_JUDGED = "not judged locally: "
_AS_IS = INTEGERS | FLOATS | {Kind.BOOL, Kind.TEXT, Kind.NUMERIC}


@dataclass(frozen=True)
class RowRule:
    """A row rule as conditions on a row called `r`."""

    rule: Rule
    judged: Judged

    @property
    def conditions(self) -> list[str]:
        """What is counted: rows that break it for certain, then those on which it cannot be told."""
        doubt = self.doubt
        return [f"{self.judged.broken} and not {doubt}", doubt] if doubt else [self.judged.broken]

    @property
    def doubt(self) -> str:
        """TRUE on rows on which it cannot be told, '' where there is no such row."""
        conditions = [condition for condition, _ in self.judged.doubts]
        return f"({' or '.join(conditions)})" if conditions else ""


def row_rules(program: TableProgram, given: Collection[TableName]) -> tuple[list[RowRule], dict[str, str]]:
    """Return the row rules that can be judged, and by SLO why others cannot.

    Args:
        program: the table.
        given: the tables of which there is data.
    """
    found: list[RowRule] = []
    refused: dict[str, str] = {}
    for rule in program.rules:
        if rule.level is not Level.ROW or rule.expr is None:
            continue
        parts = [part for part in (rule.expr, rule.where) if part is not None]
        lacking = sorted({str(table) for part in parts for table, _ in lookups_of(part) if table not in given})
        if lacking:
            refused[rule.id] = f"{NOT_JUDGED}no data was given for {', '.join(lacking)}"
            continue
        try:
            found.append(RowRule(rule, judged_duck(rule, program, "r")))
        except NotLocal as error:
            refused[rule.id] = error.message
    return found, refused


def lookups(rules: Sequence[RowRule]) -> tuple[InTable, ...]:
    """Return what the rules look up in other tables."""
    return tuple(dict.fromkeys(lookup for rule in rules for lookup in rule.judged.lookups))


def verdict(
    engine: Engine, program: TableProgram, rule: RowRule, batches: Sequence[tuple[str, int, int, int]]
) -> Verdict:
    """Return the verdict of a row rule.

    Args:
        engine: where the table is.
        program: the table.
        rule: the rule.
        batches: name, rows, rows that break the rule, and rows on which it cannot be told, of each batch.
    """
    total = sum(n for _, n, _, _ in batches)
    bad = sum(count for _, _, count, _ in batches)
    doubtful = sum(count for _, _, _, count in batches)
    if doubtful and not bad:
        why = rule.judged.doubts[0][1]
        reason = f"{NOT_JUDGED}{doubtful} of {total} rows hold {why}"
        return verdict_of(rule.rule, Outcome.INSUFFICIENT, n=total, reason=reason)
    samples = first_bad(engine, program, rule) if bad else ()
    if rule.rule.max_bad is not None and len(batches) > 1 and bad:
        over = [(name, n, count) for name, n, count, _ in batches if count and not tolerated(rule.rule, count, n)]
        observed = f"{bad} of {total} rows break it"
        if not over:
            observed += f", up to {rule.rule.max_bad} of a load may"
            return verdict_of(rule.rule, Outcome.PASS, observed=observed, n=total, bad=bad, samples=samples)
        name, n, count = over[0]
        more = f" and {len(over) - 1} more" if len(over) > 1 else ""
        observed += f", {count} of {n} in {name}{more}, where up to {rule.rule.max_bad} may"
        return verdict_of(rule.rule, Outcome.FAIL, observed=observed, n=total, bad=bad, samples=samples)
    return counted(rule.rule, bad, total, samples=samples)


def unique(engine: Engine, program: TableProgram, rule: Rule) -> Verdict:
    """Judge UNIQUE: rows too many; NULLs are distinct, as in the constraint."""
    columns = ", ".join(f"r.{quote_ident(column)}" for column in rule.unique)
    present = " and ".join(f"r.{quote_ident(column)} is not null" for column in rule.unique)
    source = f"from {program.table.sql} as r where {present} group by {columns} having count(*) > 1"
    table, what = str(program.table), f"{program.table}: {rule.name}"
    ((bad,),) = engine.rows(f"select coalesce(sum(n - 1), 0) from (select count(*) as n {source})", what, table=table)
    ((total,),) = engine.rows(f"select count(*) from {program.table.sql}", what, table=table)
    samples: tuple[dict[str, Any], ...] = ()
    if bad:
        shown = _Shown(program, rule.unique)
        found = engine.rows(f"select {', '.join(shown.cells)}, count(*) {source} limit {SAMPLES}", what, table=table)
        samples = tuple({"observed": {**shown.values(row), "rows": row[-1]}, "key": None} for row in found)
    return counted(rule, int(bad), int(total), samples=samples)


def references(engine: Engine, program: TableProgram, rule: Rule, given: Collection[TableName]) -> Verdict:
    """Judge FOREIGN KEY: rows whose reference points nowhere."""
    assert rule.references is not None
    assert rule.column is not None
    target, column = rule.references
    if target not in given:
        return verdict_of(rule, Outcome.INSUFFICIENT, reason=f"{NOT_JUDGED}no data was given for {target}")
    own = f"r.{quote_ident(rule.column)}"
    known = f"select t.{quote_ident(column)} from {target.sql} as t where t.{quote_ident(column)} is not null"
    orphan = f"{own} is not null and {own} not in ({known})"
    table, what = str(program.table), f"{program.table}: {rule.name}"
    sql = f"select count(*), coalesce(sum(case when {orphan} then 1 else 0 end), 0) from {program.table.sql} as r"
    ((total, bad),) = engine.rows(sql, what, table=table)
    samples = _samples(engine, program, rule, f"{program.table.sql} as r", orphan) if bad else ()
    return counted(rule, int(bad), int(total), samples=samples)


def first_bad(engine: Engine, program: TableProgram, rule: RowRule) -> tuple[dict[str, Any], ...]:
    """Return the first rows that break a rule: what was observed, and the key."""
    source = source_duck(program.table.sql, rule.judged.lookups, program, "r")
    return _samples(engine, program, rule.rule, source, rule.conditions[0])


def _samples(
    engine: Engine, program: TableProgram, rule: Rule, source: str, condition: str
) -> tuple[dict[str, Any], ...]:
    observed = _Shown(program, rule.columns[:MOST_SHOWN])
    # For messages the key is left out where it, or the rule, touches a pii column.
    hidden = {*program.key, *rule.columns} & program.pii
    key = _Shown(program, () if hidden else program.key)
    number = []
    if not program.key:
        source, number = f'(select *, row_number() over () as "mlguard row" from {source}) as r', ['r."mlguard row"']
    cells = [*observed.cells, *key.cells, *number] or ["1"]
    sql = f"select {', '.join(cells)}\nfrom {source}\nwhere {condition}\nlimit {SAMPLES}"
    found = []
    for row in engine.rows(sql, f"{program.table}: {rule.name}", table=str(program.table)):
        width = len(observed.cells)
        keys: dict[str, Any] | None = key.values(row[width:]) or None
        if number:
            keys = {"row": row[-1]}
        found.append({"observed": observed.values(row) or None, "key": keys})
    return tuple(found)


class _Shown:
    """Some columns of a row as reports show them; of pii columns words stand in their place."""

    def __init__(self, program: TableProgram, columns: Sequence[str]) -> None:
        self.pii = program.pii
        self.kinds = {column.name: column.type.kind for column in program.shape.columns}
        self.columns = [name for name in columns if name in self.kinds]
        self.cells = [self._cell(name) for name in self.columns]

    def _cell(self, name: str) -> str:
        if name in self.pii:
            return "null"
        raw = f"r.{quote_ident(name)}"
        return raw if self.kinds[name] in _AS_IS else f"cast({raw} as varchar)"

    def values(self, row: Sequence[Any]) -> dict[str, Any]:
        """Return the columns by name, as JSON has them."""
        pairs = zip(self.columns, row[: len(self.columns)], strict=True)
        return {name: HIDDEN if name in self.pii else _plain(value, self.kinds[name]) for name, value in pairs}


def _plain(value: Any, kind: Kind) -> Any:
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        return int(value) if value == int(value) and abs(value) < 1e15 else value
    if isinstance(value, Decimal):
        text = trimmed(value)
        return float(text) if "." in text else int(text)
    if isinstance(value, str) and kind in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        return f"{value.replace(' ', 'T')}{':00' if kind is Kind.TIMESTAMPTZ and value[-3] in '+-' else ''}"
    return value
