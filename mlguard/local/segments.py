"""Which segments are judged alone: the twins of the runtime's _pooled, _segments_alone and _count_segments. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from mlguard.local.baseline import Segment
from mlguard.local.calendar import add, instant, local_time
from mlguard.local.merge import Document, merge
from mlguard.local.words import OTHER
from mlguard.program import Rule, Span, TableProgram

POOLED: Segment = ((OTHER, "other"),)


def largest(sizes: Mapping[Segment, int], most: int) -> list[Segment]:
    """Return the segments with most rows, of equal ones the first by name."""
    return sorted(sizes, key=lambda segment: (-sizes[segment], _order(segment)))[:most]


def _order(segment: Segment) -> tuple[tuple[bool, bytes], ...]:
    return tuple((value is not None, (value or "").encode()) for _, value in segment)


def pooled(documents: Mapping[Segment, Document], alone: list[Segment]) -> dict[Segment, Document]:
    """Return the states of the segments judged alone (absent ones with no rows), all others as one."""
    found = {segment: document for segment, document in documents.items() if segment in alone}
    rest = [document for segment, document in documents.items() if segment not in alone]
    if rest:
        found[POOLED] = merge(rest)
    return found | {segment: {"n": 0} for segment in alone if segment not in documents}


class Segments:
    """The segments of one SLO over windows: counted until the baseline is over, then the largest are kept for good."""

    def __init__(self, rule: Rule, program: TableProgram, first: datetime) -> None:
        kind = program.baseline.kind
        length = program.baseline.span if kind in ("first", "previous") else None
        # The runtime adds days on the clock of its session, UTC on servers.
        opened = local_time(instant(first, program.time_zone), "UTC")
        until = add(opened, length or Span("28 days", days=28), 1)
        self.most, self.until = rule.max_segments, local_time(instant(until, "UTC"), program.time_zone)
        self.sizes: dict[Segment, int] = {}
        self.frozen = False
        version = program.predictions.version_column if program.predictions is not None else None
        self.of_versions = version is not None and version in rule.by

    def split(self, documents: Mapping[Segment, Document], end: datetime) -> dict[Segment, Document]:
        """Return the states of a window by segment, and count them."""
        if self.of_versions:
            # Versions come and go: one that writes no more is not missing.
            return pooled(documents, largest({key: int(d["n"]) for key, d in documents.items()}, self.most))
        if self.frozen:
            return pooled(documents, list(self.sizes))
        for segment, document in documents.items():
            self.sizes[segment] = self.sizes.get(segment, 0) + int(document["n"])
        found = pooled(documents, largest(self.sizes, self.most))
        if end >= self.until:
            self.sizes = dict.fromkeys(largest(self.sizes, self.most), 0)
            self.frozen = True
        return found
