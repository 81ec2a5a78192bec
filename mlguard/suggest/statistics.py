"""The few formulas that proposals rest on: rates, tails and round numbers. Pure.

Sources: Wilson (1927) for intervals of rates; Hanley and Lippman-Hand (1983) for the rule of three; Pickands (1975) and
Coles (2001, section 4.3) for excesses over a high threshold and return levels; Hosking and Wallis (1987) for fitting
them by probability-weighted moments; Good (1953) for values not yet seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from statistics import NormalDist

HEAVIEST = (
    0.4  # heaviest tail that is believed: from 0.5 on values have no variance, and a fit to some hundred is noise
)
LEAST_TAIL = 10
MOST_TAIL = 300


def wilson_upper(bad: int, n: int, confidence: float) -> float:
    """Return the upper bound of a rate after `bad` of `n` (Wilson, one-sided); 1 for no rows."""
    if n == 0:
        return 1.0
    if bad == 0:
        return unseen_below(n, confidence)
    z = NormalDist().inv_cdf(confidence)
    p = bad / n
    middle = p + z * z / (2 * n)
    return min(1.0, (middle + z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n))


def unseen_below(n: int, confidence: float) -> float:
    """Return the rate that something never seen in `n` rows stays below: 1 - (1 - confidence)^(1/n).

    At 95% this is the rule of three, 3/n.
    """
    return 1.0 if n == 0 else -math.expm1(math.log1p(-confidence) / n)


def tail_size(n: int) -> int:
    """Return how many of `n` values are the tail: 10 to 300, about twice the root of n and at most a tenth."""
    return max(LEAST_TAIL, min(MOST_TAIL, 2 * math.isqrt(n), n // 10))


def upper_limit(largest: Sequence[float], confidence: float) -> float:
    """Return the value that, with this confidence, none of as many further rows exceeds.

    The excesses of the largest values over the smallest of them follow a generalised Pareto distribution; the limit is
    its return level for an expected `1 - confidence` exceedances in a sample of the same size. A tail that ends (a
    negative shape) is taken for an exponential one, so that the limit never lies inside what was seen.

    Args:
        largest: the k greatest values of the sample, in any order; at least two.
        confidence: 0 to 1.
    """
    values = sorted(largest)
    threshold, top = values[0], values[-1]
    excess = [value - threshold for value in values[1:]]
    k = len(excess)
    mean = sum(excess) / k if k else 0.0
    if mean <= 0 or not math.isfinite(mean):
        return top
    # Probability-weighted moment a1 = E[X(1 - F)], positions (j - 0.35)/k as Hosking and Wallis give them.
    weighted = sum((1 - (j - 0.35) / k) * value for j, value in enumerate(excess, 1)) / k
    shape = 0.0
    if mean > 2 * weighted > 0:
        shape = 2 - mean / (mean - 2 * weighted)
    shape = min(max(shape, 0.0), HEAVIEST)
    scale = mean * (1 - shape)
    odds = k / (1 - confidence)
    beyond = scale * math.log(odds) if shape < 1e-6 else scale / shape * (odds**shape - 1)
    return max(top, threshold + beyond)


def lower_limit(smallest: Sequence[float], confidence: float) -> float:
    """Return `upper_limit` for the other end."""
    return -upper_limit([-value for value in smallest], confidence)


def rounded(value: float, *, up: bool, digits: int = 2, whole: bool = False) -> Decimal:
    """Round away from the values to `digits` significant digits; to an integer where `whole`."""
    exact = Decimal(repr(value))
    if exact == 0:
        return Decimal(0)
    exponent = exact.adjusted() - digits + 1
    if whole:
        exponent = max(exponent, 0)
    result = exact.quantize(Decimal((0, (1,), exponent)), rounding=ROUND_CEILING if up else ROUND_FLOOR)
    return Decimal(0) if result == 0 else result


def number(value: Decimal) -> str:
    """Write a number as YAML and SQL both read it, without an exponent where it is of common size."""
    if value == value.to_integral_value() and abs(value) < Decimal(10) ** 18:
        return str(int(value))
    if Decimal("1e-9") <= abs(value) < Decimal(10) ** 18:
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    sign, figures, exponent = value.normalize().as_tuple()
    assert isinstance(exponent, int)
    head = str(figures[0]) + "." + ("".join(map(str, figures[1:])) or "0")
    return f"{'-' * sign}{head}e{exponent + len(figures) - 1:+d}"


def share(value: float) -> str:
    """Write a share for people, to two digits: 0.31%, 12%."""
    if value <= 0:
        return "0%"
    digits = max(0, 1 - math.floor(math.log10(value * 100)))
    return f"{value:.{digits}%}"


def share_up(value: float) -> str:
    """Write a share as a limit, rounded up to two digits and at most 100%."""
    return number(min(Decimal(100), rounded(value * 100, up=True))) + "%"


def count(n: int) -> str:
    """Write a number of rows: 120,000."""
    return f"{n:,}"
