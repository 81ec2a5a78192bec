"""States and samples as they are appended, and counted anew from stored rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
import pytest

from tests.runtime_example import rows, session, value

Connection = psycopg.Connection[Any]
State = dict[str, Any]


TABLE = """
create schema features;
create table features.visit (id bigint primary key, x double precision, at timestamptz);
insert into mlguard._table (tbl, schema_name, table_name, key, event_time, base, judges_batches, recount, sampler)
values ('features.visit', 'features', 'visit', '{id}', 'at', '1 day', false, 'mlguard."recount features.visit"',
        'mlguard."sample features.visit"');

create function mlguard."recount features.visit"(_from timestamptz, _to timestamptz)
returns table (bucket timestamptz, segment jsonb, n bigint, states jsonb)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select date_trunc('day', v.at at time zone 'UTC') at time zone 'UTC', '{}'::jsonb, count(*),
         jsonb_build_object('n', count(*), 'have(x)', count(v.x))
  from features.visit v
  where (_from is null or v.at >= _from) and (_to is null or v.at < _to)
  group by 1
$$;

create function mlguard."sample features.visit"(_from timestamptz, _to timestamptz)
returns table (bucket timestamptz, n bigint, k integer, column_name text, nums double precision[], texts text[])
language sql stable set search_path = pg_catalog, pg_temp as $$
  select date_trunc('day', v.at at time zone 'UTC') at time zone 'UTC', count(*), count(*)::integer, 'x',
         array_agg(v.x order by v.id), null::text[]
  from features.visit v
  group by 1
$$;
"""


def test_what_is_appended(db: str) -> None:
    with session(db) as connection:
        connection.execute(TABLE.encode())
        connection.execute(
            "select mlguard.add_states_v1('features.visit', 'INSERT', 1, '2026-01-01',"
            " '{\"c\": null}', 2, '{\"n\": 2}')"
        )
        connection.execute("select mlguard.truncated_v1('features.visit')")
        assert rows(
            connection, "select batch, segment, sign, op, n, states, folded from mlguard._state order by id"
        ) == [
            (None, {"c": None}, 1, "INSERT", 2, {"n": 2}, False),
            (None, {}, -1, "TRUNCATE", 0, {}, False),
        ]
        assert value(connection, "select count(*) from mlguard._batch") == 0
        connection.execute("update mlguard._table set judges_batches = true")
        connection.execute(
            "select mlguard.add_states_v1('features.visit', 'INSERT', 1, '2026-01-01', '{}', 2, '{\"n\": 2}'),"
            " mlguard.add_sample_v1('features.visit', '2026-01-01', 2, 2, 'x', '{1,null}', null)"
        )
        assert rows(
            connection,
            "select s.batch = b.id, p.batch = b.id from mlguard._state s, mlguard._sample p, mlguard._batch b"
            " where s.batch is not null",
        ) == [(True, True)]


def test_backfill_counts_every_row_once(db: str) -> None:
    with session(db) as connection, session(db) as other:
        connection.execute(TABLE.encode())
        connection.execute(
            "insert into features.visit"
            " select g, nullif(g %% 4, 0), timestamptz '2026-01-01 12:00+00' + g %% 3 * interval '1 day'"
            " from generate_series(1, %s) g",
            [300],
        )
        # Told of before, and on its way: neither may be counted twice, nor get lost.
        connection.execute(
            "insert into mlguard._state (tbl, bucket, sign, op, n, states) values"
            " ('features.visit', '2026-01-01+00', 1, 'INSERT', 300, '{\"n\": 300, \"have(x)\": 225}')"
        )
        connection.execute(
            "insert into mlguard._bucket values ('features.visit', '2020-01-01+00', '{}', 5, '{\"n\": 5}')"
        )
        other.autocommit = False
        other.execute("insert into features.visit values (1000, null, '2026-01-01 01:00+00')")
        other.execute(
            "select mlguard.add_states_v1('features.visit', 'INSERT', 1, '2026-01-01+00', '{}', 1,"
            ' \'{"n": 1, "have(x)": 0}\')'
        )
        assert value(connection, "select mlguard.backfill_v1('features.visit')") == 3
        other.commit()
        assert rows(connection, "select bucket::date::text, n, states from mlguard._bucket order by bucket") == [
            ("2026-01-01", 100, {"n": 100, "have(x)": 75}),
            ("2026-01-02", 100, {"n": 100, "have(x)": 75}),
            ("2026-01-03", 100, {"n": 100, "have(x)": 75}),
        ]
        assert rows(connection, "select n from mlguard._state") == [(1,)]
        assert rows(connection, "select n, k, cardinality(nums) from mlguard._sample") == [(100, 100, 100)] * 3
        assert value(connection, "select mlguard.backfill_v1('features.visit')") == 3
        assert value(connection, "select sum(n) from mlguard._bucket") == 301
        assert value(connection, "select count(*) from mlguard._state") == 0
        assert value(connection, "select count(*) from mlguard._sample") == 3


def test_backfill_refuses_a_count_that_could_see_later_rows(db: str) -> None:
    with session(db) as connection:
        connection.execute(TABLE.encode())
        connection.execute('alter function mlguard."recount features.visit"(timestamptz, timestamptz) volatile')
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="is VOLATILE"):
            connection.execute("select mlguard.backfill_v1('features.visit')")
        connection.execute("begin isolation level repeatable read")
        connection.execute("select mlguard.backfill_v1('features.visit')")
        connection.execute("commit")


def add_sample(connection: Connection, day: str, ids: list[int], n: int | None = None) -> None:
    """One statement's sample of two columns; `word` is made of `num`, so that alignment can be seen."""
    with connection.transaction():
        for column, nums, texts in (
            ("num", [float(i) for i in ids], None),
            ("word", None, [f"w{i}" for i in ids]),
        ):
            connection.execute(
                "select mlguard.add_sample_v1('features.visit', %s, %s, %s, %s, %s, %s)",
                [day, n or len(ids), len(ids), column, nums, texts],
            )


def window_sample(connection: Connection) -> dict[str, Any]:
    found = rows(
        connection,
        "select column_name, n, k, nums, texts"
        " from mlguard._window_sample('features.visit', '2026-01-01+00', '2026-01-08+00')",
    )
    return {name: (n, k, nums or texts) for name, n, k, nums, texts in found}


def test_samples_of_several_statements_are_one(db: str) -> None:
    with session(db) as connection:
        connection.execute(TABLE.encode())
        for first in range(0, 30, 10):
            add_sample(connection, "2026-01-01+00", list(range(first, first + 10)))
        found = window_sample(connection)
        assert found["num"] == (30, 30, [float(i) for i in range(30)])
        assert found["word"] == (30, 30, [f"w{i}" for i in range(30)])


def test_samples_count_by_the_rows_they_stand_for(db: str) -> None:
    with session(db) as connection, connection.transaction():
        connection.execute(TABLE.encode())
        add_sample(connection, "2026-01-01+00", list(range(2000)), n=300_000)
        add_sample(connection, "2026-01-02+00", list(range(10_000, 12_000)), n=100_000)
        add_sample(connection, "2026-01-09+00", [99_999])
        n, k, nums = window_sample(connection)["num"]
        assert (n, k) == (400_000, 2000)
        assert len(nums) == len(set(nums)) == 2000
        assert sum(v >= 10_000 for v in nums) == pytest.approx(500, abs=1)
        assert window_sample(connection)["word"][2] == [f"w{int(v)}" for v in nums]


def test_a_sample_too_small_for_its_rows_does_not_shrink_its_weight(db: str) -> None:
    with session(db) as connection:
        connection.execute(TABLE.encode())
        add_sample(connection, "2026-01-01+00", list(range(100)), n=1000)
        add_sample(connection, "2026-01-02+00", list(range(1000, 2000)))
        n, k, nums = window_sample(connection)["num"]
        assert (n, k) == (2000, 200)
        assert sum(v >= 1000 for v in nums) == 100


def test_single_rows_add_up_to_a_sample(db: str) -> None:
    with session(db) as connection, connection.transaction():
        connection.execute(TABLE.encode())
        for i in range(2500):
            connection.execute(
                "select mlguard.add_sample_v1('features.visit', '2026-01-01+00', 1, 1, 'num', %s, null)", [[float(i)]]
            )
        n, k, nums = window_sample(connection)["num"]
        assert (n, k, len(set(nums))) == (2500, 2000, 2000)
        assert np.mean(nums) == pytest.approx(1250, rel=0.01)
