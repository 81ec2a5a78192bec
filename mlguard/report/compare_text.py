"""Two versions of SLO files compared, as text, Markdown and JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlguard.report.columns import aligned, count
from mlguard.report.markup import cell, dumps
from mlguard.report.text import value_words

if TYPE_CHECKING:
    from mlguard.exercise.differences import Comparison, Difference

SAME = "no difference on this data"


def to_text(comparison: Comparison) -> str:
    """Return one line an SLO that differs, then a summary."""
    lines = aligned((_sign(each), each.slo, words(each)) for each in comparison.changed)
    return "\n".join([*lines, summary(comparison)])


def to_markdown(comparison: Comparison) -> str:
    """Return a table for pull requests."""
    head = ["| | SLO | difference |", "|---|---|---|"]
    rows = [f"| {_sign(each)} | {cell(each.slo)} | {cell(words(each))} |" for each in comparison.changed]
    return "\n".join([*([*head, *rows, ""] if rows else []), summary(comparison)])


def to_json(comparison: Comparison) -> str:
    """Return everything as JSON."""
    return dumps(comparison.to_dict())


def _sign(each: Difference) -> str:
    return "±" if each.newly_fails and each.no_longer_caught else "+" if each.newly_fails else "-"


def words(each: Difference) -> str:
    """Return what the data shows of one SLO: `2 rows newly fail: customer_id 7, customer_id 9`."""
    parts = []
    if each.newly is None and each.lost is None:
        parts.append(f"{each.before or 'not there'} before, {each.after or 'not there'} after: {each.said}")
    if each.newly:
        parts.append(f"{count(each.newly, 'row newly fails', 'rows newly fail')}{_keys(each.newly_keys)}")
    if each.lost:
        parts.append(f"{count(each.lost, 'row is', 'rows are')} no longer caught{_keys(each.lost_keys)}")
    if not parts:
        parts.append(f"{each.before} before, {each.after} after: {each.said}")
    if each.change != "both":
        parts.append(f"the SLO is {'new' if each.change == 'added' else 'gone'}")
    return "; ".join(parts)


def _keys(keys: tuple[Any, ...]) -> str:
    told = [" ".join(f"{name} {value_words(value)}" for name, value in key.items()) for key in keys]
    return f": {', '.join(told)}" if told else ""


def summary(comparison: Comparison) -> str:
    """Return the last line."""
    newly = sum(each.newly_fails for each in comparison.differences)
    lost = sum(each.no_longer_caught for each in comparison.differences)
    unsure = [each for each in comparison.differences if each.reason or "INSUFFICIENT" in (each.before, each.after)]
    judged = f"{count(len(comparison.differences), 'SLO')} compared"
    found = f"{newly} newly fail, {lost} catch less" if newly or lost else SAME
    return f"{judged}: {found}" + (f"; {len(unsure)} could not be judged in both" if unsure else "")
