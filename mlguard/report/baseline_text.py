"""A baseline as text: where it comes from, and a small histogram of each column; and as JSON. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from mlguard.report.columns import aligned, count
from mlguard.report.markup import dumps
from mlguard.report.when import minute

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlguard.operate.baseline import Baseline, Distribution

WIDTH = 30  # blocks of the longest bar
SHOWN = 12  # categories of a column that are listed
EIGHTHS = "▏▎▍▌▋▊▉█"


def render(versions: Sequence[Baseline]) -> str:
    """Return the version in use with its columns, then the others on a line each; newest first."""
    used = [one for one in versions if one.state == "frozen"]
    blocks = ["\n".join([headline(one), *_period(one)]) for one in used]
    blocks += [_column(column) for one in used for column in one.columns if column.whole]
    parts = sum(not column.whole for one in used for column in one.columns)
    if parts:
        blocks.append(f"and {count(parts, 'distribution')} of segments and filters (--format json shows them)")
    others = [headline(one) for one in versions if one.state != "frozen"]
    return "\n\n".join([*blocks, *(["\n".join(others)] if others else [])])


def headline(baseline: Baseline) -> str:
    """Return a version in one line: `baseline 2 of features.customer: first 28 days, frozen 2026-11-20 03:12 UTC`."""
    begin = f"baseline {baseline.version} of {baseline.table}: {baseline.source}"
    if baseline.state == "learning":
        again = f", looked at again {minute(baseline.next_at)}" if baseline.next_at else ""
        return f"{begin}, still learned{again}"
    return f"{begin}, {baseline.state} {minute(baseline.set_at)} by {baseline.set_by}"


def _period(baseline: Baseline) -> Iterator[str]:
    if baseline.starts or baseline.ends:
        begin = f"from {minute(baseline.starts)}" if baseline.starts else ""
        end = f"to {minute(baseline.ends)}" if baseline.ends else ""
        yield f"  rows {' '.join(part for part in (begin, end) if part)}"


def _column(column: Distribution) -> str:
    missing = f", {column.missing} missing" if column.missing else ""
    kind = "number" if column.kind == "number" else _categories_in_words(column)
    pii = ", values not shown (pii)" if column.pii else ""
    rows = [(label, bar(value, max(shown)), percent(value / column.n)) for label, value, shown in _bars(column)]
    return "\n".join(
        [f"{column.column}: {kind}, {count(column.n, 'value')}{missing}{pii}", *aligned(rows, indent="  ")]
    )


def _categories_in_words(column: Distribution) -> str:
    more = "more than " if column.other else ""
    return f"{more}{count(len(column.counts), 'category', 'categories')}"


def _bars(column: Distribution) -> Iterator[tuple[str, int, list[int]]]:
    if column.kind == "number":
        labels = _bins(column.edges, len(column.counts))
        for label, value in zip(labels, column.counts, strict=True):
            yield label, value, column.counts
        return
    names = column.categories or [f"category {place}" for place, _ in enumerate(column.counts, 1)]
    rest = sum(column.counts[SHOWN:]) + column.other
    for name, value in list(zip(names, column.counts, strict=True))[:SHOWN]:
        yield name, value, [*column.counts, rest]
    if rest:
        yield "all others", rest, [*column.counts, rest]


def _bins(edges: list[float] | None, bins: int) -> list[str]:
    """Return the label of each bin; the edge just below the least value reads as what it parts: `< 0`."""
    if edges is None:
        return [f"bin {place}" for place in range(1, bins + 1)]
    labels = [f"<= {edge:.6g}" for edge in edges]
    if len(edges) > 1 and edges[1] - edges[0] <= max(abs(edges[1]), 1.0) * 2e-9:
        labels[0] = f"< {edges[1]:.6g}"
    return [*labels, f"> {edges[-1]:.6g}"]


def bar(value: float, longest: float) -> str:
    """Return a bar of blocks, WIDTH of them for the longest; anything above nothing has an eighth of one."""
    eighths = round(value / longest * WIDTH * 8) if longest else 0
    if value and not eighths:
        eighths = 1
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (EIGHTHS[rest - 1] if rest else "")


def percent(share: float) -> str:
    """Return a share as `9.8 %`; one that rounds to nothing as `< 0.1 %`."""
    return "< 0.1 %" if 0 < share < 0.0005 else f"{share * 100:.1f} %"


def to_json(versions: Sequence[Baseline]) -> str:
    """Return all versions as a JSON array, newest first."""
    return dumps([asdict(one) for one in versions])
