"""Tables, models, SLOs and incidents as a graph: from SLO files alone, from a database, or from both."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlguard.operate.ask import as_rows, may_read, require_runtime
from mlguard.operate.gate import gates
from mlguard.operate.incidents import incidents
from mlguard.operate.status import status
from mlguard.report.columns import count

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg

    from mlguard.operate.gate import Gate
    from mlguard.operate.incidents import Incident
    from mlguard.operate.status import SloStatus
    from mlguard.program import Program
    from mlguard.spec import Project

LISTED = 6  # SLOs of a table that are named because they fail
BAD = ("held", "failing", "error", "kept out", "refused")
_ACTIONS = ("reject", "quarantine", "repair", "hold", "warn")


@dataclass(frozen=True)
class Node:
    """A table, model, consumer or incident.

    Attributes:
        id: unique in the graph.
        kind: input | table | predictions | model | consumer | incident.
        title: its name.
        lines: what else is said of it, most important first.
        mark: held | bad | ok, or '' where nothing is known.
    """

    id: str
    kind: str
    title: str
    lines: tuple[str, ...] = ()
    mark: str = ""


@dataclass(frozen=True)
class Edge:
    """Data, or an alarm, goes from one node to another."""

    source: str
    target: str
    kind: str = "data"  # data | joined (labels, attributes, lookups) | incident


@dataclass(frozen=True)
class Graph:
    """Nodes in the order in which they were found, and edges between them."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    with_state: bool  # a database was asked


@dataclass(frozen=True)
class Guarded:
    """What is declared of one guarded table."""

    table: str
    consumers: list[str]
    inputs: list[str]
    model: str | None
    features: list[str]
    joined: list[str]  # tables whose rows are matched with its own, or looked up by its rules
    slos: list[tuple[str, str]] = field(default_factory=list)  # name, action


_GUARDED = """
select t.tbl as "table", t.consumers, t.inputs, t.model, t.features,
       array(select j ->> 'table' from jsonb_array_elements(t.joins) as j) as joined
from mlguard._table as t
order by t.tbl
"""


def of_files(project: Project) -> Graph:
    """Return what the SLO files say; no database is asked.

    Raises:
        SpecError: an SLO file is wrong.
    """
    from mlguard.compile import compile_project

    return _graph(_declared(compile_project(project, None)), {}, [], [], with_state=False)


def of_database(connection: psycopg.Connection[Any], project: Project | None = None) -> Graph:
    """Return what the database guards, or what the files say, with states of gates and SLOs and open incidents.

    Args:
        connection: of the owner or a member of mlguard_platform; who may not see consumers and models sees tables.
        project: SLO files; None: the tables that are guarded in the database.

    Raises:
        RuntimeVersionError: mlguard is not installed here, or does not fit this client.
        SpecError, CompileError: an SLO file does not fit the database.
    """
    require_runtime(connection)
    found = status(connection)
    if project is not None:
        from mlguard import planner

        declared = _declared(planner.program(project, connection))
    elif may_read(connection, "_table"):
        declared = as_rows(connection, Guarded, _GUARDED)
    else:
        declared = [Guarded(gate.table, [], [], None, [], []) for gate in gates(connection)]
    by_table: dict[str, list[SloStatus]] = {}
    for slo in found.slos:
        by_table.setdefault(slo.table, []).append(slo)
    for table in declared:
        known = {name for name, _ in table.slos}
        mine = ((slo.slo.removeprefix(f"{table.table}/"), slo.action) for slo in by_table.get(table.table, []))
        table.slos.extend(pair for pair in mine if pair[0] not in known)
    tables = {table.table for table in declared}
    open_now = [one for one in incidents(connection) if one.table in tables] if may_read(connection, "incident") else []
    return _graph(declared, {gate.table: gate for gate in found.gates}, found.slos, open_now, with_state=True)


def _declared(program: Program) -> list[Guarded]:
    tables = []
    for table in program.tables.values():
        predictions = table.predictions
        joined = [
            str(source.table)
            for source in ((predictions.labels, predictions.attributes) if predictions is not None else ())
            if source is not None
        ]
        joined += [str(rule.references[0]) for rule in table.rules if rule.references is not None]
        tables.append(
            Guarded(
                str(table.table),
                list(table.consumers),
                [str(name) for name in table.inputs],
                predictions.model if predictions is not None else None,
                [str(name) for name in predictions.features] if predictions is not None else [],
                list(dict.fromkeys(joined)),
                [(rule.name, rule.action.value) for rule in table.rules],
            )
        )
    return tables


def _graph(
    declared: list[Guarded],
    found: dict[str, Gate],
    slos: Iterable[SloStatus],
    open_now: list[Incident],
    *,
    with_state: bool,
) -> Graph:
    nodes: dict[str, Node] = {}
    edges: dict[Edge, None] = {}
    models = {table.model for table in declared if table.model}
    bad: dict[str, list[SloStatus]] = {}
    for slo in slos:
        if slo.state in BAD:
            bad.setdefault(slo.table, []).append(slo)
    for table in declared:
        kind = "predictions" if table.model else "table"
        nodes[_table(table.table)] = _guarded(table, kind, found.get(table.table), bad.get(table.table, []))
    for table in declared:
        for name, kind in [*((name, "data") for name in table.inputs), *((name, "joined") for name in table.joined)]:
            nodes.setdefault(_table(name), Node(_table(name), "input", name))
            edges[Edge(_table(name), _table(table.table), kind)] = None
        if table.model:
            nodes.setdefault(_model(table.model), Node(_model(table.model), "model", table.model))
            edges[Edge(_model(table.model), _table(table.table))] = None
            for name in table.features:
                nodes.setdefault(_table(name), Node(_table(name), "input", name))
                edges[Edge(_table(name), _model(table.model))] = None
        for name in table.consumers:
            target = _model(name) if name in models else f"consumer:{name}"
            nodes.setdefault(target, Node(target, "model" if name in models else "consumer", name))
            edges[Edge(_table(table.table), target)] = None
    for one in open_now:
        nodes[f"incident:{one.id}"] = Node(
            f"incident:{one.id}", "incident", f"incident {one.id}", (f"{one.severity}, {one.state}", one.name), "bad"
        )
        above = f"incident:{one.cause}" if one.cause is not None else _table(one.table)
        edges[Edge(f"incident:{one.id}", above, "incident")] = None
    kept = tuple(edge for edge in edges if edge.source in nodes and edge.target in nodes)
    return Graph(tuple(nodes.values()), kept, with_state)


def _table(name: str) -> str:
    return f"table:{name}"


def _model(name: str) -> str:
    return f"model:{name}"


def _guarded(table: Guarded, kind: str, gate: Gate | None, bad: list[SloStatus]) -> Node:
    actions = Counter(action for _, action in table.slos)
    parts = ", ".join(f"{actions[action]} {action}" for action in _ACTIONS if actions[action])
    lines = [f"{count(len(table.slos), 'SLO')}: {parts}"] if table.slos else []
    mark = ""
    if gate is not None:
        mark = "ok" if gate.open and not bad else "held" if not gate.open else "bad"
        if not gate.open:
            lines.insert(0, "held")
    lines += [f"{slo.slo.removeprefix(f'{table.table}/')}: {slo.state}" for slo in bad[:LISTED]]
    if len(bad) > LISTED:
        lines.append(f"and {len(bad) - LISTED} more")
    return Node(_table(table.table), kind, table.table, tuple(lines), mark)
