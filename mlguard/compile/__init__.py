"""Spec → Program: defaults, typing and placement of every SLO. Pure: no SQL runs, no connection is known.

All faults of all files are raised together; a project with one fault compiles to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from mlguard.compile import assertion, indexes
from mlguard.compile.batch import batch_column, judge_batch_column
from mlguard.compile.build import build
from mlguard.compile.collect import drafts, members_of
from mlguard.compile.draft import Scene
from mlguard.compile.examples import judge_examples
from mlguard.compile.features import with_features
from mlguard.compile.labels import Personal, Sources, attributes_of, labels_of
from mlguard.compile.make import scope_of
from mlguard.compile.missing import missing_of
from mlguard.compile.predictions import predictions_of
from mlguard.compile.then import judge_then
from mlguard.compile.windows import CALENDAR_HELP, base_of, span_of, table_window
from mlguard.errors import Problem, SpecError
from mlguard.lang import ExpressionError, Scope, compile_value
from mlguard.lang.analyse import columns_of, lookups_of
from mlguard.lang.tree import Expr
from mlguard.lang.types import TIMES, UNKNOWN, Kind, SqlType, parse_type
from mlguard.names import TableName
from mlguard.program import (
    Action,
    Baseline,
    ColumnShape,
    Existing,
    Level,
    OnUpdate,
    Place,
    Program,
    Reads,
    Rule,
    TableProgram,
    TableShape,
)
from mlguard.spec.models import SloFile
from mlguard.spec.project import Project

__all__ = ["compile_project", "compile_table", "declared_shape"]

MAX_COLUMNS = 1600  # MaxHeapAttributeNumber (PostgreSQL manual, appendix K)
RELKINDS = {
    "v": ("a view", "guard the table it reads"),
    "m": ("a materialised view", "guard the tables it reads"),
    "f": ("a foreign table", "PostgreSQL does not enforce constraints there; guard the table on its own server"),
    "c": ("a composite type", "name a table"),
    "S": ("a sequence", "name a table"),
    "i": ("an index", "name a table"),
}


def compile_project(
    project: Project,
    shapes: Mapping[TableName, TableShape] | None,
    others: Mapping[TableName, TableShape] | None = None,
    personal: frozenset[TableName] = frozenset(),
    sources: Sources = None,
    pii: Personal | None = None,
) -> Program:
    """Compile every file.

    Args:
        project: the SLO files.
        shapes: the real tables, a missing one being a fault; None: no database, the declared types serve.
        others: the real tables that assertions read, a missing one being a fault; None: no database was asked.
        personal: tables that are known to have pii columns, beside those of which the files say so.
        sources: the real tables of labels and attributes, a missing one being a fault; None: no database was asked.
        pii: pii columns of tables, beside those of which the files say so.

    Raises:
        SpecError: any fault in any file.
    """
    problems: list[Problem] = []
    tables: dict[TableName, TableProgram] = {}
    personal |= frozenset(
        file.table for file in project.files if any(part.pii for part in (*file.columns.values(), *file.groups))
    )
    columns = dict(pii or {})
    for file in project.files:
        said = frozenset(name for name, column in file.columns.items() if column.pii)
        columns[file.table] = columns.get(file.table, frozenset()) | said
    for file in project.files:
        shape = declared_shape(file) if shapes is None else shapes.get(file.table)
        if shape is None:
            help_ = "create the table first, or correct the name; names are exact, capitals included"
            problems.append(Problem(f"no table {file.table} in this database", file.where(("table",)), help_))
            continue
        try:
            tables[file.table] = compile_table(file, shape, others, personal, sources, columns)
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(f"{len(problems)} faults in SLO files", problems=problems)
    return Program(with_features(tables))


def declared_shape(file: SloFile) -> TableShape:
    """Return the table as far as the file declares it."""
    columns = tuple(
        ColumnShape(name, (parse_type(column.type) or SqlType(Kind.OTHER, column.type)) if column.type else UNKNOWN)
        for name, column in file.columns.items()
    )
    return TableShape(file.table, columns, declared=True)


def compile_table(
    file: SloFile,
    shape: TableShape,
    others: Mapping[TableName, TableShape] | None = None,
    personal: frozenset[TableName] = frozenset(),
    sources: Sources = None,
    pii: Personal | None = None,
) -> TableProgram:
    """Compile one file against one table.

    Args:
        file: the SLO file.
        shape: its table.
        others: the tables that its assertions read; None: no database was asked.
        personal: tables with pii columns, as far as SLO files say.
        sources: the tables of its labels and attributes; None: no database was asked.
        pii: pii columns of tables.

    Raises:
        SpecError: every fault of the file.
    """
    window, unfit = table_window(file.window)
    scene = Scene(
        table=file.table,
        shape=shape,
        where=file.where,
        where_in=file.where_in,
        pii=_personal(file, shape),
        writes_rows=file.writes == "rows",
        time_zone=file.time_zone,
        existing=Existing(file.existing),
        window=window,
        others=others,
        personal=personal,
        key=tuple(file.key),
        event_time=file.event_time,
        batch_column=batch_column(file),
    )
    if unfit:
        scene.fault(unfit, ("window",), CALENDAR_HELP)
    _judge_shape(file, scene)
    judge_batch_column(scene)
    members = members_of(file, scene)
    labels, attributes = labels_of(file, scene, sources), attributes_of(file, scene, sources, pii or {})
    rules = tuple(rule for draft in drafts(file, scene, members) if (rule := build(draft, scene)) is not None)
    if not scene.problems:
        _judge_together(file, scene, rules)
    judge_then(file, scene, rules)
    event_time = _event_time(file, scene, rules)
    missing = missing_of(file, scene, members)
    predictions = predictions_of(file, scene, labels, attributes)
    if not scene.problems:
        judge_examples(file, scene, rules, _named(file, rules, event_time))
    if scene.problems:
        raise SpecError(f"{len(scene.problems)} faults in {file.path}", problems=sorted(scene.problems, key=_order))
    return TableProgram(
        table=file.table,
        shape=shape,
        rules=rules,
        key=tuple(file.key),
        event_time=event_time,
        event_time_text=file.event_time or "",
        time_zone=file.time_zone,
        pii=scene.pii,
        writes_rows=scene.writes_rows,
        reads=Reads(file.reads),
        revoke=tuple(file.revoke),
        existing=scene.existing,
        on_update=OnUpdate(file.quarantine_update),
        quarantine_cap=file.quarantine.cap,
        quarantine_retention=file.quarantine.retention.timedelta if file.quarantine.retention else None,
        window=scene.window,
        late=file.late.timedelta,
        base=base_of((rule.over for rule in rules if rule.over is not None), scene.window),
        baseline=Baseline(
            file.baseline.kind,
            span_of(file.baseline.length) if file.baseline.length is not None else None,
            file.baseline.path or "",
        ),
        missing=missing,
        batch_column=scene.batch_column,
        inputs=tuple(file.inputs),
        named=_named(file, rules, event_time),
        schema_mode=file.schema_,
        importance=_importance(file, members),
        predictions=predictions,
        owner=file.owner,
        consumers=tuple(file.consumers),
        notes=(
            *(f"{heir} inherits CHECKs but no trigger: give it an SLO file of its own" for heir in shape.heirs),
            *assertion.notes(rules),
            *indexes.notes(rules, shape if others is not None else None, event_time),
            *indexes.of_requests(predictions, shape if others is not None else None),
            *_without_event_time(file, rules),
        ),
    )


def _named(file: SloFile, rules: tuple[Rule, ...], event_time: Expr | None) -> tuple[str, ...]:
    """Return the columns that the file names, in short forms, rules, key and event time, each once."""
    read = (name for rule in rules for name in rule.columns)
    times = columns_of(event_time) if event_time is not None else ()
    loads = (column,) if (column := batch_column(file)) is not None else ()
    return tuple(dict.fromkeys((*file.columns, *file.key, *loads, *times, *read)))


def _without_event_time(file: SloFile, rules: tuple[Rule, ...]) -> tuple[str, ...]:
    judged = any(rule.level is Level.WINDOW for rule in rules)
    return ("the file names no event_time: windows are cut by the time of writing",) * (
        judged and file.event_time is None
    )


def _personal(file: SloFile, shape: TableShape) -> frozenset[str]:
    """Return the pii columns, and the generated columns whose expression names one."""
    said = {name for name, column in file.columns.items() if column.pii}
    words = [re.compile(rf'(?<!\w)"?{re.escape(name)}"?(?!\w)', re.IGNORECASE) for name in said]
    derived = {
        column.name
        for column in shape.columns
        if column.generated and any(word.search(column.generated) for word in words)
    }
    return frozenset(said | derived)


def _importance(file: SloFile, members: Mapping[int, list[str]]) -> dict[str, Decimal]:
    """Return the weights of columns; what a column says itself wins over its groups, the first group wins."""
    found = {name: column.importance for name, column in file.columns.items() if column.importance is not None}
    for index, names in members.items():
        weight = file.groups[index].importance
        if weight is not None:
            found = {**dict.fromkeys(names, weight), **found}
    return found


def _order(problem: Problem) -> tuple[str, int, int]:
    return (problem.where.file, problem.where.line, problem.where.column) if problem.where else ("", 0, 0)


def _judge_shape(file: SloFile, scene: Scene) -> None:
    """Refuse relations that cannot be guarded, and names and types that are not the table's."""
    shape = scene.shape
    if file.table.schema in ("mlguard", "pg_catalog", "information_schema"):
        scene.fault(f"{file.table} is not a table of yours", ("table",), "name a table of your own schemas")
        return
    if shape.relkind in RELKINDS:
        what, help_ = RELKINDS[shape.relkind]
        scene.fault(f"{file.table} is {what}, not a table", ("table",), help_)
        return
    if shape.persistence == "t":
        scene.fault(f"{file.table} is a temporary table", ("table",), "it ends with its session; guard a permanent one")
        return
    if len(file.columns) > MAX_COLUMNS:
        words = f"{len(file.columns)} columns; a table of PostgreSQL has at most {MAX_COLUMNS}"
        scene.fault(words, ("columns",), "name columns that the table has")
        return
    for name, column in file.columns.items():
        found = shape.column(name)
        if found is None:
            scene.fault(f"no column `{name}` in {file.table}", ("columns", name), scene.nearest(name))
        elif column.type and not shape.declared:
            declared = parse_type(column.type)
            # What the language does not know may be a domain, an enum or an extension's type, but never one it knows.
            wrong = parse_type(str(found.type)) is not None if declared is None else not _same(declared, found.type)
            if wrong:
                scene.fault(
                    f"{name} is {found.type} in the database, not {column.type}",
                    ("columns", name, "type"),
                    f"write type: {found.type}",
                )
    for index, name in enumerate(file.key):
        if shape.column(name) is None and not shape.declared:
            scene.fault(f"no column `{name}` in {file.table}", ("key", index), scene.nearest(name))


def _same(declared: SqlType, found: SqlType) -> bool:
    if declared.kind is Kind.ARRAY and found.kind is Kind.ARRAY:
        return declared.element is not None and found.element is not None and _same(declared.element, found.element)
    return declared.kind is found.kind


def _judge_together(file: SloFile, scene: Scene, rules: tuple[Rule, ...]) -> None:
    """Refuse what only shows when all rules are seen."""
    seen: set[str] = set()
    for rule in rules:
        if rule.name in seen:
            scene.problems.append(Problem(f"two SLOs are named {rule.name}", rule.where_in_file, "name each once"))
        seen.add(rule.name)
    shape = scene.shape
    written = [column for column in shape.columns if column.cascade]
    diverts = any(rule.placement.place is Place.BEFORE_ROW and rule.action is not Action.REJECT for rule in rules)
    if written and diverts and file.quarantine_update != "reject":
        scene.fault(
            f"a foreign key writes {written[0].name} ({written[0].cascade}): keeping such an update out would leave"
            " orphans, whichever rule the row breaks",
            ("quarantine_update",),
            "use quarantine_update: reject, or change the foreign key to NO ACTION",
        )
    if file.reads == "view" and shape.row_security and not shape.forced_row_security:
        scene.fault(
            f"{file.table} has row-level security, which a view of its owner would go round",
            ("reads",),
            "use reads: policy, or ALTER TABLE … FORCE ROW LEVEL SECURITY",
        )


def _event_time(file: SloFile, scene: Scene, rules: tuple[Rule, ...]) -> Expr | None:
    needed = [rule for rule in rules if rule.max_age is not None]
    if file.event_time is None:
        for rule in needed:
            scene.problems.append(
                Problem(
                    "staleness() needs the table's event_time",
                    rule.where_in_file,
                    "add event_time: <column> to the file",
                )
            )
        return None
    scope: Scope = scope_of(scene)
    try:
        expr = compile_value(file.event_time, scope)
    except ExpressionError as error:
        scene.expression_fault(error, ("event_time",))
        return None
    if expr.type.kind not in TIMES and expr.type.kind is not Kind.UNKNOWN:
        scene.fault(
            f"event_time is {expr.type}, not a time",
            ("event_time",),
            "write an expression that gives a date or timestamp, for example ts::timestamptz",
        )
    elif lookups_of(expr):
        scene.fault("event_time must not read another table", ("event_time",))
    return expr
