"""How long a random test runs, from which seeds, and how long one example may take.

MLGUARD_FUZZ_SECONDS   for how long the whole folder runs; a few seconds when it is not set
MLGUARD_FUZZ_SEED      the first seed; 0 when it is not set, so that the short form is the same every time
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SHORT_SECONDS = 10.0
LONGEST = 2.0  # seconds of CPU that one example may take, as far as it is mlguard's
STUCK = 60  # seconds after which an example is taken for one that never ends


def seconds(share: float) -> float:
    """Return how long one test of the folder runs, given its share of the whole."""
    return float(os.environ.get("MLGUARD_FUZZ_SECONDS") or SHORT_SECONDS) * share


def is_long() -> bool:
    """Say whether somebody asked for the long form."""
    return "MLGUARD_FUZZ_SECONDS" in os.environ


def run(share: float, example: Callable[[random.Random], None], enough: Callable[[], bool] = lambda: True) -> int:
    """Run an example with one seed after the other; return how many. A failure names its seed.

    It ends when the time is over, in the long form not before there were `enough`.

    The first of them may take longer: it imports and warms what all of them use.
    """
    first = seed = int(os.environ.get("MLGUARD_FUZZ_SEED") or 0)
    end = time.monotonic() + seconds(share)
    while seed == first or time.monotonic() < end or (is_long() and not enough()):
        try:
            with _ends(LONGEST if seed > first else STUCK):
                example(random.Random(seed))
        except BaseException as error:
            error.add_note(f"again: MLGUARD_FUZZ_SEED={seed}")
            raise
        seed += 1
    return seed - first


@contextmanager
def _ends(limit: float) -> Iterator[None]:
    """Fail an example that takes more CPU than `limit` seconds, and interrupt one that does not end."""

    def stuck(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"no end after {STUCK} s")

    before = signal.signal(signal.SIGALRM, stuck)
    signal.alarm(STUCK)
    began = time.process_time()
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    took = time.process_time() - began
    assert took < limit, f"took {took:.1f} s of CPU, allowed {limit} s"
