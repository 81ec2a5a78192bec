"""What verbs make of what the interface returns: formats, exit codes, asking."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from mlguard import api, operate, planner
from mlguard.apply import Applied
from mlguard.operate import Decision, Gate, Kept, NeedsAlter, Violation
from mlguard.plan import Plan
from mlguard.report.plan_text import NOTHING
from mlguard.report.verdict import Outcome, Report
from mlguard.violation import ReadHeld
from tests.unit.cli.conftest import Run
from tests.unit.report.samples import EMPTY_PLAN, EMPTY_REPORT, REPORT, TABLE, plan, verdict

pytestmark = pytest.mark.usefixtures("no_database")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEPT = Kept(17, str(TABLE), {"customer_id": 1}, {"customer_id": 1, "age": -4, "plan": None}, [f"{TABLE}/age.range"],
            [{"slo": f"{TABLE}/age.range", "observed": {"age": -4}}], 88, "INSERT", True, "waiting", NOON, "etl",
            None, None, None)  # fmt: skip


def judged(monkeypatch: pytest.MonkeyPatch, report: Report) -> None:
    monkeypatch.setattr(api, "check", lambda project, connection: report)


@pytest.mark.parametrize(
    ("outcome", "action", "flags", "code"),
    [
        (Outcome.PASS, "reject", [], 0),
        (Outcome.NOTED, "reject", [], 0),
        (Outcome.FAIL, "reject", [], 1),
        (Outcome.FAIL, "warn", [], 0),
        (Outcome.FAIL, "warn", ["--fail-on", "warn"], 1),
        (Outcome.INSUFFICIENT, "reject", [], 0),
        (Outcome.INSUFFICIENT, "reject", ["--fail-on", "insufficient"], 1),
        (Outcome.ERROR, "reject", [], 3),
    ],
)
def test_check_exits_with_what_it_found(
    run: Run, monkeypatch: pytest.MonkeyPatch, outcome: Outcome, action: str, flags: list[str], code: int
) -> None:
    judged(monkeypatch, Report((verdict("x", outcome, action=action),)))
    assert run("check", *flags).exit_code == code


@pytest.mark.parametrize("style", ["text", "json", "junit", "github", "markdown", "sarif"])
def test_check_reports_on_stdout_and_only_there(run: Run, monkeypatch: pytest.MonkeyPatch, style: str) -> None:
    judged(monkeypatch, REPORT)
    done = run("check", "--format", style)
    assert done.exit_code == 3
    assert "age.range" in done.stdout
    assert done.stderr == ""
    assert run("--format", style, "check").stdout == done.stdout


@pytest.mark.parametrize("style", ["text", "json", "junit", "github", "markdown", "sarif"])
def test_check_says_aloud_that_nothing_was_judged(run: Run, monkeypatch: pytest.MonkeyPatch, style: str) -> None:
    judged(monkeypatch, EMPTY_REPORT)
    done = run("check", "--format", style)
    assert done.exit_code == 0
    assert "nothing was judged" in done.output
    assert run("check", "--fail-on", "insufficient").exit_code == 1


def test_check_has_no_colour_in_a_file_and_under_no_color(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    judged(monkeypatch, REPORT)
    assert "\x1b[" not in run("check").stdout
    assert "\x1b[" in run("check", color=True).stdout
    assert "\x1b[" not in run("check", color=True, env={"NO_COLOR": "1"}).stdout


def planned(monkeypatch: pytest.MonkeyPatch, made: Plan) -> None:
    monkeypatch.setattr(planner, "make_plan", lambda project, connection, *, prune, roles: made)


def test_plan_exits_with_4_only_when_asked_and_not_empty(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    planned(monkeypatch, plan())
    assert run("plan").exit_code == 0
    assert run("plan", "--detailed-exitcode").exit_code == 4
    planned(monkeypatch, EMPTY_PLAN)
    done = run("plan", "--detailed-exitcode")
    assert (done.exit_code, done.stdout) == (0, f"{NOTHING}\n")


def test_plan_shows_sql_under_v(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    planned(monkeypatch, plan())
    assert "add constraint" not in run("plan").stdout
    assert "add constraint" in run("plan", "-v").stdout
    assert json.loads(run("plan", "--format", "json").stdout)["tables"]
    assert run("plan", "--format", "markdown").stdout.startswith("**schema mlguard**")


class Applier:
    """Stands in for the interface's apply: asks, and remembers what it was asked to do."""

    def __init__(self, made: Plan) -> None:
        self.made = made
        self.options: Any = None
        self.done = False

    def __call__(
        self, project: Any, connection: Any, *, prune: bool, options: Any, progress: Any, confirm: Any, roles: Any
    ) -> Applied:
        self.options = options
        assert progress is None  # standard error is no terminal here
        if self.made.empty or not confirm(self.made):
            return Applied()
        self.done = True
        return Applied([TABLE], {TABLE: 3})


@pytest.fixture
def applier(monkeypatch: pytest.MonkeyPatch) -> Applier:
    stand_in = Applier(plan())
    monkeypatch.setattr(api, "apply", stand_in)
    return stand_in


def test_apply_shows_the_plan_and_says_what_it_did(run: Run, applier: Applier) -> None:
    done = run("apply", "--yes", "--lock-timeout", "1.5")
    assert (done.exit_code, applier.done, applier.options.lock_timeout) == (0, True, 1.5)
    assert "+ create CHECK mlguard_age.range" in done.stdout
    assert done.stderr.splitlines() == [
        "features.customer: 3 rows moved into quarantine (mlguard quarantine list --table features.customer)",
        "applied: features.customer",
    ]


def test_apply_dry_run_changes_nothing(run: Run, applier: Applier) -> None:
    done = run("apply", "--dry-run")
    assert (done.exit_code, applier.done) == (0, False)
    assert "dry run: nothing was changed" in done.stderr


@pytest.mark.parametrize(("answer", "code", "changed"), [("y\n", 0, True), ("n\n", 2, False), ("\n", 2, False)])
def test_apply_asks_on_a_terminal(
    run: Run, applier: Applier, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, changed: bool
) -> None:
    monkeypatch.setattr("mlguard.cli.planning.on_a_terminal", lambda: True)
    done = run("apply", input=answer)
    assert (done.exit_code, applier.done) == (code, changed)
    assert "Apply this?" in done.stderr
    assert ("not confirmed: nothing was changed" in done.stderr) is not changed


def test_apply_of_nothing(run: Run, applier: Applier) -> None:
    applier.made = EMPTY_PLAN
    done = run("apply", "--yes")
    assert (done.exit_code, done.stdout) == (0, f"{NOTHING}\n")


def test_gate_is_a_circuit_breaker(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    words = "mlguard: features.customer is stale: newest event_ts is …"
    violation = ReadHeld(words, hint="Nothing is wrong with your query.")
    monkeypatch.setattr(operate, "gate", lambda c, t: Gate(t, "closed", NOON, NOON, "is stale"))
    monkeypatch.setattr(operate, "held", lambda c, t: violation)
    done = run("gate", str(TABLE))
    assert (done.exit_code, done.stdout, done.stderr) == (1, f"{words}\n", "Nothing is wrong with your query.\n")
    assert json.loads(run("gate", str(TABLE), "--format", "json").stdout)["message"] == words
    monkeypatch.setattr(operate, "gate", lambda c, t: Gate(t, "open", None, datetime(2999, 1, 1, tzinfo=UTC), None))
    monkeypatch.setattr(operate, "held", lambda c, t: None)
    done = run("gate", str(TABLE))
    assert (done.exit_code, done.stdout) == (0, "features.customer is open, fresh until 2999-01-01 00:00 UTC\n")


def test_quarantine_list_and_show(run: Run, monkeypatch: pytest.MonkeyPatch, file_regression: Any) -> None:
    monkeypatch.setattr(operate, "quarantine_list", lambda c, **more: [KEPT])
    monkeypatch.setattr(operate, "quarantine_show", lambda c, ids: [KEPT])
    listed, shown = run("quarantine", "list"), run("quarantine", "show", "17")
    file_regression.check(f"{listed.stdout}\n{shown.stdout}", encoding="utf-8")
    assert json.loads(run("quarantine", "list", "--format", "json").stdout)[0]["kept_at"] == "2026-11-20T12:00:00+00:00"


def test_quarantine_list_of_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operate, "quarantine_list", lambda c, **more: [])
    done = run("quarantine", "list")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "no row is waiting\n")
    assert run("quarantine", "list", "--format", "json").stdout == "[]\n"


def test_release_tells_each_row_and_fails_when_one_stays(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    def release(connection: Any, number: int, corrections: Any) -> list[Decision]:
        given.append(corrections)
        broken = number == 18
        return [Decision(number, "still broken" if broken else "released", "age.range: age is -4" if broken else None)]

    monkeypatch.setattr(operate, "release", release)
    monkeypatch.setattr(operate, "quarantine_show", lambda c, ids: [KEPT])
    monkeypatch.setattr(operate, "waiting_ids", lambda c, table: [18, 17])
    words = [
        "--set",
        "age=34",
        "--set",
        "tags={1,2}",
        "--set",
        'payload={"a": [1]}',
        "--set",
        "plan=null",
        "--set",
        "x=a=b",
    ]
    done = run("quarantine", "release", "17", *words)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "17  released\n", "1 row settled, 0 left in quarantine\n")
    assert given == [{"age": "34", "tags": "{1,2}", "payload": {"a": [1]}, "plan": None, "x": "a=b"}]
    done = run("quarantine", "release", "--all", "--table", str(TABLE))
    assert done.exit_code == 1
    assert done.stdout == "18  still broken  age.range: age is -4\n17  released\n"


def test_off_and_waive(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operate, "slo_id", lambda c, text: f"{TABLE}/{text}")
    monkeypatch.setattr(operate, "off", lambda c, slo, length, reason: NOON)
    done = run("off", "fresh", "--for", "4h", "--reason", "moving house")
    assert done.exit_code == 0
    assert done.stderr == "features.customer/fresh is off until 2026-11-20 12:00 UTC; mlguard status shows it\n"

    def refuses(*args: Any) -> None:
        raise NeedsAlter("it is a CHECK constraint", "alter table t drop constraint c;")

    monkeypatch.setattr(operate, "waive", refuses)
    done = run("waive", "plan.in", "--until", "2999-01-01", "--reason", "x")
    assert (done.exit_code, done.stdout) == (2, "alter table t drop constraint c;\n")
    assert "mlguard apply puts the constraint back" in done.stderr


def test_resume(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operate, "slo_id", lambda c, text: f"{TABLE}/{text}")
    for ended, said in (
        (0, "features.customer/fresh was neither off nor waived; nothing changed"),
        (1, "features.customer/fresh acts again; 1 exception ended"),
        (2, "features.customer/fresh acts again; 2 exceptions ended"),
    ):
        monkeypatch.setattr(operate, "resume", lambda c, slo, reason, ended=ended: ended)
        done = run("resume", "fresh", "--reason", "source is back")
        assert (done.exit_code, done.stdout, done.stderr) == (0, "", said + "\n")
    assert run("resume", "fresh", "--reason", " ").exit_code == 2
    assert run("resume", "fresh").exit_code == 2


def test_violations(run: Run, monkeypatch: pytest.MonkeyPatch, file_regression: Any) -> None:
    found = [
        Violation(NOON, f"{TABLE}/soft", str(TABLE), "FAIL", 88, {"age": -4}, "allowed 0 to 130", None, None,
                  {"customer_id": 1}, None),
        Violation(NOON, f"{TABLE}/share", str(TABLE), "NOTED", None, None, None, 100, 7, None, "shadow"),
    ]  # fmt: skip
    monkeypatch.setattr(operate, "violations", lambda c, **more: found)
    file_regression.check(run("violations").stdout, encoding="utf-8")
    assert "the newest 2; --limit shows more" in run("violations", "--limit", "2").stderr
    monkeypatch.setattr(operate, "violations", lambda c, **more: [])
    told = run("violations", "--since", "2026-11-20").stderr
    assert told.startswith("no violation is recorded since 2026-11-20 00:00 UTC\n")
    assert "mlguard quarantine list" in told


def test_names_are_kept_apart_from_wide_or_hostile_values(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = Kept(**{**KEPT.__dict__, "row": {"name": "\x1b[2J" + "x" * 500}})
    monkeypatch.setattr(operate, "quarantine_list", lambda c, **more: [hostile])
    shown = run("quarantine", "list").stdout
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 1
    assert len(shown) < 250
