"""Do learned alarms have recall and precision? Real tables, one batch after another, clean and with injected faults.

After a warm-up of 20 batches each batch is scored as it is, and some of them also with every fault of `alert_faults`.
History is always the clean batches before it (the protocol of Redyuk et al., EDBT 2021, and of
Auto-Validate-by-History, KDD 2023).

    python bench/alert_quality.py --data FOLDER --plugin bench/alerts_duckdb.py
    python bench/alert_quality.py --full --by-type --by-dataset --plugin …       # more faults, more tables of results

FOLDER (or $ALERT_DATA) holds one Parquet file a table: partition key in `_part`, which sorts in order of time; where a
table has real faults, `_variant` = clean | dirty with both versions. A plugin has METHODS, classes with

    name                   what to call it
    __init__(table)        an `alert_faults.Table`; only `name`, `cols`, `kind` and `names` are a method's business
    fit(history)           the batches before the judged one, oldest first
    score(batch) -> Result scores by column, TABLE among them; above 1 is an alarm
    observe(batch)         optional: the clean batch, once it has been scored

A batch has `df`, `key`, `t` and `prev`.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.alert_faults import TABLE, VALUE_FAULTS, Batch, Fault, Table, faults

__all__ = ["TABLE", "Batch", "Result", "Table", "main", "run", "summarise"]

WARM_UP = 20
PREVALENCE = 0.05
"""Share of bad batches that precision is computed for."""
LARGE = 0.1
"""Faults that touch this share of rows or more must be found."""
WORDS = """Every table weighs the same. recall10: faults of 10 % of rows or more; recall_values: those of them that put
wrong values into a column; precision5, ap5: at 5 % bad batches; recall_at_1pct: recall10 with an ideal limit at 1 %
false alarms; top1: the right column is named first."""


@dataclass(frozen=True)
class Result:
    """What a method says of a batch.

    Args:
        cols: Scores by column, `TABLE` for the table; above 1 is an alarm.
    """

    cols: dict[str, float]

    @property
    def score(self) -> float:
        """The largest score."""
        return max(self.cols.values(), default=0.0)

    @property
    def alert(self) -> bool:
        """Whether the batch alarms."""
        return self.score > 1

    @property
    def flagged(self) -> list[str]:
        """Columns that alarm."""
        return [column for column, score in self.cols.items() if score > 1]


@dataclass(frozen=True)
class Options:
    """What to run.

    Args:
        plugin: File that holds METHODS.
        methods: Names of those to run; empty for all.
        batches: Batches of each table that faults are put into.
        rounds: Draws of every fault for each of them.
        seed: Seed of the faults.
        contaminated: Share of past batches that were faulty; those that a method lets pass stay in its history.
    """

    plugin: str
    methods: tuple[str, ...] = ()
    batches: int = 24
    rounds: int = 1
    seed: int = 7
    contaminated: float = 0.0


def load(path: Path) -> tuple[list[tuple[str, pd.DataFrame]], dict[str, pd.DataFrame]]:
    """A table's partitions in order, and the real faulty versions of some of them by key."""
    frame = pd.read_parquet(path)
    dirty: dict[str, pd.DataFrame] = {}
    if "_variant" in frame:
        faulty = frame[frame["_variant"] == "dirty"].drop(columns="_variant")
        frame = frame[frame["_variant"] == "clean"].drop(columns="_variant")
        dirty = dict(_parts(faulty))
    return list(_parts(frame)), dirty


def _parts(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for column in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[column]):
            frame[column] = frame[column].astype(object).where(frame[column].notna(), None)
    for key, part in frame.groupby("_part", sort=True):
        yield str(key), part.drop(columns="_part").reset_index(drop=True)


def load_methods(options: Options) -> list[type[Any]]:
    """The plugin's methods that were asked for.

    Raises:
        SystemExit: a name that the plugin does not have.
    """
    spec = importlib.util.spec_from_file_location("plugin", options.plugin)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{options.plugin}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    known = {method.name: method for method in module.METHODS}
    unknown = [name for name in options.methods if name not in known]
    if unknown:
        raise SystemExit(f"{options.plugin} has no method {', '.join(unknown)}; it has {', '.join(known)}")
    return [known[name] for name in options.methods or known]


def run(path: Path, options: Options) -> pd.DataFrame:
    """Every trial of one table: a line for each scored batch and method."""
    parts, dirty = load(path)
    table = Table(path.stem, parts, WARM_UP)
    tested = range(WARM_UP, len(parts))
    spread = np.unique(np.linspace(0, len(tested) - 1, min(options.batches, len(tested))).astype(int))
    chosen = {tested[i] for i in spread}
    methods = [_Trial(method(table), table) for method in load_methods(options)]
    for t in tested:
        batch = table.batches[t]
        tried = list(_faults_of(table, batch, dirty, options)) if t in chosen else []
        contaminating = _contamination(table, batch, options)
        for method in methods:
            method.step(batch, tried, contaminating)
    return pd.concat([method.lines() for method in methods])


def _seeded(options: Options, *more: int) -> np.random.Generator:
    return np.random.default_rng([options.seed, *more])


def _faults_of(table: Table, batch: Batch, dirty: dict[str, pd.DataFrame], options: Options) -> Iterator[Fault]:
    for draw in range(options.rounds):
        yield from faults(table, batch, _seeded(options, zlib.crc32(table.name.encode()), batch.t, draw))
    if batch.key in dirty:
        real = dirty[batch.key]
        changed = [c for c in table.cols if not real[c].equals(batch.df[c])]
        if changed:
            yield Fault("REAL", 0.5, frozenset(changed), Batch(batch.key, batch.t, real, batch.prev))


def _contamination(table: Table, batch: Batch, options: Options) -> Batch | None:
    if not options.contaminated:
        return None
    rng = _seeded(options, 1, zlib.crc32(table.name.encode()), batch.t)
    if rng.random() >= options.contaminated:
        return None
    possible = list(faults(table, batch, rng))
    return possible[rng.integers(len(possible))].batch


@dataclass(eq=False)
class _Trial:
    """One method on one table."""

    method: Any
    table: Table
    seconds: float = 0.0
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    history: list[Batch] = field(default_factory=list)

    def step(self, batch: Batch, tried: list[Fault], contaminating: Batch | None) -> None:
        """Scores a batch, clean and with its faults, and lets it become history."""
        self.history = self.history or list(self.table.batches[:WARM_UP])
        started = time.process_time()
        self.method.fit(self.history)
        self._score("clean", 0.0, frozenset(), batch)
        for fault in tried:
            self._score(fault.kind, fault.fraction, fault.columns, fault.batch)
        if hasattr(self.method, "observe"):
            self.method.observe(batch)
        missed = contaminating is not None and not self.method.score(contaminating).alert
        self.history.append(contaminating if contaminating is not None and missed else batch)
        self.seconds += time.process_time() - started

    def _score(self, kind: str, fraction: float, columns: frozenset[str], batch: Batch) -> None:
        result = self.method.score(batch)
        top = max(result.cols, key=result.cols.get, default=TABLE)
        flagged = frozenset(result.flagged)
        self.rows.append(
            (
                self.table.name, self.method.name, batch.t, batch.key, kind, fraction, bool(result.alert),
                min(float(result.score), 1e12), top, top in columns, len(flagged), bool(flagged & columns),
            )
        )  # fmt: skip

    def lines(self) -> pd.DataFrame:
        """Its trials."""
        names = [
            "table", "method", "t", "key", "fault", "fraction", "alert", "score", "top", "top1", "flagged", "hit"
        ]  # fmt: skip
        return pd.DataFrame(self.rows, columns=names).assign(seconds=self.seconds)


def average_precision(score: Any, bad: Any, weight: Any) -> float:
    """Weighted average precision of scores, ties counted together."""
    order = np.argsort(-score, kind="stable")
    ranked, bad, weight = score[order], bad[order], weight[order]
    last = np.r_[ranked[1:] != ranked[:-1], True]
    hits, total = np.cumsum(weight * bad)[last], np.cumsum(weight)[last]
    return float(np.sum(np.diff(np.r_[0, hits]) / hits[-1] * hits / total))


def precision(recall: float, false_alarms: float) -> float:
    """Precision at `PREVALENCE`; NaN when nothing alarms."""
    right, wrong = PREVALENCE * recall, (1 - PREVALENCE) * false_alarms
    return right / (right + wrong) if right + wrong > 0 else float("nan")


def of_table(trials: pd.DataFrame) -> dict[str, float]:
    """The figures of one method on one table."""
    clean = trials[trials.fault == "clean"]
    injected = trials[~trials.fault.isin(["clean", "REAL"])]
    large = injected[injected.fraction >= LARGE]
    found = large[large.alert]
    bad = np.r_[np.zeros(len(clean)), np.ones(len(large))]
    weight = np.r_[np.full(len(clean), (1 - PREVALENCE) / len(clean)), np.full(len(large), PREVALENCE / len(large))]
    score = np.r_[clean.score, large.score].astype(float)
    return {
        "false_alarms": float(clean.alert.mean()),
        "recall": float(injected.alert.mean()),
        "recall10": float(large.alert.mean()),
        "recall_values": float(large[large.fault.isin(VALUE_FAULTS)].alert.mean()),
        "ap5": average_precision(score, bad, weight),
        "recall_at_1pct": float((large.score > np.quantile(clean.score, 0.99, method="higher")).mean()),
        "top1": float(found.top1.mean()) if len(found) else float("nan"),
    }


def summarise(trials: pd.DataFrame) -> pd.DataFrame:
    """One line a method; every table weighs the same."""
    lines = {}
    for method, its in trials.groupby("method", sort=False):
        mean = pd.DataFrame([of_table(rows) for _, rows in its.groupby("table")]).mean()
        mean["precision5"] = precision(mean.recall10, mean.false_alarms)
        mean["cpu_s"] = its.groupby("table").seconds.first().sum()
        lines[method] = mean
    return pd.DataFrame(lines).T


def report(trials: pd.DataFrame, *, by_type: bool, by_dataset: bool) -> str:
    """The results in words for a terminal."""
    parts = [WORDS, summarise(trials).round(3).to_string()]
    large = trials[(trials.fault != "clean") & (trials.fraction >= LARGE)]
    if by_type:
        parts.append(large.pivot_table(index="method", columns="fault", values="alert").round(2).to_string())
        small = trials[~trials.fault.isin(["clean", "REAL", "stale", "mix_recode", "mix_drop"])]
        parts.append(small.pivot_table(index="method", columns="fraction", values="alert").round(2).to_string())
    if by_dataset:
        for method, its in trials.groupby("method", sort=False):
            figures = pd.DataFrame({table: of_table(rows) for table, rows in its.groupby("table")}).T
            parts.append(f"{method}\n{figures.round(3).to_string()}")
    return "\n\n".join(parts)


def main(arguments: list[str] | None = None) -> None:
    """Runs the tables of a folder and prints the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", default=os.environ.get("ALERT_DATA"), help="folder of the tables")
    parser.add_argument("--plugin", default=str(Path(__file__).with_name("alerts_duckdb.py")))
    parser.add_argument("--methods", default="", help="names, separated by commas")
    parser.add_argument("--datasets", default="", help="names of tables, separated by commas")
    parser.add_argument("--full", action="store_true", help="60 batches of each table, 3 draws of every fault")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--contaminate", type=float, default=0.0, help="share of past batches that were faulty")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--by-type", action="store_true")
    parser.add_argument("--by-dataset", action="store_true")
    parser.add_argument("--out", help="write every trial to this Parquet file")
    given = parser.parse_args(arguments)
    if not given.data:
        parser.error("say where the tables are: --data FOLDER or ALERT_DATA")
    wanted = set(filter(None, given.datasets.split(",")))
    paths = [path for path in sorted(Path(given.data).glob("*.parquet")) if not wanted or path.stem in wanted]
    if not paths:
        parser.error(f"no table to run in {given.data}")
    batches, rounds = (60, 3) if given.full else (24, 1)
    methods = tuple(filter(None, given.methods.split(",")))
    options = Options(given.plugin, methods, batches, rounds, given.seed, given.contaminate)
    paths.sort(key=lambda path: -path.stat().st_size)
    with ProcessPoolExecutor(given.jobs) as pool:
        trials = pd.concat([job.result() for job in [pool.submit(run, path, options) for path in paths]])
    if given.out:
        trials.to_parquet(given.out, compression="zstd")
    print(report(trials, by_type=given.by_type, by_dataset=given.by_dataset))


if __name__ == "__main__":
    main()
