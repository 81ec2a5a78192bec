-- function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone)
-- why: computes the states of metrics from stored rows
-- for: features.customer/event_ts.no_gaps

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
        'n', count(*)) as states
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
comment on function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone) is 'mlguard:features.customer/event_ts.no_gaps:a34f1eb41af7';

-- undo: drop function if exists mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone);

-- function mlguard."verdict features.customer/event_ts.no_gaps"(jsonb, jsonb)
-- why: computes the longest gap of a window from its own stored rows
-- for: features.customer/event_ts.no_gaps

-- phase: change, locks: none
create or replace function mlguard."verdict features.customer/event_ts.no_gaps"(_s jsonb, _c jsonb)
returns mlguard.found_v1
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
as $mlguard$
-- features.customer/event_ts.no_gaps: gap_seconds(event_ts) <= 3600
-- _c: the window; its own rows are read by an index on event_ts, and the newest before it.
#variable_conflict use_variable
declare
  _from timestamptz := (_c ->> 'start')::timestamptz;
  _to timestamptz := (_c ->> 'end')::timestamptz;
  _before timestamptz;
  _last timestamptz;
  _n bigint;
  _gap double precision;
begin
  select max(t."event_ts")
  into _before
  from "features"."customer" as t
  where t."event_ts" < _from and t."event_ts" > '-infinity';

  -- Each row's distance from the one before it, the first one's from the newest before the window.
  select count(*), extract(epoch from max(g.at - g.before)), max(g.at)
  into _n, _gap, _last
  from (
    select t."event_ts" as at, lag(t."event_ts", 1, _before) over (order by t."event_ts") as before
    from "features"."customer" as t
    where t."event_ts" >= _from and t."event_ts" < _to
  ) as g;

  -- Nothing came between the last row and the end of the window: GREATEST passes over what is null.
  _gap := greatest(_gap, extract(epoch from _to - coalesce(_last, _before)));
  return row(array['gap_seconds(event_ts)'], array[_gap]::double precision[], _n, _gap <= 3600,
             case when _gap is null then 'no rows yet' end)::mlguard.found_v1;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."verdict features.customer/event_ts.no_gaps"(jsonb, jsonb) from public;

-- phase: change, locks: none
comment on function mlguard."verdict features.customer/event_ts.no_gaps"(jsonb, jsonb) is 'mlguard:features.customer/event_ts.no_gaps:86b20919cbc0';

-- undo: drop function if exists mlguard."verdict features.customer/event_ts.no_gaps"(jsonb, jsonb);

-- function mlguard."after rows features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/event_ts.no_gaps

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
        'n', count(*)) as states
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
comment on function mlguard."after rows features.customer"() is 'mlguard:features.customer/event_ts.no_gaps:d73f21bcd07a';

-- undo: drop function if exists mlguard."after rows features.customer"();

-- function mlguard."after removal features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/event_ts.no_gaps

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
        'n', count(*)) as states
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
comment on function mlguard."after removal features.customer"() is 'mlguard:features.customer/event_ts.no_gaps:f30aa3b94c7a';

-- undo: drop function if exists mlguard."after removal features.customer"();

-- trigger zz_mlguard_after_rows_insert
-- why: judges all rows of a statement in one pass
-- for: features.customer/event_ts.no_gaps

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_rows_insert
after insert on "features"."customer"
referencing new table as new_rows
for each statement
execute function mlguard."after rows features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_rows_insert;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_rows_insert on "features"."customer" is 'mlguard:features.customer/event_ts.no_gaps:2c20cab8c069';

-- undo: drop trigger if exists zz_mlguard_after_rows_insert on "features"."customer";

-- trigger zz_mlguard_after_rows_update
-- why: judges all rows of a statement in one pass
-- for: features.customer/event_ts.no_gaps

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_rows_update
after update on "features"."customer"
referencing new table as new_rows
for each statement
execute function mlguard."after rows features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_rows_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_rows_update on "features"."customer" is 'mlguard:features.customer/event_ts.no_gaps:85d2ca7fade4';

-- undo: drop trigger if exists zz_mlguard_after_rows_update on "features"."customer";

-- trigger zz_mlguard_after_removal_update
-- why: judges all rows of a statement in one pass
-- for: features.customer/event_ts.no_gaps

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_removal_update
after update on "features"."customer"
referencing old table as old_rows
for each statement
execute function mlguard."after removal features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_removal_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_removal_update on "features"."customer" is 'mlguard:features.customer/event_ts.no_gaps:5690e9c2f675';

-- undo: drop trigger if exists zz_mlguard_after_removal_update on "features"."customer";

-- trigger zz_mlguard_after_removal_delete
-- why: judges all rows of a statement in one pass
-- for: features.customer/event_ts.no_gaps

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_removal_delete
after delete on "features"."customer"
referencing old table as old_rows
for each statement
execute function mlguard."after removal features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_removal_delete;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_removal_delete on "features"."customer" is 'mlguard:features.customer/event_ts.no_gaps:f4698b3df172';

-- undo: drop trigger if exists zz_mlguard_after_removal_delete on "features"."customer";

-- trigger zz_mlguard_after_removal_truncate
-- why: judges all rows of a statement in one pass
-- for: features.customer/event_ts.no_gaps

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_removal_truncate
after truncate on "features"."customer"
for each statement
execute function mlguard."after removal features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_removal_truncate;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_removal_truncate on "features"."customer" is 'mlguard:features.customer/event_ts.no_gaps:07c263f33cf3';

-- undo: drop trigger if exists zz_mlguard_after_removal_truncate on "features"."customer";
