"""`assert:` → Rule: the SELECT is read, its tables are looked at, the keys it may be judged by are found. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from mlguard.compile.draft import Draft, Scene
from mlguard.lang import ExpressionError
from mlguard.lang.query import Query, parse_query
from mlguard.lang.query_keys import Keys, keys_of
from mlguard.lang.types import SqlType
from mlguard.names import TableName
from mlguard.program import Action, Assertion, Level, Place, Placement, Rule, TableShape
from mlguard.spec.models import SloFile

LIMIT = "allowed no rows"
_SYSTEM = ("pg_catalog", "information_schema", "mlguard", "pg_toast")
_NOT_TABLES = {
    "v": ("a view, whose query can change without a write", "write its query into the SELECT"),
    "m": ("a materialised view, which REFRESH changes unseen", "read the tables it is made from"),
    "f": (
        "a foreign table, or has a foreign partition, which can change without this server",
        "copy what is needed into a table here",
    ),
    "S": ("a sequence, which no trigger watches", "read a table"),
}


def tables_read(files: Iterable[SloFile]) -> frozenset[TableName]:
    """Return every table that an assertion of the files reads; a SELECT that cannot be read names none."""
    found: set[TableName] = set()
    for file in files:
        if any(part.increasing_by is not None for part in (*file.columns.values(), *file.groups)):
            found.add(file.table)
        if file.leak_guard is not None and file.labels is not None:
            found |= {file.table, file.labels.table}
        for slo in file.slos:
            if slo.assert_ is not None:
                try:
                    found |= set(parse_query(slo.assert_, file.table.schema).tables)
                except ExpressionError:
                    continue  # the fault is told when the file is compiled
    return frozenset(found)


def build_assertion(draft: Draft, scene: Scene) -> Rule | None:
    """Return the rule of an assertion, or None where it has faults (noted in the scene)."""
    try:
        query = parse_query(draft.value, scene.table.schema)
        judge_tables(query, scene)
    except ExpressionError as error:
        scene.expression_fault(error, draft.path)
        return None
    return rule_of_query(draft, scene, query, text=str(draft.value).strip(), limit=LIMIT)


def rule_of_query(
    draft: Draft,
    scene: Scene,
    query: Query,
    *,
    text: str,
    limit: str,
    column: str | None = None,
    columns: tuple[str, ...] = (),
    form: str = "",
) -> Rule:
    """Return the rule that has a SELECT judged at COMMIT, whoever wrote it; `form` names the short form it is of."""
    others = scene.others or {}
    keys = keys_of(query, {table: _types(others[table]) for table in query.tables if table in others})
    words = draft.words
    action = words.action or Action.REJECT
    assertion = Assertion(
        sql=query.sql,
        tables=query.tables,
        keys={table: (column, keys.column) for table, column in keys.tables.items()} if keys else {},
        key_type=keys.type if keys else "",
        heirs={table: (*shape.partitions, *shape.heirs) for table, shape in others.items() if table in query.tables},
        hidden=bool(scene.pii) or bool(scene.personal & set(query.tables)),
        clock=query.clock,
        form=form,
    )
    return Rule(
        name=draft.name,
        table=scene.table,
        level=Level.ASSERTION,
        action=action,
        expr=None,
        text=text,
        limit=limit,
        column=column,
        columns=columns,
        placement=Placement(Place.ASSERTION, _reason(query, keys)),
        assertion=assertion,
        shadow=words.shadow,
        waivable=True,  # the judge looks at waivers: no DDL is needed
        severity=words.severity or ("page" if action is Action.HOLD else "normal"),
        owner=words.owner,
        runbook=words.runbook,
        description=words.description,
        tags=words.tags,
        then=words.then,
        where_in_file=scene.where(draft.path),
    )


def notes(rules: Iterable[Rule]) -> tuple[str, ...]:
    """Return what plan tells of assertions beside the steps."""
    return tuple(
        f"{rule.name} reads the clock (`{rule.assertion.clock}`): it is judged when somebody writes, so a violation"
        " that comes with time alone waits for the next write of what it is about"
        for rule in rules
        if rule.assertion is not None and rule.assertion.clock
    )


def _types(shape: TableShape) -> dict[str, SqlType]:
    return {column.name: column.type for column in shape.columns}


def _reason(query: Query, keys: Keys | None) -> str:
    keyed = keys.tables if keys else {}
    written = _listed(query.tables)
    words = (
        f"judged at COMMIT of every transaction that writes {written}, one after another under a row lock of its own"
    )
    if keys is None:
        return f"{words}; the whole SELECT runs, because no column of its result tells which rows a write can change"
    whole = [table for table in query.tables if table not in keyed]
    by = f"; only the touched {keys.column} is judged again"
    return words + by + (f", but the whole SELECT after a write to {_listed(whole)}" if whole else "")


def _listed(tables: Iterable[TableName]) -> str:
    names = [str(table) for table in tables]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def judge_tables(query: Query, scene: Scene) -> None:
    """Refuse what no trigger of ours can watch.

    Raises:
        ExpressionError: at the place where the SELECT names it.
    """
    for table, pos in query.places.items():
        end = pos + len(str(table))
        if table.schema in _SYSTEM or table.schema.startswith("pg_"):
            raise ExpressionError(f"{table} is not a table of yours", pos, end, "read tables of your own schemas")
        if scene.others is None:
            continue
        shape = scene.others.get(table)
        if shape is None:
            help_ = "create the table first, or correct the name; unquoted names are read in lower case"
            raise ExpressionError(f"no table {table} in this database", pos, end, help_)
        if shape.relkind not in ("r", "p"):
            what, help_ = _NOT_TABLES.get(shape.relkind, ("no table", "read a table"))
            raise ExpressionError(f"{table} is {what}", pos, end, help_)
        if shape.persistence == "t":
            raise ExpressionError(f"{table} is a temporary table", pos, end, "it ends with its session")
        if shape.parent is not None:
            raise ExpressionError(
                f"{table} is a part of {shape.parent}: a write through {shape.parent} would not fire its triggers",
                pos,
                end,
                f"read {shape.parent}",
            )
