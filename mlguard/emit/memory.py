"""What the triggers of one statement tell each other where who writes cannot write too. Pure.

A setting can be set by anybody, in the middle of a statement too: by a function in its VALUES. A sequence without
grants cannot, and what setval() puts into it is what currval() gives back in the same session, whatever other sessions
do meanwhile. So a number that decides something travels in a sequence; settings carry what at most misleads the one
who sets them.
"""

from __future__ import annotations

from mlguard.emit.objects import DbObject, Kind, Statement, comment
from mlguard.emit.rules import literal
from mlguard.names import fit, quote_ident
from mlguard.program import TableProgram

STATEMENT = "statement"  # a number that no other statement has
LINES = "lines"  # the first number that a line of the change log can have if this statement writes it
ROUTED = "routed"  # the same of reviews
INPUTS = "inputs"  # HELD where an input of the predictions is held, else OPEN
UPSERT = "upsert"  # HELD where the statement may both insert and update
OPEN, HELD = 1, 2


def memory(program: TableProgram, what: str, why: str, *, readable: bool = False) -> DbObject:
    """Return the sequence.

    Args:
        program: the table.
        what: one of the names above.
        why: what plan says.
        readable: whether a condition of a trigger reads it, which is evaluated with the rights of who writes.
    """
    name = _name(program, what)
    made = f"create sequence if not exists {name}"
    grants = [Statement(f"grant select on sequence {name} to public")] if readable else []
    ids = (str(program.table),)
    return DbObject(
        table=program.table,
        kind=Kind.COUNTERS,
        name=f"memory of {what}",
        slos=ids,
        create=(
            Statement(made),
            *grants,
            Statement(comment(f"sequence {name}", program.table, ids, made)),
        ),
        drop=(f"drop sequence if exists {name}",),
        why=why,
        replaces_in_place=True,
    )


def put(program: TableProgram, what: str, value: str) -> str:
    """Return the call that remembers a number greater than 0 (SQL) until the end of the session."""
    return f"pg_catalog.setval({_regclass(program, what)}, {value})"


def anew(program: TableProgram, what: str) -> str:
    """Return the call that remembers a number that was never remembered before."""
    return f"pg_catalog.nextval({_regclass(program, what)})"


def got(program: TableProgram, what: str) -> str:
    """Return the number last put in this session; raises 55000 where none was."""
    return f"pg_catalog.currval({_regclass(program, what)})"


def _name(program: TableProgram, what: str) -> str:
    return f"mlguard.{quote_ident(fit(f'{what} of {program.table}'))}"


def _regclass(program: TableProgram, what: str) -> str:
    return f"{literal(_name(program, what))}::pg_catalog.regclass"
