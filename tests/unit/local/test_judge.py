"""Files and frames judged without a server: sources, words, what cannot be judged, and what is wrong with the data."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner

import mlguard
from mlguard.cli import cli
from mlguard.errors import EvaluationError, MlguardError, PlanError, SpecError
from mlguard.local import LocalReport, judge, named
from mlguard.report.verdict import Outcome
from tests.support import project

SLOS = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
columns:
  customer_id: {type: bigint, unique: true}
  age: {type: integer, range: {between: [0, 130], on_violation: quarantine}}
  plan: {type: text, in: [free, pro]}
  score: {type: double precision, range: {between: [0, 1], on_violation: repair, repair: {clamp: [0, 1]}}}
  email: {type: text, pii: true, length: [3, 20]}
slos:
  - {name: oldest, check: max(age) <= 130, over: batch}
  - {name: mean_score, check: mean(score) <= 1, over: batch, min_rows: 1}
  - {name: fresh, check: staleness() <= INTERVAL '2 days'}
"""
ROWS: list[tuple[Any, ...]] = [
    (1, 34, "free", 0.5, "a@b.cd", "2026-03-01 10:00:00+00"),
    (2, -4, "pro", 0.25, "a@b.cd", "2026-03-01 11:00:00+00"),
    (3, 51, "gold", 7.5, "secret@x.yz", "2026-03-02 12:00:00+00"),
    (4, None, "pro", None, "xy", "2026-03-02 13:00:00+00"),
]
NAMES = ("customer_id", "age", "plan", "score", "email", "event_ts")
TYPES = "(customer_id bigint, age integer, plan varchar, score double, email varchar, event_ts timestamptz)"
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
TABLE = "features.customer"


def connection(rows: Sequence[tuple[Any, ...]] = ROWS) -> duckdb.DuckDBPyConnection:
    made = duckdb.connect()
    made.execute(f"set timezone = 'UTC'; create table t {TYPES}")
    if rows:
        made.executemany("insert into t values (?, ?, ?, ?, ?, ?)", [list(row) for row in rows])
    return made


def outcomes(report: mlguard.Report) -> dict[str, tuple[str, str]]:
    return {verdict.name: (verdict.outcome.value, verdict.observed or verdict.reason) for verdict in report.verdicts}


WANTED = {
    "customer_id.unique": ("PASS", "all 3 rows hold"),
    "age.range": ("FAIL", "1 of 4 rows break it"),
    "plan.in": ("FAIL", "1 of 4 rows break it"),
    "score.range": ("PASS", "all 4 rows hold"),
    "email.length": ("FAIL", "1 of 4 rows break it"),
    "oldest": ("PASS", "max(age) is 51 over the file"),
    "mean_score": ("PASS", "mean(score) is 0.75 over the file"),
    "fresh": ("PASS", "newest event_ts is 2026-03-02 13:00 UTC, 23 h old"),
}


def parquet(folder: Path) -> Any:
    connection().execute(f"copy t to '{folder / 'x.parquet'}'")
    return folder / "x.parquet"


def csv(folder: Path) -> Any:
    connection().execute(f"copy t to '{folder / 'x.csv'}' (header)")
    return str(folder / "x.csv")


def json_lines(folder: Path) -> Any:
    connection().execute(f"copy t to '{folder / 'x.jsonl'}' (format json)")
    return str(folder / "x.jsonl")


def partitions(folder: Path) -> Any:
    (folder / "loads").mkdir()
    for number in range(4):
        connection(ROWS[number : number + 1]).execute(f"copy t to '{folder / 'loads'}/{number}.parquet'")
    return folder / "loads"


def pattern(folder: Path) -> Any:
    return f"{partitions(folder)}/*.parquet"


def database(folder: Path) -> Any:
    with duckdb.connect(str(folder / "x.duckdb")) as made:
        made.execute(f"set timezone = 'UTC'; create schema s; create table s.t {TYPES}")
        made.executemany("insert into s.t values (?, ?, ?, ?, ?, ?)", [list(row) for row in ROWS])
    return f"{folder / 'x.duckdb'}:s.t"


def relation(folder: Path) -> Any:
    return connection().table("t")


def arrow(folder: Path) -> Any:
    return connection().table("t").to_arrow_table()


def pandas(folder: Path) -> Any:
    frame = pd.DataFrame(ROWS, columns=list(NAMES))
    return frame.assign(event_ts=pd.to_datetime(frame["event_ts"], utc=True))


@pytest.mark.parametrize(
    "made", [parquet, csv, json_lines, partitions, pattern, database, relation, arrow, pandas], ids=lambda f: f.__name__
)
def test_every_kind_of_data_gives_the_same_verdicts(tmp_path: Path, made: Callable[[Path], Any]) -> None:
    report = judge(project(tmp_path, SLOS), {TABLE: made(tmp_path)}, as_of=NOON)
    assert outcomes(report) == WANTED
    sample = {verdict.name: verdict.samples for verdict in report.verdicts}
    assert sample["age.range"] == ({"observed": {"age": -4}, "key": {"customer_id": 2}},)
    assert sample["plan.in"] == ({"observed": {"plan": "gold"}, "key": {"customer_id": 3}},)
    assert sample["email.length"] == ({"observed": {"email": "not shown (pii)"}, "key": None},)
    assert "secret" not in json.dumps([verdict.to_dict() for verdict in report.verdicts])


def test_metrics_are_of_the_rows_that_land_as_repairs_mend_them(tmp_path: Path) -> None:
    report = judge(project(tmp_path, SLOS), {TABLE: connection().table("t")}, as_of=NOON)
    landed = report.frame("landed")
    assert landed["customer_id"].tolist() == [1, 3, 4]
    assert landed["score"].tolist()[:2] == [0.5, 1.0]
    assert report.frame("quarantined")["customer_id"].tolist() == [2]
    (change,) = report.frame("changes").to_dict("records")
    assert (json.loads(change["key"]), change["column_name"]) == ({"customer_id": 3}, "score")
    assert [json.loads(change["old"]), json.loads(change["new"])] == [7.5, 1]
    broken = report.frame("violations")
    keys = [json.loads(str(key))["customer_id"] for key in broken["key"]]
    assert dict(zip(keys, broken["kept_out"], strict=True)) == {2: True, 3: False, 4: False}
    report.write("landed", tmp_path / "good.parquet")
    written = duckdb.execute(f"select count(*) from '{tmp_path / 'good.parquet'}'")
    assert written.fetchall() == [(3,)]


def test_batches_are_replayed_in_order_and_their_history_looks_back(tmp_path: Path) -> None:
    slos = (
        "mlguard: 1\ntable: f.t\nslos:\n"
        "  - {name: drop, check: \"change(mean(x), '30 days') >= -0.5\", over: batch, min_rows: 1}\n"
        "  - {name: few, check: 'x >= 0', on_violation: warn, max_bad: 40%, min_rows: 1}\n"
    )
    loads = [("b", 2.0), ("a", 2.0), ("c", 2.0), ("c", 2.2), ("d", 0.5), ("d", -1.0)]
    frame = pd.DataFrame(loads, columns=["load", "x"])
    report = judge(project(tmp_path, slos), {"f.t": frame}, batch_by="load")
    assert [found.scope.label for found in report.details["f.t/drop"]] == ["load b", "load a", "load c", "load d"]
    assert [found.outcome for found in report.details["f.t/drop"]] == [Outcome.INSUFFICIENT] * 3 + [Outcome.FAIL]
    drop, few = report.verdicts
    assert drop.observed.endswith("over load d, 1 of 4 batches so")
    assert (few.outcome, few.observed) == (
        Outcome.FAIL, "1 of 6 rows break it, 1 of 2 in load d, where up to 40% may",
    )  # fmt: skip


def test_what_cannot_be_judged_says_so_and_never_looks_like_held_or_violated(tmp_path: Path) -> None:
    slos = """
    mlguard: 1
    table: f.t
    columns:
      a: {type: integer, references: f.other.id}
    slos:
      - {name: known, check: a IN (SELECT id FROM f.list)}
      - {name: pairs, assert: SELECT x.a FROM f.t x JOIN f.t y ON x.a = y.a + 1}
    """
    loaded = project(tmp_path, slos)
    report = judge(loaded, {"f.t": pd.DataFrame({"a": [1, 2]})})
    assert {verdict.outcome for verdict in report.verdicts} == {Outcome.INSUFFICIENT}
    assert [verdict.reason for verdict in report.verdicts] == [
        "not judged locally: no data was given for f.other",
        "not judged locally: no data was given for f.list",
        "not judged locally: an assertion is PostgreSQL's own SQL",
    ]
    assert not report.holds
    assert report.judged_nothing
    assert (report.exit_code(), report.exit_code(["insufficient"])) == (0, 1)
    given = {
        "f.t": pd.DataFrame({"a": [1, 2]}),
        "f.list": pd.DataFrame({"id": [1]}),
        "f.other": pd.DataFrame({"id": [1, 2]}),
    }
    assert [verdict.outcome.value for verdict in judge(loaded, given).verdicts] == ["PASS", "FAIL", "INSUFFICIENT"]


def test_a_table_without_data_is_not_passed_over(tmp_path: Path) -> None:
    project(tmp_path, "mlguard: 1\ntable: f.other\ncolumns: {a: {type: integer, required: true}}\n", "other.slo.yaml")
    report = judge(project(tmp_path, SLOS), {TABLE: connection().table("t")})
    (other,) = [verdict for verdict in report.verdicts if verdict.table == "f.other"]
    assert (other.outcome, other.reason) == (Outcome.INSUFFICIENT, "not judged locally: no data was given for f.other")


def test_no_rows(tmp_path: Path) -> None:
    found = outcomes(judge(project(tmp_path, SLOS), {TABLE: connection([]).table("t")}))
    assert found["age.range"] == ("PASS", "all 0 rows hold")
    assert found["oldest"][0] == "INSUFFICIENT"
    assert found["fresh"] == ("FAIL", "the table has no rows, so it has no age")


def wrong(folder: Path, data: Any) -> str:
    with pytest.raises(MlguardError) as caught:
        judge(project(folder, SLOS), {TABLE: data})
    assert isinstance(caught.value, PlanError | SpecError | EvaluationError)
    return str(caught.value)


def test_wrong_data_is_named_with_its_file_and_column(tmp_path: Path) -> None:
    whole = pandas(tmp_path)
    said = wrong(tmp_path, whole.drop(columns=["age"]).rename(columns={"plan": "plans"}))
    assert "the pandas DataFrame has no column age, plan, which the SLO file of features.customer names" in said
    assert "did you mean plans?" in said
    said = wrong(tmp_path, whole.assign(age=["34", "-4", "51", "x"]))
    assert (
        "column age of the pandas DataFrame is VARCHAR, and the SLO file of features.customer declares integer" in said
    )
    said = wrong(tmp_path, whole.assign(age=[34.5, 1.0, 2.0, 3.0]))
    assert "a number with a fraction, where the SLO file declares integer" in said
    assert "there is no file nowhere.parquet" in wrong(tmp_path, "nowhere.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"nothing of the kind")
    assert "bad.parquet cannot be read as features.customer" in wrong(tmp_path, tmp_path / "bad.parquet")
    (tmp_path / "bad.xlsx").write_bytes(b"")
    assert "is of no kind that can be judged" in wrong(tmp_path, tmp_path / "bad.xlsx")
    csv(tmp_path)
    text = (tmp_path / "x.csv").read_text().replace("51,", "fifty,")
    (tmp_path / "x.csv").write_text(text)
    said = wrong(tmp_path, tmp_path / "x.csv")
    assert "x.csv could not be judged as features.customer" in said
    assert "fifty" in said


def test_partitions_of_another_shape_are_an_error(tmp_path: Path) -> None:
    folder = partitions(tmp_path)
    duckdb.sql(f"copy (select 9::bigint as customer_id) to '{folder}/9.parquet'")
    assert "9.parquet" in wrong(tmp_path, folder)


def test_tables_are_named_once_and_asked_for() -> None:
    with pytest.raises(PlanError, match=r"names f\.t twice: a\.csv and b\.csv"):
        named(["f.t=a.csv", "f.t=b.csv"])
    with pytest.raises(PlanError, match="names no table"):
        named(["x.parquet"])


def test_a_table_nobody_asks_for_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="none looks it up") as caught:
        judge(project(tmp_path, SLOS), {"features.custmer": connection().table("t")})
    assert "did you mean features.customer?" in str(caught.value)


def test_names_are_quoted(tmp_path: Path) -> None:
    slos = 'mlguard: 1\ntable: "a b.select"\nslos:\n  - {name: x, check: \'"x y" > 0 AND """q" > 0\'}\n'
    report = judge(project(tmp_path, slos), {"a b.select": pa.table({"x y": [1], '"q': [1], "": [2]})})
    assert [verdict.outcome.value for verdict in report.verdicts] == ["PASS"]


def test_the_python_interface(tmp_path: Path) -> None:
    project(tmp_path, SLOS)
    report = mlguard.check(pandas(tmp_path), TABLE, slo=tmp_path / "slos", as_of=NOON)
    assert isinstance(report, LocalReport)
    assert report.failures["name"].tolist() == ["age.range", "plan.in", "email.length"]
    assert "<table>" in report._repr_html_()
    with pytest.raises(mlguard.SloViolation, match=r"age\.range"):
        report.raise_for_violation()
    assert outcomes(mlguard.check(connection().table("t"), slo=tmp_path / "slos", as_of=NOON)) == WANTED


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, SLOS)
    monkeypatch.chdir(tmp_path)
    parquet(tmp_path)
    run = CliRunner().invoke
    done = run(cli, ["check", "--data", f"{TABLE}=x.parquet", "--as-of", "2026-03-03T12:00Z", "--format", "json"])
    assert done.exit_code == 1, done.output
    assert json.loads(done.stdout)["engine"] == "duckdb"
    assert run(cli, ["check", "--data", f"{TABLE}=nowhere.csv"]).exit_code == 2
    assert run(cli, ["check", "--batch-by", "plan"]).exit_code == 2
    duckdb.sql("copy (select * from 'x.parquet' where customer_id = 1) to 'good.parquet'")
    held = ["check", "--data", f"{TABLE}=good.parquet", "--as-of", "2026-03-02T12:00Z"]
    assert run(cli, held).exit_code == 0
    assert run(cli, [*held, "--fail-on", "insufficient"]).exit_code == 0


def test_windows_have_closed_or_not(tmp_path: Path) -> None:
    slos = (
        "mlguard: 1\ntable: f.t\nevent_time: at\ntime_zone: Europe/Berlin\nlate: 1 hour\nslos:\n"
        "  - {name: rows, check: row_count() >= 1, over: 1 day}\n"
    )
    data = pa.table({"at": pa.array([1774699200, 1774785600, None], pa.timestamp("s"))})  # 28 and 29 March 2026, noon
    loaded = project(tmp_path, slos)
    late = judge(loaded, {"f.t": data}, as_of=datetime(2026, 3, 29, 23, 1, tzinfo=UTC))
    assert len(late.details["f.t/rows"]) == 2, "the day on which the clock changes ends at 22:00 UTC"
    early = judge(loaded, {"f.t": data}, as_of=datetime(2026, 3, 29, 22, 59, tzinfo=UTC))
    assert len(early.details["f.t/rows"]) == 1
    assert "1 rows without event time are in no window" in early.verdicts[0].observed
    never = judge(loaded, {"f.t": data}, as_of=datetime(2026, 3, 1, tzinfo=UTC))
    assert never.verdicts[0].reason == "no window has closed yet"
