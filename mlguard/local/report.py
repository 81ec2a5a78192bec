"""The report of a local check: verdicts, and the rows and values behind them while its DuckDB is open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlguard.errors import PlanError
from mlguard.report.verdict import Report

if TYPE_CHECKING:
    import pandas as pd

    from mlguard.local.engine import Engine
    from mlguard.local.find import Found
    from mlguard.names import TableName
    from mlguard.program import TableProgram


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
            what: `metrics` (one row a metric, batch or window, and segment).
            table: which table, where there are several.

        Raises:
            PlanError: there is no such frame.
        """
        import pandas as pd

        if what == "metrics":
            return pd.DataFrame(self._metrics(table))
        raise PlanError(f"there is no frame {what!r}", help="frame('metrics')")

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
