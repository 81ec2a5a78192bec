"""Time interleaved variants of the same work and compare them; knows no database.

Seconds drift with whatever else the machine does, by a fifth within minutes. A ratio of two variants measured one
after the other drifts little, so every round runs every variant once, each round starting with another one, and
what is reported is the median of the per-round ratios with its quartiles.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time a process has used: the scheduler's nanosecond counter, or where the kernel keeps none utime.

    The fallback counts in ticks of 10 ms and leaves system time in, as the scheduler's counter does.
    """
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except (FileNotFoundError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK


def children_cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process's children that have ended, in ticks of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / TICK


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of one number over the rounds."""

    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise the rounds of a series."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0], 1)
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high, len(values))


@dataclass(frozen=True)
class Series:
    """What each variant took in each round."""

    samples: Mapping[str, Sequence[float]]

    def spread(self, variant: str) -> Spread:
        """Return the variant's own numbers."""
        return Spread.of(self.samples[variant])

    def ratio(self, variant: str, baseline: str) -> Spread:
        """Return variant / baseline, round by round."""
        pairs = zip(self.samples[variant], self.samples[baseline], strict=True)
        return Spread.of([value / base for value, base in pairs])


def interleave(
    variants: Mapping[str, Callable[[], float]], rounds: int, progress: Callable[[str], None] | None = None
) -> Series:
    """Run every variant once in each round; each returns what it took."""
    names = list(variants)
    samples: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        if progress:
            progress(f"round {number + 1} of {rounds}")
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            samples[name].append(variants[name]())
    return Series(samples)
