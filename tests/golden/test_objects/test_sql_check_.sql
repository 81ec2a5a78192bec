-- refusal counters age.range
-- why: counts refused attempts, which roll back with their transaction
-- for: features.customer/age.range

-- phase: change, locks: none
select mlguard.count_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/age.range';

-- undo: select mlguard.forget_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/age.range';

-- refusal counters tenure_days.range
-- why: counts refused attempts, which roll back with their transaction
-- for: features.customer/tenure_days.range

-- phase: change, locks: none
select mlguard.count_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/tenure_days.range';

-- undo: select mlguard.forget_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/tenure_days.range';

-- refusal counters plan.in
-- why: counts refused attempts, which roll back with their transaction
-- for: features.customer/plan.in

-- phase: change, locks: none
select mlguard.count_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/plan.in';

-- undo: select mlguard.forget_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/plan.in';

-- CHECK mlguard_age.range
-- why: nothing gets past a CHECK, and it is the cheapest on bulk loads
-- for: features.customer/age.range

-- phase: change, locks: ACCESS EXCLUSIVE, for the catalogue change only
alter table "features"."customer"
  add constraint "mlguard_age.range"
  check (
    case
      when not ("age" between 0 and 130)
      then mlguard.refuse_v1(
        'features.customer/age.range',
        jsonb_build_object('age', "age"),
        jsonb_build_object('customer_id', "customer_id")
      )
      else true
    end
  )
  not valid;

-- phase: change, locks: none
comment on constraint "mlguard_age.range" on "features"."customer" is 'mlguard:features.customer/age.range:88cd8fca1259';

-- phase: validate, locks: SHARE UPDATE EXCLUSIVE while existing rows are read; reads and writes go on
alter table "features"."customer" validate constraint "mlguard_age.range";

-- undo: alter table "features"."customer" drop constraint if exists "mlguard_age.range";

-- CHECK mlguard_tenure_days.range
-- why: nothing gets past a CHECK, and it is the cheapest on bulk loads
-- for: features.customer/tenure_days.range

-- phase: change, locks: ACCESS EXCLUSIVE, for the catalogue change only
alter table "features"."customer"
  add constraint "mlguard_tenure_days.range"
  check (
    case
      when not ("tenure_days" >= '0'::double precision and "tenure_days" < 'Infinity'::double precision)
      then mlguard.refuse_v1(
        'features.customer/tenure_days.range',
        jsonb_build_object('tenure_days', "tenure_days"),
        jsonb_build_object('customer_id', "customer_id")
      )
      else true
    end
  )
  not valid;

-- phase: change, locks: none
comment on constraint "mlguard_tenure_days.range" on "features"."customer" is 'mlguard:features.customer/tenure_days.range:aad90bb768f6';

-- phase: validate, locks: SHARE UPDATE EXCLUSIVE while existing rows are read; reads and writes go on
alter table "features"."customer" validate constraint "mlguard_tenure_days.range";

-- undo: alter table "features"."customer" drop constraint if exists "mlguard_tenure_days.range";

-- CHECK mlguard_plan.in
-- why: nothing gets past a CHECK, and it is the cheapest on bulk loads
-- for: features.customer/plan.in

-- phase: change, locks: ACCESS EXCLUSIVE, for the catalogue change only
alter table "features"."customer"
  add constraint "mlguard_plan.in"
  check (
    case
      when not ("plan" in ('free', 'pro'))
      then mlguard.refuse_v1(
        'features.customer/plan.in',
        jsonb_build_object('plan', "plan"),
        jsonb_build_object('customer_id', "customer_id")
      )
      else true
    end
  )
  not valid;

-- phase: change, locks: none
comment on constraint "mlguard_plan.in" on "features"."customer" is 'mlguard:features.customer/plan.in:afbc38c59f13';

-- phase: validate, locks: SHARE UPDATE EXCLUSIVE while existing rows are read; reads and writes go on
alter table "features"."customer" validate constraint "mlguard_plan.in";

-- undo: alter table "features"."customer" drop constraint if exists "mlguard_plan.in";
