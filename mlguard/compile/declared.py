"""What a file that is compiled without a database must say of its columns. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

from mlguard.errors import Problem
from mlguard.lang.tree import Column
from mlguard.program import Program, Reads, TableProgram
from mlguard.spec import Project

_SHOWN = 5  # names in one message


def untold(project: Project, program: Program) -> tuple[Problem, ...]:
    """Return one problem a guarded view that lists the declared columns only, where there must be more."""
    where = {file.table: file.where(("table",)) for file in project.files}
    problems = []
    for table, made in program.tables.items():
        names = undeclared(made)
        if made.reads is not Reads.VIEW or not (names or not made.shape.columns):
            continue
        shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        message = f"the guarded view of {table} lists the columns that its file declares"
        message += f", which {shown} {'are' if len(names) > 1 else 'is'} not" if names else ": none"
        name = names[0] if names else "<name>"
        help_ = f"columns: {{{name}: {{type: …}}}}; or mlguard compile --dsn …, which takes columns from the database"
        problems.append(Problem(message, where[table], help_))
    return tuple(problems)


def undeclared(program: TableProgram) -> tuple[str, ...]:
    """Return the columns of the table that its expressions name and its file does not declare."""
    declared = {column.name for column in program.shape.columns}
    told = {item.name for item in _columns((program.rules, program.event_time))} | set(program.key)
    return tuple(sorted(told - declared))


def _columns(value: object) -> Iterator[Column]:
    if isinstance(value, Column):
        yield value
    elif is_dataclass(value) and not isinstance(value, type):
        for item in fields(value):
            yield from _columns(getattr(value, item.name))
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _columns(part)
    elif isinstance(value, tuple | list | frozenset):
        for part in value:
            yield from _columns(part)
