-- function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone)
-- why: computes the states of metrics from stored rows
-- for: features.customer/mix, features.customer/tail, features.customer/keys

-- phase: change, locks: none
create or replace function mlguard."recount features.customer"(_from timestamptz, _to timestamptz)
returns table (bucket timestamptz, segment jsonb, n bigint, states jsonb)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set extra_float_digits = 1
as $mlguard$
-- States of the stored rows of features.customer with event times from _from up to _to; null, null: of all rows.
#variable_conflict use_variable
declare
  _version bigint;
  _edges_1 double precision[];
begin
  -- null until a baseline is set: then there are no bins to count
  _version := mlguard.baseline_version_v1('features.customer');
  if _version is not null then
    _edges_1 := (select array_agg(-e order by -e) from unnest(mlguard.edges_v1('features.customer', 'tenure_days')) as e);
  end if;
  return query
  with groups as (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      count(*) as n,
      jsonb_build_object(
        'n', count(*)) as states
    from "features"."customer" as r
    where (_from is null or (r."event_ts") >= _from) and (_to is null or (r."event_ts") < _to)
    group by 1
  ), size as materialized (
    select coalesce(g.bucket, '-infinity') as bucket, case when sum(g.n) > 100000 then 50000 / sum(g.n)::double precision else 1 end as share
    from groups as g group by 1
  ), picked as materialized (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      r."plan" as v_1,
      v.x_1 as v_2,
      v.x_1 as v_3,
      left(md5(coalesce(r."plan", E'\x1e') || E'\x1f' || coalesce(r."age"::text, E'\x1e')), 16) as v_4,
      left(md5(coalesce(r."age"::text, E'\x1e')), 16) as v_5,
      1 / size.share as weight
    from "features"."customer" as r
    cross join lateral (select
      case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
    ) as v
    join size on size.bucket = coalesce(date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00'), '-infinity')
    where (_from is null or (r."event_ts") >= _from) and (_to is null or (r."event_ts") < _to) and random() < size.share
  ), empty as materialized (
    select '{"values(plan)": {"c": {}, "other": 0, "n": 0}, "quantiles(tenure_days)": {"n": 0, "v": []}, "keys(plan, age)": {"t": 1, "k": {}, "n": 0}, "keys(age) where age is not missing": {"t": 1, "k": {}, "n": 0}}'::jsonb
      || case when _edges_1 is not null then jsonb_build_object('bins(tenure_days)', jsonb_build_object('v', _version, 'n', 0, 'c', array_fill(0, array[cardinality(_edges_1) + 1]))) else '{}' end as states
  ), binned as (
    select b.bucket, b.no, b.bin, count(*) as looked_at, sum(b.weight)::bigint as c
    from (
      select p.bucket, p.weight,
        unnest(array[2]) as no,
        unnest(array[
          cardinality(_edges_1) + 1 - width_bucket(-p.v_2, _edges_1)
        ]) as bin
      from picked as p
    ) as b
    where b.bin is not null
    group by 1, 2, 3
  ), bins as (
    select b.bucket, k.key,
      jsonb_build_object('v', _version, 'n', b.n, 'c', array(
        select coalesce((b.bins -> i::text)::bigint, 0) from generate_series(1, k.size) as i order by i)) || b.sampled as state
    from (
      select b.bucket, b.no, jsonb_object_agg(b.bin, b.c) as bins, sum(b.c) as n,
        case when sum(b.looked_at) < sum(b.c) then jsonb_build_object('sampled', sum(b.looked_at)) else '{}' end as sampled
      from binned as b
      group by 1, 2
    ) as b
    join (values (2, 'bins(tenure_days)', cardinality(_edges_1) + 1)) as k (no, key, size) on k.no = b.no
  ), counted as (
    select v.bucket, v.no, v.value, count(*) as looked_at, sum(v.weight)::bigint as c,
      row_number() over (partition by v.bucket, v.no order by count(*) desc, v.value collate "C") as place
    from (
      select p.bucket, p.weight,
        unnest(array[1]) as no,
        unnest(array[
          p.v_1
        ]) as value
      from picked as p
    ) as v
    where v.value is not null
    group by 1, 2, 3
  ), categories as (
    select v.bucket, k.key,
      jsonb_build_object(
        'c', coalesce(jsonb_object_agg(case when length(v.value) > 200 then left(v.value, 180) || ' ' || left(md5(v.value), 16) else v.value end, v.c) filter (where v.place <= 1000), '{}'),
        'other', coalesce(sum(v.c) filter (where v.place > 1000), 0),
        'n', sum(v.c)) || case when sum(v.looked_at) < sum(v.c) then jsonb_build_object('sampled', sum(v.looked_at)) else '{}' end as state
    from counted as v
    join (values (1, 'values(plan)')) as k (no, key) on k.no = v.no
    group by 1, 2
  ), ordered as (
    select v.bucket, v.no, array_agg(v.x order by v.x) as xs, count(*) as k,
      sum(v.weight)::bigint as n
    from (
      select p.bucket, p.weight,
        unnest(array[3]) as no,
        unnest(array[
          p.v_3
        ]) as x
      from picked as p
    ) as v
    where v.x is not null
    group by 1, 2
  ), quantiles as (
    select o.bucket, k.key,
      case
        when o.k > 500 then jsonb_build_object('n', o.n, 'v', array(
          select o.xs[1 + round(i * (o.k - 1) / 500.0)::integer] from generate_series(0, 500) as i order by i),
          'w', array_fill(o.n / 501::double precision, array[501]))
        when o.k < o.n then jsonb_build_object('n', o.n, 'v', o.xs,
          'w', array_fill(o.n / o.k::double precision, array[o.k::integer]))
        else jsonb_build_object('n', o.n, 'v', o.xs)
      end || case when o.k < o.n then jsonb_build_object('sampled', o.k) else '{}' end as state
    from ordered as o
    join (values (3, 'quantiles(tenure_days)')) as k (no, key) on k.no = o.no
  ), threshold_4 as (
    select case when g.n <= 100000 then 1
        else floor(least(1, 16384 * g.groups / (count(*) + (g.n - sum(s.c)) * count(*) filter (where s.c = 1) / sum(s.c))) * 4503599627370496)
          / 4503599627370496::double precision end as t
    from (select coalesce(sum(groups.n), 0) as n, count(*) as groups from groups) as g
    left join (
      select p.bucket, p.v_4 as h, count(*) as c
      from picked as p
      where p.v_4 is not null and (select sum(g.n) from groups as g) > 100000
      group by 1, 2
    ) as s on true
    group by g.n, g.groups
  ), least_4 as (
    select r.bucket, r.h, count(*) as c,
      row_number() over (partition by r.bucket order by r.h collate "C") as place
    from (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        left(md5(coalesce(r."plan", E'\x1e') || E'\x1f' || coalesce(r."age"::text, E'\x1e')), 16) as h
      from "features"."customer" as r
      where (_from is null or (r."event_ts") >= _from) and (_to is null or (r."event_ts") < _to)
    ) as r
    where r.h collate "C" < (select case when t.t = 1 then 'g' else lpad(to_hex((t.t * 4503599627370496)::bigint), 13, '0') end from threshold_4 as t)
    group by 1, 2
  ), keys_4 as (
    select k.bucket, 'keys(plan, age)' as key,
      jsonb_build_object(
        't', coalesce(('x' || min(k.cut))::bit(52)::bigint / 4503599627370496::double precision, min(t.t)),
        'k', coalesce(jsonb_object_agg(k.h, k.c) filter (where k.cut is null or left(k.h, 13) collate "C" < k.cut), '{}'),
        'n', (sum(k.c) / min(t.t))::bigint) as state
    from (
      select k.*, max(left(k.h, 13)) filter (where k.place = 4097) over (partition by k.bucket) as cut
      from least_4 as k
    ) as k
    cross join threshold_4 as t
    group by 1, 2
  ), threshold_5 as (
    select case when g.n <= 100000 then 1
        else floor(least(1, 16384 * g.groups / (count(*) + (g.n - sum(s.c)) * count(*) filter (where s.c = 1) / sum(s.c))) * 4503599627370496)
          / 4503599627370496::double precision end as t
    from (select coalesce(sum(groups.n), 0) as n, count(*) as groups from groups) as g
    left join (
      select p.bucket, p.v_5 as h, count(*) as c
      from picked as p
      where p.v_5 is not null and (select sum(g.n) from groups as g) > 100000
      group by 1, 2
    ) as s on true
    group by g.n, g.groups
  ), least_5 as (
    select r.bucket, r.h, count(*) as c,
      row_number() over (partition by r.bucket order by r.h collate "C") as place
    from (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        left(md5(coalesce(r."age"::text, E'\x1e')), 16) as h
      from "features"."customer" as r
      where (_from is null or (r."event_ts") >= _from) and (_to is null or (r."event_ts") < _to) and r."age" is not null
    ) as r
    where r.h collate "C" < (select case when t.t = 1 then 'g' else lpad(to_hex((t.t * 4503599627370496)::bigint), 13, '0') end from threshold_5 as t)
    group by 1, 2
  ), keys_5 as (
    select k.bucket, 'keys(age) where age is not missing' as key,
      jsonb_build_object(
        't', coalesce(('x' || min(k.cut))::bit(52)::bigint / 4503599627370496::double precision, min(t.t)),
        'k', coalesce(jsonb_object_agg(k.h, k.c) filter (where k.cut is null or left(k.h, 13) collate "C" < k.cut), '{}'),
        'n', (sum(k.c) / min(t.t))::bigint) as state
    from (
      select k.*, max(left(k.h, 13)) filter (where k.place = 4097) over (partition by k.bucket) as cut
      from least_5 as k
    ) as k
    cross join threshold_5 as t
    group by 1, 2
  ), more as (
    select u.bucket, jsonb_object_agg(u.key, u.state) as states
    from (
      select * from bins
      union all
      select * from categories
      union all
      select * from quantiles
      union all
      select * from keys_4
      union all
      select * from keys_5
    ) as u
    group by 1
  )
  select case when isfinite(g.bucket) then g.bucket end, '{}'::jsonb, g.n, g.states || (select empty.states from empty) || coalesce(m.states, '{}')
  from groups as g
  left join more as m on coalesce(m.bucket, '-infinity') = coalesce(g.bucket, '-infinity')
  where g.n > 0;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone) from public;

-- phase: change, locks: none
comment on function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone) is 'mlguard:features.customer:aaffd9168158';

-- undo: drop function if exists mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone);

-- function mlguard."verdict features.customer/mix"(jsonb, jsonb)
-- why: judges the merged states of a batch or window
-- for: features.customer/mix

-- phase: change, locks: none
create or replace function mlguard."verdict features.customer/mix"(_s jsonb, _c jsonb)
returns mlguard.found_v1
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- features.customer/mix: psi(plan) <= 0.2 AND ks(tenure_days) < 0.3
-- _s: merged states; _c: what they are of.
#variable_conflict use_variable
declare
  _1 double precision;
  _2 double precision;
  _ok boolean;
  _reason text;
begin
  _1 := mlguard.psi_v1(_s, _c, 'values(plan)', 'plan');  -- psi(plan)
  _2 := mlguard.ks_v1(_s, _c, 'bins(tenure_days)', 'tenure_days');  -- ks(tenure_days)
  _ok := _1 <= '0.2'::double precision and _2 < '0.3'::double precision;
  if not _ok then
    declare
      _known_1 double precision := _1; _known_2 double precision := _2;
      _why text;
    begin
      _why := mlguard.within_noise_v1(_s, _c, 'psi', 'values(plan)', 'plan', _known_1);
      if _why is not null then
        _reason := _why;
        _known_1 := null;
      end if;
      _why := mlguard.within_noise_v1(_s, _c, 'ks', 'bins(tenure_days)', 'tenure_days', _known_2);
      if _why is not null then
        _reason := _why;
        _known_2 := null;
      end if;
      _ok := _known_1 <= '0.2'::double precision and _known_2 < '0.3'::double precision;
      if _ok is not null then
        _reason := null;
      end if;
    end;
  end if;
  if _ok is null and _reason is null then
    _reason := case
      when _1 is null then mlguard.no_distance_v1(_s, _c, 'psi', 'values(plan)', 'plan')
      when _2 is null then mlguard.no_distance_v1(_s, _c, 'ks', 'bins(tenure_days)', 'tenure_days')
      else 'no answer'
    end;
  end if;
  return row(array['psi(plan)', 'ks(tenure_days)'],
             array[_1, _2]::double precision[],
             mlguard.count_v1(_s, 'n')::bigint, _ok, _reason)::mlguard.found_v1;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."verdict features.customer/mix"(jsonb, jsonb) from public;

-- phase: change, locks: none
comment on function mlguard."verdict features.customer/mix"(jsonb, jsonb) is 'mlguard:features.customer/mix:c97d8608054c';

-- undo: drop function if exists mlguard."verdict features.customer/mix"(jsonb, jsonb);

-- function mlguard."verdict features.customer/tail"(jsonb, jsonb)
-- why: judges the merged states of a batch or window
-- for: features.customer/tail

-- phase: change, locks: none
create or replace function mlguard."verdict features.customer/tail"(_s jsonb, _c jsonb)
returns mlguard.found_v1
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- features.customer/tail: quantile(tenure_days, 0.95) < 250
-- _s: merged states; _c: what they are of.
#variable_conflict use_variable
declare
  _1 double precision;
  _ok boolean;
  _reason text;
begin
  _1 := mlguard.quantile_v1(_s, 'quantiles(tenure_days)', 0.95);  -- quantile(tenure_days, 0.95)
  _ok := _1 < '250'::double precision;
  if _ok is null and _reason is null then
    _reason := case
      when _1 is null then 'no values'
      else 'no answer'
    end;
  end if;
  return row(array['quantile(tenure_days, 0.95)'],
             array[_1]::double precision[],
             mlguard.count_v1(_s, 'n')::bigint, _ok, _reason)::mlguard.found_v1;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."verdict features.customer/tail"(jsonb, jsonb) from public;

-- phase: change, locks: none
comment on function mlguard."verdict features.customer/tail"(jsonb, jsonb) is 'mlguard:features.customer/tail:3828916796be';

-- undo: drop function if exists mlguard."verdict features.customer/tail"(jsonb, jsonb);

-- function mlguard."verdict features.customer/keys"(jsonb, jsonb)
-- why: judges the merged states of a batch or window
-- for: features.customer/keys

-- phase: change, locks: none
create or replace function mlguard."verdict features.customer/keys"(_s jsonb, _c jsonb)
returns mlguard.found_v1
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- features.customer/keys: duplicate_rate(plan, age) < 1 AND distinct_count(age) > 3
-- _s: merged states; _c: what they are of.
#variable_conflict use_variable
declare
  _1 double precision;
  _2 double precision;
  _ok boolean;
  _reason text;
begin
  _1 := mlguard.duplicates_v1(_s, 'keys(plan, age)');  -- duplicate_rate(plan, age)
  _2 := mlguard.distinct_v1(_s, 'keys(age) where age is not missing');  -- distinct_count(age)
  _ok := _1 < '1'::double precision and _2 > '3'::double precision;
  if _ok is null and _reason is null then
    _reason := case
      when _1 is null then 'no values'
      when _2 is null then 'no values'
      else 'no answer'
    end;
  end if;
  return row(array['duplicate_rate(plan, age)', 'distinct_count(age)'],
             array[_1, _2]::double precision[],
             mlguard.count_v1(_s, 'n')::bigint, _ok, _reason)::mlguard.found_v1;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."verdict features.customer/keys"(jsonb, jsonb) from public;

-- phase: change, locks: none
comment on function mlguard."verdict features.customer/keys"(jsonb, jsonb) is 'mlguard:features.customer/keys:34e6e0c6280b';

-- undo: drop function if exists mlguard."verdict features.customer/keys"(jsonb, jsonb);

-- function mlguard."after rows features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/mix, features.customer/tail, features.customer/keys

-- phase: change, locks: none
create or replace function mlguard."after rows features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set extra_float_digits = 1
as $mlguard$
-- features.customer, once a statement, over the rows it wrote or took away.
#variable_conflict use_variable
declare
  _n bigint;
  _version bigint;
  _edges_1 double precision[];
begin
  -- null until a baseline is set: then there are no bins to count
  _version := mlguard.baseline_version_v1('features.customer');
  if _version is not null then
    _edges_1 := (select array_agg(-e order by -e) from unnest(mlguard.edges_v1('features.customer', 'tenure_days')) as e);
  end if;
  with groups as (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      count(*) as n,
      jsonb_build_object(
        'n', count(*)) as states
    from new_rows as r
    group by 1
  ), size as materialized (
    select case when sum(g.n) > 100000 then 50000 / sum(g.n)::double precision else 1 end as share
    from groups as g
  ), picked as materialized (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      r."plan" as v_1,
      v.x_1 as v_2,
      v.x_1 as v_3,
      left(md5(coalesce(r."plan", E'\x1e') || E'\x1f' || coalesce(r."age"::text, E'\x1e')), 16) as v_4,
      left(md5(coalesce(r."age"::text, E'\x1e')), 16) as v_5,
      1 / (select size.share from size) as weight
    from new_rows as r
    cross join lateral (select
      case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
    ) as v
    where random() < (select size.share from size)
  ), empty as materialized (
    select '{"values(plan)": {"c": {}, "other": 0, "n": 0}, "quantiles(tenure_days)": {"n": 0, "v": []}, "keys(plan, age)": {"t": 1, "k": {}, "n": 0}, "keys(age) where age is not missing": {"t": 1, "k": {}, "n": 0}}'::jsonb
      || case when _edges_1 is not null then jsonb_build_object('bins(tenure_days)', jsonb_build_object('v', _version, 'n', 0, 'c', array_fill(0, array[cardinality(_edges_1) + 1]))) else '{}' end as states
  ), binned as (
    select b.bucket, b.no, b.bin, count(*) as looked_at, sum(b.weight)::bigint as c
    from (
      select p.bucket, p.weight,
        unnest(array[2]) as no,
        unnest(array[
          cardinality(_edges_1) + 1 - width_bucket(-p.v_2, _edges_1)
        ]) as bin
      from picked as p
    ) as b
    where b.bin is not null
    group by 1, 2, 3
  ), bins as (
    select b.bucket, k.key,
      jsonb_build_object('v', _version, 'n', b.n, 'c', array(
        select coalesce((b.bins -> i::text)::bigint, 0) from generate_series(1, k.size) as i order by i)) || b.sampled as state
    from (
      select b.bucket, b.no, jsonb_object_agg(b.bin, b.c) as bins, sum(b.c) as n,
        case when sum(b.looked_at) < sum(b.c) then jsonb_build_object('sampled', sum(b.looked_at)) else '{}' end as sampled
      from binned as b
      group by 1, 2
    ) as b
    join (values (2, 'bins(tenure_days)', cardinality(_edges_1) + 1)) as k (no, key, size) on k.no = b.no
  ), counted as (
    select v.bucket, v.no, v.value, count(*) as looked_at, sum(v.weight)::bigint as c,
      row_number() over (partition by v.bucket, v.no order by count(*) desc, v.value collate "C") as place
    from (
      select p.bucket, p.weight,
        unnest(array[1]) as no,
        unnest(array[
          p.v_1
        ]) as value
      from picked as p
    ) as v
    where v.value is not null
    group by 1, 2, 3
  ), categories as (
    select v.bucket, k.key,
      jsonb_build_object(
        'c', coalesce(jsonb_object_agg(case when length(v.value) > 200 then left(v.value, 180) || ' ' || left(md5(v.value), 16) else v.value end, v.c) filter (where v.place <= 1000), '{}'),
        'other', coalesce(sum(v.c) filter (where v.place > 1000), 0),
        'n', sum(v.c)) || case when sum(v.looked_at) < sum(v.c) then jsonb_build_object('sampled', sum(v.looked_at)) else '{}' end as state
    from counted as v
    join (values (1, 'values(plan)')) as k (no, key) on k.no = v.no
    group by 1, 2
  ), ordered as (
    select v.bucket, v.no, array_agg(v.x order by v.x) as xs, count(*) as k,
      sum(v.weight)::bigint as n
    from (
      select p.bucket, p.weight,
        unnest(array[3]) as no,
        unnest(array[
          p.v_3
        ]) as x
      from picked as p
    ) as v
    where v.x is not null
    group by 1, 2
  ), quantiles as (
    select o.bucket, k.key,
      case
        when o.k > 500 then jsonb_build_object('n', o.n, 'v', array(
          select o.xs[1 + round(i * (o.k - 1) / 500.0)::integer] from generate_series(0, 500) as i order by i),
          'w', array_fill(o.n / 501::double precision, array[501]))
        when o.k < o.n then jsonb_build_object('n', o.n, 'v', o.xs,
          'w', array_fill(o.n / o.k::double precision, array[o.k::integer]))
        else jsonb_build_object('n', o.n, 'v', o.xs)
      end || case when o.k < o.n then jsonb_build_object('sampled', o.k) else '{}' end as state
    from ordered as o
    join (values (3, 'quantiles(tenure_days)')) as k (no, key) on k.no = o.no
  ), threshold_4 as (
    select case when g.n <= 100000 then 1
        else floor(least(1, 16384 * g.groups / (count(*) + (g.n - sum(s.c)) * count(*) filter (where s.c = 1) / sum(s.c))) * 4503599627370496)
          / 4503599627370496::double precision end as t
    from (select coalesce(sum(groups.n), 0) as n, count(*) as groups from groups) as g
    left join (
      select p.bucket, p.v_4 as h, count(*) as c
      from picked as p
      where p.v_4 is not null and (select sum(g.n) from groups as g) > 100000
      group by 1, 2
    ) as s on true
    group by g.n, g.groups
  ), least_4 as (
    select r.bucket, r.h, count(*) as c,
      row_number() over (partition by r.bucket order by r.h collate "C") as place
    from (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        left(md5(coalesce(r."plan", E'\x1e') || E'\x1f' || coalesce(r."age"::text, E'\x1e')), 16) as h
      from new_rows as r
    ) as r
    where r.h collate "C" < (select case when t.t = 1 then 'g' else lpad(to_hex((t.t * 4503599627370496)::bigint), 13, '0') end from threshold_4 as t)
    group by 1, 2
  ), keys_4 as (
    select k.bucket, 'keys(plan, age)' as key,
      jsonb_build_object(
        't', coalesce(('x' || min(k.cut))::bit(52)::bigint / 4503599627370496::double precision, min(t.t)),
        'k', coalesce(jsonb_object_agg(k.h, k.c) filter (where k.cut is null or left(k.h, 13) collate "C" < k.cut), '{}'),
        'n', (sum(k.c) / min(t.t))::bigint) as state
    from (
      select k.*, max(left(k.h, 13)) filter (where k.place = 4097) over (partition by k.bucket) as cut
      from least_4 as k
    ) as k
    cross join threshold_4 as t
    group by 1, 2
  ), threshold_5 as (
    select case when g.n <= 100000 then 1
        else floor(least(1, 16384 * g.groups / (count(*) + (g.n - sum(s.c)) * count(*) filter (where s.c = 1) / sum(s.c))) * 4503599627370496)
          / 4503599627370496::double precision end as t
    from (select coalesce(sum(groups.n), 0) as n, count(*) as groups from groups) as g
    left join (
      select p.bucket, p.v_5 as h, count(*) as c
      from picked as p
      where p.v_5 is not null and (select sum(g.n) from groups as g) > 100000
      group by 1, 2
    ) as s on true
    group by g.n, g.groups
  ), least_5 as (
    select r.bucket, r.h, count(*) as c,
      row_number() over (partition by r.bucket order by r.h collate "C") as place
    from (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        left(md5(coalesce(r."age"::text, E'\x1e')), 16) as h
      from new_rows as r
      where r."age" is not null
    ) as r
    where r.h collate "C" < (select case when t.t = 1 then 'g' else lpad(to_hex((t.t * 4503599627370496)::bigint), 13, '0') end from threshold_5 as t)
    group by 1, 2
  ), keys_5 as (
    select k.bucket, 'keys(age) where age is not missing' as key,
      jsonb_build_object(
        't', coalesce(('x' || min(k.cut))::bit(52)::bigint / 4503599627370496::double precision, min(t.t)),
        'k', coalesce(jsonb_object_agg(k.h, k.c) filter (where k.cut is null or left(k.h, 13) collate "C" < k.cut), '{}'),
        'n', (sum(k.c) / min(t.t))::bigint) as state
    from (
      select k.*, max(left(k.h, 13)) filter (where k.place = 4097) over (partition by k.bucket) as cut
      from least_5 as k
    ) as k
    cross join threshold_5 as t
    group by 1, 2
  ), more as (
    select u.bucket, jsonb_object_agg(u.key, u.state) as states
    from (
      select * from bins
      union all
      select * from categories
      union all
      select * from quantiles
      union all
      select * from keys_4
      union all
      select * from keys_5
    ) as u
    group by 1
  ), appended as (
    insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
    select
      'features.customer', null,
      coalesce(case when isfinite(g.bucket) then g.bucket end, date_bin(interval '1 day', statement_timestamp(), timestamptz '2001-01-01 00:00+00')),
      '{}'::jsonb,
      1, TG_OP, g.n, g.states || (select empty.states from empty) || coalesce(m.states, '{}')
    from groups as g
    left join more as m on coalesce(m.bucket, '-infinity') = coalesce(g.bucket, '-infinity')
    where g.n > 0
  )
  select
    coalesce(sum(g.n), 0)
    into
    _n
    from groups as g;
  if _n >= 1000 then
    perform mlguard.landed_v1('features.customer', _n, '{}');
  end if;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after rows features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after rows features.customer"() is 'mlguard:features.customer:e1c4b0f604c8';

-- undo: drop function if exists mlguard."after rows features.customer"();

-- function mlguard."after removal features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/mix, features.customer/tail, features.customer/keys

-- phase: change, locks: none
create or replace function mlguard."after removal features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set extra_float_digits = 1
as $mlguard$
-- features.customer, once a statement, over the rows it wrote or took away.
#variable_conflict use_variable
declare
  _version bigint;
  _edges_1 double precision[];
begin
  if TG_OP = 'TRUNCATE' then
    perform mlguard.truncated_v1('features.customer');
    return null;
  end if;
  -- null until a baseline is set: then there are no bins to count
  _version := mlguard.baseline_version_v1('features.customer');
  if _version is not null then
    _edges_1 := (select array_agg(-e order by -e) from unnest(mlguard.edges_v1('features.customer', 'tenure_days')) as e);
  end if;
  with groups as (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      count(*) as n,
      jsonb_build_object(
        'n', count(*),
        'quantiles(tenure_days)', jsonb_build_object('n', count(r."tenure_days") filter (where r."tenure_days" < 'NaN'), 'v', '[]'::jsonb)) as states
    from old_rows as r
    group by 1
  ), size as materialized (
    select case when sum(g.n) > 100000 then 50000 / sum(g.n)::double precision else 1 end as share
    from groups as g
  ), picked as materialized (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      r."plan" as v_1,
      v.x_1 as v_2,
      left(md5(coalesce(r."plan", E'\x1e') || E'\x1f' || coalesce(r."age"::text, E'\x1e')), 16) as v_3,
      left(md5(coalesce(r."age"::text, E'\x1e')), 16) as v_4,
      1 / (select size.share from size) as weight
    from old_rows as r
    cross join lateral (select
      case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
    ) as v
    where random() < (select size.share from size)
  ), empty as materialized (
    select '{"values(plan)": {"c": {}, "other": 0, "n": 0}, "keys(plan, age)": {"t": 1, "k": {}, "n": 0}, "keys(age) where age is not missing": {"t": 1, "k": {}, "n": 0}}'::jsonb
      || case when _edges_1 is not null then jsonb_build_object('bins(tenure_days)', jsonb_build_object('v', _version, 'n', 0, 'c', array_fill(0, array[cardinality(_edges_1) + 1]))) else '{}' end as states
  ), binned as (
    select b.bucket, b.no, b.bin, count(*) as looked_at, sum(b.weight)::bigint as c
    from (
      select p.bucket, p.weight,
        unnest(array[2]) as no,
        unnest(array[
          cardinality(_edges_1) + 1 - width_bucket(-p.v_2, _edges_1)
        ]) as bin
      from picked as p
    ) as b
    where b.bin is not null
    group by 1, 2, 3
  ), bins as (
    select b.bucket, k.key,
      jsonb_build_object('v', _version, 'n', b.n, 'c', array(
        select coalesce((b.bins -> i::text)::bigint, 0) from generate_series(1, k.size) as i order by i)) || b.sampled as state
    from (
      select b.bucket, b.no, jsonb_object_agg(b.bin, b.c) as bins, sum(b.c) as n,
        case when sum(b.looked_at) < sum(b.c) then jsonb_build_object('sampled', sum(b.looked_at)) else '{}' end as sampled
      from binned as b
      group by 1, 2
    ) as b
    join (values (2, 'bins(tenure_days)', cardinality(_edges_1) + 1)) as k (no, key, size) on k.no = b.no
  ), counted as (
    select v.bucket, v.no, v.value, count(*) as looked_at, sum(v.weight)::bigint as c,
      row_number() over (partition by v.bucket, v.no order by count(*) desc, v.value collate "C") as place
    from (
      select p.bucket, p.weight,
        unnest(array[1]) as no,
        unnest(array[
          p.v_1
        ]) as value
      from picked as p
    ) as v
    where v.value is not null
    group by 1, 2, 3
  ), categories as (
    select v.bucket, k.key,
      jsonb_build_object(
        'c', coalesce(jsonb_object_agg(case when length(v.value) > 200 then left(v.value, 180) || ' ' || left(md5(v.value), 16) else v.value end, v.c) filter (where v.place <= 1000), '{}'),
        'other', coalesce(sum(v.c) filter (where v.place > 1000), 0),
        'n', sum(v.c)) || case when sum(v.looked_at) < sum(v.c) then jsonb_build_object('sampled', sum(v.looked_at)) else '{}' end as state
    from counted as v
    join (values (1, 'values(plan)')) as k (no, key) on k.no = v.no
    group by 1, 2
  ), threshold_3 as (
    select case when g.n <= 100000 then 1
        else floor(least(1, 16384 * g.groups / (count(*) + (g.n - sum(s.c)) * count(*) filter (where s.c = 1) / sum(s.c))) * 4503599627370496)
          / 4503599627370496::double precision end as t
    from (select coalesce(sum(groups.n), 0) as n, count(*) as groups from groups) as g
    left join (
      select p.bucket, p.v_3 as h, count(*) as c
      from picked as p
      where p.v_3 is not null and (select sum(g.n) from groups as g) > 100000
      group by 1, 2
    ) as s on true
    group by g.n, g.groups
  ), least_3 as (
    select r.bucket, r.h, count(*) as c,
      row_number() over (partition by r.bucket order by r.h collate "C") as place
    from (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        left(md5(coalesce(r."plan", E'\x1e') || E'\x1f' || coalesce(r."age"::text, E'\x1e')), 16) as h
      from old_rows as r
    ) as r
    where r.h collate "C" < (select case when t.t = 1 then 'g' else lpad(to_hex((t.t * 4503599627370496)::bigint), 13, '0') end from threshold_3 as t)
    group by 1, 2
  ), keys_3 as (
    select k.bucket, 'keys(plan, age)' as key,
      jsonb_build_object(
        't', coalesce(('x' || min(k.cut))::bit(52)::bigint / 4503599627370496::double precision, min(t.t)),
        'k', coalesce(jsonb_object_agg(k.h, k.c) filter (where k.cut is null or left(k.h, 13) collate "C" < k.cut), '{}'),
        'n', (sum(k.c) / min(t.t))::bigint) as state
    from (
      select k.*, max(left(k.h, 13)) filter (where k.place = 4097) over (partition by k.bucket) as cut
      from least_3 as k
    ) as k
    cross join threshold_3 as t
    group by 1, 2
  ), threshold_4 as (
    select case when g.n <= 100000 then 1
        else floor(least(1, 16384 * g.groups / (count(*) + (g.n - sum(s.c)) * count(*) filter (where s.c = 1) / sum(s.c))) * 4503599627370496)
          / 4503599627370496::double precision end as t
    from (select coalesce(sum(groups.n), 0) as n, count(*) as groups from groups) as g
    left join (
      select p.bucket, p.v_4 as h, count(*) as c
      from picked as p
      where p.v_4 is not null and (select sum(g.n) from groups as g) > 100000
      group by 1, 2
    ) as s on true
    group by g.n, g.groups
  ), least_4 as (
    select r.bucket, r.h, count(*) as c,
      row_number() over (partition by r.bucket order by r.h collate "C") as place
    from (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        left(md5(coalesce(r."age"::text, E'\x1e')), 16) as h
      from old_rows as r
      where r."age" is not null
    ) as r
    where r.h collate "C" < (select case when t.t = 1 then 'g' else lpad(to_hex((t.t * 4503599627370496)::bigint), 13, '0') end from threshold_4 as t)
    group by 1, 2
  ), keys_4 as (
    select k.bucket, 'keys(age) where age is not missing' as key,
      jsonb_build_object(
        't', coalesce(('x' || min(k.cut))::bit(52)::bigint / 4503599627370496::double precision, min(t.t)),
        'k', coalesce(jsonb_object_agg(k.h, k.c) filter (where k.cut is null or left(k.h, 13) collate "C" < k.cut), '{}'),
        'n', (sum(k.c) / min(t.t))::bigint) as state
    from (
      select k.*, max(left(k.h, 13)) filter (where k.place = 4097) over (partition by k.bucket) as cut
      from least_4 as k
    ) as k
    cross join threshold_4 as t
    group by 1, 2
  ), more as (
    select u.bucket, jsonb_object_agg(u.key, u.state) as states
    from (
      select * from bins
      union all
      select * from categories
      union all
      select * from keys_3
      union all
      select * from keys_4
    ) as u
    group by 1
  )
  insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
  select
    'features.customer', null,
    case when isfinite(g.bucket) then g.bucket end,
    '{}'::jsonb,
    -1, TG_OP, g.n, g.states || (select empty.states from empty) || coalesce(m.states, '{}')
  from groups as g
  left join more as m on coalesce(m.bucket, '-infinity') = coalesce(g.bucket, '-infinity')
  where g.n > 0;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after removal features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after removal features.customer"() is 'mlguard:features.customer:fdb41a594073';

-- undo: drop function if exists mlguard."after removal features.customer"();

-- trigger zz_mlguard_after_rows_insert
-- why: judges all rows of a statement in one pass
-- for: features.customer/mix, features.customer/tail, features.customer/keys

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_rows_insert
after insert on "features"."customer"
referencing new table as new_rows
for each statement
execute function mlguard."after rows features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_rows_insert;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_rows_insert on "features"."customer" is 'mlguard:features.customer:2c20cab8c069';

-- undo: drop trigger if exists zz_mlguard_after_rows_insert on "features"."customer";

-- trigger zz_mlguard_after_rows_update
-- why: judges all rows of a statement in one pass
-- for: features.customer/mix, features.customer/tail, features.customer/keys

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_rows_update
after update on "features"."customer"
referencing new table as new_rows
for each statement
execute function mlguard."after rows features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_rows_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_rows_update on "features"."customer" is 'mlguard:features.customer:85d2ca7fade4';

-- undo: drop trigger if exists zz_mlguard_after_rows_update on "features"."customer";

-- trigger zz_mlguard_after_removal_update
-- why: judges all rows of a statement in one pass
-- for: features.customer/mix, features.customer/tail, features.customer/keys

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_removal_update
after update on "features"."customer"
referencing old table as old_rows
for each statement
execute function mlguard."after removal features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_removal_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_removal_update on "features"."customer" is 'mlguard:features.customer:5690e9c2f675';

-- undo: drop trigger if exists zz_mlguard_after_removal_update on "features"."customer";

-- trigger zz_mlguard_after_removal_delete
-- why: judges all rows of a statement in one pass
-- for: features.customer/mix, features.customer/tail, features.customer/keys

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_removal_delete
after delete on "features"."customer"
referencing old table as old_rows
for each statement
execute function mlguard."after removal features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_removal_delete;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_removal_delete on "features"."customer" is 'mlguard:features.customer:f4698b3df172';

-- undo: drop trigger if exists zz_mlguard_after_removal_delete on "features"."customer";

-- trigger zz_mlguard_after_removal_truncate
-- why: judges all rows of a statement in one pass
-- for: features.customer/mix, features.customer/tail, features.customer/keys

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_removal_truncate
after truncate on "features"."customer"
for each statement
execute function mlguard."after removal features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_removal_truncate;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_removal_truncate on "features"."customer" is 'mlguard:features.customer:07c263f33cf3';

-- undo: drop trigger if exists zz_mlguard_after_removal_truncate on "features"."customer";
