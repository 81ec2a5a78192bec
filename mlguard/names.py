"""Identifiers and hashes: the one place that quotes, shortens and compares names. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

MAX_BYTES = 63  # NAMEDATALEN - 1 (PostgreSQL manual, 4.1.1); PostgreSQL cuts longer names without an error
HASH_LENGTH = 8
BODY_TAG = "$mlguard$"


def quote_ident(name: str) -> str:
    """Return `name` as a quoted SQL identifier.

    Raises:
        ValueError: the name is empty, holds a NUL, or is longer than PostgreSQL keeps (63 bytes).
    """
    if not name or "\0" in name:
        raise ValueError("an identifier must not be empty or hold a NUL byte")
    if len(name.encode()) > MAX_BYTES:
        raise ValueError(f"identifier of {len(name.encode())} bytes; PostgreSQL keeps {MAX_BYTES}: {name}")
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Return `text` as an SQL string literal that reads the same whatever standard_conforming_strings says.

    Raises:
        ValueError: the text holds a NUL byte, which no PostgreSQL text can.
    """
    if "\0" in text:
        raise ValueError("PostgreSQL text cannot hold a NUL byte")
    doubled = text.replace("'", "''")
    if any(character in text for character in "\\\n\r"):  # a line's end is written out: indenting must not reach it
        return " E'" + doubled.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r") + "'"
    return f"'{doubled}'"


def digest(*parts: str) -> str:
    """Return the first 12 hex digits of SHA-256 over `parts`: enough to tell versions of one object apart."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:12]


def fit(name: str, max_bytes: int = MAX_BYTES) -> str:
    """Return `name`, or where it is too long its beginning and a hash of the whole, within `max_bytes` bytes.

    The arithmetic: max_bytes - 1 (underscore) - 8 (hash) bytes are kept of the name, cut between characters.
    """
    raw = name.encode()
    if len(raw) <= max_bytes:
        return name
    kept = raw[: max_bytes - 1 - HASH_LENGTH].decode(errors="ignore")
    return f"{kept}_{hashlib.sha256(raw).hexdigest()[:HASH_LENGTH]}"


@dataclass(frozen=True, order=True)
class TableName:
    """A schema-qualified table."""

    schema: str
    name: str

    @classmethod
    def parse(cls, text: str) -> TableName:
        """Read `schema.table`; the names are exact, as YAML keys are.

        Raises:
            ValueError: not exactly two parts, or a part PostgreSQL could not keep.
        """
        schema, dot, name = text.partition(".")
        if not dot or not schema or not name or "." in name:
            raise ValueError("write schema.table, for example features.customer")
        quote_ident(schema)
        quote_ident(name)
        return cls(schema, name)

    @property
    def sql(self) -> str:
        """The quoted, qualified name."""
        return f"{quote_ident(self.schema)}.{quote_ident(self.name)}"

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"
