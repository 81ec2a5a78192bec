"""The report of a local check: verdicts, and the rows and values behind them while its DuckDB is open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlguard.emit.duck_core import quoted
from mlguard.emit.duck_rules import ROW, changes_duck, scan_duck, violations_duck
from mlguard.errors import PlanError
from mlguard.names import quote_ident
from mlguard.report.verdict import Report

if TYPE_CHECKING:
    import pandas as pd

    from mlguard.local.engine import Engine
    from mlguard.local.find import Found
    from mlguard.names import TableName
    from mlguard.program import TableProgram


FRAMES = ("violations", "changes", "landed", "quarantined")


def rows_query(what: str, program: TableProgram) -> str:
    """Return the query for one of FRAMES.

    Raises:
        NotLocal: a rule cannot be said in DuckDB, so that the rows it concerns are not known.
    """
    keep = () if program.key else (ROW,)
    relation = f"(select *, row_number() over () as {quote_ident(ROW)} from {program.table.sql})"
    if what == "changes":
        nothing = "select null as key, null as column_name, null as old, null as new where false"
        return changes_duck(relation, program, keep) or nothing
    scan = scan_duck(relation, program, keep)
    if what == "violations":
        return violations_duck(scan, program)
    columns = ", ".join(f"r.{quote_ident(column.name)}" for column in program.shape.columns)
    negated = "not " if what == "landed" else ""
    return f"select {columns}\nfrom {scan.source}\nwhere {negated}{scan.kept_out}"


@dataclass(frozen=True)
class LocalReport(Report):
    """The verdicts of one local check.

    Attributes:
        details: by SLO over metrics what it said of each batch or window (and segment), oldest first.
    """

    local: Engine | None = field(default=None, compare=False, repr=False)
    programs: Mapping[TableName, TableProgram] = field(default_factory=dict, compare=False, repr=False)
    details: Mapping[str, list[Found]] = field(default_factory=dict, compare=False, repr=False)

    def close(self) -> None:
        """Close the DuckDB behind it: frames of rows are not to be had afterwards."""
        if self.local is not None:
            self.local.connection.close()

    def frame(self, what: str, table: str | None = None) -> pd.DataFrame:
        """Return what lies behind the verdicts.

        Args:
            what: `metrics` (one row a metric, batch or window, and segment), `violations` (one row a row that breaks a
                rule: its key, whether it is kept out, every rule broken with what it saw), `changes` (values that
                repairs changed), `landed` and `quarantined` (the rows themselves, as repairs mend them).
            table: which table, where there are several.

        Raises:
            PlanError: there is no such frame.
        """
        import pandas as pd

        if what == "metrics":
            return pd.DataFrame(self._metrics(table))
        if what not in FRAMES:
            raise PlanError(f"there is no frame {what!r}", help=f"there are metrics, {', '.join(FRAMES)}")
        assert self.local is not None
        return self.local.frame(rows_query(what, self._program(table)))

    def write(self, what: str, path: str | Path, table: str | None = None) -> None:
        """Write `landed` or `quarantined` rows to a Parquet file, without taking them into memory.

        Raises:
            PlanError: there is no such frame.
        """
        if what not in ("landed", "quarantined"):
            raise PlanError(f"{what!r} cannot be written", help="write 'landed' or 'quarantined'")
        assert self.local is not None
        query = rows_query(what, self._program(table))
        self.local.run(f"copy ({query}) to {quoted(str(path))} (format parquet)")

    def _program(self, table: str | None) -> TableProgram:
        found = [program for name, program in self.programs.items() if table in (None, str(name))]
        if len(found) != 1:
            names = ", ".join(str(name) for name in self.programs)
            raise PlanError(f"which table's rows: {table or 'none was named'}?", help=f"there are {names}")
        return found[0]

    def _metrics(self, table: str | None) -> list[dict[str, Any]]:
        return [
            {
                "slo": slo,
                "over": found.scope.over,
                "scope": found.scope.label,
                "start": found.scope.start,
                "end": found.scope.end,
                "segment": dict(found.scope.segment),
                "metric": name,
                "value": value,
                "n": found.n,
                "outcome": found.outcome.value,
                "reason": found.reason,
            }
            for slo, items in self.details.items()
            if table is None or slo.startswith(f"{table}/")
            for found in items
            for name, value in (found.metrics or ((None, None),))
        ]
