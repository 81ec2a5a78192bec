"""What emit hands to plan: database objects as values, each with the SQL that makes and unmakes it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

from mlguard.names import BODY_TAG, TableName, digest, quote_literal


class Kind(Enum):
    """Kinds of generated object, in the order in which they are created; they are dropped in reverse."""

    COUNTERS = "refusal counters"
    FUNCTION = "function"
    NOT_NULL = "NOT NULL"
    UNIQUE = "unique constraint"
    FOREIGN_KEY = "foreign key"
    CHECK = "CHECK"
    ASSERTION = "assertion"
    TRIGGER = "trigger"
    VIEW = "guarded view"
    POLICY = "policy"
    REVOKE = "revoke"


class Phase(Enum):
    """When a statement runs: all of CHANGE in one transaction a table, every other step in its own."""

    PREPARE = "prepare"  # outside a transaction: CREATE INDEX CONCURRENTLY
    CHANGE = "change"
    VALIDATE = "validate"
    FINISH = "finish"


# Words for plan: what a step locks, and for how long (PostgreSQL manual, 13.3.1).
LOCK_NONE = "none"
LOCK_CATALOGUE = "ACCESS EXCLUSIVE, for the catalogue change only"
LOCK_TRIGGER = "SHARE ROW EXCLUSIVE, for the catalogue change only"
LOCK_SCAN = "SHARE UPDATE EXCLUSIVE while existing rows are read; reads and writes go on"
LOCK_REFERENCES = "SHARE ROW EXCLUSIVE on both tables, for the catalogue change only"
LOCK_BOTH_SCAN = "SHARE UPDATE EXCLUSIVE, ROW SHARE on the referenced table, while existing rows are read"
LOCK_SHARE_ROWS = "ROW EXCLUSIVE, and the rows that leave"
LOCK_ASSERTION = "the assertion's own row of mlguard, while its SELECT runs once: COMMITs it judges wait"

# From the weakest to the strongest.
LOCKS = (
    LOCK_NONE,
    LOCK_ASSERTION,
    LOCK_SHARE_ROWS,
    LOCK_BOTH_SCAN,
    LOCK_SCAN,
    LOCK_TRIGGER,
    LOCK_REFERENCES,
    LOCK_CATALOGUE,
)
# What taking an object out locks: ALTER TABLE … DROP and DROP TRIGGER take ACCESS EXCLUSIVE on the table.
DROP_LOCKS = dict.fromkeys(
    (Kind.NOT_NULL, Kind.UNIQUE, Kind.FOREIGN_KEY, Kind.CHECK, Kind.TRIGGER, Kind.POLICY), LOCK_CATALOGUE
)


@dataclass(frozen=True)
class Statement:
    """One SQL statement of an object's making."""

    sql: str
    lock: str = LOCK_NONE
    phase: Phase = Phase.CHANGE


@dataclass(frozen=True)
class DbObject:
    """One generated object.

    `name` is its identity within kind and table; `address` is how PostgreSQL names it (for COMMENT and read-back).
    """

    table: TableName
    kind: Kind
    name: str
    slos: tuple[str, ...]
    create: tuple[Statement, ...]
    drop: tuple[str, ...]
    why: str = ""
    on: TableName | None = None  # the relation it hangs on, where that is not `table` (a partition)
    replaces_in_place: bool = False  # CREATE OR REPLACE: a change needs no drop
    hash: str = field(init=False)

    def __post_init__(self) -> None:
        texts = [statement.sql for statement in self.create]
        if self.kind is Kind.TRIGGER:
            # The runtime copies triggers to partitions that come later and knows only the hash of the table's own.
            texts = [on_table(text, self.relation, self.table) for text in texts]
        object.__setattr__(self, "hash", digest(*texts))

    @property
    def identity(self) -> tuple[str, str]:
        """(kind, name): unique within a table."""
        return (self.kind.name, self.name)

    @property
    def relation(self) -> TableName:
        """The relation the object hangs on."""
        return self.on or self.table


def comment(target: str, table: TableName, slos: tuple[str, ...], body: str) -> str:
    """Return COMMENT ON for a generated object: the SLO it serves (the table, when several) and a hash of its SQL."""
    name = slos[0] if len(slos) == 1 else str(table)
    return f"comment on {target} is {quote_literal(f'mlguard:{name}:{digest(body)}').strip()}"


def on_table(sql: str, relation: TableName, table: TableName) -> str:
    """Return the statements of a trigger on a partition as they would be on its table."""
    return sql.replace(relation.sql, table.sql)


def function(signature: str, *, returns: str, attributes: str, about: str, declare: tuple[str, ...], body: str) -> str:
    """Return CREATE OR REPLACE FUNCTION in the one form all generated functions share."""
    remark = "\n".join(f"-- {line}" for line in about.splitlines())
    # Columns are always qualified in generated queries: a bare name means the variable, whatever columns there are.
    declared = "#variable_conflict use_variable\n" if declare else ""
    declared += "declare\n" + "\n".join(f"  {line};" for line in declare) + "\n" if declare else ""
    quoted = dollar_quote(f"{remark}\n{declared}begin\n{body}\nend")
    head = f"create or replace function {signature}\nreturns {returns}\nlanguage plpgsql\n{attributes}"
    return f"{head}\nas {quoted}"


def dollar_quote(body: str) -> str:
    """Return a body between $mlguard$ tags, or where it holds that text itself, between the first free tag."""
    tag, number = BODY_TAG, 0
    while tag in body:
        number += 1
        tag = f"$mlguard_{number}$"
    return f"{tag}\n{body}\n{tag}"


# A line's end in a quoted name belongs to the name; what looks like a name in a comment or a string is none.
_LINE_ENDS = re.compile(r"""--[^\n]*|E'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\n(?=[^\n])""", re.DOTALL)


def indent(text: str, by: int = 2) -> str:
    """Indent every non-empty line; the lines of a quoted name stay as they are."""
    pad = " " * by
    inner = _LINE_ENDS.sub(lambda found: f"\n{pad}" if found.group() == "\n" else found.group(), text)
    return pad + inner if text and not text.startswith("\n") else inner
