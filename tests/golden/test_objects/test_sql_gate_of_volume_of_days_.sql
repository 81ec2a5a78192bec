-- function mlguard."volume features.customer/volume"(timestamp with time zone)
-- why: counts the rows of a window that slides with the reader's clock
-- for: features.customer/volume

-- phase: change, locks: none
create or replace function mlguard."volume features.customer/volume"(_at timestamptz)
returns table (n bigint, since timestamptz)
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
as $mlguard$
-- features.customer/volume: row_count() > 0, over the last 7 days
-- _at: the end of the window, from since on; counting stops at 1.
begin
  since := (_at at time zone 'Europe/Berlin' - interval '7 days') at time zone 'Europe/Berlin';
  n := (
    select count(*)
    from (
      select
      from "features"."customer" as v
      where v."tenure_at" > since at time zone 'Europe/Berlin' - interval '1 day'
        and v."tenure_at" <= _at at time zone 'Europe/Berlin' + interval '1 day'
        and ((v."tenure_at") at time zone 'Europe/Berlin') > since
        and ((v."tenure_at") at time zone 'Europe/Berlin') <= _at
      order by v."tenure_at" desc
      limit 1
    ) as found);
  return next;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."volume features.customer/volume"(timestamp with time zone) from public;

-- phase: change, locks: none
comment on function mlguard."volume features.customer/volume"(timestamp with time zone) is 'mlguard:features.customer/volume:efe16f96fe97';

-- undo: drop function if exists mlguard."volume features.customer/volume"(timestamp with time zone);

-- function mlguard."after rows features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/fresh

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
  _newest timestamptz;
  _future timestamptz[];
begin
  select
    count(*),
    max(((r."tenure_at") at time zone 'Europe/Berlin')) filter (where ((r."tenure_at") at time zone 'Europe/Berlin') <= statement_timestamp()),
    array_agg(distinct date_trunc('minute', ((r."tenure_at") at time zone 'Europe/Berlin'))) filter (where ((r."tenure_at") at time zone 'Europe/Berlin') > statement_timestamp())
    into
    _n,
    _newest,
    _future
    from new_rows as r;
  perform mlguard.fresh_v1('features.customer', _newest, _future);
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after rows features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after rows features.customer"() is 'mlguard:features.customer/fresh:3238ab29c5ba';

-- undo: drop function if exists mlguard."after rows features.customer"();

-- function mlguard."after removal features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/fresh

-- phase: change, locks: none
create or replace function mlguard."after removal features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- features.customer, once a statement, over the rows it wrote or took away.
#variable_conflict use_variable
declare
  _gone timestamptz;
  _seen pg_snapshot;
begin
  if TG_OP = 'TRUNCATE' then
    _seen := pg_current_snapshot();  -- lines of rows that commit from here on are kept
    perform mlguard.refreshed_v1('features.customer', (select max(((t."tenure_at") at time zone 'Europe/Berlin')) from "features"."customer" as t where ((t."tenure_at") at time zone 'Europe/Berlin') <= statement_timestamp()), _seen);
    return null;
  end if;
  select max(((r."tenure_at") at time zone 'Europe/Berlin')) into _gone from old_rows as r where ((r."tenure_at") at time zone 'Europe/Berlin') <= statement_timestamp();
  if _gone >= mlguard.newest_v1('features.customer') then
    _seen := pg_current_snapshot();  -- lines of rows that commit from here on are kept
    perform mlguard.refreshed_v1('features.customer', (select max(((t."tenure_at") at time zone 'Europe/Berlin')) from "features"."customer" as t where ((t."tenure_at") at time zone 'Europe/Berlin') <= statement_timestamp()), _seen);
  end if;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after removal features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after removal features.customer"() is 'mlguard:features.customer/fresh:af4787e298c4';

-- undo: drop function if exists mlguard."after removal features.customer"();

-- trigger zz_mlguard_after_rows_insert
-- why: judges all rows of a statement in one pass
-- for: features.customer/fresh

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_rows_insert
after insert on "features"."customer"
referencing new table as new_rows
for each statement
execute function mlguard."after rows features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_rows_insert;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_rows_insert on "features"."customer" is 'mlguard:features.customer/fresh:2c20cab8c069';

-- undo: drop trigger if exists zz_mlguard_after_rows_insert on "features"."customer";

-- trigger zz_mlguard_after_rows_update
-- why: judges all rows of a statement in one pass
-- for: features.customer/fresh

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_rows_update
after update on "features"."customer"
referencing new table as new_rows
for each statement
execute function mlguard."after rows features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_rows_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_rows_update on "features"."customer" is 'mlguard:features.customer/fresh:85d2ca7fade4';

-- undo: drop trigger if exists zz_mlguard_after_rows_update on "features"."customer";

-- trigger zz_mlguard_after_removal_update
-- why: judges all rows of a statement in one pass
-- for: features.customer/fresh

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_removal_update
after update on "features"."customer"
referencing old table as old_rows
for each statement
execute function mlguard."after removal features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_removal_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_removal_update on "features"."customer" is 'mlguard:features.customer/fresh:5690e9c2f675';

-- undo: drop trigger if exists zz_mlguard_after_removal_update on "features"."customer";

-- trigger zz_mlguard_after_removal_delete
-- why: judges all rows of a statement in one pass
-- for: features.customer/fresh

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_removal_delete
after delete on "features"."customer"
referencing old table as old_rows
for each statement
execute function mlguard."after removal features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_removal_delete;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_removal_delete on "features"."customer" is 'mlguard:features.customer/fresh:f4698b3df172';

-- undo: drop trigger if exists zz_mlguard_after_removal_delete on "features"."customer";

-- trigger zz_mlguard_after_removal_truncate
-- why: judges all rows of a statement in one pass
-- for: features.customer/fresh

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_removal_truncate
after truncate on "features"."customer"
for each statement
execute function mlguard."after removal features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_removal_truncate;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_removal_truncate on "features"."customer" is 'mlguard:features.customer/fresh:07c263f33cf3';

-- undo: drop trigger if exists zz_mlguard_after_removal_truncate on "features"."customer";

-- guarded view features.customer_guarded
-- why: readers reach the table through its gate
-- for: features.customer

-- phase: change, locks: none
create or replace view "features"."customer_guarded" as
select
  t."customer_id",
  t."age",
  t."plan",
  t."tenure_days",
  t."email",
  t."payload",
  t."event_ts",
  t."tenure_at"
from (select offset 0) as gate
join "features"."customer" as t
  on case
    when exists (
      select from mlguard._freshness as f
      where f.tbl = 'features.customer'
        and f.newest between statement_timestamp() - interval '93600 seconds' and statement_timestamp()
    )
    and not exists (
      select from mlguard._hold as h
      where h.tbl = 'features.customer' and h.ended_at is null
    )
    and exists (
      select
      from "features"."customer" as v
      where v."tenure_at" > ((statement_timestamp() at time zone 'Europe/Berlin' - interval '7 days') at time zone 'Europe/Berlin') at time zone 'Europe/Berlin' - interval '1 day'
        and v."tenure_at" <= statement_timestamp() at time zone 'Europe/Berlin' + interval '1 day'
        and ((v."tenure_at") at time zone 'Europe/Berlin') > (statement_timestamp() at time zone 'Europe/Berlin' - interval '7 days') at time zone 'Europe/Berlin'
        and ((v."tenure_at") at time zone 'Europe/Berlin') <= statement_timestamp()
      order by v."tenure_at" desc
    )
    then true
    else mlguard.guard_v1('features.customer')
  end;

-- phase: change, locks: none
do $mlguard$
begin
  if exists (select from pg_catalog.pg_roles where rolname = 'mlguard_task') then
    grant select on "features"."customer_guarded" to "mlguard_task";
  end if;
end
$mlguard$;

-- phase: change, locks: none
comment on view "features"."customer_guarded" is 'mlguard:features.customer:a65eba385e28';

-- undo: drop view if exists "features"."customer_guarded";
