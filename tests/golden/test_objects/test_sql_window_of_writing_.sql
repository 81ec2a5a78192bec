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
-- features.customer/some: row_count() > 10
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
revoke all on function mlguard."verdict features.customer/some"(jsonb, jsonb) from public;

-- phase: change, locks: none
comment on function mlguard."verdict features.customer/some"(jsonb, jsonb) is 'mlguard:features.customer/some:58b47a893e00';

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
  with groups as (
    select
      count(*) as n,
      jsonb_build_object(
        'n', count(*)) as states
    from new_rows as r
  ), appended as (
    insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
    select
      'features.customer', null,
      date_bin(interval '1 day', statement_timestamp(), timestamptz '2001-01-01 00:00+00'),
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
comment on function mlguard."after rows features.customer"() is 'mlguard:features.customer/some:da52762399cb';

-- undo: drop function if exists mlguard."after rows features.customer"();

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
