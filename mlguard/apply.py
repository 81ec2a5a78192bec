"""Run a plan against the database. A table's changes are one transaction; scans of existing rows come after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from mlguard import ledger
from mlguard.emit.objects import LOCK_CATALOGUE, LOCK_REFERENCES, LOCK_TRIGGER, Phase, Statement
from mlguard.errors import ApplyError, PlanError
from mlguard.names import TableName
from mlguard.patience import Options, patiently, transaction
from mlguard.plan import Plan, Step, TablePlan
from mlguard.program import Existing, TableProgram

if TYPE_CHECKING:
    import psycopg

STRONG = frozenset({LOCK_CATALOGUE, LOCK_REFERENCES, LOCK_TRIGGER})  # they bar writers while they are held
ONE_AT_A_TIME = 0x6D6C6775  # advisory lock key ('mlgu'): two applies wait for each other
Progress = Callable[[str, int, int], None]  # what is being done, how many steps are done, of how many


@dataclass
class Applied:
    """What apply did."""

    tables: list[TableName] = field(default_factory=list)
    moved: dict[TableName, int] = field(default_factory=dict)
    unvalidated: list[str] = field(default_factory=list)
    runtime: str | None = None  # 'install 0004' or 'upgrade 0003 to 0004'


def refuse_breaking(plan: Plan) -> None:
    """Raise where stored rows break rules that `existing: fail` protects.

    Raises:
        PlanError: names every such rule with its count; nothing was changed.
    """
    faults = broken_words(plan)
    if faults:
        raise PlanError(
            "stored rows already break rules; nothing was changed:\n  " + "\n  ".join(faults),
            help="mend the rows, or say in the SLO file `existing: quarantine` (moves them out) or `existing: allow`"
            " (leaves them, the rule holds for new writes)",
        )


def broken_words(plan: Plan) -> list[str]:
    """Return the rules that stored rows break and may not, each with its count."""
    programs = {table.table: table.program for table in plan.tables}
    faults = []
    for found in plan.breaking:
        program = programs.get(TableName.parse(found.slo.partition("/")[0]))
        if (
            found.rows
            and program is not None
            and (program.existing is Existing.FAIL or (found.refused and program.existing is not Existing.ALLOW))
        ):
            faults.append(f"{found.slo}: {found.words or f'{found.rows} of {found.total} stored rows break it'}")
    return faults


def run(connection: psycopg.Connection[Any], plan: Plan, options: Options, progress: Progress | None = None) -> Applied:
    """Apply the plan.

    Args:
        connection: outside a transaction; it is put into autocommit mode for the duration.
        plan: what to do; its pre-flight counts decide whether it may be done.
        options: patience.
        progress: called before every statement.

    Raises:
        PlanError: stored rows break a rule that may not be broken.
        ApplyError: a lock could not be had in time, or PostgreSQL refused a statement; tables done before it stay
            done, the table at fault is as it was.
    """
    refuse_breaking(plan)
    applied = Applied()
    todo = [table for table in plan.tables if not table.empty]
    total = sum(
        max(1, sum(len(step.statements) for step in table.steps)) + (ledger.recount(table) is not None)
        for table in todo
    )
    counter = _Counter(progress, total)
    with _autocommit(connection), _alone(connection, options):
        for table in todo:
            _prepare(connection, table, options, counter)
            _change(connection, table, options, counter, applied)
            _backfill(connection, table, options, counter)
            _afterwards(connection, table, options, counter, applied)
            applied.tables.append(table.table)
    return applied


class _Counter:
    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def step(self, what: str, steps: int = 1) -> None:
        if self._progress:
            self._progress(what, self._done, self._total)
        self._done += steps


@contextmanager
def _autocommit(connection: psycopg.Connection[Any]) -> Iterator[None]:
    import psycopg

    if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        raise ApplyError("the connection is inside a transaction", help="commit or roll back before apply")
    before = connection.autocommit
    connection.autocommit = True
    try:
        yield
    finally:
        if not connection.closed:
            connection.autocommit = before


@contextmanager
def _alone(connection: psycopg.Connection[Any], options: Options) -> Iterator[None]:
    """Hold the session lock that lets one apply run at a time."""
    got = connection.execute("select pg_try_advisory_lock(%s)", (ONE_AT_A_TIME,)).fetchone()
    if not got or not got[0]:
        raise ApplyError(
            "another mlguard apply or remove is running in this database", help="wait for it, then try again"
        )
    try:
        yield
    except BaseException:
        if not connection.closed:
            _unlock(connection)
        raise
    if not _unlock(connection):
        raise ApplyError(
            "everything was done, but the lock that lets one apply run at a time was taken in another session: a"
            " connection pooler in transaction mode stands between",
            help="give apply and remove a DSN of the server itself; the lock goes with the pooler's connection to it"
            " (RECONNECT in pgbouncer's console)",
        )


def _unlock(connection: psycopg.Connection[Any]) -> bool:
    """Give the session lock back; false where this session does not hold it."""
    held = connection.execute("select pg_catalog.pg_advisory_unlock(%s)", (ONE_AT_A_TIME,)).fetchone()
    return bool(held and held[0])


def _prepare(connection: psycopg.Connection[Any], table: TablePlan, options: Options, counter: _Counter) -> None:
    """Build indexes outside any transaction; one left half-built by an interrupted run is dropped first."""
    for step, statement in table.in_phase(Phase.PREPARE):
        counter.step(f"{table.table}: {step.what}")
        assert step.made is not None
        index = TableName(table.table.schema, step.made.name)
        found = connection.execute(
            "select i.indisvalid from pg_index as i join pg_class as c on c.oid = i.indexrelid"
            " join pg_namespace as n on n.oid = c.relnamespace where n.nspname = %s and c.relname = %s",
            (index.schema, index.name),
        ).fetchone()
        if found and found[0]:
            continue
        if found:
            patiently(options, table.table, partial(_plainly, connection, f"drop index concurrently {index.sql}"))
        try:
            patiently(options, table.table, partial(_plainly, connection, statement.sql))
        except ApplyError:
            _plainly(connection, f"drop index concurrently if exists {index.sql}")
            raise


def _plainly(connection: psycopg.Connection[Any], sql: str) -> None:
    connection.execute(sql.encode())


def _change(
    connection: psycopg.Connection[Any], table: TablePlan, options: Options, counter: _Counter, applied: Applied
) -> None:
    recount = ledger.recount(table)

    def work() -> None:
        with transaction(connection, options):
            if table.program is not None:
                remember_table(connection, table.program)
            mode = _mode(table, counts=recount is not None)
            for step, statement in table.in_phase(Phase.CHANGE):
                counter.step(f"{table.table}: {step.what}")
                if mode and statement.lock in STRONG:
                    _lock(connection, table.table, mode)
                    mode = None
                cursor = connection.execute(statement.sql.encode())
                if step.verb == "move":
                    moved = cursor.fetchone()
                    applied.moved[table.table] = applied.moved.get(table.table, 0) + (moved[0] if moved else 0)
            if mode:
                _lock(connection, table.table, mode)
            _write(connection, ledger.after_change(table))

    patiently(options, table.table, work)


def _mode(table: TablePlan, *, counts: bool) -> str | None:
    """Return the strongest lock on its table that the change needs.

    It is taken at once: a weaker one that grows would bar writers while it waits for readers, and a session that reads
    and then writes would wait for us as we do for it, until PostgreSQL ends one of the two.
    """
    locks = {statement.lock for _, statement in table.in_phase(Phase.CHANGE)}
    if LOCK_CATALOGUE in locks:
        return "access exclusive"
    # States that writers now under way append may lack new ones: the recount must come after them.
    return "share row exclusive" if counts or locks & STRONG else None


def _lock(connection: psycopg.Connection[Any], table: TableName, mode: str) -> None:
    (exists,) = connection.execute("select to_regclass(%s) is not null", (table.sql,)).fetchone() or (False,)
    if exists:
        connection.execute(f"lock table {table.sql} in {mode} mode".encode())


def _backfill(connection: psycopg.Connection[Any], table: TablePlan, options: Options, counter: _Counter) -> None:
    """Count the stored rows once, so that the sum of states is what the table holds.

    The runtime does it in one statement, whose snapshot holds exactly the rows whose states it replaces.
    """
    recount = ledger.recount(table)
    if recount is None:
        return
    counter.step(f"{table.table}: count stored rows")

    def work() -> None:
        with transaction(connection, options):
            _write(connection, ledger.count_rows(recount))

    left = "its rules stand, its stored rows are not counted: run `mlguard apply` again"
    patiently(options, table.table, work, left=left)


def _afterwards(
    connection: psycopg.Connection[Any], table: TablePlan, options: Options, counter: _Counter, applied: Applied
) -> None:
    """Validate constraints in a transaction of their own, then, in another, do what depends on their being valid.

    One ALTER TABLE validates all of a table's constraints in one scan. Where it fails they are tried one by one, so
    that those which hold are done and the others are named.
    """
    for phase in (Phase.VALIDATE, Phase.FINISH):
        pending = table.in_phase(phase)
        if not pending:
            continue
        counter.step(f"{table.table}: {phase.value} {len(pending)} constraints", len(pending))
        alters = [item for item in pending if item[1].sql.startswith("alter table ")]
        for together in [alters, *([item] for item in pending if item not in alters)]:
            try:
                _after(connection, table, together, options)
            except ApplyError:
                for one in together:
                    try:
                        _after(connection, table, [one], options)
                    except ApplyError as exc:
                        applied.unvalidated.append(f"{one[0].what}: {exc.message}")
        if applied.unvalidated:
            break
    if applied.unvalidated:
        raise ApplyError(
            "new writes are guarded, but stored rows could not all be judged:\n  " + "\n  ".join(applied.unvalidated),
            help="mend the rows that break the rule, then run `mlguard apply` again: it takes up where it stopped",
        )


def _after(
    connection: psycopg.Connection[Any], table: TablePlan, pending: list[tuple[Step, Statement]], options: Options
) -> None:
    if not pending:
        return
    head = f"alter table {table.table.sql} "
    assert len(pending) == 1 or all(statement.sql.startswith(head) for _, statement in pending)
    alters = ",\n  ".join(statement.sql.removeprefix(head) for _, statement in pending)
    sql = head + alters if len(pending) > 1 else pending[0][1].sql

    def work() -> None:
        with transaction(connection, options):
            connection.execute(sql.encode())
            _write(connection, ledger.read_back(table.table, [step for step, _ in pending]))

    patiently(options, table.table, work, left="the rule holds for new writes")


def remember_table(connection: psycopg.Connection[Any], program: TableProgram) -> None:
    """Write the table and its SLOs into the registry; what is there and the same stays untouched."""
    _write(connection, ledger.table_and_slos(program))


def _write(connection: psycopg.Connection[Any], statements: Iterable[str]) -> None:
    for sql in statements:
        connection.execute(sql.encode())
