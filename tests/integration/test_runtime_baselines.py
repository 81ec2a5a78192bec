"""Baselines in the database: when and from which rows they are frozen, what is compared with them, who may set one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
import pytest

from mlguard.learn import distance
from tests import baseline_example as example
from tests.runtime_example import rows, session, value

Connection = psycopg.Connection[Any]
TABLE = example.TABLE
METRICS = ("psi", "js", "ks", "linf")


@pytest.fixture
def empty(db: str) -> Iterator[Connection]:
    with session(db) as connection:
        yield connection


@pytest.fixture
def customer(guarded_db: str) -> Iterator[Connection]:
    """The example: 40 days of 100 rows, no baseline yet."""
    with session(guarded_db) as connection:
        example.make(connection)
        yield connection


@pytest.fixture
def everywhere(db: str) -> Iterator[Connection]:
    """The same, on each server in turn."""
    with session(db) as connection:
        example.make(connection)
        yield connection


def sweep(connection: Connection, as_of: str) -> int:
    found: int = value(connection, "select n from mlguard._sweep_baselines(%s)", as_of)
    return found


def frozen(connection: Connection) -> dict[str, dict[str, Any]]:
    """Return the rows of the baseline in use for all rows, by state."""
    found = rows(
        connection,
        "select to_jsonb(k) from mlguard._baseline_column k join mlguard._baseline b using (tbl, version)"
        " where b.state = 'frozen' and k.segment = '{}' and k.n > 0",
    )
    return {row["key"]: row for (row,) in found}


def context(segment: dict[str, Any] | None = None, **more: Any) -> str:
    return json.dumps({"tbl": TABLE, "over": "1 day", "segment": segment or {}, "batch": None, **more})


def state(connection: Connection, key: str, counts: Any, *, other: int = 0, **more: Any) -> str:
    """Return a document with one state of the current version."""
    version = value(connection, "select mlguard.baseline_version_v1(%s)", TABLE)
    n = sum(counts.values() if isinstance(counts, dict) else counts)
    one = (
        {"c": counts, "other": other, "n": n + other}
        if isinstance(counts, dict)
        else {"v": version, "c": counts, "n": n}
    )
    return json.dumps({"n": n + other, key: {**one, **more}})


def ask(connection: Connection, function: str, document: str, key: str, column: str, where: str | None = None) -> Any:
    query = f"select mlguard.{function}(%s, %s, %s, %s)"
    return connection.execute(query.encode(), [document, where or context(), key, column]).fetchall()[0][0]


def why(connection: Connection, metric: str, document: str, key: str, column: str, where: str | None = None) -> Any:
    return value(
        connection,
        "select mlguard.no_distance_v1(%s, %s, %s, %s, %s)",
        document,
        where or context(),
        metric,
        key,
        column,
    )


# The arithmetic.


def test_the_distances_of_sql_are_those_of_python(empty: Connection) -> None:
    random = np.random.default_rng(11)
    for _ in range(120):
        size = int(random.integers(1, 40))
        scale = 10 ** random.integers(1, 6, size=2)
        here, there = (random.integers(0, s, size=size).astype(float) for s in scale)
        here[0] += 1
        there[-1] += 1
        pair = [here.tolist(), there.tolist()]
        for metric, of in distance.DISTANCES.items():
            found = empty.execute(f"select mlguard._{metric}(%s, %s)".encode(), pair).fetchall()[0][0]
            assert found == pytest.approx(of(here, there), rel=1e-12, abs=1e-12), (metric, pair)
            noise = value(empty, "select mlguard._noise(%s, %s, %s)", metric, *pair)
            assert noise == pytest.approx(distance.noise(metric, here, there), rel=1e-12), (metric, pair)


@pytest.mark.parametrize("metric", METRICS)
def test_the_noise_of_sql_is_that_of_python(empty: Connection, metric: str) -> None:
    for n, m, bins in [(30, 200, 10), (60, 100_000, 2), (100_000, 500, 1000), (200, 200, 1)]:
        found = value(empty, "select mlguard.noise_v1(%s, %s::bigint, %s::bigint, %s)", metric, n, m, bins)
        assert found == pytest.approx(distance.noise_of_size(metric, n, m, bins), rel=1e-12)


def test_the_ends_of_the_distances(empty: Connection) -> None:
    for metric in METRICS:
        query = f"select mlguard._{metric}(array[3, 4, 0], array[30, 40, 0]), mlguard._{metric}(array[1e15], array[1])"
        assert empty.execute(query.encode()).fetchall()[0] == pytest.approx((0, 0), abs=1e-15)
    assert value(empty, "select mlguard._js(array[1, 0], array[0, 1])") == 1


# From which rows, and when.


def test_nothing_is_frozen_before_its_days_are_over(customer: Connection) -> None:
    assert sweep(customer, "2026-01-28 23:59+00") == 0
    assert value(customer, "select mlguard.baseline_version_v1(%s)", TABLE) is None
    assert rows(customer, "select source, state, next_at from mlguard.baseline") == [
        ("first 28 days", "learning", value(customer, "select timestamptz '2026-01-29 00:00+00'"))
    ]
    assert sweep(customer, "2026-01-29 00:00+00") == 6
    assert sweep(customer, "2026-01-29 00:00+00") == 0
    assert value(customer, "select mlguard.baseline_version_v1(%s)", TABLE) == 1


def test_late_rows_are_waited_for(customer: Connection) -> None:
    customer.execute("update mlguard._table set late = '6 hours'")
    assert sweep(customer, "2026-01-29 05:59+00") == 0
    assert sweep(customer, "2026-01-29 06:00+00") == 6


def test_a_table_with_history_has_its_baseline_at_once(customer: Connection) -> None:
    assert sweep(customer, "2026-11-20 00:00+00") == 6
    found = rows(customer, "select starts::text, ends::text, n from mlguard.baseline where state = 'frozen'")
    assert found == [("2026-01-01 00:00:00+00", "2026-01-29 00:00:00+00", 2800)]


def test_edges_and_counts_are_those_of_the_first_days(everywhere: Connection) -> None:
    sweep(everywhere, "2026-11-20 00:00+00")
    stored = {
        "age": "nullif(age, -1)",
        "score": "nullif(score, 'NaN')",
        "price": "price",
    }
    found = frozen(everywhere)
    for column, cell in stored.items():
        query = f"select ({cell})::float8 from {TABLE} where event_ts < '2026-01-29 00:00+00'"
        values = [x for (x,) in everywhere.execute(query.encode()).fetchall()]
        numbers = [x for x in values if x is not None]
        row = found[f"bins({column})"]
        assert row["edges"] == pytest.approx(distance.edges_of(numbers), abs=0), column
        assert row["counts"] == distance.binned(numbers, row["edges"]).tolist(), column
        assert (row["n"], row["missing"]) == (len(numbers), len(values) - len(numbers)), column
        assert value(everywhere, "select mlguard.edges_v1(%s, %s)", TABLE, column) == row["edges"]
    assert found["values(plan)"]["categories"] == {"free": 1629, "pro": 560, "enterprise": 560}
    assert found['values("Odd ""name")']["column_name"] == 'Odd "name'


def test_a_sentinel_date_is_not_the_first_day(customer: Connection) -> None:
    customer.execute(f"insert into {TABLE} (age, event_ts) values (30, '1970-01-01'), (31, '0001-01-01'), (3, null)")
    customer.execute(f"insert into {TABLE} (age, event_ts) values (30, 'infinity'), (31, '-infinity')")
    sweep(customer, "2026-11-20 00:00+00")
    assert (
        value(customer, "select starts::text from mlguard.baseline where state = 'frozen'") == "2026-01-01 00:00:00+00"
    )


def test_few_rows_a_day_take_more_days(guarded_db: str) -> None:
    with session(guarded_db) as connection:
        example.make(connection, days=40)
        connection.execute(f"delete from {TABLE} where id %% 100 > 6".encode().replace(b"%%", b"%"))  # 7 rows a day
        assert sweep(connection, "2026-02-09 00:00+00") > 0
        n, ends = rows(connection, "select n, ends::text from mlguard.baseline where state = 'frozen'")[0]
        assert n >= 200
        assert ends > "2026-01-29"


def test_a_column_with_fewer_than_200_values_stays_out_until_it_has_them(customer: Connection) -> None:
    customer.execute(f"update {TABLE} set plan = null where event_ts < '2026-02-01'")
    assert sweep(customer, "2026-02-05 00:00+00") == 5
    assert "values(plan)" not in frozen(customer)
    assert (
        why(customer, "psi", '{"n": 5, "values(plan)": {"c": {"a": 5}, "n": 5}}', "values(plan)", "plan")
        == "no baseline yet"
    )
    # Its own first days begin on 1 February; the table was looked through today already.
    customer.execute(
        f"insert into {TABLE} (plan, country, event_ts)"
        " select 'free', 'FR', timestamptz '2026-02-10 00:00+00' + make_interval(hours => g)"
        " from generate_series(1, 600) g"
    )
    assert sweep(customer, "2026-02-05 12:00+00") == 0
    assert sweep(customer, "2026-03-10 00:00+00") == 1
    row = frozen(customer)["values(plan)"]
    assert (row["version"], row["starts"]) == (1, "2026-02-01T00:00:00+00:00")


def test_each_column_is_counted_from_its_own_days(customer: Connection) -> None:
    customer.execute(f"update {TABLE} set plan = null where event_ts >= '2026-01-02' and event_ts < '2026-02-01'")
    assert sweep(customer, "2026-03-10 00:00+00") == 6
    found = frozen(customer)
    assert found["values(plan)"]["starts"] == "2026-02-01T00:00:00+00:00"
    stored = value(customer, f"select count(*) from {TABLE} where plan <> '?' and event_ts >= '2026-02-01'")
    assert found["values(plan)"]["n"] == stored
    assert found["values(email)"]["n"] == 2800


def test_days_are_cut_in_the_table_s_time_zone(customer: Connection) -> None:
    customer.execute("update mlguard._table set time_zone = 'America/New_York'")
    sweep(customer, "2026-11-20 00:00+00")
    starts = value(
        customer, "select starts at time zone 'America/New_York' from mlguard.baseline where state = 'frozen'"
    )
    assert str(starts) == "2025-12-31 00:00:00"


def test_rows_of_windows_known_to_be_bad_are_left_out(customer: Connection) -> None:
    judge = (
        "insert into mlguard._verdict (slo, tbl, over, window_start, window_end, outcome)"
        " values (%s, %s, '1 day', %s, %s::timestamptz + interval '1 day', 'FAIL') returning id"
    )
    held = value(customer, judge, f"{TABLE}/age_mix", TABLE, "2026-01-03 00:00+00", "2026-01-03 00:00+00")
    value(customer, judge, f"{TABLE}/mix", TABLE, "2026-01-05 00:00+00", "2026-01-05 00:00+00")  # only a warning
    customer.execute(
        "insert into mlguard._metric (tbl, metric, over, window_start, window_end, excluded)"
        " values (%s, 'mean(age)', '1 day', '2026-01-07 00:00+00', '2026-01-08 00:00+00', true)",
        [TABLE],
    )
    with customer.transaction(force_rollback=True):
        sweep(customer, "2026-11-20 00:00+00")
        assert frozen(customer)["values(email)"]["n"] == 2600
        assert frozen(customer)["bins(price)"]["n"] == 2600
    customer.execute(
        "insert into mlguard._incident (id, slo, tbl, state, severity, precedence, scope, over, headline, opened_at,"
        " last_at, times, label)"
        " select 1, v.slo, v.tbl, 'resolved', 'page', '{}', tstzrange(v.window_start, v.window_end), v.over, '', now(),"
        " now(), 1, 'false' from mlguard._verdict v where v.id = %s",
        [held],
    )
    sweep(customer, "2026-11-20 00:00+00")
    assert frozen(customer)["values(email)"]["n"] == 2700


def test_without_an_event_time_the_first_days_of_writing_count(customer: Connection) -> None:
    customer.execute("update mlguard._table set event_time = null, event_sql = null, recount = null")
    since = value(customer, "select applied_at::text from mlguard._table")
    customer.execute("select set_config('test.since', %s, false)", [since])
    assert (
        value(
            customer, "select n from mlguard._sweep_baselines(current_setting('test.since')::timestamptz + '27 days')"
        )
        == 0
    )
    assert (
        value(
            customer, "select n from mlguard._sweep_baselines(current_setting('test.since')::timestamptz + '28 days')"
        )
        == 6
    )
    assert frozen(customer)["values(email)"]["n"] == 4000


def test_without_the_generated_recount_the_rows_are_counted_all_the_same(customer: Connection) -> None:
    sweep(customer, "2026-11-20 00:00+00")
    expected = {key: row for key, row in frozen(customer).items() if " where " not in key}
    customer.execute("delete from mlguard._baseline_column")
    customer.execute("delete from mlguard._baseline")
    customer.execute("update mlguard._table set recount = null")
    sweep(customer, "2026-11-20 00:00+00")
    found = frozen(customer)
    assert found.pop("values(age)")["n"] == expected["bins(age)"]["n"]  # an `in` list would make names of integers
    assert found == expected


def test_buckets_are_counted_by_the_new_edges_at_once(customer: Connection) -> None:
    sweep(customer, "2026-11-20 00:00+00")
    found = rows(
        customer,
        "select count(*), min((states -> 'bins(age)' ->> 'v')::integer), sum(n) from mlguard._bucket"
        " where segment = '{}'",
    )
    assert found == [(40, 1, 4000)]


def test_two_sweeps_at_once_freeze_one_version(guarded_db: str) -> None:
    with session(guarded_db) as connection:
        example.make(connection)
    with session(guarded_db, autocommit=False) as first, session(guarded_db) as second:
        assert sweep(first, "2026-11-20 00:00+00") == 6
        assert sweep(second, "2026-11-20 00:00+00") == 0
        first.commit()
        assert sweep(second, "2026-11-20 00:00+00") == 0
        assert value(second, "select count(*) from mlguard._baseline") == 1


def test_a_new_filter_and_new_segments_are_counted_from_the_same_rows(customer: Connection) -> None:
    sweep(customer, "2026-11-20 00:00+00")
    customer.execute(
        "delete from mlguard._baseline_column where key like '%% where %%' or segment <> '{}'".replace("%%", "%")
    )
    before = frozen(customer)
    assert sweep(customer, "2026-11-20 01:00+00") == 0
    after = frozen(customer)
    assert after.keys() - before.keys() == {"values(plan) where age > 50"}
    assert all(after[key] == row for key, row in before.items())
    assert value(customer, "select count(*) from mlguard._baseline_column where segment <> '{}'") > 0


def test_the_file_changes_its_mind(customer: Connection) -> None:
    sweep(customer, "2026-11-20 00:00+00")
    customer.execute("update mlguard._table set baseline = 'first 7 days'")
    sweep(customer, "2026-11-20 00:01+00")
    assert rows(customer, "select version, source, state, n from mlguard.baseline order by version") == [
        (1, "first 28 days", "replaced", 2800),
        (2, "first 7 days", "frozen", 700),
    ]


# What is compared.


def test_the_baseline_lies_at_no_distance_from_itself(customer: Connection) -> None:
    sweep(customer, "2026-11-20 00:00+00")
    for key, row in frozen(customer).items():
        counts = row["counts"] or row["categories"]
        for metric in METRICS if key.startswith("bins") else ("psi", "js", "linf"):
            assert ask(customer, f"{metric}_v1", state(customer, key, counts), key, row["column_name"]) == 0, key


def test_distances_from_the_baseline(everywhere: Connection) -> None:
    sweep(everywhere, "2026-11-20 00:00+00")
    baseline = frozen(everywhere)
    counts = [0, 0, 50, 50, 50, 50, 100, 100, 50, 50]
    document = state(everywhere, "bins(age)", counts)
    for metric, of in distance.DISTANCES.items():
        expected = of(counts, baseline["bins(age)"]["counts"])
        assert ask(everywhere, f"{metric}_v1", document, "bins(age)", "age") == pytest.approx(expected, rel=1e-12)

    plans = {"free": 300, "pro": 20, "trial": 80, "x": 1}
    made = distance.categories(plans, baseline["values(plan)"]["categories"], other=3)
    assert made is not None
    document = state(everywhere, "values(plan)", plans, other=3)
    for metric in ("psi", "js", "linf"):
        expected = distance.DISTANCES[metric](made.here, made.baseline)
        assert ask(everywhere, f"{metric}_v1", document, "values(plan)", "plan") == pytest.approx(expected, rel=1e-12)
    assert ask(everywhere, "ks_v1", document, "values(plan)", "plan") is None


def test_an_outside_bin_that_nothing_is_in_changes_nothing(customer: Connection) -> None:
    sweep(customer, "2026-11-20 00:00+00")
    row = frozen(customer)["bins(score)"]
    assert row["counts"][0] == 0  # below the least value
    counts = [0, *[10] * 9]
    some = distance.bins(counts, row["counts"])
    found = ask(customer, "psi_v1", state(customer, "bins(score)", counts), "bins(score)", "score")
    assert found == pytest.approx(distance.psi(some.here, some.baseline), rel=1e-12)


def test_segments_are_compared_with_themselves(customer: Connection) -> None:
    sweep(customer, "2026-11-20 00:00+00")
    document = state(customer, "values(plan)", {"enterprise": 100})
    german = context({"country": "DE"})
    assert ask(customer, "psi_v1", document, "values(plan)", "plan", german) == 0
    assert ask(customer, "psi_v1", document, "values(plan)", "plan", context({"country": "FR"})) > 1
    unknown = context({"country": "AT"})
    assert ask(customer, "psi_v1", document, "values(plan)", "plan", unknown) is None
    assert why(customer, "psi", document, "values(plan)", "plan", unknown) == "this segment is not in the baseline"


def test_filters_are_compared_with_themselves(customer: Connection) -> None:
    sweep(customer, "2026-11-20 00:00+00")
    key = "values(plan) where age > 50"
    counts = frozen(customer)[key]["categories"]
    assert counts == {"free": 650, "pro": 196, "enterprise": 168}
    assert ask(customer, "js_v1", state(customer, key, counts), key, "plan") == 0
    other = "values(plan) where age > 60"
    assert why(customer, "js", state(customer, other, counts), other, "plan") == "no baseline yet"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"n": 0}, "no values"),
        ({"n": 100}, "no values"),
        ({"n": 100, "bins(age)": {"v": 1, "c": [0] * 10, "n": 0}}, "no values"),
        ({"n": 100, "bins(age)": {"v": 0, "c": [], "n": 100}}, "counted before baseline 1"),
        ({"n": 100, "bins(age)": {"v": 1, "c": [10] * 10, "n": 100, "partial": True}}, "counted before baseline 1"),
    ],
)
def test_why_there_is_no_distance(customer: Connection, document: dict[str, Any], words: str) -> None:
    sweep(customer, "2026-11-20 00:00+00")
    text = json.dumps(document)
    assert ask(customer, "psi_v1", text, "bins(age)", "age") is None
    assert why(customer, "psi", text, "bins(age)", "age") == words


def test_rows_written_before_the_baseline_are_not_called_empty(customer: Connection) -> None:
    """Without an event time a window that began before the edges were in use has none of their bins."""
    customer.execute("update mlguard._table set event_sql = null")
    customer.execute("select mlguard.set_baseline(%s)", [TABLE])
    for start, words in [("2026-01-01", "counted before baseline 1"), ("2999-01-01", "no values")]:
        assert why(customer, "psi", '{"n": 100}', "bins(age)", "age", context(start=start)) == words


def test_categories_too_rare_to_compare(customer: Connection) -> None:
    customer.execute(f"update {TABLE} set plan = id::text")
    sweep(customer, "2026-11-20 00:00+00")
    document = state(customer, "values(plan)", {str(n): 1 for n in range(500)})
    assert why(customer, "psi", document, "values(plan)", "plan") == "its categories are too rare to compare"


def test_new_categories(customer: Connection) -> None:
    sweep(customer, "2026-11-20 00:00+00")
    known, new = (value(customer, "select left(md5(%s), 16)", f"{who}@example.com") for who in ("user7", "eve"))
    document = state(customer, "values(email)", {known: 30, new: 10})
    assert ask(customer, "new_categories_v1", document, "values(email)", "email") == 0.25
    # A segment in which the baseline never saw it: it is not new.
    german = context({"country": "DE"})
    assert ask(customer, "new_categories_v1", document, "values(email)", "email", german) == 0.25
    assert why(customer, "new_category_rate", '{"n": 0}', "values(email)", "email") == "no values"


def test_new_categories_of_a_column_with_too_many_to_know(customer: Connection) -> None:
    customer.execute(f"update {TABLE} set email = id::text")
    sweep(customer, "2026-11-20 00:00+00")
    customer.execute(
        "update mlguard._baseline_column set other = 1 where column_name = 'email'"
    )  # as a capped state says
    document = state(customer, "values(email)", {"x": 10})
    assert ask(customer, "new_categories_v1", document, "values(email)", "email") is None
    words = why(customer, "new_category_rate", document, "values(email)", "email")
    assert words == "the baseline has more than 1000 categories"


def within_noise(connection: Connection, metric: str, document: str, key: str, column: str) -> tuple[Any, Any]:
    found = ask(connection, f"{metric}_v1", document, key, column)
    return found, value(
        connection,
        "select mlguard.within_noise_v1(%s, %s, %s, %s, %s, %s)",
        document,
        context(),
        metric,
        key,
        column,
        found,
    )


def test_few_rows_are_told_from_chance(customer: Connection) -> None:
    sweep(customer, "2026-11-20 00:00+00")
    few = state(customer, "bins(age)", [1, 2, 3, 5, 6, 7, 8, 10, 9, 9])
    found, words = within_noise(customer, "psi", few, "bins(age)", "age")
    assert found > 0.2
    assert words == f"n = 60 values cannot tell {round(found, 3)} from chance (up to 0.478)"
    many = state(customer, "bins(age)", [100, 200, 300, 500, 600, 700, 800, 1000, 900, 900])
    found, words = within_noise(customer, "psi", many, "bins(age)", "age")
    assert found > 0.2
    assert words is None
    # Of a sample as many values count as were looked at.
    sampled = state(customer, "bins(age)", [100, 200, 300, 500, 600, 700, 800, 1000, 900, 900], sampled=60)
    found, words = within_noise(customer, "psi", sampled, "bins(age)", "age")
    assert words is not None
    assert words.startswith("n = 60 values cannot tell ")


def test_a_small_baseline_is_named(customer: Connection) -> None:
    customer.execute("select mlguard.set_baseline(%s, null, '2026-01-01', '2026-01-04')", [TABLE])
    document = state(customer, "bins(price)", [400, 600, 500, 500, 500, 500, 500, 500, 450, 550])
    _, words = within_noise(customer, "linf", document, "bins(price)", "price")
    assert "n = 5000 values and a baseline of 300 cannot tell" in words


def test_rows_of_the_same_distribution_seldom_alarm(guarded_db: str) -> None:
    """The whole way, in SQL: samples of the baseline's own rows against it."""
    with session(guarded_db) as connection:
        example.make(connection)
        connection.execute("select setseed(0.5)")
        connection.execute(
            f"update {TABLE} set score = random() * 100, plan = (array['a', 'b', 'c'])[1 + 3 * random() ^ 2]"
        )
        connection.execute("select mlguard.set_baseline(%s)", [TABLE])
        alarms = value(
            connection,
            "with sampled as ("
            "  select g, mlguard.bin('score', random() * 100) as bin"
            "  from generate_series(1, 600) g cross join generate_series(1, 60) i"
            "), states as ("
            "  select jsonb_build_object('n', 60, 'bins(score)', jsonb_build_object('v', 1, 'n', 60, 'c', array("
            "    select count(*) from generate_series(0, 9) b left join sampled s on s.g = k.g and s.bin = b::text"
            "    group by b order by b))) as s from generate_series(1, 600) k (g)"
            "), judged as ("
            "  select s, mlguard.psi_v1(s, %s, 'bins(score)', 'score') as psi from states"
            ")"
            " select count(*) from judged where psi > 0.2"
            "   and mlguard.within_noise_v1(s, %s, 'psi', 'bins(score)', 'score', psi) is null",
            context(),
            context(),
        )
        assert alarms <= 5  # 0.2 % of 600 is 1.2


# previous N days


def test_the_previous_days_are_what_is_compared_with(everywhere: Connection) -> None:
    everywhere.execute("update mlguard._table set baseline = 'previous 7 days'")
    assert sweep(everywhere, "2026-02-10 00:00+00") == 6
    edges = frozen(everywhere)["bins(age)"]["edges"]
    counts = rows(
        everywhere,
        f"select age from {TABLE} where age <> -1 and event_ts >= '2026-01-20' and event_ts < '2026-01-27'",
    )
    expected = distance.binned([age for (age,) in counts], edges)
    here = [0, 0, 10, 10, 10, 10, 20, 20, 10, 10]
    document = state(everywhere, "bins(age)", here)
    at = context(start="2026-01-27 00:00+00")
    found = ask(everywhere, "psi_v1", document, "bins(age)", "age", at)
    assert found == pytest.approx(distance.psi(here, expected), rel=1e-12)
    # A held day among them counts for nothing.
    everywhere.execute(
        "insert into mlguard._verdict (slo, tbl, over, window_start, window_end, outcome)"
        " values (%s, %s, '1 day', '2026-01-22 00:00+00', '2026-01-23 00:00+00', 'FAIL')",
        [f"{TABLE}/age_mix", TABLE],
    )
    assert ask(everywhere, "psi_v1", document, "bins(age)", "age", at) != pytest.approx(found, rel=1e-9)


def test_before_there_are_previous_days_the_frozen_ones_stand_in(customer: Connection) -> None:
    customer.execute("update mlguard._table set baseline = 'previous 7 days'")
    sweep(customer, "2026-02-10 00:00+00")
    row = frozen(customer)["bins(age)"]
    document = state(customer, "bins(age)", row["counts"])
    assert ask(customer, "psi_v1", document, "bins(age)", "age", context(start="2026-01-01 00:00+00")) == 0


def test_previous_days_know_new_categories(customer: Connection) -> None:
    customer.execute("update mlguard._table set baseline = 'previous 7 days'")
    customer.execute(f"update {TABLE} set email = 'eve@example.com' where event_ts >= '2026-02-01' and id % 2 = 0")
    sweep(customer, "2026-02-10 00:00+00")
    eve = value(customer, "select left(md5('eve@example.com'), 16)")
    document = state(customer, "values(email)", {eve: 10})
    at = {"2026-02-01 00:00+00": 1, "2026-02-02 00:00+00": 0}
    for start, rate in at.items():
        assert ask(customer, "new_categories_v1", document, "values(email)", "email", context(start=start)) == rate


# Setting one


def test_setting_one_makes_a_version_and_keeps_the_one_before(customer: Connection) -> None:
    sweep(customer, "2026-11-20 00:00+00")
    old = state(customer, "bins(age)", frozen(customer)["bins(age)"]["counts"])
    version = value(customer, "select mlguard.set_baseline(%s, null, '2026-01-20', '2026-02-01')", TABLE)
    assert version == 2
    assert rows(customer, "select version, state, source, n from mlguard.baseline order by 1") == [
        (1, "replaced", "first 28 days", 2800),
        (2, "frozen", "rows from 2026-01-20 00:00 UTC to 2026-02-01 00:00 UTC", 1200),
    ]
    assert why(customer, "psi", old, "bins(age)", "age") == "counted before baseline 2"
    assert value(customer, "select count(*) from mlguard._baseline_column where version = 1") > 0
    assert sweep(customer, "2027-01-01 00:00+00") == 0  # what somebody pinned stays
    (event,) = rows(
        customer,
        "select act, target, before ->> 'version', after ->> 'version' from mlguard.event order by id desc limit 1",
    )
    assert event == ("baseline", TABLE, "1", "2")


def test_setting_one_while_another_is_learned(customer: Connection) -> None:
    sweep(customer, "2026-01-05 00:00+00")
    assert value(customer, "select mlguard.set_baseline(%s)", TABLE) == 1
    assert rows(customer, "select version, state, source from mlguard.baseline") == [(1, "frozen", "all rows")]


def test_another_table_is_the_baseline(everywhere: Connection) -> None:
    """Training and serving: the rows that a model was trained on are what serving rows are compared with."""
    everywhere.execute(
        f"create table features.training as select age + 5 as age, score::real as score, plan, email from {TABLE}"
    )
    notices: list[str] = []
    everywhere.add_notice_handler(lambda diag: notices.append(diag.message_primary or ""))
    assert value(everywhere, "select mlguard.set_baseline(%s, 'features.training')", TABLE) == 1
    assert notices == ['mlguard: baseline 1 of features.customer lacks price, Odd "name: fewer than 200 values there']
    assert value(everywhere, "select source from mlguard.baseline") == "features.training"
    numbers = [x for (x,) in rows(everywhere, "select age from features.training where age is not null and age <> -1")]
    row = frozen(everywhere)["bins(age)"]
    assert row["edges"] == list(distance.edges_of(numbers))
    assert row["counts"] == distance.binned(numbers, row["edges"]).tolist()
    # It has no segments: all of them are compared with the whole.
    document = state(everywhere, "values(plan)", frozen(everywhere)["values(plan)"]["categories"])
    assert ask(everywhere, "psi_v1", document, "values(plan)", "plan", context({"country": "AT"})) == 0
    assert value(everywhere, "select mlguard.set_baseline(%s::regclass, 'features.training'::regclass)", TABLE) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'features.customer', 'features.nothing'", "there is no table features.nothing to take a baseline from"),
        ("'features.customer', 'version'", "which version the baseline is taken from is not said"),
        ("'features.customer', 'first 28 days'", "first 28 days is what an SLO file says"),
        ("'features.customer', null, '2026-02-01', '2026-01-01'", "must begin before it ends"),
        (
            "'features.customer', null, '2026-01-01', '2026-01-02'",
            "these rows hold fewer than 200 values of every column",
        ),
        ("'features.customer', 'features.few'", "features.few hold fewer than 200 values of every column"),
        ("'features.customer', 'features.few', '2026-01-01'", "of another table all rows are taken"),
        ("'features.few'", "no SLO is in force on features.few"),
    ],
)
def test_what_cannot_be_a_baseline(customer: Connection, arguments: str, message: str) -> None:
    customer.execute(f"create table features.few as select * from {TABLE} limit 10")
    with pytest.raises(psycopg.Error, match=message):
        customer.execute(f"select mlguard.set_baseline({arguments})".encode())
    assert value(customer, "select count(*) from mlguard._baseline") == 0


def test_a_table_whose_slos_compare_nothing_has_no_baseline(customer: Connection) -> None:
    customer.execute("update mlguard._slo set metrics = '{mean(age)}'")
    with pytest.raises(psycopg.Error, match=r"no SLO of features\.customer compares a column with a baseline"):
        customer.execute("select mlguard.set_baseline(%s)", [TABLE])
    assert sweep(customer, "2026-11-20 00:00+00") == 0


def test_counts_that_do_not_add_up_are_not_kept(customer: Connection) -> None:
    good = {
        "column_name": "age",
        "key": "bins(age)",
        "kind": "number",
        "edges": [1, 2],
        "counts": [100, 100, 50],
        "n": 250,
    }
    for wrong in (
        {"counts": [100, 100]},
        {"counts": [100, 100, 51]},
        {"counts": [-100, 300, 50]},
        {"edges": [2, 1]},
        {"edges": [1, 1]},
        {"key": "bins(score)"},
        {"kind": "category"},
        {"column_name": "id", "key": "bins(id)"},
    ):
        with pytest.raises(psycopg.Error, match="is no baseline of"):
            customer.execute("select mlguard.keep_baseline(%s, 'x.csv', %s)", [TABLE, json.dumps([{**good, **wrong}])])
    few = {**good, "counts": [100, 50, 0], "n": 150}
    with pytest.raises(psycopg.Error, match=r"x\.csv hold fewer than 200 values"):
        customer.execute("select mlguard.keep_baseline(%s, 'x.csv', %s)", [TABLE, json.dumps([few])])
    assert value(customer, "select mlguard.keep_baseline(%s, 'x.csv', %s)", TABLE, json.dumps([good])) == 1


# What is shown, and to whom


def test_nothing_of_a_pii_column_is_shown(customer: Connection) -> None:
    customer.execute("update mlguard._table set pii = '{email,age}'")
    sweep(customer, "2026-11-20 00:00+00")
    found = rows(
        customer,
        "select state, pii, edges, categories, counts from mlguard.baseline_column"
        " where column_name in ('email', 'age')",
    )
    assert found
    for _, pii, edges, categories, counts in found:
        assert (pii, edges, categories) == (True, None, None)
        assert sum(counts) > 0
    stored = value(
        customer, "select string_agg(categories::text, '') from mlguard._baseline_column where column_name = 'email'"
    )
    assert "example.com" not in stored
    detail = value(
        customer,
        "select mlguard._distance_detail(s, %s, %s) from mlguard._slo s where s.name = 'age_mix'",
        state(customer, "bins(age)", [10] * 10),
        context(),
    )
    assert detail["psi(age)"].keys() == {"baseline", "noise", "n", "m", "bins"}
    assert all(bin_.keys() == {"share", "baseline"} for bin_ in detail["psi(age)"]["bins"])
    customer.execute("delete from mlguard._table")
    assert value(customer, "select bool_and(pii) from mlguard.baseline_column")  # nobody knows any more


def test_the_bins_are_told_for_explain(everywhere: Connection) -> None:
    sweep(everywhere, "2026-11-20 00:00+00")
    detail = value(
        everywhere,
        "select mlguard._distance_detail(s, %s, %s) from mlguard._slo s where s.name = 'mix'",
        state(everywhere, "values(plan)", {"free": 50, "trial": 50}),
        context(),
    )["psi(plan)"]
    assert [(bin_["bin"], round(bin_["share"], 3), round(bin_["baseline"], 3)) for bin_ in detail["bins"]] == [
        ("enterprise", 0, 0.204),
        ("free", 0.5, 0.593),
        ("pro", 0, 0.204),
        ("trial", 0.5, 0),
    ]
    assert (detail["baseline"], detail["n"], detail["m"]) == (1, 100, 2749)


def test_the_platform_sets_baselines_from_tables_it_may_read(customer: Connection) -> None:
    customer.execute("select mlguard._grant_baselines('mlguard_platform')")
    customer.execute("grant usage on schema mlguard, features to mlguard_platform")
    customer.execute(f"create table features.training as select age, plan from {TABLE}")
    customer.execute("set role mlguard_platform")
    try:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            customer.execute("select mlguard.set_baseline(%s, 'features.training')", [TABLE])
        assert value(customer, "select mlguard.set_baseline(%s)", TABLE) == 1
        assert value(customer, "select count(*) from mlguard.baseline") == 1
        assert value(customer, "select count(*) from mlguard.baseline_column") > 0
        customer.execute("reset role")
        customer.execute("grant select on features.training to mlguard_platform")
        customer.execute("set role mlguard_platform")
        assert value(customer, "select mlguard.set_baseline(%s, 'features.training')", TABLE) == 2
    finally:
        customer.execute("reset role")
    for role in ("mlguard_task", "mlguard_writer"):
        assert not value(customer, "select has_table_privilege(%s, 'mlguard.baseline_column', 'select')", role)


def test_everything_is_taken_out_again(empty: Connection) -> None:
    """The down half leaves what the pair before it made."""
    from mlguard import runtime

    before = value(empty, "select count(*) from pg_proc where pronamespace = 'mlguard'::regnamespace")
    with empty.transaction(force_rollback=True):
        for name in sorted(runtime.sql_folder().glob("*.down.sql"), reverse=True):
            if name.name >= "0014":
                empty.execute(name.read_bytes())
        assert value(empty, "select to_regclass('mlguard._baseline')") is None
        assert value(empty, "select count(*) from pg_proc where pronamespace = 'mlguard'::regnamespace") < before
        assert (
            rows(
                empty,
                "select column_name from information_schema.columns where table_schema = 'mlguard'"
                " and table_name = '_table' and column_name in ('event_sql', 'missing')",
            )
            == []
        )
