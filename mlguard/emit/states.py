"""States of the rows a statement wrote or took away, and of the stored rows: one emitter for both. Pure.

A statement's states are one line of mlguard._state for each bucket and segment, appended. The plain ones come from one
pass over the rows; bins, categories, keys and quantiles (mlguard.emit.grouped) are added only where an SLO asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlguard.emit import tallies
from mlguard.emit.buckets import UNKNOWN, event_time, of_writing
from mlguard.emit.cells import Cells, judges, settings
from mlguard.emit.grouped import Grouped, declarations, preparation
from mlguard.emit.groups import Grouping, Source, load_column
from mlguard.emit.joins import Joins, column_types, joins_of, stored, with_joins
from mlguard.emit.objects import DbObject, Kind, Statement, comment, function, indent
from mlguard.emit.rules import literal, one_line
from mlguard.lang.analyse import base_metrics
from mlguard.lang.measure import GROUPED, OF_LABELS, Of, State, measure
from mlguard.lang.tree import Column, Expr
from mlguard.lang.types import INTEGERS, SqlType
from mlguard.lang.types import UNKNOWN as UNKNOWN_TYPE
from mlguard.lang.types import Kind as TypeKind
from mlguard.names import fit, quote_ident
from mlguard.program import Level, Rule, TableProgram

PAIRS = 50  # jsonb_build_object() takes 100 arguments
COMPARING = frozenset({Of.CONFUSION, Of.PARITY, Of.OPPORTUNITY, Of.UNEQUAL})
# States whose numbers are of double precision whatever the type of the columns.
_FLOATS = frozenset(
    {Of.MOMENTS, Of.JOINT, Of.KEYS, Of.QUANTILES, Of.ERRORS, Of.SCORES, Of.ROC, Of.CALIBRATION, Of.UNEQUAL}
)
_NUMBER = Column(SqlType(TypeKind.FLOAT8), "")
NO_JOINS = Joins()
WHY = "computes the states of metrics from stored rows"


def categories(program: TableProgram) -> frozenset[str]:
    """Return the columns whose values are listed: integers among them are names, not amounts."""
    return frozenset(rule.column for rule in program.rules if rule.column and rule.name == f"{rule.column}.in")


def needed_by(rule: Rule, program: TableProgram) -> tuple[State, ...]:
    """Return the states that an SLO over batches or windows is judged by, rows first."""
    states: dict[State, None] = {State(Of.ROWS): None}
    if rule.where is not None:
        states[State(Of.ROWS, where=rule.where)] = None
    for metric in base_metrics(rule.expr) if rule.expr is not None else ():
        states |= dict.fromkeys(measure(metric, rule.where, categories(program)).needs)
    if rule.matures is not None:
        states[State(Of.LABELLED, where=rule.where)] = None
    return tuple(states)


def needed(program: TableProgram) -> dict[tuple[str, ...], tuple[State, ...]]:
    """Return the states to keep for each set of segment columns; () is all rows, and is there where any is."""
    found: dict[tuple[str, ...], dict[State, None]] = {}
    for rule in program.judged:
        found.setdefault((), {State(Of.ROWS): None})
        found.setdefault(rule.by, {}).update(dict.fromkeys(needed_by(rule, program)))
    return {by: tuple(states) for by, states in found.items()}


def of_rows(found: Sequence[State]) -> tuple[State, ...]:
    """Return the states that a statement's own rows give, without their labels."""
    return tuple(state for state in found if state.of not in OF_LABELS)


def removals(program: TableProgram) -> bool:
    """Say whether what is taken away is accounted for.

    Without an event time nobody knows from which window a row is taken: windows then hold what was written in them.
    """
    by_time = program.base is not None and program.event_time is not None
    return bool(program.judged) and (by_time or judges_batches(program))


def judges_batches(program: TableProgram) -> bool:
    """Say whether metrics of every batch are judged at COMMIT."""
    return any(rule.level is Level.BATCH for rule in program.judged)


def counted(state: State, cells: Cells) -> list[str] | None:
    """Return the conditions under which a row counts for a state that is a count; None for other states."""
    where = [cells.holds(state.where)] if state.where is not None else []
    if state.of is Of.ROWS:
        return where
    if state.of in OF_LABELS:
        return None
    (first, *_) = state.args
    if state.of is Of.TRUE:
        return [*where, cells.holds(first)]
    present = [condition for condition in (cells.present(first),) if condition]
    if state.of is Of.HAVE:
        return [*where, *(present or [f"{cells.raw(first)} is not null"])]
    return [*where, *present, f"{cells.raw(first)} {_SIGNS[state.of]}"] if state.of in _SIGNS else None


def aggregate(state: State, cells: Cells, *, removed: bool = False) -> str:
    """Return the aggregate over rows that gives a plain state as JSON value."""
    if state.of in OF_LABELS:
        return tallies.aggregate(state, cells)
    where = [cells.holds(state.where)] if state.where is not None else []
    if state.of is Of.HAVE and not cells.present(state.args[0]):
        return _filtered(f"count({cells.raw(state.args[0])})", where)
    conditions = counted(state, cells)
    if conditions is not None:
        return _filtered("count(*)", conditions)
    first = state.args[0]
    raw = cells.raw(first)
    if state.of is Of.QUANTILES and removed:
        # Nothing can be taken out of quantiles; that something was taken away makes them stale.
        return f"jsonb_build_object('n', {_filtered(f'count({raw})', [*where, *cells.value(first)])}, 'v', '[]'::jsonb)"
    if state.of in (Of.MIN, Of.MAX):
        raw = f"{raw}::double precision" if first.type.kind is TypeKind.FLOAT4 else raw  # whose text has fewer digits
        return _filtered(f"{state.of.word}({raw})", [*where, *cells.value(first)])
    if state.of is Of.SUM and first.type.kind in INTEGERS | {TypeKind.NUMERIC}:
        return f"coalesce({_filtered(f'sum({raw})', [*where, *cells.value(first)])}, 0)"
    amounts = [cells.amount(arg) for arg in state.args]
    if state.of is Of.SUM:
        return f"coalesce({_filtered(f'sum({amounts[0]})', where)}, 0)"
    if state.of is Of.MOMENTS:
        x = amounts[0]
        n, mean, variance = (_filtered(f"{name}({x})", where) for name in ("count", "avg", "var_pop"))
        return _array([n, f"coalesce({mean}, 0)", f"coalesce({variance} * {n}, 0)"])
    assert state.of is Of.JOINT, state
    x, y = amounts
    parts = [f"regr_{name}({y}, {x})" for name in ("count", "avgx", "avgy", "sxx", "syy", "sxy")]
    return _array([f"coalesce({_filtered(part, where)}, 0)" for part in parts])


def _array(parts: Sequence[str]) -> str:
    return f"jsonb_build_array(\n{indent(_LINES.join(parts))})"


_LINES = ",\n"
_SIGNS = {Of.NAN: "= 'NaN'", Of.ZERO: "= 0", Of.NEGATIVE: "< 0"}


def _filtered(call: str, conditions: Sequence[str]) -> str:
    return f"{call} filter (where {' and '.join(conditions)})" if conditions else call


def document(pairs: Sequence[tuple[str, str]]) -> str:
    """Return a jsonb expression that builds the state document."""
    parts = []
    for start in range(0, len(pairs), PAIRS):
        lines = ",\n".join(f"{literal(key)}, {value}" for key, value in pairs[start : start + PAIRS])
        parts.append(f"jsonb_build_object(\n{indent(lines)})")
    return "\n|| ".join(parts)


@dataclass(frozen=True)
class Select:
    """The states of some rows: CTEs, of which `groups` is the first, and what to select from them as `g`."""

    grouping: Grouping
    states: tuple[State, ...]
    removed: bool = False
    extra: tuple[str, ...] = field(default=())  # further columns of `groups`

    def ctes(self) -> list[str]:
        """Return the CTEs, in order."""
        cells, grouping = Cells(self.grouping.program), self.grouping
        plain = [
            (state.key, aggregate(state, cells, removed=self.removed))
            for state in self.states
            if state.of not in GROUPED or (self.removed and state.of is Of.QUANTILES)
        ]
        columns = [*grouping.selected, "count(*) as n", f"{document(plain)} as states", *self.extra]
        groups = (
            "groups as (\n  select\n"
            + indent(",\n".join(columns), 4)
            + indent(f"\nfrom {grouping.source.rows}{cells.amounts}{grouping.source.where()}{grouping.group_by()}")
            + "\n)"
        )
        return [groups, *Grouped(self.states, grouping, removed=self.removed).ctes()]

    def document(self) -> str:
        """Return the states of a group."""
        heavy = len(self.ctes()) > 1
        return "g.states || (select empty.states from empty) || coalesce(m.states, '{}')" if heavy else "g.states"

    def columns(self) -> list[str]:
        """Return bucket, segment, rows and states of each group."""
        return [self.grouping.start("g"), self.grouping.segment("g"), "g.n", self.document()]

    def tables(self) -> str:
        """Return the FROM clause of a select of those columns, with the condition that leaves out empty groups."""
        heavy = len(self.ctes()) > 1
        joined = f"\nleft join more as m on {self.grouping.same('m', 'g')}" if heavy else ""
        return f"groups as g{joined}\nwhere g.n > 0"


def insert(
    grouping: Grouping, values: Sequence[str], source: str, *, finite: bool = False, batch: str | None = None
) -> str:
    """Return the INSERT of states; `values` are sign, operation, rows and states of each group `g` of the source."""
    program = grouping.program
    table = literal(str(program.table))
    if batch is None:
        batch = f"mlguard.batch_v1({table})" if judges_batches(program) else "null"
    group = f"{grouping.start('g', finite=finite)},\n  {grouping.segment('g')}"
    name, load = (", load", ", g.load") if grouping.load else ("", "")
    return (
        f"insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states{name})\n"
        f"select\n  {table}, {batch},\n  {group},\n  {', '.join(values)}{load}\nfrom {source}"
    )


def append(select: Select, *, sign: int) -> str:
    """Return the INSERT, without its CTEs, that appends the states."""
    return insert(select.grouping, [str(sign), "TG_OP", "g.n", select.document()], select.tables())


def with_ctes(ctes: Sequence[str], statement: str) -> str:
    """Return a statement under its CTEs."""
    return f"with {', '.join(ctes)}\n{statement}"


def statement_source(program: TableProgram, rows: str, joins: Joins = NO_JOINS) -> Source:
    """Return the rows a statement wrote (`new_rows`) or took away (`old_rows`), with what is joined to them.

    Written rows without an event time are counted in the bucket of the time of writing. When they are taken away
    nobody knows any more which that was.
    """
    known = program.base is not None and rows == "new_rows"
    return Source(with_joins(program, rows, joins), of_writing(program) if known else UNKNOWN)


def stored_source(program: TableProgram, joins: Joins = NO_JOINS) -> Source:
    """Return the stored rows from `_from` up to `_to`, of all times where these are null, with what is joined."""
    at = event_time(program, "r")
    condition = f"(_from is null or {at} >= _from) and (_to is null or {at} < _to)"
    return Source(with_joins(program, stored(program), joins), UNKNOWN, condition, stored=True)


def text_arguments(program: TableProgram) -> tuple[Expr, ...]:
    """Return the columns whose text becomes part of a state or of a segment's name: as such, or as its number."""
    sets = needed(program)
    types = column_types(program)
    segments = [Column(types.get(name, UNKNOWN_TYPE), name) for by in sets for name in by]
    everything = [state for found in sets.values() for state in found]
    states = [state for state in everything if state.of in (Of.VALUES, Of.KEYS)]
    loads = (load,) if (load := load_column(program)) is not None else ()
    tallied = (*tallies.group_arguments(everything), *tallies.float_arguments(everything))
    numbers = (_NUMBER,) if any(map(_is_float, everything)) else ()
    return (*segments, *loads, *(arg for state in states for arg in state.args), *tallied, *numbers)


def _is_float(state: State) -> bool:
    """Say whether a state has numbers of double precision: jsonb holds as many digits as the session prints."""
    if state.of in (Of.SUM, Of.MIN, Of.MAX):
        return state.args[0].type.kind not in INTEGERS | {TypeKind.NUMERIC}
    return state.of in _FLOATS


def conditions(program: TableProgram) -> tuple[Expr, ...]:
    """Return the conditions on rows that states look at."""
    found: dict[Expr, None] = {}
    for states in needed(program).values():
        for state in states:
            if state.where is not None:
                found[state.where] = None
            # The first argument of what compares classes is a condition too.
            if state.of is Of.TRUE or (state.of in COMPARING and state.args[0].type.kind is TypeKind.BOOL):
                found[state.args[0]] = None
    return tuple(found)


def recount_name(program: TableProgram) -> str:
    """Return the qualified name of the function that computes states by time from stored rows, '' where none can."""
    if program.base is None or program.event_time is None or not needed(program):
        return ""
    return f"mlguard.{quote_ident(fit(f'recount {program.table}'))}"


def recount_signature(program: TableProgram) -> str:
    """Return the recount function as DROP FUNCTION and mlguard.object name it."""
    return f"{recount_name(program)}(timestamp with time zone, timestamp with time zone)"


def objects(program: TableProgram) -> list[DbObject]:
    """Return the judges of fallible conditions and the recount function; the triggers are after_statement's."""
    found = judges(program, conditions(program))
    if recount_name(program):
        found.append(_recount(program))
    return found


def _recount(program: TableProgram) -> DbObject:
    sets = needed(program)
    everything = [state for states in sets.values() for state in states]
    body = [preparation(program, everything)] if preparation(program, everything) else []
    for by, states in sets.items():
        select = Select(Grouping(program, by, stored_source(program, joins_of(program, by, states))), states)
        chosen = f"select {', '.join(select.columns())}\nfrom {select.tables()}"
        body.append(f"return query\n{with_ctes(select.ctes(), chosen)};")
    name = recount_name(program)
    made = function(
        f"{name}(_from timestamptz, _to timestamptz)",
        returns="table (bucket timestamptz, segment jsonb, n bigint, states jsonb)",
        attributes="stable\nsecurity definer\nset search_path = pg_catalog, pg_temp"
        + settings(text_arguments(program)),
        about=f"States of the stored rows of {one_line(str(program.table))} with event times from _from up to _to;"
        " null, null: of all rows.",
        declare=declarations(everything),
        body=indent("\n".join(body)),
    )
    return stored_function(program, name, made, WHY)


def stored_function(program: TableProgram, name: str, made: str, why: str) -> DbObject:
    """Return a function over the stored rows between two times, which only the platform may call."""
    # As PostgreSQL spells it: plan compares it.
    signature = f"{name}(timestamp with time zone, timestamp with time zone)"
    slos = tuple(rule.id for rule in program.judged)
    return DbObject(
        table=program.table,
        kind=Kind.FUNCTION,
        name=signature,
        slos=slos,
        create=(
            Statement(made),
            Statement(f"revoke all on function {signature} from public"),
            Statement(comment(f"function {signature}", program.table, slos, made)),
        ),
        drop=(f"drop function if exists {signature}",),
        why=why,
        replaces_in_place=True,
    )
