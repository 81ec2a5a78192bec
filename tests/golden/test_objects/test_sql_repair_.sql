-- refusal counters tenure_days.range
-- why: counts refused attempts, which roll back with their transaction
-- for: features.customer/tenure_days.range

-- phase: change, locks: none
select mlguard.count_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/tenure_days.range';

-- undo: select mlguard.forget_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/tenure_days.range';

-- function mlguard."before row features.customer"()
-- why: repair: a row can be kept out or changed only before it lands
-- for: features.customer/tenure_days.range

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
--   repair tenure_days.range: tenure_days BETWEEN 0 AND 9
#variable_conflict use_variable
declare
  _broken jsonb := '[]';
  _arrived record;
  _mended jsonb := '[]';
begin
  _arrived := NEW;
  -- repair tenure_days.range
  if (not (NEW."tenure_days" between '0'::double precision and '9'::double precision)) and not mlguard.waived_v1('features.customer/tenure_days.range') then
    begin
      NEW."tenure_days" := case when _arrived."tenure_days" is null or _arrived."tenure_days" = 'NaN'::double precision then null::double precision else least(greatest(_arrived."tenure_days", '0'::double precision), '9'::double precision) end;
      _mended := _mended || jsonb_build_object(
        'rule', 'features.customer/tenure_days.range', 'column', 'tenure_days',
        'old', to_jsonb(_arrived."tenure_days"), 'new', to_jsonb(NEW."tenure_days"));
    exception
      when others then
        null;  -- judged once more below
    end;
  end if;
  -- repair tenure_days.range
  if not (NEW."tenure_days" between '0'::double precision and '9'::double precision) then
    _broken := _broken || jsonb_build_object('slo', 'features.customer/tenure_days.range',
      'observed', jsonb_build_object('tenure_days', NEW."tenure_days"));
  end if;
  if _broken <> '[]' then
    if TG_OP = 'INSERT' and strpos(current_setting('mlguard.kept_out', true), '|features.customer|') > 0 then
      if mlguard.kept_v1('features.customer', _broken, to_jsonb(_arrived), _arrived::text,
        jsonb_build_object('customer_id', _arrived."customer_id"), TG_OP,
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
      perform mlguard.withhold_v1('features.customer', _broken, to_jsonb(_arrived), _arrived::text,
        jsonb_build_object('customer_id', _arrived."customer_id"), TG_OP,
        TG_OP = 'UPDATE' or exists (select from "features"."customer" as stored where stored."customer_id" = NEW."customer_id"));
      return null;
    end if;
  end if;
  perform mlguard.repaired_v1('features.customer',
    jsonb_build_object('customer_id', NEW."customer_id"),
    md5((to_jsonb(NEW))::text),
    line ->> 'column', line -> 'old', line -> 'new', line ->> 'rule')
  from jsonb_array_elements(_mended) as line;
  return NEW;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."before row features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."before row features.customer"() is 'mlguard:features.customer/tenure_days.range:eaee2bbec5fd';

-- undo: drop function if exists mlguard."before row features.customer"();

-- function mlguard."count before features.customer"()
-- why: tells the writer how many rows were kept out
-- for: features.customer/tenure_days.range

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
comment on function mlguard."count before features.customer"() is 'mlguard:features.customer/tenure_days.range:8c5b302745c7';

-- undo: drop function if exists mlguard."count before features.customer"();

-- function mlguard."kept out features.customer"()
-- why: tells the writer how many rows were kept out
-- for: features.customer/tenure_days.range

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
comment on function mlguard."kept out features.customer"() is 'mlguard:features.customer/tenure_days.range:659b8db1eed3';

-- undo: drop function if exists mlguard."kept out features.customer"();

-- function mlguard."after rows features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/tenure_days.range

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
  select
    count(*)
    into
    _n
    from new_rows as r;
  perform mlguard.confirm_repairs_v1('features.customer',
    array(select md5((to_jsonb((r.*)))::text) from new_rows as r))
    where exists (select from mlguard._change where tbl = 'features.customer' and pending);
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after rows features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after rows features.customer"() is 'mlguard:features.customer/tenure_days.range:d8386e644744';

-- undo: drop function if exists mlguard."after rows features.customer"();

-- trigger zz_mlguard_before_row
-- why: a row can be kept out or changed only before it lands
-- for: features.customer/tenure_days.range

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_before_row
before insert or update on "features"."customer"
for each row
when (
  not (NEW."tenure_days" between '0'::double precision and '9'::double precision)
)
execute function mlguard."before row features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_before_row;

-- phase: change, locks: none
comment on trigger zz_mlguard_before_row on "features"."customer" is 'mlguard:features.customer/tenure_days.range:e8fd958c4c38';

-- undo: drop trigger if exists zz_mlguard_before_row on "features"."customer";

-- trigger zz_mlguard_count_before
-- why: tells the writer how many rows were kept out
-- for: features.customer/tenure_days.range

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_count_before
before insert or update on "features"."customer"
for each statement
execute function mlguard."count before features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_count_before;

-- phase: change, locks: none
comment on trigger zz_mlguard_count_before on "features"."customer" is 'mlguard:features.customer/tenure_days.range:8821f398b290';

-- undo: drop trigger if exists zz_mlguard_count_before on "features"."customer";

-- trigger zz_mlguard_kept_out
-- why: tells the writer how many rows were kept out
-- for: features.customer/tenure_days.range

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_kept_out
after insert or update on "features"."customer"
for each statement
when (strpos(current_setting('mlguard.kept_out', true), '|features.customer|') > 0)
execute function mlguard."kept out features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_kept_out;

-- phase: change, locks: none
comment on trigger zz_mlguard_kept_out on "features"."customer" is 'mlguard:features.customer/tenure_days.range:9abf2f6a7db1';

-- undo: drop trigger if exists zz_mlguard_kept_out on "features"."customer";

-- trigger zz_mlguard_after_rows_insert
-- why: judges all rows of a statement in one pass
-- for: features.customer/tenure_days.range

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_rows_insert
after insert on "features"."customer"
referencing new table as new_rows
for each statement
execute function mlguard."after rows features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_rows_insert;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_rows_insert on "features"."customer" is 'mlguard:features.customer/tenure_days.range:2c20cab8c069';

-- undo: drop trigger if exists zz_mlguard_after_rows_insert on "features"."customer";

-- trigger zz_mlguard_after_rows_update
-- why: judges all rows of a statement in one pass
-- for: features.customer/tenure_days.range

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_rows_update
after update on "features"."customer"
referencing new table as new_rows
for each statement
execute function mlguard."after rows features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_rows_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_rows_update on "features"."customer" is 'mlguard:features.customer/tenure_days.range:85d2ca7fade4';

-- undo: drop trigger if exists zz_mlguard_after_rows_update on "features"."customer";
