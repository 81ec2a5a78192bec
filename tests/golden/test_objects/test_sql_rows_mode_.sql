-- refusal counters age.range
-- why: counts refused attempts, which roll back with their transaction
-- for: features.customer/age.range

-- phase: change, locks: none
select mlguard.count_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/age.range';

-- undo: select mlguard.forget_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/age.range';

-- refusal counters plan.in
-- why: counts refused attempts, which roll back with their transaction
-- for: features.customer/plan.in

-- phase: change, locks: none
select mlguard.count_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/plan.in';

-- undo: select mlguard.forget_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/plan.in';

-- function mlguard."breaks features.customer (age, plan)"(integer, text)
-- why: holds the rules, bound when it was made
-- for: features.customer/age.range, features.customer/plan.in

-- phase: change, locks: none
create or replace function mlguard."breaks features.customer (age, plan)"("age" integer, "plan" text)
returns boolean
language sql
stable
begin atomic
  select (not ("age" between 0 and 130))
    or (not ("plan" in ('a')));
end;

-- phase: change, locks: none
revoke all on function mlguard."breaks features.customer (age, plan)"(integer, text) from public;

-- phase: change, locks: none
comment on function mlguard."breaks features.customer (age, plan)"(integer, text) is 'mlguard:features.customer:6444913ebaa7';

-- undo: drop function if exists mlguard."breaks features.customer (age, plan)"(integer, text);

-- function mlguard."broken row features.customer"(record, record, text)
-- why: decides what happens to a row that breaks a rule
-- for: features.customer/age.range, features.customer/plan.in

-- phase: change, locks: none
create or replace function mlguard."broken row features.customer"(new record, old record, tg_op text)
returns record
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, YMD'
set timezone = 'UTC'
set intervalstyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
as $mlguard$
-- Row rules of features.customer, called for the rows that break one of them:
--   reject age.range: age BETWEEN 0 AND 130
--   quarantine plan.in: plan IN ('a')
#variable_conflict use_variable
declare
  _broken jsonb := '[]';
begin
  -- quarantine plan.in
  if not (NEW."plan" in ('a')) then
    _broken := _broken || jsonb_build_object('slo', 'features.customer/plan.in',
      'observed', jsonb_build_object('plan', NEW."plan"));
  end if;
  if _broken <> '[]' then
    if TG_OP = 'INSERT' and strpos(current_setting('mlguard.kept_out', true), '|features.customer|') > 0 then
      if mlguard.kept_v1('features.customer', _broken, to_jsonb(NEW), NEW::text,
        jsonb_build_object('customer_id', NEW."customer_id"), TG_OP,
        TG_OP = 'UPDATE' or exists (select from "features"."customer" as stored where stored."customer_id" = NEW."customer_id")) then
        return null;
      end if;
    end if;
    if exists (select from mlguard._waiver as w where w.ended_at is null and w.until > statement_timestamp()) then
      _broken := mlguard.not_waived_v1(_broken, jsonb_build_object('customer_id', NEW."customer_id"));
    end if;
    if _broken <> '[]' then
      if TG_OP = 'UPDATE' then
        perform mlguard.refuse_v1(_broken -> 0 ->> 'slo', _broken -> 0 -> 'observed', jsonb_build_object('customer_id', NEW."customer_id"));
      end if;
      perform mlguard.withhold_v1('features.customer', _broken, to_jsonb(NEW), NEW::text,
        jsonb_build_object('customer_id', NEW."customer_id"), TG_OP,
        TG_OP = 'UPDATE' or exists (select from "features"."customer" as stored where stored."customer_id" = NEW."customer_id"));
      return null;
    end if;
  end if;
  -- reject age.range
  if not (NEW."age" between 0 and 130) then
    if mlguard.not_waived_v1(jsonb_build_array(jsonb_build_object('slo', 'features.customer/age.range', 'observed', jsonb_build_object('age', NEW."age"))), jsonb_build_object('customer_id', NEW."customer_id")) <> '[]' then
      perform mlguard.refuse_v1('features.customer/age.range', jsonb_build_object('age', NEW."age"), jsonb_build_object('customer_id', NEW."customer_id"));
    end if;
  end if;
  return NEW;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."broken row features.customer"(record, record, text) from public;

-- phase: change, locks: none
comment on function mlguard."broken row features.customer"(record, record, text) is 'mlguard:features.customer:9296e6635769';

-- undo: drop function if exists mlguard."broken row features.customer"(record, record, text);

-- function mlguard."before row features.customer"()
-- why: writes: rows: a CHECK is set up anew in every statement, this function keeps its plan; quarantine: a row can be kept out or changed only before it lands
-- for: features.customer/age.range, features.customer/plan.in

-- phase: change, locks: none
create or replace function mlguard."before row features.customer"()
returns trigger
language plpgsql
security definer
as $mlguard$
-- Every row written to features.customer. Pins no search_path, which a good row would pay for: nothing here is
-- looked up in it.
begin
  if mlguard."breaks features.customer (age, plan)"(NEW."age", NEW."plan") is not true then
    return NEW;
  end if;
  return mlguard."broken row features.customer"(NEW, OLD, TG_OP);
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."before row features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."before row features.customer"() is 'mlguard:features.customer:caf6a25902d9';

-- undo: drop function if exists mlguard."before row features.customer"();

-- function mlguard."kept out features.customer"()
-- why: tells the writer how many rows were kept out
-- for: features.customer/age.range, features.customer/plan.in

-- phase: change, locks: none
create or replace function mlguard."kept out features.customer"()
returns trigger
language plpgsql
security definer
as $mlguard$
-- Tells who wrote features.customer how many rows were kept out.
-- Entered after every statement; pins no search_path, since nothing here is looked up in it.
begin
  if pg_catalog.strpos(pg_catalog.current_setting('mlguard.kept_out', true), '|features.customer|') operator(pg_catalog.>) 0 then
    perform mlguard.kept_out_warning_v1('features.customer');
  end if;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."kept out features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."kept out features.customer"() is 'mlguard:features.customer:53c2ca6e4c3c';

-- undo: drop function if exists mlguard."kept out features.customer"();

-- trigger zz_mlguard_before_row
-- why: a row can be kept out or changed only before it lands
-- for: features.customer/age.range, features.customer/plan.in

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_before_row
before insert or update on "features"."customer"
for each row
execute function mlguard."before row features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_before_row;

-- phase: change, locks: none
comment on trigger zz_mlguard_before_row on "features"."customer" is 'mlguard:features.customer:4fdffe0a70de';

-- undo: drop trigger if exists zz_mlguard_before_row on "features"."customer";

-- trigger zz_mlguard_kept_out
-- why: tells the writer how many rows were kept out
-- for: features.customer/age.range, features.customer/plan.in

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_kept_out
after insert or update on "features"."customer"
for each statement
execute function mlguard."kept out features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_kept_out;

-- phase: change, locks: none
comment on trigger zz_mlguard_kept_out on "features"."customer" is 'mlguard:features.customer:4ef8e4a54ccf';

-- undo: drop trigger if exists zz_mlguard_kept_out on "features"."customer";
