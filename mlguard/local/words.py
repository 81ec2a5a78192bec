"""Numbers and segments in the words of the database's messages: twins of _figure, _finding, _for_segment. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal

OTHER = "*"  # the key of the segment that pools the rest


def figure(value: float | None, limits: str = "") -> str:
    """Return a number as messages show it: three digits after the point, or three that count.

    Args:
        value: the number; None is "no value".
        limits: what is allowed; as many more digits are shown as tell the number from a limit.
    """
    if value is None:
        return "no value"
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    if value == 0:
        return "0"
    if abs(value) >= 1e15 or abs(value) < 1e-6:
        return f"{value:.2e}"
    number = Decimal(f"{value:.15g}")
    digits = 3 if abs(value) >= 0.1 else 2 - math.floor(math.log10(abs(value)))
    known = {Decimal(text) for text in re.findall(r"-?\d+(?:\.\d+)?", limits)}
    while digits < 15 and _round(number, digits) in known and number != _round(number, digits):
        digits += 1
    return trimmed(_round(number, digits))


def short(value: float) -> str:
    """Return a distance in words: three decimals, of small ones three digits."""
    digits = 3 if value == 0 or abs(value) >= 0.1 else 2 - math.floor(math.log10(abs(value)))
    return trimmed(_round(Decimal(f"{value:.15g}"), digits))


def _round(number: Decimal, digits: int) -> Decimal:
    return number.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)


def trimmed(number: Decimal) -> str:
    """Return a number without zeros at its end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def trimmed_number(value: object) -> str:
    """Return a value of a row in words; a float that is whole without its zero."""
    if isinstance(value, float) and math.isfinite(value):
        return trimmed(Decimal(repr(value)))
    return str(value)


def finding(metrics: Sequence[tuple[str, float | None]], limits: str, segment: str) -> str:
    """Return metrics in words: `coverage(age) is 0.491 for country DE`."""
    parts = [
        f"{name} has no value" if value is None else f"{name} is {figure(value, limits)}" for name, value in metrics
    ]
    return ", ".join(parts) + segment if parts else ""


def for_segment(segment: Mapping[str, str | None], by: Sequence[str]) -> str:
    """Return a segment in words: ` for country DE`."""
    if not segment:
        return ""
    if OTHER in segment:
        return f" for every other {', '.join(by)}"
    parts = [f"{name} {'missing' if segment[name] is None else segment[name]}" for name in by if name in segment]
    return f" for {', '.join(parts)}"
