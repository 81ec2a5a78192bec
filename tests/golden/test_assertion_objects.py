"""The generated SQL of assertions, whole, as a DBA will read it. Refresh with `make golden`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pglast
import pytest
from pytest_regressions.file_regression import FileRegressionFixture

from mlguard.compile import compile_table
from mlguard.emit.assertions import objects
from mlguard.lang.types import parse_type
from mlguard.names import TableName
from mlguard.program import ColumnShape, TableShape
from tests.support import project


def shape(name: str, /, **columns: str) -> TableShape:
    return TableShape(
        TableName("hr", name),
        tuple(ColumnShape(column, parse_type(type_) or pytest.fail(type_)) for column, type_ in columns.items()),
    )


EMPLOYEE = shape("employee", name="text", salary="integer", dept="integer", hired="date")
DEPARTMENT = shape("department", dept="integer", budget="integer")
HEAD = "mlguard: 1\ntable: hr.employee\nkey: [name]\nslos:\n"
CASES = {
    "whole": """
  - name: same_salary
    assert: |
      SELECT a.name FROM hr.employee a JOIN hr.employee b ON a.name = 'Joe' AND b.name = 'Fred'
      WHERE a.salary <> b.salary
""",
    "keyed_over_two_tables": """
  - name: within_budget
    on_violation: hold
    assert: |
      SELECT d.dept, sum(e.salary) AS spent FROM hr.department d JOIN hr.employee e ON e.dept = d.dept
      GROUP BY d.dept, d.budget HAVING sum(e.salary) > d.budget
  - {name: paid, assert: "SELECT name FROM hr.employee WHERE salary <= 0"}
""",
    "by_day": """
  - {name: one_a_day, shadow: true, assert: "SELECT hired FROM hr.employee GROUP BY hired HAVING count(*) > 1"}
""",
    "increasing_by": """
  - {name: paid, assert: "SELECT name FROM hr.employee WHERE salary <= 0"}
event_time: hired
columns: {salary: {increasing_by: [name, dept]}}
""",
    "pii": """
  - {name: paid, assert: "SELECT name FROM hr.employee WHERE salary <= 0"}
columns: {name: {type: text, pii: true}}
existing: allow
""",
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_sql(case: str, tmp_path: Path, file_regression: FileRegressionFixture) -> None:
    (file,) = project(tmp_path, HEAD + CASES[case].lstrip("\n")).files
    leaf = TableName("hr", "department_old")
    others = {found.table: found for found in (EMPLOYEE, replace(DEPARTMENT, heirs=(leaf,)))}
    parts = []
    for item in objects(compile_table(file, EMPLOYEE, others)):
        parts.append(f"-- {item.kind.value} {item.name}\n-- why: {item.why}\n-- for: {', '.join(item.slos)}")
        parts += [
            f"-- phase: {statement.phase.value}, locks: {statement.lock}\n{statement.sql};" for statement in item.create
        ]
        parts += [f"-- undo: {sql};" for sql in item.drop]
        for statement in item.create:
            pglast.parse_sql(statement.sql)
    file_regression.check("\n\n".join(parts) + "\n", extension=".sql")
