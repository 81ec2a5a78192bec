-- NOT NULL age not null
-- why: the native constraint
-- for: features.customer/age.required

-- phase: change, locks: ACCESS EXCLUSIVE, for the catalogue change only
alter table "features"."customer" drop constraint if exists "mlguard_age.required_proof";

-- phase: change, locks: ACCESS EXCLUSIVE, for the catalogue change only
alter table "features"."customer" add constraint "mlguard_age.required_proof" check ("age" is not null) not valid;

-- phase: validate, locks: SHARE UPDATE EXCLUSIVE while existing rows are read; reads and writes go on
alter table "features"."customer" validate constraint "mlguard_age.required_proof";

-- phase: finish, locks: ACCESS EXCLUSIVE, for the catalogue change only
alter table "features"."customer" alter column "age" set not null, drop constraint "mlguard_age.required_proof";

-- undo: alter table "features"."customer" alter column "age" drop not null, drop constraint if exists "mlguard_age.required_proof";

-- unique constraint mlguard_customer_id.unique@customer
-- why: the native constraint
-- for: features.customer/customer_id.unique

-- phase: prepare, locks: SHARE UPDATE EXCLUSIVE while existing rows are read; reads and writes go on
create unique index concurrently "mlguard_customer_id.unique@customer" on "features"."customer" ("customer_id");

-- phase: change, locks: ACCESS EXCLUSIVE, for the catalogue change only
alter table "features"."customer" add constraint "mlguard_customer_id.unique@customer" unique using index "mlguard_customer_id.unique@customer";

-- phase: change, locks: none
comment on constraint "mlguard_customer_id.unique@customer" on "features"."customer" is 'mlguard:features.customer/customer_id.unique:673d41ced379';

-- undo: alter table "features"."customer" drop constraint if exists "mlguard_customer_id.unique@customer";

-- foreign key mlguard_plan.references
-- why: the native constraint
-- for: features.customer/plan.references

-- phase: change, locks: SHARE ROW EXCLUSIVE on both tables, for the catalogue change only
alter table "features"."customer"
  add constraint "mlguard_plan.references"
  foreign key ("plan") references "ref"."plan" ("plan")
  not valid;

-- phase: change, locks: none
comment on constraint "mlguard_plan.references" on "features"."customer" is 'mlguard:features.customer/plan.references:9887c09d05b7';

-- phase: validate, locks: SHARE UPDATE EXCLUSIVE, ROW SHARE on the referenced table, while existing rows are read
alter table "features"."customer" validate constraint "mlguard_plan.references";

-- undo: alter table "features"."customer" drop constraint if exists "mlguard_plan.references";
