"""An explanation as text and JSON: what was found, the band it was held against, the arithmetic, its past. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mlguard.report.columns import Paint, aligned, count, one_line, plain
from mlguard.report.markup import dumps
from mlguard.report.sparkline import figure, spark
from mlguard.report.text import sample_words
from mlguard.report.when import minute

if TYPE_CHECKING:
    from mlguard.operate.explain import Explanation, Point, Verdict

SHOWN_SERIES = 6


def render(found: Explanation, paint: Paint = plain, width: int = 60) -> str:
    """Return the explanation, most important first."""
    blocks = [_head(found, paint)]
    if found.verdict is not None:
        blocks.append(_past(found, width))
        blocks.append(_arithmetic(found.verdict))
    blocks += [_others(found, paint), _versions(found, paint), _lines(found), _facts(found)]
    return "\n\n".join(block for block in blocks if block)


def _head(found: Explanation, paint: Paint) -> str:
    verdict = found.verdict
    if verdict is None:
        assert found.slo is not None
        return f"{found.slo.id}: {one_line(found.slo.check_text)}"
    words = f"{verdict.slo}: {verdict.observed or ', '.join(verdict.metrics)}"
    if verdict.allowed:
        words += f", {verdict.allowed}"
    rest = [f"over {scope_words(verdict)}"]
    if verdict.n is not None:
        rest.append(count(verdict.n, "row"))
    if verdict.reason:
        rest.append(verdict.reason)
    head = f"{paint(verdict.outcome)}  {one_line(words)}"
    return f"{head}\n  {one_line(', '.join(rest))}; judged {minute(verdict.at)}, verdict {verdict.id}"


def scope_words(verdict: Verdict) -> str:
    """Return what was judged: `batch 88123`, or the window's ends, and the segment."""
    if verdict.window_start is not None:
        words = f"{verdict.over}, {minute(verdict.window_start)} to {minute(verdict.window_end)}"
    else:
        words = f"batch {verdict.batch}" if verdict.batch else verdict.over
    return words + segment_words(verdict.segment)


def segment_words(segment: dict[str, Any]) -> str:
    """Return ` (country DE)`, nothing for all rows."""
    if not segment:
        return ""
    if "*" in segment:
        return " (all other segments)"
    parts = (f"{name} {'NULL' if value is None else value}" for name, value in segment.items())
    return f" ({', '.join(parts)})"


def _past(found: Explanation, width: int) -> str:
    verdict = found.verdict
    assert verdict is not None
    bands = {str(item["series"]): item for item in (verdict.detail or {}).get("series", [])}
    lines: list[str] = []
    by_metric: dict[str, list[Point]] = {}
    for point in found.history:
        by_metric.setdefault(point.metric, []).append(point)
    worst = sorted(bands, key=lambda name: -float(bands[name].get("score") or 0))[:SHOWN_SERIES]
    for name in (*verdict.metrics, *(name for name in worst if name not in verdict.metrics)):
        points = by_metric.get(name)
        if points:
            lines += _series(name, points, bands.get(name, {}), width)
    return "\n".join(lines)


def _series(name: str, points: Sequence[Point], band: dict[str, Any], width: int) -> list[str]:
    low, high = band.get("low"), band.get("high")
    drawn = spark([point.value for point in points], low=low, high=high, width=width)
    shown = points[-width:]
    lines = [
        f"{name}, {count(len(shown), 'value')} from {minute(shown[0].at)} to {minute(shown[-1].at)}",
        f"  {drawn.line}  now {figure(points[-1].value)}, between {figure(drawn.least)} and {figure(drawn.most)}",
    ]
    if drawn.marks:
        lines.append(f"  {drawn.marks}  outside the band")
    if low is not None or high is not None:
        ends = f"{figure(low) if low is not None else 'open'} to {figure(high) if high is not None else 'open'}"
        lines.append(f"  band now: {ends}")
    return lines


def _arithmetic(verdict: Verdict) -> str:
    """Show each learned series as the formula it was judged by, worst first."""
    series = (verdict.detail or {}).get("series", [])
    if not series:
        rest = {key: value for key, value in (verdict.detail or {}).items() if key != "series"}
        return "\n".join(aligned([(f"{key}:", _inline(value)) for key, value in rest.items()], indent="  "))
    rows: list[tuple[str, ...]] = [("series", "value", "expected", "error", "unit", "limit", "score", "by")]
    worst = sorted(series, key=lambda one: -float(one.get("score") or 0))[:SHOWN_SERIES]
    rows += [
        (
            str(item["series"]),
            *(figure(item.get(name)) for name in ("value", "expected", "error", "unit", "limit", "score")),
            f"{item.get('predictor', '')}, {count(int(item.get('history') or 0), 'past value')}",
        )
        for item in worst
    ]
    note = (
        "score = error / unit / limit, FAIL above 1; error: distance from what was expected, on the scale that makes"
        " past errors alike; unit: the largest of usual error, sampling noise and smallest effect; limit: from the"
        " worst past errors of this series itself"
    )
    return "\n".join([*aligned(rows, indent="  "), f"  {note}"])


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_inline(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(_inline(item) for item in value)
    return figure(value) if isinstance(value, float) else str(value)


def _others(found: Explanation, paint: Paint) -> str:
    if not found.others:
        return ""
    rows = [(other.outcome, other.slo, other.observed or "", other.allowed or "") for other in found.others]
    return "\n".join(["at the same time:", *aligned(rows, paint, indent="  ")])


def _versions(found: Explanation, paint: Paint) -> str:
    if not found.versions:
        return ""
    rows = [(f"v{v.version}", minute(v.at), v.outcome, v.observed or "") for v in found.versions]
    return "\n".join(["also judged:", *aligned(rows, paint, indent="  ")])


def _lines(found: Explanation) -> str:
    if found.verdict is not None or found.slo is None:
        return ""
    if not found.lines:
        return "no violation is recorded; refused writes are counted in mlguard status"
    rows = [
        (minute(line.at), line.outcome, sample_words({"observed": line.observed, "key": line.key}), line.reason or "")
        for line in found.lines
    ]
    return "\n".join(["last violations:", *aligned(rows, indent="  ")])


def _facts(found: Explanation) -> str:
    slo = found.slo
    if slo is None:
        return "the SLO is no longer in force"
    facts = [
        ("check:", one_line(slo.check_text)),
        ("action:", f"{slo.action}{', shadow' if slo.shadow else ''}, severity {slo.severity}"),
        ("lives in:", f"{slo.place}: {slo.reason}" if slo.reason else slo.place),
        ("owner:", slo.owner or ""),
        ("runbook:", slo.runbook or ""),
        ("about:", slo.description or ""),
    ]
    return "\n".join(aligned([fact for fact in facts if fact[1]]))


def to_json(found: Explanation) -> str:
    """Return the explanation as one JSON object."""
    return dumps(asdict(found))
