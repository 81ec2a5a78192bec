"""A plan as revision files to be: what to do, and what takes it back. Reads the plan as apply does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from mlguard import ledger
from mlguard.alembic import frame
from mlguard.alembic.earlier import Earlier
from mlguard.alembic.text import Draft, Part
from mlguard.emit.objects import DbObject, Kind, Phase, Statement
from mlguard.emit.table import objects
from mlguard.names import TableName
from mlguard.plan import InstalledObject, InstalledTable, Step, TablePlan, plan_removal

LATER = "each in a transaction of its own, under locks that let reads and writes go on"


@dataclass(frozen=True)
class Change:
    """One table's change, with what is needed to take it back.

    Attributes:
        plan: the steps.
        installed: what is there now; None where the table is not guarded yet.
        earlier: what brings that back; None with `installed` None.
    """

    plan: TablePlan
    installed: InstalledTable | None = None
    earlier: Earlier | None = None


@dataclass(frozen=True)
class How:
    """What all files of one revision share.

    Attributes:
        message: what the user called it.
        runtime: the version of the in-database runtime after it.
        lock_timeout: seconds a statement may wait for a lock.
    """

    message: str
    runtime: str
    lock_timeout: float


def touched(plan: TablePlan, installed: InstalledTable) -> list[InstalledObject]:
    """Return the installed objects that the steps replace or drop."""
    there = {item.identity: item for item in installed.objects}
    names = [
        item.identity
        for step in plan.steps
        if step.verb != "validate"
        for item in (step.made, step.gone)
        if item is not None
    ]
    return [there[name] for name in dict.fromkeys(names) if name in there]


def drafts(changes: Sequence[Change], how: How, runtime: Draft | None) -> list[Draft]:
    """Return the files in order: the runtime, a file a table, and one that judges the stored rows of all of them.

    A table's file is one transaction, and what needs none or another one stands in autocommit blocks, so that no lock
    outlives its purpose even where Alembic runs all revisions in one transaction.
    """
    found = [] if runtime is None else [runtime]
    late: list[Part] = []
    undone: list[Part] = []
    for change in changes:
        found.append(_table(change, how, alone=not found))
        late += _late(change.plan)
        undone += _unfinish(change.plan)
    if late:
        scans = [part for part in late if part.autocommit]
        last = [statement for part in late if not part.autocommit for statement in part.statements]
        parts = (*_merged(scans, LATER), frame.transaction(last, how.runtime, how.lock_timeout))
        back = (frame.transaction([sql for part in undone for sql in part.statements], how.runtime, how.lock_timeout),)
        name = how.message if len(found) == 0 else f"{how.message}: stored rows"
        found.append(Draft(name, parts, back if undone else ()))
    if len(found) == 1:
        found[0] = replace(found[0], message=how.message)
    return found


def _table(change: Change, how: How, *, alone: bool) -> Draft:
    plan = change.plan
    prepared = _builds(plan.table, plan.steps)
    statements = [*frame.refuse_breaking(plan), *_lock(plan)]
    if plan.program is None:
        statements.insert(0, frame.refuse_loss(plan.table))
    else:
        statements += ledger.table_and_slos(plan.program)
    statements += [statement.sql for _, statement in plan.in_phase(Phase.CHANGE)]
    statements += ledger.after_change(plan, {"migration": how.message})
    up = [frame.transaction(statements, how.runtime, how.lock_timeout)]
    if prepared or not alone:
        up.insert(
            0, Part(prepared, autocommit=True, about="what was done before is committed, its locks are given back")
        )
    return Draft(f"{how.message}: {plan.table}", tuple(up), tuple(_back(change, how)))


def _builds(table: TableName, steps: Iterable[Step]) -> tuple[str, ...]:
    """Return what builds indexes outside a transaction; one that an interrupted run left half-built is in the way."""
    found: list[str] = []
    for step in steps:
        for statement in step.statements:
            if statement.phase is Phase.PREPARE and step.made is not None:
                index = TableName(table.schema, step.made.name)
                found += [f"drop index concurrently if exists {index.sql}", statement.sql]
    return tuple(found)


def _lock(plan: TablePlan) -> list[str]:
    """States that writers now under way append may lack the new ones: the recount must come after them."""
    if ledger.recount(plan) is None:
        return []
    return [f"lock table {plan.table.sql} in share row exclusive mode"]


def _late(plan: TablePlan) -> list[Part]:
    """Return what reads stored rows, and what depends on that."""
    found: list[Part] = []
    counting = ledger.recount(plan)
    if counting is not None:
        found.append(Part(tuple(ledger.count_rows(counting)), autocommit=True))
    validate = plan.in_phase(Phase.VALIDATE)
    found += [Part((sql,), autocommit=True) for sql in together(plan.table, [s.sql for _, s in validate])]
    finish = plan.in_phase(Phase.FINISH)
    if validate or finish:
        steps = list({id(step): step for step, _ in (*validate, *finish)}.values())
        found.append(Part((*(s.sql for _, s in finish), *ledger.read_back(plan.table, steps))))
    return found


def together(table: TableName, statements: Iterable[str]) -> list[str]:
    """Put the ALTERs of a table into one, which scans it once."""
    head = f"alter table {table.sql} "
    alters = [sql.removeprefix(head) for sql in statements if sql.startswith(head)]
    others = [sql for sql in statements if not sql.startswith(head)]
    return [head + ",\n  ".join(alters), *others] if alters else others


def _unfinish(plan: TablePlan) -> list[Part]:
    """Take back what only the last file did: a column that became NOT NULL has its proof again."""
    found = []
    for step in plan.steps:
        made = step.made
        if made is not None and any(statement.phase is Phase.FINISH for statement in step.statements):
            change = [statement.sql for statement in made.create if statement.phase is Phase.CHANGE]
            found.append(Part((*made.drop, *change, *ledger.read_back(plan.table, [step]))))
    return found


def _back(change: Change, how: How) -> Iterator[Part]:
    """Yield what takes a table's change back."""
    plan = change.plan
    if change.installed is None:
        assert plan.program is not None
        yield frame.transaction(_unguard(plan, how), how.runtime, how.lock_timeout)
        return
    assert change.earlier is not None
    steps = _backward(plan, change.installed, change.earlier)
    if built := _builds(plan.table, steps):
        yield Part(built, autocommit=True)
    counts = change.earlier.counts and _counting(steps)
    lock = [f"lock table {plan.table.sql} in share row exclusive mode"] if counts else []
    dropped = [step for step in steps if step.verb == "drop"]
    restored = [step for step in steps if step.verb != "drop"]
    statements = [
        *lock,
        *(statement.sql for step in dropped for statement in step.statements if not _needed(step)),
        *change.earlier.records,
        *(s.sql for step in restored for s in step.statements if s.phase is Phase.CHANGE),
        *(statement.sql for step in dropped for statement in step.statements if _needed(step)),
        *ledger.after_return(plan, steps, change.installed, change.earlier.named, {"migration": how.message}),
    ]
    yield frame.transaction(statements, how.runtime, how.lock_timeout)
    late = [s.sql for step in restored for s in step.statements if s.phase is Phase.VALIDATE]
    finish = [s.sql for step in restored for s in step.statements if s.phase is Phase.FINISH]
    count = ledger.count_anew(plan.table) if counts else []
    if late or count:
        yield Part((*count, *together(plan.table, late)), autocommit=True, about=LATER)
        validated = [step for step in restored if any(s.phase is not Phase.CHANGE for s in step.statements)]
        last = [*finish, *ledger.read_back(plan.table, validated)]
        if last:
            yield frame.transaction(last, how.runtime, how.lock_timeout)


def _unguard(plan: TablePlan, how: How) -> list[str]:
    assert plan.program is not None
    there = InstalledTable(
        plan.table,
        "",
        {rule.id: "" for rule in plan.program.rules},
        tuple(
            InstalledObject(made.kind, made.name, made.slos, made.hash, made.drop, intact=True, present=True)
            for made in objects(plan.program)
        ),
    )
    removal = plan_removal(there)
    return [
        frame.refuse_loss(plan.table),
        *(statement.sql for step in removal.steps for statement in step.statements),
        *ledger.after_change(removal, {"migration": how.message}),
    ]


def _backward(plan: TablePlan, installed: InstalledTable, earlier: Earlier) -> list[Step]:
    """Return the steps that make the objects what they were, in order."""
    order = list(Kind)
    there = {item.identity: item for item in installed.objects}
    new = [s.made for s in plan.steps if s.made is not None and s.verb != "validate" and s.made.identity not in there]
    drops = [
        Step(
            "drop",
            f"{made.kind.value} {made.name}",
            tuple(Statement(sql) for sql in made.drop),
            made.slos,
            gone=InstalledObject(made.kind, made.name, made.slos, made.hash, made.drop, intact=True, present=True),
        )
        for made in sorted(new, key=lambda made: -order.index(made.kind))
    ]
    restores = []
    for item in sorted(touched(plan, installed), key=lambda item: order.index(item.kind)):
        statements = earlier.objects[item.identity]
        made = DbObject(installed.table, item.kind, item.name, item.slos, statements, item.undo)
        restores.append(Step("restore", f"{item.kind.value} {item.name}", statements, item.slos, made=made))
    return [*drops, *restores]


def _needed(step: Step) -> bool:
    """Say whether an object goes last: what is restored may no longer call it, what is not yet restored may."""
    return step.gone is not None and step.gone.kind in (Kind.FUNCTION, Kind.COUNTERS)


def _counting(steps: Iterable[Step]) -> bool:
    items = [item for step in steps for item in (step.made, step.gone) if item is not None]
    return any(
        (item.kind is Kind.TRIGGER and ledger.COUNTING.search(item.name))
        or (item.kind is Kind.FUNCTION and item.name.startswith('mlguard."recount '))
        for item in items
    )


def _merged(parts: Sequence[Part], about: str) -> list[Part]:
    statements = tuple(sql for part in parts for sql in part.statements)
    return [Part(statements, autocommit=True, about=about)] if statements else []
