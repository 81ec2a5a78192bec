"""Judge stored rows now: one query a table for all of its row rules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlguard import evaluate_assertions
from mlguard.emit import buckets, volume
from mlguard.emit.table import count_broken, count_duplicates, count_orphans, judged_in_place, sample_broken
from mlguard.evaluate_windows import last_verdicts
from mlguard.plan import Breaking, must_hold
from mlguard.program import Place, Rule, TableProgram
from mlguard.report.of_rule import aged, counted, thin, verdict_of
from mlguard.report.verdict import Outcome, Report, Verdict

if TYPE_CHECKING:
    import psycopg

SAMPLES = 5


def count_breaking(
    connection: psycopg.Connection[Any], program: TableProgram, rules: Sequence[Rule]
) -> tuple[Breaking, ...]:
    """Count the stored rows that break rules about to be applied.

    Rules that let bad rows land (warn, shadow, max_bad) are not counted: stored rows cannot break what they promise.
    """
    strict = [rule for rule in rules if must_hold(rule)]
    scanned = tuple(rule for rule in strict if rule in judged_in_place(program))
    found: list[Breaking] = []
    total = 0
    if scanned:
        counts = _row(connection, count_broken(program, scanned, judges_installed=False))
        total = counts[0]
        found = [Breaking(rule.id, bad, total) for rule, bad in zip(scanned, counts[1:], strict=True)]
    for rule in strict:
        if rule.placement.place is Place.UNIQUE:
            found.append(Breaking(rule.id, _row(connection, count_duplicates(program, rule))[0], total))
        elif rule.placement.place is Place.FOREIGN_KEY:
            found.append(Breaking(rule.id, _row(connection, count_orphans(program, rule))[0], total))
    return (*found, *evaluate_assertions.breaking(connection, program, rules))


def _row(connection: psycopg.Connection[Any], sql: str) -> tuple[Any, ...]:
    row = connection.execute(sql.encode()).fetchone()
    assert row is not None
    return tuple(row)


def check(
    connection: psycopg.Connection[Any],
    programs: Sequence[TableProgram],
    *,
    waived: frozenset[str] = frozenset(),
    judges: frozenset[str] = frozenset(),
) -> Report:
    """Judge every SLO of `programs` on the rows stored now.

    Args:
        connection: any psycopg connection that may read the tables.
        programs: the tables.
        waived: ids of SLOs with an unexpired waiver; failing, they are NOTED.
        judges: tables whose judge functions are installed, so that rows on which a rule could raise are judged
            exactly; elsewhere such rows count as broken.
    """
    verdicts: list[Verdict] = []
    for program in programs:
        by_rule: dict[str, Verdict] = {}
        for verdict in _judge(connection, program, waived, str(program.table) in judges):
            by_rule[verdict.slo] = verdict
        verdicts += [by_rule[rule.id] for rule in program.rules if rule.id in by_rule]
    return Report(tuple(verdicts), engine="postgresql")


def _judge(
    connection: psycopg.Connection[Any], program: TableProgram, waived: frozenset[str], installed: bool
) -> list[Verdict]:
    import psycopg

    rules = judged_in_place(program)
    found: list[Verdict] = []
    try:
        with connection.transaction():
            counts = _row(connection, count_broken(program, rules, judges_installed=installed))
    except psycopg.DatabaseError as exc:
        said = (exc.diag.message_primary or str(exc)).strip()
        return [verdict_of(rule, Outcome.ERROR, waived, reason=said) for rule in program.rules]
    total = counts[0]
    for rule, bad in zip(rules, counts[1:], strict=True):
        samples: tuple[dict[str, Any], ...] = ()
        if bad:
            sql = sample_broken(program, rule, SAMPLES, judges_installed=installed)
            rows = connection.execute(sql.encode()).fetchall()
            samples = tuple({"observed": observed, "key": key} for observed, key in rows)
        found.append(counted(rule, bad, total, waived, samples))
    for rule in program.rules:
        if rule.placement.place is Place.UNIQUE:
            bad = _row(connection, count_duplicates(program, rule))[0]
            found.append(counted(rule, bad, total, waived))
        elif rule.placement.place is Place.FOREIGN_KEY:
            bad = _row(connection, count_orphans(program, rule))[0]
            found.append(counted(rule, bad, total, waived))
        elif rule.arrives is not None:
            found.append(_arrived(connection, rule, waived, installed=installed))
        elif rule.volume is not None:
            found.append(_thin(connection, program, rule, waived))
        elif rule.placement.place is Place.GATE:
            found.append(_stale(connection, program, rule, waived))
        elif rule.placement.place is Place.ASSERTION:
            found.append(_asserted(connection, program, rule, waived))
    found += last_verdicts(connection, program, installed=installed)
    return found


def _asserted(
    connection: psycopg.Connection[Any], program: TableProgram, rule: Rule, waived: frozenset[str]
) -> Verdict:
    import psycopg

    assert rule.assertion is not None
    try:
        returned = evaluate_assertions.count(connection, program, rule)
    except psycopg.DatabaseError as exc:
        said = f"error {exc.sqlstate}" if rule.assertion.hidden else (exc.diag.message_primary or str(exc)).strip()
        return verdict_of(rule, Outcome.ERROR, waived, reason=said)
    outcome = Outcome.FAIL if returned.rows else Outcome.PASS
    samples = tuple({"observed": None, "key": key} for key in returned.sample)
    return verdict_of(rule, outcome, waived, observed=returned.words, bad=returned.rows, samples=samples)


def _stale(connection: psycopg.Connection[Any], program: TableProgram, rule: Rule, waived: frozenset[str]) -> Verdict:
    at = buckets.event_time(program, "t")
    newest: datetime | None
    newest, now, rows = _row(
        connection,
        f"select max({at}) filter (where {at} <= statement_timestamp()), statement_timestamp(), count(*)"
        f" from {program.table.sql} as t",
    )
    return aged(rule, program.event_time_text, newest, now, rows, waived)


def _thin(connection: psycopg.Connection[Any], program: TableProgram, rule: Rule, waived: frozenset[str]) -> Verdict:
    assert rule.volume is not None
    (rows,) = _row(connection, volume.count(program, rule))
    return thin(rule, rows, waived)


def _arrived(connection: psycopg.Connection[Any], rule: Rule, waived: frozenset[str], *, installed: bool) -> Verdict:
    row = None
    if installed:
        # When rows were written only the freshness log knows.
        row = connection.execute(
            "select a.arrived, a.words from mlguard.arrivals_v1(%(table)s) as a where a.slo = %(slo)s",
            {"table": str(rule.table), "slo": rule.id},
        ).fetchone()
    if row is None:
        return verdict_of(rule, Outcome.INSUFFICIENT, waived, reason="nothing was judged yet")
    return verdict_of(rule, Outcome.PASS if row[0] else Outcome.FAIL, waived, observed=row[1])
