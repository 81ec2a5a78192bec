"""From a rule and what was counted to its verdict: the same words whichever engine counted. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from mlguard.program import Rule
from mlguard.report.verdict import Outcome, Verdict


def counted(
    rule: Rule,
    bad: int,
    total: int,
    waived: frozenset[str] = frozenset(),
    samples: tuple[dict[str, Any], ...] = (),
) -> Verdict:
    """Return the verdict of a row rule that `bad` of `total` rows break."""
    observed = f"{bad} of {total} rows break it" if bad else f"all {total} rows hold"
    outcome = Outcome.FAIL if bad else Outcome.PASS
    if bad and rule.max_bad is not None and tolerated(rule, bad, total):
        outcome = Outcome.PASS
        observed += f", up to {rule.max_bad} of a load may"
    return verdict_of(rule, outcome, waived, observed=observed, n=total, bad=bad, samples=samples)


def tolerated(rule: Rule, bad: int, total: int) -> bool:
    """Say whether so many bad rows of one load are within `max_bad`; a share of few rows is not judged."""
    assert rule.max_bad is not None
    if rule.max_bad.share is not None:
        return total < rule.min_rows or bad <= rule.max_bad.share * total
    return bad <= (rule.max_bad.rows or 0)


def words_of_age(age: timedelta) -> str:
    """Return a duration as the messages spell it: `28 h 12 min`, `45 s`, `3 d 4 h`."""
    seconds = int(age.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def aged(
    rule: Rule, event_time: str, newest: datetime | None, now: datetime, rows: int, waived: frozenset[str] = frozenset()
) -> Verdict:
    """Return the verdict of staleness().

    Args:
        rule: the SLO.
        event_time: the table's event time, as its file writes it.
        newest: the newest that is not in the future; None: there is none.
        now: the reader's clock.
        rows: how many rows there are.
        waived: ids of SLOs with a waiver.
    """
    assert rule.max_age is not None
    if newest is None:
        lacks = "event time that has come" if rows else "rows"
        return verdict_of(rule, Outcome.FAIL, waived, observed=f"the table has no {lacks}, so it has no age")
    age = now - newest
    fresh = age < rule.max_age if rule.max_age_strict else age <= rule.max_age
    when = newest.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    observed = f"newest {event_time} is {when}, {words_of_age(age)} old"
    return verdict_of(rule, Outcome.PASS if fresh else Outcome.FAIL, waived, observed=observed)


def thin(rule: Rule, rows: int, waived: frozenset[str] = frozenset()) -> Verdict:
    """Return the verdict of a volume.

    Args:
        rule: the SLO.
        rows: of its window, counted up to the number that is wanted.
        waived: ids of SLOs with a waiver.
    """
    assert rule.volume is not None
    full = rows >= rule.volume.least
    said = "1 row" if rows == 1 else f"{rows or 'no'} rows"
    observed = f"{'at least ' if full else ''}{said} of {rule.volume.words}"
    return verdict_of(rule, Outcome.PASS if full else Outcome.FAIL, waived, observed=observed, n=rows)


def verdict_of(
    rule: Rule,
    outcome: Outcome,
    waived: frozenset[str] = frozenset(),
    *,
    observed: str = "",
    n: int | None = None,
    bad: int | None = None,
    reason: str = "",
    samples: tuple[dict[str, Any], ...] = (),
) -> Verdict:
    """Return a verdict with all that the rule itself says; failing in shadow or under a waiver it is NOTED."""
    if outcome is Outcome.FAIL and (rule.shadow or rule.id in waived):
        outcome, reason = Outcome.NOTED, "shadow" if rule.shadow else "waived"
    place = rule.where_in_file
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
        bad=bad,
        reason=reason,
        owner=rule.owner,
        runbook=rule.runbook,
        file=place.file if place else "",
        line=place.line if place else 0,
        samples=samples,
    )
