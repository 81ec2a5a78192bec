"""Samples of what landed, and states of loads too large to look at every value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest
from scipy import stats

from tests import judged
from tests.integration.test_states import EDGES, install
from tests.judged import learned_rule, metric_rule

COLUMNS = {
    "id": "bigint",
    "twice": "numeric",
    "word": "text",
    "email": "text",
    "tags": "text[]",
    "ok": "boolean",
    "at": "timestamp with time zone",
}
CREATE = """
create schema f;
create table f.t (id bigint, twice numeric, word text, email text, tags text[], ok boolean, at timestamptz);
"""
LOAD = """
insert into f.t
select i, case when i % 10 = 0 then null else 2 * i end, 'w' || i % 7, i || '@x.org', array[i::text],
       i % 2 = 0, '2026-01-01'::timestamptz + i % {days} * interval '1 day'
from generate_series({first}, {last}) as i
"""


@pytest.fixture
def learned(db: str) -> Iterator[psycopg.Connection[Any]]:
    """A session of a database with a table whose health is learned, by day."""
    shape = judged.shape("f.t", COLUMNS)
    program = judged.program(
        shape, learned_rule(shape), event_time="at", missing={"word": ["'w3'"]}, pii=frozenset({"email"})
    )
    with psycopg.connect(db, autocommit=True) as connection:
        connection.execute((CREATE + EDGES).encode())
        install(connection, program)
        yield connection


def load(connection: psycopg.Connection[Any], first: int, last: int, days: int = 1) -> None:
    connection.execute(LOAD.format(first=first, last=last, days=days).encode())


def samples(connection: psycopg.Connection[Any]) -> list[dict[str, Any]]:
    """Return the samples, each as n, k and its columns by name."""
    rows = connection.execute(
        "select bucket, n, k, column_name, coalesce(to_jsonb(nums), to_jsonb(texts)) from mlguard._sample order by id"
    ).fetchall()
    found: dict[Any, dict[str, Any]] = {}
    for bucket, n, k, name, values in rows:
        sample = found.setdefault(bucket, {"n": n, "k": k})
        assert (sample["n"], sample["k"], len(values)) == (n, k, k)
        sample[name] = values
    return [found[bucket] for bucket in sorted(found)]


def aligned(sample: dict[str, Any]) -> None:
    """Assert that position i of every column belongs to the same row, and that values are kept as they should be."""
    for id_, twice, word, email, ok in zip(
        *(sample[name] for name in ("id", "twice", "word", "email", "ok")), strict=True
    ):
        assert twice == (None if id_ % 10 == 0 else 2 * id_)
        assert word == (None if id_ % 7 == 3 else f"w{int(id_) % 7}")
        assert ok == ("true" if id_ % 2 == 0 else "false")
        assert "@" not in email
        assert len(email) == 16
    assert len(set(sample["id"])) == sample["k"]
    assert all(len(tags) == 16 for tags in sample["tags"])


def test_small_loads_are_kept_whole_and_rows_one_by_one_not_at_all(learned: psycopg.Connection[Any]) -> None:
    load(learned, 1, 19)
    assert samples(learned) == []
    load(learned, 1, 1500)
    (sample,) = samples(learned)
    assert (sample["n"], sample["k"]) == (1500, 1500)
    aligned(sample)
    assert sample["id"] == list(range(1, 1501))


def test_large_loads_are_sampled_evenly(learned: psycopg.Connection[Any]) -> None:
    load(learned, 1, 60_000, days=3)
    for day, sample in enumerate(samples(learned)):
        assert (sample["n"], sample["k"]) == (20_000, 2000)
        aligned(sample)
        assert {int(id_) % 3 for id_ in sample["id"]} == {day}
        assert stats.kstest(sample["id"], "uniform", (0, 60_000)).pvalue > 0.001


def test_a_small_tail_of_a_large_load_is_kept_whole(learned: psycopg.Connection[Any]) -> None:
    learned.execute(
        "insert into f.t (id, at) select i, case when i % 100 = 0 then timestamptz '2026-01-02'"
        " when i % 1000 = 1 then null else '2026-01-01' end from generate_series(1, 50000) as i"
    )
    assert [(sample["n"], sample["k"]) for sample in samples(learned)] == [(49_450, 2000), (500, 500), (50, 50)]


def test_updates_are_sampled_and_deletes_are_not(learned: psycopg.Connection[Any]) -> None:
    load(learned, 1, 70)
    learned.execute("delete from f.t where id > 40")
    assert [sample["n"] for sample in samples(learned)] == [70]
    learned.execute("update f.t set at = at + interval '1 day'")
    assert [sample["n"] for sample in samples(learned)] == [70, 40]


def test_the_sampler_reads_stored_rows(learned: psycopg.Connection[Any]) -> None:
    load(learned, 1, 9000, days=2)
    learned.execute("delete from f.t where at < '2026-01-02' and id > 1000")
    found = learned.execute(
        "select bucket::date::text, n, k, count(*), min(cardinality(coalesce(nums::text[], texts))) "
        "from mlguard.\"sample f.t\"('2026-01-01', '2026-01-03') group by 1, 2, 3 order by 1"
    ).fetchall()
    assert found == [("2026-01-01", 500, 500, 7, 500), ("2026-01-02", 4500, 2000, 7, 2000)]
    assert learned.execute("select count(*) from mlguard.\"sample f.t\"('2026-01-02', null)").fetchone() == (7,)
    again = [
        learned.execute('select * from mlguard."sample f.t"(null, null) order by bucket, column_name').fetchall()
        for _ in range(2)
    ]
    assert again[0] == again[1]


@pytest.fixture
def large(db: str) -> Iterator[psycopg.Connection[Any]]:
    """A session of a database in which distributions of a large table are judged, over batches."""
    shape = judged.shape("f.t", COLUMNS)
    checks = (
        "psi(id) < 1 and psi(word) < 1 and median(id) > 0",
        "distinct_count(id) > 0 and distinct_count(word) > 0 and duplicate_rate(id) < 1",
    )
    rules = [metric_rule(shape, f"r{number}", check, judged.BATCH) for number, check in enumerate(checks)]
    with psycopg.connect(db, autocommit=True) as connection:
        connection.execute(
            (CREATE + EDGES.replace("array[-1, 0, 10.5, 20, 40, 1e9]", "array[0, 30000, 90000]")).encode()
        )
        install(connection, judged.program(shape, *rules))
        yield connection


def states(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    ((document,),) = connection.execute("select states::text from mlguard._state order by id desc limit 1").fetchall()
    found: dict[str, Any] = json.loads(document)
    return found


def test_up_to_a_hundred_thousand_rows_are_exact(large: psycopg.Connection[Any]) -> None:
    load(large, 1, 100_000)
    found = states(large)
    assert found["bins(id)"] == {"v": 7, "n": 100_000, "c": [0, 30_000, 60_000, 10_000]}
    assert found["values(word)"]["n"] == sum(found["values(word)"]["c"].values()) == 100_000
    assert found["values(word)"]["c"]["w1"] == 14_286
    points = found["quantiles(id)"]
    assert (len(points["v"]), points["v"][0], points["v"][-1], sum(points["w"])) == (
        501,
        1,
        100_000,
        pytest.approx(1e5),
    )
    assert np.abs(np.array(points["v"]) - np.linspace(1, 100_000, 501)).max() <= 1
    assert all("sampled" not in found[key] for key in ("bins(id)", "values(word)", "quantiles(id)"))
    assert found["keys(word) where word is not missing"]["t"] == 1


def test_of_more_a_sample_is_scaled_up(large: psycopg.Connection[Any]) -> None:
    load(large, 1, 150_000)
    found = states(large)
    bins, words, points = found["bins(id)"], found["values(word)"], found["quantiles(id)"]
    for state in (bins, words, points):
        assert 49_000 < state["sampled"] < 51_000
        assert state["n"] == pytest.approx(150_000, rel=0.02)
    assert bins["c"] == pytest.approx([0, 30_000, 60_000, 60_000], rel=0.03)
    assert words["c"]["w1"] == pytest.approx(150_000 / 7, rel=0.06)
    assert np.abs(np.array(points["v"]) - np.linspace(1, 150_000, 501)).max() < 2500
    # Counts are never sampled, and keys are chosen by their hash: few of them stay exact.
    assert found["n"] == 150_000
    few = found["keys(word) where word is not missing"]
    assert (few["t"], len(few["k"]), sum(few["k"].values())) == (1, 7, 150_000)
    many = found["keys(id) where id is not missing"]
    assert 3500 < len(many["k"]) <= 4096
    assert set(many["k"].values()) == {1}
    assert all(int(key[:13], 16) < many["t"] * 2**52 for key in many["k"])
    assert len(many["k"]) / many["t"] == pytest.approx(150_000, rel=0.06)


def test_keys_of_many_statements_meet(large: psycopg.Connection[Any]) -> None:
    for first in (1, 5_001, 20_001, 1):
        load(large, first, first + 19_999)
    ((distinct, duplicates),) = large.execute(
        "select mlguard.distinct_v1(m, 'keys(id) where id is not missing'), mlguard.duplicates_v1(m, 'keys(id)')"
        " from (select mlguard.merge_v1(states) as m from mlguard._state) as s"
    ).fetchall()
    assert distinct == pytest.approx(40_000, rel=0.06)
    assert duplicates == pytest.approx(0.5, abs=0.02)


def test_bins_hold_their_upper_edge(large: psycopg.Connection[Any]) -> None:
    large.execute("insert into f.t (id) values (0), (1), (30000), (30001), (90000), (90001), (-5), (null)")
    assert states(large)["bins(id)"] == {"v": 7, "n": 7, "c": [2, 2, 2, 1]}


def test_without_a_baseline_nothing_is_binned(large: psycopg.Connection[Any]) -> None:
    large.execute(EDGES.replace("select 7", "select null::integer").encode())
    large.execute("insert into f.t (id) values (1)")
    assert "bins(id)" not in states(large)


def test_long_texts_and_rare_ones(large: psycopg.Connection[Any]) -> None:
    large.execute("insert into f.t (word) select 'k' || i % 1500 from generate_series(1, 4000) as i")
    found = states(large)["values(word)"]
    assert len(found["c"]) == 1000
    assert sum(found["c"].values()) + found["other"] == found["n"] == 4000
    assert min(found["c"].values()) >= 2
    large.execute("insert into f.t (word) values (repeat('x', 5000)), (repeat('x', 5000) || 'y')")
    found = states(large)["values(word)"]
    assert [len(name) for name in found["c"]] == [197, 197]


@pytest.mark.parametrize(
    "n", [1, 20, 1999, 2000, 2001, 2299, 2300, 2301, 2302, 3000, 4601, 10_007, 77_777, 262_144, 1_000_003]
)
def test_the_places_sampled_are_those_that_drew_least(db: str, n: int) -> None:
    draws = np.arange(n, dtype=np.uint64) * np.uint64(2654435761) % np.uint64(2**32)
    tried = np.flatnonzero(draws < 2300 * 2**32 / n)
    wanted = np.sort(tried[np.argsort(draws[tried])][:2000])
    with psycopg.connect(db) as connection:
        row = connection.execute("select mlguard.sample_places_v1(%s, 2300, 2000)", (n,)).fetchone()
    assert row is not None
    assert row[0] == wanted.tolist()
