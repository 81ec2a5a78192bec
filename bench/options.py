"""How much is measured, and a line about what is going on."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    rows: int
    rounds: int
    quick: bool
    asked: int | None = None
    """Rows that the command line named, for a suite that has its own default."""

    @property
    def seconds(self) -> int:
        """Length of one pgbench run."""
        return 2 if self.quick else 5


def say(text: str) -> None:
    """Tell what is being measured, on stderr."""
    print(text, file=sys.stderr, flush=True)
