-- function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone)
-- why: computes the states of metrics from stored rows
-- for: features.customer/some, features.customer/mix, features.customer/daily

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
begin
  return query
  with groups as (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      count(*) as n,
      jsonb_build_object(
        'n', count(*),
        'have(age)', count(r."age")) as states
    from "features"."customer" as r
    where (_from is null or (r."event_ts") >= _from) and (_to is null or (r."event_ts") < _to)
    group by 1
  )
  select case when isfinite(g.bucket) then g.bucket end, '{}'::jsonb, g.n, g.states
  from groups as g
  where g.n > 0;
  return query
  with groups as (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      r."customer_id" as by_1,
      count(*) as n,
      jsonb_build_object(
        'n', count(*)) as states
    from "features"."customer" as r
    where (_from is null or (r."event_ts") >= _from) and (_to is null or (r."event_ts") < _to)
    group by 1, 2
  ), size as materialized (
    select coalesce(g.bucket, '-infinity') as bucket, case when sum(g.n) > 100000 then 50000 / sum(g.n)::double precision else 1 end as share
    from groups as g group by 1
  ), picked as materialized (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      r."customer_id" as by_1,
      left(md5(coalesce(r."age"::text, E'\x1e')), 16) as v_1,
      1 / size.share as weight
    from "features"."customer" as r
    join size on size.bucket = coalesce(date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00'), '-infinity')
    where (_from is null or (r."event_ts") >= _from) and (_to is null or (r."event_ts") < _to) and random() < size.share
  ), empty as materialized (
    select '{"keys(age) where age is not missing": {"t": 1, "k": {}, "n": 0}}'::jsonb as states
  ), threshold_1 as (
    select case when g.n <= 100000 then 1
        else floor(least(1, 16384 * g.groups / (count(*) + (g.n - sum(s.c)) * count(*) filter (where s.c = 1) / sum(s.c))) * 4503599627370496)
          / 4503599627370496::double precision end as t
    from (select coalesce(sum(groups.n), 0) as n, count(*) as groups from groups) as g
    left join (
      select p.bucket, p.by_1, p.v_1 as h, count(*) as c
      from picked as p
      where p.v_1 is not null and (select sum(g.n) from groups as g) > 100000
      group by 1, 2, 3
    ) as s on true
    group by g.n, g.groups
  ), least_1 as (
    select r.bucket, r.by_1, r.h, count(*) as c,
      row_number() over (partition by r.bucket, r.by_1 order by r.h collate "C") as place
    from (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        r."customer_id" as by_1,
        left(md5(coalesce(r."age"::text, E'\x1e')), 16) as h
      from "features"."customer" as r
      where (_from is null or (r."event_ts") >= _from) and (_to is null or (r."event_ts") < _to) and r."age" is not null
    ) as r
    where r.h collate "C" < (select case when t.t = 1 then 'g' else lpad(to_hex((t.t * 4503599627370496)::bigint), 13, '0') end from threshold_1 as t)
    group by 1, 2, 3
  ), keys_1 as (
    select k.bucket, k.by_1, 'keys(age) where age is not missing' as key,
      jsonb_build_object(
        't', coalesce(('x' || min(k.cut))::bit(52)::bigint / 4503599627370496::double precision, min(t.t)),
        'k', coalesce(jsonb_object_agg(k.h, k.c) filter (where k.cut is null or left(k.h, 13) collate "C" < k.cut), '{}'),
        'n', (sum(k.c) / min(t.t))::bigint) as state
    from (
      select k.*, max(left(k.h, 13)) filter (where k.place = 4097) over (partition by k.bucket, k.by_1) as cut
      from least_1 as k
    ) as k
    cross join threshold_1 as t
    group by 1, 2, 3
  ), more as (
    select u.bucket, u.by_1, jsonb_object_agg(u.key, u.state) as states
    from (
      select * from keys_1
    ) as u
    group by 1, 2
  )
  select case when isfinite(g.bucket) then g.bucket end, jsonb_build_object('customer_id', g.by_1::text), g.n, g.states || (select empty.states from empty) || coalesce(m.states, '{}')
  from groups as g
  left join more as m on coalesce(m.bucket, '-infinity') = coalesce(g.bucket, '-infinity') and jsonb_build_object('customer_id', m.by_1::text) = jsonb_build_object('customer_id', g.by_1::text)
  where g.n > 0;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone) from public;

-- phase: change, locks: none
comment on function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone) is 'mlguard:features.customer:6fd0521fef4e';

-- undo: drop function if exists mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone);

-- function mlguard."verdict features.customer/some"(jsonb, jsonb)
-- why: judges the merged states of a batch or window
-- for: features.customer/some

-- phase: change, locks: none
create or replace function mlguard."verdict features.customer/some"(_s jsonb, _c jsonb)
returns mlguard.found_v1
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- features.customer/some: coverage(age) >= 0.75
-- _s: merged states; _c: what they are of.
#variable_conflict use_variable
declare
  _1 double precision;
  _ok boolean;
  _reason text;
begin
  _1 := mlguard.ratio_v1(_s, 'have(age)', 'n');  -- coverage(age)
  _ok := _1 >= '0.75'::double precision;
  if _ok is null and _reason is null then
    _reason := case
      when _1 is null then 'no values'
      else 'no answer'
    end;
  end if;
  return row(array['coverage(age)'],
             array[_1]::double precision[],
             mlguard.count_v1(_s, 'n')::bigint, _ok, _reason)::mlguard.found_v1;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."verdict features.customer/some"(jsonb, jsonb) from public;

-- phase: change, locks: none
comment on function mlguard."verdict features.customer/some"(jsonb, jsonb) is 'mlguard:features.customer/some:29100064dd59';

-- undo: drop function if exists mlguard."verdict features.customer/some"(jsonb, jsonb);

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
-- features.customer/mix: distinct_count(age) > 3
-- _s: merged states; _c: what they are of.
#variable_conflict use_variable
declare
  _1 double precision;
  _ok boolean;
  _reason text;
begin
  _1 := mlguard.distinct_v1(_s, 'keys(age) where age is not missing');  -- distinct_count(age)
  _ok := _1 > '3'::double precision;
  if _ok is null and _reason is null then
    _reason := case
      when _1 is null then 'no values'
      else 'no answer'
    end;
  end if;
  return row(array['distinct_count(age)'],
             array[_1]::double precision[],
             mlguard.count_v1(_s, 'n')::bigint, _ok, _reason)::mlguard.found_v1;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."verdict features.customer/mix"(jsonb, jsonb) from public;

-- phase: change, locks: none
comment on function mlguard."verdict features.customer/mix"(jsonb, jsonb) is 'mlguard:features.customer/mix:ca9e2a740fc7';

-- undo: drop function if exists mlguard."verdict features.customer/mix"(jsonb, jsonb);

-- function mlguard."verdict features.customer/daily"(jsonb, jsonb)
-- why: judges the merged states of a batch or window
-- for: features.customer/daily

-- phase: change, locks: none
create or replace function mlguard."verdict features.customer/daily"(_s jsonb, _c jsonb)
returns mlguard.found_v1
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- features.customer/daily: row_count() > 1
-- _s: merged states; _c: what they are of.
#variable_conflict use_variable
declare
  _1 double precision;
  _ok boolean;
  _reason text;
begin
  _1 := mlguard.count_v1(_s, 'n');  -- row_count()
  _ok := _1 > '1'::double precision;
  if _ok is null and _reason is null then
    _reason := case
      when _1 is null then 'no values'
      else 'no answer'
    end;
  end if;
  return row(array['row_count()'],
             array[_1]::double precision[],
             mlguard.count_v1(_s, 'n')::bigint, _ok, _reason)::mlguard.found_v1;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."verdict features.customer/daily"(jsonb, jsonb) from public;

-- phase: change, locks: none
comment on function mlguard."verdict features.customer/daily"(jsonb, jsonb) is 'mlguard:features.customer/daily:1c8f0b2b8f98';

-- undo: drop function if exists mlguard."verdict features.customer/daily"(jsonb, jsonb);

-- function mlguard."after rows features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/some, features.customer/mix, features.customer/daily

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
begin
  with groups as (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      nullif(left(r."plan", 200), '') as load,
      count(*) as n,
      jsonb_build_object(
        'n', count(*),
        'have(age)', count(r."age")) as states
    from new_rows as r
    group by 1, 2
  ), appended as (
    insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states, load)
    select
      'features.customer', mlguard.batch_v1('features.customer'),
      coalesce(case when isfinite(g.bucket) then g.bucket end, date_bin(interval '1 day', statement_timestamp(), timestamptz '2001-01-01 00:00+00')),
      '{}'::jsonb,
      1, TG_OP, g.n, g.states, g.load
    from groups as g
    where g.n > 0
  )
  select
    coalesce(sum(g.n), 0)
    into
    _n
    from groups as g;
  with groups as (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      nullif(left(r."plan", 200), '') as load,
      r."customer_id" as by_1,
      count(*) as n,
      jsonb_build_object(
        'n', count(*)) as states
    from new_rows as r
    group by 1, 2, 3
  ), size as materialized (
    select case when sum(g.n) > 100000 then 50000 / sum(g.n)::double precision else 1 end as share
    from groups as g
  ), picked as materialized (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      nullif(left(r."plan", 200), '') as load,
      r."customer_id" as by_1,
      left(md5(coalesce(r."age"::text, E'\x1e')), 16) as v_1,
      1 / (select size.share from size) as weight
    from new_rows as r
    where random() < (select size.share from size)
  ), empty as materialized (
    select '{"keys(age) where age is not missing": {"t": 1, "k": {}, "n": 0}}'::jsonb as states
  ), threshold_1 as (
    select case when g.n <= 100000 then 1
        else floor(least(1, 16384 * g.groups / (count(*) + (g.n - sum(s.c)) * count(*) filter (where s.c = 1) / sum(s.c))) * 4503599627370496)
          / 4503599627370496::double precision end as t
    from (select coalesce(sum(groups.n), 0) as n, count(*) as groups from groups) as g
    left join (
      select p.bucket, p.load, p.by_1, p.v_1 as h, count(*) as c
      from picked as p
      where p.v_1 is not null and (select sum(g.n) from groups as g) > 100000
      group by 1, 2, 3, 4
    ) as s on true
    group by g.n, g.groups
  ), least_1 as (
    select r.bucket, r.load, r.by_1, r.h, count(*) as c,
      row_number() over (partition by r.bucket, r.load, r.by_1 order by r.h collate "C") as place
    from (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        nullif(left(r."plan", 200), '') as load,
        r."customer_id" as by_1,
        left(md5(coalesce(r."age"::text, E'\x1e')), 16) as h
      from new_rows as r
      where r."age" is not null
    ) as r
    where r.h collate "C" < (select case when t.t = 1 then 'g' else lpad(to_hex((t.t * 4503599627370496)::bigint), 13, '0') end from threshold_1 as t)
    group by 1, 2, 3, 4
  ), keys_1 as (
    select k.bucket, k.load, k.by_1, 'keys(age) where age is not missing' as key,
      jsonb_build_object(
        't', coalesce(('x' || min(k.cut))::bit(52)::bigint / 4503599627370496::double precision, min(t.t)),
        'k', coalesce(jsonb_object_agg(k.h, k.c) filter (where k.cut is null or left(k.h, 13) collate "C" < k.cut), '{}'),
        'n', (sum(k.c) / min(t.t))::bigint) as state
    from (
      select k.*, max(left(k.h, 13)) filter (where k.place = 4097) over (partition by k.bucket, k.load, k.by_1) as cut
      from least_1 as k
    ) as k
    cross join threshold_1 as t
    group by 1, 2, 3, 4
  ), more as (
    select u.bucket, u.load, u.by_1, jsonb_object_agg(u.key, u.state) as states
    from (
      select * from keys_1
    ) as u
    group by 1, 2, 3
  )
  insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states, load)
  select
    'features.customer', mlguard.batch_v1('features.customer'),
    coalesce(case when isfinite(g.bucket) then g.bucket end, date_bin(interval '1 day', statement_timestamp(), timestamptz '2001-01-01 00:00+00')),
    jsonb_build_object('customer_id', g.by_1::text),
    1, TG_OP, g.n, g.states || (select empty.states from empty) || coalesce(m.states, '{}'), g.load
  from groups as g
  left join more as m on coalesce(m.bucket, '-infinity') = coalesce(g.bucket, '-infinity') and coalesce(m.load, '') = coalesce(g.load, '') and jsonb_build_object('customer_id', m.by_1::text) = jsonb_build_object('customer_id', g.by_1::text)
  where g.n > 0;
  if _n > 0 or TG_OP = 'INSERT' then
    perform mlguard.landed_v1('features.customer', _n, '{}');
  end if;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after rows features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after rows features.customer"() is 'mlguard:features.customer:41c02eb02543';

-- undo: drop function if exists mlguard."after rows features.customer"();

-- function mlguard."after removal features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/some, features.customer/mix, features.customer/daily

-- phase: change, locks: none
create or replace function mlguard."after removal features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set extra_float_digits = 1
as $mlguard$
-- features.customer, once a statement, over the rows it wrote or took away.
begin
  if TG_OP = 'TRUNCATE' then
    perform mlguard.truncated_v1('features.customer');
    return null;
  end if;
  with groups as (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      nullif(left(r."plan", 200), '') as load,
      count(*) as n,
      jsonb_build_object(
        'n', count(*),
        'have(age)', count(r."age")) as states
    from old_rows as r
    group by 1, 2
  )
  insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states, load)
  select
    'features.customer', mlguard.batch_v1('features.customer'),
    case when isfinite(g.bucket) then g.bucket end,
    '{}'::jsonb,
    -1, TG_OP, g.n, g.states, g.load
  from groups as g
  where g.n > 0;
  if found and TG_OP = 'DELETE' then  -- it may mend a batch that is held
    perform mlguard.landed_v1('features.customer', 0, '{}');
  end if;
  with groups as (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      nullif(left(r."plan", 200), '') as load,
      r."customer_id" as by_1,
      count(*) as n,
      jsonb_build_object(
        'n', count(*)) as states
    from old_rows as r
    group by 1, 2, 3
  ), size as materialized (
    select case when sum(g.n) > 100000 then 50000 / sum(g.n)::double precision else 1 end as share
    from groups as g
  ), picked as materialized (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      nullif(left(r."plan", 200), '') as load,
      r."customer_id" as by_1,
      left(md5(coalesce(r."age"::text, E'\x1e')), 16) as v_1,
      1 / (select size.share from size) as weight
    from old_rows as r
    where random() < (select size.share from size)
  ), empty as materialized (
    select '{"keys(age) where age is not missing": {"t": 1, "k": {}, "n": 0}}'::jsonb as states
  ), threshold_1 as (
    select case when g.n <= 100000 then 1
        else floor(least(1, 16384 * g.groups / (count(*) + (g.n - sum(s.c)) * count(*) filter (where s.c = 1) / sum(s.c))) * 4503599627370496)
          / 4503599627370496::double precision end as t
    from (select coalesce(sum(groups.n), 0) as n, count(*) as groups from groups) as g
    left join (
      select p.bucket, p.load, p.by_1, p.v_1 as h, count(*) as c
      from picked as p
      where p.v_1 is not null and (select sum(g.n) from groups as g) > 100000
      group by 1, 2, 3, 4
    ) as s on true
    group by g.n, g.groups
  ), least_1 as (
    select r.bucket, r.load, r.by_1, r.h, count(*) as c,
      row_number() over (partition by r.bucket, r.load, r.by_1 order by r.h collate "C") as place
    from (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        nullif(left(r."plan", 200), '') as load,
        r."customer_id" as by_1,
        left(md5(coalesce(r."age"::text, E'\x1e')), 16) as h
      from old_rows as r
      where r."age" is not null
    ) as r
    where r.h collate "C" < (select case when t.t = 1 then 'g' else lpad(to_hex((t.t * 4503599627370496)::bigint), 13, '0') end from threshold_1 as t)
    group by 1, 2, 3, 4
  ), keys_1 as (
    select k.bucket, k.load, k.by_1, 'keys(age) where age is not missing' as key,
      jsonb_build_object(
        't', coalesce(('x' || min(k.cut))::bit(52)::bigint / 4503599627370496::double precision, min(t.t)),
        'k', coalesce(jsonb_object_agg(k.h, k.c) filter (where k.cut is null or left(k.h, 13) collate "C" < k.cut), '{}'),
        'n', (sum(k.c) / min(t.t))::bigint) as state
    from (
      select k.*, max(left(k.h, 13)) filter (where k.place = 4097) over (partition by k.bucket, k.load, k.by_1) as cut
      from least_1 as k
    ) as k
    cross join threshold_1 as t
    group by 1, 2, 3, 4
  ), more as (
    select u.bucket, u.load, u.by_1, jsonb_object_agg(u.key, u.state) as states
    from (
      select * from keys_1
    ) as u
    group by 1, 2, 3
  )
  insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states, load)
  select
    'features.customer', mlguard.batch_v1('features.customer'),
    case when isfinite(g.bucket) then g.bucket end,
    jsonb_build_object('customer_id', g.by_1::text),
    -1, TG_OP, g.n, g.states || (select empty.states from empty) || coalesce(m.states, '{}'), g.load
  from groups as g
  left join more as m on coalesce(m.bucket, '-infinity') = coalesce(g.bucket, '-infinity') and coalesce(m.load, '') = coalesce(g.load, '') and jsonb_build_object('customer_id', m.by_1::text) = jsonb_build_object('customer_id', g.by_1::text)
  where g.n > 0;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after removal features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after removal features.customer"() is 'mlguard:features.customer:219993cb0ec7';

-- undo: drop function if exists mlguard."after removal features.customer"();

-- trigger zz_mlguard_after_rows_insert
-- why: judges all rows of a statement in one pass
-- for: features.customer/some, features.customer/mix, features.customer/daily

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
-- for: features.customer/some, features.customer/mix, features.customer/daily

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
-- for: features.customer/some, features.customer/mix, features.customer/daily

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
-- for: features.customer/some, features.customer/mix, features.customer/daily

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
-- for: features.customer/some, features.customer/mix, features.customer/daily

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
