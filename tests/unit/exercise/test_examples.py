"""Examples on DuckDB: what each breaks, what cannot be judged, and which SLO no example would catch."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from mlguard.errors import SpecError
from mlguard.exercise import mutate, run_examples
from mlguard.report.verdict import Outcome, Verdict
from mlguard.spec import load_project
from tests.unit.cli.conftest import Run, run

__all__ = ["run"]
HEAD = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
columns:
  customer_id: {type: bigint, required: true, unique: true}
  event_ts: {type: timestamptz}
  age: {type: integer, range: {between: [0, 130], on_violation: quarantine}}
  plan: {type: text, in: [free, pro]}
  score: {type: double precision, range: {between: [0, 1], on_violation: repair, repair: {clamp: [0, 1]}}}
  email: {type: text, pii: true, length: [1, 20]}
  tags: {type: 'text[]', array_length: 2}
  payload: {type: jsonb}
slos:
  - {name: ratio, check: 10 / age > 0, where: plan = 'pro'}
  - {name: session, check: payload ->> 'id' IS NOT NULL, where: payload IS NOT NULL}
  - {name: known_plan, check: plan IN (SELECT plan FROM ref.plan)}
  - {name: fresh, check: staleness() <= INTERVAL '26 hours', on_violation: warn}
examples:
"""


def written(tmp_path: Path, *examples: str, head: str = HEAD) -> Path:
    path = tmp_path / "t.slo.yaml"
    path.write_text(head + "".join(f"  - {example}\n" for example in examples))
    return path


def one(tmp_path: Path, example: str) -> Verdict:
    report = run_examples(load_project(written(tmp_path, example)))
    return report.verdicts[0]


@pytest.mark.parametrize(
    ("row", "broken"),
    [
        ("{customer_id: 1, age: 34, plan: free, score: 0.5, email: a@b.c, tags: [a, b], payload: {id: x}}", ""),
        ("{}", "customer_id.required"),
        ("{customer_id: 1, age: -4}", "age.range"),
        ("{customer_id: 1, age: 131, plan: gold}", "age.range, plan.in"),
        ("{customer_id: 1, score: 1.5}", "score.range"),
        ("{customer_id: 1, score: NaN}", "score.range"),
        ("{customer_id: 1, score: 'Infinity'}", "score.range"),
        ("{customer_id: 1, email: ''}", "email.length"),
        ("{customer_id: 1, tags: [a]}", "tags.array_length"),
        ("{customer_id: 1, tags: ['{}', \"it's\"]}", ""),
        ("{customer_id: 1, payload: {a: [1, null]}}", "session"),
        ("{customer_id: 1, payload: '{\"id\": 7}'}", ""),
        ("{customer_id: 1, age: 0, plan: pro}", "ratio"),  # raises, which counts as broken
        ("{customer_id: 1, age: 0, plan: free}", ""),
    ],
)
def test_a_row_breaks_exactly_what_it_should(tmp_path: Path, row: str, broken: str) -> None:
    assert one(tmp_path, f"{{row: {row}, breaks: [{broken}]}}").outcome is Outcome.PASS
    wrong = one(tmp_path, f"{{row: {row}, breaks: [{'' if broken else 'age.range'}]}}")
    assert wrong.outcome is Outcome.FAIL
    assert wrong.observed == (f"breaks {broken}" if broken else "does not break age.range")


def test_what_differed_is_told_both_ways(tmp_path: Path) -> None:
    found = one(tmp_path, "{row: {customer_id: 1, age: -4, plan: gold}, breaks: [age.range, score.range]}")
    assert found.observed == "does not break score.range; also breaks plan.in"
    assert found.limit == "expected: breaks age.range, score.range"
    assert (found.file, found.line) == (str(tmp_path / "t.slo.yaml"), 21)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{customer_id: 1, age: 12.5}", "the value of age is no integer"),
        ("{customer_id: 99999999999999999999}", "the value of customer_id is no bigint"),
        ("{customer_id: 1, event_ts: yesterday-ish}", "the value of event_ts is no timestamptz"),
        ("{customer_id: 1, payload: '{\"a\":'}", "the value of payload is no jsonb"),
    ],
)
def test_a_value_of_another_type_is_no_row(tmp_path: Path, row: str, said: str) -> None:
    found = one(tmp_path, f"{{row: {row}, breaks: []}}")
    assert (found.outcome, found.reason) == (Outcome.ERROR, said)


def test_a_lookup_without_data_is_said_and_never_passes(tmp_path: Path) -> None:
    path = written(tmp_path, "{row: {customer_id: 1, plan: pro, age: 1}, breaks: [known_plan]}")
    report = run_examples(load_project(path))
    example, lookup = report.verdicts
    assert example.outcome is Outcome.ERROR
    assert "known_plan was not judged: no data was given for ref.plan" in example.reason
    assert (lookup.name, lookup.outcome) == ("known_plan", Outcome.INSUFFICIENT)
    (tmp_path / "plan.csv").write_text("plan\nfree\n")
    report = run_examples(load_project(path), data={"ref.plan": tmp_path / "plan.csv"})
    assert [each.outcome for each in report.verdicts] == [Outcome.PASS]


def test_no_value_of_a_pii_column_is_shown(tmp_path: Path, run: Run) -> None:
    path = written(tmp_path, "{row: {customer_id: 1, email: secret-secret-secret-secret}, breaks: []}")
    for style in ("text", "json", "junit", "github", "markdown"):
        done = run("--slos", str(path), "test", "-v", "--format", style)
        assert done.exit_code == 1
        assert "email.length" in done.stdout
        assert "secret" not in done.output


def test_columns_that_only_a_group_or_an_example_knows(tmp_path: Path) -> None:
    head = "mlguard: 1\ntable: f.g\ngroups:\n  - {columns: 'f_*', range: [0, 1]}\nexamples:\n"
    path = written(tmp_path, "{row: {f_a: 2, f_b: 0.1}, breaks: [f_a.range]}", head=head)
    assert [each.outcome for each in run_examples(load_project(path)).verdicts] == [Outcome.PASS]
    path = written(tmp_path, "{row: {f_a: 2, g_b: 0.1}, breaks: [f_a.rnge]}", head=head)
    with pytest.raises(SpecError) as refused:
        run_examples(load_project(path))
    assert [problem.message for problem in refused.value.problems] == [
        "the file neither declares a column `g_b` nor reads it",
        "no SLO `f_a.rnge` in this file",
    ]


def test_selected_slos_alone_are_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, "{row: {age: -4, plan: gold}, breaks: [age.range, plan.in]}")
    report = run_examples(load_project(path, select=["slo:age.*"]))
    assert [each.outcome for each in report.verdicts] == [Outcome.PASS]


@pytest.mark.parametrize(
    ("example", "code"),
    [
        ("{row: {customer_id: 1}, breaks: []}", 0),
        ("{row: {customer_id: 1, age: -4}, breaks: []}", 1),
        ("{row: {customer_id: 1, age: x}, breaks: []}", 3),
        ("{row: {customer_id: 1}, breaks: [agee.range]}", 2),
    ],
)
def test_exit_codes(tmp_path: Path, run: Run, example: str, code: int) -> None:
    assert run("--slos", str(written(tmp_path, example)), "test").exit_code == code


def test_nothing_tested_is_said_aloud(tmp_path: Path, run: Run) -> None:
    path = written(tmp_path, head=HEAD.removesuffix("examples:\n"))
    for style in ("text", "json", "junit"):
        done = run("--slos", str(path), "test", "--format", style)
        assert done.exit_code == 0
        assert "nothing was tested" in done.output
    assert run("--slos", str(path), "test", "--fail-on", "insufficient").exit_code == 1


def test_formats(tmp_path: Path, run: Run) -> None:
    path = written(tmp_path, "{row: {customer_id: 1}, breaks: []}", "{row: {customer_id: 1, age: -4}, breaks: []}")

    def say(style: str) -> str:
        return run("--slos", str(path), "test", "--format", style).stdout

    assert re.search(r"FAIL +features.customer/example 2 +breaks age.range +\(expected: breaks nothing\)", say("text"))
    assert "2 examples on 1 table: 1 PASS, 1 FAIL, 1 SLO judged on none\n" in say("text")
    outcomes = [each["outcome"] for each in json.loads(say("json"))["verdicts"]]
    assert outcomes == ["PASS", "FAIL", "INSUFFICIENT"]
    suite = ET.fromstring(say("junit")).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    assert f"::error file={path},line=22,title=mlguard FAIL::" in say("github").replace("%3A", ":")
    assert "| FAIL | features.customer/example 2 | breaks age.range |" in say("markdown")


MUTANTS = """
mlguard: 1
table: a.b
columns:
  id: {type: bigint, required: true}
  age: {type: integer, range: [0, 130]}
  plan: {type: text, in: [free, pro]}
examples:
"""


def test_mutation_tells_what_no_example_would_catch(tmp_path: Path) -> None:
    examples = ["{row: {}, breaks: [id.required]}", "{row: {id: 1, age: -1}, breaks: [age.range]}"]
    report = mutate(load_project(written(tmp_path, *examples, head=MUTANTS)))
    found = {each.name: (each.outcome.value, each.action, each.observed) for each in report.verdicts}
    assert found == {
        "id.required": ("PASS", "reject", "example 1 breaks it"),
        "age.range": ("FAIL", "warn", "no example tells it from age >= 0, or age BETWEEN 0 AND 131"),
        "plan.in": ("FAIL", "reject", "no example breaks it"),
    }
    assert report.exit_code() == 1
    examples += ["{row: {id: 1, age: 131, plan: gold}, breaks: [age.range, plan.in]}"]
    report = mutate(load_project(written(tmp_path, *examples, head=MUTANTS)))
    assert report.exit_code(["warn"]) == 0
    assert report.verdicts[1].observed == "example 2 breaks it, 4 of 4 weaker forms noticed"


def test_mutants_wait_until_the_examples_pass(tmp_path: Path, run: Run) -> None:
    path = written(tmp_path, "{row: {}, breaks: []}", head=MUTANTS)
    done = run("--slos", str(path), "test", "--mutate")
    assert done.exit_code == 1
    assert "a.b/example 1" in done.stdout
    assert "must pass before mutants are tried" in done.stderr
