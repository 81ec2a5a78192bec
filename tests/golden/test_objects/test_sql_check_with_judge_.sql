-- refusal counters n
-- why: counts refused attempts, which roll back with their transaction
-- for: features.customer/n

-- phase: change, locks: none
select mlguard.count_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/n';

-- undo: select mlguard.forget_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/n';

-- function mlguard."judge features.customer/n (payload)"(jsonb)
-- why: evaluates the rule where its expression could raise
-- for: features.customer/n

-- phase: change, locks: none
create or replace function mlguard."judge features.customer/n (payload)"("payload" jsonb)
returns boolean
language plpgsql
immutable parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
-- features.customer/n: (payload ->> 'n')::integer > 0
-- Called only for rows outside the rule's guard.
begin
  return (not (("payload" ->> 'n')::integer > 0)) is not true;
exception
  when others then
    return false;  -- a rule that errors on a row counts as broken
end
$mlguard$;

-- phase: change, locks: none
grant execute on function mlguard."judge features.customer/n (payload)"(jsonb) to public;

-- phase: change, locks: none
comment on function mlguard."judge features.customer/n (payload)"(jsonb) is 'mlguard:features.customer/n:e9a85882122d';

-- undo: drop function if exists mlguard."judge features.customer/n (payload)"(jsonb);

-- CHECK mlguard_n
-- why: nothing gets past a CHECK, and it is the cheapest on bulk loads
-- for: features.customer/n

-- phase: change, locks: ACCESS EXCLUSIVE, for the catalogue change only
alter table "features"."customer"
  add constraint "mlguard_n"
  check (
    case
      when (case when ((("payload" ->> 'n') !~ '^[-+]?[0-9]{1,9}$') is not true) then not (("payload" ->> 'n')::integer > 0) else not mlguard."judge features.customer/n (payload)"("payload") end)
      then mlguard.refuse_v1(
        'features.customer/n',
        jsonb_build_object('payload', "payload"),
        jsonb_build_object('customer_id', "customer_id")
      )
      else true
    end
  )
  not valid;

-- phase: change, locks: none
comment on constraint "mlguard_n" on "features"."customer" is 'mlguard:features.customer/n:f7d6e58f3328';

-- phase: validate, locks: SHARE UPDATE EXCLUSIVE while existing rows are read; reads and writes go on
alter table "features"."customer" validate constraint "mlguard_n";

-- undo: alter table "features"."customer" drop constraint if exists "mlguard_n";
