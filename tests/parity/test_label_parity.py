"""Metrics of labels and groups on PostgreSQL and on files: the same values and words; scikit-learn's."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import psycopg
import pytest
from sklearn.metrics import roc_auc_score

from mlguard.emit.duck_tallies import rounded_duck
from mlguard.lang.metrics import METRICS, Family
from mlguard.local import LocalReport, judge
from mlguard.local.tallies import rounded_score
from tests import labels_example, servers
from tests.integration.test_labels_metrics import CASES, NOON, case, wanted
from tests.integration.test_labels_metrics import SLOS as OF_SKLEARN
from tests.labels_example import TABLE
from tests.parity.engines import fill
from tests.parity.test_metric_parity import same_value
from tests.support import project

# One SLO for each metric; limits that no value equals, so that each is a verdict with its value in words.
CHECKS = (
    "mae(score, label) <= 0.3123", "rmse(score, label) <= 0.4123", "mape(score, label) <= 0.5123",
    "bias(score, label) BETWEEN -0.1 AND 0.1", "accuracy(score >= 0.5, label) >= 0.7123",
    "precision(score >= 0.5, label) >= 0.7123", "recall(1 / score <= 2, label) >= 0.7123",
    "f1(score > 0.5, label) >= 0.7123", "auc(score, label) >= 0.7123", "logloss(score, label) <= 0.6123",
    "brier(score, label) <= 0.2123", "calibration_error(score, label) <= 0.1123", "label_coverage() >= 0.8123",
    "parity_gap(score >= 0.5, gender) <= 0.1123", "disparate_impact(score >= 0.5, gender) >= 0.8123",
    "disparate_impact(1 / score > 2, grp) >= 0.8123",
    "equal_opportunity_gap(score >= 0.5, label, gender) <= 0.1123", "error_ratio(score, label, grp) <= 1.2123",
    "error_ratio(score >= 0.5, label, gender) <= 1.2123",
    "mae(score, label) <= 1.2 * trailing(mae(score, label), '28 days')",
    "mae(score, label) - bias(score, label) > 0.0123 and row_count() > 3",
)  # fmt: skip
OVERS = ("over: 1 day", "over: 7 days", "over: 7 days, by: model_version", "over: 7 days, by: gender",
         "over: last 3 days, where: grp = 'a'")  # fmt: skip


ONE_CLASS = {3: True, 5: False}  # days whose labels are all alike, and whose scores say nothing


def slos(checks: tuple[str, ...] = CHECKS, least: int = 5) -> str:
    """Return each check over each of OVERS."""
    lines = [
        f'  - {{name: m{number}_{place}, check: "{check}", {over}, min_rows: {least}}}'
        for number, check in enumerate(checks)
        for place, over in enumerate(OVERS)
    ]
    return "slos:\n" + "\n".join(lines) + "\n"


def test_every_metric_of_labels_and_groups_is_compared() -> None:
    names = {name for name, metric in METRICS.items() if metric.family in (Family.LABELS, Family.GROUPS)}
    assert {name for name in names | {"label_coverage"} if f"{name}(" not in " ".join(CHECKS)} == set()


def rows(seed: int, *, boolean: bool = False) -> dict[str, list[tuple[Any, ...]]]:
    """Return twelve days of predictions, labels of most, and people; some values missing or of no use."""
    random = np.random.default_rng(seed)
    predictions, labels = [], []
    size = int(random.integers(200, 600))
    for number in range(size):
        day, customer = int(random.integers(12)), int(random.integers(60))
        at = f"2026-01-{day + 1:02} {int(random.integers(24)):02}:{number % 60:02}:{number // 60:02}+00"
        truth = random.random() < 0.4 if day not in ONE_CLASS else ONE_CLASS[day]
        score: float | None = round(float(np.clip(random.normal(0.6 if truth else 0.4, 0.25), 0, 1)), 2)
        if random.random() < 0.05:
            score = [None, math.nan, math.inf, -math.inf, 2.5, -0.0][int(random.integers(6))]
        score = 0.25 if day in ONE_CLASS else score
        version, group = f"v{1 + (day > 4) + (day > 9)}", [*"aab", None, "=x", "?"][int(random.integers(6))]
        predictions.append((customer, at, version, score, group))
        if random.random() < 0.85 and day != 7:
            label: Any = truth if boolean else float(truth)
            if random.random() < 0.05:
                label = None if boolean else [None, math.nan, 0.5, math.inf][int(random.integers(4))]
            labels.append((customer, at, label, at))
    people = [(customer, [*"fmx", None][int(random.integers(4))]) for customer in range(50)]
    return {"predictions.churn": predictions, "labels.churn": labels, "crm.person": people}


COLUMNS = {
    "predictions.churn": "customer_id bigint, as_of timestamptz, model_version {text}, score {double}, grp {text}",
    "labels.churn": "customer_id bigint, as_of timestamptz, churned {label}, labelled_at timestamptz",
    "crm.person": "customer_id bigint, gender {text}",
}


def files(folder: Path, data: dict[str, list[tuple[Any, ...]]], label: str = "double") -> dict[str, Any]:
    """Write the tables as Parquet."""
    found = {}
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        for table, given in data.items():
            columns = COLUMNS[table].format(text="varchar", double="double", label=label)
            connection.execute(f"create or replace table t ({columns})")
            fill(connection, "t", given)
            found[table] = folder / f"{table}.parquet"
            connection.execute(f"copy t to '{found[table]}'")
    return found


def in_the_database(dsn: str, as_of: str) -> dict[Any, Any]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("update mlguard._slo set since = '2026-01-01'")
        labels_example.sweep(connection, as_of)
        found = connection.execute(
            "select slo, (window_end at time zone 'UTC'), segment, outcome, n, metrics, vals, observed, reason"
            " from mlguard._verdict where current and tbl = %s",
            (TABLE,),
        ).fetchall()
    return {(slo, end, tuple(sorted(segment.items()))): rest for slo, end, segment, *rest in found}


def on_files(report: LocalReport) -> dict[Any, Any]:
    return {
        (slo, found.scope.end, tuple(sorted(found.scope.segment))): found
        for slo, items in report.details.items()
        for found in items
    }


def compare(report: LocalReport, there: dict[Any, Any]) -> int:
    here = on_files(report)
    # A file ends with its last row; the database goes on judging empty windows.
    last = {slo: max(end for one, end, _ in here if one == slo) for slo in {slo for slo, _, _ in here}}
    there = {key: rest for key, rest in there.items() if key[1] <= last[key[0]]}
    assert set(here) == set(there)
    for key, (outcome, n, names, values, observed, reason) in there.items():
        found = here[key]
        assert [name for name, _ in found.metrics] == names, key
        for (name, mine), theirs in zip(found.metrics, values, strict=True):
            assert same_value(mine, theirs), (key, name, mine, theirs)
        assert (found.outcome.value, found.n, found.reason) == (outcome, n, reason or ""), (key, found)
        if [value for _, value in found.metrics] == values:  # else the last digits may be rounded apart
            assert found.observed == (observed or ""), key
    return len(there)


def put(dsn: str, data: dict[str, list[tuple[Any, ...]]]) -> None:
    with psycopg.connect(dsn) as connection:
        for table, given in data.items():
            with connection.cursor().copy(f"copy {table} from stdin".encode()) as copy:
                for row in given:
                    copy.write_row(row)
            connection.commit()


@pytest.mark.parametrize(("seed", "boolean", "least"), [(1, False, 5), (2, True, 0)])
def test_verdicts_are_the_databases(guarded_db: str, tmp_path: Path, seed: int, boolean: bool, least: int) -> None:
    create = labels_example.CREATE.replace("churned double precision", "churned boolean") if boolean else None
    labels_example.create(guarded_db, create or labels_example.CREATE)
    head = labels_example.HEAD + labels_example.ATTRIBUTES
    labels_example.put(guarded_db, tmp_path, slos(least=least), head)
    data = rows(seed, boolean=boolean)
    put(guarded_db, data)
    as_of = datetime(2026, 1, 25, 12, tzinfo=UTC)  # the labels of the last windows are not mature
    there = in_the_database(guarded_db, as_of.isoformat())
    sources = files(tmp_path, data, "boolean" if boolean else "double")
    report = judge(project(tmp_path, head + slos(least=least)), sources, as_of=as_of)
    assert compare(report, there) > 500
    judged = {found.outcome.value for items in report.details.values() for found in items}
    assert judged >= {"PASS", "FAIL", "INSUFFICIENT"}
    reasons = {found.reason for items in report.details.values() for found in items}
    assert "within chance" in reasons
    assert not boolean or reasons >= {"no labels", "only one class", "no positive predictions"}


def test_every_metric_is_scikit_learns(tmp_path: Path) -> None:
    data: dict[str, list[tuple[Any, ...]]] = {"predictions.churn": [], "labels.churn": []}
    noon = datetime.fromisoformat(NOON + ":00")
    cases = [case(number) for number in range(CASES)]
    for number, pairs in enumerate(cases):
        at = noon + timedelta(days=number)
        for place, (score, label) in enumerate(pairs):
            data["predictions.churn"].append((place, at, "v1", score, "ab"[place % 2]))
            data["labels.churn"].append((place, at, label, at))
    text = labels_example.HEAD + OF_SKLEARN
    report = judge(project(tmp_path, text), files(tmp_path, data), as_of=datetime(2026, 6, 1, tzinfo=UTC))
    found = {
        ((item.scope.start - noon.replace(tzinfo=None)).days + 1, name): value
        for items in report.details.values()
        for item in items
        for name, value in item.metrics
        if item.scope.start is not None
    }
    for number, pairs in enumerate(cases):
        for name, value in wanted(pairs).items():
            condition = name in ("accuracy", "precision", "recall", "f1")
            argument = "" if name == "label_coverage" else "score >= 0.5, label" if condition else "score, label"
            if (number, "label_coverage()") in found:  # the last days may have no rows
                assert same_value(found[number, f"{name}({argument})"], value), (number, name)


def test_too_many_scores_are_rounded_as_in_the_database(server18: servers.TestServer, tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    scores = [*random.random(15_000), *(n / 2000 for n in range(2001)), 0.0, -0.0, 1e-31, 0.99999999999999994, 0.1235]
    scores += [-0.00123456, 9.995, 123456.5, 1e-7]
    data: dict[str, list[tuple[Any, ...]]] = {
        "predictions.churn": [(n, "2026-01-01 12:00+00", "v1", float(x), "a") for n, x in enumerate(scores)],
        "labels.churn": [(n, "2026-01-01 12:00+00", float(n % 3 == 0), None) for n, _ in enumerate(scores)],
    }
    text = labels_example.HEAD + "slos:\n  - {name: a, check: 'auc(score, label) >= 0.99', over: 1 day}\n"
    report = judge(project(tmp_path, text), files(tmp_path, data), as_of=datetime(2026, 6, 1, tzinfo=UTC))
    (found,) = report.details[f"{TABLE}/a"]
    assert found.reason == "of scores rounded to three digits"
    with server18.guarded_database() as dsn, psycopg.connect(dsn) as connection:
        given = "unnest(%s::double precision[]) with ordinality as u (x, n)"
        query = f"select mlguard.rounded_score_v1(x) from {given} order by n".encode()
        theirs = [value for (value,) in connection.execute(query, ([float(x) for x in scores],)).fetchall()]
    assert [rounded_score(float(x)) for x in scores] == theirs
    with duckdb.connect() as connection:
        mine = connection.execute(
            f"select {rounded_duck('x')} from (select unnest(?::double[]) as x)", [[float(x) for x in scores]]
        )
        assert [value for (value,) in mine.fetchall()] == theirs
    truth = [n % 3 == 0 for n, _ in enumerate(scores)]
    assert found.metrics[0][1] == pytest.approx(roc_auc_score(truth, theirs), rel=1e-12)
