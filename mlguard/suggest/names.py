"""What names of columns say: identifiers, event times, quantities with ends of their own. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlguard.suggest.facts import Column, Profile

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ID = frozenset({"id", "key", "uuid", "guid", "pk", "sk", "hash", "no", "nr", "number", "code", "ref", "sku"})
_SURE_ID = frozenset({"id", "key", "uuid", "guid", "pk", "sk"})
_NOT_EVENT = frozenset({"birth", "dob", "birthday", "end", "until", "expires", "expiry", "due", "valid"})
_EVENT = ("event", "ts", "timestamp", "occurred", "time", "at", "date", "day", "created", "loaded", "updated")

# Words of a name, and the ends that the quantity has by itself.
_ENDS: tuple[tuple[frozenset[str], int, int, str], ...] = (
    (frozenset({"lat", "latitude"}), -90, 90, "a latitude"),
    (frozenset({"lon", "lng", "long", "longitude"}), -180, 180, "a longitude"),
    (frozenset({"hour"}), 0, 23, "an hour of the day"),
    (frozenset({"minute"}), 0, 59, "a minute of the hour"),
    (frozenset({"month"}), 1, 12, "a month"),
    (frozenset({"quarter"}), 1, 4, "a quarter"),
    (frozenset({"week"}), 0, 53, "a week of the year"),
    (frozenset({"dow", "weekday"}), 0, 7, "a day of the week"),
    (frozenset({"pct", "percent", "percentage", "humid", "humidity"}), 0, 100, "a percentage"),
    (frozenset({"age"}), 0, 130, "an age in years"),
)
_SHARES = frozenset({"share", "rate", "prob", "probability", "proba", "score", "fraction", "ratio", "pct", "percent"})


def words(name: str) -> tuple[str, ...]:
    """Split a name into its words, lower case: customerId is customer, id."""
    return tuple(word.lower() for word in _WORD.findall(name))


def slug(*parts: str) -> str:
    """Return the name of an SLO: words joined by _, without dots and spaces."""
    return re.sub(r"[\W_]+", "_", "_".join(part for part in parts if part)).strip("_")[:120] or "rule"


def is_id(name: str) -> bool:
    """Say whether a name ends like one of an identifier."""
    found = words(name)
    return bool(found) and (found[-1] in _ID or (found[-1].endswith("id") and len(found[-1]) > 4))


def is_surely_id(name: str) -> bool:
    """Say whether a name ends in id, key or uuid, which stand for rows or entities only."""
    found = words(name)
    return bool(found) and found[-1] in _SURE_ID


def natural_ends(name: str, low: Decimal, high: Decimal, *, whole: bool) -> tuple[int, int, str] | None:
    """Return the ends that a quantity has by itself, where its name tells them and all values keep to them."""
    said_words = words(name)
    found = set(said_words)
    if not whole and found & _SHARES and low >= 0 and high <= 1:
        return 0, 1, "a share"
    for said, least, most, what in _ENDS:
        if said_words and said_words[-1] in said and least <= low and high <= most:
            return least, most, what
    return None


def best_time(times: Sequence[Column], found: Profile) -> tuple[Column | None, str]:
    """Choose the event time among columns of times without NULL."""

    def rank(column: Column) -> tuple[int, int]:
        said = words(column.name)
        if set(said) & _NOT_EVENT:
            return len(_EVENT) + 1, column.index
        places = [_EVENT.index(word) for word in said if word in _EVENT]
        return (min(places) if places else len(_EVENT)), column.index

    spread = [column for column in times if found.of(column).low != found.of(column).high]
    if not spread:
        return None, ""
    chosen = min(spread, key=rank)
    if rank(chosen)[0] > len(_EVENT):
        return None, ""
    n = found.rows
    why = (
        f"the only time without NULL among {n:,} rows" if len(spread) == 1 else "of the times without NULL, by its name"
    )
    return chosen, why
