"""Batches that are held, how they are corrected, segments, and what batches are compared with."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests import metrics_example
from tests.metrics_example import Connection, add_slo, gate, judged, sell
from tests.runtime_example import rows, session, value


@pytest.fixture
def sales(db: str) -> str:
    """DSN of a database with the table of metrics_example, on each server in turn."""
    metrics_example.make(db)
    return db


# Holds.


def test_a_held_batch_closes_the_gate_in_words(sales: str) -> None:
    with session(sales) as connection:
        for name in ("amount_coverage", "b", "c"):
            add_slo(connection, name, "coverage(amount)", ">= 0.75", action="hold")
        sell(connection, 1000, missing=509)
        minute = value(connection, "select mlguard._minute(min(since)) from mlguard.hold")
        with pytest.raises(psycopg.Error) as caught:
            connection.execute("select * from features.sale_guarded")
        assert caught.value.diag.sqlstate == "ML001"
        assert caught.value.diag.message_primary == (
            f"mlguard: features.sale is held since {minute}: coverage(amount) is 0.491, allowed >= 0.75 "
            "(amount_coverage, batch 1) and 2 more SLOs"
        )
        assert value(connection, "select count(*) from features.sale") == 1000
        sell(connection, 100)
        assert value(connection, "select count(*) from mlguard.hold where ended_at is null") == 3


def test_a_correction_is_judged_with_the_batch_it_corrects(sales: str) -> None:
    with session(sales) as connection:
        add_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75", action="hold")
        sell(connection, 100)
        sell(connection, 100, missing=60)
        connection.execute("update features.sale set amount = 1 where id between 101 and 110")
        assert gate(connection) is not None
        assert judged(connection, "amount_coverage")[1:] == [
            ("INSUFFICIENT", 10, "coverage(amount) is 1", "10 rows, fewer than 30"),
            ("FAIL", 100, "coverage(amount) is 0.5", None),
        ]
        connection.execute("update features.sale set amount = 1 where id between 111 and 160")
        assert gate(connection) is None
        assert rows(
            connection,
            "select batch, version, outcome, n from mlguard.verdict where batch = 2 order by version",
        ) == [(2, 1, "FAIL", 100), (2, 2, "FAIL", 100), (2, 3, "PASS", 100)]
        assert rows(connection, "select batch, reason from mlguard.hold") == [(2, "corrected by batch 4")]


def test_deleting_the_bad_rows_ends_the_hold(sales: str) -> None:
    with session(sales) as connection:
        add_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75", action="hold")
        sell(connection, 100, missing=60)
        connection.execute("delete from features.sale where amount is null")
        assert gate(connection) is None
        assert judged(connection, "amount_coverage") == [("PASS", 40, "coverage(amount) is 1", None)]

        sell(connection, 100, missing=60, day="2026-01-02")
        assert gate(connection) is not None
        connection.execute("delete from features.sale where event_ts >= '2026-01-02 00:00+00'")
        assert gate(connection) is None
        assert judged(connection, "amount_coverage")[-1] == ("INSUFFICIENT", 0, None, "no rows are left of it")

        sell(connection, 100, missing=60, day="2026-01-03")
        connection.execute("truncate features.sale")
        assert gate(connection) is None


def test_a_correction_counts_for_the_batch_of_its_bucket(sales: str) -> None:
    with session(sales) as connection:
        add_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75", action="hold")
        sell(connection, 100, missing=60, day="2026-01-01")
        sell(connection, 100, missing=60, day="2026-01-02")
        connection.execute("delete from features.sale where id <= 100")
        assert rows(connection, "select batch from mlguard.hold where ended_at is null") == [(2,)]
        # The gate waits for its own batch: rows of other buckets do not count.
        sell(connection, 100, day="2026-01-05")
        connection.execute("delete from features.sale where event_ts > '2026-01-05 00:00+00'")
        assert rows(connection, "select batch from mlguard.hold where ended_at is null") == [(2,)]


def test_corrections_survive_folding(sales: str) -> None:
    with session(sales) as connection:
        add_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75", action="hold")
        sell(connection, 100, missing=60)
        connection.execute("select mlguard.sweep()")
        connection.execute("select mlguard.sweep()")
        assert value(connection, "select n from mlguard._bucket where segment = '{}'") == 100
        connection.execute("update features.sale set amount = 1 where id <= 20")
        connection.execute("select mlguard.sweep()")
        assert gate(connection) is not None
        connection.execute("update features.sale set amount = 1 where id between 21 and 60")
        assert gate(connection) is None
        connection.execute("select mlguard.sweep()")
        assert rows(connection, "select n, states -> 'have(amount)' from mlguard._bucket where segment = '{}'") == [
            (100, 100)
        ]
        assert value(connection, "select count(*) from mlguard._state") == 0


def test_two_corrections_at_once_see_each_other(sales: str) -> None:
    with session(sales) as connection, session(sales, autocommit=False) as first:
        add_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75", action="hold")
        sell(connection, 100, missing=60)
        first.execute("update features.sale set amount = 1 where id <= 30")
        first.execute("set constraints all immediate")

        def second() -> None:
            with psycopg.connect(sales, autocommit=True) as other:
                other.execute("update features.sale set amount = 1 where id between 31 and 60")

        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(second)
            time.sleep(0.3)
            first.commit()
            done.result(timeout=20)
        assert gate(connection) is None
        assert rows(connection, "select n, vals from mlguard.verdict where batch = 1 and current") == [(100, [1.0])]


def test_what_a_person_resolved_stays_resolved(sales: str) -> None:
    with session(sales) as connection:
        slo = add_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75", action="hold")
        sell(connection, 100, missing=60)
        assert value(connection, "select mlguard._end_holds(%s, 'known')", slo) == 1
        assert gate(connection) is None
        assert rows(connection, "select ended_by, reason from mlguard.hold") == [("postgres", "known")]
        sell(connection, 100, missing=60)
        assert rows(connection, "select batch from mlguard.hold where ended_at is null") == [(2,)]


def test_a_waiver_opens_the_gate_and_a_hold_returns_with_its_end(sales: str) -> None:
    with session(sales) as connection:
        slo = add_slo(connection, "amount_coverage", "coverage(amount)", ">= 0.75", action="hold")
        sell(connection, 100, missing=60)
        connection.execute("select mlguard.waive(%s, now() + interval '1 hour', 'known')", [slo])
        assert gate(connection) is None
        connection.execute("select mlguard.resume(%s, 'over')", [slo])
        assert gate(connection) is not None


def test_what_becomes_personal_is_hidden_in_what_was_found(sales: str) -> None:
    with session(sales) as connection:
        add_slo(connection, "least", "min(amount)", ">= 50")
        add_slo(connection, "average", "mean(amount)", ">= 50")
        sell(connection, 100, amount=17)
        assert "17" in str(rows(connection, "select value from mlguard.metric where metric = 'min(amount)'"))
        connection.execute("update mlguard._table set pii = '{amount}'")
        assert rows(connection, "select metric, value from mlguard.metric order by metric") == [
            ("mean(amount)", 17),
            ("min(amount)", None),
        ]
        assert rows(connection, "select vals, observed from mlguard.verdict where metrics = '{min(amount)}'") == [
            (None, None)
        ]
        assert rows(connection, "select mean, min from mlguard.profile") == [(17, None)]
        assert rows(connection, "select observed from mlguard.violation order by id") == [
            ({"min(amount)": "not shown (pii)"},),
            ({"mean(amount)": 17},),
        ]


# Segments.


def test_segments_have_verdicts_of_their_own(sales: str) -> None:
    with session(sales) as connection:
        slo = add_slo(connection, "by_country", "coverage(amount)", ">= 0.75", action="hold", by_columns=["country"])
        with connection.transaction():
            sell(connection, 100, country="DE")
            sell(connection, 100, country="FR", missing=60)
            connection.execute(
                "insert into features.sale select 1000 + g, null, 1, now() from generate_series(1, 40) g"
            )
        assert sorted(
            rows(
                connection,
                "select segment ->> 'country', outcome, n, observed from mlguard.verdict where slo = %s",
                slo,
            ),
            key=str,
        ) == [
            ("DE", "PASS", 100, "coverage(amount) is 1 for country DE"),
            ("FR", "FAIL", 100, "coverage(amount) is 0.4 for country FR"),
            (None, "PASS", 40, "coverage(amount) is 1 for country missing"),
        ]
        assert rows(connection, "select segment from mlguard.hold") == [({"country": "FR"},)]
        connection.execute("update features.sale set amount = 1 where country = 'FR' and amount is null")
        assert gate(connection) is None


def test_small_segments_are_judged_as_one(sales: str) -> None:
    with session(sales) as connection:
        add_slo(
            connection,
            "by_country",
            "coverage(amount)",
            ">= 0.75",
            action="hold",
            by_columns=["country"],
            max_segments=2,
        )
        with connection.transaction():
            for place, country in enumerate(["DE", "FR", "IT", "ES"]):
                sell(connection, 100 - 10 * place, country=country, missing=60 if place == 3 else 0)
        found = rows(connection, "select segment, outcome, n, observed from mlguard.verdict order by id")
        assert found == [
            ({"country": "DE"}, "PASS", 100, "coverage(amount) is 1 for country DE"),
            ({"country": "FR"}, "PASS", 90, "coverage(amount) is 1 for country FR"),
            ({"*": "other"}, "FAIL", 150, "coverage(amount) is 0.6 for every other country"),
        ]
        connection.execute("update features.sale set amount = 1 where country = 'ES'")
        assert gate(connection) is None
        assert rows(connection, "select n from mlguard.verdict where segment ? '*' and current and batch = 1") == [
            (150,)
        ]


# History.


def history(connection: Connection, values: list[float | None]) -> None:
    """Batches 1, 2, … with these values of a metric, an hour apart, the last one just now."""
    for i, number in enumerate(values, 1):
        connection.execute(
            "insert into mlguard._metric (tbl, metric, over, batch, value, n, at) values"
            " ('features.sale', 'm', 'batch', %s, %s, 100, now() - make_interval(hours => %s))",
            [i, number, len(values) - i],
        )


def trailing(connection: Connection, batch: int, back: str = "7 days") -> float | None:
    found: float | None = value(
        connection,
        "select mlguard.trailing_v1(mlguard._scope('features.sale', 'batch', %s, null, null, '{}'), 'm', %s)",
        batch,
        back,
    )
    return found


def test_trailing_is_the_median_of_what_was_before(sales: str) -> None:
    with session(sales) as connection:
        connection.execute("insert into mlguard._batch (id, tbl, opened_at) values (8, 'features.sale', now())")
        history(connection, [9, 1, 2, None, 4, 5, 100, 100, 100])
        assert trailing(connection, 8) == 4.5  # of 9 1 2 4 5 100
        assert trailing(connection, 8, "5 hours 30 minutes") == pytest.approx(5)  # of 4 5 100
        assert trailing(connection, 8, "3 hours 30 minutes") is None
        connection.execute("update mlguard._metric set excluded = true where batch = 1")
        assert trailing(connection, 8) == 4  # of 1 2 4 5 100
        connection.execute('update mlguard._metric set segment = \'{"country": "DE"}\' where batch = 7')
        connection.execute("update mlguard._metric set current = false where batch = 6")
        assert trailing(connection, 8) == 2  # of 1 2 4


def test_a_batch_is_compared_with_the_ones_before(sales: str) -> None:
    with session(sales) as connection:
        add_slo(
            connection,
            "steady",
            "coverage(amount) | trailing(coverage(amount), '7 days')",
            "_1 >= 0.8 * _2",
            action="reject",
            history="fewer than 3 earlier windows",
        )
        for missing in (0, 10, 20):
            sell(connection, 100, missing=missing)
            assert judged(connection, "steady")[-1][3] == "fewer than 3 earlier windows"
        sell(connection, 100, missing=20)
        assert judged(connection, "steady")[-1][0] == "PASS"
        with pytest.raises(
            psycopg.errors.CheckViolation, match=r"coverage\(amount\) is 0\.6, trailing.* is 0\.85 over"
        ):
            sell(connection, 100, missing=40)
