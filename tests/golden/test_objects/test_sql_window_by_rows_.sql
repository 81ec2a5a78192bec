-- function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone)
-- why: computes the states of metrics from stored rows
-- for: features.customer/some

-- phase: change, locks: none
create or replace function mlguard."recount features.customer"(_from timestamptz, _to timestamptz)
returns table (bucket timestamptz, segment jsonb, n bigint, states jsonb)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
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
        'sum(age)', coalesce(sum(r."age"), 0)) as states
    from "features"."customer" as r
    where (_from is null or (r."event_ts") >= _from) and (_to is null or (r."event_ts") < _to)
    group by 1
  )
  select case when isfinite(g.bucket) then g.bucket end, '{}'::jsonb, g.n, g.states
  from groups as g
  where g.n > 0;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone) from public;

-- phase: change, locks: none
comment on function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone) is 'mlguard:features.customer/some:02da5d335a3c';

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
-- features.customer/some: coverage(age) >= 0.75 AND sum(age) > 9
-- _s: merged states; _c: what they are of.
#variable_conflict use_variable
declare
  _1 double precision;
  _2 double precision;
  _ok boolean;
  _reason text;
begin
  _1 := mlguard.ratio_v1(_s, 'have(age)', 'n');  -- coverage(age)
  _2 := mlguard.sum_v1(_s, 'sum(age)', 'have(age)', null);  -- sum(age)
  _ok := _1 >= '0.75'::double precision and _2 > '9'::double precision;
  if _ok is null and _reason is null then
    _reason := case
      when _1 is null then 'no values'
      when _2 is null then 'no values'
      else 'no answer'
    end;
  end if;
  return row(array['coverage(age)', 'sum(age)'],
             array[_1, _2]::double precision[],
             mlguard.count_v1(_s, 'n')::bigint, _ok, _reason)::mlguard.found_v1;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."verdict features.customer/some"(jsonb, jsonb) from public;

-- phase: change, locks: none
comment on function mlguard."verdict features.customer/some"(jsonb, jsonb) is 'mlguard:features.customer/some:aa16c4e007ae';

-- undo: drop function if exists mlguard."verdict features.customer/some"(jsonb, jsonb);

-- function mlguard."after rows features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/some

-- phase: change, locks: none
create or replace function mlguard."after rows features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- features.customer, once a statement, over the rows it wrote or took away.
#variable_conflict use_variable
declare
  _n bigint;
begin
  -- one row in which nothing is missing
  insert into mlguard._single (tbl, bucket, known, states)
  select
    'features.customer',
    g.bucket,
    '{"n": 1, "have(age)": 1}'::jsonb,
    g.states
  from (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      jsonb_build_object(
        'sum(age)', r."age") as states
    from new_rows as r
    where num_nulls(r."age") = 0
      and isfinite(r."event_ts")
      and not exists (select from new_rows offset 1)
  ) as g;
  if found then
    return null;
  end if;
  with groups as (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      count(*) as n,
      jsonb_build_object(
        'n', count(*),
        'have(age)', count(r."age"),
        'sum(age)', coalesce(sum(r."age"), 0)) as states
    from new_rows as r
    group by 1
  )
  insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
  select
    'features.customer', null,
    coalesce(case when isfinite(g.bucket) then g.bucket end, date_bin(interval '1 day', statement_timestamp(), timestamptz '2001-01-01 00:00+00')),
    '{}'::jsonb,
    1, TG_OP, g.n, g.states
  from groups as g
  where g.n > 0;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after rows features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after rows features.customer"() is 'mlguard:features.customer/some:dfd227c70c45';

-- undo: drop function if exists mlguard."after rows features.customer"();

-- function mlguard."after removal features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/some

-- phase: change, locks: none
create or replace function mlguard."after removal features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
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
        'sum(age)', coalesce(sum(r."age"), 0)) as states
    from old_rows as r
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
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after removal features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after removal features.customer"() is 'mlguard:features.customer/some:e0200a48e56f';

-- undo: drop function if exists mlguard."after removal features.customer"();

-- trigger zz_mlguard_after_rows_insert
-- why: judges all rows of a statement in one pass
-- for: features.customer/some

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_rows_insert
after insert on "features"."customer"
referencing new table as new_rows
for each statement
execute function mlguard."after rows features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_rows_insert;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_rows_insert on "features"."customer" is 'mlguard:features.customer/some:2c20cab8c069';

-- undo: drop trigger if exists zz_mlguard_after_rows_insert on "features"."customer";

-- trigger zz_mlguard_after_rows_update
-- why: judges all rows of a statement in one pass
-- for: features.customer/some

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_rows_update
after update on "features"."customer"
referencing new table as new_rows
for each statement
execute function mlguard."after rows features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_rows_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_rows_update on "features"."customer" is 'mlguard:features.customer/some:85d2ca7fade4';

-- undo: drop trigger if exists zz_mlguard_after_rows_update on "features"."customer";

-- trigger zz_mlguard_after_removal_update
-- why: judges all rows of a statement in one pass
-- for: features.customer/some

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_removal_update
after update on "features"."customer"
referencing old table as old_rows
for each statement
execute function mlguard."after removal features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_removal_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_removal_update on "features"."customer" is 'mlguard:features.customer/some:5690e9c2f675';

-- undo: drop trigger if exists zz_mlguard_after_removal_update on "features"."customer";

-- trigger zz_mlguard_after_removal_delete
-- why: judges all rows of a statement in one pass
-- for: features.customer/some

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_removal_delete
after delete on "features"."customer"
referencing old table as old_rows
for each statement
execute function mlguard."after removal features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_removal_delete;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_removal_delete on "features"."customer" is 'mlguard:features.customer/some:f4698b3df172';

-- undo: drop trigger if exists zz_mlguard_after_removal_delete on "features"."customer";

-- trigger zz_mlguard_after_removal_truncate
-- why: judges all rows of a statement in one pass
-- for: features.customer/some

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_removal_truncate
after truncate on "features"."customer"
for each statement
execute function mlguard."after removal features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_removal_truncate;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_removal_truncate on "features"."customer" is 'mlguard:features.customer/some:07c263f33cf3';

-- undo: drop trigger if exists zz_mlguard_after_removal_truncate on "features"."customer";
