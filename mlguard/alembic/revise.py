"""`mlguard revision`: the difference between SLO files and database, as files of the user's Alembic project."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlguard import planner, runtime
from mlguard.alembic import earlier, runtime_files
from mlguard.alembic.drafts import Change, How, drafts, touched
from mlguard.alembic.project import AlembicProject, Where
from mlguard.apply import broken_words
from mlguard.compile import compile_project
from mlguard.compile.declared import untold
from mlguard.emit.objects import LOCK_SHARE_ROWS, Statement
from mlguard.emit.table import objects, quarantine_existing
from mlguard.errors import PlanError, SpecError
from mlguard.names import TableName
from mlguard.plan import Plan, Step, TablePlan, moves_rows, must_hold, needs_judging, plan_table

if TYPE_CHECKING:
    import psycopg

    from mlguard.spec import Project


@dataclass(frozen=True)
class Written:
    """What `mlguard revision` wrote."""

    files: tuple[Path, ...]
    tables: tuple[TableName, ...]
    baselines: tuple[TableName, ...] = ()  # whose baseline is a file, which is read when it is set
    breaking: tuple[str, ...] = ()  # rules that rows stored here break: an upgrade of this database would fail


def write(
    project: Project,
    message: str,
    connection: psycopg.Connection[Any] | None,
    *,
    where: Where | None = None,
    from_nothing: bool = False,
    prune: bool = False,
    lock_timeout: float = 3.0,
) -> Written:
    """Write what `plan` finds as frozen revisions with upgrade and downgrade; no file where there is nothing to do.

    Args:
        project: the SLO files.
        message: the revisions' message.
        connection: the database; None: no database is asked, and the files' `type:` serve.
        where: the Alembic project.
        from_nothing: write the whole program, as for a database without mlguard.
        prune: also take out guarded tables that are in no SLO file.
        lock_timeout: seconds a statement of the migration may wait for a lock.

    Raises:
        SpecError, CompileError: an SLO file does not fit the database.
        PlanError: there is no Alembic project, its head cannot be told, the database is behind it, or an object was
            changed behind mlguard's back.
    """
    target = AlembicProject(where or Where())
    breaking: tuple[str, ...] = ()
    if connection is None or from_nothing:
        changes, installed, step = _everything(project, connection), None, True
    else:
        target.refuse_behind(connection)
        plan = planner.make_plan(project, connection, prune=prune)
        changes, installed = difference(plan, connection), runtime.installed_version(connection)
        step = plan.runtime is not None
        breaking = tuple(broken_words(plan))
    how = How(message, runtime.versions()[-1], lock_timeout)
    found = drafts(changes, how, runtime_files.draft(message, installed) if step else None)
    tables = tuple(change.plan.table for change in changes)
    read = tuple(file.table for file in project.files if file.table in tables and file.baseline.kind == "file")
    return Written(tuple(target.write(found)), tables, read, breaking)


def _everything(project: Project, connection: psycopg.Connection[Any] | None) -> list[Change]:
    if connection is None:
        compiled = compile_project(project, None)
        if problems := tuple(untold(project, compiled)):
            raise SpecError(f"{len(problems)} types are told nowhere", problems=problems)
    else:
        compiled = planner.program(project, connection)
    return [Change(_with_moves(plan_table(program, objects(program), None))) for program in compiled.tables.values()]


def difference(plan: Plan, connection: psycopg.Connection[Any]) -> list[Change]:
    """Return the changes of a plan, each with what is there before it.

    Raises:
        PlanError: an object was changed behind mlguard's back.
    """
    there = planner.installed_tables(connection) if runtime.installed_version(connection) else {}
    changes = []
    for table in plan.tables:
        if table.empty:
            continue
        installed = there.get(str(table.table))
        if installed is None:
            changes.append(Change(_with_moves(table)))
            continue
        columns = [column.name for column in table.program.shape.columns] if table.program is not None else []
        with connection.transaction():
            connection.execute("set local search_path = ''")
            before = earlier.read(connection, installed, touched(table, installed), columns)
        changes.append(Change(_with_moves(table), installed, before))
    return changes


def _with_moves(table: TablePlan) -> TablePlan:
    """Have rows that break new rules moved where `existing: quarantine` asks for it, even where none does here.

    A migration runs on other databases than the one it was written against.

    Raises:
        PlanError: other tables' rows would go with them.
    """
    program = table.program
    if program is None or not moves_rows(program) or any(step.verb == "move" for step in table.steps):
        return table
    rules = tuple(rule for rule in needs_judging(table) if rule.expr is not None and must_hold(rule))
    if not rules:
        return table
    if program.shape.cascades_out:
        followers = ", ".join(program.shape.cascades_out)
        raise PlanError(
            f"{table.table}: existing: quarantine would delete rows that {followers} follows",
            help="mend those rows by hand, or say existing: allow",
        )
    statement = Statement(quarantine_existing(program, rules), LOCK_SHARE_ROWS)
    move = Step("move", "rows that break new rules, into quarantine", (statement,), (), "existing: quarantine")
    return replace(table, steps=(*table.steps, move))
