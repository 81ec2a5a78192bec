-- function mlguard."before predictions of features.customer"()
-- why: tells predictions from later changes of their rows
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."before predictions of features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- features.customer, once a statement, before its first row: the gates of what churn reads.
begin
  perform set_config('mlguard.predicting_fc531f492982', 'o{}', true);
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."before predictions of features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."before predictions of features.customer"() is 'mlguard:features.customer:012018ef1556';

-- undo: drop function if exists mlguard."before predictions of features.customer"();

-- function mlguard."predicted features.customer"()
-- why: says which version of the model wrote how much, and on which inputs
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."predicted features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- features.customer, once a statement: which versions of churn wrote how many rows.
#variable_conflict use_variable
declare
  _inputs text := coalesce(current_setting('mlguard.predicting_fc531f492982', true), '');
  _one text;
  _other text;
  _n bigint;
  _first timestamptz;
  _last timestamptz;
begin
  if TG_OP = 'INSERT' then
    perform set_config('mlguard.predicting_fc531f492982', '', true);
  elsif _inputs = '' then  -- no INSERT belongs to this UPDATE
    return null;
  end if;
  if _inputs = '' then
    _inputs := 'o{}';
  end if;
  select min('' collate "C"),
    max('' collate "C"),
    count(*),
    null::timestamptz,
    null::timestamptz
    into _one, _other, _n, _first, _last
    from new_rows as r;
  if _one = _other then  -- a statement is mostly of one version; where it wrote no row, both are null
    insert into mlguard._prediction_line (tbl, model, version, n, first_event, last_event, inputs, held)
    select 'features.customer', 'churn', _one, _n, _first, _last,
      substr(_inputs, 2)::jsonb, false;
  elsif _n > 0 then
    with used as (
      select '' as version,
        count(*) as n,
        null::timestamptz as first_event,
        null::timestamptz as last_event
      from new_rows as r
      group by 1
    )
    insert into mlguard._prediction_line (tbl, model, version, n, first_event, last_event, inputs, held)
    select 'features.customer', 'churn', u.version, u.n, u.first_event, u.last_event,
      substr(_inputs, 2)::jsonb, false
    from used as u;
  end if;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."predicted features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."predicted features.customer"() is 'mlguard:features.customer:c04ea22d57c2';

-- undo: drop function if exists mlguard."predicted features.customer"();

-- trigger zz_mlguard_predicting
-- why: tells predictions from later changes of their rows
-- for: features.customer

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_predicting
before insert on "features"."customer"
for each statement
execute function mlguard."before predictions of features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_predicting;

-- phase: change, locks: none
comment on trigger zz_mlguard_predicting on "features"."customer" is 'mlguard:features.customer:873f3f8f01ec';

-- undo: drop trigger if exists zz_mlguard_predicting on "features"."customer";

-- trigger zz_mlguard_predicted_insert
-- why: says which version of the model wrote how much, and on which inputs
-- for: features.customer

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_predicted_insert
after insert on "features"."customer"
referencing new table as new_rows
for each statement
execute function mlguard."predicted features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_predicted_insert;

-- phase: change, locks: none
comment on trigger zz_mlguard_predicted_insert on "features"."customer" is 'mlguard:features.customer:5a25451af8a0';

-- undo: drop trigger if exists zz_mlguard_predicted_insert on "features"."customer";

-- trigger zz_mlguard_predicted_update
-- why: says which version of the model wrote how much, and on which inputs
-- for: features.customer

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_predicted_update
after update on "features"."customer"
referencing new table as new_rows
for each statement
execute function mlguard."predicted features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_predicted_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_predicted_update on "features"."customer" is 'mlguard:features.customer:765a24acbc5a';

-- undo: drop trigger if exists zz_mlguard_predicted_update on "features"."customer";
