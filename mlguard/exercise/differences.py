"""Two versions of SLO files on the same data: what would newly fail, and what would no longer be caught."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from mlguard.compile import compile_project
from mlguard.compile.examples import on_one_row
from mlguard.emit.compare import Side, count_differences, drop_view, first_keys, gather
from mlguard.errors import EvaluationError, Exit, PlanError
from mlguard.exercise.arrived import arrived_rules, lookups
from mlguard.lang.analyse import lookups_of
from mlguard.lang.fault import nearest
from mlguard.local import judge
from mlguard.local.engine import Engine, engine
from mlguard.local.sources import make_view, open_source
from mlguard.names import TableName
from mlguard.program import Rule, TableProgram
from mlguard.report.verdict import Outcome, Report, Verdict
from mlguard.spec import Project

KEYS = 5
BOTH, ADDED, REMOVED = "both", "added", "removed"


@dataclass(frozen=True)
class Difference:
    """One SLO, before and after.

    Attributes:
        change: `both`, `added` or `removed`: in which versions the SLO is.
        before, after: the outcome on the data, None where the version has no such SLO.
        newly: rows that break it now and did not; None where it is not about single rows.
        lost: rows that broke it and no longer do.
        newly_keys, lost_keys: of the first of them; keys are left out where they are personal data.
        said: what was observed after (before, of a removed SLO).
        reason: why rows could not be compared.
    """

    slo: str
    change: str
    before: str | None
    after: str | None
    newly: int | None = None
    lost: int | None = None
    newly_keys: tuple[Any, ...] = ()
    lost_keys: tuple[Any, ...] = ()
    said: str = ""
    reason: str = ""

    @property
    def newly_fails(self) -> bool:
        """Whether it would refuse, or tell of, what it did not before."""
        if self.newly is not None:
            return self.newly > 0
        return self.after in _FAILING and self.before not in _FAILING

    @property
    def no_longer_caught(self) -> bool:
        """Whether it would let pass what it did not before."""
        if self.lost is not None:
            return self.lost > 0
        return self.before in _FAILING and self.after not in _FAILING

    @property
    def differs(self) -> bool:
        """Whether the data shows a difference at all."""
        return self.newly_fails or self.no_longer_caught or (self.change == BOTH and self.before != self.after)


_FAILING = (Outcome.FAIL.value, Outcome.NOTED.value)


@dataclass(frozen=True)
class Comparison:
    """Every SLO of either version, in the order of the new files, removed ones last."""

    differences: tuple[Difference, ...] = field(default_factory=tuple)

    @property
    def changed(self) -> tuple[Difference, ...]:
        """Those that the data shows a difference of."""
        return tuple(each for each in self.differences if each.differs)

    def exit_code(self, *, fail_on_difference: bool = False) -> Exit:
        """Return the exit code: what could not be judged before all else."""
        if any(Outcome.ERROR.value in (each.before, each.after) for each in self.differences):
            return Exit.ENGINE
        return Exit.VIOLATED if fail_on_difference and self.changed else Exit.HOLDS

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return {
            "differences": [
                {**asdict(each), "newly_fails": each.newly_fails, "no_longer_caught": each.no_longer_caught}
                for each in self.differences
            ]
        }


def compare(
    old: Project,
    new: Project,
    data: Mapping[str, Any],
    *,
    batch_by: str | None = None,
    as_of: datetime | None = None,
    trace: Callable[[str], None] | None = None,
) -> Comparison:
    """Judge data by two versions of SLO files and return how they differ.

    Rules on single rows are compared row by row, on rows as they arrive, before any repair; all other SLOs by how they
    come out.

    Args:
        old: the SLO files as they are.
        new: the SLO files as they would be.
        data: by table a path or a frame, as of mlguard.check.
        batch_by: the column that tells batches apart.
        as_of: when it is judged; None: now, the same moment for both.
        trace: called with every query.

    Raises:
        SpecError: an SLO file does not fit the data.
        PlanError: data cannot be read, or is of a table of neither version.
        EngineError: DuckDB is not installed.
        EvaluationError: DuckDB failed on the data.
    """
    moment = as_of or datetime.now().astimezone()
    given = {TableName.parse(name): source for name, source in data.items()}
    _refuse_strangers(old, new, given)
    rows: dict[str, _Rows] = {}
    asked = [{file.table for file in project.files} for project in (old, new)]
    with engine(trace=trace) as opened:
        for table in given:
            pair = _Pair(opened, table, given, old, new)
            rows |= pair.rows()
            for place, program in enumerate(pair.programs):
                asked[place] |= _looked_up(program)
    for table in given:
        if not any(table in tables for tables in asked):
            guess = nearest(str(table), sorted({str(name) for tables in asked for name in tables}))
            raise PlanError(
                f"{table} is in neither version of these SLO files, and none looks it up",
                help=f"did you mean {guess}?" if guess else "leave it out",
            )
    reports = [
        _judged(project, {table: given[table] for table in given if table in tables}, batch_by, moment, trace)
        for project, tables in zip((old, new), asked, strict=True)
    ]
    before, after = ({verdict.slo: verdict for verdict in report.verdicts} for report in reports)
    order = [*after, *(slo for slo in before if slo not in after)]
    return Comparison(tuple(_difference(slo, before.get(slo), after.get(slo), rows.get(slo)) for slo in order))


def _refuse_strangers(old: Project, new: Project, given: Mapping[TableName, Any]) -> None:
    known = {file.table for project in (old, new) for file in project.files}
    if not known.intersection(given):
        listed = ", ".join(sorted(map(str, known)))
        raise PlanError("no data was given for a table of these SLO files", help=f"they are of {listed or 'no table'}")


def _looked_up(program: TableProgram | None) -> set[TableName]:
    """Return the tables that a version reads beside its own: only of those it may be given data."""
    found: set[TableName] = set()
    for rule in program.rules if program is not None else ():
        parts = [part for part in (rule.expr, rule.where) if part is not None]
        found |= {table for part in parts for table, _ in lookups_of(part)}
        found |= {rule.references[0]} if rule.references else set()
        found |= set(rule.assertion.tables) if rule.assertion else set()
    return found


def _judged(
    project: Project,
    given: Mapping[TableName, Any],
    batch_by: str | None,
    as_of: datetime,
    trace: Callable[[str], None] | None,
) -> Report:
    if not any(file.table in given for file in project.files):
        return Report()
    report = judge(project, given, batch_by=batch_by, as_of=as_of, trace=trace)
    report.close()
    return Report(report.verdicts)


@dataclass(frozen=True)
class _Rows:
    """What the rows of a table say of one SLO."""

    newly: int | None = None
    lost: int | None = None
    newly_keys: tuple[Any, ...] = ()
    lost_keys: tuple[Any, ...] = ()
    reason: str = ""


class _Pair:
    """One table by both versions, row by row."""

    def __init__(
        self, opened: Engine, table: TableName, given: Mapping[TableName, Any], old: Project, new: Project
    ) -> None:
        self.engine, self.table, self.given = opened, table, given
        self.projects = (old, new)
        self.programs: list[TableProgram | None] = [None, None]
        self.sides: list[Side] = []
        self.refused: dict[str, str] = {}

    def rows(self) -> dict[str, _Rows]:
        """Return what is known of each row rule of either version."""
        for place, project in enumerate(self.projects):
            self._gather(place, project)
        names = list(dict.fromkeys(name for side in self.sides for name in side.rules))
        found = {f"{self.table}/{name}": _Rows(reason=why) for name, why in self.refused.items()}
        names = [name for name in names if name not in self.refused]
        if not names:
            return found
        old, new = self.sides
        (counts,) = self.engine.rows(count_differences(old, new, names), f"{self.table}: both versions")
        for place, name in enumerate(names):
            newly, lost = (int(count or 0) for count in counts[2 * place : 2 * place + 2])
            found[f"{self.table}/{name}"] = _Rows(
                newly,
                lost,
                self._keys(new, old, name) if newly else (),
                self._keys(old, new, name) if lost else (),
            )
        return found

    def _keys(self, breaking: Side, other: Side, name: str) -> tuple[Any, ...]:
        program = self.programs[self.sides.index(breaking)]
        assert program is not None
        rule = next(rule for rule in program.rules if rule.name == name)
        if {*program.key, *rule.columns} & program.pii:
            return ()
        answers = self.engine.rows(first_keys(breaking, other, name, KEYS), f"{self.table}: {name}")
        return tuple(json.loads(key) for (key,) in answers)

    def _gather(self, place: int, project: Project) -> None:
        """Note which rows break which rules, in a table of DuckDB."""
        file = project.file(self.table)
        side = Side(f"mlguard side {place} of {self.table}", ())
        if file is not None:
            shapes = {}
            for table, data in self.given.items():
                shapes[table] = make_view(self.engine, open_source(self.engine, table, data), project.file(table))
            program = compile_project(Project((file,)), {self.table: shapes[self.table]}).tables[self.table]
            self.programs[place] = program
            chosen = [rule for rule in program.rules if _chosen(project, rule)]
            judged, refused = arrived_rules(program, chosen, self.given)
            self.refused |= refused
            side = Side(side.name, tuple(item.rule.name for item in judged))
            self._run(gather(side, program, [item.broken for item in judged], lookups(judged)))
            for table in self.given:
                self.engine.run(drop_view(table))
        else:
            self._run(gather(side, None, (), ()))
        self.sides.append(side)

    def _run(self, sql: str) -> None:
        import duckdb

        try:
            self.engine.run(sql)
        except duckdb.Error as error:
            failure: EvaluationError = self.engine.failure(error, str(self.table))
            raise failure from error


def _chosen(project: Project, rule: Rule) -> bool:
    return on_one_row(rule) and project.selection.covers(str(rule.table), rule.name, rule.tags)


def _difference(slo: str, before: Verdict | None, after: Verdict | None, rows: _Rows | None) -> Difference:
    change = BOTH if before and after else ADDED if after else REMOVED
    told = after or before
    assert told is not None
    rows = rows or _Rows()
    return Difference(
        slo=slo,
        change=change,
        before=before.outcome.value if before else None,
        after=after.outcome.value if after else None,
        newly=rows.newly,
        lost=rows.lost,
        newly_keys=rows.newly_keys,
        lost_keys=rows.lost_keys,
        said=told.observed or told.reason,
        reason=rows.reason,
    )
