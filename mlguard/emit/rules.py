"""One rule as SQL: when a row breaks it, what is shown of the row, how it is referred to. Pure."""

from __future__ import annotations

from mlguard.emit.objects import DbObject, Kind, Statement, comment, function
from mlguard.emit.pg_expr import to_sql
from mlguard.emit.pg_guard import guard
from mlguard.errors import CompileError, Where
from mlguard.lang.analyse import immutable, lookups_of
from mlguard.lang.tree import Expr
from mlguard.lang.types import UNKNOWN, without_modifier
from mlguard.names import fit, quote_ident, quote_literal
from mlguard.program import Rule, TableProgram

HIDDEN = "not shown (pii)"
COMMENT_BREAKERS = str.maketrans({"\n": " ", "\r": " ", "\t": " "})


def one_line(text: str, width: int = 160) -> str:
    """Return user text fit for a `--` comment: one line of printable characters."""
    flat = " ".join(text.translate(COMMENT_BREAKERS).split())
    flat = "".join(character for character in flat if character.isprintable())
    return flat if len(flat) <= width else flat[: width - 1] + "…"


def literal(text: str) -> str:
    """Return a string literal without the leading blank quote_literal needs in running text."""
    return quote_literal(text).strip()


def expression(rule: Rule) -> Expr:
    """Return the rule's expression; constraints that have none are never asked."""
    assert rule.expr is not None, rule.id
    return rule.expr


def is_fallible(rule: Rule, program: TableProgram) -> bool:
    """Say whether the rule can raise on some row, so that it needs a judge function."""
    parts = [rule.expr, rule.where]
    return any(part is not None and guard(part, None, program.time_zone).whole is not None for part in parts)


def core_broken(rule: Rule, program: TableProgram, row: str | None) -> str:
    """Return the condition that is TRUE exactly where the row breaks the rule; it may raise on a row out of domain."""
    check = to_sql(expression(rule), row, program.time_zone)
    broken = f"({check}) is not true" if rule.nulls_fail else f"not ({check})"
    if rule.where is not None:
        return f"({to_sql(rule.where, row, program.time_zone)}) and {broken}"
    return broken


def broken(rule: Rule, program: TableProgram, row: str | None, *, judged: bool = True) -> str:
    """Return the condition that is TRUE exactly where the row breaks the rule, and that never raises.

    A rule that can raise is evaluated in line where its guard says that it cannot, and by its judge function,
    which catches the error, on the rare row where it could. Where that function does not exist yet (`judged` false),
    such a row counts as broken.
    """
    core = core_broken(rule, program, row)
    if not is_fallible(rule, program):
        return core
    parts = [expression(rule)] if rule.where is None else [expression(rule), rule.where]
    wholes = [guard(part, row, program.time_zone).whole for part in parts]
    safe = " and ".join(f"({whole})" for whole in wholes if whole)
    otherwise = "true"
    if judged:
        prefix = f"{row}." if row else ""
        arguments = ", ".join(prefix + quote_ident(column) for column in rule.columns)
        otherwise = f"not {judge_name(rule)}({arguments})"
    # In parentheses: PL/pgSQL ends the condition of IF at the first THEN outside them.
    return f"(case when {safe} then {core} else {otherwise} end)"


def judge_name(rule: Rule) -> str:
    """Return the qualified name of the rule's judge function.

    Its columns are part of it: CREATE OR REPLACE FUNCTION cannot rename a parameter.
    """
    columns = ", ".join(rule.columns)
    return f"mlguard.{quote_ident(fit(f'judge {rule.id} ({columns})'))}"


class Types(dict[str, str]):
    """The types of a table's columns by name; one that neither file nor database told is asked for in vain."""

    def __init__(self, program: TableProgram, why: str, where: Where | None = None) -> None:
        super().__init__({column.name: str(column.type) for column in program.shape.columns if column.type != UNKNOWN})
        self._why, self._where = why, where

    def __missing__(self, name: str) -> str:
        """Refuse a column of no known type.

        Raises:
            CompileError: always.
        """
        raise CompileError(
            f"{self._why}, and nothing says of what type {one_line(name)} is",
            help="declare its type under columns, or give compile --dsn; plan and apply take it from the database",
            where=self._where,
        )


def judge(rule: Rule, program: TableProgram) -> DbObject:
    """Return the function that says whether a row keeps the rule, an error counting as broken.

    Raises:
        CompileError: the type of a column it takes is declared nowhere, and no database was asked.
    """
    types = Types(program, f"{rule.id} could raise, so a function judges it", rule.where_in_file)
    parameters = ", ".join(f"{quote_ident(column)} {types[column]}" for column in rule.columns)
    # A function keeps no length or precision of its arguments' types.
    argument_types = ", ".join(without_modifier(types[column]) for column in rule.columns)
    reads_tables = any(lookups_of(part) for part in (rule.expr, rule.where) if part is not None)
    pure = all(immutable(part) is None for part in (rule.expr, rule.where) if part is not None)
    volatility = "stable" if reads_tables or not pure else "immutable"
    security = "\nsecurity definer" if reads_tables else ""
    name = judge_name(rule)
    body = (
        f"  return ({core_broken(rule, program, None)}) is not true;\n"
        "exception\n  when others then\n    return false;  -- a rule that errors on a row counts as broken"
    )
    made = function(
        f"{name}({parameters})",
        returns="boolean",
        attributes=f"{volatility} parallel safe{security}\nset search_path = pg_catalog, pg_temp",
        about=f"{one_line(rule.id)}: {one_line(rule.text)}\nCalled only for rows outside the rule's guard.",
        declare=(),
        body=body,
    )
    # A CHECK or WHEN runs it as the writer.
    grant = f"grant execute on function {name}({argument_types}) to public"
    return DbObject(
        table=program.table,
        kind=Kind.FUNCTION,
        name=f"{name}({argument_types})",
        slos=(rule.id,),
        create=(
            Statement(made),
            Statement(grant),
            Statement(comment(f"function {name}({argument_types})", program.table, (rule.id,), made)),
        ),
        drop=(f"drop function if exists {name}({argument_types})",),
        why="evaluates the rule where its expression could raise",
        replaces_in_place=True,
    )


def observed(rule: Rule, program: TableProgram, row: str | None) -> str:
    """Return a jsonb expression: the values the rule looked at, pii values replaced by words."""
    prefix = f"{row}." if row else ""
    pairs = [
        f"{literal(column)}, {literal(HIDDEN) if column in program.pii else prefix + quote_ident(column)}"
        for column in rule.columns
    ]
    # jsonb_build_object takes at most 100 arguments, so 50 columns; later ones are left out of the message.
    return f"jsonb_build_object({', '.join(pairs[:50])})" if pairs else "null"


def whole_row(row: str) -> str:
    """Return the row as one value.

    In a query an alias by itself would mean the column of that name, where the table has one.
    """
    return row if row in ("NEW", "_arrived") else f"({row}.*)"


def key(program: TableProgram, row: str | None, *, rule: Rule | None = None, whole: bool = False) -> str:
    """Return a jsonb expression that refers to the row: its key, or a hash of it where the table declares none.

    For messages (`whole` false) the key is left out where it, or the rule, touches a pii column.
    """
    prefix = f"{row}." if row else ""
    if program.key:
        touches = set(program.key) | (set(rule.columns) if rule else set())
        if not whole and touches & program.pii:
            return "null"
        pairs = ", ".join(f"{literal(column)}, {prefix}{quote_ident(column)}" for column in program.key)
        return f"jsonb_build_object({pairs})"
    if row is None:
        return "null"  # a CHECK cannot name its whole row
    return f"jsonb_build_object('row_hash', left(md5({whole_row(row)}::text), 12))"
