"""Files and frames judged by SLO files, on DuckDB, without a server: sources in, a report out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlguard.compile import compile_project, declared_shape
from mlguard.compile.labels import tables_joined
from mlguard.errors import PlanError, SpecError
from mlguard.lang.analyse import lookups_of
from mlguard.lang.fault import nearest
from mlguard.local import rows
from mlguard.local.clock import by_clock, judged_by_clock
from mlguard.local.engine import LANDED, Engine, Progress, open_engine
from mlguard.local.find import Found
from mlguard.local.joined import doubled, shapes_joined, with_landed
from mlguard.local.refused import Refused, refused
from mlguard.local.replay import Judged, Replay
from mlguard.local.report import LocalReport
from mlguard.local.rows import NOT_JUDGED, RowRule, RowRules
from mlguard.local.sources import make_view, open_source
from mlguard.names import TableName, quote_ident
from mlguard.program import Level, Place, Program, Rule, TableProgram
from mlguard.report.of_rule import verdict_of
from mlguard.report.verdict import Outcome, Verdict
from mlguard.spec import Project
from mlguard.spec.models import SloFile

WORST_FIRST = (Outcome.ERROR, Outcome.FAIL, Outcome.NOTED, Outcome.INSUFFICIENT, Outcome.PASS)
PASSING = frozenset({Outcome.INSUFFICIENT, Outcome.PASS})


def judge(
    project: Project,
    sources: Mapping[TableName | str, Any] | Mapping[TableName, Any] | Mapping[str, Any],
    *,
    batch_by: str | None = None,
    as_of: datetime | None = None,
    progress: Progress | None = None,
    trace: Callable[[str], None] | None = None,
) -> LocalReport:
    """Judge data by SLO files.

    Args:
        project: the SLO files.
        sources: by table a path, pattern, URI or `x.duckdb:table`, or a pandas, polars or Arrow frame, or a DuckDB
            relation. Tables of no SLO file serve as lookups.
        batch_by: the column that tells batches apart; None: all rows of a table are one.
        as_of: when it is judged, for staleness and for which windows have closed; None: now.
        progress: called with (what, percent, 100) while long queries run.
        trace: called with every query.

    Raises:
        SpecError: an SLO file does not fit the columns.
        PlanError: data cannot be read, lacks a column, or is of a table that nobody asks for.
        EngineError: DuckDB is not installed.
        EvaluationError: DuckDB failed on the data.
    """
    engine = open_engine(progress, trace)
    given = {table if isinstance(table, TableName) else _table(table): data for table, data in sources.items()}
    files = {file.table: file for file in project.files}
    shapes = {
        table: make_view(engine, open_source(engine, table, data), files.get(table)) for table, data in given.items()
    }
    here = replace(project, files=tuple(file for file in project.files if file.table in given))
    compiled = _compiled(engine, here, shapes)
    _refuse_unasked(project, compiled, given)
    moment = as_of or datetime.now(UTC)
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    verdicts: list[Verdict] = []
    details: dict[str, list[Found]] = {}
    ruled = {table: rows.row_rules(program, given) for table, program in compiled.tables.items()}
    landed = {table: _landed(engine, table, compiled, found) for table, found in ruled.items() if found.apart}
    for file in project.files:
        program = compiled.tables.get(file.table)
        if program is None:
            verdicts += _without_data(file)
            continue
        table = _Table(engine, with_landed(program, landed), file, given, ruled[file.table])
        table.run(landed.get(file.table, file.table), _batch_column(program, batch_by), moment)
        verdicts += table.verdicts()
        details |= table.judged.found
    chosen = _selected(project, verdicts, compiled)
    return LocalReport(tuple(chosen), engine="duckdb", local=engine, programs=compiled.tables, details=details)


def _table(name: str) -> TableName:
    try:
        return TableName.parse(name)
    except ValueError as error:
        raise PlanError(f"{name!r} is no table: {error}") from None


def _compiled(engine: Engine, project: Project, shapes: Mapping[TableName, Any]) -> Program:
    try:
        return compile_project(project, shapes, sources=shapes_joined(project, shapes))
    except SpecError as error:
        data = ", ".join(f"{table} is {what}" for table, what in engine.views.items())
        problems = [
            replace(problem, help=f"{problem.help}; {data}" if problem.help else data) for problem in error.problems
        ]
        raise SpecError(error.message, problems=problems) from error


def _refuse_unasked(project: Project, compiled: Program, given: Mapping[TableName, Any]) -> None:
    asked = {file.table for file in project.files}
    for program in compiled.tables.values():
        for rule in program.rules:
            parts = [part for part in (rule.expr, rule.where) if part is not None]
            asked |= {table for part in parts for table, _ in lookups_of(part)}
            asked |= {rule.references[0]} if rule.references else set()
            asked |= set(rule.assertion.tables) if rule.assertion else set()
    asked |= tables_joined(project.files)
    for table in given:
        if table not in asked:
            names = sorted(str(name) for name in asked)
            guess = nearest(str(table), names)
            raise PlanError(
                f"{table} is in none of these SLO files, and none looks it up",
                help=f"did you mean {guess}?" if guess else f"they are of {', '.join(names)}",
            )
    if not compiled.tables:
        listed = ", ".join(sorted(str(file.table) for file in project.files))
        raise PlanError("no data was given for a table of these SLO files", help=f"they are of {listed or 'no table'}")


def _batch_column(program: TableProgram, batch_by: str | None) -> str | None:
    wanted = batch_by
    if wanted is not None and program.shape.column(wanted) is None:
        guess = nearest(wanted, [column.name for column in program.shape.columns])
        raise PlanError(
            f"{program.table} has no column {wanted} to tell batches apart",
            help=f"did you mean {guess}?" if guess else "",
        )
    return wanted if wanted is not None else program.batch_column


def _without_data(file: SloFile) -> list[Verdict]:
    """Say of every SLO of a table without data that it was not judged."""
    reason = f"{NOT_JUDGED}no data was given for {file.table}"
    try:
        program = compile_project(Project((file,)), {file.table: declared_shape(file)}).tables[file.table]
    except SpecError:
        name = "*"
        return [Verdict(f"{file.table}/{name}", str(file.table), name, Outcome.INSUFFICIENT, "warn", reason=reason)]
    return [verdict_of(rule, Outcome.INSUFFICIENT, reason=reason) for rule in program.rules]


def _selected(project: Project, verdicts: Sequence[Verdict], compiled: Program) -> list[Verdict]:
    tags = {rule.id: rule.tags for program in compiled.tables.values() for rule in program.rules}
    return [
        verdict
        for verdict in verdicts
        if project.selection.covers(verdict.table, verdict.name, tags.get(verdict.slo, ()))
    ]


def _landed(engine: Engine, table: TableName, compiled: Program, ruled: RowRules) -> TableName:
    """Make the view of the rows that land, as repairs mend them: metrics are of these."""
    name = TableName(LANDED, f"{table}")
    columns = ", ".join(f"r.{quote_ident(column.name)}" for column in compiled.tables[table].shape.columns)
    engine.run(f"create schema if not exists {quote_ident(LANDED)}")
    engine.run(f"create view {name.sql} as\nselect {columns}\nfrom {ruled.source}\nwhere not {ruled.kept_out}")
    engine.views[str(name)] = engine.views[str(table)]
    return name


class _Table:
    """One table, judged."""

    def __init__(
        self,
        engine: Engine,
        program: TableProgram,
        file: SloFile,
        given: Mapping[TableName, Any],
        ruled: RowRules,
    ) -> None:
        self.engine, self.program, self.file, self.given, self.rows = engine, program, file, given, ruled
        other = refused(engine, program, given, doubled(engine, program, given))
        self.refused = {slo: Refused(Outcome.INSUFFICIENT, reason) for slo, reason in ruled.refused.items()} | other

    def run(self, stored: TableName, batch_by: str | None, as_of: datetime) -> None:
        """Replay batches and windows.

        Args:
            stored: the rows that land.
            batch_by: the column that tells batches apart; None: all are one.
            as_of: when it is judged.
        """
        self.stored, self.as_of = stored, as_of
        kept = tuple(rule for rule in self.program.rules if rule.id not in self.refused)
        local = replace(self.program, rules=kept, table=stored)
        self.replay = Replay(self.engine, local, self.rows, batch_by, as_of)
        if self.program.baseline.kind == "file" and self.replay.baseline.wanted:
            self.replay.baseline.from_file(Path(self.file.path).parent / self.program.baseline.path)
        self.judged: Judged = self.replay.run()

    def verdicts(self) -> list[Verdict]:
        """Return one verdict for each SLO, in file order."""
        by_row = {item.rule.id: item for item in self.rows.rules}
        found = []
        for rule in self.program.rules:
            if rule.id in self.refused:
                why = self.refused[rule.id]
                found.append(verdict_of(rule, why.outcome, reason=why.reason))
            elif rule.id in by_row:
                item = by_row[rule.id]
                found.append(rows.verdict(self.engine, self.program, self.rows.source, item, self._batches(item)))
            elif rule.placement.place is Place.UNIQUE:
                found.append(rows.unique(self.engine, self.replay.program, rule))
            elif rule.placement.place is Place.FOREIGN_KEY:
                found.append(rows.references(self.engine, self.replay.program, rule, self.given))
            elif judged_by_clock(rule):
                found.append(by_clock(self.engine, self.program, self.stored, rule, self.as_of))
            elif rule.assertion is not None:
                from mlguard.local.asserted import asserted

                found.append(asserted(self.engine, self.program, self.stored, rule))
            else:
                found.append(self._summed(rule, self.judged.found.get(rule.id, [])))
        return found

    def _batches(self, wanted: RowRule) -> list[tuple[str, int, int, int]]:
        place = 0
        for item in self.rows.rules:
            if item is wanted:
                break
            place += len(item.conditions)
        doubts = len(wanted.conditions) > 1
        return [(name, n, bad[place], bad[place + 1] if doubts else 0) for name, n, bad in self.judged.batches]

    def _summed(self, rule: Rule, found: Sequence[Found]) -> Verdict:
        """Return one verdict of all batches or windows: the worst failure, else how the last one was judged."""
        if not found:
            return verdict_of(rule, Outcome.INSUFFICIENT, reason=self._nothing(rule))
        order = {item.scope.place or item.scope.end: None for item in found}
        last = list(order)[-1]
        failing = [item for item in found if item.outcome not in PASSING]
        chosen = failing or [item for item in found if (item.scope.place or item.scope.end) == last]
        worst = min(reversed(chosen), key=lambda item: WORST_FIRST.index(item.outcome))
        scopes = {item.scope.label for item in found}
        same = {item.scope.label for item in found if item.outcome is worst.outcome}
        unit = "batches" if worst.scope.end is None else "windows"
        more = f", {len(same)} of {len(scopes)} {unit} so" if len(scopes) > 1 else ""
        timeless = self.judged.timeless if worst.scope.end is not None else 0
        without = f"; {timeless} rows without event time are in no window" if timeless else ""
        observed = f"{worst.observed or 'not judged'} over {worst.scope.label}{more}{without}"
        return verdict_of(rule, worst.outcome, observed=observed, n=worst.n, reason=worst.reason)

    def _nothing(self, rule: Rule) -> str:
        if rule.level is Level.WINDOW and self.replay.windows:
            if any(document["n"] for (start, _), document in self.replay.by_time[()].documents.items() if start):
                return "no window has closed yet"
            return "no row has an event time, so there is no window"
        return "no rows"
