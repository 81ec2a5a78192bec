"""Predictions with labels and attributes in other files: what stands in the way, and which rows are matched."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlguard.errors import Exit, SpecError
from mlguard.local import LocalReport, judge
from mlguard.report.verdict import Outcome
from tests.support import project, write

SLOS = """
mlguard: 1
table: p.t
model: m
key: [id]
event_time: ts
labels: {table: p.l, on: [id], value: y, mature_after: 2 days}
attributes: {table: p.a, on: [id], columns: [sex]}
slos:
  - {name: error, check: 'mae(x, label) <= 0.1', over: 1 day, min_rows: 1}
  - {name: arrived, check: label_coverage() >= 0.9, over: 1 day, min_rows: 1}
  - {name: fair, check: 'parity_gap(x > 0.5, sex) < 0.5', over: 1 day, min_rows: 1}
  - {name: enough, check: row_count() >= 4, over: 1 day, by: sex}
"""
LABELS = """
mlguard: 1
table: p.l
columns:
  y: {type: double precision, range: {between: [0, 1], on_violation: quarantine}}
"""
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PREDICTIONS = pd.DataFrame({"id": range(8), "ts": NOON, "x": [0.0, 1.0] * 4})
TRUTH = pd.DataFrame({"id": range(8), "y": [0.0, 1.0] * 3 + [7.0, 1.0]})
PEOPLE = pd.DataFrame({"id": range(8), "sex": ["f", "f", "m", "m"] * 2})


def judged(folder: Path, text: str = SLOS, day: int = 9, **data: Any) -> LocalReport:
    given = {"p.t": PREDICTIONS, **{name.replace("_", "."): frame for name, frame in data.items()}}
    return judge(project(folder, text), given, as_of=datetime(2026, 3, day, tzinfo=UTC))


def told(report: LocalReport) -> dict[str, tuple[str, str]]:
    return {v.name: (v.outcome.value, v.reason) for v in report.verdicts if v.table == "p.t"}


def test_a_key_that_comes_twice_is_an_error_and_no_verdict(tmp_path: Path) -> None:
    twice = pd.concat([TRUTH, TRUTH[:1]])
    report = judged(tmp_path, p_l=twice, p_a=PEOPLE)
    why = ("ERROR", "could not be judged: (id) is not unique in p.l, 1 row too many")
    assert told(report) == {"error": why, "arrived": why, "fair": ("PASS", ""), "enough": ("PASS", "")}
    assert report.exit_code() is Exit.ENGINE
    report = judged(tmp_path, p_l=TRUTH, p_a=pd.concat([PEOPLE, PEOPLE]))
    why = ("ERROR", "could not be judged: (id) is not unique in p.a, 8 rows too many")
    assert told(report) == {"error": ("FAIL", ""), "arrived": ("PASS", ""), "fair": why, "enough": why}


def test_keys_that_are_missing_match_nothing_and_are_not_twice(tmp_path: Path) -> None:
    nobody = pd.DataFrame({"id": [None, None], "y": [1.0, 1.0]}, dtype="Int64")
    report = judged(tmp_path, p_l=nobody, p_a=PEOPLE)
    assert told(report)["arrived"] == ("FAIL", "")
    assert told(report)["error"] == ("INSUFFICIENT", "0 labelled rows, fewer than 1")


def test_windows_wait_for_their_labels(tmp_path: Path) -> None:
    early = {v.name: v for v in judged(tmp_path, day=3, p_l=TRUTH, p_a=PEOPLE).verdicts}
    assert (early["error"].outcome, early["error"].reason) == (Outcome.INSUFFICIENT, "no window has closed yet")
    assert early["fair"].outcome is Outcome.PASS
    late = {v.name: v for v in judged(tmp_path, day=4, p_l=TRUTH, p_a=PEOPLE).verdicts}
    assert late["error"].observed.startswith("mae(x, label) is 0.875 over 1 day from 2026-03-01")


def test_labels_that_their_own_file_keeps_out_are_not_matched(tmp_path: Path) -> None:
    write(tmp_path, LABELS, "l.slo.yaml")
    report = judged(tmp_path, p_l=TRUTH, p_a=PEOPLE)
    found = {v.name: v for v in report.verdicts}
    assert (found["error"].outcome, found["error"].n) == (Outcome.PASS, 7)
    assert found["arrived"].outcome is Outcome.FAIL
    assert found["y.range"].bad == 1


def test_a_column_that_the_labels_lack_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no column `y`") as caught:
        judged(tmp_path, p_l=TRUTH.rename(columns={"y": "truth"}), p_a=PEOPLE)
    assert "p.l is the pandas DataFrame" in str(caught.value)


def test_conditions_that_may_be_seen_differently_are_said(tmp_path: Path) -> None:
    text = SLOS + "  - {name: lower, check: \"share(lower(word) = 'straße') < 1\", over: 1 day, min_rows: 1}\n"
    words = PREDICTIONS.assign(word=["Straße"] * 2 + ["a"] * 6)
    report = judge(
        project(tmp_path, text), {"p.t": words, "p.l": TRUTH, "p.a": PEOPLE}, as_of=datetime(2026, 3, 9, tzinfo=UTC)
    )
    outcome, reason = told(report)["lower"]
    assert outcome == "INSUFFICIENT"
    assert reason == (
        "not judged locally: 2 of 8 rows hold letters beyond ASCII, whose case the database's locale decides"
    )
