-- refusal counters email.required
-- why: counts refused attempts, which roll back with their transaction
-- for: features.customer/email.required

-- phase: change, locks: none
select mlguard.count_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/email.required';

-- undo: select mlguard.forget_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/email.required';

-- refusal counters m
-- why: counts refused attempts, which roll back with their transaction
-- for: features.customer/m

-- phase: change, locks: none
select mlguard.count_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/m';

-- undo: select mlguard.forget_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/m';

-- function mlguard."after rows features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/email.required, features.customer/w, features.customer/m, features.customer/s

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
  _bad_2 bigint;
  _bad_3 bigint;
  _bad_4 bigint;
begin
  select
    count(*),
    count(*) filter (where not (r."email" is not null)),
    count(*) filter (where not (r."age" > 1)),
    count(*) filter (where not (r."age" > 2)),
    count(*) filter (where not (r."age" > 3))
    into
    _n,
    _bad_1,
    _bad_2,
    _bad_3,
    _bad_4
    from new_rows as r;
  -- reject email.required
  if _bad_1 > 0 then
    if mlguard.waived_v1('features.customer/email.required') then
      perform mlguard.note_v1('features.customer/email.required', 'NOTED', jsonb_build_object('email', 'not shown (pii)'), null, _n, 1, 'waived')
      from (select * from new_rows as r where not (r."email" is not null) limit 100) as r;
      if _bad_1 > 100 then
        perform mlguard.note_v1('features.customer/email.required', 'NOTED', null, null, _n, _bad_1 - 100, format('and %s more rows', _bad_1 - 100));
      end if;
    else
      perform mlguard.refuse_v1('features.customer/email.required', jsonb_build_object('email', 'not shown (pii)'), null)
      from new_rows as r where not (r."email" is not null) limit 1;
    end if;
  end if;
  -- warn w
  if _bad_2 > 0 then
    perform mlguard.note_v1('features.customer/w', case when mlguard.waived_v1('features.customer/w') then 'NOTED' else 'FAIL' end, jsonb_build_object('age', r."age"), jsonb_build_object('customer_id', r."customer_id"), _n, 1, case when mlguard.waived_v1('features.customer/w') then 'waived' end)
    from (select * from new_rows as r where not (r."age" > 1) limit 100) as r;
    if _bad_2 > 100 then
      perform mlguard.note_v1('features.customer/w', case when mlguard.waived_v1('features.customer/w') then 'NOTED' else 'FAIL' end, null, null, _n, _bad_2 - 100, format('and %s more rows', _bad_2 - 100));
    end if;
  end if;
  -- reject m
  if _bad_3 > 0 then
    perform mlguard.note_v1('features.customer/m', case when mlguard.waived_v1('features.customer/m') then 'NOTED' else 'FAIL' end, jsonb_build_object('age', r."age"), jsonb_build_object('customer_id', r."customer_id"), _n, 1, case when mlguard.waived_v1('features.customer/m') then 'waived' end)
    from (select * from new_rows as r where not (r."age" > 2) limit 100) as r;
    if _bad_3 > 100 then
      perform mlguard.note_v1('features.customer/m', case when mlguard.waived_v1('features.customer/m') then 'NOTED' else 'FAIL' end, null, null, _n, _bad_3 - 100, format('and %s more rows', _bad_3 - 100));
    end if;
  end if;
  -- shadow s
  if _bad_4 > 0 then
    perform mlguard.note_v1('features.customer/s', 'NOTED', jsonb_build_object('age', r."age"), jsonb_build_object('customer_id', r."customer_id"), _n, 1, 'shadow')
    from (select * from new_rows as r where not (r."age" > 3) limit 100) as r;
    if _bad_4 > 100 then
      perform mlguard.note_v1('features.customer/s', 'NOTED', null, null, _n, _bad_4 - 100, format('and %s more rows', _bad_4 - 100));
    end if;
  end if;
  perform mlguard.landed_v1('features.customer', _n, jsonb_build_object('features.customer/m', _bad_3));
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after rows features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after rows features.customer"() is 'mlguard:features.customer:ebf976a623da';

-- undo: drop function if exists mlguard."after rows features.customer"();

-- trigger zz_mlguard_after_rows_insert
-- why: judges all rows of a statement in one pass
-- for: features.customer/email.required, features.customer/w, features.customer/m, features.customer/s

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
-- for: features.customer/email.required, features.customer/w, features.customer/m, features.customer/s

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
