"""The tables of docs/language.md, read back, and those of the catalogue as they should stand there."""

from __future__ import annotations

import re
from pathlib import Path

from mlguard.lang.catalogue import FUNCTIONS
from mlguard.lang.metrics import LEAST_ROWS, METRICS, Family, MetricEntry

PAGE = Path(__file__).parents[3] / "docs" / "language.md"


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without its head."""
    section = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[_cell(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def _cell(text: str) -> str:
    return text.strip().replace("\\|", "|")


def code(cell: str) -> str:
    """Return a cell's text without the backticks around it."""
    return cell[1:-1] if cell.startswith("`") and cell.endswith("`") and cell.count("`") == 2 else cell


def function_rows() -> list[str]:
    """Return the lines of the table of functions."""
    return [f"| `{one.usage or f'{one.name}(x)'}` | {one.meaning} |" for one in FUNCTIONS.values()]


def metric_rows() -> list[str]:
    """Return the lines of the table of metrics: what is written, what it means, from how many rows on it is judged."""
    return [f"| `{one.usage or f'{one.name}()'}` | {one.meaning} | {_judged_from(one)} |" for one in METRICS.values()]


def _judged_from(metric: MetricEntry) -> str:
    if metric.family is Family.HISTORY:
        return "as its metric"
    if metric.family is Family.AGE:
        return "always"
    return str(LEAST_ROWS[metric.family])
