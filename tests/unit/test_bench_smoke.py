"""The benchmark runs end to end on a small load, and its arithmetic is right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.figures import Figure, as_table, at_least, at_most
from bench.measure import Series, Spread, cpu_seconds, interleave
from bench.workload import COLUMNS, row_rules, write_csv

ROOT = Path(__file__).parents[2]


def test_writes_produces_figures(tmp_path: Path) -> None:
    kept = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench", "writes", "--quick", "--rows", "2000", "--rounds", "1", "--json", str(kept)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads(kept.read_text())["figures"]
    assert {figure["what"] for figure in figures} >= {"20 reject rules", "18 quarantine rules, 1 % bad rows"}
    assert all(figure["median"] > 0 for figure in figures)
    assert done.stdout.count("20 reject rules") == 3


def test_every_variant_runs_once_a_round_and_rounds_start_with_another() -> None:
    order: list[str] = []

    def variant(name: str, took: float) -> float:
        order.append(name)
        return took

    series = interleave({"a": lambda: variant("a", 2.0), "b": lambda: variant("b", 3.0)}, rounds=2)
    assert order == ["a", "b", "b", "a"]
    assert series.ratio("b", "a").median == 1.5


def test_a_ratio_is_taken_round_by_round() -> None:
    drifting = Series({"plain": [1.0, 2.0, 4.0], "guarded": [1.1, 2.4, 4.4]})
    assert drifting.ratio("guarded", "plain").median == pytest.approx(1.1)


def test_verdicts_follow_the_median() -> None:
    def verdict(value: float) -> str:
        return Figure("s", "w", "a", Spread.of([value]), at_most(1.3)).verdict

    assert (verdict(1.3), verdict(1.31)) == ("met", "missed")
    assert Figure("s", "w", "a", Spread.of([0.9]), at_least(0.85)).verdict == "met"
    assert Figure("s", "w", "a", Spread.of([0.9])).verdict == ""


def test_the_table_is_aligned() -> None:
    figures = [Figure("s", "short", "a", Spread.of([1.0])), Figure("s", "much longer", "a", Spread.of([1.0]))]
    heading, _, first, second = as_table(figures).splitlines()
    assert heading.index("against") == first.index(" a ") + 1 == second.index(" a ") + 1


def test_the_same_arguments_give_the_same_rows(tmp_path: Path) -> None:
    first, second = (write_csv(tmp_path / name, 500, bad=0.01).read_bytes() for name in ("a.csv", "b.csv"))
    assert first == second
    assert first.count(b"\n") == 500
    assert first.splitlines()[0].count(b",") == len(COLUMNS) - 1


def test_clean_rows_keep_the_rules_and_bad_ones_do_not(tmp_path: Path) -> None:
    marks = (b"1000.5", b",-7,", b"ZZ")
    clean = write_csv(tmp_path / "clean.csv", 2000).read_bytes()
    bad = write_csv(tmp_path / "bad.csv", 2000, bad=0.01).read_bytes()
    assert not any(mark in clean for mark in marks)
    assert 5 < sum(any(mark in line for mark in marks) for line in bad.splitlines()) < 50


def test_there_are_twenty_rules() -> None:
    assert len(row_rules()) == 20


def test_cpu_time_grows() -> None:
    before = cpu_seconds(os.getpid())
    sum(range(2_000_000))
    assert cpu_seconds(os.getpid()) > before
