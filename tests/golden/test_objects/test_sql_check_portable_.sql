-- CHECK mlguard_adult
-- why: portable: a plain CHECK that loads without schema mlguard
-- for: features.customer/adult

-- phase: change, locks: ACCESS EXCLUSIVE, for the catalogue change only
alter table "features"."customer"
  add constraint "mlguard_adult"
  check (
    (not ("age" >= 18)) is not true
  )
  not valid;

-- phase: change, locks: none
comment on constraint "mlguard_adult" on "features"."customer" is 'mlguard:features.customer/adult:cf029adcc3bf';

-- phase: validate, locks: SHARE UPDATE EXCLUSIVE while existing rows are read; reads and writes go on
alter table "features"."customer" validate constraint "mlguard_adult";

-- undo: alter table "features"."customer" drop constraint if exists "mlguard_adult";
