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

-- function mlguard."before row features.customer"()
-- why: quarantine: a row can be kept out or changed only before it lands
-- for: features.customer/age.range, features.customer/plan.in

-- phase: change, locks: none
create or replace function mlguard."before row features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, YMD'
set timezone = 'UTC'
set intervalstyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
as $mlguard$
-- Row rules of features.customer, called for the rows that break one of its rules:
--   quarantine age.range: age BETWEEN 0 AND 130
--   quarantine plan.in: plan IN ('a', 'b')
#variable_conflict use_variable
declare
  _broken jsonb := '[]';
begin
  -- quarantine age.range
  if not (NEW."age" between 0 and 130) then
    _broken := _broken || jsonb_build_object('slo', 'features.customer/age.range',
      'observed', jsonb_build_object('age', NEW."age"));
  end if;
  -- quarantine plan.in
  if not (NEW."plan" in ('a', 'b')) then
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
  return NEW;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."before row features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."before row features.customer"() is 'mlguard:features.customer:7570275d577a';

-- undo: drop function if exists mlguard."before row features.customer"();

-- function mlguard."count before features.customer"()
-- why: tells the writer how many rows were kept out
-- for: features.customer/age.range, features.customer/plan.in

-- phase: change, locks: none
create or replace function mlguard."count before features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- Tells who wrote features.customer how many rows were kept out.
begin
  perform set_config('mlguard.landed_before', (
    pg_stat_get_xact_tuples_inserted('"features"."customer"'::regclass)
      + pg_stat_get_xact_tuples_updated('"features"."customer"'::regclass))::text, true);
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."count before features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."count before features.customer"() is 'mlguard:features.customer:8c5b302745c7';

-- undo: drop function if exists mlguard."count before features.customer"();

-- function mlguard."kept out features.customer"()
-- why: tells the writer how many rows were kept out
-- for: features.customer/age.range, features.customer/plan.in

-- phase: change, locks: none
create or replace function mlguard."kept out features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- Tells who wrote features.customer how many rows were kept out.
#variable_conflict use_variable
declare
  _landed bigint;
begin
  if current_setting('track_counts') = 'on' then
    _landed := pg_stat_get_xact_tuples_inserted('"features"."customer"'::regclass)
    + pg_stat_get_xact_tuples_updated('"features"."customer"'::regclass)
    - substring(current_setting('mlguard.landed_before', true) from '^\d{1,18}$')::bigint;
  end if;
  perform mlguard.kept_out_warning_v1('features.customer', _landed);
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."kept out features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."kept out features.customer"() is 'mlguard:features.customer:659b8db1eed3';

-- undo: drop function if exists mlguard."kept out features.customer"();

-- trigger zz_mlguard_before_row
-- why: a row can be kept out or changed only before it lands
-- for: features.customer/age.range, features.customer/plan.in

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_before_row
before insert or update on "features"."customer"
for each row
when (
  not (NEW."age" between 0 and 130)
  or not (NEW."plan" in ('a', 'b'))
)
execute function mlguard."before row features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_before_row;

-- phase: change, locks: none
comment on trigger zz_mlguard_before_row on "features"."customer" is 'mlguard:features.customer:e3ea2c7b43b5';

-- undo: drop trigger if exists zz_mlguard_before_row on "features"."customer";

-- trigger zz_mlguard_count_before
-- why: tells the writer how many rows were kept out
-- for: features.customer/age.range, features.customer/plan.in

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_count_before
before insert or update on "features"."customer"
for each statement
execute function mlguard."count before features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_count_before;

-- phase: change, locks: none
comment on trigger zz_mlguard_count_before on "features"."customer" is 'mlguard:features.customer:8821f398b290';

-- undo: drop trigger if exists zz_mlguard_count_before on "features"."customer";

-- trigger zz_mlguard_kept_out
-- why: tells the writer how many rows were kept out
-- for: features.customer/age.range, features.customer/plan.in

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_kept_out
after insert or update on "features"."customer"
for each statement
when (strpos(current_setting('mlguard.kept_out', true), '|features.customer|') > 0)
execute function mlguard."kept out features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_kept_out;

-- phase: change, locks: none
comment on trigger zz_mlguard_kept_out on "features"."customer" is 'mlguard:features.customer:9abf2f6a7db1';

-- undo: drop trigger if exists zz_mlguard_kept_out on "features"."customer";
