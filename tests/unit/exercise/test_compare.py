"""Two versions of SLO files on data: which rows newly fail, which are no longer caught."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from mlguard.errors import PlanError
from mlguard.exercise import Comparison, compare
from mlguard.spec import load_project
from tests.unit.cli.conftest import Run, run

__all__ = ["run"]
OLD = """
mlguard: 1
table: a.b
key: [id]
columns:
  id: {type: bigint, required: true, unique: true}
  age: {type: integer, range: [0, 100]}
  plan: {type: text, in: [free, pro]}
  email: {type: text, pii: true, length: [1, 5]}
slos:
  - {name: old_rule, check: age <> 7}
  - {name: covered, check: coverage(age) >= 0.5, over: batch, min_rows: 1}
"""
ROWS = (
    "(1, 50, 'free', 'abc'), (2, 120, 'pro', 'abcd'), (3, -1, 'gold', ''), (4, 7, 'free', 'abcdef'),"
    " (5, null, 'x', 'a')"
)


@pytest.fixture
def data(tmp_path: Path) -> str:
    path = tmp_path / "x.parquet"
    columns = "t(id, age, plan, email)"
    duckdb.sql(f"copy (select id::bigint as id, age::integer as age, plan, email from (values {ROWS}) {columns})"
               f" to '{path}'")  # fmt: skip
    return str(path)


def compared(tmp_path: Path, data: str, new: str, old: str = OLD) -> Comparison:
    projects = []
    for name, text in (("old", old), ("new", new)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "b.slo.yaml").write_text(text)
        projects.append(load_project(tmp_path / name))
    before, after = projects
    return compare(before, after, {"a.b": data})


def test_the_same_files_have_no_difference(tmp_path: Path, data: str) -> None:
    found = compared(tmp_path, data, OLD)
    assert not found.changed
    assert len(found.differences) == 7
    assert found.exit_code(fail_on_difference=True) == 0


def test_rows_are_compared_one_by_one(tmp_path: Path, data: str) -> None:
    new = OLD.replace("[0, 100]", "[-5, 60]").replace("[free, pro]", "[free, gold]").replace("old_rule", "new_rule")
    found = {each.slo.removeprefix("a.b/"): each for each in compared(tmp_path, data, new).changed}
    age = found["age.range"]
    assert (age.newly, age.lost, age.lost_keys) == (0, 1, ({"id": 3},))
    plan = found["plan.in"]
    assert (plan.newly, plan.newly_keys, plan.lost, plan.lost_keys) == (1, ({"id": 2},), 1, ({"id": 3},))
    assert (plan.before, plan.after) == ("FAIL", "FAIL")  # equal counts would hide it
    assert (found["new_rule"].change, found["new_rule"].newly, found["new_rule"].before) == ("added", 1, None)
    assert (found["old_rule"].change, found["old_rule"].lost, found["old_rule"].after) == ("removed", 1, None)
    assert set(found) == {"age.range", "plan.in", "new_rule", "old_rule"}


def test_slos_over_many_rows_are_compared_by_outcome(tmp_path: Path, data: str) -> None:
    (found,) = compared(tmp_path, data, OLD.replace(">= 0.5", ">= 0.9")).changed
    assert (found.slo, found.before, found.after, found.newly) == ("a.b/covered", "PASS", "FAIL", None)
    assert found.newly_fails
    assert not found.no_longer_caught


def test_a_column_of_another_type_is_compared_too(tmp_path: Path, data: str) -> None:
    new = OLD.replace("age: {type: integer, range: [0, 100]}", "age: {type: double precision, range: [0, 49.5]}")
    (found,) = [each for each in compared(tmp_path, data, new).changed if each.newly]
    assert (found.slo, found.newly, found.newly_keys) == ("a.b/age.range", 1, ({"id": 1},))


def test_keys_of_pii_rules_are_not_shown(tmp_path: Path, data: str) -> None:
    (found,) = compared(tmp_path, data, OLD.replace("[1, 5]", "[1, 3]")).changed
    assert (found.newly, found.newly_keys) == (1, ())


def test_a_table_of_one_version_only(tmp_path: Path, data: str) -> None:
    other = "mlguard: 1\ntable: a.c\ncolumns:\n  x: {type: integer}\n"
    found = compared(tmp_path, data, OLD, old=other)
    assert {each.change for each in found.differences if each.slo.startswith("a.b/")} == {"added"}
    assert {each.slo: each.newly for each in found.changed}["a.b/age.range"] == 2


def test_a_lookup_without_data_is_said(tmp_path: Path, data: str) -> None:
    new = OLD + "  - {name: known, check: plan IN (SELECT plan FROM a.plan)}\n"
    found = {each.slo: each for each in compared(tmp_path, data, new).differences}["a.b/known"]
    assert (found.after, found.newly) == ("INSUFFICIENT", None)
    assert "a.plan" in found.reason


def test_a_table_that_only_one_version_looks_up(tmp_path: Path, data: str) -> None:
    (tmp_path / "plan.csv").write_text("plan\nfree\npro\n")
    new = OLD.replace("key: [id]\n", "") + "  - {name: known, check: plan IN (SELECT plan FROM a.plan)}\n"
    (tmp_path / "old.slo.yaml").write_text(OLD)
    (tmp_path / "new.slo.yaml").write_text(new)
    before, after = (load_project(tmp_path / f"{name}.slo.yaml") for name in ("old", "new"))
    (found,) = compare(before, after, {"a.b": data, "a.plan": tmp_path / "plan.csv"}).changed
    # Without a key a row is told by its place.
    assert (found.slo, found.newly, found.newly_keys) == ("a.b/known", 2, ({"row": 3}, {"row": 5}))


def test_data_of_no_table(tmp_path: Path, data: str) -> None:
    (tmp_path / "b.slo.yaml").write_text(OLD)
    project = load_project(tmp_path)
    with pytest.raises(PlanError, match="no data was given"):
        compare(project, project, {"x.y": data})
    with pytest.raises(PlanError, match="is in neither version"):
        compare(project, project, {"a.b": data, "x.y": data})


def test_the_verb(tmp_path: Path, data: str, run: Run) -> None:
    (tmp_path / "old.slo.yaml").write_text(OLD)
    (tmp_path / "new.slo.yaml").write_text(OLD.replace("[0, 100]", "[0, 40]"))
    words = ["compare", str(tmp_path / "old.slo.yaml"), str(tmp_path / "new.slo.yaml"), "--data", f"a.b={data}"]
    done = run(*words)
    assert done.exit_code == 0
    assert done.stdout == "+  a.b/age.range  1 row newly fails: id 1\n7 SLOs compared: 1 newly fail, 0 catch less\n"
    assert run(*words, "--fail-on-difference").exit_code == 1
    assert "| + | a.b/age.range | 1 row newly fails: id 1 |" in run(*words, "--format", "markdown").stdout
    told = json.loads(run(*words, "--format", "json").stdout)["differences"]
    assert [each["slo"] for each in told if each["newly_fails"]] == ["a.b/age.range"]
    assert run(*words[:3]).exit_code == 2
    assert run(*words[:3], "--data", "a.b=nothing.parquet").exit_code == 2
