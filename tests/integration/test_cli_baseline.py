"""`mlguard baseline set|show`: from rows, a table and files, and what is shown of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result

from mlguard.cli import cli
from mlguard.operate.baseline import Baseline, Distribution
from mlguard.report.baseline_text import bar, percent, render
from tests import baseline_example as example
from tests.runtime_example import rows, session, value

TABLE = example.TABLE
Run = Callable[..., Result]
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
COLUMNS = 'age, score, price, plan, email, "Odd ""name"'


@pytest.fixture
def run(guarded_db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a verb of `baseline` on the example, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    with session(guarded_db) as connection:
        example.make(connection)

    def run_verb(*args: str, code: int = 0) -> Result:
        done = CliRunner().invoke(cli, ["--dsn", guarded_db, "baseline", *args])
        assert done.exit_code == code, done.output
        return done

    return run_verb


def stored(dsn: str) -> dict[str, dict[str, Any]]:
    """Return what is kept of each column of the version in use, without what tells versions apart."""
    with session(dsn) as connection:
        found = rows(
            connection,
            "select to_jsonb(k) - 'version' from mlguard._baseline_column k"
            " join mlguard._baseline b using (tbl, version) where b.state = 'frozen' and k.segment = '{}' and k.n > 0",
        )
    return {row["key"]: row for (row,) in found}


def export(dsn: str, path: Path, query: str) -> None:
    """Write the result of a query into a Parquet or CSV file."""
    with session(dsn) as connection:
        cursor = connection.execute(query.encode())
        names = [column.name for column in cursor.description or ()]
        found = cursor.fetchall()
    with duckdb.connect() as engine:
        types = {"age": "integer", "score": "double", "price": "decimal(12, 2)"}
        listed = ", ".join(f'"{name.replace(chr(34), chr(34) * 2)}" {types.get(name, "varchar")}' for name in names)
        engine.execute(f"create table t ({listed})")
        engine.executemany(f"insert into t values ({', '.join('?' * len(names))})", found)
        engine.execute(f"copy t to '{path}'")


def test_all_stored_rows(run: Run, guarded_db: str) -> None:
    done = run("set", TABLE)
    assert done.stdout.startswith("baseline 1 of features.customer: all rows, frozen ")
    assert done.stderr == ""
    assert stored(guarded_db)["values(email)"]["n"] == 4000


def test_a_stretch_of_time(run: Run, guarded_db: str) -> None:
    done = run("set", TABLE, "--from", "2026-01-10", "--to", "2026-01-20")
    assert "rows from 2026-01-10 00:00 UTC to 2026-01-20 00:00 UTC" in done.stdout
    assert stored(guarded_db)["values(email)"]["n"] == 1000
    run("set", TABLE, "--from", "2026-02-01")
    assert stored(guarded_db)["values(email)"]["n"] == 900


def test_another_table(run: Run, guarded_db: str) -> None:
    with session(guarded_db) as connection:
        connection.execute(f'create table features."Train" as select age, plan from {TABLE}')
    done = run("set", TABLE, "--from-table", "features.Train")
    assert "baseline 1 of features.customer: features.Train, frozen " in done.stdout
    assert done.stderr.startswith('it lacks score, price, email, Odd "name: fewer than 200 values there')


@pytest.mark.parametrize("name", ["reference.parquet", "reference.csv"])
def test_a_file_gives_what_its_rows_in_a_table_give(run: Run, guarded_db: str, tmp_path: Path, name: str) -> None:
    with session(guarded_db) as connection:
        connection.execute(f"update {TABLE} set plan = repeat('long ', 50) || id % 3 where id % 11 = 0")
        connection.execute(f"update {TABLE} set score = 'Infinity' where id % 17 = 0")
        connection.execute(f"update {TABLE} set email = 'q' || id where id % 2 = 0")  # more than 1000 of them
        connection.execute(f"create table features.same as select {COLUMNS} from {TABLE}")
    run("set", TABLE, "--from-table", "features.same")
    expected = stored(guarded_db)
    assert expected["values(email)"]["other"] > 0
    assert expected["bins(score)"]["edges"][0] < 0
    export(guarded_db, tmp_path / name, f"select {COLUMNS} from features.same")
    done = run("set", TABLE, "--from-file", name)
    assert f"baseline 2 of features.customer: {name}, frozen " in done.stdout
    assert stored(guarded_db) == expected


def test_a_file_counts_names_of_integers_as_the_table_does(run: Run, guarded_db: str, tmp_path: Path) -> None:
    export(guarded_db, tmp_path / "ages.csv", f"select age from {TABLE}")
    run("set", TABLE, "--from-file", "ages.csv")
    found = stored(guarded_db)
    with session(guarded_db) as connection:
        of_25 = value(connection, "select count(*) from features.customer where age = 25")
    assert found["values(age)"]["categories"]["25"] == of_25 > 0
    assert found["values(age)"]["n"] == found["bins(age)"]["n"] == 3740
    assert "-1" not in found["values(age)"]["categories"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["set", TABLE, "--from-table", "features.nothing"], "there is no table features.nothing"),
        (["set", TABLE, "--from-table", "nothing"], "'nothing' is not a table: write schema.table"),
        (["set", TABLE, "--from-file", "no.parquet"], "there is no file no.parquet"),
        (["set", TABLE, "--from-file", "no.xlsx"], "no.xlsx is neither .parquet nor .csv"),
        (["set", TABLE, "--from-file", "broken.parquet"], "broken.parquet cannot be read: "),
        (["set", TABLE, "--from-file", "other.csv"], "other.csv has none of the columns that SLOs compare"),
        (["set", TABLE, "--from-file", "words.csv"], "column age of words.csv holds 1 values that are no numbers"),
        (["set", TABLE, "--from-file", "few.csv"], "few.csv hold fewer than 200 values of every column"),
        (["set", TABLE, "--from", "2026-03-01", "--to", "2026-01-01"], "--from is not before --to"),
        (["set", TABLE, "--from", "yesterday"], "'yesterday': write 2026-12-01"),
        (["set", TABLE, "--from", "2026-01-01", "--from-table", TABLE], "a baseline has one source"),
        (["set", "features.customers"], "features.customers is not guarded here"),
        (["show", "features.customers"], "did you mean features.customer?"),
    ],
)
def test_what_is_refused(run: Run, guarded_db: str, tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "broken.parquet").write_text("PAR?")
    (tmp_path / "other.csv").write_text("x,y\n1,2\n")
    (tmp_path / "words.csv").write_text("age\n1\ntwo\n")
    (tmp_path / "few.csv").write_text("age\n1\n2\n")
    done = run(*arguments, code=2)
    assert words in done.stderr
    with session(guarded_db) as connection:
        assert value(connection, "select count(*) from mlguard.baseline") == 0


def test_nothing_to_show_yet(run: Run) -> None:
    done = run("show", TABLE)
    assert done.stdout == ""
    assert "has no baseline yet: sweep() makes it, or mlguard baseline set features.customer" in done.stderr
    assert json.loads(run("show", TABLE, "--format", "json").stdout) == []


def test_one_that_is_learned_still(run: Run, guarded_db: str) -> None:
    with session(guarded_db) as connection:
        connection.execute("select mlguard._sweep_baselines('2026-01-10 00:00+00')")
    assert run("show", TABLE).stdout == (
        "baseline 1 of features.customer: first 28 days, still learned, looked at again 2026-01-29 00:00 UTC\n"
    )


def test_a_histogram_of_each_column(run: Run, guarded_db: str) -> None:
    with session(guarded_db) as connection:
        connection.execute("select mlguard._sweep_baselines('2026-11-20 00:00+00')")
    run("set", TABLE, "--to", "2026-01-15")
    text = run("show", TABLE).stdout
    assert text.startswith("baseline 2 of features.customer: rows to 2026-01-15 00:00 UTC, frozen ")
    blocks = dict.fromkeys(text.split("\n\n"))
    plan = next(block for block in blocks if block.startswith("plan:"))
    assert plan.splitlines() == [
        "plan: 3 categories, 1374 values, 26 missing",
        "  free        ██████████████████████████████  59.2 %",
        "  enterprise  ██████████▍                     20.4 %",
        "  pro         ██████████▍                     20.4 %",
    ]
    score = next(block for block in blocks if block.startswith("score:")).splitlines()
    assert score[0] == "score: number, 1354 values, 46 missing"
    assert [line.split()[:2] for line in score[1:3]] == [["<", "0"], ["<=", "0"]]
    assert score[1].split() == ["<", "0", "0.0", "%"]
    assert len(score) == 11
    assert any(block.startswith("and ") and "of segments and filters" in block for block in blocks)
    assert text.rstrip().splitlines()[-1].startswith("baseline 1 of features.customer: first 28 days, replaced ")


def test_values_of_pii_columns_are_not_shown(run: Run, guarded_db: str) -> None:
    with session(guarded_db) as connection:
        connection.execute("update mlguard._table set pii = '{email,age,plan}'")
    run("set", TABLE)
    for style in ("text", "json"):
        shown = run("show", TABLE, "--format", style).stdout
        assert "free" not in shown
        assert "example.com" not in shown
    assert "age: number, 3740 values, 260 missing, values not shown (pii)\n  bin 1 " in run("show", TABLE).stdout
    assert "email: 50 categories, 4000 values, values not shown (pii)\n  category 1 " in run("show", TABLE).stdout
    found = json.loads(run("show", TABLE, "--format", "json").stdout)[0]["columns"]
    age = next(column for column in found if column["state"] == "bins(age)" and not column["segment"])
    assert (age["edges"], sum(age["counts"])) == (None, 3740)


def test_json_has_segments_and_filters(run: Run, guarded_db: str) -> None:
    run("set", TABLE)
    (found,) = json.loads(run("show", TABLE, "--format", "json").stdout)
    assert (found["version"], found["state"], found["source"]) == (1, "frozen", "all rows")
    states = {(column["state"], json.dumps(column["segment"])) for column in found["columns"]}
    assert ("values(plan) where age > 50", "{}") in states
    assert ("values(plan)", '{"country": "DE"}') in states


def test_many_categories_are_shown_as_others() -> None:
    names = [f"c{place}" for place in range(100)]
    column = Distribution("c", "values(c)", {}, "category", False, None, [10] * 100, names, 500, 1500, 0)
    baseline = Baseline("s.t", 1, "all rows", "frozen", None, None, 1500, NOON, "etl", None, (column,))
    lines = render([baseline]).splitlines()
    assert lines[2] == "c: more than 100 categories, 1500 values"
    assert len(lines) == 3 + 12 + 1
    assert lines[-1].split()[:2] == ["all", "others"]
    assert lines[-1].endswith("92.0 %")


def test_bars_and_shares() -> None:
    assert bar(0, 10) == ""
    assert bar(0.001, 1000) == "▏"
    assert bar(10, 10) == "█" * 30
    assert percent(0.0001) == "< 0.1 %"
    assert percent(0) == "0.0 %"
