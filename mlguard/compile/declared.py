"""What a file that is compiled without a database must say of its columns. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

from mlguard.errors import Problem
from mlguard.lang.tree import Column
from mlguard.lang.types import Kind
from mlguard.program import Program, Reads, TableProgram
from mlguard.spec import Project

_SHOWN = 5  # names in one message


def untold(project: Project, program: Program) -> tuple[Problem, ...]:
    """Return one problem a table whose SQL has to name a type that neither file nor database told."""
    where = {file.table: file.where(("table",)) for file in project.files}
    problems = []
    for table, made in program.tables.items():
        names = undeclared(made)
        if names:
            shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
            message, name = f"the SQL of {table} needs the type of {shown}", names[0]
        elif made.reads is Reads.VIEW and not made.shape.columns:
            message, name = f"the guarded view of {table} needs its columns", "<name>"
        else:
            continue
        help_ = f"columns: {{{name}: {{type: …}}}}; or give --dsn, to take types from a database"
        problems.append(Problem(message, where[table], help_))
    return tuple(problems)


def undeclared(program: TableProgram) -> tuple[str, ...]:
    """Return the columns whose type nobody told: those that an expression names, and those that are listed."""
    named = {item.name for item in _columns(program) if item.type.kind is Kind.UNKNOWN}
    named |= {item.name for item in program.shape.columns if item.type.kind is Kind.UNKNOWN}
    return tuple(sorted(named))


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
