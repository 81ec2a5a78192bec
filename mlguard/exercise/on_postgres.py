"""Examples judged on PostgreSQL: one query an example, in a read-only transaction that is rolled back.

An example never becomes a row of a table: it is a row of constants, so that no table, trigger or right of the
database has a part in it, and nothing can be left behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlguard.emit.examples import cell_pg, judge_pg, text_of
from mlguard.exercise.on_duckdb import misfit
from mlguard.exercise.table import Seen, Table
from mlguard.lang.types import Kind
from mlguard.program import Rule

if TYPE_CHECKING:
    import psycopg

DATA_EXCEPTION = "22"  # the class of SQLSTATEs by which a value is refused


class PostgresExamples:
    """Judges the examples of tables over one connection."""

    name = "postgresql"

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def judge(self, table: Table, rules: Sequence[Rule]) -> list[Seen]:
        """Return what is broken, for each example.

        Args:
            table: the examples.
            rules: the rules to judge, which may be others than the table's; names are unique.

        Raises:
            psycopg.Error: the connection was lost.
        """
        import psycopg

        undecided = {rule.name: why for rule in rules if (why := table.untyped(rule))}
        judged = [rule for rule in rules if rule.name not in undecided]
        with self.connection.transaction(force_rollback=True):
            self.connection.execute("set local transaction_read_only = on")
            for setting, value in (("search_path", ""), ("timezone", table.program.time_zone)):
                self.connection.execute("select set_config(%s, %s, true)", (setting, value))
            seen = []
            for example in table.examples:
                error = self._misfit(table, example.row)
                if error:
                    seen.append(Seen(error=error))
                    continue
                try:
                    answers = self._row(judge_pg(table.program, example.row, judged))
                except psycopg.Error as failed:
                    if failed.sqlstate is None:
                        raise
                    seen.append(self._one_by_one(table, example.row, judged, undecided))
                    continue
                broken = frozenset(rule.name for rule, bad in zip(judged, answers, strict=False) if bad)
                seen.append(Seen(broken, undecided))
        return seen

    def _one_by_one(
        self, table: Table, row: Mapping[str, Any], judged: Sequence[Rule], undecided: Mapping[str, str]
    ) -> Seen:
        """Judge the rules apart: one that raises on the row counts as broken, as where it guards the table."""
        import psycopg

        broken = set()
        unknown = dict(undecided)
        for rule in judged:
            try:
                if self._row(judge_pg(table.program, row, [rule]))[0]:
                    broken.add(rule.name)
            except psycopg.Error as error:
                if (error.sqlstate or "").startswith(DATA_EXCEPTION):
                    broken.add(rule.name)
                else:
                    unknown[rule.name] = (error.diag.message_primary or str(error)).strip()
        return Seen(frozenset(broken), unknown)

    def _misfit(self, table: Table, row: Mapping[str, Any]) -> str:
        import psycopg

        for column in table.program.shape.columns:
            if row.get(column.name) is None or column.type.kind is Kind.UNKNOWN:
                continue
            try:
                self._row(f"select {cell_pg(text_of(row[column.name], column.type, braces=True), column.type)}")
            except psycopg.Error as error:
                if error.sqlstate is None:
                    raise
                return misfit(column)
        return ""

    def _row(self, sql: str) -> tuple[Any, ...]:
        with self.connection.transaction():
            found = self.connection.execute(sql.encode()).fetchone()
        assert found is not None
        return tuple(found)
