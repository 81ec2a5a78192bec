-- function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone)
-- why: computes the states of metrics from stored rows
-- for: features.customer/some, features.customer/free, features.customer/by_plan

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
        'have(age)', count(r."age"),
        'sum(tenure_days)', coalesce(sum(v.x_1), 0),
        'have(tenure_days)', count(r."tenure_days"),
        'nan(tenure_days)', count(*) filter (where r."tenure_days" = 'NaN'),
        'n where plan = ''free''', count(*) filter (where r."plan" = 'free'),
        'moments(tenure_days) where plan = ''free''', jsonb_build_array(
          count(v.x_1) filter (where r."plan" = 'free'),
          coalesce(avg(v.x_1) filter (where r."plan" = 'free'), 0),
          coalesce(var_pop(v.x_1) filter (where r."plan" = 'free') * count(v.x_1) filter (where r."plan" = 'free'), 0))) as states
    from "features"."customer" as r
    cross join lateral (select
      case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
    ) as v
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
      r."plan" as by_1,
      count(*) as n,
      jsonb_build_object(
        'n', count(*)) as states
    from "features"."customer" as r
    where (_from is null or (r."event_ts") >= _from) and (_to is null or (r."event_ts") < _to)
    group by 1, 2
  )
  select case when isfinite(g.bucket) then g.bucket end, jsonb_build_object('plan', g.by_1), g.n, g.states
  from groups as g
  where g.n > 0;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone) from public;

-- phase: change, locks: none
comment on function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone) is 'mlguard:features.customer:3169378904d5';

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
-- features.customer/some: coverage(age) >= 0.75 AND mean(tenure_days) < 9
-- _s: merged states; _c: what they are of.
#variable_conflict use_variable
declare
  _1 double precision;
  _2 double precision;
  _ok boolean;
  _reason text;
begin
  _1 := mlguard.ratio_v1(_s, 'have(age)', 'n');  -- coverage(age)
  _2 := mlguard.mean_v1(_s, 'sum(tenure_days)', 'have(tenure_days)', 'nan(tenure_days)');  -- mean(tenure_days)
  _ok := _1 >= '0.75'::double precision and _2 < '9'::double precision;
  if _ok is null and _reason is null then
    _reason := case
      when _1 is null then 'no values'
      when _2 is null then 'no values'
      else 'no answer'
    end;
  end if;
  return row(array['coverage(age)', 'mean(tenure_days)'],
             array[_1, _2]::double precision[],
             mlguard.count_v1(_s, 'n')::bigint, _ok, _reason)::mlguard.found_v1;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."verdict features.customer/some"(jsonb, jsonb) from public;

-- phase: change, locks: none
comment on function mlguard."verdict features.customer/some"(jsonb, jsonb) is 'mlguard:features.customer/some:10317a7e4706';

-- undo: drop function if exists mlguard."verdict features.customer/some"(jsonb, jsonb);

-- function mlguard."verdict features.customer/free"(jsonb, jsonb)
-- why: judges the merged states of a batch or window
-- for: features.customer/free

-- phase: change, locks: none
create or replace function mlguard."verdict features.customer/free"(_s jsonb, _c jsonb)
returns mlguard.found_v1
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- features.customer/free: stddev(tenure_days) < 3
-- _s: merged states; _c: what they are of.
#variable_conflict use_variable
declare
  _1 double precision;
  _ok boolean;
  _reason text;
begin
  _1 := mlguard.stddev_v1(_s, 'moments(tenure_days) where plan = ''free''');  -- stddev(tenure_days) where plan = 'free'
  _ok := _1 < '3'::double precision;
  if _ok is null and _reason is null then
    _reason := case
      when _1 is null then 'no values'
      else 'no answer'
    end;
  end if;
  return row(array['stddev(tenure_days) where plan = ''free'''],
             array[_1]::double precision[],
             mlguard.count_v1(_s, 'n where plan = ''free''')::bigint, _ok, _reason)::mlguard.found_v1;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."verdict features.customer/free"(jsonb, jsonb) from public;

-- phase: change, locks: none
comment on function mlguard."verdict features.customer/free"(jsonb, jsonb) is 'mlguard:features.customer/free:45dc8839fa46';

-- undo: drop function if exists mlguard."verdict features.customer/free"(jsonb, jsonb);

-- function mlguard."verdict features.customer/by_plan"(jsonb, jsonb)
-- why: judges the merged states of a batch or window
-- for: features.customer/by_plan

-- phase: change, locks: none
create or replace function mlguard."verdict features.customer/by_plan"(_s jsonb, _c jsonb)
returns mlguard.found_v1
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- features.customer/by_plan: row_count() > 10
-- _s: merged states; _c: what they are of.
#variable_conflict use_variable
declare
  _1 double precision;
  _ok boolean;
  _reason text;
begin
  _1 := mlguard.count_v1(_s, 'n');  -- row_count()
  _ok := _1 > '10'::double precision;
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
revoke all on function mlguard."verdict features.customer/by_plan"(jsonb, jsonb) from public;

-- phase: change, locks: none
comment on function mlguard."verdict features.customer/by_plan"(jsonb, jsonb) is 'mlguard:features.customer/by_plan:7be996a278f1';

-- undo: drop function if exists mlguard."verdict features.customer/by_plan"(jsonb, jsonb);

-- function mlguard."after rows features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/some, features.customer/free, features.customer/by_plan

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
      count(*) as n,
      jsonb_build_object(
        'n', count(*),
        'have(age)', count(r."age"),
        'sum(tenure_days)', coalesce(sum(v.x_1), 0),
        'have(tenure_days)', count(r."tenure_days"),
        'nan(tenure_days)', count(*) filter (where r."tenure_days" = 'NaN'),
        'n where plan = ''free''', count(*) filter (where r."plan" = 'free'),
        'moments(tenure_days) where plan = ''free''', jsonb_build_array(
          count(v.x_1) filter (where r."plan" = 'free'),
          coalesce(avg(v.x_1) filter (where r."plan" = 'free'), 0),
          coalesce(var_pop(v.x_1) filter (where r."plan" = 'free') * count(v.x_1) filter (where r."plan" = 'free'), 0))) as states
    from new_rows as r
    cross join lateral (select
      case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
    ) as v
    group by 1
  ), appended as (
    insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
    select
      'features.customer', null,
      coalesce(case when isfinite(g.bucket) then g.bucket end, date_bin(interval '1 day', statement_timestamp(), timestamptz '2001-01-01 00:00+00')),
      '{}'::jsonb,
      1, TG_OP, g.n, g.states
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
      r."plan" as by_1,
      count(*) as n,
      jsonb_build_object(
        'n', count(*)) as states
    from new_rows as r
    group by 1, 2
  )
  insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
  select
    'features.customer', null,
    coalesce(case when isfinite(g.bucket) then g.bucket end, date_bin(interval '1 day', statement_timestamp(), timestamptz '2001-01-01 00:00+00')),
    jsonb_build_object('plan', g.by_1),
    1, TG_OP, g.n, g.states
  from groups as g
  where g.n > 0;
  if _n >= 1000 then
    perform mlguard.landed_v1('features.customer', _n, '{}');
  end if;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after rows features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after rows features.customer"() is 'mlguard:features.customer:4e384b6cfe30';

-- undo: drop function if exists mlguard."after rows features.customer"();

-- function mlguard."after removal features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/some, features.customer/free, features.customer/by_plan

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
      count(*) as n,
      jsonb_build_object(
        'n', count(*),
        'have(age)', count(r."age"),
        'sum(tenure_days)', coalesce(sum(v.x_1), 0),
        'have(tenure_days)', count(r."tenure_days"),
        'nan(tenure_days)', count(*) filter (where r."tenure_days" = 'NaN'),
        'n where plan = ''free''', count(*) filter (where r."plan" = 'free'),
        'moments(tenure_days) where plan = ''free''', jsonb_build_array(
          count(v.x_1) filter (where r."plan" = 'free'),
          coalesce(avg(v.x_1) filter (where r."plan" = 'free'), 0),
          coalesce(var_pop(v.x_1) filter (where r."plan" = 'free') * count(v.x_1) filter (where r."plan" = 'free'), 0))) as states
    from old_rows as r
    cross join lateral (select
      case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
    ) as v
    group by 1
  )
  insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
  select
    'features.customer', null,
    case when isfinite(g.bucket) then g.bucket end,
    '{}'::jsonb,
    -1, TG_OP, g.n, g.states
  from groups as g
  where g.n > 0;
  with groups as (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      r."plan" as by_1,
      count(*) as n,
      jsonb_build_object(
        'n', count(*)) as states
    from old_rows as r
    group by 1, 2
  )
  insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
  select
    'features.customer', null,
    case when isfinite(g.bucket) then g.bucket end,
    jsonb_build_object('plan', g.by_1),
    -1, TG_OP, g.n, g.states
  from groups as g
  where g.n > 0;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after removal features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after removal features.customer"() is 'mlguard:features.customer:325d5d33f398';

-- undo: drop function if exists mlguard."after removal features.customer"();

-- trigger zz_mlguard_after_rows_insert
-- why: judges all rows of a statement in one pass
-- for: features.customer/some, features.customer/free, features.customer/by_plan

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
-- for: features.customer/some, features.customer/free, features.customer/by_plan

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
-- for: features.customer/some, features.customer/free, features.customer/by_plan

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
-- for: features.customer/some, features.customer/free, features.customer/by_plan

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
-- for: features.customer/some, features.customer/free, features.customer/by_plan

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
