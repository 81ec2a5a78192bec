"""What mlguard costs on a table: its own rows written again, into temporary copies with each object on and off.

Nothing is written into the table, and no lock on it is held while anything is measured: columns, constraints, triggers
and a sample of rows are copied first, in a transaction of their own. Each measured statement runs in a transaction that
is rolled back, so what triggers append to schema mlguard goes too.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from mlguard.emit.rules import broken
from mlguard.errors import ApplyError, PlanError
from mlguard.names import TableName, quote_ident
from mlguard.operate.ask import as_rows, guarded_table, pinned, require_runtime, values
from mlguard.program import Level

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

    from mlguard.program import TableProgram

ROWS, ROUNDS, LOCK_SECONDS = 5000, 7, 3.0
SAMPLE, PLAIN, WHOLE = "mlguard_bench_sample", "mlguard_bench_plain", "mlguard_bench_whole"

_CONSTRAINTS = """
select c.conname as name, c.contype::text as kind, pg_get_constraintdef(c.oid) as definition,
       coalesce(o.slos, '{}') as slos, o.tbl is not null as ours
from pg_catalog.pg_constraint as c
left join mlguard.object as o
  on o.tbl = %(table)s and o.name = c.conname and o.kind in ('CHECK', 'FOREIGN_KEY')
where c.conrelid = %(oid)s and c.contype in ('c', 'f')
order by c.conname
"""
_TRIGGERS = """
select g.tgname as name, pg_get_triggerdef(g.oid) as definition, g.tgrelid::regclass::text as relation,
       coalesce((select array_agg(distinct s.slo order by s.slo)
                 from mlguard.object as o cross join unnest(o.slos) as s (slo)
                 where o.tbl = %(table)s and (o.name = g.tgname or o.name like g.tgname || ' on %%')), '{}') as slos,
       g.tgtype & 4 > 0 as on_insert
from pg_catalog.pg_trigger as g
where g.tgrelid = %(oid)s and g.tgname like 'zz\\_mlguard\\_%%' and not g.tgisinternal and g.tgenabled <> 'D'
order by g.tgname
"""
_COLUMNS = """
select a.attname from pg_catalog.pg_attribute as a
where a.attrelid = %(oid)s and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
order by a.attnum
"""
_OID = """
select c.oid::bigint from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname || '.' || c.relname = %(table)s
"""


@dataclass(frozen=True)
class Constraint:
    """A CHECK or foreign key of the table."""

    name: str
    kind: str  # pg_constraint.contype
    definition: str
    slos: list[str]
    ours: bool


@dataclass(frozen=True)
class Trigger:
    """A trigger that mlguard made."""

    name: str
    definition: str
    relation: str
    slos: list[str]
    on_insert: bool


@dataclass(frozen=True)
class Cost:
    """Time that writing takes, or that an object adds to it, in microseconds; medians of all rounds."""

    name: str
    kind: str
    slos: tuple[str, ...]
    row: float  # a row, in a statement of many
    statement: float  # a statement of one row


@dataclass(frozen=True)
class RuleCost:
    """Time that evaluating the condition of one rule takes, in microseconds a row."""

    slo: str
    row: float


@dataclass(frozen=True)
class Bench:
    """What writing into a table costs, without mlguard, with it, and object by object, the dearest first."""

    table: str
    rows: int
    rounds: int
    plain: Cost
    whole: Cost
    objects: tuple[Cost, ...]
    rules: tuple[RuleCost, ...]
    skipped: tuple[tuple[str, str], ...]  # what was not measured, and why
    own_bytes: int  # schema mlguard on disk

    @property
    def ratio(self) -> float:
        """How many times as long a row takes in a statement of many."""
        return self.whole.row / self.plain.row if self.plain.row else 1.0

    @property
    def statement_ratio(self) -> float:
        """How many times as long a statement of one row takes."""
        return self.whole.statement / self.plain.statement if self.plain.statement else 1.0


def bench(
    connection: psycopg.Connection[Any],
    table: str,
    *,
    program: TableProgram | None = None,
    rows: int = ROWS,
    rounds: int = ROUNDS,
    lock_timeout: float = LOCK_SECONDS,
    progress: Callable[[str, int, int], None] | None = None,
) -> Bench:
    """Measure a guarded table.

    Args:
        connection: of the owner of the table and of mlguard's functions, in autocommit mode.
        table: `schema.table`.
        program: what the SLO files say of it; then the condition of each row rule is timed by itself too.
        rows: of the table's own that are written again.
        rounds: how often each is measured; medians count.
        lock_timeout: seconds to wait for the table while it is copied.
        progress: called with (what, done, of how many).

    Raises:
        PlanError: the table is not guarded, or has no rows.
        ApplyError: the table was locked for longer than `lock_timeout`.
    """
    require_runtime(connection)
    guarded_table(connection, table)
    try:
        copies, skipped, taken, insert = _copy(connection, table, rows, lock_timeout)
        costs = _measured(connection, copies, skipped, insert, rounds, taken, progress)
        plain, whole = costs.pop(PLAIN), costs.pop(WHOLE)
        added = [_added(cost, plain) for cost in costs.values()]
        conditions = _conditions(connection, program, taken, rounds) if program is not None else []
        (own,) = values(connection, _OWN_BYTES)
        return Bench(
            table,
            taken,
            rounds,
            plain,
            whole,
            tuple(sorted(added, key=lambda cost: -cost.row)),
            tuple(sorted(conditions, key=lambda cost: -cost.row)),
            tuple(skipped),
            own,
        )
    finally:
        if not connection.closed:
            _forget(connection)


def _forget(connection: psycopg.Connection[Any]) -> None:
    """Drop the copies; whatever else the session has stays."""
    names = values(
        connection,
        "select c.relname from pg_catalog.pg_class as c"
        " where c.relnamespace = pg_my_temp_schema() and c.relkind = 'r' and starts_with(c.relname, 'mlguard_bench_')",
    )
    if names:
        _run(connection, f"drop table {', '.join(f'pg_temp.{quote_ident(name)}' for name in names)}")


_OWN_BYTES = """
select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
from pg_catalog.pg_class as c
where c.relnamespace = 'mlguard'::regnamespace and c.relkind in ('r', 'p', 'm')
"""


@dataclass(frozen=True)
class Copy:
    """A temporary table with some of the objects."""

    name: str
    object: str
    kind: str
    slos: tuple[str, ...]


@contextmanager
def _patient(connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
    import psycopg

    try:
        with pinned(connection):
            connection.execute("select set_config('lock_timeout', %s, true)", (f"{int(seconds * 1000)}ms",))
            yield
    except psycopg.errors.LockNotAvailable as error:
        raise ApplyError(
            f"the table was locked by another session for longer than {seconds:g} s; nothing was measured",
            help="try again, or give --lock-timeout",
        ) from error


def _copy(
    connection: psycopg.Connection[Any], table: str, rows: int, lock_timeout: float
) -> tuple[dict[str, Copy], list[tuple[str, str]], int, str]:
    """Make the temporary tables; return them by name, what is left out, how many rows there are, and what is run."""
    with _patient(connection, lock_timeout):
        oid = values(connection, _OID, table=table)[0]
        name = TableName.parse(table)
        columns = ", ".join(quote_ident(column) for column in values(connection, _COLUMNS, oid=oid))
        constraints = as_rows(connection, Constraint, _CONSTRAINTS, oid=oid, table=table)
        triggers = as_rows(connection, Trigger, _TRIGGERS, oid=oid, table=table)
        _run(connection, f"create temp table {SAMPLE} as select {columns} from {name.sql} limit {rows:d}")
        taken = values(connection, f"select count(*) from pg_temp.{SAMPLE}")[0]
        if not taken:
            raise PlanError(f"{table} has no rows to write again", help="load some first")
        skipped = [
            (one.name, "a foreign key; a temporary table cannot have it") for one in constraints if one.kind == "f"
        ]
        checks = [one for one in constraints if one.kind == "c" and one.ours]
        own = [one for one in constraints if one.kind == "c" and not one.ours]
        wanted = [trigger for trigger in triggers if trigger.on_insert and "assertion" not in trigger.name]
        skipped += [
            (trigger.name, "judges an assertion, whose lock would make other COMMITs wait")
            for trigger in triggers
            if trigger.on_insert and "assertion" in trigger.name
        ]
        copies = {PLAIN: Copy(PLAIN, "plain", "", ()), WHOLE: Copy(WHOLE, "with mlguard", "", ())}
        parts: dict[str, list[str]] = {PLAIN: [], WHOLE: []}
        for number, check in enumerate(checks):
            alone = f"mlguard_bench_check_{number}"
            copies[alone] = Copy(alone, check.name, "CHECK", tuple(check.slos))
            parts[alone] = [_constraint(alone, check)]
            parts[WHOLE].append(_constraint(WHOLE, check))
        for number, trigger in enumerate(wanted):
            alone = f"mlguard_bench_trigger_{number}"
            copies[alone] = Copy(alone, trigger.name, "trigger", tuple(trigger.slos))
            parts[alone] = [_moved(trigger, alone)]
            parts[WHOLE].append(_moved(trigger, WHOLE))
        for copy, statements in parts.items():
            like = f"(like {name.sql} including all excluding constraints excluding statistics)"
            _run(connection, f"create temp table {copy} {like}")
            for one in own:
                _run(connection, _constraint(copy, one))
            for statement in statements:
                _run(connection, statement)
        _run(connection, f"analyze pg_temp.{SAMPLE}")
    insert = f"({columns}) overriding system value select {columns} from pg_temp.{SAMPLE}"
    return copies, skipped, taken, insert


def _constraint(copy: str, one: Constraint) -> str:
    valid = one.definition.removesuffix(" NOT VALID")
    return f"alter table pg_temp.{copy} add constraint {quote_ident(one.name)} {valid}"


def _moved(trigger: Trigger, copy: str) -> str:
    """Return the definition with another table in it."""
    place = f" ON {trigger.relation} "
    if trigger.definition.count(place) != 1:
        raise PlanError(f"the trigger {trigger.name} cannot be copied: its text names {trigger.relation} twice")
    return trigger.definition.replace(place, f" ON pg_temp.{copy} ")


def _run(connection: psycopg.Connection[Any], text: str) -> None:
    connection.execute(text.encode())


def _measured(
    connection: psycopg.Connection[Any],
    copies: dict[str, Copy],
    skipped: list[tuple[str, str]],
    insert: str,
    rounds: int,
    rows: int,
    progress: Callable[[str, int, int], None] | None,
) -> dict[str, Cost]:
    """Write the sample into every copy, round by round, so that what else the machine does falls on all of them."""
    import psycopg

    many: dict[str, list[float]] = {name: [] for name in copies}
    one: dict[str, list[float]] = {name: [] for name in copies}
    for turn in range(rounds + 1):
        for name, copy in list(copies.items()):
            if progress is not None:
                progress(f"round {turn} of {rounds}: {copy.object}", turn, rounds + 1)
            try:
                spent = _spent(connection, f"insert into pg_temp.{name} {insert}")
                single = min(_spent(connection, f"insert into pg_temp.{name} {insert} limit 1") for _ in range(3))
            except psycopg.Error as error:
                words = (error.diag.message_primary or str(error)).strip()
                if name in (PLAIN, WHOLE):
                    raise PlanError(f"the table's own rows cannot be written again: {words}") from error
                skipped.append((copy.object, "some of the table's own rows break it"))
                del copies[name]
                continue
            if turn:  # the first fills caches and plans
                many[name].append(spent)
                one[name].append(single)
    return {
        name: Cost(copy.object, copy.kind, copy.slos, median(many[name]) / rows, median(one[name]))
        for name, copy in copies.items()
    }


def _spent(connection: psycopg.Connection[Any], insert: str) -> float:
    """Run one statement with all that COMMIT would judge, and roll it back; return microseconds."""
    with connection.transaction(force_rollback=True):
        spent = _explained(connection, insert)
        began = perf_counter()
        connection.execute("set constraints all immediate")
        return spent + (perf_counter() - began) * 1e6


def _explained(connection: psycopg.Connection[Any], query: str) -> float:
    """Run a statement and return how long the server took for it and its triggers, in microseconds."""
    # Without parameters, or psycopg would look for placeholders in names.
    row = connection.execute(f"explain (analyze, timing off, summary on, format json) {query}".encode()).fetchone()
    return float(row[0][0]["Execution Time"]) * 1000 if row is not None else 0.0


def _added(cost: Cost, plain: Cost) -> Cost:
    """Return what an object adds; what noise takes away is none."""
    return Cost(
        cost.name, cost.kind, cost.slos, max(cost.row - plain.row, 0.0), max(cost.statement - plain.statement, 0.0)
    )


def _conditions(connection: psycopg.Connection[Any], program: TableProgram, rows: int, rounds: int) -> list[RuleCost]:
    """Time the condition of each row rule over the sample, less what reading the sample takes."""
    found = []
    base = median(_read(connection, "true") for _ in range(rounds))
    for rule in program.rules:
        if rule.level is not Level.ROW or rule.expr is None:
            continue
        condition = broken(rule, program, "r")
        spent = median(_read(connection, condition) for _ in range(rounds))
        found.append(RuleCost(rule.id, max(spent - base, 0.0) / rows))
    return found


def _read(connection: psycopg.Connection[Any], condition: str) -> float:
    query = f"select count(*) filter (where {condition}) from pg_temp.{SAMPLE} as r"
    return _explained(connection, query)
