"""The catalogue of learned series: what each is, how it is steadied, and which direction is bad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Class = Literal["share", "count", "information", "location"]
Side = Literal["up", "down", "both"]

TABLE = ""
"""The column name of the series that belong to the whole table."""


class Series(NamedTuple):
    """One learned series: a metric of a column, of the table (`TABLE`), or of a column and its partner."""

    column: str
    metric: str
    partner: str = ""


@dataclass(frozen=True)
class Kind:
    """How a metric is judged.

    Args:
        steadied: Which transform makes its variance steady, and which noise a sample of k rows has.
        side: The direction that is bad.
        factor: Multiplies the limit. Above 1 for what the world moves by itself: distributions, decimals, new pairs.
        meaning: What the number is, for people.
    """

    steadied: Class
    side: Side
    factor: float
    meaning: str


KINDS: dict[str, Kind] = {
    "null": Kind("share", "both", 1, "share of rows without a value"),
    "same": Kind("share", "up", 1, "share of rows that hold what the row at their place held last time"),
    "mean": Kind("location", "both", 1.5, "mean"),
    "magnitude": Kind("location", "both", 1.5, "mean of ln |x| over the numbers other than 0"),
    "negative": Kind("share", "both", 1, "share of numbers below 0"),
    "grid": Kind("share", "up", 1.5, "share of numbers with more decimals than usual"),
    "far": Kind("share", "up", 2, "share of numbers far outside the usual range"),
    "ks": Kind("share", "up", 1.5, "largest difference of the cumulated distribution from the usual one"),
    "spike": Kind("share", "up", 1, "largest rise of the share of any one value"),
    "linf": Kind("share", "up", 1, "largest rise or fall of the share of any one value"),
    "overlap": Kind("share", "both", 1, "overlap with the previous distribution of values"),
    "new": Kind("share", "up", 1, "share of values never seen before"),
    "shape": Kind("share", "up", 1, "share of values whose shape was never seen before"),
    "rows": Kind("count", "both", 1, "rows"),
    "repeats": Kind("share", "up", 1, "share of rows equal to another one in every column"),
    "pair": Kind("share", "up", 1.25, "share of rows whose two values were never seen together"),
    "dependence": Kind("information", "down", 1, "how much of one column the other explains"),
    "nulls": Kind("share", "up", 1, "share of rows where exactly one of the two has no value"),
}
"""Every judged metric by name."""

PAIR_METRICS = frozenset({"pair", "dependence", "nulls"})
"""Metrics of two columns."""
SCALES = {"mean": "deviation", "magnitude": "logdeviation"}
"""For each location metric, the measured but not judged metric that its scale is learned from."""
