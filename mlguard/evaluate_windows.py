"""What the database last found over batches and windows, as verdicts of `check`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlguard.program import Level, Rule, TableProgram
from mlguard.report.verdict import Outcome, Verdict

if TYPE_CHECKING:
    import psycopg

_LAST = """
select v.slo, v.outcome, v.observed, v.n, v.reason, v.over, v.batch, v.window_start, v.window_end, v.segment
from mlguard.verdict as v
join (
  select w.slo, max(coalesce(w.window_end, w.at)) as newest
  from mlguard.verdict as w
  where w.slo = any(%(slos)s) and w.current
  group by w.slo
) as l on l.slo = v.slo and l.newest = coalesce(v.window_end, v.at)
where v.current
order by v.slo, v.outcome
"""
WORST_FIRST = (Outcome.ERROR, Outcome.FAIL, Outcome.NOTED, Outcome.INSUFFICIENT, Outcome.PASS)


def last_verdicts(connection: psycopg.Connection[Any], program: TableProgram, *, installed: bool) -> list[Verdict]:
    """Return one verdict for each SLO over batches or windows: of its last batch or window, the worst segment's.

    Args:
        connection: the database.
        program: the table.
        installed: whether mlguard guards the table; nothing has been judged where it does not.
    """
    rules = tuple(rule for rule in program.rules if rule.level in (Level.BATCH, Level.WINDOW))
    if not rules:
        return []
    found: dict[str, list[Any]] = {}
    if installed:
        for row in connection.execute(_LAST, {"slos": [rule.id for rule in rules]}).fetchall():
            found.setdefault(row[0], []).append(row)
    return [_verdict(rule, found.get(rule.id, [])) for rule in rules]


def _verdict(rule: Rule, rows: Sequence[Any]) -> Verdict:
    place = rule.where_in_file
    outcome, observed, n, reason = Outcome.INSUFFICIENT, "", None, "nothing was judged yet"
    if rows:
        worst = min(rows, key=lambda row: WORST_FIRST.index(Outcome(row[1])))
        _, word, words, n, why, over, batch, start, end, segment = worst
        outcome, reason = Outcome(word), why or ""
        scope = f"batch {batch}" if start is None else f"{over} from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"
        told = ", ".join(f"{name} {value}" for name, value in segment.items() if name != "*")
        failing = sum(Outcome(row[1]) is outcome for row in rows)
        more = f", {failing} of {len(rows)} segments" if len(rows) > 1 else ""
        observed = f"{words or 'not judged'} over {scope}{f' ({told})' if told else ''}{more}"
    return Verdict(
        slo=rule.id,
        table=str(rule.table),
        name=rule.name,
        outcome=outcome,
        action=rule.action.value,
        severity=rule.severity,
        column=rule.column,
        observed=observed,
        limit=rule.limit,
        n=n,
        reason=reason,
        owner=rule.owner,
        runbook=rule.runbook,
        file=place.file if place else "",
        line=place.line if place else 0,
    )
