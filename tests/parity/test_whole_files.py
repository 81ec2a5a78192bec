"""Whole SLO files over whole sequences of loads, on both engines: what is refused, kept out, mended, judged.

MLGUARD_PARITY_FILES says how many files are tried; a hundred take about a minute of one core.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mlguard import api
from mlguard.emit.after_statement import SAMPLE
from mlguard.emit.duck_core import duck_type
from mlguard.emit.duck_rules import json_duck
from mlguard.local import LocalReport, judge
from mlguard.local.calendar import instant
from mlguard.local.find import Found
from mlguard.local.report import rows_query
from mlguard.names import TableName
from mlguard.program import Action, Rule
from mlguard.report.verdict import Outcome
from mlguard.spec import Project
from tests import servers
from tests.parity.divergences import WHOLE
from tests.parity.engines import spelled_for_duck
from tests.parity.more import combined, single
from tests.parity.test_metric_parity import same_value
from tests.parity.test_row_life import plain
from tests.parity.whole_files import ALL, DAYS, REPAIRS, START, Case, duck_columns, given_case, make
from tests.unit.lang.generate import conditions

TOGETHER = 8  # files of one project and database
FILES = int(os.environ.get("MLGUARD_PARITY_FILES", "24"))
UNTIL = START + timedelta(days=DAYS + 9)
COMPARED = ("row_no", *REPAIRS)  # what repairs may change, and the key
MEMBERS = "(0, 'a'), (7, 'é'), (null, ''), (-1, null)"  # what rules look up
SINCE = """
update mlguard._slo as s
set since = b.first
from (select tbl, min(bucket) as first from mlguard._bucket where isfinite(bucket) group by tbl) as b
where b.tbl = s.tbl
"""
CREATE = (
    "create type public.mood as enum ('sad', 'ok', 'happy'); create schema f;"
    f"create table public.members (number integer, word text); insert into public.members values {MEMBERS};"
    + "".join(
        f"create table f.t{number} ({', '.join(f'{name} {kind}' for name, kind in ALL.items())});"
        for number in range(TOGETHER)
    )
)  # fmt: skip


@dataclass
class Life:
    """What became of the loads of one table: the same words for both engines."""

    refused: dict[int, str] = field(default_factory=dict)  # load → the SLO that is named
    landed: dict[int, Any] = field(default_factory=dict)
    kept_out: dict[int, set[str]] = field(default_factory=dict)
    changes: set[tuple[Any, ...]] = field(default_factory=set)
    recorded: dict[str, set[int]] = field(default_factory=dict)  # by SLO, rows that landed
    batches: dict[str, dict[Any, Any]] = field(default_factory=dict)  # by SLO, then batch and segment
    windows: dict[str, dict[Any, Any]] = field(default_factory=dict)  # by SLO, then end and segment


def on_postgres(dsn: str, cases: Sequence[Case], project: Project) -> list[Life]:
    """Write every load in a transaction of its own, then sweep as a live table is swept."""
    lives = [Life() for _ in cases]
    with psycopg.connect(dsn, autocommit=True) as connection:
        for case, life in zip(cases, lives, strict=True):
            for number, rows in enumerate(case.loads):
                try:
                    with (
                        connection.transaction(),
                        connection.cursor().copy(f"copy {case.table} from stdin".encode()) as copy,
                    ):
                        for row in rows:
                            copy.write_row(row)
                except psycopg.errors.CheckViolation as error:
                    life.refused[number] = str(error.diag.constraint_name)
        connection.execute("select mlguard._sweep_fold(now())")
        connection.execute(SINCE)
        for hours in (*range(0, 24 * (DAYS + 1), 6), *range(24 * (DAYS + 1), 24 * (DAYS + 10), 48)):
            connection.execute("select mlguard.sweep(%s)", (START + timedelta(hours=hours),))
        for case, life in zip(cases, lives, strict=True):
            _read(connection, case, life)
    return lives


def _read(connection: psycopg.Connection[Any], case: Case, life: Life) -> None:
    columns = ", ".join(f"'{name}', x.{name}" for name in COMPARED)
    for key, row in connection.execute(f"select row_no, jsonb_build_object({columns}) from {case.table} x".encode()):
        life.landed[key] = plain(row)
    for key, slos in connection.execute("select key, slos from mlguard.quarantine where tbl = %s", (case.table,)):
        life.kept_out[key["row_no"]] = set(slos)
    lines: dict[tuple[int, str], list[Any]] = {}
    for key, column, old, new in connection.execute(
        "select key, column_name, old::text, new::text from mlguard.change where tbl = %s order by id", (case.table,)
    ):
        lines.setdefault((key["row_no"], column), []).append((_number(old), _number(new)))
    # A file tells what arrived and what landed; the database each step between them, also where it changes nothing.
    ends = {where: (steps[0][0], steps[-1][1]) for where, steps in lines.items()}
    life.changes = {(*where, old, new) for where, (old, new) in ends.items() if old != new}
    for key, slo in connection.execute(
        "select key, slo from mlguard.violation where tbl = %s and key is not null and window_start is null",
        (case.table,),
    ):
        life.recorded.setdefault(slo, set()).add(key["row_no"])
    for slo, batch, start, end, segment, *rest in connection.execute(
        "select slo, batch, window_start, window_end, segment, outcome, n, metrics, vals, observed, reason"
        " from mlguard._verdict where current and tbl = %s order by slo, batch, segment::text",
        (case.table,),
    ):
        kind, key = (life.batches, batch) if start is None else (life.windows, end)
        kind.setdefault(slo, {})[key, tuple(sorted(segment.items()))] = rest


def _number(text: str | None) -> Any:
    return "null" if text is None else json.dumps(plain(json.loads(text)))


def relation(case: Case, left_out: set[int]) -> duckdb.DuckDBPyRelation:
    """Return the loads as a relation of a DuckDB of its own."""
    types = {name: duck_type(type_) for name, type_ in duck_columns().items()}
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.execute(f"create table t ({', '.join(f'{name} {kind}' for name, kind in types.items())})")
    rows = [row for number, load in enumerate(case.loads) if number not in left_out for row in load]
    if rows:
        casts = ", ".join(f"cast(column{place} as {kind})" for place, kind in enumerate(types.values()))
        marks = ", ".join(["(" + ", ".join("?" * len(types)) + ")"] * len(rows))
        cells = [spelled_for_duck(cell, kind) for row in rows for cell, kind in zip(row, ALL.values(), strict=True)]
        names = ", ".join(f"column{place}" for place, _ in enumerate(types))
        connection.execute(f"insert into t select {casts} from (values {marks}) as v ({names})", cells)
    return connection.table("t")


def local(project: Project, case: Case, left_out: set[int]) -> LocalReport:
    only = Project(tuple(file for file in project.files if str(file.table) == case.table))
    given: dict[str, Any] = {case.table: relation(case, left_out)}
    if "members" in case.text:
        connection = duckdb.connect()
        connection.execute(f"create table members (number integer, word varchar); insert into members values {MEMBERS}")
        given["public.members"] = connection.table("members")
    return judge(only, given, batch_by="load", as_of=UNTIL)


def refusing(report: LocalReport, rules: dict[str, Rule], newest: int | None) -> set[str]:
    """Return the SLOs by which the database would refuse a load; of batches only the newest, None: any of them."""
    found = set()
    for verdict in report.verdicts:
        rule = rules[verdict.slo]
        if verdict.slo in report.details:
            fails = [
                item for item in report.details[verdict.slo]
                if item.outcome is Outcome.FAIL and newest in (None, item.scope.place)
            ]  # fmt: skip
            if rule.action is Action.REJECT and fails:
                found.add(verdict.slo)
        elif verdict.outcome is Outcome.FAIL and (rule.action is Action.REJECT or rule.max_bad is not None):
            found.add(verdict.slo)
    return found


def differences(case: Case, theirs: Life, project: Project) -> Iterator[str]:
    """Yield what the engines say differently."""
    gone: set[int] = set()
    for number, slo in theirs.refused.items():
        later = set(range(number + 1, len(case.loads)))
        report = local(project, case, gone | later)
        rules = {rule.id: rule for program in report.programs.values() for rule in program.rules}
        named = refusing(report, rules, number + 1 - len(gone))
        if slo not in named:
            yield f"load {number} is refused by {slo} in PostgreSQL only; on files by {sorted(named)}"
        report.close()
        gone.add(number)
    report = local(project, case, gone)
    rules = {rule.id: rule for program in report.programs.values() for rule in program.rules}
    if extra := refusing(report, rules, None):
        yield f"on files alone loads would be refused by {sorted(extra)}"
    undecided = [v for v in report.verdicts if v.reason.startswith("not judged locally")]
    if undecided:
        yield f"not judged locally: {[(v.name, v.reason) for v in undecided]}"
    ours = _here(report, case)
    for slo, keys in ours.recorded.items():
        written = theirs.recorded.get(slo, set())
        if not written <= keys or (len(keys) <= SAMPLE and written != keys):
            yield f"recorded by {slo}: {_first(keys - written)} on files alone, {_first(written - keys)} there alone"
    if more := theirs.recorded.keys() - ours.recorded:
        yield f"recorded in PostgreSQL alone: {sorted(more)}"
    for name in ("landed", "kept_out"):
        a, b = getattr(ours, name), getattr(theirs, name)
        if apart := {key for key in a.keys() | b.keys() if a.get(key) != b.get(key)}:
            key = min(apart)
            yield f"{name}, row {key}: {a.get(key)} on files, {b.get(key)} in PostgreSQL"
    if ours.changes != theirs.changes:
        alone = _first(ours.changes - theirs.changes), _first(theirs.changes - ours.changes)
        yield f"changes: {alone[0]} on files, {alone[1]} in PostgreSQL"
    yield from _apart_in_metrics(report, theirs, report.programs[TableName.parse(case.table)].time_zone)
    report.close()


def _first(found: Iterable[Any]) -> list[Any]:
    return sorted(found, key=str)[:3]


def _here(report: LocalReport, case: Case) -> Life:
    life = Life()
    engine, program = report.local, report.programs[TableName.parse(case.table)]
    assert engine is not None
    cells = ", ".join(f"'{name}', {json_duck(f'r.{name}', duck_columns()[name])}" for name in COMPARED)
    rows = engine.connection.execute(f"select row_no, json_object({cells}) from ({rows_query('landed', program)}) as r")
    life.landed = {key: plain(json.loads(text)) for key, text in rows.fetchall()}
    for key, kept_out, broken in engine.connection.execute(rows_query("violations", program)).fetchall():
        slos, number = {one["slo"] for one in broken}, json.loads(key)["row_no"]
        if kept_out:
            life.kept_out[number] = slos
            continue
        for slo in slos:
            life.recorded.setdefault(slo, set()).add(number)
    for key, column, old, new in engine.connection.execute(rows_query("changes", program)).fetchall():
        life.changes.add((json.loads(key)["row_no"], column, _number(old), _number(new)))
    return life


def _apart_in_metrics(report: LocalReport, theirs: Life, zone: str) -> Iterator[str]:
    for slo, items in report.details.items():
        batches = {(item.scope.place, _segment(item)): item for item in items if item.scope.end is None}
        yield from _compared(slo, _numbered(batches), _numbered(theirs.batches.get(slo, {})))
        windows = {(instant(item.scope.end, zone), _segment(item)): item for item in items if item.scope.end}
        # A file begins and ends with its rows; the database goes on judging empty windows, also where none came.
        last = max((end for end, _ in windows), default=None)
        told = theirs.windows.get(slo, {}) if last is not None else {}
        there = {key: rest for key, rest in told.items() if key[0] <= last}
        yield from _compared(slo, windows, there)


def _segment(item: Found) -> tuple[Any, ...]:
    return tuple(sorted(item.scope.segment))


def _numbered(found: dict[Any, Any]) -> dict[Any, Any]:
    """Return batches by their place in the order: loads that were refused are none."""
    places = {batch: place for place, batch in enumerate(sorted({batch for batch, _ in found}))}
    return {(places[batch], segment): rest for (batch, segment), rest in found.items()}


def _compared(slo: str, mine: dict[Any, Any], theirs: dict[Any, Any]) -> Iterator[str]:
    if set(mine) != set(theirs):
        yield f"{slo}: {_first(mine.keys() - theirs)} on files alone, {_first(theirs.keys() - mine)} there alone"
    for key in mine.keys() & theirs.keys():
        item, (outcome, n, names, values, observed, reason) = mine[key], theirs[key]
        told = [name for name, _ in item.metrics]
        same = told == names and all(same_value(a, b) for (_, a), b in zip(item.metrics, values, strict=True))
        # Beyond that words may differ in the last digit.
        words = item.observed if [value for _, value in item.metrics] == values else observed or ""
        here = (item.outcome.value, item.n, item.reason, words)
        if not same or here != (outcome, n, reason or "", observed or ""):
            yield f"{slo} {key}: {item} on files, {theirs[key]} in PostgreSQL"


CASE = st.tuples(st.lists(conditions(1) | combined() | single(), min_size=3, max_size=5), st.integers(0, 2**40))


def tried(server: servers.TestServer, folder: Path, drawn: Sequence[tuple[list[str], int]]) -> None:
    found = run(server, folder, [make(number, texts, seed) for number, (texts, seed) in enumerate(drawn)])
    assert not found, "\n\n".join(found)


def many(files: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Try so many files, TOGETHER at a time."""

    def decorated(test: Callable[..., None]) -> Callable[..., None]:
        given_ = given(drawn=st.lists(CASE, min_size=TOGETHER, max_size=TOGETHER))(test)
        return settings(
            max_examples=max(files // TOGETHER, 1),
            deadline=None,
            print_blob=True,
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )(given_)

    return decorated


@many(FILES)
def test_whole_files_end_the_same(
    server18: servers.TestServer, tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[list[str], int]]
) -> None:
    tried(server18, tmp_path_factory.mktemp("files"), drawn)


@many(FILES // 4)
def test_whole_files_end_the_same_on_an_older_server(
    server_machine: servers.TestServer, tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[list[str], int]]
) -> None:
    tried(server_machine, tmp_path_factory.mktemp("files"), drawn)


def test_what_once_differed_does_not(server18: servers.TestServer, tmp_path: Path) -> None:
    names = list(WHOLE)
    assert len(names) <= TOGETHER
    cases = [given_case(number, *WHOLE[name]) for number, name in enumerate(names)]
    found = run(server18, tmp_path, cases)
    assert not found, "\n\n".join(found)


def run(server: servers.TestServer, folder: Path, cases: Sequence[Case]) -> list[str]:
    """Return what both engines say differently of these files, each with its file."""
    for case in cases:
        (folder / f"{case.table}.slo.yaml").write_text(case.text, encoding="utf-8")
    project = api.load(folder)
    with server.guarded_database() as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(CREATE.encode())
        api.apply(project, dsn)
        lives = on_postgres(dsn, cases, project)
    found = []
    for case, life in zip(cases, lives, strict=True):
        lines = list(differences(case, life, project))
        if lines:
            found.append(case.text + "\n".join(lines[:6]))
    return found
