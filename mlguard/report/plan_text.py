"""A plan as a person reads it before saying yes: what is so, steps with locks and reasons, summary last. Pure."""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from itertools import groupby
from typing import TYPE_CHECKING

from mlguard.emit.objects import LOCK_CATALOGUE, LOCK_NONE, Kind, Phase, Statement
from mlguard.names import TableName
from mlguard.program import Action, Existing
from mlguard.report.columns import Paint, count, one_line, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlguard.plan import Breaking, Foreseen, Plan, Step, TablePlan
    from mlguard.program import Rule

SIGNS = {"create": "+", "replace": "~", "repair": "!", "drop": "-", "validate": "✓", "move": "→", "record": "·"}
WORDS = {"validate": "to validate", "move": "to move rows"}  # the summary's words where they are not `to <verb>`
NOTHING = "nothing to do: the database is what the SLO files say"
# What cannot be dropped without locking its table (PostgreSQL manual, ALTER TABLE and DROP TRIGGER).
_DROPS_LOCK = (Kind.CHECK, Kind.UNIQUE, Kind.FOREIGN_KEY, Kind.NOT_NULL, Kind.TRIGGER, Kind.POLICY)
# What apply will do about stored rows that break a new rule.
_EXISTING = {
    Existing.FAIL: "existing: fail, so apply will refuse",
    Existing.ALLOW: "existing: allow, so they stay and new writes are judged",
    Existing.QUARANTINE: "existing: quarantine, so apply moves them out of the table",
}


def render(plan: Plan, *, paint: Paint = plain, statements: bool = False) -> str:
    """Return the plan as text.

    Args:
        plan: what apply would do.
        paint: colours the signs.
        statements: also show the SQL of every step.
    """
    blocks = []
    if plan.runtime:
        blocks.append([f"{paint('+')} schema mlguard: {plan.runtime} (the in-database runtime)"])
    if plan.members:
        blocks.append([f"{paint('+')} {line}" for line in member_lines(plan)])
    blocks += [
        _table(table, plan, paint, statements)
        for table in plan.tables
        if not table.empty or _worth_telling(table, plan)
    ]
    if plan.orphans:
        names = one_line(", ".join(plan.orphans))
        blocks.append([f"guarded, but in no SLO file: {names} (mlguard apply --prune takes that out)"])
    blocks.append([summary(plan)])
    return "\n\n".join("\n".join(block) for block in blocks)


def member_lines(plan: Plan) -> list[str]:
    """Say who becomes a member of which role of mlguard's."""
    given: dict[str, list[str]] = {}
    for role, member in plan.members:
        given.setdefault(role, []).append(member)
    return [one_line(f"role {role}: given to {', '.join(members)}") for role, members in given.items()]


def _worth_telling(table: TablePlan, plan: Plan) -> bool:
    return bool(plan.bypass.get(table.table) or (table.program and table.program.notes))


def _table(table: TablePlan, plan: Plan, paint: Paint, statements: bool) -> list[str]:
    lines = [one_line(str(table.table))]
    for sign, ids, words in (("+", table.added, "new"), ("~", table.changed, "changed"), ("-", table.removed, "gone")):
        if ids:
            lines.append(f"  {paint(sign)} {words}: {one_line(', '.join(short(slo) for slo in ids))}")
    lines += [f"  {line}" for line in breaking_lines(table, plan.breaking)]
    lines += [f"  {one_line(line)}" for line in assertion_lines(table, plan.breaking)]
    lines += [f"  {one_line(line)}" for line in foreseen_lines(table, plan.foreseen)]
    lines += _steps(table, paint, statements)
    if table.changed_columns:
        lines.append(f"  {SIGNS['record']} columns changed since the last apply: {one_line(table.changed_columns)}")
    elif table.record and not table.steps:
        lines.append(f"  {SIGNS['record']} only what mlguard remembers of the table changes; no object does")
    if table.program:
        lines += [f"  note: {one_line(note)}" for note in table.program.notes]
    readers = plan.bypass.get(table.table, ())
    if readers:
        lines.append(
            f"  can read round the gate: {one_line('; '.join(readers))} (`revoke:` in the SLO file shuts them out)"
        )
    return lines


def short(slo: str) -> str:
    """Return the id without its table, which stands above."""
    return slo.partition("/")[2] or slo


def breaking_lines(table: TablePlan, breaking: tuple[Breaking, ...]) -> list[str]:
    """Say how many stored rows break each new rule, and what apply will do about them."""
    mine = [found for found in breaking if TableName.parse(found.slo.partition("/")[0]) == table.table]
    if not mine:
        return []
    bad = [found for found in mine if found.rows]
    if not bad:
        total = max(found.total for found in mine)
        return [f"stored rows: none of {total} breaks a new rule" if total else "stored rows: none breaks a new rule"]
    existing = table.program.existing if table.program else Existing.FAIL
    lines = [f"stored rows that break a new rule ({_EXISTING[existing]}):"]
    return lines + [
        f"  {one_line(short(found.slo))}: {one_line(found.words) or found.rows}"
        f"{f' of {found.total}' if found.total else ''}{_consequence(found, table)}"
        for found in bad
    ]


def _consequence(found: Breaking, table: TablePlan) -> str:
    """Say what the rows an assertion returns mean for apply or for later writes, where that is not said above."""
    rule = _assertion(found, table)
    if rule is None or rule.assertion is None or table.program is None:
        return ""
    if table.program.existing is Existing.QUARANTINE:
        return "; rows of a SELECT cannot be moved out, so apply will refuse"
    whole = [str(name) for name in rule.assertion.tables if name not in rule.assertion.keys]
    if table.program.existing is Existing.ALLOW and whole and rule.action is Action.REJECT:
        return f"; every COMMIT that writes {', '.join(whole)} is refused until it returns none"
    return ""


def assertion_lines(table: TablePlan, breaking: tuple[Breaking, ...]) -> list[str]:
    """Say what each new or changed assertion costs those who write what it reads: which lock, which work, how long."""
    lines = []
    for found in breaking:
        rule = _assertion(found, table)
        if rule is None or rule.assertion is None or found.seconds is None:
            continue
        keyed = rule.assertion.keys
        tables = ", ".join(str(name) for name in rule.assertion.tables)
        column = next(iter(keyed.values()))[1] if keyed else ""
        whole = ", ".join(str(name) for name in rule.assertion.tables if name not in keyed)
        work = "the whole SELECT" if not keyed else f"the SELECT for the touched {column} only"
        if keyed and whole:
            work += f" (after a write to {whole}, and to more than 1000 of them, the whole)"
        elif keyed:
            work += " (of more than 1000, the whole)"
        lines.append(
            f"{short(rule.id)}: COMMITs that write {tables} wait for each other on its row lock, and each runs {work};"
            f" whole, it took {found.seconds * 1000:.0f} ms just now"
        )
    return lines


def foreseen_lines(table: TablePlan, foreseen: tuple[Foreseen, ...]) -> list[str]:
    """Say of each SLO that begins to hold how often it would have held."""
    return [
        f"{short(found.slo)}: hold {foreseen_words(found)}"
        for found in foreseen
        if TableName.parse(found.slo.partition("/")[0]) == table.table
    ]


def foreseen_words(found: Foreseen) -> str:
    """Return how often an SLO would have held, in words that follow `hold`."""
    if not found.judged:
        return "has no verdict in the stored history yet; mlguard backtest replays the stored rows"
    if found.over in ("", "batch"):
        of = f" of {count(found.judged, 'batch', 'batches') if found.over else count(found.judged, 'verdict')}"
    else:
        of = f" of {count(found.judged, 'window')} of {found.over}"
    if not found.held:
        return f"would have closed the gate in none{of} judged so far"
    last = f", last {found.last.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if found.last is not None else ""
    return f"would have closed the gate in {found.held}{of} judged so far{last}"


def _assertion(found: Breaking, table: TablePlan) -> Rule | None:
    rules = table.program.rules if table.program else ()
    return next((rule for rule in rules if rule.id == found.slo and rule.assertion is not None), None)


def locks(step: Step) -> str:
    """Return what the step locks, in the order in which its statements run."""
    words: dict[str, None] = {}
    for statement in step.statements:
        lock = statement.lock
        if lock == LOCK_NONE and step.gone is not None and step.gone.kind in _DROPS_LOCK:
            lock = LOCK_CATALOGUE
        if lock != LOCK_NONE:
            prefix = "" if statement.phase in (Phase.PREPARE, Phase.CHANGE) else "then "
            words[prefix + lock] = None
    return "; ".join(words) or "none"


def _steps(table: TablePlan, paint: Paint, statements: bool) -> Iterator[str]:
    """Yield the steps; neighbours with the same reason and lock share the lines that say so."""
    for _, alike in groupby(table.steps, lambda step: (step.verb, _is_counter(step), step.why, locks(step))):
        steps = list(alike)
        for together in [steps] if _is_counter(steps[0]) else [[step] for step in steps]:
            yield f"  {paint(SIGNS.get(together[0].verb, '·'))} {_label(together, table.table)}"
            if statements:
                yield from (f"      {line}" for step in together for sql in step.statements for line in _lines(sql))
        if steps[0].why:
            yield f"      {one_line(steps[0].why)}"
        yield f"      lock: {locks(steps[0])}"


def _is_counter(step: Step) -> bool:
    """Say whether the step is about refusal counters: there are some for most SLOs, and nothing to decide about any."""
    item = step.made or step.gone
    return item is not None and item.kind is Kind.COUNTERS


def _label(steps: list[Step], table: TableName) -> str:
    step = steps[0]
    what = step.what if len(steps) == 1 else f"{len(steps)} {Kind.COUNTERS.value}"
    ids = [short(slo) for each in steps for slo in each.slos if slo != str(table)]
    served = f" ({', '.join(ids)})" if ids else ""
    return one_line(f"{step.verb} {what}{served}")


def _lines(statement: Statement) -> list[str]:
    return f"{statement.sql};".splitlines()


def summary(plan: Plan) -> str:
    """Return the last line."""
    if plan.empty:
        return NOTHING
    todo = [table for table in plan.tables if not table.empty]
    verbs = Counter(step.verb for table in todo for step in table.steps)
    steps = [f"{verbs[verb]} {WORDS.get(verb, f'to {verb}')}" for verb in SIGNS if verbs[verb]]
    slos = [
        f"{n} {word}"
        for n, word in (
            (sum(len(table.added) for table in todo), "new"),
            (sum(len(table.changed) for table in todo), "changed"),
            (sum(len(table.removed) for table in todo), "gone"),
        )
        if n
    ]
    parts = [count(len(todo), "table")]
    if plan.runtime:
        repaired = plan.runtime.startswith("repair ")
        parts.append("the runtime to repair" if repaired else "the runtime to install or upgrade")
    parts.append(f"objects: {', '.join(steps) or 'none'}")
    parts.append(f"SLOs: {', '.join(slos) or 'none'}")
    if plan.members:
        parts.append(f"roles: {len(plan.members)} to give")
    return "; ".join(parts)
