"""Run a plan against the database. A table's changes are one transaction; scans of existing rows come after it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from mlguard import catalog
from mlguard.emit import after_statement, buckets, states
from mlguard.emit.objects import (
    LOCK_CATALOGUE,
    LOCK_REFERENCES,
    LOCK_TRIGGER,
    DbObject,
    Kind,
    Phase,
    Statement,
)
from mlguard.errors import ApplyError, PlanError
from mlguard.names import TableName, quote_ident
from mlguard.patience import Options, patiently, transaction
from mlguard.plan import Plan, Step, TablePlan, fingerprint, program_hash
from mlguard.program import Existing, TableProgram
from mlguard.record import Record, of_rule, of_table

if TYPE_CHECKING:
    import psycopg

# The triggers without which states no longer say what the rows are.
COUNTING = re.compile(r"mlguard_after_(rows|labels|attributes)_")
STRONG = frozenset({LOCK_CATALOGUE, LOCK_REFERENCES, LOCK_TRIGGER})  # they bar writers while they are held
ONE_AT_A_TIME = 0x6D6C6775  # advisory lock key ('mlgu'): two applies wait for each other
Progress = Callable[[str, int, int], None]  # what is being done, how many steps are done, of how many


@dataclass
class Applied:
    """What apply did."""

    tables: list[TableName] = field(default_factory=list)
    moved: dict[TableName, int] = field(default_factory=dict)
    unvalidated: list[str] = field(default_factory=list)


def refuse_breaking(plan: Plan) -> None:
    """Raise where stored rows break rules that `existing: fail` protects.

    Raises:
        PlanError: names every such rule with its count; nothing was changed.
    """
    programs = {table.table: table.program for table in plan.tables}
    faults = []
    for found in plan.breaking:
        table = TableName.parse(found.slo.partition("/")[0])
        program = programs.get(table)
        if (
            found.rows
            and program is not None
            and (program.existing is Existing.FAIL or (found.refused and program.existing is not Existing.ALLOW))
        ):
            faults.append(f"{found.slo}: {found.words or f'{found.rows} of {found.total} stored rows break it'}")
    if faults:
        raise PlanError(
            "stored rows already break rules; nothing was changed:\n  " + "\n  ".join(faults),
            help="mend the rows, or say in the SLO file `existing: quarantine` (moves them out) or `existing: allow`"
            " (leaves them, the rule holds for new writes)",
        )


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
        max(1, sum(len(step.statements) for step in table.steps)) + (_recount(table) is not None) for table in todo
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
    finally:
        if not connection.closed:
            connection.execute("select pg_advisory_unlock(%s)", (ONE_AT_A_TIME,))


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
    recount = _recount(table)

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
            _seed_freshness(connection, table)
            _remember_objects(connection, table)
            if recount is not None:  # until the rows are counted a plan finds the function outdated
                _remember_hash(connection, recount, "")
            _forget(connection, table)
            _watch_columns(connection, table)
            _event(connection, table)

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


def _recount(table: TablePlan) -> DbObject | None:
    """Return the function that counts stored rows, where they must be counted: states of a new kind, other partitions.

    A trigger that is made anew counts too: while it was gone it did not fire.
    """
    if table.program is None or not states.recount_name(table.program):
        return None
    recount = next(
        item for item in states.objects(table.program) if item.name == states.recount_signature(table.program)
    )
    touched = [item for step in table.steps for item in (step.made, step.gone) if item is not None]
    moved = any(item.kind is Kind.TRIGGER and COUNTING.search(item.name) for item in touched)
    return recount if moved or any(item.identity == recount.identity for item in touched) else None


def _backfill(connection: psycopg.Connection[Any], table: TablePlan, options: Options, counter: _Counter) -> None:
    """Count the stored rows once, so that the sum of states is what the table holds.

    The runtime does it in one statement, whose snapshot holds exactly the rows whose states it replaces.
    """
    recount = _recount(table)
    if recount is None:
        return
    counter.step(f"{table.table}: count stored rows")

    def work() -> None:
        with transaction(connection, options):
            connection.execute("select mlguard.backfill_v1(%s)", (str(table.table),))
            # A table with enough history has its baseline at once; the others get it from a sweep.
            connection.execute("select mlguard._sweep_baselines(statement_timestamp())")
            _remember_hash(connection, recount, recount.hash)

    left = "its rules stand, its stored rows are not counted: run `mlguard apply` again"
    patiently(options, table.table, work, left=left)


def _remember_hash(connection: psycopg.Connection[Any], item: DbObject, text: str) -> None:
    connection.execute(
        "update mlguard._object set hash = %s where tbl = %s and kind = %s and name = %s",
        (text, str(item.table), item.kind.name, item.name),
    )


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
            _remember_definitions(connection, table, [step for step, _ in pending])

    patiently(options, table.table, work, left="the rule holds for new writes")


def _upsert(connection: psycopg.Connection[Any], table: str, key: str, record: Record, extra: str) -> None:
    names = [*record.values, "hash"]
    columns = ", ".join(quote_ident(name) for name in names)
    values = ", ".join(f"%({name})s" for name in names)
    updates = ", ".join(f"{quote_ident(name)} = excluded.{quote_ident(name)}" for name in names if name != key)
    connection.execute(
        f"insert into mlguard.{quote_ident(table)} as old ({columns}) values ({values})"
        f" on conflict ({quote_ident(key)}) do update set {updates}{extra}"
        " where old.hash is distinct from excluded.hash".encode(),
        {**record.values, "hash": record.hash},
    )


def remember_table(connection: psycopg.Connection[Any], program: TableProgram) -> None:
    """Write the table and its SLOs into the registry; what is there and the same stays untouched."""
    _upsert(
        connection,
        "_table",
        "tbl",
        of_table(program),
        ", applied_at = statement_timestamp(), applied_by = session_user",
    )
    for rule in program.rules:
        _upsert(connection, "_slo", "id", of_rule(rule), ", version = old.version + 1, since = statement_timestamp()")


def _remember_objects(connection: psycopg.Connection[Any], table: TablePlan) -> None:
    dropped = [step.gone.name for step in table.steps if step.gone is not None]
    kinds = [step.gone.kind.name for step in table.steps if step.gone is not None]
    connection.execute(
        "delete from mlguard._object where tbl = %s and (kind, name) in (select * from unnest(%s::text[], %s::text[]))",
        (str(table.table), kinds, dropped),
    )
    made = [step for step in table.steps if step.made is not None]
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into mlguard._object (tbl, kind, name, slos, hash, definition_hash, undo)"
            " values (%s, %s, %s, %s, %s, '', %s)"
            " on conflict (tbl, kind, name) do update set slos = excluded.slos, hash = excluded.hash,"
            " undo = excluded.undo, installed_at = statement_timestamp()",
            [
                (str(table.table), item.kind.name, item.name, list(item.slos), item.hash, list(item.drop))
                for item in (step.made for step in made)
                if item is not None
            ],
        )
    _remember_definitions(connection, table, made)


def _remember_definitions(connection: psycopg.Connection[Any], table: TablePlan, steps: list[Step]) -> None:
    """Read PostgreSQL's own definitions back, in the transaction that made the objects."""
    made = [step.made for step in steps if step.made is not None]
    if not made:
        return
    now = catalog.Definitions(connection, {item.kind for item in made})
    with connection.cursor() as cursor:
        cursor.executemany(
            "update mlguard._object set definition_hash = %s where tbl = %s and kind = %s and name = %s",
            [
                (
                    fingerprint(now.of(item.kind, str(table.table), item.name)),
                    str(table.table),
                    item.kind.name,
                    item.name,
                )
                for item in made
            ],
        )


def _seed_freshness(connection: psycopg.Connection[Any], table: TablePlan) -> None:
    """Start the freshness log of a table that has rows already."""
    program = table.program
    if program is None or not after_statement.tracks_freshness(program):
        return
    newly = any(
        step.made is not None and step.made.kind is Kind.FUNCTION and "after removal" in step.made.name
        for step in table.steps
    )
    if newly:
        at = buckets.event_time(program, "t")
        connection.execute(
            f"select mlguard.refreshed_v1({_parameter(str(program.table))}, (select max({at})"
            f" from {program.table.sql} as t where {at} <= statement_timestamp()))".encode()
        )


def _parameter(text: str) -> str:
    from mlguard.emit.rules import literal

    return literal(text)


def _forget(connection: psycopg.Connection[Any], table: TablePlan) -> None:
    if table.removed:
        connection.execute("delete from mlguard._slo where id = any(%s)", (list(table.removed),))
    if table.program is None:
        # Allowed only once somebody has said that they may go; the rows stay on record, nobody can release them.
        connection.execute(
            "update mlguard._quarantine set status = 'discarded', decided_at = statement_timestamp(),"
            " decided_by = session_user, reason = 'mlguard remove' where tbl = %s and status = 'waiting'",
            (str(table.table),),
        )
        for private in ("_object", "_freshness", "_state", "_bucket", "_sample", "_pairing", "_recount_due", "_table"):
            connection.execute(f"delete from mlguard.{private} where tbl = %s".encode(), (str(table.table),))


def _watch_columns(connection: psycopg.Connection[Any], table: TablePlan) -> None:
    """Take the columns as they are now for what they should be, which reopens a gate that a change of them closed."""
    if table.program is not None:
        name = str(table.table)
        connection.execute("select mlguard.remember_schema_v1(%s, %s)", (name, list(table.program.named)))
        connection.execute("select mlguard._judge_schema(%s)", (name,))


def _event(connection: psycopg.Connection[Any], table: TablePlan) -> None:
    from psycopg.types.json import Jsonb

    after = {
        "added": list(table.added),
        "changed": list(table.changed),
        "removed": list(table.removed),
        "steps": [f"{step.verb} {step.what}" for step in table.steps],
        "hash": program_hash(table.program) if table.program else None,
    }
    connection.execute(
        "insert into mlguard._event (who, act, target, after) values (session_user, %s, %s, %s)",
        ("apply" if table.program else "remove", str(table.table), Jsonb(after)),
    )
