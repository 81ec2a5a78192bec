"""What is proposed of data whose rules are known, and what is not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlguard
from mlguard.compile import compile_project
from mlguard.errors import EngineError, PlanError
from mlguard.spec import load_project
from mlguard.suggest import Options, suggest
from mlguard.suggest.facts import Draft, Proposal

N = 6_000
NOW = datetime(2026, 4, 1, tzinfo=UTC)


def usage(n: int = N, seed: int = 1) -> pd.DataFrame:
    """A feature table with every kind of rule in it."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 100, n), rng.integers(0, 100, n)
    ordered = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(n) * 90 * 86_400 // n, unit="s")
    active = rng.random(n) < 0.6
    p = rng.dirichlet([2, 3, 4], n)
    return pd.DataFrame(
        {
            "usage_id": np.arange(n),
            "customer_id": np.arange(n) % 50,
            "event_ts": ordered,
            "shipped_at": ordered + pd.to_timedelta(rng.integers(0, 9 * 86_400, n), unit="s"),
            "plan": rng.choice(["free", "pro", "team"], n),
            "age": rng.integers(18, 90, n),
            "amount": rng.exponential(30, n),
            "score": rng.random(n),
            "a": a,
            "b": b,
            "total": a + b,
            "p_one": p[:, 0],
            "p_two": p[:, 1],
            "p_rest": 1 - p[:, 0] - p[:, 1],
            "odometer": (np.arange(n) // 50) * 3 + rng.integers(0, 3, n),
            "is_active": active,
            "is_cancelled": ~active & (rng.random(n) < 0.5),
            "email": [f"someone{i}@example.org" for i in range(n)],
            "code": [f"{chr(65 + i % 26)}{chr(65 + i % 7)}-{i % 10:03d}" for i in range(n)],
            "note": [None if rng.random() < 0.08 else f"text {rng.integers(400)}" for _ in range(n)],
        }
    )


@pytest.fixture(scope="module")
def draft() -> Draft:
    return suggest(usage(), Options("features.usage", now=NOW)).draft


def line(draft: Draft, column: str, key: str) -> Proposal | None:
    return next((one for one in draft.columns.get(column, ()) if one.key == key), None)


def value(draft: Draft, column: str, key: str) -> Any:
    found = line(draft, column, key)
    return None if found is None else found.value


def checks(draft: Draft) -> dict[str, str]:
    return {one.key: one.value["check"] for one in draft.slos}


def test_settings(draft: Draft) -> None:
    assert {one.key: one.value for one in draft.settings} == {
        "key": ["usage_id"],
        "event_time": "event_ts",
        "usual": "all",
    }


def test_types_and_presence(draft: Draft) -> None:
    assert value(draft, "amount", "type") == "double precision"
    assert value(draft, "event_ts", "type") == "timestamp"
    assert value(draft, "plan", "required") is True
    assert value(draft, "note", "required") is None
    rate = float(value(draft, "note", "max_null_rate").rstrip("%"))
    assert 15 < rate < 40  # days of 67 rows had up to a seventh


def test_sets_ranges_and_patterns(draft: Draft) -> None:
    assert value(draft, "plan", "in") == ["free", "pro", "team"]
    assert value(draft, "age", "range") == [0, 130]
    assert value(draft, "score", "range") == [0, 1]
    between = value(draft, "amount", "range")
    assert between["on_violation"] == "warn"
    low, high = between["between"]
    assert low == 0
    assert 200 < high < 1000  # 30 * ln(6000) is 261, the largest of 6000 on average
    assert value(draft, "code", "matches") == "^[A-Z]{2}-[0-9]{3}$"


def test_uniqueness(draft: Draft) -> None:
    assert value(draft, "usage_id", "unique") is True
    assert [name for name in draft.columns if value(draft, name, "unique")] == ["usage_id"]


def test_growth_within_an_entity(draft: Draft) -> None:
    assert value(draft, "odometer", "increasing_by") == ["customer_id"]


def test_rules_between_columns(draft: Draft) -> None:
    found = checks(draft)
    assert found["a_plus_b_is_total"] == "a + b = total"
    assert found["event_ts_at_most_shipped_at"] == "event_ts <= shipped_at"
    assert found["is_active_and_is_cancelled_never"] == "NOT (is_active AND is_cancelled)"
    assert found["p_sums_to_1"].startswith("p_one + p_two + p_rest BETWEEN 0.99")


def test_nothing_accidental_is_proposed(draft: Draft) -> None:
    assert set(checks(draft)) == {
        "fresh",
        "volume",
        "a_plus_b_is_total",
        "event_ts_at_most_shipped_at",
        "is_active_and_is_cancelled_never",
        "p_sums_to_1",
    }
    assert value(draft, "note", "in") is None


def test_no_value_of_personal_data_appears() -> None:
    found = suggest(usage(), Options("features.usage", history=True, now=NOW))
    assert value(found.draft, "email", "pii") is True
    assert "someone" not in found.text
    assert "example.org" not in found.text


def test_personal_data_by_name_only() -> None:
    frame = pd.DataFrame(
        {
            "first_name": [f"Zaphod{i % 3}" for i in range(500)],
            "phone": np.arange(500) + 4_915_112_340_000,
            "date_of_birth": pd.Timestamp("1971-03-04") + pd.to_timedelta(np.arange(500), unit="D"),
        }
    )
    found = suggest(frame, Options("crm.person"))
    assert all(value(found.draft, name, "pii") is True for name in frame.columns)
    for secret in ("Zaphod", "4915112340", "1971", "1972"):
        assert secret not in found.text


def test_what_changes_with_time_is_not_limited() -> None:
    n = 4_000
    frame = pd.DataFrame(
        {
            "event_ts": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(n) * 30, unit="min"),
            "level": np.arange(n) * 1.0 + np.random.default_rng(2).normal(size=n),
            "kind": np.where(np.arange(n) < 3_000, "old", "new"),
        }
    )
    found = suggest(frame, Options("features.t", history=True, now=NOW))
    assert value(found.draft, "level", "range") is None
    assert value(found.draft, "level", "finite") is True
    assert any(note.startswith("level.range: ") for note in found.draft.notes)
    assert any(note.startswith("level: its mean rises") for note in found.draft.notes)
    assert value(found.draft, "kind", "in") is None  # `new` was not there when the set would have been learned


def test_one_value_that_lies_beyond_widens_the_range() -> None:
    rng = np.random.default_rng(3)
    n = 4_000
    frame = pd.DataFrame(
        {
            "event_ts": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(n), unit="min"),
            "x": np.concatenate([rng.normal(50, 1, n - 1), [90.0]]),
        }
    )
    found = line(suggest(frame, Options("features.t", now=NOW)).draft, "x", "range")
    assert found is not None
    assert found.value["between"][1] >= 90
    assert "widened, because 1 of 4,000 rows (1 of them validating)" in found.evidence


def test_few_rows_argue_for_little() -> None:
    found = suggest(pd.DataFrame({"id": range(20), "x": np.linspace(0, 1, 20)}), Options("features.t"))
    assert {one.key for lines in found.draft.columns.values() for one in lines} == {"type"}


def test_random_wide_numbers_are_not_called_unique() -> None:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"measured": rng.integers(0, 10**9, 300)})
    assert value(suggest(frame, Options("features.t")).draft, "measured", "unique") is None


def test_composite_key() -> None:
    days = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.repeat(np.arange(60), 10), unit="D")
    frame = pd.DataFrame({"customer_id": np.tile(np.arange(10), 60), "as_of": days, "x": np.arange(600) % 7})
    found = suggest(frame, Options("features.t", now=NOW))
    assert next(one.value for one in found.draft.settings if one.key == "key") == ["customer_id", "as_of"]


def test_freshness_only_while_it_holds() -> None:
    n = 2_000
    times = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(n), unit="h")
    frame = pd.DataFrame({"event_ts": times, "x": np.arange(n) % 13})
    soon = times[-1].to_pydatetime().replace(tzinfo=UTC)
    fresh = [one for one in suggest(frame, Options("features.t", now=soon)).draft.slos if one.key == "fresh"]
    assert fresh[0].value == {"check": "staleness() <= INTERVAL '2 hours'", "on_violation": "warn"}
    late = suggest(frame, Options("features.t", now=datetime(2027, 1, 1, tzinfo=UTC)))
    assert not any(one.key == "fresh" for one in late.draft.slos)
    assert any(note.startswith("freshness: ") for note in late.draft.notes)


def test_history_learns_bands_and_volume() -> None:
    rng = np.random.default_rng(5)
    days = np.repeat(np.arange(60), rng.integers(80, 120, 60))
    frame = pd.DataFrame(
        {
            "event_ts": pd.Timestamp("2026-01-01") + pd.to_timedelta(days * 86_400 + 60, unit="s"),
            "x": rng.normal(10, 2, len(days)),
            "flag": rng.random(len(days)) < 0.3,
        }
    )
    plain = checks(suggest(frame, Options("features.t", now=datetime(2026, 3, 2, tzinfo=UTC))).draft)
    assert set(plain) == {"fresh", "volume"}
    found = checks(suggest(frame, Options("features.t", history=True, now=datetime(2026, 3, 2, tzinfo=UTC))).draft)
    assert found["volume"].startswith("change(row_count(), '28 days') >= -0.")
    later = suggest(frame, Options("features.t", now=NOW))
    assert "volume" not in checks(later.draft)
    assert any(note.startswith("volume: ") for note in later.draft.notes)
    assert found["x_mean"].startswith("mean(x) BETWEEN ")
    assert found["flag_share"].startswith("share(flag) BETWEEN ")


def test_history_over_the_files_of_a_folder(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    for day in range(20):
        pd.DataFrame({"x": rng.normal(10, 2, 100)}).to_parquet(tmp_path / f"part-{day:02d}.parquet")
    found = suggest(tmp_path, Options("features.t", history=True))
    assert next(one.value for one in found.draft.slos if one.key == "x_mean")["over"] == "batch"
    assert "20 files" in found.text


def test_history_without_windows_says_what_is_missing() -> None:
    with pytest.raises(PlanError, match="--history needs windows") as caught:
        suggest(pd.DataFrame({"x": [1, 2]}), Options("features.t", history=True))
    assert "--event-time" in caught.value.help


def test_groups_fold_equal_lines() -> None:
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({f"f_{i}": rng.random(500) for i in range(6)} | {"other": ["x", "y"] * 250})
    found = suggest(frame, Options("features.t", group=True))
    assert found.draft.groups[0][0] == ["f_*"] or ["f_*"] in [names for names, _ in found.draft.groups]
    assert found.text.count("required: true") == 1
    again = suggest(frame, Options("features.t"))
    assert again.text.count("required: true") == 7


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl", "csv.gz"])
def test_files(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"usage.{ending}"
    frame = usage(1_000)[["usage_id", "plan", "amount"]]
    if ending == "parquet":
        frame.to_parquet(path)
    elif ending.startswith("csv"):
        frame.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True)
    found = suggest(path)
    assert found.draft.table == "public.usage"
    assert found.rows == 1_000
    assert value(found.draft, "plan", "in") == ["free", "pro", "team"]


def test_a_table_of_a_duckdb_file(tmp_path: Path) -> None:
    import duckdb

    path = tmp_path / "store.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table t as select i as id, i % 2 = 0 as even from range(500) as r(i)")
    found = suggest(f"{path}:t")
    assert found.draft.table == "public.t"
    assert value(found.draft, "id", "unique") is True


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere.parquet", "no file nowhere.parquet"),
        ("readme.txt/x", "nothing says how to read it"),
        ("store.duckdb:t", "no file store.duckdb"),
        (object(), "suggest cannot read a object"),
    ],
)
def test_sources_that_cannot_be_read(source: object, words: str) -> None:
    with pytest.raises(EngineError) as caught:
        suggest(source)
    assert words in caught.value.message


def test_options_that_do_not_fit() -> None:
    with pytest.raises(PlanError, match="no column when"):
        suggest(usage(100), Options(event_time="when"))
    with pytest.raises(PlanError, match="confidence"):
        suggest(usage(100), Options(confidence=1.0))
    with pytest.raises(PlanError, match="no table"):
        suggest(usage(100), Options(table="usage"))


def test_more_confidence_gives_wider_ranges() -> None:
    highs = [
        value(suggest(usage(), Options("features.u", confidence=c, now=NOW)).draft, "amount", "range")["between"][1]
        for c in (0.6, 0.99, 0.9999)
    ]
    assert highs[0] < highs[1] < highs[2]


def test_a_sample_is_said_and_rules_hold_in_all_rows() -> None:
    frame = usage(5_000)
    frame.loc[4_321, "plan"] = "gold"  # not in a sample of 1000, with luck; in all rows for sure
    found = suggest(frame, Options("features.u", sample=1_000, now=NOW))
    assert "a sample of 1,000" in found.text
    assert value(found.draft, "plan", "in") is None or "gold" in value(found.draft, "plan", "in")


def test_the_python_verb() -> None:
    found = mlguard.suggest(usage(1_000), "features.usage")
    assert isinstance(found, mlguard.Suggestion)
    assert str(found).startswith("# yaml-language-server: $schema=")


def test_saving_never_overwrites(tmp_path: Path) -> None:
    found = mlguard.suggest(usage(200), "features.usage")
    path = found.save(tmp_path / "slos" / "usage.slo.yaml")
    compile_project(load_project(path.parent), None)
    with pytest.raises(FileExistsError):
        found.save(path)
