"""The harness of alarm quality: its figures by hand, its faults, and one whole run with the product."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.alert_faults import TABLE, VALUE_FAULTS, Fault, Table, faults
from bench.alert_quality import Result, average_precision, load, of_table, precision, summarise

ROOT = Path(__file__).parents[3]


def parts(days: int = 30, rows: int = 80) -> list[tuple[str, pd.DataFrame]]:
    rng = np.random.default_rng(3)
    result = []
    for day in pd.date_range("2024-01-01", periods=days):
        frame = pd.DataFrame(
            {
                "amount": np.round(rng.exponential(10, rows) + 1, 2),
                "size": rng.normal(size=rows),
                "kind": rng.choice(["a", "b", "c"], rows),
                "name": [f"n{i}" for i in rng.integers(0, 9, rows)],
            }
        )
        result.append((str(day.date()), frame.astype({"kind": object, "name": object})))
    return result


def drawn(seed: int = 1) -> dict[str, Fault]:
    table = Table("t", parts(), 20)
    return {fault.kind: fault for fault in faults(table, table.batches[25], np.random.default_rng(seed))}


def test_every_kind_of_fault_is_drawn_and_repeatable() -> None:
    found = drawn()
    assert set(found) == {*VALUE_FAULTS, "stale", "mix_recode", "mix_drop", "volume", "dup"}
    again = drawn()
    assert all(again[kind].batch.df.equals(fault.batch.df) for kind, fault in found.items())


@pytest.mark.parametrize("seed", range(5))
def test_faults_touch_what_they_say(seed: int) -> None:
    clean = Table("t", parts(), 20).batches[25].df
    for kind, fault in drawn(seed).items():
        frame = fault.batch.df
        if kind in {"volume", "mix_drop"}:
            assert len(frame) < len(clean)
        elif kind == "dup":
            assert len(frame) > len(clean)
            assert frame.duplicated().any()
        else:
            changed = {column for column in clean if not frame[column].equals(clean[column])}
            assert changed <= fault.columns, kind
            touched = max(int((frame[c].ne(clean[c]) & ~(frame[c].isna() & clean[c].isna())).sum()) for c in clean)
            assert touched <= max(1, round(fault.fraction * len(clean))), kind
    assert drawn(seed)["volume"].columns == {TABLE}


def test_precision_and_average_precision() -> None:
    assert precision(1.0, 0.0) == 1
    assert precision(0.75, 0.01) == pytest.approx(0.05 * 0.75 / (0.05 * 0.75 + 0.95 * 0.01))
    one = np.ones(4)
    assert average_precision(np.array([4.0, 3, 2, 1]), np.array([1.0, 1, 0, 0]), one) == 1
    assert average_precision(np.array([4.0, 3, 2, 1]), np.array([1.0, 0, 1, 0]), one) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.array([2.0, 2, 2, 1]), np.array([1.0, 0, 0, 0]), one) == pytest.approx(1 / 3)


def test_figures_of_a_table() -> None:
    lines = [("clean", 0.0, False, 0.5, False)] * 9 + [("clean", 0.0, True, 1.5, False)]
    lines += [("null", 0.2, True, 9.0, True), ("null", 0.2, False, 0.1, False), ("null", 0.01, False, 0.1, False)]
    lines += [("volume", 0.8, True, 3.0, False), ("REAL", 0.5, True, 9.0, True)]
    trials = pd.DataFrame(lines, columns=["fault", "fraction", "alert", "score", "top1"])
    figures = of_table(trials)
    assert figures["false_alarms"] == pytest.approx(0.1)
    assert figures["recall"] == pytest.approx(0.5)
    assert figures["recall10"] == pytest.approx(2 / 3)
    assert figures["recall_values"] == pytest.approx(0.5)
    assert figures["top1"] == pytest.approx(0.5)
    assert figures["recall_at_1pct"] == pytest.approx(2 / 3)
    two = pd.concat([trials.assign(table=name, method="m", seconds=1.0) for name in ("a", "b")])
    assert summarise(two).loc["m", "precision5"] == pytest.approx(precision(2 / 3, 0.1))


def test_results_alarm_above_1() -> None:
    assert Result({"a": 1.0, TABLE: 0.2}).alert is False
    assert Result({"a": 0.1, TABLE: 1.2}).flagged == [TABLE]


def test_a_run_with_the_product(tmp_path: Path) -> None:
    frame = pd.concat([part.assign(_part=key) for key, part in parts()])
    frame.to_parquet(tmp_path / "days.parquet")
    assert [key for key, _ in load(tmp_path / "days.parquet")[0]][:2] == ["2024-01-01", "2024-01-02"]
    kept = tmp_path / "trials.parquet"
    command = [sys.executable, "bench/alert_quality.py", "--jobs", "1", "--by-type", "--by-dataset", "--out", str(kept)]
    done = subprocess.run(
        [*command, "--methods", "usual", "--contaminate", "0.2"], cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=120, env={**os.environ, "ALERT_DATA": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "precision5" in done.stdout
    trials = pd.read_parquet(kept)
    assert (trials.fault == "clean").sum() == 10
    found = trials[trials.fault.isin(["newcat", "unit1000"]) & (trials.fraction >= 0.4)]
    assert len(found) > 0
    assert found.alert.mean() > 0.7
    refused = subprocess.run(
        [*command, "--methods", "nobody"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "ALERT_DATA": str(tmp_path)},
    )  # fmt: skip
    assert "has no method nobody" in refused.stderr
