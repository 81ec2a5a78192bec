"""`mlguard models` and `mlguard audit` as people type them: words, JSON, exit codes, who may."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlguard.cli import cli
from tests.models_example import HEAD, ROW, People, guard, people
from tests.support import prepare

RunAs = Callable[..., Result]
SLOS = f"""{HEAD}approval: required
window: 1 day
slos:
  - {{name: mean_score, check: mean(score) < 0.9, by: model_version, min_rows: 1}}
"""


@pytest.fixture
def team(guarded_db: str, tmp_path: Path) -> Iterator[People]:
    guard(guarded_db, tmp_path, SLOS)
    with people(guarded_db) as found:
        yield found


@pytest.fixture
def run(team: People) -> RunAs:
    def run(who: str, *args: str, code: int = 0) -> Result:
        done = CliRunner().invoke(cli, [*args, "--dsn", team[who]])
        assert done.exit_code == code, done.output
        return done

    return run


def test_a_version_s_life(run: RunAs, team: People) -> None:
    assert run("bert", "models", "list").stderr == "no version is registered\n"
    assert run("bert", "models", "usage").stderr == "no prediction was written\n"
    done = run("anna", "models", "register", "churn", "7", "--note", "more trees", "--ticket", "12")
    assert done.stderr == "churn 7 is registered\n"
    run("bert", "models", "register", "churn", "8")
    assert "the author" not in run("bert", "models", "approve", "churn", "7", "--reason", "mae 0.1").stderr
    refused = run("bert", "models", "approve", "churn", "8", code=2)
    assert "model churn version 8 was registered by bert: its author may not approve it" in refused.stderr
    assert "help: Another member of mlguard_platform" in refused.stderr
    assert "permission denied" in run("anna", "models", "approve", "churn", "8", code=3).stderr
    run("carl", "models", "approve", "churn", "8")
    assert run("carl", "models", "promote", "churn", "7").stderr == "churn 7 is the champion\n"
    assert run("carl", "models", "promote", "churn", "8", "--challenger").stderr == "churn 8 is a challenger\n"
    assert run("carl", "models", "promote", "churn", "8").stderr == "churn 8 is the champion\n"
    listed = run("dora", "models", "list", "churn").stdout
    assert "approved (previous)" in listed
    assert run("carl", "models", "rollback", "churn", "--reason", "x").stderr == "churn 7 is the champion again\n"
    assert run("carl", "models", "retire", "churn", "8", "--reason", "x").stderr == "churn 8 is retired\n"
    found = {one["version"]: one for one in json.loads(run("anna", "models", "list", "--format", "json").stdout)}
    assert (found["7"]["state"], found["7"]["author"], found["7"]["ticket"]) == ("champion", "anna", 12)
    assert (found["8"]["state"], found["8"]["retired_by"]) == ("retired", "carl")
    assert "did you mean churn?" in run("anna", "models", "list", "chrun", code=2).stderr
    assert "no version 9" in run("anna", "models", "diff", "churn", "7", "9", code=2).stderr
    assert "Missing option '--reason'" in run("carl", "models", "rollback", "churn", code=2).stderr


def test_usage_and_diff(run: RunAs, team: People) -> None:
    team.approved("7", "8")
    prepare(
        team["dora"], f"{ROW}(1, '2026-03-01', 0.5, '7'), (2, '2026-03-01', 0.75, '8'), (3, '2026-03-01', 0.25, '8')"
    )
    prepare(team.owner, "select mlguard.sweep('2026-03-05')")
    usage = json.loads(run("anna", "models", "usage", "churn", "--format", "json").stdout)
    assert {one["version"]: one["predictions"] for one in usage} == {"7": 1, "8": 2}
    assert "predictions.churn" in run("anna", "models", "usage").stdout
    found = json.loads(run("anna", "models", "diff", "churn", "7", "8", "--format", "json").stdout)
    assert (found["old"]["version"], found["new"]["version"]) == ("7", "8")
    [metric] = [one for one in found["metrics"] if one["metric"] == "mean(score)"]
    assert (metric["old"], metric["new"], metric["segment"]) == (0.5, 0.5, None)
    text = run("anna", "models", "diff", "churn", "7", "8").stdout
    assert "mean(score) over 1 day" in text
    assert "bert, 20" in text


def test_audit(run: RunAs, team: People) -> None:
    assert "nothing is sealed yet" in run("bert", "audit", "verify").stderr
    team.approved("7")
    prepare(team.owner, "select mlguard.sweep()")
    head = run("bert", "audit", "head").stdout.strip()
    assert head.startswith("3:")
    acts = json.loads(run("bert", "audit", "list", "--about", "churn", "--format", "json").stdout)
    assert [(event["act"], event["who"]) for event in acts] == [("approve", "bert"), ("register", "anna")]
    assert "measured" in run("bert", "audit", "list", "--act", "approve", "--who", "bert", "--since", "1h").stdout
    assert run("bert", "audit", "list", "--who", "nobody").stderr == "no act is on record\n"
    done = run("bert", "audit", "verify", "--head", head)
    assert done.stderr == "3 seals, each follows the one before; the exported head is among them\n"
    run("anna", "models", "register", "churn", "9")
    assert "1 act since " in run("bert", "audit", "verify").stderr
    assert "write it as `mlguard audit head` prints it" in run("bert", "audit", "verify", "--head", "3", code=2).stderr
    wrong = f"3:{'0' * 64}"
    assert "rewritten  seal 3" in run("bert", "audit", "verify", "--head", wrong, code=1).stdout
    off = "alter table mlguard._event disable trigger refuse_rewriting; "
    prepare(team.owner, off + "update mlguard._event set who = 'nobody' where act = 'approve'")
    found = json.loads(run("bert", "audit", "verify", "--format", "json", code=1).stdout)
    assert [fault["fault"] for fault in found["faults"]] == ["edited"]
    assert "permission denied" in run("anna", "audit", "verify", code=3).stderr
