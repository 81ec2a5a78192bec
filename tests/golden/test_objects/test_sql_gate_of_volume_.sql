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
-- features.customer/volume: row_count() >= 100, over the last hour
-- _at: the end of the window, from since on; counting stops at 100.
begin
  since := _at - interval '1 hour';
  n := (
    select count(*)
    from (
      select
      from "features"."customer" as v
      where v."event_ts" > since
        and v."event_ts" <= _at
      order by v."event_ts" desc
      limit 100
    ) as found);
  return next;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."volume features.customer/volume"(timestamp with time zone) from public;

-- phase: change, locks: none
comment on function mlguard."volume features.customer/volume"(timestamp with time zone) is 'mlguard:features.customer/volume:e92d75e85695';

-- undo: drop function if exists mlguard."volume features.customer/volume"(timestamp with time zone);

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
  t."event_ts"
from (select offset 0) as gate
join "features"."customer" as t
  on case
    when not exists (
      select from mlguard._hold as h
      where h.tbl = 'features.customer' and h.ended_at is null
    )
    and exists (
      select
      from "features"."customer" as v
      where v."event_ts" > statement_timestamp() - interval '1 hour'
        and v."event_ts" <= statement_timestamp()
      order by v."event_ts" desc
      offset 99
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
comment on view "features"."customer_guarded" is 'mlguard:features.customer:bb0b71bb77d6';

-- undo: drop view if exists "features"."customer_guarded";
