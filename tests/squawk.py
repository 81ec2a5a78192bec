"""squawk, a linter of PostgreSQL migrations, and the rules of it that are off, each with its reason."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from mlguard.alembic.text import Draft, Part

SETTINGS = {
    "require-statement-timeout": "a scan takes as long as the table is large; what waits for locks has lock_timeout",
}
OF_RULES = {
    "ban-drop-constraint": "a proof that NOT NULL has replaced, or a rule that the SLO file no longer holds",
}
# apply does beside the printed text what a migration writes out: transactions, lock_timeout, half-built indexes.
BY_APPLY = {
    "require-lock-timeout": "apply sets it, and the printed text says that apply runs it",
    "prefer-robust-stmts": "apply runs each phase in a transaction, and drops a half-built index before it builds one",
}
OF_CHANGE = {
    "adding-not-nullable-field": "PostgreSQL skips the scan: the file validated a CHECK that proves it, just before",
}
OF_AUTOCOMMIT = {
    "require-lock-timeout": "CREATE INDEX CONCURRENTLY and VALIDATE block neither readers nor writers while they wait",
    "prefer-robust-stmts": "each is its own transaction, and run again does the rest; a half-built index is dropped",
}
# A downgrade takes out what mlguard made and nothing else.
OF_REMOVAL = {
    "ban-drop-function": "generated, and called by generated objects only",
    "ban-drop-not-null": "an SLO made it NOT NULL",
    "ban-drop-sequence": "what a statement's triggers tell each other",
    "ban-drop-view": "the guarded view goes with the guard",
}
OWN = "of schema mlguard, which is made or changed in one transaction"
OF_RUNTIME = {
    "adding-not-nullable-field": OWN,
    "ban-drop-column": OWN,
    "ban-drop-schema": OWN,
    "ban-drop-sequence": OWN,
    "ban-drop-table": OWN,
    "ban-drop-type": OWN,
    "constraint-missing-not-valid": OWN,
    "prefer-bigint-over-int": "numbers of SLOs, positions and small counts; ids of rows are bigint",
    "prefer-bigint-over-smallint": "positions within one SLO",
    "prefer-text-field": "Alembic's own version table",
    "renaming-object": "private functions " + OWN,
    "require-concurrent-index-creation": OWN,
    "require-concurrent-index-deletion": OWN,
    "require-lock-timeout": OWN,
}


def lint(sql: str, off: Iterable[str], *options: str) -> None:
    done = subprocess.run(
        [
            Path(sys.executable).with_name("squawk"),
            "--pg-version",
            "14.0",
            "--reporter",
            "gcc",
            "--exclude",
            ",".join(off),
            *options,
        ],
        input=sql,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def of_parts(parts: Sequence[Part], off: dict[str, str]) -> None:
    for part in parts:
        text = "".join(f"{sql};\n" for sql in part.statements)
        if part.autocommit:
            lint(text, [*SETTINGS, *OF_AUTOCOMMIT, *off])
        else:
            lint(text, [*SETTINGS, *off], "--assume-in-transaction")


def of_drafts(drafts: Sequence[Draft]) -> None:
    """Lint revision files of tables, both ways."""
    for draft in drafts:
        of_parts(draft.upgrade, {**OF_RULES, **OF_CHANGE, **OF_REMOVAL})
        of_parts(draft.downgrade, {**OF_RULES, **OF_CHANGE, **OF_REMOVAL})
