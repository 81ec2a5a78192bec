"""Both engines over one table of rows: what each says of many rules, in one round trip each.

PostgreSQL judges by what `emit` writes for it; on rows outside a rule's guard, where a judge function would be called
in production, one function of the test evaluates the rule and takes an error for broken, so that no case needs DDL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import psycopg

from mlguard.emit.duck_core import NotLocal, duck_type
from mlguard.emit.duck_guard import Judged, judged_duck, source_duck
from mlguard.emit.pg_expr import quoted
from mlguard.emit.pg_guard import guard
from mlguard.emit.rules import core_broken, expression
from mlguard.names import TableName
from mlguard.program import Action, ColumnShape, Level, Place, Placement, Rule, TableProgram, TableShape
from tests.unit.lang.generate import COLUMNS, column_type

TABLE = TableName("public", "x")
SHAPE = TableShape(TABLE, tuple(ColumnShape(name, column_type(spelled)) for name, spelled in COLUMNS.items()))
LOOKUP = TableName("public", "members")  # integers and texts that rules look up
_ORACLE = """
create function oracle(p_broken text, p_row integer) returns boolean language plpgsql as $$
declare found_broken boolean;
begin
  execute 'select (' || p_broken || ') is true from x r where row_no = $1' into found_broken using p_row;
  return found_broken;
exception when others then
  return true;
end $$
"""
Row = tuple[str | None, ...]


@dataclass(frozen=True)
class Case:
    """A rule on the table, and both engines' ways to judge it."""

    rule: Rule
    program: TableProgram
    judged: Judged


def program_of(zone: str) -> TableProgram:
    """Return the table's program without rules."""
    return TableProgram(TABLE, SHAPE, (), ("row_no",), time_zone=zone)


def rule_of(expr: object, text: str = "", **more: object) -> Rule:
    """Return a row rule of an expression."""
    placement = Placement(Place.BEFORE_ROW, "a test")
    return Rule("a", TABLE, Level.ROW, Action.QUARANTINE, expr, text, "", placement, **more)  # type: ignore[arg-type]


def case_of(rule: Rule, program: TableProgram) -> Case | NotLocal:
    """Return the case, or why DuckDB does not judge it."""
    try:
        return Case(rule, program, judged_duck(rule, program, "r"))
    except NotLocal as refused:
        return refused


def spelled_for_duck(text: str | None, kind: str) -> str | None:
    """Return PostgreSQL's text of a value as DuckDB reads it."""
    if text is None:
        return None
    if kind.endswith("with time zone") and ":" not in text:
        text = text.replace("+00", " 00:00:00+00")
    if text.endswith(" BC"):
        return text.replace(" BC", " (BC)")
    if kind == "integer[]":
        return f"[{text[1:-1]}]"
    return text


def fill(
    connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Sequence[object]], marks: str | None = None
) -> None:
    """Insert rows a hundred at a time: DuckDB plans a statement of one row for as long as one of many."""
    for first in range(0, len(rows), 100):
        some = rows[first : first + 100]
        each = marks or f"({', '.join('?' * len(some[0]))})"
        connection.execute(
            f"insert into {table} values {', '.join([each] * len(some))}", [cell for row in some for cell in row]
        )


class Engines:
    """A table `x` in both engines."""

    def __init__(self, postgres: psycopg.Connection[tuple[object, ...]], duck: duckdb.DuckDBPyConnection) -> None:
        self.postgres, self.duck = postgres, duck
        self._prepare()

    def _prepare(self) -> None:
        self.postgres.execute("create type public.mood as enum ('sad', 'ok', 'happy')")
        columns = ", ".join(f"{name} {type}" for name, type in COLUMNS.items())
        self.postgres.execute(f"create table x (row_no integer primary key, {columns})")
        self.postgres.execute("create table members (number integer, word text)")
        self.postgres.execute("insert into members values (0, 'a'), (7, 'é'), (null, ''), (-1, null)")
        self.postgres.execute(_ORACLE)
        self.postgres.commit()
        self.duck.execute("set timezone = 'UTC'")
        held = ", ".join(f"{name} {duck_type(column_type(type))}" for name, type in COLUMNS.items())
        self.duck.execute(f"create table x (row_no integer, {held})")
        self.duck.execute("create schema public")
        self.duck.execute("create table public.members (number integer, word varchar)")
        self.duck.execute("insert into public.members values (0, 'a'), (7, 'é'), (null, ''), (-1, null)")

    def load(self, rows: Sequence[Row]) -> None:
        """Put these rows, and no others, into the table; PostgreSQL first, which must read them all."""
        self.postgres.execute("truncate x")
        self.duck.execute("truncate x")
        marks = ", ".join(f"%s::text::{type}" for type in COLUMNS.values())
        with self.postgres.cursor() as cursor:
            cursor.executemany(
                f"insert into x values (%s, {marks})", [(number, *row) for number, row in enumerate(rows)]
            )
        self.postgres.commit()
        marks = ", ".join(f"cast(? as {duck_type(column_type(type))})" for type in COLUMNS.values())
        spelled = [
            (number, *(spelled_for_duck(text, kind) for text, kind in zip(row, COLUMNS.values(), strict=True)))
            for number, row in enumerate(rows)
        ]
        fill(self.duck, "x", spelled, f"(?, {marks})")

    def broken_in_postgres(self, cases: Sequence[Case]) -> list[set[int]]:
        """Return the rows that break each rule in PostgreSQL.

        Raises:
            psycopg.Error: a part of a rule without columns raises while PostgreSQL plans.
        """
        return self._numbers(self.postgres.execute(self._postgres_query(cases)).fetchall(), len(cases))

    def _postgres_query(self, cases: Sequence[Case]) -> str:
        texts = []
        for case in cases:
            rule, zone = case.rule, case.program.time_zone
            core = core_broken(rule, case.program, "r")
            parts = [expression(rule)] if rule.where is None else [expression(rule), rule.where]
            wholes = [whole for part in parts if (whole := guard(part, "r", zone).whole)]
            if wholes:
                safe = " and ".join(f"({whole})" for whole in wholes)
                core = f"case when {safe} then ({core}) else oracle({quoted(core)}, row_no) end"
            texts.append(f"({core}) is true")
        return f"select row_no, {', '.join(texts)} from x r order by row_no"

    def broken_in_duck(self, cases: Sequence[Case]) -> tuple[list[set[int]], list[set[int]]]:
        """Return the rows that break each rule in DuckDB, and those it leaves undecided."""
        texts = [case.judged.broken for case in cases]
        texts += [" or ".join(condition for condition, _ in case.judged.doubts) or "false" for case in cases]
        lookups = [lookup for case in cases for lookup in case.judged.lookups]
        source = source_duck("x", lookups, cases[0].program, "r")
        found = self.duck.execute(f"select r.row_no, {', '.join(texts)} from {source} order by 1").fetchall()
        sets = self._numbers(found, 2 * len(cases))
        return sets[: len(cases)], sets[len(cases) :]

    @staticmethod
    def _numbers(found: Sequence[tuple[object, ...]], count: int) -> list[set[int]]:
        return [{int(str(row[0])) for row in found if row[index + 1]} for index in range(count)]


@contextmanager
def both(dsn: str) -> Iterator[Engines]:
    """Connect both engines and make the table."""
    with psycopg.connect(dsn) as postgres, duckdb.connect() as duck:
        yield Engines(postgres, duck)
