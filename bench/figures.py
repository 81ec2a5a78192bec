"""Figures: a measured number beside what it should be; as an aligned table, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from bench.measure import Spread


class Unit(Enum):
    """What a figure counts."""

    RATIO = "ratio"
    SECONDS = "s"
    MICROSECONDS = "µs"
    MEGABYTES = "MB"


@dataclass(frozen=True)
class Target:
    """A bound the median should keep."""

    bound: float
    at_least: bool = False

    def holds(self, value: float) -> bool:
        """Say whether a value keeps the bound."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"


@dataclass(frozen=True)
class Figure:
    """One measured number."""

    suite: str
    what: str
    against: str
    value: Spread
    target: Target | None = None
    unit: Unit = Unit.RATIO

    @property
    def verdict(self) -> str:
        """`met`, `missed`, or nothing where no target is set."""
        if self.target is None:
            return ""
        return "met" if self.target.holds(self.value.median) else "missed"

    def as_json(self) -> dict[str, Any]:
        """Return what the JSON file keeps."""
        return {
            "suite": self.suite,
            "what": self.what,
            "against": self.against,
            "unit": self.unit.value,
            **asdict(self.value),
            "target": str(self.target) if self.target else None,
            "verdict": self.verdict or None,
        }


HEADINGS = ("suite", "what", "against", "median", "quartiles", "n", "target", "verdict")


def at_most(bound: float) -> Target:
    """Return a target from above."""
    return Target(bound)


def at_least(bound: float) -> Target:
    """Return a target from below."""
    return Target(bound, at_least=True)


def as_table(figures: Sequence[Figure]) -> str:
    """Return the figures as aligned text."""
    rows = [HEADINGS, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def as_markdown(figures: Sequence[Figure]) -> str:
    """Return the figures as a Markdown table, for the documentation."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(_row(figure) for figure in figures)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(figure: Figure) -> tuple[str, ...]:
    unit = "" if figure.unit is Unit.RATIO else f" {figure.unit.value}"
    value = figure.value
    return (
        figure.suite,
        figure.what,
        figure.against,
        f"{value.median:.3f}{unit}",
        f"{value.low:.3f}–{value.high:.3f}",
        str(value.rounds),
        str(figure.target or ""),
        figure.verdict,
    )
