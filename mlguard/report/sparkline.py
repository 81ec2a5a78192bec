"""A series of values as one line of blocks, with its band and with marks where it left the band. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

BLOCKS = "▁▂▃▄▅▆▇█"
MISSING = "·"
MARK = "^"


@dataclass(frozen=True)
class Spark:
    """One line of blocks, and a line below it that marks values outside the band.

    Attributes:
        line: one block a value, oldest first; `·` where there was none.
        marks: `^` below each value outside the band; '' where all are inside.
        least: the value of the lowest block.
        most: the value of the highest block.
    """

    line: str
    marks: str
    least: float | None
    most: float | None


def spark(
    values: Sequence[float | None], *, low: float | None = None, high: float | None = None, width: int = 60
) -> Spark:
    """Draw the last `width` values.

    Args:
        values: oldest first; None and NaN where there was no value.
        low: lower end of the band; None where it is open.
        high: upper end of the band.
        width: most blocks.

    The scale runs from the least to the greatest value; infinite values stand at its ends.
    """
    shown = [None if value is None or math.isnan(value) else value for value in values[-width:]]
    finite = [value for value in shown if value is not None and math.isfinite(value)]
    if not finite:
        return Spark(MISSING * len(shown), "", None, None)
    least, most = min(finite), max(finite)
    line = "".join(_block(value, least, most) for value in shown)
    marks = "".join(MARK if value is not None and _outside(value, low, high) else " " for value in shown).rstrip()
    return Spark(line, marks, least, most)


def _block(value: float | None, least: float, most: float) -> str:
    if value is None:
        return MISSING
    if math.isinf(value):
        return BLOCKS[-1] if value > 0 else BLOCKS[0]
    if most == least:
        return BLOCKS[0]
    # Halved first: the difference of two very large values may overflow.
    share = (value / 2 - least / 2) / (most / 2 - least / 2)
    return BLOCKS[min(int(share * len(BLOCKS)), len(BLOCKS) - 1)]


def _outside(value: float, low: float | None, high: float | None) -> bool:
    return (low is not None and value < low) or (high is not None and value > high)


def figure(value: float | None) -> str:
    """Return a number as messages show it: 4 significant digits, no exponent where it can be helped."""
    if value is None:
        return "no value"
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    text = f"{value:.4g}"
    return f"{value:.0f}" if "e+" in text and abs(value) < 1e15 else text
