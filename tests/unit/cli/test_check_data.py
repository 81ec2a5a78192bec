"""`check --data` in every format: what fails there fails the command, and the places are those of the SLO file."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.unit.cli.conftest import Run

SLOS = """mlguard: 1
table: a.b
key: [id]
columns:
  id: {type: bigint, required: true}
  age: {type: integer, range: [0, 130]}
  plan: {type: text, in: {values: [free, pro], on_violation: warn}}
  email: {type: text, pii: true, matches: '@'}
slos:
  - {name: covered, check: coverage(age) >= 0.5, over: batch}
"""


@pytest.fixture
def check(tmp_path: Path, run: Run) -> Run:
    slos = tmp_path / "b.slo.yaml"
    slos.write_text(SLOS)

    def judge(rows: str, *more: str) -> object:
        path = tmp_path / "x.csv"
        path.write_text(f"id,age,plan,email\n{rows}\n")
        return run("--slos", str(slos), "check", "--data", f"a.b={path}", *more)

    return judge  # type: ignore[return-value]


GOOD = "1,34,free,a@b.c"
WARNED = "1,34,gold,a@b.c"
BAD = "1,-4,free,secret"


@pytest.mark.parametrize(
    ("rows", "flags", "code"),
    [
        (GOOD, [], 0),
        (BAD, [], 1),
        (WARNED, [], 0),
        (WARNED, ["--fail-on", "warn"], 1),
        (GOOD, ["--fail-on", "warn"], 0),
        (GOOD, ["--fail-on", "insufficient"], 1),  # one row is too few for coverage
        (GOOD, ["--batch-by", "nothing"], 2),
    ],
)
@pytest.mark.parametrize("style", ["text", "json", "junit", "github", "markdown", "sarif"])
def test_exit_codes_in_every_format(check: Run, rows: str, flags: list[str], code: int, style: str) -> None:
    done = check(rows, *flags, "--format", style)
    assert done.exit_code == code, done.output
    assert "secret" not in done.output


def test_junit(check: Run) -> None:
    suite = ET.fromstring(check(BAD, "--format", "junit").stdout).find("testsuite")
    assert suite is not None
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("a.b", "5", "2")
    failing = {case.get("name") for case in suite if case.find("failure") is not None}
    assert failing == {"age.range", "email.matches"}
    lenient = ET.fromstring(check(WARNED, "--format", "junit").stdout).find("testsuite")
    strict = ET.fromstring(check(WARNED, "--format", "junit", "--fail-on", "warn").stdout).find("testsuite")
    assert lenient is not None
    assert strict is not None
    assert (lenient.get("failures"), strict.get("failures")) == ("0", "1")


def test_annotations_are_at_the_lines_of_the_file(check: Run, tmp_path: Path) -> None:
    told = check(f"{BAD}\n2,1,gold,a@b.c", "--format", "github").stdout
    place = str(tmp_path / "b.slo.yaml")
    assert f"::error file={place},line=6,title=mlguard FAIL::a.b/age.range: 1 of 2 rows break it" in told
    assert f"::warning file={place},line=7,title=mlguard FAIL::a.b/plan.in" in told
    results = json.loads(check(BAD, "--format", "sarif").stdout)["runs"][0]["results"]
    lines = {each["ruleId"]: each["locations"][0]["physicalLocation"]["region"]["startLine"] for each in results}
    assert lines == {"a.b/age.range": 6, "a.b/email.matches": 8, "a.b/covered": 10}


def test_json_and_markdown(check: Run) -> None:
    found = json.loads(check(BAD, "--format", "json").stdout)
    assert found["engine"] == "duckdb"
    assert found["holds"] is False
    age = next(each for each in found["verdicts"] if each["name"] == "age.range")
    assert (age["n"], age["bad"], age["samples"]) == (1, 1, [{"observed": {"age": -4}, "key": {"id": 1}}])
    assert (
        "| FAIL | a.b/age.range | 1 of 1 rows break it | allowed 0 to 130 |"
        in check(BAD, "--format", "markdown").stdout
    )
