"""The files that only run elsewhere (compose, workflows, CI, examples' READMEs) name what exists here."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from mlguard import scaffold
from mlguard.cli import cli

ROOT = Path(__file__).parents[2]
TEMPLATE = Path(scaffold.__file__).parent / "template"
SCRIPT = TEMPLATE / "slo-ci.sh"
COMPOSE = ROOT / "docker-compose.yml"
WORKFLOW = ROOT / ".github/workflows/ci.yml"
SUPPORTED = ["14", "15", "16", "17", "18"]


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(path)
    return found


def services() -> dict[str, Any]:
    found: dict[str, Any] = read(COMPOSE)["services"]
    return found


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in read(path)["jobs"].values():
        yield from job["steps"]


def hooks() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = YAML(typ="safe").load(ROOT / ".pre-commit-hooks.yaml")
    return found


def verbs(lines: list[str]) -> list[str]:
    """Return the verb of every line that calls mlguard."""
    called = [line.strip().split() for line in lines if line.strip().startswith("mlguard ")]
    return [next(word for word in words if word in cli.verbs) for words in called]


def scripts() -> Iterator[tuple[str, str]]:
    """Yield every shell text that is shipped, with where it stands."""
    for path in (WORKFLOW, TEMPLATE / "workflow.yml"):
        yield from ((path.name, step["run"]) for step in steps(path) if "run" in step)
    yield ".ci/run", (ROOT / ".ci/run").read_text()
    yield SCRIPT.name, SCRIPT.read_text()
    for hook in hooks():
        yield ".pre-commit-hooks.yaml", hook["entry"]
    for hook in read(ROOT / ".pre-commit-config.yaml")["repos"][0]["hooks"]:
        yield "pre-commit", hook["entry"].removeprefix(".venv/bin/")
    for readme in sorted((ROOT / "examples").glob("*/README.md")):
        blocks = re.findall(r"^```sh\n(.*?)^```", readme.read_text(), re.MULTILINE | re.DOTALL)
        yield from ((readme.parent.name, block) for block in blocks)
    for service in services().values():
        if "build" in service:
            yield COMPOSE.name, shlex.join(["mlguard", *service["command"]])


def commands(program: str) -> list[str]:
    """Return the arguments of every call of a program, each once."""
    found = (re.match(rf"\s*{program} (.*)", line) for _, text in scripts() for line in text.splitlines())
    return sorted({match[1] for match in found if match})


@pytest.mark.parametrize("arguments", commands("mlguard"))
def test_the_command_line_knows_the_verb_and_its_options(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    # --help ends the run, but only after every option was looked up.
    with pytest.raises(SystemExit) as ended:
        cli.main([*shlex.split(arguments), "--help"])
    assert ended.value.code == 0, capsys.readouterr().err


def test_make_has_the_targets() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = {word for line in commands("make") for word in line.split() if "=" not in word}
    assert called
    assert called <= targets


@pytest.mark.parametrize(("where", "text"), list(scripts()))
def test_scripts_are_shell(where: str, text: str) -> None:
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{where}: {done.stderr}"


def test_ci_can_be_run() -> None:
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in script.read_text()


@pytest.mark.parametrize("path", [COMPOSE, TEMPLATE / "compose.yaml"], ids=lambda path: path.name)
def test_the_database_has_a_healthcheck_and_is_open_to_this_machine_only(path: Path) -> None:
    postgres = read(path)["services"]["postgres"]
    assert postgres["image"] == "postgres:18"
    # pg_isready over TCP: while the image initialises, a server listens on the socket that will stop again.
    assert postgres["healthcheck"]["test"][:3] == ["CMD", "pg_isready", "--host=127.0.0.1"]
    assert all(port.startswith("127.0.0.1:") for port in postgres["ports"])
    # PostgreSQL 18's image keeps its data in a folder by version below this one.
    assert any(volume.endswith(":/var/lib/postgresql") for volume in postgres["volumes"])


@pytest.mark.parametrize("path", [COMPOSE, TEMPLATE / "compose.yaml"], ids=lambda path: path.name)
def test_passwords_can_be_overridden(path: Path) -> None:
    found = [
        value
        for service in read(path)["services"].values()
        for name, value in service.get("environment", {}).items()
        if "PASSWORD" in name
    ]
    assert found
    assert all(re.fullmatch(r"\$\{POSTGRES_PASSWORD:-[a-z-]+\}", value) for value in found)


def test_services_wait_for_what_they_need() -> None:
    found = services()
    assert found["apply"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert found["load"]["depends_on"] == {"apply": {"condition": "service_completed_successfully"}}
    for service in found.values():
        for name, wanted in service.get("depends_on", {}).items():
            assert name in found
            assert wanted["condition"] != "service_healthy" or "healthcheck" in found[name]
    # Profiles keep the tool out of a plain `docker compose up`.
    assert [name for name, service in found.items() if "profiles" in service] == ["mlguard"]


def test_mounted_files_exist_and_named_volumes_are_declared() -> None:
    whole = read(COMPOSE)
    for service in services().values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith("./") else source in whole["volumes"]


def test_the_example_folder_that_is_applied_is_mounted_where_the_command_looks() -> None:
    apply = services()["apply"]
    assert apply["command"] == ["--slos", "examples", "apply", "--yes"]
    assert "./examples:/project/examples:ro" in apply["volumes"]
    assert "WORKDIR /project\n" in (ROOT / "docker/Dockerfile").read_text()
    for example in (ROOT / "examples").glob("*/slos"):
        mounted = [volume.split(":")[0] for volume in services()["postgres"]["volumes"]]
        assert f"./examples/{example.parent.name}/schema.sql" in mounted


def test_the_image_is_built_from_what_the_wheel_needs() -> None:
    build = services()["apply"]["build"]
    assert (ROOT / build["context"] / build["dockerfile"]).exists()
    kept = re.findall(r"^!(.+)$", (ROOT / "docker/Dockerfile.dockerignore").read_text(), re.MULTILINE)
    assert all((ROOT / path).exists() for path in kept)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {*wheel["packages"], *wheel["force-include"], *project["project"]["license-files"]} <= set(kept)
    assert project["project"]["readme"] in kept


def test_ci_covers_every_python_and_postgresql_we_support() -> None:
    jobs = read(WORKFLOW)["jobs"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    said = [match[1] for text in project["classifiers"] if (match := re.search(r":: (3\.\d+)$", text))]
    assert jobs["test"]["strategy"]["matrix"]["python"] == said
    assert project["requires-python"] == f">={said[0]}"
    assert jobs["postgres"]["strategy"]["matrix"]["postgres"] == SUPPORTED


@pytest.mark.parametrize("path", [WORKFLOW, TEMPLATE / "workflow.yml"], ids=lambda path: path.name)
def test_workflows_wait_for_their_database_and_may_only_read(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for service in job.get("services", {}).values():
            assert "--health-cmd" in service["options"]
            assert job["env"]["PGPASSWORD"] == service["env"]["POSTGRES_PASSWORD"]


def test_the_workflow_applies_and_checks() -> None:
    run = [step.get("run", "") for step in read(WORKFLOW)["jobs"]["postgres"]["steps"]]
    used = [next(word for word in line.split() if word in cli.verbs) for line in run if line.startswith("mlguard")]
    assert used == ["validate", "test", "apply", "plan", "check", "gate", "status", "remove"]


@pytest.mark.parametrize(("path", "folder"), [(WORKFLOW, ROOT), (TEMPLATE / "workflow.yml", TEMPLATE)], ids=str)
def test_files_named_in_workflows_exist(path: Path, folder: Path) -> None:
    named = [
        Path(step.get("working-directory", ".")) / file
        for step in steps(path)
        for file in re.findall(r"--file=(\S+)", step.get("run", ""))
    ]
    assert named
    assert all((folder / file).exists() for file in named)


def test_the_hooks_for_other_projects_run_without_a_database() -> None:
    found = {hook["id"]: hook for hook in hooks()}
    assert {hook["entry"] for hook in found.values()} == {"mlguard validate", "mlguard test"}
    for hook in found.values():
        assert hook["language"] == "python"
        assert hook["pass_filenames"] is False
        assert re.search(hook["files"], "slos/deep/customer.slo.yaml")
        assert not re.search(hook["files"], "slos/customer.yaml")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert found["mlguard-test"]["additional_dependencies"] == project["optional-dependencies"]["local"]


def test_the_users_workflow_runs_all_and_its_script_the_same() -> None:
    jobs = read(TEMPLATE / "workflow.yml")["jobs"]
    run = "\n".join(step.get("run", "") for step in jobs["slos"]["steps"]).splitlines()
    assert [line for line in run if "base/slos" in line] == ["mlguard --slos base/slos apply --yes"]
    here = verbs([line for line in run if "base/slos" not in line])
    assert here == verbs(SCRIPT.read_text().splitlines())
    assert here == ["validate", "test", "plan", "apply", "plan", "check"]
    assert "local" in next(line for line in run if line.startswith("pip install"))


def test_the_users_workflow_posts_the_plan_from_a_job_that_runs_no_code_of_theirs() -> None:
    jobs = read(TEMPLATE / "workflow.yml")["jobs"]
    plan = next(step for step in jobs["slos"]["steps"] if step.get("name") == "Plan")["run"]
    uploaded = next(step for step in jobs["slos"]["steps"] if "upload-artifact" in step.get("uses", ""))["with"]
    assert "--format markdown > plan.md" in plan
    assert uploaded["path"] == "plan.md"
    comment = jobs["comment"]
    assert comment["permissions"] == {"pull-requests": "write"}
    assert "permissions" not in jobs["slos"]
    assert comment["needs"] == "slos"
    assert "head.repo.full_name == github.repository" in comment["if"]
    assert not any("checkout" in step.get("uses", "") for step in comment["steps"])
    assert comment["steps"][0]["with"]["name"] == uploaded["name"]
    # What an event brings reaches the shell through the environment only.
    assert not any("${{" in step.get("run", "") for job in jobs.values() for step in job["steps"])


def test_the_users_script_speaks_to_the_users_compose_file() -> None:
    service = read(TEMPLATE / "compose.yaml")["services"]["postgres"]
    text = SCRIPT.read_text()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text
    assert service["environment"]["POSTGRES_PASSWORD"] in text
    assert service["ports"][0].split(":")[1] + ":" + service["ports"][0].split(":")[2] in text
