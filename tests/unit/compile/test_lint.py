"""Faults of keys do not hide those of expressions: all of all files are told at once, and no fault that follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlguard.compile import compile_project
from mlguard.compile.lint import load_whole
from mlguard.errors import SpecError

HEAD = "mlguard: 1\ntable: features.{}\n"
CUSTOMER = HEAD.format("customer")


def faults(folder: Path, **files: str) -> list[str]:
    """Return the faults of the files, as `file:line message`."""
    for name, text in files.items():
        (folder / f"{name}.slo.yaml").write_text(text)
    with pytest.raises(SpecError) as caught:
        load_whole(folder)
    return [
        f"{Path(problem.where.file).name.split('.')[0]}:{problem.where.line} {problem.message}"
        for problem in caught.value.problems
        if problem.where
    ]


def test_a_key_in_one_file_and_an_expression_in_another(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        a=HEAD.format("a") + "onwer: x\n",
        b=HEAD.format("b") + "slos:\n  - {name: one, check: 0 < age < 5}\n",
    )
    assert found == ["a:3 unknown key `onwer`", "b:4 comparisons do not chain"]


def test_both_in_one_file(tmp_path: Path) -> None:
    text = """event_tme: ts
columns:
  age: {type: integer, range: [9, 1], in: [x]}
  plan: {type: text, range: [0, 1]}
  note: {type: text, matchs: 5}
slos:
  - {name: one, check: 0 < age < 5}
  - name: two
    chek: avg(age) > 1
    severity: high
  - {name: three, check: age > 1, on_violation: reject, over: yearly}
  - {name: fresh, check: "staleness() <= INTERVAL '1 hour'"}
  - {name: five, check: now() > ts}
examples:
  - {row: {age: 5}, breaks: [three]}
"""
    assert faults(tmp_path, t=CUSTOMER + text) == [
        "t:3 unknown key `event_tme`",
        "t:5 no value lies between 9 and 1",
        "t:6 range needs a number or a time; plan is text",
        "t:7 unknown key `matchs`",
        "t:9 comparisons do not chain",
        "t:11 unknown key `chek`",
        "t:12 `high` is not one of low, normal, page",
        "t:13 `yearly` is nothing to judge over",
        (
            "t:15 `now()` is outside the language: its value changes while the row stays the same, so no stored row "
            "could be trusted to still pass"
        ),
    ]


def test_what_yaml_refuses_hides_nothing_else(tmp_path: Path) -> None:
    text = """reads: x: y
slos:
  - {name: one, check: 0 < age < 5}
  - name: two
    check: 'a' = b
"""
    assert faults(tmp_path, t=CUSTOMER + text) == [
        "t:3 YAML takes the second `: ` on this line for another key",
        "t:5 comparisons do not chain",
        "t:7 YAML takes 'a' for the whole value, and text follows it",
    ]


def test_several_faults_of_one_list_are_each_told_at_their_own_place(tmp_path: Path) -> None:
    text = """slos:
  - {name: one, check: age > 0, over: never, by: 5}
  - {name: two, check: 1 < age < 2}
  - {name: three, check: age > 0, reopn: x}
  - {name: four, check: age > }
  - {name: five, over: {}}
"""
    assert faults(tmp_path, t=CUSTOMER + text) == [
        "t:4 `never` is nothing to judge over",
        "t:4 wanted text, found a number: 5",
        "t:5 comparisons do not chain",
        "t:6 unknown key `reopn`",
        "t:7 the expression ends where a value is expected",
        "t:8 wanted text, found a mapping",
    ]


def test_nothing_is_made_up_where_the_rest_depends_on_what_is_wrong(tmp_path: Path) -> None:
    text = "event_time: [ts]\nslos:\n  - {name: fresh, check: \"staleness() <= INTERVAL '1 hour'\"}\n"
    assert faults(tmp_path, t=CUSTOMER + text) == ["t:3 wanted text, found a list"]


def test_a_file_without_faults_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "t.slo.yaml").write_text(CUSTOMER)
    assert [str(file.table) for file in load_whole(tmp_path).files] == ["features.customer"]


def test_columns_that_only_the_database_knows_can_be_mended_and_stepped(tmp_path: Path) -> None:
    text = """key: [id]
features: [features.a]
when_features_held: fallback
model: churn
post:
  - {name: prior, default: {score: 0.5, action: none}}
  - {name: clip, clamp: {score: [0, 1]}}
  - {name: two, round: {score: 2}}
  - {name: curve, calibrate: {score: {logistic: [1.3, -0.2]}}}
  - {name: points, calibrate: {score: {table: ops.points, x: x, y: y}}}
  - {name: shares, normalise: [p_a, p_b, p_c]}
  - {name: quiet, when: score < 0.1, set: {action: "'none'"}}
  - {name: unsure, when: score > 0.4, route: review}
  - {name: best, top_k: {k: 3, by: [request_id], order: score}}
  - {name: once, dedupe: {by: [request_id, item], order: score}}
  - {name: whole, normalise: {columns: score, by: [request_id]}}
raw: {score: raw_score}
slos:
  - {name: clamped, check: score <= 1, on_violation: repair, repair: {clamp: [0, 1]}}
  - {name: given, check: action IS NOT NULL, nulls: fail, on_violation: repair, repair: {default: none}}
  - {name: emptied, check: score >= 0, on_violation: repair, repair: null}
  - {name: computed, check: score >= 0, on_violation: repair, repair: {score: abs(score), action: "'mended'"}}
"""
    (tmp_path / "t.slo.yaml").write_text(HEAD.format("churn") + text)
    compile_project(load_whole(tmp_path), None)
