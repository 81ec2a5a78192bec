"""The plugin of pytest in a project of its own: SLO files as tests, a database with the SLOs applied."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
SLOS = """
mlguard: 1
table: features.customer
key: [customer_id]
columns:
  customer_id: {type: bigint, required: true}
  age: {type: integer, range: [0, 130]}
  email: {type: text, pii: true, length: [3, 30]}
examples:
  - {row: {customer_id: 1, age: 34}, breaks: []}
  - {row: {customer_id: 1, age: -4}, breaks: [age.range]}
"""
SCHEMA = """
create schema features;
create table features.customer (customer_id bigint primary key, age integer, email text);
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    if not any(entry.value == "mlguard.pytest_plugin" for entry in entry_points(group="pytest11")):
        monkeypatch.setenv("PYTEST_ADDOPTS", "-p mlguard.pytest_plugin")  # a checkout installed before it had one
    folder = pytester.path / "slos"
    folder.mkdir()
    (folder / "customer.slo.yaml").write_text(SLOS)
    (pytester.path / "schema.sql").write_text(SCHEMA)
    return pytester


def test_files_are_collected_only_where_that_is_asked_for(project: pytest.Pytester) -> None:
    assert project.runpytest_subprocess().ret == pytest.ExitCode.NO_TESTS_COLLECTED
    done = project.runpytest_subprocess("--mlguard", "-v")
    done.assert_outcomes(passed=3)
    done.stdout.fnmatch_lines(["*customer.slo.yaml::valid PASSED*", "*customer.slo.yaml::example 2 PASSED*"])
    project.makeini("[pytest]\nmlguard_collect = true\n")
    project.runpytest_subprocess().assert_outcomes(passed=3)
    project.runpytest_subprocess("--mlguard-engine", "both").assert_outcomes(passed=3)


def test_an_example_that_breaks_something_else_fails_with_its_place(project: pytest.Pytester) -> None:
    path = project.path / "slos" / "customer.slo.yaml"
    path.write_text(SLOS + "  - {row: {customer_id: 1, email: secret@example.com-too-long-by-far}, breaks: []}\n")
    done = project.runpytest_subprocess("--mlguard")
    done.assert_outcomes(passed=3, failed=1)
    done.stdout.fnmatch_lines(["*customer.slo.yaml:12: FAIL features.customer/example 3: breaks email.length*"])
    assert "secret" not in done.stdout.str()


def test_a_file_that_is_wrong_fails_as_validate_does(project: pytest.Pytester) -> None:
    (project.path / "slos" / "customer.slo.yaml").write_text(SLOS.replace("breaks: [age.range]", "breaks: [age.rnge]"))
    done = project.runpytest_subprocess("--mlguard", "-k", "valid")
    done.assert_outcomes(failed=1, deselected=2)
    done.stdout.fnmatch_lines(["*no SLO `age.rnge` in this file*", "*did you mean age.range?*"])
    (project.path / "slos" / "customer.slo.yaml").write_text("mlguard: 1\ntabel: x\n")
    done = project.runpytest_subprocess("--mlguard")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*tabel*"])


def test_the_database_has_the_slos_and_each_test_its_own_copy(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\nmlguard_schema = schema.sql\n")
    project.makepyfile(
        """
        import psycopg, pytest

        ADD = "insert into features.customer values (1, %s)"

        @pytest.mark.parametrize("age", [34, 35])
        def test_one_row_in_a_copy_of_its_own(mlguard_dsn, age):
            with psycopg.connect(mlguard_dsn) as connection:
                connection.execute(ADD, [age])
                assert connection.execute("select count(*) from features.customer").fetchone() == (1,)

        def test_a_bad_row_is_refused(mlguard_database):
            with psycopg.connect(mlguard_database) as connection:
                with pytest.raises(psycopg.errors.CheckViolation, match="allowed 0 to 130"):
                    connection.execute(ADD, [-4])
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=3)


def test_a_schema_that_postgresql_refuses_is_named(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\nmlguard_schema = schema.sql\n")
    (project.path / "schema.sql").write_text("create tabel x ();")
    project.makepyfile("def test_it(mlguard_dsn): pass")
    done = project.runpytest_subprocess()
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*schema.sql: PostgreSQL answered: syntax error at or near*"])


def test_importing_the_plugin_loads_nothing_else() -> None:
    """Every run of pytest on the machine pays for it."""
    code = (
        "import sys, pytest; before = set(sys.modules); import mlguard.pytest_plugin;"
        "print(*sorted(m for m in set(sys.modules) - before))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    loaded = done.stdout.split()
    assert [name for name in loaded if name.startswith("mlguard")] == ["mlguard", "mlguard.pytest_plugin"]
    assert not {"duckdb", "psycopg", "pydantic", "sqlglot", "ruamel"}.intersection(loaded)
