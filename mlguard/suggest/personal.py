"""Columns that look like personal data: by name, or by what their values look like. No value is kept or shown. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mlguard.suggest.facts import Profile
from mlguard.suggest.names import words
from mlguard.suggest.statistics import share

LEAST = 20  # values of a column that its looks are judged from
_NAMES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("email",), "an e-mail address"),
    (("mail",), "an e-mail address"),
    (("phone",), "a phone number"),
    (("telephone",), "a phone number"),
    (("mobile", "number"), "a phone number"),
    (("ssn",), "a national id"),
    (("passport",), "a national id"),
    (("iban",), "an account number"),
    (("card", "number"), "a card number"),
    (("surname",), "a person's name"),
    (("firstname",), "a person's name"),
    (("lastname",), "a person's name"),
    (("fullname",), "a person's name"),
    (("first", "name"), "a person's name"),
    (("last", "name"), "a person's name"),
    (("full", "name"), "a person's name"),
    (("customer", "name"), "a person's name"),
    (("user", "name"), "a person's name"),
    (("username",), "a person's name"),
    (("dob",), "a date of birth"),
    (("birthday",), "a date of birth"),
    (("birthdate",), "a date of birth"),
    (("date", "of", "birth"), "a date of birth"),
    (("birth", "date"), "a date of birth"),
    (("street",), "an address"),
    (("home", "address"), "an address"),
    (("ip", "address"), "an IP address"),
)
# Said of something else: email_domain and email_opened are none of these.
_ABOUT = frozenset(
    {"domain", "opened", "verified", "count", "has", "is", "valid", "sent", "type", "hash", "id", "rate"}
)
# What, pattern of the whole value, least share of the values that must look so.
_LOOKS: tuple[tuple[str, re.Pattern[str], float], ...] = (
    ("an e-mail address", re.compile(r"[^@\s]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}"), 0.2),
    ("an account number", re.compile(r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?"), 0.5),
    ("a national id", re.compile(r"[0-9]{3}-[0-9]{2}-[0-9]{4}"), 0.5),
    ("a phone number", re.compile(r"\+[0-9][0-9 ().-]{7,17}[0-9]"), 0.5),
    ("a card number", re.compile(r"[3-6][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{1,7}"), 0.5),
)


def find(found: Profile) -> None:
    """Fill `found.pii`."""
    for column in found.columns:
        said = words(column.name)
        by_name = next((what for wanted, what in _NAMES if _names(wanted, said)), "")
        looks = _looks(found.values.get(column.ref, ())) if column.is_text else ""
        if looks:
            found.pii[column.name] = looks
        elif by_name and not set(said) & _ABOUT and (column.is_text or column.is_time or column.is_number):
            found.pii[column.name] = f"by its name, {by_name}"


def _names(wanted: tuple[str, ...], said: tuple[str, ...]) -> bool:
    size = len(wanted)
    return any(said[at : at + size] == wanted for at in range(len(said) - size + 1))


def _looks(values: Iterable[str | None]) -> str:
    present = [value for value in values if value]
    if len(present) < LEAST:
        return ""
    for what, pattern, least in _LOOKS:
        alike = sum(1 for value in present if pattern.fullmatch(value) and (what != "a card number" or _luhn(value)))
        if alike >= least * len(present):
            return f"{share(alike / len(present))} of {len(present):,} values look like {what}"
    return ""


def _luhn(text: str) -> bool:
    """Check the last digit of a card number (ISO/IEC 7812-1, annex B)."""
    digits = [int(character) for character in text if character.isdigit()][::-1]
    doubled = (d * 2 - 9 * (d > 4) for d in digits[1::2])
    return len(digits) >= 12 and (sum(digits[::2]) + sum(doubled)) % 10 == 0
