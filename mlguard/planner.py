"""Makes the plan of a change: compiles against the real tables, compares with the database; reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlguard import catalog, catalog_assertions, evaluate, evaluate_holds, members, runtime, runtime_source
from mlguard.compile import compile_project
from mlguard.compile.assertion import tables_read
from mlguard.compile.labels import tables_joined
from mlguard.compile.lookups import tables_looked_up
from mlguard.emit import gate, gate_partitions, served
from mlguard.emit.objects import LOCK_SHARE_ROWS, Kind, Statement
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
from mlguard.spec import Project
from mlguard.spec.project import raise_all

if TYPE_CHECKING:
    import psycopg

_CONSTRAINTS = (Kind.CHECK, Kind.FOREIGN_KEY, Kind.UNIQUE)


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
def in_haste(connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
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
    with in_haste(connection, Options().lock_timeout if lock_timeout is None else lock_timeout):
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
