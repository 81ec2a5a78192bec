"""What suggest proposes, applied on the data it came from: it is valid, holds, and raises no alarm in a replay."""

from __future__ import annotations

import math
import random
import string
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mlguard
from mlguard.cli import cli
from mlguard.compile import compile_project
from mlguard.names import TableName, quote_ident
from mlguard.operate.backtest import backtest
from mlguard.report.verdict import Outcome
from mlguard.suggest import Options, Suggestion, suggest
from tests.support import prepare, query
from tests.unit.suggest.test_proposals import usage

TABLE = """
create schema features;
create table features.usage (
  usage_id bigint primary key,
  customer_id integer not null,
  event_ts timestamptz not null,
  shipped_on date,
  plan varchar(20),
  amount numeric(12, 2),
  score real,
  a smallint,
  b smallint,
  total integer,
  tenure_days double precision,
  is_active boolean,
  email text,
  emb real[],
  payload jsonb,
  note text
);
insert into features.usage
select i, i % 100, timestamptz '2026-01-01' + i * interval '5 minutes',
  (timestamp '2026-01-02' + i * interval '5 minutes')::date + (i * 7 % 5)::integer,
  (array['free', 'pro', 'team'])[1 + i * 31 % 3], (i * 7919 % 40000)::numeric / 100, (i * 104729 % 1000) / 1000.0,
  i * 13 % 100, i * 29 % 100, i * 13 % 100 + i * 29 % 100,
  case when i * 17 % 41 = 0 then null else i / 100 + (i % 7) / 10.0 end,
  i % 3 = 0, 'someone' || i || '@example.org', array[1, 2, 3], '{"k": 1}',
  case when i % 11 = 0 then null else 'x' || (i * 37 % 500) end
from generate_series(1, 6000) as i;
create index on features.usage (customer_id, event_ts);
analyze features.usage;
"""


@pytest.fixture
def table(db: str) -> str:
    prepare(db, TABLE)
    return db


def apply_and_check(found: Suggestion, folder: Path, dsn: str) -> mlguard.Report:
    """Write the suggestion, validate it without a database, apply it with `existing: fail`, and judge.

    Learned health has a trial and tests of its own, and is left out here: its first sweep over many days takes long.
    """
    path = found.save(folder / "slos" / "suggested.slo.yaml")
    compile_project(mlguard.load(path), None)
    path.write_text(found.text.replace("\nusual: all", "\nusual: none"), encoding="utf-8")
    project = mlguard.load(path)
    mlguard.apply(project, dsn)
    return mlguard.check(project, dsn)


def lines(found: Suggestion) -> dict[str, Any]:
    return {f"{one.column}.{one.key}": one.value for many in found.draft.columns.values() for one in many}


def test_a_table_of_the_database(table: str, tmp_path: Path) -> None:
    found = suggest("features.usage", Options(history=True), target=table)
    said = lines(found)
    assert {one.key: one.value for one in found.draft.settings} == {
        "key": ["usage_id"],
        "event_time": "event_ts",
        "usual": "all",
    }
    assert said["plan.in"] == ["free", "pro", "team"]
    assert said["plan.type"] == "character varying(20)"
    assert said["customer_id.required"] is True
    assert said["emb.array_length"] == 3
    assert said["tenure_days.increasing_by"] == ["customer_id"]
    assert said["email.pii"] is True
    assert {"a_plus_b_is_total", "amount_mean"} <= {one.key for one in found.draft.slos}
    assert "someone" not in found.text
    report = apply_and_check(found, tmp_path, table)
    assert report.holds, report.having(Outcome.FAIL, Outcome.ERROR)
    assert sum(verdict.outcome is Outcome.PASS for verdict in report.verdicts) > 20


def test_no_alarm_in_the_replayed_windows(table: str, tmp_path: Path) -> None:
    found = suggest("features.usage", Options(history=True), target=table)
    apply_and_check(found, tmp_path, table)
    with psycopg.connect(table, autocommit=True) as connection:
        replayed = backtest(connection, mlguard.load(tmp_path / "slos"))
    proposed = {f"features.usage/{one.key}" for one in found.draft.slos} | {
        f"features.usage/{name}" for name in lines(found)
    }
    judged = [value for value in replayed.values if value.slo in proposed]
    assert len(judged) > 100
    assert not [value for value in judged if value.outcome in ("FAIL", "ERROR")]


def test_a_sample_is_enough_and_rules_are_counted_over_all_rows(table: str, tmp_path: Path) -> None:
    prepare(table, "update features.usage set plan = 'gold' where usage_id = 2345")
    found = suggest("features.usage", Options(sample=2_000), target=table)
    assert "a sample of " in found.text
    assert "gold" in lines(found).get("plan.in", ["gold"])
    assert apply_and_check(found, tmp_path, table).holds


def test_reading_is_all_it_does(table: str) -> None:
    with psycopg.connect(table, autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = on")
        assert suggest("features.usage", target=connection).rows == 6_000


def test_views_and_empty_tables(db: str, tmp_path: Path) -> None:
    prepare(db, TABLE + "create view features.recent as select * from features.usage where usage_id > 1000;")
    found = suggest("features.recent", Options(sample=1_000), target=db)
    assert found.rows == 5_000
    prepare(db, 'create table features.empty (a integer, "B c" text)')
    assert {*lines(suggest("features.empty", target=db))} == {"a.type", "B c.type"}


def test_numbers_that_no_float_holds_and_a_column_called_like_an_alias(db: str, tmp_path: Path) -> None:
    prepare(
        db,
        "create schema features;"
        "create table features.odd (t text, r numeric, part numeric, c0 double precision, h date);"
        "insert into features.odd select 'x' || i % 3, 10::numeric ^ (i % 400), i % 7, 'NaN', date '2026-01-01' + i"
        " from generate_series(1, 500) as i; insert into features.odd values ('x1', 'Infinity', 'NaN', 1, 'infinity')",
    )
    found = suggest("features.odd", target=db)
    said = lines(found)
    assert said["t.in"] == ["x0", "x1", "x2"]
    assert not {"r.range", "part.range", "c0.range", "c0.finite"} & said.keys()
    assert apply_and_check(found, tmp_path, db).holds


def test_a_table_that_is_not_there(db: str) -> None:
    with pytest.raises(mlguard.EngineError, match=r"no table features\.nothing"):
        suggest("features.nothing", target=db)


def test_the_same_rules_of_the_same_rows_in_both_engines(db: str, tmp_path: Path) -> None:
    """DuckDB and PostgreSQL draw different samples and hash differently; what is certain must not depend on it."""
    frame = usage(4_000)
    frame["event_ts"] = frame["event_ts"].dt.tz_localize("UTC")
    now = datetime.now(UTC)
    frame["event_ts"] += pd.Timestamp(now) - frame["event_ts"].max() - pd.Timedelta(minutes=5)
    frame["event_ts"] = frame["event_ts"].dt.floor("s")
    local = suggest(frame, Options("features.usage", now=now))
    _make(db, frame, local, TableName("features", "usage"))
    stored = suggest("features.usage", Options(now=now), target=db)
    assert lines(stored).keys() == lines(local).keys()
    assert {one.key: one.value for one in stored.draft.slos} == {one.key: one.value for one in local.draft.slos}
    same = {name: said for name, said in lines(local).items() if not name.endswith(("range", "max_null_rate", "type"))}
    assert {name: lines(stored)[name] for name in same} == same
    assert apply_and_check(local, tmp_path, db).holds


def test_the_command_line(table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "usage.slo.yaml"
    assert _run("suggest", "features.usage", "--dsn", table, "-o", str(path), "--group") == 0
    assert "read each line's evidence" in capsys.readouterr().err
    assert _run("suggest", "features.usage", "--dsn", table, "-o", str(path)) == 2
    assert "exists" in capsys.readouterr().err
    path.write_text("mlguard: 1\ntable: features.usage\ncolumns:\n  plan: {type: text}  # mine\n", encoding="utf-8")
    assert _run("suggest", "features.usage", "--dsn", table, "--update", str(path)) == 0
    assert "lines added, nothing changed" in capsys.readouterr().err
    assert "  # mine\n" in path.read_text(encoding="utf-8")
    assert _run("validate", "--slos", str(path)) == 0


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    return int(ended.value.code or 0)


# --- whatever the frame ---------------------------------------------------------------------------------------------

WORDS = [
    "",
    "a",
    "it's",
    'say "x"',
    "naïve",
    "日本",
    "# no",
    "- x",
    "back\\slash",
    "null",
    "true",
    "1.50",
    "x: y",
    "{",
    "tab\tx",
]
NAMES = [
    "id",
    "customer_id",
    "event_ts",
    "Weird Name",
    "it's",
    "order",
    "a.b",
    "ünï",
    "x: y",
    "# c",
    "f_1",
    "f_2",
    "score",
    "null",
]


def _column(kind: str, n: int, random_: random.Random) -> list[Any]:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    if kind == "running":
        return [1_000 + place for place in range(n)]
    if kind == "whole":
        return [random_.choice([0, 1, -5, 2**63 - 1, -(2**63), 7]) for _ in range(n)]
    if kind == "small":
        return [random_.randrange(5) for _ in range(n)]
    if kind == "float":
        return [random_.expovariate(0.1) for _ in range(n)]
    if kind == "odd":
        return [random_.choice([0.0, -0.0, 1e300, -1e300, 5e-324, math.inf, 1.5]) for _ in range(n)]
    if kind == "wide":
        return [random_.gauss(0, 1) * 10 ** random_.randrange(-20, 20) for _ in range(n)]
    if kind == "flag":
        return [random_.random() < 0.3 for _ in range(n)]
    if kind == "word":
        return [random_.choice(WORDS) for _ in range(n)]
    if kind == "code":
        return [f"{random_.choice('AB')}{random_.randrange(1000):03d}" for _ in range(n)]
    if kind == "free":
        return ["".join(random_.choices(string.printable, k=random_.randrange(1, 30))) for _ in range(n)]
    if kind == "time":
        return [start + timedelta(hours=3 * place, seconds=random_.randrange(3600)) for place in range(n)]
    return [(start + timedelta(days=random_.randrange(60))).date() for _ in range(n)]


KINDS = ["running", "whole", "small", "float", "odd", "wide", "flag", "word", "code", "free", "time", "day"]


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Draw a frame: names that need quotes, values at the ends of their types, NULL in some columns."""
    n = draw(st.sampled_from([0, 1, 29, 31, 120, 400]))
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=8, unique=True))
    random_ = random.Random(draw(st.integers(0, 2**32)))
    data: dict[str, Any] = {}
    for name in names:
        kind = draw(st.sampled_from(KINDS))
        missing = draw(st.sampled_from([0.0, 0.0, 0.1, 1.0]))
        values = [None if random_.random() < missing else value for value in _column(kind, n, random_)]
        types = {"running": "Int64", "whole": "Int64", "small": "Int64", "flag": "boolean"}
        types |= {"float": "float64", "odd": "float64", "wide": "float64", "word": "string", "code": "string"}
        data[name] = pd.Series(values, dtype=types.get(kind, "object"))
        if kind == "time":
            data[name] = pd.to_datetime(data[name], utc=True)
    return pd.DataFrame(data)


def _make(dsn: str, frame: pd.DataFrame, found: Suggestion, table: TableName) -> None:
    """Create the table with the proposed types and load the frame."""
    said = lines(found)
    columns = ", ".join(f"{quote_ident(str(name))} {said[f'{name}.type']}" for name in frame.columns)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"create schema if not exists {quote_ident(table.schema)}".encode())
        connection.execute(f"drop table if exists {table.sql} cascade".encode())
        connection.execute(f"create table {table.sql} ({columns})".encode())
    mlguard.load(frame, str(table), dsn)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(frame=frames(), history=st.booleans(), group=st.booleans())
def test_whatever_the_frame_it_is_valid_and_holds(
    guarded_db: str, tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame, history: bool, group: bool
) -> None:
    folder = tmp_path_factory.mktemp("frame")
    found = suggest(frame, Options("features.frame"))
    history = history and any(one.key == "event_time" for one in found.draft.settings)
    grouped = suggest(frame, Options("features.frame", history=history, group=group))
    _make(guarded_db, frame, found, TableName("features", "frame"))
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        report = apply_and_check(grouped, folder, guarded_db)
        assert not report.having(Outcome.FAIL, Outcome.ERROR), grouped.text
        mlguard.remove(["features.frame"], guarded_db)
        assert not connection.execute("select 1 from mlguard.slo").fetchall()  # the next frame starts from nothing


def test_the_rows_are_still_there(table: str) -> None:
    suggest("features.usage", target=table)
    assert query(table, "select count(*) from features.usage") == [(6_000,)]
