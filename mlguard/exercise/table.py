"""The examples of one SLO file, compiled: typed columns, the rules that a single row can break. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from mlguard.compile import compile_project, declared_shape
from mlguard.compile.examples import on_one_row
from mlguard.lang.types import UNKNOWN, Kind, SqlType
from mlguard.program import ColumnShape, Program, Rule, TableProgram, TableShape
from mlguard.spec import Project
from mlguard.spec.models import Example, SloFile

NO_TYPE = "column {} has no declared type, and no example gives it a value"


@dataclass(frozen=True)
class Table:
    """One file with its examples."""

    file: SloFile
    program: TableProgram
    rules: tuple[Rule, ...]  # selected, on single rows

    @property
    def examples(self) -> tuple[Example, ...]:
        """The examples, in file order."""
        return self.file.examples

    def untyped(self, rule: Rule) -> str:
        """Return why a rule cannot be judged for want of a column's type, '' where it can."""
        for name in rule.columns:
            column = self.program.shape.column(name)
            if column is None or column.type.kind is Kind.UNKNOWN:
                return NO_TYPE.format(name)
        return ""


@dataclass(frozen=True)
class Seen:
    """What one engine said of one example.

    Attributes:
        broken: names of the rules it breaks.
        undecided: names of rules that were not judged on it, and why.
        error: why none was; '' where the row could be read.
    """

    broken: frozenset[str] = frozenset()
    undecided: Mapping[str, str] = field(default_factory=dict)
    error: str = ""


def declared(project: Project) -> Program:
    """Compile from the declared types; columns without one have the type of the values that examples give them.

    Raises:
        SpecError: every fault of every file.
    """
    compiled = compile_project(project, None)
    shapes = {
        file.table: _with_inferred(declared_shape(file), file.examples, compiled.tables[file.table].named)
        for file in project.files
    }
    return compile_project(project, shapes)


def _with_inferred(shape: TableShape, examples: Sequence[Example], named: Sequence[str]) -> TableShape:
    known = {column.name: column for column in shape.columns}
    names = dict.fromkeys([*known, *named, *(name for example in examples for name in example.row)])
    columns = []
    for name in names:
        column = known.get(name) or ColumnShape(name, UNKNOWN)
        if column.type.kind is Kind.UNKNOWN:
            values = [example.row.get(name) for example in examples]
            column = replace(column, type=_type_of([value for value in values if value is not None]))
        columns.append(column)
    return replace(shape, columns=tuple(columns))


def _type_of(values: Sequence[Any]) -> SqlType:
    if not values:
        return UNKNOWN
    if all(isinstance(value, bool) for value in values):
        return SqlType(Kind.BOOL)
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return SqlType(Kind.INT8)
    if all(isinstance(value, int | Decimal) and not isinstance(value, bool) for value in values):
        return SqlType(Kind.FLOAT8)
    if any(isinstance(value, Mapping | tuple) for value in values):
        return SqlType(Kind.JSONB)
    return SqlType(Kind.TEXT)


def tables(project: Project, compiled: Program) -> tuple[Table, ...]:
    """Return the files that have examples, with the rules that --select asks for."""
    found = []
    for file in project.files:
        if not file.examples:
            continue
        program = compiled.tables[file.table]
        rules = tuple(
            rule
            for rule in program.rules
            if on_one_row(rule) and project.selection.covers(str(rule.table), rule.name, rule.tags)
        )
        found.append(Table(file, program, rules))
    return tuple(found)
