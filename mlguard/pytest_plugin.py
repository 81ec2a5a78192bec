"""A plugin of pytest: SLO files as tests, and a throw-away PostgreSQL with the SLOs applied as a fixture.

pytest loads it wherever mlguard is installed, so that importing it costs nothing: all else is imported when used.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mlguard.exercise import ExampleReport
    from mlguard.report.verdict import Verdict

SUFFIX = ".slo.yaml"
TEMPLATE = "mlguard_template"


class NotAsExpected(Exception):
    """An example does not break what it should, or an SLO file is wrong."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and settings of mlguard."""
    group = parser.getgroup("mlguard", "SLO files")
    group.addoption("--mlguard", action="store_true", help="collect *.slo.yaml: each file and each example is a test")
    group.addoption(
        "--mlguard-engine",
        choices=["duckdb", "postgresql", "both"],
        default="duckdb",
        help="where examples run; postgresql and both take the throw-away server (default: duckdb)",
    )
    parser.addini("mlguard_collect", "collect *.slo.yaml without --mlguard", type="bool", default=False)
    parser.addini("mlguard_slos", "folder of SLO files, or one file, that mlguard_database applies", default="slos")
    parser.addini("mlguard_schema", "SQL files that make the tables of mlguard_database", type="linelist", default=[])


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect an SLO file where that is asked for."""
    config = parent.config
    if not file_path.name.endswith(SUFFIX) or not (config.getoption("--mlguard") or config.getini("mlguard_collect")):
        return None
    found: pytest.Collector = SloFile.from_parent(parent, path=file_path)
    return found


class SloFile(pytest.File):
    """One SLO file: a test that it is valid, and a test for each example."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the tests; a file that cannot be read has the first only, which says why."""
        from mlguard.errors import MlguardError
        from mlguard.spec import load_project

        yield ValidItem.from_parent(self, name="valid")
        try:
            files = load_project(self.path).files
        except MlguardError:
            return
        for file in files:
            for number in range(len(file.examples)):
                line = file.where(("examples", number)).line
                yield ExampleItem.from_parent(self, name=f"example {number + 1}", line=line)

    def report(self) -> ExampleReport:
        """Run the examples of the file, once."""
        found: ExampleReport | None = getattr(self, "_report", None)
        if found is None:
            from mlguard.exercise import run_examples
            from mlguard.spec import load_project

            engine = self.config.getoption("--mlguard-engine")
            schema = _schema(self.config)
            server = engine != "duckdb"
            found = run_examples(
                load_project(self.path), engine=engine, embedded=server, schema=schema if server else ()
            )
            self._report = found
        return found


class _Item(pytest.Item):
    line = 1

    def __init__(self, *, line: int = 1, **more: Any) -> None:
        super().__init__(**more)
        self.line = line

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the test is written."""
        return self.path, self.line - 1, self.name

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Say what is wrong with the SLO file, without frames of mlguard."""
        from mlguard.errors import MlguardError

        if isinstance(excinfo.value, NotAsExpected | MlguardError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)


class ValidItem(_Item):
    """Fails where `mlguard validate` would."""

    def runtest(self) -> None:
        """Read and compile the file."""
        from mlguard.compile import compile_project
        from mlguard.compile.lint import load_whole

        compile_project(load_whole(self.path), None)


class ExampleItem(_Item):
    """Fails where the example breaks other SLOs than it names; an example that cannot be judged fails too."""

    def runtest(self) -> None:
        """Find the verdict of this example."""
        assert isinstance(self.parent, SloFile)
        verdict = next(each for each in self.parent.report().verdicts if each.name == self.name)
        if verdict.outcome.value != "PASS":
            raise NotAsExpected(_words(verdict))


def _words(verdict: Verdict) -> str:
    from mlguard.report.text import headline, sample_words

    rows = "".join(f"\n  {sample_words(sample)}" for sample in verdict.samples)
    return f"{verdict.file}:{verdict.line}: {verdict.outcome.value} {headline(verdict)}{rows}"


def _schema(config: pytest.Config) -> list[Path]:
    return [config.rootpath / name for name in config.getini("mlguard_schema")]


@pytest.fixture(scope="session")
def mlguard_schema(pytestconfig: pytest.Config) -> list[Path]:
    """SQL files that make the tables; override it, or set `mlguard_schema` in the configuration."""
    return _schema(pytestconfig)


@pytest.fixture(scope="session")
def mlguard_slos(pytestconfig: pytest.Config) -> Path:
    """SLO files that are applied; override it, or set `mlguard_slos` in the configuration."""
    return pytestconfig.rootpath / str(pytestconfig.getini("mlguard_slos"))


@pytest.fixture(scope="session")
def mlguard_server() -> Iterator[Any]:
    """A throw-away PostgreSQL for the session; it needs the extra `demo`."""
    from mlguard.embedded import EmbeddedServer

    with EmbeddedServer() as server:
        yield server


@pytest.fixture(scope="session")
def _mlguard_template(mlguard_server: Any, mlguard_schema: list[Path], mlguard_slos: Path) -> str:
    """Make the database that tests get copies of, and return its name."""
    import psycopg

    from mlguard import api
    from mlguard.exercise.run import load_schema

    _create(mlguard_server, TEMPLATE, "template0")
    with psycopg.connect(mlguard_server.dsn_of(TEMPLATE), autocommit=True) as connection:
        load_schema(connection, mlguard_schema)
        api.apply(api.load(mlguard_slos), connection)
    return TEMPLATE


@pytest.fixture(scope="session")
def mlguard_database(mlguard_server: Any, _mlguard_template: str) -> str:
    """DSN of one database for the session, with the tables of mlguard_schema and the SLOs of mlguard_slos applied."""
    _create(mlguard_server, "mlguard_session", _mlguard_template)
    dsn: str = mlguard_server.dsn_of("mlguard_session")
    return dsn


_numbers = itertools.count(1)


@pytest.fixture
def mlguard_dsn(mlguard_server: Any, _mlguard_template: str) -> Iterator[str]:
    """DSN of a fresh database for this test, as mlguard_database; it is dropped afterwards."""
    import psycopg
    from psycopg import sql

    name = f"mlguard_test_{next(_numbers)}"
    _create(mlguard_server, name, _mlguard_template)
    yield mlguard_server.dsn_of(name)
    with psycopg.connect(mlguard_server.dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _create(server: Any, name: str, template: str) -> None:
    import psycopg
    from psycopg import sql

    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template)))
