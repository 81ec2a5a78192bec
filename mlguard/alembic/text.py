"""Statements as the body of a function of an Alembic revision, read alike here, there and offline. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mlguard.errors import PlanError

INDENT = "    "
MARK = "# written by mlguard revision"
# As sqlalchemy.text() reads its argument: `:name` is a parameter, `\:` stands for a colon.
_PARAMETER = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
_ESCAPED = re.compile(r"\\(:\w*)(?![:\w])")


@dataclass(frozen=True)
class Part:
    """Statements that belong together: one transaction, or (autocommit) each its own."""

    statements: tuple[str, ...]
    autocommit: bool = False
    about: str = ""


@dataclass(frozen=True)
class Draft:
    """One revision file to be."""

    message: str
    upgrade: tuple[Part, ...]
    downgrade: tuple[Part, ...]


def body(parts: Iterable[Part]) -> str:
    """Return the statements of a function, to stand at the first level of indentation.

    Raises:
        PlanError: a statement holds a tab, which Alembic replaces where it prints SQL.
    """
    blocks = []
    for part in parts:
        if not part.statements and not part.autocommit:
            continue
        head = [f"{INDENT}# {part.about}"] if part.about else []
        if part.autocommit:
            head.append(f"{INDENT}with op.get_context().autocommit_block():")
        depth = 2 if part.autocommit else 1
        calls = [execute(sql, depth) for sql in part.statements] or [f"{INDENT * depth}pass"]
        blocks.append("\n".join([*head, *calls]))
    # A template puts the text behind four blanks of its own.
    return f"{MARK}\n" + "\n\n".join(blocks) if blocks else "pass"


def execute(sql: str, depth: int = 1) -> str:
    """Return the call that runs one statement exactly as it is."""
    if "\t" in sql:
        raise PlanError(
            "a name or text of the SLO files holds a tab, which `alembic upgrade --sql` would print as blanks",
            help="write it without the tab, or use mlguard apply",
        )
    pad = INDENT * depth
    if (escaped := escape(sql)) is not None:
        return f"{pad}op.execute({quoted(escaped)})"
    # sa.DDL knows no parameters, and reads % as Python does.
    return f"{pad}op.execute(sa.DDL({quoted(sql.replace('%', '%%'))}))"


def escape(sql: str) -> str | None:
    r"""Return `sql` with its colons written so that sqlalchemy.text() gives it back; None where no spelling does."""
    protected = _ESCAPED.sub(lambda found: "\\" + found.group(), sql)
    written = _PARAMETER.sub(lambda found: "\\" + found.group(), protected)
    read = _ESCAPED.sub(lambda found: found.group(1), written)
    return written if read == sql and not _PARAMETER.search(written) else None


def quoted(text: str) -> str:
    """Return a Python literal, written so that the text stands in the file as it is wherever that is possible."""
    if "\n" not in text and len(text) < 80:
        for quote in ('"', "'"):
            if quote not in text and "\\" not in text:
                return f"{quote}{text}{quote}"
    for fence in ('"""', "'''"):
        framed = f"r{fence}\n{text}\n{fence}"
        if fence not in text and "\r" not in text:
            return framed
    lines = "\n".join(repr(line) for line in text.splitlines(keepends=True))
    return f"(\n{lines}\n)"
