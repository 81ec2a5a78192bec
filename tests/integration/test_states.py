"""States: after any mix of writes their sum is a recount of the table; metrics mean what numpy and scipy say."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mlguard import api, catalog
from mlguard.apply import run
from mlguard.emit.table import objects
from mlguard.errors import ApplyError
from mlguard.names import TableName
from mlguard.patience import Options
from mlguard.plan import Plan, plan_table
from mlguard.program import Span, TableProgram, TableShape
from tests import judged
from tests.judged import metric_rule
from tests.support import project

COLUMNS = {
    "id": "bigint",
    "age": "integer",
    "plan": "text",
    "income": "double precision",
    "amount": "numeric",
    "ok": "boolean",
    "at": "timestamp with time zone",
}
CREATE = """
create schema if not exists f;
create table f.t (
  id bigint primary key, age integer, plan text, income double precision, amount numeric, ok boolean, at timestamptz
);
"""
CHECKS = (
    "coverage(age) >= 0 and nan_rate(income) >= 0 and zero_rate(age) >= 0 and negative_rate(income) >= 0",
    "mean(age) > 0 and sum(amount) > 0 and mean(income) > 0 and stddev(income) >= 0 and stddev(amount) >= 0",
    "min(age) < max(age) and min(income) < max(amount) and median(income) > 0",
    "correlation(age, income) < 1 and share(age > 30 and ok) < 1 and share(1 / age > 0) < 1",
    "distinct_count(plan) > 0 and distinct_count(income) > 0 and duplicate_rate(age, plan) < 1",
    "psi(income) < 1 and psi(plan) < 1 and new_category_rate(plan) < 1",
)
SPLIT = "coverage(age) >= 0 and mean(income) > 0 and distinct_count(id) > 0 and psi(plan) < 1 and psi(age) < 1"
EDGES = """
create or replace function mlguard.baseline_version_v1(p_tbl text) returns integer
language sql stable as 'select 7';
create or replace function mlguard.edges_v1(p_tbl text, p_column text) returns double precision[]
language sql stable as $$ select array[-1, 0, 10.5, 20, 40, 1e9]::double precision[] $$;
"""
LITERALS = {"age": ["-1"], "plan": ["''", "'n/a'"]}


def program(shape: TableShape | None = None, **more: Any) -> TableProgram:
    """Return a table with SLOs that need every kind of state, of all rows and by plan."""
    table = shape or judged.shape("f.t", COLUMNS)
    rules = [metric_rule(table, f"r{number}", check) for number, check in enumerate(CHECKS)]
    rules.append(metric_rule(table, "split", SPLIT, by=("plan",)))
    rules.append(metric_rule(table, "some", "mean(income) > 0 and row_count() > 0", where="ok and age / 2 > 3"))
    settings: dict[str, Any] = {"event_time": "at", "missing": LITERALS, **more}
    return judged.program(table, *rules, **settings)


def install(connection: psycopg.Connection[Any], wanted: TableProgram, patience: Options | None = None) -> None:
    """Apply the program to its table."""
    table = plan_table(wanted, objects(wanted), None)
    run(connection, Plan((table,)), patience or Options())


@contextmanager
def guarded(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """Give a session of a database in which f.t is guarded and has a baseline."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute((CREATE + EDGES).encode())
        install(connection, program())
        yield connection


@pytest.fixture
def table(db: str) -> Iterator[psycopg.Connection[Any]]:
    """The guarded table, on both servers."""
    with guarded(db) as connection:
        yield connection


@pytest.fixture
def table18(guarded_db: str) -> Iterator[psycopg.Connection[Any]]:
    """The guarded table, on PostgreSQL 18."""
    with guarded(guarded_db) as connection:
        yield connection


Rows = list[tuple[Any, ...]]
Documents = dict[tuple[Any, str], tuple[int, dict[str, Any]]]


def values(first: int, count: int, *, day: int = 1) -> str:
    """Return VALUES with all that is awkward: NULL, NaN, infinities, missing literals, late rows."""
    floats = ("1.5", "'NaN'", "-0.0", "null", "20", "1000.25", "-7.25", "0.1")
    plans = ("'free'", "'pro'", "''", "null", "'n/a'", "'Team \"A\"'")
    ages = ("30", "-1", "0", "null", "41", "17", "-20")
    amounts = ("1.10", "1.1", "'NaN'", "null", "12345.678")
    lines = []
    for i in range(first, first + count):
        at = "null" if i % 11 == 5 else f"'2026-01-{day + i % 3:02d} 10:00+00'" if i % 13 else "'infinity'"
        lines.append(
            f"({i}, {ages[i % 7]}, {plans[i % 6]}, {floats[i % 8]}, {amounts[i % 5]},"
            f" {('true', 'false', 'null')[i % 3]}, {at})"
        )
    return ", ".join(lines)


def insert(first: int, count: int, *, day: int = 1) -> str:
    return f"insert into f.t values {values(first, count, day=day)}"


def fold(connection: psycopg.Connection[Any], table: str = "f.t", until: str = "2026-02-01") -> Documents:
    """Fold all appended states and return the buckets of event time with rows."""
    with connection.transaction():
        connection.execute("select mlguard._wait_table(%s)", (table,))
        connection.execute("select mlguard._gather(%s)", (table,))
        connection.execute("select mlguard._fold_states(%s)", (table,))
    return documents(
        connection,
        "select bucket, segment, n, states::text from mlguard._bucket where tbl = %s and n <> 0"
        " and bucket < %s  -- rows without an event time are in that of today",
        (table, until),
    )


def recount(connection: psycopg.Connection[Any], table: str = "f.t") -> Documents:
    """Return the states of the stored rows that have an event time."""
    name = f'mlguard."recount {table}"'
    return documents(
        connection, f"select bucket, segment, n, states::text from {name}(null, null) where bucket is not null", ()
    )


def documents(connection: psycopg.Connection[Any], query: str, arguments: tuple[Any, ...]) -> Documents:
    rows = connection.execute(query.encode(), arguments).fetchall()
    return {
        (bucket, json.dumps(segment, sort_keys=True)): (n, json.loads(states, parse_float=Decimal, parse_int=Decimal))
        for bucket, segment, n, states in rows
    }


def same(found: Documents, wanted: Documents) -> None:
    """Compare, floats with a tolerance; what a DELETE or UPDATE made stale is left out."""
    assert {key: n for key, (n, _) in found.items()} == {key: n for key, (n, _) in wanted.items()}
    for key, (_, states) in found.items():
        stale = set(states.get("stale", ()))
        expected = wanted[key][1]
        assert set(states) - {"stale"} == set(expected), key
        for name in set(expected) - stale:
            close(states[name], expected[name], f"{key} {name}")


def close(found: Any, wanted: Any, where: str) -> None:
    if isinstance(wanted, dict):
        assert set(found) == set(wanted), where
        for name in wanted:
            close(found[name], wanted[name], f"{where}.{name}")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), where
        for left, right in zip(found, wanted, strict=True):
            close(left, right, where)
    elif isinstance(wanted, str) or isinstance(found, str) or wanted is None or found is None:
        assert found == wanted, where
    else:
        near = max(abs(wanted) * Decimal("1e-9"), Decimal("1e-6"))
        assert abs(found - wanted) <= near, f"{where}: {found}, not {wanted}"


INFINITE = """
insert into f.t
select i, i, 'x', case i % 2 when 0 then 'Infinity' else '-Infinity' end::float8, 1, true, '2026-01-01'
from generate_series(200, 203) as i
"""
STEPS: dict[str, list[str]] = {
    "insert": [insert(1, 60)],
    "one by one": [insert(i, 1) for i in range(1, 30)],
    "nothing": [insert(1, 20), "insert into f.t select * from f.t where false", "update f.t set age = 1 where false"],
    "upsert": [
        insert(1, 40),
        f"insert into f.t values {values(20, 40)} on conflict (id) do update set age = excluded.age + 1, plan = 'pro'",
        f"insert into f.t values {values(1, 80)} on conflict do nothing",
    ],
    "update": [insert(1, 50), "update f.t set income = income * 2, age = null where id % 2 = 0"],
    "another day": [insert(1, 50), "update f.t set at = at + interval '1 day' where isfinite(at) and id % 3 = 0"],
    "another plan": [insert(1, 50), "update f.t set plan = case plan when 'free' then 'pro' else 'free' end"],
    "delete": [insert(1, 60), "delete from f.t where id % 3 = 1", insert(100, 10), "delete from f.t where id > 105"],
    "delete all": [insert(1, 30), "delete from f.t", insert(1, 5)],
    "truncate": [insert(1, 40), "truncate f.t", insert(3, 7)],
    "infinite": [insert(1, 20), INFINITE],
    "huge": [
        "insert into f.t select i, i, 'x', 1.7e308, 1e500, true, '2026-01-01' from generate_series(1, 9) as i",
        "delete from f.t where id = 4",
    ],
}


@pytest.mark.parametrize("case", sorted(STEPS))
def test_the_sum_of_states_is_a_recount(table18: psycopg.Connection[Any], case: str) -> None:
    for step in STEPS[case]:
        table18.execute(step.encode())
    same(fold(table18), recount(table18))


def test_it_is_one_whenever_it_is_folded(table: psycopg.Connection[Any]) -> None:
    for steps in STEPS.values():
        table.execute("delete from f.t")
        for step in steps:
            table.execute(step.encode())
            fold(table)
    same(fold(table), recount(table))


def test_copy_and_merge(table: psycopg.Connection[Any]) -> None:
    with table.cursor().copy(b"copy f.t from stdin (format csv)") as copy:
        for i in range(500):
            copy.write(f"{i},{i % 90},{'free' if i % 3 else 'pro'},{i / 7},{i}.50,true,2026-01-0{1 + i % 4}\n")
    table.execute(
        "merge into f.t as t using (select * from f.t where id < 300) as s on t.id = s.id + 100"
        " when matched and t.id % 5 = 0 then delete when matched then update set income = s.income + 1"
        " when not matched then insert values (s.id + 10000, 1, 'team', 2, 3, false, s.at)"
    )
    same(fold(table), recount(table))


def test_what_is_rolled_back_never_counts(table: psycopg.Connection[Any]) -> None:
    with table.transaction():
        table.execute(insert(1, 30).encode())
        with table.transaction(force_rollback=True):
            table.execute(insert(100, 30).encode())
        with pytest.raises(psycopg.errors.UniqueViolation), table.transaction():
            table.execute(insert(20, 30).encode())
        table.execute(insert(200, 5).encode())
    with table.transaction(force_rollback=True):
        table.execute("delete from f.t")
    same(fold(table), recount(table))
    assert table.execute("select count(*) from f.t").fetchone() == (35,)


def test_concurrent_writers(table: psycopg.Connection[Any], db: str) -> None:
    def write(worker: int) -> None:
        with psycopg.connect(db, autocommit=True) as own:
            for i in range(12):
                own.execute(insert(worker * 10_000 + i * 50, 20).encode())
                own.execute(f"update f.t set income = {i} where id between {worker * 10_000} and {worker}0005".encode())
                own.execute(f"delete from f.t where id = {worker * 10_000 + i * 50 + 3}".encode())

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        fold(table)
    for thread in threads:
        thread.join()
    same(fold(table), recount(table))


def test_nothing_is_left_of_rows_without_a_time(table: psycopg.Connection[Any]) -> None:
    table.execute("insert into f.t (id, age) values (1, 5), (2, 6)")
    assert table.execute("select bucket = date_trunc('day', now(), 'UTC'), n from mlguard._state").fetchall() == [
        (True, 2), (True, 2)
    ]  # fmt: skip
    table.execute("delete from f.t")
    assert table.execute("select bucket, sign, n from mlguard._state where sign < 0").fetchall() == [
        (None, -1, 2), (None, -1, 2)
    ]  # fmt: skip


PARTITIONED = """
create schema if not exists f;
create table f.t (
  id bigint, age integer, plan text, income double precision, amount numeric, ok boolean, at timestamptz
) partition by list (id);
create table f.t_1 partition of f.t for values in (1, 3, 5, 7) partition by list (id);
create table f.t_1_a partition of f.t_1 for values in (1, 3);
create table f.t_1_b partition of f.t_1 for values in (5, 7);
create table f.t_2 partition of f.t default;
"""


def test_partitions(db: str) -> None:
    with psycopg.connect(db, autocommit=True) as connection:
        connection.execute((PARTITIONED + EDGES).encode())
        name = TableName("f", "t")
        shape = catalog.shapes(connection, [name])[name]
        install(connection, program(shape))
        connection.execute(insert(0, 40).encode())
        connection.execute(f"insert into f.t_2 values {values(100, 20)}".encode())
        connection.execute("insert into f.t_1 values (5, 1, 'a', 2, 3, true, '2026-01-03')")
        connection.execute("insert into f.t_1_a values (1, 1, 'a', 2, 3, true, '2026-01-03')")
        connection.execute("update f.t set id = id + 2 where id in (1, 3, 5, 30)")
        connection.execute("delete from f.t_1 where id = 3")
        same(fold(connection), recount(connection))
        connection.execute("truncate f.t_1_b")
        assert connection.execute("select tbl, bucket_from, shrunk from mlguard._recount_due").fetchall() == [
            ("f.t", None, True)
        ]
        connection.execute("select mlguard._recount_now(t) from mlguard._table t")
        same(fold(connection), recount(connection))
        connection.execute(f"insert into f.t values {values(0, 9)}".encode())
        connection.execute("truncate f.t")
        assert fold(connection) == {}
        connection.execute(insert(0, 12).encode())
        same(fold(connection), recount(connection))


def test_settings_of_the_session_do_not_matter(table: psycopg.Connection[Any]) -> None:
    table.execute(insert(1, 40).encode())
    calm = fold(table)
    table.execute("truncate f.t")
    table.execute("set timezone = 'Asia/Kolkata'; set datestyle = 'German'; set extra_float_digits = -5")
    table.execute("set intervalstyle = 'sql_standard'; set search_path = pg_temp")
    table.execute(insert(1, 40).encode())
    table.execute("reset all")
    found = fold(table)
    assert found == calm
    same(found, recount(table))


PLAIN = (
    "coverage(age) >= 0 and nan_rate(income) >= 0 and zero_rate(age) >= 0 and negative_rate(income) >= 0",
    "mean(age) > 0 and sum(amount) > 0 and mean(income) > 0 and stddev(income) >= 0 and min(amount) < max(age)",
    "correlation(age, income) < 1 and share(age > 30 and ok) < 1 and share(1 / age > 0) < 1 and coverage(plan) > 0",
)


def row_by_row(**more: Any) -> TableProgram:
    """Return a table written row by row whose states all come from one pass."""
    table = judged.shape("f.t", COLUMNS)
    rules = [metric_rule(table, f"r{number}", check) for number, check in enumerate(PLAIN)]
    return judged.program(table, *rules, event_time="at", missing=LITERALS, writes_rows=True, **more)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_the_short_way_of_one_row_says_the_same(guarded_db: str, zone: str) -> None:
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        connection.execute(CREATE.encode())
        install(connection, row_by_row(time_zone=zone))
        connection.execute(
            "insert into f.t values (1, 5, 'a', 1.5, 2, true, '2026-01-02'), (2, 5, 'a', 1, 2, true, null)"
        )
        for i in range(10, 120):
            connection.execute(insert(i, 1).encode())
        connection.execute("update f.t set age = age + 1 where id = 15")
        connection.execute("delete from f.t where id = 16")
        assert connection.execute("select count(*) > 4 from mlguard._single").fetchone() == (True,)
        found = fold(connection)
        assert len(found) == 3
        same(found, recount(connection))


def test_days_are_cut_where_the_file_says(guarded_db: str) -> None:
    day = judged.program(
        judged.shape("f.t", {"at": "timestamp with time zone"}),
        metric_rule(judged.shape("f.t", {"at": "timestamp with time zone"}), "n", "row_count() > 0"),
        event_time="at",
        time_zone="Europe/Berlin",
    )
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        connection.execute("set timezone = 'UTC'; create schema f; create table f.t (at timestamptz)")
        install(connection, day)
        connection.execute(
            "insert into f.t values ('2026-03-28 22:59+00'), ('2026-03-28 23:00+00'), ('2026-03-29 21:59+00'),"
            " ('2026-03-29 22:00+00'), ('294276-12-31'), ('4713-11-24 BC'), ('infinity'), ('-infinity')"
        )
        buckets = connection.execute(
            "select bucket, n, bucket = mlguard._window_start('1 day', 'Europe/Berlin', bucket) from mlguard._state"
            " where bucket < '2026-06-01' order by 1"
        ).fetchall()
    assert [(f"{bucket:%m-%d %H}", n, agreed) for bucket, n, agreed in buckets] == [
        ("03-27 23", 1, True),
        ("03-28 23", 2, True),
        ("03-29 22", 1, True),
    ]


@pytest.mark.parametrize(
    ("base", "kind"),
    [
        (judged.HOUR, "timestamp with time zone"),
        (judged.WEEK, "timestamp without time zone"),
        (judged.MONTH, "timestamp with time zone"),
        (judged.DAY, "date"),
        (judged.MONTH, "date"),
        (judged.QUARTER, "timestamp without time zone"),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
def test_buckets_are_the_windows_of_the_runtime(guarded_db: str, base: Span, kind: str, zone: str) -> None:
    shape = judged.shape("f.t", {"at": kind})
    rule = metric_rule(shape, "n", "row_count() > 0")
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        connection.execute(f"set timezone = 'UTC'; create schema f; create table f.t (at {kind})".encode())
        install(connection, judged.program(shape, rule, event_time="at", base=base, time_zone=zone))
        connection.execute(
            "insert into f.t"
            " select at from generate_series(timestamp '2026-01-01', '2026-12-31', '13 hours 7 min') as at"
        )
        zoned = f"at::timestamp at time zone '{zone}'" if kind != "timestamp with time zone" else "at"
        windows = f"select mlguard._window_start(%s, %s, {zoned}) as start, count(*) as n from f.t group by 1"
        ((wrong, n),) = connection.execute(
            "select count(*) filter (where s.n <> t.n or t.n is null), sum(s.n)::int from mlguard._state as s"
            f" left join ({windows}) as t on t.start = s.bucket".encode(),
            (str(base), zone),
        ).fetchall()
        same(fold(connection, until="infinity"), recount(connection))
    assert (wrong, n) == (0, 667)


def test_apply_counts_what_is_stored_and_counts_again_when_states_change(guarded_db: str, tmp_path: Path) -> None:
    text = FILE
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        connection.execute((CREATE + insert(1, 50)).encode())
        loaded = project(tmp_path, text)
        api.apply(loaded, guarded_db)
        same(fold(connection), recount(connection))
        assert api.plan(loaded, guarded_db).empty
        connection.execute(insert(100, 20).encode())
        more = project(tmp_path, text + "- {name: income, check: mean(income) >= 0}\n")
        api.apply(more, guarded_db)
        assert connection.execute("select count(*) from mlguard._state").fetchone() == (0,)
        same(fold(connection), recount(connection))
        assert all("sum(income)" in states for _, states in fold(connection).values())

        # Killed between the change and the count: the next apply takes it up.
        connection.execute("update mlguard._object set hash = '' where name like '%recount%'")
        connection.execute("update mlguard._bucket set n = 0")
        assert not api.plan(more, guarded_db).empty
        api.apply(more, guarded_db)
        same(fold(connection), recount(connection))
        api.remove(["f.t"], guarded_db)
        assert connection.execute("select count(*) from mlguard._bucket").fetchone() == (0,)


def test_writers_wait_for_the_change_of_states_not_for_the_count(guarded_db: str) -> None:
    with psycopg.connect(guarded_db, autocommit=True) as connection, psycopg.connect(guarded_db) as writer:
        connection.execute(CREATE.encode())
        install(connection, program())
        writer.execute(insert(1, 10).encode())
        with pytest.raises(ApplyError, match="could not lock the table"):
            install(connection, program(), patience=Options(lock_timeout=0.1, attempts=1))
        writer.commit()
        install(connection, program())
        same(fold(connection), recount(connection))


FILE = "mlguard: 1\ntable: f.t\nevent_time: at\nreads: none\nslos:\n- {name: age, check: coverage(age) >= 0.5}\n"


def test_partitions_that_come_and_go_are_counted_at_apply(guarded_db: str, tmp_path: Path) -> None:
    loaded = project(tmp_path, FILE)
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        connection.execute(PARTITIONED.encode())
        connection.execute("alter table f.t detach partition f.t_1")
        connection.execute(insert(10, 20).encode())
        connection.execute("insert into f.t_1 values (5, 1, 'a', 2, 3, true, '2026-01-03')")
        api.apply(loaded, guarded_db)
        before = fold(connection)
        connection.execute("alter table f.t attach partition f.t_1 for values in (1, 3, 5, 7)")
        api.apply(loaded, guarded_db)
        attached = fold(connection)
        assert sum(n for n, _ in attached.values()) == sum(n for n, _ in before.values()) + 1
        same(attached, recount(connection))
        connection.execute("alter table f.t detach partition f.t_2")
        api.apply(loaded, guarded_db)
        assert sum(n for n, _ in fold(connection).values()) == 1
        same(fold(connection), recount(connection))


def test_rows_of_tables_that_inherit_are_not_the_tables(guarded_db: str, tmp_path: Path) -> None:
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        connection.execute((CREATE + "create table f.heir () inherits (f.t);" + insert(1, 10)).encode())
        connection.execute(insert(50, 10).replace("f.t", "f.heir").encode())
        api.apply(project(tmp_path, FILE), guarded_db)
        connection.execute(insert(100, 5).encode())
        connection.execute(insert(200, 5).replace("f.t", "f.heir").encode())
        same(fold(connection), recount(connection))
        assert (
            sum(n for n, _ in fold(connection).values())
            == connection.execute("select count(*) from only f.t where isfinite(at)").fetchall()[0][0]
        )
