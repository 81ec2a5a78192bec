"""`assert:` as a rule: faults at their place in the file, tables that cannot be watched, keys, what stays hidden."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlguard.compile import compile_project, compile_table
from mlguard.compile.assertion import tables_read
from mlguard.errors import SpecError
from mlguard.lang.types import parse_type
from mlguard.names import TableName
from mlguard.program import Action, ColumnShape, Level, Place, Rule, TableShape
from tests.support import project

EMPLOYEE, DEPARTMENT = TableName("hr", "employee"), TableName("hr", "department")


def shape(table: TableName, **columns: str) -> TableShape:
    return TableShape(
        table, tuple(ColumnShape(name, parse_type(type_) or pytest.fail(type_)) for name, type_ in columns.items())
    )


SHAPES = {
    EMPLOYEE: shape(EMPLOYEE, name="text", salary="integer", dept="integer"),
    DEPARTMENT: shape(DEPARTMENT, dept="integer", budget="integer"),
}
HEAD = "mlguard: 1\ntable: hr.employee\nkey: [name]\nslos:\n  - name: a\n"
JOINED = "SELECT d.dept FROM hr.department d JOIN hr.employee e ON e.dept = d.dept WHERE e.salary > d.budget"


def rule(folder: Path, text: str, shapes: dict[TableName, TableShape] | None = None) -> Rule:
    (file,) = project(folder, HEAD + text).files
    (found,) = compile_table(file, SHAPES[EMPLOYEE], SHAPES if shapes is None else shapes).rules
    return found


def fault(folder: Path, text: str, shapes: dict[TableName, TableShape] | None = None) -> str:
    with pytest.raises(SpecError) as caught:
        rule(folder, text, shapes)
    (problem,) = caught.value.problems
    return problem.render()


def test_a_rule(tmp_path: Path) -> None:
    found = rule(tmp_path, f"    assert: {JOINED}\n")
    assert (found.level, found.action, found.placement.place) == (Level.ASSERTION, Action.REJECT, Place.ASSERTION)
    assert found.waivable
    assert found.assertion is not None
    assert found.assertion.tables == (DEPARTMENT, EMPLOYEE)
    assert found.assertion.keys == {EMPLOYEE: ("dept", "dept"), DEPARTMENT: ("dept", "dept")}
    assert found.placement.reason == (
        "judged at COMMIT of every transaction that writes hr.department or hr.employee, one after another under a row"
        " lock of its own; only the touched dept is judged again"
    )


def test_the_reason_names_the_tables_without_a_key(tmp_path: Path) -> None:
    half = "SELECT name FROM hr.employee WHERE salary > (SELECT max(budget) FROM hr.department)"
    assert rule(tmp_path, f"    assert: {half}\n").placement.reason.endswith(
        "; only the touched name is judged again, but the whole SELECT after a write to hr.department"
    )
    none = "SELECT count(*) AS n FROM hr.employee HAVING count(*) > 9"
    assert "; the whole SELECT runs, because" in rule(tmp_path, f"    assert: {none}\n").placement.reason


def test_faults_stand_at_their_line_and_column(tmp_path: Path) -> None:
    text = "    assert: |\n      SELECT e.name\n      FROM hr.employee e, department d\n      WHERE random() < 1\n"
    said = fault(tmp_path, text)
    assert "t.slo.yaml:9:13: random() gives another answer at every call" in said
    said = fault(tmp_path, text.replace("      WHERE random() < 1\n", ""))
    assert "t.slo.yaml:8:27: the table `department` has no schema" in said
    assert "help: write hr.department" in said
    said = fault(tmp_path, "    assert: SELECT e.name FROM hr.nobody e\n")
    assert "t.slo.yaml:6:32: no table hr.nobody in this database" in said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"relkind": "v"}, "hr.department is a view"),
        ({"relkind": "m"}, "hr.department is a materialised view"),
        ({"relkind": "f"}, "hr.department is a foreign table"),
        ({"relkind": "S"}, "hr.department is a sequence"),
        ({"persistence": "t"}, "hr.department is a temporary table"),
        ({"parent": EMPLOYEE}, "hr.department is a part of hr.employee"),
    ],
)
def test_what_no_trigger_watches_is_refused(tmp_path: Path, change: dict[str, object], words: str) -> None:
    shapes = {**SHAPES, DEPARTMENT: replace(SHAPES[DEPARTMENT], **change)}  # type: ignore[arg-type]
    said = fault(tmp_path, f"    assert: {JOINED}\n", shapes)
    assert words in said
    assert "t.slo.yaml:6:32:" in said


@pytest.mark.parametrize("table", ["pg_catalog.pg_class", "information_schema.tables", "mlguard._slo", "pg_temp.t"])
def test_tables_of_the_system_are_refused(tmp_path: Path, table: str) -> None:
    assert f"{table} is not a table of yours" in fault(tmp_path, f"    assert: SELECT 1 AS x FROM {table}\n")


@pytest.mark.parametrize("word", ["quarantine", "repair"])
def test_rows_of_a_select_cannot_be_kept_out_or_mended(tmp_path: Path, word: str) -> None:
    with pytest.raises(SpecError, match=f"an assertion cannot {word}"):
        rule(tmp_path, f"    assert: {JOINED}\n    on_violation: {word}\n")


def test_values_are_hidden_where_any_table_holds_personal_data(tmp_path: Path) -> None:
    project(tmp_path, HEAD + f"    assert: {JOINED}\n", "employee.slo.yaml")
    plain = project(tmp_path, "mlguard: 1\ntable: hr.department\n", "department.slo.yaml")
    pii = "mlguard: 1\ntable: hr.department\ncolumns: {budget: {type: integer, pii: true}}\n"

    def hidden(said: object, personal: frozenset[TableName] = frozenset()) -> bool:
        compiled = compile_project(said, SHAPES, SHAPES, personal)  # type: ignore[arg-type]
        (found,) = compiled.tables[EMPLOYEE].rules
        assert found.assertion is not None
        return found.assertion.hidden

    assert not hidden(plain)
    assert hidden(plain, frozenset({DEPARTMENT}))
    assert hidden(project(tmp_path, pii, "department.slo.yaml"))


def test_reading_the_clock_is_told(tmp_path: Path) -> None:
    (file,) = project(tmp_path, HEAD + "    assert: SELECT name FROM hr.employee WHERE now() > '2030-01-01'\n").files
    notes = compile_table(file, SHAPES[EMPLOYEE], SHAPES).notes
    assert [note for note in notes if "a reads the clock (`now`)" in note]


def test_without_a_database_the_select_is_read_and_judged_whole(tmp_path: Path) -> None:
    (file,) = project(tmp_path, HEAD + f"    assert: {JOINED}\n").files
    (found,) = compile_table(file, SHAPES[EMPLOYEE]).rules
    assert found.assertion is not None
    assert not found.assertion.keys
    assert tables_read([file]) == {EMPLOYEE, DEPARTMENT}
