"""SLO files judged on files and frames with DuckDB: the same outcomes, keys and words as in the database, no server."""

from __future__ import annotations

from mlguard.local.judge import judge
from mlguard.local.report import LocalReport
from mlguard.local.sources import named

__all__ = ["LocalReport", "judge", "named"]
