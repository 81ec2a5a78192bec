-- refusal counters adult
-- why: counts refused attempts, which roll back with their transaction
-- for: features.customer/adult

-- phase: change, locks: none
select mlguard.count_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/adult';

-- undo: select mlguard.forget_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/adult';

-- CHECK mlguard_adult
-- why: nothing gets past a CHECK, and it is the cheapest on bulk loads
-- for: features.customer/adult

-- phase: change, locks: ACCESS EXCLUSIVE, for the catalogue change only
alter table "features"."customer"
  add constraint "mlguard_adult"
  check (
    case
      when ("plan" = 'pro') and ("age" >= 18) is not true
      then mlguard.refuse_v1(
        'features.customer/adult',
        jsonb_build_object('age', "age", 'plan', "plan"),
        jsonb_build_object('customer_id', "customer_id")
      )
      else true
    end
  )
  not valid;

-- phase: change, locks: none
comment on constraint "mlguard_adult" on "features"."customer" is 'mlguard:features.customer/adult:a29f4176c3be';

-- phase: validate, locks: SHARE UPDATE EXCLUSIVE while existing rows are read; reads and writes go on
alter table "features"."customer" validate constraint "mlguard_adult";

-- undo: alter table "features"."customer" drop constraint if exists "mlguard_adult";
