"""The Python interface: the same verbs as the command line, which is built on it.

Every function takes a `target`: a DSN, a psycopg connection, an SQLAlchemy engine, or None for MLGUARD_DSN and
libpq's PG* variables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from mlguard import evaluate, members, runtime, runtime_source
from mlguard.apply import Applied, Progress, refuse_breaking, run
from mlguard.compile import compile_project
from mlguard.compile.lint import load_whole
from mlguard.connect import session
from mlguard.emit.objects import DbObject
from mlguard.emit.table import objects
from mlguard.errors import PlanError
from mlguard.names import TableName
from mlguard.patience import Options
from mlguard.plan import Plan, plan_removal
from mlguard.planner import in_haste, installed_tables, make_plan, program
from mlguard.program import Program
from mlguard.report.verdict import Report
from mlguard.spec import Project

if TYPE_CHECKING:
    import pandas as pd
    import psycopg

    from mlguard.connect import Target
    from mlguard.frames import LoadResult
    from mlguard.local import LocalReport
    from mlguard.suggest import Suggestion

CHECK_WAITS = 30.0  # seconds check waits for a table that somebody is changing

__all__ = ["Applied", "apply", "check", "compile_sql", "load", "plan", "program", "remove", "suggest"]


@overload
def load(path: str | Path | None = None, *, select: Sequence[str] = ()) -> Project: ...
@overload
def load(path: pd.DataFrame, table: str, target: Target = None) -> LoadResult: ...
def load(
    path: str | Path | pd.DataFrame | None = None,
    table: str | None = None,
    target: Target = None,
    *,
    select: Sequence[str] = (),
) -> Project | LoadResult:
    """Load SLO files; or, given a DataFrame and a table, load its rows as one batch (see `mlguard.frames.load_frame`).

    Args:
        path: a folder of `*.slo.yaml` files or one file; None is `slos/`.
        table: with a frame, the table its rows go into.
        target: with a frame, the database.
        select: `table:x`, `tag:y`, `slo:z`; several are alternatives.

    Raises:
        SpecError: every fault of every file at once.
    """
    if path is None or isinstance(path, str | Path):
        return load_whole(Path(path) if path is not None else None, select=select)
    from mlguard.frames import load_frame

    if table is None:
        raise PlanError("a frame goes into a table", help="mlguard.load(frame, 'features.customer', dsn)")
    return load_frame(path, table, target)


def compile_sql(project: Project) -> dict[TableName, tuple[DbObject, ...]]:
    """Compile without a database, from the declared types.

    Raises:
        SpecError: an expression is wrong.
        CompileError: an SLO cannot be placed, or its SQL needs a type that is declared nowhere.
    """
    compiled = compile_project(project, None)
    return {table: objects(found) for table, found in compiled.tables.items()}


def plan(
    project: Project, target: Target = None, *, prune: bool = False, roles: Mapping[str, Sequence[str]] | None = None
) -> Plan:
    """Return what `apply` would do; reads the database, changes nothing.

    Args:
        project: the SLO files.
        target: the database.
        prune: also take out tables that are guarded in the database but in no SLO file.
        roles: role of mlguard's to the database roles that are to be its members.

    Raises:
        SpecError, CompileError: an SLO file does not fit the database.
        RuntimeVersionError: the runtime in the database is newer than this client.
        EngineError: the database could not be reached.
    """
    with session(target) as connection:
        return make_plan(project, connection, prune=prune, roles=roles)


def apply(
    project: Project,
    target: Target = None,
    *,
    prune: bool = False,
    options: Options | None = None,
    progress: Progress | None = None,
    confirm: Callable[[Plan], bool] | None = None,
    roles: Mapping[str, Sequence[str]] | None = None,
) -> Applied:
    """Make the database what the SLO files say.

    Args:
        project: the SLO files.
        target: the database.
        prune: also take out tables that are in no SLO file.
        options: lock timeout and attempts.
        progress: called before every statement.
        confirm: shown the plan; False changes nothing.
        roles: role of mlguard's to the database roles that are to be its members.

    Raises:
        PlanError: stored rows break a rule under `existing: fail`; nothing was changed.
        ApplyError: a lock could not be had or PostgreSQL refused; every table is either done or as it was.
    """
    with session(target) as connection:
        patience = options.lock_timeout if options else None
        made = make_plan(project, connection, prune=prune, lock_timeout=patience, roles=roles)
        refuse_breaking(made)
        if made.empty or (confirm is not None and not confirm(made)):
            return Applied()
        if made.runtime:
            runtime.install(connection)
            runtime_source.restore(connection)
        applied = run(connection, made, options or Options(), progress)
        applied.runtime = made.runtime
        _set_baselines(project, connection)
        members.grant(connection, made.members)
        return applied


def _set_baselines(project: Project, connection: psycopg.Connection[Any]) -> None:
    """Read the files that `baseline:` names, once each; a path is relative to its SLO file.

    Raises:
        PlanError: a file cannot be read, or lacks the columns.
    """
    from mlguard.operate.baseline import set_from_file

    for file in project.files:
        if file.baseline.kind != "file":
            continue
        path = Path(file.path).parent / file.baseline.path
        known = connection.execute(
            "select from mlguard._baseline where tbl = %s and kind = 'file' and source = %s and state = 'frozen'",
            (str(file.table), path.name),
        ).fetchone()
        if known is None:
            set_from_file(connection, str(file.table), path)


def remove(
    tables: Iterable[str] | None,
    target: Target = None,
    *,
    discard: bool = False,
    runtime_too: bool = False,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Applied:
    """Take every object of some tables (None: of all) out again.

    Args:
        tables: names; None for all.
        target: the database.
        discard: drop waiting quarantine rows with them.
        runtime_too: with `tables` None, also drop schema mlguard.
        options: lock timeout and attempts.
        progress: called before every statement.

    Raises:
        PlanError: a table is not guarded, or has waiting quarantine rows and `discard` was not said.
    """
    with session(target) as connection:
        runtime.check_version(connection)
        there = installed_tables(connection)
        names = list(there) if tables is None else list(tables)
        for name in names:
            if name not in there:
                raise PlanError(
                    f"{name} is not guarded here", help=f"guarded: {', '.join(sorted(there)) or 'no table'}"
                )
        waiting = dict(
            connection.execute(
                "select tbl, count(*) from mlguard._quarantine where status = 'waiting' and tbl = any(%s) group by tbl",
                (names,),
            ).fetchall()
        )
        if waiting and not discard:
            listed = ", ".join(f"{name} ({count})" for name, count in waiting.items())
            raise PlanError(
                f"rows wait in quarantine: {listed}; nothing was removed",
                help="release or discard them first (mlguard quarantine list), or say --discard-quarantine",
            )
        removal = Plan(tuple(plan_removal(there[name]) for name in names))
        applied = run(connection, removal, options or Options(), progress)
        if tables is None and runtime_too:
            runtime.uninstall(connection, discard=discard)
        return applied


def _selected(report: Report, project: Project, compiled: Program) -> Report:
    """Keep the verdicts that --select asks for; whole tables are judged, since one scan judges all of one."""
    chosen = {
        rule.id
        for table in compiled.tables.values()
        for rule in table.rules
        if project.selection.covers(str(table.table), rule.name, rule.tags)
    }
    return Report(tuple(verdict for verdict in report.verdicts if verdict.slo in chosen), report.engine)


@overload
def check(project: Project, target: Target = None) -> Report: ...
@overload
def check(
    project: Any,
    target: str | Path | Project | None = None,
    *,
    slo: str | Path | Project | None = None,
    table: str | None = None,
    data: Mapping[str, Any] | None = None,
    batch_by: str | None = None,
    as_of: datetime | None = None,
) -> LocalReport: ...
def check(
    project: Any,
    target: Any = None,
    *,
    slo: str | Path | Project | None = None,
    table: str | None = None,
    data: Mapping[str, Any] | None = None,
    batch_by: str | None = None,
    as_of: datetime | None = None,
) -> Report:
    """Judge every SLO on the rows stored now; or, given data, on that data, without a server.

    `check(project, dsn)` asks the database. `check(frame, 'features.customer')` judges a pandas, polars or Arrow frame,
    a DuckDB relation or a path by `slos/`; see `mlguard.local.judge`, which takes several tables at once.

    Args:
        project: the SLO files; or the data.
        target: the database; with data the table it stands for.
        slo: with data, the SLO files: a folder, a file, or a loaded project; None is `slos/`.
        table: with data, the table it stands for; not needed where the SLO files are of one table.
        data: further tables by name, for lookups.
        batch_by: with data, the column that tells batches apart.
        as_of: with data, when it is judged; None: now.

    Raises:
        SpecError, CompileError: an SLO file does not fit the database, or the data.
        PlanError: data cannot be read, or is of a table without SLOs.
        ApplyError: a table was locked for longer than CHECK_WAITS seconds.
        EngineError: the database could not be reached, or DuckDB is not installed.
    """
    if not isinstance(project, Project):
        from mlguard.local import judge

        wanted = table if table is not None else target
        files = slo if isinstance(slo, Project) else load_whole(Path(slo) if slo is not None else None)
        if wanted is None:
            if len(files.files) != 1:
                names = ", ".join(str(file.table) for file in files.files)
                raise PlanError(
                    "which table does the data stand for?", help=f"mlguard.check(data, table), one of {names}"
                )
            wanted = str(files.files[0].table)
        return judge(files, {str(wanted): project, **(data or {})}, batch_by=batch_by, as_of=as_of)
    with session(target) as connection, in_haste(connection, CHECK_WAITS):
        compiled = program(project, connection)
        waived: frozenset[str] = frozenset()
        judges: frozenset[str] = frozenset()
        if runtime.installed_version(connection):
            runtime.check_version(connection)
            waived = frozenset(
                slo
                for (slo,) in connection.execute("select id from mlguard.slo where waived_until is not null").fetchall()
            )
            judges = frozenset(name for (name,) in connection.execute("select tbl from mlguard.gate").fetchall())
            # Windows that closed since the last sweep are judged first: check says what is so now. Where nothing can be
            # written down, on a standby or by who may not, the last judgement stands.
            may = connection.execute(
                "select has_function_privilege('mlguard.sweep(timestamptz)', 'execute')"
                " and current_setting('transaction_read_only') = 'off'"
            ).fetchone()
            if may and may[0]:
                connection.execute("select mlguard.sweep()")
        report = evaluate.check(connection, tuple(compiled.tables.values()), waived=waived, judges=judges)
    return _selected(report, project, compiled)


def suggest(
    source: Any,
    table: str | None = None,
    target: Target = None,
    *,
    event_time: str | None = None,
    history: bool = False,
    group: bool = False,
    confidence: float = 0.99,
    sample: int | None = None,
    update: str | Path | None = None,
) -> Suggestion:
    """Propose an SLO file from data, each line with its evidence; `str()` of the result is the file.

    Args:
        source: `schema.table` of the database; a path, folder, pattern or URI of Parquet, CSV or JSON lines;
            `x.duckdb:table`; or a pandas or polars frame, an Arrow table, a DuckDB relation.
        table: `schema.table` the file is about; None for the source's own name.
        target: the database, for a table of it.
        event_time: the column that orders rows; None to look for one.
        history: learn limits over windows too: days of event time, or the files of a folder.
        group: fold lines that many columns share into groups.
        confidence: of every bound, from 0.5 to below 1.
        sample: rows that tails and different values are taken from; None: 5 million of files, 200,000 of a table.
        update: an SLO file whose text is added to; the result holds the new text, the file stays as it is.

    Raises:
        EngineError: the source cannot be read.
        PlanError: an option does not fit it.
        SpecError: `update` is about another table.
    """
    from mlguard.suggest import Options as How
    from mlguard.suggest import suggest as propose

    how = How(table, event_time, history, group, confidence, sample)
    return propose(source, how, target=target, update=update)
