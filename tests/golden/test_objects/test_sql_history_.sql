-- function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone)
-- why: computes the states of metrics from stored rows
-- for: features.customer/drop

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
comment on function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone) is 'mlguard:features.customer/drop:02da5d335a3c';

-- undo: drop function if exists mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone);

-- function mlguard."verdict features.customer/drop"(jsonb, jsonb)
-- why: judges the merged states of a batch or window
-- for: features.customer/drop

-- phase: change, locks: none
create or replace function mlguard."verdict features.customer/drop"(_s jsonb, _c jsonb)
returns mlguard.found_v1
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- features.customer/drop: change(coverage(age), '7 days') >= -0.25 AND usual(mean(age))
-- _s: merged states; _c: what they are of.
#variable_conflict use_variable
declare
  _1 double precision;
  _2 boolean;
  _3 double precision;
  _4 double precision;
  _ok boolean;
  _reason text;
begin
  _3 := mlguard.ratio_v1(_s, 'have(age)', 'n');  -- coverage(age)
  _4 := mlguard.mean_v1(_s, 'sum(age)', 'have(age)', null);  -- mean(age)
  _1 := _3 / nullif(mlguard.trailing_v1(_c, 'coverage(age)', interval '7 days'), 0) - 1;  -- change(coverage(age), '7 days')
  _2 := mlguard.usual_v1(_c, 'mean(age)', _4, mlguard.count_v1(_s, 'n')::bigint);  -- usual(mean(age))
  _ok := _1 >= '-0.25'::double precision and _2;
  if _ok is null and _reason is null then
    _reason := case
      when _3 is null then 'no values'
      when _4 is null then 'no values'
      when mlguard.trailing_v1(_c, 'coverage(age)', interval '7 days') = 0 then 'trailing is 0'
      when _1 is null then 'fewer than 3 earlier windows'
      when _2 is null then 'learning'
      else 'no answer'
    end;
  end if;
  return row(array['change(coverage(age), ''7 days'')', 'usual(mean(age))', 'coverage(age)', 'mean(age)'],
             array[_1, _2::integer, _3, _4]::double precision[],
             mlguard.count_v1(_s, 'n')::bigint, _ok, _reason)::mlguard.found_v1;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."verdict features.customer/drop"(jsonb, jsonb) from public;

-- phase: change, locks: none
comment on function mlguard."verdict features.customer/drop"(jsonb, jsonb) is 'mlguard:features.customer/drop:efa47d3993de';

-- undo: drop function if exists mlguard."verdict features.customer/drop"(jsonb, jsonb);

-- function mlguard."after rows features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/drop

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
  if _n >= 1000 then
    perform mlguard.landed_v1('features.customer', _n, '{}');
  end if;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after rows features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after rows features.customer"() is 'mlguard:features.customer/drop:3105a157004d';

-- undo: drop function if exists mlguard."after rows features.customer"();

-- function mlguard."after removal features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/drop

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
comment on function mlguard."after removal features.customer"() is 'mlguard:features.customer/drop:e0200a48e56f';

-- undo: drop function if exists mlguard."after removal features.customer"();

-- trigger zz_mlguard_after_rows_insert
-- why: judges all rows of a statement in one pass
-- for: features.customer/drop

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_rows_insert
after insert on "features"."customer"
referencing new table as new_rows
for each statement
execute function mlguard."after rows features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_rows_insert;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_rows_insert on "features"."customer" is 'mlguard:features.customer/drop:2c20cab8c069';

-- undo: drop trigger if exists zz_mlguard_after_rows_insert on "features"."customer";

-- trigger zz_mlguard_after_rows_update
-- why: judges all rows of a statement in one pass
-- for: features.customer/drop

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_rows_update
after update on "features"."customer"
referencing new table as new_rows
for each statement
execute function mlguard."after rows features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_rows_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_rows_update on "features"."customer" is 'mlguard:features.customer/drop:85d2ca7fade4';

-- undo: drop trigger if exists zz_mlguard_after_rows_update on "features"."customer";

-- trigger zz_mlguard_after_removal_update
-- why: judges all rows of a statement in one pass
-- for: features.customer/drop

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_removal_update
after update on "features"."customer"
referencing old table as old_rows
for each statement
execute function mlguard."after removal features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_removal_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_removal_update on "features"."customer" is 'mlguard:features.customer/drop:5690e9c2f675';

-- undo: drop trigger if exists zz_mlguard_after_removal_update on "features"."customer";

-- trigger zz_mlguard_after_removal_delete
-- why: judges all rows of a statement in one pass
-- for: features.customer/drop

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_removal_delete
after delete on "features"."customer"
referencing old table as old_rows
for each statement
execute function mlguard."after removal features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_removal_delete;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_removal_delete on "features"."customer" is 'mlguard:features.customer/drop:f4698b3df172';

-- undo: drop trigger if exists zz_mlguard_after_removal_delete on "features"."customer";

-- trigger zz_mlguard_after_removal_truncate
-- why: judges all rows of a statement in one pass
-- for: features.customer/drop

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_removal_truncate
after truncate on "features"."customer"
for each statement
execute function mlguard."after removal features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_removal_truncate;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_removal_truncate on "features"."customer" is 'mlguard:features.customer/drop:07c263f33cf3';

-- undo: drop trigger if exists zz_mlguard_after_removal_truncate on "features"."customer";
