"""The made-up tables are the same every time and cut into batches as the bench needs them; peers get the same rules."""

from __future__ import annotations

import json
from collections import Counter

import pandas as pd
import pytest

from bench import peers
from bench.alert_faults import Table, steps_of
from bench.alert_tables import TABLES, made


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_the_same_every_time(name: str) -> None:
    first, again, other = made(name, 3, seed=1), made(name, 3, seed=1), made(name, 3, seed=2)
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)
    assert first["_part"].is_monotonic_increasing
    assert first["_part"].nunique() == 3


@pytest.mark.parametrize(("name", "weekly"), [("weekly", False), ("few_rows", True)])
def test_days_and_weeks_are_told_apart(name: str, weekly: bool) -> None:
    frame = made(name, 21, seed=1)
    parts = [(str(key), part.drop(columns="_part")) for key, part in frame.groupby("_part")]
    assert steps_of(Table(name, parts, 20)) == (weekly, 0)


def test_every_tool_gets_the_same_38_rules() -> None:
    rules = peers.rules(10_000_000)
    assert len(rules) == peers.RULES
    contract = json.loads(peers.soda_contract(rules))
    checks = contract["checks"] + [check for column in contract["columns"] for check in column["checks"]]
    assert len(checks) == peers.RULES
    kinds = Counter(rule["rule"] for rule in rules)
    assert kinds == {
        "not_null": 4, "range": 16, "set": 2, "unique": 1, "null_fraction": 12, "mean": 2, "row_count": 1
    }  # fmt: skip
    of_metrics = peers.slo_file().count("over: batch")
    assert of_metrics == kinds["null_fraction"] + kinds["mean"] + kinds["row_count"]
