"""The generated SQL of each kind of object, whole, as a DBA will read it. Refresh with `make golden`."""

from __future__ import annotations

from pathlib import Path

import pglast
import pytest
from pytest_regressions.file_regression import FileRegressionFixture

from mlguard.compile import compile_table
from mlguard.emit.objects import DbObject
from mlguard.emit.table import objects
from mlguard.lang.types import parse_type
from mlguard.names import TableName
from mlguard.program import ColumnShape, TableProgram, TableShape
from tests.support import project

COLUMNS = {
    "customer_id": "bigint",
    "age": "integer",
    "plan": "text",
    "tenure_days": "double precision",
    "email": "text",
    "payload": "jsonb",
    "event_ts": "timestamp with time zone",
}
HEAD = "mlguard: 1\ntable: features.customer\nkey: [customer_id]\nreads: none\n"
CASES = {
    "check": "columns: {age: {range: [0, 130]}, tenure_days: {range: [0, null]}, plan: {in: [free, pro]}}",
    "check_where_nulls": "slos: [{name: adult, check: age >= 18, where: \"plan = 'pro'\", nulls: fail}]",
    "check_portable": "slos: [{name: adult, check: age >= 18, portable: true}]",
    "check_with_judge": "slos: [{name: n, check: \"(payload ->> 'n')::integer > 0\"}]",
    "native": "columns: {customer_id: {unique: true}, age: {required: true}, plan: {references: ref.plan.plan}}",
    "rows_mode": "writes: rows\ncolumns: {age: {range: [0, 130]}, plan: {in: {values: [a], on_violation: quarantine}}}",
    "quarantine": "columns: {age: {range: {between: [0, 130], on_violation: quarantine}}, plan: {in: {values: [a, b],"
    " on_violation: quarantine}}}",
    "repair": "columns: {tenure_days: {range: {between: [0, 9], on_violation: repair, repair: {clamp: [0, 9]}}}}",
    "statement": "columns: {email: {required: true, pii: true}}\nslos: [{name: w, check: age > 1, on_violation: warn},"
    " {name: m, check: age > 2, max_bad: 5%}, {name: s, check: age > 3, shadow: true}]",
    "window": "event_time: event_ts\nmissing: ['']\nslos: [{name: some, check: coverage(age) >= 0.75 AND"
    " mean(tenure_days) < 9}, {name: free, check: stddev(tenure_days) < 3, where: plan = 'free'}, {name: by_plan,"
    " check: row_count() > 10, by: plan}]",
    "window_of_writing": "slos: [{name: some, check: row_count() > 10}]",
    "window_by_rows": "event_time: event_ts\nwrites: rows\nslos: [{name: some, check: coverage(age) >= 0.75 AND"
    " sum(age) > 9}]",
    "batch": "slos: [{name: some, check: coverage(age) >= 0.75, over: batch, on_violation: reject}, {name: w,"
    " check: age > 1, on_violation: warn}]",
    "batch_of_column": "event_time: event_ts\nbatch: plan\nslos: [{name: some, check: coverage(age) >= 0.75,"
    " over: batch, on_violation: hold}, {name: mix, check: distinct_count(age) > 3, over: batch, by: customer_id},"
    " {name: daily, check: row_count() > 1}]",
    "history": "event_time: event_ts\nslos: [{name: drop, check: \"change(coverage(age), '7 days') >= -0.25 AND"
    ' usual(mean(age))"}]',
    "distributions": "event_time: event_ts\nslos: [{name: mix, check: psi(plan) <= 0.2 AND ks(tenure_days) < 0.3},"
    ' {name: tail, check: "quantile(tenure_days, 0.95) < 250"}, {name: keys, check: "duplicate_rate(plan, age) < 1 AND'
    ' distinct_count(age) > 3"}]',
    "learned": "event_time: event_ts\ncolumns: {email: {pii: true}}\nusual: all",
    "predictions": "reads: view\nmodel: churn\nversion_column: plan\napproval: required\nevent_time: event_ts\n"
    "features: [features.account]\nwhen_features_held: allow",
    "predictions_counted": "model: churn",
    "post": "model: m\nreads: view\ncolumns: {age: {range: {between: [0, 130], on_violation: quarantine}}}\npost:\n"
    "  - {name: prior, when: tenure_days IS NULL, set: {tenure_days: 0.5}}\n"
    "  - {name: curve, calibrate: {tenure_days: {logistic: [1.3, -0.2]}}}\n"
    "  - {name: points, calibrate: {tenure_days: {table: ops.points, x: x, y: y}}}\n"
    "  - {name: clip, clamp: {tenure_days: [0, 1]}}\n  - {name: round, round: {tenure_days: 4}}\n"
    "  - {name: blocked, when: customer_id IN (SELECT id FROM ops.blocked) AND age > 3, set: {plan: \"'none'\"}}\n"
    "  - {name: listed, when: plan NOT IN (SELECT plan FROM ops.plans), set: {plan: \"'other'\"}}\n"
    "  - {name: unsure, when: tenure_days < 0.1, route: review}\nraw: {tenure_days: raw_days}",
    "requests": "model: m\npost:\n"
    "  - {name: shares, normalise: {columns: tenure_days, by: [plan]}}\n"
    "  - {name: once, when: age > 3, dedupe: {by: [plan, age], order: tenure_days}}\n"
    "  - {name: best, top_k: {k: 10, by: [plan], order: tenure_days}}\nraw: {tenure_days: raw_days}",
    "labels": "model: m\nevent_time: event_ts\nlabels: {table: labels.churn, on: [customer_id], value: churned,"
    " mature_after: 7 days}\nattributes: {table: crm.person, on: [customer_id], columns: [gender]}\nslos: [{name: few,"
    " check: 'mae(tenure_days, label) <= 1 AND recall(age > 3, label) > 0.5', by: plan}, {name: auc,"
    " check: 'auc(tenure_days, label) > 0.5'}, {name: fair, check: 'disparate_impact(age > 3, gender) >= 0.8'},"
    " {name: came, check: label_coverage() > 0.9}]",
    "gate_view": "event_time: event_ts\nreads: view\nslos: [{name: fresh, check: \"staleness() <= INTERVAL '26 hours'\"}]",
    "gate_of_arrivals": "event_time: event_ts\nreads: view\narrives_by: {value: '06:00 Europe/Berlin on weekdays',"
    " on_violation: hold}",
    "gate_of_volume": "event_time: event_ts\nreads: view\nslos: [{name: volume, check: row_count() >= 100, over: last 1 hour,"
    " on_violation: hold}]",
    "gate_of_volume_of_days": "event_time: tenure_at\ntime_zone: Europe/Berlin\nreads: view\nslos: [{name: volume,"
    " check: row_count() > 0, over: last 7 days, on_violation: hold}, {name: fresh, check: \"staleness() <= INTERVAL '26"
    " hours'\"}]",
    "gaps": "event_time: event_ts\ncolumns: {event_ts: {no_gaps: 1 hour}}",
    "gate_policy": 'event_time: event_ts\nreads: policy\nrevoke: [analyst]\nslos: [{name: fresh, check: "staleness() <='
    " INTERVAL '26 hours'\"}]",
}

SOURCES = {
    table: TableShape(
        table,
        tuple(ColumnShape(name, parse_type(type_) or pytest.fail(type_)) for name, type_ in columns.items()),
        unique=(("customer_id",),),
    )
    for table, columns in (
        (TableName("labels", "churn"), {"customer_id": "bigint", "churned": "boolean"}),
        (TableName("crm", "person"), {"customer_id": "bigint", "gender": "text"}),
    )
}


def program(folder: Path, text: str) -> TableProgram:
    """Compile one of CASES against the table they are about."""
    columns = COLUMNS | ({"raw_days": "double precision"} if "raw_days" in text else {})
    columns |= {"tenure_at": "timestamp without time zone"} if "tenure_at" in text else {}
    shape = TableShape(
        TableName("features", "customer"),
        tuple(ColumnShape(name, parse_type(type_) or pytest.fail(type_)) for name, type_ in columns.items()),
        unique=(("customer_id",),) if "unique" not in text else (),
    )
    head = HEAD.replace("reads: none\n", "") if "reads:" in text else HEAD
    (file,) = project(folder, head + text + "\n").files
    return compile_table(file, shape, sources=SOURCES)


def made(folder: Path, text: str) -> tuple[DbObject, ...]:
    return objects(program(folder, text))


@pytest.mark.parametrize("case", sorted(CASES))
def test_sql(case: str, tmp_path: Path, file_regression: FileRegressionFixture) -> None:
    parts = []
    for item in made(tmp_path, CASES[case]):
        parts.append(f"-- {item.kind.value} {item.name}\n-- why: {item.why}\n-- for: {', '.join(item.slos)}")
        parts += [
            f"-- phase: {statement.phase.value}, locks: {statement.lock}\n{statement.sql};" for statement in item.create
        ]
        parts += [f"-- undo: {sql};" for sql in item.drop]
        for statement in item.create:
            pglast.parse_sql(statement.sql)
            if "language plpgsql" in statement.sql and "found_v1" not in statement.sql:  # it knows no type of ours
                pglast.parse_plpgsql(statement.sql)
    file_regression.check("\n\n".join(parts) + "\n", extension=".sql")
