"""What is told where not everything is known: types that no file says, SLOs that nothing has judged, segments."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mlguard import api, doctor
from mlguard.cli import cli
from mlguard.connect import session
from mlguard.operate.status import status
from mlguard.report.status_text import state_words
from tests.support import prepare, write

MAKE = """
create schema if not exists predictions;
create table predictions.churn (customer_id bigint primary key, as_of timestamptz, model_version text,
                                score double precision, raw_score double precision);
"""
SLOS = """
mlguard: 1
table: predictions.churn
model: churn
version_column: model_version
approval: required
key: [customer_id]
event_time: as_of
post:
  - {name: clip, clamp: {score: [0, 1]}}
  - {name: round, round: {score: 4}}
raw: {score: raw_score}
slos:
  - {name: mean, check: mean(score) <= 0.5, over: 1 day}
  - {name: low, check: score >= 0}
"""


@pytest.fixture
def slos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one file that declares no type; no database is named."""
    monkeypatch.delenv("MLGUARD_DSN", raising=False)
    return write(tmp_path, SLOS)


def test_steps_on_a_column_without_a_type_are_valid(slos: Path) -> None:
    done = CliRunner().invoke(cli, ["validate", "--slos", str(slos)])
    assert (done.exit_code, done.stdout) == (0, "")


def test_sql_without_types_says_what_is_missing(slos: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["compile", "--slos", str(slos)])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "nothing says of what type score is" in done.stderr
    told = "columns: {score: {type: double precision}, raw_score: {type: double precision}}\npost:"
    write(tmp_path, SLOS.replace("post:", told))
    done = CliRunner().invoke(cli, ["compile", "--slos", str(slos)])
    assert done.exit_code == 0
    assert "zz_mlguard_before_row" in done.stdout
    assert "lists the columns that its file declares, which as_of, customer_id are not" in done.stderr


def test_sql_takes_types_from_the_database_that_is_named(pg: str, slos: Path) -> None:
    prepare(pg, MAKE)
    done = CliRunner().invoke(cli, ["compile", "--slos", str(slos), "--dsn", pg])
    assert (done.exit_code, done.stderr) == (0, "")
    assert " unknown" not in done.stdout
    assert '"score" double precision' in done.stdout


def test_a_database_says_nothing_of_its_own_triggers_and_of_what_was_not_judged(pg: str, slos: Path) -> None:
    prepare(pg, MAKE)
    api.apply(api.load(slos), pg)
    with session(pg) as connection:
        assert [found.name for found in doctor.examine(connection)] == []
        states = {found.slo: found.state for found in status(connection).slos}
    assert states["predictions.churn/mean"] == "not judged yet"
    assert states["predictions.churn/low"] == "holding"


def test_of_segments_the_worst_speaks_for_the_batch(pg: str, tmp_path: Path) -> None:
    prepare(pg, "create schema if not exists f; create table f.t (id bigint primary key, c text, x integer)")
    text = "mlguard: 1\ntable: f.t\nkey: [id]\nslos:\n  - {name: some, check: coverage(x) >= 0.5, over: batch, by: c}\n"
    api.apply(api.load(write(tmp_path, text)), pg)
    for missing in ("never", "DE"):
        prepare(
            pg,
            "insert into f.t select coalesce((select max(id) from f.t), 0) + g,"
            " case when g % 2 = 0 then 'DE' else 'FR' end,"
            f" case when g % 2 = 1 or '{missing}' <> 'DE' then 1 end from generate_series(1, 200) g",
        )
    with session(pg) as connection:
        (found,) = [found for found in status(connection).slos if found.slo == "f.t/some"]
    assert (found.state, found.past) == ("failing", (1.0, 0.0))
    assert "c DE" in found.observed
    assert state_words(found) == f"failing: {found.observed}, allowed >= 0.5"
