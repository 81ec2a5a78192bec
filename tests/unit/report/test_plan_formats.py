from __future__ import annotations

import json

import pytest
from pytest_regressions.file_regression import FileRegressionFixture

from mlguard.names import TableName
from mlguard.plan import Plan, TablePlan
from mlguard.program import Existing
from mlguard.report import plan_markup, plan_text
from tests.unit.report.samples import EMPTY_PLAN, plan


def test_text(file_regression: FileRegressionFixture) -> None:
    file_regression.check(plan_text.render(plan()) + "\n", encoding="utf-8", extension=".txt")


def test_text_with_statements() -> None:
    shown = plan_text.render(plan(), statements=True)
    for table in plan().tables:
        for step in table.steps:
            for statement in step.statements:
                for line in statement.sql.splitlines():
                    assert line in shown


def test_text_of_an_empty_plan_says_so() -> None:
    assert plan_text.render(EMPTY_PLAN) == plan_text.NOTHING
    assert plan_text.render(Plan(())) == plan_text.NOTHING


@pytest.mark.parametrize("existing", Existing)
def test_text_says_what_happens_to_rows_that_break_a_new_rule(existing: Existing) -> None:
    shown = plan_text.render(plan(existing))
    assert "age.range: 12 of 964" in shown
    assert f"existing: {existing.value}" in shown


def test_text_of_a_table_of_which_only_the_record_changes(file_regression: FileRegressionFixture) -> None:
    only = Plan((TablePlan(TableName("a", "b"), None, (), removed=("a.b/x",), record=True),))
    file_regression.check(plan_text.render(only) + "\n", encoding="utf-8", extension=".txt")


def test_markdown(file_regression: FileRegressionFixture) -> None:
    file_regression.check(plan_markup.to_markdown(plan()) + "\n", encoding="utf-8", extension=".md")


def test_markdown_of_an_empty_plan() -> None:
    assert plan_markup.to_markdown(EMPTY_PLAN) == plan_text.NOTHING


def test_json() -> None:
    found = json.loads(plan_markup.to_json(plan()))
    assert found["empty"] is False
    first = found["tables"][0]
    assert first["breaking"][0] == {"slo": "features.customer/age.range", "rows": 12, "total": 964}
    assert [step["verb"] for step in first["steps"]] == ["drop", "create", "repair"]
    assert first["steps"][1]["statements"][1]["phase"] == "validate"
    assert first["can_read_round_the_gate"] == ["analyst", "bob (through analyst)"]
    assert json.loads(plan_markup.to_json(EMPTY_PLAN))["empty"] is True
