"""The Python interface: the same verbs as the command line, which is built on it.

Every function takes a `target`: a DSN, a psycopg connection, an SQLAlchemy engine, or None for MLGUARD_DSN and
libpq's PG* variables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from mlguard import catalog, catalog_assertions, evaluate, evaluate_holds, members, runtime, runtime_source
from mlguard.apply import Applied, Progress, refuse_breaking, run
from mlguard.compile import compile_project
from mlguard.compile.assertion import tables_read
from mlguard.compile.labels import tables_joined
from mlguard.compile.lint import load_whole
from mlguard.compile.lookups import tables_looked_up
from mlguard.connect import session
from mlguard.emit import gate, gate_partitions, served
from mlguard.emit.objects import LOCK_SHARE_ROWS, DbObject, Kind, Statement
from mlguard.emit.table import objects, quarantine_existing
from mlguard.errors import ApplyError, PlanError, Problem, SpecError
from mlguard.names import TableName, quote_ident
from mlguard.patience import Options
from mlguard.plan import (
    Breaking,
    Foreseen,
    InstalledObject,
    InstalledTable,
    Plan,
    TablePlan,
    fingerprint,
    moves_rows,
    needs_judging,
    plan_removal,
    plan_table,
)
from mlguard.program import Program, TableProgram
from mlguard.report.verdict import Report
from mlguard.spec import Project
from mlguard.spec.project import raise_all

if TYPE_CHECKING:
    import pandas as pd
    import psycopg

    from mlguard.connect import Target
    from mlguard.frames import LoadResult
    from mlguard.local import LocalReport
    from mlguard.suggest import Suggestion

_CONSTRAINTS = (Kind.CHECK, Kind.FOREIGN_KEY, Kind.UNIQUE)
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


def program(project: Project, connection: psycopg.Connection[Any]) -> Program:
    """Compile against the real tables.

    Raises:
        SpecError: as `compile_sql`, with the types of the database.
        CompileError: a table does not exist, is a view, or an SLO cannot be placed on it.
    """
    wanted = [file.table for file in project.files]
    asserted, joined, looked_up = (read(project.files) for read in (tables_read, tables_joined, tables_looked_up))
    with _pinned(connection):
        shapes = catalog.shapes(connection, wanted)
        others = catalog.shapes(connection, looked_up - asserted) if looked_up else {}
        others |= catalog_assertions.shapes(connection, asserted) if asserted else {}
        sources = catalog_assertions.shapes(connection, joined) if joined else {}
        pii = catalog_assertions.personal_columns(connection, joined) if joined else {}
        personal = catalog_assertions.personal(connection) if asserted else frozenset()
        lacking = catalog.lacking_roles(connection, (role for file in project.files for role in file.revoke))
    strangers = [
        Problem(
            f"no role `{role}` on this server",
            file.where(("revoke", place)),
            "correct the name, which is exact, or create the role first",
        )
        for file in project.files
        for place, role in enumerate(file.revoke)
        if role in lacking
    ]
    try:
        compiled = compile_project(project, shapes, others, personal, sources, pii)
    except SpecError as error:
        if strangers:
            raise_all([*error.problems, *strangers])
        raise
    raise_all(strangers)
    return compiled


@contextmanager
def _pinned(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Resolve names in pg_catalog only, so that every name the catalogue prints comes qualified."""
    with connection.transaction():
        connection.execute("set local search_path = ''")
        yield


def installed_tables(connection: psycopg.Connection[Any]) -> dict[str, InstalledTable]:
    """Return what the database holds of mlguard, by table, with each object's health."""
    with _pinned(connection):
        recorded = catalog.installed(connection)
        now = catalog.Definitions(connection)
        found = {}
        for name, guarded in catalog.guarded(connection).items():
            items = []
            for item in recorded.get(name, []):
                definition = now.of(item.kind, name, item.name)
                adopted = not item.undo and item.kind in (Kind.NOT_NULL, Kind.UNIQUE)
                items.append(
                    InstalledObject(
                        kind=item.kind,
                        name=item.name,
                        slos=item.slos,
                        hash=item.hash,
                        undo=item.undo,
                        intact=adopted or fingerprint(definition) == item.recorded,
                        present=adopted or definition is not None,
                        validated=definition is None or not definition.endswith("NOT VALID"),
                    )
                )
            table = TableName.parse(name)
            found[name] = InstalledTable(
                table, guarded.hash, guarded.slos, tuple(items), exists=table in catalog.shapes(connection, [table])
            )
    return found


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


def _runtime_step(connection: psycopg.Connection[Any]) -> str | None:
    """Say what apply must do to the runtime first.

    Raises:
        RuntimeVersionError: the database is ahead of this client.
    """
    wanted = runtime.versions()[-1]
    found = runtime.installed_version(connection)
    if found is None:
        return f"install {wanted}"
    if found == wanted:
        return _repair(connection)
    if found not in runtime.versions():
        runtime.check_version(connection)
    return f"upgrade {found} to {wanted}"


def _repair(connection: psycopg.Connection[Any]) -> str | None:
    """Say what of the runtime itself was changed in the database, and can be put back."""
    changed = [*runtime_source.edited(connection), *(trigger for _, trigger in runtime_source.silent(connection))]
    if not changed:
        return None
    more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
    return f"repair {', '.join(changed[:5])}{more}"


def _regrant(connection: psycopg.Connection[Any], program: TableProgram) -> dict[str, list[Statement]]:
    """Return for each view that cannot be changed in place what gives its readers their rights back.

    CREATE OR REPLACE VIEW can add columns at the end; a renamed, dropped or retyped one needs the view made anew.
    """
    names = (gate.view_name(program.table), served.view_name(program.table))
    views = (*names, *gate_partitions.view_names(program))
    new = [(column.name, column.type) for column in program.shape.columns]
    found = {}
    with _pinned(connection):
        for view, shape in catalog.shapes(connection, views).items():
            old = [(column.name, column.type) for column in shape.columns]
            if shape.relkind == "v" and new[: len(old)] != old:
                found[str(view)] = [
                    Statement(f"grant {privilege} on {view.sql} to {quote_ident(role) if role else 'public'}")
                    for role, privilege in catalog.grants(connection, view)
                ]
    return found


@contextmanager
def _in_haste(connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
    """Wait for no lock longer than `seconds`: reading a table waits where somebody else changes it.

    Raises:
        ApplyError: a lock was not to be had.
    """
    import psycopg

    # One transaction: behind a pooler the setting must stay with these statements, and with no other client's.
    with connection.transaction():
        row = connection.execute("select current_setting('lock_timeout')").fetchone()
        connection.execute("select set_config('lock_timeout', %s, true)", (f"{int(seconds * 1000)}ms",))
        try:
            yield
        except psycopg.errors.LockNotAvailable as error:
            raise ApplyError(
                f"a table is locked by another session; nothing was changed after {seconds:g} s of waiting",
                help="see who holds it: select * from pg_locks where granted and mode = 'AccessExclusiveLock';"
                " or give --lock-timeout",
            ) from error
        connection.execute("select set_config('lock_timeout', %s, true)", (row[0] if row else "0",))


def make_plan(
    project: Project,
    connection: psycopg.Connection[Any],
    *,
    prune: bool = False,
    lock_timeout: float | None = None,
    roles: Mapping[str, Sequence[str]] | None = None,
) -> Plan:
    """`plan` over an open connection; waits for no lock longer than `lock_timeout` seconds."""
    with _in_haste(connection, Options().lock_timeout if lock_timeout is None else lock_timeout):
        made = _planned(project, connection, prune=prune)
        return replace(made, members=members.lacking(connection, roles or {}))


def _planned(project: Project, connection: psycopg.Connection[Any], *, prune: bool) -> Plan:
    wanted = program(project, connection)
    catalog_assertions.examine(connection, wanted)
    step = _runtime_step(connection)
    there = installed_tables(connection) if runtime.installed_version(connection) else {}
    plans: list[TablePlan] = []
    breaking: list[Breaking] = []
    foreseen: list[Foreseen] = []
    for table, found in wanted.tables.items():
        regrant = _regrant(connection, found)
        made = plan_table(found, objects(found), there.get(str(table)), regrant=regrant)
        _refuse_taken_names(connection, made)
        judged = needs_judging(made)
        counts = evaluate.count_breaking(connection, found, judged) if judged else ()
        breaking += counts
        bad = {item.slo for item in counts if item.rows}
        movable = tuple(rule for rule in judged if rule.id in bad and rule.expr is not None)
        if movable and moves_rows(found):
            if found.shape.cascades_out:
                raise PlanError(
                    f"{table}: existing: quarantine would delete rows that {', '.join(found.shape.cascades_out)}"
                    " follows",
                    help="mend those rows by hand, or say existing: allow",
                )
            moves = (Statement(quarantine_existing(found, movable), LOCK_SHARE_ROWS),)
            made = plan_table(found, objects(found), there.get(str(table)), moves, regrant=regrant)
        slos = (*made.added, *made.changed)
        foreseen += evaluate_holds.foresee(connection, found, slos, installed=step is None)
        plans.append(_with_changed_columns(connection, made, there.get(str(table))))
    names = {str(table) for table in wanted.tables}
    orphans = tuple(name for name in there if name not in names) if not project.selection.terms else ()
    if prune:
        plans += [plan_removal(there[name]) for name in orphans]
    return Plan(
        tuple(plans),
        runtime=step,
        breaking=tuple(breaking),
        foreseen=tuple(foreseen),
        orphans=() if prune else orphans,
    )


def _with_changed_columns(
    connection: psycopg.Connection[Any], made: TablePlan, there: InstalledTable | None
) -> TablePlan:
    """Note columns that changed since the last apply: applying again takes them as they are."""
    if there is None or not runtime.is_current(connection):
        return made
    rows = connection.execute("select words from mlguard.schema_faults(%s)", (str(made.table),)).fetchall()
    words = "; ".join(word for (word,) in rows)
    return replace(made, record=True, changed_columns=words) if words else made


def _refuse_taken_names(connection: psycopg.Connection[Any], made: TablePlan) -> None:
    new = [
        step.made.name
        for step in made.steps
        if step.verb == "create" and step.made is not None and step.made.kind in _CONSTRAINTS and step.made.create
    ]
    taken = sorted(catalog.constraints(connection, made.table).intersection(new)) if new else []
    if taken:
        raise PlanError(
            f"{made.table} has a constraint {taken[0]} already, which mlguard did not make",
            help=f"rename it (alter table {made.table.sql} rename constraint {quote_ident(taken[0])} to …),"
            " or give the SLO another name",
        )


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
    with session(target) as connection, _in_haste(connection, CHECK_WAITS):
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
