"""Examples on PostgreSQL and on both engines: the same answers, and nothing left behind in the database."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from mlguard import exercise
from mlguard.errors import PlanError, SpecError
from mlguard.exercise import mutate, run_examples
from mlguard.exercise.on_duckdb import DuckExamples
from mlguard.exercise.table import Seen
from mlguard.report.verdict import Outcome
from mlguard.spec import load_project
from tests.unit.exercise.test_examples import HEAD

SCHEMA = """
create schema features;
create schema ref;
create table ref.plan (plan varchar(8) primary key);
insert into ref.plan values ('free'), ('pro');
create table features.customer (
  customer_id bigint primary key, event_ts timestamptz, age integer, plan varchar(8), score double precision,
  email text, tags text[], payload jsonb, unnamed numeric(5, 2)
);
insert into features.customer values (1, now(), 34, 'free');
"""
EXAMPLES = [
    ("{customer_id: 1, age: 34, plan: free, score: 0.5, email: a@b.c, tags: [a, b], payload: {id: x}}", ""),
    ("{}", "customer_id.required"),
    ("{customer_id: 1, age: 131, plan: gold}", "age.range, plan.in, known_plan"),
    ("{customer_id: 1, score: NaN}", "score.range"),
    ("{customer_id: 1, score: -1e300, email: ''}", "score.range, email.length"),
    ('{customer_id: 1, tags: ["it\'s"], payload: {a: {b: [1.5, "x\\\\"]}}}', "tags.array_length, session"),
    ("{customer_id: 1, age: 0, plan: pro}", "ratio"),  # raises
    ("{customer_id: 1, event_ts: 2026-11-20 08:00}", ""),
]


@pytest.fixture
def slos(tmp_path: Path) -> Path:
    lines = [f"  - {{row: {row}, breaks: [{broken}]}}\n" for row, broken in EXAMPLES]
    path = tmp_path / "t.slo.yaml"
    path.write_text(HEAD + "".join(lines))
    (tmp_path / "plan.csv").write_text("plan\nfree\npro\n")
    (tmp_path / "schema.sql").write_text(SCHEMA)
    return path


@pytest.fixture
def tables(bare: str) -> str:
    with psycopg.connect(bare, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
    return bare


def test_both_engines_say_what_the_file_says(tables: str, slos: Path) -> None:
    project = load_project(slos)
    lookup = {"ref.plan": slos.parent / "plan.csv"}
    for engine in ("postgresql", "both"):
        report = run_examples(project, tables, engine=engine, data=lookup)
        assert {each.outcome for each in report.verdicts} == {Outcome.PASS}, report.failures
        assert len(report.verdicts) == len(EXAMPLES)
    # What DuckDB cannot look up PostgreSQL knows.
    report = run_examples(project, tables, engine="both")
    assert [each.name for each in report.having(Outcome.ERROR)] == ["example 3"]


def test_the_database_stays_as_it_was(tables: str, slos: Path) -> None:
    count = "select (select count(*) from features.customer), (select count(*) from pg_class)"
    with psycopg.connect(tables) as connection:
        before = connection.execute(count).fetchone()
        run_examples(load_project(slos), connection, engine="postgresql")
        assert connection.execute(count).fetchone() == before
        assert connection.execute("show transaction_read_only").fetchone() == ("off",)
        assert connection.execute("show search_path").fetchone() != ("",)


def test_a_reader_without_the_right_to_create_anything_may_run_them(tables: str, slos: Path) -> None:
    with psycopg.connect(tables, autocommit=True) as connection:
        connection.execute("create role mlguard_example_reader")
        try:
            connection.execute("revoke all on schema public from public")
            connection.execute("grant usage on schema features, ref to mlguard_example_reader")
            connection.execute("grant select on all tables in schema features, ref to mlguard_example_reader")
            connection.execute("set role mlguard_example_reader")
            report = run_examples(load_project(slos), connection, engine="postgresql")
            assert {each.outcome for each in report.verdicts} == {Outcome.PASS}
        finally:
            connection.execute("reset role")
            connection.execute("drop owned by mlguard_example_reader")
            connection.execute("drop role mlguard_example_reader")


def test_a_value_that_the_column_refuses(tables: str, slos: Path) -> None:
    slos.write_text(HEAD + "  - {row: {customer_id: 1, age: 12.5, email: secret}, breaks: []}\n")
    (verdict,) = run_examples(load_project(slos), tables, engine="both").having(Outcome.ERROR)
    assert verdict.reason == "the value of age is no integer"
    slos.write_text(HEAD + "  - {row: {customer_id: 1, unnmed: 1}, breaks: []}\n")
    with pytest.raises(SpecError, match="no column `unnmed`"):
        run_examples(load_project(slos), tables, engine="postgresql")


def test_engines_that_differ_are_an_error(tables: str, slos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = DuckExamples.judge

    def careless(self: DuckExamples, table: object, rules: object) -> list[Seen]:
        seen = asked(self, table, rules)  # type: ignore[arg-type]
        return [Seen(each.broken - {"age.range"}, each.undecided, each.error) for each in seen]

    monkeypatch.setattr(DuckExamples, "judge", careless)
    lookup = {"ref.plan": slos.parent / "plan.csv"}
    report = run_examples(load_project(slos), tables, engine="both", data=lookup)
    (verdict,) = report.having(Outcome.ERROR)
    assert verdict.reason == (
        "the engines differ: on duckdb it breaks plan.in, known_plan;"
        " on postgresql it breaks age.range, plan.in, known_plan"
    )
    assert report.exit_code() == 3


def test_a_throw_away_server(slos: Path) -> None:
    project = load_project(slos)
    schema = [slos.parent / "schema.sql"]
    report = run_examples(project, engine="postgresql", embedded=True, schema=schema)
    assert {each.outcome for each in report.verdicts} == {Outcome.PASS}
    bare = run_examples(project, engine="postgresql", embedded=True)
    assert [each.name for each in bare.having(Outcome.INSUFFICIENT)] == ["known_plan"]
    assert "ref.plan" in bare.having(Outcome.INSUFFICIENT)[0].reason
    with pytest.raises(PlanError, match="for an embedded server"):
        run_examples(project, engine="postgresql", schema=schema)


def test_mutants_are_judged_alike(tables: str, slos: Path) -> None:
    project = load_project(slos)
    lookup = {"ref.plan": slos.parent / "plan.csv"}
    there = mutate(project, tables, engine="postgresql")
    here = mutate(project, data=lookup)
    assert [(each.slo, each.outcome, each.observed) for each in there.verdicts] == [
        (each.slo, each.outcome, each.observed) for each in here.verdicts
    ]
    assert exercise.ENGINES == ("duckdb", "postgresql", "both")
