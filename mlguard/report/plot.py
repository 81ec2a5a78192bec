"""The past of a metric as a small SVG plot: its values, the band or limit it is held to, and what failed. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeGuard

from mlguard.report.html import Markup, element, joined
from mlguard.report.sparkline import figure
from mlguard.report.when import minute

if TYPE_CHECKING:
    from mlguard.operate.overview import Point

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420.0, 96.0, 56.0, 8.0, 8.0, 18.0  # pixels

# For programs that show the picture without the page's style sheet, which has the last word.
BLUE, GREY = "#1f5fbf", "#5b6675"
COLOURS = {"FAIL": "#b42318", "ERROR": "#b42318", "NOTED": "#9a5b00", "INSUFFICIENT": GREY}


def plot(points: Sequence[Point], label: str) -> Markup:
    """Draw values oldest first, at even distances; an infinite value stands at the edge, a missing one leaves a gap."""
    finite = [value for point in points for value in (point.value, point.low, point.high) if drawn(value)]
    if not finite:
        return element("p", "no values yet", class_="dim")
    least, most = min(finite), max(finite)
    if least == most:
        least, most = least - (abs(least) or 1) / 2, most + (abs(most) or 1) / 2
    step = (WIDTH - LEFT - RIGHT) / max(len(points) - 1, 1)

    def x(place: int) -> float:
        return LEFT + place * step

    def y(value: float) -> float:
        if math.isinf(value):
            return TOP if value > 0 else HEIGHT - BOTTOM
        # Halved first: the difference of two very large values may overflow.
        return TOP + (most / 2 - value / 2) / (most / 2 - least / 2) * (HEIGHT - TOP - BOTTOM)

    parts = [
        *_band(points, x, y),
        *(element("polyline", points=run, class_="values", fill="none", stroke=BLUE) for run in _runs(points, x, y)),
        *_dots(points, x, y),
        _text(figure(most), LEFT - 6, TOP + 8, "end"),
        _text(figure(least), LEFT - 6, HEIGHT - BOTTOM, "end"),
        _text(minute(points[0].at), LEFT, HEIGHT - 4, "start"),
        _text(minute(points[-1].at), WIDTH - RIGHT, HEIGHT - 4, "end") if len(points) > 1 else None,
    ]
    return element(
        "svg",
        element("title", label),
        joined(parts, "\n"),
        viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}",
        class_="plot",
        role="img",
        aria_label=f"{label}: now {figure(points[-1].value)}",
    )


def drawn(value: float | None) -> TypeGuard[float]:
    """Say whether a value has a place within the plot."""
    return value is not None and math.isfinite(value)


def _band(points: Sequence[Point], x: Callable[[int], float], y: Callable[[float], float]) -> list[Markup]:
    """Fill what is allowed, and draw its ends; an open end reaches to the edge."""
    bounded = [(place, point) for place, point in enumerate(points) if drawn(point.low) or drawn(point.high)]
    if not bounded:
        return []
    if len(bounded) == 1:
        bounded = [(place, bounded[0][1]) for place in (bounded[0][0], max(len(points) - 1, bounded[0][0]))]
    top = [(x(place), y(point.high) if drawn(point.high) else TOP) for place, point in bounded]
    low = [(x(place), y(point.low) if drawn(point.low) else HEIGHT - BOTTOM) for place, point in bounded]
    parts = [element("polygon", points=_pairs([*top, *reversed(low)]), class_="band", fill=BLUE, fill_opacity="0.14")]
    if any(drawn(point.high) for _, point in bounded):
        parts.append(
            element("polyline", points=_pairs(top), class_="limit", fill="none", stroke=GREY, stroke_dasharray="4 3")
        )
    if any(drawn(point.low) for _, point in bounded):
        parts.append(
            element("polyline", points=_pairs(low), class_="limit", fill="none", stroke=GREY, stroke_dasharray="4 3")
        )
    return parts


def _runs(points: Sequence[Point], x: Callable[[int], float], y: Callable[[float], float]) -> list[str]:
    """Return the lines between values that follow one another."""
    runs: list[list[tuple[float, float]]] = [[]]
    for place, point in enumerate(points):
        if point.value is None or math.isnan(point.value):
            runs.append([])
        else:
            runs[-1].append((x(place), y(point.value)))
    return [_pairs(run) for run in runs if len(run) > 1]


def _dots(points: Sequence[Point], x: Callable[[int], float], y: Callable[[float], float]) -> list[Markup]:
    dots = []
    for place, point in enumerate(points):
        if point.value is None or math.isnan(point.value):
            continue
        words = f"{minute(point.at)}: {figure(point.value)} {point.outcome}"
        shown = place == len(points) - 1 or point.outcome != "PASS" or len(points) < 30
        dots.append(
            element(
                "circle",
                element("title", words),
                cx=x(place),
                cy=y(point.value),
                r=3.0 if shown else 1.5,
                class_=f"dot {point.outcome.lower()}",
                fill=COLOURS.get(point.outcome, BLUE),
            )
        )
    return dots


def _text(words: str, x: float, y: float, anchor: str) -> Markup:
    return element("text", words, x=x, y=y, text_anchor=anchor, font_size="10", fill=GREY)


def _pairs(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
