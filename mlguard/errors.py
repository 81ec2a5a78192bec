"""The exception tree of mlguard; imports nothing of the project.

MlguardError
├── SpecError            an SLO file or mlguard.yaml is wrong (all faults at once: `problems`)
├── CompileError         a well-formed file asks for something that cannot be placed
├── PlanError            wanted and installed cannot be reconciled
├── ApplyError           the database refused or could not finish a step
├── RuntimeVersionError  client and in-database runtime do not fit each other
├── EngineError          the engine could not be reached or is not supported
├── EvaluationError      a verdict could not be reached
└── SloViolation         an SLO refused a write or a read (see mlguard.violation)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

QUOTED = 160  # characters of a source line that a fault quotes
TOLD = 100  # faults that are written out; more of them tell nobody anything


class Exit(IntEnum):
    """Exit codes of the command line."""

    HOLDS = 0
    VIOLATED = 1
    USAGE = 2
    ENGINE = 3
    PLAN_NOT_EMPTY = 4


@dataclass(frozen=True, order=True)
class Where:
    """A place in a file: 1-based line and column, with the quoted source line; line 0: `file` is a name in code."""

    file: str
    line: int
    column: int
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True)
class Problem:
    """One fault: what is so, where, and what to do about it."""

    message: str
    where: Where | None = None
    help: str = ""

    @property
    def words(self) -> str:
        """The fault without the place in a file, which reports show beside it; a name in code is part of the words."""
        named = f"{self.where}: " if self.where and not self.where.line else ""
        return named + self.message

    def render(self) -> str:
        """Return the fault as a person reads it, with the quoted line and a caret under the column."""
        parts = [f"{self.where}: {self.message}" if self.where else self.message]
        if self.where and self.where.text:
            number = str(self.where.line or " ")
            pad = " " * len(number)
            line = self.where.text.expandtabs(1)
            # A long line is shown around the column.
            start = max(0, self.where.column - 1 - QUOTED // 2) if len(line) > QUOTED else 0
            shown = line[start : start + QUOTED]
            parts.append(f" {pad} |")
            parts.append(f" {number} | {shown}")
            parts.append(f" {pad} | {' ' * min(self.where.column - 1 - start, QUOTED)}^")
        if self.help:
            parts.append(f"   help: {self.help}")
        return "\n".join(parts)


class MlguardError(Exception):
    """Something mlguard cannot do, said with place, reason and remedy."""

    exit_code: Exit = Exit.USAGE

    def __init__(
        self, message: str, *, help: str = "", where: Where | None = None, problems: Sequence[Problem] = ()
    ) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems) or (Problem(message, where, help),)
        self.message = message
        self.help = help
        self.where = where
        super().__init__(message)

    def __str__(self) -> str:
        lines = [problem.render() for problem in self.problems[:TOLD]]
        more = len(self.problems) - TOLD
        return "\n".join([*lines, f"and {more} more"] if more > 0 else lines)


class SpecError(MlguardError):
    """An SLO file or mlguard.yaml is wrong."""


class CompileError(MlguardError):
    """A well-formed SLO cannot be placed on this table."""


class PlanError(MlguardError):
    """Wanted and installed cannot be reconciled."""


class ApplyError(MlguardError):
    """The database refused a step, or could not finish it."""

    exit_code = Exit.ENGINE


class RuntimeVersionError(MlguardError):
    """Client and in-database runtime do not fit each other."""

    exit_code = Exit.ENGINE


class EngineError(MlguardError):
    """The engine could not be reached, is too old, or lacks a privilege."""

    exit_code = Exit.ENGINE


class EvaluationError(MlguardError):
    """A verdict could not be reached."""

    exit_code = Exit.ENGINE
