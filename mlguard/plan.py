"""Wanted minus installed, as an ordered list of steps. Pure: explaining, applying and printing read the same list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mlguard.emit.objects import DROP_LOCKS, LOCK_NONE, LOCKS, DbObject, Kind, Phase, Statement
from mlguard.names import TableName, digest
from mlguard.program import Action, Existing, Level, Rule, TableProgram
from mlguard.record import of_rule, of_table


@dataclass(frozen=True)
class InstalledObject:
    """One object as the database holds it: what was recorded at apply, and whether it is still so."""

    kind: Kind
    name: str
    slos: tuple[str, ...]
    hash: str
    undo: tuple[str, ...]
    intact: bool  # PostgreSQL's own definition is the one recorded at apply
    present: bool
    validated: bool = True

    @property
    def identity(self) -> tuple[str, str]:
        """(kind, name): unique within a table."""
        return (self.kind.name, self.name)


@dataclass(frozen=True)
class InstalledTable:
    """What is installed for one table."""

    table: TableName
    hash: str
    slos: Mapping[str, str]
    objects: tuple[InstalledObject, ...]
    exists: bool = True  # the table itself; somebody may have dropped it


@dataclass(frozen=True)
class Step:
    """One thing to do to one object."""

    verb: str  # create | replace | repair | drop | validate | record | move
    what: str  # 'CHECK "mlguard_age.range"'
    statements: tuple[Statement, ...]
    slos: tuple[str, ...]
    why: str = ""
    made: DbObject | None = None
    gone: InstalledObject | None = None

    @property
    def lock(self) -> str:
        """The strongest lock of the step, in words."""
        return max((statement.lock for statement in self.statements), key=LOCKS.index, default=LOCK_NONE)


@dataclass(frozen=True)
class TablePlan:
    """All steps of one table."""

    table: TableName
    program: TableProgram | None  # None: the table's file is gone, everything is taken out
    steps: tuple[Step, ...]
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    record: bool = False  # the rows of mlguard.slo change
    changed_columns: str = ""  # columns changed since the last apply, in words; applying takes them as they are

    @property
    def empty(self) -> bool:
        """True where the table is as its file says."""
        return not self.steps and not self.record

    def in_phase(self, phase: Phase) -> list[tuple[Step, Statement]]:
        """Return the statements of a phase, in order."""
        return [(step, statement) for step in self.steps for statement in step.statements if statement.phase is phase]


@dataclass(frozen=True)
class Breaking:
    """How many stored rows break a rule that is new or changed."""

    slo: str
    rows: int
    total: int
    words: str = ""  # of an assertion: what it returns
    seconds: float | None = None  # of an assertion: how long its SELECT took
    refused: bool = False  # apply refuses it unless `existing: allow` is said: there are no rows that could be moved


@dataclass(frozen=True)
class Foreseen:
    """How often an SLO that begins to hold would have held in the stored history.

    Attributes:
        over: what is counted: `1 day`, `last 7 days`, `batch`; '' for what readers judge by the clock.
        judged: windows or batches (and segments) it has an answer for.
        held: those it fails.
        last: when the last one began.
    """

    slo: str
    over: str
    judged: int
    held: int
    last: datetime | None


@dataclass(frozen=True)
class Plan:
    """What `apply` would do."""

    tables: tuple[TablePlan, ...]
    runtime: str | None = None  # 'install 0004', 'upgrade 0003 to 0004', 'repair guard_v1'
    breaking: tuple[Breaking, ...] = ()
    foreseen: tuple[Foreseen, ...] = ()
    bypass: Mapping[TableName, tuple[str, ...]] = field(default_factory=dict)  # who can go round the gate
    orphans: tuple[str, ...] = ()  # tables guarded in the database that no SLO file is about
    members: tuple[tuple[str, str], ...] = ()  # roles of mlguard's, and who is to become their member

    @property
    def empty(self) -> bool:
        """True where there is nothing to do."""
        return self.runtime is None and not self.members and all(table.empty for table in self.tables)


def program_hash(program: TableProgram) -> str:
    """Return the hash that mlguard._table keeps: of the table's own row, without its SLOs."""
    return of_table(program).hash


def rule_hash(rule: Rule) -> str:
    """Return the hash that mlguard._slo keeps."""
    return of_rule(rule).hash


def plan_table(
    program: TableProgram,
    wanted: Iterable[DbObject],
    installed: InstalledTable | None,
    moves: Sequence[Statement] = (),
    *,
    regrant: Mapping[str, Sequence[Statement]] | None = None,
) -> TablePlan:
    """Return the steps from what is installed to what is wanted.

    Args:
        program: the table as the SLO file wants it.
        wanted: its objects, in order of creation.
        installed: what is there; None for a table never applied.
        moves: statements that take rows which break new rules out of the table, run after the rules stand.
        regrant: views that CREATE OR REPLACE cannot change (it adds columns at the end, and nothing else): they are
            made anew, and these give their readers their rights back.
    """
    wanted = list(wanted)
    before = {item.identity: item for item in installed.objects} if installed else {}
    steps: list[Step] = []
    dropped = [item for identity, item in before.items() if identity not in {made.identity for made in wanted}]
    drops = [
        Step("drop", _label(item.kind, item.name), _undo(item), item.slos, "no SLO asks for it", gone=item)
        for item in sorted(dropped, key=lambda found: -list(Kind).index(found.kind))
    ]
    # A function goes last: until it is replaced, a trigger or constraint that stays may still call it.
    needed = (Kind.FUNCTION, Kind.COUNTERS)
    steps += [step for step in drops if step.gone is not None and step.gone.kind not in needed]
    for made in wanted:
        steps += _object_steps(made, before.get(made.identity), (regrant or {}).get(made.name))
    steps += [step for step in drops if step.gone is not None and step.gone.kind in needed]
    if moves:
        steps.append(
            Step("move", "rows that break new rules, into quarantine", tuple(moves), (), "existing: quarantine")
        )
    old = dict(installed.slos) if installed else {}
    new = {rule.id: rule_hash(rule) for rule in program.rules}
    return TablePlan(
        table=program.table,
        program=program,
        steps=tuple(steps),
        added=tuple(slo for slo in new if slo not in old),
        changed=tuple(slo for slo in new if slo in old and old[slo] != new[slo]),
        removed=tuple(slo for slo in old if slo not in new),
        record=old != new or installed is None or installed.hash != program_hash(program),
    )


def _object_steps(made: DbObject, found: InstalledObject | None, regrant: Sequence[Statement] | None) -> list[Step]:
    label = _label(made.kind, made.name)
    if found is None:
        return [Step("create", label, made.create, made.slos, made.why, made)]
    adopted = made.kind is Kind.NOT_NULL and found.present  # once NOT NULL, the column's shape hides who made it so
    if found.present and found.intact and (found.hash == made.hash or adopted):
        pending = tuple(s for s in made.create if s.phase is not Phase.CHANGE and s.phase is not Phase.PREPARE)
        if not found.validated and pending:
            return [Step("validate", label, pending, made.slos, "existing rows were not all judged yet", made)]
        return []
    verb, why = "replace", made.why
    if not found.present:
        verb, why = "repair", "it is missing from the database"
    elif not found.intact and found.hash == made.hash:
        verb, why = "repair", "it was changed in the database"
    drop: tuple[Statement, ...] = ()
    anew = made.kind is Kind.VIEW and regrant is not None
    if anew or not made.replaces_in_place:
        drop = _undo(found) or tuple(Statement(sql, DROP_LOCKS.get(made.kind, LOCK_NONE)) for sql in made.drop)
    rights = tuple(regrant or ()) if anew else ()
    return [Step(verb, label, (*drop, *made.create, *rights), made.slos, why, made)]


def _undo(item: InstalledObject) -> tuple[Statement, ...]:
    return tuple(Statement(sql, DROP_LOCKS.get(item.kind, LOCK_NONE)) for sql in item.undo)


def _label(kind: Kind, name: str) -> str:
    return f"{kind.value} {name}"


def plan_removal(installed: InstalledTable) -> TablePlan:
    """Return the steps that take everything of a table out again."""
    steps = tuple(
        Step(
            "drop",
            _label(item.kind, item.name),
            _undo(item),
            item.slos,
            "the table is no longer guarded",
            gone=item,
        )
        for item in sorted(installed.objects, key=lambda found: -list(Kind).index(found.kind))
        # What hung on a table that was dropped went with it; functions and counters are mlguard's own, and assertions
        # hang triggers on other tables (DROP TRIGGER IF EXISTS passes over a table that is gone).
        if installed.exists or item.kind in (Kind.FUNCTION, Kind.COUNTERS, Kind.ASSERTION, Kind.TRIGGER)
    )
    return TablePlan(installed.table, None, steps, removed=tuple(installed.slos), record=True)


def needs_judging(table_plan: TablePlan) -> tuple[Rule, ...]:
    """Return the rules whose stored rows must be counted before they may stand: those new or placed anew."""
    if table_plan.program is None:
        return ()
    touched = {
        slo
        for step in table_plan.steps
        if step.made is not None and step.verb in ("create", "replace")
        for slo in step.slos
    }
    fresh = set(table_plan.added) | (set(table_plan.changed) & touched)
    return tuple(rule for rule in table_plan.program.rules if rule.id in fresh)


def must_hold(rule: Rule) -> bool:
    """Say whether stored rows must keep to a row rule: others let bad rows land, and promise nothing of them."""
    acts = rule.action in (Action.REJECT, Action.QUARANTINE, Action.REPAIR)
    return acts and rule.level is Level.ROW and not rule.shadow and rule.max_bad is None


def acts_on_rows(rule: Rule) -> bool:
    """Say whether a rule is an assertion that refuses or holds while it returns rows."""
    return rule.assertion is not None and rule.action in (Action.REJECT, Action.HOLD) and not rule.shadow


def moves_rows(program: TableProgram) -> bool:
    """Say whether apply takes rows that break new rules out of the table."""
    return program.existing is Existing.QUARANTINE


def fingerprint(definition: str | None) -> str:
    """Return the hash kept of PostgreSQL's own definition, as `definitions` words it alike for all major versions."""
    return digest(definition or "")
