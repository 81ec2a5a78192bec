"""Judge assertions on the rows stored now: how many rows each returns, and in which words that is said."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlguard.emit.assertions import count_rows
from mlguard.plan import Breaking, acts_on_rows
from mlguard.program import Rule, TableProgram

if TYPE_CHECKING:
    import psycopg

SAMPLES = 3
SAYS = "says"  # the column of the result in which a row says what is wrong with it
WIDTH = 80  # characters of one value, as in the messages of the runtime


@dataclass(frozen=True)
class Returned:
    """What an assertion returned."""

    rows: int
    sample: tuple[dict[str, Any], ...]  # the first rows, by their key columns; () where values are not shown
    seconds: float
    says: str = ""  # what the first row says of itself

    @property
    def words(self) -> str:
        """As the refusal of a COMMIT says it: `the assertion returns 1 row (name Joe)`."""
        if self.says:
            more = f", and {self.rows - 1} more" if self.rows > 1 else ""
            key = ", ".join(f"{name} {_shown(value)}" for name, value in self.sample[0].items())
            return f"{self.says} ({key}){more}"
        found = "the assertion returns " + ("1 row" if self.rows == 1 else f"{self.rows} rows")
        shown = ["; ".join(", ".join(f"{name} {_shown(value)}" for name, value in row.items()) for row in self.sample)]
        if self.sample and self.rows > len(self.sample):
            shown.append(f"and {self.rows - len(self.sample)} more")
        return f"{found} ({'; '.join(shown)})" if self.sample else found


def count(connection: psycopg.Connection[Any], program: TableProgram, rule: Rule) -> Returned:
    """Run an assertion's SELECT.

    Raises:
        psycopg.DatabaseError: PostgreSQL could not run it.
    """
    began = time.perf_counter()
    with connection.transaction():
        # As the judge at COMMIT runs it; a policy that would hide rows is an error rather than a good verdict.
        connection.execute("set local search_path = ''")
        connection.execute("set local row_security = off")
        row = connection.execute(count_rows(rule, sample=SAMPLES).encode()).fetchone()
    assert row is not None
    says = str(row[1][0].pop(SAYS, "")) if row[1] else ""
    sample = tuple(_key(found, program.key) for found in row[1] or ())
    return Returned(row[0], sample, time.perf_counter() - began, says)


def breaking(connection: psycopg.Connection[Any], program: TableProgram, rules: Sequence[Rule]) -> list[Breaking]:
    """Return what the assertions among `rules` that may refuse or hold return on the stored rows."""
    found = []
    for rule in rules:
        if acts_on_rows(rule):
            returned = count(connection, program, rule)
            found.append(Breaking(rule.id, returned.rows, 0, returned.words, returned.seconds, refused=True))
    return found


def _key(row: dict[str, Any], key: tuple[str, ...]) -> dict[str, Any]:
    return {name: row[name] for name in key if name in row} or row


def _shown(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "NULL" if value is None else str(value).lower()
    text = " ".join(str(value).split()) or "''"
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}…"
