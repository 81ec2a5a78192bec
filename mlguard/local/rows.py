"""Row rules, uniqueness and references of one table: what breaks them, and the first rows that do."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from mlguard.emit.duck_core import NotLocal
from mlguard.emit.duck_rules import diverts, mended_columns, scan_duck
from mlguard.emit.rules import HIDDEN
from mlguard.lang.analyse import lookups_of
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
    broken: str
    doubt: str | None  # TRUE on rows on which it cannot be told; None: there are none
    why: str  # of the doubt

    @property
    def conditions(self) -> list[str]:
        """What is counted: rows that break it for certain, then those on which it cannot be told."""
        return [f"{self.broken} and not ({self.doubt})", f"({self.doubt})"] if self.doubt else [self.broken]


@dataclass(frozen=True)
class RowRules:
    """The row rules of one table that can be judged.

    Attributes:
        source: the rows as the rules see them, mended, with alias `r`.
        kept_out: TRUE where a row is kept out of the table.
        apart: whether the rows that land differ from those of the file: some are mended or kept out.
        refused: by SLO why it cannot be judged.
    """

    rules: tuple[RowRule, ...]
    source: str
    kept_out: str
    apart: bool
    refused: dict[str, str]


def row_rules(program: TableProgram, given: Collection[TableName]) -> RowRules:
    """Return the row rules of a table; `given` are the tables of which there is data."""
    refused: dict[str, str] = {}
    for rule in program.rules:
        parts = [part for part in (rule.expr, rule.where) if part is not None and rule.level is Level.ROW]
        lacking = sorted({str(table) for part in parts for table, _ in lookups_of(part) if table not in given})
        if lacking:
            refused[rule.id] = f"{NOT_JUDGED}no data was given for {', '.join(lacking)}"
    known = replace(program, rules=tuple(rule for rule in program.rules if rule.id not in refused))
    table = f"{program.table.sql}"
    try:
        scan = scan_duck(table, known)
    except NotLocal as error:
        why = {rule.id: error.message for rule in known.rules if rule.level in (Level.ROW, Level.BATCH, Level.WINDOW)}
        return RowRules((), f"{table} as r", "false", False, refused | why)
    refused |= {rule.id: error.message for rule, error in scan.refused}
    found = zip(scan.rules, scan.counted, scan.acted_on, scan.undecided, scan.doubts, strict=True)
    rules = tuple(
        RowRule(rule, _bad(broken, acted, scan.kept_out), doubt, whys[0] if whys else "")
        for rule, broken, acted, doubt, whys in found
    )
    apart = bool(mended_columns(known)) or any(diverts(rule) for rule in scan.rules)
    return RowRules(rules, scan.source, scan.kept_out, apart, refused)


def _bad(broken: str, acted_on: str | None, kept_out: str) -> str:
    """Return when a row is bad: a row that a repair mended and that landed counts against its `max_bad`."""
    return f"({broken} or ({acted_on} and not {kept_out}))" if acted_on is not None else broken


def verdict(
    engine: Engine,
    program: TableProgram,
    source: str,
    rule: RowRule,
    batches: Sequence[tuple[str, int, int, int]],
) -> Verdict:
    """Return the verdict of a row rule.

    Args:
        engine: where the table is.
        program: the table.
        source: its rows as the rules see them.
        rule: the rule.
        batches: name, rows, rows that break the rule, and rows on which it cannot be told, of each batch.
    """
    total = sum(n for _, n, _, _ in batches)
    bad = sum(count for _, _, count, _ in batches)
    doubtful = sum(count for _, _, _, count in batches)
    if doubtful and not bad:
        reason = f"{NOT_JUDGED}{doubtful} of {total} rows hold {rule.why}"
        return verdict_of(rule.rule, Outcome.INSUFFICIENT, n=total, reason=reason)
    samples = _samples(engine, program, rule.rule, source, rule.conditions[0]) if bad else ()
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
