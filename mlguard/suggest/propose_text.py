"""Sets, patterns and lengths of text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import groupby

from mlguard.suggest.engine import Dialect
from mlguard.suggest.facts import Column, Profile, Proposal
from mlguard.suggest.statistics import count, number, rounded, share_up, unseen_below, upper_limit

LEAST_ROWS = 100
MOST_VALUES = 30  # of a set
LEAST_EACH = 2  # a value seen once says that others are to come (Good 1953)
_CLASSES = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "A" * 26 + "a" * 26 + "9" * 10
)
_CLASS = {"A": "[A-Z]", "a": "[a-z]", "9": "[0-9]"}
KNOWN: tuple[tuple[str, str], ...] = (
    ("a UUID", "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"),
    ("an e-mail address", "^[^@[:space:]]+@[A-Za-z0-9.-]+[.][A-Za-z]{2,}$"),
    ("a date", "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
    ("a time", "^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?$"),
    ("an IP address", "^[0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}$"),
    ("an address of the web", "^https?://[^[:space:]]+$"),
    ("a host name", "^[A-Za-z0-9-]+([.][A-Za-z0-9-]+)*[.][a-z]{2,}$"),
)
_LITERAL = frozenset(
    " -_/:#,@%&=!~;<>'\""
)  # stand for themselves in a regular expression; any other sign ends the search
_HEX = re.compile(r"[0-9a-f]+")


def propose(
    column: Column, found: Profile, dialect: Dialect, values: Sequence[tuple[str | None, int, int]] | None
) -> Iterator[Proposal]:
    """Yield a set, else a pattern, else a length.

    Args:
        column: a column of text.
        found: the profile.
        dialect: of the engine that validates.
        values: (value, rows of part 0, rows of part 1) where the column has few values.
    """
    counted = found.of(column)
    if counted.present < LEAST_ROWS:
        return
    personal = column.name in found.pii
    if values is not None and not personal and (line := _set(column, found, values)):
        yield line
        return
    if line := _pattern(column, found, dialect, personal=personal):
        yield line
        return
    if not personal:
        yield from _length(column, found)


def _set(column: Column, found: Profile, values: Sequence[tuple[str | None, int, int]]) -> Proposal | None:
    present = [(value, train, held) for value, train, held in values if value is not None]
    n = sum(train for _, train, _ in present)
    if not 1 <= len(present) <= MOST_VALUES or n < LEAST_ROWS * 0.7:
        return None
    if any(train < LEAST_EACH or not _plain(value) for value, train, _ in present):
        return None
    held = sum(each for _, _, each in present)
    below = share_up(unseen_below(held, found.confidence)) if held else ""
    names = sorted(value for value, _, _ in present)
    least = min(train for _, train, _ in present)
    evidence = (
        f"{len(names)} values, the rarest {count(least)} times in {count(n)} rows; none new in {count(held)} others"
        + (f"; below {below}" if below else "")
    )
    listed = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    return Proposal(column.name, "in", names, evidence, f"{column.ref} in ({listed})")


def _plain(value: str) -> bool:
    return "\\" not in value and len(value) <= 100 and value.isprintable()


def _pattern(column: Column, found: Profile, dialect: Dialect, *, personal: bool) -> Proposal | None:
    texts = [text for text in found.values.get(column.ref, ()) if text is not None]
    if len(texts) < 20 or max(map(len, texts)) >= 200:
        return None
    what, pattern = next(
        ((what, pattern) for what, pattern in KNOWN if all(_python(pattern).search(text) for text in texts)), ("", "")
    )
    if not pattern and not personal:
        what, pattern = _shape(set(texts))
    if not pattern:
        return None
    below = share_up(unseen_below(found.of(column).present, found.confidence))
    evidence = f"{what} in all {count(found.of(column).present)} values; below {below} are not"
    return Proposal(column.name, "matches", pattern, evidence, dialect.matches(column.ref, pattern))


def _python(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("[:space:]", r"\s"))


def _shape(texts: set[str]) -> tuple[str, str]:
    """Return the pattern of codes that are built alike: letters at fixed places, digits in fixed or varying number."""
    if len(texts) < 10:
        return "", ""
    sizes = {len(text) for text in texts}
    if len(sizes) == 1 and (size := sizes.pop()) >= 16 and all(_HEX.fullmatch(text) for text in texts):
        return f"{size} hexadecimal digits", f"^[0-9a-f]{{{size}}}$"
    shapes = [
        [(key, len(list(run))) for key, run in groupby(shape)] for shape in {text.translate(_CLASSES) for text in texts}
    ]
    classes = {tuple(key for key, _ in shape) for shape in shapes}
    if len(classes) != 1:
        return "", ""
    order = classes.pop()
    if not 1 <= len(order) <= 12:
        return "", ""
    parts: list[str] = []
    for place, key in enumerate(order):
        least = min(shape[place][1] for shape in shapes)
        most = max(shape[place][1] for shape in shapes)
        if key not in _CLASS and (most > 1 or not (key.isascii() and key.isprintable())):
            return "", ""
        if least != most and key != "9":
            return "", ""
        one = _CLASS.get(key, key if key in _LITERAL else "[.]" if key == "." else "")
        if not one:
            return "", ""
        parts.append(one if most == 1 else f"{one}{{{least}}}" if least == most else f"{one}+")
    if order == ("a",) or (order == ("A", "a") and len(parts) == 2):
        return "", ""  # words that happen to be of one length
    return "built alike", f"^{''.join(parts)}$"


def _length(column: Column, found: Profile) -> Iterator[Proposal]:
    counted = found.of(column)
    if counted.lengths is None or len(counted.tails[0]) < 2:
        return
    shortest, longest = counted.lengths
    n = count(counted.present)
    low = Decimal(1 if shortest > 0 else 0)
    seen = f"{shortest} to {longest} characters in {n} values"
    if shortest == longest:
        yield _line(column, (Decimal(shortest), Decimal(longest)), f"{shortest} characters in all {n} values")
        return
    top, again = (
        rounded(max(upper_limit(tail, found.confidence), 2 * least), up=True, whole=True)
        for tail, least in ((counted.tails[0], max(counted.tails[0])), (counted.tails[2], longest))
    )
    why = "twice the longest, or where the tail ends"
    fallback = _line(column, (low, again), f"{seen}; {why}; widened, because {{bad}}")
    yield _line(column, (low, top), f"{seen}; {why}", fallback)


def _line(column: Column, ends: tuple[Decimal, Decimal], evidence: str, fallback: Proposal | None = None) -> Proposal:
    low, high = ends
    holds = f"length({column.ref}) between {number(low)} and {number(high)}"
    between: list[Decimal] = [low, high]
    value = between if low == high else {"between": between, "on_violation": "warn"}
    return Proposal(column.name, "length", value, evidence, holds, fallback, 0.001)
