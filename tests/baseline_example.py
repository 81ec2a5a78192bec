"""A table whose distributions are compared with a baseline, made by hand as the emitter would make it."""

from __future__ import annotations

from typing import LiteralString

import psycopg

TABLE = "features.customer"
DAYS = 40
FIRST = "2026-01-01"

EXAMPLE = """
create schema features;
create table features.customer (
  id bigint generated always as identity, age integer, score double precision, price numeric(12, 2), plan text,
  email text, country text, "Odd ""name" text, event_ts timestamptz);

insert into mlguard._table (tbl, schema_name, table_name, pii, event_time, event_sql, missing, baseline, base)
values ('features.customer', 'features', 'customer', '{email}', 'event_ts', 't.event_ts',
        '{"age": ["-1"], "plan": ["?"], "score": ["NaN"]}', 'first 28 days', '1 day');

insert into mlguard._slo (id, tbl, name, level, check_text, action, place, columns, metrics, over, by_columns)
values
  ('features.customer/age_mix', 'features.customer', 'age_mix', 'window', 'psi(age) <= 0.2', 'hold', 'window judgement',
   '{age}', '{psi(age)}', '1 day', '{}'),
  ('features.customer/mix', 'features.customer', 'mix', 'window', 'psi(plan) <= 0.2', 'warn', 'window judgement',
   '{plan}', '{psi(plan)}', '1 day', '{country}'),
  ('features.customer/rest', 'features.customer', 'rest', 'window', 'ks(score) < 0.2', 'warn', 'window judgement',
   '{score,price,email}', array['ks(score)', 'js(price)', 'new_category_rate(email)',
                                'psi(plan) where age > 50', 'linf("Odd ""name")', 'mean(age)'], '1 day', '{}');
"""

# The states of the SLOs above, in the form of a generated recount.
RECOUNT = """
create function mlguard.bin(_column text, _value double precision) returns text
language sql stable as $mlguard$
  select (cardinality(e.mirrored) - pg_catalog.width_bucket(-_value, e.mirrored))::text
  from (
    select array(select -x from unnest(mlguard.edges_v1('features.customer', _column)) x order by x desc) as mirrored
  ) e
  where e.mirrored <> '{}'
$mlguard$;

create function mlguard."recount features.customer"(_from timestamptz, _to timestamptz)
returns table (bucket timestamptz, segment jsonb, n bigint, states jsonb)
language sql stable security definer set search_path = pg_catalog, pg_temp as $mlguard$
  with edges as materialized (
    select array(select -x from unnest(mlguard.edges_v1('features.customer', 'age')) x order by x desc) as age,
           array(select -x from unnest(mlguard.edges_v1('features.customer', 'score')) x order by x desc) as score,
           array(select -x from unnest(mlguard.edges_v1('features.customer', 'price')) x order by x desc) as price
  ), rows as (
    select date_trunc('day', t.event_ts, 'UTC') as bucket, s.segment, t.*
    from features.customer t
    cross join lateral (values ('{}'::jsonb), (jsonb_build_object('country', t.country))) s (segment)
    where (_from is null or t.event_ts >= _from) and (_to is null or t.event_ts < _to)
  ), cells as (
    select r.bucket, r.segment, c.key, c.name
    from rows r
    cross join edges e
    cross join lateral (values
      ('bins(age)', (cardinality(e.age) - width_bucket(-nullif(r.age, -1), e.age))::text),
      ('bins(score)', (cardinality(e.score) - width_bucket(-nullif(r.score, 'NaN'), e.score))::text),
      ('bins(price)', (cardinality(e.price) - width_bucket(-r.price::double precision, e.price))::text),
      ('values(plan)', nullif(r.plan, '?')),
      ('values(plan) where age > 50', case when r.age > 50 then nullif(r.plan, '?') end),
      ('values(email)', left(md5(r.email), 16)),
      ('values("Odd ""name")', r."Odd ""name")) c (key, name)
    where c.name is not null and (c.key not like 'bins(%' or e.age <> '{}' or e.score <> '{}' or e.price <> '{}')
  ), counted as (
    select c.bucket, c.segment, c.key, c.name, count(*) as n from cells c group by 1, 2, 3, 4
  ), states as (
    select c.bucket, c.segment, c.key,
           case when c.key like 'bins(%' then jsonb_build_object(
             'v', mlguard.baseline_version_v1('features.customer'), 'n', sum(c.n),
             'c', array(select coalesce((jsonb_object_agg(c.name, c.n) ->> g::text)::bigint, 0)
                        from generate_series(0, coalesce(cardinality(mlguard.edges_v1('features.customer',
                          substring(c.key from '\\((.*)\\)'))), 0)) g order by g))
           else jsonb_build_object('c', jsonb_object_agg(c.name, c.n), 'other', 0, 'n', sum(c.n)) end as state
    from counted c
    group by 1, 2, 3
  )
  select r.bucket, r.segment, r.n, jsonb_build_object('n', r.n) || coalesce(s.states, '{}')
  from (select r.bucket, r.segment, count(*) as n from rows r group by 1, 2) r
  left join (
    select s.bucket, s.segment, jsonb_object_agg(s.key, s.state) as states from states s group by 1, 2
  ) s on s.bucket = r.bucket and s.segment = r.segment
$mlguard$;
update mlguard._table set recount = 'mlguard."recount features.customer"';
"""


def make(connection: psycopg.Connection[object], *, days: int = DAYS, recount: bool = True) -> None:
    """Create the table with 100 rows on each of some days, and its SLOs."""
    connection.execute(EXAMPLE.encode())
    if recount:
        connection.execute(RECOUNT.encode())
    connection.execute(_rows(), {"first": f"{FIRST} 00:00+00", "days": days})


def _rows() -> LiteralString:
    """Return the INSERT: 100 rows a day, ages 20 to 69, three plans, one country whose customers all have one plan."""
    return (
        'insert into features.customer (age, score, price, plan, email, country, "Odd ""name", event_ts)'
        " select case when g %% 25 = 0 then -1 when g %% 40 = 1 then null else 20 + (g * 7) %% 50 end,"
        " case when g %% 30 = 0 then 'NaN' when g %% 4 = 0 then 0 else ((g * 37) %% 1000) / 10.0 end,"
        " ((g * 13) %% 500) / 100.0,"
        " case when g %% 5 = 0 then 'enterprise' when g %% 5 = 1 then 'pro' when g %% 33 = 2 then '?' else 'free' end,"
        " 'user' || g %% 50 || '@example.com', case when g %% 5 = 0 then 'DE' else 'FR' end,"
        " case when g %% 2 = 0 then 'a' else 'b''\"' end,"
        " %(first)s::timestamptz + make_interval(days => ((g - 1) / 100)::integer, mins => ((g - 1) %% 100)::integer)"
        " from generate_series(1, %(days)s::bigint * 100) g"
    )
