"""`examples:` run: each must break exactly the SLOs it names, on DuckDB, on PostgreSQL, or alike on both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from mlguard.emit.rules import HIDDEN
from mlguard.errors import EngineError, PlanError
from mlguard.exercise.table import Seen, Table, declared, tables
from mlguard.names import TableName
from mlguard.program import Program, Rule
from mlguard.report.of_rule import verdict_of
from mlguard.report.verdict import Outcome, Report, Verdict
from mlguard.spec import Project
from mlguard.spec.models import Example

if TYPE_CHECKING:
    import psycopg

    from mlguard.connect import Target

ENGINES = ("duckdb", "postgresql", "both")


class Engine(Protocol):
    """What judges examples."""

    @property
    def name(self) -> str:
        """The engine, as messages name it."""

    def judge(self, table: Table, rules: Sequence[Rule]) -> list[Seen]:
        """Return what is broken, for each example of the table."""


@dataclass(frozen=True)
class Bench:
    """One engine with the tables as it sees them."""

    engine: Engine
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class ExampleReport(Report):
    """One verdict an example, named `<table>/example <n>`; and one for each SLO that was judged on none.

    Attributes:
        left_out: SLOs that are not about one row, which no example can try.
    """

    unit: ClassVar[str] = "example"
    nothing: ClassVar[str] = "nothing was tested: no SLO file that is selected has `examples`"
    left_out: tuple[str, ...] = field(default=(), compare=False)

    @property
    def units(self) -> tuple[Verdict, ...]:
        """The examples, without the SLOs that were judged on none."""
        return tuple(verdict for verdict in self.verdicts if verdict.name.startswith("example "))


def run_examples(
    project: Project,
    target: Target = None,
    *,
    engine: str = "duckdb",
    embedded: bool = False,
    schema: Sequence[str | Path] = (),
    data: Mapping[str, Any] | None = None,
    trace: Callable[[str], None] | None = None,
) -> ExampleReport:
    """Run the examples of SLO files.

    On PostgreSQL each example is a row of constants in a read-only transaction: no row of a table is written or read,
    but those that rules look up.

    Args:
        project: the SLO files.
        target: the database, for postgresql and both.
        engine: `duckdb`, `postgresql`, or `both`: what they say differently is an ERROR.
        embedded: take a throw-away PostgreSQL in the place of `target`.
        schema: with `embedded`, SQL files that make the tables; without them the declared types serve.
        data: tables that rules look up, for DuckDB: a path or a frame by name.
        trace: called with every query of DuckDB.

    Raises:
        SpecError: an SLO file is wrong, or does not fit the database.
        EngineError: DuckDB is not installed, or the database cannot be reached.
    """
    with benches(project, target, engine=engine, embedded=embedded, schema=schema, data=data, trace=trace) as (
        first,
        *more,
    ):
        verdicts: list[Verdict] = []
        for place, table in enumerate(first.tables):
            seen = [bench.engine.judge(bench.tables[place], bench.tables[place].rules) for bench in (first, *more)]
            names = [bench.engine.name for bench in (first, *more)]
            verdicts += _verdicts(table, names, seen)
        return ExampleReport(tuple(verdicts), engine=engine, left_out=left_out(first.tables))


def left_out(found: Sequence[Table]) -> tuple[str, ...]:
    """Return the SLOs of the tables that no example can try."""
    chosen = {rule.id for table in found for rule in table.rules}
    return tuple(
        rule.id
        for table in found
        for rule in table.program.rules
        if rule.id not in chosen and (rule.expr is None or rule.level.value != "row")
    )


@contextmanager
def benches(
    project: Project,
    target: Target = None,
    *,
    engine: str = "duckdb",
    embedded: bool = False,
    schema: Sequence[str | Path] = (),
    data: Mapping[str, Any] | None = None,
    trace: Callable[[str], None] | None = None,
) -> Iterator[tuple[Bench, ...]]:
    """Open the engines that are asked for; the arguments are those of run_examples."""
    if engine not in ENGINES:
        raise EngineError(f"there is no engine {engine}", help=f"one of {', '.join(ENGINES)}")
    if schema and not embedded:
        raise PlanError("schema files are for an embedded server", help="say embedded too, or leave the schema out")
    with ExitStack() as stack:
        found: list[Bench] = []
        if engine != "postgresql":
            from mlguard.exercise.on_duckdb import DuckExamples
            from mlguard.local.engine import engine as open_duck

            given = {TableName.parse(name): source for name, source in (data or {}).items()}
            duck = DuckExamples(stack.enter_context(open_duck(trace=trace)), given)
            found.append(Bench(duck, tables(project, declared(project))))
        if engine != "duckdb":
            from mlguard.exercise.on_postgres import PostgresExamples

            connection = stack.enter_context(_database(target, embedded=embedded, schema=schema))
            bare = embedded and not schema
            compiled = declared(project) if bare else _real(project, connection)
            found.append(Bench(PostgresExamples(connection), tables(project, compiled)))
        yield tuple(found)


def _real(project: Project, connection: psycopg.Connection[Any]) -> Program:
    from mlguard import planner

    return planner.program(project, connection)


@contextmanager
def _database(target: Target, *, embedded: bool, schema: Sequence[str | Path]) -> Iterator[psycopg.Connection[Any]]:
    from mlguard.connect import session

    if not embedded:
        with session(target) as connection:
            yield connection
        return
    from mlguard.embedded import EmbeddedServer

    with EmbeddedServer() as server, session(server.dsn) as connection:
        load_schema(connection, schema)
        yield connection


def load_schema(connection: psycopg.Connection[Any], schema: Sequence[str | Path]) -> None:
    """Run SQL files on a throw-away database.

    Raises:
        PlanError: a file cannot be read, or PostgreSQL refuses it.
    """
    import psycopg

    for path in schema:
        try:
            text = Path(path).read_text(encoding="utf-8")
            with connection.transaction():
                connection.execute(text.encode())
        except OSError as error:
            raise PlanError(f"{path} cannot be read: {error.strerror}") from error
        except psycopg.Error as error:
            said = (error.diag.message_primary or str(error)).strip()
            raise PlanError(
                f"{path}: PostgreSQL answered: {said}", help="psql commands such as \\copy do not work here"
            ) from error


def _verdicts(table: Table, names: Sequence[str], seen: Sequence[Sequence[Seen]]) -> Iterator[Verdict]:
    for number, example in enumerate(table.examples):
        yield _verdict(table, number, example, dict(zip(names, (each[number] for each in seen), strict=True)))
    fine = [each for engine in seen for each in engine if not each.error]
    for rule in table.rules:
        reasons = [each.undecided.get(rule.name) for each in fine]
        if fine and all(reasons):
            yield verdict_of(rule, Outcome.INSUFFICIENT, reason=f"judged on no example: {reasons[0]}")


def _verdict(table: Table, number: int, example: Example, seen: Mapping[str, Seen]) -> Verdict:
    names = [rule.name for rule in table.rules]
    wanted = frozenset(example.breaks) & frozenset(names)
    outcome, observed, reason = Outcome.PASS, _words(names, wanted), ""
    errors = list(dict.fromkeys(each.error for each in seen.values() if each.error))
    answers = {engine: each.broken for engine, each in seen.items()}
    lacking = {name: why for each in seen.values() for name, why in each.undecided.items() if name in wanted}
    if errors:
        outcome, observed, reason = Outcome.ERROR, "", "; ".join(errors)
    elif lacking:
        outcome, observed = Outcome.ERROR, ""
        reason = "; ".join(f"{name} was not judged: {why}" for name, why in lacking.items())
    elif differing := _differing(names, seen):
        outcome, observed = Outcome.ERROR, ""
        reason = f"the engines differ: {differing}"
    else:
        broken = frozenset[str]().union(*answers.values())  # what one engine left undecided, the other may know
        if broken != wanted:
            outcome, observed = Outcome.FAIL, _difference(names, wanted, broken)
    where = table.file.where(("examples", number))
    hidden = table.program.pii
    row = {name: HIDDEN if name in hidden else _shown(value) for name, value in example.row.items()}
    name = f"example {number + 1}"
    return Verdict(
        slo=f"{table.program.table}/{name}",
        table=str(table.program.table),
        name=name,
        outcome=outcome,
        action="reject",
        observed=observed,
        limit="" if outcome is Outcome.PASS else f"expected: {_words(names, wanted)}",
        reason=reason,
        owner=table.file.owner,
        runbook=table.file.runbook,
        file=where.file,
        line=where.line,
        samples=({"observed": row, "key": None},),
    )


def _differing(names: Sequence[str], seen: Mapping[str, Seen]) -> str:
    """Return what engines say differently of rules that all of them judged; '' where they agree."""
    unsure = {name for each in seen.values() for name in each.undecided}
    answers = {engine: each.broken - unsure for engine, each in seen.items()}
    if len(set(answers.values())) == 1:
        return ""
    return "; ".join(f"on {engine} it {_words(names, broken)}" for engine, broken in answers.items())


def _words(names: Sequence[str], broken: frozenset[str]) -> str:
    return f"breaks {', '.join(name for name in names if name in broken) or 'nothing'}"


def _difference(names: Sequence[str], wanted: frozenset[str], broken: frozenset[str]) -> str:
    parts = []
    if missing := [name for name in names if name in wanted - broken]:
        parts.append(f"does not break {', '.join(missing)}")
    if more := [name for name in names if name in broken - wanted]:
        parts.append(f"also breaks {', '.join(more)}" if broken & wanted or missing else f"breaks {', '.join(more)}")
    return "; ".join(parts)


def _shown(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | str) else str(value)
