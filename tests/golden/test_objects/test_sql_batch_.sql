-- refusal counters some
-- why: counts refused attempts, which roll back with their transaction
-- for: features.customer/some

-- phase: change, locks: none
select mlguard.count_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/some';

-- undo: select mlguard.forget_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/some';

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

-- function mlguard."after rows features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/w, features.customer/some

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
  _bad_1 bigint;
begin
  with groups as (
    select
      count(*) as n,
      jsonb_build_object(
        'n', count(*),
        'have(age)', count(r."age")) as states,
      count(*) filter (where not (r."age" > 1)) as bad_1
    from new_rows as r
  ), appended as (
    insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
    select
      'features.customer', mlguard.batch_v1('features.customer'),
      null::timestamptz,
      '{}'::jsonb,
      1, TG_OP, g.n, g.states
    from groups as g
    where g.n > 0
  )
  select
    coalesce(sum(g.n), 0),
    coalesce(sum(g.bad_1), 0)
    into
    _n,
    _bad_1
    from groups as g;
  -- warn w
  if _bad_1 > 0 then
    perform mlguard.note_v1('features.customer/w', case when mlguard.waived_v1('features.customer/w') then 'NOTED' else 'FAIL' end, jsonb_build_object('age', r."age"), jsonb_build_object('customer_id', r."customer_id"), _n, 1, case when mlguard.waived_v1('features.customer/w') then 'waived' end)
    from (select * from new_rows as r where not (r."age" > 1) limit 100) as r;
    if _bad_1 > 100 then
      perform mlguard.note_v1('features.customer/w', case when mlguard.waived_v1('features.customer/w') then 'NOTED' else 'FAIL' end, null, null, _n, _bad_1 - 100, format('and %s more rows', _bad_1 - 100));
    end if;
  end if;
  if _n > 0 or TG_OP = 'INSERT' then
    perform mlguard.landed_v1('features.customer', _n, '{}');
  end if;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after rows features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after rows features.customer"() is 'mlguard:features.customer:4856c541f7f4';

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
      count(*) as n,
      jsonb_build_object(
        'n', count(*),
        'have(age)', count(r."age")) as states
    from old_rows as r
  )
  insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
  select
    'features.customer', mlguard.batch_v1('features.customer'),
    null::timestamptz,
    '{}'::jsonb,
    -1, TG_OP, g.n, g.states
  from groups as g
  where g.n > 0;
  if found and TG_OP = 'DELETE' then  -- it may mend a batch that is held
    perform mlguard.landed_v1('features.customer', 0, '{}');
  end if;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after removal features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after removal features.customer"() is 'mlguard:features.customer/some:d10dd063348b';

-- undo: drop function if exists mlguard."after removal features.customer"();

-- trigger zz_mlguard_after_rows_insert
-- why: judges all rows of a statement in one pass
-- for: features.customer/w, features.customer/some

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
-- for: features.customer/w, features.customer/some

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
