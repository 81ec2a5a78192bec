from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from pytest_regressions.file_regression import FileRegressionFixture

from mlguard.errors import Exit, Problem, Where
from mlguard.report import github, junit, markup, sarif, text
from mlguard.report.verdict import Outcome, Report
from tests.unit.report.samples import EMPTY_REPORT, NASTY_REPORT, REPORT, verdict


def test_text_has_one_aligned_line_a_verdict_and_the_summary_last(file_regression: FileRegressionFixture) -> None:
    file_regression.check(text.render(REPORT) + "\n", encoding="utf-8", extension=".txt")


def test_text_shows_rows_that_break_an_slo_when_asked(file_regression: FileRegressionFixture) -> None:
    file_regression.check(
        text.render(Report(REPORT.verdicts[:2]), samples=True) + "\n", encoding="utf-8", extension=".txt"
    )


def test_text_says_that_nothing_was_judged(file_regression: FileRegressionFixture) -> None:
    file_regression.check(text.render(EMPTY_REPORT) + "\n", encoding="utf-8", extension=".txt")


def test_text_lets_no_stored_value_reach_the_terminal_as_it_is() -> None:
    lines = text.render(NASTY_REPORT).splitlines()
    assert len(lines) == 2
    assert not re.search("[\x00-\x1f\x7f\u202e]", lines[0])


def test_text_paints_outcomes_without_moving_columns() -> None:
    painted = text.render(REPORT, paint=lambda word: f"«{word}»" if word.isupper() else word)
    assert painted.replace("«", "").replace("»", "") == text.render(REPORT)


def test_markdown(file_regression: FileRegressionFixture) -> None:
    file_regression.check(markup.to_markdown(REPORT) + "\n", encoding="utf-8", extension=".md")


def test_markdown_cells_stay_cells() -> None:
    row = markup.to_markdown(NASTY_REPORT).splitlines()[2]
    assert len(re.split(r"(?<!\\)\|", row)) == 6
    assert "<script>" not in row


def test_json_is_complete() -> None:
    found = json.loads(markup.to_json(REPORT))
    assert found["holds"] is False
    assert found["counts"] == {"PASS": 1, "FAIL": 2, "NOTED": 1, "INSUFFICIENT": 1, "ERROR": 1}
    assert found["verdicts"][0]["samples"][0] == {"observed": {"age": -4}, "key": {"customer_id": 17}}
    assert json.loads(markup.to_json(EMPTY_REPORT))["holds"] is False


def test_junit(file_regression: FileRegressionFixture) -> None:
    file_regression.check(junit.render(REPORT) + "\n", encoding="utf-8", extension=".xml")


@pytest.mark.parametrize(
    "fail_on", [(), ("warn",), ("insufficient",), ("warn", "insufficient")], ids=lambda given: "+".join(given) or "none"
)
def test_junit_fails_where_the_exit_code_does(fail_on: tuple[str, ...]) -> None:
    judged = Report(tuple(v for v in REPORT.verdicts if v.outcome is not Outcome.ERROR and v.name != "age.range"))
    root = ET.fromstring(junit.render(judged, fail_on))
    failing = int(root.get("failures", "0")) > 0
    assert failing == (judged.exit_code(fail_on) is Exit.VIOLATED)


def test_junit_counts_add_up_and_errors_are_not_failures() -> None:
    root = ET.fromstring(junit.render(REPORT))
    suite = root.find("testsuite")
    assert suite is not None
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["6", "1", "1", "3"]
    assert len(suite.findall("testcase")) == 6


def test_junit_is_well_formed_whatever_the_database_holds() -> None:
    ET.fromstring(junit.render(NASTY_REPORT))
    assert ET.fromstring(junit.render(EMPTY_REPORT)).get("tests") == "0"


def test_github_annotations(file_regression: FileRegressionFixture) -> None:
    file_regression.check(github.of_report(REPORT) + "\n", encoding="utf-8", extension=".txt")


def test_github_annotations_escape_what_github_reads() -> None:
    line, _ = github.of_report(NASTY_REPORT).splitlines()
    assert line.startswith("::error file=slos/a%2Cb%3Ac.slo.yaml,line=3,title=mlguard FAIL::")
    assert "100%25" in line


def test_github_annotations_of_faults(file_regression: FileRegressionFixture) -> None:
    problems = [
        Problem("unknown key `rang`", Where("slos/a.slo.yaml", 4, 3), "did you mean `range`?"),
        Problem("no file"),
    ]
    file_regression.check(github.of_problems(problems) + "\n", encoding="utf-8", extension=".txt")


def test_sarif_of_a_report() -> None:
    found = json.loads(sarif.of_report(REPORT, "0.1.0"))
    _is_sarif(found)
    run = found["runs"][0]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [v.slo for v in REPORT.verdicts]
    assert [(r["ruleId"].partition("/")[2], r["level"]) for r in run["results"]] == [
        ("age.range", "error"),
        ("soft", "warning"),
        ("trial", "note"),
        ("mean", "warning"),
        ("broken", "error"),
    ]
    assert run["results"][0]["locations"] == [
        {"physicalLocation": {"artifactLocation": {"uri": "slos/customer.slo.yaml"}, "region": {"startLine": 7}}}
    ]


def test_sarif_of_faults() -> None:
    found = json.loads(
        sarif.of_problems([Problem("wrong", Where("a b.yaml", 2, 5), "mend it"), Problem("no file")], "0.1.0")
    )
    _is_sarif(found)
    first, second = found["runs"][0]["results"]
    assert first["message"]["text"] == "wrong. mend it"
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "a%20b.yaml"},
        "region": {"startLine": 2, "startColumn": 5},
    }
    assert second["locations"] == []


@pytest.mark.parametrize("report", [NASTY_REPORT, EMPTY_REPORT, Report((verdict("ok", Outcome.PASS),))])
def test_sarif_is_always_a_log(report: Report) -> None:
    _is_sarif(json.loads(sarif.of_report(report, "0.1.0")))


def _is_sarif(log: dict[str, Any]) -> None:
    """Assert what SARIF 2.1.0 requires of the parts that mlguard writes (3.13, 3.14, 3.19, 3.27, 3.30)."""
    assert log["version"] == "2.1.0"
    assert set(log) == {"$schema", "version", "runs"}
    for run in log["runs"]:
        driver = run["tool"]["driver"]
        assert driver["name"]
        ids = [rule["id"] for rule in driver["rules"]]
        assert len(ids) == len(set(ids))
        for result in run["results"]:
            assert result["message"]["text"]
            assert ids[result["ruleIndex"]] == result["ruleId"]
            assert result["level"] in ("none", "note", "warning", "error")
            for location in result["locations"]:
                physical = location["physicalLocation"]
                assert re.fullmatch(r"[^\s<>\"{}|\\^`]+", physical["artifactLocation"]["uri"])
                assert all(number >= 1 for number in physical.get("region", {}).values())
