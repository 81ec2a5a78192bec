-- function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone)
-- why: computes the states of metrics from stored rows
-- for: features.customer/age.usual, features.customer/plan.usual, features.customer/tenure_days.usual, features.customer/email.usual, features.customer/payload.usual, features.customer/rows.usual

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
comment on function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone) is 'mlguard:features.customer:a34f1eb41af7';

-- undo: drop function if exists mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone);

-- function mlguard."sample features.customer"(timestamp with time zone, timestamp with time zone)
-- why: samples stored rows for learned health
-- for: features.customer/age.usual, features.customer/plan.usual, features.customer/tenure_days.usual, features.customer/email.usual, features.customer/payload.usual, features.customer/rows.usual

-- phase: change, locks: none
create or replace function mlguard."sample features.customer"(_from timestamptz, _to timestamptz)
returns table (bucket timestamptz, n bigint, k integer, column_name text, nums double precision[], texts text[])
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, YMD'
set timezone = 'UTC'
as $mlguard$
-- A sample of each bucket of the stored rows of features.customer with event times from _from up to _to; null, null: of all.
begin
  return query
  select case when isfinite(s.bucket) then s.bucket end, s.n, s.k, c.name, c.nums, c.texts
  from (
    select
      p.bucket,
      p.n,
      count(*)::integer as k,
      array_agg(p.v_1::double precision) as v_1,
      array_agg(p.v_2::double precision) as v_2,
      array_agg(left(p.v_3, 200)) as v_3,
      array_agg(p.v_4::double precision) as v_4,
      array_agg(left(md5(p.v_5), 16)) as v_5,
      array_agg(left(md5(p.v_6::text), 16)) as v_6,
      array_agg(left(p.v_7::text, 200)) as v_7
    from (
      select r.*, z.n, row_number() over (partition by r.bucket order by r.pick) as place
      from (
        select
          date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
          (r."mlguard arrival" * 2654435761 % 4294967296)::double precision / 4294967296 as pick,
          r."customer_id" as v_1,
          r."age" as v_2,
          r."plan" as v_3,
          r."tenure_days" as v_4,
          r."email" as v_5,
          r."payload" as v_6,
          r."event_ts" as v_7
        from (
          select r.*, row_number() over () - 1 as "mlguard arrival" from "features"."customer" as r
          where (_from is null or (r."event_ts") >= _from) and (_to is null or (r."event_ts") < _to)
        ) as r
      ) as r
      join (
        select
          date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
          count(*) as n
        from "features"."customer" as r
        where (_from is null or (r."event_ts") >= _from) and (_to is null or (r."event_ts") < _to)
        group by 1
      ) as z on coalesce(z.bucket, '-infinity') = coalesce(r.bucket, '-infinity')
      where r.pick < 2300::double precision / z.n
    ) as p
    where p.place <= 2000
    group by 1, 2
  ) as s
  cross join lateral (values
    ('customer_id', s.v_1, null::text[]),
    ('age', s.v_2, null::text[]),
    ('plan', null, s.v_3),
    ('tenure_days', s.v_4, null::text[]),
    ('email', null, s.v_5),
    ('payload', null, s.v_6),
    ('event_ts', null, s.v_7)
  ) as c (name, nums, texts);
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."sample features.customer"(timestamp with time zone, timestamp with time zone) from public;

-- phase: change, locks: none
comment on function mlguard."sample features.customer"(timestamp with time zone, timestamp with time zone) is 'mlguard:features.customer:3c985f6c42df';

-- undo: drop function if exists mlguard."sample features.customer"(timestamp with time zone, timestamp with time zone);

-- function mlguard."after rows features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/age.usual, features.customer/plan.usual, features.customer/tenure_days.usual, features.customer/email.usual, features.customer/payload.usual, features.customer/rows.usual

-- phase: change, locks: none
create or replace function mlguard."after rows features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, YMD'
set timezone = 'UTC'
as $mlguard$
-- features.customer, once a statement, over the rows it wrote or took away.
#variable_conflict use_variable
declare
  _n bigint;
  _buckets timestamptz[];
  _sizes bigint[];
  _large timestamptz[];
  _share double precision;
  _written no scroll cursor for select r.* from new_rows as r;
  _line record;
  _place bigint;
  _at bigint := -1;
  _k integer := 0;
  _arrival double precision[];
  _v_1 double precision[];
  _v_2 double precision[];
  _v_3 text[];
  _v_4 double precision[];
  _v_5 text[];
  _v_6 text[];
  _v_7 text[];
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
    coalesce(sum(g.n), 0),
    array_agg(g.bucket),
    array_agg(g.n),
    array_agg(g.bucket) filter (where g.n > 2300),
    2300::double precision / min(g.n) filter (where g.n > 2300)
    into
    _n,
    _buckets,
    _sizes,
    _large,
    _share
    from groups as g;
  if _n >= 20 and cardinality(_buckets) = 1 then
    open _written;
    foreach _place in array mlguard.sample_places_v1(_n, 2300, 2000) loop
      fetch relative _place - _at from _written into _line;
      _at := _place;
      _k := _k + 1;
      _arrival[_k] := _place;
      _v_1[_k] := _line."customer_id"::double precision;
      _v_2[_k] := _line."age"::double precision;
      _v_3[_k] := left(_line."plan", 200);
      _v_4[_k] := _line."tenure_days"::double precision;
      _v_5[_k] := left(md5(_line."email"), 16);
      _v_6[_k] := left(md5(_line."payload"::text), 16);
      _v_7[_k] := left(_line."event_ts"::text, 200);
    end loop;
    close _written;
    perform mlguard.add_sample_v1('features.customer', coalesce(case when isfinite(s.bucket) then s.bucket end, date_bin(interval '1 day', statement_timestamp(), timestamptz '2001-01-01 00:00+00')), _n, _k,
      c.name, c.nums, c.texts)
    from (select _buckets[1] as bucket) as s
    cross join (values
      ('', _arrival, null::text[]),
      ('customer_id', _v_1, null::text[]),
      ('age', _v_2, null::text[]),
      ('plan', null, _v_3),
      ('tenure_days', _v_4, null::text[]),
      ('email', null, _v_5),
      ('payload', null, _v_6),
      ('event_ts', null, _v_7)
    ) as c (name, nums, texts);
  elsif _n >= 20 then
    perform mlguard.add_sample_v1('features.customer', coalesce(case when isfinite(s.bucket) then s.bucket end, date_bin(interval '1 day', statement_timestamp(), timestamptz '2001-01-01 00:00+00')), s.n, s.k,
      c.name, c.nums, c.texts)
    from (
      select
        p.bucket,
        p.n,
        count(*)::integer as k,
        array_agg((p.seq - p.first_seq)::double precision order by p.seq) as arrival,
        array_agg(p.v_1::double precision order by p.seq) as v_1,
        array_agg(p.v_2::double precision order by p.seq) as v_2,
        array_agg(left(p.v_3, 200) order by p.seq) as v_3,
        array_agg(p.v_4::double precision order by p.seq) as v_4,
        array_agg(left(md5(p.v_5), 16) order by p.seq) as v_5,
        array_agg(left(md5(p.v_6::text), 16) order by p.seq) as v_6,
        array_agg(left(p.v_7::text, 200) order by p.seq) as v_7
      from (
        select r.*, z.n, row_number() over (partition by r.bucket order by r.pick) as place, case when cardinality(_buckets) = 1 then 0 else min(r.seq) over (partition by r.bucket) end as first_seq
        from (
          select
            date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
            (r."mlguard arrival" * 2654435761 % 4294967296)::double precision / 4294967296 as pick,
            r."mlguard arrival" as seq,
            r."customer_id" as v_1,
            r."age" as v_2,
            r."plan" as v_3,
            r."tenure_days" as v_4,
            r."email" as v_5,
            r."payload" as v_6,
            r."event_ts" as v_7
          from (select r.*, row_number() over () - 1 as "mlguard arrival" from new_rows as r) as r
          where (r."mlguard arrival" * 2654435761 % 4294967296)::double precision / 4294967296 < case when date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') = any (_large) then _share else 1 end
        ) as r
        join unnest(_buckets, _sizes) as z (bucket, n) on coalesce(z.bucket, '-infinity') = coalesce(r.bucket, '-infinity')
        where r.pick < 2300::double precision / z.n
      ) as p
      where p.place <= 2000
      group by 1, 2
    ) as s
    cross join lateral (values
      ('', s.arrival, null::text[]),
      ('customer_id', s.v_1, null::text[]),
      ('age', s.v_2, null::text[]),
      ('plan', null, s.v_3),
      ('tenure_days', s.v_4, null::text[]),
      ('email', null, s.v_5),
      ('payload', null, s.v_6),
      ('event_ts', null, s.v_7)
    ) as c (name, nums, texts);
  end if;
  if _n >= 1000 then
    perform mlguard.landed_v1('features.customer', _n, '{}');
  end if;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after rows features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after rows features.customer"() is 'mlguard:features.customer:855f52efdcce';

-- undo: drop function if exists mlguard."after rows features.customer"();

-- function mlguard."after removal features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/age.usual, features.customer/plan.usual, features.customer/tenure_days.usual, features.customer/email.usual, features.customer/payload.usual, features.customer/rows.usual

-- phase: change, locks: none
create or replace function mlguard."after removal features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, YMD'
set timezone = 'UTC'
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
comment on function mlguard."after removal features.customer"() is 'mlguard:features.customer:5babfaeb3be3';

-- undo: drop function if exists mlguard."after removal features.customer"();

-- trigger zz_mlguard_after_rows_insert
-- why: judges all rows of a statement in one pass
-- for: features.customer/age.usual, features.customer/plan.usual, features.customer/tenure_days.usual, features.customer/email.usual, features.customer/payload.usual, features.customer/rows.usual

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
-- for: features.customer/age.usual, features.customer/plan.usual, features.customer/tenure_days.usual, features.customer/email.usual, features.customer/payload.usual, features.customer/rows.usual

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
-- for: features.customer/age.usual, features.customer/plan.usual, features.customer/tenure_days.usual, features.customer/email.usual, features.customer/payload.usual, features.customer/rows.usual

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
-- for: features.customer/age.usual, features.customer/plan.usual, features.customer/tenure_days.usual, features.customer/email.usual, features.customer/payload.usual, features.customer/rows.usual

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
-- for: features.customer/age.usual, features.customer/plan.usual, features.customer/tenure_days.usual, features.customer/email.usual, features.customer/payload.usual, features.customer/rows.usual

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
