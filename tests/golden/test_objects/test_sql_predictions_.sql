-- refusal counters memory of inputs
-- why: whether an input is held
-- for: features.customer

-- phase: change, locks: none
create sequence if not exists mlguard."inputs of features.customer";

-- phase: change, locks: none
grant select on sequence mlguard."inputs of features.customer" to public;

-- phase: change, locks: none
comment on sequence mlguard."inputs of features.customer" is 'mlguard:features.customer:5bda711054a4';

-- undo: drop sequence if exists mlguard."inputs of features.customer";

-- function mlguard."before predictions of features.customer"()
-- why: predictions made while an input is held: allow
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
  if (select count(*) from mlguard._table as t where t.tbl in ('features.account')) = 1
     and not exists (select from mlguard._hold as h where h.tbl in ('features.account') and h.ended_at is null)
     and not exists (select from mlguard._slo as s where s.tbl in ('features.account') and s.level = 'read') then
    perform set_config('mlguard.predicting_fc531f492982', 'o{"features.account": "open"}', true);
    perform pg_catalog.setval('mlguard."inputs of features.customer"'::pg_catalog.regclass, 1);
  else
    perform set_config('mlguard.predicting_fc531f492982', mlguard.inputs_v1(
      'features.customer', array['features.account'], 'allow'), true);
    perform pg_catalog.setval('mlguard."inputs of features.customer"'::pg_catalog.regclass, case left(current_setting('mlguard.predicting_fc531f492982', true), 1) when 'h' then 2 else 1 end);
  end if;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."before predictions of features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."before predictions of features.customer"() is 'mlguard:features.customer:122233740c9a';

-- undo: drop function if exists mlguard."before predictions of features.customer"();

-- function mlguard."predicted features.customer"()
-- why: says which version of the model wrote how much, and on which inputs; only approved versions of the model may write
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
  select min(coalesce(r."plan"::text, '') collate "C"),
    max(coalesce(r."plan"::text, '') collate "C"),
    count(*),
    min((r."event_ts")),
    max((r."event_ts"))
    into _one, _other, _n, _first, _last
    from new_rows as r;
  if _one = _other then  -- a statement is mostly of one version; where it wrote no row, both are null
    insert into mlguard._prediction_line (tbl, model, version, n, first_event, last_event, inputs, held)
    select 'features.customer', 'churn', _one, _n, _first, _last,
      substr(_inputs, 2)::jsonb, pg_catalog.currval('mlguard."inputs of features.customer"'::pg_catalog.regclass) = 2
    where exists (
      select from mlguard._model_version as m
      where m.model = 'churn' and m.version = _one
        and m.state in ('approved', 'champion', 'challenger')
    );
    if not found then
      perform mlguard.refuse_version_v1('features.customer', 'churn', nullif(_one, ''));
    end if;
  elsif _n > 0 then
    with used as (
      select coalesce(r."plan"::text, '') as version,
        count(*) as n,
        min((r."event_ts")) as first_event,
        max((r."event_ts")) as last_event
      from new_rows as r
      group by 1
    ), put as (
      insert into mlguard._prediction_line (tbl, model, version, n, first_event, last_event, inputs, held)
      select 'features.customer', 'churn', u.version, u.n, u.first_event, u.last_event,
        substr(_inputs, 2)::jsonb, pg_catalog.currval('mlguard."inputs of features.customer"'::pg_catalog.regclass) = 2
      from used as u
    )
    select u.version
      into _one
      from used as u
      where not exists (
        select from mlguard._model_version as m
        where m.model = 'churn' and m.version = u.version
          and m.state in ('approved', 'champion', 'challenger')
      )
      limit 1;
    if found then
      perform mlguard.refuse_version_v1('features.customer', 'churn', nullif(_one, ''));
    end if;
  end if;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."predicted features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."predicted features.customer"() is 'mlguard:features.customer:a8dd5d4101a4';

-- undo: drop function if exists mlguard."predicted features.customer"();

-- function mlguard."version of features.customer"()
-- why: only approved versions of the model may write
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."version of features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- features.customer, called for a row that is given another version.
begin
  if not exists (
    select from mlguard._model_version as m
    where m.model = 'churn' and m.version = coalesce(NEW."plan"::text, '')
      and m.state in ('approved', 'champion', 'challenger')
  ) then
    perform mlguard.refuse_version_v1('features.customer', 'churn', nullif(coalesce(NEW."plan"::text, ''), ''));
  end if;
  return NEW;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."version of features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."version of features.customer"() is 'mlguard:features.customer:d6b7d90104b1';

-- undo: drop function if exists mlguard."version of features.customer"();

-- trigger zz_mlguard_predicting
-- why: predictions made while an input is held: allow
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
-- why: says which version of the model wrote how much, and on which inputs; only approved versions of the model may write
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
-- why: says which version of the model wrote how much, and on which inputs; only approved versions of the model may write
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

-- trigger zz_mlguard_version
-- why: only approved versions of the model may write
-- for: features.customer

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_version
before update on "features"."customer"
for each row
when (OLD."plan" is distinct from NEW."plan")
execute function mlguard."version of features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_version;

-- phase: change, locks: none
comment on trigger zz_mlguard_version on "features"."customer" is 'mlguard:features.customer:32810a18d2e9';

-- undo: drop trigger if exists zz_mlguard_version on "features"."customer";

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
comment on view "features"."customer_guarded" is 'mlguard:features.customer:13eace988bdf';

-- undo: drop view if exists "features"."customer_guarded";

-- guarded view features.customer_served
-- why: customers see what the champion of churn predicts, through the gate
-- for: features.customer

-- phase: change, locks: none
create or replace view "features"."customer_served" as
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
    then true
    else mlguard.guard_v1('features.customer')
  end
where t."plan" = (
    select m.version
    from mlguard._model_version as m
    where m.model = 'churn' and m.state = 'champion'
  );

-- phase: change, locks: none
do $mlguard$
begin
  if exists (select from pg_catalog.pg_roles where rolname = 'mlguard_task') then
    grant select on "features"."customer_served" to "mlguard_task";
  end if;
end
$mlguard$;

-- phase: change, locks: none
comment on view "features"."customer_served" is 'mlguard:features.customer:3406bd18a037';

-- undo: drop view if exists "features"."customer_served";
