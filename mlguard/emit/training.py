"""The training function of a table of predictions: what a run with a ticket may read, as of each prediction. Pure.

feature time <= prediction time <= label time: no row of it knows more than was known then. Rows in quarantine are in no
table, and no ticket is given while an input is held or failed in the time it is about.
"""

from __future__ import annotations

from mlguard.emit.buckets import at_zone, event_time, interval
from mlguard.emit.gate import TASK_ROLE
from mlguard.emit.joins import label_of, matched
from mlguard.emit.objects import DbObject, Kind, Statement, comment, dollar_quote, function, indent
from mlguard.emit.rules import literal, one_line
from mlguard.names import TableName, fit, quote_ident
from mlguard.program import FeatureSource, LabelSource, Predictions, TableProgram

WHY = "what a training run with a ticket reads: predictions, features as of them, labels that came after them"
LABEL, LABEL_TIME = "label", "label_time"


def function_name(table: TableName) -> TableName:
    """Return the name of the training function."""
    return TableName(table.schema, fit(f"{table.name}_training"))


def objects(program: TableProgram) -> list[DbObject]:
    """Return the function, none where there is nothing to train on: no event time, neither labels nor features."""
    predictions = program.predictions
    if predictions is None or program.event_time is None or not (predictions.labels or predictions.joined):
        return []
    name = function_name(program.table)
    signature = f"{name.sql}(bigint)"
    slos = (str(program.table),)
    columns = _columns(program, predictions)
    made = function(
        f"{name.sql}(p_ticket bigint)",
        returns="table (\n" + ",\n".join(f"  {quote_ident(column)} {type_}" for column, type_, _ in columns) + "\n)",
        attributes="stable\nsecurity definer\nset search_path = pg_catalog, pg_temp",
        about=f"Rows of {one_line(str(program.table))} that a training run of {one_line(predictions.model)} may read:\n"
        "feature time <= prediction time <= label time.",
        declare=("_t record",),
        body=indent(_body(program, predictions, [value for _, _, value in columns])),
    )
    grant = (
        f"begin\n  if exists (select from pg_catalog.pg_roles where rolname = {literal(TASK_ROLE)}) then\n"
        f"    grant execute on function {signature} to {quote_ident(TASK_ROLE)};\n  end if;\nend"
    )
    return [
        DbObject(
            table=program.table,
            kind=Kind.FUNCTION,
            name=signature,
            slos=slos,
            create=(
                Statement(made),
                Statement(f"revoke all on function {signature} from public"),
                Statement("do " + dollar_quote(grant)),
                Statement(comment(f"function {signature}", program.table, slos, made)),
            ),
            drop=(f"drop function if exists {signature}",),
            why=WHY,  # its columns are part of its type, so a changed one is made anew
        )
    ]


def _columns(program: TableProgram, predictions: Predictions) -> list[tuple[str, str, str]]:
    """Return (name, type, value) of each column: the predictions' own, the label, then each feature table's."""
    found = [(c.name, str(c.type), f"p.{quote_ident(c.name)}") for c in program.shape.columns]
    taken = {name for name, _, _ in found}
    if predictions.labels is not None:
        labels = predictions.labels
        found.append((LABEL, str(labels.value.type), f"({label_of(program, labels)})"))
        if labels.event_time is not None:
            name = LABEL_TIME if LABEL_TIME not in taken else fit(f"{labels.table.name}_{LABEL_TIME}")
            found.append((name, "timestamp with time zone", _label_time(labels, program)))
        taken |= {name for name, _, _ in found}
    for number, source in enumerate(predictions.joined, 1):
        for column in source.columns:
            name = fit(f"{source.table.name}_{column.name}")
            if name in taken:
                name = fit(f"{source.table.schema}_{source.table.name}_{column.name}")
            taken.add(name)
            found.append((name, str(column.type), f"f_{number}.{quote_ident(column.name)}"))
    return found


def _label_time(labels: LabelSource, program: TableProgram) -> str:
    assert labels.event_time is not None
    return at_zone(labels.event_time, "t", program.time_zone)


def _body(program: TableProgram, predictions: Predictions, values: list[str]) -> str:
    at = event_time(program, "p")
    joins, conditions = [], [f"{at} >= _t.from_at", f"{at} < _t.to_at", f"{at} <= _t.given_at"]
    labels = predictions.labels
    if labels is not None:
        joins.append(f"join {labels.table.sql} as t on {matched(labels.on, 't')}")
        conditions.append(f"({label_of(program, labels)}) is not null")
        if labels.event_time is not None:
            when = _label_time(labels, program)
            conditions += [f"{when} >= {at}", f"{when} <= _t.given_at"]
        if labels.mature_after.timedelta:
            conditions.append(f"{at} <= _t.given_at - {interval(labels.mature_after)}")
    joins += [_as_of(source, number, at) for number, source in enumerate(predictions.joined, 1)]
    chosen = ",\n".join(values)
    tables = "\n".join([f"from {program.table.sql} as p", *joins])
    query = f"select\n{indent(chosen)}\n{tables}\nwhere " + "\n  and ".join(conditions)
    return (
        "-- Raises ML002 without a ticket, and where an input went bad since it was given.\n"
        f"select t.* into _t from mlguard.ticket_v1({literal(predictions.model)}, p_ticket) as t;\n"
        f"return query\n{query};"
    )


def _as_of(source: FeatureSource, number: int, at: str) -> str:
    """Join the newest row of the entity that was known when the prediction was made."""
    when = at_zone(source.event_time, "f", source.time_zone)
    same = " and ".join(f"f.{quote_ident(name)} = p.{quote_ident(name)}" for name in source.on)
    return (
        f"left join lateral (\n  select f.*\n  from {source.table.sql} as f\n  where {same} and {when} <= {at}\n"
        f"  order by {when} desc\n  limit 1\n) as f_{number} on true"
    )
