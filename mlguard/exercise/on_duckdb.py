"""Examples judged on DuckDB, in memory."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mlguard.emit.duck_guard import source_duck
from mlguard.emit.examples import (
    ROW,
    delete_duck,
    insert_duck,
    judge_duck,
    misfits_duck,
    table_duck,
    text_of,
    view_duck,
)
from mlguard.exercise.arrived import ArrivedRule, arrived_rules, lookups
from mlguard.exercise.table import Seen, Table
from mlguard.lang.types import INTEGERS, Kind
from mlguard.local.engine import Engine
from mlguard.local.sources import make_view, open_source
from mlguard.local.types import converted
from mlguard.names import TableName, quote_ident
from mlguard.program import ColumnShape, Rule

_INTEGER = re.compile(r"\s*[+-]?\d+\s*")


class DuckExamples:
    """Judges the examples of tables on a DuckDB of its own.

    Args:
        engine: the DuckDB.
        data: tables that rules look up, by name: a path or a frame.
    """

    name = "duckdb"

    def __init__(self, engine: Engine, data: Mapping[TableName, Any]) -> None:
        self.engine, self.given = engine, frozenset(data)
        for table, source in data.items():
            make_view(engine, open_source(engine, table, source), None)
        self._made = 0

    def judge(self, table: Table, rules: Sequence[Rule]) -> list[Seen]:
        """Return what is broken, for each example.

        Args:
            table: the examples.
            rules: the rules to judge, which may be others than the table's; names are unique.

        Raises:
            EvaluationError: DuckDB failed.
        """
        self._made += 1
        name = f"mlguard examples {self._made}"
        misfits = self._load(name, table)
        undecided = {rule.name: why for rule in rules if (why := table.untyped(rule))}
        typed = [rule for rule in rules if rule.name not in undecided]
        judged, refused = arrived_rules(table.program, typed, self.given)
        undecided |= refused
        found = self._ask(name, table, judged)
        seen = []
        for number in range(len(table.examples)):
            if number in misfits:
                seen.append(Seen(error=misfits[number]))
                continue
            broken, doubtful = found[number]
            seen.append(Seen(frozenset(broken), {**undecided, **doubtful}))
        return seen

    def _ask(
        self, name: str, table: Table, judged: Sequence[ArrivedRule]
    ) -> dict[int, tuple[list[str], dict[str, str]]]:
        cells = {column.name: _cell(column, table.program.time_zone) for column in table.program.shape.columns}
        source = source_duck(view_duck(name, table.program, cells), lookups(judged), table.program, ROW)
        conditions = [condition for item in judged for condition in (item.broken, item.doubt)]
        answers = self.engine.rows(judge_duck(source, conditions), str(table.program.table))
        found: dict[int, tuple[list[str], dict[str, str]]] = {}
        for number, *values in answers:
            pairs = list(zip(judged, values[::2], values[1::2], strict=True))
            found[number] = (
                [item.rule.name for item, bad, _ in pairs if bad],
                {item.rule.name: f"the row holds {item.judged.doubts[0][1]}" for item, _, doubt in pairs if doubt},
            )
        return found

    def _load(self, name: str, table: Table) -> dict[int, str]:
        """Make the table of examples; return which cannot be rows of the table, and why."""
        self.engine.run(table_duck(name, table.program))
        misfits: dict[int, str] = {}
        columns = table.program.shape.columns
        for number, example in enumerate(table.examples):
            texts = []
            for column in columns:
                text = text_of(example.row.get(column.name), column.type, braces=False)
                if text is not None and column.type.kind in INTEGERS and not _INTEGER.fullmatch(text):
                    # DuckDB would round what PostgreSQL refuses.
                    misfits.setdefault(number, misfit(column))
                    text = None
                texts.append(text)
            self.engine.run(insert_duck(name, table.program), [number, *texts])
        for column in columns:
            cell = _cell(column, table.program.time_zone)
            query = misfits_duck(name, cell, column.name)
            for (number,) in self.engine.rows(query, str(table.program.table)):
                misfits.setdefault(number, misfit(column))
        for number in misfits:
            self.engine.run(delete_duck(name), [number])
        return misfits


def misfit(column: ColumnShape) -> str:
    """Say that a value is none of its column's type; the value may be personal data, so it is not shown."""
    return f"the value of {column.name} is no {column.type}"


def _cell(column: ColumnShape, zone: str) -> str:
    text = quote_ident(column.name)
    kind = column.type.kind
    if kind is Kind.UNKNOWN:
        return text
    return converted(text, "VARCHAR", column.type, zone, text=True) or text
